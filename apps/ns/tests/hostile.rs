//! Packets that were tampered with. The fuzz target in `fuzz` goes on from here.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

#[path = "hostile/mod.rs"]
mod hostile;

use hostile::{answered, known, secret, truly_signed};

const ROUNDS: usize = 20_000;

/// A question with EDNS and the wish for signatures.
fn question(name: &str, kind: u16) -> Vec<u8> {
    let mut packet = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    for label in name.split('.') {
        packet.push(label.len() as u8);
        packet.extend(label.bytes());
    }
    packet.push(0);
    packet.extend(kind.to_be_bytes());
    packet.extend([0, 1, 0, 0, 41, 16, 0, 0, 0, 0x80, 0, 0, 0]);
    packet
}

/// The same, signed by a key that nobody knows (TSIG).
fn signed(mut packet: Vec<u8>) -> Vec<u8> {
    packet[11] += 1;
    packet.extend(b"\x03key\0\0\xfa\0\xff\0\0\0\0\0\x1d\x0bhmac-sha256\0\0\0\0\0\0\x01\x01\x2c\0\0\x12\x34\0\0\0\0");
    packet
}

fn questions() -> Vec<Vec<u8>> {
    let names = ["chat.example", "WWW.chat.example", "alias.chat.example", "x.y.wild.chat.example", "b.c.chat.example"];
    let others = ["no.chat.example", "a.sub.chat.example", "loop.chat.example", "big.chat.example", "other.example"];
    let kinds = [1, 2, 5, 6, 16, 28, 43, 46, 47, 48, 50, 249, 250, 251, 252, 255, 65535];
    let all = names.into_iter().chain(others);
    let plain = all.flat_map(|name| kinds.map(|kind| question(name, kind)));
    plain.flat_map(|packet| [signed(packet.clone()), truly_signed(packet.clone()), packet]).collect()
}

#[test]
fn whatever_comes_the_answer_is_well_formed_and_not_too_long() {
    let good = questions();
    good.iter().for_each(|packet| answered(packet));
    // Lengths of labels, and pointers.
    tamper::change(&good, &[0, 63, 64, 0xc0, 0xff], ROUNDS, answered);
}

#[test]
fn an_answer_opens_with_the_key_of_its_question_and_no_other_way() {
    let (secrets, zone) = (hostile::secrets(), zone());
    let (mut seal, mut out) = (secret(&secrets, "key").seal(), Vec::new());
    let mut packet = question("chat.example", 6);
    seal.close(&mut packet, hostile::NOW);
    ns::respond(&zone, known(&secrets), &packet, ns::Via::Udp, &mut out);
    assert!(out.len() > 100 && seal.opens(&out, hostile::NOW));
    assert!(seal.opens(&out, hostile::NOW + 300) && !seal.opens(&out, hostile::NOW + 301), "old");
    let mut other = secret(&secrets, "other").seal();
    other.close(&mut question("chat.example", 6), hostile::NOW);
    assert!(!other.opens(&out, hostile::NOW), "another key");
    let mut again = secret(&secrets, "key").seal();
    again.close(&mut question("chat.example", 2), hostile::NOW);
    assert!(!again.opens(&out, hostile::NOW), "the answer to another question");
    for at in 0..out.len() {
        let mut bad = out.clone();
        bad[at] ^= 1;
        // A forwarder gives an answer another number.
        assert_eq!(seal.opens(&bad, hostile::NOW), at < 2, "byte {at} of {}", out.len());
    }
}

#[test]
fn a_signature_may_name_its_key_by_a_pointer() {
    let secrets = ns::Secrets::parse("chat.example hmac-sha256 MDEyMzQ1Njc4OWFiY2RlZg==").unwrap();
    let (mut seal, mut out) = (secret(&secrets, "chat.example").seal(), Vec::new());
    let mut packet = question("chat.example", 6);
    let length = packet.len();
    seal.close(&mut packet, hostile::NOW);
    packet.splice(length..length + 14, [0xC0, 12]);
    ns::respond(&zone(), known(&secrets), &packet, ns::Via::Udp, &mut out);
    assert!(seal.opens(&out, hostile::NOW), "{out:02x?}");
    // One that leads to itself, or behind itself, leads nowhere.
    for to in [length as u8, length as u8 + 2, 3] {
        packet[length + 1] = to;
        ns::respond(&zone(), known(&secrets), &packet, ns::Via::Udp, &mut out);
        assert_eq!(out[3] & 0xF, 1, "malformed");
    }
}

#[test]
fn what_is_no_question_is_not_answered() {
    let silent = |packet: &[u8]| {
        let mut out = Vec::new();
        ns::respond(&zone(), known(&ns::Secrets::default()), packet, ns::Via::Udp, &mut out) == ns::Outcome::Silence
    };
    assert!(silent(&[]) && silent(&[0; 11]));
    let mut answer = question("chat.example", 1);
    answer[2] |= 0x80;
    assert!(silent(&answer), "or two servers would talk to each other for ever");
    assert!(!silent(&question("chat.example", 1)));
}

fn zone() -> ns::Zone {
    let origin = ns::record::Name::from_ascii("chat.example.").unwrap();
    let text = "@ 300 SOA ns host 1 2 3 4 5\n@ 300 NS ns\n";
    let records = ns::import(text, &origin).unwrap();
    let keys = ns::Keys::create(ns::Algorithm::Ed25519, 1).unwrap();
    ns::compile(&ns::Contents { origin, records }, &keys, 1, 1, None).unwrap().unwrap()
}
