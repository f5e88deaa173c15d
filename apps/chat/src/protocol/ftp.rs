//! FTP (FILE, SPEC 6.17): files in pieces, named by their content when they are whole. The bytes lie outside the store; a step says what
//! is to be done with them, and goes on when it is on the disk.

mod refers;
mod unused;

use std::collections::BTreeMap;

use bytes::Bytes;
use etf::{Atoms, Encode, Term};
use n2o::Failure;
use proto::Refusal;
use proto::ids::Phone;
use proto::limits::{FTP_CHUNK_BYTES, FTP_FILE_BYTES, FTP_QUOTA_BYTES};
use proto::records::{Ftp, FtpEvent, FtpStatus, Ftpack, Ftpack10};

use crate::effects::{answer, failed};
use crate::input::{WorkError, WorkResult};
use crate::output::{FileWork, Job, Work};
use crate::rows::{self, STORED, Stored, TRANSFER, Transfer, UNUSED};
use crate::{Chat, Cx, Fx, Name, Output, Who};

pub(crate) use refers::{check, enter, leave};
pub(crate) use unused::{look, watch};

/// Running and finished transfers of an account that are remembered; a further one is refused with `limit`.
const TRANSFERS_MAX: usize = 64;
/// Files of an account.
const FILES_MAX: usize = 10_000;
/// Characters of a name, which is a label only (FTP-8).
const NAME_CHARS: usize = 255;
const ID_BYTES: usize = 128;

const INIT: &[u8] = b"init";
const SEND: &[u8] = b"send";
const RECV: &[u8] = b"recv";

/// What an account has stored, as far as it must be known to judge a request. All of it can be read from the store.
pub(crate) struct Shelf {
    pub(crate) phone: Phone,
    /// Bytes of its files, and of those that are on their way.
    pub(super) used: u64,
    pub(super) files: usize,
    /// Slow work, and who waits for it.
    jobs: BTreeMap<u64, Waiting>,
    /// It looks for what nobody needs when a timer fires.
    pub(super) watched: bool,
}

/// A request whose bytes are being dealt with.
struct Waiting {
    who: Who,
    asked: Asked,
    then: Then,
}

/// A request, without its bytes.
#[derive(Clone)]
struct Asked {
    ftp: Ftp,
    /// It came with ten fields, and is answered so (C-6).
    old: bool,
}

/// What the end of slow work means.
enum Then {
    /// So many bytes more are there.
    Appended { key: Bytes, length: u64 },
    /// The content is known.
    Hashed { key: Bytes },
    /// The file has its name.
    Kept { key: Bytes },
    /// Here are the bytes.
    Read { size: u64 },
}

impl Shelf {
    pub(crate) fn load(cx: &Cx<'_>, phone: &Phone) -> Result<Shelf, Failure> {
        let mut shelf = Shelf { phone: phone.clone(), used: 0, files: 0, jobs: BTreeMap::new(), watched: false };
        rows::each(cx.store, rows::STORED_OF, &rows::owned(phone, b""), |_, row| {
            shelf.used += rows::decode::<u64>(row)?;
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

    /// Who waits for slow work, should the process fail.
    pub(crate) fn last_words(&self) -> Vec<n2o::Bounce<Chat>> {
        self.jobs.values().map(|waiting| failed(&waiting.who)).collect()
    }

    fn is_busy(&self, transfer: &Bytes) -> bool {
        self.jobs.values().any(|waiting| match &waiting.then {
            Then::Appended { key, .. } | Then::Hashed { key } | Then::Kept { key } => key == transfer,
            Then::Read { .. } => false,
        })
    }
}

/// One request, and what it is judged by.
struct Turn<'a, 'c> {
    shelf: &'a mut Shelf,
    chat: &'a Chat,
    cx: &'a Cx<'c>,
    fx: &'a mut Fx,
    who: &'a Who,
    asked: Asked,
}

/// FTP-1 to FTP-9, by status.
pub(crate) fn call(
    shelf: &mut Shelf,
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    mut ftp: Ftp,
    old: bool,
) -> Result<(), Failure> {
    let data = ftp.data.take().unwrap_or_default();
    ftp.filename = ftp.filename.as_deref().map(label);
    let mut turn = Turn { shelf, chat, cx, fx, who, asked: Asked { ftp, old } };
    match turn.asked.ftp.status.clone() {
        Some(FtpStatus::Text(status)) if status == INIT => turn.init(false),
        // FTP-5
        Some(FtpStatus::Event(_)) => {
            turn.asked.ftp.status = Some(FtpStatus::Text(Bytes::from_static(INIT)));
            turn.init(true)
        }
        Some(FtpStatus::Text(status)) if status == SEND => turn.send(data),
        Some(FtpStatus::Text(status)) if status == RECV => turn.recv(),
        // FTP-9
        Some(FtpStatus::Text(_)) | None => {
            turn.answer(vec![Ftpack::default()]);
            Ok(())
        }
    }
}

impl Turn<'_, '_> {
    /// FTP-1, FTP-4: opens a transfer or goes on with it; with `block=0` it only says how far it is.
    fn init(&mut self, only_asks: bool) -> Result<(), Failure> {
        let Some(key) = self.key() else { return self.refuse(0, Refusal::InvalidData) };
        let only_asks = only_asks || self.asked.ftp.block == Some(0);
        let size = self.asked.ftp.size.unwrap_or(0);
        let row: Option<Transfer> = rows::read(self.cx.store, TRANSFER, &key)?;
        // Of another size it is another file.
        let row = row.filter(|row| only_asks || row.size == size || self.shelf.is_busy(&key));
        match row {
            Some(row) if row.reference.is_some() => {
                let done = self.done(&row, INIT);
                self.answer(vec![done]);
                Ok(())
            }
            Some(row) if only_asks => self.tell(&row, row.have, 0),
            Some(row) if self.shelf.is_busy(&key) => self.tell(&row, row.have, FTP_CHUNK_BYTES as u64),
            // It was whole when the server ended.
            Some(row) if row.have == row.size => self.finish(key, row),
            Some(row) => {
                let have = if self.asked.ftp.offset.unwrap_or(0) > row.have { 0 } else { row.have };
                let row = Transfer { have, name: self.asked.ftp.filename.clone().unwrap_or_default(), ..row };
                self.fx.put(TRANSFER, key, rows::encode(&row));
                self.tell(&row, have, FTP_CHUNK_BYTES as u64)
            }
            None if only_asks => self.tell(&Transfer { size, ..Transfer::default() }, 0, 0),
            None => self.begin(key, size),
        }
    }

    fn begin(&mut self, key: Bytes, size: u64) -> Result<(), Failure> {
        let earlier: Option<Transfer> = rows::read(self.cx.store, TRANSFER, &key)?;
        let freed = earlier.as_ref().filter(|row| row.reference.is_none()).map_or(0, |row| row.size);
        let prefix = rows::owned(&self.shelf.phone, b"");
        let running = self.cx.store.scan(TRANSFER, &kvs::Span::prefix(prefix).limit(TRANSFERS_MAX))?.len();
        let refusal = match () {
            () if size == 0 => Some(Refusal::InvalidData),
            () if size > FTP_FILE_BYTES => Some(Refusal::TooLarge),
            () if earlier.is_none() && running >= TRANSFERS_MAX => Some(Refusal::Limit),
            () if self.shelf.files >= FILES_MAX => Some(Refusal::Limit),
            () if (self.shelf.used - freed).saturating_add(size) > FTP_QUOTA_BYTES => Some(Refusal::Limit),
            () => None,
        };
        if let Some(refusal) = refusal {
            return self.refuse(0, refusal);
        }
        if let Some(earlier) = earlier {
            unused::forget(self.shelf, self.fx, &earlier);
        }
        let temp: String = self.cx.random::<16>().iter().map(|byte| format!("{byte:02x}")).collect();
        let name = self.asked.ftp.filename.clone().unwrap_or_default();
        let row = Transfer { name, size, temp: temp.into(), began: self.cx.now.0, ..Transfer::default() };
        self.shelf.used += size;
        self.fx.put(TRANSFER, key, rows::encode(&row));
        watch(self.shelf, self.cx, self.fx);
        self.tell(&row, 0, FTP_CHUNK_BYTES as u64)
    }

    /// FTP-2: the next bytes. Others than the next are not taken, so that a repeated chunk is harmless.
    fn send(&mut self, data: Bytes) -> Result<(), Failure> {
        let Some(key) = self.key() else { return self.refuse(0, Refusal::InvalidData) };
        let Some(row) = rows::read::<Transfer>(self.cx.store, TRANSFER, &key)? else {
            return self.refuse(0, Refusal::NotFound);
        };
        if row.reference.is_some() {
            let (done, stop) = (self.done(&row, SEND), self.stop(&row));
            self.answer(vec![done, stop]);
            return Ok(());
        }
        if self.asked.ftp.offset != Some(row.have) || self.shelf.is_busy(&key) {
            return self.tell(&row, row.have, FTP_CHUNK_BYTES as u64);
        }
        let length = data.len() as u64;
        let fits = (1..=FTP_CHUNK_BYTES as u64).contains(&length) && row.have + length <= row.size;
        if !fits || self.asked.ftp.block != Some(length) {
            return self.refuse(row.have, Refusal::InvalidData);
        }
        let work = FileWork::Append { temp: row.temp, offset: row.have, data };
        self.work(work, Then::Appended { key, length })
    }

    /// FTP-3: all bytes are there; what they are is found out, and then the file is given its name.
    fn finish(&mut self, key: Bytes, row: Transfer) -> Result<(), Failure> {
        match row.digest {
            None => self.work(FileWork::Hash { temp: row.temp }, Then::Hashed { key }),
            Some(digest) => {
                let reference = self.reference(&digest);
                self.work(FileWork::Keep { temp: row.temp, reference }, Then::Kept { key })
            }
        }
    }

    /// FTP-6: a piece of a file, for whoever may have it (FTP-7).
    fn recv(&mut self) -> Result<(), Failure> {
        let reference = self.asked.ftp.filename.clone().unwrap_or_default();
        let stored = refers::fetchable(self.cx, self.who, &reference)?;
        let Some(stored) = stored else { return self.refuse(0, Refusal::NotFound) };
        let offset = self.asked.ftp.offset.unwrap_or(0);
        let length = self.asked.ftp.block.unwrap_or(FTP_CHUNK_BYTES as u64).min(FTP_CHUNK_BYTES as u64);
        let length = length.min(stored.size.saturating_sub(offset));
        if length == 0 {
            let end = Ftpack { size: Some(stored.size), offset: Some(offset), block: Some(0), ..self.blank() };
            self.answer(vec![end]);
            return Ok(());
        }
        self.work(FileWork::Read { reference, offset, length }, Then::Read { size: stored.size })
    }

    fn key(&self) -> Option<Bytes> {
        let id = self.asked.ftp.id.as_deref().filter(|id| (1..=ID_BYTES).contains(&id.len()))?;
        Some(rows::owned(&self.shelf.phone, id))
    }

    fn reference(&self, digest: &[u8]) -> Bytes {
        format!("{}/{}", self.chat.vault.file_owner(&self.shelf.phone), hex(digest)).into()
    }

    fn work(&mut self, work: FileWork, then: Then) -> Result<(), Failure> {
        let number = self.cx.id()?;
        self.shelf.jobs.insert(number, Waiting { who: self.who.clone(), asked: self.asked.clone(), then });
        let from = Name::Files(self.shelf.phone.clone());
        self.fx.emit(Output::Work(Job { from, number, work: Work::File(work) }));
        Ok(())
    }

    /// How far a transfer is.
    fn tell(&mut self, row: &Transfer, have: u64, block: u64) -> Result<(), Failure> {
        let size = Some(row.size).filter(|size| *size > 0).or(self.asked.ftp.size);
        let ack = Ftpack { size, offset: Some(have), block: Some(block), ..self.blank() };
        self.answer(vec![ack]);
        Ok(())
    }

    /// FTP-8.
    fn refuse(&mut self, have: u64, refusal: Refusal) -> Result<(), Failure> {
        let error = Term::tuple(vec![Term::atom("error"), Term::atom(refusal.text())]);
        let options = Term::list(vec![error]);
        let ack = Ftpack { offset: Some(have), block: Some(0), options, ..self.blank() };
        self.answer(vec![ack]);
        Ok(())
    }

    /// FTP-3: the file is there, under this name.
    fn done(&self, row: &Transfer, status: &'static [u8]) -> Ftpack {
        Ftpack {
            filename: row.reference.clone(),
            size: Some(row.size),
            offset: Some(row.size),
            block: Some(0),
            status: Some(FtpStatus::Text(Bytes::from_static(status))),
            ..self.blank()
        }
    }

    fn stop(&self, row: &Transfer) -> Ftpack {
        let stop = FtpEvent { name: etf::Atom::from("stop") };
        Ftpack { status: Some(FtpStatus::Event(stop)), ..self.done(row, SEND) }
    }

    /// What every answer carries of its request.
    fn blank(&self) -> Ftpack {
        let Ftp { id, sid, filename, meta, size, offset, block, status, .. } = self.asked.ftp.clone();
        let data = Some(Bytes::new());
        Ftpack { id, sid, filename, meta, size, offset, block, data, status, options: Term::nil() }
    }

    fn answer(&mut self, acks: Vec<Ftpack>) {
        let encoded = |ack: Ftpack| match self.asked.old {
            true => bytes_of(&Ftpack10::from(ack)),
            false => bytes_of(&ack),
        };
        let records = acks.into_iter().map(encoded).collect();
        answer(self.fx, self.who, records);
    }
}

/// Slow work has ended.
pub(crate) fn worked(
    shelf: &mut Shelf,
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    job: u64,
    result: WorkResult,
) -> Result<(), Failure> {
    // What is removed nobody waits for.
    let Some(Waiting { who, asked, then }) = shelf.jobs.remove(&job) else { return Ok(()) };
    let mut turn = Turn { shelf, chat, cx, fx, who: &who, asked };
    match (then, result) {
        (Then::Appended { key, length }, WorkResult::Sent) => turn.appended(key, length),
        (Then::Hashed { key }, WorkResult::Read(digest)) => turn.hashed(key, digest),
        (Then::Kept { key }, WorkResult::Sent) => turn.kept(key),
        (Then::Read { size }, WorkResult::Read(data)) => {
            let block = Some(data.len() as u64);
            let ack = Ftpack { size: Some(size), block, data: Some(data), ..turn.blank() };
            turn.answer(vec![ack]);
            Ok(())
        }
        // The bytes that were sent are not there any more: it begins anew.
        (
            Then::Appended { key, .. } | Then::Hashed { key } | Then::Kept { key },
            WorkResult::Failed(WorkError::Invalid),
        ) => turn.lost(key),
        (Then::Read { .. }, WorkResult::Failed(WorkError::Invalid)) => turn.refuse(0, Refusal::NotFound),
        (Then::Appended { .. } | Then::Hashed { .. } | Then::Kept { .. } | Then::Read { .. }, _) => {
            turn.refuse(0, Refusal::Internal)
        }
    }
}

impl Turn<'_, '_> {
    fn row(&self, key: &Bytes) -> Result<Transfer, Failure> {
        let row = rows::read(self.cx.store, TRANSFER, key)?;
        row.ok_or_else(|| Failure::new("a transfer is gone while it is worked at"))
    }

    fn appended(&mut self, key: Bytes, length: u64) -> Result<(), Failure> {
        let row = self.row(&key)?;
        let row = Transfer { have: row.have + length, ..row };
        self.fx.put(TRANSFER, key.clone(), rows::encode(&row));
        match row.size - row.have.min(row.size) {
            0 => self.finish(key, row),
            left => self.tell(&row, row.have, left.min(FTP_CHUNK_BYTES as u64)),
        }
    }

    fn hashed(&mut self, key: Bytes, digest: Bytes) -> Result<(), Failure> {
        let row = Transfer { digest: Some(digest), ..self.row(&key)? };
        self.fx.put(TRANSFER, key.clone(), rows::encode(&row));
        self.finish(key, row)
    }

    /// It is a file from now on; equal content is the same file. As long as no message refers to it it may go (FTP-7 knows none).
    fn kept(&mut self, key: Bytes) -> Result<(), Failure> {
        let row = self.row(&key)?;
        let reference = self.reference(row.digest.as_deref().unwrap_or_default());
        let row = Transfer { reference: Some(reference.clone()), ..row };
        self.fx.put(TRANSFER, key, rows::encode(&row));
        match rows::read::<Stored>(self.cx.store, STORED, &reference)? {
            Some(_) => self.shelf.used -= row.size.min(self.shelf.used),
            None => self.shelf.files += 1,
        }
        let stored = Stored { owner: self.shelf.phone.to_bytes(), size: row.size, going: 0 };
        self.fx.put(STORED, reference.clone(), rows::encode(&stored));
        self.fx.put(rows::STORED_OF, rows::owned(&self.shelf.phone, &reference), rows::encode(&row.size));
        self.fx.put(UNUSED, rows::owned(&self.shelf.phone, &reference), rows::encode(&self.cx.now.0));
        watch(self.shelf, self.cx, self.fx);
        match &self.asked.ftp.status {
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

    fn lost(&mut self, key: Bytes) -> Result<(), Failure> {
        let row = Transfer { have: 0, digest: None, ..self.row(&key)? };
        self.fx.put(TRANSFER, key, rows::encode(&row));
        self.tell(&row, 0, FTP_CHUNK_BYTES as u64)
    }
}

/// FTP-8: a name is a label: no path, nothing that moves a cursor.
fn label(name: &[u8]) -> Bytes {
    if refers::is_reference(name) {
        return Bytes::copy_from_slice(name);
    }
    let text = String::from_utf8_lossy(name);
    let kept = text.chars().filter(|letter| !letter.is_control() && !matches!(letter, '/' | '\\'));
    kept.take(NAME_CHARS).collect::<String>().into()
}

fn bytes_of(record: &impl Encode) -> Bytes {
    etf::encode(record)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
