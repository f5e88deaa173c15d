//! CON-7 when connections of one client id meet, G-5 when one speaks at once (the front door in the simulator, where the order of events
//! can be chosen).

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

use std::sync::Arc;

use bytes::Bytes;
use chat_core::door::{Bye, Gone, Hello as Door, Origin, Out};
use chat_core::{Input, Name, Output, Port};
use kvs::Store;
use proto::Record;
use scene::{Hello, Simulated, Stage};

const SEEDS: u64 = 20;

/// A device without connection: its client id and token.
fn device(stage: &mut Simulated) -> (String, Bytes) {
    let hello = Hello { client_id: "reg_38001_d".to_owned(), ..Hello::default() };
    assert_eq!(stage.connect("r", &hello), Ok(0));
    let auth = etf::text::parse(r#"Auth{type=reg dev_key="d" phone={fake,"38001"}}"#, &proto::catalogue()).unwrap();
    stage.publish("r", "events/1//api/anon//", etf::encode(&auth)).unwrap();
    stage.acknowledged("r").unwrap();
    let answers = stage.take("r").unwrap();
    stage.disconnect("r", true).unwrap();
    let login = answers.iter().find_map(|got| match etf::decode::<Record>(&got.payload) {
        Ok(Record::Io(io)) => Some(etf::text::print(&etf::Term::of(&*io).unwrap(), &())),
        _ => None,
    });
    let mut parts = login.as_deref().unwrap_or_default().split('"').skip(1).step_by(2).map(str::to_owned);
    (parts.next().expect("a client id"), parts.next().expect("a token").into())
}

/// Of the first versions, which are sent a Profile before what is due to them (CON-6).
const FIRST_VERSION: u32 = 10;

fn connect(stage: &mut Simulated, client: &str, token: &Bytes) -> Arc<Port> {
    connect_as(stage, client, token, FIRST_VERSION)
}

fn connect_as(stage: &mut Simulated, client: &str, token: &Bytes, version: u32) -> Arc<Port> {
    let port = Arc::new(Port::default());
    let hello = Door {
        client_id: Bytes::copy_from_slice(client.as_bytes()),
        password: Some(token.clone()),
        certificate: None,
        source: None,
        version,
        window: 32,
        item_max: 1 << 20,
        acknowledges: true,
    };
    let input = Input::Connect { hello: Box::new(hello), port: port.clone() };
    assert!(stage.sim.tell(&Name::Session(client.into()), input).is_ok());
    port
}

/// What has come for each connection: whether it was welcomed, and how it was ended.
fn heard(outputs: &[Output], port: &Arc<Port>) -> (bool, Option<Bye>) {
    let own = |output: &Output| match output {
        Output::Port(to, out) if to.number() == port.number() => Some(out.clone()),
        _ => None,
    };
    let outs: Vec<Out> = outputs.iter().filter_map(own).collect();
    let welcomed = outs.iter().any(|out| matches!(out, Out::Welcome(_)));
    let ended = outs.iter().find_map(|out| match out {
        Out::Close(bye) => Some(*bye),
        _ => None,
    });
    (welcomed, ended)
}

#[test]
fn con_7_of_connections_that_ask_at_once_the_last_one_stays() {
    for seed in 0..SEEDS {
        let mut stage = Simulated::new(seed, false);
        let (client, token) = device(&mut stage);
        let ports: Vec<Arc<Port>> = (0..3).map(|_| connect(&mut stage, &client, &token)).collect();
        stage.sim.run_until_quiet();
        let outputs = stage.sim.take_outputs();
        for earlier in &ports[..2] {
            assert_eq!(heard(&outputs, earlier).1, Some(Bye::TakenOver), "seed {seed}");
        }
        assert_eq!(heard(&outputs, &ports[2]), (true, None), "seed {seed}");
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
    for seed in 0..SEEDS {
        let mut stage = Simulated::new(seed, false);
        let (client, token) = device(&mut stage);
        let port = connect(&mut stage, &client, &token);
        while !stage
            .sim
            .outputs()
            .iter()
            .any(|out| matches!(out, Output::Port(to, Out::Welcome(_)) if to.number() == port.number()))
        {
            stage.sim.run(1);
        }
        for (call, text) in [r#"Tag{name="work" status=create}"#, r#"{init,""}"#].into_iter().enumerate() {
            let payload = etf::encode(&etf::text::parse(text, &proto::catalogue()).unwrap());
            let origin = Origin::Events { token: None };
            let request = Input::Request { port: port.clone(), call: call as u64, origin, payload };
            assert!(stage.sim.tell(&Name::Session(client.as_str().into()), request).is_ok());
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
        let tag = outs.iter().position(|out| matches!(out, Out::Item { topic, .. } if **topic == *"ses/38001"));
        let answer = outs.iter().position(|out| matches!(out, Out::Answer { .. }));
        assert!(tag.is_some() && tag < answer, "seed {seed}: {tag:?}, {answer:?}");
    }
}

/// Lets the server work until it has welcomed a connection.
fn welcome(stage: &mut Simulated, port: &Arc<Port>) {
    let is_welcome = |out: &Output| matches!(out, Output::Port(to, Out::Welcome(_)) if to.number() == port.number());
    while !stage.sim.outputs().iter().any(is_welcome) {
        stage.sim.run(1);
    }
}

/// A note to herself, as request `call` of the connection.
fn write(stage: &mut Simulated, client: &str, port: &Arc<Port>, call: u64) {
    let text = format!(r#"Message{{msg_id="m{call}" to="38001_1" files=[Desc{{id="1" payload="{call}"}}]}}"#);
    let store = stage.sim.store().snapshot();
    let own = chat_core::default_roster(&*store, &"38001".parse().unwrap()).unwrap().expect("she has one");
    let payload = etf::encode(&etf::text::parse(&text.replace("38001_1", own.as_str()), &proto::catalogue()).unwrap());
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
