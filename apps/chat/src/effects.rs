//! What steps of the chat want to happen, in the chat's own words.

use std::sync::Arc;

use bytes::Bytes;
use etf::Encode;
use n2o::{Bounce, Failure};
use proto::ids::{Phone, PhoneId};
use proto::records::Io;
use proto::topic::Owner;
use proto::topic::Topic;
use proto::{Outcome, Refusal};

use crate::door::{Out, Verdict};
use crate::rows::{self, Kept, NOTICE};
use crate::{Also, Answer, Chat, Cx, Fx, Group, Input, Name, Notice, Output, Port, Transient, Who};

/// `err(C)`, encoded.
pub(crate) fn refused(refusal: Refusal) -> Bytes {
    etf::encode(&Io::error(refusal))
}

/// `ok(C)`, encoded.
pub(crate) fn done(outcome: Outcome) -> Bytes {
    etf::encode(&Io::ok(outcome))
}

/// Ends a call with these records. A call that a notice of its own answers (G-8) ends behind that: what an owner sends reaches a session
/// in the order in which it was sent, so the session has the notice by then, and answers no later call before it has shown it (G-5). Where
/// others have a notice of what the answer says ([`Seen::By`]) it comes before the answer too: so the session knows it when it sends more.
pub(crate) fn answer(fx: &mut Fx, who: &Who, records: Vec<Bytes>) {
    answer_also(fx, who, records, Also::Nothing);
}

/// A part of an answer; more follows, and ends the call.
pub(crate) fn answer_part(fx: &mut Fx, who: &Who, records: Vec<Bytes>) {
    if let Some(port) = &who.beside {
        return say(fx, port, who, records);
    }
    if !records.is_empty() {
        let part = Answer { connection: who.connection, call: who.call, records, end: None, also: Also::Nothing };
        fx.tell(Name::Session(who.session.clone()), Input::Answer(Box::new(part)));
    }
}

/// Ends a call with a refusal.
pub(crate) fn refuse(fx: &mut Fx, who: &Who, refusal: Refusal) {
    answer(fx, who, vec![refused(refusal)]);
}

/// What the session of a caller is told when nobody is left to answer it.
pub(crate) fn failed(who: &Who) -> Bounce<Chat> {
    if let Some(port) = &who.beside {
        let out = Out::Answer { call: who.call, payload: refused(Refusal::Internal) };
        return Bounce::Emit(Output::Port(port.clone(), out));
    }
    let failed = Input::Failed { connection: who.connection, call: who.call };
    Bounce::Tell(Name::Session(who.session.clone()), failed)
}

/// What a session is told that waits for its account's Profile in vain (CON-6): what is due to the device waits for it.
pub(crate) fn unshown(session: &Arc<str>, connection: u64) -> Bounce<Chat> {
    Bounce::Tell(Name::Session(session.clone()), Input::Shown { connection, records: Vec::new(), done: true })
}

/// Ends a call, with something for the session to do besides.
pub(crate) fn answer_also(fx: &mut Fx, who: &Who, records: Vec<Bytes>, also: Also) {
    if let Some(port) = &who.beside {
        return say(fx, port, who, records);
    }
    let answer = Answer { connection: who.connection, call: who.call, records, end: Some(Verdict::Done), also };
    fx.tell(Name::Session(who.session.clone()), Input::Answer(Box::new(answer)));
}

/// To a device that asks beside its connections.
fn say(fx: &mut Fx, port: &Arc<Port>, who: &Who, records: Vec<Bytes>) {
    for payload in records {
        fx.emit(Output::Port(port.clone(), Out::Answer { call: who.call, payload }));
    }
}

/// Who has seen a notice already, as the answer to its request (G-8).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Seen {
    /// Nobody: every device gets it on the topic.
    #[default]
    ByNobody,
    /// This connection has had the same record as its answer.
    By(u64),
    /// This connection and call: it gets the notice on the topic, behind what its call answers and before what the next one does.
    After(u64, u64),
}

impl Seen {
    pub(crate) fn by(who: &Who) -> Seen {
        Seen::By(who.connection)
    }

    pub(crate) fn after(who: &Who) -> Seen {
        Seen::After(who.connection, who.call)
    }

    /// The connection that is left out, and the one that gets it behind its answer.
    pub(crate) fn parts(self) -> (Option<u64>, Option<(u64, u64)>) {
        match self {
            Seen::ByNobody => (None, None),
            Seen::By(connection) => (Some(connection), None),
            Seen::After(connection, call) => (None, Some((connection, call))),
        }
    }
}

/// Keeps a durable notice (`[D]`) for every device of `to` and shows it to those that are connected. `merge` is the key under which
/// a newer one replaces an older unsent one (DLV-9).
pub(crate) fn notify<T: Encode>(
    fx: &mut Fx,
    cx: &Cx<'_>,
    to: &Phone,
    topic: &Topic,
    record: &T,
    merge: Option<Bytes>,
    seen: Seen,
) -> Result<(), Failure> {
    notify_of(fx, cx, to, topic, etf::encode(record), merge, seen, 0)
}

/// The same, encoded, as one copy of an event that is told by several topics (G-8).
#[expect(clippy::too_many_arguments, reason = "all of a notice")]
pub(crate) fn notify_of(
    fx: &mut Fx,
    cx: &Cx<'_>,
    to: &Phone,
    topic: &Topic,
    payload: Bytes,
    merge: Option<Bytes>,
    seen: Seen,
    event: u64,
) -> Result<(), Failure> {
    let seq = cx.id()?;
    let topic: Arc<str> = topic.to_string().into();
    let kept =
        Kept { topic: Bytes::copy_from_slice(topic.as_bytes()), payload: payload.clone(), merge, created: cx.now.0 };
    fx.put(NOTICE, rows::numbered(to.as_str().as_bytes(), seq), rows::encode(&kept));
    let (except, origin) = seen.parts();
    fx.tell(Name::Mail(to.clone()), Input::Noticed { seq });
    fx.publish(
        Group::Account(to.clone()),
        Input::Notice(Arc::new(Notice { seq, topic, payload, except, origin, event })),
    );
    Ok(())
}

/// Shows a transient record (`[T]`) to the connected devices of `to`.
pub(crate) fn show(fx: &mut Fx, to: &Phone, topic: &Topic, payload: Bytes, except: Option<u64>) {
    let transient = Transient::new(topic.to_string().into(), payload, except);
    fx.publish(Group::Account(to.clone()), Input::Transient(Arc::new(transient)));
}

/// "ses(X)": the topic on which a roster's own notices go to its account (TOPIC-14).
pub(crate) fn ses(cx: &Cx<'_>, roster: &PhoneId) -> Result<Topic, Failure> {
    Ok(Topic::Ses(match rows::is_default(cx.store, roster)? {
        true => Owner::Account(roster.phone().clone()),
        false => Owner::Roster(roster.clone()),
    }))
}

/// The merge key of Contact notices about one peer (DLV-9).
pub(crate) fn contact_merge(own: &PhoneId, peer: &[u8]) -> Option<Bytes> {
    Some(rows::path(&[b"contact", own.to_string().as_bytes(), peer]))
}
