//! What leaves the processes: things for connections to do, and slow work, done on a thread of its own (PM-5).

mod desk;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};

use chat::{Chat, FileWork, Input, Job, Output, Sender, Work, WorkError, WorkResult};
use n2o::{Handle, Performer};

use crate::bell::Bell;
use crate::courier::Courier;
use crate::failure::Failure;
use crate::files::Files;
use crate::people::People;
use crate::registrar::Registrar;
use crate::webhook::Webhook;
use desk::Desk;

/// Jobs that wait; further ones fail at once, and whoever asked is told.
const JOBS_MAX: usize = 1024;

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
    people: Option<Arc<People>>,
    handle: OnceLock<Handle<Chat>>,
    web: Option<Web>,
}

/// What goes over the network waits there for its answers, on the main thread, and never holds up the thread for slow work.
struct Web {
    runtime: tokio::runtime::Handle,
    outside: Outside,
}

/// Services of the operator's, as far as there are any.
#[derive(Clone)]
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
        let is_any = outside.webhook.is_some() || people.is_some();
        let web = is_any.then(|| Web { runtime: tokio::runtime::Handle::current(), outside });
        let desk = Desk::new(registrar.clone(), outbox.join("codes"), files, people.clone());
        let handle = OnceLock::new();
        let outputs =
            Outputs { jobs, signatures, files: filing, syncs, registrar, courier, published, people, handle, web };
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
                Output::Bound => self.people.iter().for_each(|people| people.look_again()),
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
