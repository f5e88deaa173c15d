//! Subscriptions and free topics (TOPIC-5 to 13), and sessions that are resumed (CON-11).

use super::*;

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
