//! Which of many numbers the asker may have to do with (SEARCH-1). Most of a phone book are strangers: to look for a row of each, in two
//! tables, takes longer than to look once at the keys that are there.

use std::collections::BTreeSet;

use bytes::Bytes;
use kvs::Span;
use n2o::Failure;
use proto::ids::{Phone, PhoneId};

use super::called::Called;
use crate::Cx;
use crate::rows::{self, BOOK, RELATION};

/// Keys read of a table for the numbers of one step. Where more lie between these, the rest are looked for one by one.
const KEYS: usize = 128;
/// With fewer numbers to look up their rows are looked for one by one.
const MANY: usize = 8;

/// What is known of the asker's own rows. It may say of too many that there is one, never of too few.
pub(super) enum Near<'a> {
    Unknown,
    /// All addresses with a row, as the roster's process remembers them.
    Called(&'a Called),
    /// Those up to one.
    These {
        addresses: BTreeSet<Bytes>,
        upto: Bytes,
        is_cut: bool,
    },
}

impl<'a> Near<'a> {
    /// For numbers in order. Where so many rows lie between numbers before them that a look was cut, it is not worth while.
    pub(super) fn of(
        cx: &Cx<'_>,
        own: &PhoneId,
        called: &'a Called,
        phones: &[Phone],
        is_crowded: bool,
    ) -> Result<Near<'a>, Failure> {
        let [first, .., last] = phones else { return Ok(Near::Unknown) };
        if called.knows_all() {
            return Ok(Near::Called(called));
        }
        if is_crowded || phones.len() < MANY {
            return Ok(Near::Unknown);
        }
        let prefix = rows::pair_key(own, b"").len();
        // Whatever follows a number in an address is less.
        let mut upto = rows::pair_key(own, &[last.as_str().as_bytes(), b"_\xff"].concat());
        let (mut keys, mut is_cut) = (Vec::new(), false);
        for table in [RELATION, BOOK] {
            let span = Span::range(rows::pair_key(own, first.as_str().as_bytes()), upto.clone()).limit(KEYS);
            let more = cx.store.keys(table, &span)?;
            if more.len() == KEYS {
                is_cut = true;
                upto = more.last().cloned().unwrap_or(upto);
            }
            keys.extend(more);
        }
        let addresses = keys.into_iter().map(|key| key.slice(prefix..)).collect();
        Ok(Near::These { addresses, upto: upto.slice(prefix..), is_cut })
    }

    /// Whether it left out rows that lie between the numbers.
    pub(super) fn is_cut(&self) -> bool {
        matches!(self, Near::These { is_cut: true, .. })
    }

    /// Whether there may be a row for an address; none before the first of the numbers.
    pub(super) fn may_be(&self, address: &[u8]) -> bool {
        match self {
            Near::Unknown => true,
            Near::Called(called) => called.may_have(address),
            Near::These { addresses, upto, .. } => address > &upto[..] || addresses.contains(address),
        }
    }
}
