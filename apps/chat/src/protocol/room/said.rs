//! What the server says in a room: system messages (MESSAGE-15), and notices to all members, each written once.

use bytes::Bytes;
use etf::Encode;
use n2o::Failure;
use proto::ids::PhoneId;
use proto::limits::{NOTICE_MEMBERS, QUEUE_ITEMS, QUEUE_MS};
use proto::records::{self, Container, Desc, Feature, Feed, Mark, Member, Message, Several};
use proto::topic::Topic;

use super::{Act, Halt};
use crate::effects::{Seen, notify};
use crate::process::conversation::Conversation;
use crate::rows::{self, MESSAGE, NEWS, News};
use crate::{Cx, Fx, Letter};

/// What happened, as clients read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Created,
    Renamed,
    Avatar,
    Added,
    Removed,
    Joined,
    Left,
    Promoted,
    Demoted,
    Owner,
    CallEnded,
}

impl Action {
    /// The value of Feature ACTION.
    fn name(self) -> &'static str {
        match self {
            Action::Created => "created",
            Action::Renamed => "renamed",
            Action::Avatar => "avatar",
            Action::Added => "added",
            Action::Removed => "removed",
            Action::Joined => "joined",
            Action::Left => "left",
            Action::Promoted => "promoted",
            Action::Demoted => "demoted",
            Action::Owner => "owner",
            Action::CallEnded => "call_ended",
        }
    }

    /// For clients that show it as it is.
    fn text(self) -> &'static str {
        match self {
            Action::Created => "created the room",
            Action::Renamed => "renamed the room",
            Action::Avatar => "changed the picture",
            Action::Added => "added members",
            Action::Removed => "removed members",
            Action::Joined => "joined",
            Action::Left => "left",
            Action::Promoted => "made admins",
            Action::Demoted => "made admins members",
            Action::Owner => "handed the room over",
            Action::CallEnded => "call ended",
        }
    }
}

/// MESSAGE-15: a part that says what happened, and to whom; of many the first are named.
pub(crate) fn system(action: Action, targets: &[PhoneId]) -> Desc {
    let feature = |id: String, key: &'static str, value: Bytes| Feature {
        id: Some(id.into()),
        ..Feature::new("SYSTEM", key, value)
    };
    let mut data = vec![feature("ACTION".to_owned(), "ACTION", Bytes::from_static(action.name().as_bytes()))];
    let targets = targets.iter().take(NOTICE_MEMBERS).enumerate();
    data.extend(targets.map(|(at, target)| feature(format!("TARGET{at}"), "TARGET", target.to_bytes())));
    Desc { id: Some(Bytes::from_static(b"1")), data, ..Desc::text(action.text()) }
}

impl Conversation {
    /// Writes a message of the server's into the feed, in the name of who acted. The letter is yet to be shown.
    pub(crate) fn say(&mut self, cx: &Cx<'_>, fx: &mut Fx, from: &PhoneId, part: Desc) -> Result<Letter, Failure> {
        let id = cx.id()?;
        let message = Message {
            id: Some(id),
            container: Some(Container::Chain),
            feed_id: Some(Feed::from(&self.feed)),
            prev: self.last,
            msg_id: Some(format!("srv-{id}").into()),
            from: Some(from.to_bytes()),
            to: Some(self.addressee(from)),
            created: Some(cx.now.0.into()),
            files: vec![part],
            r#type: Several(vec![Mark::Sys]),
            ..Message::default()
        };
        let payload = rows::encode(&message);
        fx.put(MESSAGE, rows::numbered(&self.key, id), payload.clone());
        self.last = Some(id);
        let print = message.msg_id.as_deref().map(rows::fingerprint);
        Ok(Letter { print, ..self.entry(id, payload) })
    }

    /// Keeps a notice to all members as an entry of the feed: once, however many they are (`[D]`). What is old goes (DLV-10).
    fn keep_news(
        &mut self,
        cx: &Cx<'_>,
        fx: &mut Fx,
        seq: u64,
        payload: Bytes,
        merge: Option<Bytes>,
    ) -> Result<Letter, Halt> {
        let row = News { created: cx.now.0, payload: payload.clone(), merge };
        let oldest = cx.store.scan(NEWS, &rows::numbers(&self.key, 0, u64::MAX).limit(2))?;
        let (key, room) = (self.key.clone(), self.room_mut()?);
        let Some(count) = room.row.as_mut().map(|row| &mut row.news) else {
            return Err(proto::Refusal::RoomNotFound.into());
        };
        for (key, row) in oldest {
            let row: News = rows::decode(&row)?;
            if cx.now.0.saturating_sub(row.created) > QUEUE_MS || *count >= QUEUE_ITEMS as u64 {
                fx.delete(NEWS, key);
                *count = count.saturating_sub(1);
            }
        }
        *count += 1;
        fx.put(NEWS, rows::numbered(&key, seq), rows::encode(&row));
        Ok(self.entry(seq, payload))
    }

    /// A new entry of the feed, that the transport acknowledges.
    fn entry(&self, seq: u64, payload: Bytes) -> Letter {
        Letter {
            feed: self.feed.clone(),
            key: self.key.clone(),
            topic: self.name.clone(),
            author: None,
            seq,
            id: seq,
            whole: false,
            fleeting: false,
            print: None,
            echo: false,
            payload,
            origin: None,
            except: None,
        }
    }
}

impl Act<'_, '_> {
    /// MESSAGE-15, to the room, behind the answer of the call that caused it.
    pub(crate) fn say(&mut self, from: &PhoneId, action: Action, targets: &[PhoneId]) -> Result<(), Halt> {
        let letter = self.conversation.say(self.cx, self.fx, from, system(action, targets))?;
        let origin = self.who.map(|who| (who.connection, who.call));
        self.conversation.spread(self.fx, Letter { origin, ..letter });
        Ok(())
    }

    /// "→ room `[D]`", under this number. The room's row, which counts its news, is to be put afterwards.
    pub(crate) fn tell_room<T: Encode>(
        &mut self,
        seq: u64,
        record: &T,
        merge: Option<Bytes>,
        seen: Seen,
    ) -> Result<(), Halt> {
        let letter = self.conversation.keep_news(self.cx, self.fx, seq, etf::encode(record), merge)?;
        let (except, origin) = seen.parts();
        self.conversation.spread(self.fx, Letter { except, origin, ..letter });
        Ok(())
    }

    /// The same of members who have come, gone or another role. Of a channel's subscribers, who do not see each other, owner and admins
    /// alone are told (TOPIC-15); `known` are those of whom everybody is: who is one of these, or was.
    pub(super) fn tell_members(
        &mut self,
        seq: u64,
        record: &records::Room,
        known: &[PhoneId],
        seen: Seen,
    ) -> Result<(), Halt> {
        if !self.room()?.is_channel() {
            return self.tell_room(seq, record, None, seen);
        }
        let is_known =
            |member: &Member| known.iter().any(|one| member.phone_id.as_deref() == Some(one.as_str().as_bytes()));
        let part = |is: bool| {
            let of = |list: &[Member]| list.iter().filter(|one| is_known(one) == is).cloned().collect::<Vec<_>>();
            let (admins, members) = (of(&record.admins), of(&record.members));
            let is_empty = admins.is_empty() && members.is_empty();
            (!is_empty).then(|| records::Room { admins, members, ..record.clone() })
        };
        if let Some(part) = part(true) {
            self.tell_room(seq, &part, None, seen)?;
        }
        match part(false) {
            Some(part) => self.tell_fellows(seq, &part, false, seen),
            None => Ok(()),
        }
    }

    /// "→ room `[D]`" of one that is `known` to everybody, or in a channel not.
    pub(crate) fn tell_fellows<T: Encode>(
        &mut self,
        seq: u64,
        record: &T,
        known: bool,
        seen: Seen,
    ) -> Result<(), Halt> {
        if known || !self.room()?.is_channel() {
            return self.tell_room(seq, record, None, seen);
        }
        let topic = Topic::from(&self.conversation.feed);
        for account in self.room()?.staff_accounts() {
            notify(self.fx, self.cx, &account, &topic, record, None, seen)?;
        }
        Ok(())
    }
}

/// The merge key of a room's patches (DLV-9).
pub(super) fn patch_merge() -> Option<Bytes> {
    Some(Bytes::from_static(b"patch"))
}
