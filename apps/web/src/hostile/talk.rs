//! A client's frames on `/ws`, as `talk` takes them, with a chat that does what the input says.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use chat::CALLS_MAX;
use chat::door::{self, Bye, Denied, Out, Role, Verdict};
use futures_util::{FutureExt, Stream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use websocket::{Followed, Role as End, blame};

use super::Peer;
use crate::talk::session::{Ask, Close, Frame, Session, Taken, Todo};

/// Orders that one input may have; the rest of it is the stream.
const ORDERS_MAX: usize = 64;
/// Bytes of a message.
const MESSAGE_MAX: usize = 4 << 10;
const GUEST: &str = "emqttd_0123456789abcdef";

/// The first byte says how many orders follow (its lower six bits), and whether the client has a certificate; behind them is the client's
/// stream. An order is: so many bytes of the stream arrive (its upper five bits), then this happens (the lower three).
///
/// # Panics
/// When something does not hold: nothing depends on how the stream is cut, no more is asked than may be, of one service at a time, in
/// order, and nothing waits for ever.
pub fn talk(input: &[u8]) {
    let Some((first, rest)) = input.split_first() else { return };
    let (orders, stream) = rest.split_at((usize::from(*first) % ORDERS_MAX).min(rest.len()));
    let certified = first & 0x80 != 0;
    let (whole, bitwise) = (played(certified, orders, stream, usize::MAX), played(certified, orders, stream, 1));
    assert_eq!(whole.said, bitwise.said, "what is said does not depend on how the stream is cut");
    assert_eq!(whole.asked, bitwise.asked, "nor what is asked");
    assert_eq!(whole.end, bitwise.end, "nor how it ends");
}

fn played(certified: bool, orders: &[u8], stream: &[u8], piece: usize) -> Client {
    let mut client = Client::new(certified);
    let mut left = stream;
    for order in orders {
        let (arrives, rest) = left.split_at(usize::from(order >> 3).min(left.len()));
        client.arrives(arrives, piece);
        left = rest;
        client.happens(order & 0b111);
    }
    client.arrives(left, piece);
    client.settles();
    client
}

/// As `talk` has it: bytes into frames into the session, and what that wants done.
struct Client {
    peer: Peer,
    socket: WebSocketStream<Followed<Peer>>,
    session: Session,
    held: Option<Frame>,
    /// It waits for the chat's word.
    is_entering: bool,
    role: Option<Role>,
    /// What the chat has still to end, and the number of its next request.
    calls: VecDeque<u64>,
    next: u64,
    /// The same of the mailboxes.
    mails: VecDeque<u64>,
    next_mail: u64,
    said: Vec<String>,
    asked: Vec<String>,
    end: Option<Close>,
}

impl Client {
    fn new(certified: bool) -> Client {
        let peer = Peer::default();
        let socket = websocket::socket(Followed::new(peer.clone()), End::Server, MESSAGE_MAX);
        let device = certified.then(|| ("38001".to_owned(), "d1".to_owned()));
        Client {
            peer,
            socket: socket.now_or_never().expect("is ready"),
            session: Session::new(GUEST.into(), device),
            held: None,
            is_entering: false,
            role: None,
            calls: VecDeque::new(),
            next: 0,
            mails: VecDeque::new(),
            next_mail: 0,
            said: Vec::new(),
            asked: Vec::new(),
            end: None,
        }
    }

    fn arrives(&mut self, bytes: &[u8], piece: usize) {
        for piece in bytes.chunks(piece.min(bytes.len().max(1))) {
            self.peer.says(piece);
            self.take();
        }
    }

    fn take(&mut self) {
        while self.end.is_none() && self.session.may_read() {
            let Some(frame) = self.held.take().or_else(|| self.reads()) else { return };
            let mut todo = Todo::default();
            let taken = self.session.frame(frame, &mut todo);
            self.does(todo);
            if let Taken::Later(frame) = taken {
                let waits_for = self.calls.len() + self.mails.len() + usize::from(self.is_entering);
                assert!(waits_for > 0, "a frame waits for nothing");
                self.held = Some(frame);
                return;
            }
        }
    }

    fn reads(&mut self) -> Option<Frame> {
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            let Poll::Ready(read) = Pin::new(&mut self.socket).poll_next(&mut cx) else { return None };
            self.end = match read {
                Some(Ok(Message::Text(text))) => return Some(Frame::Text(text.as_str().to_owned())),
                Some(Ok(Message::Binary(bytes))) => return Some(Frame::Binary(bytes)),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                Some(Ok(Message::Close(_))) => Some(Close::LEFT),
                Some(Err(why)) => Some(blame(&why).map_or(Close::BROKEN, |code| Close::fault(code.into()))),
                None => Some(Close::BROKEN),
            };
            return None;
        }
    }

    fn does(&mut self, todo: Todo) {
        self.said.extend(todo.frames.iter().map(|frame| format!("{frame:?}")));
        for ask in todo.asks {
            self.asked.push(format!("{ask:?}"));
            match ask {
                Ask::Enter { .. } => {
                    assert!(!self.is_entering, "it has been asked already");
                    (self.is_entering, self.role, self.next) = (true, None, 0);
                    self.calls.clear();
                }
                Ask::Request { call, .. } => {
                    assert_eq!(call, self.next, "calls are counted");
                    assert!(self.role.is_some() && self.mails.is_empty(), "nobody asks, or both services");
                    self.next += 1;
                    self.calls.push_back(call);
                }
                Ask::Mail { call, account, .. } => {
                    assert_eq!(call, self.next_mail, "calls are counted");
                    assert!(self.calls.is_empty(), "both services are asked");
                    assert_eq!(account.is_some(), self.role == Some(Role::Device), "who is in is known");
                    self.next_mail += 1;
                    self.mails.push_back(call);
                }
                Ask::Known => assert!(matches!(self.role, Some(Role::Device | Role::Service))),
                Ask::Confirm(_) | Ask::Written(_) => {}
            }
        }
        assert!(self.calls.len().max(self.mails.len()) <= CALLS_MAX, "more calls than may be");
        self.end = self.end.or(todo.end);
    }

    /// One of the things that are not the client's.
    fn happens(&mut self, what: u8) {
        let payload = Bytes::from_static(b"\x83d\x00\x02ok");
        match what {
            0 => {}
            1 => self.ends_call(),
            2 => self.ends_mail(),
            3 => self.lets_in(Role::Device),
            4 => self.lets_in(Role::Registering),
            5 if self.is_entering => {
                self.is_entering = false;
                self.hears(Out::Denied(Denied::BadCredentials));
            }
            6 if self.role.is_some() => self.hears(Out::Item { topic: "ses/1".into(), payload, delivery: Some(7) }),
            7 if self.role.is_some() => self.hears(Out::Close(Bye::Ended)),
            _ => {}
        }
        self.take();
    }

    fn lets_in(&mut self, role: Role) {
        if self.is_entering {
            (self.is_entering, self.role) = (false, Some(role));
            let account = (role == Role::Device).then(|| "38001".parse().expect("an account key"));
            self.hears(Out::Welcome(role, account));
        }
    }

    fn ends_call(&mut self) {
        if let Some(call) = self.calls.pop_front() {
            self.hears(Out::Answer { call, payload: Bytes::from_static(b"\x83j") });
            self.hears(Out::Done { call, verdict: Verdict::Done });
        }
    }

    fn ends_mail(&mut self) {
        let Some(call) = self.mails.pop_front() else { return };
        let frame = match call % 2 {
            0 => door::Frame::Text(Bytes::from_static(b"ACK 1")),
            _ => door::Frame::Record(Bytes::from_static(b"\x83j")),
        };
        for out in [Out::Mail { frame, number: call }, Out::Done { call, verdict: Verdict::Done }] {
            let mut todo = Todo::default();
            self.session.mail_out(out, &mut todo);
            self.does(todo);
        }
    }

    fn hears(&mut self, out: Out) {
        if self.end.is_none() {
            let mut todo = Todo::default();
            self.session.out(out, &mut todo);
            self.does(todo);
        }
    }

    /// Chat and mailboxes end what they were asked.
    fn settles(&mut self) {
        while self.end.is_none() && (self.is_entering || !self.calls.is_empty() || !self.mails.is_empty()) {
            self.happens(match () {
                () if self.is_entering => 4,
                () if self.calls.is_empty() => 2,
                () => 1,
            });
        }
        assert!(self.end.is_some() || self.held.is_none() && self.session.may_read(), "something waits for nothing");
    }
}
