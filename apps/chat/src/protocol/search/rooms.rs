//! SEARCH-3, 6: rooms, as outsiders see them (ROOM-13).

use std::collections::VecDeque;

use bytes::Bytes;
use n2o::Failure;
use proto::ids::RoomId;
use proto::limits::SEARCH_RESULTS;
use proto::records::Room;

use super::place::Place;
use super::wanted::Wanted;
use super::{Search, names};
use crate::Cx;
use crate::protocol::room::show;
use crate::rows::{self, ROOM, RoomRow};

/// Rooms looked at in one step.
const STEP: usize = 32;
/// Rooms of the index that are looked at: with so many, the name is too common to be of use.
const LOOKED_MAX: usize = 1024;

impl Search {
    pub(super) fn link(&mut self, cx: &Cx<'_>, room: &RoomId) -> Result<bool, Failure> {
        self.rooms.extend(outside(cx, room)?);
        Ok(true)
    }

    pub(super) fn own_rooms(
        &mut self,
        cx: &Cx<'_>,
        wanted: Wanted,
        mut rooms: VecDeque<RoomId>,
    ) -> Result<bool, Failure> {
        for room in rooms.drain(..rooms.len().min(STEP)) {
            let shown = outside(cx, &room)?;
            let name = shown.as_ref().and_then(|room| room.name.clone()).unwrap_or_default();
            if self.rooms.len() < SEARCH_RESULTS && wanted.fits(&String::from_utf8_lossy(&name)) {
                self.rooms.extend(shown);
            }
        }
        self.place = match rooms.is_empty() {
            false => Place::OwnRooms { wanted, rooms },
            true => Place::Rooms { wanted, from: Bytes::new(), looked: 0 },
        };
        Ok(false)
    }

    pub(super) fn public_rooms(
        &mut self,
        cx: &Cx<'_>,
        wanted: Wanted,
        from: Bytes,
        looked: usize,
    ) -> Result<bool, Failure> {
        let (rooms, next) = names::slice(cx, &wanted, from, STEP)?;
        for room in rooms {
            let is_new = self.rooms.iter().all(|found| found.id.as_deref() != Some(room.as_str().as_bytes()));
            if self.rooms.len() < SEARCH_RESULTS && is_new {
                self.rooms.extend(outside(cx, &room)?);
            }
        }
        let looked = looked + STEP;
        match next.filter(|_| looked < LOOKED_MAX && self.rooms.len() < SEARCH_RESULTS) {
            Some(from) => self.place = Place::Rooms { wanted, from, looked },
            None => return Ok(true),
        }
        Ok(false)
    }
}

/// A room as outsiders see it, if there is one.
pub(crate) fn outside(cx: &Cx<'_>, room: &RoomId) -> Result<Option<Room>, Failure> {
    let row: Option<RoomRow> = rows::read(cx.store, ROOM, room.as_str().as_bytes())?;
    Ok(row.filter(|row| row.ended == 0).map(|row| show::outside(&row)))
}
