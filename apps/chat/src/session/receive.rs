//! News for the device: shown within its window, the rest left in the store.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use mail::Cursor;
use n2o::Failure;
use proto::ids::FeedId;

use super::due::{self, Due, Item};
use super::queue::{Line, Place, Queue};
use super::{ANSWERED, Link, Session};
use crate::door::Out;
use crate::input::{Letter, Notice, Transient};
use crate::protocol::history::Gone;
use crate::{Cx, Fx};

impl Session {
    /// A message, an edit or a removal has happened in a feed of the account.
    pub(super) fn letter(&mut self, cx: &Cx<'_>, fx: &mut Fx, letter: Arc<Letter>) -> Result<(), Failure> {
        let Some(link) = &mut self.link else {
            self.came_late(cx.now, fx, &letter.feed);
            return Ok(());
        };
        if let Some(loading) = &mut link.loading {
            loading.hears(&letter.feed);
        }
        if link.holds_letter(&letter) {
            return Ok(());
        }
        link.letter(cx, fx, letter)?;
        link.pump(&self.client, cx, fx)
    }

    /// A roster of the account has hidden or cleared something of this feed (MESSAGE-7, HISTORY-5), which may stand ahead.
    pub(super) fn hidden(&mut self, feed: &[u8]) {
        if let Some(queue) = self.link.as_mut().and_then(|link| link.queue.as_mut()) {
            queue.find(feed).and_then(|line| queue.lines.get_mut(line)).into_iter().for_each(Line::read_again);
        }
    }

    /// A notice was kept for the account.
    pub(super) fn notice(&mut self, cx: &Cx<'_>, fx: &mut Fx, notice: Arc<Notice>) -> Result<(), Failure> {
        let Some(link) = &mut self.link else { return Ok(()) };
        if link.holds_notice(&notice) {
            return Ok(());
        }
        link.has_heard(notice.event);
        link.notice(&self.client, cx, fx, notice);
        link.pump(&self.client, cx, fx)
    }

    /// Behind what is due to the device; but presence, which belongs to no feed, may come before (CON-5).
    pub(super) fn transient(&mut self, fx: &mut Fx, transient: Arc<Transient>) {
        if let Some(link) = &mut self.link
            && transient.of.as_ref().is_none_or(|of| link.phone() != Some(of))
            && !link.has_heard(transient.event)
            && !link.holds_transient(&transient)
        {
            link.transient(fx, &transient);
        }
    }

    /// A receipt comes soon enough with what others wait for.
    pub(super) fn receipt(&mut self, fx: &mut Fx, topic: Arc<str>, payload: Bytes) {
        if let Some(link) = self.link.as_ref().filter(|link| link.queue.is_some() && link.shows(&payload)) {
            link.emit_patiently(fx, Out::Item { topic, payload, delivery: None });
        }
    }
}

impl Link {
    pub(super) fn transient(&self, fx: &mut Fx, transient: &Transient) {
        if (self.queue.is_some() || transient.topic.starts_with("ac/"))
            && transient.except != Some(self.connection())
            && self.shows(&transient.payload)
        {
            let (topic, payload) = (transient.topic.clone(), transient.payload.clone());
            self.emit(fx, Out::Item { topic, payload, delivery: None });
        }
    }

    /// Whether a copy of this event has come already; from now on it has.
    fn has_heard(&mut self, event: u64) -> bool {
        if event == 0 {
            return false;
        }
        let known = self.heard.contains(&event);
        if !known {
            self.heard.rotate_right(1);
            self.heard[0] = event;
        }
        known
    }

    /// Shown now when there is room and nothing older of its feed waits; else put off.
    pub(super) fn letter(&mut self, cx: &Cx<'_>, fx: &mut Fx, letter: Arc<Letter>) -> Result<(), Failure> {
        let hidden = letter.seq != letter.id && self.has_hidden(cx, &letter.feed, letter.id)?;
        let echo = letter.echo && letter.origin.map(|(connection, _)| connection) == Some(self.connection());
        let answered = letter.except == Some(self.connection());
        let by_record = !echo && !self.puback;
        let Some(queue) = &mut self.queue else {
            self.put_answered(answered, Some(letter.key.clone()), letter.seq);
            return Ok(());
        };
        let line = match (queue.find(&letter.key), &letter.feed) {
            (Some(line), _) => line,
            (None, FeedId::P2p(..)) => {
                let before = Cursor::at(letter.seq - 1);
                queue.line(letter.key.clone(), letter.feed.clone(), letter.topic.clone(), before, true)
            }
            // A room that nobody of the account is in has no line.
            (None, FeedId::Room(_)) => return Ok(()),
        };
        let room = queue.has_room() && letter.payload.len() <= self.hello.item_max;
        let Some(stream) = queue.lines.get_mut(line) else {
            return Ok(());
        };
        stream.fleeting |= letter.fleeting;
        let is_heard = stream.spans.admits(letter.seq, letter.id);
        if letter.seq <= stream.known() || stream.opening || !is_heard {
            if answered && is_heard {
                stream.pass_over(letter.seq);
            }
            return Ok(());
        }
        if answered || hidden {
            stream.had(fx, letter.seq);
            return Ok(());
        }
        let receipt = letter.whole && letter.author.is_some() && letter.author == stream.peer;
        let payload = letter.payload.clone();
        if stream.waits || !room {
            let item = match letter.print {
                Some(_) => Item::Letter { payload, print: letter.print, echo, receipt },
                None => Item::News { payload },
            };
            stream.put_off(Due { seq: letter.seq, id: letter.id, item, covers: Vec::new() });
            queue.wait(Place::Line(line), letter.seq);
            return Ok(());
        }
        let delivery = queue.sent_letter(line, letter.seq, letter.id, receipt, letter.print.filter(|_| by_record));
        self.emit(fx, Out::Item { topic: letter.topic.clone(), payload, delivery: Some(delivery) });
        Ok(())
    }

    /// MESSAGE-7, HISTORY-5: what becomes of a message is not shown to those who have hidden or cleared it.
    fn has_hidden(&self, cx: &Cx<'_>, feed: &FeedId, id: u64) -> Result<bool, Failure> {
        match &self.account {
            Some(account) => Gone::of(cx, feed, &account.phone, &account.rosters)?.has(cx, id),
            None => Ok(false),
        }
    }

    /// The same for a notice. A connection that has had it as its answer counts as having taken it (G-8).
    pub(super) fn notice(&mut self, client: &str, cx: &Cx<'_>, fx: &mut Fx, notice: Arc<Notice>) {
        let answered = notice.except == Some(self.connection());
        let Some(queue) = &mut self.queue else {
            return self.put_answered(answered, None, notice.seq);
        };
        if !queue.notices.inbox.is_new(notice.seq) {
            return;
        }
        if answered {
            // It may stand ahead.
            queue.notices.ahead.clear();
            return self.take_notice(client, cx, fx, notice.seq);
        }
        if queue.notices.waits || !queue.has_room() || notice.payload.len() > self.hello.item_max {
            queue.notices.ahead.clear();
            queue.wait(Place::Notices, notice.seq);
            return;
        }
        let delivery = queue.sent_notice(notice.seq, cx.now.0);
        let (topic, payload) = (notice.topic.clone(), notice.payload.clone());
        self.emit(fx, Out::Item { topic, payload, delivery: Some(delivery) });
    }

    /// The queue will be read from the store, with what the connection has had as an answer in it.
    fn put_answered(&mut self, answered: bool, feed: Option<Bytes>, seq: u64) {
        if answered && self.answered.len() < ANSWERED {
            self.answered.push((feed, seq));
        }
    }

    /// The queue is there: what the connection has had as answers before does not come again.
    pub(super) fn take_answered(&mut self, client: &str, cx: &Cx<'_>, fx: &mut Fx) {
        for (feed, seq) in std::mem::take(&mut self.answered) {
            match (feed, &mut self.queue) {
                (None, _) => self.take_notice(client, cx, fx, seq),
                (Some(key), Some(queue)) => queue.pass_over(&key, seq),
                (Some(_), None) => {}
            }
        }
    }

    /// Sends what waits in the store, oldest first, while there is room (DLV-7). What was put off for its size alone is dealt with at
    /// once: no confirmation may be to come. What a call of the device has done may be in the store by now: it comes behind the Ack (DLV-2),
    /// or is the answer itself (G-8).
    pub(super) fn pump(&mut self, client: &str, cx: &Cx<'_>, fx: &mut Fx) -> Result<(), Failure> {
        self.queue.iter_mut().for_each(|queue| queue.let_held_in());
        let mut unheard = HashSet::new();
        while let Some(place) = self.queue.as_mut().filter(|queue| queue.has_room()).and_then(|queue| queue.oldest()) {
            let owner = self.phone().map(|phone| phone.to_bytes()).unwrap_or_default();
            let Some(queue) = &mut self.queue else { return Ok(()) };
            if let Place::Line(at) = place
                && let Some(line) = queue.lines.get_mut(at).filter(|line| !line.spans.is_open())
                && unheard.insert(at)
            {
                // The session hears no more what becomes of what the room said.
                line.read_again();
            }
            if let Some(seq) = queue.peek_due(cx, place, &owner)?
                && queue.next_item(place).is_some_and(|item| self.calls.may_have_caused(item, seq))
            {
                queue.hold(place, seq);
                continue;
            }
            let Some(due) = queue.next_due(cx, place, &owner)? else {
                continue;
            };
            match place {
                Place::Notices => self.send_notice(client, cx, fx, due),
                Place::Line(line) => self.send_letter(fx, line, due),
            }
            // The stream stands in line again, by its next entry.
            if let Some(queue) = &mut self.queue
                && let Some(next) = queue.peek_due(cx, place, &owner)?
            {
                queue.wait(place, next);
            }
        }
        Ok(())
    }

    fn send_letter(&mut self, fx: &mut Fx, line: usize, due: Due) {
        let (puback, item_max) = (self.puback, self.hello.item_max);
        let Some(queue) = &mut self.queue else { return };
        let Some(stream) = queue.lines.get_mut(line) else {
            return;
        };
        let (answered, covered) = (stream.answered.remove(&due.seq), stream.covered.remove(&due.seq));
        if (answered || covered) && !matches!(due.item, Item::CatchUp { .. }) {
            stream.stream.covered(due.seq);
            if answered {
                stream.keep_cursor(fx);
            }
            return;
        }
        let topic = stream.topic.clone();
        let (payload, print, receipt) = match due.item {
            Item::Letter { payload, print, echo, receipt } if payload.len() <= item_max => {
                stream.covered.extend(due.covers);
                (payload, print.filter(|_| !echo && !puback), receipt)
            }
            // DLV-14: too large for this device, which finds it in the history.
            Item::Letter { .. } => (due::catch_up(stream, due.id), None, false),
            Item::CatchUp { payload } => (payload, None, false),
            Item::Merged => return stream.stream.covered(due.seq),
            Item::News { payload } if payload.len() <= item_max => (payload, None, false),
            Item::News { .. } | Item::Notice { .. } | Item::Passed => return stream.stream.passed(due.seq),
        };
        let delivery = queue.sent_letter(line, due.seq, due.id, receipt, print);
        self.emit(fx, Out::Item { topic, payload, delivery: Some(delivery) });
    }

    fn send_notice(&mut self, client: &str, cx: &Cx<'_>, fx: &mut Fx, due: Due) {
        let Item::Notice { topic, payload, drawn } = due.item else {
            return;
        };
        let item_max = self.hello.item_max;
        let Some(queue) = &mut self.queue else { return };
        for covered in &due.covers {
            queue.notices.inbox.sent(*covered, drawn);
        }
        if !due.covers.is_empty() {
            queue.notices.covers.insert(due.seq, due.covers);
        }
        if payload.len() > item_max {
            return self.take_notice(client, cx, fx, due.seq);
        }
        let delivery = queue.sent_notice(due.seq, drawn);
        let topic = String::from_utf8_lossy(&topic).as_ref().into();
        self.emit(fx, Out::Item { topic, payload, delivery: Some(delivery) });
    }
}

impl Queue {
    /// The next entry of a stream, taken from what was read ahead, or from the store.
    fn next_due(&mut self, cx: &Cx<'_>, place: Place, owner: &[u8]) -> Result<Option<Due>, Failure> {
        self.peek_due(cx, place, owner)?;
        Ok(match place {
            Place::Notices => self.notices.ahead.pop_front(),
            Place::Line(line) => self.lines.get_mut(line).and_then(|line| line.ahead.pop_front()),
        })
    }

    /// The next entry that stands ahead.
    fn next_item(&self, place: Place) -> Option<&Item> {
        let ahead = match place {
            Place::Notices => &self.notices.ahead,
            Place::Line(line) => &self.lines.get(line)?.ahead,
        };
        Some(&ahead.front()?.item)
    }

    fn peek_due(&mut self, cx: &Cx<'_>, place: Place, owner: &[u8]) -> Result<Option<u64>, Failure> {
        let ahead = match place {
            Place::Notices => {
                if self.notices.ahead.is_empty() {
                    self.notices.ahead = due::notices(cx, owner, &self.notices)?.into();
                }
                &self.notices.ahead
            }
            Place::Line(line) => {
                let Some(line) = self.lines.get_mut(line) else {
                    return Ok(None);
                };
                if line.ahead.is_empty() && !line.complete {
                    line.ahead = due::letters(cx, line, owner)?.into();
                    line.complete = line.ahead.is_empty();
                }
                &line.ahead
            }
        };
        Ok(ahead.front().map(|due| due.seq))
    }
}
