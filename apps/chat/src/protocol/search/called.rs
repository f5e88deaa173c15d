//! What a roster's contacts are called (SEARCH-5), which its process remembers from the first search on, as long as it lives. To read ten
//! thousand rows anew for each letter that somebody types would take that person's time, and everybody's. Of a long roster it remembers them
//! from its login on (PROFILE-1), when their rows are at hand: whoever looks through so many contacts searches.
//! So it knows as well of whom it has no row at all (SEARCH-1).
//!
//! Who remembers is in two groups, and told there whenever a contact may be called otherwise. It is in them before it begins to read, so
//! that nothing is missed; what its own process writes in the phone book it looks at again. Whoever has not searched for long forgets too at the next such news,
//! and leaves: news of everybody would keep the process from being idle.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use bytes::Bytes;
use n2o::{Failure, IDLE_MS, Time};
use proto::ids::PhoneId;
use proto::text;

use super::wanted::Wanted;
use crate::protocol::contact::{self, Known};
use crate::rows::{self, BOOK};
use crate::{Cx, Fx, Group, Input, Name};

/// Contacts read in one step, each some three reads: it is to take no more time than a part of a long answer (`reading.rs`).
const SLICE: usize = 128;
/// Names compared in one step.
const COMPARED: usize = 4096;
/// Former contacts remembered. Where there are as many, it is not known any more who has no row.
const GONE: usize = 10_000;

/// Folded names by addresses: some 100 bytes a contact, so about a megabyte for ten thousand.
#[derive(Default)]
pub(crate) struct Called {
    names: BTreeMap<Box<[u8]>, Box<str>>,
    /// Addresses that have a row though they are no contacts any more, and such as are contacts again; at most [`GONE`].
    gone: BTreeSet<Box<[u8]>>,
    read: Read,
    /// Addresses that the own process has written since; at most as many as are read in one step.
    stale: BTreeSet<Bytes>,
    /// When it was searched last, or somebody was expected to.
    searched: Time,
}

/// How far contacts have been read.
#[derive(Default)]
enum Read {
    #[default]
    Nothing,
    Upto(Bytes),
    All,
}

/// A roster has other names from now on.
pub(crate) fn renamed(fx: &mut Fx, roster: &PhoneId) {
    fx.publish(Group::Searching, Input::Renamed { address: roster.to_bytes() });
}

impl Called {
    /// Own contacts beyond `after` that are meant, up to `most`, and where to go on: those who have been read. Whoever finds enough among them
    /// reads no further.
    pub(super) fn find(
        &mut self,
        cx: &Cx<'_>,
        fx: &mut Fx,
        own: &PhoneId,
        wanted: &Wanted,
        after: Bytes,
        most: usize,
    ) -> Result<(Vec<Known>, Option<Bytes>), Failure> {
        self.learn(cx, fx, own)?;
        for address in std::mem::take(&mut self.stale) {
            self.changed(cx, fx, own, &address)?;
        }
        let (mut found, mut last) = (Vec::new(), None);
        let beyond = (Bound::Excluded(&after[..]), Bound::Unbounded);
        for (at, (address, name)) in self.names.range::<[u8], _>(beyond).enumerate() {
            if at == COMPARED || found.len() == most {
                return Ok((found, last.map(Bytes::copy_from_slice)));
            }
            if wanted.fits_folded(name) {
                found.extend(contact::known(cx, own, &Bytes::copy_from_slice(address))?);
            }
            last = Some(&address[..]);
        }
        Ok(match &self.read {
            Read::All => (found, None),
            Read::Upto(upto) => (found, Some(upto.clone().max(after))),
            Read::Nothing => (found, Some(after)),
        })
    }

    /// All contacts have just been read, and somebody is likely to search soon: what they are called is read too, a part in a step.
    pub(crate) fn expect(&mut self, cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId) -> Result<(), Failure> {
        self.learn(cx, fx, own)?;
        match self.read {
            Read::Nothing | Read::Upto(_) => fx.tell(Name::Roster(own.clone()), Input::Expect),
            Read::All => {}
        }
        Ok(())
    }

    /// Reads a further part. The first step only joins: what is read in the next ones is heard of when it changes.
    fn learn(&mut self, cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId) -> Result<(), Failure> {
        self.searched = cx.now;
        self.read = match std::mem::take(&mut self.read) {
            Read::Nothing => {
                fx.join(Group::Searching);
                fx.join(Group::Roster(own.clone()));
                self.names.clear();
                self.gone.clear();
                self.stale.clear();
                Read::Upto(Bytes::new())
            }
            Read::Upto(upto) => self.read_on(cx, own, &upto)?,
            Read::All => Read::All,
        };
        Ok(())
    }

    fn read_on(&mut self, cx: &Cx<'_>, own: &PhoneId, upto: &[u8]) -> Result<Read, Failure> {
        let page = contact::page(cx, own, upto, SLICE)?;
        for known in &page.known {
            self.remember(cx, known)?;
        }
        // A copy: it would keep a part of the store in memory.
        Ok(page.upto.map_or(Read::All, |upto| Read::Upto(Bytes::copy_from_slice(&upto))))
    }

    /// Somebody has other names: most often nobody whom this roster knows. Who becomes a contact is told as [`Self::changed`].
    pub(crate) fn renamed(&mut self, cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, address: &Bytes) -> Result<(), Failure> {
        if self.names.contains_key(&address[..]) || self.is_over(cx) {
            self.changed(cx, fx, own, address)
        } else {
            Ok(())
        }
    }

    /// A contact has other names, or somebody is a contact now, or none any more.
    pub(crate) fn changed(&mut self, cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, address: &Bytes) -> Result<(), Failure> {
        if self.is_over(cx) {
            self.forget();
            fx.leave(Group::Searching);
            fx.leave(Group::Roster(own.clone()));
            return Ok(());
        }
        let is_read = match &self.read {
            Read::Nothing => false,
            Read::Upto(upto) => address <= upto,
            Read::All => true,
        };
        if !is_read {
            return Ok(());
        }
        self.names.remove(&address[..]);
        contact::known(cx, own, address)?.map_or(Ok(()), |known| self.remember(cx, &known))
    }

    fn remember(&mut self, cx: &Cx<'_>, known: &Known) -> Result<(), Failure> {
        let address = known.address[..].into();
        if known.is_told(None) {
            self.names.insert(address, text::folded(&contact::full_name(cx, known)?).into());
        } else if self.gone.len() < GONE {
            self.gone.insert(address);
        }
        Ok(())
    }

    /// Whether all addresses with a row are remembered.
    pub(super) fn knows_all(&self) -> bool {
        matches!(self.read, Read::All) && self.gone.len() < GONE
    }

    /// Whether there may be a row for an address, where all are remembered.
    pub(super) fn may_have(&self, address: &[u8]) -> bool {
        self.names.contains_key(address) || self.gone.contains(address) || self.stale.contains(address)
    }

    /// Nothing is remembered, or nobody has searched for long.
    fn is_over(&self, cx: &Cx<'_>) -> bool {
        matches!(self.read, Read::Nothing) || cx.now.since(self.searched) >= IDLE_MS
    }

    /// At the end of a step of the own process: what it has written is looked at before anybody searches again. So much that it would take
    /// more than a step is read anew.
    pub(crate) fn wrote(&mut self, fx: &Fx, own: &PhoneId) {
        let prefix = rows::pair_key(own, b"");
        let book = fx.written().filter(|op| op.table == BOOK && op.key.starts_with(&prefix));
        self.stale.extend(book.map(|op| op.key.slice(prefix.len()..)));
        if self.stale.len() > SLICE {
            self.forget();
        }
    }

    fn forget(&mut self) {
        *self = Called::default();
    }
}
