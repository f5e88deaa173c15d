//! A real server for tests: the `chat` program as a child process, in a folder of its own, on free ports.

#![allow(dead_code, clippy::indexing_slicing, reason = "each test crate uses its part; a test may fail")]

pub(crate) mod account;
pub(crate) mod carrier;
pub(crate) mod foreign;
pub(crate) mod slapd;
pub(crate) mod user;
pub(crate) mod wire;

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use tempfile::TempDir;
use tokio::net::TcpSocket;

/// The program under test.
pub(crate) const CHAT: &str = env!("CARGO_BIN_EXE_chat");

/// Content of so many bytes, no two pieces of which are alike.
pub(crate) fn picture(size: usize) -> Vec<u8> {
    (0..size).map(|n| (n * 7 / 3 % 251) as u8).collect()
}

/// A running server. Dropping it kills the process and removes the folder.
pub(crate) struct Server {
    home: TempDir,
    child: Option<Child>,
    addresses: HashMap<String, SocketAddr>,
    ports: Vec<TcpSocket>,
}

impl Server {
    /// A fresh server of the `dev` profile on free ports of loopback; it serves when this returns.
    pub(crate) fn start() -> Server {
        Server::start_with("")
    }

    /// The same with more lines of configuration, each `section.name = value`.
    pub(crate) fn start_with(lines: &str) -> Server {
        let mut server = Server::prepare(lines);
        server.restart();
        server
    }

    /// A folder with its configuration; nothing runs yet.
    pub(crate) fn prepare(lines: &str) -> Server {
        let home = tempfile::tempdir().expect("a temporary folder");
        let server = Server { home, child: None, addresses: HashMap::new(), ports: Vec::new() };
        server.configure(&format!("profile = \"dev\"\n{}{lines}\n", listen("0", "0", "0")));
        server
    }

    /// Replaces the configuration file; it counts from the next start.
    pub(crate) fn configure(&self, text: &str) {
        fs::write(self.home().join("chat.toml"), text).expect("the configuration is written");
    }

    /// Starts the server again after [`Server::kill`] or [`Server::terminate`], on the ports that it had.
    pub(crate) fn restart(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        self.reserve_ports();
        let mut child = spawn(self.home());
        let failed = wait_until_ready(&mut child);
        self.child = Some(child);
        assert!(failed.is_none(), "the server does not start:\n{}\n{}", failed.unwrap_or_default(), self.log());
        self.addresses = read_addresses(self.home());
        let quic = self.addresses.get("quic").map(ToString::to_string).unwrap_or_default();
        self.replace_ports(|name| (name == "quic").then(|| quic.clone()));
    }

    /// Gives each listener that asks for any port of TCP one that stays its own while the server is down.
    ///
    /// A socket is bound there which does not listen: the system then gives the port to nobody who asks for any, neither a
    /// listener nor a client, and lets the server listen there, since both say `SO_REUSEADDR`.
    fn reserve_ports(&mut self) {
        let mut taken = Vec::new();
        self.replace_ports(|name| {
            let (socket, address) = (name != "quic").then(reserved_port)?;
            taken.push(socket);
            Some(address.to_string())
        });
        self.ports.extend(taken);
    }

    /// Writes an address, where there is one, for each listener of the configuration that asks for any port.
    fn replace_ports(&self, mut address: impl FnMut(&str) -> Option<String>) {
        let path = self.home().join("chat.toml");
        let text = fs::read_to_string(&path).expect("its configuration");
        let mut replaced = |line: &str| {
            let (name, _) = line.strip_prefix("listen.")?.split_once(" = [\"127.0.0.1:0\"]")?;
            Some(entry(&format!("listen.{name}"), &address(name)?))
        };
        let lines: Vec<String> = text.lines().map(|line| replaced(line).unwrap_or_else(|| line.to_owned())).collect();
        fs::write(path, lines.join("\n") + "\n").expect("the configuration is written");
    }

    /// Where MQTT without TLS is spoken.
    pub(crate) fn mqtt(&self) -> SocketAddr {
        self.address("mqtt")
    }

    /// Where MQTT over mutual TLS is spoken.
    pub(crate) fn mqtts(&self) -> SocketAddr {
        self.address("mqtts")
    }

    /// Where HTTP is spoken, WebSocket included.
    pub(crate) fn http(&self) -> SocketAddr {
        self.address("http")
    }

    /// The same over TLS.
    pub(crate) fn https(&self) -> SocketAddr {
        self.address("https")
    }

    /// Where MQTT over QUIC is spoken.
    pub(crate) fn quic(&self) -> SocketAddr {
        self.address("quic")
    }

    /// Where its directory answers.
    pub(crate) fn ldap(&self) -> SocketAddr {
        self.address("ldap")
    }

    /// The same over TLS, where it is configured.
    pub(crate) fn ldaps(&self) -> SocketAddr {
        self.address("ldaps")
    }

    /// Where its name server answers.
    pub(crate) fn dns(&self) -> SocketAddr {
        self.address("dns")
    }

    /// Where the remote shell listens.
    pub(crate) fn shell(&self) -> SocketAddr {
        self.address("shell")
    }

    fn address(&self, name: &str) -> SocketAddr {
        *self.addresses.get(name).unwrap_or_else(|| panic!("no listener {name}"))
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// The certificate by which clients know the server.
    pub(crate) fn root_certificate(&self) -> PathBuf {
        self.home().join("ca/root.crt")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// What the server has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.home().join("stderr")).unwrap_or_default()
    }

    /// The whole lines of a file that the server may be writing at this moment.
    fn outbox(&self, name: &str) -> String {
        let text = fs::read_to_string(self.home().join("outbox").join(name)).unwrap_or_default();
        text.rsplit_once('\n').map(|(whole, _)| whole.to_owned()).unwrap_or_default()
    }

    /// The codes sent to a number so far, oldest first (ID-11, provider `log`).
    pub(crate) fn codes(&self, phone: &str) -> Vec<String> {
        let outbox = self.outbox("codes");
        let lines = outbox.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        lines
            .filter(|parts| parts.get(1) == Some(&phone))
            .filter_map(|parts| Some((*parts.get(2)?).to_owned()))
            .collect()
    }

    /// The pushes to a device so far, oldest first (PUSH-7, sender `log`): the record in hexadecimal, a blank, the body.
    pub(crate) fn pushes(&self, client: &str) -> Vec<String> {
        let outbox = self.outbox("pushes");
        let lines = outbox.lines().map(|line| line.splitn(4, ' ').collect::<Vec<_>>());
        lines
            .filter(|parts| parts.get(1) == Some(&client))
            .filter_map(|parts| Some((*parts.get(3)?).to_owned()))
            .collect()
    }

    /// Runs `chat ARGUMENTS --home <this server's>` to its end.
    pub(crate) fn chat(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(CHAT);
        command.args(arguments).arg("--home").arg(self.home()).stdin(Stdio::null());
        command.output().expect("the program runs")
    }

    /// One command of the remote shell; what it prints.
    pub(crate) fn remote(&self, command: &str) -> String {
        let output = self.chat(&["remote", "-e", command]);
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    /// SIGKILL, at once.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it is ours");
            child.wait().expect("it ends");
        }
    }

    /// SIGTERM; returns when the process has ended.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("it runs");
        let killed = Command::new("kill").arg(child.id().to_string()).status().expect("kill runs");
        assert!(killed.success());
        child.wait().expect("it ends")
    }

    /// Waits until the process has ended by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.take().expect("it runs").wait().expect("it ends")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- the server's log ---\n{}", self.log());
        }
    }
}

/// Lines that put the listeners on these ports of loopback, those of the web on free ones.
pub(crate) fn listen(mqtt: &str, mqtts: &str, shell: &str) -> String {
    [
        ("listen.mqtt", mqtt),
        ("listen.mqtts", mqtts),
        ("listen.http", "0"),
        ("listen.https", "0"),
        ("listen.quic", "0"),
        ("listen.ldap", "0"),
        ("listen.shell", shell),
    ]
    .map(|(key, port)| entry(key, &format!("127.0.0.1:{port}")) + "\n")
    .concat()
}

fn entry(key: &str, address: &str) -> String {
    format!("{key} = [\"{address}\"]")
}

/// A free port of loopback, and what keeps it.
fn reserved_port() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("a socket's option");
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
    let address = socket.local_addr().expect("its address");
    (socket, address)
}

/// `chat foreground` in this folder; its log goes to the file `stderr` there.
pub(crate) fn spawn(home: &Path) -> Child {
    let log = fs::OpenOptions::new().create(true).append(true).open(home.join("stderr")).expect("a log file");
    let mut command = Command::new(CHAT);
    command.arg("foreground").arg("--home").arg(home).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    command.spawn().expect("the program starts")
}

/// Waits for the line that says it serves; what was printed instead, when it ended.
fn wait_until_ready(child: &mut Child) -> Option<String> {
    let stdout = child.stdout.take().expect("a pipe");
    let mut reader = BufReader::new(stdout);
    let mut said = String::new();
    loop {
        let start = said.len();
        if reader.read_line(&mut said).expect("text") == 0 {
            return Some(said);
        }
        if said.get(start..).is_some_and(|line| line.starts_with("ready")) {
            // What it still prints must not block it.
            std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
            return None;
        }
    }
}

fn read_addresses(home: &Path) -> HashMap<String, SocketAddr> {
    let text = fs::read_to_string(home.join("run/addresses")).expect("the file of addresses");
    let pair = |line: &str| {
        line.split_once(' ').map(|(name, address)| (name.to_owned(), address.parse().expect("an address")))
    };
    text.lines().filter_map(pair).collect()
}
