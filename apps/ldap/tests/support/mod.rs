//! A directory of a few people over TLS, and OpenLDAP's programs that ask it.

#![allow(dead_code, reason = "each test uses its part")]

mod memory;

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;

use ldap::server::{Dn, Entry, Options, Server, TlsNow};
use memory::Memory;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;

pub(crate) const BASE: &str = "dc=chat,dc=example";
pub(crate) const ADMIN: &str = "cn=admin,dc=chat,dc=example";

pub(crate) struct Directory {
    server: Server,
    folder: tempfile::TempDir,
}

/// What a program said, and the result that it ended with.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Directory {
    pub(crate) fn start(people: usize, change: impl FnOnce(&mut Options)) -> Directory {
        let issued = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).expect("a certificate");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("root.pem"), issued.cert.pem()).expect("written");
        let key = PrivateKeyDer::try_from(issued.signing_key.serialize_der()).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![issued.cert.der().clone()], key)
            .expect("they fit");
        let config = Arc::new(config);
        let tls: TlsNow = Arc::new(move || config.clone());
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut options = Options { plain: vec![any], secure: vec![any], anonymous: true, ..Options::default() };
        change(&mut options);
        Directory { server: Server::start(options, Some(tls), memory(people)).expect("it serves"), folder }
    }

    pub(crate) fn plain(&self) -> SocketAddr {
        self.server.addresses()[0]
    }

    pub(crate) fn url(&self) -> String {
        format!("ldap://{}", self.plain())
    }

    pub(crate) fn secure_url(&self) -> String {
        format!("ldaps://{}", self.server.addresses()[1])
    }

    /// Runs one of OpenLDAP's programs; `input` is what it reads.
    pub(crate) fn run(&self, program: &str, words: &[&str], input: &str) -> Said {
        use std::io::Write;
        let mut child = Command::new(program)
            .args(words)
            .env("LDAPTLS_CACERT", self.folder.path().join("root.pem"))
            .env("HOME", self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|why| panic!("{program}: {why}"));
        child.stdin.take().expect("its input").write_all(input.as_bytes()).expect("written");
        let done = child.wait_with_output().expect("it ends");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said { code: done.status.code().unwrap_or(-1), out: text(&done.stdout), err: text(&done.stderr) }
    }

    /// What a search within the base finds, without comments; by whoever asks.
    pub(crate) fn search(&self, words: &[&str]) -> Said {
        let url = self.url();
        let all = ["-x", "-LLL", "-o", "ldif-wrap=no", "-H", &url, "-b", BASE];
        self.run("ldapsearch", &[&all[..], words].concat(), "")
    }

    /// The names that it finds, in order.
    pub(crate) fn names(&self, words: &[&str]) -> Vec<String> {
        let said = self.search(words);
        assert_eq!(said.code, 0, "{words:?}: {said:?}");
        let mut names: Vec<String> =
            said.out.lines().filter_map(|line| line.strip_prefix("dn: ")).map(str::to_owned).collect();
        names.sort();
        names
    }
}

/// ann, ben and carla, and people with numbers for names.
pub(crate) fn memory(people: usize) -> Memory {
    let base = Dn::parse(BASE).expect("a name");
    let memory = Memory::new(base.clone(), Dn::parse(ADMIN).expect("a name"));
    let mut root = Entry::new(base.clone(), &["domain", "top"]);
    root.put("dc", &["chat"]);
    memory.put(root).expect("the base");
    let mut admin = Entry::new(base.child("cn", "admin"), &["person", "top"]);
    admin.put("cn", &["admin"]);
    admin.put("sn", &["admin"]);
    admin.put("userPassword", &["wonder"]);
    memory.put(admin).expect("the administrator");
    let mut unit = Entry::new(base.child("ou", "people"), &["organizationalUnit", "top"]);
    unit.put("ou", &["people"]);
    memory.put(unit).expect("a unit");
    for (uid, given, sn, number) in [
        ("ann", "Ann Marie", "Black", "+380 67 000-00-01"),
        ("ben", "Ben", "O'Neill", "+380670000002"),
        ("carla", "Carla", "Müller", "+380670000003"),
    ] {
        let mut own = person(&base, uid, given, sn, number);
        own.put("userPassword", &[format!("secret of {uid}")]);
        memory.put(own).expect("a person");
    }
    for number in 0..people {
        let own = person(&base, &format!("p{number}"), "Person", &format!("No {number}"), &format!("+4900{number}"));
        memory.put(own).expect("a person");
    }
    memory
}

fn person(base: &Dn, uid: &str, given: &str, sn: &str, number: &str) -> Entry {
    let classes = ["inetOrgPerson", "organizationalPerson", "person", "top"];
    let mut own = Entry::new(base.child("ou", "people").child("uid", uid), &classes);
    own.put("uid", &[uid]);
    own.put("cn", &[format!("{given} {sn}")]);
    own.put("sn", &[sn]);
    own.put("givenName", &[given]);
    own.put("telephoneNumber", &[number]);
    own.put("mail", &[format!("{uid}@chat.example")]);
    own.put("createTimestamp", &["20260101000000Z"]);
    own
}
