//! What the server has of memory when nobody needs it any more.

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use support::Server;

/// Connections, and how much of a packet each of them has sent.
const CONNECTIONS: usize = 100;
const BEGUN: usize = 300 << 10;
const ALL: usize = CONNECTIONS * BEGUN;
/// A time that is long enough.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes of memory that the process has.
fn resident(server: &Server) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") << 10
}

/// The system tells nobody when memory comes and goes.
fn until(what: &str, is: impl Fn() -> bool) {
    let since = Instant::now();
    while !is() {
        assert!(since.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// A connection in the middle of a PUBLISH.
fn begun(server: &Server, number: usize) -> TcpStream {
    let mut stream = TcpStream::connect(server.mqtt()).expect("it listens");
    let id = format!("reg_{}_d1", 38001 + number);
    let connect = [b"\x10\x18\0\x04MQTT\x04\x02\0\x3c\0\x0c", id.as_bytes()].concat();
    stream.write_all(&connect).expect("it reads");
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).expect("CONNACK");
    assert_eq!(answer, [0x20, 2, 0, 0]);
    // Half a MiB, on the topic `a`.
    stream.write_all(b"\x30\x80\x80\x20\0\x01a").expect("it reads");
    stream.write_all(&vec![0; BEGUN]).expect("it reads");
    stream
}

#[test]
fn con_12_what_connections_have_needed_is_given_back_though_nothing_else_happens() {
    let server = Server::start_with("huge_pages = false");
    let before = resident(&server);
    let streams: Vec<TcpStream> = (0..CONNECTIONS).map(|number| begun(&server, number)).collect();
    until("what has come is kept", || resident(&server) > before + ALL / 2);
    drop(streams);
    until("it is given back", || resident(&server) < before + ALL / 4);
}
