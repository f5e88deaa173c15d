//! Where records name accounts: one function says it for all, whatever the names are turned into.
//!
//! A server may know an account by another name than the one its clients use, since numbers change (PROFILE-11).

mod chat;
mod people;

use bytes::Bytes;
use etf::Term;

use crate::records::{Code, Data, Failure, Io, Push, Success};
use crate::{Outcome, Record};

/// Turns names into others. What is no name of its kind is left as it is.
pub trait Naming {
    type Error;
    /// Whether the two of a private feed are put into the order of TOPIC-7 by their new names, as the server writes them.
    const SORTS: bool;

    /// An account key that refers to somebody.
    fn phone(&mut self, name: &mut Bytes) -> Result<(), Self::Error>;

    /// An account key as a number that somebody has or wants to have.
    fn number(&mut self, name: &mut Bytes) -> Result<(), Self::Error>;

    /// A phone_id.
    fn roster(&mut self, name: &mut Bytes) -> Result<(), Self::Error>;

    /// The client id of a device.
    fn client(&mut self, name: &mut Bytes) -> Result<(), Self::Error>;

    /// From here on names are those of the time when this message was sent, or present ones again; gives back what it was.
    fn as_of(&mut self, message: Option<u64>) -> Option<u64>;

    /// A phone_id, or an account key for its default roster (ID-4).
    fn address(&mut self, name: &mut Bytes) -> Result<(), Self::Error> {
        match name.contains(&b'_') {
            true => self.roster(name),
            false => self.phone(name),
        }
    }
}

/// What has names in it.
pub trait Named {
    fn rename<N: Naming>(&mut self, naming: &mut N) -> Result<(), N::Error>;
}

impl<T: Named> Named for Vec<T> {
    fn rename<N: Naming>(&mut self, naming: &mut N) -> Result<(), N::Error> {
        self.iter_mut().try_for_each(|item| item.rename(naming))
    }
}

impl<T: Named> Named for Option<T> {
    fn rename<N: Naming>(&mut self, naming: &mut N) -> Result<(), N::Error> {
        self.iter_mut().try_for_each(|item| item.rename(naming))
    }
}

impl<T: Named> Named for Box<T> {
    fn rename<N: Naming>(&mut self, naming: &mut N) -> Result<(), N::Error> {
        (**self).rename(naming)
    }
}

impl Named for Record {
    fn rename<N: Naming>(&mut self, naming: &mut N) -> Result<(), N::Error> {
        match self {
            Record::Io(record) => record.rename(naming),
            Record::Auth(record) => record.rename(naming),
            Record::Profile(record) => record.rename(naming),
            Record::Roster(record) => record.rename(naming),
            Record::Contact(record) => record.rename(naming),
            Record::Friend(record) => record.rename(naming),
            Record::Presence(record) => record.rename(naming),
            Record::Typing(record) => record.rename(naming),
            Record::P2p(record) => record.rename(naming),
            Record::Message(record) => record.rename(naming),
            Record::History(record) => record.rename(naming),
            Record::Room(record) => record.rename(naming),
            Record::Member(record) => record.rename(naming),
            Record::Search(record) => record.rename(naming),
            Record::Tag(record) => record.rename(naming),
            Record::Star(record) => record.rename(naming),
            Record::RoomStar(record) => record.rename(naming),
            Record::Push(record) => record.rename(naming),
            Record::PushService(record) => record.rename(naming),
            Record::Person(record) => record.rename(naming),
            Record::Success(_)
            | Record::Failure(_)
            | Record::Errors(_)
            | Record::Feature(_)
            | Record::Service(_)
            | Record::Muc(_)
            | Record::Act(_)
            | Record::Desc(_)
            | Record::Ack(_)
            | Record::Link(_)
            | Record::StickerPack(_)
            | Record::Ftp(_)
            | Record::Ftpack(_)
            | Record::Ftp10(_)
            | Record::Ftpack10(_)
            | Record::PublishService(_)
            | Record::Init(_)
            | Record::VnodeMax(_)
            | Record::Token(_)
            | Record::AuthToken(_)
            | Record::Client(_)
            | Record::Ok2(_)
            | Record::Error2(_)
            | Record::Group(_)
            | Record::Loc(_)
            | Record::KvsReader(_)
            | Record::KvsWriter(_)
            | Record::Index(_) => Ok(()),
        }
    }
}

impl Named for Io {
    fn rename<N: Naming>(&mut self, naming: &mut N) -> Result<(), N::Error> {
        if let Some(Code::Success(success)) = &mut self.code {
            success.rename(naming)?;
        }
        match &mut self.data {
            Some(Data::Roster(roster)) => roster.rename(naming),
            Some(Data::Success(success)) => success.rename(naming),
            Some(
                Data::Ids(_)
                | Data::Bytes(_)
                | Data::Token(_)
                | Data::Auth(_)
                | Data::Cert(_)
                | Data::Service(_)
                | Data::Failure(Failure { .. })
                | Data::Other(_),
            )
            | None => Ok(()),
        }
    }
}

impl Named for Success {
    /// What the detail is depends on what has succeeded.
    fn rename<N: Naming>(&mut self, naming: &mut N) -> Result<(), N::Error> {
        match self.outcome() {
            Some(Outcome::Login | Outcome::Deleted | Outcome::Verified) => each(&mut self.src, |id| naming.client(id)),
            Some(Outcome::Removed | Outcome::AlreadyPresent) => each(&mut self.src, |id| naming.address(id)),
            Some(_) | None => Ok(()),
        }
    }
}

impl Named for Push {
    /// PUSH-2: a record inside another.
    fn rename<N: Naming>(&mut self, naming: &mut N) -> Result<(), N::Error> {
        if let Ok(mut record) = self.model.to::<Record>() {
            record.rename(naming)?;
            self.model = Term::of(&record).unwrap_or_default();
        }
        Ok(())
    }
}

/// A field that may be absent; an empty one is.
fn field<E>(field: &mut Option<Bytes>, act: impl FnOnce(&mut Bytes) -> Result<(), E>) -> Result<(), E> {
    field.as_mut().filter(|name| !name.is_empty()).map_or(Ok(()), act)
}

/// A binary, or each of a list or tuple of them.
fn each<E>(term: &mut Term, mut act: impl FnMut(&mut Bytes) -> Result<(), E>) -> Result<(), E> {
    let mut one = |term: &Term| {
        Ok(match term.as_binary() {
            Some(bytes) => {
                let mut bytes = bytes.clone();
                act(&mut bytes)?;
                Term::binary(&bytes)
            }
            None => term.clone(),
        })
    };
    let named = match (term.as_tuple(), term.as_list()) {
        (Some(parts), _) => Term::tuple(parts.iter().map(one).collect::<Result<_, E>>()?),
        (None, Some(parts)) => Term::list(parts.iter().map(one).collect::<Result<_, E>>()?),
        (None, None) => one(term)?,
    };
    *term = named;
    Ok(())
}
