//! The real program over mutual TLS: who gets a connection, what is negotiated, and what a certificate opens (SEC-1, SEC-2, SEC-4, CON-4,
//! CON-7, ID-9, ID-11, ID-14).

#![allow(clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::collections::HashMap;
use std::fs;
use std::io::{ErrorKind, Read};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use client::{Account, Client, Enrolment, Identity, Options, Registered, Url};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{AlertDescription, NamedGroup, ProtocolVersion};
use support::Server;
use support::wire::{Stream, certified, greet, issued, open, packet};

#[test]
fn sec_1_tls_1_3_with_post_quantum_key_exchange_first_and_nothing_older() {
    let server = Server::start();
    let ann = certified(&server, &["380670000001"]);
    let classic = CryptoProvider { kx_groups: vec![aws_lc_rs::kx_group::X25519], ..aws_lc_rs::default_provider() };
    for (provider, group) in
        [(aws_lc_rs::default_provider(), NamedGroup::X25519MLKEM768), (classic, NamedGroup::X25519)]
    {
        let mut stream = open(&server, Some(&ann), provider);
        assert_eq!(greet(&mut stream, 5, "reg_tls").expect("CONNACK")[1], 0);
        assert_eq!(stream.conn.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        assert_eq!(stream.conn.negotiated_key_exchange_group().map(|used| used.name()), Some(group));
    }

    let certs = server.home().join("certs");
    for (version, is_taken) in [("-tls1_3", true), ("-tls1_2", false)] {
        let output = Command::new("openssl")
            .args(["s_client", "-connect", &server.mqtts().to_string(), "-verify_return_error", "-brief", version])
            .arg("-CAfile")
            .arg(server.root_certificate())
            .arg("-cert")
            .arg(certs.join("380670000001.crt"))
            .arg("-key")
            .arg(certs.join("380670000001.key"))
            .stdin(Stdio::null())
            .output()
            .expect("openssl runs: .ci/run installs it");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), is_taken, "{version}: {said}");
        assert_eq!(said.contains("protocol version"), !is_taken, "{version}: {said}");
    }
}

#[test]
fn sec_1_a_server_whose_key_was_replaced_and_its_certificate_not_yet_starts_with_a_new_pair() {
    let mut server = Server::start();
    server.kill();
    let certs = server.home().join("certs");
    fs::copy(certs.join("admin.key"), certs.join("server.key")).expect("copied");
    let before = fs::read(certs.join("server.crt")).expect("a certificate");
    server.restart();
    assert_ne!(fs::read(certs.join("server.crt")).expect("a certificate"), before);
    assert!(server.remote("issued").lines().filter(|line| line.contains("server")).count() >= 2);
}

#[test]
fn sec_1_sec_2_without_a_client_s_certificate_of_ours_there_is_no_connection() {
    let server = Server::start();
    let now = SystemTime::now();
    let foreign = ca::Authority::create("CHAT", now).expect("another authority");
    let file = |name: &str| fs::read_to_string(server.home().join("certs").join(name)).expect("a file");
    let own_server = Identity { cert_pem: file("server.crt"), key_pem: file("server.key") };
    let refused = [
        ("no certificate", None),
        ("that of an authority of the same name", Some(issued(foreign.client("380670000001", now).expect("issued")))),
        ("the server's own", Some(own_server)),
    ];
    for (what, shown) in &refused {
        let mut stream = open(&server, shown.as_ref(), aws_lc_rs::default_provider());
        assert!(greet(&mut stream, 5, "reg_tls").is_err(), "{what}");
    }
    let mut stream = open(&server, Some(&certified(&server, &["380670000001"])), aws_lc_rs::default_provider());
    assert_eq!(greet(&mut stream, 5, "reg_tls").expect("CONNACK")[1], 0);
}

#[test]
fn sec_1_a_certificate_of_ours_that_is_over_or_has_not_begun_makes_no_connection() {
    let server = Server::start();
    let file = |name: &str| fs::read_to_string(server.home().join("ca").join(name)).expect("a file");
    let own = ca::Authority::load(&file("root.crt"), &file("root.key")).expect("the server's own authority");
    let (now, day, minute) = (SystemTime::now(), Duration::from_secs(86_400), Duration::from_secs(60));
    let made = |at| issued(own.client("380670000001", at).expect("issued"));
    // What is issued is good for 397 days, beginning 5 minutes before.
    let over = made(now - 397 * day - minute);
    let early = made(now + day);
    for (what, shown) in [("over since a minute", over), ("good from tomorrow on", early)] {
        let mut silent = open(&server, Some(&shown), aws_lc_rs::default_provider());
        silent.sock.set_read_timeout(Some(minute)).expect("a time limit");
        let why = silent.read(&mut [0; 1]).expect_err(what);
        let why = why.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        // TLS has one word for both.
        assert_eq!(why, Some(&rustls::Error::AlertReceived(AlertDescription::CertificateExpired)), "{what}");
        for (level, client_id) in [(5, "reg_tls"), (4, "reg_tls"), (5, "emqttd_380670000001_phone"), (5, "lamp")] {
            let mut stream = open(&server, Some(&shown), aws_lc_rs::default_provider());
            stream.sock.set_read_timeout(Some(minute)).expect("a time limit");
            let error = greet(&mut stream, level, client_id).expect_err(what);
            assert_ne!(error.kind(), ErrorKind::WouldBlock, "{what}: {client_id} is not closed");
        }
    }
    // It is the time and nothing else: what is over in a day, and what has begun a minute ago, is taken.
    for good in [made(now - 396 * day), made(now + 4 * minute)] {
        let mut stream = open(&server, Some(&good), aws_lc_rs::default_provider());
        assert_eq!(greet(&mut stream, 5, "reg_tls").expect("CONNACK")[1], 0);
    }
}

#[test]
fn con_7_id_9_a_certificate_s_next_connection_takes_over_in_either_version_of_mqtt() {
    let server = Server::start();
    let ann = certified(&server, &["380670000001"]);
    let device = "emqttd_380670000001_phone";
    let mut earlier: Option<(u8, Stream)> = None;
    for level in [5, 4, 4, 5, 5] {
        let mut stream = open(&server, Some(&ann), aws_lc_rs::default_provider());
        assert_eq!(greet(&mut stream, level, device).expect("CONNACK")[1], 0);
        if let Some((level, mut earlier)) = earlier.replace((level, stream)) {
            let mut last = None;
            while let Some(packet) = packet(&mut earlier) {
                last = Some(packet);
            }
            let said_why = matches!(&last, Some((0xe0, body)) if body.first() == Some(&0x8e));
            assert_eq!(said_why, level == 5, "3.1.1 has no word for it: {last:?}");
        }
    }
}

#[test]
fn id_11_id_14_an_invite_and_a_certificate_request_at_verification_open_a_device_without_token() {
    let server = Server::start();
    let phone = "380670000002";
    let invite = server.remote(&format!("invite {phone}")).trim().to_owned();
    assert_eq!(invite.len(), proto::limits::INVITE_CHARS);
    let (key_pem, csr) = ca::request("whatever the device says of itself").expect("a request");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let account = runtime.block_on(register(&server, phone, &invite, &csr));

    let der = account.certificate.expect("a certificate");
    let subject = ca::subject(&der).expect("it reads");
    assert_eq!(subject.device, Some((phone.to_owned(), "d1".to_owned())));
    assert_eq!(subject.names, [phone]);
    let own = Identity { cert_pem: ca::pem(&der), key_pem: key_pem.to_string() };
    let code = |client_id: &str| {
        let mut stream = open(&server, Some(&own), aws_lc_rs::default_provider());
        greet(&mut stream, 5, client_id).expect("CONNACK")[1]
    };
    assert_eq!(code(&account.client_id), 0);
    assert_eq!(runtime.block_on(verify_again(&server, phone, &invite)), Err("an invite is used once".to_owned()));
}

async fn register(server: &Server, phone: &str, invite: &str, csr: &[u8]) -> Account {
    let (client, _events) = Client::connect(Options::new(plain(server), format!("reg_{phone}_d1"))).await.expect("in");
    let begun = client.register(phone, "d1", Enrolment::Code, Some(csr)).await.expect("begun");
    assert_eq!(begun, Registered::CodeSent);
    assert!(client.verify("A0A0A0A0A0A0A0A0A0A0A0A0A0", None).await.is_err(), "another code");
    let account = client.verify(invite, None).await.expect("verified");
    client.close().await;
    account
}

async fn verify_again(server: &Server, phone: &str, invite: &str) -> Result<(), String> {
    let (client, _events) = Client::connect(Options::new(plain(server), format!("reg_{phone}_d3"))).await.expect("in");
    client.register(phone, "d3", Enrolment::Code, None).await.expect("begun, by a code now");
    client.verify(invite, None).await.map(drop).map_err(|_| "an invite is used once".to_owned())
}

fn plain(server: &Server) -> Url {
    format!("mqtt://{}", server.mqtt()).parse().expect("an address")
}

#[test]
fn con_4_every_kind_of_client_is_told_what_it_may_use() {
    let server = Server::start();
    let ann = certified(&server, &["380670000001"]);
    let bot = certified(&server, &["bot", "--service"]);
    let told = |shown: &Identity, client_id: &str| {
        let body = greet(&mut open(&server, Some(shown), aws_lc_rs::default_provider()), 5, client_id);
        let body = body.expect("CONNACK");
        assert_eq!(body[1], 0);
        properties(&body[3..])
    };
    // Of the protocol: no retained messages, no shared subscriptions, no session.
    for told in [told(&ann, "reg_tls"), told(&ann, "emqttd_380670000001_d")] {
        assert_eq!(told.get(&0x11), Some(&0), "session expiry interval");
        assert_eq!(told.get(&0x21), Some(&u32::from(proto::limits::RECEIVE_MAX)));
        assert_eq!(told.get(&0x24), None, "maximum QoS, which is 2");
        assert_eq!((told.get(&0x25), told.get(&0x2a)), (Some(&0), Some(&0)), "retain, shared subscriptions");
        assert_eq!(told.get(&0x27), Some(&(proto::limits::PACKET_BYTES as u32)));
        assert_eq!(told.get(&0x28), Some(&1), "wildcards");
        assert_eq!(told.get(&0x12), None, "assigned client identifier");
    }
    for told in [told(&ann, "lamp"), told(&bot, "sys_bot"), told(&ann, "")] {
        assert_eq!((told.get(&0x25), told.get(&0x2a)), (Some(&1), Some(&1)), "retain, shared subscriptions");
    }
    assert_eq!(told(&ann, "").get(&0x12), Some(&22), "plain- and 16 characters");
    assert_eq!(told(&ann, "lamp").get(&0x12), None);
}

/// The properties of a CONNACK by their identifiers; of a text its length.
fn properties(mut bytes: &[u8]) -> HashMap<u8, u32> {
    let mut known = HashMap::new();
    while let [id, rest @ ..] = bytes {
        let (size, value) = match id {
            0x11 | 0x27 => (4, u32::from_be_bytes(rest[..4].try_into().expect("four bytes"))),
            0x13 | 0x21 | 0x22 => (2, u32::from(u16::from_be_bytes([rest[0], rest[1]]))),
            0x24 | 0x25 | 0x28 | 0x29 | 0x2a => (1, u32::from(rest[0])),
            0x12 => {
                let length = u16::from_be_bytes([rest[0], rest[1]]);
                (2 + usize::from(length), u32::from(length))
            }
            other => panic!("a property {other:#04x}"),
        };
        assert!(known.insert(*id, value).is_none(), "{id:#04x} twice");
        bytes = &rest[size..];
    }
    known
}
