//! Certificates that devices have been given are written to their person's entry, where mail programs look for them.
//!
//! Each is a row from before its device has it until the directory has it, so none is lost when the program ends. The chat may still
//! refuse it to the device: nobody could open what is sealed for it, so it is written once it is a device's, and forgotten if it never is.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use chat::rows;
use etf::Record;
use kvs::{Batch, Disk, Span, Store, Table};
use ldap::client::Error;
use proto::ids::Phone;
use tokio::sync::Notify;

use super::People;
use crate::registrar::{millis, print_of};

/// When, print of the certificate → [`Unpublished`]. Added by whoever issues it; removed by who writes it into the directory.
pub(crate) const UNPUBLISHED: Table = Table("unpublished");

pub(crate) const TABLES: &[Table] = &[UNPUBLISHED];

/// Certificates that wait; beyond, the oldest are given up.
const WAITING_MAX: usize = 10_000;
/// And what the directory has not taken for so long.
const WAITING_MS: u64 = 30 * 86_400 * 1_000;
/// A certificate that is no device's so long after it was issued is not going to be.
const BOUND_MS: u64 = 60_000;
/// Rows that are read at once.
const PART: usize = 100;
/// So many on end cannot be written because nobody answers: then the directory is away.
const AWAY_MAX: u32 = 3;
/// Before the next try, twice as long after each; rows that are refused wait by themselves.
const FIRST: Duration = Duration::from_secs(5);
const LAST: Duration = Duration::from_secs(60 * 60);

/// A certificate, DER, and the account that it is of.
#[derive(Debug, Clone, PartialEq, Eq, Default, Record)]
pub(crate) struct Unpublished {
    pub(crate) account: Bytes,
    pub(crate) certificate: Bytes,
}

/// What wakes whoever writes them, and how many wait.
pub(super) struct Waiting {
    store: Arc<Disk>,
    more: Notify,
    count: AtomicUsize,
}

/// When a row that was refused is tried again, and how often it was.
type Refused = HashMap<Bytes, (u32, Instant)>;

impl Waiting {
    pub(super) fn new(store: Arc<Disk>) -> Result<Waiting, kvs::Error> {
        let count = AtomicUsize::new(store.scan(UNPUBLISHED, &Span::prefix("").limit(WAITING_MAX))?.len());
        Ok(Waiting { store, more: Notify::new(), count })
    }

    /// It is on the disk when this returns.
    fn keep(&self, account: &Phone, certificate: &Bytes) -> Result<(), kvs::Error> {
        let Ok(subject) = ca::subject(certificate) else { return Ok(()) };
        if self.count.load(Ordering::Acquire) >= WAITING_MAX {
            for (key, _) in self.store.scan(UNPUBLISHED, &Span::prefix("").limit(1))? {
                tracing::error!("too many certificates wait for the directory: the oldest is given up");
                self.done(key)?;
            }
        }
        let now = millis(SystemTime::now()).to_be_bytes();
        let key = [&now[..], &print_of(&subject.issuer, &subject.serial).to_be_bytes()].concat();
        let row = Unpublished { account: account.to_bytes(), certificate: certificate.clone() };
        let mut batch = Batch::default();
        batch.put(UNPUBLISHED, key, etf::encode(&row));
        self.store.apply(&batch)?;
        self.count.fetch_add(1, Ordering::AcqRel);
        self.store.flush().map(drop)
    }

    /// Lost with the next crash, it is done once more.
    fn done(&self, key: Bytes) -> Result<(), kvs::Error> {
        let mut batch = Batch::default();
        batch.delete(UNPUBLISHED, key);
        self.store.apply(&batch)?;
        // More were there than counted at the start: then none is.
        let _ = self.count.fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| count.checked_sub(1));
        Ok(())
    }

    /// Writes each that is due. One over which the directory falls silent waits by itself like one that it refuses, so that it does not
    /// hold up the others; it is the directory that is away when that happens with several on end.
    async fn each_due<F>(&self, refused: &mut Refused, write: impl Fn(Unpublished) -> F) -> Result<(), n2o::Failure>
    where
        F: Future<Output = Result<Result<(), Error>, n2o::Failure>>,
    {
        // Of what was given up for want of room there is nothing more to be tried.
        refused.retain(|key, _| !matches!(self.store.get(UNPUBLISHED, key), Ok(None)));
        let (mut last, mut away) = (Bytes::new(), 0);
        loop {
            let part =
                self.store.scan(UNPUBLISHED, &rows::beyond(b"", &last).limit(PART)).map_err(n2o::Failure::new)?;
            for (key, row) in &part {
                if refused.get(key).is_some_and(|(_, at)| *at > Instant::now()) {
                    continue;
                }
                let written = match etf::decode::<Unpublished>(row) {
                    Ok(row) if self.is_of_a_device(&row)? => write(row).await?,
                    Ok(_) if age(key) < BOUND_MS => continue,
                    Ok(_) | Err(_) => Ok(()),
                };
                let Err(why) = written else {
                    away = 0;
                    refused.remove(key);
                    self.done(key.clone()).map_err(n2o::Failure::new)?;
                    continue;
                };
                away = match why {
                    Error::Away(_) | Error::Busy => away + 1,
                    Error::Refused(_) | Error::Several(_) => 0,
                };
                self.put_off(key, &why, refused)?;
                if away == AWAY_MAX {
                    return Err(n2o::Failure::new(why));
                }
            }
            let Some((key, _)) = part.last().filter(|_| part.len() == PART) else { return Ok(()) };
            last = key.clone();
        }
    }

    fn is_of_a_device(&self, row: &Unpublished) -> Result<bool, n2o::Failure> {
        match Phone::parse(&row.account) {
            Ok(account) => chat::directory::has_certificate(&*self.store.snapshot(), &account, &row.certificate),
            Err(_) => Ok(false),
        }
    }

    /// Until it is tried again, or for good.
    fn put_off(&self, key: &Bytes, why: &Error, refused: &mut Refused) -> Result<(), n2o::Failure> {
        if age(key) > WAITING_MS {
            tracing::error!(%why, "the directory has not taken a certificate for too long: it is given up");
            refused.remove(key);
            return self.done(key.clone()).map_err(n2o::Failure::new);
        }
        let tries = refused.get(key).map_or(0, |(tries, _)| *tries).saturating_add(1);
        tracing::warn!(%why, tries, "the directory does not take a certificate; it is tried again");
        refused.insert(key.clone(), (tries, Instant::now() + pause(tries)));
        Ok(())
    }
}

impl People {
    /// Once it is the device's, if that is configured. Whoever was given the certificate does not wait for the directory.
    pub(crate) fn publish(&self, account: &Phone, certificate: &Bytes) {
        let Some(waiting) = &self.unpublished else { return };
        if let Err(failure) = waiting.keep(account, certificate) {
            tracing::error!(%failure, "cannot keep a certificate for the directory");
        }
    }

    /// A device has another certificate than before.
    pub(crate) fn look_again(&self) {
        if let Some(waiting) = &self.unpublished {
            waiting.more.notify_one();
        }
    }

    /// Writes them for as long as the server runs, those first that an earlier run has left.
    pub(super) fn publish_all(self: &Arc<People>) {
        let people = self.clone();
        if people.unpublished.is_none() {
            return;
        }
        self.runtime.spawn(async move {
            let mut refused = Refused::new();
            let mut failures = 0;
            loop {
                let Some(waiting) = &people.unpublished else { return };
                let pause = match people.publish_now(waiting, &mut refused).await {
                    Ok(()) => {
                        failures = 0;
                        let next = refused.values().map(|(_, at)| at.saturating_duration_since(Instant::now())).min();
                        next.unwrap_or(LAST).clamp(FIRST, LAST)
                    }
                    Err(failure) => {
                        tracing::warn!(%failure, "cannot write certificates into the directory; it is tried again");
                        failures += 1;
                        pause(failures)
                    }
                };
                // A new one says nothing of those that could not be written.
                match failures {
                    0 => drop(tokio::time::timeout(pause, waiting.more.notified()).await),
                    _ => tokio::time::sleep(pause).await,
                }
            }
        });
    }

    /// All that are due; an error where the directory cannot be asked at all.
    async fn publish_now(&self, waiting: &Waiting, refused: &mut Refused) -> Result<(), n2o::Failure> {
        waiting.each_due(refused, |row| self.write(waiting, row)).await
    }

    /// Whether the directory has it now, or why not this one; whom it does not know has no entry to be written to.
    async fn write(&self, waiting: &Waiting, row: Unpublished) -> Result<Result<(), Error>, n2o::Failure> {
        let Ok(account) = Phone::parse(&row.account) else { return Ok(Ok(())) };
        let number = chat::directory::number(&*waiting.store.snapshot(), &account)?;
        let published = async {
            match self.find(&number).await? {
                Some(person) => self.directory.publish(&person.dn, &row.certificate).await,
                None => Ok(()),
            }
        };
        Ok(published.await)
    }
}

fn pause(tries: u32) -> Duration {
    FIRST.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(LAST)
}

/// Milliseconds since it was issued.
fn age(key: &[u8]) -> u64 {
    let since = key.first_chunk().map_or(0, |since| u64::from_be_bytes(*since));
    millis(SystemTime::now()).saturating_sub(since)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows since so many milliseconds, of the devices of the accounts "38001", "38002" and so on.
    fn waiting(folder: &std::path::Path, since: &[u64]) -> (Waiting, Vec<Bytes>) {
        let home = crate::home::Home::find(Some(folder.join("home"))).unwrap();
        home.make().unwrap();
        let store = crate::store::open(&home).unwrap();
        let (mut batch, mut keys) = (Batch::default(), Vec::new());
        for (number, since) in (1_u128..).zip(since) {
            let key = Bytes::from([&since.to_be_bytes()[..], &number.to_be_bytes()].concat());
            let row = Unpublished { account: format!("3800{number}").into(), certificate: number.to_string().into() };
            batch.put(UNPUBLISHED, key.clone(), etf::encode(&row));
            has(&mut batch, &row.account, &row.certificate);
            keys.push(key);
        }
        store.apply(&batch).unwrap();
        (Waiting::new(store).unwrap(), keys)
    }

    /// The account's only device has this certificate.
    fn has(batch: &mut Batch, account: &Bytes, certificate: &Bytes) {
        let device = rows::Device { certificate: Some(certificate.clone()), ..rows::Device::default() };
        batch.put(rows::DEVICE, rows::path(&[account, b"phone"]), rows::encode(&device));
    }

    /// One round with a directory that falls silent over the certificates of these accounts; how it ends, and what is left.
    async fn round(waiting: &Waiting, refused: &mut Refused, silent: &[&str]) -> (bool, Vec<Bytes>) {
        let write = |row: Unpublished| async move {
            let is_silent = silent.iter().any(|account| account.as_bytes() == row.account);
            Ok(if is_silent { Err(Error::Away("no answer".into())) } else { Ok(()) })
        };
        let is_done = waiting.each_due(refused, write).await.is_ok();
        let left = waiting.store.scan(UNPUBLISHED, &Span::prefix("").limit(WAITING_MAX)).unwrap();
        (is_done, left.into_iter().map(|(key, _)| Bytes::copy_from_slice(&key)).collect())
    }

    fn run<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
    }

    #[test]
    fn a_certificate_over_which_the_directory_falls_silent_holds_up_no_other_and_is_given_up_in_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let now = millis(SystemTime::now());
        // The first is too old.
        let (waiting, keys) = waiting(folder.path(), &[1, now, now + 1, now + 2]);
        let mut refused = Refused::new();
        let (is_done, left) = run(round(&waiting, &mut refused, &["38001", "38002"]));
        assert_eq!((is_done, left), (true, vec![keys[1].clone()]));
        assert_eq!(refused.keys().collect::<Vec<_>>(), [&keys[1]]);

        // It waits for its time. When it is given up for want of room, nothing of it is left to wait for.
        assert_eq!(run(round(&waiting, &mut refused, &[])).1.len(), 1);
        waiting.done(keys[1].clone()).unwrap();
        assert_eq!(run(round(&waiting, &mut refused, &[])), (true, vec![]));
        assert!(refused.is_empty());
    }

    #[test]
    fn a_certificate_that_its_device_was_refused_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let now = millis(SystemTime::now());
        let (waiting, keys) = waiting(folder.path(), &[now - 2 * BOUND_MS, now]);
        let give = |account: &'static str, certificate: &'static str| {
            let mut batch = Batch::default();
            has(&mut batch, &account.into(), &certificate.into());
            waiting.store.apply(&batch).unwrap();
        };
        let written = std::cell::RefCell::new(Vec::new());
        let write = |row: Unpublished| {
            written.borrow_mut().push(row.account);
            async { Ok(Ok(())) }
        };
        let round = || run(waiting.each_due(&mut Refused::new(), write)).unwrap();
        give("38001", "one that it had before");
        give("38002", "one that it had before");
        round();
        let left = || waiting.store.scan(UNPUBLISHED, &Span::prefix("")).unwrap();
        assert_eq!(left().iter().map(|(key, _)| key).collect::<Vec<_>>(), [&keys[1]], "the other may still be bound");
        give("38002", "2");
        round();
        assert_eq!(
            (written.take(), left()),
            (vec![Bytes::from("38002")], vec![]),
            "what the first was refused is forgotten"
        );
    }

    #[test]
    fn a_directory_that_is_away_is_not_asked_for_all() {
        let folder = tempfile::tempdir().unwrap();
        let now = millis(SystemTime::now());
        let (waiting, keys) = waiting(folder.path(), &[now, now + 1, now + 2, now + 3, now + 4]);
        let mut refused = Refused::new();
        let (is_done, left) = run(round(&waiting, &mut refused, &["38001", "38002", "38003", "38004", "38005"]));
        assert_eq!((is_done, left, refused.len()), (false, keys.clone(), 3));
        // Three that it never answers for do not hold up those behind them.
        let (is_done, left) = run(round(&waiting, &mut refused, &["38001", "38002", "38003"]));
        assert_eq!((is_done, left), (true, keys[..3].to_vec()));
    }

    #[test]
    fn tries_become_rare_and_do_not_end() {
        assert_eq!((pause(1), pause(2), pause(20), pause(u32::MAX)), (FIRST, 2 * FIRST, LAST, LAST));
        assert!(age(&[0; 24]) > WAITING_MS && age(&[0xff; 24]) == 0);
    }
}
