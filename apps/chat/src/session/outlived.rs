//! Cursors that have outlived their feeds: a device lives longer than a room, or a roster of its account, of which it has acknowledged something.

use bytes::Bytes;
use n2o::Failure;
use proto::ids::{FeedId, PhoneId};

use super::Session;
use crate::rows::{self, CURSOR, IN_ROOM, ROOM};
use crate::{Cx, Fx, Input, Name};

/// Cursors looked at in one step.
const LOOKED: usize = 128;
/// Milliseconds between two steps: nobody waits for it.
const PACE_MS: u64 = 1;

impl Session {
    /// The queue is there, or the device has been here for another day.
    pub(super) fn look_for_outlived(&self, fx: &mut Fx, connection: u64) {
        fx.tell(Name::Session(self.client.clone()), Input::Outlived { connection, beyond: Bytes::new() });
    }

    /// Nothing that is due to the device, or ever will be, is of the feeds whose cursors go here. Which these are is looked for whenever the
    /// device comes, since not everybody who has left a room is told when it ends.
    pub(super) fn outlived(
        &mut self,
        cx: &Cx<'_>,
        fx: &mut Fx,
        connection: u64,
        beyond: &Bytes,
    ) -> Result<(), Failure> {
        let Some(phone) = self.link(connection).and_then(|link| link.phone().cloned()) else { return Ok(()) };
        let own: Vec<PhoneId> = rows::roster_ids(cx.store, &phone)?.into_iter().map(|id| phone.roster(id)).collect();
        let prefix = rows::cursor_key(&self.client, b"");
        let page = cx.store.keys(CURSOR, &rows::beyond(&prefix, beyond).limit(LOOKED))?;
        for key in &page {
            if let Ok(feed) = FeedId::from_key(&key.slice(prefix.len()..))
                && !is_theirs(cx, &own, &feed)?
            {
                fx.delete(CURSOR, key.clone());
            }
        }
        if let Some(last) = page.last().filter(|_| page.len() == LOOKED) {
            let beyond = last.slice(prefix.len()..);
            fx.timer(cx.now + PACE_MS, Input::Outlived { connection, beyond });
        }
        Ok(())
    }
}

/// Whether one of these rosters is a party of the feed, or was in the room, which is there still. A room that is being erased is: of what is
/// left of it nothing may come again.
fn is_theirs(cx: &Cx<'_>, own: &[PhoneId], feed: &FeedId) -> Result<bool, Failure> {
    match feed {
        FeedId::P2p(one, other) => Ok(own.contains(one) || own.contains(other)),
        FeedId::Room(room) => {
            let mut was_in = false;
            for roster in own {
                was_in |= cx.store.get(IN_ROOM, &rows::in_room_key(roster, room))?.is_some();
            }
            Ok(was_in && cx.store.get(ROOM, room.as_str().as_bytes())?.is_some())
        }
    }
}
