//! What one session has in the book, and guards of its rows: a row goes when nobody has its guard any more.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use etf::Encode;
use kvs::Table;

use super::book::Book;
use super::rows::{self, Clock, LETTER, Letter, WAITING, Waiting};
use crate::message::{Delivered, Message};

pub(crate) struct Shelf {
    /// The session's; by it the broker also knows whose a message is.
    pub(super) number: u64,
    /// Whose session it is: what its certificate says, nothing where it has none.
    pub(super) owner: Arc<str>,
    pub(super) book: Arc<Book>,
    /// The session outlives its connection, and so the server.
    lasts: AtomicBool,
    /// Its connection may say nothing more before what is noted is on the disk.
    hurries: AtomicBool,
}

impl std::fmt::Debug for Shelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shelf").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Shelf {
    pub(super) fn new(number: u64, owner: Arc<str>, book: Arc<Book>) -> Shelf {
        Shelf { number, owner, book, lasts: AtomicBool::new(false), hurries: AtomicBool::new(false) }
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn lasts(&self) -> bool {
        self.lasts.load(Ordering::Acquire)
    }

    pub(super) fn set_lasting(&self, lasts: bool) {
        self.lasts.store(lasts && self.book.keeps(), Ordering::Release);
    }

    pub(crate) fn hurry(&self) {
        self.hurries.store(true, Ordering::Release);
    }

    /// Whether something was noted since the last time that has to be on the disk first.
    pub(crate) fn has_to_wait(&self) -> bool {
        self.hurries.load(Ordering::Relaxed) && self.hurries.swap(false, Ordering::AcqRel)
    }

    /// Keeps what the session is to get.
    pub(super) fn keep(self: &Arc<Shelf>, delivered: &mut Delivered) {
        let record = Waiting {
            letter: delivered.message.letter(&self.book),
            qos: delivered.qos.bits().into(),
            retain: delivered.retain.into(),
            ids: delivered.ids.iter().map(|id| *id as u64).collect(),
            share: delivered.share.as_deref().map(rows::bytes),
            packet: 0,
            released: 0,
        };
        let row = Row::new(self.clone(), self.book.number(), record);
        row.guard.put(&row.record);
        delivered.row = Some(Arc::new(row));
    }
}

/// Keeps a row.
pub(super) struct Guard {
    book: Arc<Book>,
    table: Table,
    key: Bytes,
}

impl Guard {
    pub(super) fn new(book: &Arc<Book>, table: Table, key: Bytes) -> Guard {
        Guard { book: book.clone(), table, key }
    }

    pub(super) fn put(&self, row: &impl Encode) {
        self.book.put(self.table, self.key.clone(), row);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.book.delete(self.table, self.key.clone());
    }
}

/// Keeps what a session is to get of a message.
pub(crate) struct Row {
    shelf: Arc<Shelf>,
    guard: Guard,
    record: Waiting,
}

impl Row {
    pub(super) fn new(shelf: Arc<Shelf>, number: u64, record: Waiting) -> Row {
        let guard = Guard::new(&shelf.book, WAITING, rows::key_of(shelf.number, number));
        Row { shelf, guard, record }
    }

    /// QoS 2 is about to be sent, or released, with this packet identifier; its client must hear it by the same one after a restart.
    pub(crate) fn sent(&self, packet: u16, released: bool) {
        self.guard.put(&Waiting { packet: packet.into(), released: released.into(), ..self.record.clone() });
        self.shelf.hurry();
    }
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Row").field(&self.record).finish()
    }
}

/// Keeps a message; made when the first session needs it.
#[derive(Default)]
pub(crate) struct Lasting(OnceLock<(u64, Guard)>);

impl Message {
    /// The number of its row.
    fn letter(&self, book: &Arc<Book>) -> u64 {
        let keep = || {
            let number = book.number();
            let guard = Guard::new(book, LETTER, rows::key(number));
            guard.put(&Letter::of(self, Clock::now()));
            (number, guard)
        };
        self.lasting.0.get_or_init(keep).0
    }

    /// It has been kept under this number.
    pub(super) fn is_kept_as(&self, number: u64, book: &Arc<Book>) {
        self.lasting.0.get_or_init(|| (number, Guard::new(book, LETTER, rows::key(number))));
    }
}

/// A copy has no row.
impl Clone for Lasting {
    fn clone(&self) -> Lasting {
        Lasting::default()
    }
}

impl PartialEq for Lasting {
    fn eq(&self, _: &Lasting) -> bool {
        true
    }
}

impl std::fmt::Debug for Lasting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lasting")
    }
}
