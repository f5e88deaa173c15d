//! PUSH-3, PUSH-4, PUSH-7 by the real program and gateways that we did not write: HTTP/2 by hypercorn, tokens verified by PyJWT, content
//! opened by http-ece (`tests/third_party/push_gateways.py`). Their clock is two hours ahead of ours, and each of their connections ends
//! after a few requests.

mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use scene::{Daemon, Version, live_file};
use support::Server;
use support::foreign::{python, script};
use tempfile::TempDir;

/// For what is tried again to come through.
const SOON: Duration = Duration::from_secs(60);

const PLAY: &str = r#"
# PUSH-3 what APNs takes, signed by our key
friends ann ben
ann > Roster{names="Ann" surnames="Smith" status=patch}
ann < Roster{names="Ann"}
ben > Auth{type=update settings=[Feature{id="1" key="IOS_BANDLE" value="org.example.chat" group="PUSH_SETTINGS"} Feature{id="2" key="APNS_GATEWAY" value="SANDBOX" group="PUSH_SETTINGS"}]}
ben < Auth{type=update}
ben > Auth{type=push push=@"d0200@ben.phone" os=ios}
ben < io{code=""}
ben disconnects
ann writes ben m1
ben is pushed push{model=Message{msg_id="m1" files=[]} type="message" title="Ann Smith" badge=1 sound="default"}
ben was pushed {"aps":{"alert":"Ann Smith","badge":1,"sound":"default","mutable-content":1,"synrc":{"model":"(model)","type":"message","title":"Ann Smith","version":"(version)","dns":""}}}
ann > Room{name="Call" type=call members=[Member{phone_id=@ben}] status=create}
ann < Room{status=create}
ben is pushed push{type="calling"}

# PUSH-4 what FCM takes, by an access token of a service account
friends ann ben
ben > Auth{type=push push=@"@ben.phone" os=android}
ben < io{code=""}
ben disconnects
ann writes ben m1
ben is pushed push{model=Message{msg_id="m1"} type="message" badge=1}
ben was pushed {"message":{"token":"(token)","android":{"priority":"high","ttl":"86400s"},"data":{"type":"message","push":"(push)"}}}

# PUSH-7 what a push service takes, sealed
friends ann ben
ben > Auth{type=push push=@"{\"endpoint\":\"https://localhost:PORT/web/200/@ben.phone\",\"keys\":KEYS}" os=web}
ben < io{code=""}
ben disconnects
ann writes ben m1
ben is pushed push{model=Message{msg_id="m1"} type="message"}
ben was pushed {"type":"message","push":"(push)"}

# PUSH-1 PM-5 what a gateway does not take now is tried again
friends ann ben
friends ann carl
friends ann dora
ben > Auth{type=push push=@"d0503@ben.phone" os=ios}
ben < io{code=""}
carl > Auth{type=push push=@"503:@carl.phone" os=android}
carl < io{code=""}
dora > Auth{type=push push=@"{\"endpoint\":\"https://localhost:PORT/web/503/@dora.phone\",\"keys\":KEYS}" os=android}
dora < io{code=""}
ben disconnects
carl disconnects
dora disconnects
ann writes ben m1
ann writes carl c1
ann writes dora d1

# PUSH-7 a dead token is removed
friends ann ben
friends ann carl
friends ann dora
friends ann eve
ben > Auth{type=push push=@"d0410@ben.phone" os=ios}
ben < io{code=""}
carl > Auth{type=push push=@"404:@carl.phone" os=android}
carl < io{code=""}
dora > Auth{type=push push=@"{\"endpoint\":\"https://localhost:PORT/web/410/@dora.phone\",\"keys\":KEYS}" os=web}
dora < io{code=""}
eve > Auth{type=push push="no token" os=ios}
eve < io{code=""}
ben disconnects
carl disconnects
dora disconnects
eve disconnects
ann writes ben m1
ann writes carl c1
ann writes dora d1
ann writes eve e1

# PUSH-7 what is refused is not tried again, and the token stays
friends ann ben
friends ann carl
friends ann dora
friends ann eve
ben > Auth{type=push push=@"d0413@ben.phone" os=ios}
ben < io{code=""}
carl > Auth{type=push push=@"403:@carl.phone" os=android}
carl < io{code=""}
dora > Auth{type=push push=@"{\"endpoint\":\"https://localhost:PORT/web/307/@dora.phone\",\"keys\":KEYS}" os=web}
dora < io{code=""}
eve > Auth{type=update settings=[Feature{id="1" key="IOS_BANDLE" value="org.example.other" group="PUSH_SETTINGS"}]}
eve < Auth{type=update}
eve > Auth{type=push push=@"d0200@eve.phone" os=ios}
eve < io{code=""}
ben disconnects
carl disconnects
dora disconnects
eve disconnects
ann writes ben m1
ann writes carl c1
ann writes dora d1
ann writes eve e1

# PUSH-7 whom a gateway names instead is not asked
friends ann ben
friends ann carl
ben > Auth{type=push push=@"d0307@ben.phone" os=ios}
ben < io{code=""}
carl > Auth{type=push push=@"307:@carl.phone" os=android}
carl < io{code=""}
ben disconnects
carl disconnects
ann writes ben m1
ann writes carl c1

# PUSH-1 PM-5 what a gateway has not taken when the server is killed is pushed by the one that starts, the latest of each feed
friends ann ben
friends ann carl
ben > Auth{type=push push=@"d0999@ben.phone" os=ios}
ben < io{code=""}
carl > Auth{type=push push=@"999:@carl.phone" os=android}
carl < io{code=""}
ben disconnects
carl disconnects
ann writes ben m1
ann writes carl c1
ben is pushed nothing
carl is pushed nothing
ann writes ben m2
ben is pushed nothing
server crashes
ben is pushed push{model=Message{msg_id="m2"}}
carl is pushed push{model=Message{msg_id="c1"}}
"#;

/// Taken, with an answer that is longer than anybody reads, and one that never ends.
const LONG: &str = r#"
# PUSH-7 a success is one whatever is said behind it
friends ann ben
friends ann carl
ben > Auth{type=push push=@"{\"endpoint\":\"https://localhost:PORT/web/211/@ben.phone\",\"keys\":KEYS}" os=web}
ben < io{code=""}
carl > Auth{type=push push=@"{\"endpoint\":\"https://localhost:PORT/web/212/@carl.phone\",\"keys\":KEYS}" os=web}
carl < io{code=""}
ben disconnects
carl disconnects
ann writes ben m1
ann writes carl c1
ben is pushed push{model=Message{msg_id="m1"} type="message"}
carl is pushed push{model=Message{msg_id="c1"} type="message"}
"#;

const ONE: &str = r#"
# PUSH-1 a push for APNs
friends ann ben
ben > Auth{type=push push=@"dCODE@ben.phone" os=ios}
ben < io{code=""}
ben disconnects
ann writes ben m1
"#;

/// Two of APNs, the second a call, and one of each other gateway.
const EACH: &str = r#"
# PUSH-3 PUSH-4 PUSH-7 gateways whose clock is another
friends ann ben
friends ann carl
friends ann dora
ben > Auth{type=push push=@"d0200@ben.phone" os=ios}
ben < io{code=""}
carl > Auth{type=push push=@"@carl.phone" os=android}
carl < io{code=""}
dora > Auth{type=push push=@"{\"endpoint\":\"https://localhost:PORT/web/200/@dora.phone\",\"keys\":KEYS}" os=web}
dora < io{code=""}
ben disconnects
carl disconnects
dora disconnects
ann writes ben m1
ann writes carl c1
ann writes dora d1
ben is pushed push{model=Message{msg_id="m1"} type="message"}
carl is pushed push{model=Message{msg_id="c1"} type="message"}
dora is pushed push{model=Message{msg_id="d1"} type="message"}
ann > Room{name="Call" type=call members=[Member{phone_id=@ben}] status=create}
ann < Room{status=create}
ben is pushed push{type="calling"}
"#;

/// ben's gateway does not answer.
const OTHERS: &str = r#"
# PUSH-1 what other gateways take meanwhile
friends ann ben
friends ann carl
friends ann dora
ben > Auth{type=push push=@"d0998@ben.phone" os=ios}
ben < io{code=""}
carl > Auth{type=push push=@"@carl.phone" os=android}
carl < io{code=""}
dora > Auth{type=push push=@"{\"endpoint\":\"https://localhost:PORT/web/200/@dora.phone\",\"keys\":KEYS}" os=web}
dora < io{code=""}
ben disconnects
carl disconnects
dora disconnects
ann writes ben m1
ann writes carl c1
ann writes dora d1
carl is pushed push{model=Message{msg_id="c1"} type="message"}
dora is pushed push{model=Message{msg_id="d1"} type="message"}
"#;

/// Our machine is no push service.
const INTERNAL: &str = r#"
# PUSH-7 push services at internal addresses are not asked, by whatever name
friends ann ben
friends ann carl
ben > Auth{type=push push="{\"endpoint\":\"https://localhost:PORT/web/200/1\",\"keys\":KEYS}" os=web}
ben < io{code=""}
carl > Auth{type=push push="{\"endpoint\":\"https://127.0.0.1:PORT/web/200/2\",\"keys\":KEYS}" os=web}
carl < io{code=""}
ben disconnects
carl disconnects
ann writes ben m1
ann writes carl c1
"#;

/// What the ledger says when all has ended, in any order.
const ENDS: &[&str] = &[
    "apns {} accepted",
    "apns {} accepted",
    "apns {} accepted",
    "apns {} accepted",
    "fcm {} accepted",
    "fcm {} accepted",
    "fcm {} accepted",
    "web {} accepted",
    "web {} accepted",
    "apns {} token removed: 410 Unregistered",
    "fcm {} token removed: 404 UNREGISTERED",
    "web {} token removed: 410",
    "apns {} token removed: it is no token",
    "apns {} refused: 413 PayloadTooLarge",
    "fcm {} refused: 403 SENDER_ID_MISMATCH",
    "web {} refused: 307",
    "apns {} refused: 307 InternalServerError",
    "fcm {} refused: 307 INTERNAL",
    "apns {} refused: it is no app of ours",
    "apns {} merged",
];

/// The gateways, as a child process with a folder of its own.
struct Gateways {
    folder: TempDir,
    port: String,
    child: Child,
}

impl Gateways {
    fn start() -> Gateways {
        Gateways::start_with(&[])
    }

    /// With these words of its environment.
    fn start_with(how: &[(&str, &str)]) -> Gateways {
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

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    /// The configuration of a server that uses them.
    fn settings(&self) -> String {
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
    }

    fn play(&self, text: &str) -> String {
        let keys = self.read("subscription").replace('"', "\\\"");
        text.replace("PORT", &self.port).replace("KEYS", &keys)
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
struct Pushing<'g> {
    server: Server,
    gateways: &'g Gateways,
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

fn play(server: &mut Pushing<'_>, text: &str) {
    let path = server.gateways.folder.path().join("push.chat");
    fs::write(&path, server.gateways.play(text)).expect("a file");
    live_file(&path, server, Version::V5);
}

/// The lines of the ledger without their times and with `{}` for clients, when they are complete: what is wanted twice is there twice.
fn ledger(server: &Server, wanted: &[&str]) -> Vec<String> {
    let since = Instant::now();
    loop {
        let told = server.remote("push ledger 100");
        let lines: Vec<String> = told.lines().skip(3).map(plain).collect();
        let count = |wanted: &str, of: &[&str]| of.iter().filter(|line| **line == wanted).count();
        let found: Vec<&str> = lines.iter().map(String::as_str).collect();
        if wanted.iter().all(|line| count(line, &found) >= count(line, wanted)) {
            return lines;
        }
        assert!(since.elapsed() < SOON, "not in the ledger: {told}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// How often a push was tried is no matter: a connection that goes away may cost any of them a try, and a server that is killed forgets it.
fn plain(line: &str) -> String {
    let words = line.split(' ').skip(1);
    let line = words.map(|word| if word.starts_with("emqttd_") { "{}" } else { word }).collect::<Vec<_>>().join(" ");
    match line.split_once(" after ") {
        Some((outcome, _)) if outcome.ends_with("accepted") || outcome.ends_with("merged") => outcome.to_owned(),
        Some((outcome, _)) if outcome.ends_with("queued") => line,
        Some((outcome, rest)) => format!("{outcome}{}", rest.split_once(" tries").unwrap_or_default().1),
        None => line,
    }
}

#[test]
fn push_3_push_4_push_7_the_gateways_take_what_we_send_and_what_they_say_is_understood() {
    let gateways = Gateways::start();
    fs::write(gateways.file("hold"), "").expect("a file");
    let settings = gateways.settings() + "push.web.internal = true\nlog = \"debug\"";
    let mut pushing = Pushing { server: Server::start_with(&settings), gateways: &gateways };
    play(&mut pushing, PLAY);
    ledger(&pushing.server, ENDS);

    // What is in the ledger leaves the queue a moment later.
    let since = Instant::now();
    while pushing.server.remote("push").trim() != "apns: apns, 0 queued\nfcm: fcm, 0 queued\nweb: web, 0 queued" {
        assert!(since.elapsed() < SOON, "{}", pushing.server.remote("push"));
    }
    assert_eq!(pushing.server.remote("push key").trim().len(), 87, "a point of P-256");
    let received = gateways.read("received");
    // Of what was not as the gateways' documents say; that connections broke when the server was killed is no matter.
    assert!(!gateways.read("log").contains("REFUSED"), "{}", gateways.read("log"));
    for secret in ["ya29.", "PRIVATE", "bearer ey", "vapid t=", "d0410"] {
        assert!(!pushing.server.log().contains(secret), "{secret} is in the log");
    }
    assert!(!pushing.server.home().join("outbox/pushes").exists() && received.lines().count() >= 9, "{received}");
}

#[test]
fn push_test_tries_a_device_and_says_what_came_of_it() {
    let gateways = Gateways::start();
    let settings = gateways.settings() + "push.web.internal = true";
    let mut pushing = Pushing { server: Server::start_with(&settings), gateways: &gateways };
    let text = "# AUTH-7 two devices\npeople ann ben\nann > Auth{type=push push=@\"@ann.phone\" os=android}\nann < io{code=\"\"}\n\
        ben > Auth{type=push push=@\"d0429@ben.phone\" os=ios}\nben < io{code=\"\"}\n";
    play(&mut pushing, text);
    let server = &pushing.server;
    let listed = server.remote("list device");
    let mut said: Vec<String> = Vec::new();
    for client in listed.split('"').filter(|word| word.starts_with("emqttd_")) {
        let output = server.chat(&["remote", "-e", &format!("push test {client}")]);
        said.push(format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)));
    }
    assert_eq!(said.len(), 2, "{listed}");
    assert!(said.iter().any(|said| said.contains("fcm has accepted it")), "{said:?}");
    assert!(said.iter().any(|said| said.contains("apns does not take it now: 429 TooManyRequests")), "{said:?}");

    // A key that others may read is not taken, and all stays as it was.
    fs::write(server.home().join("open.p8"), "x").expect("a file");
    let path = server.home().join("chat.toml");
    let text = fs::read_to_string(&path).expect("the configuration");
    fs::write(&path, text.replace(&gateways.file("AuthKey.p8"), "open.p8")).expect("written");
    let refused = server.chat(&["remote", "-e", "reload"]);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("open.p8"));
    assert!(server.remote("push").starts_with("apns: apns, 0"));
}

#[test]
fn push_7_no_push_service_leads_inside() {
    let gateways = Gateways::start();
    let mut pushing = Pushing { server: Server::start_with(&gateways.settings()), gateways: &gateways };
    play(&mut pushing, INTERNAL);
    let wanted = "web {} refused: an internal address";
    let lines = ledger(&pushing.server, &[wanted, wanted]);
    assert!(lines.iter().all(|line| line == wanted), "{lines:?}");
    assert_eq!(gateways.read("received"), "");
}

/// Waits until a command of the shell says what is wanted.
fn told(server: &Server, command: &str, is_it: impl Fn(&str) -> bool) -> String {
    let since = Instant::now();
    loop {
        let told = server.remote(command);
        if is_it(&told) {
            return told;
        }
        assert!(since.elapsed() < SOON, "{command}: {told}\n{}", server.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A line of the ledger says that a push has been accepted.
fn is_accepted(told: &str, gateway: &str) -> bool {
    told.lines().skip(3).any(|line| line.contains(&format!(" {gateway} ")) && line.contains(" accepted"))
}

fn configure(server: &Server, from: &str, to: &str) {
    let path = server.home().join("chat.toml");
    let text = fs::read_to_string(&path).expect("the configuration");
    assert!(text.contains(from));
    fs::write(&path, text.replace(from, to)).expect("written");
    server.remote("reload");
}

#[test]
fn push_7_a_success_is_one_whatever_is_said_behind_it() {
    let gateways = Gateways::start();
    let settings = gateways.settings() + "push.web.internal = true";
    let mut pushing = Pushing { server: Server::start_with(&settings), gateways: &gateways };
    play(&mut pushing, LONG);
    let accepted = |told: &str| told.lines().filter(|line| line.contains(" accepted")).count() == 2;
    told(&pushing.server, "push ledger", accepted);
    told(&pushing.server, "push", |told| told.contains("web: web, 0 queued"));
}

#[test]
fn push_1_a_gateway_that_does_not_answer_holds_up_itself_alone() {
    let gateways = Gateways::start();
    fs::write(gateways.file("hold"), "").expect("a file");
    let settings = gateways.settings() + "push.web.internal = true";
    let mut pushing = Pushing { server: Server::start_with(&settings), gateways: &gateways };
    play(&mut pushing, OTHERS);
    told(&pushing.server, "push", |_| fs::exists(gateways.file("hanging")).unwrap_or(false));
    assert!(pushing.server.remote("push").contains("apns: apns, 1 queued"));
    told(&pushing.server, "push ledger", |told| told.contains(" queued after ") && told.contains(": no answer in "));
    fs::remove_file(gateways.file("hold")).expect("it was there");
    told(&pushing.server, "push ledger", |told| is_accepted(told, "apns") && !told.contains(" queued after "));
}

#[test]
fn push_1_a_gateway_whose_certificate_is_not_good_is_told_and_tried_again() {
    let gateways = Gateways::start();
    // Its certificate is no authority.
    let (roots, bad) = (gateways.file("root.crt"), gateways.file("tls.crt"));
    let settings = gateways.settings().replace(&roots, &bad);
    let mut pushing = Pushing { server: Server::start_with(&settings), gateways: &gateways };
    play(&mut pushing, &ONE.replace("CODE", "0200"));
    let server = &pushing.server;
    let is_told =
        |told: &str| told.contains(" queued after ") && told.contains("tries, again") && told.contains("certificate");
    let ledger = told(server, "push ledger", is_told);
    assert!(ledger.starts_with("apns: apns, 1 queued\n") && !is_accepted(&ledger, "apns"), "{ledger}");
    assert_eq!(gateways.read("received"), "");
    configure(server, &bad, &roots);
    told(server, "push ledger", |told| is_accepted(told, "apns") && !told.contains(" queued after "));
}

#[test]
fn push_3_a_gateway_that_does_not_know_us_is_told_once_and_its_pushes_wait() {
    const WARNING: &str = "a gateway of pushes does not know us";
    let gateways = Gateways::start();
    let (good, other) = (gateways.file("AuthKey.p8"), gateways.file("OtherKey.p8"));
    let settings = gateways.settings().replace(&good, &other);
    let mut pushing = Pushing { server: Server::start_with(&settings), gateways: &gateways };
    play(&mut pushing, &ONE.replace("CODE", "0200"));
    let server = &pushing.server;
    let is_told = |told: &str| told.contains("tries, again at ") && told.contains(": 403 InvalidProviderToken");
    let ledger = told(server, "push ledger", is_told);
    assert!(ledger.starts_with("apns: apns, 1 queued; it has not known us since "), "{ledger}");
    assert_eq!(server.log().matches(WARNING).count(), 1, "{}", server.log());
    configure(server, &other, &good);
    told(server, "push ledger", |told| told.starts_with("apns: apns, 0 queued\n") && is_accepted(told, "apns"));
    assert_eq!(server.log().matches(WARNING).count(), 1, "{}", server.log());
}

#[test]
fn push_3_push_4_push_7_gateways_whose_clock_is_two_hours_behind_take_what_we_send() {
    let gateways = Gateways::start_with(&[("AHEAD", "-7200")]);
    let settings = gateways.settings() + "push.web.internal = true";
    let mut pushing = Pushing { server: Server::start_with(&settings), gateways: &gateways };
    play(&mut pushing, EACH);
    ledger(&pushing.server, &["apns {} accepted", "apns {} accepted", "fcm {} accepted", "web {} accepted"]);
    assert!(!gateways.read("log").contains("REFUSED"), "{}", gateways.read("log"));
}

/// What says in the configuration who we are for APNs.
fn by(gateways: &Gateways, name: &str) -> String {
    let (certificate, key) = (gateways.file(&format!("{name}.crt")), gateways.file(&format!("{name}.key")));
    format!("push.apns.certificate = \"{certificate}\"\npush.apns.certificate_key = \"{key}\"\n")
}

/// Without what is for tokens.
fn by_certificate(gateways: &Gateways, name: &str) -> String {
    let tokens = ["push.apns.key", "push.apns.key_id", "push.apns.team_id"];
    let is_other = |line: &&str| !tokens.iter().any(|key| line.starts_with(&format!("{key} =")));
    let settings: String = gateways.settings().lines().filter(is_other).map(|line| format!("{line}\n")).collect();
    settings + &by(gateways, name)
}

#[test]
fn push_3_apns_takes_pushes_from_whom_it_knows_by_a_certificate() {
    let gateways = Gateways::start_with(&[("CERTIFICATE", "")]);
    let settings = by_certificate(&gateways, "client");
    let mut pushing = Pushing { server: Server::start_with(&settings), gateways: &gateways };
    let apns = EACH.lines().filter(|line| !["carl", "dora"].iter().any(|name| line.contains(name)));
    play(&mut pushing, &apns.collect::<Vec<_>>().join("\n"));
    ledger(&pushing.server, &["apns {} accepted", "apns {} accepted"]);
    assert!(!gateways.read("log").contains("REFUSED"), "{}", gateways.read("log"));
}

#[test]
fn push_3_pushes_wait_while_apns_does_not_know_our_certificate() {
    let gateways = Gateways::start_with(&[("CERTIFICATE", "")]);
    let settings = by_certificate(&gateways, "other");
    let mut pushing = Pushing { server: Server::start_with(&settings), gateways: &gateways };
    play(&mut pushing, &ONE.replace("CODE", "0200"));
    let is_told = |told: &str| told.starts_with("apns: apns, 1 queued") && told.contains("tries, again at ");
    let ledger = told(&pushing.server, "push ledger", is_told);
    assert!(!is_accepted(&ledger, "apns") && gateways.read("received").is_empty(), "{ledger}");
    configure(&pushing.server, &by(&gateways, "other"), &by(&gateways, "client"));
    let is_through = |told: &str| told.starts_with("apns: apns, 0 queued\n") && is_accepted(told, "apns");
    told(&pushing.server, "push ledger", is_through);
}
