//! PRESENCE-5 of somebody whom many know: told in slices with time between them, and all the same everybody who is there has the latest
//! in the end, once.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

use std::sync::Arc;

use bytes::Bytes;
use chat_core::door::{Gone, Hello as Door, Out};
use chat_core::rows::{self, RELATION, Relation};
use chat_core::{Input, Name, Output, Port};
use kvs::{Batch, Store};
use proto::Record;
use proto::ids::{Phone, PhoneId};
use proto::records::{Contact, ContactStatus, PresenceStatus};
use scene::{EVENTS, Hello, Simulated, Stage};

const ANN: &str = "380300001";
/// Somebody whom she shares a room with, and nothing else.
const BEN: &str = "380300002";
/// Friends of ann who are connected, among many more who are not.
const THERE: usize = 40;
const AWAY: usize = 1000;
/// Longer than the friends take to be told.
const ALL_MS: u64 = 2000;

fn seeds() -> std::ops::Range<u64> {
    let number = |variable: &str| std::env::var(variable).ok()?.parse::<u64>().ok();
    match number("CHAT_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("CHAT_SEEDS").unwrap_or(10),
    }
}

struct Town {
    stage: Simulated,
    ann: PhoneId,
    /// The numbers of those who are there.
    there: Vec<String>,
    hellos: Vec<Hello>,
}

impl Town {
    fn new(seed: u64) -> Town {
        let mut stage = Simulated::new(seed, false);
        let (ann, _) = enrol(&mut stage, ANN);
        // Spread among the others in the order of their numbers.
        let there: Vec<String> = (0..THERE).map(|at| format!("3803{:05}", 100 + at * AWAY / THERE)).collect();
        let (ids, hellos): (Vec<PhoneId>, Vec<Hello>) = there.iter().map(|phone| enrol(&mut stage, phone)).unzip();
        let mut batch = Batch::default();
        let friend = rows::encode(&Relation { status: Some(ContactStatus::Friend), ..Relation::default() });
        for id in ids {
            batch.put(RELATION, rows::pair_key(&ann, id.as_str().as_bytes()), friend.clone());
            batch.put(RELATION, rows::pair_key(&id, ann.as_str().as_bytes()), friend.clone());
        }
        for away in (0..AWAY).map(away) {
            batch.put(RELATION, rows::pair_key(&ann, away.as_str().as_bytes()), friend.clone());
        }
        stage.sim.store().apply(&batch).unwrap();
        Town { stage, ann, there, hellos }
    }

    fn ask(&mut self, text: &str) {
        ask(&mut self.stage, ANN, text);
    }

    fn shows(&mut self, text: &str) {
        self.ask(&format!("Presence{{status=\"{text}\"}}"));
    }

    fn lets_see(&mut self, who: &str) {
        let feature = format!(r#"Feature{{id="1" key="LAST_SEEN" value="{who}" group="PRIVACY"}}"#);
        self.ask(&format!("Profile{{settings=[{feature}] status=patch}}"));
    }

    /// What each of those who are there has been told of ann since the last time.
    fn heard(&mut self) -> Vec<Vec<String>> {
        self.there.clone().iter().map(|phone| self.heard_by(phone)).collect()
    }

    fn heard_by(&mut self, phone: &str) -> Vec<String> {
        heard(&self.came(phone), &self.ann.to_bytes())
    }

    /// The names that each of those who are there has been told.
    fn names(&mut self) -> Vec<Vec<String>> {
        let own = self.ann.to_bytes();
        let names = |payload: &Bytes| match etf::decode::<Contact>(payload) {
            Ok(Contact { phone_id: Some(id), names: Some(names), .. }) if id == own => {
                Some(String::from_utf8_lossy(&names).into_owned())
            }
            _ => None,
        };
        self.there.clone().iter().map(|phone| self.came(phone).iter().filter_map(names).collect()).collect()
    }

    fn came(&mut self, phone: &str) -> Vec<Bytes> {
        self.stage.take(phone).unwrap().into_iter().map(|got| got.payload).collect()
    }
}

/// A friend of hers who is never there.
fn away(at: usize) -> PhoneId {
    Phone::parse(format!("3803{:05}7", 100 + at).as_bytes()).unwrap().roster(1)
}

fn ask(stage: &mut Simulated, phone: &str, text: &str) {
    let record = etf::encode(&etf::text::parse(text, &proto::catalogue()).unwrap());
    stage.publish(phone, EVENTS, record).unwrap();
}

/// Somebody who is connected: the roster, and how it connects again.
fn enrol(stage: &mut Simulated, phone: &str) -> (PhoneId, Hello) {
    stage.connect(phone, &Hello { client_id: format!("reg_{phone}"), ..Hello::default() }).unwrap();
    let auth = format!("Auth{{type=reg dev_key=\"d\" phone={{fake,\"{phone}\"}}}}");
    let record = etf::encode(&etf::text::parse(&auth, &proto::catalogue()).unwrap());
    stage.publish(phone, EVENTS, record).unwrap();
    let token = stage.take(phone).unwrap().iter().find_map(|got| match etf::decode::<Record>(&got.payload) {
        Ok(Record::Io(io)) => io.success().and_then(|(_, src)| src.as_tuple()?.get(1)?.as_binary().cloned()),
        _ => None,
    });
    let hello = Hello { client_id: format!("emqttd_{phone}_d"), password: token, ..Hello::default() };
    assert_eq!(stage.connect(phone, &hello), Ok(0));
    let id = chat_core::default_roster(&*stage.sim.store().snapshot(), &phone.parse().unwrap()).unwrap().unwrap();
    (id, hello)
}

fn heard(came: &[Bytes], own: &Bytes) -> Vec<String> {
    let status = |payload: &Bytes| match etf::decode::<Contact>(payload) {
        Ok(Contact { phone_id: Some(id), presence: Some(status), .. }) if id == *own => Some(match status {
            PresenceStatus::Is(status) => format!("{status:?}"),
            PresenceStatus::Text(text) => String::from_utf8_lossy(&text).into_owned(),
        }),
        _ => None,
    };
    came.iter().filter_map(status).collect()
}

#[test]
fn presence_5_friends_are_told_some_at_a_time_and_each_of_them_once() {
    for seed in seeds() {
        let mut town = Town::new(seed);
        town.stage.advance(ALL_MS).unwrap();
        town.heard();
        town.shows("busy");
        let told = |town: &mut Town| town.heard().iter().flatten().filter(|heard| **heard == "busy").count();
        let at_once = told(&mut town);
        assert!((1..THERE).contains(&at_once), "seed {seed}: {at_once} of {THERE} at one moment");
        town.stage.advance(ALL_MS).unwrap();
        let heard = town.heard();
        let later: usize = heard.iter().map(Vec::len).sum();
        assert_eq!(at_once + later, THERE, "seed {seed}: {heard:?}");
        assert!(heard.iter().all(|heard| heard.len() <= 1), "seed {seed}: {heard:?}");
    }
}

#[test]
fn presence_5_a_newer_change_takes_the_place_of_one_under_way_and_everybody_has_the_latest() {
    for seed in seeds() {
        let mut town = Town::new(seed);
        town.shows("back");
        town.stage.advance(ALL_MS).unwrap();
        town.heard();
        // What privacy changes is told at once, whatever the second says.
        let mut last = "back";
        for change in 0..2 + seed % 4 {
            last = if change % 2 == 0 { "Offline" } else { "back" };
            town.lets_see(if change % 2 == 0 { "nobody" } else { "friends" });
            town.stage.advance((seed * 7 + change * 13) % 60).unwrap();
        }
        town.stage.advance(ALL_MS).unwrap();
        for (phone, heard) in town.there.clone().iter().zip(town.heard()) {
            assert_eq!(heard.last().map(String::as_str), Some(last), "seed {seed}, {phone}: {heard:?}");
        }
    }
}

#[test]
fn presence_5_who_changes_all_the_time_is_known_to_the_last_of_the_friends() {
    let mut town = Town::new(1);
    town.stage.advance(ALL_MS).unwrap();
    town.heard();
    // Again before the half of them have heard.
    for change in 0..20 {
        town.lets_see(if change % 2 == 0 { "nobody" } else { "friends" });
        town.stage.advance(20).unwrap();
    }
    let heard = town.heard();
    assert!(heard.iter().all(|heard| !heard.is_empty()), "{heard:?}");
}

#[test]
fn presence_5_friends_hear_of_a_change_although_the_profile_fails_while_it_tells_them() {
    for seed in seeds() {
        let mut town = Town::new(seed);
        town.stage.advance(ALL_MS).unwrap();
        town.heard();
        town.shows("busy");
        town.stage.advance(seed * 5).unwrap();
        town.stage.sim.kill(&Name::Profile(ANN.parse().unwrap()));
        // What was left to tell comes to the next life behind what is said at once.
        let last = if seed % 2 == 0 { "busy" } else { "later" };
        town.shows(last);
        town.stage.advance(ALL_MS).unwrap();
        let heard = town.heard();
        assert!(heard.iter().all(|heard| heard.last().is_some_and(|heard| heard == last)), "seed {seed}: {heard:?}");
    }
}

#[test]
fn presence_5_con_5_who_connects_while_a_friend_changes_has_the_change() {
    for seed in seeds() {
        let mut town = Town::new(seed);
        // One of the first who are told.
        let (phone, hello) = (town.there[seed as usize % 8].clone(), town.hellos[seed as usize % 8].clone());
        let (session, own) = (Name::Session(hello.client_id.as_str().into()), town.ann.to_bytes());
        town.stage.disconnect(&phone, true).unwrap();
        for moment in 0..30 {
            town.stage.sim.advance(ALL_MS);
            let port = Arc::new(Port::default());
            let input = Input::Connect { hello: Box::new(door(&hello)), port: port.clone() };
            assert!(town.stage.sim.tell(&session, input).is_ok());
            town.stage.sim.run(moment);
            town.shows(&format!("busy {moment}"));
            town.stage.sim.advance(ALL_MS);
            let came: Vec<Bytes> =
                town.stage.sim.take_outputs().into_iter().filter_map(|out| item(out, &port)).collect();
            let heard = heard(&came, &own);
            assert_eq!(heard.last(), Some(&format!("busy {moment}")), "seed {seed}: {heard:?}");
            let gone = Input::Gone { connection: port.number(), how: Gone::Left };
            assert!(town.stage.sim.tell(&session, gone).is_ok());
        }
    }
}

#[test]
fn presence_5_those_who_share_a_room_hear_what_they_may_though_what_only_friends_may_takes_its_place() {
    for seed in seeds() {
        let mut town = Town::new(seed);
        let (ben, _) = enrol(&mut town.stage, BEN);
        town.ask(r#"Room{id="hall" name="Hall" type=group settings=[Feature{id="1" key="PUBLIC" value="true" group="ROOM_SETTINGS"}] status=create}"#);
        ask(&mut town.stage, BEN, r#"Room{id="hall" status=join}"#);
        town.lets_see("everyone");
        town.shows("here");
        town.stage.advance(ALL_MS).unwrap();
        town.heard();
        assert_eq!(town.heard_by(BEN).last().map(String::as_str), Some("here"), "seed {seed}, {ben}");
        town.lets_see("nobody");
        town.stage.advance(seed * 7 % 50).unwrap();
        // Before the last of the friends have heard that, and so before those who share a room.
        town.lets_see("friends");
        town.stage.advance(ALL_MS).unwrap();
        assert!(town.heard().iter().all(|heard| heard.last().is_some_and(|heard| heard == "here")), "seed {seed}");
        assert_eq!(
            town.heard_by(BEN),
            ["Offline"],
            "seed {seed}: of a friend's presence nothing, but the last that was for all"
        );
    }
}

#[test]
fn presence_3_a_changed_face_is_told_some_at_a_time_and_each_friend_once() {
    for seed in seeds() {
        let mut town = Town::new(seed);
        town.stage.advance(ALL_MS).unwrap();
        town.names();
        town.ask(r#"Roster{names="Anna" status=patch}"#);
        let at_once = town.names().iter().flatten().count();
        town.stage.advance(20).unwrap();
        let soon = town.names().iter().flatten().count();
        assert!(at_once + soon < THERE / 2, "seed {seed}: {at_once} and {soon} of {THERE} in a moment");
        town.stage.advance(ALL_MS).unwrap();
        let later = town.names();
        let later: Vec<&String> = later.iter().flatten().collect();
        assert_eq!(at_once + soon + later.len(), THERE, "seed {seed}: {later:?}");
    }
}

#[test]
fn presence_3_who_changes_face_all_the_time_is_known_to_the_last_of_the_friends_and_all_have_the_latest() {
    for seed in seeds() {
        let mut town = Town::new(seed);
        town.stage.advance(ALL_MS).unwrap();
        town.names();
        // Again before a tenth of them have heard.
        for change in 0..40 {
            town.ask(&format!(r#"Roster{{names="Anna {change}" status=patch}}"#));
            town.stage.advance(10 + seed).unwrap();
        }
        let names = town.names();
        assert!(names.iter().all(|names| !names.is_empty()), "seed {seed}: {names:?}");
        let heard: usize = names.iter().map(Vec::len).sum();
        assert!(heard < 4 * THERE, "seed {seed}: {heard} times, though only the latest counts");
        town.ask(r#"Roster{surnames="Smith" status=patch}"#);
        town.stage.advance(ALL_MS).unwrap();
        let later = town.names();
        let last = |(earlier, later): (&Vec<String>, &Vec<String>)| later.last().or(earlier.last()).cloned();
        let last: Vec<Option<String>> = names.iter().zip(&later).map(last).collect();
        assert!(last.iter().all(|last| last.as_deref() == Some("Anna 39")), "seed {seed}: {last:?}");
    }
}

#[test]
fn presence_3_a_changed_face_goes_on_although_the_profile_fails_while_it_is_told() {
    for seed in seeds() {
        let mut town = Town::new(seed);
        town.stage.advance(ALL_MS).unwrap();
        town.names();
        town.ask(r#"Roster{names="Anna" status=patch}"#);
        town.stage.advance(seed * 10).unwrap();
        town.stage.sim.kill(&Name::Profile(ANN.parse().unwrap()));
        town.stage.advance(ALL_MS).unwrap();
        let names = town.names();
        assert!(names.iter().all(|names| *names == ["Anna"]), "seed {seed}: {names:?}");
    }
}

#[test]
fn presence_4_an_older_name_does_not_come_behind_a_newer_one_that_fewer_friends_are_told() {
    for seed in seeds() {
        let mut town = Town::new(seed);
        town.stage.advance(ALL_MS).unwrap();
        town.names();
        town.ask(r#"Roster{names="Anna" status=patch}"#);
        town.stage.advance(seed * 2).unwrap();
        let mut batch = Batch::default();
        for away in (0..AWAY).map(away) {
            batch.delete(RELATION, rows::pair_key(&town.ann, away.as_str().as_bytes()));
        }
        town.stage.sim.store().apply(&batch).unwrap();
        town.ask(r#"Roster{names="Annette" status=patch}"#);
        town.stage.advance(ALL_MS).unwrap();
        let names = town.names();
        let is_last = |names: &Vec<String>| names.last().is_some_and(|name| name == "Annette");
        assert!(names.iter().all(is_last), "seed {seed}: {names:?}");
    }
}

fn door(hello: &Hello) -> Door {
    Door {
        client_id: Bytes::copy_from_slice(hello.client_id.as_bytes()),
        password: hello.password.clone(),
        certificate: None,
        source: None,
        version: 101,
        window: 32,
        item_max: 1 << 20,
        acknowledges: true,
    }
}

/// What is shown to this connection.
fn item(output: Output, port: &Arc<Port>) -> Option<Bytes> {
    match output {
        Output::Port(to, Out::Item { payload, .. }) if to.number() == port.number() => Some(payload),
        _ => None,
    }
}
