//! What an account has stored and what is on its way, as far as it must be known to judge a request.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use n2o::Failure;
use proto::ids::Phone;
use proto::records::Ftp;

use crate::effects::failed;
use crate::rows::{self, Held, TRANSFER, Transfer};
use crate::{Chat, Cx, Who};

/// All of it but [`Flow`] can be read from the store.
pub(crate) struct Shelf {
    pub(crate) phone: Phone,
    /// Bytes of its files, and of those that are on their way.
    pub(super) used: u64,
    pub(super) files: usize,
    /// Slow work that has not ended.
    pub(super) jobs: BTreeMap<u64, Doing>,
    /// Transfers for which bytes have come, by their keys.
    pub(super) flows: BTreeMap<Bytes, Flow>,
    eras: u64,
    /// It looks for what nobody needs when a timer fires.
    pub(crate) watched: bool,
}

/// Where a transfer is. Bytes are taken, then written, then on the disk; many are brought there at once.
pub(super) struct Flow {
    /// Taken: the next piece begins here.
    pub(super) have: u64,
    pub(super) written: u64,
    /// On the disk, as the row says.
    pub(super) synced: u64,
    pub(super) syncing: bool,
    /// The request of the web whose pieces are taken, while it is not a device by records: two who send at one time do not mix.
    pub(super) web: Option<u64>,
    /// Tells what was begun before a failure from what comes after it.
    pub(super) era: u64,
    /// Who is answered when so much is on the disk; with a number, it only asked, and hears it as `block`.
    pub(super) waiting: VecDeque<(u64, Asker, Option<u64>)>,
}

/// A request without its bytes, and whose it is.
#[derive(Clone)]
pub(super) struct Asker {
    pub(super) who: Who,
    pub(super) ftp: Ftp,
    /// It came with ten fields, and is answered so (C-6).
    pub(super) old: bool,
}

/// What slow work is for.
pub(super) enum Doing {
    /// So much of a transfer is written, and will be on the disk.
    Sync {
        key: Bytes,
        era: u64,
        upto: u64,
    },
    For(Box<Asker>, Ended),
}

/// What the end of slow work means to who asked.
pub(super) enum Ended {
    /// A piece is written.
    Write(Piece),
    /// The content of a transfer is known.
    Hash(Bytes),
    /// The file has its name.
    Keep(Bytes),
    /// Here are the bytes.
    Read { size: u64 },
}

/// A piece on its way to the disk.
pub(super) struct Piece {
    pub(super) key: Bytes,
    pub(super) era: u64,
    /// Where it ends.
    pub(super) upto: u64,
    /// Its sender has more, and needs not know when this one is on the disk.
    pub(super) more: bool,
}

impl Shelf {
    pub(crate) fn load(cx: &Cx<'_>, phone: &Phone) -> Result<Shelf, Failure> {
        let mut shelf = Shelf {
            phone: phone.clone(),
            used: 0,
            files: 0,
            jobs: BTreeMap::new(),
            flows: BTreeMap::new(),
            eras: 0,
            watched: false,
        };
        rows::each(cx.store, rows::STORED_OF, &rows::owned(phone, b""), |_, row| {
            shelf.used += rows::decode::<Held>(row)?.size;
            shelf.files += 1;
            Ok(())
        })?;
        rows::each(cx.store, TRANSFER, &rows::owned(phone, b""), |_, row| {
            let row: Transfer = rows::decode(row)?;
            shelf.used += if row.reference.is_none() { row.size } else { 0 };
            Ok(())
        })?;
        Ok(shelf)
    }

    /// Who waits, should the process fail.
    pub(crate) fn last_words(&self) -> Vec<n2o::Bounce<Chat>> {
        let working = self.jobs.values().filter_map(Doing::asker);
        let waiting = self.flows.values().flat_map(|flow| &flow.waiting).map(|(_, asker, _)| asker);
        working.chain(waiting).map(|asker| failed(&asker.who)).collect()
    }

    /// A transfer's flow; it begins where the row says.
    pub(super) fn flow(&mut self, key: &Bytes, row: &Transfer) -> &mut Flow {
        let Shelf { flows, eras, .. } = self;
        flows.entry(key.clone()).or_insert_with(|| {
            *eras += 1;
            let (have, waiting) = (row.have, VecDeque::new());
            Flow { have, written: have, synced: have, syncing: false, web: None, era: *eras, waiting }
        })
    }

    /// A transfer's flow, unless it has broken off since.
    pub(super) fn flow_of(&mut self, key: &Bytes, era: u64) -> Option<&mut Flow> {
        self.flows.get_mut(key).filter(|flow| flow.era == era)
    }

    /// Pieces that are being written, of one transfer or of all.
    pub(super) fn flying(&self, transfer: Option<&Bytes>) -> usize {
        let is_one = |doing: &&Doing| match doing {
            Doing::For(_, Ended::Write(piece)) => transfer.is_none_or(|key| piece.key == *key),
            Doing::For(_, Ended::Hash(_) | Ended::Keep(_) | Ended::Read { .. }) | Doing::Sync { .. } => false,
        };
        self.jobs.values().filter(is_one).count()
    }

    /// All its bytes are there, and it is about to get its name.
    pub(super) fn is_ending(&self, transfer: &Bytes) -> bool {
        self.jobs.values().any(|doing| match doing {
            Doing::For(_, Ended::Hash(key) | Ended::Keep(key)) => key == transfer,
            Doing::For(_, Ended::Write(_) | Ended::Read { .. }) | Doing::Sync { .. } => false,
        })
    }

    /// Work goes on for it. What is written and not on the disk may lie so for ever when its sender has left.
    pub(super) fn is_worked_at(&self, transfer: &Bytes) -> bool {
        let syncs = self.flows.get(transfer).is_some_and(|flow| flow.syncing);
        syncs || self.is_ending(transfer) || self.flying(Some(transfer)) > 0
    }

    /// Something of it is not yet where it shall be.
    pub(super) fn is_busy(&self, transfer: &Bytes) -> bool {
        let flows = self.flows.get(transfer).is_some_and(|flow| flow.have > flow.synced);
        flows || self.is_ending(transfer) || self.flying(Some(transfer)) > 0
    }
}

impl Doing {
    fn asker(&self) -> Option<&Asker> {
        match self {
            Doing::For(asker, _) => Some(asker.as_ref()),
            Doing::Sync { .. } => None,
        }
    }
}
