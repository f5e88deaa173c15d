//! Certificates and whom to trust, replaced while the real program serves (SEC-1, SEC-2): by SIGHUP, and by the remote shell.

#![allow(clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::fs;
use std::io::Write;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use ca::{Authority, Reason, Revoked};
use client::Identity;
use rustls::crypto::aws_lc_rs;
use support::Server;
use support::wire::{Stream, certified, config, dial, greet, issued, open, packet};

const SOON: Duration = Duration::from_secs(10);

fn code(server: &Server, shown: &Identity, client_id: &str) -> Result<u8, std::io::Error> {
    greet(&mut open(server, Some(shown), aws_lc_rs::default_provider()), 5, client_id).map(|body| body[1])
}

fn append(server: &Server, lines: &str) {
    let path = server.home().join("chat.toml");
    let text = fs::read_to_string(&path).expect("the configuration");
    let kept: Vec<&str> = text.lines().filter(|line| !line.starts_with("tls.")).collect();
    fs::write(path, format!("{}\n{lines}\n", kept.join("\n"))).expect("written");
}

fn hang_up(server: &Server) {
    let told = Command::new("kill").args(["-HUP", &server.pid().to_string()]).status().expect("kill runs");
    assert!(told.success());
}

/// Waits for a word in the server's log that was not there `before` times already.
fn logged(server: &Server, word: &str, before: usize) {
    let since = Instant::now();
    while server.log().matches(word).count() <= before {
        assert!(since.elapsed() < SOON, "{word} is not in the log: {}", server.log());
        std::thread::yield_now();
    }
}

fn ping(stream: &mut Stream) -> bool {
    let asked = stream.write_all(&[0xc0, 0]).and_then(|()| stream.flush());
    asked.is_ok() && packet(stream).is_some_and(|(kind, _)| kind == 0xd0)
}

/// The subject of the certificate that the server shows.
fn shown(server: &Server, ann: &Identity) -> Vec<u8> {
    let mut stream = open(server, Some(ann), aws_lc_rs::default_provider());
    greet(&mut stream, 5, "probe").expect("CONNACK");
    stream.conn.peer_certificates().expect("a certificate")[0].to_vec()
}

#[test]
fn sec_1_under_load_no_connection_is_lost_while_certificates_are_replaced_and_a_bad_file_changes_nothing() {
    let server = Server::start();
    let ann = certified(&server, &["ann"]);
    let (key, cert) = (server.home().join("ca/root.key"), server.home().join("ca/root.crt"));
    let authority = Authority::load(&fs::read_to_string(cert).expect("root"), &fs::read_to_string(key).expect("key"));
    let authority = authority.expect("the server's own");
    let first = shown(&server, &ann);

    let (stop, pings, newcomers) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (server, ann, stop, pings) = (&server, &ann, &stop, &pings);
            scope.spawn(move || {
                let config = config(server, Some(ann), aws_lc_rs::default_provider());
                let mut held: Vec<Stream> = (0..8).map(|_| dial(server, &config)).collect();
                for (at, stream) in held.iter_mut().enumerate() {
                    assert_eq!(greet(stream, 5, &format!("held-{thread}-{at}")).expect("CONNACK")[1], 0);
                }
                while !stop.load(Ordering::Acquire) {
                    for stream in &mut held {
                        assert!(ping(stream), "a connection was lost");
                        pings.fetch_add(1, Ordering::AcqRel);
                    }
                }
            });
        }
        scope.spawn(|| {
            let mut number = 0;
            while !stop.load(Ordering::Acquire) {
                number += 1;
                assert_eq!(code(&server, &ann, &format!("new-{number}")).expect("CONNACK"), 0, "somebody was refused");
                newcomers.fetch_add(1, Ordering::AcqRel);
            }
        });
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut last = first.clone();
            for round in 0..6 {
                let next = authority.server(&["localhost".into()], SystemTime::now()).expect("issued");
                ca::files::write_secret(server.home().join("next.key"), next.key_pem.as_bytes()).expect("written");
                fs::write(server.home().join("next.crt"), &next.cert_pem).expect("written");
                append(&server, "tls.certificate = \"next.crt\"\ntls.key = \"next.key\"");
                match round % 2 {
                    0 => drop(server.remote("reload")),
                    _ => {
                        let before = server.log().matches("reloaded").count();
                        hang_up(&server);
                        logged(&server, "reloaded", before);
                    }
                }
                let now = shown(&server, &ann);
                assert_eq!(now, next.certificate.der);
                assert_ne!(now, last);
                last = now;
            }
            bad_files(&server, &last, &ann, &authority);
            // Both kinds of traffic went on all the time.
            let (pinged, came) = (pings.load(Ordering::Acquire), newcomers.load(Ordering::Acquire));
            let since = Instant::now();
            while pings.load(Ordering::Acquire) <= pinged + 32 || newcomers.load(Ordering::Acquire) <= came {
                assert!(since.elapsed() < SOON);
                std::thread::yield_now();
            }
        }));
        stop.store(true, Ordering::Release);
        if let Err(panic) = told {
            std::panic::resume_unwind(panic);
        }
    });
}

fn bad_files(server: &Server, last: &[u8], ann: &Identity, authority: &Authority) {
    let home = server.home();
    let other = authority.server(&["localhost".into()], SystemTime::now()).expect("issued");
    ca::files::write_secret(home.join("other.key"), other.key_pem.as_bytes()).expect("written");
    let person = authority.client("ann", SystemTime::now()).expect("issued");
    fs::write(home.join("person.crt"), &person.cert_pem).expect("written");
    fs::write(home.join("junk.crt"), "junk").expect("written");
    fs::write(home.join("open.key"), other.key_pem.as_bytes()).expect("written");
    let pair = |cert: &str, key: &str| format!("tls.certificate = \"{cert}\"\ntls.key = \"{key}\"");
    for (lines, why) in [
        (pair("next.crt", "other.key"), "TLS"),
        (pair("missing.crt", "next.key"), "missing.crt"),
        (pair("junk.crt", "next.key"), "no certificate"),
        (pair("person.crt", "next.key"), "no server's"),
        (pair("next.crt", "open.key"), "chmod 600"),
        ("tls.certificate = \"next.crt\"".into(), "go together"),
        ("tls.roots = \"junk.crt\"".into(), "junk.crt"),
        ("tls.crl = \"junk.crt\"".into(), "junk.crt"),
        ("tls.colour = \"red\"".into(), "colour"),
    ] {
        append(server, &lines);
        let output = server.chat(&["remote", "-e", "reload"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && said.contains(why) && said.contains("nothing is changed"),
            "{lines}: {said}"
        );
        assert_eq!(shown(server, ann), last, "{lines}");
    }
    let before = server.log().matches("cannot reload").count();
    hang_up(server);
    logged(server, "cannot reload", before);
    assert_eq!(shown(server, ann), last);
}

#[test]
fn sec_2_another_authority_is_trusted_and_what_it_takes_back_is_closed() {
    let server = Server::start();
    let now = SystemTime::now();
    let theirs = Authority::create("Elsewhere", now).expect("an authority");
    let good = issued(theirs.client("good", now).expect("issued"));
    let bad = theirs.client("bad", now).expect("issued");
    let (serial, bad) = (bad.certificate.serial.clone(), issued(bad));
    assert!(code(&server, &good, "good").is_err(), "TLS does not know it");

    fs::write(server.home().join("theirs.pem"), theirs.certificate_pem()).expect("written");
    append(&server, "tls.roots = \"theirs.pem\"");
    server.remote("reload");
    let mut live = [&good, &bad].map(|who| open(&server, Some(who), aws_lc_rs::default_provider()));
    for (stream, client) in live.iter_mut().zip(["good", "bad"]) {
        assert_eq!(greet(stream, 5, client).expect("CONNACK")[1], 0);
    }
    // It is nobody's account, whatever it names (ID-9 rule 2).
    let namesake = issued(theirs.client("380670000001", now).expect("issued"));
    assert_eq!(code(&server, &namesake, "reg_new").expect("CONNACK"), 0);
    assert!(server.remote("list profile").trim().is_empty());

    let list = theirs.crl(&[Revoked { serial, at: now, reason: Reason::KeyCompromise }], 1, now).expect("a list");
    fs::write(server.home().join("theirs.crl"), list).expect("written");
    append(&server, "tls.roots = \"theirs.pem\"\ntls.crl = \"theirs.crl\"");
    let before = server.log().matches("reloaded").count();
    hang_up(&server);
    logged(&server, "reloaded", before);
    let since = Instant::now();
    let last = std::iter::from_fn(|| packet(&mut live[1])).last();
    assert!(matches!(&last, Some((0xe0, body)) if body[0] == 0x98), "{last:?}");
    assert!(since.elapsed() < Duration::from_secs(2));
    assert_eq!(code(&server, &bad, "bad").expect("CONNACK"), 0x8a);
    assert!(ping(&mut live[0]));

    // A list that they have not signed is none.
    let forger = Authority::create("Elsewhere", now).expect("an authority");
    fs::write(server.home().join("theirs.crl"), forger.crl(&[], 2, now).expect("a list")).expect("written");
    assert!(!server.chat(&["remote", "-e", "reload"]).status.success());
    assert_eq!(code(&server, &bad, "bad").expect("CONNACK"), 0x8a);

    // Out again: nobody resumes what is no longer trusted.
    let resuming = config(&server, Some(&good), aws_lc_rs::default_provider());
    assert_eq!(greet(&mut dial(&server, &resuming), 5, "good").expect("CONNACK")[1], 0);
    append(&server, "");
    server.remote("reload");
    assert!(greet(&mut dial(&server, &resuming), 5, "good").is_err());
}
