//! The codec against the standard: CON-12, every packet whole, cut and broken.

use bytes::BytesMut;
use proptest::prelude::*;
use rumqttd::protocol::v4::V4;
use rumqttd::protocol::v5::V5;
use rumqttd::protocol::{ConnAckProperties, Packet, Protocol, PublishProperties, SubscribeReasonCode};

use super::write::{self, Extra, Sending};
use super::*;

const MAX: usize = 1 << 20;

fn read(bytes: &[u8], version: Option<Version>) -> Next {
    next(&mut BytesMut::from(bytes), version, MAX)
}

fn bad(bytes: &[u8], version: Version) -> u8 {
    match read(bytes, Some(version)) {
        Next::Bad(Bad(code)) => code,
        other => panic!("{bytes:02x?} gave {other:?}"),
    }
}

/// Every kind of packet that a client sends, whole, with its version (absent before CONNECT).
fn packets() -> Vec<(Vec<u8>, Option<Version>)> {
    use Version::{V4, V5};
    let connect4 = b"\x10\x1c\x00\x04MQTT\x04\xc2\x00\x3c\x00\x05reg_a\x00\x01u\x00\x04\xff\x00pw".to_vec();
    let connect5 = b"\x10\x00\x00\x04MQTT\x05\x06\x00\x00\x15\x11\x00\x00\x00\x10\x21\x00\x14\x26\x00\x07version\x00\x011\x00\x01p\
                     \x05\x18\x00\x00\x00\x05\x00\x01w\x00\x03bye"
        .to_vec();
    let mut all = vec![(connect4, None), (connect5, None)];
    let v4: [&[u8]; 11] = [
        b"\x30\x05\x00\x01tab",
        b"\x32\x07\x00\x01t\x00\x01ab",
        b"\x3d\x06\x00\x02t/\x00\x02",
        b"\x40\x02\x00\x01",
        b"\x50\x02\x00\x01",
        b"\x62\x02\x00\x01",
        b"\x70\x02\x00\x01",
        b"\x82\x0b\x00\x01\x00\x01a\x01\x00\x02b/\x02",
        b"\xa2\x08\x00\x01\x00\x04a/+/",
        b"\xc0\x00",
        b"\xe0\x00",
    ];
    all.extend(v4.iter().map(|packet| (packet.to_vec(), Some(V4))));
    let v5: [&[u8]; 11] = [
        b"\x30\x06\x00\x01t\x00ab",
        b"\x32\x0b\x00\x00\x00\x01\x03\x23\x00\x01abc",
        b"\x34\x0f\x00\x01t\x00\x02\x07\x26\x00\x01k\x00\x01vab",
        b"\x40\x02\x00\x01",
        b"\x40\x03\x00\x01\x10",
        b"\x50\x04\x00\x01\x87\x00",
        b"\x62\x03\x00\x01\x92",
        b"\x82\x00\x00\x01\x09\x0b\x05\x26\x00\x01k\x00\x01v\x00\x01#\x2e",
        b"\xa2\x06\x00\x01\x00\x00\x01a",
        b"\xe0\x01\x04",
        b"\xe0\x07\x00\x05\x11\x00\x00\x00\x09",
    ];
    all.extend(v5.iter().map(|packet| (packet.to_vec(), Some(V5))));
    all.into_iter().map(|(packet, version)| (fixed_length(packet), version)).collect()
}

/// Sets the remaining length of a short packet to what it is.
fn fixed_length(mut packet: Vec<u8>) -> Vec<u8> {
    packet[1] = (packet.len() - 2) as u8;
    packet
}

#[test]
fn con_12_every_packet_is_read_whole_and_waited_for_when_cut_at_any_byte() {
    for (packet, version) in packets() {
        assert!(matches!(read(&packet, version), Next::Packet(_)), "{packet:02x?}: {:?}", read(&packet, version));
        for cut in 0..packet.len() {
            let wanted = match read(&packet[..cut], version) {
                Next::Needs(wanted) => wanted,
                other => panic!("{packet:02x?} cut at {cut}: {other:?}"),
            };
            assert!(wanted > cut && wanted <= packet.len().max(2), "{packet:02x?} cut at {cut} wants {wanted}");
        }
    }
}

#[test]
fn con_3_a_connect_says_what_it_said() {
    let Next::Packet(Incoming::Connect(connect)) = read(&packets()[0].0, None) else { panic!() };
    assert_eq!((connect.version, connect.client_id.as_str(), connect.keep_alive), (Version::V4, "reg_a", 60));
    // The password is bytes: the codec alone would refuse it.
    assert_eq!(connect.password.as_deref(), Some(&b"\xff\x00pw"[..]));

    let Next::Packet(Incoming::Connect(connect)) = read(&packets()[1].0, None) else { panic!() };
    let known = connect.properties.unwrap();
    assert_eq!((connect.version, connect.keep_alive, known.receive_maximum), (Version::V5, 0, Some(20)));
    assert_eq!(known.user_properties, [("version".to_owned(), "1".to_owned())]);
    let (will, properties) = connect.will.unwrap();
    assert_eq!(
        (&will.topic[..], &will.message[..], properties.unwrap().delay_interval),
        (&b"w"[..], &b"bye"[..], Some(5))
    );
}

#[test]
fn con_3_levels_and_names_that_are_not_spoken_here() {
    let level = |name: &[u8], level: u8| {
        let body = [&[0, name.len() as u8], name, &[level, 2, 0, 60, 0, 0]].concat();
        match read(&[&[0x10, body.len() as u8], &body[..]].concat(), None) {
            Next::BadConnect(bad) => bad,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(level(b"MQIsdp", 3), BadConnect::Level(Version::V4));
    assert_eq!(level(b"MQTT", 3), BadConnect::Level(Version::V4));
    assert_eq!(level(b"MQTT", 6), BadConnect::Level(Version::V5));
    assert_eq!(level(b"HTTP", 4), BadConnect::Alien);
}

#[test]
fn con_12_malformed_connects() {
    let flags = |flags: u8| {
        b"\x10\x0e\x00\x04MQTT\x04\x00\x00\x3c\x00\x02ab"
            .iter()
            .enumerate()
            .map(|(at, b)| if at == 9 { flags } else { *b })
            .collect::<Vec<u8>>()
    };
    // Reserved bit; will QoS without will; will QoS 3; password without user name; fields that are not there; a byte too many.
    for wrong in [0b1, 0b1000, 0b11100, 0b0100_0000, 0b1100_0000] {
        assert!(
            matches!(read(&flags(wrong), None), Next::BadConnect(BadConnect::Bad(Version::V4, Bad::MALFORMED))),
            "{wrong:b}"
        );
    }
    assert!(matches!(read(b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x02abc", None), Next::BadConnect(_)));
    assert!(matches!(read(b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02a\x00", None), Next::BadConnect(_)));
    // 5.0: a property twice, one that does not belong here, a value that may not be.
    for wrong in [
        &b"\x21\x00\x01\x21\x00\x01"[..],
        b"\x01\x00",
        b"\x21\x00\x00",
        b"\x27\x00\x00\x00\x00",
        b"\x17\x02",
        b"\x16\x00\x00",
    ] {
        let body = [&b"\x00\x04MQTT\x05\x02\x00\x3c"[..], &[wrong.len() as u8], wrong, &[0, 0]].concat();
        let packet = [&[0x10, body.len() as u8], &body[..]].concat();
        assert!(matches!(read(&packet, None), Next::BadConnect(BadConnect::Bad(Version::V5, _))), "{wrong:02x?}");
    }
}

#[test]
fn con_12_malformed_packets_and_protocol_errors_are_told_apart() {
    use Version::{V4, V5};
    let malformed: [(&[u8], Version); 19] = [
        (b"\x00\x00", V4),
        (b"\x36\x05\x00\x01tab", V4),
        (b"\x38\x05\x00\x01tab", V4),
        (b"\x30\x04\x00\x01#a", V4),
        (b"\x30\x04\x00\x01+a", V5),
        (b"\x30\x03\x00\x01\x00", V4),
        (b"\x30\x03\x00\x01\xff", V4),
        (b"\x30\x02\x00\x00", V4),
        (b"\x30\x03\x00\x05a", V4),
        (b"\x41\x02\x00\x01", V4),
        (b"\x60\x02\x00\x01", V4),
        (b"\x80\x06\x00\x01\x00\x01a\x00", V4),
        (b"\x82\x06\x00\x01\x00\x01a\x04", V4),
        (b"\x82\x07\x00\x01\x00\x02a#\x00", V4),
        (b"\x82\x08\x00\x01\x00\x03a+b\x00", V4),
        (b"\xc0\x01\x00", V4),
        (b"\xe0\x01\x00", V4),
        (b"\x30\xff\xff\xff\xff\x01", V4),
        (b"\x30\x06\x00\x01t\x02\x21\x00", V5),
    ];
    for (packet, version) in malformed {
        assert_eq!(bad(packet, version), reason::MALFORMED, "{packet:02x?}");
    }
    let protocol: [(&[u8], Version); 14] = [
        (b"\x10\x00", V4),
        (b"\x20\x02\x00\x00", V4),
        (b"\xf0\x00", V5),
        (b"\x32\x05\x00\x01t\x00\x00", V4),
        (b"\x82\x02\x00\x01", V4),
        (b"\xa2\x02\x00\x01", V4),
        (b"\x82\x06\x00\x01\x00\x01a\x03", V4),
        (b"\x30\x03\x00\x00\x00", V5),
        (b"\x82\x09\x00\x01\x02\x0b\x00\x00\x01a\x00", V5),
        // Reasons that there are not; an empty response topic.
        (b"\x40\x03\x00\x01\x92", V5),
        (b"\x62\x03\x00\x01\x10", V5),
        (b"\x70\x03\x00\x01\x80", V5),
        (b"\xe0\x01\x03", V5),
        (b"\x30\x07\x00\x01t\x03\x08\x00\x00", V5),
    ];
    for (packet, version) in protocol {
        assert_eq!(bad(packet, version), reason::PROTOCOL_ERROR, "{packet:02x?}");
    }
    assert_eq!(bad(b"\x32\x0b\x00\x00\x00\x01\x03\x23\x00\x00abc", V5), reason::ALIAS_INVALID);
    assert_eq!(bad(b"\x30\xff\xff\xff\x01", V5), reason::PACKET_TOO_LARGE);
    assert!(matches!(read(b"GET / HTTP/1.1", None), Next::Bad(_)));
}

#[test]
fn what_follows_a_subscription_identifier_is_read_rightly() {
    let packet = b"\x82\x0f\x00\x01\x09\x0b\x05\x26\x00\x01k\x00\x01v\x00\x01#\x2e".to_vec();
    let packet = fixed_length(packet);
    let Next::Packet(Incoming::Subscribe(subscribe)) = read(&packet, Some(Version::V5)) else { panic!() };
    assert_eq!((subscribe.id, subscribe.subscription_id), (1, Some(5)));
    let asked = &subscribe.filters[0];
    assert_eq!(
        (asked.filter.as_str(), asked.qos, asked.no_local, asked.retain_as_published),
        ("#", Qos::Two, true, true)
    );
}

#[test]
fn what_is_written_the_codec_reads() {
    let known = PublishProperties {
        payload_format_indicator: Some(1),
        message_expiry_interval: Some(7),
        topic_alias: None,
        response_topic: Some("r".into()),
        correlation_data: Some("c".into()),
        user_properties: vec![("k".into(), "v".into())],
        subscription_identifiers: Vec::new(),
        content_type: Some("text".into()),
    };
    let payload = vec![7; 200];
    let sending = Sending {
        id: 9,
        qos: Qos::One,
        retain: true,
        dup: false,
        topic: "a/b",
        payload: &payload,
        properties: Some(&known),
        extra: Extra::default(),
    };
    let mut out = BytesMut::new();
    sending.write(Version::V5, &mut out);
    assert_eq!(out.len(), sending.len(Version::V5));
    let Ok(Packet::Publish(publish, Some(read))) = V5.read_mut(&mut out, MAX) else { panic!() };
    assert_eq!((read, &publish.payload[..], publish.retain), (known.clone(), &payload[..], true));

    sending.write(Version::V4, &mut out);
    assert_eq!(out.len(), sending.len(Version::V4));
    assert!(matches!(V4.read_mut(&mut out, MAX), Ok(Packet::Publish(_, None))));

    write::suback(&mut out, Version::V5, 3, &[0, 2, reason::NOT_AUTHORIZED, reason::SHARED_NOT_SUPPORTED], false);
    assert_eq!(&out.split()[..], [0x90, 7, 0, 3, 0, 0, 2, 0x87, 0x9E]);
    write::suback(&mut out, Version::V4, 3, &[1, reason::NOT_AUTHORIZED], true);
    let Ok(Packet::SubAck(ack, _)) = V4.read_mut(&mut out, MAX) else { panic!() };
    assert_eq!(ack.return_codes[1], SubscribeReasonCode::Failure);
    write::unsuback(&mut out, Version::V5, 4, &[0, reason::NO_SUBSCRIPTION]);
    // The codec panics when it reads one.
    assert_eq!(&out[..], [0xB0, 5, 0, 4, 0, 0, 0x11]);
    out.clear();
    write::suback(&mut out, Version::V5, 4, &[0, reason::NOT_AUTHORIZED], true);
    assert_eq!(&out.split()[..], b"\x90\x18\0\x04\x13\x1f\0\x10no right to this\0\x87");
    write::explained_ack(&mut out, frame::PUBACK, 4, reason::NOT_AUTHORIZED);
    assert_eq!(&out.split()[..], b"\x40\x17\0\x04\x87\x13\x1f\0\x10no right to this");
    write::disconnect(&mut out, Version::V5, reason::NOT_AUTHORIZED, true);
    assert_eq!(&out.split()[..], b"\xe0\x15\x87\x13\x1f\0\x10no right to this");
    // One byte says how long a section with a reason is.
    assert!((0..=255).all(|code| reason::text(code).len() < 100));
    write::disconnect(&mut out, Version::V5, reason::TAKEN_OVER, false);
    assert_eq!(&out[..], [0xE0, 1, 0x8E]);
    out.clear();
    for code in 0..=255 {
        for version in [Version::V4, Version::V5] {
            write::connack(&mut out, version, false, code, Some(ConnAckProperties::default()));
        }
    }
}

proptest! {
    /// CON-12: whatever comes, the decoder answers, and never takes more than there is.
    #[test]
    fn con_12_random_bytes_never_panic(first in any::<u8>(), rest in prop::collection::vec(any::<u8>(), 0..300), five in any::<bool>(), before in any::<bool>()) {
        let version = if five { Version::V5 } else { Version::V4 };
        let mut bytes = BytesMut::from(&[&[first], &rest[..]].concat()[..]);
        while let Next::Packet(_) = next(&mut bytes, Some(version).filter(|_| !before), 200) {}
    }

    /// The same near good packets: one byte changed.
    #[test]
    fn con_12_good_packets_with_one_byte_changed_never_panic(which in 0usize..24, at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let all = packets();
        let (mut packet, version) = all[which % all.len()].clone();
        let at = at.index(packet.len());
        packet[at] = to;
        let mut bytes = BytesMut::from(&packet[..]);
        while let Next::Packet(_) = next(&mut bytes, version, MAX) {}
    }

    #[test]
    fn variable_byte_integers_are_read_as_written(value in 0usize..268_435_456) {
        let mut out = BytesMut::new();
        write::varint(&mut out, value);
        prop_assert_eq!(reader::Reader::new(&out).varint(), Ok(value));
    }
}
