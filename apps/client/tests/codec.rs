//! MQTT packets against the bytes of the standard (MQTT 5.0 and 3.1.1), and against bytes of no standard.

use client::mqtt::{self, AckKind, ConnAck, Connect, Malformed, Packet, Publication, Publish, Qos, Version, decode};
use proptest::prelude::*;

const MAX: usize = 1 << 20;

fn one(bytes: &[u8], version: Version) -> Packet<'_> {
    let (packet, used) = decode(bytes, version, MAX).expect("a legal packet").expect("a whole packet");
    assert_eq!(used, bytes.len());
    packet
}

#[test]
fn connect_of_both_versions_is_as_the_standard_writes_it() {
    let mut out = Vec::new();
    let connect = Connect {
        version: Version::V311,
        client_id: "c",
        password: None,
        keep_alive: 60,
        receive_max: 32,
        packet_max: 65536,
    };
    mqtt::connect(&mut out, &connect);
    assert_eq!(out, b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01c");
    out.clear();
    mqtt::connect(&mut out, &Connect { version: Version::V5, password: Some(b"pw"), ..connect });
    assert_eq!(out, b"\x10\x1d\0\x04MQTT\x05\xc2\0\x3c\x08\x21\0\x20\x27\0\x01\0\0\0\x01c\0\x01c\0\x02pw");
}

#[test]
fn subscriptions_and_small_packets_are_as_the_standard_writes_them() {
    let mut out = Vec::new();
    mqtt::subscribe(&mut out, Version::V5, 10, &[("a/b", Qos::AtLeastOnce), ("#", Qos::AtMostOnce)]);
    assert_eq!(out, b"\x82\x0d\0\x0a\0\0\x03a/b\x01\0\x01#\0");
    out.clear();
    mqtt::unsubscribe(&mut out, Version::V311, 10, &["a/b"]);
    assert_eq!(out, b"\xa2\x07\0\x0a\0\x03a/b");
    out.clear();
    mqtt::ping(&mut out);
    mqtt::disconnect(&mut out);
    mqtt::acknowledge(&mut out, AckKind::PubRel, 258);
    assert_eq!(out, b"\xc0\0\xe0\0\x62\x02\x01\x02");
}

#[test]
fn con_4_the_properties_of_connack_are_read() {
    let bytes = b"\x20\x19\0\0\x16\x21\0\x20\x27\0\x10\0\0\x13\0\x1e\x12\0\x04p-ab\x25\0\x2a\x01";
    let connack = ConnAck {
        session_present: false,
        code: 0,
        receive_max: 32,
        packet_max: Some(1 << 20),
        client_id: Some("p-ab".into()),
        keep_alive: Some(30),
    };
    assert_eq!(one(bytes, Version::V5), Packet::ConnAck(connack));
    let Packet::ConnAck(refused) = one(b"\x20\x02\0\x05", Version::V5) else { panic!() };
    assert_eq!(refused.code, 5, "a 3.1.1 server's refusal is understood");
}

#[test]
fn acknowledgements_have_a_reason_where_there_is_one() {
    let ack = |reason| Packet::Ack { kind: AckKind::PubAck, id: 7, reason };
    assert_eq!(one(b"\x40\x02\0\x07", Version::V5), ack(0));
    assert_eq!(one(b"\x40\x03\0\x07\x87", Version::V5), ack(0x87));
    assert_eq!(one(b"\x40\x04\0\x07\x99\0", Version::V5), ack(0x99));
    assert_eq!(one(b"\x90\x05\0\x07\0\x01\x87", Version::V5), Packet::SubAck { id: 7, codes: &[1, 0x87] });
    assert_eq!(one(b"\xe0\x01\x8b", Version::V5), Packet::Disconnect { reason: 0x8b });
}

#[test]
fn malformed_packets_are_refused() {
    for bytes in [
        &b"\x36\x05\0\x01t\0\x01"[..], // QoS 3
        b"\x32\x05\0\x01t\0\0",        // packet id 0
        b"\x40\x02\0\0",               // packet id 0
        b"\x30\x03\0\x01\xff",         // topic is no UTF-8
        b"\x30\x03\0\x05t",            // topic longer than the packet
        b"\xd0\xff\xff\xff\xff\x01",   // length of five bytes
        b"\x10\x00",                   // CONNECT from a server
        b"\x20\x05\0\0\x02\x7f\0",     // unknown property
        b"\x41\x02\0\x07",             // reserved flags
    ] {
        assert!(decode(bytes, Version::V5, MAX).is_err(), "{bytes:x?}");
    }
}

#[test]
fn a_packet_larger_than_agreed_is_refused_by_its_header() {
    assert_eq!(decode(b"\x30\x80\x80\x04", Version::V5, 1000), Err(Malformed("packet larger than agreed")));
}

proptest! {
    #[test]
    fn a_publish_reads_back_and_no_part_of_it_does(
        topic in "[a-z/]{1,40}",
        payload in proptest::collection::vec(any::<u8>(), 0..300),
        qos in 0u8..3,
        id in 1u16..,
        v5 in any::<bool>(),
    ) {
        let version = if v5 { Version::V5 } else { Version::V311 };
        let qos = Qos::from_bits(qos).unwrap();
        let mut bytes = Vec::new();
        let publication = Publication { topic: &topic, payload: &payload, qos, id, dup: false, retain: true };
        mqtt::publish(&mut bytes, version, &publication);
        let id = if qos == Qos::AtMostOnce { 0 } else { id };
        let publish = Publish { dup: false, qos, retain: true, topic: &topic, id, payload: &payload };
        prop_assert_eq!(decode(&bytes, version, MAX).unwrap(), Some((Packet::Publish(publish), bytes.len())));
        for cut in 0..bytes.len() {
            prop_assert_eq!(decode(&bytes[..cut], version, MAX).unwrap(), None);
        }
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), v5 in any::<bool>()) {
        let _ = decode(&bytes, if v5 { Version::V5 } else { Version::V311 }, MAX);
    }
}
