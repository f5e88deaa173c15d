//! FTP-1 to FTP-4: how a file comes in, piece by piece, and gets its name.

use bytes::Bytes;
use kvs::Span;
use n2o::Failure;
use proto::Refusal;
use proto::limits::DEVICES;
use proto::records::FtpStatus;

use super::shelf::{Doing, Ended, Flow, Piece};
use super::{CHUNK, Desk, INIT, SEND, Turn, unused, watch};
use crate::input::{WorkError, WorkResult};
use crate::output::FileWork;
use crate::rows::{self, Held, STORED, STORED_OF, Stored, TRANSFER, Transfer, UNUSED};
use crate::session::PIECES_MAX;

/// Running and finished transfers of an account that are remembered; a further one is refused with `limit`.
pub(super) const TRANSFERS_MAX: usize = 64;
/// Files of an account.
const FILES_MAX: usize = 10_000;
const ID_BYTES: usize = 128;
/// Pieces of a transfer that may be on their way to the disk; one more is not taken.
const FLYING_MAX: usize = 12;
/// The same of all transfers of an account: all its devices may send, as many pieces each as a connection has at work.
const ALL_FLYING_MAX: usize = DEVICES * PIECES_MAX;
/// Where nobody waits for it, so many bytes are brought to the disk at once.
const SYNC_BYTES: u64 = 8 << 20;

impl Turn<'_, '_, '_> {
    /// FTP-1, FTP-4: opens a transfer or goes on with it; with `block=0` it only says how far it is.
    pub(super) fn init(&mut self, only_asks: bool) -> Result<(), Failure> {
        let Some(key) = self.key() else { return self.refuse(0, Refusal::InvalidData) };
        let only_asks = only_asks || self.asker.ftp.block == Some(0);
        let block = if only_asks { 0 } else { CHUNK };
        let size = self.asker.ftp.size.unwrap_or(0);
        let row: Option<Transfer> = rows::read(self.desk.cx.store, TRANSFER, &key)?;
        // Of another size it is another file.
        let row = row.filter(|row| only_asks || row.size == size || self.desk.shelf.is_busy(&key));
        match row {
            Some(row) if row.reference.is_some() => {
                let done = self.done(&row, INIT);
                self.answer(vec![done]);
                Ok(())
            }
            Some(row) if self.desk.shelf.is_ending(&key) => self.tell(&row, row.have, block),
            // What is still flying is waited for: the answer is the truth then.
            Some(row) if self.desk.shelf.is_busy(&key) => {
                let asker = self.asker.clone();
                let row = if only_asks || row.size != size { row } else { self.enlist(&key, row) };
                let flow = self.desk.shelf.flow(&key, &row);
                flow.waiting.push_back((flow.have, asker, Some(block)));
                self.desk.sync(&key, &row)
            }
            // It was whole when the server ended. The web has no other way than to ask.
            Some(row) if row.have == row.size && (!only_asks || self.asker.who.beside.is_some()) => {
                self.finish(key, row)
            }
            Some(row) if only_asks => self.tell(&row, row.have, 0),
            Some(row) => {
                let have = if self.asker.ftp.offset.unwrap_or(0) > row.have { 0 } else { row.have };
                let row = Transfer { have, name: self.asker.ftp.filename.clone().unwrap_or_default(), ..row };
                self.desk.shelf.flows.remove(&key);
                let row = self.enlist(&key, row);
                self.tell(&row, have, CHUNK)
            }
            None if only_asks => self.tell(&Transfer { size, ..Transfer::default() }, 0, 0),
            None => self.begin(key, size),
        }
    }

    fn begin(&mut self, key: Bytes, size: u64) -> Result<(), Failure> {
        let settings = &self.desk.chat.settings;
        let earlier: Option<Transfer> = rows::read(self.desk.cx.store, TRANSFER, &key)?;
        let freed = earlier.as_ref().filter(|row| row.reference.is_none()).map_or(0, |row| row.size);
        let prefix = rows::owned(&self.desk.shelf.phone, b"");
        let running = self.desk.cx.store.scan(TRANSFER, &Span::prefix(prefix).limit(TRANSFERS_MAX))?.len();
        let refusal = match () {
            () if size == 0 => Some(Refusal::InvalidData),
            () if size > settings.file_max => Some(Refusal::TooLarge),
            () if earlier.is_none() && running >= TRANSFERS_MAX => Some(Refusal::Limit),
            () if self.desk.shelf.files >= FILES_MAX => Some(Refusal::Limit),
            () if (self.desk.shelf.used - freed).saturating_add(size) > settings.file_quota => Some(Refusal::Limit),
            () => None,
        };
        if let Some(refusal) = refusal {
            return self.refuse(0, refusal);
        }
        if let Some(earlier) = earlier {
            self.desk.shelf.flows.remove(&key);
            unused::forget(self.desk.shelf, self.desk.fx, &earlier);
        }
        let temp: String = self.desk.cx.random::<16>().iter().map(|byte| format!("{byte:02x}")).collect();
        let name = self.asker.ftp.filename.clone().unwrap_or_default();
        let (began, number) = (self.desk.cx.now.0, self.desk.cx.id()?);
        let row = Transfer { name, size, temp: temp.into(), began, number, ..Transfer::default() };
        self.desk.shelf.used += size;
        let row = self.enlist(&key, row);
        watch(self.desk.shelf, self.desk.cx, self.desk.fx);
        self.tell(&row, 0, CHUNK)
    }

    /// FTP-2: from now on the device that asks is the one whose pieces are taken. Whoever wrote there before writes no more. The web
    /// says when its turn begins.
    fn enlist(&mut self, key: &Bytes, row: Transfer) -> Transfer {
        let who = &self.asker.who;
        let writer = match who.beside {
            None => Some(Bytes::copy_from_slice(who.session.as_bytes())),
            // No device's, if it was one's: that one has to say `init` again.
            Some(_) => row.writer.as_ref().map(|_| Bytes::new()),
        };
        if let Some(flow) = self.desk.shelf.flows.get_mut(key) {
            flow.web = None;
        }
        let row = Transfer { writer, ..row };
        self.desk.fx.put(TRANSFER, key.clone(), rows::encode(&row));
        row
    }

    /// The web says by this that it goes on at a place. Whoever wrote there before writes no more.
    pub(super) fn begin_writing(&mut self) -> Result<(), Failure> {
        let Some(key) = self.key() else { return self.refuse(0, Refusal::InvalidData) };
        let Some(row) = rows::read::<Transfer>(self.desk.cx.store, TRANSFER, &key)? else {
            return self.refuse(0, Refusal::NotFound);
        };
        if row.reference.is_some() || self.desk.shelf.is_ending(&key) {
            return self.refuse(row.have, Refusal::AlreadyPresent);
        }
        let have = self.desk.shelf.flow(&key, &row).have;
        if self.asker.ftp.offset != Some(have) {
            return self.refuse(have, Refusal::AlreadyPresent);
        }
        let row = self.enlist(&key, row);
        self.desk.shelf.flow(&key, &row).web = Some(self.asker.who.connection);
        self.tell(&row, have, CHUNK)
    }

    /// FTP-2: the next bytes. Others than the next are not taken, so that a repeated chunk is harmless; nor are those of a device which is
    /// not the last that has said `init`. A sender need not wait for the answer before it sends the piece behind.
    pub(super) fn send(&mut self, data: Bytes, more: bool) -> Result<(), Failure> {
        let Some(key) = self.key() else { return self.refuse(0, Refusal::InvalidData) };
        let Some(row) = rows::read::<Transfer>(self.desk.cx.store, TRANSFER, &key)? else {
            return self.refuse(0, Refusal::NotFound);
        };
        if !more && row.writer.as_deref().is_some_and(|writer| writer != self.asker.who.session.as_bytes()) {
            return self.refuse(0, Refusal::NotFound);
        }
        if more && (row.reference.is_some() || self.desk.shelf.is_ending(&key)) {
            return self.refuse(row.have, Refusal::AlreadyPresent);
        }
        if row.reference.is_some() {
            let (done, stop) = (self.done(&row, SEND), self.stop(&row));
            self.answer(vec![done, stop]);
            return Ok(());
        }
        if self.desk.shelf.is_ending(&key) {
            return self.tell(&row, row.have, CHUNK);
        }
        let (flying, all) = (self.desk.shelf.flying(Some(&key)), self.desk.shelf.flying(None));
        let writer = self.asker.who.connection;
        let flow = self.desk.shelf.flow(&key, &row);
        let have = flow.have;
        // What only the web has sent so far a device goes on with when it is on the disk.
        let is_writer = if more { flow.web == Some(writer) } else { row.writer.is_some() || have == flow.synced };
        let is_next = is_writer && self.asker.ftp.offset == Some(have);
        if !is_next || flying >= FLYING_MAX || all >= ALL_FLYING_MAX {
            if !more {
                self.tell(&row, have, CHUNK)?;
                return self.desk.sync(&key, &row);
            }
            // What it has sent ahead would leave a gap, which another may have filled.
            flow.web = flow.web.filter(|other| *other != writer);
            return self.refuse(have, Refusal::AlreadyPresent);
        }
        let length = data.len() as u64;
        let fits = (1..=CHUNK).contains(&length) && have + length <= row.size;
        if !fits || self.asker.ftp.block != Some(length) {
            return self.refuse(have, Refusal::InvalidData);
        }
        let row = if !more && row.writer.is_none() { self.enlist(&key, row) } else { row };
        let flow = self.desk.shelf.flow(&key, &row);
        flow.have += length;
        let piece = Piece { key, era: flow.era, upto: flow.have, more };
        let asker = Box::new(self.asker.clone());
        self.desk.work(FileWork::Append { temp: row.temp, offset: have, data }, Doing::For(asker, Ended::Write(piece)))
    }

    /// A piece is in the file, not yet on the disk.
    pub(super) fn written(&mut self, piece: Piece, result: WorkResult) -> Result<(), Failure> {
        let Piece { key, era, upto, more } = piece;
        let Some(row) = rows::read::<Transfer>(self.desk.cx.store, TRANSFER, &key)? else {
            return self.refuse(0, Refusal::NotFound);
        };
        let asker = self.asker.clone();
        let Some(flow) = self.desk.shelf.flow_of(&key, era) else {
            // It has broken off meanwhile. Whoever has asked since then waits for the last such piece only.
            let have = self.desk.shelf.flow(&key, &row).have;
            self.tell(&row, have, CHUNK)?;
            return if self.desk.shelf.flying(Some(&key)) == 0 { self.desk.serve(&key, &row) } else { Ok(()) };
        };
        match result {
            WorkResult::Sent => {
                flow.written = upto;
                if more && upto < row.size {
                    let is_due = !flow.waiting.is_empty() || upto - flow.synced >= SYNC_BYTES;
                    self.tell(&row, upto, CHUNK)?;
                    return if is_due { self.desk.sync(&key, &row) } else { Ok(()) };
                }
                flow.waiting.push_back((upto, asker, None));
                self.desk.sync(&key, &row)
            }
            WorkResult::Failed(WorkError::Invalid) => self.lost(key),
            WorkResult::Failed(WorkError::Full) => {
                // What is there is kept for as long as a transfer lives: there may be room again.
                self.desk.break_off(&key)?;
                self.refuse(row.have, Refusal::Limit)
            }
            WorkResult::Failed(_)
            | WorkResult::Read(_)
            | WorkResult::Verified
            | WorkResult::Issued(_)
            | WorkResult::Listed(_)
            | WorkResult::AsBefore(_) => {
                self.desk.break_off(&key)?;
                self.refuse(row.have, Refusal::Internal)
            }
        }
    }

    /// FTP-2: this piece is on the disk; or so much was there when it was asked.
    fn acknowledge(&mut self, key: &Bytes, row: &Transfer, upto: u64, asks: Option<u64>) -> Result<(), Failure> {
        match (asks, row.size - upto.min(row.size)) {
            (Some(block), _) => self.tell(row, upto, block),
            (None, 0) => self.finish(key.clone(), row.clone()),
            (None, left) => self.tell(row, upto, left.min(CHUNK)),
        }
    }

    /// FTP-3: all bytes are there; what they are is found out, and then the file is given its name.
    fn finish(&mut self, key: Bytes, row: Transfer) -> Result<(), Failure> {
        self.desk.shelf.flows.remove(&key);
        let asker = Box::new(self.asker.clone());
        match row.digest {
            None => self.desk.work(FileWork::Hash { temp: row.temp }, Doing::For(asker, Ended::Hash(key))),
            Some(digest) => {
                let reference = self.reference(&digest);
                self.desk.work(FileWork::Keep { temp: row.temp, reference }, Doing::For(asker, Ended::Keep(key)))
            }
        }
    }

    pub(super) fn hashed(&mut self, key: Bytes, digest: Bytes) -> Result<(), Failure> {
        let row = Transfer { digest: Some(digest), ..self.row(&key)? };
        self.desk.fx.put(TRANSFER, key.clone(), rows::encode(&row));
        self.finish(key, row)
    }

    /// It is a file from now on; equal content is the same file. As long as no message refers to it it may go (FTP-7 knows none).
    pub(super) fn kept(&mut self, key: Bytes) -> Result<(), Failure> {
        let row = self.row(&key)?;
        let reference = self.reference(row.digest.as_deref().unwrap_or_default());
        let row = Transfer { reference: Some(reference.clone()), ..row };
        self.desk.fx.put(TRANSFER, key, rows::encode(&row));
        let own = rows::owned(&self.desk.shelf.phone, &reference);
        match self.desk.cx.store.get(STORED_OF, &own)? {
            Some(_) => self.desk.shelf.used -= row.size.min(self.desk.shelf.used),
            None => self.desk.shelf.files += 1,
        }
        let stored = Stored { owner: self.desk.shelf.phone.to_bytes(), size: row.size, going: 0 };
        self.desk.fx.put(STORED, reference, rows::encode(&stored));
        self.desk.fx.put(STORED_OF, own.clone(), rows::encode(&Held { size: row.size, number: row.number }));
        self.desk.fx.put(UNUSED, own, rows::encode(&self.desk.cx.now.0));
        watch(self.desk.shelf, self.desk.cx, self.desk.fx);
        match &self.asker.ftp.status {
            Some(FtpStatus::Text(status)) if status == INIT => {
                let done = self.done(&row, INIT);
                self.answer(vec![done]);
            }
            _ => {
                let (done, stop) = (self.done(&row, SEND), self.stop(&row));
                self.answer(vec![done, stop]);
            }
        }
        Ok(())
    }

    /// What was sent is not there any more: it begins anew.
    pub(super) fn lost(&mut self, key: Bytes) -> Result<(), Failure> {
        self.desk.break_off(&key)?;
        let row = Transfer { have: 0, digest: None, ..self.row(&key)? };
        self.desk.fx.put(TRANSFER, key, rows::encode(&row));
        self.tell(&row, 0, CHUNK)
    }

    /// The sender gives a transfer up. One that has its file is only forgotten.
    pub(super) fn give_up(&mut self) -> Result<(), Failure> {
        let Some(key) = self.key() else { return self.refuse(0, Refusal::InvalidData) };
        let Some(row) = rows::read::<Transfer>(self.desk.cx.store, TRANSFER, &key)? else {
            return self.refuse(0, Refusal::NotFound);
        };
        if self.desk.shelf.is_ending(&key) {
            return self.refuse(row.have, Refusal::AlreadyPresent);
        }
        self.desk.break_off(&key)?;
        self.desk.fx.delete(TRANSFER, key);
        unused::forget(self.desk.shelf, self.desk.fx, &row);
        self.tell(&row, 0, 0)
    }

    fn row(&self, key: &Bytes) -> Result<Transfer, Failure> {
        let row = rows::read(self.desk.cx.store, TRANSFER, key)?;
        row.ok_or_else(|| Failure::new("a transfer is gone while it is worked at"))
    }

    fn key(&self) -> Option<Bytes> {
        let id = self.asker.ftp.id.as_deref().filter(|id| (1..=ID_BYTES).contains(&id.len()))?;
        Some(rows::owned(&self.desk.shelf.phone, id))
    }

    fn reference(&self, digest: &[u8]) -> Bytes {
        format!("{}/{}", self.desk.chat.vault.file_owner(&self.desk.shelf.phone), hex(digest)).into()
    }
}

impl Desk<'_, '_> {
    /// So much of a transfer is on the disk: whoever waited for it is answered.
    pub(super) fn synced(&mut self, key: Bytes, era: u64, upto: u64, is_done: bool) -> Result<(), Failure> {
        let Some(flow) = self.shelf.flow_of(&key, era) else { return Ok(()) };
        let Some(row) = rows::read::<Transfer>(self.cx.store, TRANSFER, &key)? else { return Ok(()) };
        if !is_done {
            return self.break_off(&key);
        }
        flow.syncing = false;
        flow.synced = upto;
        let row = Transfer { have: upto, ..row };
        self.fx.put(TRANSFER, key.clone(), rows::encode(&row));
        self.serve(&key, &row)?;
        let is_due = |flow: &Flow| !flow.waiting.is_empty() || flow.written - flow.synced >= SYNC_BYTES;
        if self.shelf.flows.get(&key).is_some_and(is_due) { self.sync(&key, &row) } else { Ok(()) }
    }

    /// Answers whoever waits for no more than is on the disk.
    fn serve(&mut self, key: &Bytes, row: &Transfer) -> Result<(), Failure> {
        let Some(flow) = self.shelf.flows.get_mut(key) else { return Ok(()) };
        let mut ready = Vec::new();
        while flow.waiting.front().is_some_and(|(at, ..)| *at <= flow.synced) {
            ready.extend(flow.waiting.pop_front());
        }
        for (at, asker, asks) in ready {
            Turn { desk: self, asker }.acknowledge(key, row, at, asks)?;
        }
        Ok(())
    }

    /// Brings to the disk what is written, unless that is under way; then it is done again at its end.
    fn sync(&mut self, key: &Bytes, row: &Transfer) -> Result<(), Failure> {
        let flow = self.shelf.flows.get_mut(key).filter(|flow| !flow.syncing && flow.written > flow.synced);
        let Some(flow) = flow else { return Ok(()) };
        flow.syncing = true;
        let doing = Doing::Sync { key: key.clone(), era: flow.era, upto: flow.written };
        self.work(FileWork::Sync { temp: row.temp.clone() }, doing)
    }

    /// What was not on the disk is as if it had not been sent; whoever waits for it hears how much is there.
    pub(super) fn break_off(&mut self, key: &Bytes) -> Result<(), Failure> {
        let Some(flow) = self.shelf.flows.remove(key) else { return Ok(()) };
        let row: Transfer = rows::read(self.cx.store, TRANSFER, key)?.unwrap_or_default();
        for (_, asker, asks) in flow.waiting {
            let mut turn = Turn { desk: self, asker };
            match asks {
                Some(block) => turn.tell(&row, row.have, block)?,
                None => turn.refuse(row.have, Refusal::Internal)?,
            }
        }
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
