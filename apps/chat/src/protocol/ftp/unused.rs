//! FTP-4: what nobody needs goes: transfers that were not finished in a day, files that no message has referred to for so long.

use bytes::Bytes;
use kvs::Span;
use n2o::Failure;
use proto::ids::Phone;

use super::upload::TRANSFERS_MAX;
use super::{Desk, Shelf, refers};
use crate::output::{FileWork, Job, Work};
use crate::rows::{self, Held, STORED, STORED_OF, Stored, TRANSFER, Transfer, UNUSED};
use crate::{Cx, Fx, Input, Name, Output, Tick};

/// Unfinished transfers live so long, and files without a message.
pub(super) const DAY_MS: u64 = 24 * 3600 * 1000;
/// It looks so often while there is anything to look at.
const LOOK_MS: u64 = 3600 * 1000;
/// Files looked at in one step.
const FILES_MAX: usize = 256;

/// There is something that may have to go: as long as the timer is set, the process stays.
pub(crate) fn watch(shelf: &mut Shelf, cx: &Cx<'_>, fx: &mut Fx) {
    if !std::mem::replace(&mut shelf.watched, true) {
        fx.timer(cx.now + LOOK_MS, Input::Tick(Tick::FilesDue));
    }
}

/// Removes what has had its time. A file is marked first and removed at the next look: what is marked no message may refer to, and
/// whoever did so in the very moment is seen then.
pub(crate) fn look(shelf: &mut Shelf, cx: &Cx<'_>, fx: &mut Fx) -> Result<(), Failure> {
    shelf.watched = false;
    let own = rows::owned(&shelf.phone, b"");
    let mut left = 0;
    for (key, row) in cx.store.scan(TRANSFER, &Span::prefix(own.clone()).limit(2 * TRANSFERS_MAX))? {
        let row: Transfer = rows::decode(&row)?;
        if cx.now.0.saturating_sub(row.began) < DAY_MS || shelf.is_worked_at(&key) {
            left += 1;
            continue;
        }
        shelf.flows.remove(&key);
        fx.delete(TRANSFER, key);
        forget(shelf, fx, &row);
    }
    for (key, since) in cx.store.scan(UNUSED, &Span::prefix(own.clone()).limit(FILES_MAX))? {
        let reference = key.slice(own.len()..);
        if cx.now.0.saturating_sub(rows::decode::<u64>(&since)?) < DAY_MS || !judge(shelf, cx, fx, &key, reference)? {
            left += 1;
        }
    }
    if left > 0 {
        watch(shelf, cx, fx);
    }
    Ok(())
}

/// Whether a file's case is closed: it is needed, or it is gone.
fn judge(shelf: &mut Shelf, cx: &Cx<'_>, fx: &mut Fx, key: &Bytes, reference: Bytes) -> Result<bool, Failure> {
    let Some(stored) = rows::read::<Stored>(cx.store, STORED, &reference)? else {
        fx.delete(UNUSED, key.clone());
        return Ok(true);
    };
    if !shelf.jobs.is_empty() {
        // It may be about to be kept once more.
        return Ok(false);
    }
    if refers::any(cx, &reference)? {
        fx.put(STORED, reference, rows::encode(&Stored { going: 0, ..stored }));
        fx.delete(UNUSED, key.clone());
        return Ok(true);
    }
    if stored.going == 0 {
        fx.put(STORED, reference, rows::encode(&Stored { going: cx.now.0, ..stored }));
        return Ok(false);
    }
    fx.delete(UNUSED, key.clone());
    fx.delete(STORED, reference.clone());
    if cx.store.get(STORED_OF, key)?.is_some() {
        fx.delete(STORED_OF, key.clone());
        shelf.used -= stored.size.min(shelf.used);
        shelf.files = shelf.files.saturating_sub(1);
    }
    remove(shelf, fx, FileWork::Remove { reference });
    Ok(true)
}

/// Whether an account that is no more has anything here, which has smaller numbers than `upto`.
pub(crate) fn has_any(cx: &Cx<'_>, phone: &Phone, upto: u64) -> Result<bool, Failure> {
    Ok(!transfers(cx, phone, upto)?.is_empty() || !files(cx, phone, upto)?.is_empty())
}

impl Desk<'_, '_> {
    /// PROFILE-8: the account is no more, and some of what it has here is its no longer; what whoever has the key now has uploaded stays. A
    /// file to which messages of others refer stays for them; the others go at the next looks, without the day that an uploader has for the
    /// message.
    pub(crate) fn abandon(&mut self, upto: u64) -> Result<(), Failure> {
        for (key, row) in transfers(self.cx, &self.shelf.phone, upto)? {
            // One that is about to have its name is forgotten when it has.
            if !self.shelf.is_ending(&key) {
                self.break_off(&key)?;
                self.fx.delete(TRANSFER, key);
                forget(self.shelf, self.fx, &row);
            }
        }
        for (key, held) in files(self.cx, &self.shelf.phone, upto)? {
            self.shelf.used -= held.size.min(self.shelf.used);
            self.shelf.files = self.shelf.files.saturating_sub(1);
            self.fx.put(UNUSED, key.clone(), rows::encode(&0_u64));
            self.fx.delete(STORED_OF, key);
        }
        watch(self.shelf, self.cx, self.fx);
        Ok(())
    }
}

fn transfers(cx: &Cx<'_>, phone: &Phone, upto: u64) -> Result<Vec<(Bytes, Transfer)>, Failure> {
    let rows = cx.store.scan(TRANSFER, &Span::prefix(rows::owned(phone, b"")).limit(2 * TRANSFERS_MAX))?;
    let mut found = Vec::new();
    for (key, row) in rows {
        let row: Transfer = rows::decode(&row)?;
        if row.number < upto {
            found.push((key, row));
        }
    }
    Ok(found)
}

/// Some of them: those on the first page that has any.
fn files(cx: &Cx<'_>, phone: &Phone, upto: u64) -> Result<Vec<(Bytes, Held)>, Failure> {
    let (own, mut last) = (rows::owned(phone, b""), Bytes::new());
    loop {
        let page = cx.store.scan(STORED_OF, &rows::beyond(&own, &last).limit(FILES_MAX))?;
        let Some((end, _)) = page.last() else { return Ok(Vec::new()) };
        last = end.slice(own.len()..);
        let mut found = Vec::new();
        for (key, row) in page {
            let held: Held = rows::decode(&row)?;
            if held.number < upto {
                found.push((key, held));
            }
        }
        if !found.is_empty() {
            return Ok(found);
        }
    }
}

/// A transfer is no more; what was sent of it goes.
pub(super) fn forget(shelf: &mut Shelf, fx: &mut Fx, row: &Transfer) {
    if row.reference.is_none() {
        shelf.used -= row.size.min(shelf.used);
        remove(shelf, fx, FileWork::Drop { temp: row.temp.clone() });
    }
}

/// Nobody waits for it; should it be lost, bytes lie about that no row names.
fn remove(shelf: &Shelf, fx: &mut Fx, work: FileWork) {
    let job = Job { from: Name::Files(shelf.phone.clone()), number: 0, work: Work::File(work) };
    fx.emit(Output::Work(Box::new(job)));
}
