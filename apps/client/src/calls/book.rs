//! Contacts and friendship (SPEC 6.6, 6.7).

use bytes::Bytes;
use proto::{Contact, Friend, FriendStatus, Profile, Record, Roster, RosterEntry, RosterStatus, UserEntry};

use super::{bytes, text, unexpected};
use crate::{Client, Error};

/// A contact, as far as a list of people needs it.
#[derive(Debug, Clone, PartialEq)]
pub struct Peer {
    pub phone_id: String,
    /// Names and surnames, may be empty.
    pub name: String,
    pub unread: u64,
    pub contact: Contact,
}

impl Peer {
    /// The contacts of all rosters of a full profile.
    pub fn all(profile: &Profile) -> Vec<Peer> {
        let rosters = profile.rosters.iter().filter_map(|entry| match entry {
            RosterEntry::Roster(roster) => Some(roster),
            RosterEntry::Id(_) | RosterEntry::Name(_) => None,
        });
        let entries = rosters.flat_map(|roster| &roster.userlist);
        entries
            .filter_map(|entry| match entry {
                UserEntry::Contact(contact) => Some(Peer::from((**contact).clone())),
                UserEntry::Id(_) => None,
            })
            .collect()
    }
}

impl From<Contact> for Peer {
    fn from(contact: Contact) -> Peer {
        let name = format!("{} {}", text(&contact.names), text(&contact.surnames)).trim().to_owned();
        Peer { phone_id: text(&contact.phone_id), name, unread: contact.nread.unwrap_or_default(), contact }
    }
}

impl Client {
    /// FRIEND-1: asks `who` (an address, or a number for its default roster); the contact as it then is.
    pub async fn request_friend(&self, who: &str) -> Result<Contact, Error> {
        self.friend(who, FriendStatus::Request).await
    }

    /// FRIEND-2: accepts `who`'s request.
    pub async fn confirm(&self, who: &str) -> Result<(), Error> {
        self.call(friend(who, FriendStatus::Confirm)).await.map(drop)
    }

    /// FRIEND-3: ends the friendship, or withdraws the request.
    pub async fn revoke(&self, who: &str) -> Result<Contact, Error> {
        self.friend(who, FriendStatus::Revoke).await
    }

    /// FRIEND-4: nothing from `who` any more.
    pub async fn ban(&self, who: &str) -> Result<(), Error> {
        self.call(friend(who, FriendStatus::Ban)).await.map(drop)
    }

    /// FRIEND-5: ends a ban.
    pub async fn unban(&self, who: &str) -> Result<Contact, Error> {
        self.friend(who, FriendStatus::Unban).await
    }

    /// ROSTER-7: the nick of the default roster.
    pub async fn set_nick(&self, nick: &str) -> Result<Roster, Error> {
        self.roster(Roster { nick: bytes(nick), status: Some(RosterStatus::Nick), ..Roster::default() }).await
    }

    /// ROSTER-6: its name, and its surname where one is given.
    pub async fn set_names(&self, name: &str, surname: Option<&str>) -> Result<Roster, Error> {
        let (names, surnames) = (bytes(name), surname.and_then(bytes));
        self.roster(Roster { names, surnames, status: Some(RosterStatus::Patch), ..Roster::default() }).await
    }

    async fn roster(&self, roster: Roster) -> Result<Roster, Error> {
        let answers = self.call(roster).await?;
        match answers.last() {
            Some(Record::Roster(roster)) => Ok((**roster).clone()),
            _ => Err(unexpected(&answers)),
        }
    }

    async fn friend(&self, who: &str, status: FriendStatus) -> Result<Contact, Error> {
        let answers = self.call(friend(who, status)).await?;
        match answers.last() {
            Some(Record::Contact(contact)) => Ok((**contact).clone()),
            _ => Err(unexpected(&answers)),
        }
    }
}

fn friend(who: &str, status: FriendStatus) -> Friend {
    Friend { friend_id: Some(Bytes::copy_from_slice(who.as_bytes())), status: Some(status), ..Friend::default() }
}
