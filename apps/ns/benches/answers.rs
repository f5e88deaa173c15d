//! `cargo bench -p ns --bench answers`: signed answers a second over UDP, beside nsd with the same zone, both asked by dnsperf; and how long a
//! zone of 100,000 names takes to be made and made anew, while questions are asked. Needs dnsperf, nsd and dig.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement may fail, and prints"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::fmt::Write;
use std::fs;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ns::{Algorithm, Contents, compile};
use support::{Place, Program, now, said};

const NAMES: usize = 100_000;
const SECONDS: &str = "8";

const PEER: &str = "
server:
  ip-address: 127.0.0.1@PORT
  username: \"\"
  zonesdir: \"DIR\"
  database: \"\"
  pidfile: \"DIR/nsd.pid\"
  xfrdfile: \"DIR/xfrd.state\"
  zonelistfile: \"DIR/zone.list\"
  xfrdir: \"DIR\"
  server-count: 2
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: chat.example
  zonefile: \"DIR/zone\"
";

fn main() {
    let mut text = String::new();
    (0..NAMES).for_each(|at| writeln!(text, "u{at} A 192.0.2.{}", at % 250).unwrap());
    let place = Place::copied("");
    let full = support::contents(&text);
    reload(&place, &full);

    let questions = place.folder.path().join("questions");
    let line = |at: usize| match at % 10 {
        0 => format!("none{at}.chat.example A\n"),
        1 => format!("u{at}.chat.example AAAA\n"),
        _ => format!("u{} .chat.example A\n", at * 7919 % NAMES).replace(" .", "."),
    };
    fs::write(&questions, (0..NAMES).map(line).collect::<String>()).unwrap();
    let questions = questions.to_str().unwrap();
    println!("questions with DNSSEC: 8 of 10 are there, 1 has no such type, 1 no such name");
    let ours = measure("ours", place.port(), questions);

    let copy = place.dig("+noall +answer +onesoa chat.example AXFR");
    fs::write(place.folder.path().join("zone"), copy).unwrap();
    let peer = Program::start(place.folder.path(), "nsd", &["-d", "-c"], PEER);
    let theirs = measure("nsd", peer.port, questions);
    println!("ours is {:.2} of nsd", ours / theirs);
}

fn measure(name: &str, port: u16, questions: &str) -> f64 {
    let port = port.to_string();
    let words = ["-s", "127.0.0.1", "-p", &port, "-d", questions, "-l", SECONDS, "-c", "16", "-q", "400", "-e", "-D"];
    let said = said("dnsperf", &words);
    let line = |what: &str| said.lines().find(|line| line.contains(what)).unwrap_or("no such line").trim().to_owned();
    println!("{name}: {}; {}; {}", line("Queries per second"), line("Queries lost"), line("Average Latency"));
    line("Queries per second")
        .split_whitespace()
        .last()
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("{said}"))
}

/// Makes the zone, makes it anew with one name more, and from nothing, while one client asks without a pause.
fn reload(place: &Place, full: &Contents) {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let asker = scope.spawn(|| ask(place, &is_over));
        let timed = |what: &str, contents: &Contents, keep: bool| {
            let before = place.server.zone();
            let since = Instant::now();
            let zone = compile(contents, &place.keys, 1, now(), keep.then_some(&*before)).unwrap().unwrap();
            place.server.publish(zone);
            println!("{what}: {:.2} s, {} names", since.elapsed().as_secs_f64(), place.server.zone().size());
        };
        timed("all names new", full, true);
        let mut more = full.clone();
        more.records.extend(full.records.last().cloned().map(|mut last| {
            last.name = ns::record::Name::from_ascii("fresh.chat.example.").unwrap();
            last
        }));
        timed("one name more", &more, true);
        timed("everything signed again", full, false);
        is_over.store(true, Ordering::Relaxed);
        let (asked, missed, slowest) = asker.join().unwrap();
        println!("meanwhile {asked} questions, {missed} without an answer, the slowest {slowest:?}");
    });
    assert_eq!(Algorithm::EcdsaP256, place.keys.iter().next().unwrap().algorithm);
}

fn ask(place: &Place, is_over: &AtomicBool) -> (u32, u32, Duration) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(place.server.addresses()[0]).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let mut question =
        *b"\0\0\x01\0\0\x01\0\0\0\0\0\x01\x03www\x04chat\x07example\0\0\x01\0\x01\0\0\x29\x10\0\0\0\x80\0\0\0";
    let (mut asked, mut missed, mut slowest, mut packet) = (0_u32, 0, Duration::ZERO, [0; 2048]);
    while !is_over.load(Ordering::Relaxed) {
        asked += 1;
        question[..2].copy_from_slice(&asked.to_be_bytes()[2..]);
        let since = Instant::now();
        socket.send(&question).unwrap();
        match socket.recv(&mut packet) {
            Ok(length) if length > 100 && packet[..2] == question[..2] && packet[3] & 0xF == 0 => {}
            Ok(_) | Err(_) => missed += 1,
        }
        slowest = slowest.max(since.elapsed());
    }
    (asked, missed, slowest)
}
