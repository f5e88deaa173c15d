//! What leaves the processes: things for connections to do, and slow work, done on a thread of its own (PM-5).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use ca::Authority;
use ca::cms::{self, Trust};
use chat::{Chat, FileWork, Input, Job, Output, Sender, Signature, Work, WorkError, WorkResult};
use n2o::{Handle, Performer};
use zeroize::Zeroizing;

use crate::bell::Bell;
use crate::courier::Courier;
use crate::failure::Failure;
use crate::files::Files;
use crate::people::People;
use crate::registrar::Registrar;
use crate::webhook::Webhook;
use crate::{clock, outbox, tls};

/// Jobs that wait; further ones fail at once, and whoever asked is told.
const JOBS_MAX: usize = 1024;
/// Bytes of the outbox file; then another is begun.
const OUTBOX_MAX: u64 = 1 << 20;

/// Performs what the processes put out.
pub(crate) struct Outputs {
    jobs: SyncSender<Job>,
    /// Signatures have a thread of their own: they are many, and codes do not wait for them.
    signatures: SyncSender<Job>,
    /// So have files.
    files: SyncSender<Job>,
    /// And waiting for the disk, so that others are written meanwhile.
    syncs: SyncSender<Job>,
    registrar: Arc<Registrar>,
    courier: Arc<Courier>,
    published: Arc<Bell>,
    handle: OnceLock<Handle<Chat>>,
    web: Option<Web>,
}

/// What goes over the network waits there for its answers, on the main thread, and never holds up the thread for slow work.
struct Web {
    runtime: tokio::runtime::Handle,
    outside: Outside,
}

/// Services of the operator's, as far as there are any.
#[derive(Clone, Default)]
pub(crate) struct Outside {
    pub(crate) webhook: Option<Arc<Webhook>>,
    pub(crate) people: Option<Arc<People>>,
}

impl Outputs {
    /// The way to the threads for slow work, and the threads' side. Codes go to the file `codes` in `outbox`.
    pub(crate) fn start(
        registrar: Arc<Registrar>,
        courier: Arc<Courier>,
        outbox: &Path,
        files: Arc<Files>,
        outside: Outside,
        published: Arc<Bell>,
    ) -> (Arc<Outputs>, Worker) {
        let (jobs, waiting) = sync_channel(JOBS_MAX);
        let (signatures, unverified) = sync_channel(JOBS_MAX);
        let (filing, unfiled) = sync_channel(JOBS_MAX);
        let (syncs, unsynced) = sync_channel(JOBS_MAX);
        let people = outside.people.clone();
        let is_any = outside.webhook.is_some() || outside.people.is_some();
        let web = is_any.then(|| Web { runtime: tokio::runtime::Handle::current(), outside });
        let (own, handle) = (registrar.clone(), OnceLock::new());
        let outputs =
            Outputs { jobs, signatures, files: filing, syncs, registrar: own, courier, published, handle, web };
        let desk = Desk { registrar, outbox: outbox.join("codes"), files, people, trust: Mutex::default() };
        (
            Arc::new(outputs),
            Worker {
                lines: [("work", waiting), ("verify", unverified), ("files", unfiled), ("sync", unsynced)],
                desk: Arc::new(desk),
            },
        )
    }

    /// Does what cannot be done before the processes run: from now on jobs that find no room are answered.
    pub(crate) fn attach(&self, handle: Handle<Chat>) {
        // Called once; a second handle would be the same one.
        let _ = self.handle.set(handle);
    }

    fn hand_over(&self, job: Job) {
        if let (Some(web), Some(handle)) = (&self.web, self.handle.get())
            && web.takes(&job, handle)
        {
            return;
        }
        let line = match job.work {
            Work::Verify(_) => &self.signatures,
            Work::File(FileWork::Sync { .. }) => &self.syncs,
            Work::File(_) => &self.files,
            Work::SendCode { .. }
            | Work::MailCode { .. }
            | Work::Look { .. }
            | Work::Password { .. }
            | Work::Issue { .. } => &self.jobs,
        };
        let Err(refused) = line.try_send(job) else { return };
        let (std::sync::mpsc::TrySendError::Full(job) | std::sync::mpsc::TrySendError::Disconnected(job)) = refused;
        tracing::warn!("too much slow work waits");
        if let Some(handle) = self.handle.get() {
            answer(handle, &job, WorkResult::Failed(WorkError::Broken));
        }
    }
}

impl Web {
    /// Starts the job if it is for the network. How many run at once they bound who are asked.
    fn takes(&self, job: &Job, handle: &Handle<Chat>) -> bool {
        let Outside { webhook, people } = self.outside.clone();
        match (&job.work, webhook, people) {
            (Work::SendCode { sender: Sender::Webhook, channel, phone, code, language }, Some(webhook), _) => {
                let (phone, code, language, channel) = (phone.clone(), code.clone(), language.clone(), *channel);
                self.start(job, handle, async move { webhook.send(&phone, &code, language.as_deref(), channel).await });
            }
            (Work::Look { phone }, _, Some(people)) => {
                let phone = phone.clone();
                self.start(job, handle, async move { people.look(&phone).await });
            }
            (Work::Password { phone, password }, _, Some(people)) => {
                let (phone, password) = (phone.clone(), password.clone());
                self.start(job, handle, async move { people.check(&phone, &password).await });
            }
            (_, _, _) => return false,
        }
        true
    }

    /// What ends by a panic has failed.
    fn start(&self, job: &Job, handle: &Handle<Chat>, work: impl Future<Output = WorkResult> + Send + 'static) {
        let (handle, from, number) = (handle.clone(), job.from.clone(), job.number);
        let working = self.runtime.spawn(work);
        self.runtime.spawn(async move {
            let result = working.await.unwrap_or(WorkResult::Failed(WorkError::Broken));
            handle.tell_always(&from, Input::Worked { job: number, result });
        });
    }
}

impl Performer<Chat> for Outputs {
    fn perform(&self, _thread: usize, outputs: &mut Vec<Output>) {
        for output in outputs.drain(..) {
            match output {
                Output::Port(port, out) => port.push(out),
                Output::Work(job) => self.hand_over(*job),
                Output::Push(push) => self.courier.take(push),
                Output::Lapsed => self.registrar.look_again(),
                Output::Published => self.published.ring(),
                Output::Bound => {
                    self.web.iter().filter_map(|web| web.outside.people.as_ref()).for_each(|people| people.look_again())
                }
            }
        }
    }
}

fn answer(handle: &Handle<Chat>, job: &Job, result: WorkResult) {
    handle.tell_always(&job.from, Input::Worked { job: job.number, result });
}

/// The threads' side.
pub(crate) struct Worker {
    /// What each thread is called, and what it takes its jobs from.
    lines: [(&'static str, Receiver<Job>); 4],
    desk: Arc<Desk>,
}

/// What work needs.
struct Desk {
    registrar: Arc<Registrar>,
    outbox: PathBuf,
    files: Arc<Files>,
    people: Option<Arc<People>>,
    /// By the revocation list that it was made with.
    trust: Mutex<Option<(Bytes, Arc<Trust>)>>,
}

impl Worker {
    /// Works until the program ends. A panic over one job fails that job alone.
    pub(crate) fn run(self, handle: Handle<Chat>) -> Result<(), Failure> {
        for (name, line) in self.lines {
            let (desk, handle) = (self.desk.clone(), handle.clone());
            let work = move || {
                while let Ok(job) = line.recv() {
                    let work = AssertUnwindSafe(|| desk.work(&job.work));
                    let result = catch_unwind(work).unwrap_or(WorkResult::Failed(WorkError::Broken));
                    answer(&handle, &job, result);
                }
            };
            let started = std::thread::Builder::new().name(name.into()).spawn(work);
            started.map_err(|error| Failure::Start(n2o::Failure::new(error)))?;
        }
        Ok(())
    }
}

impl Desk {
    fn work(&self, work: &Work) -> WorkResult {
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
}

impl Desk {
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

    use chat::rows::{self, BINDING, Binding};
    use chat::{Channel, KEY_BYTES, Vault};
    use kvs::{Batch, Disk, Store};
    use proto::ids::{DevKey, Phone};

    use super::*;
    use crate::settings::{Origin, Settings};

    fn worker(folder: &Path) -> Arc<Desk> {
        worker_and_store(folder).0
    }

    fn worker_and_store(folder: &Path) -> (Arc<Desk>, Arc<Disk>) {
        let home = crate::home::Home::find(Some(folder.join("home"))).unwrap();
        home.make().unwrap();
        let authority = Authority::create("Test", SystemTime::now()).unwrap();
        let store = crate::store::open(&home).unwrap();
        let registrar = Registrar::open(&home, authority, store.clone()).unwrap();
        let (settings, vault) = (Settings::default(), Arc::new(Vault::new(&[0; KEY_BYTES])));
        let origin = Origin { path: home.config(), must_be: false, profile: None };
        let courier = Courier::new(&home, &settings, &origin, store.clone(), vault).unwrap();
        let files = Arc::new(Files::new(home.files(), 0));
        (Outputs::start(registrar, courier, folder, files, Outside::default(), Arc::default()).1.desk, store)
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
        let (desk, own) = worker_and_store(folder.path());
        let mut desk = Arc::into_inner(desk).unwrap();
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
