//! The profile's side of PUSH-1: merges what is told of one feed, and sends it to the devices that are away.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use kvs::Span;
use n2o::{Failure, Time};
use proto::ids::{DevKey, Phone};

use super::{content, key, outgoing, parts};
use crate::protocol::auth::{self, Away};
use crate::rows::{self, WAKE, Wake};
use crate::{Chat, Cx, Fx, Input, Name, Tick};

/// PUSH-1: further ones for the same feed within this time are merged.
const MERGE_MS: u64 = 3000;
/// Feeds whose time runs; beyond, the oldest is no longer merged.
const FEEDS_MAX: usize = 256;
/// So many of the latest are known by message and device.
const TOLD_MAX: usize = 256;
/// Within this time a device is not told twice by two ways of the same request or room.
const TWICE_MS: u64 = 10_000;
/// Rows that are looked at in one step.
const STEP: usize = 256;

/// What a profile holds of pushes. All of it may be lost: rows tell what has still to be sent.
#[derive(Default)]
pub(crate) struct Wakes {
    /// Feeds of which a push was sent a moment ago, and until when.
    quiet: BTreeMap<Bytes, Time>,
    is_timed: bool,
    told: VecDeque<Told>,
}

/// Of what a device was told lately.
struct Told {
    device: DevKey,
    feed: Bytes,
    kind: Bytes,
    /// The message, if it was one.
    id: Option<u64>,
    at: Time,
}

impl Wakes {
    /// What was left unsent when the process or the server ended.
    pub(crate) fn load(cx: &Cx<'_>, fx: &mut Fx, own: &Phone) -> Result<Wakes, Failure> {
        let left = cx.store.scan(WAKE, &Span::prefix(key(own, b"")).limit(STEP))?;
        let feeds: BTreeSet<Bytes> = left.iter().filter_map(|(key, _)| parts(key)).map(|(_, feed)| feed).collect();
        feeds.into_iter().for_each(|feed| fx.tell(Name::Profile(own.clone()), Input::Wake { feed }));
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
            self.quiet.iter().filter(|(_, until)| **until <= cx.now).map(|(feed, _)| feed.clone()).collect();
        for feed in over {
            self.quiet.remove(&feed);
            self.send(chat, cx, fx, own, feed)?;
        }
        self.time(cx, fx);
        Ok(())
    }

    /// To each device that is away; where there is none, the queue alone has it.
    fn send(&mut self, chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, own: &Phone, feed: Bytes) -> Result<(), Failure> {
        let told = cx.store.scan(WAKE, &rows::numbers(&key(own, &feed), 0, u64::MAX).limit(STEP))?;
        let Some((last, row)) = told.last() else { return Ok(()) };
        told.iter().filter(|(key, _)| key != last).for_each(|(key, _)| fx.delete(WAKE, key.clone()));
        if told.len() == STEP {
            // The latest is farther on; this one stays until then.
            fx.tell(Name::Profile(own.clone()), Input::Wake { feed });
            return Ok(());
        }
        fx.delete(WAKE, last.clone());
        let wake: Wake = rows::decode(row)?;
        let away = auth::away(chat, cx, own)?;
        self.tell(chat, cx, fx, own, &feed, &wake, away)
    }

    /// Sends it to these devices, but for those that were told of it just now, or of a later message of the feed.
    #[expect(clippy::too_many_arguments, reason = "all of a push")]
    pub(super) fn tell(
        &mut self,
        chat: &Chat,
        cx: &Cx<'_>,
        fx: &mut Fx,
        own: &Phone,
        feed: &Bytes,
        wake: &Wake,
        mut to: Vec<Away>,
    ) -> Result<(), Failure> {
        let id = super::message_of(wake);
        to.retain(|away| !self.told.iter().any(|told| told.is(&away.device, feed, &wake.kind, id, cx.now)));
        for device in to.iter().map(|away| away.device.clone()) {
            self.told.push_back(Told { device, feed: feed.clone(), kind: wake.kind.clone(), id, at: cx.now });
        }
        self.told.drain(..self.told.len().saturating_sub(TOLD_MAX));
        if to.is_empty() {
            return Ok(());
        }
        let push = content::push(chat, cx, own, wake)?;
        let life = outgoing::life(&wake.kind);
        for device in to {
            outgoing::put(cx, fx, own, device, feed.clone(), push.clone(), life)?;
        }
        self.be_quiet(cx, feed.clone());
        Ok(())
    }

    /// Whether something is still to be told of the feed.
    pub(super) fn is_due(cx: &Cx<'_>, own: &Phone, feed: &[u8]) -> Result<bool, Failure> {
        Ok(!cx.store.keys(WAKE, &rows::numbers(&key(own, feed), 0, u64::MAX).limit(1))?.is_empty())
    }

    fn be_quiet(&mut self, cx: &Cx<'_>, feed: Bytes) {
        if self.quiet.contains_key(&feed) {
            return;
        }
        if self.quiet.len() >= FEEDS_MAX {
            let oldest = self.quiet.iter().min_by_key(|(_, until)| **until).map(|(feed, _)| feed.clone());
            oldest.and_then(|oldest| self.quiet.remove(&oldest));
        }
        self.quiet.insert(feed, cx.now + MERGE_MS);
    }

    /// One timer for all feeds, set for the first whose time is over.
    pub(super) fn time(&mut self, cx: &Cx<'_>, fx: &mut Fx) {
        if let Some(first) = self.quiet.values().copied().min()
            && !std::mem::replace(&mut self.is_timed, true)
        {
            fx.timer(first.max(cx.now + 1), Input::Tick(Tick::WakeDue));
        }
    }
}

impl Told {
    /// Whether by this the device knows of that message, or of that other event.
    fn is(&self, device: &DevKey, feed: &[u8], kind: &[u8], id: Option<u64>, now: Time) -> bool {
        self.device == *device
            && self.feed == feed
            && match id {
                Some(_) => self.id >= id,
                None => self.kind == kind && now.since(self.at) < TWICE_MS,
            }
    }
}
