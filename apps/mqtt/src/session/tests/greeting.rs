//! CONNECT: who comes in, as what, and what it is told (CON-3 to CON-8, HEART-3).

use super::*;

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
