//! Cards: all that a search needs of an account that the asker has nothing to do with, in one row. Somebody who looks up a phone book of 500
//! numbers would wait for four rows each else, of which hardly any was read lately.
//!
//! A card says again what other rows say. The account's profile writes it, or one of its rosters, which live on the same thread, in the same
//! batch as whatever changes it. A nick changes elsewhere: that batch deletes the card, and begins the work by which the profile makes it
//! anew, be there a crash between; until then, and where an account has none, it is put together from the rows.

use bytes::Bytes;
use etf::Encode;
use kvs::Table;
use n2o::Failure;
use proto::ids::{Phone, PhoneId};
use proto::records::{Contact, Profile, Roster};

use crate::protocol::{contact, presence, work};
use crate::rows::{self, Audience, CARD, Card, KEYS, Keys, NICK_OF, Nicked, PROFILE, ROSTER, Renicked, Work};
use crate::{Cx, Fx};

/// Tables of the account's own processes that a card is made of.
const SHOWN: [Table; 3] = [PROFILE, KEYS, ROSTER];

impl Card {
    /// Of an account with at least one roster; the row and the nick are those of the default one.
    pub fn new(profile: &Profile, default: &PhoneId, roster: Roster, nicked: Nicked, keys: Keys) -> Card {
        let searchable = presence::searchable(&profile.settings);
        let contact = match searchable {
            Audience::Everyone => etf::encode(&contact::to_strangers(default, profile, roster, nicked, keys)),
            Audience::Friends | Audience::Nobody => Bytes::new(),
        };
        Card { searchable, rosters: rows::roster_ids_of(profile).collect(), contact }
    }

    /// The default roster of the account `phone`, whose card it is.
    pub(super) fn default_roster(&self, phone: &Phone) -> Option<PhoneId> {
        self.rosters.first().map(|roster| phone.roster(*roster))
    }
}

/// Somebody who was found, on the way into an answer.
#[derive(Debug, Clone)]
pub(super) enum Found {
    /// The contact of a card: encoded.
    Card(Bytes),
    Contact(Box<Contact>),
}

impl Encode for Found {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            // As an element it has no version byte.
            Found::Card(contact) => out.extend_from_slice(contact.get(1..).unwrap_or_default()),
            Found::Contact(contact) => contact.encode(out),
        }
    }
}

/// The card of an account; none where there is no such account, or it has no roster.
pub(super) fn of(cx: &Cx<'_>, phone: &Phone) -> Result<Option<Card>, Failure> {
    match rows::read(cx.store, CARD, phone.as_str().as_bytes())? {
        Some(card) => Ok(Some(card)),
        None => made(phone, |table, key| cx.store.get(table, key)),
    }
}

/// At the end of a step of the account's profile, or of one of its rosters: the card says what the step has written.
pub(crate) fn card_follows(cx: &Cx<'_>, fx: &mut Fx, phone: &Phone) -> Result<(), Failure> {
    let is_shown = fx.written().any(|op| SHOWN.contains(&op.table));
    if is_shown { keep_card(cx, fx, phone) } else { Ok(()) }
}

/// The card says what the rows say. For the account's own processes.
pub(crate) fn keep_card(cx: &Cx<'_>, fx: &mut Fx, phone: &Phone) -> Result<(), Failure> {
    let latest = |table, key: &[u8]| {
        let written = fx.written().rev().find(|op| op.table == table && op.key == key);
        written.map_or_else(|| cx.store.glance(table, key), |op| Ok(op.value.clone()))
    };
    let before = latest(CARD, phone.as_str().as_bytes())?;
    let after = made(phone, latest)?.as_ref().map(rows::encode);
    match after {
        after if after == before => {}
        Some(row) => fx.put(CARD, phone.to_bytes(), row),
        None => fx.delete(CARD, phone.to_bytes()),
    }
    Ok(())
}

/// The roster has another nick, or none. For the index of nicks. A step of the profile that does not know it yet may write the card once
/// more.
pub(crate) fn renicked(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId) -> Result<(), Failure> {
    fx.delete(CARD, own.phone().to_bytes());
    work::begin(cx, fx, own.phone(), &Work::Renicked(Renicked {}), None)
}

fn made(
    phone: &Phone,
    read: impl Fn(Table, &[u8]) -> Result<Option<Bytes>, kvs::Error>,
) -> Result<Option<Card>, Failure> {
    let Some(profile) = read(PROFILE, phone.as_str().as_bytes())? else { return Ok(None) };
    let profile: Profile = rows::decode(&profile)?;
    let Some(default) = rows::roster_ids_of(&profile).next().map(|roster| phone.roster(roster)) else {
        return Ok(None);
    };
    let roster = read(ROSTER, default.as_str().as_bytes())?.map(|row| rows::decode(&row)).transpose()?;
    let nicked = read(NICK_OF, default.as_str().as_bytes())?.map(|row| rows::decode(&row)).transpose()?;
    let keys = read(KEYS, phone.as_str().as_bytes())?.map(|row| rows::decode(&row)).transpose()?;
    let (roster, nicked, keys) = (roster.unwrap_or_default(), nicked.unwrap_or_default(), keys.unwrap_or_default());
    Ok(Some(Card::new(&profile, &default, roster, nicked, keys)))
}
