//! A client that is told nothing but the server's name, and the anchor of its zone (`zone ds`): our own name server answers.

mod support;

use std::fs;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::thread;

use support::{CHAT, Server};
use tempfile::TempDir;

const ZONE: &str = "ns.zone = \"chat.example\"\nns.listen = [\"127.0.0.1:0\"]\nns.file = \"more.zone\"";
/// A digest that is no key's.
const OTHER: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// A server, and a person whose folder holds an anchor.
struct Scene {
    server: Server,
    home: TempDir,
    /// Whom the client asks.
    resolver: SocketAddr,
}

impl Scene {
    fn new() -> Scene {
        let mut server = Server::prepare(ZONE);
        fs::write(server.home().join("more.zone"), "").expect("written");
        server.restart();
        let resolver = server.dns();
        let scene = Scene { server, home: tempfile::tempdir().expect("a folder"), resolver };
        scene.anchor(&scene.server.remote("zone ds"));
        scene
    }

    fn file(&self) -> PathBuf {
        self.home.path().join("anchor")
    }

    fn anchor(&self, text: &str) {
        fs::write(self.file(), text).expect("written");
    }

    /// Lays records over those of the zone.
    fn zone(&self, records: &str) {
        fs::write(self.server.home().join("more.zone"), records).expect("written");
        self.server.remote("reload");
    }

    fn run(&self, more: &[&str], commands: &[&str]) -> Output {
        let mut chat = Command::new(CHAT);
        chat.args(["client", "--fake", "--home"]).arg(self.home.path()).args(["--resolver"]);
        chat.arg(self.resolver.to_string()).args(more);
        for command in commands {
            chat.args(["-e", command]);
        }
        chat.stdin(Stdio::null()).output().expect("the program runs")
    }

    /// What is shown when these commands are done.
    fn does(&self, more: &[&str], commands: &[&str]) -> String {
        let file = self.file().display().to_string();
        let output = self.run(&[&["--anchor", &file], more].concat(), commands);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{commands:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Why the server is not found, or not trusted.
    fn fails(&self, more: &[&str]) -> String {
        let file = self.file().display().to_string();
        self.refused(&[&["--anchor", &file], more].concat())
    }

    fn refused(&self, more: &[&str]) -> String {
        let output = self.run(more, &["me"]);
        assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn register(&self) {
        // Nothing but the name: no address, no authority.
        let shown = self.does(&["--server", "chat.example"], &["register 38001", "name Ann"]);
        assert!(shown.contains("registered as"), "{shown}");
    }
}

#[test]
fn a_device_registers_by_the_name_alone_and_comes_by_the_first_way_that_is_open() {
    let scene = Scene::new();
    scene.register();
    // The name is remembered, and now there is a certificate to show: MQTT's own listeners come before the web.
    scene.zone("@ 60 HTTPS 1 . port=1\n");
    assert!(scene.does(&[], &["me"]).contains("chat://chat.example"));
    scene.zone("@ 60 HTTPS 1 . port=1\n_mqtts._tcp 60 SRV 0 0 1 @\n");
    assert!(scene.does(&[], &["me"]).contains("chat://chat.example"), "by QUIC");
    scene.zone("_mqtts._tcp 60 SRV 0 0 0 .\n_mqtt._udp 60 SRV 0 0 0 .\n");
    assert!(scene.does(&[], &["me"]).contains("chat://chat.example"), "by the web");
    let closed = format!("_1._tcp 60 TLSA 3 1 1 {OTHER}\n");
    scene.zone(&format!("{closed}@ 60 HTTPS 1 . port=1\n_mqtts._tcp 60 SRV 0 0 0 .\n_mqtt._udp 60 SRV 0 0 0 .\n"));
    assert!(scene.fails(&[]).contains("no server at chat.example:1"));
}

/// A resolver to whose mind every answer is too long for UDP; by TCP it has what `server` has. It lives as long as the test's process.
fn terse(server: SocketAddr) -> SocketAddr {
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = tcp.local_addr().expect("an address");
    let udp = UdpSocket::bind(address).expect("the same of UDP");
    thread::spawn(move || {
        let mut question = [0; 1500];
        while let Ok((length, from)) = udp.recv_from(&mut question) {
            let mut answer = question.get(..length).expect("what came").to_vec();
            // An answer (QR), truncated (TC), with the question and nothing else.
            *answer.get_mut(2).expect("a header") |= 0x82;
            udp.send_to(&answer, from).expect("sent");
        }
    });
    thread::spawn(move || {
        for client in tcp.incoming() {
            let (client, server) = (client.expect("a client"), TcpStream::connect(server).expect("a server"));
            let copies = [(&client, &server), (&server, &client)]
                .map(|(from, to)| (from.try_clone().expect("a handle"), to.try_clone().expect("a handle")));
            for (mut from, mut to) in copies {
                thread::spawn(move || {
                    let _ = io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Write);
                });
            }
        }
    });
    address
}

#[test]
fn what_is_too_long_for_udp_is_asked_by_tcp() {
    let mut scene = Scene::new();
    scene.resolver = terse(scene.server.dns());
    scene.register();
    assert!(scene.does(&[], &["me"]).contains("chat://chat.example"));
}

#[test]
fn the_anchor_holds_around_a_rollover_and_another_key_s_does_not() {
    let scene = Scene::new();
    scene.register();
    scene.server.remote("zone roll");
    assert!(scene.does(&[], &["me"]).contains("account"), "there are two keys, and the old one's anchor");
    scene.anchor(&scene.server.remote("zone ds"));
    assert!(scene.does(&[], &["me"]).contains("account"), "both");
    scene.anchor(&format!("chat.example. DS 1 13 2 {OTHER}\n"));
    assert!(scene.fails(&[]).contains("is not signed by the key of its anchor"));
    scene.anchor("nonsense\n");
    assert!(scene.fails(&[]).contains("line 1 is no anchor"));
    let why = scene.refused(&[]);
    assert!(why.contains("chat.example cannot be found"), "the root knows nothing of it: {why}");
}

#[test]
fn a_listener_whose_key_is_not_the_zone_s_is_not_spoken_to() {
    let scene = Scene::new();
    scene.register();
    let ports = [scene.server.mqtts(), scene.server.https()].map(|address| address.port());
    let records = |data: &str| {
        let tcp: String = ports.iter().map(|port| format!("_{port}._tcp 60 TLSA {data}\n")).collect();
        format!("{tcp}_mqtt._udp 60 SRV 0 0 0 .\n")
    };
    scene.zone(&records(&format!("3 1 1 {OTHER}")));
    let why = scene.fails(&[]);
    assert!(why.contains("certificate"), "{why}");
    scene.zone(&records(&format!("3 7 1 {OTHER}")));
    assert!(scene.fails(&[]).contains("does not understand"));
    scene.zone(&records(&format!("3 1 1 {OTHER}")).replace("60 TLSA", "60 TXT"));
    assert!(scene.does(&[], &["me"]).contains("account"), "again as the server has it");
}

#[test]
fn a_service_that_is_told_under_another_name_is_found_there_and_one_that_is_told_nowhere_is_not() {
    let scene = Scene::new();
    scene.register();
    let (mqtts, tls) = (scene.server.mqtts().port(), scene.server.https().port());
    let alone = "@ 60 HTTPS 1 . port=1\n_mqtt._udp 60 SRV 0 0 0 .\n";
    let dig = |question: &str| {
        let port = scene.server.dns().port().to_string();
        let words = ["@127.0.0.1", "-p", &port, "+short"];
        let said = Command::new("dig").args(words).args(question.split(' ')).output().expect("dig runs");
        String::from_utf8_lossy(&said.stdout).trim().to_owned()
    };
    let key = dig(&format!("_{tls}._tcp.chat.example TLSA"));
    // Each of the service, its host and its key stands for another name; and the keys' names for each other's.
    let other = format!(
        "{alone}_mqtts._tcp 60 CNAME one\none 60 CNAME two\ntwo 60 SRV 0 0 {mqtts} host\n\
         host 60 CNAME real\nreal 60 A 127.0.0.1\n_{mqtts}._tcp.real 60 CNAME key\nkey 60 TLSA {key}\n"
    );
    scene.zone(&other);
    assert!(scene.does(&[], &["me"]).contains("chat://chat.example"));
    // There the host itself has the key, and the name that it stands for none.
    scene.zone(&other.replace(".real 60 CNAME key", ".host 60 CNAME key"));
    assert!(scene.does(&[], &["me"]).contains("chat://chat.example"));
    scene.zone(&other.replace(&key, &format!("3 1 1 {OTHER}")));
    assert!(scene.fails(&[]).contains("certificate"), "the key at the end counts");
    scene.zone(&format!("{alone}_mqtts._tcp 60 CNAME one\none 60 CNAME two\ntwo 60 CNAME one\n"));
    assert!(!scene.fails(&[]).is_empty());
    let chain: String = (0..9).map(|at| format!("n{at} 60 CNAME n{}\n", at + 1)).collect();
    scene.zone(&format!("{alone}_mqtts._tcp 60 CNAME n0\n{chain}n9 60 SRV 0 0 {mqtts} @\n"));
    assert!(!scene.fails(&[]).is_empty(), "too many steps");
}

#[test]
fn sec_5_without_an_authority_it_is_said_once_that_nothing_is_sealed() {
    let scene = Scene::new();
    scene.register();
    let note = "! not sealed: no authority is known; --ca";
    let shown = scene.does(&[], &["room create Pals", "send Pals one", "send Pals two"]);
    assert_eq!(shown.matches(note).count(), 1, "{shown}");
    let shown = scene.does(&["--plain"], &["send Pals three"]);
    assert!(!shown.contains(note), "that is the person's wish: {shown}");
    let root = scene.server.root_certificate().display().to_string();
    let shown = scene.does(&["--ca", &root], &["send Pals four"]);
    assert!(!shown.contains("not sealed"), "{shown}");
}
