//! MQTT over QUIC by the real program: who gets a connection, how it ends, and our own client (CON-1, SEC-1, SEC-2).

#![allow(clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use client::{Client, Enrolment, Options, Registered, Tls};
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use scene::PATIENCE;
use support::Server;
use support::carrier::{Datagrams, with_protocol};
use support::wire::{certified, config, connect, kept, packet};

const BANNED: u8 = 0x8a;
const ADMINISTRATIVE: u8 = 0x98;
const SHUTTING_DOWN: u8 = 0x8b;
/// SEC-2.
const SOON: Duration = Duration::from_secs(2);

fn shown(server: &Server, name: &str) -> Arc<ClientConfig> {
    let identity = certified(server, &[name]);
    with_protocol(&config(server, Some(&identity), aws_lc_rs::default_provider()), b"mqtt")
}

/// Connects as `client_id`; the code of CONNACK beside the connection.
fn greet(server: &Server, shown: &Arc<ClientConfig>, client_id: &str) -> (u8, Datagrams) {
    let mut stream = Datagrams::open(server, shown.clone()).expect("a connection");
    stream.write_all(&connect(5, client_id)).expect("CONNECT");
    let (kind, body) = packet(&mut stream).expect("CONNACK");
    assert_eq!(kind, 0x20);
    (body[1], stream)
}

/// The reason with which the server closes a connection.
fn last_word(stream: &mut Datagrams) -> Option<u8> {
    let last = std::iter::from_fn(|| packet(stream)).last();
    last.filter(|(kind, _)| *kind == 0xe0).and_then(|(_, body)| body.first().copied())
}

/// Why there is no connection; a refused certificate is found by reading.
fn refusal(server: &Server, config: Arc<ClientConfig>) -> String {
    let read = |mut stream: Datagrams| {
        stream.write_all(&connect(5, "reg_quic"))?;
        stream.read(&mut [0; 64])
    };
    let why = Datagrams::open(server, config).and_then(read).expect_err("it is taken");
    let inner = why.get_ref().and_then(|why| why.source()).map(ToString::to_string).unwrap_or_default();
    format!("{why}: {inner}")
}

#[test]
fn con_1_sec_1_without_a_certificate_of_ours_or_mqtt_there_is_no_connection() {
    let server = Server::start();
    let ann = shown(&server, "380670000001");
    let without = with_protocol(&config(&server, None, aws_lc_rs::default_provider()), b"mqtt");
    // TLS alerts 116, certificate_required, and 120, no_application_protocol.
    let why = refusal(&server, without);
    assert!(why.contains("116"), "{why}");
    let why = refusal(&server, with_protocol(&ann, b"h3"));
    assert!(why.contains("120"), "{why}");
    let other = Server::start();
    let stranger = config(&server, Some(&certified(&other, &["380670000001"])), aws_lc_rs::default_provider());
    refusal(&server, with_protocol(&stranger, b"mqtt"));
    assert_eq!(greet(&server, &ann, "emqttd_380670000001_d1").0, 0);
}

#[test]
fn sec_2_whoever_shows_a_revoked_certificate_is_closed_at_once_and_stays_out() {
    let server = Server::start();
    let (ann, ben) = (shown(&server, "380670000001"), shown(&server, "380670000002"));
    let (code, mut live) = greet(&server, &ann, "emqttd_380670000001_d1");
    assert_eq!(code, 0);
    let (_, mut stays) = greet(&server, &ben, "emqttd_380670000002_d1");

    let log = server.remote("issued 380670000001");
    let serial = log.split(' ').next().expect("a serial number");
    server.remote(&format!("revoke {serial} keyCompromise"));
    let since = Instant::now();
    assert_eq!(last_word(&mut live), Some(ADMINISTRATIVE));
    assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
    // In the second round the TLS session is resumed, in which TLS itself sees no certificate.
    for _ in 0..2 {
        assert_eq!(greet(&server, &ann, "emqttd_380670000001_d1").0, BANNED);
    }
    stays.write_all(&[0xc0, 0]).expect("PINGREQ");
    assert!(std::iter::from_fn(|| packet(&mut stays)).any(|(kind, _)| kind == 0xd0));
}

#[test]
fn con_7_a_server_that_ends_tells_its_clients() {
    let mut server = Server::start();
    let (_, mut live) = greet(&server, &shown(&server, "380670000001"), "emqttd_380670000001_d1");
    assert!(server.terminate().success());
    assert_eq!(last_word(&mut live), Some(SHUTTING_DOWN));
}

#[test]
fn con_1_a_server_that_was_killed_ends_the_connections_of_its_earlier_life() {
    let mut server = Server::start();
    let (_, mut live) = greet(&server, &shown(&server, "380670000001"), "emqttd_380670000001_d1");
    server.kill();
    server.restart();
    let since = Instant::now();
    live.write_all(&[0xc0, 0]).expect("PINGREQ");
    assert_eq!(last_word(&mut live), None);
    assert!(since.elapsed() < PATIENCE, "{:?}", since.elapsed());
}

#[test]
fn heart_3_a_client_that_is_silent_for_longer_than_it_said_is_closed() {
    let server = Server::start();
    let mut hello = connect(5, "emqttd_380670000001_d1");
    hello[11] = 5;
    let mut stream = Datagrams::open(&server, shown(&server, "380670000001")).expect("a connection");
    stream.write_all(&hello).expect("CONNECT");
    assert_eq!(last_word(&mut stream), Some(0x8d));
}

#[test]
fn con_1_our_client_comes_by_quic_and_by_the_next_way_where_udp_is_swallowed() {
    let server = Server::start();
    let ca_pem = std::fs::read_to_string(server.root_certificate()).expect("the root certificate");
    certified(&server, &["any"]);
    let by = |urls: &[String], client_id: &str| {
        let mut urls = urls.iter().map(|url| url.parse().expect("an address"));
        let mut options = Options::new(urls.next().expect("one at least"), client_id);
        options.others = urls.collect();
        options.tls = Some(Tls { ca_pem: ca_pem.clone(), identity: Some(kept(&server, "any")) });
        options
    };
    let swallows = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    let quic = format!("quic://localhost:{}", server.quic().port());
    let swallowed = format!("quic://{}", swallows.local_addr().expect("an address"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let ways = [format!("mqtt://{nobody}"), quic];
        let (first, _events) = Client::connect(by(&ways, "reg_38001_d1")).await.expect("in by the second way");
        let registered = first.register("38001", "d1", Enrolment::Fake, None).await.expect("registered");
        let Registered::Done(account) = registered else { panic!("no code is needed") };
        first.close().await;

        let ways = [swallowed, format!("mqtts://localhost:{}", server.mqtts().port())];
        let mut options = by(&ways, &account.client_id);
        options.token = Some(account.token.clone());
        options.connect_timeout = Duration::from_secs(4);
        let (client, _events) = Client::connect(options).await.expect("in by the second way");
        assert_eq!(client.profile().await.expect("its own").phone.as_deref(), Some(&b"38001"[..]));
        client.close().await;
    });
}
