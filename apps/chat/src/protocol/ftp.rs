//! FTP (FILE, SPEC 6.17): files in pieces, named by their content when they are whole. The bytes lie outside the store; a step says what
//! is to be done with them, and goes on when it is on the disk.

mod shelf;
mod upload;
mod refers;
mod unused;

use bytes::Bytes;
use etf::{Atoms, Encode, Term};
use n2o::Failure;
use proto::Refusal;
use proto::limits::FTP_CHUNK_BYTES;
use proto::records::{Ftp, FtpEvent, FtpStatus, Ftpack, Ftpack10};

use crate::effects::answer;
use crate::input::{Step, WorkError, WorkResult};
use crate::output::{FileWork, Job, Output, Work};
use crate::rows::Transfer;
use crate::{Chat, Cx, Fx, Name, Upload, Who};

pub(crate) use refers::{check, enter, leave};
pub(crate) use shelf::Shelf;
use shelf::{Asker, Doing, Ended};
pub(crate) use unused::{has_any, look, watch};

/// Characters of a name, which is a label only (FTP-8).
const NAME_CHARS: usize = 255;

const CHUNK: u64 = FTP_CHUNK_BYTES as u64;

const INIT: &[u8] = b"init";
pub(crate) const SEND: &[u8] = b"send";
const RECV: &[u8] = b"recv";

/// An account's files at work: what a step may change, and what it is judged by.
pub(crate) struct Desk<'a, 'c> {
    pub(crate) shelf: &'a mut Shelf,
    pub(crate) chat: &'a Chat,
    pub(crate) cx: &'a Cx<'c>,
    pub(crate) fx: &'a mut Fx,
}

/// One request there.
struct Turn<'t, 'a, 'c> {
    desk: &'t mut Desk<'a, 'c>,
    asker: Asker,
}

impl<'a, 'c> Desk<'a, 'c> {
    /// FTP-1 to FTP-9, by status; `old` when it came with ten fields.
    pub(crate) fn call(&mut self, who: Who, ftp: Ftp, old: bool) -> Result<(), Failure> {
        let (mut turn, data) = self.turn(who, ftp, old);
        match turn.asker.ftp.status.clone() {
            Some(FtpStatus::Text(status)) if status == INIT => turn.init(false),
            // FTP-5
            Some(FtpStatus::Event(_)) => {
                turn.asker.ftp.status = Some(FtpStatus::Text(Bytes::from_static(INIT)));
                turn.init(true)
            }
            Some(FtpStatus::Text(status)) if status == SEND => turn.send(data, false),
            Some(FtpStatus::Text(status)) if status == RECV => turn.recv(),
            // FTP-9
            Some(FtpStatus::Text(_)) | None => {
                turn.answer(vec![Ftpack::default()]);
                Ok(())
            }
        }
    }

    /// The same from the web, where a request says more than a record can.
    pub(crate) fn step(&mut self, upload: Upload) -> Result<(), Failure> {
        let Upload { who, ftp, step } = upload;
        let (mut turn, data) = self.turn(who, ftp, false);
        match step {
            Step::Begin => turn.begin_writing(),
            Step::More => turn.send(data, true),
            Step::Drop => turn.give_up(),
        }
    }

    /// The request without its bytes, and these.
    fn turn(&mut self, who: Who, mut ftp: Ftp, old: bool) -> (Turn<'_, 'a, 'c>, Bytes) {
        let data = ftp.data.take().unwrap_or_default();
        ftp.filename = ftp.filename.as_deref().map(label);
        (Turn { desk: self, asker: Asker { who, ftp, old } }, data)
    }

    /// Slow work has ended.
    pub(crate) fn worked(&mut self, job: u64, result: WorkResult) -> Result<(), Failure> {
        // What is removed nobody waits for.
        let (asker, ended) = match self.shelf.jobs.remove(&job) {
            Some(Doing::Sync { key, era, upto }) => {
                let is_done = matches!(result, WorkResult::Sent);
                return self.synced(key, era, upto, is_done);
            }
            Some(Doing::For(asker, ended)) => (asker, ended),
            None => return Ok(()),
        };
        let mut turn = Turn { desk: self, asker: *asker };
        match (ended, result) {
            (Ended::Write(piece), result) => turn.written(piece, result),
            (Ended::Hash(key), WorkResult::Read(digest)) => turn.hashed(key, digest),
            (Ended::Keep(key), WorkResult::Sent) => turn.kept(key),
            (Ended::Read { size }, WorkResult::Read(data)) => {
                let block = Some(data.len() as u64);
                let ack = Ftpack { size: Some(size), block, data: Some(data), ..turn.blank() };
                turn.answer(vec![ack]);
                Ok(())
            }
            // The bytes that were sent are not there any more: it begins anew.
            (Ended::Hash(key) | Ended::Keep(key), WorkResult::Failed(WorkError::Invalid)) => turn.lost(key),
            (Ended::Read { .. }, WorkResult::Failed(WorkError::Invalid)) => turn.refuse(0, Refusal::NotFound),
            (Ended::Hash(_) | Ended::Keep(_) | Ended::Read { .. }, _) => turn.refuse(0, Refusal::Internal),
        }
    }

    /// Has something done on the disk.
    fn work(&mut self, work: FileWork, doing: Doing) -> Result<(), Failure> {
        let number = self.cx.id()?;
        self.shelf.jobs.insert(number, doing);
        let from = Name::Files(self.shelf.phone.clone());
        self.fx.emit(Output::Work(Box::new(Job { from, number, work: Work::File(work) })));
        Ok(())
    }
}

impl Turn<'_, '_, '_> {
    /// FTP-6: a piece of a file, for whoever may have it (FTP-7).
    fn recv(&mut self) -> Result<(), Failure> {
        let reference = self.asker.ftp.filename.clone().unwrap_or_default();
        let stored = refers::fetchable(self.desk.cx, &self.asker.who, &reference)?;
        let Some(stored) = stored else { return self.refuse(0, Refusal::NotFound) };
        let offset = self.asker.ftp.offset.unwrap_or(0);
        let length = self.asker.ftp.block.unwrap_or(CHUNK).min(CHUNK);
        let length = length.min(stored.size.saturating_sub(offset));
        if length == 0 {
            let end = Ftpack { size: Some(stored.size), offset: Some(offset), block: Some(0), ..self.blank() };
            self.answer(vec![end]);
            return Ok(());
        }
        let doing = Doing::For(Box::new(self.asker.clone()), Ended::Read { size: stored.size });
        self.desk.work(FileWork::Read { reference, offset, length }, doing)
    }

    /// How far a transfer is.
    fn tell(&mut self, row: &Transfer, have: u64, block: u64) -> Result<(), Failure> {
        let size = Some(row.size).filter(|size| *size > 0).or(self.asker.ftp.size);
        let options = self.expires(row);
        let filename = match self.asker.who.beside {
            Some(_) => Some(row.name.clone()),
            None => self.asker.ftp.filename.clone(),
        };
        let ack = Ftpack { filename, size, offset: Some(have), block: Some(block), options, ..self.blank() };
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
            options: self.expires(row),
            ..self.blank()
        }
    }

    fn stop(&self, row: &Transfer) -> Ftpack {
        let stop = FtpEvent { name: etf::Atom::from("stop") };
        Ftpack { status: Some(FtpStatus::Event(stop)), ..self.done(row, SEND) }
    }

    /// Until when a transfer lives, and that it has its file: the web says it.
    fn expires(&self, row: &Transfer) -> Term {
        let Some(began) = self.asker.who.beside.as_ref().map(|_| row.began).filter(|began| *began > 0) else {
            return Term::nil();
        };
        let at = i64::try_from(began.saturating_add(unused::DAY_MS)).unwrap_or(i64::MAX);
        let done = row.reference.as_ref().map(|_| Term::tuple(vec![Term::atom("state"), Term::atom("done")]));
        let expires = Term::tuple(vec![Term::atom("expires"), Term::int(at)]);
        Term::list([expires].into_iter().chain(done).collect())
    }

    /// What every answer carries of its request.
    fn blank(&self) -> Ftpack {
        let Ftp { id, sid, filename, meta, size, offset, block, status, .. } = self.asker.ftp.clone();
        let data = Some(Bytes::new());
        Ftpack { id, sid, filename, meta, size, offset, block, data, status, options: Term::nil() }
    }

    fn answer(&mut self, acks: Vec<Ftpack>) {
        let encoded = |ack: Ftpack| match self.asker.old {
            true => bytes_of(&Ftpack10::from(ack)),
            false => bytes_of(&ack),
        };
        let records = acks.into_iter().map(encoded).collect();
        answer(self.desk.fx, &self.asker.who, records);
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
