//! Slow work itself: codes, certificates, signatures, files.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use ca::Authority;
use ca::cms::{self, Trust};
use chat::{Sender, Signature, Work, WorkError, WorkResult};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::files::Files;
use crate::people::People;
use crate::registrar::Registrar;
use crate::{clock, outbox, tls};

/// Bytes of the outbox file; then another is begun.
const OUTBOX_MAX: u64 = 1 << 20;

/// What work needs.
pub(super) struct Desk {
    registrar: Arc<Registrar>,
    outbox: PathBuf,
    files: Arc<Files>,
    people: Option<Arc<People>>,
    /// By the revocation list that it was made with.
    trust: Mutex<Option<(Bytes, Arc<Trust>)>>,
}

impl Desk {
    /// Codes go to the file `outbox`.
    pub(super) fn new(
        registrar: Arc<Registrar>,
        outbox: PathBuf,
        files: Arc<Files>,
        people: Option<Arc<People>>,
    ) -> Desk {
        Desk { registrar, outbox, files, people, trust: Mutex::default() }
    }

    /// Does a job, however long it takes.
    pub(super) fn work(&self, work: &Work) -> WorkResult {
        match work {
            // The configuration has none of these services where they are not asked.
            Work::SendCode { sender: Sender::Webhook, .. } | Work::Look { .. } | Work::Password { .. } => {
                WorkResult::Failed(WorkError::Unsupported)
            }
            Work::SendCode { sender: Sender::Log, phone, code, .. } => {
                let line = format!("{} {phone} {}\n", clock::utc(SystemTime::now()), String::from_utf8_lossy(code));
                let line = Zeroizing::new(line);
                match append(&self.outbox, &line) {
                    Ok(()) => WorkResult::Sent,
                    Err(failure) => broken("the outbox of codes", &failure),
                }
            }
            Work::MailCode { address, code, .. } => {
                let (address, code) = (String::from_utf8_lossy(address), String::from_utf8_lossy(code));
                let line = Zeroizing::new(format!("{} {address} {code}\n", clock::utc(SystemTime::now())));
                match append(&self.outbox, &line) {
                    Ok(()) => WorkResult::Sent,
                    Err(failure) => broken("the outbox of codes", &failure),
                }
            }
            Work::File(work) => self.files.work(work),
            Work::Verify(signatures) => self.verify(signatures),
            Work::Issue { request, phone, account, device } => {
                let taken = ca::key_of_request(request).map(|key| self.registrar.is_taken(&key, account, device));
                match taken {
                    Ok(Ok(false)) => {}
                    Err(_) | Ok(Ok(true)) => return WorkResult::Failed(WorkError::Invalid),
                    Ok(Err(failure)) => return broken("looking for a key", &failure),
                }
                // As of before the look: a certificate for a number that is left after it is older than that (PROFILE-11).
                let now = SystemTime::now();
                match self.registrar.is_called(account, phone) {
                    Ok(true) => {}
                    Ok(false) => return WorkResult::Failed(WorkError::Broken),
                    Err(failure) => return broken("looking for a number", &failure),
                }
                match self.registrar.device(request, phone.as_str(), device.as_str(), now) {
                    Ok(certificate) => {
                        if let Some(people) = &self.people {
                            people.publish(account, &Bytes::copy_from_slice(&certificate.der));
                        }
                        issued(&self.registrar.authority, &certificate.der)
                    }
                    Err(Failure::Certificates(ca::Error::Refused(_))) => WorkResult::Failed(WorkError::Invalid),
                    Err(failure) => broken("issuing a certificate", &failure),
                }
            }
        }
    }

    /// SEC-8: by certificates of our own authority that are not revoked.
    fn verify(&self, signatures: &[Signature]) -> WorkResult {
        let (trust, now) = match self.trust() {
            Ok(trust) => (trust, SystemTime::now()),
            Err(failure) => return broken("verifying a signature", &failure),
        };
        let is_good = |one: &Signature| cms::verify_detached(&one.signature, &one.content, &trust, now).is_ok();
        match signatures.iter().all(is_good) {
            true => WorkResult::Verified,
            false => WorkResult::Failed(WorkError::Invalid),
        }
    }

    /// Made anew when the list is another one.
    fn trust(&self) -> Result<Arc<Trust>, cms::Fault> {
        let list = self.registrar.list();
        let mut kept = self.trust.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((made_with, trust)) = &*kept
            && (made_with.as_ptr(), made_with.len()) == (list.as_ptr(), list.len())
        {
            return Ok(trust.clone());
        }
        let lists: &[&[u8]] = if list.is_empty() { &[] } else { &[&list] };
        let trust = Arc::new(Trust::new(&[self.registrar.authority.certificate_der()], lists)?);
        *kept = Some((list, trust.clone()));
        Ok(trust)
    }
}

fn issued(authority: &Authority, der: &[u8]) -> WorkResult {
    match tls::identify(authority, der) {
        Some(certificate) => WorkResult::Issued(Arc::new(certificate)),
        None => WorkResult::Failed(WorkError::Broken),
    }
}

fn broken(what: &str, failure: &dyn std::error::Error) -> WorkResult {
    tracing::error!(%failure, "{what} failed");
    WorkResult::Failed(WorkError::Broken)
}

/// Adds a line; it is on the disk when this returns.
fn append(path: &Path, line: &str) -> std::io::Result<()> {
    outbox::append(path, line.as_bytes(), OUTBOX_MAX)?.sync_data()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use chat::Channel;
    use chat::rows::{self, BINDING, Binding};
    use kvs::{Batch, Disk, Store};
    use proto::ids::{DevKey, Phone};

    use super::*;
    use crate::settings::Settings;

    fn worker(folder: &Path) -> Desk {
        worker_and_store(folder).0
    }

    fn worker_and_store(folder: &Path) -> (Desk, Arc<Disk>) {
        let home = crate::home::Home::find(Some(folder.join("home"))).unwrap();
        home.make().unwrap();
        let authority = Authority::create("Test", SystemTime::now()).unwrap();
        let store = crate::store::open(&home).unwrap();
        let registrar = Registrar::open(&home, authority, store.clone()).unwrap();
        let files = Arc::new(Files::new(home.files(), 0));
        (Desk::new(registrar, folder.join("codes"), files, None), store)
    }

    fn phone() -> Phone {
        Phone::parse(b"380670000001").unwrap()
    }

    #[test]
    fn id_11_a_code_goes_to_the_outbox_which_only_the_operator_reads() {
        let folder = tempfile::tempdir().unwrap();
        let worker = worker(folder.path());
        for code in ["123456", "654321"] {
            let work = Work::SendCode {
                sender: Sender::Log,
                channel: Channel::Sms,
                phone: phone(),
                code: Bytes::from_static(code.as_bytes()),
                language: None,
            };
            assert!(matches!(worker.work(&work), WorkResult::Sent));
        }
        let path = folder.path().join("codes");
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(' ').collect()).collect();
        assert!(lines.iter().all(|line| line.len() == 3 && line[0].ends_with('Z') && line[1] == "380670000001"));
        assert_eq!((lines[0][2], lines[1][2]), ("123456", "654321"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn sec_4_a_request_becomes_the_device_s_certificate_and_a_bad_one_is_invalid() {
        let folder = tempfile::tempdir().unwrap();
        let worker = worker(folder.path());
        let device = DevKey::parse(b"phone").unwrap();
        let (_key, request) = ca::request("device").unwrap();
        let issue = |request: Bytes| {
            let (phone, account) = (phone(), phone());
            worker.work(&Work::Issue { request, phone, account, device: device.clone() })
        };

        let WorkResult::Issued(certificate) = issue(request.into()) else { panic!("not issued") };
        assert_eq!(certificate.device, Some(("380670000001".into(), "phone".into())));
        assert!(certificate.personal && certificate.own_authority);
        assert!(matches!(issue(Bytes::from_static(b"junk")), WorkResult::Failed(WorkError::Invalid)));
    }

    #[test]
    fn profile_11_a_key_is_its_account_s_whoever_else_has_been_called_by_the_number() {
        let folder = tempfile::tempdir().unwrap();
        let (worker, store) = worker_and_store(folder.path());
        let (own, device) = (Phone::parse(b"380670000009").unwrap(), DevKey::parse(b"phone").unwrap());
        let request = Bytes::from(ca::request("device").unwrap().1);
        let (phone_row, dev_key) = (own.to_bytes(), Bytes::from_static(b"phone"));
        let binding = Binding { phone: phone_row, dev_key, ..Binding::default() };
        let mut batch = Batch::default();
        batch.put(BINDING, ca::key_of_request(&request).unwrap().to_vec(), rows::encode(&binding));
        store.apply(&batch).unwrap();
        let issue = |account: Phone| {
            let (request, device) = (request.clone(), device.clone());
            worker.work(&Work::Issue { request, phone: phone(), account, device })
        };
        assert!(matches!(issue(own.clone()), WorkResult::Failed(WorkError::Broken)), "it has not the number");
        has_moved_to(&*store, &own, &phone());
        assert!(matches!(issue(own.clone()), WorkResult::Issued(_)));
        assert!(matches!(issue(phone()), WorkResult::Failed(WorkError::Invalid)));
        has_moved_to(&*store, &own, &Phone::parse(b"380670000002").unwrap());
        assert!(matches!(issue(own), WorkResult::Failed(WorkError::Broken)), "nor any more");
    }

    fn has_moved_to(store: &dyn kvs::Store, account: &Phone, number: &Phone) {
        let called = rows::Called { numbers: vec![(account.to_bytes(), 0), (number.to_bytes(), 1)] };
        let mut batch = Batch::default();
        batch.put(rows::CALLED, account.to_bytes(), rows::encode(&called));
        store.apply(&batch).unwrap();
    }

    #[tokio::test]
    async fn profile_11_a_certificate_is_published_for_its_account_whoever_has_its_number_as_key() {
        use kvs::Span;

        use crate::people::Unpublished;

        let folder = tempfile::tempdir().unwrap();
        let home = crate::home::Home::find(Some(folder.path().join("other"))).unwrap();
        home.make().unwrap();
        let store = crate::store::open(&home).unwrap();
        let mut settings = Settings::default();
        settings.directory.servers = vec!["ldap://127.0.0.1:1".into()];
        settings.directory.certificate = "userCertificate;binary".into();
        let people = People::new(&home, &settings, store.clone()).unwrap();
        let (mut desk, own) = worker_and_store(folder.path());
        desk.people = people;

        let (account, device) = (Phone::parse(b"380670000009").unwrap(), DevKey::parse(b"phone").unwrap());
        let request = ca::request("device").unwrap().1.into();
        has_moved_to(&*own, &account, &phone());
        let work = Work::Issue { request, phone: phone(), account: account.clone(), device };
        let WorkResult::Issued(certificate) = desk.work(&work) else { panic!("not issued") };
        assert_eq!(certificate.device, Some(("380670000001".into(), "phone".into())));
        let rows = store.scan(kvs::Table("unpublished"), &Span::prefix("").limit(9)).unwrap();
        let accounts = rows.iter().map(|(_, row)| etf::decode::<Unpublished>(row).unwrap().account);
        assert_eq!(accounts.collect::<Vec<_>>(), [account.to_bytes()]);
    }

    #[test]
    fn the_outbox_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("codes");
        fs::write(&path, vec![b'x'; OUTBOX_MAX as usize]).unwrap();
        append(&path, "new\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new\n");
        assert_eq!(fs::metadata(folder.path().join("codes.old")).unwrap().len(), OUTBOX_MAX);
    }
}
