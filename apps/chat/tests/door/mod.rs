//! The front door in the simulator, where the order of events can be chosen.
#![allow(dead_code, unreachable_pub)]

use std::sync::Arc;

use bytes::Bytes;
use chat_core::door::{Bye, Hello as Door, Out};
use chat_core::{Input, Name, Output, Port};
use kvs::Store;
use proto::Record;
use proto::ids::PhoneId;
use scene::{Hello, Simulated, Stage};

/// Orders of events that are tried.
pub const SEEDS: u64 = 20;

/// A device without connection: its client id and token.
pub fn device(stage: &mut Simulated) -> (String, Bytes) {
    device_of(stage, "38001")
}

pub fn device_of(stage: &mut Simulated, phone: &str) -> (String, Bytes) {
    device_called(stage, phone, "d")
}

pub fn device_called(stage: &mut Simulated, phone: &str, device: &str) -> (String, Bytes) {
    let hello = Hello { client_id: format!("reg_{phone}_{device}"), ..Hello::default() };
    assert_eq!(stage.connect("r", &hello), Ok(0));
    let auth = format!(r#"Auth{{type=reg dev_key="{device}" phone={{fake,"{phone}"}}}}"#);
    let auth = etf::text::parse(&auth, &proto::catalogue()).unwrap();
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
pub const FIRST_VERSION: u32 = 10;

pub fn connect(stage: &mut Simulated, client: &str, token: &Bytes) -> Arc<Port> {
    connect_as(stage, client, token, FIRST_VERSION)
}

pub fn connect_as(stage: &mut Simulated, client: &str, token: &Bytes, version: u32) -> Arc<Port> {
    connect_with(stage, client, token, version, 32)
}

pub fn connect_with(stage: &mut Simulated, client: &str, token: &Bytes, version: u32, window: u16) -> Arc<Port> {
    let port = Arc::new(Port::default());
    let hello = Door {
        client_id: Bytes::copy_from_slice(client.as_bytes()),
        password: Some(token.clone()),
        certificate: None,
        source: None,
        version,
        window,
        item_max: 1 << 20,
        acknowledges: true,
    };
    let input = Input::Connect { hello: Box::new(hello), port: port.clone() };
    assert!(stage.sim.tell(&Name::Session(client.into()), input).is_ok());
    port
}

/// What has come for a connection: whether it was welcomed, and how it was ended.
pub fn heard(outputs: &[Output], port: &Arc<Port>) -> (bool, Option<Bye>) {
    let own = |output: &Output| match output {
        Output::Port(to, out) if to.number() == port.number() => Some(out.clone()),
        _ => None,
    };
    let outs: Vec<Out> = outputs.iter().filter_map(own).collect();
    let welcomed = outs.iter().any(|out| matches!(out, Out::Welcome(..)));
    let ended = outs.iter().find_map(|out| match out {
        Out::Close(bye) => Some(*bye),
        _ => None,
    });
    (welcomed, ended)
}

pub fn default_roster(stage: &Simulated, phone: &str) -> PhoneId {
    let store = stage.sim.store().snapshot();
    chat_core::default_roster(&*store, &phone.parse().unwrap()).unwrap().expect("there is one")
}
