//! How many contacts each roster has, by its sum and by the rows themselves.

use std::collections::BTreeMap;

use bytes::Bytes;
use chat_core::rows::{BOOK, RELATION, Relation, TALLY, Tally, number};
use kvs::{Entry, Span, Store, Table};
use proto::records::ContactStatus;

/// Section 11: what the changes of each roster's contacts add up to is how many there are.
pub(crate) fn agree(store: &dyn Store) -> Result<(), String> {
    let mut there = BTreeMap::<Bytes, Tally>::new();
    let mut count = |key: &Bytes, one: Tally| {
        let sum = there.entry(key.split(|byte| *byte == b'/').next().map(Bytes::copy_from_slice).unwrap_or_default());
        sum.and_modify(|sum| *sum = sum.with(one)).or_insert(one);
    };
    for (key, _) in rows(store, BOOK)? {
        count(&key, Tally { book: 1, ..Tally::default() });
    }
    for (key, row) in rows(store, RELATION)? {
        let relation: Relation = etf::decode(&row).map_err(|why| why.to_string())?;
        count(
            &key,
            match relation.status {
                None => Tally::default(),
                Some(ContactStatus::Authorization) => Tally { unanswered: 1, ..Tally::default() },
                Some(_) => Tally { related: 1, ..Tally::default() },
            },
        );
    }
    let mut upto = (Bytes::new(), 0);
    for (key, row) in rows(store, TALLY)? {
        let said: Tally = etf::decode(&row).map_err(|why| why.to_string())?;
        // The sum comes before the rest of its roster's rows.
        let roster = key.slice(..key.len() - size_of::<u64>());
        match number(&key).unwrap_or_default() {
            0 => upto = (roster, said.upto),
            late if upto.0 == roster && late <= upto.1 => {
                return Err(format!("the sum of {roster:?} goes up to {}, and there is row {late}", upto.1));
            }
            _ => {}
        }
        let (book, related, unanswered) = (-said.book, -said.related, -said.unanswered);
        let less = Tally { book, related, unanswered, ..Tally::default() };
        count(&key, less);
    }
    match there.iter().find(|(_, left)| **left != Tally::default()) {
        Some((roster, left)) => {
            Err(format!("the contacts of {roster:?} are said to be other than they are by {left:?}"))
        }
        None => Ok(()),
    }
}

/// All of a table.
pub(crate) fn rows(store: &dyn Store, table: Table) -> Result<Vec<Entry>, String> {
    let all = Span::prefix(Bytes::new()).limit(usize::MAX);
    store.scan(table, &all).map_err(|why| why.to_string())
}
