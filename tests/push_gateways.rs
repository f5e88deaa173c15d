//! PUSH-3, PUSH-4, PUSH-7 by the real program and gateways that we did not write: HTTP/2 by hypercorn, tokens verified by PyJWT, content
//! opened by http-ece (`tests/third_party/push_gateways.py`). Their clock is two hours ahead of ours, and each of their connections ends
//! after a few requests.

#[path = "push_gateways/gateways.rs"]
mod gateways;
#[path = "push_gateways/scenes.rs"]
mod scenes;
mod support;

use std::fs;
use std::time::{Duration, Instant};

use gateways::{Gateways, Pushing};
use support::Server;

/// For what is tried again to come through.
const SOON: Duration = Duration::from_secs(60);

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

/// The lines of the ledger without their times and with `{}` for clients, when they are complete: what is wanted twice is there twice.
fn ledger(server: &Server, wanted: &[&str]) -> Vec<String> {
    let lines = |told: &str| told.lines().skip(3).map(plain).collect::<Vec<String>>();
    let count = |line: &str, among: &[&str]| among.iter().filter(|other| **other == line).count();
    let is_complete = |told: &str| {
        let found = lines(told);
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        wanted.iter().all(|line| count(line, &found) >= count(line, wanted))
    };
    lines(&told(server, "push ledger 100", is_complete))
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
    let settings = gateways.settings() + "log = \"debug\"";
    let mut pushing = Pushing::start(&gateways, &settings);
    pushing.play(scenes::PLAY);
    ledger(&pushing.server, ENDS);

    // What is in the ledger leaves the queue a moment later.
    let is_empty = |told: &str| told.trim() == "apns: apns, 0 queued\nfcm: fcm, 0 queued\nweb: web, 0 queued";
    told(&pushing.server, "push", is_empty);
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
    let mut pushing = Pushing::start(&gateways, &gateways.settings());
    pushing.play(scenes::DEVICES);
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
    let settings = gateways.settings().replace(gateways::INTERNAL, "");
    let mut pushing = Pushing::start(&gateways, &settings);
    pushing.play(scenes::INTERNAL);
    let wanted = "web {} refused: an internal address";
    let lines = ledger(&pushing.server, &[wanted, wanted]);
    assert!(lines.iter().all(|line| line == wanted), "{lines:?}");
    assert_eq!(gateways.read("received"), "");
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
    let mut pushing = Pushing::start(&gateways, &gateways.settings());
    pushing.play(scenes::LONG);
    let accepted = |told: &str| told.lines().filter(|line| line.contains(" accepted")).count() == 2;
    told(&pushing.server, "push ledger", accepted);
    told(&pushing.server, "push", |told| told.contains("web: web, 0 queued"));
}

#[test]
fn push_1_a_gateway_that_does_not_answer_holds_up_itself_alone() {
    let gateways = Gateways::start();
    fs::write(gateways.file("hold"), "").expect("a file");
    let mut pushing = Pushing::start(&gateways, &gateways.settings());
    pushing.play(scenes::OTHERS);
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
    let mut pushing = Pushing::start(&gateways, &settings);
    pushing.play(&scenes::ONE.replace("CODE", "0200"));
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
    let mut pushing = Pushing::start(&gateways, &settings);
    pushing.play(&scenes::ONE.replace("CODE", "0200"));
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
    let mut pushing = Pushing::start(&gateways, &gateways.settings());
    pushing.play(scenes::EACH);
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
    let mut pushing = Pushing::start(&gateways, &settings);
    let apns = scenes::EACH.lines().filter(|line| !["carl", "dora"].iter().any(|name| line.contains(name)));
    pushing.play(&apns.collect::<Vec<_>>().join("\n"));
    ledger(&pushing.server, &["apns {} accepted", "apns {} accepted"]);
    assert!(!gateways.read("log").contains("REFUSED"), "{}", gateways.read("log"));
}

#[test]
fn push_3_pushes_wait_while_apns_does_not_know_our_certificate() {
    let gateways = Gateways::start_with(&[("CERTIFICATE", "")]);
    let settings = by_certificate(&gateways, "other");
    let mut pushing = Pushing::start(&gateways, &settings);
    pushing.play(&scenes::ONE.replace("CODE", "0200"));
    let is_told = |told: &str| told.starts_with("apns: apns, 1 queued") && told.contains("tries, again at ");
    let ledger = told(&pushing.server, "push ledger", is_told);
    assert!(!is_accepted(&ledger, "apns") && gateways.read("received").is_empty(), "{ledger}");
    configure(&pushing.server, &by(&gateways, "other"), &by(&gateways, "client"));
    let is_through = |told: &str| told.starts_with("apns: apns, 0 queued\n") && is_accepted(told, "apns");
    told(&pushing.server, "push ledger", is_through);
}
