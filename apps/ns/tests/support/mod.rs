//! A server with a zone in this process, and others' programs beside it, on ports of loopback.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "each test crate uses its part; a test may fail"
)]

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ns::record::Name;
use ns::{Algorithm, Contents, Keys, Options, Secondary, Secrets, Server, Zone, compile, import};
use tempfile::TempDir;

pub(crate) const APEX: &str = "\
$TTL 3600
@ SOA ns hostmaster 1 3600 600 86400 300
@ NS ns
@ CAA 0 issue \";\"
ns A 127.0.0.1
@ A 127.0.0.1
@ AAAA ::1
_mqtts._tcp SRV 0 0 8883 @
_8883._tcp TLSA 3 1 1 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff
alias CNAME www
www A 192.0.2.80
*.wild TXT \"any\"
deep.down.there A 192.0.2.9
out CNAME www.other.example.
lost CNAME nowhere
loop CNAME loop
sub NS ns.sub
ns.sub A 192.0.2.53
safe NS ns.safe
safe DS 12345 13 2 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff
ns.safe A 192.0.2.54
";

pub(crate) fn origin() -> Name {
    Name::from_ascii("chat.example.").unwrap()
}

pub(crate) fn contents(more: &str) -> Contents {
    let records = import(&format!("{APEX}{more}"), &origin()).unwrap();
    Contents { origin: origin(), records }
}

pub(crate) fn now() -> u32 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

pub(crate) fn zone(more: &str, keys: &Keys) -> Zone {
    compile(&contents(more), keys, 1, now(), None).unwrap().unwrap()
}

/// A server, its keys, and a folder for what is beside it.
pub(crate) struct Place {
    pub(crate) server: Server,
    pub(crate) keys: Keys,
    pub(crate) folder: TempDir,
}

impl Place {
    pub(crate) fn new(algorithm: Algorithm, more: &str, secondaries: Vec<SocketAddr>) -> Place {
        let secondaries = secondaries.into_iter().map(|address| Secondary { address, key: None }).collect();
        Place::knowing(algorithm, more, secondaries, "")
    }

    /// The same with a file of keys (TSIG).
    pub(crate) fn knowing(algorithm: Algorithm, more: &str, secondaries: Vec<Secondary>, secrets: &str) -> Place {
        let keys = Keys::create(algorithm, now()).unwrap();
        let listen = vec!["127.0.0.1:0".parse().unwrap()];
        let secrets = Arc::new(Secrets::parse(secrets).unwrap());
        let options = Options { listen, threads: 2, secondaries, secrets, like_answers: None };
        let server = Server::start(&options, zone(more, &keys)).unwrap();
        Place { server, keys, folder: tempfile::tempdir().unwrap() }
    }

    /// The server of a zone that may be copied by any program on this machine.
    pub(crate) fn copied(more: &str) -> Place {
        Place::new(Algorithm::EcdsaP256, more, vec!["127.0.0.1:9".parse().unwrap()])
    }

    pub(crate) fn change(&self, more: &str) {
        let before = self.server.zone();
        self.server.publish(compile(&contents(more), &self.keys, 1, now(), Some(&before)).unwrap().unwrap());
    }

    pub(crate) fn port(&self) -> u16 {
        self.server.addresses()[0].port()
    }

    pub(crate) fn dig(&self, question: &str) -> String {
        dig(self.port(), question)
    }

    /// What delv says with `anchor`, a line of DS as the parent has it.
    pub(crate) fn delv(&self, anchor: &str, question: &str) -> String {
        let words: Vec<&str> = anchor.split(' ').collect();
        let [zone, _, _, tag, algorithm, digest, hash] = words[..] else { panic!("{anchor}") };
        let file = self.folder.path().join("anchor");
        fs::write(&file, format!("trust-anchors {{ {zone} static-ds {tag} {algorithm} {digest} \"{hash}\"; }};\n"))
            .unwrap();
        let port = self.port().to_string();
        let file = file.to_str().unwrap();
        let mut words = vec!["@127.0.0.1", "-p", &port, "-a", file, "+root=chat.example"];
        words.extend(question.split(' '));
        said("delv", &words)
    }

    pub(crate) fn anchor(&self) -> String {
        self.keys.ds(&origin())[0].clone()
    }
}

pub(crate) fn dig(port: u16, question: &str) -> String {
    let port = port.to_string();
    let mut words = vec!["@127.0.0.1", "-p", &port, "+time=5", "+tries=3"];
    words.extend(question.split(' '));
    said("dig", &words)
}

/// What a program says, on both of its outputs.
pub(crate) fn said(program: &str, words: &[&str]) -> String {
    let done =
        Command::new(program).args(words).env("PATH", PATH).output().unwrap_or_else(|why| panic!("{program}: {why}"));
    String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr)
}

/// Servers of Debian's are not in everybody's path.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Somebody else's server, until it is dropped.
pub(crate) struct Program {
    child: Child,
    pub(crate) port: u16,
}

impl Program {
    /// A server that is configured by a file, with `PORT` and `DIR` in it; it answers when this returns.
    pub(crate) fn start(folder: &Path, name: &str, words: &[&str], configuration: &str) -> Program {
        Program::start_at(free_port(), folder, name, words, configuration)
    }

    pub(crate) fn start_at(port: u16, folder: &Path, name: &str, words: &[&str], configuration: &str) -> Program {
        let file = folder.join(format!("{name}{port}.conf"));
        let text = configuration.replace("PORT", &port.to_string()).replace("DIR", folder.to_str().unwrap());
        fs::write(&file, text).unwrap();
        let log = fs::File::create(folder.join(format!("{name}{port}.log"))).unwrap();
        let child = Command::new(name)
            .args(words)
            .arg(&file)
            .env("PATH", PATH)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|why| panic!("{name}: {why}"));
        let program = Program { child, port };
        let answers = (0..100).any(|_| dig(port, "+time=1 +tries=1 . SOA").contains("status:"));
        assert!(
            answers,
            "{name} does not answer: {}",
            fs::read_to_string(folder.join(format!("{name}{port}.log"))).unwrap()
        );
        program
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn free_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}
