//! What is kept of an account's notices when nobody of it connects (DLV-10, DLV-12), seen in the store.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

use std::ops::RangeInclusive;

use bytes::Bytes;
use chat_core::rows::{self, Kept, MESSAGE, NOTICE};
use chat_core::{Input, Name};
use kvs::{Batch, Store};
use proto::Record;
use proto::ids::{FeedId, PhoneId};
use proto::records::{Feed, HistoryStatus, Message, RosterEntry, Stamp};
use scene::{EVENTS, Hello, Simulated, Stage};

const DAY_MS: u64 = 86_400_000;

struct World(Simulated);

impl World {
    fn new() -> World {
        World(Simulated::new(0, false))
    }

    /// Registers a device by a fake number; client id, token and phone_id.
    fn enrol(&mut self, phone: &str, device: &str) -> (String, Bytes, String) {
        let link = format!("reg_{phone}_{device}");
        self.0.connect(&link, &Hello { client_id: link.clone(), ..Hello::default() }).unwrap();
        self.say(&link, &format!("Auth{{type=reg dev_key=\"{device}\" phone={{fake,\"{phone}\"}}}}"));
        let (mut login, mut roster) = (Vec::new(), 0);
        for got in self.0.take(&link).unwrap() {
            match etf::decode::<Record>(&got.payload) {
                Ok(Record::Io(io)) => {
                    let text = etf::text::print(&etf::Term::of(&*io).unwrap(), &());
                    login = text.split('"').skip(1).step_by(2).map(str::to_owned).collect();
                }
                Ok(Record::Profile(profile)) => roster = number(profile.rosters.first()),
                _ => {}
            }
        }
        self.0.disconnect(&link, true).unwrap();
        (login[0].clone(), login[1].clone().into(), format!("{phone}_{roster}"))
    }

    fn connect(&mut self, link: &str, client_id: &str, token: &Bytes) {
        let password = Some(token.clone());
        assert_eq!(self.0.connect(link, &Hello { client_id: client_id.into(), password, ..Hello::default() }), Ok(0));
    }

    fn say(&mut self, link: &str, text: &str) {
        let record = etf::encode(&etf::text::parse(text, &proto::catalogue()).unwrap());
        self.0.publish(link, EVENTS, record).unwrap();
        self.0.acknowledged(link).unwrap();
    }

    /// A request and its withdrawal: two notices for the other.
    fn toggle(&mut self, link: &str, other: &str) {
        self.say(link, &format!("Friend{{friend_id=\"{other}\" status=request}}"));
        self.say(link, &format!("Friend{{friend_id=\"{other}\" status=revoke}}"));
        self.0.take(link).unwrap();
    }

    fn kept(&mut self, phone: &str) -> usize {
        self.0.settle().unwrap();
        self.rows(phone, 0).len()
    }

    /// Numbers of the account's notices from one on.
    fn rows(&self, phone: &str, from: u64) -> Vec<u64> {
        let span = rows::numbers(phone.as_bytes(), from, u64::MAX).limit(100_000);
        let rows = self.0.sim.store().scan(NOTICE, &span).unwrap();
        rows.iter().filter_map(|(key, _)| rows::number(key)).collect()
    }

    /// Numbers that a crash has left unused, between notices of an account that "ann", by her client id and token, causes before and after it:
    /// she asks its roster `peer` to be friends and takes it back.
    fn free_numbers(&mut self, phone: &str, (client, token): (&str, &Bytes), peer: &str) -> RangeInclusive<u64> {
        let act = |world: &mut World| {
            world.connect("ann", client, token);
            world.toggle("ann", peer);
        };
        act(self);
        let before = self.rows(phone, 0).pop().unwrap();
        self.0.crash().unwrap();
        act(self);
        let after = self.rows(phone, before + 1).first().copied().unwrap();
        assert!(after - before > 50_000, "{before} and {after}");
        before + 1_000..=after - 1_000
    }

    /// Notices that were kept before the process that looks after them was loaded.
    fn keep_notices(&mut self, phone: &str, numbers: impl Iterator<Item = u64>) {
        let created = self.0.sim.now().0;
        let kept = Kept { topic: "ses/x".into(), payload: vec![131, 106].into(), merge: None, created };
        let mut batch = Batch::default();
        numbers.for_each(|seq| batch.put(NOTICE, rows::numbered(phone.as_bytes(), seq), rows::encode(&kept)));
        self.0.sim.store().apply(&batch).unwrap();
        self.0.sim.kill(&Name::Mail(phone.parse().unwrap()));
    }

    fn keep_messages(&self, from: &str, to: &str, numbers: impl Iterator<Item = u64>) {
        let feed = FeedId::p2p(PhoneId::parse(from.as_bytes()).unwrap(), PhoneId::parse(to.as_bytes()).unwrap());
        let mut batch = Batch::default();
        for id in numbers {
            let message = Message {
                id: Some(id),
                feed_id: Some(Feed::from(&feed)),
                msg_id: Some(id.to_string().into()),
                from: Some(from.to_owned().into()),
                to: Some(to.to_owned().into()),
                created: Some(Stamp(self.0.sim.now().0)),
                ..Message::default()
            };
            batch.put(MESSAGE, rows::numbered(&feed.key(), id), rows::encode(&message));
        }
        self.0.sim.store().apply(&batch).unwrap();
    }

    fn wait(&mut self, days: u64) {
        self.0.advance(days * DAY_MS).unwrap();
    }
}

fn number(roster: Option<&RosterEntry>) -> u64 {
    match roster {
        Some(RosterEntry::Roster(roster)) => match roster.id {
            Some(proto::records::RosterId::Number(id)) => id,
            _ => 0,
        },
        _ => 0,
    }
}

#[test]
fn dlv_2_a_device_that_takes_a_thousand_notices_and_leaves_at_once_has_taken_them_all() {
    let mut world = World::new();
    let (client, token, _) = world.enrol("38001", "d");
    let (bens, bens_token, ben) = world.enrol("38002", "d");
    world.connect("ann", &client, &token);
    let free = world.free_numbers("38002", (&client, &token), &ben);
    world.keep_notices("38002", free.step_by(7).take(1_000));
    world.0.advance(60_000).unwrap();
    let mut takes = || {
        world.connect("ben", &bens, &bens_token);
        let taken = world.0.take("ben").unwrap().iter().filter(|got| got.topic == "ses/x").count();
        world.0.disconnect("ben", true).unwrap();
        taken
    };
    assert_eq!((takes(), takes()), (1_000, 0));
}

#[test]
fn dlv_10_no_more_notices_are_kept_than_a_queue_holds_and_the_latest_are() {
    let mut world = World::new();
    let (client, token, _) = world.enrol("38001", "d");
    let (_, _, ben) = world.enrol("38002", "d");
    world.connect("ann", &client, &token);
    let free = world.free_numbers("38002", (&client, &token), &ben);
    assert_eq!(world.kept("38002"), 4);
    world.keep_notices("38002", free.take(9_990));
    world.toggle("ann", &ben);
    assert_eq!(world.kept("38002"), 9_996);
    let newest = world.rows("38002", 0).pop().unwrap();
    (0..30).for_each(|_| world.toggle("ann", &ben));
    assert_eq!(world.kept("38002"), 10_000);
    assert_eq!(world.rows("38002", newest + 1).len(), 60);

    // Far beyond, as after a release without limit: the process counts first, then erases in steps.
    world.0.crash().unwrap();
    world.keep_notices("38002", 1..=5_000);
    world.connect("ann", &client, &token);
    world.toggle("ann", &ben);
    assert_eq!(world.kept("38002"), 10_000);
    assert_eq!(world.rows("38002", newest + 1).len(), 62);
}

#[test]
fn dlv_10_beyond_ten_thousand_items_the_oldest_messages_are_dropped_and_each_feed_says_where_to_catch_up() {
    let mut world = World::new();
    let (ann_client, ann_token, ann) = world.enrol("38001", "d");
    let (ben_client, ben_token, ben) = world.enrol("38002", "d");
    let (_, _, carl) = world.enrol("38003", "d");
    world.connect("ann", &ann_client, &ann_token);
    world.connect("ben", &ben_client, &ben_token);
    world.say("ann", &format!("Friend{{friend_id=\"{ben}\" status=request}}"));
    world.say("ben", &format!("Friend{{friend_id=\"{ann}\" status=confirm}}"));
    world.say("ben", &format!("Friend{{friend_id=\"{carl}\" status=request}}"));
    world.0.disconnect("ben", true).unwrap();
    let mut free = world.free_numbers("38002", (&ann_client, &ann_token), &ben);

    // 50 of ann's, 5,000 of carl's, 5,000 of ann's, and with those of above thirteen notices: 63 too many.
    let (ann_first, carl_first) = (free.next().unwrap(), free.nth(48).unwrap() + 1);
    let from_ann = (ann_first..carl_first).chain(carl_first + 5_000..carl_first + 10_000);
    let from_carl = carl_first..carl_first + 5_000;
    assert_eq!(from_ann.clone().count(), 5_050);
    world.keep_messages(&ann, &ben, from_ann);
    world.keep_messages(&carl, &ben, from_carl);
    world.keep_notices("38002", carl_first + 20_000..carl_first + 20_010);
    let notices = world.kept("38002");
    assert_eq!(notices, 13);

    let hello = Hello { client_id: ben_client, password: Some(ben_token), holding: true, ..Hello::default() };
    assert_eq!(world.0.connect("ben", &hello), Ok(0));
    let (mut caught_up, mut messages) = (Vec::new(), Vec::new());
    for got in world.0.take("ben").unwrap() {
        match etf::decode::<Record>(&got.payload) {
            Ok(Record::History(history)) => {
                assert_eq!(history.status, Some(HistoryStatus::LastLoaded));
                caught_up.push((got.topic, history.entity_id));
            }
            Ok(Record::Message(message)) => messages.extend(message.id),
            _ => {}
        }
    }
    let topic = |one: &str, other: &str| format!("p2p/{one}/{other}");
    assert_eq!(caught_up, [(topic(&ann, &ben), Some(ann_first)), (topic(&ben, &carl), Some(carl_first))]);
    // Dropped are 50 of ann's, then 13 of carl's.
    let expected: Vec<u64> = (carl_first + 13..).take(messages.len()).collect();
    assert!(messages.len() >= 20 && messages == expected, "{messages:?}");
}

#[test]
fn dlv_10_a_new_notice_ends_those_that_nobody_came_for_in_30_days() {
    let mut world = World::new();
    let (client, token, _) = world.enrol("38001", "d");
    let (_, _, ben) = world.enrol("38002", "d");
    world.connect("ann", &client, &token);
    (0..100).for_each(|_| world.toggle("ann", &ben));
    world.0.disconnect("ann", true).unwrap();
    world.wait(20);
    world.connect("ann", &client, &token);
    world.toggle("ann", &ben);
    assert_eq!(world.kept("38002"), 202);
    world.0.disconnect("ann", true).unwrap();
    world.wait(11);
    world.connect("ann", &client, &token);
    world.toggle("ann", &ben);
    assert_eq!(world.kept("38002"), 4);
}

#[test]
fn dlv_10_a_notice_that_comes_behind_later_ones_ends_as_they_do() {
    let mut world = World::new();
    let (client, token, _) = world.enrol("38001", "d");
    let (_, _, ben) = world.enrol("38002", "d");
    world.connect("ann", &client, &token);
    let free = world.free_numbers("38002", (&client, &token), &ben);
    world.0.disconnect("ann", true).unwrap();
    world.wait(31);
    world.connect("ann", &client, &token);
    world.toggle("ann", &ben);
    assert_eq!(world.kept("38002"), 2, "those before have waited for too long");

    // Its batch was written after theirs.
    let seq = *free.start();
    let kept = Kept { topic: "ses/x".into(), payload: vec![131, 106].into(), merge: None, created: 0 };
    let mut batch = Batch::default();
    batch.put(NOTICE, rows::numbered(b"38002", seq), rows::encode(&kept));
    world.0.sim.store().apply(&batch).unwrap();
    let mail = Name::Mail("38002".parse().unwrap());
    assert!(world.0.sim.tell(&mail, Input::Noticed { seq }).is_ok());
    assert_eq!(world.kept("38002"), 2);
}

#[test]
fn dlv_7_more_notices_than_are_read_at_once_all_come_after_a_long_absence() {
    let mut world = World::new();
    let (client, token, _) = world.enrol("38001", "d");
    let (ben_client, ben_token, ben) = world.enrol("38002", "d");
    world.connect("ann", &client, &token);
    let free = world.free_numbers("38002", (&client, &token), &ben);
    world.keep_notices("38002", free.take(3_000));
    world.connect("ben", &ben_client, &ben_token);
    world.0.settle().unwrap();
    let came = world.0.take("ben").unwrap();
    assert_eq!(came.iter().filter(|got| got.topic == "ses/x").count(), 3_000);
}

#[test]
fn dlv_12_notices_are_not_kept_for_a_device_that_is_gone() {
    let mut world = World::new();
    let (client, token, _) = world.enrol("38001", "d");
    let (ben_client, ben_token, ben) = world.enrol("38002", "d");
    let (gone_client, gone_token, _) = world.enrol("38002", "gone");
    for (client, token) in [(&ben_client, &ben_token), (&gone_client, &gone_token)] {
        world.connect("ben", client, token);
        world.0.disconnect("ben", true).unwrap();
    }
    world.wait(80);
    world.connect("ben", &ben_client, &ben_token);
    world.0.disconnect("ben", true).unwrap();
    world.wait(11);

    world.connect("ann", &client, &token);
    world.toggle("ann", &ben);
    assert_eq!(world.kept("38002"), 2);
    world.connect("ben", &ben_client, &ben_token);
    assert_eq!(world.kept("38002"), 0, "the one device that is left has taken them");
}
