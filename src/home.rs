//! The server's folder: what lies where in it, and who has it.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::process::umask;

use crate::failure::Failure;

const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// Rights of anybody but the owner.
const OTHERS: u32 = 0o077;
/// Rights to put something else in a folder's place.
const OTHERS_WRITE: u32 = 0o022;
/// Bytes of the file of the process id that are read.
const PID_MAX: u64 = 20;

/// The server's folder. Everything that a server keeps is in it.
#[derive(Debug, Clone)]
pub(crate) struct Home(PathBuf);

impl Home {
    /// The folder given, else `$CHAT_HOME`, else the user's folder for data.
    pub(crate) fn find(given: Option<PathBuf>) -> Result<Home, Failure> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let data = || set("XDG_DATA_HOME").or_else(|| Some(set("HOME")?.join(".local/share")));
        let folder = given.or_else(|| set("CHAT_HOME")).or_else(|| Some(data()?.join("chat")));
        let folder = folder.ok_or(Failure::NoHome)?;
        std::path::absolute(&folder).map(Home).map_err(Failure::file(&folder))
    }

    /// Makes what is missing of it, for its owner alone; so is all that this process makes from now on, whoever makes it (SEC-12).
    pub(crate) fn make(&self) -> Result<(), Failure> {
        umask(Mode::from_raw_mode(OTHERS));
        for folder in [
            self.path().into(),
            self.authority(),
            self.certificates(),
            self.outbox(),
            self.zone(),
            self.log_folder(),
            self.run(),
        ] {
            DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(&folder).map_err(Failure::file(&folder))?;
        }
        Ok(())
    }

    /// Closes a store that an earlier release or a copy left open to others (SEC-12). The folder itself is the operator's: who looks in it
    /// finds nothing to read, but who may write to it can put another in its place.
    pub(crate) fn close(&self) -> Result<(), Failure> {
        let store = self.store();
        if store.exists() {
            close(&store).map_err(Failure::file(&store))?;
        }
        let mode = fs::metadata(&self.0).map_err(Failure::file(&self.0))?.mode();
        if mode & OTHERS_WRITE != 0 {
            tracing::warn!(folder = %self.0.display(), "others may write to the server's folder: chmod go-w it");
        }
        Ok(())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.0.join("chat.toml")
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.0.join("store")
    }

    /// Says that the store was once complete, and by which schema.
    pub(crate) fn store_mark(&self) -> PathBuf {
        self.0.join("store.schema")
    }

    /// The key under which secrets in the store are encrypted (SEC-12).
    pub(crate) fn store_key(&self) -> PathBuf {
        self.0.join("store.key")
    }

    /// By which push services of Web Push know the server.
    pub(crate) fn push_key(&self) -> PathBuf {
        self.0.join("push.key")
    }

    pub(crate) fn authority(&self) -> PathBuf {
        self.0.join("ca")
    }

    pub(crate) fn root_certificate(&self) -> PathBuf {
        self.authority().join("root.crt")
    }

    /// What the authority has taken back, for whoever publishes it (SEC-4).
    pub(crate) fn revocation_list(&self) -> PathBuf {
        self.authority().join("ca.crl")
    }

    pub(crate) fn certificates(&self) -> PathBuf {
        self.0.join("certs")
    }

    pub(crate) fn outbox(&self) -> PathBuf {
        self.0.join("outbox")
    }

    /// What clients upload (FTP).
    pub(crate) fn files(&self) -> PathBuf {
        self.0.join("files")
    }

    fn zone(&self) -> PathBuf {
        self.0.join("ns")
    }

    /// The keys that sign the zone.
    pub(crate) fn zone_keys(&self) -> PathBuf {
        self.zone().join("keys")
    }

    /// The operator's records, as they were last good.
    pub(crate) fn zone_records(&self) -> PathBuf {
        self.zone().join("records")
    }

    /// The number that the zone was last published with.
    pub(crate) fn zone_serial(&self) -> PathBuf {
        self.zone().join("serial")
    }

    fn log_folder(&self) -> PathBuf {
        self.0.join("log")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.log_folder().join("chat.log")
    }

    fn run(&self) -> PathBuf {
        self.0.join("run")
    }

    fn pid(&self) -> PathBuf {
        self.0.join("chat.pid")
    }

    fn addresses(&self) -> PathBuf {
        self.run().join("addresses")
    }

    /// Writes where the server listens, one `name address` a line.
    pub(crate) fn write_addresses(&self, addresses: &[(&str, SocketAddr)]) -> Result<(), Failure> {
        let text: String = addresses.iter().map(|(name, address)| format!("{name} {address}\n")).collect();
        Ok(ca::files::write_secret(self.addresses(), text)?)
    }

    pub(crate) fn remove_addresses(&self) {
        // That it is not there is what was wanted; a stale one only names ports where nobody answers.
        let _ = fs::remove_file(self.addresses());
    }

    /// Where the running server listens by this name.
    pub(crate) fn address(&self, name: &str) -> Option<SocketAddr> {
        let text = fs::read_to_string(self.addresses()).ok()?;
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(listener, _)| *listener == name)?.1.parse().ok()
    }

    /// Takes the folder for this process.
    ///
    /// # Errors
    /// Another server has it; its process id is named.
    pub(crate) fn lock(&self) -> Result<Lock, Failure> {
        let path = self.pid();
        loop {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE);
            let file = options.open(&path).map_err(Failure::file(&path))?;
            if is_locked(&file, &path)? {
                return Err(Failure::Running { pid: read_pid(&file), home: self.0.clone() });
            }
            // A server that has just ended may have removed the file that was opened.
            if is_at(&file, &path) {
                return Lock::write(file, path);
            }
        }
    }

    /// The server that runs here now.
    pub(crate) fn running(&self) -> Result<Running, Failure> {
        let path = self.pid();
        let none = || Failure::NotRunning { home: self.0.clone() };
        let file = File::open(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => none(),
            _ => Failure::File { path: path.clone(), source: error },
        })?;
        match is_locked(&file, &path)? {
            true => Ok(Running { pid: read_pid(&file), file }),
            false => Err(none()),
        }
    }
}

/// Takes from others all rights to `path`, from inside out; links are left alone, and what a server that is just ending removes.
fn close(path: &Path) -> std::io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            match close(&entry?.path()) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                done => done?,
            }
        }
    }
    if metadata.mode() & OTHERS == 0 || metadata.is_symlink() {
        return Ok(());
    }
    fs::set_permissions(path, fs::Permissions::from_mode(metadata.mode() & !OTHERS))
}

/// Tries to lock the file; true when another process has it.
fn is_locked(file: &File, path: &Path) -> Result<bool, Failure> {
    match file.try_lock() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(source)) => Err(Failure::File { path: path.into(), source }),
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

fn read_pid(file: &File) -> String {
    let mut text = String::new();
    match file.take(PID_MAX).read_to_string(&mut text) {
        Ok(1..) => text.trim().to_owned(),
        Ok(0) | Err(_) => "unknown".to_owned(),
    }
}

/// The folder is this process's until this is dropped or the process ends, in whatever way.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    fn write(mut file: File, path: PathBuf) -> Result<Lock, Failure> {
        let pid = format!("{}\n", std::process::id());
        file.set_len(0).and_then(|()| file.write_all(pid.as_bytes())).map_err(Failure::file(&path))?;
        Ok(Lock { path, _file: file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Left behind it does no harm: what counts is the lock.
        let _ = fs::remove_file(&self.path);
    }
}

/// A server that has the folder.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) pid: String,
    file: File,
}

impl Running {
    /// Blocks until the server's process has ended.
    pub(crate) fn wait(&self) -> std::io::Result<()> {
        self.file.lock()
    }
}
