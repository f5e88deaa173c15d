//! The calls in flight: which are sent, what answers them, what is repeated after a break. Pure; the engine does the rest.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use proto::Record;
use tokio::sync::oneshot;

use crate::Error;
use crate::answer::{Answer, Origin, Step};

/// Calls without answer at one time; further callers wait.
pub const CALLS_MAX: usize = 64;

/// One request on its way.
#[derive(Debug)]
pub struct Request {
    pub topic: String,
    pub payload: Bytes,
    pub answer: Answer,
    /// Send it again after a break; else it fails with [`Error::Disconnected`].
    pub repeat: bool,
    pub deadline: Instant,
    pub done: oneshot::Sender<Result<Vec<Record>, Error>>,
}

#[derive(Debug)]
struct Call {
    request: Request,
    answers: Vec<Record>,
    /// Packet id on the present connection; `None` until it is sent there.
    sent: Option<u16>,
}

/// Calls in the order they were made, which is the order their answers come in (G-5).
#[derive(Debug, Default)]
pub struct Pending {
    calls: VecDeque<Call>,
    /// Packet ids sent and not yet acknowledged; at most the server's Receive Maximum.
    unacknowledged: Vec<u16>,
    last_id: u16,
}

impl Pending {
    pub fn is_full(&self) -> bool {
        self.calls.len() >= CALLS_MAX
    }

    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Adds a call behind the others; the engine asks [`Pending::is_full`] before.
    pub fn push(&mut self, request: Request) {
        self.calls.push_back(Call { request, answers: Vec::new(), sent: None });
    }

    /// The next call to send while fewer than `quota` are unacknowledged, with a fresh packet id; it counts as sent from now on.
    pub fn next_to_send(&mut self, quota: u16) -> Option<(u16, &Request)> {
        if self.unacknowledged.len() >= usize::from(quota) {
            return None;
        }
        let at = self.calls.iter().position(|call| call.sent.is_none())?;
        let id = self.fresh_id();
        let call = self.calls.get_mut(at)?;
        call.sent = Some(id);
        self.unacknowledged.push(id);
        Some((id, &call.request))
    }

    /// A packet id that nothing unacknowledged has; ids are few, so a free one is near.
    pub fn fresh_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if !self.unacknowledged.contains(&self.last_id) {
                return self.last_id;
            }
        }
    }

    /// The PUBLISH `id` was acknowledged: this may end its call, well or badly.
    pub fn acknowledged(&mut self, id: u16, reason: u8) {
        self.unacknowledged.retain(|other| *other != id);
        let Some(at) = self.calls.iter().position(|call| call.sent == Some(id)) else { return };
        let ends = match self.calls.get(at) {
            Some(call) => reason >= 0x80 || matches!(call.request.answer, Answer::Nothing | Answer::Sessions),
            None => false,
        };
        if ends && let Some(call) = self.calls.remove(at) {
            let result = if reason >= 0x80 { Err(Error::NotPublished(reason)) } else { Ok(call.answers) };
            finish(call.request.done, result);
        }
    }

    /// Hands `record` to the call that it answers; gives it back when it answers none.
    pub fn answered(&mut self, origin: Origin, record: Record) -> Option<Record> {
        if let (Origin::Reply, Some(refusal)) = (origin, refusal(&record)) {
            return self.refused(refusal, record);
        }
        let step_of = |call: &Call| match call.sent {
            Some(_) => call.request.answer.step(origin, &record),
            None => Step::Other,
        };
        let found = self.calls.iter().enumerate().map(|(at, call)| (at, step_of(call)));
        let Some((at, step)) = found.into_iter().find(|(_, step)| *step != Step::Other) else { return Some(record) };
        // A notification is news for everybody who listens, also when it answers a call.
        let news = (origin == Origin::Notice).then(|| record.clone());
        match step {
            Step::Other | Step::More => {
                if let Some(call) = self.calls.get_mut(at) {
                    call.answers.push(record);
                }
            }
            Step::Last => {
                if let Some(mut call) = self.calls.remove(at) {
                    call.answers.push(record);
                    finish(call.request.done, Ok(call.answers));
                }
            }
        }
        news
    }

    /// Answers come in the order of the calls, so an error is for the oldest one sent.
    fn refused(&mut self, refusal: Error, record: Record) -> Option<Record> {
        let Some(at) = self.calls.iter().position(|call| call.sent.is_some()) else { return Some(record) };
        if let Some(call) = self.calls.remove(at) {
            finish(call.request.done, Err(refusal));
        }
        None
    }

    /// The connection broke: what may be repeated waits for the next one, the rest fails.
    pub fn broken(&mut self) {
        self.unacknowledged.clear();
        for mut call in std::mem::take(&mut self.calls) {
            if call.sent.is_none() || call.request.repeat {
                call.sent = None;
                call.answers.clear();
                self.calls.push_back(call);
            } else {
                finish(call.request.done, Err(Error::Disconnected));
            }
        }
    }

    /// The earliest time at which a call runs out of time.
    pub fn deadline(&self) -> Option<Instant> {
        self.calls.iter().map(|call| call.request.deadline).min()
    }

    /// Fails the calls whose time is over; says whether one of them had been sent, so that its answer may still come and mislead.
    pub fn expire(&mut self, now: Instant) -> bool {
        let mut was_sent = false;
        for call in std::mem::take(&mut self.calls) {
            if call.request.deadline > now {
                self.calls.push_back(call);
            } else {
                was_sent |= call.sent.is_some();
                finish(call.request.done, Err(Error::TimedOut));
            }
        }
        was_sent
    }

    /// The client ends: nobody will answer.
    pub fn fail_all(&mut self, error: impl Fn() -> Error) {
        for call in self.calls.drain(..) {
            finish(call.request.done, Err(error()));
        }
    }
}

/// The caller may have stopped waiting, which is its right.
fn finish(done: oneshot::Sender<Result<Vec<Record>, Error>>, result: Result<Vec<Record>, Error>) {
    let _ = done.send(result);
}

/// The refusal that an `io` error says.
fn refusal(record: &Record) -> Option<Error> {
    let Record::Io(io) = record else { return None };
    let (code, src) = io.failure()?;
    let detail = src.as_binary().map(|text| String::from_utf8_lossy(text).into_owned());
    let detail = detail.or_else(|| src.as_int().map(|number| number.to_string()));
    Some(Error::Refused { code: code.to_owned(), detail })
}
