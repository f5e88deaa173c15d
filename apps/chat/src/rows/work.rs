//! Work that touches several owners (PM-6).

use bytes::Bytes;
use etf::{Choice, Reader, Record};
use kvs::Table;
use proto::records::{Contact, Roster};

/// phone NUL seq → [`Work`] that touches several owners (PM-6). Writer: whoever begins it (keys cannot meet); remover: profile.
pub const WORK: Table = Table("work");

/// Work that touches several owners (PM-6): what is to be done, and how far it is where the store does not show that.
#[derive(Debug, Clone, PartialEq, Choice)]
pub enum Work {
    Forget(Forget),
    Leave(Leave),
    Found(Found),
    Confirm(Confirm),
    Persona(Persona),
    Face(Face),
    Move(Move),
    Renicked(Renicked),
}

/// ROSTER-5: a roster removes contacts.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Forget {
    pub roster: Bytes,
    pub list: Vec<Bytes>,
}

/// ROSTER-8, PROFILE-8: a roster is no more.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Leave {
    pub roster: Bytes,
    /// 1 when it goes with its account.
    pub account: u64,
    /// Client ids whose queues go with it, and e-mail addresses.
    pub clients: Vec<Bytes>,
    pub emails: Vec<Bytes>,
    /// Holders of the number up to this one have been told.
    pub told: Bytes,
}

/// ROSTER-2: a roster that has its nick comes into being.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Found {
    pub roster: u64,
    pub row: Roster,
}

/// PROFILE-6: an address is the account's.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Confirm {
    pub address: Bytes,
}

/// PERSON-2: what an old client says of the default roster, and whom it blocks.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Persona {
    pub roster: Bytes,
    pub face: Roster,
    pub block: Vec<Bytes>,
}

/// PRESENCE-3, 4: a change on its way round the friends of a roster, who are too many for one step.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Face {
    pub roster: Bytes,
    pub face: Contact,
    /// Friends up to this one have been told, and of them this account last.
    pub at: Bytes,
    pub told: Bytes,
    /// Those up to here have had something older, before this took its place: they come again, behind the others.
    pub again: Bytes,
    /// Those beyond have had this already, unless it is empty.
    pub until: Bytes,
    /// Number of the event, by which a device knows its second copy (G-8).
    pub event: u64,
}

/// ROSTER-7: what strangers see of the account (SEARCH-1) is to have the nick that its roster has now.
#[derive(Debug, Clone, PartialEq, Default, Record)]
#[record(also(2 = "Renicked::with_roster"))]
pub struct Renicked {}

impl Renicked {
    /// As releases have written it that named the roster.
    fn with_roster(r: &mut Reader<'_>) -> Result<Renicked, etf::Error> {
        r.skip().map(|()| Renicked {})
    }
}

/// PROFILE-11: the account is called by another number.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Move {
    pub number: Bytes,
    /// The key of whoever would have registered that number.
    pub seat: Bytes,
    /// Once it is called so: the number it had, and the key of whoever registers that one.
    pub left: Option<(Bytes, Bytes)>,
    /// Numbers of the two events that others learn, by which a device knows their second copies (G-8).
    pub events: (u64, u64),
    /// Contacts of this roster up to this address have been told; beyond the last roster, holders of the numbers.
    pub at: u64,
    pub told: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows;

    #[test]
    fn work_of_an_earlier_release_goes_on() {
        #[derive(Record)]
        #[record("Renicked")]
        struct Before {
            roster: Bytes,
        }
        let row = rows::encode(&Before { roster: "38001_1".into() });
        let work = Work::Renicked(Renicked {});
        assert_eq!(rows::decode::<Work>(&row).unwrap(), work);
        assert_eq!(rows::decode::<Work>(&rows::encode(&work)).unwrap(), work);
    }
}
