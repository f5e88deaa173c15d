//! `Search`: find rosters and rooms (SEARCH-1 to SEARCH-4).
use bytes::Bytes;
use etf::{AtomEnum, Record, Term};

#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Search {
    /// Own roster.
    pub id: Option<u64>,
    /// The client's own reference, given back in the answer.
    pub r#ref: Option<Bytes>,
    /// Name of the field to search.
    pub field: Option<Bytes>,
    pub r#type: Option<SearchType>,
    /// A binary or a list of binaries.
    pub value: Term,
    pub status: Option<SearchStatus>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, AtomEnum)]
pub enum SearchType {
    #[atom("==")]
    Equal,
    #[atom("!=")]
    NotEqual,
    Like,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, AtomEnum)]
pub enum SearchStatus {
    Profile,
    Roster,
    Contact,
    Member,
    Room,
}
