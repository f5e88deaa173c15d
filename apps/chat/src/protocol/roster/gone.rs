//! What has gone from a phone book, for as long as PROFILE-1 tells of it. What is left of a relation says so itself.

use std::collections::BTreeMap;

use bytes::Bytes;
use kvs::Span;
use n2o::Failure;
use proto::ids::PhoneId;
use proto::records::Contact;

use super::DELTA_MS;
use crate::protocol::contact;
use crate::rows::{self, BOOK, GONE};
use crate::{Cx, Fx};

/// Removals too old to be told, forgotten with one ROSTER-4. Each removal is of an entry that a ROSTER-4 has made, of which one makes
/// no more than this: so they do not pile up.
const FORGOTTEN: usize = 512;

/// Some of what has gone.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) contacts: Vec<Contact>,
    /// Where to go on, unless these were the last.
    pub(crate) upto: Option<Bytes>,
}

/// An address leaves the phone book.
pub(super) fn erase(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, address: &[u8]) {
    fx.delete(BOOK, rows::pair_key(own, address));
    fx.put(GONE, rows::pair_key(own, &[&cx.now.0.to_be_bytes(), address].concat()), Bytes::new());
}

/// What nobody is told of any more.
pub(super) fn forget(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId) -> Result<(), Failure> {
    let until = cx.now.0.saturating_sub(DELTA_MS);
    let span = Span::range(rows::pair_key(own, b""), rows::pair_key(own, &until.to_be_bytes())).limit(FORGOTTEN);
    cx.store.scan(GONE, &span)?.into_iter().for_each(|(key, _)| fx.delete(GONE, key));
    Ok(())
}

/// What has gone since a time, and has not become a contact again, nor is told of as the end of a relation.
pub(crate) fn page(cx: &Cx<'_>, own: &PhoneId, since: u64, beyond: &[u8], most: usize) -> Result<Page, Failure> {
    let prefix = rows::pair_key(own, b"");
    // Behind all that went in that very millisecond: no address has such a byte.
    let first = [&since.to_be_bytes()[..], b"\xff"].concat();
    let after = if beyond.is_empty() { &first } else { beyond };
    let rows = cx.store.scan(GONE, &rows::beyond(&prefix, after).limit(most.max(1)))?;
    let mut gone = BTreeMap::new();
    for (key, _) in &rows {
        let rest = key.slice(prefix.len()..);
        if let Some((time, _)) = rest.split_first_chunk() {
            gone.insert(rest.slice(time.len()..), u64::from_be_bytes(*time));
        }
    }
    let upto = rows.last().filter(|_| rows.len() == most.max(1)).map(|(key, _)| key.slice(prefix.len()..));
    let mut contacts = Vec::new();
    for (address, time) in gone {
        let known = contact::known(cx, own, &address)?;
        if known.is_none_or(|known| !known.is_told(None) && !known.is_told(Some(since))) {
            contacts.push(contact::gone_since(address, time));
        }
    }
    Ok(Page { contacts, upto })
}
