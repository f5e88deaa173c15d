//! Requests to the chat, and what it sends: topics, order, acknowledgements, bounds.

use super::*;

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
