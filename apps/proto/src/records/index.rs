//! `Index`: an entry of a unique index, `{nick,N}` or `{link,L}`; internal (INDEX-1).
use etf::{Record, Term};

#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Index {
    pub id: Term,
    /// Roster ids.
    pub roster: Vec<Term>,
}
