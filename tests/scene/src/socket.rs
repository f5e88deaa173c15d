//! A WebSocket on `/ws` of a running server.

use std::io;

use bytes::Bytes;

use etf::{Atom, Term};
use proto::records::{Ftp, FtpEvent, FtpStatus, Ftpack};

use crate::stage::{Got, RECORD, TEXT};

/// What is asked to know that all before has been answered.
const HELP: &str = "HELP";
const HELP_BEGINS: &[u8] = b"AUTH <user>";

/// One that carries the framing of N2O; reading gives up in time.
pub trait Frames {
    fn text(&mut self, text: &str) -> io::Result<()>;

    fn record(&mut self, bytes: Bytes) -> io::Result<()>;

    fn hear(&mut self) -> io::Result<Heard>;

    fn leave(&mut self);
}

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    Text(String),
    Record(Bytes),
    /// With the code of the close frame.
    Closed(u16),
}

pub(crate) struct Socket {
    frames: Box<dyn Frames>,
    pub(crate) came: Vec<Got>,
    pub(crate) closed: Option<u8>,
    /// The last frame sent was a record.
    speaks_records: bool,
    /// How often help was asked for and given.
    asked: usize,
    helped: usize,
    fences: u64,
    /// It is a device, so that the chat answers it.
    is_device: bool,
}

impl Socket {
    pub(crate) fn over(frames: Box<dyn Frames>) -> Socket {
        let (came, closed, speaks_records, is_device) = (Vec::new(), None, false, false);
        Socket { frames, came, closed, speaks_records, asked: 0, helped: 0, fences: 0, is_device }
    }

    /// Says who it is (INIT-3), or begins as a guest, and takes the answer away; whether it is let in.
    pub(crate) fn enter(&mut self, client_id: &str, token: Option<&[u8]>) -> bool {
        match token {
            Some(token) => self.say(&format!("N2O,{client_id}:{}", String::from_utf8_lossy(token))),
            None => self.say("N2O,"),
        }
        let is_answer = |got: &Got| etf::decode(&got.payload).is_ok_and(|term: Term| term.head() == Some(("io", 3)));
        self.until(|socket| socket.came.iter().any(is_answer));
        let answers = self.came.extract_if(.., |got| is_answer(got)).map(|got| etf::decode::<Term>(&got.payload));
        let mut tokens = answers
            .flatten()
            .filter(|io| io.as_tuple().and_then(|io| io.get(2)?.head()).is_some_and(|(atom, _)| atom == "Token"));
        let is_in = tokens.next().is_some();
        self.is_device = is_in && token.is_some();
        is_in
    }

    /// One that is closed is found out by reading.
    pub(crate) fn say(&mut self, text: &str) {
        self.speaks_records = false;
        self.asked += usize::from(text.trim() == HELP);
        let _ = self.frames.text(text);
    }

    pub(crate) fn publish(&mut self, payload: Bytes) {
        self.speaks_records = true;
        let _ = self.frames.record(payload);
    }

    pub(crate) fn leave(&mut self) {
        self.frames.leave();
        self.closed.get_or_insert(0);
    }

    /// Reads until `done`, or until nothing more comes; whether it is.
    pub(crate) fn until(&mut self, done: impl Fn(&Socket) -> bool) -> bool {
        while !done(self) {
            if self.closed.is_some() {
                return false;
            }
            match self.frames.hear() {
                Ok(Heard::Text(text)) => {
                    self.helped += usize::from(text.as_bytes().starts_with(HELP_BEGINS));
                    self.came.push(Got { topic: TEXT.to_owned(), payload: text.into(), qos: 0 });
                }
                Ok(Heard::Record(payload)) => {
                    let qos = u8::from(is_message(&payload));
                    self.came.push(Got { topic: RECORD.to_owned(), payload, qos });
                }
                Ok(Heard::Closed(code)) => self.closed = Some(reason(code)),
                Err(why) if matches!(why.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => return false,
                Err(_) => self.closed = Some(0),
            }
        }
        true
    }

    /// Waits for the answer to all that was said, by saying one thing more, whose answer is taken away. It is of the kind that the client
    /// has spoken last, so that letters come as before.
    pub(crate) fn fence(&mut self) {
        match self.speaks_records {
            _ if self.is_device => self.fence_by_file(),
            true => self.fence_by_record(),
            false => {
                self.say(HELP);
                let asked = self.asked;
                if self.until(|socket| socket.helped == asked) {
                    self.came.pop();
                }
            }
        }
    }

    /// FTP-5: of the session, behind all that it has said before.
    fn fence_by_file(&mut self) {
        self.fences += 1;
        let id = Bytes::from(format!("fence {}", self.fences));
        let event = FtpEvent { name: Atom::new("fence") };
        let asked = Ftp { id: Some(id.clone()), status: Some(FtpStatus::Event(event)), ..Ftp::default() };
        self.publish(etf::encode(&asked));
        let is_answer = |got: &Got| etf::decode(&got.payload).is_ok_and(|ack: Ftpack| ack.id.as_ref() == Some(&id));
        if self.until(|socket| socket.came.iter().any(is_answer)) {
            self.came.retain(|got| !is_answer(got));
        }
    }

    fn fence_by_record(&mut self) {
        self.fences += 1;
        let id = format!("fence {}", self.fences);
        let pair = |name: &str| etf::encode(&(etf::Atom::new(name), Bytes::from(id.clone())));
        let (asked, answer) = (pair("Cut"), pair("Nak"));
        self.publish(asked);
        if self.until(|socket| socket.came.iter().any(|got| got.payload == answer)) {
            self.came.retain(|got| got.payload != answer);
        }
    }
}

/// What waits for its Ack record; of other records nobody can tell whether they are durable.
fn is_message(payload: &[u8]) -> bool {
    etf::decode(payload).is_ok_and(|term: Term| term.head().is_some_and(|(atom, _)| atom == "Message"))
}

/// The reason of MQTT that a close frame's code stands for.
fn reason(code: u16) -> u8 {
    match code {
        1011 => 0x83,
        code => u8::try_from(code.saturating_sub(4000)).unwrap_or_default(),
    }
}
