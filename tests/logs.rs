//! SEC-10, SEC-12: what is written to the log, and to any other file, at the highest level, through a conversation: no payload, token, code or password; and account keys
//! at debug level only.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use client::mqtt::Qos;
use client::{Account, Client, Enrolment, Event, Events, Options, Registered};
use proto::{Auth, AuthAct, Desc, Message, Os, Profile, ProfileStatus, Record, Service, ServiceStatus, ServiceType};
use support::Server;
use support::account::url;
use support::user::{P256, User};

const ANN: &str = "380670000001";
const BEN: &str = "380670000002";
/// What people write and what they keep secret; each is looked for in the log.
const WORDS: [&str; 6] =
    ["meet-me-at-the-bridge", "relayed-secret", "aws-password", "push-token", "typed-words", "edited-words"];

/// By a code that the outbox has.
async fn register(server: &Server, phone: &str) -> (Account, String) {
    let (client, _events) = Client::connect(Options::new(url(server), format!("reg_{phone}_d1"))).await.expect("in");
    let begun = client.register(phone, "d1", Enrolment::Code, None).await.expect("begun");
    assert_eq!(begun, Registered::CodeSent);
    let code = server.codes(phone).pop().expect("a code");
    assert!(client.verify("000000", None).await.is_err());
    let account = client.verify(&code, None).await.expect("verified");
    client.close().await;
    (account, code)
}

async fn connect(server: &Server, account: &Account) -> (Client, Events) {
    let mut options = Options::new(url(server), &account.client_id);
    (options.token, options.auto_ack) = (Some(account.token.clone()), true);
    Client::connect(options).await.expect("in")
}

/// Everything once that carries something secret; what must not be in the log.
async fn converse(server: &Server) -> Vec<String> {
    let (ann, ann_code) = register(server, ANN).await;
    let (ben, ben_code) = register(server, BEN).await;
    let invite = server.remote("invite 380670000003").trim().to_owned();
    let (anns, _) = connect(server, &ann).await;
    let (bens, mut came) = connect(server, &ben).await;
    let bens_address = ben.phone_id().expect("a roster");
    anns.request_friend(&bens_address).await.expect("asked");
    bens.confirm(&ann.phone_id().expect("a roster")).await.expect("confirmed");

    anns.send(&bens_address, WORDS[0]).await.expect("sent");
    let id = loop {
        if let Event::Record { record: Record::Message(message), .. } = came.next().await.expect("more") {
            break message.id.expect("a number");
        }
    };
    let feed = client::private(&bens_address, &ann.phone_id().expect("a roster")).expect("addresses");
    anns.edit(feed, id, WORDS[5]).await.expect("edited");
    anns.typing(&bens_address, WORDS[4]).await.expect("told");
    anns.publish(format!("private/{}/{bens_address}", ann.phone_id().expect("a roster")), WORDS[1])
        .await
        .expect("relayed");
    anns.call(Auth {
        r#type: Some(AuthAct::Push.into()),
        push: Some(WORDS[3].into()),
        os: Some(Os::Android),
        ..Auth::default()
    })
    .await
    .expect("kept");
    let service = Service {
        r#type: Some(ServiceType::Aws),
        login: Some("login".into()),
        password: Some(WORDS[2].into()),
        status: Some(ServiceStatus::Add),
        ..Service::default()
    };
    anns.call(Profile { services: vec![service], status: Some(ProfileStatus::Patch), ..Profile::default() })
        .await
        .expect("added");
    // Refused requests carry secrets as well.
    let refused =
        Message { to: Some("380679999999_9".into()), files: vec![Desc::text(WORDS[0])], ..Message::default() };
    assert!(anns.send_message(refused).await.is_err());
    assert!(anns.publish("ses/380670000002", WORDS[1]).await.is_err());
    let _ = anns.subscribe("ses/380670000002", Qos::AtLeastOnce).await;
    let wrong = format!("{}ff", &ann.token[2..]);
    let mut options = Options::new(url(server), &ann.client_id);
    (options.token, options.reconnect) = (Some(wrong.clone()), false);
    assert!(Client::connect(options).await.is_err(), "a wrong token");
    anns.close().await;
    bens.close().await;

    let words = WORDS.map(str::to_owned).into_iter();
    words.chain([ann.token, ben.token, wrong, ann_code, ben_code, invite]).collect()
}

#[tokio::test]
async fn sec_10_the_log_at_its_highest_level_holds_no_payload_token_code_or_password() {
    let mut server = Server::start_with("log = \"trace\"\nauth.providers = [\"log\"]");
    let secrets = converse(&server).await;
    server.kill();
    server.restart();
    server.terminate();
    let log = server.log();
    assert!(log.contains("TRACE"), "it is the highest level:\n{log}");
    for secret in &secrets {
        let place = log.lines().find(|line| line.contains(secret.as_str()));
        assert_eq!(place, None, "{secret} is in the log");
        // As a library may show bytes.
        let bytes: Vec<String> = secret.bytes().map(|byte| byte.to_string()).collect();
        assert!(!log.contains(&bytes.join(", ")), "the bytes of {secret} are in the log");
    }
    // SEC-12: nor on the disk, where what people write is, but no password, token or code as it is.
    let written =
        |secret: &&String| !["meet-me", "relayed", "typed", "edited"].iter().any(|word| secret.starts_with(word));
    let kept: Vec<&String> = secrets.iter().filter(written).collect();
    assert_eq!(kept.len(), secrets.len() - 4);
    let mut files = 0;
    each_file(server.home(), &mut |path, mode, content| {
        files += 1;
        let is_outbox = path.parent().is_some_and(|folder| folder.ends_with("outbox"));
        for secret in kept.iter().filter(|_| !is_outbox) {
            let is_there = content.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!is_there, "{secret} is in {}", path.display());
        }
        let is_key = content.windows(11).any(|part| part == b"PRIVATE KEY") || path.ends_with("store.key");
        assert!(!(is_key || is_outbox) || mode & 0o077 == 0, "others may read {}", path.display());
    });
    assert!(files > 5, "{files} files");
}

/// Enrols in every way that there is; what must not be in the log.
async fn enrol(server: &Server) -> Vec<String> {
    let (client, _events) = Client::connect(Options::new(url(server), format!("reg_{ANN}_d1"))).await.expect("in");
    let (client_key, request) = ca::request("device").expect("a key");
    let registered = client.register(ANN, "d1", Enrolment::Fake, Some(&request)).await.expect("registered");
    let Registered::Done(account) = registered else { panic!("a fake number needs no code") };
    client.close().await;
    let (anns, _) = connect(server, &account).await;
    let (second_key, request) = ca::request("device").expect("a key");
    anns.enrol(&request).await.expect("a certificate");
    anns.close().await;

    let user = User::of(server);
    for name in ["one", "two", "three"] {
        user.openssl(&format!("genpkey -algorithm {P256} -out {name}.key"));
        user.openssl(&format!("req -new -key {name}.key -subj /CN=x -outform DER -out {name}.der"));
        user.openssl(&format!("base64 -in {name}.der -out {name}.b64"));
    }
    let path = format!("{}/.well-known/est/simpleenroll", user.https);
    let post = |request: &str, words: &[&str]| {
        let kind = ["-s", "--cacert", "root.pem", "-o", "answer", "-w", "%{http_code}", "--data-binary", request];
        let output = user.run("curl", &[&kind[..], words, &[&path]].concat());
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let invites = [(), ()].map(|()| server.remote(&format!("invite {BEN}")).trim().to_owned());
    let [first, second] = &invites;
    let by_token = format!("{}:{}", account.client_id, account.token);
    let by_invite = format!("{BEN}:{first}");
    let wrong = format!("{}:{}ff", account.client_id, &account.token[2..]);
    for (request, who, status) in
        [("@one.b64", &by_token, "200"), ("@one.b64", &wrong, "401"), ("@two.b64", &by_invite, "200")]
    {
        assert_eq!(post(request, &["--http2", "-u", who]), status);
    }
    assert_eq!(post("@one.b64", &["--http1.1", "-u", &by_token]), "200");
    assert_eq!(post("@one.b64", &["--http2", "-H", &format!("authorization: Bearer {by_token}")]), "200");
    // An empty word: no file of configuration.
    let cmp = format!(
        "cmp -config  -cmd ir -server {} -path .well-known/cmp -ref {BEN} -secret pass:{second} -subject /CN=x",
        user.http.trim_start_matches("http://")
    );
    let words: Vec<&str> = cmp.split(' ').chain(["-newkey", "three.key", "-certout", "three.pem"]).collect();
    assert!(user.run("openssl", &words).status.success());

    let mut secrets = vec![account.token.clone(), wrong.rsplit(':').next().expect("it").to_owned()];
    secrets.extend([&by_token, &wrong, &by_invite].map(|said| STANDARD.encode(said)));
    secrets.extend(invites);
    let kept = ["ca/root.key", "certs/server.key", "certs/admin.key"]
        .map(|name| fs::read_to_string(server.home().join(name)).expect("a key"));
    let keys = [&*client_key, &*second_key, &*fs::read_to_string(user.path("one.key")).expect("a key")];
    for pem in kept.iter().map(String::as_str).chain(keys) {
        secrets.extend(pem.lines().filter(|line| !line.contains("-----")).map(str::to_owned));
    }
    secrets
}

#[tokio::test]
async fn sec_10_nor_does_enrolment_leave_a_key_token_or_code_in_the_log_or_on_the_disk() {
    let mut server = Server::start_with("log = \"trace\"");
    let secrets = enrol(&server).await;
    let store_key = find(server.home(), "store.key").expect("the storage key");
    server.kill();
    server.restart();
    server.terminate();
    let log = server.log();
    assert!(log.contains("TRACE"), "it is the highest level:\n{log}");
    let hex: String = store_key.iter().map(|byte| format!("{byte:02x}")).collect();
    for secret in secrets.iter().chain([&hex]) {
        assert_eq!(log.lines().find(|line| line.contains(secret.as_str())), None, "{secret} is in the log");
        let bytes: Vec<String> = secret.bytes().map(|byte| byte.to_string()).collect();
        assert!(!log.contains(&bytes.join(", ")), "the bytes of {secret} are in the log");
    }
    each_file(server.home(), &mut |path, _, content| {
        for secret in &secrets {
            let is_there = content.windows(secret.len()).any(|part| part == secret.as_bytes());
            let is_key = path.extension().is_some_and(|end| end == "key");
            assert!(!is_there || is_key, "{secret} is in {}", path.display());
        }
    });
}

/// The content of the file of this name.
fn find(folder: &Path, name: &str) -> Option<Vec<u8>> {
    let mut found = None;
    each_file(folder, &mut |path, _, content| {
        if path.ends_with(name) {
            found = Some(content.to_vec());
        }
    });
    found
}

fn each_file(folder: &Path, look: &mut impl FnMut(&Path, u32, &[u8])) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("a file").path();
        let kept = fs::symlink_metadata(&path).expect("a file");
        match kept.is_dir() {
            true => each_file(&path, look),
            false if kept.is_file() => look(&path, kept.permissions().mode(), &fs::read(&path).expect("it reads")),
            false => {}
        }
    }
}

#[test]
fn sec_12_no_dump_of_memory_is_left_behind() {
    let server = Server::start();
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.pid())).expect("it lives");
    let line = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit");
    assert_eq!(line.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"]);
}

#[tokio::test]
async fn sec_10_account_keys_are_logged_at_debug_level_only() {
    let mut server = Server::start_with("auth.providers = [\"log\"]");
    converse(&server).await;
    server.terminate();
    let log = server.log();
    assert!(log.contains("INFO"), "it is the usual level:\n{log}");
    for phone in [ANN, BEN] {
        assert_eq!(log.lines().find(|line| line.contains(phone)), None);
    }
}
