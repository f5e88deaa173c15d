//! What dig sees: answers, referrals, refusals, sizes, rates, connections.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use ns::{Algorithm, Keys, Options, Server};
use support::{Place, now, zone};

fn place(more: &str) -> Place {
    Place::new(Algorithm::EcdsaP256, more, Vec::new())
}

fn section<'t>(said: &'t str, name: &str) -> Vec<&'t str> {
    let from = said.lines().skip_while(|line| !line.contains(&format!("{name} SECTION"))).skip(1);
    from.take_while(|line| !line.is_empty()).collect()
}

fn flags(said: &str) -> &str {
    said.lines().find(|line| line.contains("flags:")).unwrap_or_default()
}

#[test]
fn what_is_there_is_answered_with_authority() {
    let place = place("");
    let said = place.dig("+nodnssec WwW.chat.example A");
    assert!(flags(&said).contains("qr aa rd; QUERY: 1, ANSWER: 1, AUTHORITY: 0"), "{said}");
    assert!(said.contains("WwW.chat.example.\t3600\tIN\tA\t192.0.2.80"), "the case of the question stays: {said}");
    assert!(!said.contains("RRSIG"), "nobody asked for signatures");
    assert_eq!(
        place.dig("+short alias.chat.example A").lines().collect::<Vec<_>>(),
        ["www.chat.example.", "192.0.2.80"]
    );
    assert_eq!(place.dig("+short out.chat.example A").trim(), "www.other.example.", "no further than the zone");
    assert_eq!(place.dig("+short loop.chat.example A").lines().next(), Some("loop.chat.example."));
}

#[test]
fn below_a_cut_others_are_asked() {
    let place = place("");
    let said = place.dig("+dnssec x.sub.chat.example A");
    assert!(!flags(&said).contains(" aa"), "{said}");
    let authority = section(&said, "AUTHORITY").join("\n");
    assert!(authority.contains("NS\tns.sub.chat.example.") && authority.contains("NSEC3"), "{said}");
    assert!(section(&said, "ADDITIONAL").join("\n").contains("192.0.2.53"), "{said}");
    let safe = section(&place.dig("+dnssec safe.chat.example A"), "AUTHORITY").join("\n");
    assert!(safe.contains("\tDS\t12345") && safe.contains("RRSIG\tDS") && !safe.contains("RRSIG\tNS "), "{safe}");
}

#[test]
fn nothing_outside_is_answered_and_nothing_is_asked_for_others() {
    let place = place("");
    for question in ["example A", "www.example.org A", ". NS", "-c CH version.bind TXT", "chat.example MAILB"] {
        let said = place.dig(question);
        assert!(said.contains("status: REFUSED") && !flags(&said).contains(" ra"), "{question}: {said}");
    }
    assert!(place.dig("+opcode=update chat.example SOA").contains("status: NOTIMP"));
    assert!(place.dig("+edns=1 +noednsneg chat.example SOA").contains("status: BADVERS"));
    assert_eq!(place.server.counts().malformed, 0);
}

#[test]
fn any_is_answered_with_little() {
    let said = place("").dig("+nodnssec chat.example ANY +notcp");
    assert_eq!(section(&said, "ANSWER").len(), 1, "RFC 8482: {said}");
}

#[test]
fn what_is_too_long_for_a_packet_is_asked_by_tcp() {
    let long: String = (0..40).map(|at| format!("big TXT \"{at} {}\"\n", "x".repeat(200))).collect();
    let place = place(&long);
    let cut = place.dig("+ignore +bufsize=4096 big.chat.example TXT");
    assert!(flags(&cut).contains(" tc") && section(&cut, "ANSWER").is_empty(), "{cut}");
    assert!(cut.contains("udp: 1232"), "{cut}");
    let whole = place.dig("+dnssec big.chat.example TXT");
    assert_eq!(section(&whole, "ANSWER").len(), 41, "with TCP: {whole}");
    let small = place.dig("+noedns +ignore chat.example DNSKEY");
    assert!(!flags(&small).contains(" tc"), "{small}");
}

#[test]
fn one_network_gets_no_flood_of_like_answers() {
    let keys = Keys::create(Algorithm::Ed25519, now()).unwrap();
    let listen = vec!["127.0.0.1:0".parse().unwrap()];
    let options = Options { listen, threads: 1, like_answers: Some(5), ..Options::default() };
    let server = Server::start(&options, zone("", &keys)).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let question = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x04chat\x07example\0\0\x01\0\x01";
    for _ in 0..40 {
        socket.send_to(question, server.addresses()[0]).unwrap();
    }
    let (mut whole, mut cut, mut packet) = (0, 0, [0; 512]);
    while let Ok((length, _)) = socket.recv_from(&mut packet) {
        assert!(length >= question.len());
        if packet[2] & 2 == 0 { whole += 1 } else { cut += 1 }
    }
    assert!((5..=10).contains(&whole) && cut >= 10 && whole + cut < 40, "{whole} whole, {cut} by TCP only");
    assert_eq!(server.counts().limited, 40 - whole);
}

#[test]
fn a_connection_has_many_questions_and_an_address_few_connections() {
    let place = place("");
    let connect = || {
        let stream = TcpStream::connect(place.server.addresses()[0]).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    };
    let question = b"\0\x1e\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x04chat\x07example\0\0\x06\0\x01";
    let ask = |stream: &mut TcpStream| {
        stream.write_all(question).unwrap();
        let mut length = [0; 2];
        stream.read_exact(&mut length).is_ok_and(|()| {
            let mut answer = vec![0; u16::from_be_bytes(length).into()];
            stream.read_exact(&mut answer).is_ok() && answer[..2] == question[2..4]
        })
    };
    let mut open: Vec<TcpStream> = (0..16).map(|_| connect()).collect();
    assert!(open.iter_mut().all(|stream| ask(stream) && ask(stream)));
    let mut one_more = connect();
    let mut byte = [0];
    assert!(matches!(one_more.read(&mut byte), Ok(0) | Err(_)), "the seventeenth is closed");
    drop(open);
    let again = (0..100).any(|_| {
        let mut stream = connect();
        stream.write_all(question).is_ok() && stream.read_exact(&mut [0; 2]).is_ok()
    });
    assert!(again, "places come free");
}
