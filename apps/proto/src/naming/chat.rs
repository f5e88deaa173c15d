//! Names in the records of feeds and rooms.

use bytes::Bytes;

use super::{Named, Naming, field};
use crate::records::{
    Desc, Feature, Feed, History, HistoryFeed, HistoryItem, Member, Message, MessageLink, P2p, Room, RoomStar, SeenBy,
    Star, StarFrom, Tag, Value,
};

/// Content that its author has sealed, the names outside with it (SEC-5).
const SEALED: &[u8] = b"application/cms";

impl Named for Message {
    /// What a sealed message says outside must be what is sealed inside (SEC-6): it keeps the names of its time.
    fn rename<N: Naming>(&mut self, naming: &mut N) -> Result<(), N::Error> {
        let is_sealed = self.files.iter().any(|part| part.mime.as_deref() == Some(SEALED));
        let before = naming.as_of(self.id.filter(|_| is_sealed));
        self.feed_id.rename(naming)?;
        field(&mut self.from, |id| naming.roster(id))?;
        field(&mut self.to, |id| naming.roster(id))?;
        naming.as_of(None);
        for reader in &mut self.seenby.0 {
            if let SeenBy::Phone(id) = reader {
                naming.address(id)?;
            }
        }
        self.files.rename(naming)?;
        self.link.rename(naming)?;
        naming.as_of(before);
        Ok(())
    }
}

impl Named for MessageLink {
    fn rename<N: Naming>(&mut self, naming: &mut N) -> Result<(), N::Error> {
        match self {
            MessageLink::Message(message) => message.rename(naming),
            MessageLink::Id(_) => Ok(()),
        }
    }
}

impl Named for Desc {
    /// MESSAGE-15.
    fn rename<N: Naming>(&mut self, naming: &mut N) -> Result<(), N::Error> {
        self.data.iter_mut().filter(|feature| feature.is(b"SYSTEM", b"TARGET")).try_for_each(|feature| {
            match &mut feature.value {
                Some(Value::Text(id)) => naming.roster(id),
                Some(Value::Flag(_)) | None => Ok(()),
            }
        })
    }
}

impl Named for Feed {
    fn rename<N: Naming>(&mut self, naming: &mut N) -> Result<(), N::Error> {
        match self {
            Feed::P2p(pair) => pair.rename(naming),
            Feed::Muc(_) => Ok(()),
        }
    }
}

impl Named for P2p {
    fn rename<N: Naming>(&mut self, naming: &mut N) -> Result<(), N::Error> {
        field(&mut self.from, |id| naming.roster(id))?;
        field(&mut self.to, |id| naming.roster(id))?;
        if N::SORTS && self.from.is_some() && self.to.is_some() && self.from > self.to {
            std::mem::swap(&mut self.from, &mut self.to);
        }
        Ok(())
    }
}

impl Named for History {
    fn rename<N: Naming>(&mut self, naming: &mut N) -> Result<(), N::Error> {
        field(&mut self.roster_id, |id| naming.address(id))?;
        if let Some(HistoryFeed::Feed(feed)) = &mut self.feed {
            feed.rename(naming)?;
        }
        self.data.rename(naming)
    }
}

impl Named for HistoryItem {
    fn rename<N: Naming>(&mut self, naming: &mut N) -> Result<(), N::Error> {
        match self {
            HistoryItem::Message(message) => message.rename(naming),
            HistoryItem::RoomStar(star) => star.rename(naming),
            HistoryItem::StickerPack(_) => Ok(()),
        }
    }
}

impl Named for Room {
    fn rename<N: Naming>(&mut self, naming: &mut N) -> Result<(), N::Error> {
        self.members.rename(naming)?;
        self.admins.rename(naming)?;
        self.last_msg.rename(naming)?;
        self.settings.iter_mut().filter(|setting| setting.is(b"CALL", b"FEED")).try_for_each(|call| pair(call, naming))
    }
}

/// CDR-2: a room id, or `a/b`.
fn pair<N: Naming>(call: &mut Feature, naming: &mut N) -> Result<(), N::Error> {
    let Some(Value::Text(feed)) = &mut call.value else { return Ok(()) };
    let Some(at) = feed.iter().position(|byte| *byte == b'/') else { return Ok(()) };
    let (mut one, mut other) = (feed.slice(..at), feed.slice(at + 1..));
    naming.roster(&mut one)?;
    naming.roster(&mut other)?;
    *feed = Bytes::from([one, other].join(&b'/'));
    Ok(())
}

impl Named for Member {
    fn rename<N: Naming>(&mut self, naming: &mut N) -> Result<(), N::Error> {
        field(&mut self.phone_id, |id| naming.address(id))
    }
}

impl Named for Tag {
    fn rename<N: Naming>(&mut self, naming: &mut N) -> Result<(), N::Error> {
        field(&mut self.roster_id, |id| naming.address(id))
    }
}

impl Named for Star {
    fn rename<N: Naming>(&mut self, naming: &mut N) -> Result<(), N::Error> {
        self.message.rename(naming)?;
        self.tags.rename(naming)
    }
}

impl Named for RoomStar {
    fn rename<N: Naming>(&mut self, naming: &mut N) -> Result<(), N::Error> {
        self.star.rename(naming)?;
        match &mut self.from {
            Some(StarFrom::Contact(contact)) => contact.rename(naming),
            Some(StarFrom::Room(room)) => room.rename(naming),
            None => Ok(()),
        }
    }
}
