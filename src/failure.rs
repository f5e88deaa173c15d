//! Why the program cannot do what was asked, in words for the operator.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("where is the server's folder? Give --home FOLDER or set CHAT_HOME")]
    NoHome,
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{}: {what}", path.display())]
    Settings { path: PathBuf, what: String },
    #[error("this server runs already: process {pid} uses {}", home.display())]
    Running { pid: String, home: PathBuf },
    #[error("no server runs in {}", home.display())]
    NotRunning { home: PathBuf },
    #[error("the server did not stop in time: process {pid}")]
    NotStopped { pid: String },
    #[error("the server did not start; see {}", log.display())]
    NotStarted { log: PathBuf },
    #[error("{}: {source}", path.display())]
    Store { path: PathBuf, source: kvs::Error },
    #[error(
        "{}: the data is of a newer release (schema {found}, this one knows {known}); install that release, nothing was changed",
        path.display()
    )]
    Newer { path: PathBuf, found: String, known: u64 },
    #[error(
        "{}: the data is of an earlier version (schema {found}, this one knows {known}) that this one does not migrate; run that one, or \
         begin with another --home, nothing was changed",
        path.display()
    )]
    Older { path: PathBuf, found: String, known: u64 },
    #[error("{}: the data is damaged: {what}", path.display())]
    Damaged { path: PathBuf, what: String },
    #[error("{}: {what}", path.display())]
    Authority { path: PathBuf, what: String },
    #[error(transparent)]
    Certificates(#[from] ca::Error),
    #[error("TLS: {0}")]
    Tls(String),
    #[error("requests to others: {0}")]
    Fetch(#[from] fetch::Error),
    #[error("cannot listen: {0}")]
    Listen(#[from] listen::Error),
    #[error(transparent)]
    Mqtt(#[from] mqtt::Error),
    #[error("cannot listen for the remote shell: port {} on {}: {source}", address.port(), address.ip())]
    Shell { address: std::net::SocketAddr, source: io::Error },
    #[error("the name server: {0}")]
    Zone(String),
    #[error("the directory: {0}")]
    Ldap(String),
    #[error("the server does not answer at {address}: {source}")]
    Unreachable { address: String, source: io::Error },
    #[error("{0}")]
    Refused(String),
    #[error(
        "cannot start: the address space of the process is limited to {limit} MiB, the server needs {needed} at least, and more with many \
         connections; give it all there is by `ulimit -v unlimited`, or by LimitAS=infinity where systemd starts it"
    )]
    Narrow { limit: u64, needed: u64 },
    #[error("cannot start: {0}")]
    Start(#[from] n2o::Failure),
    #[error(transparent)]
    Client(#[from] client::Error),
}

impl Failure {
    /// What happened to a file or folder.
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Failure {
        move |source| Failure::File { path: path.into(), source }
    }

    /// With which the program ends: 1, but EX_OSERR (sysexits.h) where the system does not give what any start needs.
    pub(crate) fn code(&self) -> ExitCode {
        if matches!(self, Failure::Narrow { .. }) { ExitCode::from(71) } else { ExitCode::FAILURE }
    }

    pub(crate) fn tls(why: impl ToString) -> Failure {
        Failure::Tls(why.to_string())
    }
}
