//! The session as a value: rules of SPEC sections 3, 4 and 8 that the transport keeps, packet by packet.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use chat::door::{Bye, Certificate, Origin, Out, Verdict};
use proptest::prelude::*;
use rumqttd::protocol::{PublishProperties, RetainForwardRule};

use super::greet::greet;
use super::*;
use crate::broker::LEVELS_MAX;
use crate::message::Delivered;
use crate::packet::{Asked, Connect, Publish, Subscribe};
use crate::rights::Rule;
use crate::settings::{Plain, Settings};

mod free;
mod greeting;
mod requests;

const ME: &str = "emqttd_380676631870_d1";
const REQUESTS: &str = "events/1//api/anon//";

fn connect(version: Version, client_id: &str) -> Connect {
    Connect {
        version,
        client_id: client_id.into(),
        clean_start: true,
        keep_alive: 60,
        properties: None,
        will: None,
        password: None,
    }
}

fn certificate() -> Arc<Certificate> {
    Arc::new(Certificate { own_authority: true, personal: true, ..Certificate::default() })
}

fn greeted(connect: Connect) -> Result<Greeting, u8> {
    greet(connect, Some(certificate().into()), &Settings::default(), || "0123456789abcdef".into())
}

fn session(version: Version, client_id: &str) -> Session {
    Session::new(&greeted(connect(version, client_id)).unwrap(), 32)
}

fn publish(qos: Qos, id: u16, topic: &str, payload: &'static [u8]) -> Incoming {
    let (topic, payload) = (Bytes::copy_from_slice(topic.as_bytes()), Bytes::from_static(payload));
    Incoming::Publish(Publish { id, qos, retain: false, topic, payload, properties: None })
}

fn subscribe(filters: &[&str]) -> Incoming {
    let asked = |filter: &&str| Asked {
        filter: (*filter).into(),
        qos: Qos::One,
        no_local: false,
        retain_as_published: false,
        retained: RetainForwardRule::OnEverySubscribe,
    };
    Incoming::Subscribe(Subscribe { id: 7, subscription_id: None, filters: filters.iter().map(asked).collect() })
}

/// Takes the packet; gives what is written and asked.
fn feed(session: &mut Session, packet: Incoming) -> Todo {
    let mut todo = Todo::default();
    assert!(matches!(session.packet(packet, &mut todo), Taken::Yes));
    todo
}

fn out(session: &mut Session, out: Out) -> Todo {
    let mut todo = Todo::default();
    session.out(out, &mut todo);
    todo
}

fn calls(todo: &Todo) -> Vec<u64> {
    let call = |ask: &Ask| match ask {
        Ask::Request { call, .. } => Some(*call),
        _ => None,
    };
    todo.asks.iter().filter_map(call).collect()
}

fn answer(call: u64) -> Out {
    Out::Answer { call, payload: Bytes::from_static(b"A") }
}

fn done(call: u64) -> Out {
    Out::Done { call, verdict: Verdict::Done }
}

/// A QoS 0 PUBLISH as it is on the wire.
fn wire(topic: &str, payload: &[u8], version: Version) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    let extra = write::Extra::default();
    let sending =
        write::Sending { id: 0, qos: Qos::Zero, retain: false, dup: false, topic, payload, properties: None, extra };
    sending.write(version, &mut bytes);
    bytes.to_vec()
}

fn known(receive_maximum: Option<u16>, max_packet_size: Option<u32>) -> Option<rumqttd::protocol::ConnectProperties> {
    Some(rumqttd::protocol::ConnectProperties {
        session_expiry_interval: None,
        receive_maximum,
        max_packet_size,
        topic_alias_max: None,
        request_response_info: None,
        request_problem_info: None,
        user_properties: Vec::new(),
        authentication_method: None,
        authentication_data: None,
    })
}

fn delivered(topic: &str, qos: Qos) -> Delivered {
    let message = Arc::new(Message::plain(topic, "m", qos));
    Delivered { message, qos, retain: false, ids: Vec::new(), share: None, left: None, row: None }
}

/// What is written of a message from the broker.
fn deliver(session: &mut Session, delivered: Delivered) -> BytesMut {
    let mut todo = Todo::default();
    session.deliver(delivered, &mut todo);
    todo.bytes
}

#[test]
fn con_7_con_9_the_chat_closes_with_a_reason_that_5_0_hears() {
    for (bye, code) in [
        (Bye::Done, 0),
        (Bye::TakenOver, 0x8E),
        (Bye::Expired, 0x87),
        (Bye::Ended, 0x98),
        (Bye::TimeUp, 0xA0),
        (Bye::ShuttingDown, 0x8B),
    ] {
        let five = out(&mut session(Version::V5, ME), Out::Close(bye));
        assert_eq!((&five.bytes[..], five.end), (&[0xE0, 1, code][..], Some(End::Dismissed)));
        let four = out(&mut session(Version::V4, ME), Out::Close(bye));
        assert!(four.bytes.is_empty() && four.end.is_some());
    }
}

#[test]
fn aliases_stand_for_topics_and_wrong_ones_close() {
    let aliased = |topic: &str, alias| match publish(Qos::Zero, 0, topic, b"x") {
        Incoming::Publish(publish) => {
            let known = rumqttd::protocol::PublishProperties { topic_alias: Some(alias), ..Default::default() };
            Incoming::Publish(Publish { properties: Some(Box::new(known)), ..publish })
        }
        other => other,
    };
    let mut session = session(Version::V5, ME);
    assert_eq!(calls(&feed(&mut session, aliased(REQUESTS, 1))), [0]);
    assert_eq!(calls(&feed(&mut session, aliased("", 1))), [1]);
    assert!(feed(&mut session, aliased("", 2)).bytes.ends_with(&[0xE0, 1, 0x82]));
    assert!(feed(&mut session, aliased(REQUESTS, 17)).bytes.ends_with(&[0xE0, 1, 0x94]));
}

#[test]
fn disconnect_may_ask_for_the_will_but_not_lengthen_a_session_that_ends() {
    let end =
        |reason, session_expiry| feed(&mut session(Version::V5, "x"), Incoming::Disconnect { reason, session_expiry });
    assert_eq!(end(0, None).end, Some(End::Left));
    assert_eq!(end(4, None).end, Some(End::Broken));
    assert!(end(0, Some(60)).bytes.ends_with(&[0xE0, 1, 0x82]));
}

#[test]
fn a_client_that_acknowledges_nothing_is_closed_at_a_bound() {
    let small = Connect { properties: known(Some(1), None), ..connect(Version::V5, ME) };
    let mut session = Session::new(&greeted(small).unwrap(), 32);
    let item = |delivery| Out::Item { topic: "room/l".into(), payload: Bytes::new(), delivery: Some(delivery) };
    let ended = (0..2000).position(|delivery| out(&mut session, item(delivery)).end.is_some());
    assert_eq!(ended, Some(outflow::WAITING_MAX + 1));
}

#[test]
fn ftp_2_two_pieces_are_at_work_and_the_next_one_waits() {
    static PIECE: [u8; 256 << 10] = [0; 256 << 10];
    let mut session = session(Version::V5, ME);
    let piece = |id| publish(Qos::One, id, REQUESTS, &PIECE);
    for id in 1..=2 {
        assert_eq!(calls(&feed(&mut session, piece(id))), [u64::from(id) - 1]);
    }
    let mut todo = Todo::default();
    assert!(matches!(session.packet(piece(3), &mut todo), Taken::Later(_)));
    // One that has ended makes room, though an earlier one keeps its acknowledgement back.
    out(&mut session, done(1));
    assert_eq!(calls(&feed(&mut session, piece(3))), [2]);
    assert!(matches!(session.packet(piece(4), &mut todo), Taken::Later(_)));
}

proptest! {
    /// Whatever a client and a chat do, acknowledgements are never more than the publishes they belong to.
    #[test]
    fn any_order_of_packets_and_outs_is_taken(steps in prop::collection::vec((0u8..12, 1u16..6), 0..80)) {
        let mut session = session(Version::V5, ME);
        let mut open = std::collections::VecDeque::new();
        for (step, id) in steps {
            let mut todo = Todo::default();
            match step {
                0..=2 => drop(session.packet(publish(Qos::of(step).unwrap(), if step == 0 { 0 } else { id }, REQUESTS, b"x"), &mut todo)),
                3 => drop(session.packet(Incoming::PubAck { id }, &mut todo)),
                4 => drop(session.packet(Incoming::PubRec { id, reason: 0 }, &mut todo)),
                5 => drop(session.packet(Incoming::PubRel { id }, &mut todo)),
                6 => drop(session.packet(Incoming::PubComp { id }, &mut todo)),
                7 => drop(session.packet(subscribe(&["room/lobby"]), &mut todo)),
                8 => session.out(Out::Item { topic: "room/l".into(), payload: Bytes::new(), delivery: Some(u64::from(id)) }, &mut todo),
                9 => session.out(Out::Right { ask: u64::from(id), granted: true }, &mut todo),
                _ => if let Some(call) = open.pop_front() {
                    session.out(answer(call), &mut todo);
                    session.out(done(call), &mut todo);
                },
            }
            open.extend(calls(&todo));
        }
        prop_assert!(open.len() <= chat::CALLS_MAX);
    }
}
