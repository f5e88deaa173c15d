//! KVS cursors `reader` and `writer`: inside a server only, but legal in old records.
use etf::{Atom, Choice, Record, Term};

/// Of a received `Member.reader` only `pos` counts.
#[derive(Debug, Clone, PartialEq, Record)]
#[record("reader")]
pub struct KvsReader {
    pub id: Option<u64>,
    pub pos: Option<Position>,
    pub cache: Term,
    pub args: Term,
    pub feed: Term,
    pub seek: Term,
    pub count: Option<u64>,
    /// 0 or 1.
    pub dir: Option<u64>,
}

impl Default for KvsReader {
    fn default() -> Self {
        Self {
            id: None,
            pos: Some(Position::Id(0)),
            cache: Term::nil(),
            args: Term::nil(),
            feed: Term::nil(),
            seek: Term::nil(),
            count: Some(0),
            dir: Some(0),
        }
    }
}

/// Message id, or an atom such as `last`.
#[derive(Debug, Clone, PartialEq, Choice)]
pub enum Position {
    Id(u64),
    Name(Atom),
}

#[derive(Debug, Clone, PartialEq, Record)]
#[record("writer")]
pub struct KvsWriter {
    pub id: Term,
    pub count: Option<u64>,
    pub cache: Term,
    pub args: Term,
    pub first: Term,
}

impl Default for KvsWriter {
    fn default() -> Self {
        Self { id: Term::nil(), count: Some(0), cache: Term::nil(), args: Term::nil(), first: Term::nil() }
    }
}
