//! Rosters: names, phone books, and what one is to another.

use bytes::Bytes;
use etf::{Decode, Reader, Record};
use kvs::{Table, View};
use n2o::Failure;
use proto::ids::PhoneId;
use proto::records::{ContactStatus, Feature};

use super::{path, read};

/// phone_id → `Roster`, without lists and nick. Writer: roster (profile creates the default one).
pub const ROSTER: Table = Table("roster");
/// folded nick → phone_id, and phone_id → [`Nicked`] (ID-17). Writer: nicks.
pub const NICK: Table = Table("nick");
pub const NICK_OF: Table = Table("nick_of");
/// phone_id/address → [`Entry`] of the phone book (ROSTER-4). Writer: roster.
pub const BOOK: Table = Table("book");
/// phone_id/time, address → empty: what has gone from the phone book, and when, for PROFILE-1. Writer: roster.
pub const GONE: Table = Table("gone");
/// bare phone/phone_id of the holder → empty: who has a number, or a roster of it, in the phone book. Writer: roster of the holder.
pub const WANTED: Table = Table("wanted");
/// phone_id/peer → [`Relation`] (FRIEND-10). Writer: conversation of the two.
pub const RELATION: Table = Table("relation");
/// phone_id/number → [`Tally`]: by how much the contacts became more or fewer, added up under 0. Writer: whoever changes them (the numbers
/// are of the server's sequence); remover, and writer of the sum: roster.
pub const TALLY: Table = Table("tally");
/// phone/phone_id → [`Lookups`]: strangers that this roster has looked up (section 11). Writer: roster.
pub const LOOKUPS: Table = Table("lookups");

/// What nick a roster has; the row stays when the nick is given back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Record)]
pub struct Nicked {
    /// As it is shown.
    pub nick: Option<Bytes>,
    /// When it has changed last: a LastSync asks (PROFILE-1).
    pub update: u64,
}

/// A number in a phone book (ROSTER-4); who it is to us is in [`Relation`].
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Entry {
    pub names: Option<Bytes>,
    pub surnames: Option<Bytes>,
    pub created: u64,
    pub update: u64,
}

/// What one roster is to another (FRIEND-10). `status` absent = nothing any more; the row stays for PROFILE-1's delta and the feed.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Relation {
    pub status: Option<ContactStatus>,
    /// State before a ban (FRIEND-4); `internal`: of another state, what it falls back to (FRIEND-10).
    pub before: Option<ContactStatus>,
    pub settings: Vec<Feature>,
    pub created: u64,
    pub update: u64,
}

/// How much more there is in the phone book, in relations, and of requests that were not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Record)]
#[record(also(4 = "Tally::before_upto"))]
pub struct Tally {
    pub book: i64,
    pub related: i64,
    pub unanswered: i64,
    /// Of the sum: rows up to this number are in it, and there will be no more of them.
    pub upto: u64,
    /// And so many addresses at least are in the phone book and in a relation.
    pub both: i64,
}

impl Tally {
    pub fn with(self, more: Tally) -> Tally {
        Tally {
            book: self.book + more.book,
            related: self.related + more.related,
            unanswered: self.unanswered + more.unanswered,
            upto: self.upto,
            both: (self.both + more.book.min(0) + more.related.min(0)).max(0),
        }
    }

    /// As releases have written it whose sums did not say how far they go.
    fn before_upto(r: &mut Reader<'_>) -> Result<Self, etf::Error> {
        let (book, related, unanswered) = (Decode::decode(r)?, Decode::decode(r)?, Decode::decode(r)?);
        Ok(Self { book, related, unanswered, ..Self::default() })
    }
}

/// Strangers that a roster has looked up in the day that began at `since`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Record)]
pub struct Lookups {
    pub since: u64,
    pub count: u64,
}

pub fn pair_key(own: &PhoneId, other: &[u8]) -> Bytes {
    path(&[own.as_str().as_bytes(), other])
}

/// The nick of a roster, as it is shown.
pub fn nick(store: &dyn View, roster: &[u8]) -> Result<Option<Bytes>, Failure> {
    Ok(read::<Nicked>(store, NICK_OF, roster)?.and_then(|row| row.nick))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows;

    #[test]
    fn what_goes_may_have_been_in_both_tables() {
        let sum = Tally { book: 9, related: 9, both: 3, upto: 7, ..Tally::default() };
        let less = |book, related| sum.with(Tally { book, related, ..Tally::default() }).both;
        assert_eq!([less(2, 1), less(-1, 0), less(1, -2), less(-2, -2)], [3, 2, 1, 0]);
    }

    #[test]
    fn a_sum_of_an_earlier_release_says_nothing_of_how_far_it_goes() {
        #[derive(Record)]
        #[record("Tally")]
        struct Before {
            book: i64,
            related: i64,
            unanswered: i64,
        }
        let row = rows::encode(&Before { book: 1, related: 2, unanswered: 3 });
        let read = Tally { book: 1, related: 2, unanswered: 3, ..Tally::default() };
        assert_eq!(rows::decode::<Tally>(&row).unwrap(), read);
    }
}
