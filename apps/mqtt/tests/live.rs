//! The front over real sockets: SPEC section 3 and the free topics of section 4.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of a test may panic as a test may")]

#[path = "live/moved.rs"]
mod moved;
#[path = "live/status.rs"]
mod status;
mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mqtt::{Plain, Settings};
use support::refusing::Refusing;
use support::{Server, bind, connect, connect_with, publish, settings, store, subscribe, will};

#[test]
fn con_1_a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = taken.local_addr().unwrap();
    let error = actix_rt::System::new().block_on(async move {
        let handle = hosted::host(Arc::new(store()), 2);
        let error = bind(handle.clone(), address, settings()).err().map(|error| error.to_string());
        handle.shutdown(Duration::from_secs(5)).await;
        error
    });
    let error = error.unwrap();
    assert!(error.contains(&address.port().to_string()) && error.to_lowercase().contains("in use"), "{error}");
}

#[test]
fn con_3_who_is_let_in() {
    let server = Server::start(Settings::default());
    let code = |level, id: &str, flags, payload: &[u8]| {
        let mut client = server.stream();
        client.send(&connect_with(level, id, flags, 60, &[], payload));
        client.packet()[3]
    };
    assert_eq!((code(4, "reg_a", 2, &[]), code(5, "reg_b", 2, &[])), (0, 0));
    assert_eq!((code(4, "anything", 2, &[]), code(5, "anything", 2, &[])), (5, 0x87));
    assert_eq!((code(4, "sys_x", 2, &[]), code(5, "sys_x", 2, &[])), (5, 0x87));
    // A device that is not known, with a token; a guest without.
    let token = b"\x00\x01u\x00\x04beef";
    assert_eq!(
        (code(4, "emqttd_380676631870_d", 0xC2, token), code(5, "emqttd_380676631870_d", 0xC2, token)),
        (4, 0x86)
    );
    assert_eq!(code(5, "emqttd_0.4711", 2, &[]), 0);
    assert_eq!((code(3, "reg_a", 2, &[]), code(6, "reg_a", 2, &[])), (1, 0x84));
}

#[test]
fn con_3_plain_clients_may_be_off_altogether() {
    let server = Server::start(Settings { plain: Plain::Off, ..settings() });
    let mut client = server.stream();
    client.send(&connect(5, "x", true, 60, &[]));
    assert_eq!(client.packet()[3], 0x87);
    assert!(client.packet().is_empty());
}

#[test]
fn con_12_who_takes_no_packet_as_large_as_connack_is_closed_without_a_word() {
    let server = Server::start(settings());
    let answer = |most: u8| {
        let mut client = server.stream();
        client.send(&connect(5, "x", true, 60, &[0x27, 0, 0, 0, most]));
        client.packet()
    };
    assert!(answer(2).is_empty());
    // The refusal fits, the welcome does not.
    assert_eq!(answer(8), [0x20, 3, 0, 0x95, 0]);
    // What goes without saying is left out where there is no room to say it.
    assert_eq!([answer(20)[3], answer(100)[3]], [0, 0]);
    assert!(answer(20).len() < answer(100).len());
}

#[test]
fn con_4_an_empty_client_id_is_assigned() {
    let server = Server::start(settings());
    let mut client = server.stream();
    client.send(&connect(5, "", true, 60, &[]));
    let ack = client.packet();
    let at = ack.windows(6).position(|window| window == b"plain-").unwrap();
    assert_eq!(&ack[at - 3..at], [18, 0, 22]);
}

#[test]
fn con_7_a_younger_connection_takes_over() {
    let server = Server::start(settings());
    let mut first = server.five("x");
    let _second = server.five("x");
    assert_eq!(first.packet(), [0xE0, 1, 0x8E]);
    assert!(first.packet().is_empty());
    let mut registering = server.five("reg_x");
    let _again = server.five("reg_x");
    assert!(registering.rest().ends_with(&[0xE0, 1, 0x8E]));
}

#[test]
fn con_8_a_will_is_published_when_the_connection_breaks_and_not_after_good_bye() {
    let server = Server::start(settings());
    let mut watch = server.five("watch");
    watch.subscribe("wills/#", 1);
    for (id, bye) in [("polite", true), ("rude", false)] {
        let mut client = server.stream();
        client.send(&connect_with(5, id, 0b110, 60, &[], &will(5, &format!("wills/{id}"), "gone")));
        assert_eq!(client.packet()[3], 0);
        if bye {
            client.send(&[0xE0, 0]);
            assert!(client.packet().is_empty());
        }
    }
    assert_eq!(watch.message().0, "wills/rude");
}

#[test]
fn con_8_only_a_good_bye_without_an_error_takes_the_will_back() {
    let server = Server::start(settings());
    let mut watch = server.five("watch");
    watch.subscribe("wills/#", 1);
    for (id, reason) in [("content", 0), ("quarrelsome", 0x80), ("loud", 4)] {
        let mut client = server.stream();
        client.send(&connect_with(5, id, 0b110, 60, &[], &will(5, &format!("wills/{id}"), "gone")));
        assert_eq!(client.packet()[3], 0);
        client.send(&[0xE0, 1, reason]);
        assert!(client.packet().is_empty());
    }
    let mut seen = [watch.message().0, watch.message().0];
    seen.sort();
    assert_eq!(seen, ["wills/loud", "wills/quarrelsome"]);
}

#[test]
fn con_4_whoever_takes_small_packets_is_refused_in_few_words() {
    let server = Server::start(settings());
    for (most, words) in [(20, false), (200, true)] {
        let mut client = server.stream();
        // An authentication method, which is none here; Maximum Packet Size.
        client.send(&connect(5, "x", true, 60, &[21, 0, 1, b'x', 39, 0, 0, 0, most]));
        let ack = client.packet();
        assert_eq!((ack[3], ack.len() > usize::from(most), ack.contains(&31)), (0x8C, false, words), "{ack:02x?}");
    }
}

#[test]
fn topic_13_qos_2_that_a_connection_has_not_released_waits_for_the_next() {
    let server = Server::start(settings());
    let mut reader = server.five("reader");
    reader.subscribe("two", 1);
    let mut writer = server.stream();
    writer.send(&connect(4, "writer", false, 60, &[]));
    writer.packet();
    writer.send(b"\x34\x08\x00\x03two\x00\x05m");
    assert_eq!(writer.packet(), [0x50, 2, 0, 5]);
    drop(writer);
    let mut writer = server.stream();
    writer.send(&connect(4, "writer", false, 60, &[]));
    assert_eq!(writer.packet(), [0x20, 2, 1, 0]);
    writer.send(b"\x3c\x08\x00\x03two\x00\x05m");
    assert_eq!(writer.packet(), [0x50, 2, 0, 5]);
    for _ in 0..2 {
        writer.send(&[0x62, 2, 0, 5]);
        assert_eq!(writer.packet(), [0x70, 2, 0, 5]);
    }
    writer.send(b"\x30\x09\x00\x03twomark");
    assert_eq!((reader.message().1, reader.message().1), ("m".into(), "mark".into()));
}

#[test]
fn con_10_topic_13_retained_messages_are_kept_told_and_cleared() {
    let server = Server::start(settings());
    let mut client = server.five("x");
    client.send(&publish(0b011, "kept/a", "one"));
    assert_eq!(client.packet(), [0x40, 2, 0, 9]);
    let mut reader = server.five("y");
    reader.subscribe("kept/+", 0);
    assert_eq!(reader.message(), ("kept/a".into(), "one".into(), 0x31));
    // An empty one without the flag is a message like others; with it, it clears.
    client.send(&publish(0b010, "kept/a", ""));
    client.packet();
    assert_eq!(reader.message(), ("kept/a".into(), String::new(), 0x30));
    reader.subscribe("kept/+", 0);
    assert_eq!(reader.message().1, "one");
    client.send(&publish(0b011, "kept/a", ""));
    client.packet();
    assert_eq!(reader.message().1, "");
    // Retain handling 2 would say nothing either way; a new subscription finds nothing, then the mark.
    reader.subscribe("kept/#", 0);
    client.send(&publish(0b000, "kept/mark", "mark"));
    assert_eq!(reader.message().1, "mark");
}

#[test]
fn con_11_a_session_waits_for_its_client_and_a_clean_start_ends_it() {
    let server = Server::start(settings());
    let expiry = [17, 0, 0, 0, 100];
    let mut client = server.stream();
    client.send(&connect(5, "x", false, 60, &expiry));
    assert_eq!(client.packet()[2], 0);
    client.subscribe("wait/#", 1);
    drop(client);
    let mut other = server.five("y");
    for payload in ["one", "two"] {
        other.send(&publish(0b010, "wait/a", payload));
        other.packet();
    }
    let mut client = server.stream();
    client.send(&connect(5, "x", false, 60, &expiry));
    assert_eq!(client.packet()[2], 1);
    assert_eq!((client.message().1, client.message().1), ("one".into(), "two".into()));
    // The session expiry of DISCONNECT counts: this one ends at once.
    client.send(&[0xE0, 7, 0, 5, 17, 0, 0, 0, 0]);
    assert!(client.packet().is_empty());
    let mut client = server.stream();
    client.send(&connect(5, "x", false, 60, &expiry));
    assert_eq!(client.packet()[2], 0);
}

#[test]
fn con_12_what_is_not_mqtt_is_closed_and_so_is_a_slow_connect() {
    let server = Server::start(Settings { connect_timeout: Duration::from_millis(300), ..settings() });
    let mut http = server.stream();
    http.send(b"GET / HTTP/1.1\r\n\r\n");
    assert!(http.rest().is_empty());
    let mut slow = server.stream();
    slow.send(&[0x10]);
    assert!(slow.rest().is_empty());
    let mut malformed = server.five("x");
    malformed.send(&[0x36, 3, 0, 1, b'a']);
    assert_eq!(malformed.rest(), [0xE0, 1, 0x81]);
    let mut twice = server.five("x");
    twice.send(&connect(5, "x", true, 60, &[]));
    assert_eq!(twice.rest(), [0xE0, 1, 0x82]);
    let mut large = server.five("x");
    large.send(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F]);
    assert_eq!(large.rest(), [0xE0, 1, 0x95]);
}

#[test]
fn con_12_packets_may_come_in_any_pieces() {
    let server = Server::start(settings());
    let all = [connect(5, "x", true, 60, &[]), subscribe(5, "a/+", 0), publish(0b000, "a/b", "hello"), vec![0xC0, 0]]
        .concat();
    for size in [1, 2, 3, 7, all.len()] {
        let mut client = server.stream();
        for piece in all.chunks(size) {
            client.send(piece);
        }
        let mut kinds: Vec<u8> = (0..4).map(|_| client.packet()[0]).collect();
        kinds.sort_unstable();
        assert_eq!(kinds, [0x20, 0x30, 0x90, 0xD0], "in pieces of {size}");
    }
}

#[test]
fn heart_3_silence_closes_after_one_and_a_half_keep_alives() {
    let server = Server::start(Settings { keep_alive: 1..=1, ..settings() });
    let mut client = server.stream();
    client.send(&connect(5, "x", true, 60, &[]));
    let ack = client.packet();
    assert!(ack.windows(3).any(|window| window == [19, 0, 1]), "Server Keep Alive in {ack:02x?}");
    let since = std::time::Instant::now();
    assert_eq!(client.rest(), [0xE0, 1, 0x8D]);
    assert!(since.elapsed() >= Duration::from_millis(1400));
}

#[test]
fn topic_13_an_ordinary_broker_on_free_topics() {
    let server = Server::start(settings());
    let mut reader = server.five("reader");
    reader.subscribe("#", 1);
    reader.subscribe("$mine/+", 0);
    let mut writer = server.five("writer");
    // `#` does not see `$mine/x`; a first character beyond ASCII and an empty level are topics like others.
    for topic in ["a", "é/ü", "/", "$mine/x", "日本/語"] {
        writer.send(&publish(0b010, topic, "m"));
        assert_eq!(writer.packet(), [0x40, 2, 0, 9]);
    }
    let mut seen: Vec<(String, u8)> =
        (0..5).map(|_| reader.message()).map(|(topic, _, first)| (topic, first)).collect();
    seen.sort();
    let expected = [("$mine/x", 0x30), ("/", 0x32), ("a", 0x32), ("é/ü", 0x32), ("日本/語", 0x32)];
    assert_eq!(seen, expected.map(|(topic, first)| (topic.to_owned(), first)));
}

#[test]
fn topic_13_dlv_15_qos_2_arrives_once_however_often_it_is_sent() {
    let server = Server::start(settings());
    let mut reader = server.five("reader");
    reader.subscribe("two", 2);
    let mut writer = server.five("writer");
    writer.send(&publish(0b100, "two", "m"));
    assert_eq!(writer.packet(), [0x50, 2, 0, 9]);
    writer.send(&publish(0b1100, "two", "m"));
    assert_eq!(writer.packet(), [0x50, 2, 0, 9]);
    // Nobody sees it before it is released ([MQTT-4.3.3-10]).
    writer.send(&publish(0b000, "two", "before"));
    assert!(reader.packet().ends_with(b"before"));
    writer.send(&[0x62, 2, 0, 9]);
    assert_eq!(writer.packet(), [0x70, 2, 0, 9]);
    writer.send(&publish(0b000, "two", "mark"));

    let first = reader.packet();
    assert_eq!((first[0], first.last()), (0x34, Some(&b'm')));
    reader.send(&[0x50, 2, 0, 1]);
    let released = reader.packet();
    let (mark, released) = if released[0] == 0x62 { (reader.packet(), released) } else { (released, reader.packet()) };
    assert_eq!(released, [0x62, 2, 0, 1]);
    assert!(mark.ends_with(b"mark"));
    reader.send(&[0x70, 2, 0, 1, 0xC0, 0]);
    assert_eq!(reader.packet(), [0xD0, 0]);
}

#[test]
fn topic_13_a_shared_subscription_divides_the_messages() {
    let server = Server::start(settings());
    let mut readers = [server.five("one"), server.five("two")];
    for reader in &mut readers {
        reader.subscribe("$share/group/work/#", 1);
        // Another group of the same name on another filter, and leaving it, change nothing.
        reader.subscribe("$share/group/other", 1);
        reader.send(b"\xa2\x17\x00\x02\x00\x00\x12$share/group/other");
        assert_eq!(reader.packet(), [0xB0, 4, 0, 2, 0, 0]);
    }
    let mut writer = server.five("writer");
    for number in 0..10 {
        writer.send(&publish(0b010, "work/x", number.to_string()));
        writer.packet();
    }
    let mut all: Vec<String> =
        readers.iter_mut().flat_map(|reader| (0..5).map(|_| reader.message().1).collect::<Vec<_>>()).collect();
    all.sort();
    assert_eq!(all, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
}

#[test]
fn topic_13_three_one_one_speaks_the_same() {
    let server = Server::start(settings());
    let mut reader = server.four("reader", true);
    reader.send(&subscribe(4, "t/#", 1));
    assert_eq!(reader.packet(), [0x90, 3, 0, 1, 1]);
    let mut writer = server.four("writer", true);
    writer.send(b"\x32\x08\x00\x03t/x\x00\x05m");
    assert_eq!(writer.packet(), [0x40, 2, 0, 5]);
    assert_eq!(reader.packet(), b"\x32\x08\x00\x03t/x\x00\x01m");
}

#[test]
fn a_stopping_front_tells_its_clients_and_is_empty() {
    let server = Server::start(settings());
    let mut five = server.five("five");
    let mut four = server.four("four", true);
    let mut registering = server.five("reg_five");
    assert_eq!(server.stop(), 0);
    assert_eq!(five.rest(), [0xE0, 1, 0x8B]);
    assert!(four.rest().is_empty());
    assert!(registering.rest().ends_with(&[0xE0, 1, 0x8B]));
}

#[test]
fn con_11_who_waits_for_what_the_store_has_refused_is_closed_without_acknowledgement_and_holds_nobody_up() {
    let store = Arc::new(Refusing::new(store()));
    let server = Server::start_on(store.clone(), settings());
    let (mut first, mut second) = (server.four("x", false), server.four("y", false));
    let mut other = server.five("other");
    store.refuse();
    first.send(&subscribe(4, "t", 1));
    assert!(first.packet().is_empty(), "no SUBACK");
    // Its rows are taken again, but what is lost stays lost.
    second.send(&subscribe(4, "t", 1));
    assert!(second.packet().is_empty(), "no SUBACK");
    other.send(&publish(0b0011, "t", "retained"));
    assert!(other.packet().is_empty(), "no PUBACK");
    // The client id is free; the session cannot be promised any more.
    let mut again = server.stream();
    again.send(&connect(4, "x", false, 60, &[]));
    assert!(again.packet().is_empty(), "no CONNACK");
    // Who needs nothing kept is served.
    let mut brief = server.five("brief");
    brief.subscribe("t", 1);
    assert_eq!(server.stop(), 0);
}
