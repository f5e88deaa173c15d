//! Which search it is, and where it looks (the table of SPEC 6.14).

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use proto::Refusal;
use proto::ids::{Nick, Phone, PhoneId, RoomId};
use proto::limits::{ROOM_NAME, SEARCH_PHONES};
use proto::records::{Search as Request, SearchStatus, SearchType};

use super::members;
use super::wanted::{self, Wanted};
use crate::Cx;
use crate::protocol::{Halt, link};
use crate::rows::{self, EMAIL};

/// The shortest prefix of a nick, characters (SEARCH-4).
const PREFIX_MIN: usize = 3;

/// What is still to look at.
#[derive(Debug, Clone, Default)]
pub(super) enum Place {
    #[default]
    Nowhere,
    /// SEARCH-1: these numbers.
    Phones(VecDeque<Phone>),
    /// SEARCH-2.
    Nick(Nick),
    /// SEARCH-4: nicks with the prefix, by their keys, from one on.
    Nicks { prefix: String, from: Bytes, looked: usize },
    /// SEARCH-8: who has the address, if anybody.
    Email(Option<Phone>),
    /// SEARCH-5: own contacts, by their addresses, beyond one.
    Contacts { wanted: Wanted, after: Bytes },
    /// SEARCH-3.
    Link(RoomId),
    /// SEARCH-6: own rooms, then public ones.
    OwnRooms { wanted: Wanted, rooms: VecDeque<RoomId> },
    /// The same: rooms of the index, by their keys, from one on.
    Rooms { wanted: Wanted, from: Bytes, looked: usize },
    /// SEARCH-7: members of a room, by their numbers, from one on.
    Members { room: RoomId, wanted: Wanted, from: u64 },
}

/// SEARCH-9: any other combination is none.
pub(super) fn place(cx: &Cx<'_>, own: &PhoneId, asked: &Request) -> Result<Place, Halt> {
    use SearchStatus::{Contact, Member, Profile, Room, Roster};
    use SearchType::{Equal, Like, NotEqual};
    let field = asked.field.as_deref().ok_or(Refusal::InvalidData)?;
    let (kind, status) = (asked.r#type.ok_or(Refusal::InvalidData)?, asked.status.ok_or(Refusal::InvalidData)?);
    match (field, kind, status) {
        (b"phone", Equal, Contact) => phones(asked),
        // What is no nick is nobody's.
        (b"nick", Equal, Contact) => Ok(Nick::parse(&wanted::text(&asked.value)?).map_or(Place::Nowhere, Place::Nick)),
        (b"nick", Like, Contact) => nicks(asked),
        (b"email", Equal, Profile) => {
            let address = wanted::text(&asked.value)?.trim_ascii().to_ascii_lowercase();
            let holder = cx.store.get(EMAIL, &address)?;
            Ok(Place::Email(holder.and_then(|holder| Phone::parse(&holder).ok())))
        }
        (b"names", kind @ (Equal | Like | NotEqual), Roster) => {
            Ok(Place::Contacts { wanted: Wanted::new(&wanted::text(&asked.value)?, kind), after: Bytes::new() })
        }
        (b"link", Equal, Room) => {
            Ok(link::room_of(cx, &wanted::text(&asked.value)?)?.map_or(Place::Nowhere, Place::Link))
        }
        (b"name", kind @ (Equal | Like), Room) => rooms(cx, own, asked, kind),
        (b"names", kind @ (Equal | Like), Member) => room_members(cx, own, asked, kind),
        _ => Err(Refusal::InvalidData.into()),
    }
}

/// SEARCH-1: numbers, each once; what is no number is nobody's. In the order of their rows: what lies together is found sooner.
fn phones(asked: &Request) -> Result<Place, Halt> {
    let texts = wanted::texts(&asked.value)?;
    if texts.len() > SEARCH_PHONES {
        return Err(Refusal::InvalidData.into());
    }
    let phones: BTreeSet<_> = texts.iter().filter_map(|text| Phone::parse(text).ok()).collect();
    Ok(Place::Phones(phones.into_iter().collect()))
}

/// SEARCH-4: a beginning of a nick is a nick itself; what is none begins no nick.
fn nicks(asked: &Request) -> Result<Place, Halt> {
    let text = wanted::text(&asked.value)?;
    if std::str::from_utf8(&text).map_or(0, |text| text.trim().chars().count()) < PREFIX_MIN {
        return Err(Refusal::InvalidData.into());
    }
    Ok(match Nick::parse(&text) {
        Ok(nick) => {
            let prefix = nick.folded();
            Place::Nicks { from: prefix.clone().into(), prefix, looked: 0 }
        }
        Err(_) => Place::Nowhere,
    })
}

/// SEARCH-6. What is longer than a name is none.
fn rooms(cx: &Cx<'_>, own: &PhoneId, asked: &Request, kind: SearchType) -> Result<Place, Halt> {
    let text = wanted::text(&asked.value)?;
    if proto::text::name(&text, ROOM_NAME).is_err() {
        return Ok(Place::Nowhere);
    }
    let own = rows::rooms(cx.store, own)?;
    let present = own.into_iter().filter(|(_, membership)| membership.is_present());
    Ok(Place::OwnRooms { wanted: Wanted::new(&text, kind), rooms: present.map(|(room, _)| room).collect() })
}

/// SEARCH-7: `[RoomId, text]`.
fn room_members(cx: &Cx<'_>, own: &PhoneId, asked: &Request, kind: SearchType) -> Result<Place, Halt> {
    let texts = wanted::texts(&asked.value)?;
    let [room, text] = &texts[..] else { return Err(Refusal::InvalidData.into()) };
    let room = RoomId::parse(room).map_err(|_| Refusal::RoomNotFound)?;
    members::check(cx, own, &room)?;
    Ok(Place::Members { room, wanted: Wanted::new(text, kind), from: 0 })
}
