//! The profile's side of PUSH-1: merges what is told of one feed, and sends it to the devices that are away.

use std::collections::BTreeMap;

use bytes::Bytes;
use n2o::{Failure, Time};
use proto::ids::Phone;

use super::{content, key};
use crate::input::{WorkError, WorkResult};
use crate::output::{Output, Work};
use crate::protocol::auth::{self, Away};
use crate::rows::{self, WAKE, Wake};
use crate::{Chat, Cx, Fx, Input, Job, Name, Push, Tick};

/// PUSH-1: further ones for the same feed within this time are merged.
const MERGE_MS: u64 = 3000;
/// Feeds whose time runs; beyond, the oldest is no longer merged.
const FEEDS_MAX: usize = 256;
/// Pushes under way; of the oldest beyond it is not heard how they ended.
const JOBS_MAX: usize = 1024;
/// Rows left from an earlier life of the process that are taken up in one step; the others follow with theirs.
const LEFT_MAX: usize = 64;

/// What a profile holds of pushes. All of it may be lost: rows tell what has still to be sent.
#[derive(Default)]
pub(crate) struct Wakes {
    quiet: BTreeMap<Bytes, Quiet>,
    jobs: BTreeMap<u64, Sent>,
    is_timed: bool,
}

/// A feed of which a push was sent a moment ago.
struct Quiet {
    until: Time,
    /// Number of what was sent.
    seq: u64,
}

/// A push on its way.
struct Sent {
    feed: Bytes,
    seq: u64,
    away: Away,
}

impl Wakes {
    /// What was left unsent when the process or the server ended.
    pub(crate) fn load(cx: &Cx<'_>, fx: &mut Fx, own: &Phone) -> Result<Wakes, Failure> {
        let prefix = key(own, b"");
        for (key, _) in cx.store.scan(WAKE, &kvs::Span::prefix(prefix.clone()).limit(LEFT_MAX))? {
            fx.tell(Name::Profile(own.clone()), Input::Wake { feed: key.slice(prefix.len()..) });
        }
        Ok(Wakes::default())
    }

    /// Something is to be told of a feed: now, or when its time is over.
    pub(crate) fn wake(
        &mut self,
        chat: &Chat,
        cx: &Cx<'_>,
        fx: &mut Fx,
        own: &Phone,
        feed: Bytes,
    ) -> Result<(), Failure> {
        if !self.quiet.contains_key(&feed) {
            self.send(chat, cx, fx, own, feed)?;
        }
        self.time(cx, fx);
        Ok(())
    }

    /// The time of some feeds is over: what came meanwhile is told as one.
    pub(crate) fn due(&mut self, chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, own: &Phone) -> Result<(), Failure> {
        self.is_timed = false;
        let over: Vec<Bytes> =
            self.quiet.iter().filter(|(_, quiet)| quiet.until <= cx.now).map(|(feed, _)| feed.clone()).collect();
        for feed in over {
            let sent = self.quiet.remove(&feed).map(|quiet| quiet.seq);
            let row: Option<Wake> = rows::read(cx.store, WAKE, &key(own, &feed))?;
            if row.is_some_and(|row| Some(row.seq) != sent) {
                self.send(chat, cx, fx, own, feed)?;
            }
        }
        self.time(cx, fx);
        Ok(())
    }

    /// To each device that is away; where there is none, the queue alone has it.
    fn send(&mut self, chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, own: &Phone, feed: Bytes) -> Result<(), Failure> {
        let Some(wake) = rows::read::<Wake>(cx.store, WAKE, &key(own, &feed))? else { return Ok(()) };
        let away = auth::away(chat, cx, own)?;
        if away.is_empty() {
            fx.delete(WAKE, key(own, &feed));
            return Ok(());
        }
        let push = content::push(chat, cx, own, &wake)?;
        for device in away {
            self.hand_over(cx, fx, own, &push, Sent { feed: feed.clone(), seq: wake.seq, away: device })?;
        }
        if self.quiet.len() >= FEEDS_MAX {
            let oldest = self.quiet.iter().min_by_key(|(_, quiet)| quiet.until).map(|(feed, _)| feed.clone());
            oldest.and_then(|oldest| self.quiet.remove(&oldest));
        }
        self.quiet.insert(feed, Quiet { until: cx.now + MERGE_MS, seq: wake.seq });
        Ok(())
    }

    /// PUSH-5: to every device, connected or not; what becomes of it is not kept.
    pub(crate) fn push(
        &mut self,
        chat: &Chat,
        cx: &Cx<'_>,
        fx: &mut Fx,
        own: &Phone,
        push: &Bytes,
    ) -> Result<(), Failure> {
        for device in auth::reachable(chat, cx, own)? {
            self.hand_over(cx, fx, own, push, Sent { feed: Bytes::new(), seq: 0, away: device })?;
        }
        Ok(())
    }

    fn hand_over(&mut self, cx: &Cx<'_>, fx: &mut Fx, own: &Phone, push: &Bytes, sent: Sent) -> Result<(), Failure> {
        let number = cx.id()?;
        let device = &sent.away;
        let work = Push {
            client_id: device.client_id.clone(),
            os: device.os,
            token: device.token.clone(),
            settings: device.settings.clone(),
            push: push.clone(),
        };
        fx.emit(Output::Work(Job { from: Name::Profile(own.clone()), number, work: Work::Push(Box::new(work)) }));
        if self.jobs.len() >= JOBS_MAX {
            self.jobs.pop_first();
        }
        self.jobs.insert(number, sent);
        Ok(())
    }

    /// How a push ended; false when the job was none of these. A token that is dead is forgotten (PUSH-7).
    pub(crate) fn worked(
        &mut self,
        cx: &Cx<'_>,
        fx: &mut Fx,
        own: &Phone,
        job: u64,
        result: &WorkResult,
    ) -> Result<bool, Failure> {
        let Some(sent) = self.jobs.remove(&job) else { return Ok(false) };
        let key = key(own, &sent.feed);
        if rows::read::<Wake>(cx.store, WAKE, &key)?.is_some_and(|row| row.seq == sent.seq) {
            fx.delete(WAKE, key);
        }
        match result {
            WorkResult::Failed(WorkError::Invalid) => auth::push_dead(cx, fx, own, &sent.away)?,
            WorkResult::Failed(WorkError::Unsupported | WorkError::Broken | WorkError::TooOften)
            | WorkResult::Sent
            | WorkResult::Verified
            | WorkResult::Read(_)
            | WorkResult::Issued(_) => {}
        }
        Ok(true)
    }

    /// One timer for all feeds, set for the first whose time is over.
    fn time(&mut self, cx: &Cx<'_>, fx: &mut Fx) {
        if let Some(first) = self.quiet.values().map(|quiet| quiet.until).min()
            && !std::mem::replace(&mut self.is_timed, true)
        {
            fx.timer(first.max(cx.now + 1), Input::Tick(Tick::WakeDue));
        }
    }
}
