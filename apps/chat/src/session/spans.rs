//! When the rosters of an account were in a room: what happened then, and nothing else, is due to its devices (TOPIC-4, HISTORY-14).

use std::collections::BTreeMap;

use n2o::Failure;
use proto::ids::RoomId;
use proto::limits::QUEUE_MS;

use crate::process::room::Room;
use crate::rows::{self, IN_ROOM, Membership};
use crate::{Account, Cx};

/// Stretches of a feed's numbers that a device may hear; of a private feed, all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spans {
    /// Behind the first number, up to the second.
    ranges: Vec<(u64, u64)>,
    /// Changes of what was written before them are shown as well.
    sees_all: bool,
}

impl Spans {
    pub(super) fn always() -> Spans {
        Spans { ranges: vec![(0, u64::MAX)], sees_all: true }
    }

    /// Of one room, by all rosters of the account.
    pub(super) fn of_room(cx: &Cx<'_>, account: &Account, room: &RoomId) -> Result<Spans, Failure> {
        let mut spans = Spans { ranges: Vec::new(), sees_all: Room::load(cx, room)?.shows_all() };
        for roster in &account.rosters {
            let key = rows::in_room_key(&account.phone.roster(*roster), room);
            if let Some(membership) = rows::read(cx.store, IN_ROOM, &key)? {
                spans.add(&membership);
            }
        }
        Ok(spans)
    }

    /// Of all rooms that have something due: those the account is in, and those it has left while the queue of a device holds.
    pub(super) fn of_account(cx: &Cx<'_>, account: &Account) -> Result<BTreeMap<RoomId, Spans>, Failure> {
        let mut all: BTreeMap<RoomId, Spans> = BTreeMap::new();
        for roster in &account.rosters {
            for (room, membership) in rows::rooms(cx.store, &account.phone.roster(*roster))? {
                let over = cx.now.0.saturating_sub(membership.update) > QUEUE_MS;
                if !membership.is_present() && (over || membership.spans.is_empty()) {
                    continue;
                }
                let spans = match all.entry(room) {
                    std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
                    std::collections::btree_map::Entry::Vacant(new) => {
                        let sees_all = Room::load(cx, new.key())?.shows_all();
                        new.insert(Spans { ranges: Vec::new(), sees_all })
                    }
                };
                spans.add(&membership);
            }
        }
        Ok(all)
    }

    fn add(&mut self, membership: &Membership) {
        self.ranges.extend(membership.spans.iter().map(|(joined, left)| match left {
            0 => (*joined, u64::MAX),
            left => (*joined, *left),
        }));
        self.ranges.sort_unstable();
    }

    /// Whether somebody is in the room now.
    pub(super) fn is_open(&self) -> bool {
        self.ranges.iter().any(|(_, upto)| *upto == u64::MAX)
    }

    /// The number before everything that may be due.
    pub(super) fn start(&self) -> u64 {
        self.ranges.first().map_or(u64::MAX, |(behind, _)| *behind)
    }

    /// Whether the entry `seq`, which is about message `id`, is heard.
    pub(super) fn admits(&self, seq: u64, id: u64) -> bool {
        self.holds(seq) && (self.sees_all || id == seq || self.holds(id))
    }

    fn holds(&self, seq: u64) -> bool {
        self.ranges.iter().any(|(behind, upto)| (behind + 1..=*upto).contains(&seq))
    }

    /// The next stretch that has numbers from `from` on: its first, not below `from`, and its last.
    pub(super) fn next(&self, from: u64) -> Option<(u64, u64)> {
        let ahead = self.ranges.iter().filter(|(_, upto)| *upto >= from);
        ahead.map(|(behind, upto)| (from.max(behind + 1), *upto)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(ranges: &[(u64, u64)], sees_all: bool) -> Spans {
        let mut spans = Spans { ranges: Vec::new(), sees_all };
        spans.add(&Membership { spans: ranges.to_vec(), ..Membership::default() });
        spans
    }

    #[test]
    fn topic_4_a_member_hears_what_happens_between_coming_and_going() {
        let twice = spans(&[(10, 20), (30, 0)], false);
        let heard: Vec<u64> = (0..40).filter(|seq| twice.admits(*seq, *seq)).collect();
        assert_eq!(heard, (11..=20).chain(31..40).collect::<Vec<_>>());
        assert!(!twice.admits(31, 25), "an edit of what it has not heard");
        assert!(spans(&[(30, 0)], true).admits(31, 25), "but in a channel it may have read it");
        assert_eq!(
            [twice.next(0), twice.next(15), twice.next(21)],
            [Some((11, 20)), Some((15, 20)), Some((31, u64::MAX))]
        );
        assert!(twice.is_open() && !spans(&[(10, 20)], false).is_open());
        assert_eq!(spans(&[(10, 20)], false).next(21), None);
    }
}
