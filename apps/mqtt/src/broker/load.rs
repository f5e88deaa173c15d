//! What an earlier run of the server has left: sessions with what waits for them, and what is retained. It is read once, before the first
//! connection; a row that nobody has any more goes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chat::rows::beyond;
use etf::Decode;
use kvs::{Error, Store, Table};

use super::book::Book;
use super::clients::Clients;
use super::retained::Retained;
use super::rows::{
    self, Clock, LETTER, Letter, RETAINED, SESSION, SUBSCRIPTION, Subscription, UNRELEASED, WAITING, Waiting,
};
use super::shelf::{Row, Shelf};
use super::{Broker, Link, Resumable};
use crate::message::{Delivered, Message};
use crate::session::Kept;

/// Rows read at once.
const PAGE: usize = 1024;

/// A session that is put together.
#[derive(Default)]
struct Found {
    id: Bytes,
    row: rows::Session,
    subscriptions: Vec<(u64, Subscription)>,
    waiting: Vec<(u64, Waiting)>,
    unreleased: Vec<(u16, Letter)>,
}

impl Broker {
    /// # Errors
    /// The store cannot be read.
    pub(crate) fn open(book: Book) -> Result<Arc<Broker>, Error> {
        let book = Arc::new(book);
        let retained = Retained::new(book.clone()).into();
        let broker =
            Arc::new(Broker { book: book.clone(), retained, clients: Clients::default(), ..Broker::default() });
        let Some(store) = book.store() else {
            return Ok(broker);
        };
        let clock = Clock::now();
        let sessions = sessions(store, &book)?;
        let letters = letters(store, &book, clock)?;
        each(store, RETAINED, |key, row| {
            let Some(number) = number(&key, &book) else { return };
            if let Some(letter) = decoded::<Letter>(&row) {
                broker.retained().found(number, letter.message(clock));
            }
        })?;
        let count = sessions.len();
        for (number, found) in sessions {
            broker.found(number, found, &letters, clock);
        }
        tracing::info!(sessions = count, retained = broker.retained().count(), "free topics");
        drop(letters);
        // What has come to its end meanwhile.
        broker.sweep(Instant::now());
        Ok(broker)
    }

    fn found(self: &Arc<Broker>, number: u64, found: Found, letters: &HashMap<u64, Arc<Message>>, clock: Clock) {
        let shelf = Arc::new(Shelf::new(number, rows::shared(&found.row.owner), self.book.clone()));
        shelf.set_lasting(true);
        let link = Link::found(self.clone(), shelf.clone(), found.subscriptions);
        let mut kept = Kept::found(link.filters(), found.unreleased.iter().map(|(id, _)| *id).collect());
        for (place, record) in found.waiting {
            // The guard is made whatever comes: without a message the row goes.
            let row = Arc::new(Row::new(shelf.clone(), place, record.clone()));
            let delivered = letters.get(&record.letter).map(|message| delivered(message, &record));
            match (record.packet, delivered) {
                (0, Some(delivered)) => link.waits(Delivered { row: Some(row), ..delivered }),
                (0, None) => (),
                (packet, delivered) => {
                    let sent = delivered.filter(|_| record.released == 0);
                    kept.sent(u16::try_from(packet).unwrap_or_default(), sent, row);
                }
            }
        }
        let mut unreleased = self.unreleased(shelf.clone());
        for (id, letter) in found.unreleased {
            unreleased.found(id, letter.message(clock));
        }
        let session = Resumable { kept, link: Some(link), unreleased, shelf };
        let until = match found.row.until {
            Some(until) => clock.instant(until),
            // Its connection ended with the server.
            None => clock.instant_now() + Duration::from_secs(found.row.expiry),
        };
        let will = found.row.will.map(|will| (will.message(clock), clock.instant(found.row.will_at)));
        let bucket = found.row.bucket.and_then(|bucket| bucket.try_into().ok());
        self.clients.found(rows::shared(&found.id), session, bucket, until, will);
    }
}

fn sessions(store: &dyn Store, book: &Arc<Book>) -> Result<HashMap<u64, Found>, Error> {
    let mut sessions: HashMap<u64, Found> = HashMap::new();
    each(store, SESSION, |id, row| match decoded::<rows::Session>(&row) {
        Some(row) => {
            book.is_taken(row.number);
            sessions.insert(row.number, Found { id, row, ..Found::default() });
        }
        None => book.delete(SESSION, id),
    })?;
    each(store, SUBSCRIPTION, |key, row| {
        part(&mut sessions, book, (SUBSCRIPTION, key), &row, |found, place, row| {
            found.subscriptions.push((place, row))
        });
    })?;
    each(store, WAITING, |key, row| {
        part(&mut sessions, book, (WAITING, key), &row, |found, place, row| found.waiting.push((place, row)));
    })?;
    each(store, UNRELEASED, |key, row| {
        let id = |place| u16::try_from(place).unwrap_or_default();
        part(&mut sessions, book, (UNRELEASED, key), &row, |found, place, row| found.unreleased.push((id(place), row)));
    })?;
    Ok(sessions)
}

/// A row of a session is given to it; one of none goes.
fn part<T: Decode>(
    sessions: &mut HashMap<u64, Found>,
    book: &Arc<Book>,
    (table, key): (Table, Bytes),
    row: &[u8],
    add: impl FnOnce(&mut Found, u64, T),
) {
    let (session, place) = key.split_at_checked(8).unwrap_or_default();
    let found = number(session, book).and_then(|session| sessions.get_mut(&session));
    match (found, number(place, book), decoded(row)) {
        (Some(found), Some(place), Some(row)) => add(found, place, row),
        _ => book.delete(table, key),
    }
}

/// What is waited for. Who is not waited for goes when the map does.
fn letters(store: &dyn Store, book: &Arc<Book>, clock: Clock) -> Result<HashMap<u64, Arc<Message>>, Error> {
    let mut letters = HashMap::new();
    each(store, LETTER, |key, row| {
        let Some(number) = number(&key, book) else { return };
        if let Some(letter) = decoded::<Letter>(&row) {
            let message = letter.message(clock);
            message.is_kept_as(number, book);
            letters.insert(number, Arc::new(message));
        }
    })?;
    Ok(letters)
}

fn delivered(message: &Arc<Message>, record: &Waiting) -> Delivered {
    Delivered {
        message: message.clone(),
        qos: rows::qos(record.qos),
        retain: record.retain == 1,
        ids: record.ids.iter().filter_map(|id| usize::try_from(*id).ok()).collect(),
        share: record.share.as_ref().map(rows::shared),
        left: message.left(Instant::now()),
        row: None,
    }
}

/// All rows of a table, copied out of the store's pages.
fn each(store: &dyn Store, table: Table, mut see: impl FnMut(Bytes, Bytes)) -> Result<(), Error> {
    let mut last = Bytes::new();
    loop {
        let rows = store.scan(table, &beyond(b"", &last).limit(PAGE))?;
        let Some((key, _)) = rows.last() else {
            return Ok(());
        };
        last = Bytes::copy_from_slice(key);
        rows.into_iter().for_each(|(key, row)| see(Bytes::copy_from_slice(&key), Bytes::copy_from_slice(&row)));
    }
}

fn number(bytes: &[u8], book: &Book) -> Option<u64> {
    let number = u64::from_be_bytes(bytes.try_into().ok()?);
    book.is_taken(number);
    Some(number)
}

fn decoded<T: Decode>(row: &[u8]) -> Option<T> {
    etf::decode_own(row).inspect_err(|bad| tracing::error!(%bad, "free topics: a row that cannot be read")).ok()
}
