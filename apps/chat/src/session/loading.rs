//! The queue of a device that connects is put together from the store, some private feeds in a step: an account has up to 50,000.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use mail::{Cursor, Inbox};
use n2o::Failure;
use proto::ids::{FeedId, PhoneId};
use proto::topic::Topic;

use super::queue::{Place, Queue};
use super::spans::Spans;
use super::{Link, Session, due, limit};
use crate::protocol::fleeting;
use crate::rows::{self, NOTICES, RELATION};
use crate::{Account, Cx, Fx, Input, Name};

/// Private feeds looked at in one step: that is to take less time than others notice.
const STEP: usize = 32;
/// Private feeds looked at without a pause. Of a longer queue the steps come apart: its device waits for some tenths of a second, nobody else
/// for any.
const AT_ONCE: usize = 512;
/// Milliseconds between two steps beyond that.
const PACE_MS: u64 = 1;

/// A queue on its way.
pub(super) struct Loading {
    queue: Box<Queue>,
    client: Arc<str>,
    account: Arc<Account>,
    birth: u64,
    /// The own rosters that are left; the feeds of the last one are looked at.
    rosters: Vec<PhoneId>,
    /// Those with others up to this address are in the queue.
    at: Bytes,
    /// How many feeds were looked at.
    looked: usize,
    /// Feeds of which something came meanwhile: they may be new.
    meanwhile: BTreeSet<FeedId>,
}

impl Session {
    /// What is due to the device is looked for; it is sent when all of it is known, since the oldest comes first (DLV-7).
    pub(super) fn deliver(&mut self, cx: &Cx<'_>, fx: &mut Fx, connection: u64) -> Result<(), Failure> {
        let client = self.client.clone();
        let Some(link) = self.link(connection) else { return Ok(()) };
        if let Some(account) = link.account.clone() {
            link.loading = Some(Box::new(Loading::begin(client, account, link)));
        }
        self.load_on(cx, fx)
    }

    pub(super) fn load_on(&mut self, cx: &Cx<'_>, fx: &mut Fx) -> Result<(), Failure> {
        let client = self.client.clone();
        let Some(link) = &mut self.link else { return Ok(()) };
        let Some(mut loading) = link.loading.take() else { return Ok(()) };
        match loading.step(cx)? {
            true => {
                link.queue = Some(loading.queue);
                link.take_answered(&client, cx, fx);
                link.pump(&client, cx, fx)?;
                let connection = link.connection();
                self.look_for_outlived(fx, connection);
                self.release(cx, fx)
            }
            false => {
                match loading.looked < AT_ONCE {
                    true => fx.tell(Name::Session(client), Input::GoOn),
                    false => fx.timer(cx.now + PACE_MS, Input::GoOn),
                }
                link.loading = Some(loading);
                Ok(())
            }
        }
    }
}

impl Loading {
    fn begin(client: Arc<str>, account: Arc<Account>, link: &Link) -> Loading {
        // Of the notices the last step knows more.
        let inbox = Inbox::resume(&Cursor::at(link.birth), 0);
        let queue = Queue::empty(client.clone(), account.phone.clone(), link.hello.window, inbox);
        Loading {
            queue: Box::new(queue),
            client,
            birth: link.birth,
            rosters: account.rosters.iter().map(|roster| account.phone.roster(*roster)).collect(),
            at: Bytes::new(),
            looked: 0,
            account,
            meanwhile: BTreeSet::new(),
        }
    }

    /// Something has come of a feed that may be behind already.
    pub(super) fn hears(&mut self, feed: &FeedId) {
        if let FeedId::P2p(..) = feed {
            self.meanwhile.insert(feed.clone());
        }
    }

    /// Private feeds of which something has come since it began.
    pub(super) fn meanwhile(&self) -> impl Iterator<Item = &FeedId> {
        self.meanwhile.iter()
    }

    /// The next feeds; whether that was all.
    fn step(&mut self, cx: &Cx<'_>) -> Result<bool, Failure> {
        let mut left = STEP;
        while let Some(own) = self.rosters.last().cloned() {
            let prefix = rows::pair_key(&own, b"");
            let page = cx.store.keys(RELATION, &rows::beyond(&prefix, &self.at).limit(left))?;
            for key in &page {
                if let Ok(peer) = PhoneId::parse(&key.slice(prefix.len()..)) {
                    self.private(cx, FeedId::p2p(own.clone(), peer))?;
                }
            }
            left -= page.len();
            self.looked += page.len();
            if left == 0 {
                self.at = page.last().map(|key| key.slice(prefix.len()..)).unwrap_or_default();
                return Ok(false);
            }
            self.private(cx, FeedId::p2p(own.clone(), own))?;
            self.rosters.pop();
            self.at = Bytes::new();
        }
        for feed in std::mem::take(&mut self.meanwhile) {
            self.private(cx, feed)?;
        }
        self.notices(cx)?;
        for (room, spans) in Spans::of_account(cx, &self.account)? {
            self.room(cx, FeedId::Room(room), spans)?;
        }
        limit::apply(cx, &mut self.queue)?;
        Ok(true)
    }

    /// A feed of two: whatever an earlier connection of the device left, and what came since.
    fn private(&mut self, cx: &Cx<'_>, feed: FeedId) -> Result<(), Failure> {
        let key = feed.key();
        if self.queue.find(&key).is_some() {
            return Ok(());
        }
        let before = self.cursor(cx, &key)?;
        if let Some(first) = due::first_letter(cx, &key, &before)? {
            let topic = Topic::from(&feed).to_string().into();
            let fleeting = fleeting::any(cx, &key)?;
            let at = self.queue.line(key, feed, topic, before, false);
            if let Some(line) = self.queue.lines.get_mut(at) {
                line.fleeting = fleeting;
            }
            self.queue.wait(Place::Line(at), first);
        }
        Ok(())
    }

    fn notices(&mut self, cx: &Cx<'_>) -> Result<(), Failure> {
        let before = self.cursor(cx, NOTICES)?;
        self.queue.notices.inbox = Inbox::resume(&before, cx.now.0);
        if let Some(first) = due::first_notice(cx, self.account.phone.as_str().as_bytes(), &before)? {
            self.queue.wait(Place::Notices, first);
        }
        Ok(())
    }

    /// A room that the account is in, or was: what it said then.
    fn room(&mut self, cx: &Cx<'_>, feed: FeedId, spans: Spans) -> Result<(), Failure> {
        let before = self.cursor(cx, &feed.key())?;
        // Nothing before the coming is due: the position need not pass it entry by entry.
        let before = Cursor { upto: before.upto.max(spans.start()), ..before };
        let topic = Topic::from(&feed).to_string().into();
        let at = self.queue.line(feed.key(), feed, topic, before, true);
        let Some(line) = self.queue.lines.get_mut(at) else { return Ok(()) };
        line.spans = spans;
        line.fleeting = fleeting::any(cx, &line.key)?;
        if let Some(first) = due::first(cx, line)? {
            line.complete = false;
            self.queue.wait(Place::Line(at), first);
        }
        Ok(())
    }

    /// How far the device has acknowledged a stream.
    fn cursor(&self, cx: &Cx<'_>, stream: &[u8]) -> Result<Cursor, Failure> {
        rows::cursor(cx.store, &self.client, stream, self.birth)
    }
}
