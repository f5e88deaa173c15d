//! The authority at work: what it issues is logged before anybody has it, what it takes back is listed, and both are said to whoever asks.
//!
//! The library `ca` signs and keeps nothing; here is what is kept, in tables of the one store. A certificate is revoked for one of two
//! reasons: the chat has ended the binding of its key (a row of `lapsed`, in the same batch), or the operator says so.

mod keeper;
mod records;
mod revocations;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use ca::ocsp::Status;
use ca::{Authority, Certificate, Issued, Reason, Revoked};
use kvs::{Batch, Disk, Sequence, Store, Table};

use crate::bell::Bell;
use crate::failure::Failure;
use crate::home::Home;
use crate::store::META;
pub(crate) use ca::print_of;
pub(crate) use keeper::Keeper;
pub(crate) use records::{ISSUED, Issuance, Kind, REVOKED, Revocation, TABLES};
use records::{SERIAL, SIGNED_FOR};
pub(crate) use revocations::Revocations;

/// The row of the list's number.
const LISTS: &[u8] = b"lists";
/// A list is issued anew at this age, though nothing was revoked: it is good for 7 days.
const LIST_AGE: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) struct Registrar {
    pub(crate) authority: Authority,
    pub(crate) revocations: Arc<Revocations>,
    store: Arc<Disk>,
    /// DER of the authority's name.
    name: Vec<u8>,
    lists: Sequence,
    list: RwLock<Bytes>,
    /// When it was signed.
    listed: RwLock<SystemTime>,
    /// Where the list lies for whoever publishes it.
    path: PathBuf,
    /// One at a time revokes.
    revoking: Mutex<()>,
    /// The list lacks something.
    changed: AtomicBool,
    keeper: Bell,
}

impl Registrar {
    pub(crate) fn open(home: &Home, authority: Authority, store: Arc<Disk>) -> Result<Arc<Registrar>, Failure> {
        let lists = Sequence::open_in_blocks(store.clone(), META, LISTS, 1).map_err(failed)?;
        let name = authority.name()?;
        let registrar = Registrar {
            authority,
            revocations: Arc::default(),
            store,
            name,
            lists,
            path: home.revocation_list(),
            list: RwLock::default(),
            listed: RwLock::new(UNIX_EPOCH),
            revoking: Mutex::new(()),
            changed: AtomicBool::new(false),
            keeper: Bell::default(),
        };
        registrar.recall()?;
        if !registrar.goes_on_with_list()? {
            registrar.issue_list()?;
        }
        Ok(Arc::new(registrar))
    }

    /// SEC-4: for a device's request, as of `now`.
    pub(crate) fn device(
        &self,
        csr: &[u8],
        phone: &str,
        dev_key: &str,
        now: SystemTime,
    ) -> Result<Certificate, Failure> {
        let issued = self.authority.device(csr, phone, dev_key, now)?;
        self.log(Kind::Device, &format!("{phone}/{dev_key}"), issued)
    }

    /// For the request of an operator, in the name of a client or a service.
    pub(crate) fn signed_for(&self, csr: &[u8], name: &str, kind: Kind) -> Result<Certificate, Failure> {
        let issued = match kind {
            Kind::Service => self.authority.service_for(csr, name, SystemTime::now())?,
            Kind::Client | Kind::Device | Kind::Server | Kind::Admin | Kind::Responder => {
                self.authority.client_for(csr, name, SystemTime::now())?
            }
        };
        self.log(kind, name, issued)
    }

    /// With a key made here.
    pub(crate) fn certified(&self, kind: Kind, name: &str, hosts: &[String]) -> Result<Issued, Failure> {
        let now = SystemTime::now();
        let issued = match kind {
            Kind::Server => self.authority.server(hosts, now)?,
            Kind::Admin => self.authority.admin(name, now)?,
            Kind::Responder => self.authority.responder(now)?,
            Kind::Service => self.authority.service(name, now)?,
            Kind::Client | Kind::Device => self.authority.client(name, now)?,
        };
        self.log(kind, name, issued.certificate.clone())?;
        Ok(issued)
    }

    /// For the server, by the key that it shows already.
    pub(crate) fn certified_again(&self, key_pem: &str, hosts: &[String]) -> Result<Issued, Failure> {
        let issued = self.authority.server_again(key_pem, hosts, SystemTime::now())?;
        self.log(Kind::Server, hosts.first().map_or("", String::as_str), issued.certificate.clone())?;
        Ok(issued)
    }

    /// Whoever gets a certificate rests on a later batch, or on a file: the log is on the disk before.
    fn log(&self, kind: Kind, name: &str, issued: Certificate) -> Result<Certificate, Failure> {
        let at = millis(SystemTime::now());
        let row = Issuance {
            kind,
            name: name.to_owned().into(),
            key: Bytes::copy_from_slice(&issued.spki_sha256),
            at,
            until: millis(issued.not_after),
        };
        let mut batch = Batch::default();
        batch.put(ISSUED, records::issued_key(at, &issued.serial), etf::encode(&row));
        batch.put(SERIAL, issued.serial.clone(), at.to_be_bytes().to_vec());
        batch.put(SIGNED_FOR, [&row.key, issued.serial.as_slice()].concat(), "");
        self.store.apply(&batch).map_err(failed)?;
        if kind != Kind::Device {
            self.store.flush().map_err(failed)?;
        }
        Ok(issued)
    }

    /// What was issued under this serial number.
    pub(crate) fn issued(&self, serial: &[u8]) -> Result<Option<Issuance>, Failure> {
        let Some(at) = self.store.get(SERIAL, serial).map_err(failed)? else { return Ok(None) };
        self.row(ISSUED, &[&at, serial].concat())
    }

    /// The serial number of each certificate of a key, however many there are: what is left out would not be revoked.
    fn each_serial(&self, key: &[u8], mut act: impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
        let (store, mut done) = (self.store.snapshot(), Ok(()));
        let read = chat::rows::each(&*store, SIGNED_FOR, key, |row, _| {
            if done.is_ok() {
                done = act(row.get(key.len()..).unwrap_or_default());
            }
            Ok(())
        });
        read.map_err(broken).and(done)
    }

    /// Serial numbers of what was issued for a key at this time or later.
    pub(crate) fn issued_since(&self, key: &[u8], at: u64) -> Result<Vec<Vec<u8>>, Failure> {
        let mut found = Vec::new();
        self.each_serial(key, |serial| {
            let is_later = self.issued(serial)?.is_some_and(|issued| issued.at >= at);
            found.extend(is_later.then(|| serial.to_vec()));
            Ok(())
        })?;
        Ok(found)
    }

    /// Whether this (DER) is the authority's name.
    pub(crate) fn is_named(&self, name: &[u8]) -> bool {
        self.name == name
    }

    /// Where its books are kept.
    pub(crate) fn store(&self) -> &Arc<Disk> {
        &self.store
    }

    /// For the responder: what became of a certificate of ours.
    pub(crate) fn status(&self, serial: &[u8]) -> Result<Status, Failure> {
        let revoked: Option<Revocation> = self.row(REVOKED, serial)?;
        if let Some(revoked) = revoked.filter(|revoked| revoked.at <= millis(SystemTime::now())) {
            return Ok(Status::Revoked { at: time(revoked.at), reason: revoked.reason() });
        }
        let known = serial == self.own_serial()? || self.store.get(SERIAL, serial).map_err(failed)?.is_some();
        Ok(if known { Status::Good } else { Status::Unknown })
    }

    fn own_serial(&self) -> Result<Vec<u8>, Failure> {
        Ok(ca::subject(self.authority.certificate_der())?.serial)
    }

    /// Takes back what was issued under this serial number, from `at` on; the earlier of two times counts, and the graver of two reasons:
    /// of a device that has ended it may be learnt later that somebody else has its key. It counts at once for whoever connects, and is
    /// on the disk with the next flush.
    fn revoke(&self, serial: &[u8], reason: Reason, at: u64) -> Result<Option<Issuance>, Failure> {
        let Some(issued) = self.issued(serial)? else { return Ok(None) };
        let _alone = self.lock();
        let before: Option<Revocation> = self.row(REVOKED, serial)?;
        let row = Revocation { at, reason: reason.code().into(), until: issued.until };
        let row = before.map_or(row, |before| before.and(row));
        if before != Some(row) {
            let mut batch = Batch::default();
            batch.put(REVOKED, Bytes::copy_from_slice(serial), etf::encode(&row));
            self.store.apply(&batch).map_err(failed)?;
            self.changed.store(true, Ordering::Release);
            if row.at <= millis(SystemTime::now()) {
                self.revocations.add(print_of(&self.name, serial));
            }
        }
        self.keeper.ring();
        Ok(Some(issued))
    }

    /// The list as it is now, DER.
    pub(crate) fn list(&self) -> Bytes {
        self.list.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_list_old(&self) -> bool {
        let issued = *self.listed.read().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back makes it old as well.
        SystemTime::now().duration_since(issued).is_ok_and(|age| age >= LIST_AGE) || issued > SystemTime::now()
    }

    /// The list that an earlier run has signed serves, if it says what is revoked now and is not old: the key is not needed for it.
    fn goes_on_with_list(&self) -> Result<bool, Failure> {
        let Ok(der) = fs::read(&self.path) else { return Ok(false) };
        let Ok(list) = ca::read_list(&der, &[self.authority.certificate_der()]) else { return Ok(false) };
        *self.listed.write().unwrap_or_else(PoisonError::into_inner) = list.this_update;
        let listed: HashMap<&[u8], Reason> =
            list.revoked.iter().map(|entry| (entry.serial.as_slice(), entry.reason)).collect();
        let (now, mut said, mut unsaid) = (millis(SystemTime::now()), 0, 0);
        self.each_revoked(|serial, row| {
            if row.at <= now && row.until > now {
                *(if listed.get(serial) == Some(&row.reason()) { &mut said } else { &mut unsaid }) += 1;
            }
        })?;
        if self.is_list_old() || unsaid > 0 || said < listed.len() {
            return Ok(false);
        }
        *self.list.write().unwrap_or_else(PoisonError::into_inner) = der.into();
        Ok(true)
    }

    /// Signs the list of what is revoked now and not over.
    fn issue_list(&self) -> Result<(), Failure> {
        let now = SystemTime::now();
        let mut revoked = Vec::new();
        self.each_revoked(|serial, row| {
            if row.at <= millis(now) && row.until > millis(now) {
                let at = time(row.at).max(UNIX_EPOCH + Duration::from_secs(1)).min(now);
                revoked.push(Revoked { serial: serial.to_vec(), at, reason: row.reason() });
            }
        })?;
        let der = self.authority.crl(&revoked, self.lists.next().map_err(failed)?, now)?;
        ca::files::write_public(&self.path, &der)?;
        *self.list.write().unwrap_or_else(PoisonError::into_inner) = der.into();
        *self.listed.write().unwrap_or_else(PoisonError::into_inner) = now;
        Ok(())
    }

    /// What is revoked now, for those who connect. True: it is more than before.
    fn recall(&self) -> Result<bool, Failure> {
        let _alone = self.lock();
        let now = millis(SystemTime::now());
        let mut prints = HashSet::new();
        self.each_revoked(|serial, row| {
            if row.at <= now && row.until > now {
                prints.insert(print_of(&self.name, serial));
            }
        })?;
        Ok(self.revocations.set_own(prints))
    }

    fn each_revoked(&self, mut act: impl FnMut(&[u8], Revocation)) -> Result<(), Failure> {
        let store = self.store.snapshot();
        chat::rows::each(&*store, REVOKED, b"", |serial, row| {
            act(serial, chat::rows::decode(row)?);
            Ok(())
        })
        .map_err(broken)
    }

    fn row<T: etf::Decode>(&self, table: Table, key: &[u8]) -> Result<Option<T>, Failure> {
        let row = self.store.get(table, key).map_err(failed)?;
        row.map(|row| chat::rows::decode(&row).map_err(broken)).transpose()
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.revoking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failed(source: kvs::Error) -> Failure {
    broken(n2o::Failure::new(source))
}

fn broken(failure: n2o::Failure) -> Failure {
    Failure::Refused(format!("the authority's books: {failure}"))
}

/// Milliseconds since 1970.
pub(crate) fn millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn time(millis: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(millis)
}

#[cfg(test)]
mod tests {
    use chat::rows::{LAPSED, Lapsed, Why, encode};

    use super::*;
    use crate::store;

    struct Books {
        folder: tempfile::TempDir,
        registrar: Arc<Registrar>,
    }

    fn books() -> Books {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::find(Some(folder.path().into())).unwrap();
        fs::create_dir_all(home.authority()).unwrap();
        let authority = Authority::create("Test", SystemTime::now()).unwrap();
        let registrar = Registrar::open(&home, authority, store::open(&home).unwrap()).unwrap();
        Books { folder, registrar }
    }

    fn listed(registrar: &Registrar) -> usize {
        ca::read_list(&registrar.list(), &[registrar.authority.certificate_der()]).unwrap().revoked.len()
    }

    fn lapse(registrar: &Registrar, key: &[u8]) {
        let (mut batch, at) = (Batch::default(), 1_u64);
        let row = Lapsed { at, why: Why::Ended };
        batch.put(LAPSED, [key, at.to_be_bytes().as_slice()].concat(), encode(&row));
        registrar.store.apply(&batch).unwrap();
    }

    #[test]
    fn sec_2_every_certificate_of_a_key_that_has_ended_is_revoked_however_many_there_are() {
        let Books { folder: _folder, registrar } = books();
        let (key, other, count) = ([0xFF; 32], [8; 32], 2_100_u64);
        for number in 0..=count {
            let spki_sha256 = if number == count { other } else { key };
            let serial = [&[0x40; 8][..], &number.to_be_bytes()].concat();
            let not_after = SystemTime::now() + LIST_AGE;
            let issued = Certificate { der: Vec::new(), serial, spki_sha256, not_after };
            registrar.log(Kind::Device, "380670000001/d1", issued).unwrap();
        }
        lapse(&registrar, &key);
        registrar.look(&|| {}).unwrap();
        assert_eq!(listed(&registrar), usize::try_from(count).unwrap());
    }

    #[test]
    fn sec_2_a_list_that_could_not_be_issued_is_issued_in_the_next_round() {
        let Books { folder, registrar } = books();
        let issued = registrar.certified(Kind::Client, "ann", &[]).unwrap().certificate;
        lapse(&registrar, &issued.spki_sha256);
        let path = Home::find(Some(folder.path().into())).unwrap().revocation_list();
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(registrar.look(&|| {}).is_err(), "it cannot be written");
        assert!(matches!(registrar.status(&issued.serial).unwrap(), Status::Revoked { .. }), "it counts all the same");
        assert_eq!(listed(&registrar), 0);
        fs::remove_dir(&path).unwrap();
        registrar.look(&|| {}).unwrap();
        assert_eq!(listed(&registrar), 1);
    }
}
