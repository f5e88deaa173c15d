//! Nanoseconds to decode and encode the Message of vector `flow/message_send`: `cargo bench -p etf`.

use bytes::Bytes;
use etf::{AtomEnum, Choice, Limits, Record, Term, check, decode, encode};
use std::hint::black_box;
use std::time::Instant;

#[derive(Debug, Clone, PartialEq, Record)]
struct Message {
    id: Option<u64>,
    container: Option<Container>,
    feed_id: Option<Feed>,
    prev: Option<u64>,
    next: Option<u64>,
    msg_id: Option<Bytes>,
    from: Option<Bytes>,
    to: Option<Bytes>,
    created: Option<u64>,
    files: Vec<Desc>,
    r#type: Vec<Status>,
    link: Option<u64>,
    seenby: Vec<u64>,
    repliedby: Vec<u64>,
    mentioned: Vec<u64>,
    status: Option<Status>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, AtomEnum)]
enum Container {
    Chain,
    Cur,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, AtomEnum)]
enum Status {
    Edit,
    Delete,
}

#[derive(Debug, Clone, PartialEq, Choice)]
enum Feed {
    P2p(P2p),
    Muc(Muc),
}

#[derive(Debug, Clone, PartialEq, Record)]
#[record("p2p")]
struct P2p {
    from: Option<Bytes>,
    to: Option<Bytes>,
}

#[derive(Debug, Clone, PartialEq, Record)]
#[record("muc")]
struct Muc {
    name: Option<Bytes>,
}

#[derive(Debug, Clone, PartialEq, Record)]
struct Desc {
    id: Option<Bytes>,
    mime: Option<Bytes>,
    payload: Option<Bytes>,
    parentid: Option<Bytes>,
    data: Vec<Term>,
}

/// Vector `flow/message_send` in the text notation.
const MESSAGE: &str = r#"{'Message',[],chain,{p2p,"380670001122_1","380670002233_7"},[],[],"m1","380670001122_1","380670002233_7",[],[{'Desc',"x","text","hi",[],[]}],[],[],[],[],[],[]}"#;

const BATCH: u32 = 50_000;

fn main() {
    let term = etf::text::parse(MESSAGE, &()).expect("the notation");
    let bytes = encode(&term);
    let message: Message = decode(&bytes).expect("the vector");
    let limits = Limits::default();
    assert_eq!(encode(&message), bytes);
    println!("flow/message_send, {} bytes", bytes.len());
    time("check", || drop(black_box(check(black_box(&bytes), &limits))));
    time("decode", || drop(black_box(decode::<Message>(black_box(&bytes)))));
    time("encode", || drop(black_box(encode(black_box(&message)))));
    time("decode as Term", || drop(black_box(decode::<Term>(black_box(&bytes)))));
    time("encode a Term", || drop(black_box(encode(black_box(&term)))));
    time("eetf decode", || drop(black_box(eetf::Term::decode(black_box(&bytes[..])))));
}

/// Of ten batches the fastest, since others use the machine too.
fn time(what: &str, mut work: impl FnMut()) {
    let batch = |_| {
        let start = Instant::now();
        (0..BATCH).for_each(|_| work());
        start.elapsed()
    };
    let best = (0..10).map(batch).min().unwrap_or_default();
    println!("{what:>16} {:>6} ns", best.as_nanos() / u128::from(BATCH));
}
