//! The agenda: when which conversation, or account, has something to do. It need not be loaded to have its time come, nor have been loaded
//! since the server started.

use bytes::Bytes;
use kvs::Span;
use n2o::{Failure, Time};
use proto::ids::{FeedId, Phone};

use crate::protocol::{circle, push};
use crate::rows::AGENDA;
use crate::{Cx, Fx, Input, Name, Tick};

/// No feed's key begins so.
const ACCOUNT: &[u8] = b"a/";
/// Conversations and accounts woken in one step.
const WAKES_MAX: usize = 256;
/// It looks again at least this often while anything is entered: for what a conversation failed at, and so that timers stay few.
const LOOK_MS: u64 = 3_600_000;

/// The one reader of the table; conversations write it. All it holds besides may be lost.
#[derive(Default)]
pub struct Agenda {
    /// When the earliest of its timers fires.
    timer: Option<Time>,
    /// Where a look that takes several steps goes on.
    at: Option<Bytes>,
    /// Where the look at what was left to be pushed goes on.
    left: Option<push::Left>,
    /// Where the look at what circles had to hand out goes on.
    circles: Option<Bytes>,
}

impl Agenda {
    /// What was entered before, also before the server started, is found at once.
    pub fn load(cx: &Cx<'_>, fx: &mut Fx) -> Result<Agenda, Failure> {
        let mut agenda = Agenda::default();
        agenda.look(cx, fx)?;
        (agenda.left, agenda.circles) = (Some(push::Left::ALL), Some(Bytes::new()));
        agenda.resume(cx, fx)?;
        Ok(agenda)
    }

    pub fn step(&mut self, cx: &Cx<'_>, fx: &mut Fx, input: Input) -> Result<(), Failure> {
        match input {
            Input::Agenda { when } => {
                self.wake_at(cx, fx, Time(when));
                Ok(())
            }
            Input::Tick(Tick::AgendaDue) => {
                self.timer = self.timer.filter(|at| *at > cx.now);
                self.look(cx, fx)
            }
            Input::GoOn => self.look(cx, fx),
            Input::Resume => self.resume(cx, fx),
            // Meant for other kinds of process.
            _ => Ok(()),
        }
    }

    /// Wakes everybody whose time has come. Rows stay until their conversation is done with them, so none is forgotten.
    fn look(&mut self, cx: &Cx<'_>, fx: &mut Fx) -> Result<(), Failure> {
        let now = key(cx.now.0 + 1, b"");
        let from = self.at.take().unwrap_or_default();
        let due = cx.store.scan(AGENDA, &Span::range(from, now.clone()).limit(WAKES_MAX))?;
        for (key, _) in &due {
            if let Some((when, who)) = parse(key) {
                fx.tell(who, Input::Due { when });
            }
        }
        if due.len() == WAKES_MAX {
            self.at = due.last().map(|(key, _)| [key, &b"\0"[..]].concat().into());
            fx.tell(Name::Agenda, Input::GoOn);
            return Ok(());
        }
        let next = cx.store.scan(AGENDA, &Span::range(now, key(u64::MAX, b"")).limit(1))?;
        match next.first().and_then(|(key, _)| parse(key)) {
            Some((when, _)) => self.wake_at(cx, fx, Time(when)),
            None if !due.is_empty() => self.wake_at(cx, fx, cx.now + LOOK_MS),
            None => {}
        }
        Ok(())
    }

    /// PUSH-1, MAILR-3: some more of what the server that ended had still to tell.
    fn resume(&mut self, cx: &Cx<'_>, fx: &mut Fx) -> Result<(), Failure> {
        if let Some(left) = self.left.take() {
            self.left = push::resume(cx, fx, left)?;
        }
        if let Some(from) = self.circles.take() {
            self.circles = circle::resume(cx, fx, from)?;
        }
        if self.left.is_some() || self.circles.is_some() {
            fx.tell(Name::Agenda, Input::Resume);
        }
        Ok(())
    }

    fn wake_at(&mut self, cx: &Cx<'_>, fx: &mut Fx, at: Time) {
        let at = at.min(cx.now + LOOK_MS).max(cx.now + 1);
        if self.timer.is_none_or(|timer| at < timer) {
            self.timer = Some(at);
            fx.timer(at, Input::Tick(Tick::AgendaDue));
        }
    }
}

/// `when`, then the feed: in the order of time.
pub(crate) fn key(when: u64, feed: &[u8]) -> Bytes {
    [&when.to_be_bytes(), feed].concat().into()
}

/// The same, of an account.
pub(crate) fn account_key(when: u64, phone: &[u8]) -> Bytes {
    key(when, &[ACCOUNT, phone].concat())
}

fn parse(key: &[u8]) -> Option<(u64, Name)> {
    let (when, who) = key.split_first_chunk()?;
    let who = match who.strip_prefix(ACCOUNT) {
        Some(phone) => Name::Profile(Phone::parse(phone).ok()?),
        None => Name::Conversation(FeedId::from_key(who).ok()?),
    };
    Some((u64::from_be_bytes(*when), who))
}
