//! What must hold whatever bytes a client sends, however they are cut, and whatever the chat and the broker say meanwhile. The fuzz target
//! `connection` and the test of mutations below play it; a server is built without it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use chat::door::{Certificate, Out, Verdict};

use crate::broker::{Broker, Link};
use crate::message::Message;
use crate::packet::{self, Incoming, Next, frame, reason, write};
use crate::session::greet::greet;
use crate::session::{Ask, End, Session, Taken, Todo};
use crate::settings::Settings;

/// Orders that one input may have; the rest of it is the stream.
const ORDERS_MAX: usize = 64;
/// The client's number at the broker.
const NUMBER: u64 = 1;

static SETTINGS: LazyLock<Settings> = LazyLock::new(Settings::default);
static NOW: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The first byte says how many orders follow; behind them is the client's stream, from CONNECT on. An order is: so many bytes of the
/// stream arrive (its upper five bits), then this happens (the lower three).
///
/// # Panics
/// When something does not hold: it is written in no other way however the stream is cut, it is made of packets that a server may
/// send, no more calls are open than may be, and nothing waits for ever.
pub fn judge(input: &[u8]) {
    let Some((count, rest)) = input.split_first() else { return };
    let (orders, stream) = rest.split_at((usize::from(*count) % ORDERS_MAX).min(rest.len()));
    let (whole, bitwise) = (played(orders, stream, usize::MAX), played(orders, stream, 1));
    assert_eq!(whole.written, bitwise.written, "what is written does not depend on how the stream is cut");
    assert_eq!(whole.asked, bitwise.asked, "nor what is asked");
    assert_eq!(whole.end, bitwise.end, "nor how it ends");
    are_packets(&whole.written);
}

/// A connection that has had all of this; the pieces have this many bytes at most.
fn played(orders: &[u8], stream: &[u8], piece: usize) -> Client {
    let mut client = Client::default();
    let mut left = stream;
    for order in orders {
        let (arrives, rest) = left.split_at(usize::from(order >> 3).min(left.len()));
        arrives.chunks(piece).for_each(|bytes| client.arrives(bytes));
        left = rest;
        client.happens(order & 0b111);
    }
    left.chunks(piece).for_each(|bytes| client.arrives(bytes));
    client.settles();
    client
}

/// As `connection` has it: bytes into packets into the session, and what that wants done.
#[derive(Default)]
struct Client {
    /// Absent before CONNECT.
    session: Option<Session>,
    arrived: BytesMut,
    held: Option<Incoming>,
    /// What the chat has still to end, and to say.
    calls: VecDeque<u64>,
    rights: VecDeque<u64>,
    broker: Arc<Broker>,
    link: Option<Link>,
    /// QoS 2 that is not released.
    waiting: HashMap<u16, Box<Message>>,
    written: Vec<u8>,
    asked: Vec<String>,
    end: Option<End>,
}

impl Client {
    fn arrives(&mut self, bytes: &[u8]) {
        self.arrived.extend_from_slice(bytes);
        self.take();
    }

    fn take(&mut self) {
        while self.end.is_none() {
            let mut todo = Todo::default();
            let Some(session) = &mut self.session else {
                if !self.connects() {
                    return;
                }
                continue;
            };
            let packet = match self.held.take() {
                Some(packet) => packet,
                None => match packet::next(&mut self.arrived, Some(session.version()), SETTINGS.packet_max) {
                    Next::Packet(packet) => packet,
                    Next::Needs(bytes) => {
                        assert!(bytes > self.arrived.len(), "it waits for what is there");
                        return;
                    }
                    Next::Bad(bad) => {
                        session.broken(bad, &mut todo);
                        return self.does(todo);
                    }
                    Next::BadConnect(bad) => panic!("of a connection that has been let in: {bad:?}"),
                },
            };
            let taken = session.packet(packet, &mut todo);
            self.does(todo);
            if let Taken::Later(packet) = taken {
                self.held = Some(packet);
                return;
            }
        }
    }

    /// The chat lets everybody in. False: there is no whole CONNECT.
    fn connects(&mut self) -> bool {
        let connect = match packet::next(&mut self.arrived, None, SETTINGS.packet_max) {
            Next::Packet(Incoming::Connect(connect)) => connect,
            Next::Needs(bytes) => {
                assert!(bytes > self.arrived.len(), "it waits for what is there");
                return false;
            }
            Next::Bad(_) | Next::BadConnect(_) => {
                self.end = Some(End::Broken);
                return true;
            }
            Next::Packet(other) => panic!("before CONNECT: {other:?}"),
        };
        let shown = Certificate { own_authority: true, personal: true, ..Certificate::default() };
        match greet(*connect, Some(Arc::new(shown).into()), &SETTINGS, || "0123456789abcdef".into()) {
            Err(_) => self.end = Some(End::Broken),
            Ok(greeting) => {
                let mut todo = Todo::default();
                let known = Some(greeting.properties(&SETTINGS));
                write::connack(&mut todo.bytes, greeting.limits.version, false, reason::SUCCESS, known);
                self.session = Some(Session::new(&greeting, SETTINGS.receive_max));
                self.does(todo);
            }
        }
        true
    }

    fn does(&mut self, mut todo: Todo) {
        self.written.extend_from_slice(&todo.bytes);
        for ask in todo.asks.drain(..) {
            self.asked.push(format!("{ask:?}"));
            match ask {
                Ask::Request { call, .. } => self.calls.push_back(call),
                Ask::MayReceive { ask, .. } => self.rights.push_back(ask),
                Ask::Publish(message) => self.publishes(*message),
                Ask::Subscribe { filter, options, retained } => {
                    let link =
                        self.link.get_or_insert_with(|| Link::open(self.broker.clone(), self.broker.shelf(NUMBER)));
                    link.subscribe(&filter, options, retained);
                }
                Ask::Unsubscribe { filter } => {
                    if let Some(link) = &mut self.link {
                        link.unsubscribe(&filter);
                    }
                }
                Ask::Hold { id, message } => {
                    let _ = self.waiting.insert(id, message);
                }
                Ask::Release(id) => {
                    if let Some(message) = self.waiting.remove(&id) {
                        self.publishes(*message);
                    }
                }
                Ask::Confirm(_) => {}
            }
        }
        assert!(self.calls.len() <= chat::CALLS_MAX, "more calls than may be");
        self.end = self.end.or(todo.end);
    }

    fn publishes(&self, message: Message) {
        // Nothing is kept here, so nothing has to be waited for.
        let _ = self.broker.publish(message, NUMBER, *NOW);
    }

    /// One of the things that are not the client's.
    fn happens(&mut self, what: u8) {
        let payload = Bytes::from_static(b"\x83d\x00\x02ok");
        match what {
            0 => {}
            1 => self.ends_call(Verdict::Done),
            2 => self.ends_call(Verdict::NoRight),
            3 => self.hears(Out::Item { topic: "ses/1".into(), payload, delivery: Some(7) }),
            4 => self.hears(Out::Item { topic: "ses/1".into(), payload, delivery: None }),
            5 => {
                let ask = self.rights.pop_front();
                ask.into_iter().for_each(|ask| self.hears(Out::Right { ask, granted: ask % 3 != 0 }));
            }
            6 => self.hears(Out::Notice { payload }),
            _ => self.delivers(),
        }
        self.take();
    }

    fn ends_call(&mut self, verdict: Verdict) {
        if let Some(call) = self.calls.pop_front() {
            self.hears(Out::Answer { call, payload: Bytes::from_static(b"\x83j") });
            self.hears(Out::Done { call, verdict });
        }
    }

    fn hears(&mut self, out: Out) {
        if let Some(session) = self.session.as_mut().filter(|_| self.end.is_none()) {
            let mut todo = Todo::default();
            session.out(out, &mut todo);
            self.does(todo);
        }
    }

    /// What the broker has for the client, as far as it takes it.
    fn delivers(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        while let (Some(session), Some(link), None) = (&mut self.session, &self.link, self.end) {
            if !session.has_room() {
                return;
            }
            let mut todo = Todo::default();
            match link.poll_next(*NOW, &mut cx) {
                Poll::Ready(Ok(delivered)) => session.deliver(delivered, &mut todo),
                Poll::Ready(Err(_)) => session.close(reason::QUOTA_EXCEEDED, End::Broken, &mut todo),
                Poll::Pending => return,
            }
            self.does(todo);
        }
    }

    /// The chat ends what it was asked. Then the client comes again, and goes on with what was kept.
    fn settles(&mut self) {
        while self.end.is_none() && !(self.calls.is_empty() && self.rights.is_empty()) {
            self.happens(if self.calls.is_empty() { 5 } else { 1 });
        }
        self.delivers();
        assert!(self.held.is_none() || self.end.is_some(), "a packet waits for nothing");
        if let Some(session) = self.session.take() {
            let version = session.version();
            if let Some(kept) = session.into_kept() {
                let connect = packet::Connect {
                    version,
                    client_id: "again".into(),
                    clean_start: false,
                    keep_alive: 60,
                    properties: None,
                    will: None,
                    password: None,
                };
                let shown = Arc::new(Certificate::default());
                let greeting = greet(connect, Some(shown.into()), &SETTINGS, String::new).expect("a plain client");
                let mut todo = Todo::default();
                Session::new(&greeting, SETTINGS.receive_max).resume(kept, *NOW, &mut todo);
                are_packets(&todo.bytes);
            }
        }
    }
}

/// Whole packets, of kinds that a server sends.
fn are_packets(mut bytes: &[u8]) {
    while let Some((first, rest)) = bytes.split_first() {
        let kind = first >> 4;
        let may = matches!(
            kind,
            frame::CONNACK
                | frame::PUBLISH
                | frame::PUBACK
                | frame::PUBREC
                | frame::PUBREL
                | frame::PUBCOMP
                | frame::SUBACK
                | frame::UNSUBACK
                | frame::PINGRESP
                | frame::DISCONNECT
        );
        assert!(may, "no packet of a server's: {first:#x}");
        let size = rest.iter().take(4).position(|byte| byte & 0x80 == 0).expect("a length ends") + 1;
        let length = rest[..size].iter().rev().fold(0, |sum, byte| (sum << 7) | usize::from(byte & 0x7f));
        bytes = rest.get(size + length..).expect("a packet is written whole");
    }
}

#[cfg(test)]
mod tests {
    use super::judge;

    const ROUNDS: usize = 4_000;

    #[test]
    fn con_12_whatever_a_client_sends_is_taken_or_ends_it() {
        let seeds = tamper::seeds(env!("CARGO_MANIFEST_DIR"), "connection");
        tamper::cut(&seeds, judge);
        tamper::change(&seeds, &[0x00, 0x80, 0xff], ROUNDS, judge);
    }
}
