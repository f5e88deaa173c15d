//! The calls of a connection: work of different owners overlaps, answers go out in the order of the requests (G-5).

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::due::Item;
use super::{Link, Session};
use crate::door::{Bye, Out, Verdict};
use crate::effects::refused;
use crate::input::{Also, Answer, Call, Forgetting, Letter, Notice, Transient};
use crate::protocol::ftp::SEND;
use crate::{Cx, Fx, Input, Name, rows};
use n2o::{Failure, Time};
use proto::records::FtpStatus;
use proto::{Record, Refusal};

/// Requests that have not ended, in the order they came.
#[derive(Default)]
pub(super) struct Calls {
    open: VecDeque<Open>,
    /// A timer is set for those that are being verified.
    watched: bool,
}

struct Open {
    call: u64,
    stage: Stage,
    /// Answers that wait for earlier calls.
    records: Vec<Bytes>,
    end: Option<Verdict>,
    /// Nobody waits for its end.
    patient: bool,
    also: Also,
    /// What this call caused and its sender sees behind the answer.
    behind: Vec<Behind>,
    /// Of a message that is being sent: the fingerprint of its msg_id.
    print: Option<u64>,
    /// Of what may be told as a notice: a number that is smaller than any notice's of it.
    since: Option<u64>,
}

enum Stage {
    /// Waits until earlier ones have ended: it reads or changes what they may change.
    Waiting(Name, Box<Call>),
    /// Its signatures are being verified (SEC-8); then it waits like any other.
    Verifying(Verifying, Name, Box<Call>),
    Running(Lane),
}

/// Beside which others a call may run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lane {
    /// Beside none.
    Alone,
    /// It belongs to one conversation: beside those that belong to one too.
    Conversation,
    /// A piece of a file (FTP-2): beside other pieces, so that one flush serves several.
    Piece,
}

/// Pieces of files that run beside each other.
pub(crate) const PIECES_MAX: usize = 8;

/// By which slow work, and for how long at most.
struct Verifying {
    job: u64,
    until: Time,
}

enum Behind {
    Letter(Arc<Letter>),
    Notice(Arc<Notice>),
    Transient(Arc<Transient>),
}

impl Session {
    /// Gives a request to its owner: at once, or when what came before has ended.
    pub(super) fn dispatch(&mut self, cx: &Cx<'_>, fx: &mut Fx, owner: Name, call: Box<Call>) -> Result<(), Failure> {
        let Some(link) = &mut self.link else { return Ok(()) };
        let (number, lane, print) = (call.who.call, Lane::of(&owner, &call), print_of(&call));
        let since = if may_be_told(&call) { Some(cx.id()?) } else { None };
        let open = |stage| Open { print, since, ..Open::new(number, stage) };
        if link.calls.has_room(link.calls.open.len(), lane) {
            link.calls.open.push_back(open(Stage::Running(lane)));
            fx.tell(owner, Input::Call(call));
        } else {
            link.calls.open.push_back(open(Stage::Waiting(owner, call)));
        }
        Ok(())
    }

    /// Ends a request that the session has judged itself.
    pub(super) fn conclude(
        &mut self,
        cx: &Cx<'_>,
        fx: &mut Fx,
        call: u64,
        records: Vec<Bytes>,
        verdict: Verdict,
    ) -> Result<(), Failure> {
        let Some(link) = &mut self.link else { return Ok(()) };
        link.calls.open.push_back(Open { records, end: Some(verdict), ..Open::new(call, Stage::Running(Lane::Alone)) });
        self.release(cx, fx)
    }

    /// The same for one whose client has nothing to wait for.
    pub(super) fn conclude_patiently(&mut self, cx: &Cx<'_>, fx: &mut Fx, call: u64) -> Result<(), Failure> {
        let Some(link) = &mut self.link else { return Ok(()) };
        let end = Some(Verdict::Done);
        link.calls.open.push_back(Open { end, patient: true, ..Open::new(call, Stage::Running(Lane::Alone)) });
        self.release(cx, fx)
    }

    /// An owner has answered.
    pub(super) fn answer(&mut self, cx: &Cx<'_>, fx: &mut Fx, answer: Answer) -> Result<(), Failure> {
        let Some(link) = self.link(answer.connection) else {
            return Ok(());
        };
        let Some(open) = link.calls.open.iter_mut().find(|open| open.call == answer.call) else {
            return Ok(());
        };
        open.records.extend(answer.records);
        open.end = answer.end;
        if answer.also != Also::Nothing {
            open.also = answer.also;
        }
        self.release(cx, fx)
    }

    /// The owner has failed at it: nothing was changed.
    pub(super) fn failed(&mut self, cx: &Cx<'_>, fx: &mut Fx, connection: u64, call: u64) -> Result<(), Failure> {
        let records = vec![refused(Refusal::Internal)];
        self.answer(cx, fx, Answer { connection, call, records, end: Some(Verdict::Done), also: Also::Nothing })
    }

    /// Sends what is next in order, and starts what waited for it.
    pub(super) fn release(&mut self, cx: &Cx<'_>, fx: &mut Fx) -> Result<(), Failure> {
        while let Some(link) = &mut self.link {
            let Some(first) = link.calls.open.front_mut() else {
                return Ok(());
            };
            let (call, end, by_notice) = (first.call, first.end, first.is_answered_by_notice());
            for payload in std::mem::take(&mut first.records) {
                link.answer_out(fx, call, payload);
            }
            let Some(verdict) = end else { break };
            if by_notice && link.is_loading() {
                // It is due to the device, whose queue comes as a whole; later answers wait for it (G-5).
                break;
            }
            let Some(ended) = link.calls.open.pop_front() else {
                break;
            };
            let done = Out::Done { call, verdict };
            if ended.patient {
                link.emit_patiently(fx, done)
            } else {
                link.emit(fx, done)
            }
            for behind in ended.behind {
                match behind {
                    Behind::Letter(letter) => link.letter(cx, fx, letter)?,
                    Behind::Notice(notice) => link.notice(&self.client, cx, fx, notice),
                    Behind::Transient(transient) => link.transient(fx, &transient),
                }
            }
            link.pump(&self.client, cx, fx)?;
            match ended.also {
                Also::Nothing => {}
                Also::Read { key, id } => link.read_up_to(&self.client, cx, fx, &key, id)?,
                Also::Acknowledge { puback } => link.puback = link.hello.acknowledges && puback,
                Also::Close(bye) => return self.close_after(cx, fx, bye),
            }
        }
        self.start_waiting(fx);
        Ok(())
    }

    fn start_waiting(&mut self, fx: &mut Fx) {
        let Some(link) = &mut self.link else { return };
        for at in 0..link.calls.open.len() {
            let Some(Stage::Waiting(owner, call)) = link.calls.open.get(at).map(|open| &open.stage) else {
                continue;
            };
            let lane = Lane::of(owner, call);
            if !link.calls.has_room(at, lane) {
                return;
            }
            let Some(open) = link.calls.open.get_mut(at) else {
                return;
            };
            if let Stage::Waiting(owner, call) = std::mem::replace(&mut open.stage, Stage::Running(lane)) {
                fx.tell(owner, Input::Call(call));
            }
        }
    }

    /// AUTH-6: the answer is out; the device is no more.
    fn close_after(&mut self, cx: &Cx<'_>, fx: &mut Fx, bye: Bye) -> Result<(), Failure> {
        if let Some(link) = &self.link {
            link.emit(fx, Out::Close(bye));
        }
        self.leave(fx);
        self.forget(cx, fx, Forgetting::all(cx.id()?))
    }
}

impl Lane {
    fn of(owner: &Name, call: &Call) -> Lane {
        match (owner, &call.record) {
            (Name::Conversation(_), _) => Lane::Conversation,
            (Name::Files(_), Record::Ftp(ftp)) if is_piece(&ftp.status) => Lane::Piece,
            (Name::Files(_), Record::Ftp10(ftp)) if is_piece(&ftp.status) => Lane::Piece,
            (_, _) => Lane::Alone,
        }
    }
}

fn is_piece(status: &Option<FtpStatus>) -> bool {
    matches!(status, Some(FtpStatus::Text(text)) if text == SEND)
}

impl Calls {
    /// Whether a call at this place may begin beside the earlier ones.
    fn has_room(&self, at: usize, lane: Lane) -> bool {
        let earlier = || self.open.iter().take(at);
        let running = || earlier().filter(|open| open.end.is_none()).count();
        earlier().all(|open| open.lets_pass(lane)) && (lane != Lane::Piece || running() < PIECES_MAX)
    }

    /// A call in its place, which waits for this slow work (SEC-8).
    pub(super) fn verify(&mut self, job: u64, until: Time, owner: Name, call: Box<Call>) {
        let (number, print) = (call.who.call, print_of(&call));
        let stage = Stage::Verifying(Verifying { job, until }, owner, call);
        self.open.push_back(Open { print, ..Open::new(number, stage) });
    }

    /// Whether this entry may be what a call has done: a message whose Ack is not out, or news of a call that has not ended.
    pub(super) fn may_have_caused(&self, item: &Item, seq: u64) -> bool {
        let is_at_work = |open: &&Open| open.end.is_none() && matches!(open.stage, Stage::Running(_));
        match item {
            Item::Letter { print: Some(print), echo: true, .. } => {
                self.open.iter().any(|open| open.print == Some(*print))
            }
            Item::Notice { .. } | Item::News { .. } => {
                self.open.iter().filter(is_at_work).any(|open| open.since.is_some_and(|since| since < seq))
            }
            Item::Letter { .. } | Item::CatchUp { .. } | Item::Passed | Item::Merged => false,
        }
    }

    /// The calls that have waited for slow work up to now; their time is over.
    pub(super) fn overdue(&self, now: Time) -> Vec<u64> {
        self.verifying().filter(|work| work.until <= now).map(|work| work.job).collect()
    }

    /// When to look again, if a timer is to be set: one at a time is enough.
    pub(super) fn watch(&mut self) -> Option<Time> {
        let next = self.verifying().map(|work| work.until).min();
        let fresh = next.filter(|_| !self.watched);
        self.watched |= fresh.is_some();
        fresh
    }

    pub(super) fn unwatched(&mut self) {
        self.watched = false;
    }

    fn verifying(&self) -> impl Iterator<Item = &Verifying> {
        self.open.iter().filter_map(|open| if let Stage::Verifying(work, ..) = &open.stage { Some(work) } else { None })
    }

    /// The slow work has ended; of a call that waits no more, nothing is changed.
    pub(super) fn verified(&mut self, job: u64, good: Result<(), Refusal>) {
        let of_job = |open: &&mut Open| matches!(&open.stage, Stage::Verifying(work, ..) if work.job == job);
        let Some(open) = self.open.iter_mut().find(of_job) else { return };
        let Stage::Verifying(_, owner, call) = std::mem::replace(&mut open.stage, Stage::Running(Lane::Alone)) else {
            return;
        };
        match good {
            Ok(()) => open.stage = Stage::Waiting(owner, call),
            Err(refusal) => (open.records, open.end) = (vec![refused(refusal)], Some(Verdict::Done)),
        }
    }
}

/// Whether a notice may say what it changes. Messages and what is said of them are letters of their feed, or not kept.
fn may_be_told(call: &Call) -> bool {
    !matches!(
        call.record,
        Record::Message(_) | Record::History(_) | Record::Typing(_) | Record::Ftp(_) | Record::Ftp10(_)
    )
}

fn print_of(call: &Call) -> Option<u64> {
    match &call.record {
        Record::Message(message) => message.msg_id.as_deref().map(rows::fingerprint),
        _ => None,
    }
}

impl Open {
    fn new(call: u64, stage: Stage) -> Open {
        let (records, behind, also) = (Vec::new(), Vec::new(), Also::Nothing);
        Open { call, stage, records, end: None, patient: false, also, behind, print: None, since: None }
    }

    /// What its client waits for is a notice, to its account or to a room (G-8); a message is answered by its Ack.
    fn is_answered_by_notice(&self) -> bool {
        self.behind.iter().any(|behind| match behind {
            Behind::Notice(_) => true,
            Behind::Letter(letter) => letter.print.is_none(),
            Behind::Transient(_) => false,
        })
    }

    /// Whether a later call may begin beside this one: it has ended, or both are of one kind that may.
    fn lets_pass(&self, lane: Lane) -> bool {
        self.end.is_some() || lane != Lane::Alone && matches!(self.stage, Stage::Running(own) if own == lane)
    }
}

impl Link {
    /// An answer that the client cannot take is left out; it finds the call ended.
    fn answer_out(&self, fx: &mut Fx, call: u64, payload: Bytes) {
        if self.shows(&payload) {
            self.emit(fx, Out::Answer { call, payload });
        }
    }

    /// Whether the letter must wait behind the answer of the call that caused it; then it is kept there.
    pub(super) fn holds_letter(&mut self, letter: &Arc<Letter>) -> bool {
        self.hold(letter.origin, || Behind::Letter(letter.clone())) || self.holds_earlier(letter)
    }

    /// Behind an earlier letter of its feed that waits, it waits too (DLV-8).
    fn holds_earlier(&mut self, letter: &Arc<Letter>) -> bool {
        let of_feed = |behind: &Behind| matches!(behind, Behind::Letter(earlier) if earlier.key == letter.key);
        match self.calls.open.iter_mut().rfind(|open| open.behind.iter().any(of_feed)) {
            Some(open) => {
                open.behind.push(Behind::Letter(letter.clone()));
                true
            }
            None => false,
        }
    }

    pub(super) fn holds_notice(&mut self, notice: &Arc<Notice>) -> bool {
        self.hold(notice.origin, || Behind::Notice(notice.clone()))
    }

    pub(super) fn holds_transient(&mut self, transient: &Arc<Transient>) -> bool {
        self.hold(transient.origin, || Behind::Transient(transient.clone()))
    }

    fn hold(&mut self, origin: Option<(u64, u64)>, behind: impl FnOnce() -> Behind) -> bool {
        let connection = self.connection();
        let Some((_, call)) = origin.filter(|(origin, _)| *origin == connection) else {
            return false;
        };
        match self.calls.open.iter_mut().find(|open| open.call == call) {
            Some(open) => {
                open.behind.push(behind());
                true
            }
            None => false,
        }
    }

    /// How many requests have not ended, or not begun.
    pub(super) fn unfinished(&self) -> usize {
        self.calls.open.len() + self.late.len()
    }
}
