//! Finding people and rooms, and keeping messages (SPEC 6.14, 6.15).

use bytes::Bytes;
use etf::Term;
use proto::{
    Contact, Data, Feed, Message, Record, Room, Roster, Search, SearchStatus, SearchType, Star, StarStatus, UserEntry,
};

use super::unexpected;
use crate::calls::fresh_msg_id;
use crate::{Client, Error};

impl Client {
    /// SEARCH-1: which of these numbers have an account.
    pub async fn find_phones(&self, phones: &[&str]) -> Result<Vec<Contact>, Error> {
        let value = Term::list(phones.iter().map(|phone| Term::binary(phone.as_bytes())).collect());
        self.search("phone", SearchType::Equal, value, SearchStatus::Contact).await.map(people)
    }

    /// SEARCH-2: who has this nick.
    pub async fn find_nick(&self, nick: &str) -> Result<Vec<Contact>, Error> {
        let value = Term::binary(nick.as_bytes());
        self.search("nick", SearchType::Equal, value, SearchStatus::Contact).await.map(people)
    }

    /// SEARCH-4: whose nick begins so; at least three characters.
    pub async fn find_nicks(&self, beginning: &str) -> Result<Vec<Contact>, Error> {
        let value = Term::binary(beginning.as_bytes());
        self.search("nick", SearchType::Like, value, SearchStatus::Contact).await.map(people)
    }

    /// SEARCH-3: the room with this link.
    pub async fn find_link(&self, link: &str) -> Result<Vec<Room>, Error> {
        let value = Term::binary(link.as_bytes());
        self.search("link", SearchType::Equal, value, SearchStatus::Room).await.map(|found| found.roomlist)
    }

    async fn search(
        &self,
        field: &'static str,
        how: SearchType,
        value: Term,
        what: SearchStatus,
    ) -> Result<Roster, Error> {
        let answers = self
            .call(Search {
                r#ref: Some(fresh_msg_id()?),
                field: Some(Bytes::from_static(field.as_bytes())),
                r#type: Some(how),
                value,
                status: Some(what),
                ..Search::default()
            })
            .await?;
        let parts = answers.iter().filter_map(|record| match record {
            Record::Io(io) => match &io.data {
                Some(Data::Roster(part)) => Some((**part).clone()),
                _ => None,
            },
            _ => None,
        });
        parts.reduce(joined).ok_or_else(|| unexpected(&answers))
    }

    /// FAV-4: keeps a message among the favourites.
    pub async fn star(&self, feed: Feed, id: u64) -> Result<Star, Error> {
        let client_id = Some(fresh_msg_id()?);
        let message = keyed(feed, id);
        self.star_call(Star { client_id, message, status: Some(StarStatus::Add), ..Star::default() }).await
    }

    /// FAV-5: it is no favourite any more.
    pub async fn unstar(&self, feed: Feed, id: u64) -> Result<Star, Error> {
        let message = keyed(feed, id);
        self.star_call(Star { message, status: Some(StarStatus::Remove), ..Star::default() }).await
    }

    async fn star_call(&self, star: Star) -> Result<Star, Error> {
        let answers = self.call(star).await?;
        match answers.last() {
            Some(Record::Star(star)) => Ok((**star).clone()),
            _ => Err(unexpected(&answers)),
        }
    }
}

fn keyed(feed: Feed, id: u64) -> Option<Box<Message>> {
    Some(Box::new(Message { id: Some(id), feed_id: Some(feed), ..Message::default() }))
}

/// The lists of the parts of one answer follow each other.
fn joined(mut whole: Roster, part: Roster) -> Roster {
    whole.userlist.extend(part.userlist);
    whole.roomlist.extend(part.roomlist);
    whole
}

fn people(found: Roster) -> Vec<Contact> {
    let contact = |entry| match entry {
        UserEntry::Contact(contact) => Some(*contact),
        UserEntry::Id(_) => None,
    };
    found.userlist.into_iter().filter_map(contact).collect()
}
