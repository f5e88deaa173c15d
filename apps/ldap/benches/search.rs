//! Searches by an indexed attribute among 100,000 entries, over TCP: how long one takes, and how many are answered in a second.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark may fail")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use ldap3_proto::LdapCodec;
use ldap3_proto::proto::{
    LdapDerefAliases, LdapFilter, LdapMsg, LdapOp, LdapResultCode, LdapSearchRequest, LdapSearchScope,
};
use support::{BASE, Directory};
use tokio_util::codec::{Decoder, Encoder};

const ENTRIES: usize = 100_000;
const CLIENTS: usize = 8;
/// Requests of a client that are under way when many are wanted.
const WINDOW: usize = 16;
const ALONE: usize = 5_000;
const SPAN: Duration = Duration::from_secs(5);

fn main() {
    let began = Instant::now();
    let directory = Directory::start(ENTRIES, |options| options.threads = 2);
    println!("{ENTRIES} entries in {:.1} s", began.elapsed().as_secs_f64());

    let mut client = Client::connect(&directory);
    let mut times: Vec<Duration> = (0..ALONE)
        .map(|at| {
            let began = Instant::now();
            client.ask(at * 7919 % ENTRIES);
            client.found();
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    let at = |part: usize| times.get(times.len() * part / 1000).copied().unwrap_or_default().as_secs_f64() * 1e3;
    println!(
        "one after the other: median {:.3} ms, 99 % {:.3} ms, 99.9 % {:.3} ms (wanted: 5 ms)",
        at(500),
        at(990),
        at(999)
    );

    let began = Instant::now();
    let answered: usize = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let mut client = Client::connect(&directory);
                scope.spawn(move || {
                    let (mut asked, mut answered) = (number * 1000, 0);
                    for _ in 0..WINDOW {
                        client.ask(asked * 7919 % ENTRIES);
                        asked += 1;
                    }
                    while began.elapsed() < SPAN {
                        client.found();
                        answered += 1;
                        client.ask(asked * 7919 % ENTRIES);
                        asked += 1;
                    }
                    answered
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    let second = answered as f64 / began.elapsed().as_secs_f64();
    println!("{CLIENTS} clients, {WINDOW} under way each: {second:.0} searches/s (wanted: 5000)");
}

/// It speaks the protocol and no more.
struct Client {
    stream: TcpStream,
    bytes: BytesMut,
    id: i32,
}

impl Client {
    fn connect(directory: &Directory) -> Client {
        let stream = TcpStream::connect(directory.plain()).unwrap();
        stream.set_nodelay(true).unwrap();
        Client { stream, bytes: BytesMut::new(), id: 0 }
    }

    fn ask(&mut self, number: usize) {
        self.id += 1;
        let asked = LdapSearchRequest {
            base: BASE.into(),
            scope: LdapSearchScope::Subtree,
            aliases: LdapDerefAliases::Never,
            sizelimit: 0,
            timelimit: 0,
            typesonly: false,
            filter: LdapFilter::Equality("uid".into(), format!("p{number}")),
            attrs: vec!["cn".into(), "mail".into(), "telephoneNumber".into()],
        };
        let mut bytes = BytesMut::new();
        LdapCodec::default().encode(LdapMsg::new(self.id, LdapOp::SearchRequest(asked)), &mut bytes).unwrap();
        self.stream.write_all(bytes.chunk()).unwrap();
    }

    /// Until the end of a search, which finds one.
    fn found(&mut self) {
        let mut entries = 0;
        loop {
            match LdapCodec::default().decode(&mut self.bytes).unwrap() {
                Some(LdapMsg { op: LdapOp::SearchResultEntry(_), .. }) => entries += 1,
                Some(LdapMsg { op: LdapOp::SearchResultDone(result), .. }) => {
                    assert_eq!((result.code, entries), (LdapResultCode::Success, 1));
                    return;
                }
                Some(other) => panic!("{other:?}"),
                None => {
                    let mut more = [0; 16 * 1024];
                    let count = self.stream.read(&mut more).unwrap();
                    assert!(count > 0, "the server is there");
                    self.bytes.extend_from_slice(more.get(..count).unwrap());
                }
            }
        }
    }
}
