//! What the authority costs: `cargo bench -p ca` prints a line for each. One thread; a server has more.

use std::collections::HashSet;
use std::time::{Duration, Instant, SystemTime};

use ca::ocsp::{self, Status};
use ca::{Authority, Reason, Revoked};

const ENROLMENTS: u32 = 2_000;
const REVOKED: u64 = 100_000;
const HANDSHAKES: u32 = 20_000;

fn main() {
    let now = SystemTime::now();
    let authority = Authority::create("Bench", now).expect("an authority");
    let (_key, request) = ca::request("device").expect("a request");

    let one = timed(ENROLMENTS, || {
        authority.device(&request, "380670000001", "phone", now).expect("issued");
    });
    println!("a request checked, a certificate issued: {one:?}, {:.0} a second", 1.0 / one.as_secs_f64());

    let leaf = authority.client("ann", now).expect("issued").certificate;
    let entry = |n: u64| {
        let serial = [&[0x41; 8], &n.to_be_bytes()[..]].concat();
        Revoked { serial, at: now, reason: Reason::CessationOfOperation }
    };
    let entries: Vec<Revoked> = (0..REVOKED).map(entry).collect();
    let start = Instant::now();
    let list = authority.crl(&entries, 1, now).expect("a list");
    println!("a revocation list of {REVOKED} signed: {:?}, {} KiB", start.elapsed(), list.len() / 1024);

    let start = Instant::now();
    let read = ca::read_list(&list, &[authority.certificate_der()]).expect("it reads");
    let prints: HashSet<u128> = read.revoked.iter().map(|entry| ca::print_of(&read.issuer, &entry.serial)).collect();
    println!("the same checked and read for handshakes: {:?}, {} entries", start.elapsed(), prints.len());

    let each = timed(HANDSHAKES, || {
        let subject = ca::subject(&leaf.der).expect("it reads");
        assert!(!prints.contains(&ca::print_of(&subject.issuer, &subject.serial)));
    });
    println!("a certificate read and looked for in it: {each:?}");

    let der = ocsp_request(&authority, &leaf.serial);
    let each = timed(ENROLMENTS, || {
        let answer = ocsp::respond(&authority, &der, now, |_| Ok(Status::Good));
        assert!(answer.len() > 100, "an answer");
    });
    println!("a question to the responder answered: {each:?}");
}

fn timed(times: u32, mut work: impl FnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..times {
        work();
    }
    start.elapsed() / times
}

/// As `openssl ocsp` asks, without nonce; of an issuer that need not be ours, which costs the same.
fn ocsp_request(authority: &Authority, serial: &[u8]) -> Vec<u8> {
    let hash = [&[0x04, 20][..], &[7; 20]].concat();
    let algorithm = [0x30, 9, 0x06, 5, 0x2b, 0x0e, 3, 2, 0x1a, 5, 0];
    let number = [&[0x02, serial.len() as u8][..], serial].concat();
    let certificate = sequence(&[&algorithm[..], &hash, &hash, &number].concat());
    let request = sequence(&sequence(&sequence(&sequence(&certificate))));
    assert!(ocsp::respond(authority, &request, SystemTime::now(), |_| Ok(Status::Good)).len() > 100);
    request
}

fn sequence(content: &[u8]) -> Vec<u8> {
    [&[0x30, content.len() as u8][..], content].concat()
}
