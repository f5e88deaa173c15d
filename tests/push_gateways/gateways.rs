//! The gateways that we did not write, as a child process, and a server of ours that pushes by them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use scene::{Daemon, Version, live_file};
use tempfile::TempDir;

use crate::scenes::written;
use crate::support::Server;
use crate::support::foreign::{python, script};

/// Whether push services at our own machine may be asked, as they are in these tests.
pub(super) const INTERNAL: &str = "push.web.internal = true";

/// The gateways, as a child process with a folder of its own.
pub(super) struct Gateways {
    folder: TempDir,
    port: String,
    child: Child,
}

impl Gateways {
    pub(super) fn start() -> Gateways {
        Gateways::start_with(&[])
    }

    /// With these words of its environment.
    pub(super) fn start_with(how: &[(&str, &str)]) -> Gateways {
        let folder = tempfile::tempdir().expect("a folder");
        let log = fs::File::create(folder.path().join("log")).expect("a file");
        let mut command = Command::new(python("hypercorn, jwt, http_ece"));
        command.arg(script("push_gateways.py")).arg(folder.path()).env("PYTHONDONTWRITEBYTECODE", "1");
        command.envs(how.iter().copied());
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().expect("Python runs");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        let port = line.trim().strip_prefix("ready ").map(str::to_owned);
        let log = || fs::read_to_string(folder.path().join("log")).unwrap_or_default();
        let port = port.unwrap_or_else(|| panic!("the gateways do not start: {}", log()));
        Gateways { folder, port, child }
    }

    pub(super) fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    pub(super) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    /// The configuration of a server that uses them; for push services at our own machine too.
    pub(super) fn settings(&self) -> String {
        let url = format!("https://localhost:{}", self.port);
        [
            ("http.roots", self.file("root.crt")),
            ("push.apns.key", self.file("AuthKey.p8")),
            ("push.apns.key_id", "ABCDE12345".into()),
            ("push.apns.team_id", "TEAM567890".into()),
            ("push.apns.live", url.clone()),
            ("push.apns.sandbox", url.clone()),
            ("push.fcm.account", self.file("account.json")),
            ("push.fcm.gateway", url),
            ("push.web.subject", "mailto:admin@example.org".into()),
        ]
        .map(|(key, value)| format!("{key} = \"{value}\"\n"))
        .concat()
            + "push.apns.bundles = [\"org.example.chat\"]\n"
            + INTERNAL
            + "\n"
    }
}

impl Drop for Gateways {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the gateways' log ---\n{}", self.read("log"));
        }
    }
}

/// A server whose pushes arrive at the gateways.
pub(super) struct Pushing<'g> {
    pub(super) server: Server,
    gateways: &'g Gateways,
}

impl<'g> Pushing<'g> {
    pub(super) fn start(gateways: &'g Gateways, settings: &str) -> Pushing<'g> {
        Pushing { server: Server::start_with(settings), gateways }
    }

    pub(super) fn play(&mut self, scenes: &str) {
        let path = self.gateways.folder.path().join("push.chat");
        fs::write(&path, written(scenes, &self.gateways.port, &self.gateways.read("subscription"))).expect("a file");
        live_file(&path, self, Version::V5);
    }
}

impl Daemon for Pushing<'_> {
    fn address(&self) -> SocketAddr {
        self.server.mqtt()
    }

    /// Until then the gateways hold back what they are asked to.
    fn crash(&mut self) -> Result<(), String> {
        self.server.kill();
        fs::remove_file(self.gateways.file("hold")).map_err(|why| why.to_string())?;
        self.server.restart();
        Ok(())
    }

    fn pushes(&self, client: &str) -> Vec<String> {
        let account = client.split('_').nth(1).unwrap_or_default();
        let received = self.gateways.read("received");
        let lines = received.lines().filter_map(|line| line.split_once(' '));
        lines.filter(|(of, _)| *of == account).map(|(_, push)| push.to_owned()).collect()
    }

    fn code(&self, phone: &str) -> Option<String> {
        self.server.codes(phone).pop()
    }
}
