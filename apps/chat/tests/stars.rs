//! FAV-4 to 6: a star and the copy that it keeps have two owners. Whatever is interrupted between them, in the end there are both or none,
//! and those who are away hear which.

use std::collections::BTreeSet;

use bytes::Bytes;
use chat_core::Name;
use chat_core::rows::{self, Favorite, Kept, NOTICE, STAR, STAR_DUE, STAR_OF, STARRED};
use kvs::{Span, Store, Table};
use proto::Record;
use proto::ids::{FeedId, PhoneId};
use proto::records::StarStatus;
use scene::{EVENTS, Hello, Simulated, Stage};

const SEEDS: u64 = 3;
const PHONE: &str = "380300001";
/// Turns of the simulated server in which a request of these is done.
const TURNS: usize = 24;

/// How a course of events is interrupted.
#[derive(Debug, Clone, Copy)]
enum Break {
    Power,
    /// Some of what was not yet to be relied on was written.
    PowerLucky,
    Roster,
    Conversation,
}

const BREAKS: [Break; 4] = [Break::Power, Break::PowerLucky, Break::Roster, Break::Conversation];

/// Ann, who has written herself a note, and has a second device, which is away.
struct Town {
    stage: Simulated,
    own: PhoneId,
    login: Hello,
    note: u64,
}

impl Town {
    fn new(seed: u64) -> Town {
        let mut stage = Simulated::new(seed, false);
        register(&mut stage, "away");
        let token = register(&mut stage, "d");
        let login = Hello { client_id: format!("emqttd_{PHONE}_d"), password: token, ..Hello::default() };
        assert_eq!(stage.connect("ann", &login), Ok(0));
        let own = chat_core::default_roster(&*stage.sim.store().snapshot(), &PHONE.parse().expect("a number"));
        let own = own.expect("memory does not fail").expect("a roster");

        ask(&mut stage, "ann", &format!("Message{{msg_id=\"n\" to=\"{own}\" files=[Desc{{id=\"1\" payload=\"x\"}}]}}"));
        stage.acknowledged("ann").expect("works");
        let feed = FeedId::p2p(own.clone(), own.clone());
        let written = all(&stage, rows::MESSAGE);
        let note = written.iter().find(|(key, _)| key.starts_with(&feed.key())).expect("the note");
        let note = rows::number(&note.0).expect("it has a number");
        Town { stage, own, login, note }
    }

    fn star(&self, status: &str) -> String {
        let (own, note) = (&self.own, self.note);
        format!("Star{{message=Message{{id={note} feed_id=p2p{{from=\"{own}\" to=\"{own}\"}}}} status={status}}}")
    }

    fn delete(&self) -> String {
        let (own, note) = (&self.own, self.note);
        format!("Message{{id={note} feed_id=p2p{{from=\"{own}\" to=\"{own}\"}} status=delete}}")
    }

    fn say(&mut self, text: &str) {
        ask(&mut self.stage, "ann", text);
        self.stage.acknowledged("ann").expect("works");
    }

    /// Asks, and after `moment` turns something happens; then all goes on by itself.
    fn interrupted(&mut self, text: &str, moment: usize, how: Break) {
        ask(&mut self.stage, "ann", text);
        (0..moment).for_each(|_| self.stage.sim.run_on());
        match how {
            Break::Power => self.crash(),
            Break::PowerLucky => {
                self.stage.sim.crash_lucky();
                self.crash();
            }
            Break::Roster => self.stage.sim.kill(&Name::Roster(self.own.clone())),
            Break::Conversation => {
                let notes = FeedId::p2p(self.own.clone(), self.own.clone());
                self.stage.sim.kill(&Name::Conversation(notes));
            }
        }
        self.stage.settle().expect("works");
    }

    fn crash(&mut self) {
        self.stage.crash().expect("starts again");
        assert_eq!(self.stage.connect("ann", &self.login), Ok(0));
    }

    /// Whether the note is starred; all rows, and the last notice, say the same.
    fn is_starred(&self) -> bool {
        let stars: Vec<Favorite> =
            all(&self.stage, STAR).iter().map(|(_, row)| etf::decode(row).expect("a star")).collect();
        let copies: BTreeSet<Bytes> = all(&self.stage, STARRED).into_iter().map(|(key, _)| key).collect();
        let kept = stars.iter().map(|star| rows::starred_key(&star.feed, star.message, &self.own)).collect();
        assert_eq!(copies, kept, "copies are kept by stars, and stars have copies");
        assert!(stars.len() < 2, "{} stars are of one message", stars.len());
        assert_eq!(all(&self.stage, STAR_OF).len(), stars.len());
        assert_eq!(all(&self.stage, STAR_DUE), []);

        let mut told = None;
        for (_, row) in all(&self.stage, NOTICE) {
            let kept: Kept = etf::decode(&row).expect("a notice");
            if let Ok(Record::Star(star)) = etf::decode::<Record>(&kept.payload) {
                told = star.status;
            }
        }
        assert_eq!(told == Some(StarStatus::Add), !stars.is_empty(), "the last that was told is so");
        !stars.is_empty()
    }
}

/// The token of a new device.
fn register(stage: &mut Simulated, device: &str) -> Option<Bytes> {
    stage.connect("r", &Hello { client_id: format!("reg_{device}"), ..Hello::default() }).expect("connects");
    ask(stage, "r", &format!("Auth{{type=reg dev_key=\"{device}\" phone={{fake,\"{PHONE}\"}}}}"));
    stage.take("r").expect("comes").iter().find_map(|got| match etf::decode::<Record>(&got.payload) {
        Ok(Record::Io(io)) => io.success().and_then(|(_, src)| src.as_tuple()?.get(1)?.as_binary().cloned()),
        _ => None,
    })
}

fn ask(stage: &mut Simulated, who: &str, text: &str) {
    let record = etf::encode(&etf::text::parse(text, &proto::catalogue()).expect("a record"));
    stage.publish(who, EVENTS, record).expect("is connected");
}

fn all(stage: &Simulated, table: Table) -> Vec<kvs::Entry> {
    stage.sim.store().scan(table, &Span::prefix(Bytes::new()).limit(usize::MAX)).expect("memory does not fail")
}

/// `was` the note starred, `text` was asked and interrupted: sometimes it `is` so afterwards, sometimes as before, and in the end, repeated,
/// as it was asked.
fn at_every_moment(was: bool, is: bool, text: impl Fn(&Town) -> String) {
    let mut ends = BTreeSet::new();
    for (seed, moment, how) in
        (0..SEEDS).flat_map(|seed| (0..TURNS).flat_map(move |at| BREAKS.map(|how| (seed, at, how))))
    {
        println!("seed {seed}, moment {moment}, {how:?}");
        let mut town = Town::new(seed);
        if was {
            town.say(&town.star("add"));
        }
        let text = text(&town);
        town.interrupted(&text, moment, how);
        ends.insert(town.is_starred());
        town.say(&text);
        assert_eq!(town.is_starred(), is);
    }
    assert_eq!(ends, BTreeSet::from([was, is]), "the moments are spread");
}

#[test]
fn fav_4_a_star_that_is_interrupted_has_its_copy_or_neither_is_there() {
    at_every_moment(false, true, |town| town.star("add"));
}

#[test]
fn fav_5_a_star_that_is_being_taken_away_goes_with_its_copy() {
    at_every_moment(true, false, |town| town.star("remove"));
}

#[test]
fn fav_6_with_a_message_that_is_deleted_for_everyone_its_star_goes_too() {
    at_every_moment(true, false, Town::delete);
}

/// The roster ends before it has heard of its copy, and the letter is lost.
#[test]
fn roster_8_fav_4_a_copy_without_a_star_goes_with_its_roster() {
    let mut town = Town::new(0);
    town.say(&town.star("add"));
    let (number, star) = all(&town.stage, STAR).pop().expect("the star");
    let mut batch = kvs::Batch::default();
    batch.put(STAR_DUE, number.clone(), star);
    batch.delete(STAR, number);
    batch.delete(STAR_OF, rows::numbered(town.own.as_str().as_bytes(), town.note));
    town.stage.sim.store().apply(&batch).expect("memory does not fail");
    ask(&mut town.stage, "ann", "Profile{status=remove}");
    town.stage.settle().expect("works");
    town.stage.advance(30_000).expect("works");
    for table in [STAR, STAR_DUE, STARRED] {
        assert_eq!(all(&town.stage, table), []);
    }
}
