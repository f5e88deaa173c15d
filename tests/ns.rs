//! The real program publishes itself in a signed zone: what dig, delv and openssl make of it.

#![allow(clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use proto::records::{Feature, Profile, ProfileStatus, Value};
use support::{Server, account};

const ZONE: &str = "ns.zone = \"chat.example\"\nns.listen = [\"127.0.0.1:0\"]\nns.file = \"more.zone\"\n\
                    listen.ldaps = [\"127.0.0.1:0\"]";

fn served() -> Server {
    let mut server = Server::prepare(ZONE);
    fs::write(server.home().join("more.zone"), "www 60 A 192.0.2.80\n").expect("written");
    server.restart();
    server
}

fn said(program: &str, words: &[&str]) -> String {
    let done = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|why| panic!("{program}: {why}"));
    String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr)
}

/// What the remote shell answers.
fn remote(server: &Server, command: &str) -> String {
    server.remote(command).trim().to_owned()
}

/// Why it does not do what it is told.
fn refused(server: &Server, command: &str) -> String {
    let done = server.chat(&["remote", "-e", command]);
    assert!(!done.status.success(), "{command}");
    String::from_utf8_lossy(&done.stderr).into_owned()
}

fn dig(server: &Server, question: &str) -> String {
    let port = server.dns().port().to_string();
    let words: Vec<&str> = ["@127.0.0.1", "-p", &port, "+short"].into_iter().chain(question.split(' ')).collect();
    said("dig", &words).trim().to_owned()
}

/// Whether delv finds an answer valid by an anchor, a line as `zone ds` prints it.
fn is_valid(server: &Server, anchor: &str, question: &str) -> bool {
    let words: Vec<&str> = anchor.split(' ').collect();
    let (zone, ds) = (words[0], &words[3..]);
    let text = format!("trust-anchors {{ {zone} static-ds {} {} {} \"{}\"; }};\n", ds[0], ds[1], ds[2], ds[3]);
    let file = server.home().join("anchor");
    fs::write(&file, text).expect("written");
    let (port, file) = (server.dns().port().to_string(), file.display().to_string());
    let mut words = vec!["@127.0.0.1", "-p", &port, "-a", &file, "+root=chat.example"];
    words.extend(question.split(' '));
    said("delv", &words).contains("; fully validated")
}

#[test]
fn the_server_is_found_by_name_and_known_by_its_key() {
    let server = served();
    let anchor = remote(&server, "zone ds");
    for (service, port) in [
        ("_mqtt._tcp", server.mqtt().port()),
        ("_mqtts._tcp", server.mqtts().port()),
        ("_est._tcp", server.https().port()),
        ("_ldap._tcp", server.ldap().port()),
        ("_ldaps._tcp", server.ldaps().port()),
    ] {
        assert_eq!(dig(&server, &format!("{service}.chat.example SRV")), format!("0 0 {port} chat.example."));
        assert!(is_valid(&server, &anchor, &format!("{service}.chat.example SRV")));
    }
    assert!(dig(&server, "_mqtt._udp.chat.example SRV").ends_with(" chat.example."), "QUIC");
    assert_eq!(dig(&server, "_xmpp._tcp.chat.example SRV"), "", "nothing listens there");
    assert_eq!(dig(&server, "chat.example A"), "127.0.0.1");
    assert_eq!(dig(&server, "chat.example CAA"), "0 issue \";\"");
    assert_eq!(dig(&server, "_chat.chat.example TXT"), "\"v=chat1\"");
    let https = dig(&server, "chat.example HTTPS");
    assert!(https.contains("alpn=\"h2\"") && https.contains(&format!("port={}", server.https().port())), "{https}");
    assert!(remote(&server, "zone").contains("chat.example. serial"));

    let known = |server: &Server, address: SocketAddr| {
        let tlsa = dig(server, &format!("_{}._tcp.chat.example TLSA", address.port()));
        let (parameters, hash) = (&tlsa[..6], tlsa[6..].replace(' ', ""));
        let address = address.to_string();
        let data = format!("{parameters}{hash}");
        let said = said(
            "openssl",
            &["s_client", "-connect", &address, "-dane_tlsa_domain", "chat.example", "-dane_tlsa_rrdata", &data],
        );
        assert!(said.contains("DANE TLSA 3 1 1") && said.contains("Verify return code: 0 (ok)"), "{data}: {said}");
        data
    };
    let before = known(&server, server.https());
    assert_eq!(known(&server, server.ldaps()), before);
    // One that is renewed, here for another name, has the key that everybody knows.
    let certificate = || fs::read(server.home().join("certs/server.crt")).expect("a certificate");
    let (old, file) = (certificate(), server.home().join("chat.toml"));
    let text = fs::read_to_string(&file).expect("its configuration");
    fs::write(&file, text + "server.names = [\"other.example\"]\n").expect("written");
    remote(&server, "reload");
    assert_ne!(certificate(), old);
    assert_eq!(known(&server, server.https()), before, "the key stays");
    // That of one that is revoked is trusted no more.
    let issued = remote(&server, "issued");
    let serials = issued.lines().filter(|line| line.contains(" server ")).filter_map(|line| line.split(' ').next());
    serials.for_each(|serial| drop(remote(&server, &format!("revoke {serial} keyCompromise"))));
    remote(&server, "reload");
    let revoked = known(&server, server.https());
    assert_ne!(revoked, before);
    let before = revoked;
    // A certificate that is lost is issued anew, with a new key.
    fs::remove_file(server.home().join("certs/server.crt")).expect("removed");
    fs::remove_file(server.home().join("certs/server.key")).expect("removed");
    remote(&server, "reload");
    assert_ne!(known(&server, server.https()), before, "the zone keeps in step");
}

#[test]
fn the_operator_s_records_are_in_the_zone_and_a_bad_file_leaves_it_as_it_was() {
    let server = served();
    let file = server.home().join("more.zone");
    let anchor = remote(&server, "zone ds");
    assert_eq!(dig(&server, "www.chat.example A"), "192.0.2.80");
    fs::write(&file, "www 60 A 192.0.2.81\nmail 60 MX 10 nowhere at all\nx 60 A here\n").expect("written");
    let why = refused(&server, "reload");
    assert!(why.contains("more.zone") && why.contains("line"), "{why}");
    assert_eq!(dig(&server, "www.chat.example A"), "192.0.2.80");
    fs::write(&file, "www 60 A 192.0.2.82\nother.example. 60 A 192.0.2.1\n").expect("written");
    assert!(refused(&server, "reload").contains("not in the zone"));
    assert_eq!(dig(&server, "www.chat.example A"), "192.0.2.80");
    fs::write(&file, "www 60 A 192.0.2.83\n@ 60 MX 10 www\n").expect("written");
    remote(&server, "reload");
    assert_eq!(dig(&server, "www.chat.example A"), "192.0.2.83");
    assert!(is_valid(&server, &anchor, "chat.example MX"));
}

#[test]
fn secondaries_that_have_a_key_copy_the_zone_by_it() {
    const SECRET: &str = "c2hhcmVkIHdpdGggdGhlIHNlY29uZCBvbmUgYWxvbmU=";
    let more = "ns.secondaries = [\"127.0.0.1:9 second\"]\nns.keys = \"tsig\"";
    let mut server = Server::prepare(&format!("{ZONE}\n{more}"));
    let file = server.home().join("tsig");
    fs::write(server.home().join("more.zone"), "").expect("written");
    fs::write(&file, format!("second hmac-sha256 {SECRET}\n")).expect("written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("set");
    server.restart();
    let copies = |how: &str| dig(&server, &format!("+noshort {how}chat.example AXFR")).contains("RRSIG");
    assert!(copies(&format!("-y hmac-sha256:second:{SECRET} ")));
    assert!(!copies("") && !copies("-y hmac-sha256:second:bm90IHRoYXQgc2VjcmV0IGJ1dCBhbm90aGVyIG9uZQ== "));
    assert!(!server.log().contains(SECRET));

    // The same without a restart: another key, then another secondary, which are wrong at first.
    const OTHER: &str = "YW5vdGhlciBvbmUgdGhhdCBpcyBzaGFyZWQgd2l0aCBpdA==";
    let by = |secret: &str| copies(&format!("-y hmac-sha256:second:{secret} "));
    fs::write(&file, format!("third hmac-sha256 {OTHER}\n")).expect("written");
    let why = refused(&server, "reload");
    assert!(why.contains("no key second.") && !why.contains(OTHER), "{why}");
    assert!(by(SECRET) && !by(OTHER), "it is as it was");
    fs::write(&file, format!("second hmac-sha256 {OTHER}\n")).expect("written");
    remote(&server, "reload");
    assert!(by(OTHER) && !by(SECRET));
    let configuration = server.home().join("chat.toml");
    let text = fs::read_to_string(&configuration).expect("a file").replace("127.0.0.1:9 second", "127.0.0.2:9 second");
    fs::write(&configuration, text).expect("written");
    remote(&server, "reload");
    assert!(!by(OTHER), "127.0.0.1 is none any more");
}

#[test]
fn a_first_start_that_fails_over_the_zone_leaves_nothing_behind() {
    let lines = format!("{ZONE}\nns.secondaries = [\"127.0.0.1:9 second\"]\nns.keys = \"tsig\"");
    let server = Server::prepare(&lines);
    let (file, keys) = (server.home().join("more.zone"), server.home().join("tsig"));
    let refused = |what: &str| {
        let done = server.chat(&["foreground"]);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success() && said.contains(what), "{what}: {said}");
        assert!(!said.contains("MDEyMzQ1Njc4OWFiY2RlZg"), "{said}");
        let made = fs::read_dir(server.home()).expect("its folder").map(|entry| entry.expect("an entry").file_name());
        let made: Vec<_> =
            made.filter(|name| !["chat.toml", "more.zone", "tsig"].iter().any(|own| name == own)).collect();
        assert!(made.is_empty(), "{what}: {made:?}");
    };
    let key = |text: &str, mode| {
        fs::write(&keys, text).expect("written");
        fs::set_permissions(&keys, fs::Permissions::from_mode(mode)).expect("set");
    };
    refused("tsig");
    key("second hmac-sha256 MDEyMzQ1Njc4OWFiY2RlZg==\n", 0o644);
    refused("tsig");
    key("second hmac-sha256 MDEyMzQ1Njc4OWFiY2RlZg= =\n", 0o600);
    refused("line 1");
    key("first hmac-sha256 MDEyMzQ1Njc4OWFiY2RlZg==\n", 0o600);
    refused("no key second.");
    key("second hmac-sha256 MDEyMzQ1Njc4OWFiY2RlZg==\n", 0o600);
    refused("more.zone");
    fs::write(&file, "www 60 A here\n").expect("written");
    refused("line 1");
    fs::write(&file, "other.example. 60 A 192.0.2.1\n").expect("written");
    refused("not in the zone");
}

#[test]
fn a_bad_file_holds_up_neither_keys_nor_certificates_nor_a_start() {
    let mut server = served();
    let file = server.home().join("more.zone");
    let tlsa = |server: &Server| dig(server, &format!("_{}._tcp.chat.example TLSA", server.https().port()));
    let before = tlsa(&server);
    fs::write(&file, "www 60 A 192.0.2.81\nx 60 A here\n").expect("written");
    fs::remove_file(server.home().join("certs/server.crt")).expect("removed");
    fs::remove_file(server.home().join("certs/server.key")).expect("removed");
    assert!(refused(&server, "reload").contains("more.zone"));
    assert_ne!(tlsa(&server), before, "listeners show the new key already");
    remote(&server, "zone roll");
    assert_eq!(remote(&server, "zone ds").lines().count(), 2);
    assert_eq!(dig(&server, "chat.example DNSKEY").lines().count(), 2, "what is kept is shown");
    server.terminate();
    server.restart();
    assert_eq!(dig(&server, "www.chat.example A"), "192.0.2.80", "as it was last good");
    assert!(server.log().contains("more.zone"));
    fs::write(&file, "www 60 A 192.0.2.82\n").expect("written");
    remote(&server, "reload");
    assert_eq!(dig(&server, "www.chat.example A"), "192.0.2.82");
}

#[test]
fn certificates_of_who_allows_it_are_in_the_zone_until_they_are_taken_back() {
    let server = served();
    let anchor = remote(&server, "zone ds");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (_key, csr) = ca::request("38001").expect("a request");
    let (client, certificate) = runtime.block_on(async {
        let account = account::register(&server, "38001", Some(&csr)).await;
        (account::connect(&server, &account).await.0, account.certificate.expect("a certificate"))
    });
    let allow = |value: &'static str| {
        let feature = Feature {
            id: Some("1".into()),
            key: Some("CERTIFICATES".into()),
            value: Some(Value::Text(value.into())),
            group: Some("PRIVACY".into()),
        };
        let profile = Profile { settings: vec![feature], status: Some(ProfileStatus::Patch), ..Profile::default() };
        runtime.block_on(client.call(profile)).expect("patched");
    };
    // RFC 8162: the first 28 bytes of the SHA-256 of 38001.
    let hash = said("sh", &["-c", "printf 38001 | sha256sum | cut -c 1-56"]);
    let question = format!("{}._smimecert.chat.example SMIMEA", hash.trim());
    let found = || dig(&server, &question).replace(' ', "");
    // Long before it would be looked at without a word.
    let becomes = |said: &str| {
        let end = Instant::now() + Duration::from_secs(12);
        while found() != said {
            assert!(Instant::now() < end, "the change is not told");
        }
    };
    assert_eq!(found(), "", "nobody has allowed it");
    allow("everyone");
    let hex: String = certificate.iter().map(|byte| format!("{byte:02X}")).collect();
    becomes(&format!("300{hex}"));
    assert!(is_valid(&server, &anchor, &question));
    allow("nobody");
    becomes("");
    allow("everyone");
    becomes(&format!("300{hex}"));

    let serial = ca::subject(&certificate).expect("a certificate").serial;
    remote(&server, &format!("revoke {}", serial.iter().map(|byte| format!("{byte:02x}")).collect::<String>()));
    becomes("");
}

#[test]
fn keys_roll_over_by_command_and_survive_the_program() {
    let mut server = served();
    let keys = server.home().join("ns/keys");
    assert_eq!(fs::metadata(&keys).expect("the keys").permissions().mode() & 0o777, 0o600);
    let old = remote(&server, "zone ds");
    let serial = |server: &Server| -> u32 {
        dig(server, "chat.example SOA").split(' ').nth(2).and_then(|number| number.parse().ok()).expect("a number")
    };
    let first = serial(&server);
    remote(&server, "zone roll");
    assert!(refused(&server, "zone roll").contains("not over"));
    server.kill();
    server.restart();
    assert!(serial(&server) > first);
    let both = remote(&server, "zone ds");
    let new = both.lines().find(|line| **line != old).expect("a new key").to_owned();
    assert!(both.contains(&old) && both.lines().count() == 2);
    assert!(is_valid(&server, &old, "www.chat.example A") && is_valid(&server, &new, "www.chat.example A"));
    assert!(refused(&server, "zone switch").contains("not yet known"));

    // As if the new key was shown hours ago.
    server.kill();
    let text = fs::read_to_string(&keys).expect("the keys");
    let ages: Vec<String> = text
        .lines()
        .map(|line| match line.split(' ').collect::<Vec<_>>()[..] {
            ["published", since, algorithm, secret] => {
                format!("published {} {algorithm} {secret}", since.parse::<u32>().expect("seconds") - 7200)
            }
            _ => line.to_owned(),
        })
        .collect();
    fs::write(&keys, ages.join("\n")).expect("written");
    server.restart();
    remote(&server, "zone switch");
    assert_eq!(remote(&server, "zone ds"), new);
    assert!(is_valid(&server, &old, "www.chat.example A") && is_valid(&server, &new, "www.chat.example A"));
}

#[test]
fn without_a_zone_there_is_no_name_server() {
    let server = Server::start();
    assert!(refused(&server, "zone").contains("ns.zone"));
    assert!(!server.home().join("ns/keys").exists());
}
