//! The web front of the real program: its own pages, and what it does not put up with.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use support::Server;

const PATIENCE: Duration = Duration::from_secs(30);

/// Sends bytes as they are; all that comes until the server closes.
fn raw(server: &Server, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.http()).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.write_all(request).expect("it reads");
    let mut said = Vec::new();
    // A server that does not read on may reset.
    let _ = stream.read_to_end(&mut said);
    String::from_utf8_lossy(&said).into_owned()
}

fn ask(server: &Server, line: &str, rest: &str) -> String {
    raw(server, format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{rest}\r\n").as_bytes())
}

#[test]
fn con_1_http_answers_what_it_knows_and_bounds_what_it_reads() {
    let server = Server::start();
    let health = ask(&server, "GET /health", "");
    assert!(health.starts_with("HTTP/1.1 200 OK\r\n") && health.ends_with("\r\n\r\nok\n"), "{health}");
    assert!(health.contains("x-content-type-options: nosniff") && health.contains("cache-control: no-store"));
    let head = ask(&server, "HEAD /health", "");
    assert!(head.contains("content-length: 3\r\n") && head.ends_with("\r\n\r\n"), "{head}");

    assert!(ask(&server, "GET /nowhere", "").starts_with("HTTP/1.1 404 "));
    assert!(ask(&server, "GET /health/../../etc/passwd", "").starts_with("HTTP/1.1 404 "));
    let refused = ask(&server, "DELETE /health", "");
    assert!(refused.starts_with("HTTP/1.1 405 ") && refused.contains("allow: GET\r\n"), "{refused}");
    assert!(ask(&server, "GET /health", "Content-Length: 1000000\r\n").starts_with("HTTP/1.1 413 "));
    let chunks = "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n";
    assert!(ask(&server, "GET /health", chunks).starts_with("HTTP/1.1 413 "));
    let long = format!("X-Long: {}\r\n", "x".repeat(64 << 10));
    assert!(ask(&server, "GET /health", &long).starts_with("HTTP/1.1 431 "));
    assert!(raw(&server, b"\x10\x05hello\r\n\r\n").starts_with("HTTP/1.1 400 "));
}

/// RFC 9112 section 3.2
#[test]
fn con_1_a_request_of_http_1_1_names_one_host() {
    let server = Server::start();
    let of = |version: &str, hosts: &str| {
        raw(&server, format!("GET /health {version}\r\nConnection: close\r\n{hosts}\r\n").as_bytes())
    };
    for wrong in ["", "Host: a\r\nHost: a\r\n", "Host: a b\r\n", "Host: me@a\r\n", "Host: a/b\r\n"] {
        let said = of("HTTP/1.1", wrong);
        assert!(said.starts_with("HTTP/1.1 400 "), "{wrong}: {said}");
    }
    for good in ["Host: a\r\n", "Host: [::1]:8083\r\n", "Host:\r\n"] {
        assert!(of("HTTP/1.1", good).starts_with("HTTP/1.1 200 "), "{good}");
    }
    assert!(of("HTTP/1.0", "").starts_with("HTTP/1.0 200 "), "which knew no Host");
    let upgrade = "GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut stream = TcpStream::connect(server.http()).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.write_all(upgrade.as_bytes()).expect("it reads");
    let mut said = [0; 13];
    stream.read_exact(&mut said).expect("an answer");
    assert_eq!(&said, b"HTTP/1.1 400 ", "nor is a socket opened");
}

/// One that never ends its request is closed after ten seconds, and whoever comes meanwhile is served.
#[test]
fn con_12_a_request_that_does_not_come_is_not_waited_for() {
    let server = Server::start();
    let mut slow = TcpStream::connect(server.http()).expect("it listens");
    slow.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    slow.write_all(b"GET /health HTTP/1.1\r\nHost: local").expect("it reads");
    assert!(ask(&server, "GET /health", "").ends_with("ok\n"));
    let mut said = Vec::new();
    slow.read_to_end(&mut said).expect("it is closed");
}

#[test]
fn sec_1_https_speaks_both_versions_and_needs_no_certificate_but_no_strangers_one() {
    let server = Server::start();
    let issued = server.chat(&["certify", "alice"]);
    assert!(issued.status.success());
    let url = format!("https://localhost:{}/health", server.https().port());
    let curl = |more: &[&str]| {
        let mut command = Command::new("curl");
        command.args(["--silent", "--max-time", "30", "--write-out", "%{http_version}", "--cacert"]);
        let output = command.arg(server.root_certificate()).args(more).arg(&url).output().expect("curl runs");
        String::from_utf8(output.stdout).expect("text")
    };
    assert_eq!(curl(&["--http1.1"]), "ok\n1.1");
    assert_eq!(curl(&["--http2"]), "ok\n2");
    let path = |name: &str| server.home().join("certs").join(name).display().to_string();
    let (certificate, key) = (path("alice.crt"), path("alice.key"));
    assert_eq!(curl(&["--http2", "--cert", &certificate, "--key", &key]), "ok\n2");

    let (certificate, key) = (path("mallory.crt"), path("mallory.key"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=mallory", "-out", &certificate, "-keyout", &key])
        .output();
    assert!(made.expect("openssl runs").status.success());
    assert_eq!(curl(&["--cert", &certificate, "--key", &key]), "0");
}
