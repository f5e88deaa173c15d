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

#[test]
fn con_3_client_ids_decide_what_a_client_is() {
    for (id, kind) in [
        ("reg_x", Kind::Client),
        (ME, Kind::Client),
        ("emqttd_0.31", Kind::Client),
        ("sys_x", Kind::Service),
        ("x", Kind::Plain),
    ] {
        assert_eq!(greeted(connect(Version::V4, id)).unwrap().kind, kind, "{id}");
    }
    assert_eq!(greeted(connect(Version::V5, &"x".repeat(257))).unwrap_err(), reason::BAD_CLIENT_ID);
    assert_eq!(greeted(connect(Version::V5, "reg_a/b")).unwrap_err(), reason::BAD_CLIENT_ID);
}

#[test]
fn con_3_plain_clients_need_what_the_setting_says() {
    let plain = |plain, certified: bool| {
        let settings = Settings { plain, ..Settings::default() };
        greet(connect(Version::V5, "x"), certified.then(|| certificate().into()), &settings, String::new).err()
    };
    assert_eq!(plain(Plain::Cert, true), None);
    assert_eq!(plain(Plain::Cert, false), Some(reason::NOT_AUTHORIZED));
    assert_eq!(plain(Plain::Any, false), None);
    assert_eq!(plain(Plain::Off, true), Some(reason::NOT_AUTHORIZED));
}

#[test]
fn con_4_an_empty_client_id_is_assigned_one_and_3_1_1_must_start_clean() {
    let greeting = greeted(connect(Version::V5, "")).unwrap();
    let told = greeting.properties(&Settings::default());
    assert_eq!(told.assigned_client_identifier.as_deref(), Some("plain-0123456789abcdef"));
    assert_eq!((told.retain_available, told.shared_subscription_available, told.max_qos), (Some(1), Some(1), None));
    let kept = Connect { clean_start: false, ..connect(Version::V4, "") };
    assert_eq!(greeted(kept).unwrap_err(), reason::BAD_CLIENT_ID);
}

#[test]
fn con_4_protocol_clients_are_told_no_retain_no_shared_no_session() {
    let told = greeted(connect(Version::V5, ME)).unwrap().properties(&Settings::default());
    assert_eq!((told.retain_available, told.shared_subscription_available), (Some(0), Some(0)));
    assert_eq!(
        (told.session_expiry_interval, told.receive_max, told.max_packet_size),
        (Some(0), Some(32), Some(1 << 20))
    );
    assert_eq!((told.wildcard_subscription_available, told.server_keep_alive), (Some(1), None));
}

#[test]
fn con_6_the_version_comes_by_will_or_user_property() {
    let version = |connect| greeted(connect).unwrap().hello.unwrap().version;
    assert_eq!(version(connect(Version::V4, ME)), 101);
    let mut by_will = connect(Version::V4, ME);
    let will = rumqttd::protocol::LastWill {
        topic: "version/8".into(),
        message: Bytes::new(),
        qos: rumqttd::protocol::QoS::AtMostOnce,
        retain: false,
    };
    by_will.will = Some((will, None));
    let greeting = greeted(by_will).unwrap();
    // CON-8: it is never published.
    assert!(greeting.will.is_none());
    assert_eq!(greeting.hello.unwrap().version, 8);
}

#[test]
fn con_8_wills_stay_only_where_the_client_may_publish() {
    let will = |id: &str, topic: &'static str| {
        let will = rumqttd::protocol::LastWill {
            topic: topic.into(),
            message: Bytes::new(),
            qos: rumqttd::protocol::QoS::AtMostOnce,
            retain: false,
        };
        greeted(Connect { will: Some((will, None)), ..connect(Version::V4, id) }).unwrap().will.is_some()
    };
    assert!(will("x", "free/x") && will("sys_x", "free/x"));
    assert!(!will("x", "room/x") && !will(ME, "free/x"));
}

#[test]
fn heart_3_keep_alive_counts_as_the_nearest_bound_and_none_as_the_highest() {
    for (asked, used) in [(0, 1200), (1, 5), (60, 60), (5000, 1200)] {
        let greeting = greeted(Connect { keep_alive: asked, ..connect(Version::V5, ME) }).unwrap();
        assert_eq!(greeting.keep_alive, used);
        assert_eq!(greeting.properties(&Settings::default()).server_keep_alive, (asked != used).then_some(used));
    }
}

#[test]
fn heart_3_a_ping_is_answered() {
    assert_eq!(&feed(&mut session(Version::V4, ME), Incoming::Ping).bytes[..], [0xD0, 0]);
}

#[test]
fn topic_1_request_topics_reach_the_chat_and_topic_2_answers_follow_their_form() {
    for (asked_on, answered_on) in [
        (REQUESTS.to_owned(), format!("actions/1/api/{ME}")),
        (format!("events/1/2/chat/anon/{ME}"), format!("actions/1/chat/{ME}")),
        (format!("events/{ME}"), format!("actions/{ME}")),
        (format!("/events/o/s/page/1/3/{ME}"), format!("/actions/page/{ME}")),
    ] {
        let mut session = session(Version::V4, ME);
        assert_eq!(calls(&feed(&mut session, publish(Qos::Zero, 0, &asked_on, b"x"))), [0]);
        assert_eq!(out(&mut session, answer(0)).bytes, wire(&answered_on, b"A", Version::V4));
        // Notices follow the latest form.
        let notice = out(&mut session, Out::Notice { payload: Bytes::from_static(b"N") });
        assert_eq!(notice.bytes, wire(&answered_on, b"N", Version::V4));
    }
    let notice = out(&mut session(Version::V4, ME), Out::Notice { payload: Bytes::from_static(b"N") });
    assert_eq!(notice.bytes, wire(&format!("actions/1/api/{ME}"), b"N", Version::V4));
}

#[test]
fn topic_1_the_token_goes_along_and_a_wrong_version_is_answered_in_its_turn() {
    let mut session = session(Version::V4, ME);
    let first = feed(&mut session, publish(Qos::Zero, 0, &format!("events/1//api/anon/{ME}/secret"), b"x"));
    assert!(
        matches!(&first.asks[0], Ask::Request { origin: Origin::Events { token: Some(token) }, .. } if token == "secret")
    );
    let second = feed(&mut session, publish(Qos::One, 9, &format!("events/2//api/anon/{ME}/"), b"x"));
    assert!(second.asks.is_empty() && second.bytes.is_empty());
    // G-5: behind the answer to the first.
    let mut both = out(&mut session, answer(0)).bytes;
    both.extend_from_slice(&out(&mut session, done(0)).bytes);
    let topic = format!("actions/1/api/{ME}");
    assert!(both.starts_with(&wire(&topic, b"A", Version::V4)));
    assert!(both.windows(15).any(|window| window == b"invalid_version"));
    assert!(both.windows(4).any(|window| window == [0x40, 2, 0, 9]));
}

#[test]
fn topic_1_the_answer_to_a_wrong_version_is_the_record() {
    let io = proto::Io::error(proto::Refusal::InvalidVersion);
    assert_eq!(etf::encode(&io), publish::INVALID_VERSION);
}

#[test]
fn topic_8_no_right_is_0x87_for_5_0_and_silence_for_3_1_1() {
    for topic in
        ["events/1//api/anon/other/", "actions/1/api/x", "ses/380676631870", "free/topic", "room/a/b", "version/3"]
    {
        let five = feed(&mut session(Version::V5, ME), publish(Qos::One, 5, topic, b"x"));
        assert_eq!(&five.bytes[..], [0x40, 3, 0, 5, 0x87], "{topic}");
        assert!(five.asks.is_empty() && five.end.is_none());
        assert_eq!(&feed(&mut session(Version::V4, ME), publish(Qos::One, 5, topic, b"x")).bytes[..], [0x40, 2, 0, 5]);
        let rec = feed(&mut session(Version::V5, ME), publish(Qos::Two, 5, topic, b"x"));
        assert_eq!(&rec.bytes[..], [0x50, 3, 0, 5, 0x87]);
        assert!(feed(&mut session(Version::V5, ME), publish(Qos::Zero, 0, topic, b"x")).bytes.is_empty());
    }
    let plain = feed(&mut session(Version::V5, "x"), publish(Qos::One, 5, REQUESTS, b"x"));
    assert_eq!(&plain.bytes[..], [0x40, 3, 0, 5, 0x87]);
}

#[test]
fn topic_10_broadcast_topics_go_to_the_chat_and_its_verdict_to_the_client() {
    for (verdict, code) in [(Verdict::NoRight, 0x87), (Verdict::BadPayload, 0x99), (Verdict::TooMuch, 0x97)] {
        let mut session = session(Version::V5, ME);
        let asked = feed(&mut session, publish(Qos::One, 3, "room/lobby", b"hi"));
        assert!(matches!(&asked.asks[0], Ask::Request { origin: Origin::Broadcast(Topic::Room(_)), .. }));
        assert_eq!(&out(&mut session, Out::Done { call: 0, verdict }).bytes[..], [0x40, 3, 0, 3, code]);
    }
}

#[test]
fn con_10_a_retained_publish_on_the_protocols_topics_closes_5_0_only() {
    let retained = |topic: &str| match publish(Qos::One, 1, topic, b"x") {
        Incoming::Publish(publish) => Incoming::Publish(Publish { retain: true, ..publish }),
        other => other,
    };
    for topic in [REQUESTS, "room/lobby", "nothing-of-ours/../room"] {
        let todo = feed(&mut session(Version::V5, ME), retained(topic));
        let closed = topic != "nothing-of-ours/../room";
        assert_eq!(todo.end.is_some(), closed);
        assert_eq!(todo.bytes.ends_with(&[0xE0, 1, 0x9A]), closed);
    }
    assert_eq!(calls(&feed(&mut session(Version::V4, ME), retained(REQUESTS))), [0]);
    assert!(feed(&mut session(Version::V5, "x"), retained("free")).end.is_none());
}

#[test]
fn topic_12_answers_have_the_qos_of_the_request_and_acknowledgements_wait_for_its_end() {
    let mut session = session(Version::V5, ME);
    assert!(feed(&mut session, publish(Qos::One, 4, REQUESTS, b"x")).bytes.is_empty());
    assert_eq!(out(&mut session, answer(0)).bytes[0], 0x32);
    assert_eq!(&out(&mut session, done(0)).bytes[..], [0x40, 2, 0, 4]);
    feed(&mut session, publish(Qos::Two, 5, REQUESTS, b"x"));
    assert_eq!(out(&mut session, answer(1)).bytes[0], 0x34);
    assert_eq!(&out(&mut session, done(1)).bytes[..], [0x50, 2, 0, 5]);
    // The answer's own handshake: PUBREC, PUBREL, PUBCOMP.
    assert_eq!(&feed(&mut session, Incoming::PubRec { id: 2, reason: 0 }).bytes[..], [0x62, 2, 0, 2]);
    assert!(feed(&mut session, Incoming::PubComp { id: 2 }).bytes.is_empty());
}

#[test]
fn g_5_acknowledgements_keep_the_order_of_the_requests() {
    let mut session = session(Version::V4, ME);
    feed(&mut session, publish(Qos::One, 1, REQUESTS, b"x"));
    // Refused at once, yet acknowledged after the first.
    assert!(feed(&mut session, publish(Qos::One, 2, "free", b"x")).bytes.is_empty());
    assert_eq!(&out(&mut session, done(0)).bytes[..], [0x40, 2, 0, 1, 0x40, 2, 0, 2]);
}

#[test]
fn dlv_15_a_qos_2_publish_is_executed_once_per_packet_id() {
    let mut session = session(Version::V5, ME);
    assert_eq!(calls(&feed(&mut session, publish(Qos::Two, 6, REQUESTS, b"x"))), [0]);
    let again = feed(&mut session, publish(Qos::Two, 6, REQUESTS, b"x"));
    assert!(again.asks.is_empty() && again.bytes.is_empty());
    assert_eq!(&out(&mut session, done(0)).bytes[..], [0x50, 2, 0, 6]);
    let after = feed(&mut session, publish(Qos::Two, 6, REQUESTS, b"x"));
    assert!(after.asks.is_empty());
    assert_eq!(&after.bytes[..], [0x50, 2, 0, 6]);
    assert_eq!(&feed(&mut session, Incoming::PubRel { id: 6 }).bytes[..], [0x70, 2, 0, 6]);
    assert_eq!(&feed(&mut session, Incoming::PubRel { id: 6 }).bytes[..], [0x70, 3, 0, 6, 0x92]);
    // Released, the identifier is another message's.
    assert_eq!(calls(&feed(&mut session, publish(Qos::Two, 6, REQUESTS, b"y"))), [1]);
}

#[test]
fn dlv_3_items_are_confirmed_by_puback_once() {
    let mut session = session(Version::V4, ME);
    let item = Out::Item { topic: "room/lobby".into(), payload: Bytes::from_static(b"M"), delivery: Some(77) };
    assert_eq!(out(&mut session, item).bytes[0], 0x32);
    assert!(matches!(feed(&mut session, Incoming::PubAck { id: 1 }).asks.pop_front(), Some(Ask::Confirm(77))));
    assert!(feed(&mut session, Incoming::PubAck { id: 1 }).asks.is_empty());
    let transient = Out::Item { topic: "room/lobby".into(), payload: Bytes::from_static(b"T"), delivery: None };
    assert_eq!(out(&mut session, transient).bytes, wire("room/lobby", b"T", Version::V4));
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

#[test]
fn dlv_7_never_more_unacknowledged_than_the_client_takes() {
    let small = Connect { properties: known(Some(2), None), ..connect(Version::V5, ME) };
    let greeting = greeted(small).unwrap();
    assert_eq!(greeting.hello.as_ref().unwrap().window, 2);
    let mut session = Session::new(&greeting, 32);
    let item =
        |delivery| Out::Item { topic: "room/l".into(), payload: Bytes::from_static(b"M"), delivery: Some(delivery) };
    assert!(!out(&mut session, item(1)).bytes.is_empty() && !out(&mut session, item(2)).bytes.is_empty());
    assert!(out(&mut session, item(3)).bytes.is_empty());
    let next = feed(&mut session, Incoming::PubAck { id: 1 });
    assert!(next.bytes[0] == 0x32 && next.asks.len() == 1);
}

#[test]
fn dlv_14_nothing_larger_than_the_clients_maximum_is_sent() {
    let small = Connect { properties: known(None, Some(40)), ..connect(Version::V5, ME) };
    let mut session = Session::new(&greeted(small).unwrap(), 32);
    let item = |payload| Out::Item { topic: "room/l".into(), payload, delivery: None };
    assert!(out(&mut session, item(Bytes::from(vec![0; 40]))).bytes.is_empty());
    assert_eq!(out(&mut session, item(Bytes::from(vec![0; 29]))).bytes.len(), 40);
}

/// MQTT-3.1.2-24
#[test]
fn topic_13_who_cannot_be_told_all_codes_is_closed_and_nothing_is_subscribed() {
    let small = |bytes| {
        let properties = known(None, Some(bytes))
            .map(|known| rumqttd::protocol::ConnectProperties { request_problem_info: Some(1), ..known });
        Session::new(&greeted(Connect { properties, ..connect(Version::V5, "x") }).unwrap(), 32)
    };
    let filters: Vec<String> = (0..40).map(|number| format!("free/{number}")).collect();
    let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
    let leave =
        |filters: &[&str]| Incoming::Unsubscribe { id: 8, filters: filters.iter().map(|&f| f.into()).collect() };
    let mut tight = small(44);
    let told = feed(&mut tight, subscribe(&filters));
    assert_eq!((&told.bytes[..], told.end), (&[0xE0, 1, 0x95][..], Some(End::Broken)));
    assert!(told.asks.is_empty());
    let told = feed(&mut tight, leave(&filters));
    assert_eq!((&told.bytes[..], told.end), (&[0xE0, 1, 0x95][..], Some(End::Broken)));

    let mut enough = small(45);
    let told = feed(&mut enough, subscribe(&filters));
    assert_eq!((told.bytes.len(), told.end, told.asks.len()), (45, None, 40));
    let told = feed(&mut enough, leave(&filters));
    assert_eq!((told.bytes.len(), told.end, told.asks.len()), (45, None, 40));
    // A 3.1.1 client has no maximum.
    assert_eq!(feed(&mut session(Version::V4, "x"), subscribe(&filters)).end, None);
}

/// MQTT-3.9.2-2: the words are left out before a packet is too large.
#[test]
fn topic_13_a_suback_that_is_too_large_with_words_goes_without() {
    let told = |bytes, refused: usize| {
        let properties = known(None, Some(bytes))
            .map(|known| rumqttd::protocol::ConnectProperties { request_problem_info: Some(1), ..known });
        let mut session = Session::new(&greeted(Connect { properties, ..connect(Version::V5, "x") }).unwrap(), 32);
        let told = feed(&mut session, subscribe(&vec!["version/1"; refused]));
        assert_eq!(told.end, None);
        told.bytes.len()
    };
    assert!(told(1024, 10) > 1 + 1 + 3 + 10, "in words");
    assert_eq!(told(1024, 1018), 1024);
}

/// MQTT 5.0 section 4.7.2
#[test]
fn topic_13_what_servers_say_of_themselves_no_client_says() {
    for (id, topic) in [("x", "$SYS/broker/uptime"), ("x", "$SYS"), ("sys_x", "$SYS/x")] {
        let five = feed(&mut session(Version::V5, id), publish(Qos::One, 5, topic, b"x"));
        assert_eq!((&five.bytes[..], five.asks.len()), (&[0x40, 3, 0, 5, 0x87][..], 0), "{id} {topic}");
        let four = feed(&mut session(Version::V4, id), publish(Qos::One, 5, topic, b"x"));
        assert_eq!((&four.bytes[..], four.asks.len()), (&[0x40, 2, 0, 5][..], 0), "{id} {topic}");
        assert!(feed(&mut session(Version::V4, id), publish(Qos::Zero, 0, topic, b"x")).asks.is_empty());
    }
    // To read there, or to write what only begins alike, is anybody's.
    assert_eq!(feed(&mut session(Version::V5, "x"), subscribe(&["$SYS/#"])).bytes.last(), Some(&1));
    assert_eq!(feed(&mut session(Version::V5, "x"), publish(Qos::One, 5, "$SYSTEM/x", b"x")).asks.len(), 1);
}

#[test]
fn a_call_beyond_the_limit_waits_and_a_5_0_client_beyond_its_receive_maximum_is_closed() {
    let mut four = session(Version::V4, ME);
    for id in 1..=32 {
        feed(&mut four, publish(Qos::One, id, REQUESTS, b"x"));
    }
    let held = four.packet(publish(Qos::One, 33, REQUESTS, b"x"), &mut Todo::default());
    let Taken::Later(held) = held else { panic!() };
    // PUBACKs go through meanwhile.
    assert!(matches!(four.packet(Incoming::PubAck { id: 1 }, &mut Todo::default()), Taken::Yes));
    out(&mut four, done(0));
    assert_eq!(calls(&feed(&mut four, held)), [32]);

    let mut five = session(Version::V5, ME);
    for id in 1..=32 {
        feed(&mut five, publish(Qos::One, id, REQUESTS, b"x"));
    }
    assert!(feed(&mut five, publish(Qos::One, 33, REQUESTS, b"x")).bytes.ends_with(&[0xE0, 1, 0x93]));
}

#[test]
fn topic_5_topic_6_topic_9_subscriptions_of_a_device() {
    let mut session = session(Version::V5, ME);
    let own = format!("actions/1/api/{ME}");
    let filters = [
        "/actions/page/#",
        "actions/#",
        &own,
        "actions/1/api/other",
        "#",
        "room/+",
        "free/x",
        "$share/g/free",
        "events/x",
    ];
    let todo = feed(&mut session, subscribe(&filters));
    assert_eq!(&todo.bytes[..], [0x90, 12, 0, 7, 0, 1, 1, 1, 0x87, 0x87, 0x87, 0x87, 0x9E, 0x87]);
    assert!(todo.asks.is_empty());
}

#[test]
fn topic_5_the_chat_says_who_may_receive_and_the_suback_waits_for_it() {
    let mut session = session(Version::V4, ME);
    let todo = feed(&mut session, subscribe(&["room/lobby", "actions/#", "room/other"]));
    let asks: Vec<u64> =
        todo.asks.iter().map(|ask| if let Ask::MayReceive { ask, .. } = ask { *ask } else { panic!() }).collect();
    assert!(todo.bytes.is_empty() && asks.len() == 2);
    assert!(matches!(session.packet(subscribe(&["#"]), &mut Todo::default()), Taken::Later(_)));
    assert!(out(&mut session, Out::Right { ask: asks[1], granted: false }).bytes.is_empty());
    assert_eq!(&out(&mut session, Out::Right { ask: asks[0], granted: true }).bytes[..], [0x90, 5, 0, 7, 1, 1, 0x80]);
}

#[test]
fn topic_13_plain_clients_have_free_topics_only_and_services_both() {
    let mut plain = session(Version::V5, "x");
    let todo = feed(&mut plain, subscribe(&["#", "a/+", "$share/g/a", "room/lobby", "actions/#", "$share/g/room/x"]));
    assert_eq!(&todo.bytes[5..], [1, 1, 1, 0x87, 0x87, 0x9E]);
    assert_eq!(todo.asks.len(), 3);
    let published = feed(&mut plain, publish(Qos::Two, 1, "a/b", b"x"));
    // QoS 2 is published when it is released, not before ([MQTT-4.3.3-10]).
    assert!(matches!(&published.asks[0], Ask::Hold { id: 1, message } if *message.topic == *"a/b"));
    assert_eq!(&published.bytes[..], [0x50, 2, 0, 1]);
    let released = feed(&mut plain, Incoming::PubRel { id: 1 });
    assert!(matches!(released.asks[0], Ask::Release(1)) && released.bytes[..] == [0x70, 2, 0, 1]);

    let todo = feed(&mut session(Version::V5, "sys_x"), subscribe(&["#", "room/+"]));
    assert_eq!(&todo.bytes[5..], [1, 1]);
    assert_eq!(todo.asks.len(), 1);
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
fn topic_13_a_subscription_says_how_it_wants_its_messages_and_repeated_changes_that() {
    let mut session = session(Version::V5, "x");
    let Incoming::Subscribe(mut asked) = subscribe(&["a"]) else { panic!() };
    asked.filters[0].no_local = true;
    asked.filters[0].retain_as_published = true;
    asked.filters[0].retained = RetainForwardRule::OnNewSubscribe;
    asked.subscription_id = Some(9);
    let again = || Subscribe { filters: asked.filters.clone(), ..asked };
    let wants = |todo: &Todo| match &todo.asks[0] {
        Ask::Subscribe { options, retained, .. } => (*options, *retained),
        other => panic!("{other:?}"),
    };
    let options = Options { qos: Qos::One, no_local: true, as_published: true, id: Some(9) };
    assert_eq!(wants(&feed(&mut session, Incoming::Subscribe(again()))), (options, true));
    // Retain handling 1: only a new one is shown what is retained; a shared one never.
    assert_eq!(wants(&feed(&mut session, Incoming::Subscribe(again()))), (options, false));
    assert!(!wants(&feed(&mut session, subscribe(&["$share/g/a"]))).1);
    assert!(wants(&feed(&mut session, subscribe(&["a"]))).1);
    let left = feed(&mut session, Incoming::Unsubscribe { id: 2, filters: vec!["a".into(), "b".into()] });
    assert_eq!((&left.bytes[..], left.asks.len()), (&[0xB0, 5, 0, 2, 0, 0, 0x11][..], 1));
}

#[test]
fn topic_13_subscriptions_have_a_bound_in_number_and_depth() {
    let mut session = session(Version::V5, "x");
    let deep = vec!["a"; LEVELS_MAX + 1].join("/");
    let refused = feed(&mut session, subscribe(&[&deep, &deep[2..]]));
    assert_eq!(&refused.bytes[..], [0x90, 5, 0, 7, 0, 0x97, 1]);
    let filters: Vec<String> = (0..1000).map(|number| format!("f/{number}")).collect();
    for part in filters.chunks(200) {
        let part: Vec<&str> = part.iter().map(String::as_str).collect();
        let granted = feed(&mut session, subscribe(&part)).bytes;
        assert_eq!(granted.last(), Some(if part.contains(&"f/999") { &0x97 } else { &1 }));
    }
}

#[test]
fn topic_13_where_there_are_rules_they_decide_who_may_read_write_and_leave_a_will() {
    let rule = |filter: &str, read: &[&str], write: &[&str]| Rule {
        filter: filter.into(),
        read: read.iter().map(|name| (*name).to_owned()).collect(),
        write: write.iter().map(|name| (*name).to_owned()).collect(),
    };
    let rules = [rule("open/#", &["*"], &["anna"]), rule("secret", &["ben"], &["ben", "anna"])];
    let settings = Settings { rules: rules.into(), ..Settings::default() };
    let anna = Arc::new(Certificate { names: vec!["anna".into()], ..(*certificate()).clone() });
    let enter = |id: &str| greet(connect(Version::V5, id), Some(anna.clone().into()), &settings, String::new).unwrap();
    let mut plain = Session::new(&enter("x"), 32);
    let todo = feed(&mut plain, subscribe(&["open/+", "secret", "#", "$share/g/open/x", "$share/g/secret", "other"]));
    assert_eq!(&todo.bytes[5..], [1, 0x87, 0x87, 1, 0x87, 1]);
    assert_eq!(feed(&mut plain, publish(Qos::One, 1, "secret", b"x")).bytes[1], 2);

    // A device has what the rules give its certificate, and retains nothing.
    let mut device = Session::new(&enter(ME), 32);
    let todo = feed(&mut device, subscribe(&["open/+", "secret", "room/lobby/x"]));
    assert_eq!(&todo.bytes[5..], [0x87, 0x87, 0x87]);
    assert_eq!(feed(&mut device, publish(Qos::One, 1, "secret", b"x")).asks.len(), 1);
    assert_eq!(&feed(&mut device, publish(Qos::One, 1, "elsewhere", b"x")).bytes[..], [0x40, 3, 0, 1, 0x87]);
    let will = |topic: &'static str| {
        let qos = rumqttd::protocol::QoS::AtMostOnce;
        let will = rumqttd::protocol::LastWill { topic: topic.into(), message: Bytes::new(), qos, retain: false };
        let connect = Connect { will: Some((will, None)), ..connect(Version::V5, "y") };
        greet(connect, None, &settings, String::new)
    };
    let settings_any = Settings { plain: Plain::Any, ..settings.clone() };
    assert!(will("open/x").is_err(), "plain needs a certificate here");
    let nobody = Connect { ..connect(Version::V5, "y") };
    let mut nobody = Session::new(&greet(nobody, None, &settings_any, String::new).unwrap(), 32);
    assert_eq!(&feed(&mut nobody, publish(Qos::One, 1, "open/x", b"x")).bytes[..], [0x40, 3, 0, 1, 0x87]);
    assert_eq!(&feed(&mut nobody, subscribe(&["open/x", "elsewhere"])).bytes[5..], [1, 1]);
}

#[test]
fn topic_13_a_message_comes_with_the_identifiers_of_its_subscriptions_and_the_life_it_has_left() {
    let mut session = session(Version::V5, "x");
    let known = rumqttd::protocol::PublishProperties { message_expiry_interval: Some(9), ..Default::default() };
    let mut copy = delivered("a", Qos::Zero);
    let message = Message { properties: Some(Box::new(known)), ..(*copy.message).clone() };
    copy = Delivered { message: Arc::new(message), retain: true, ids: vec![9, 300], left: Some(4), ..copy };
    let expected = [0x31, 15, 0, 1, b'a', 10, 2, 0, 0, 0, 4, 0x0B, 9, 0x0B, 0xAC, 2, b'm'];
    assert_eq!(&deliver(&mut session, copy.clone())[..], expected);
    assert_eq!(&deliver(&mut super::tests::session(Version::V4, "x"), copy)[..], [0x31, 4, 0, 1, b'a', b'm']);
}

#[test]
fn a_client_that_has_room_for_aliases_hears_a_topic_once() {
    let properties =
        known(None, None).map(|known| rumqttd::protocol::ConnectProperties { topic_alias_max: Some(1), ..known });
    let mut session = Session::new(&greeted(Connect { properties, ..connect(Version::V5, "x") }).unwrap(), 32);
    assert_eq!(&deliver(&mut session, delivered("a", Qos::Zero))[..], [0x30, 8, 0, 1, b'a', 3, 35, 0, 1, b'm']);
    assert_eq!(&deliver(&mut session, delivered("a", Qos::One))[..], [0x32, 9, 0, 0, 0, 1, 3, 35, 0, 1, b'm']);
    assert_eq!(&deliver(&mut session, delivered("b", Qos::Zero))[..], [0x30, 5, 0, 1, b'b', 0, b'm']);
    // They are of one connection: what is sent again names its topic.
    let kept = session.into_kept().unwrap();
    let mut second = super::tests::session(Version::V5, "x");
    let mut todo = Todo::default();
    second.resume(kept, Instant::now(), &mut todo);
    assert_eq!(&todo.bytes[..], [0x3A, 7, 0, 1, b'a', 0, 1, 0, b'm']);
}

#[test]
fn con_12_who_acknowledges_a_message_by_the_packet_of_another_qos_is_closed() {
    let sent = |qos| {
        let mut session = session(Version::V5, "x");
        deliver(&mut session, delivered("a", qos));
        session
    };
    let (puback, pubrec) = (|| Incoming::PubAck { id: 1 }, || Incoming::PubRec { id: 1, reason: 0 });
    let pubcomp = || Incoming::PubComp { id: 1 };
    for (qos, packet) in [(Qos::One, pubrec()), (Qos::One, pubcomp()), (Qos::Two, puback()), (Qos::Two, pubcomp())] {
        assert_eq!(&feed(&mut sent(qos), packet).bytes[..], [0xE0, 1, 0x82], "{qos:?}");
    }
    // What is done with may be acknowledged again.
    let (mut one, mut two) = (sent(Qos::One), sent(Qos::Two));
    assert!([puback(), puback()].into_iter().all(|packet| feed(&mut one, packet).end.is_none()));
    let course = [pubrec(), pubrec(), pubcomp(), pubcomp()];
    assert!(course.into_iter().all(|packet| feed(&mut two, packet).end.is_none()));
}

#[test]
fn con_11_a_resumed_session_sends_again_what_was_not_acknowledged() {
    let mut first = session(Version::V5, "x");
    for qos in [Qos::One, Qos::Two, Qos::Two] {
        deliver(&mut first, delivered("a", qos));
    }
    feed(&mut first, Incoming::PubRec { id: 3, reason: 0 });
    feed(&mut first, publish(Qos::Two, 3, "b", b"x"));
    let kept = first.into_kept().unwrap();

    let mut second = session(Version::V5, "x");
    let mut todo = Todo::default();
    second.resume(kept, Instant::now(), &mut todo);
    let again = [0x3A, 7, 0, 1, b'a', 0, 1, 0, b'm', 0x3C, 7, 0, 1, b'a', 0, 2, 0, b'm', 0x62, 2, 0, 3];
    assert_eq!(&todo.bytes[..], again);
    assert_eq!(&feed(&mut second, publish(Qos::Two, 3, "b", b"x")).bytes[..], [0x50, 2, 0, 3]);
    assert_eq!(deliver(&mut second, delivered("a", Qos::One))[..7], [0x32, 7, 0, 1, b'a', 0, 4]);
}

#[test]
fn con_11_topic_13_a_session_goes_on_only_as_far_as_the_rules_let_whoever_comes_back() {
    let rule = |filter: &str, read: &str| Rule { filter: filter.into(), read: vec![read.into()], write: Vec::new() };
    let settings = Settings { rules: [rule("secret", "anna"), rule("open/#", "*")].into(), ..Settings::default() };
    let enter = |name: &str| {
        let shown = Certificate { names: vec![name.into()], ..(*certificate()).clone() };
        Session::new(
            &greet(connect(Version::V5, "x"), Some(Arc::new(shown).into()), &settings, String::new).unwrap(),
            32,
        )
    };
    for (name, again, gone) in [("anna", 2, 0), ("ben", 1, 2)] {
        let mut first = enter("anna");
        let granted = feed(&mut first, subscribe(&["secret", "open/x", "$share/g/secret"]));
        assert_eq!(&granted.bytes[5..], [1, 1, 1]);
        for topic in ["secret", "open/x"] {
            deliver(&mut first, delivered(topic, Qos::One));
        }
        let mut second = enter(name);
        let mut todo = Todo::default();
        second.resume(first.into_kept().unwrap(), Instant::now(), &mut todo);
        assert_eq!(todo.bytes.iter().filter(|byte| **byte == 0x3A).count(), again, "{name}");
        assert_eq!(todo.asks.iter().filter(|ask| matches!(ask, Ask::Unsubscribe { .. })).count(), gone, "{name}");
        assert_eq!(deliver(&mut second, delivered("secret", Qos::Zero)).is_empty(), gone > 0, "{name}");
    }
}

#[test]
fn con_11_a_client_that_comes_back_with_a_smaller_window_gets_it_in_parts() {
    let mut first = session(Version::V5, "x");
    for _ in 0..3 {
        deliver(&mut first, delivered("a", Qos::One));
    }
    let kept = first.into_kept().unwrap();
    let small = Connect { properties: known(Some(1), None), ..connect(Version::V5, "x") };
    let mut second = Session::new(&greeted(small).unwrap(), 32);
    let mut todo = Todo::default();
    second.resume(kept, Instant::now(), &mut todo);
    assert_eq!((todo.bytes.len(), todo.bytes[0], second.has_room()), (9, 0x3A, false));
    for id in [1, 2] {
        let next = feed(&mut second, Incoming::PubAck { id }).bytes;
        assert_eq!((next[0], next[6]), (0x3A, id as u8 + 1));
    }
    assert!(feed(&mut second, Incoming::PubAck { id: 3 }).bytes.is_empty() && second.has_room());
}

#[test]
fn topic_13_of_a_session_that_ends_what_was_shared_and_not_begun_is_anothers() {
    let mut session = session(Version::V5, "x");
    for (qos, share) in [(Qos::One, None), (Qos::One, Some("$share/g/a")), (Qos::Two, Some("$share/g/a"))] {
        let copy = Delivered { share: share.map(Into::into), ..delivered("a", qos) };
        deliver(&mut session, copy);
    }
    let shared = session.into_kept().unwrap().into_shared();
    assert_eq!((shared.len(), shared[0].qos), (1, Qos::One));
}

#[test]
fn topic_13_a_filter_that_is_none_is_told_by_its_own_code() {
    let mut plain = session(Version::V5, "x");
    let todo = feed(&mut plain, subscribe(&["a#", "+a/b", "", "$share/g", "$share/g+/a", "$share//a", "a"]));
    assert_eq!(&todo.bytes[5..], [0x8F, 0x8F, 0x8F, 0x8F, 0x8F, 0x8F, 1]);
    assert_eq!(todo.asks.len(), 1);
    let filters = vec!["a/#/b".to_owned(), "a".to_owned(), "$share/g".to_owned()];
    assert_eq!(&feed(&mut plain, Incoming::Unsubscribe { id: 8, filters }).bytes[5..], [0x8F, 0, 0x8F]);
}

#[test]
fn con_10_a_topic_alias_is_learnt_from_a_publish_that_comes_again() {
    let mut plain = session(Version::V5, "x");
    feed(&mut plain, publish(Qos::Two, 1, "a", b"x"));
    let aliased = |qos, id, topic: &str| {
        let Incoming::Publish(packet) = publish(qos, id, topic, b"x") else { panic!() };
        let known = PublishProperties { topic_alias: Some(1), ..PublishProperties::default() };
        Incoming::Publish(Publish { properties: Some(Box::new(known)), ..packet })
    };
    assert_eq!(feed(&mut plain, aliased(Qos::Two, 1, "a")).bytes[..], [0x50, 2, 0, 1]);
    let todo = feed(&mut plain, aliased(Qos::Zero, 0, ""));
    assert!(matches!(&todo.asks[0], Ask::Publish(message) if *message.topic == *"a"));
}

#[test]
fn who_asks_for_problem_information_is_told_reasons_in_words() {
    for (asked, words) in [(None, false), (Some(0), false), (Some(1), true)] {
        let properties =
            rumqttd::protocol::ConnectProperties { request_problem_info: asked, ..known(None, None).unwrap() };
        let mut session =
            Session::new(&greeted(Connect { properties: Some(properties), ..connect(Version::V5, ME) }).unwrap(), 32);
        for packet in [publish(Qos::One, 1, "free", b"x"), subscribe(&["free"]), publish(Qos::Two, 2, "free", b"x")] {
            let said = feed(&mut session, packet).bytes;
            assert_eq!(said.windows(8).any(|window| window == b"no right"), words, "{said:02x?}");
        }
        let mut todo = Todo::default();
        session.broken(Bad::PROTOCOL, &mut todo);
        assert_eq!(todo.bytes.len() > 3, words);
    }
}

#[test]
fn topic_13_who_asks_where_to_be_answered_is_told() {
    let told = |id: &str| {
        let asks =
            rumqttd::protocol::ConnectProperties { request_response_info: Some(1), ..known(None, None).unwrap() };
        let connect = Connect { properties: Some(asks), ..connect(Version::V5, id) };
        greeted(connect).unwrap().properties(&Settings::default()).response_information
    };
    assert_eq!(told("x").as_deref(), Some("response/x"));
    assert_eq!((told("x/+"), told(ME)), (None, None));
    assert_eq!(greeted(connect(Version::V5, "x")).unwrap().properties(&Settings::default()).response_information, None);
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
