//! Certificates by CMP (SEC-4), asked for by `openssl cmp` from Debian against the real program.

#![allow(clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Output;
use std::time::{Duration, Instant};

use support::Server;
use support::user::{P256, P384, User, connects};

const PHONE: &str = "380670000001";
const RSA: &str = "RSA -pkeyopt rsa_keygen_bits:2048";

fn invite(server: &Server) -> String {
    server.remote(&format!("invite {PHONE}")).trim().to_owned()
}

fn printed(output: &Output) -> String {
    [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat()
}

impl User {
    fn key(&self, name: &str, kind: &str) {
        self.openssl(&format!("genpkey -algorithm {kind} -out {name}.key"));
    }

    /// `openssl cmp` with these words, over TLS.
    fn cmp(&self, line: &str) -> Output {
        let server = self.https.trim_start_matches("https://");
        self.cmp_at(&format!("-server {server} -tls_used -tls_trusted root.pem -path .well-known/cmp"), line)
    }

    fn cmp_at(&self, place: &str, line: &str) -> Output {
        let words: Vec<&str> = ["cmp", "-config", ""].into_iter().chain(place.split_whitespace()).collect();
        self.run("openssl", &[&words[..], &line.split_whitespace().collect::<Vec<_>>()].concat())
    }

    fn gets(&self, line: &str) -> String {
        let output = self.cmp(line);
        assert!(output.status.success(), "openssl cmp {line}: {}", printed(&output));
        printed(&output)
    }

    /// What it says when there is nothing for it.
    fn is_refused(&self, line: &str) -> String {
        let output = self.cmp(line);
        assert!(!output.status.success(), "openssl cmp {line}: {}", printed(&output));
        printed(&output)
    }

    /// A device `name` of who has this invite.
    fn enrols(&self, name: &str, code: &str, more: &str) {
        self.gets(&format!("-cmd ir {} -newkey {name}.key -certout {name}.pem {more}", known_by(code)));
    }

    fn serial(&self, name: &str) -> String {
        let said = self.openssl(&format!("x509 -in {name}.pem -noout -serial"));
        said.trim().replace("serial=", "").to_lowercase()
    }
}

fn known_by(code: &str) -> String {
    format!("-ref {PHONE} -secret pass:{code} -subject /CN=whatever")
}

fn signed_by(name: &str) -> String {
    format!("-cert {name}.pem -key {name}.key -trusted root.pem")
}

#[test]
fn sec_4_id_11_openssl_enrols_with_an_invite_which_is_used_once() {
    let server = Server::start();
    let user = User::of(&server);
    for (name, kind) in [("one", RSA), ("two", P256), ("three", P384), ("four", "ED25519")] {
        user.key(name, kind);
        let code = invite(&server);
        user.enrols(name, &code, "-cacertsout root-too.pem");
        user.openssl(&format!("verify -x509_strict -purpose sslclient -CAfile root-too.pem {name}.pem"));
        let text = user.openssl(&format!("x509 -in {name}.pem -noout -text"));
        assert!(text.contains(&format!("Subject: CN = {PHONE}")) && text.contains("CA:FALSE"), "{text}");
        assert!(!text.contains("whatever"));
        // An Ed25519 key that openssl has made is a device's as well; our own client does not read its file.
        if kind != "ED25519" {
            assert_eq!(connects(&server, &user.identity(name), &user.client_id(name)), 0, "{kind}");
        }
        // The invite is used.
        user.key("late", P256);
        user.is_refused(&format!("-cmd ir {} -newkey late.key -certout late.pem", known_by(&code)));
        assert!(!user.path("late.pem").exists());
    }
    assert!(!server.log().contains(PHONE), "SEC-10");
}

#[test]
fn sec_4_ways_to_ask_with_an_invite() {
    let server = Server::start();
    let user = User::of(&server);
    user.key("one", P256);
    let digest = "-mac hmacWithSHA256 -digest sha384";
    for (more, days) in [(digest, ""), ("-implicit_confirm", "-days 5000"), ("", "-sans evil.example -popo 1")] {
        user.enrols("one", &invite(&server), &format!("{more} {days}"));
        let text = user.openssl("x509 -in one.pem -noout -text");
        assert!(!text.contains("evil"), "{text}");
        user.openssl("x509 -in one.pem -noout -checkend 34000000");
        assert!(!user.run("openssl", &["x509", "-in", "one.pem", "-noout", "-checkend", "34500000"]).status.success());
        assert_eq!(connects(&server, &user.identity("one"), &user.client_id("one")), 0, "{more}");
    }
    // A request of PKCS#10, whose key is elsewhere; it asks for more than it gets. To be an authority nobody asks in vain only.
    user.key("two", P384);
    let code = invite(&server);
    let line = format!("-cmd p10cr {} -csr two.csr -certout two.pem", known_by(&code));
    user.openssl("req -new -key two.key -subj /CN=x -addext basicConstraints=critical,CA:TRUE -out two.csr");
    user.is_refused(&line);
    user.openssl("req -new -key two.key -subj /CN=x -addext subjectAltName=DNS:evil.example -out two.csr");
    user.gets(&line);
    assert!(user.openssl("x509 -in two.pem -noout -text").contains("CA:FALSE"));
    assert_eq!(connects(&server, &user.identity("two"), &user.client_id("two")), 0);

    // Messages protect themselves: also without TLS, and with a label behind the path (RFC 9483).
    user.key("three", P256);
    let place = format!("-server {} -path .well-known/cmp/p/phones", user.http.trim_start_matches("http://"));
    let line = format!("-cmd cr {} -newkey three.key -certout three.pem", known_by(&invite(&server)));
    let output = user.cmp_at(&place, &line);
    assert!(output.status.success(), "{}", printed(&output));
    assert_eq!(connects(&server, &user.identity("three"), &user.client_id("three")), 0);
}

#[test]
fn sec_4_auth_17_a_device_renews_its_certificate_with_the_one_that_it_has() {
    let server = Server::start();
    let user = User::of(&server);
    for name in ["one", "next", "third", "fourth"] {
        user.key(name, P256);
    }
    user.enrols("one", &invite(&server), "");
    let (device, old) = (user.client_id("one"), user.identity("one"));
    user.gets(&format!("-cmd kur {} -newkey next.key -certout next.pem", signed_by("one")));
    assert_eq!(user.client_id("next"), device);
    assert_eq!(connects(&server, &old, &device), 0, "its answer might have been lost");
    assert_eq!(connects(&server, &user.identity("next"), &device), 0);
    assert_eq!(connects(&server, &old, &device), 0x8a, "superseded");
    let said = user.is_refused(&format!("-cmd kur {} -newkey third.key -certout third.pem", signed_by("one")));
    assert!(said.contains("signerNotTrusted") || said.contains("notAuthorized"), "{said}");

    // One that the client does not take is withdrawn; the device goes on with what it has.
    assert!(server.chat(&["certify", "ann", "--dir", user.folder.path().to_str().expect("text")]).status.success());
    let line = format!("-cmd kur {} -newkey third.key -certout third.pem -out_trusted ann.crt", signed_by("next"));
    user.is_refused(&line);
    let log = server.remote(&format!("issued {}", device.replace("emqttd_", "").replacen('_', "/", 1)));
    assert!(log.lines().last().is_some_and(|last| last.contains("revoked") && last.contains("superseded")), "{log}");
    assert_eq!(connects(&server, &user.identity("next"), &device), 0);
    user.gets(&format!("-cmd kur {} -newkey fourth.key -certout fourth.pem -implicit_confirm", signed_by("next")));
    assert_eq!(connects(&server, &user.identity("fourth"), &device), 0);
}

#[test]
fn sec_4_id_10_a_device_takes_back_its_own_certificate_and_an_operator_any() {
    let server = Server::start();
    let user = User::of(&server);
    for name in ["one", "two", "three"] {
        user.key(name, P256);
        user.enrols(name, &invite(&server), "");
    }
    let said = user.is_refused(&format!("-cmd rr {} -oldcert two.pem", signed_by("one")));
    assert!(said.contains("notAuthorized"), "{said}");
    user.gets(&format!("-cmd rr {} -oldcert one.pem -revreason 1", signed_by("one")));
    let (identity, device) = (user.identity("one"), user.client_id("one"));
    assert_eq!(connects(&server, &identity, &device), 0x8a, "it is out at once");
    let since = Instant::now();
    while !listed(&user, &server, &user.serial("one")) {
        assert!(since.elapsed() < Duration::from_secs(5), "the list is issued anew");
    }
    assert!(server.remote("issued").contains("keyCompromise"));
    let said = user.is_refused(&format!("-cmd rr {} -oldcert one.pem", signed_by("one")));
    assert!(said.contains("signerNotTrusted"), "{said}");

    for file in ["admin.crt", "admin.key"] {
        let end = file.replace("admin.crt", "admin.pem");
        fs::copy(server.home().join("certs").join(file), user.path(&end)).expect("the operator's");
    }
    user.gets(&format!("-cmd rr {} -oldcert two.pem", signed_by("admin")));
    assert_eq!(connects(&server, &user.identity("two"), &user.client_id("two")), 0x8a);
    let said = user.is_refused(&format!("-cmd rr {} -oldcert two.pem", signed_by("admin")));
    assert!(said.contains("certRevoked"), "{said}");
    let said = user.is_refused(&format!("-cmd rr {} -oldcert root.pem", signed_by("admin")));
    assert!(said.contains("badCertId"), "{said}");
    let code = invite(&server);
    let said = user.is_refused(&format!("-cmd rr -ref {PHONE} -secret pass:{code} -oldcert three.pem"));
    assert!(said.contains("notAuthorized"), "{said}");
    assert_eq!(connects(&server, &user.identity("three"), &user.client_id("three")), 0);
}

fn listed(user: &User, server: &Server, serial: &str) -> bool {
    let url = format!("http://{}/ca.crl", server.http());
    assert!(user.run("curl", &["-s", "-o", "list.crl", &url]).status.success());
    let text = user.openssl("crl -inform DER -in list.crl -CAfile root.pem -verify -noout -text");
    text.to_lowercase().contains(serial)
}

#[test]
fn sec_4_openssl_learns_of_the_authority() {
    let server = Server::start();
    let user = User::of(&server);
    user.key("one", P256);
    let code = invite(&server);
    let by_secret = format!("-ref {PHONE} -secret pass:{code}");
    let said = user.gets(&format!("-cmd genm {by_secret} -infotype caCerts"));
    assert!(said.contains("caCerts"), "{said}");
    let said = user.gets(&format!("-cmd genm {by_secret} -infotype currentCRL"));
    assert!(said.contains("currentCRL"), "{said}");
    user.gets(&format!("-cmd genm {by_secret}"));
    // It has not been used up.
    user.enrols("one", &code, "");
    user.gets(&format!("-cmd genm {} -infotype caCerts -extracertsout extra.pem", signed_by("one")));
    user.openssl("verify -CAfile root.pem extra.pem");
    user.gets("-cmd genm -unprotected_requests -trusted root.pem -ref x -infotype caCerts");
}

#[test]
fn sec_4_openssl_enrols_below_an_authority_whose_root_is_locked_away() {
    let server = Server::start_with("x509.intermediate = true");
    let user = User::of(&server);
    let shown = fs::read_to_string(user.path("root.pem")).expect("it");
    let at = shown.rfind("-----BEGIN").expect("a certificate");
    fs::write(user.path("root.pem"), &shown[at..]).expect("written");
    for name in ["one", "next"] {
        user.key(name, P256);
    }
    user.enrols("one", &invite(&server), "-cacertsout top.pem -chainout chain.pem");
    user.openssl("verify -x509_strict -purpose sslclient -CAfile top.pem -untrusted chain.pem one.pem");
    user.gets(&format!("-cmd kur {} -newkey next.key -certout next.pem", signed_by("one")));
    assert_eq!(connects(&server, &user.identity("next"), &user.client_id("one")), 0);
    user.gets(&format!("-cmd rr {} -oldcert next.pem", signed_by("next")));
    assert_eq!(connects(&server, &user.identity("next"), &user.client_id("one")), 0x8a);
}

#[test]
fn sec_4_what_is_no_good_is_refused_and_uses_up_nothing() {
    let server = Server::start();
    let user = User::of(&server);
    let code = invite(&server);
    user.key("good", P256);
    user.key("weak", "RSA -pkeyopt rsa_keygen_bits:1024");
    user.key("curve", "EC -pkeyopt ec_paramgen_curve:secp256k1");
    let asks = |name: &str, code: &str, more: &str| {
        user.is_refused(&format!("-cmd ir {} -newkey {name}.key -certout {name}.pem {more}", known_by(code)))
    };
    for name in ["weak", "curve"] {
        let said = asks(name, &code, "");
        assert!(said.contains("badCertTemplate"), "{name}: {said}");
    }
    fs::write(user.path("ca.cnf"), "[none]\n[ext]\nbasicConstraints=critical,CA:TRUE\n").expect("written");
    let said = user.run(
        "openssl",
        &[
            &["cmp", "-config", "ca.cnf", "-section", "none", "-cmd", "ir", "-reqexts", "ext"][..],
            &["-server", user.https.trim_start_matches("https://"), "-tls_used", "-tls_trusted", "root.pem"],
            &["-path", ".well-known/cmp", "-newkey", "good.key", "-certout", "good.pem"],
            &known_by(&code).split(' ').collect::<Vec<_>>(),
        ]
        .concat(),
    );
    assert!(printed(&said).contains("badCertTemplate"), "{}", printed(&said));
    for popo in ["-popo -1", "-popo 0", "-popo 2"] {
        let said = asks("good", &code, popo);
        assert!(said.contains("badPOP"), "{popo}: {said}");
    }
    // Who does not know the secret, or a number that nobody is invited by, gets an error that anybody can verify.
    let wrong = "A".repeat(26);
    let said = asks("good", &wrong, "-trusted root.pem");
    assert!(said.contains("badMessageCheck"), "{said}");
    let line = format!("-cmd ir -ref 380670000009 -secret pass:{code} -subject /CN=x -trusted root.pem");
    let said = user.is_refused(&format!("{line} -newkey good.key -certout good.pem"));
    assert!(said.contains("badMessageCheck"), "{said}");
    // Without any protection.
    let said = user.is_refused(
        "-cmd ir -unprotected_requests -ref x -subject /CN=x -newkey good.key -certout good.pem -trusted root.pem",
    );
    assert!(said.contains("notAuthorized"), "{said}");

    assert!(!server.remote("issued").contains("device"));
    user.enrols("good", &code, "");
}

/// Carries one client's two messages to the server, which is killed and started again between them.
fn carry_over_a_crash(server: &mut Server, entrance: &TcpListener) {
    for number in 0..2 {
        let (mut client, _) = entrance.accept().expect("the client comes");
        let request = http_message(&mut client);
        if number == 1 {
            server.kill();
            server.restart();
        }
        let mut inside = TcpStream::connect(server.http()).expect("it serves");
        inside.write_all(&request).expect("sent");
        client.write_all(&http_message(&mut inside)).expect("answered");
    }
}

/// A message with its head and its body.
fn http_message(stream: &mut TcpStream) -> Vec<u8> {
    let (mut all, mut byte) = (Vec::new(), [0]);
    while !all.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("a head");
        all.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&all).to_lowercase();
    let length = head.split("content-length:").nth(1).and_then(|rest| rest.lines().next()).expect("a length");
    let mut body = vec![0; length.trim().parse().expect("a number")];
    stream.read_exact(&mut body).expect("a body");
    [all, body].concat()
}

#[test]
fn sec_4_what_waits_to_be_confirmed_outlives_a_crash() {
    let mut server = Server::start();
    let user = User::of(&server);
    for name in ["one", "next", "other", "third"] {
        user.key(name, P256);
    }
    assert!(server.chat(&["certify", "ann", "--dir", user.folder.path().to_str().expect("text")]).status.success());
    let cut = |server: &mut Server, line: &str| {
        let entrance = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = entrance.local_addr().expect("bound");
        let place = format!("-server {address} -path .well-known/cmp -keep_alive 0");
        std::thread::scope(|scope| {
            let client = scope.spawn(|| {
                let said = user.cmp_at(&place, line);
                // Nobody waits for a client that has ended early.
                let _ = TcpStream::connect(address);
                said
            });
            carry_over_a_crash(server, &entrance);
            client.join().expect("it ends")
        })
    };

    // A new device, by its invite, which is used up meanwhile.
    let code = invite(&server);
    let output = cut(&mut server, &format!("-cmd ir {} -newkey one.key -certout one.pem", known_by(&code)));
    assert!(output.status.success(), "{}", printed(&output));
    let device = user.client_id("one");
    assert_eq!(connects(&server, &user.identity("one"), &device), 0);

    // One that gives its certificate back after the crash: it ends.
    let code = invite(&server);
    let line = format!("-cmd ir {} -newkey other.key -certout other.pem -out_trusted ann.crt", known_by(&code));
    let output = cut(&mut server, &line);
    assert!(!output.status.success(), "{}", printed(&output));
    let log = server.remote("issued");
    let last = log.lines().rfind(|line| line.contains("device")).expect("it was issued");
    assert!(last.contains("revoked") && last.contains("cessationOfOperation"), "{log}");

    // A renewal, signed.
    let renewal = format!("-cmd kur {} -newkey next.key -certout next.pem -reqout kur.der,conf.der", signed_by("one"));
    let output = cut(&mut server, &renewal);
    assert!(output.status.success(), "{}", printed(&output));
    assert_eq!(connects(&server, &user.identity("next"), &device), 0);

    // What somebody has recorded of it is answered as before, or not at all, but nothing is issued again.
    let issued = server.remote("issued");
    let certificates = |log: &str| log.lines().filter(|line| line.contains("device")).count();
    server.kill();
    server.restart();
    for name in ["kur.der", "conf.der"] {
        let (url, data) = (format!("{}/.well-known/cmp", user.http), format!("@{name}"));
        let kind = ["-s", "-o", "answer", "-w", "%{http_code}", "-H", "content-type: application/pkixcmp"];
        let output = user.run("curl", &[&kind[..], &["--data-binary", &data, &url]].concat());
        assert_eq!(String::from_utf8_lossy(&output.stdout), "200", "{name}");
    }
    assert_eq!(certificates(&server.remote("issued")), certificates(&issued));
    assert_eq!(connects(&server, &user.identity("next"), &device), 0);
    assert!(!server.log().contains(PHONE), "SEC-10");
}

#[test]
fn sec_4_openssl_enrols_under_an_authority_on_p384() {
    let server = Server::start_with("x509.curve = \"p384\"");
    let user = User::of(&server);
    let root = user.openssl("x509 -in root.pem -noout -text");
    assert!(root.contains("ASN1 OID: secp384r1") && root.contains("ecdsa-with-SHA384"), "{root}");
    for (name, kind) in [("one", P256), ("two", P384)] {
        user.key(name, kind);
        user.enrols(name, &invite(&server), "");
        user.openssl(&format!("verify -x509_strict -purpose sslclient -CAfile root.pem {name}.pem"));
        assert_eq!(connects(&server, &user.identity(name), &user.client_id(name)), 0, "{kind}");
    }
    user.gets(&format!("-cmd rr {} -oldcert two.pem -revreason 1", signed_by("two")));
    assert_eq!(connects(&server, &user.identity("two"), &user.client_id("two")), 0x8a);
    let since = Instant::now();
    while !listed(&user, &server, &user.serial("two")) {
        assert!(since.elapsed() < Duration::from_secs(30), "the list is issued anew");
    }
    let ask = format!("ocsp -url {}/ocsp -CAfile root.pem -issuer root.pem -cert one.pem -cert two.pem", user.http);
    let said = user.openssl(&ask);
    assert!(said.contains("one.pem: good") && said.contains("two.pem: revoked"), "{said}");
}

#[test]
fn sec_4_a_repeat_is_answered_as_before_and_what_was_changed_is_refused() {
    let server = Server::start();
    let user = User::of(&server);
    user.key("one", P256);
    let code = invite(&server);
    user.enrols("one", &code, "-reqout ir.der,conf.der -rspout ip.der,noted.der");
    // HTTP that sent it again gets what was lost.
    let posted = |name: &str, header: &str| {
        let (url, data) = (format!("{}/.well-known/cmp", user.https), format!("@{name}"));
        let words = ["-s", "--http1.1", "--cacert", "root.pem", "-o", "answer", "-w", "%{http_code}", "-H", header];
        let kind = ["-H", "content-type: application/pkixcmp"];
        let output = user.run("curl", &[&words[..], &kind, &["--data-binary", &data, &url]].concat());
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let post = |name: &str| posted(name, "accept: */*");
    assert_eq!(post("conf.der"), "200");
    assert_eq!(fs::read(user.path("answer")).expect("it"), fs::read(user.path("noted.der")).expect("it"));

    user.openssl("asn1parse -inform DER -in answer");
    let issued = server.remote("issued");
    let request = fs::read(user.path("ir.der")).expect("it");
    for at in (0..request.len()).step_by(7) {
        let mut changed = request.clone();
        changed[at] ^= 1;
        fs::write(user.path("changed.der"), changed).expect("written");
        let status = post("changed.der");
        assert!(["200", "400"].contains(&status.as_str()), "{at}: {status}");
    }
    assert_eq!(server.remote("issued"), issued);
    // By its own word it is a mebibyte, and not read at all.
    assert_eq!(posted("ir.der", "content-length: 1048576"), "413");
    assert_eq!(posted("ir.der", "content-type: application/pkcs10"), "415");
}
