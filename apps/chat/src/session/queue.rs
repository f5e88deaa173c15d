//! What is due to a device, on one connection: what was sent, what is open, what waits in the store (DLV-1, DLV-7).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use mail::{Cursor, Inbox, Open, Stream};
use proto::ids::{FeedId, Phone, PhoneId};

use super::due::Due;
use super::limit::Dropped;
use super::spans::Spans;

/// Letters out without Ack record that one connection remembers: as many as a queue holds.
const OPEN_MAX: usize = proto::limits::QUEUE_ITEMS;

/// Letters that stand ahead in memory, of one feed on one connection; more are left in the store.
const AHEAD_MAX: usize = 64;
/// The same in bytes.
pub(super) const AHEAD_BYTES: usize = 256 * 1024;

/// The queue of a connected device.
pub(super) struct Queue {
    client: Arc<str>,
    phone: Phone,
    /// Items that may be out without confirmation of the transport.
    window: usize,
    next_delivery: u64,
    /// Items out: delivery number to what it was.
    out: HashMap<u64, Sent>,
    pub(super) lines: Vec<Line>,
    by_key: HashMap<Bytes, usize>,
    pub(super) notices: Notices,
    /// Number of the next entry to send from the store, of each stream that has any; oldest first.
    waiting: BTreeMap<u64, Place>,
    /// The same of those whose next entry the device has sent itself and not had the Ack of: they stand in line again behind that.
    held: Vec<(u64, Place)>,
    /// Fingerprint of msg_id, entry, stream: where an Ack record finds the oldest item (MESSAGE-3).
    prints: BTreeSet<(u64, u64, usize)>,
}

/// Which stream of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The account's notices.
    Notices,
    /// A feed, by its place in [`Queue::lines`].
    Line(usize),
}

/// The account's notices.
pub(super) struct Notices {
    pub(super) inbox: Inbox,
    pub(super) ahead: VecDeque<Due>,
    /// Notices that one of those out stands for: taken with it, not before (DLV-9).
    pub(super) covers: HashMap<u64, Vec<u64>>,
    pub(super) waits: bool,
}

/// One feed of the queue.
pub(super) struct Line {
    /// Storage key of the feed.
    pub(super) key: Bytes,
    pub(super) feed: FeedId,
    /// The device's client id, by which its own echo is known.
    pub(super) client: Arc<str>,
    pub(super) topic: Arc<str>,
    pub(super) stream: Stream,
    /// Messages that the limits took out of this device's queue (DLV-10).
    pub(super) dropped: Option<Dropped>,
    /// Entries that were part of an item sent before them (MESSAGE-6).
    pub(super) covered: HashSet<u64>,
    /// Entries that the connection has had as answers (G-8): taken when it is their turn.
    pub(super) answered: HashSet<u64>,
    /// The entries to send next.
    pub(super) ahead: VecDeque<Due>,
    /// Nothing is unsent but what is ahead; else the store is asked for more.
    pub(super) complete: bool,
    /// The other party, where it is another account, and where its receipts go (MESSAGE-12).
    pub(super) peer: Option<PhoneId>,
    pub(super) receipts: Option<Arc<str>>,
    /// More may be in the store.
    pub(super) waits: bool,
    /// Its conversation is told what is acknowledged (DLV-6).
    pub(super) fleeting: bool,
    /// What of the feed the device may hear.
    pub(super) spans: Spans,
    /// A room that is being entered: until the session is in its group, what it says is left to the store.
    pub(super) opening: bool,
}

/// An item that is out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    pub(super) place: Place,
    pub(super) seq: u64,
    /// It is acknowledged by the transport's confirmation (DLV-3).
    pub(super) by_transport: bool,
}

impl Queue {
    /// Of a device to which nothing is due.
    pub(super) fn empty(client: Arc<str>, phone: Phone, window: u16, inbox: Inbox) -> Queue {
        Queue {
            client,
            phone,
            window: usize::from(window.max(1)),
            next_delivery: 0,
            out: HashMap::new(),
            lines: Vec::new(),
            by_key: HashMap::new(),
            notices: Notices { inbox, ahead: VecDeque::new(), covers: HashMap::new(), waits: false },
            waiting: BTreeMap::new(),
            held: Vec::new(),
            prints: BTreeSet::new(),
        }
    }

    /// The feed with this key, added where it is new.
    pub(super) fn line(&mut self, key: Bytes, feed: FeedId, topic: Arc<str>, before: Cursor, complete: bool) -> usize {
        if let Some(line) = self.by_key.get(&key) {
            return *line;
        }
        let line = self.lines.len();
        self.by_key.insert(key.clone(), line);
        let peer = stranger(&feed, &self.phone);
        self.lines.push(Line {
            key,
            feed,
            client: self.client.clone(),
            topic,
            stream: Stream::resume(before),
            dropped: None,
            covered: HashSet::new(),
            answered: HashSet::new(),
            ahead: VecDeque::new(),
            complete,
            peer,
            receipts: None,
            waits: false,
            fleeting: false,
            spans: Spans::always(),
            opening: false,
        });
        line
    }

    pub(super) fn find(&self, key: &[u8]) -> Option<usize> {
        self.by_key.get(key).copied()
    }

    /// The feed's entry is not sent when its turn comes.
    pub(super) fn pass_over(&mut self, key: &[u8], seq: u64) {
        let line = self.find(key).and_then(|line| self.lines.get_mut(line));
        if let Some(line) = line.filter(|line| line.waits) {
            line.pass_over(seq);
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.out.len() < self.window
    }

    /// The stream waits for room, from this entry on.
    pub(super) fn wait(&mut self, place: Place, seq: u64) {
        if let Some(waits) = self.waits(place)
            && !std::mem::replace(waits, true)
        {
            self.waiting.insert(seq, place);
        }
    }

    /// The stream whose next entry is the oldest of all; it waits no longer.
    pub(super) fn oldest(&mut self) -> Option<Place> {
        let (_, place) = self.waiting.pop_first()?;
        if let Some(waits) = self.waits(place) {
            *waits = false;
        }
        Some(place)
    }

    /// The stream goes on waiting, out of line.
    pub(super) fn hold(&mut self, place: Place, seq: u64) {
        if let Some(waits) = self.waits(place) {
            *waits = true;
            self.held.push((seq, place));
        }
    }

    pub(super) fn let_held_in(&mut self) {
        self.waiting.extend(self.held.drain(..));
    }

    fn waits(&mut self, place: Place) -> Option<&mut bool> {
        match place {
            Place::Notices => Some(&mut self.notices.waits),
            Place::Line(line) => self.lines.get_mut(line).map(|line| &mut line.waits),
        }
    }

    /// A letter goes out; its delivery number. With a fingerprint it is found by the Ack record, else the transport's confirmation
    /// is its acknowledgement.
    pub(super) fn sent_letter(&mut self, line: usize, seq: u64, id: u64, receipt: bool, print: Option<u64>) -> u64 {
        if let Some(line) = self.lines.get_mut(line) {
            line.stream.sent(seq, id, receipt);
        }
        self.prints.extend(print.map(|print| (print, seq, line)));
        if self.prints.len() > OPEN_MAX {
            self.forget_oldest();
        }
        self.sent(Sent { place: Place::Line(line), seq, by_transport: print.is_none() })
    }

    /// The older half of what waits for Ack records is left to the store: it comes again on the next connection, as far as the limits let
    /// it (DLV-10). A client that acknowledges by cursor (HISTORY-3) does so for these too.
    fn forget_oldest(&mut self) {
        let mut open: Vec<u64> = self.prints.iter().map(|(_, seq, _)| *seq).collect();
        let half = open.len() / 2;
        let (_, last, _) = open.select_nth_unstable(half);
        let last = *last;
        self.lines.iter_mut().for_each(|line| line.stream.forget(last));
        self.prints.retain(|(_, seq, _)| *seq > last);
    }

    pub(super) fn sent_notice(&mut self, seq: u64, drawn: u64) -> u64 {
        self.notices.inbox.sent(seq, drawn);
        self.sent(Sent { place: Place::Notices, seq, by_transport: true })
    }

    fn sent(&mut self, sent: Sent) -> u64 {
        let delivery = self.next_delivery;
        self.next_delivery += 1;
        self.out.insert(delivery, sent);
        delivery
    }

    /// The transport's confirmation: there is room for one more.
    pub(super) fn confirmed(&mut self, delivery: u64) -> Option<Sent> {
        self.out.remove(&delivery)
    }

    /// Whether the letter waits for its acknowledgement.
    pub(super) fn is_open(&self, line: usize, seq: u64) -> bool {
        self.lines.get(line).is_some_and(|line| line.stream.is_open(seq))
    }

    /// The account whose notices are due, as their keys have it.
    pub(super) fn owner(&self) -> &[u8] {
        self.phone.as_str().as_bytes()
    }

    /// The oldest open item with this fingerprint.
    pub(super) fn find_print(&self, print: u64) -> Option<(usize, u64)> {
        let (_, seq, line) = self.prints.range((print, 0, 0)..=(print, u64::MAX, usize::MAX)).next()?;
        Some((*line, *seq))
    }

    /// Acknowledges a letter: what it was and the cursor to store, or nothing when it was not open.
    pub(super) fn acknowledge(&mut self, line: usize, seq: u64) -> Option<(Open, &mut Line)> {
        let line = self.lines.get_mut(line)?;
        let open = line.stream.acknowledge(seq)?;
        Some((open, line))
    }

    /// The letter with this fingerprint is no longer looked for.
    pub(super) fn forget_print(&mut self, print: u64, seq: u64, line: usize) {
        self.prints.remove(&(print, seq, line));
    }

    /// No letter of the feed up to here is looked for any more.
    pub(super) fn forget_prints(&mut self, line: usize) {
        let Queue { prints, lines, .. } = self;
        let Some(stream) = lines.get(line) else { return };
        prints.retain(|(_, seq, at)| *at != line || stream.stream.is_open(*seq));
    }
}

impl Line {
    /// The last entry that was sent or stands ahead.
    pub(super) fn known(&self) -> u64 {
        self.ahead.back().map_or(self.stream.top(), |last| last.seq)
    }

    /// The entry is not sent when its turn comes, if it is still to come: it may stand ahead, read from the store before it was told.
    pub(super) fn pass_over(&mut self, seq: u64) {
        if seq > self.stream.top() {
            self.answered.insert(seq);
        }
    }

    /// What stands ahead may be otherwise by now, or gone: it is found in the store.
    pub(super) fn read_again(&mut self) {
        self.ahead.clear();
        self.complete = false;
    }

    /// There is no room for a letter now: it stands ahead, or, beyond the bound, is found in the store. What a change is about may stand
    /// ahead as it was.
    pub(super) fn put_off(&mut self, due: Due) {
        if due.seq != due.id {
            self.read_again();
        }
        let bytes: usize = self.ahead.iter().map(Due::bytes).sum();
        self.complete &= self.ahead.len() < AHEAD_MAX && bytes < AHEAD_BYTES;
        if self.complete {
            self.ahead.push_back(due);
        }
    }
}

/// The party of a private feed that is another account's.
fn stranger(feed: &FeedId, own: &Phone) -> Option<PhoneId> {
    match feed {
        FeedId::P2p(one, other) => [one, other].into_iter().find(|side| side.phone() != own).cloned(),
        FeedId::Room(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::fingerprint;

    #[test]
    fn dlv_10_letters_without_ack_record_take_bounded_memory_and_stay_due() {
        let phone = Phone::parse(b"38001").unwrap();
        let mut queue = Queue::empty("emqttd_38001_d".into(), phone.clone(), 32, Inbox::default());
        let lines: Vec<usize> = (2..5)
            .map(|peer| {
                let feed = FeedId::p2p(phone.roster(1), Phone::parse(b"38002").unwrap().roster(peer));
                queue.line(feed.key(), feed, "p2p".into(), Cursor::at(100), true)
            })
            .collect();
        let print = |seq: u64| fingerprint(&seq.to_be_bytes());
        for seq in 101..=50_100 {
            let line = lines[seq as usize % lines.len()];
            let delivery = queue.sent_letter(line, seq, seq, true, Some(print(seq)));
            assert!(queue.confirmed(delivery).is_some());
            assert!(queue.prints.len() <= OPEN_MAX);
            if seq % 1000 == 0 {
                let open: usize = queue.lines.iter().map(|line| line.stream.open().count()).sum();
                assert!(open <= OPEN_MAX + lines.len(), "{open} are open");
            }
        }
        for line in &queue.lines {
            assert!(line.stream.cursor().upto < 104, "the oldest are still due: {:?}", line.stream.cursor());
        }
        let (line, seq) = queue.find_print(print(50_000)).unwrap();
        assert!(queue.is_open(line, seq) && queue.acknowledge(line, seq).is_some());
        assert_eq!(queue.find_print(print(101)), None);
        let oldest = queue.lines[lines[101 % 3]].stream.open().next().unwrap().seq;
        assert!(!queue.is_open(lines[101 % 3], oldest), "one confirmation does not acknowledge them all");
    }
}
