//! CON-7 when connections of one client id meet, G-5 when one speaks at once.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

mod door;

use std::sync::Arc;

use bytes::Bytes;
use chat_core::door::{Bye, Denied, Gone, Origin, Out};
use chat_core::{Input, Name, Output, Port};
use door::{FIRST_VERSION, SEEDS, connect, connect_as, connect_with, default_roster, device, device_of, heard};
use proto::Record;
use proto::records::{ProfileStatus, RoomStatus};
use scene::Simulated;

/// After so many turns nothing more comes.
const TURNS: usize = 100;

#[test]
fn con_7_of_connections_that_ask_at_once_the_last_one_stays() {
    for seed in 0..SEEDS {
        let mut stage = Simulated::new(seed, false);
        let (client, token) = device(&mut stage);
        let ports: Vec<Arc<Port>> = (0..3).map(|_| connect(&mut stage, &client, &token)).collect();
        stage.sim.run_until_quiet();
        let outputs = stage.sim.take_outputs();
        for earlier in &ports[..2] {
            assert_eq!(
                heard(&outputs, earlier),
                (true, Some(Bye::TakenOver)),
                "seed {seed}: a transport has words for it"
            );
        }
        assert_eq!(heard(&outputs, &ports[2]), (true, None), "seed {seed}");
    }
}

#[test]
fn con_7_who_shows_a_wrong_token_hears_so_and_ends_nobody_who_asks_before_it_or_behind_it() {
    for (seed, is_first) in (0..SEEDS).flat_map(|seed| [(seed, true), (seed, false)]) {
        let mut stage = Simulated::new(seed, false);
        let (client, token) = device(&mut stage);
        let mut ask = |token: &Bytes| connect(&mut stage, &client, token);
        let before = (!is_first).then(|| ask(&token));
        let wrong: Vec<Arc<Port>> = (0..4).map(|_| ask(&Bytes::from_static(b"wrong"))).collect();
        let good = before.unwrap_or_else(|| ask(&token));
        stage.sim.run_until_quiet();
        let outputs = stage.sim.take_outputs();
        for wrong in wrong {
            let is_denied = outputs.iter().any(|output| match output {
                Output::Port(to, Out::Denied(why)) => to.number() == wrong.number() && *why == Denied::BadCredentials,
                _ => false,
            });
            assert!(is_denied, "seed {seed}");
        }
        assert_eq!(heard(&outputs, &good), (true, None), "seed {seed}, asks first: {}", !is_first);
    }
}

#[test]
fn con_7_a_connection_that_goes_while_the_next_one_asks_is_taken_over_all_the_same() {
    for seed in 0..SEEDS {
        let mut stage = Simulated::new(seed, false);
        let (client, token) = device(&mut stage);
        let name = Name::Session(client.as_str().into());
        let first = connect(&mut stage, &client, &token);
        stage.sim.run_until_quiet();
        let second = connect(&mut stage, &client, &token);
        let gone = Input::Gone { connection: first.number(), how: Gone::Lost };
        assert!(stage.sim.tell(&name, gone).is_ok());
        stage.sim.run_until_quiet();
        let outputs = stage.sim.take_outputs();
        assert!(heard(&outputs, &first).0, "seed {seed}");
        assert_eq!(heard(&outputs, &second), (true, None), "seed {seed}");
        assert_eq!(stage.sim.registry().group_size(&chat_core::Group::Account("38001".parse().unwrap())), 1);
    }
}

#[test]
fn g_5_a_call_that_a_notice_answers_is_answered_in_its_turn_while_the_queue_is_being_loaded() {
    // To the account, and to a room.
    let tag = (r#"Tag{name="work" status=create}"#, is_tag as fn(&Record) -> bool);
    let patch = (r#"Room{id="hall" name="Other" status=patch}"#, is_renaming as fn(&Record) -> bool);
    for (seed, (text, is_it)) in (0..SEEDS).flat_map(|seed| [(seed, tag), (seed, patch)]) {
        let mut stage = Simulated::new(seed, false);
        let (client, token) = device(&mut stage);
        let port = connect(&mut stage, &client, &token);
        stage.sim.run_until_quiet();
        ask(&mut stage, &client, &port, 0, r#"Room{id="hall" name="Hall" type=group status=create}"#);
        stage.sim.run_until_quiet();
        stage.sim.take_outputs();
        let port = connect(&mut stage, &client, &token);
        welcome(&mut stage, &port);
        for (call, text) in [text, r#"{init,""}"#].into_iter().enumerate() {
            ask(&mut stage, &client, &port, call as u64, text);
        }
        stage.sim.run_until_quiet();
        let outputs = stage.sim.take_outputs();
        let outs: Vec<&Out> = outputs
            .iter()
            .filter_map(|output| match output {
                Output::Port(to, out) if to.number() == port.number() => Some(out),
                _ => None,
            })
            .collect();
        let is_notice = |out: &&Out| match out {
            Out::Item { payload, .. } => etf::decode(payload).is_ok_and(|record| is_it(&record)),
            _ => false,
        };
        let notice = outs.iter().position(is_notice);
        let answer = outs.iter().position(|out| matches!(out, Out::Answer { .. }));
        assert!(notice.is_some() && notice < answer, "seed {seed}, {text}: {notice:?}, {answer:?}");
    }
}

/// Lets the server work until it has welcomed a connection.
fn welcome(stage: &mut Simulated, port: &Arc<Port>) {
    let is_welcome = |out: &Output| matches!(out, Output::Port(to, Out::Welcome(..)) if to.number() == port.number());
    while !stage.sim.outputs().iter().any(is_welcome) {
        stage.sim.run(1);
    }
}

/// A note to herself, as request `call` of the connection.
fn write(stage: &mut Simulated, client: &str, port: &Arc<Port>, call: u64) {
    let text = format!(r#"Message{{msg_id="m{call}" to="38001_1" files=[Desc{{id="1" payload="{call}"}}]}}"#);
    let own = default_roster(stage, "38001");
    ask(stage, client, port, call, &text.replace("38001_1", own.as_str()));
}

fn ask(stage: &mut Simulated, client: &str, port: &Arc<Port>, call: u64, text: &str) {
    let payload = etf::encode(&etf::text::parse(text, &proto::catalogue()).unwrap());
    let request = Input::Request { port: port.clone(), call, origin: Origin::Events { token: None }, payload };
    assert!(stage.sim.tell(&Name::Session(client.into()), request).is_ok());
}

/// What came of the notes, in order: `a1` is the Ack of the first, `m1` its echo.
fn shown(outputs: &[Output], port: &Arc<Port>) -> Vec<String> {
    let own = |output: &Output| match output {
        Output::Port(to, Out::Answer { payload, .. } | Out::Item { payload, .. }) if to.number() == port.number() => {
            Some(payload.clone())
        }
        _ => None,
    };
    let text = |id: Option<Bytes>| String::from_utf8_lossy(&id.unwrap_or_default()).into_owned();
    let named = |payload: Bytes| match etf::decode::<Record>(&payload) {
        Ok(Record::Ack(ack)) => Some(text(ack.id).replace('m', "a")),
        Ok(Record::Message(message)) => Some(text(message.msg_id)),
        _ => None,
    };
    outputs.iter().filter_map(own).filter_map(named).collect()
}

#[test]
fn dlv_2_what_a_device_writes_while_its_queue_is_being_loaded_comes_to_it_behind_the_ack() {
    for (seed, version) in (0..SEEDS * 10).flat_map(|seed| [(seed, FIRST_VERSION), (seed, 101)]) {
        let mut stage = Simulated::new(seed, false);
        let (client, token) = device(&mut stage);
        let port = connect_as(&mut stage, &client, &token, version);
        welcome(&mut stage, &port);
        stage.sim.run(seed as usize % 7);
        write(&mut stage, &client, &port, 0);
        stage.sim.run_until_quiet();
        assert_eq!(shown(&stage.sim.take_outputs(), &port), ["a0", "m0"], "seed {seed}, version {version}");
    }
}

/// The records of this kind that came for the connection, and how: as an answer, or on a topic.
fn told(outputs: &[Output], port: &Arc<Port>, is_it: impl Fn(&Record) -> bool) -> Vec<&'static str> {
    let own = |output: &Output| match output {
        Output::Port(to, Out::Answer { payload, .. }) if to.number() == port.number() => {
            Some((payload.clone(), "answer"))
        }
        Output::Port(to, Out::Item { payload, .. }) if to.number() == port.number() => Some((payload.clone(), "item")),
        _ => None,
    };
    let named = |(payload, how): (Bytes, _)| etf::decode(&payload).ok().filter(|record| is_it(record)).map(|_| how);
    outputs.iter().filter_map(own).filter_map(named).collect()
}

#[test]
fn g_8_what_a_connection_has_had_as_an_answer_while_its_queue_is_being_loaded_does_not_come_again() {
    // To the account, and to the room.
    let patch = r#"Profile{settings=[Feature{id="1" key="K" value="V" group="G"}] status=patch}"#;
    for (seed, version) in (0..SEEDS * 10).flat_map(|seed| [(seed, FIRST_VERSION), (seed, 101)]) {
        let mut stage = Simulated::new(seed, false);
        let (client, token) = device(&mut stage);
        device_of(&mut stage, "38002");
        let other = default_roster(&stage, "38002");
        let ban = format!(r#"Room{{id="hall" members=[Member{{phone_id="{other}"}}] status=ban}}"#);
        let port = connect_as(&mut stage, &client, &token, version);
        stage.sim.run_until_quiet();
        ask(&mut stage, &client, &port, 0, r#"Room{id="hall" name="Hall" type=group status=create}"#);
        stage.sim.run_until_quiet();
        let port = connect_as(&mut stage, &client, &token, version);
        welcome(&mut stage, &port);
        stage.sim.run(seed as usize % 7);
        for (call, text) in [patch, &ban].into_iter().enumerate() {
            ask(&mut stage, &client, &port, call as u64, text);
        }
        stage.sim.run_until_quiet();
        let outputs = stage.sim.take_outputs();
        for is_it in [is_patch, is_ban] {
            assert_eq!(told(&outputs, &port, is_it), ["answer"], "seed {seed}, version {version}");
        }
    }
}

/// Lets the server work, and confirms what comes for the connection while it does, so many items at most; all that came.
fn confirmed(stage: &mut Simulated, client: &str, port: &Arc<Port>, most: usize) -> Vec<Output> {
    let (mut came, mut count) = (Vec::new(), 0);
    while count < most {
        let turns = (0..TURNS).find(|_| {
            stage.sim.run(1);
            !stage.sim.outputs().is_empty()
        });
        if turns.is_none() {
            break;
        }
        let outputs = stage.sim.take_outputs();
        for output in &outputs {
            if let Output::Port(to, Out::Item { delivery: Some(delivery), .. }) = output
                && to.number() == port.number()
            {
                let confirmed = Input::Confirmed { connection: port.number(), delivery: *delivery };
                assert!(stage.sim.tell(&Name::Session(client.into()), confirmed).is_ok());
                count += 1;
            }
        }
        came.extend(outputs);
    }
    came
}

#[test]
fn g_8_what_was_an_answer_does_not_come_again_with_what_waited_for_room() {
    // To a room (ROOM-11), and to the account (ROOM-8), when so many items of those that wait have been confirmed.
    let calls = [("ban", is_ban as fn(&Record) -> bool), ("delete", is_end)];
    for (seed, most) in (0..SEEDS * 2).flat_map(|seed| (1..8).map(move |most| (seed, most))) {
        for (act, is_it) in calls {
            let mut stage = Simulated::new(seed, false);
            let (client, token) = device(&mut stage);
            device_of(&mut stage, "38002");
            let other = default_roster(&stage, "38002");
            let port = connect_as(&mut stage, &client, &token, 101);
            stage.sim.run_until_quiet();
            // On one thread with the session, or on another.
            let hall = format!("hall{}", seed % 4);
            let part = r#"Desc{id="1" payload="x"}"#;
            let entry = |n| format!(r#"Message{{msg_id="m{n}" feed_id=muc{{name="{hall}"}} files=[{part}]}}"#);
            let notice = |n| format!(r#"Tag{{name="tag{n}" status=create}}"#);
            let room = format!(r#"Room{{id="{hall}" name="Hall" type=group status=create}}"#);
            let backlog = std::iter::once(room).chain((0..3).map(entry)).chain((0..3).map(notice));
            for (call, text) in backlog.enumerate() {
                ask(&mut stage, &client, &port, call as u64, &text);
            }
            stage.sim.run_until_quiet();
            let port = connect_with(&mut stage, &client, &token, 101, 1);
            stage.sim.run_until_quiet();
            confirmed(&mut stage, &client, &port, most);
            let text = format!(r#"Room{{id="{hall}" members=[Member{{phone_id="{other}"}}] status={act}}}"#);
            ask(&mut stage, &client, &port, 0, &text);
            let outputs = confirmed(&mut stage, &client, &port, usize::MAX);
            assert_eq!(told(&outputs, &port, is_it), ["answer"], "seed {seed}, {act} after {most} items");
            // Nor on the next connection.
            let port = connect_with(&mut stage, &client, &token, 101, 1);
            let outputs = confirmed(&mut stage, &client, &port, usize::MAX);
            assert!(told(&outputs, &port, is_it).is_empty(), "seed {seed}, {act} after {most} items");
        }
    }
}

fn is_tag(record: &Record) -> bool {
    matches!(record, Record::Tag(_))
}

fn is_renaming(record: &Record) -> bool {
    matches!(record, Record::Room(room) if room.status == Some(RoomStatus::Patch))
}

fn is_patch(record: &Record) -> bool {
    matches!(record, Record::Profile(profile) if profile.status == Some(ProfileStatus::Patch))
}

fn is_ban(record: &Record) -> bool {
    matches!(record, Record::Room(room) if room.status == Some(RoomStatus::Ban))
}

fn is_end(record: &Record) -> bool {
    matches!(record, Record::Room(room) if room.status == Some(RoomStatus::Delete))
}
