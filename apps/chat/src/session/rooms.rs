//! The rooms that a session hears (TOPIC-4): those of all rosters of its account.

use n2o::Failure;
use proto::ids::FeedId;
use proto::topic::Topic;

use super::spans::Spans;
use super::{Session, due};
use crate::input::{Input, Seat};
use crate::{Account, Cx, Fx, Group, Name};

use super::queue::Place;

impl Session {
    /// At connect: the groups first, then what is due is read, so that nothing falls between.
    pub(super) fn hear_rooms(&mut self, cx: &Cx<'_>, fx: &mut Fx, account: &Account) -> Result<(), Failure> {
        for (room, spans) in Spans::of_account(cx, account)? {
            if spans.is_open() && self.rooms.insert(room.clone()) {
                fx.join(Group::Room(room));
            }
        }
        Ok(())
    }

    /// A roster of the account came into a room or went out of it. What is said there from now on is heard when the session is in
    /// the group; what was said since the coming is read from the store then.
    pub(super) fn seat(&mut self, cx: &Cx<'_>, fx: &mut Fx, seat: &Seat) -> Result<(), Failure> {
        let Some(link) = &mut self.link else { return Ok(()) };
        let Some(account) = &link.account else { return Ok(()) };
        let spans = Spans::of_room(cx, account, &seat.room)?;
        let hears = spans.is_open();
        let feed = FeedId::Room(seat.room.clone());
        let begins = hears && self.rooms.insert(seat.room.clone());
        if let Some(queue) = &mut link.queue {
            let topic = Topic::from(&feed).to_string().into();
            let before = mail::Cursor::at(spans.start().max(link.birth));
            let at = queue.line(feed.key(), feed, topic, before, false);
            if let Some(line) = queue.lines.get_mut(at) {
                line.spans = spans;
                line.opening |= begins;
            }
        }
        if begins {
            fx.join(Group::Room(seat.room.clone()));
            let opened = Input::Opened { connection: link.connection(), room: seat.room.clone() };
            fx.tell(Name::Session(self.client.clone()), opened);
        } else if !hears && self.rooms.remove(&seat.room) {
            fx.leave(Group::Room(seat.room.clone()));
        }
        Ok(())
    }

    /// The session is in the room's group.
    pub(super) fn opened(
        &mut self,
        cx: &Cx<'_>,
        fx: &mut Fx,
        connection: u64,
        room: &proto::ids::RoomId,
    ) -> Result<(), Failure> {
        let client = self.client.clone();
        let Some(link) = self.link(connection) else { return Ok(()) };
        let Some(queue) = &mut link.queue else { return Ok(()) };
        let Some(at) = queue.find(&FeedId::Room(room.clone()).key()) else { return Ok(()) };
        if let Some(line) = queue.lines.get_mut(at) {
            line.opening = false;
            line.ahead.clear();
            line.complete = false;
            match due::first(cx, line)? {
                Some(first) => queue.wait(Place::Line(at), first),
                None => line.complete = true,
            }
        }
        link.pump(&client, cx, fx)
    }
}
