//! What clients say, in the names that the server keeps.

use std::sync::Arc;

use bytes::Bytes;
use kvs::View;
use n2o::Failure;
use proto::Record;
use proto::ids::{ClientId, ClientKind, FeedId, Phone, PhoneId};
use proto::naming::{Named, Naming};
use proto::topic::{Owner, Topic};

use super::{Known, LITERAL, NOBODY, account_of, holder, last_left, meant, meant_roster};
use crate::Cx;
use crate::door::Certificate;

/// A request, by the names that the server keeps.
pub(crate) fn understood(known: &Known, cx: &Cx<'_>, mut record: Record) -> Result<Record, Failure> {
    if known.differ(cx.store)? {
        record.rename(&mut Inward { store: cx.store, now: cx.now.0 })?;
    }
    Ok(record)
}

/// The same of a topic.
pub(crate) fn understood_topic(known: &Known, cx: &Cx<'_>, topic: Topic) -> Result<Topic, Failure> {
    if !known.differ(cx.store)? {
        return Ok(topic);
    }
    let account = |phone: Phone| meant(cx.store, cx.now.0, &phone).map(|meant| meant.unwrap_or(phone));
    let roster = |id: PhoneId| meant_roster(cx.store, cx.now.0, &id).map(|meant| meant.unwrap_or(id));
    renamed(topic, account, roster)
}

/// A topic by other names.
pub(super) fn renamed(
    topic: Topic,
    account: impl Fn(Phone) -> Result<Phone, Failure>,
    roster: impl Fn(PhoneId) -> Result<PhoneId, Failure>,
) -> Result<Topic, Failure> {
    let feed = |feed: FeedId| {
        Ok::<_, Failure>(match feed {
            FeedId::P2p(one, other) => FeedId::p2p(roster(one)?, roster(other)?),
            FeedId::Room(room) => FeedId::Room(room),
        })
    };
    Ok(match topic {
        Topic::Devices(phone) => Topic::Devices(account(phone)?),
        Topic::Ses(Owner::Account(phone)) => Topic::Ses(Owner::Account(account(phone)?)),
        Topic::Ses(Owner::Roster(id)) => Topic::Ses(Owner::Roster(roster(id)?)),
        Topic::Contacts(id) => Topic::Contacts(roster(id)?),
        Topic::Ac(id) => Topic::Ac(roster(id)?),
        Topic::Muc(id) => Topic::Muc(roster(id)?),
        Topic::Private(pair) => Topic::Private(feed(pair)?),
        Topic::P2p(pair) => Topic::P2p(feed(pair)?),
        Topic::Events(_) | Topic::Actions(..) | Topic::Room(_) | Topic::Version(_) | Topic::Free | Topic::Unknown => {
            topic
        }
    })
}

/// A certificate names the account that has its number now; one for a device, the account of that device (ID-9). One that was issued before
/// somebody left the number, or the account that had it ended, is that one's, and names nobody.
pub(crate) fn certificate(known: &Known, cx: &Cx<'_>, shown: Arc<Certificate>) -> Result<Arc<Certificate>, Failure> {
    let differ = known.differ(cx.store)?;
    let mut named = Certificate { names: Vec::new(), ..(*shown).clone() };
    for name in &shown.names {
        let Ok(number) = Phone::parse(name.as_bytes()) else {
            named.names.push(name.clone());
            continue;
        };
        if last_left(cx.store, &number)?.is_some_and(|left| shown.issued < left) {
            // Nor anybody by the names behind it.
            break;
        }
        let account = if differ { holder(cx.store, &number)? } else { Some(number) };
        named
            .names
            .push(account.map_or_else(|| String::from_utf8_lossy(NOBODY).into_owned(), |account| account.to_string()));
    }
    if differ
        && let Some((phone, device)) = &mut named.device
        && let (Ok(number), Ok(device)) = (phone.parse(), device.parse())
        && let Some(account) = account_of(cx.store, cx.now.0, &number, &device)?
    {
        *phone = account.to_string();
    }
    Ok(Arc::new(named))
}

/// To the keys by which accounts are kept.
struct Inward<'a> {
    store: &'a dyn View,
    now: u64,
}

impl Naming for Inward<'_> {
    type Error = Failure;
    const SORTS: bool = false;

    fn phone(&mut self, name: &mut Bytes) -> Result<(), Failure> {
        if let Some(number) = said(name, Phone::parse) {
            *name = kept(meant(self.store, self.now, &number)?.as_ref());
        }
        Ok(())
    }

    fn number(&mut self, name: &mut Bytes) -> Result<(), Failure> {
        if let Some(number) = said(name, Phone::parse) {
            *name = kept(holder(self.store, &number)?.as_ref());
        }
        Ok(())
    }

    fn roster(&mut self, name: &mut Bytes) -> Result<(), Failure> {
        if let Some(id) = said(name, PhoneId::parse) {
            *name = kept(meant_roster(self.store, self.now, &id)?.as_ref());
        }
        Ok(())
    }

    fn client(&mut self, name: &mut Bytes) -> Result<(), Failure> {
        if let Ok(ClientKind::Device(phone, device)) = ClientId::parse(name).map(|client| client.kind())
            && let Some(account) = account_of(self.store, self.now, &phone, &device)?
        {
            *name = ClientId::device(&account, &device).to_bytes();
        }
        Ok(())
    }

    fn as_of(&mut self, _message: Option<u64>) -> Option<u64> {
        None
    }
}

/// A client's name; what it may not say is nobody's.
fn said<T, E>(name: &mut Bytes, parse: impl Fn(&[u8]) -> Result<T, E>) -> Option<T> {
    if name.first() == Some(&LITERAL) {
        *name = Bytes::from_static(NOBODY);
    }
    parse(name).ok()
}

fn kept<T: Into<Bytes>>(name: Option<T>) -> Bytes {
    name.map_or(Bytes::from_static(NOBODY), Into::into)
}
