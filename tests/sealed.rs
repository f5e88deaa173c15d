//! T-10 against the real program: content that only devices of its parties read, and the real `openssl cms` on both ends of it (SEC-5 to
//! SEC-11).

#![allow(clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use client::{
    Client, Doubt, Enrolment, Error, Event, Events, Opened, Options, Peer, People, Registered, Seals, private,
};
use proto::{Desc, Message, Record, Service};
use support::{CHAT, Server};
use tempfile::TempDir;

/// The `openssl` command in a folder of its own.
struct Openssl(TempDir);

impl Openssl {
    fn new(server: &Server) -> Openssl {
        let openssl = Openssl(tempfile::tempdir().expect("a folder"));
        fs::copy(server.root_certificate(), openssl.0.path().join("root.crt")).expect("the root");
        openssl
    }

    fn ok(&self, line: &str) {
        let mut command = Command::new("openssl");
        let output = command.args(line.split_whitespace()).current_dir(self.0.path()).output();
        let output = output.expect("openssl runs: .ci/run installs it");
        assert!(output.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.0.path().join(name), bytes).expect("a file");
    }

    fn get(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.path().join(name)).expect("openssl wrote it")
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8(self.get(name)).expect("text")
    }
}

/// A device, connected, and its certificate and key as `NAME.crt` and `NAME.key` for openssl.
struct Device {
    client: Client,
    events: Events,
    seals: Seals,
    address: String,
}

impl Device {
    /// Its key is made by openssl, on this curve; the server's own authority certifies it (AUTH-4).
    async fn register(server: &Server, openssl: &Openssl, phone: &str, name: &str, curve: &str) -> Device {
        openssl.ok(&format!("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:{curve} -out {name}.key"));
        openssl.ok(&format!("req -new -key {name}.key -subj /CN=x -outform DER -out csr"));
        let url = format!("mqtt://{}", server.mqtt()).parse::<client::Url>().expect("an address");
        let (client, _events) = Client::connect(Options::new(url.clone(), format!("reg_{name}"))).await.expect("in");
        let csr = openssl.get("csr");
        let Ok(Registered::Done(account)) = client.register(phone, name, Enrolment::Fake, Some(&csr)).await else {
            panic!("not registered")
        };
        client.close().await;
        let certificate = ca::pem(account.certificate.as_ref().expect("a certificate"));
        openssl.put(&format!("{name}.crt"), &certificate);
        let root = openssl.text("root.crt");
        let seals = Seals::new(&certificate, &openssl.text(&format!("{name}.key")), Some(&root)).expect("its own");
        let mut options = Options::new(url, &account.client_id);
        options.token = Some(account.token.clone());
        options.auto_ack = true;
        let (client, events) = Client::connect(options).await.expect("in");
        Device { client, events, seals, address: account.phone_id().expect("a roster") }
    }

    /// The next message of somebody, as it came.
    async fn message(&mut self, msg_id: &str) -> Message {
        loop {
            if let Event::Record { record: Record::Message(message), .. } = self.events.next().await.expect("more")
                && message.msg_id.as_deref() == Some(msg_id.as_bytes())
            {
                return *message;
            }
        }
    }

    /// The certificates that the server tells of somebody's devices (SEC-9).
    async fn keys_of(&self, phone: &str) -> Vec<Service> {
        let found = self.client.find_phones(&[phone]).await.expect("an answer");
        found.into_iter().flat_map(|contact| contact.services).collect()
    }

    async fn people(&self, phones: &[&str]) -> People {
        let mut people = People::default();
        for phone in phones {
            people.note(&self.seals, phone, &self.keys_of(phone).await, SystemTime::now());
        }
        people
    }

    fn opened(&self, outer: &Message, author: &str, people: &People) -> Opened {
        self.seals.open_message(outer, |key| people.has(author, key), SystemTime::now())
    }
}

async fn befriend(one: &Device, other: &Device) {
    one.client.request_friend(&other.address).await.expect("asked");
    other.client.confirm(&one.address).await.expect("confirmed");
}

fn draft(from: &Device, to: &Device, msg_id: &'static str, text: &str) -> Message {
    Message {
        msg_id: Some(Bytes::from_static(msg_id.as_bytes())),
        feed_id: Some(private(&from.address, &to.address).expect("addresses")),
        from: Some(from.address.clone().into()),
        to: Some(to.address.clone().into()),
        files: vec![Desc::text(text.as_bytes().to_vec())],
        ..Message::default()
    }
}

#[tokio::test]
async fn t_10_two_devices_open_what_nobody_else_reads_and_openssl_does_too() {
    let server = Server::start_with("security.require_cms = true");
    let openssl = Openssl::new(&server);
    let ann = Device::register(&server, &openssl, "38001", "ann1", "P-256").await;
    let mut ben1 = Device::register(&server, &openssl, "38002", "ben1", "P-256").await;
    let mut ben2 = Device::register(&server, &openssl, "38002", "ben2", "P-384").await;
    befriend(&ann, &ben1).await;

    // SEC-7, SEC-9
    let plain = draft(&ann, &ben1, "m0", "at nine");
    let refused = ann.client.send_message(plain).await.expect_err("content in the clear");
    assert!(matches!(&refused, Error::Refused { code, .. } if code == "not_encrypted"), "{refused}");
    let contacts = Peer::all(&ann.client.profile().await.expect("a profile"));
    let bens = contacts.iter().find(|peer| peer.phone_id == ben1.address).expect("a contact");
    assert_eq!(bens.contact.services.len(), 2, "a certificate for each device");
    let people = ann.people(&["38001", "38002"]).await;
    let recipients = [people.recipients("38001"), people.recipients("38002")].concat();
    assert_eq!(recipients.len(), 3);

    // SEC-5, SEC-6
    let written = draft(&ann, &ben1, "m1", "at nine");
    let outer = ann.seals.seal_message(written.clone(), &recipients, SystemTime::now()).expect("sealed");
    ann.client.send_message(outer).await.expect("taken");
    let known = ben1.people(&["38001"]).await;
    for (device, name) in [(&mut ben1, "ben1"), (&mut ben2, "ben2")] {
        let came = device.message("m1").await;
        let Opened::Genuine(found) = device.opened(&came, "38001", &known) else { panic!("{name}: not genuine") };
        assert_eq!((found.message.files, found.key), (written.files.clone(), key_of(&ann)), "{name}");

        openssl.put("sealed", came.files[0].payload.as_ref().expect("an envelope"));
        openssl.ok(&format!(
            "cms -decrypt -binary -inform DER -in sealed -recip {name}.crt -inkey {name}.key -out signed"
        ));
        openssl.ok("cms -verify -binary -inform DER -in signed -CAfile root.crt -out content -signer signer.crt");
        let inner: Message = etf::decode(&openssl.get("content")).expect("a Message");
        assert_eq!(inner, written, "{name}");
        assert_eq!(openssl.text("signer.crt"), openssl.text("ann1.crt"));
    }

    // A copy with another msg_id outside passes the server, which cannot see it; the devices do.
    let again = ann.seals.seal_message(written, &recipients, SystemTime::now()).expect("sealed");
    ann.client.send_message(Message { msg_id: Some("m2".into()), ..again }).await.expect("taken");
    for device in [&mut ben1, &mut ben2] {
        let came = device.message("m2").await;
        assert_eq!(device.opened(&came, "38001", &known), Opened::Unverifiable(Doubt::Differs("msg_id"), None));
    }
}

fn key_of(device: &Device) -> [u8; 32] {
    ca::subject(device.seals.certificate()).expect("a certificate").spki_sha256
}

#[tokio::test]
async fn sec_11_what_openssl_signs_and_seals_is_genuine_here() {
    let server = Server::start_with("security.require_cms = true\nsecurity.verify = true");
    let openssl = Openssl::new(&server);
    for (number, curve) in [("38011", "P-256"), ("38021", "P-384")] {
        let (ann, ben) = (format!("ann{curve}"), format!("ben{curve}"));
        let anns = Device::register(&server, &openssl, number, &ann, curve).await;
        let mut bens = Device::register(&server, &openssl, &format!("{number}2"), &ben, curve).await;
        befriend(&anns, &bens).await;
        let known = bens.people(&[number]).await;
        for (msg_id, options) in [("m1", ""), ("m2", "-md sha384"), ("m3", "-stream -keyid")] {
            let written = draft(&anns, &bens, msg_id, "at nine");
            openssl.put("content", etf::encode(&written));
            openssl.ok(&format!(
                "cms -sign -binary -nodetach -in content -signer {ann}.crt -inkey {ann}.key -outform DER -out signed {options}"
            ));
            openssl
                .ok(&format!("cms -encrypt -binary -aes-256-gcm -in signed -outform DER -out sealed -recip {ben}.crt"));
            let envelope = Desc {
                id: Some("1".into()),
                mime: Some("application/cms".into()),
                payload: Some(openssl.get("sealed").into()),
                ..Desc::default()
            };
            anns.client.send_message(Message { files: vec![envelope], ..written.clone() }).await.expect("taken");
            let came = bens.message(msg_id).await;
            let Opened::Genuine(found) = bens.opened(&came, number, &known) else { panic!("{curve} {options}") };
            assert_eq!(found.message, written, "{curve} {options}");
        }
    }
}

#[tokio::test]
async fn sec_8_the_server_verifies_what_openssl_signs_beside_its_part() {
    let server = Server::start_with("security.verify = true");
    let openssl = Openssl::new(&server);
    let ann = Device::register(&server, &openssl, "38001", "ann1", "P-256").await;
    let mut ben = Device::register(&server, &openssl, "38002", "ben1", "P-384").await;
    befriend(&ann, &ben).await;
    openssl.put("content", "at nine");
    openssl.ok("cms -sign -binary -in content -signer ann1.crt -inkey ann1.key -outform DER -out signature");
    let message = |msg_id, text| {
        let signature = Desc {
            id: Some("2".into()),
            mime: Some("application/pkcs7-signature".into()),
            payload: Some(openssl.get("signature").into()),
            parentid: Some("1".into()),
            ..Desc::default()
        };
        let draft = draft(&ann, &ben, msg_id, text);
        let part = Desc { id: Some("1".into()), ..draft.files[0].clone() };
        Message { files: vec![part, signature], ..draft }
    };
    let (good, bad) = (message("m1", "at nine"), message("m2", "at ten"));
    let refused = ann.client.send_message(bad).await.expect_err("a bad signature");
    assert!(matches!(&refused, Error::Refused { code, .. } if code == "invalid_signature"), "{refused}");
    ann.client.send_message(good).await.expect("taken");
    assert_eq!(ben.message("m1").await.files.len(), 2);
}

/// A console with a folder of its own.
struct Console {
    home: TempDir,
    url: String,
    crl: String,
    ca: std::path::PathBuf,
}

impl Console {
    fn register(server: &Server, phone: &str, name: &str) -> Console {
        let url = format!("mqtt://{}", server.mqtt());
        let (home, ca) = (tempfile::tempdir().expect("a folder"), server.root_certificate());
        let console = Console { home, url, crl: format!("http://{}/ca.crl", server.http()), ca };
        console.says(&[&format!("register {phone}"), &format!("name {name}")]);
        console
    }

    /// Ann, 38001, and Ben, 38002.
    fn friends(server: &Server) -> (Console, Console) {
        let ann = Console::register(server, "38001", "Ann");
        let ben = Console::register(server, "38002", "Ben");
        ann.says(&["friend 38002"]);
        ben.says(&["accept ann"]);
        (ann, ben)
    }

    fn says(&self, commands: &[&str]) -> String {
        let output = self.run(commands, &[]);
        let (shown, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{commands:?}: {shown}{errors}");
        shown.into_owned()
    }

    fn run(&self, commands: &[&str], options: &[&str]) -> Output {
        let mut chat = Command::new(CHAT);
        chat.args(["client", "--fake", "--url", &self.url, "--home"]).arg(self.home.path());
        chat.arg("--ca").arg(&self.ca).args(["--crl", &self.crl]).args(options);
        commands.iter().for_each(|command| {
            chat.args(["-e", command]);
        });
        chat.stdin(Stdio::null()).output().expect("the program runs")
    }
}

#[test]
fn the_console_seals_by_itself_and_says_what_a_message_is_worth() {
    let server = Server::start();
    let (ann, ben) = Console::friends(&server);

    assert!(!ann.says(&["send ben at nine"]).contains("not sealed"));
    let shown = ben.says(&["history ann", "reply at ten"]);
    assert!(shown.trim_end().ends_with("Ann: at nine (sealed, verified)"), "{shown}");
    let shown = ann.says(&["history ben", "edit at noon"]);
    assert!(shown.contains("you: at nine (sealed, verified)"), "one's own: {shown}");
    assert!(shown.contains("): at ten (sealed, verified)"), "{shown}");
    let shown = ben.says(&["history ann"]);
    assert!(shown.contains("Ann: at noon (edited) (sealed, verified)"), "{shown}");

    // What the server has.
    let raw = ben.says(&["call History{feed=p2p{from=\"38001_1\" to=\"38002_2\"} size=9 entity_id=0 status=get}"]);
    assert!(raw.contains("application/cms") && !raw.contains("at n") && !raw.contains("at ten"), "{raw}");

    ann.run(&["send ben in the clear"], &["--plain"]);
    let shown = ben.says(&["history ann 1"]);
    assert!(shown.trim_end().ends_with("Ann: in the clear"), "{shown}");

    // Somebody else's key for ben: a new device of his.
    let keys = |shown: &str| shown.lines().filter(|line| line.len() == 39 && !line.contains('*')).count();
    let before = ann.says(&["keys ben"]);
    assert_eq!(keys(&before), 1, "{before}");
    let _second = Console::register(&server, "38002", "Ben");
    let after = ann.says(&["keys ben"]);
    assert!(after.contains("! Ben has a new key, "), "{after}");
    assert_eq!(keys(&after), 2, "{after}");
    assert!(!ann.says(&["keys ben"]).contains('!'), "said once");
    assert_eq!(keys(&ben.says(&["keys 38002"])), 2);
}

#[test]
fn sec_6_sec_9_the_console_believes_no_key_that_the_authority_has_taken_back() {
    let server = Server::start();
    let (ann, ben) = Console::friends(&server);
    ann.says(&["send ben at nine"]);
    assert!(ben.says(&["history ann"]).contains("Ann: at nine (sealed, verified)"));

    let issued = server.remote("issued");
    let serial = issued.lines().find(|line| line.contains(" 38001/")).and_then(|line| line.split(' ').next());
    server.remote(&format!("revoke {} keyCompromise", serial.expect("a serial number")));
    let since = std::time::Instant::now();
    let shown = loop {
        let shown = ben.says(&["history ann"]);
        if !shown.contains("verified)") || since.elapsed() > std::time::Duration::from_secs(10) {
            break shown;
        }
    };
    assert!(shown.contains("(unverifiable: its signer is not trusted)") && !shown.contains("nine"), "{shown}");
    // Kept: without the list he does not believe it either.
    let apart = Console { crl: "http://127.0.0.1:1/ca.crl".into(), ..ben };
    let shown = apart.says(&["history ann"]);
    assert!(shown.contains("(unverifiable: its signer is not trusted)") && !shown.contains("is not known"), "{shown}");
}

#[test]
fn sec_6_the_console_says_when_an_old_list_is_all_that_is_given() {
    let server = Server::start();
    let (ann, ben) = Console::friends(&server);
    ann.says(&["send ben at nine"]);

    let file = |name: &str| fs::read_to_string(server.home().join("ca").join(name)).expect("a file");
    let authority = ca::Authority::load(&file("root.crt"), &file("root.key")).expect("the authority");
    let long_ago = SystemTime::now() - Duration::from_secs(8 * 24 * 60 * 60);
    let old = Console { crl: serve(authority.crl(&[], 1, long_ago).expect("a list")), ..ben };
    // Also where it is known already; and what was known is not forgotten.
    for _ in 0..2 {
        let shown = old.says(&["history ann", "history ann"]);
        let said =
            "! what the authority has taken back is not known: no list of each authority is given that is not over";
        assert_eq!(shown.matches(said).count(), 1, "{shown}");
        assert!(shown.contains("Ann: at nine (sealed, verified)"), "{shown}");
    }
    let ben = Console { crl: format!("http://{}/ca.crl", server.http()), ..old };
    assert!(!ben.says(&["history ann"]).contains("is not known"));
}

/// The address at which this list lies from now on.
fn serve(list: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.expect("a connection"));
            let mut line = String::new();
            while stream.read_line(&mut line).is_ok_and(|size| size > 2) {
                line.clear();
            }
            let answer = [b"HTTP/1.0 200 OK\r\n\r\n", list.as_slice()].concat();
            stream.get_mut().write_all(&answer).expect("sent");
        }
    });
    format!("http://{address}/ca.crl")
}

#[test]
fn the_console_seals_for_all_members_of_a_room() {
    let server = Server::start();
    let ann = Console::register(&server, "38001", "Ann");
    let ben = Console::register(&server, "38002", "Ben");
    let carl = Console::register(&server, "38003", "Carl");
    for (other, phone) in [(&ben, "38002"), (&carl, "38003")] {
        ann.says(&[&format!("friend {phone}")]);
        other.says(&["accept ann"]);
    }
    ann.says(&["room create Tea ben carl"]);
    ben.says(&["send Tea milk?"]);
    // Carl and ben are no friends: he knows him by the room.
    let shown = carl.says(&["history Tea"]);
    assert!(shown.contains("Ben in Tea: milk? (sealed, verified)"), "{shown}");
    let raw = carl.says(&["call Profile{status=get}"]);
    assert!(!raw.contains("milk?"), "{raw}");
}
