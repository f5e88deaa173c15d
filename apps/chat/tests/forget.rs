//! DLV-12: the queue of a device that is no more is forgotten a bounded part at a time, and what is left of it counts for nothing.

use bytes::Bytes;
use chat_core::rows::{self, CURSOR, Leave, WORK, Work};
use chat_core::{Input, Name};
use kvs::{Batch, Span, Store};
use mail::Cursor;
use proto::Record;
use proto::ids::{FeedId, PhoneId};
use scene::{EVENTS, Hello, Simulated, Stage};

const SEEDS: u64 = 10;
const PHONE: &str = "380300001";
const CLIENT: &str = "emqttd_380300001_d";
/// Feeds of which the device has acknowledged something.
const FEEDS: u64 = 2000;
/// Of the simulated server, until it has done such work.
const TURNS: usize = 1000;
/// Rows that a turn of the simulated server may take out; a step takes fewer.
const TURN: usize = 300;

fn ask(stage: &mut Simulated, who: &str, text: &str) {
    let record = etf::encode(&etf::text::parse(text, &proto::catalogue()).expect("a record"));
    stage.publish(who, EVENTS, record).expect("is connected");
}

/// The device registers and connects; how it does so again.
fn register(stage: &mut Simulated) -> Hello {
    stage.connect("r", &Hello { client_id: "reg_r".to_owned(), ..Hello::default() }).expect("connects");
    ask(stage, "r", &format!("Auth{{type=reg dev_key=\"d\" phone={{fake,\"{PHONE}\"}}}}"));
    let token = stage.take("r").expect("comes").iter().find_map(|got| match etf::decode::<Record>(&got.payload) {
        Ok(Record::Io(io)) => io.success().and_then(|(_, src)| src.as_tuple()?.get(1)?.as_binary().cloned()),
        _ => None,
    });
    let hello = Hello { client_id: CLIENT.to_owned(), password: token, version: Some(101), ..Hello::default() };
    assert_eq!(stage.connect("ann", &hello), Ok(0));
    hello
}

fn own(stage: &Simulated) -> PhoneId {
    let own = chat_core::default_roster(&*stage.sim.store().snapshot(), &PHONE.parse().expect("a number"));
    own.expect("a profile").expect("a roster")
}

/// Notes to oneself, and others' feeds, up to this number.
fn acknowledged(stage: &Simulated, own: &PhoneId, upto: u64) {
    let others = (0..FEEDS).map(|other| format!("39{other:07}_1").parse().expect("a phone_id"));
    let mut batch = Batch::default();
    for other in others.chain([own.clone()]) {
        let feed = FeedId::p2p(own.clone(), other);
        batch.put(CURSOR, rows::cursor_key(CLIENT, &feed.key()), rows::encode(&Cursor::at(upto)));
    }
    stage.sim.store().apply(&batch).expect("memory does not fail");
}

fn cursors(stage: &Simulated) -> usize {
    let below = Span::prefix(rows::cursor_key(CLIENT, b"")).limit(usize::MAX);
    stage.sim.store().snapshot().keys(CURSOR, &below).expect("memory does not fail").len()
}

/// Lets the server work until no more cursors go; the most that have gone in a turn.
fn most_at_once(stage: &mut Simulated) -> usize {
    let (mut most, mut left) = (0, cursors(stage));
    for _ in 0..1000 {
        stage.sim.run(1);
        let now = cursors(stage);
        most = most.max(left.saturating_sub(now));
        left = now;
    }
    most
}

#[test]
fn dlv_12_auth_6_profile_8_a_long_queue_is_forgotten_some_feeds_at_a_time() {
    for (seed, end) in
        (0..SEEDS).flat_map(|seed| ["Auth{type=logout}", "Profile{status=remove}"].map(|end| (seed, end)))
    {
        let mut stage = Simulated::new(seed, false);
        register(&mut stage);
        acknowledged(&stage, &own(&stage), 1);
        ask(&mut stage, "ann", end);
        let most = most_at_once(&mut stage);
        assert!(most < TURN, "seed {seed}, {end}: {most} in one turn");
        stage.settle().expect("works");
        assert_eq!(cursors(&stage), 0, "seed {seed}, {end}");
    }
}

#[test]
fn dlv_11_dlv_12_what_an_earlier_life_of_a_device_has_left_counts_for_nothing() {
    for seed in 0..SEEDS {
        let mut stage = Simulated::new(seed, false);
        register(&mut stage);
        let own = own(&stage);
        ask(&mut stage, "ann", &format!("Message{{msg_id=\"m\" to=\"{own}\" files=[Desc{{id=\"1\" payload=\"x\"}}]}}"));
        ask(&mut stage, "ann", "Auth{type=logout}");
        stage.settle().expect("works");
        // As a crash leaves them.
        acknowledged(&stage, &own, 1);
        register(&mut stage);
        let came = stage.take("ann").expect("comes");
        let is_message = |payload: &Bytes| matches!(etf::decode::<Record>(payload), Ok(Record::Message(_)));
        assert!(!came.iter().any(|got| is_message(&got.payload)), "seed {seed}: an old queue is due again");
        // The session may still be told to forget it.
        let forget = Input::End { bye: chat_core::door::Bye::TakenOver, record: None, forget: true };
        assert!(stage.sim.tell(&Name::Session(CLIENT.into()), forget).is_ok());
        stage.settle().expect("works");
        assert_eq!(cursors(&stage), 0, "seed {seed}");
    }
}

#[test]
fn dlv_12_pm_6_the_queue_of_an_ended_device_goes_though_a_guest_has_its_client_id() {
    for seed in 0..SEEDS {
        let mut stage = Simulated::new(seed, false);
        register(&mut stage);
        let own = own(&stage);
        ask(&mut stage, "ann", "Profile{status=remove}");
        stage.settle().expect("works");
        // As a crash leaves them.
        let feed = FeedId::p2p(own.clone(), "39000_1".parse().expect("a phone_id"));
        let leave = Leave { roster: own.to_bytes(), account: 1, clients: vec![CLIENT.into()], ..Leave::default() };
        let mut batch = Batch::default();
        batch.put(CURSOR, rows::cursor_key(CLIENT, &feed.key()), rows::encode(&Cursor::at(1)));
        batch.put(WORK, rows::numbered(PHONE.as_bytes(), 1), rows::encode(&Work::Leave(leave)));
        stage.sim.store().apply(&batch).expect("memory does not fail");
        assert_eq!(stage.connect("x", &Hello { client_id: CLIENT.to_owned(), ..Hello::default() }), Ok(0));
        assert!(stage.sim.tell(&Name::Profile(PHONE.parse().expect("a number")), Input::Resume).is_ok());
        stage.sim.run(TURNS);
        assert_eq!(cursors(&stage), 0, "seed {seed}");
    }
}

#[test]
fn dlv_7_roster_8_how_far_a_device_was_in_feeds_that_are_no_more_is_forgotten_some_feeds_at_a_time() {
    let mut stage = Simulated::new(0, false);
    let hello = register(&mut stage);
    stage.disconnect("ann", true).expect("is connected");
    let own = own(&stage);
    acknowledged(&stage, &own, 1);
    let kept = cursors(&stage);
    let gone = own.phone().roster(own.roster() + 1);
    acknowledged(&stage, &gone, 1);
    assert_eq!(stage.connect("ann", &hello), Ok(0));
    let mut before = kept + FEEDS as usize + 1;
    for _ in 0..FEEDS {
        let now = cursors(&stage);
        assert!(before - now < TURN, "{now} are left of {before}");
        before = now;
        stage.advance(1).expect("works");
    }
    assert_eq!(before, kept);
}
