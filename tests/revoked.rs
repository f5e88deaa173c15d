//! What was revoked stays out of the real program: new connections, resumed TLS sessions, live ones (SEC-2, SEC-4, ID-9, ID-10, T-9).

#![allow(clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::io::{Read, Write};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use client::{Account, Client, Enrolment, Identity, Options, Url};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, StreamOwned};
use support::Server;
use support::carrier::{join, tcp, with_protocol};
use support::wire::{Stream, certified, config, connect, connect_with, dial, greet, packet};
use tungstenite::{Message, WebSocket};

const BANNED: u8 = 0x8a;
const ADMINISTRATIVE: u8 = 0x98;
/// SEC-2.
const SOON: Duration = Duration::from_secs(2);

fn shown(server: &Server, identity: &Identity) -> Arc<ClientConfig> {
    config(server, Some(identity), aws_lc_rs::default_provider())
}

fn code(server: &Server, shown: &Arc<ClientConfig>, client_id: &str) -> u8 {
    greet(&mut dial(server, shown), 5, client_id).expect("CONNACK")[1]
}

/// The reason with which the server closes a connection.
fn last_word(stream: &mut Stream) -> Option<u8> {
    let mut last = None;
    while let Some(packet) = packet(stream) {
        last = Some(packet);
    }
    last.filter(|(kind, _)| *kind == 0xe0).and_then(|(_, body)| body.first().copied())
}

/// The serial number of the latest certificate of this name, by the log.
fn serial(server: &Server, name: &str) -> String {
    let log = server.remote(&format!("issued {name}"));
    let line = log.lines().last().unwrap_or_else(|| panic!("{name} is not in the log"));
    line.split(' ').next().expect("a serial number").to_owned()
}

/// What openssl says of a certificate with the server's revocation list, which comes within seconds.
fn verified(server: &Server, certificate: &str, is_revoked: bool) {
    let folder = server.home();
    std::fs::write(folder.join("checked.pem"), certificate).expect("written");
    let openssl = |arguments: &str| -> Output {
        Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().expect("openssl runs")
    };
    let since = Instant::now();
    loop {
        assert!(openssl("crl -inform DER -in ca/ca.crl -out ca.crl.pem -CAfile ca/root.crt -verify").status.success());
        let said = openssl("verify -crl_check -CRLfile ca.crl.pem -CAfile ca/root.crt checked.pem");
        let refused = String::from_utf8_lossy(&said.stderr).contains("certificate revoked");
        if refused == is_revoked && said.status.success() != is_revoked {
            return;
        }
        assert!(since.elapsed() < Duration::from_secs(10), "{}", String::from_utf8_lossy(&said.stderr));
        std::thread::yield_now();
    }
}

/// The server's revocation list gives this reason alone, within seconds.
fn listed(server: &Server, reason: &str) {
    let since = Instant::now();
    loop {
        let mut openssl = Command::new("openssl");
        openssl.args(["crl", "-inform", "DER", "-noout", "-text", "-in", "ca/ca.crl"]).current_dir(server.home());
        let text = String::from_utf8(openssl.output().expect("openssl runs").stdout).expect("text");
        let mut reasons =
            text.lines().map(str::trim).filter(|line| ["Key Compromise", "Cessation Of Operation"].contains(line));
        if reasons.next() == Some(reason) && reasons.next().is_none() {
            return;
        }
        assert!(since.elapsed() < Duration::from_secs(10), "{text}");
        std::thread::yield_now();
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn plain(server: &Server) -> Url {
    format!("mqtt://{}", server.mqtt()).parse().expect("an address")
}

async fn register(server: &Server, phone: &str, device: &str, csr: Option<&[u8]>) -> Account {
    let options = Options::new(plain(server), format!("reg_{phone}_{device}"));
    let (client, _events) = Client::connect(options).await.expect("in");
    let invite = server.remote(&format!("invite {phone}"));
    client.register(phone, device, Enrolment::Code, csr).await.expect("begun");
    let account = client.verify(invite.trim(), None).await.expect("verified");
    client.close().await;
    account
}

#[test]
fn t_9_auth_10_a_certificate_opens_its_device_until_the_account_ends_it() {
    let mut server = Server::start();
    let (phone, other) = ("380670000001", "380670000002");
    let (key_pem, csr) = ca::request("phone").expect("a request");
    let (ann, laptop, ben) = runtime().block_on(async {
        let ann = register(&server, phone, "d1", Some(&csr)).await;
        let laptop = register(&server, phone, "d2", None).await;
        (ann, laptop, register(&server, other, "d1", None).await)
    });
    let cert_pem = ca::pem(&ann.certificate.expect("a certificate"));
    let own = shown(&server, &Identity { cert_pem: cert_pem.clone(), key_pem: key_pem.to_string() });
    assert_eq!(code(&server, &own, &ann.client_id), 0);
    // ID-10, with the token of another account.
    let mut stream = dial(&server, &own);
    assert_eq!(connect_with(&mut stream, &ben.client_id, &ben.token).expect("CONNACK")[1], 0x87);
    verified(&server, &cert_pem, false);

    let mut live = dial(&server, &own);
    assert_eq!(greet(&mut live, 5, &ann.client_id).expect("CONNACK")[1], 0);
    let since = runtime().block_on(async {
        let options = Options { token: Some(laptop.token), ..Options::new(plain(&server), laptop.client_id) };
        let (client, _events) = Client::connect(options).await.expect("in");
        client.end_session("d1").await.expect("ended");
        let since = Instant::now();
        client.close().await;
        since
    });
    assert_eq!(last_word(&mut live), Some(ADMINISTRATIVE));
    assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
    assert_eq!(code(&server, &own, &ann.client_id), BANNED);
    // ID-9: the authority has revoked it, so it opens nothing else either.
    verified(&server, &cert_pem, true);
    let device = format!("{phone}/d1");
    assert!(server.remote(&format!("issued {device}")).contains("cessationOfOperation"));
    assert_eq!(code(&server, &own, "reg_again"), BANNED);

    // Later it is learnt that somebody else has the key. Nothing makes that milder again.
    let list = server.home().join("ca/ca.crl");
    let mild = std::fs::read(&list).expect("a list");
    for reason in ["keyCompromise", "superseded"] {
        server.remote(&format!("revoke {} {reason}", serial(&server, &device)));
        assert!(server.remote(&format!("issued {device}")).contains("keyCompromise"));
    }
    listed(&server, "Key Compromise");
    // A list with the reason from before does not serve.
    server.terminate();
    std::fs::write(&list, mild).expect("written");
    server.restart();
    listed(&server, "Key Compromise");
}

#[test]
fn sec_2_id_10_whoever_shows_a_revoked_certificate_is_closed_at_once_and_stays_out() {
    let mut server = Server::start();
    let names = ["380670000001", "lamp"];
    let [ann, lamp] = names.map(|name| certified(&server, &[name]));
    let bot = certified(&server, &["bot", "--service"]);
    let bystander = certified(&server, &["380670000009"]);
    let clients = [
        ("380670000001", &ann, "emqttd_380670000001_d1"),
        ("380670000001", &ann, "reg_new"),
        ("lamp", &lamp, "lamp"),
        ("bot", &bot, "sys_bot"),
    ];
    let held = shown(&server, &bystander);
    let mut stays = dial(&server, &held);
    assert_eq!(greet(&mut stays, 5, "emqttd_380670000009_d1").expect("CONNACK")[1], 0);
    let mut live: Vec<Stream> = Vec::new();
    let configs = clients.map(|(_, identity, _)| shown(&server, identity));
    for ((_, _, client), config) in clients.iter().zip(&configs) {
        let mut stream = dial(&server, config);
        assert_eq!(greet(&mut stream, 5, client).expect("CONNACK")[1], 0, "{client}");
        live.push(stream);
    }

    for name in ["380670000001", "lamp", "bot"] {
        server.remote(&format!("revoke {} keyCompromise", serial(&server, name)));
    }
    let since = Instant::now();
    for ((_, _, client), stream) in clients.iter().zip(&mut live) {
        assert_eq!(last_word(stream), Some(ADMINISTRATIVE), "{client}");
    }
    assert!(since.elapsed() < SOON, "{:?}", since.elapsed());

    for round in ["running", "started again"] {
        for ((_, _, client), config) in clients.iter().zip(&configs) {
            // The session is resumed, in which TLS itself sees no certificate.
            let mut stream = dial(&server, config);
            assert_eq!(greet(&mut stream, 5, client).expect("CONNACK")[1], BANNED, "{client}, {round}");
            let kind = stream.conn.handshake_kind();
            assert_eq!(kind, Some(if round == "running" { HandshakeKind::Resumed } else { HandshakeKind::Full }));
        }
        if round == "running" {
            // Who was not meant is still there.
            std::io::Write::write_all(&mut stays, &[0xc0, 0]).expect("PINGREQ");
            std::io::Write::flush(&mut stays).expect("sent");
            let pong = std::iter::from_fn(|| packet(&mut stays)).find(|(kind, _)| *kind == 0xd0);
            assert!(pong.is_some());
            server.kill();
            server.restart();
        }
    }
    assert_eq!(code(&server, &held, "emqttd_380670000009_d1"), 0);
    verified(&server, &ann.cert_pem, true);
    verified(&server, &bystander.cert_pem, false);
}

/// All that comes by a WebSocket, until it has been closed.
fn rest<S: Read + Write>(socket: &mut WebSocket<S>) -> Vec<u8> {
    let mut came = Vec::new();
    while let Ok(message) = socket.read() {
        if let Message::Binary(bytes) = message {
            came.extend_from_slice(&bytes);
        }
    }
    came
}

/// The reason of the DISCONNECT with which these packets end.
fn last_reason(mut bytes: &[u8]) -> Option<u8> {
    let last = std::iter::from_fn(|| packet(&mut bytes)).last();
    last.filter(|(kind, _)| *kind == 0xe0).and_then(|(_, body)| body.first().copied())
}

#[test]
fn sec_2_con_2_who_came_by_websocket_is_closed_as_well_and_no_ticket_lets_him_in_again() {
    let server = Server::start();
    let phone = "380670000001";
    let config = with_protocol(&shown(&server, &certified(&server, &[phone])), b"http/1.1");
    let connected = || {
        let name = ServerName::try_from("localhost").expect("a name");
        let tls = ClientConnection::new(config.clone(), name).expect("a client");
        StreamOwned::new(tls, tcp(server.https()).expect("it listens"))
    };
    let protocol = "Sec-WebSocket-Protocol: mqtt\r\n";
    let mut live = join(connected(), "/mqtt", protocol).expect("it opens");
    live.send(Message::binary(connect(5, &format!("emqttd_{phone}_d1")))).expect("CONNECT");
    let first = live.read().expect("CONNACK").into_data();
    assert_eq!((first[0], first[3]), (0x20, 0));
    server.remote(&format!("revoke {} keyCompromise", serial(&server, phone)));
    assert_eq!(last_reason(&rest(&mut live)), Some(ADMINISTRATIVE));

    let mut again = connected();
    let refused = join(&mut again, "/mqtt", protocol).map(drop).expect_err("not again").to_string();
    assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");
    assert_eq!(again.conn.handshake_kind(), Some(HandshakeKind::Resumed));
}

#[test]
fn id_10_with_its_certificate_a_device_loses_its_token() {
    let server = Server::start();
    let phone = "380670000001";
    let (_key, csr) = ca::request("phone").expect("a request");
    let ann = runtime().block_on(register(&server, phone, "d1", Some(&csr)));
    server.remote(&format!("revoke {}", serial(&server, &format!("{phone}/d1"))));
    let any = shown(&server, &certified(&server, &["380670000009"]));
    let since = Instant::now();
    // The account hears of it in its own time.
    let refused = loop {
        let mut stream = dial(&server, &any);
        match connect_with(&mut stream, &ann.client_id, &ann.token).expect("CONNACK")[1] {
            0 if since.elapsed() < SOON => std::thread::yield_now(),
            other => break other,
        }
    };
    assert_eq!(refused, 0x86);
    assert_eq!(server.remote("list device").trim(), "");
}

#[test]
fn sec_4_everything_issued_is_in_the_log_and_only_that_can_be_revoked() {
    let mut server = Server::start();
    let list = |server: &Server| std::fs::read(server.home().join("ca/ca.crl")).expect("a list");
    certified(&server, &["ann"]);
    server.remote("certify bob");
    server.terminate();
    certified(&server, &["cleo", "--service"]);
    let before = list(&server);
    server.restart();
    assert_eq!(list(&server), before, "a list that says all is not signed again");
    let log = server.remote("issued");
    let kinds: Vec<&str> = log.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    assert_eq!(kinds, ["server", "admin", "client", "client", "service"], "{log}");
    assert!(log.contains(" cleo ") && !log.contains("revoked"));

    for (command, why) in [
        ("revoke 4142", "no certificate was issued"),
        ("revoke xyz", "not a serial number"),
        (&format!("revoke {} boredom", serial(&server, "ann")), "no such reason"),
        ("sign ann client 3000", "not a request for a certificate"),
        ("sign ../ann client 3000", "a name is"),
    ] {
        let output = server.chat(&["remote", "-e", command]);
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(why), "{command}: {said}");
    }
    // The operator's own certificate too; it is issued anew at the next start.
    server.remote(&format!("revoke {}", serial(&server, "operator")));
    assert!(!server.chat(&["remote", "-e", "ping"]).status.success());
    server.terminate();
    server.restart();
    assert!(server.remote("issued operator").contains("revoked"));
    // One that lacks something is: here, as by a copy of the folder from before.
    server.terminate();
    std::fs::write(server.home().join("ca/ca.crl"), &before).expect("written");
    server.restart();
    assert!(list(&server).len() > before.len());
}
