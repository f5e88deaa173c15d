//! PM-6: work that touches several owners, with the server losing power, and processes dying, at every moment of it. Afterwards all of
//! it has been done, though nobody of the account has connected, or it was never begun.

use std::sync::Arc;

use bytes::Bytes;
use chat_core::door::{Out, Role};
use chat_core::rows::{
    self, ASKED, BOOK, CARD, Card, Held, IN_ROOM, Leave, NICK, NICK_OF, NOTICE, PROFILE, READER, RELATION, ROSTER,
    Relation, STORED, STORED_OF, Stored, TALLY, TRANSFER, Transfer, WANTED, WORK, Work,
};
use chat_core::{Account, Call, Input, Name, Output, Who};
use kvs::{Span, Store, View};
use proto::ids::PhoneId;
use proto::records::{ContactStatus, Roster};
use scene::{EVENTS, Hello, Simulated, Stage};

/// Moments of a course of events at which it is interrupted, under one seed: all of the first, and of the last, and so many of the
/// others.
const FIRST: usize = 12;
const LAST: usize = 24;
const OTHERS: usize = 24;

fn seeds() -> std::ops::Range<u64> {
    let number = |variable: &str| std::env::var(variable).ok()?.parse::<u64>().ok();
    match number("CHAT_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("CHAT_SEEDS").unwrap_or(6),
    }
}

/// A server with ann, who has two rosters, her friends and those who have her in their phone books.
struct Town {
    stage: Simulated,
    rosters: Vec<PhoneId>,
    friends: Vec<PhoneId>,
}

impl Town {
    fn new(seed: u64) -> Town {
        let mut town = Town { stage: Simulated::new(seed, false), rosters: Vec::new(), friends: Vec::new() };
        let ann = town.enrol("380300001");
        town.say("380300001", "Roster{nick=\"Second.1\" status=create}");
        let second = format!("380300001_{}", ann.roster() + 1);
        town.rosters = vec![ann, second.parse().expect("a phone_id")];
        for number in 2..6 {
            let phone = format!("38030000{number}");
            let friend = town.enrol(&phone);
            for own in town.rosters.clone() {
                town.say("380300001", &format!("Friend{{phone_id=\"{own}\" friend_id=\"{friend}\" status=request}}"));
                town.say(&phone, &format!("Friend{{friend_id=\"{own}\" status=confirm}}"));
            }
            let list = town
                .rosters
                .iter()
                .map(|own| format!("Contact{{phone_id=\"{own}\" names=\"Ann\"}}"))
                .collect::<Vec<_>>();
            town.say(&phone, &format!("Roster{{userlist=[{}] status=add}}", list.join(" ")));
            town.friends.push(friend);
        }
        let reader = town.enrol("380300009");
        let second = town.second();
        town.say("380300009", &format!("Roster{{userlist=[Contact{{phone_id=\"{second}\"}}] status=add}}"));
        let list = format!("Contact{{phone_id=\"{reader}\"}} Contact{{phone_id=\"380399999\"}}");
        town.say("380300001", &format!("Roster{{id=\"{second}\" userlist=[{list}] status=add}}"));
        town
    }

    fn enrol(&mut self, phone: &str) -> PhoneId {
        let hello = Hello { client_id: format!("reg_{phone}"), ..Hello::default() };
        self.stage.connect(phone, &hello).expect("connects");
        self.say(phone, &format!("Auth{{type=reg dev_key=\"d\" phone={{fake,\"{phone}\"}}}}"));
        let mut token = Bytes::new();
        for got in self.stage.take(phone).expect("comes") {
            let text = etf::text::print(&etf::decode(&got.payload).expect("a term"), &proto::catalogue());
            if let Some(found) = text.split('"').nth(3).filter(|found| found.len() == 64) {
                token = Bytes::copy_from_slice(found.as_bytes());
            }
        }
        let hello = Hello { client_id: format!("emqttd_{phone}_d"), password: Some(token), ..Hello::default() };
        assert_eq!(self.stage.connect(phone, &hello), Ok(0));
        let store = self.stage.sim.store().snapshot();
        let ids = rows::roster_ids(&*store, &phone.parse().expect("a phone")).expect("a profile");
        format!("{phone}_{}", ids.first().expect("a roster")).parse().expect("a phone_id")
    }

    fn first(&self) -> PhoneId {
        self.rosters.first().cloned().expect("she has one")
    }

    fn second(&self) -> PhoneId {
        self.rosters.get(1).cloned().expect("she has two")
    }

    fn ask(&mut self, phone: &str, text: &str) {
        let record = etf::encode(&etf::text::parse(text, &proto::catalogue()).expect("a record"));
        self.stage.publish(phone, EVENTS, record).expect("is connected");
    }

    fn say(&mut self, phone: &str, text: &str) {
        self.ask(phone, text);
        self.stage.acknowledged(phone).expect("is connected");
    }

    /// Asks, and interrupts what comes of it after `moment` turns; then all goes on by itself.
    fn interrupted(&mut self, text: &str, moment: usize) {
        self.ask("380300001", text);
        (0..moment).for_each(|_| self.stage.sim.run_on());
        match moment % 3 {
            0 => self.stage.crash().expect("starts again"),
            1 => {
                self.stage.sim.crash_lucky();
                self.stage.crash().expect("starts again");
            }
            _ => {
                let mut names: Vec<Name> = self.friends.iter().cloned().map(Name::Roster).collect();
                names.extend(self.rosters.iter().cloned().map(Name::Roster));
                names.extend([Name::Nicks, Name::Profile(self.first().phone().clone())]);
                names.iter().for_each(|name| self.stage.sim.kill(name));
            }
        }
        self.stage.settle().expect("works");
        self.stage.advance(30_000).expect("works");
    }

    /// Asks, and says how many turns of the simulated server it takes until all of it is done.
    fn course(mut self, text: &str) -> usize {
        self.ask("380300001", text);
        let (mut began, mut turns) = (false, 0);
        loop {
            let is_busy =
                !self.view().scan(WORK, &Span::prefix(Bytes::new())).expect("memory does not fail").is_empty();
            if began && !is_busy {
                return turns;
            }
            began |= is_busy;
            self.stage.sim.run_on();
            turns += 1;
            assert!(turns < 100_000, "the work has no end");
        }
    }

    fn view(&self) -> Box<dyn View> {
        self.stage.sim.store().snapshot()
    }

    fn has(&self, table: kvs::Table, key: &[u8]) -> bool {
        self.view().get(table, key).expect("memory does not fail").is_some()
    }

    /// The relation of two as the first has it.
    fn relation(&self, own: &PhoneId, other: &PhoneId) -> Option<ContactStatus> {
        let key = rows::pair_key(own, other.as_str().as_bytes());
        let row: Option<Relation> = rows::read(&*self.view(), RELATION, &key).expect("memory does not fail");
        row.and_then(|row| row.status)
    }

    /// A roster is as it was, with everything that hangs on it.
    fn is_whole(&self, own: &PhoneId) -> bool {
        self.has(ROSTER, own.as_str().as_bytes())
            && self.friends.iter().all(|friend| {
                self.relation(own, friend) == Some(ContactStatus::Friend)
                    && self.relation(friend, own) == Some(ContactStatus::Friend)
            })
    }

    /// Nothing of a roster is left, but what its friends have had of it.
    fn is_gone(&self, own: &PhoneId) -> Result<(), String> {
        let below = |table, prefix: Bytes| -> usize {
            self.view().scan(table, &Span::prefix(prefix)).expect("memory does not fail").len()
        };
        let name = own.as_str().as_bytes();
        for table in [RELATION, BOOK, IN_ROOM] {
            if below(table, rows::pair_key(own, b"")) > 0 {
                return Err(format!("{own} has rows in {table:?}"));
            }
        }
        for friend in &self.friends {
            let feed = proto::ids::FeedId::p2p(own.clone(), friend.clone());
            if self.relation(friend, own).is_some() || self.has(READER, &rows::reader_key(&feed, own)) {
                return Err(format!("{friend} has {own} as a contact"));
            }
            if self.has(BOOK, &rows::pair_key(friend, name)) {
                return Err(format!("{friend} has {own} in its phone book"));
            }
        }
        match self.has(ROSTER, name) || self.has(NICK_OF, name) {
            true => Err(format!("{own} has a face")),
            false => Ok(()),
        }
    }

    fn check_no_work(&self) {
        let left = self.view().scan(WORK, &Span::prefix(Bytes::new())).expect("memory does not fail");
        assert!(left.is_empty(), "{} pieces of work are left", left.len());
    }
}

/// Interrupts one request at moments of all its course, under every seed; `check` says what may have come of it.
fn at_every_moment(text: impl Fn(&Town) -> String, check: impl Fn(&Town) -> Result<bool, String>) {
    let (mut done, mut undone) = (0, 0);
    for seed in seeds() {
        let town = Town::new(seed);
        let whole = text(&town);
        let course = town.course(&whole);
        let step = course / OTHERS + 1;
        for moment in (0..course)
            .filter(|moment| *moment < FIRST || moment + LAST >= course || moment % step == seed as usize % step)
        {
            let mut town = Town::new(seed);
            let text = text(&town);
            town.interrupted(&text, moment);
            let again = format!("again: CHAT_SEED={seed}, moment {moment}");
            town.check_no_work();
            match check(&town) {
                Ok(true) => done += 1,
                Ok(false) => undone += 1,
                Err(why) => panic!("{why} ({again})"),
            }
        }
    }
    assert!(done > 0 && undone > 0, "{done} were done, {undone} not begun: the moments are not spread");
}

#[test]
fn pm_6_roster_8_a_roster_goes_as_a_whole_or_not_at_all() {
    at_every_moment(
        |town| format!("Roster{{id=\"{}\" status=remove}}", town.second()),
        |town| {
            assert!(town.is_whole(&town.first()), "the other roster is touched");
            if town.is_whole(&town.second()) {
                return Ok(false);
            }
            town.is_gone(&town.second())?;
            Ok(true)
        },
    );
}

#[test]
fn roster_8_who_has_the_lost_one_as_a_contact_by_another_roster_looks_for_it_no_more() {
    let mut town = Town::new(0);
    let reader = chat_core::default_roster(&*town.view(), &"380300009".parse().expect("a phone"));
    let reader = reader.expect("memory does not fail").expect("has a roster");
    let (own, second) = (town.first(), town.second());
    town.say("380300001", &format!("Friend{{phone_id=\"{own}\" friend_id=\"{reader}\" status=request}}"));
    let wanted = rows::path(&[own.phone().as_str().as_bytes(), reader.as_str().as_bytes()]);
    assert!(town.has(WANTED, &wanted));
    town.say("380300001", &format!("Roster{{id=\"{second}\" status=remove}}"));
    town.stage.advance(30_000).expect("works");
    assert!(!town.has(BOOK, &rows::pair_key(&reader, second.as_str().as_bytes())));
    assert!(!town.has(WANTED, &wanted));
}

/// A session learns a little later than others that a roster is no more.
#[test]
fn roster_8_what_is_said_for_a_roster_that_has_ended_leaves_nothing() {
    let mut town = Town::new(0);
    let own = town.second();
    let account = Arc::new(Account { phone: own.phone().clone(), rosters: vec![own.roster()], devices: Vec::new() });
    town.say("380300001", &format!("Roster{{id=\"{own}\" status=remove}}"));
    town.stage.advance(30_000).expect("works");
    let mut asked = vec![(Name::Nicks, format!("Roster{{id=\"{own}\" nick=\"Late.1\" status=nick}}"))];
    for text in [
        format!("Tag{{roster_id=\"{own}\" name=\"late\" status=create}}"),
        format!("Roster{{id=\"{own}\" userlist=[Contact{{phone_id=\"380399999\"}}] status=add}}"),
        format!("Roster{{id=\"{own}\" names=\"Late\" status=patch}}"),
    ] {
        asked.push((Name::Roster(own.clone()), text));
    }
    for other in town.friends.clone().into_iter().chain([own.clone()]) {
        let conversation = Name::Conversation(proto::ids::FeedId::p2p(own.clone(), other.clone()));
        let feed = format!("p2p{{from=\"{own}\" to=\"{other}\"}}");
        asked.extend(
            [
                format!("History{{feed={feed} status=delete}}"),
                format!("Message{{msg_id=\"n\" feed_id={feed} files=[Desc{{id=\"1\" payload=\"x\"}}]}}"),
                format!("Friend{{phone_id=\"{own}\" friend_id=\"{other}\" status=request}}"),
            ]
            .map(|text| (conversation.clone(), text)),
        );
    }
    let before = town.stage.kept();
    for (owner, text) in asked {
        let record = etf::text::parse(&text, &proto::catalogue()).expect("a record");
        let record = etf::decode(&etf::encode(&record)).expect("a record");
        let who = Who {
            session: "emqttd_380300001_d".into(),
            connection: 0,
            call: 0,
            role: Role::Device,
            account: Some(account.clone()),
            device: None,
            certificate: None,
            source: None,
            beside: None,
        };
        let call = Input::Call(Box::new(Call { who, record }));
        assert!(town.stage.sim.tell(&owner, call).is_ok());
        town.stage.settle().expect("works");
        assert!(town.stage.kept() == before, "{text} has changed something");
    }
}

#[test]
fn pm_6_profile_8_an_account_goes_as_a_whole_or_not_at_all() {
    at_every_moment(
        |_| "Profile{status=remove}".to_owned(),
        |town| {
            if town.rosters.iter().all(|own| town.is_whole(own)) {
                return Ok(false);
            }
            town.rosters.iter().try_for_each(|own| town.is_gone(own))?;
            let phone = town.first().phone().clone();
            assert!(!town.has(PROFILE, phone.as_str().as_bytes()), "the profile is still there");
            assert!(!town.has(NICK, b"second.1"), "the nick is not free");
            Ok(true)
        },
    );
}

#[test]
fn profile_8_profile_11_from_the_first_number_that_is_left_certificates_are_compared_with_it() {
    let is_known =
        |town: &Town| town.stage.sim.app().names.left(&**town.stage.sim.store()).expect("memory does not fail");
    let mut town = Town::new(0);
    assert!(!is_known(&town));
    town.say("380300001", "Profile{status=remove}");
    assert!(is_known(&town), "one has ended");

    let mut town = Town::new(0);
    let new = "380300077";
    assert!(!is_known(&town));
    town.say("380300001", &format!("Profile{{phone=\"{new}\" status=migrate}}"));
    let code = town.stage.code(new).expect("works").expect("a code");
    let code = String::from_utf8_lossy(&code);
    assert!(!is_known(&town), "nobody has left yet");
    let proof = format!("Service{{login=\"{new}\" password=\"{code}\"}}");
    town.say("380300001", &format!("Profile{{phone=\"{new}\" services=[{proof}] status=phone}}"));
    assert!(is_known(&town), "one has moved");
}

/// Somebody registers the number while files of the account that had it are still there.
#[test]
fn pm_6_profile_8_files_do_not_fall_to_whoever_has_the_number_next() {
    const FILES: u64 = 600;
    for seed in seeds() {
        let mut town = Town::new(seed);
        let phone = town.first().phone().clone();
        let (old, new) = (1, 1_000_000_000);
        let mut batch = kvs::Batch::default();
        let mut put = |name: String, number| {
            let stored = Stored { owner: phone.to_bytes(), size: 1, going: 0 };
            batch.put(STORED, name.clone(), rows::encode(&stored));
            batch.put(STORED_OF, rows::owned(&phone, name.as_bytes()), rows::encode(&Held { size: 1, number }));
            let transfer = Transfer { size: 2, began: 1, temp: name.clone().into(), number, ..Transfer::default() };
            if name.ends_with('7') {
                batch.put(TRANSFER, rows::owned(&phone, name.as_bytes()), rows::encode(&transfer));
            }
        };
        (0..FILES).for_each(|n| put(format!("old/{n}"), old));
        (0..FILES).for_each(|n| put(format!("new/{n}"), new));
        let gone = phone.roster(99).to_bytes();
        let leave = Work::Leave(Leave { roster: gone, account: 1, ..Leave::default() });
        batch.put(WORK, rows::numbered(phone.as_str().as_bytes(), old + 1), rows::encode(&leave));
        town.stage.sim.store().apply(&batch).expect("memory does not fail");
        town.stage.sim.store().flush().expect("memory does not fail");

        town.stage.crash().expect("starts again");
        town.stage.settle().expect("works");
        town.check_no_work();
        let left = |table, name: &str| -> Vec<Bytes> {
            let prefix = rows::owned(&phone, name.as_bytes());
            let all = town.view().scan(table, &Span::prefix(prefix)).expect("memory does not fail");
            all.into_iter().map(|(key, _)| key).collect()
        };
        assert_eq!(left(STORED_OF, "old/"), Vec::<Bytes>::new(), "CHAT_SEED={seed}");
        assert_eq!(left(TRANSFER, "old/"), Vec::<Bytes>::new(), "CHAT_SEED={seed}");
        assert_eq!(left(STORED_OF, "new/").len() as u64, FILES, "CHAT_SEED={seed}");
        assert_eq!(left(TRANSFER, "new/").len() as u64, FILES / 10, "CHAT_SEED={seed}");
    }
}

#[test]
fn pm_6_roster_5_contacts_go_as_a_whole_or_not_at_all() {
    at_every_moment(
        |town| {
            let list: Vec<String> =
                town.friends.iter().map(|friend| format!("Contact{{phone_id=\"{friend}\"}}")).collect();
            format!("Roster{{userlist=[{}] status=del}}", list.join(" "))
        },
        |town| {
            let own = town.first();

            assert!(town.is_whole(&town.second()), "the other roster is touched");
            if town.is_whole(&own) {
                return Ok(false);
            }
            for friend in &town.friends {
                if town.relation(&own, friend).is_some() || town.relation(friend, &own).is_some() {
                    return Err(format!("{friend} is still a contact"));
                }
            }
            Ok(true)
        },
    );
}

#[test]
fn pm_6_roster_2_a_roster_and_its_nick_come_together() {
    at_every_moment(
        |_| "Roster{nick=\"Third.1\" status=create}".to_owned(),
        |town| {
            let view = town.view();
            let ids = rows::roster_ids(&*view, town.first().phone()).expect("a profile");
            let holder = view.get(NICK, b"third.1").expect("memory does not fail");
            match (ids.get(2), holder) {
                (None, None) => Ok(false),
                (Some(id), Some(holder)) => {
                    let own = town.first().phone().roster(*id);
                    assert_eq!(holder, own.to_bytes());
                    assert!(town.has(ROSTER, own.as_str().as_bytes()));
                    Ok(true)
                }
                (roster, holder) => Err(format!("roster {roster:?}, nick of {holder:?}")),
            }
        },
    );
}

/// Friends who are rows and nothing else, before and behind all others.
fn crowd(town: &Town, own: &PhoneId, count: u64) -> Vec<PhoneId> {
    let mut batch = kvs::Batch::default();
    let friends: Vec<PhoneId> = (0..count)
        .map(|number| {
            let country = if number % 2 == 0 { 370 } else { 390 };
            format!("{country}0{number:05}_{}", 1_000_000 + number).parse().expect("a phone_id")
        })
        .collect();
    let row = rows::encode(&Relation { status: Some(ContactStatus::Friend), ..Relation::default() });
    for friend in &friends {
        batch.put(RELATION, rows::pair_key(own, friend.as_str().as_bytes()), row.clone());
    }
    town.stage.sim.store().apply(&batch).expect("memory does not fail");
    friends
}

#[test]
fn pm_6_presence_4_a_changed_face_reaches_each_of_many_friends_once_or_is_not_changed() {
    const CROWD: u64 = 700;
    at_every_moment(
        |town| {
            crowd(town, &town.first(), CROWD);
            "Roster{names=\"Anna\" status=patch}".to_owned()
        },
        |town| {
            let own = town.first();
            let row: Option<Roster> = rows::read(&*town.view(), ROSTER, own.as_str().as_bytes()).expect("a roster");
            let is_changed = row.is_some_and(|row| row.names.is_some());
            let wanted = usize::from(is_changed);
            for friend in crowd(town, &own, CROWD) {
                let phone = friend.phone().as_str().as_bytes();
                let told = town.view().scan(NOTICE, &rows::numbers(phone, 0, u64::MAX)).expect("memory does not fail");
                if told.len() != wanted {
                    return Err(format!("{friend} was told {} times, not {wanted}", told.len()));
                }
            }
            Ok(is_changed)
        },
    );
}

#[test]
fn presence_5_many_friends_are_told_in_steps_each_in_order() {
    for seed in seeds() {
        let mut town = Town::new(seed);
        crowd(&town, &town.first(), 1500);
        town.stage.advance(5_000).expect("works");
        for friend in town.friends.clone() {
            town.stage.take(friend.phone().as_str()).expect("comes");
        }
        for word in ["one", "two", "three"] {
            town.say("380300001", &format!("Presence{{status=\"{word}\"}}"));
            town.stage.advance(1_500).expect("works");
        }
        let topic = format!("ac/{}", town.first());
        for friend in town.friends.clone() {
            let came = town.stage.take(friend.phone().as_str()).expect("comes");
            let shown = came.iter().filter(|got| got.topic == topic);
            let words: Vec<String> = shown
                .map(|got| etf::text::print(&etf::decode(&got.payload).expect("a term"), &proto::catalogue()))
                .map(|text| {
                    text.split("presence=\"")
                        .nth(1)
                        .unwrap_or_default()
                        .split('"')
                        .next()
                        .unwrap_or_default()
                        .to_owned()
                })
                .collect();
            assert_eq!(words, ["one", "two", "three"], "{friend}, CHAT_SEED={seed}");
        }
    }
}

#[test]
fn section_11_ten_thousand_contacts_and_no_more_whoever_adds_them() {
    let mut stage = Simulated::new(1, false);
    let mut town = Town { stage: Simulated::new(1, false), rosters: Vec::new(), friends: Vec::new() };
    std::mem::swap(&mut stage, &mut town.stage);
    let ann = town.enrol("380300001");
    let stranger = town.enrol("380300002");
    for part in 0..20 {
        let list: String = (0..500)
            .map(|n| format!("Contact{{phone_id=\"{}\"}}", 380_400_000 + part * 500 + n))
            .collect::<Vec<_>>()
            .join(" ");
        town.say("380300001", &format!("Roster{{userlist=[{list}] status=add}}"));
    }
    let holders = town.view().scan(WANTED, &Span::prefix(&b"380400000/"[..])).expect("memory does not fail");
    assert_eq!(holders.len(), 1);
    town.say(
        "380300001",
        "Profile{settings=[Feature{id=\"1\" key=\"P2P_FROM\" value=\"everyone\" group=\"PRIVACY\"}] status=patch}",
    );
    town.stage.take("380300001").expect("comes");
    let refused = |town: &mut Town, who: &str, text: &str| {
        town.stage.take(who).expect("comes");
        town.say(who, text);
        let came = town.stage.take(who).expect("comes");
        let is_limit = |payload: &[u8]| payload.windows(5).any(|word| word == b"limit");
        assert!(came.iter().any(|got| is_limit(&got.payload)), "{text} is not refused");
    };
    refused(&mut town, "380300001", &format!("Roster{{userlist=[Contact{{phone_id=\"{stranger}\"}}] status=add}}"));
    refused(&mut town, "380300001", &format!("Friend{{friend_id=\"{stranger}\" status=request}}"));
    refused(
        &mut town,
        "380300002",
        &format!("Message{{msg_id=\"m\" to=\"{ann}\" files=[Desc{{id=\"1\" payload=\"x\"}}]}}"),
    );
    town.say("380300002", &format!("Friend{{friend_id=\"{ann}\" status=request}}"));
    refused(&mut town, "380300001", &format!("Friend{{friend_id=\"{stranger}\" status=confirm}}"));

    // Where as many are both as is known, nobody counts them again.
    let sum = |town: &Town| town.view().get(TALLY, &rows::pair_key(&ann, &[0; 8])).expect("memory does not fail");
    let known = sum(&town);
    refused(&mut town, "380300001", &format!("Friend{{friend_id=\"{stranger}\" status=confirm}}"));
    assert_eq!(sum(&town), known);

    // One record is at most a part, and no step reads all of the book.
    town.stage.take("380300001").expect("comes");
    town.say("380300001", "Profile{status=get}");
    let came = town.stage.take("380300001").expect("comes");
    let parts: Vec<usize> =
        came.iter().filter(|got| got.topic.starts_with("actions/")).map(|got| got.payload.len()).collect();
    assert!(parts.len() > 1 && parts.iter().all(|bytes| *bytes <= 256 * 1024 + 4096), "{parts:?}");
}

/// What strangers see of an account is one row, and the nick in it another owner's. The account's profile, on a thread of its own, writes
/// that row once more as it was before the nick; then the server loses power.
#[test]
fn pm_6_roster_7_search_1_strangers_see_the_nick_of_now() {
    for seed in seeds() {
        let mut town = Town { stage: Simulated::new(seed, false), rosters: Vec::new(), friends: Vec::new() };
        let ann = town.enrol("380300001");
        let setting = "Feature{id=\"1\" key=\"SEARCHABLE\" value=\"everyone\" group=\"PRIVACY\"}";
        town.say("380300001", &format!("Profile{{settings=[{setting}] status=patch}}"));
        let card = |town: &Town| -> Option<Card> {
            rows::read(&*town.view(), CARD, b"380300001").expect("memory does not fail")
        };
        let before = card(&town).expect("a card");
        town.ask("380300001", "Roster{nick=\"Ann.1\" status=nick}");
        while !town.has(NICK_OF, ann.as_str().as_bytes()) {
            town.stage.sim.run(1);
        }
        let mut late = kvs::Batch::default();
        late.put(CARD, &b"380300001"[..], rows::encode(&before));
        town.stage.sim.store().apply(&late).expect("memory does not fail");
        town.stage.sim.store().flush().expect("memory does not fail");
        town.stage.crash().expect("starts again");
        town.stage.settle().expect("works");
        town.check_no_work();
        let shown = card(&town).expect("a card").contact;
        assert!(shown.windows(5).any(|part| part == b"Ann.1"), "CHAT_SEED={seed}: {shown:?}");
    }
}

/// What a service was told is pushed (PUSH-5) is kept by then: the server loses power as soon as the answer has left.
#[test]
fn push_5_what_was_answered_is_pushed_after_a_crash() {
    for seed in seeds() {
        let mut town = Town::new(seed);
        town.say("380300001", "Auth{type=push push=\"token\" os=ios}");
        let hello = Hello {
            client_id: "sys_news".to_owned(),
            password: Some(scene::SERVICE_SECRET.into()),
            ..Hello::default()
        };
        assert_eq!(town.stage.connect("news", &hello), Ok(0));
        town.stage.take("news").expect("comes");
        town.stage.sim.take_outputs();
        let own = town.first();
        town.ask("news", &format!("pushService{{recipients=[\"{own}\"] payload=\"hello\"}}"));
        let answered = |stage: &Simulated| {
            let is_answer = |out: &Output| matches!(out, Output::Port(_, Out::Answer { .. }));
            stage.sim.outputs().iter().any(is_answer)
        };
        while !answered(&town.stage) {
            town.stage.sim.run(1);
        }
        town.stage.crash().expect("starts again");
        town.stage.settle().expect("works");
        let pushes = town.stage.pushes("emqttd_380300001_d").expect("an outbox");
        assert!(!pushes.is_empty(), "CHAT_SEED={seed}: it is lost");
        let left = town.view().scan(ASKED, &Span::prefix(Bytes::new())).expect("memory does not fail");
        assert!(left.is_empty(), "CHAT_SEED={seed}: it goes on");
    }
}
