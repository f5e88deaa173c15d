//! What others' programs say of the server: dig, delv, unbound, ldns and nsd, from Debian.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::fs;

use ns::{Algorithm, Fault, Heard, Keys, Secondary, State};
use support::{Place, Program, dig, free_port, now, origin, said, zone};

const VALIDATOR: &str = "
server:
  interface: 127.0.0.1
  port: PORT
  do-daemonize: no
  username: \"\"
  chroot: \"\"
  directory: \"DIR\"
  pidfile: \"\"
  use-syslog: no
  do-not-query-localhost: no
  do-ip6: no
  num-threads: 1
  qname-minimisation: no
  trust-anchor: \"ANCHOR\"
remote-control:
  control-enable: no
stub-zone:
  name: chat.example.
  stub-addr: 127.0.0.1@OURS
";

const SECONDARY: &str = "
key:
  name: NAMED
  algorithm: hmac-sha256
  secret: \"SECRET\"
server:
  ip-address: 127.0.0.1@PORT
  username: \"\"
  zonesdir: \"DIR\"
  database: \"\"
  pidfile: \"DIR/nsd.pid\"
  xfrdfile: \"DIR/xfrd.state\"
  zonelistfile: \"DIR/zone.list\"
  xfrdir: \"DIR\"
  server-count: 1
remote-control:
  control-enable: no
zone:
  name: chat.example
  zonefile: \"DIR/copied\"
  request-xfr: AXFR 127.0.0.1@OURS BY
  allow-notify: 127.0.0.1 BY
";

#[test]
fn delv_validates_every_kind_of_answer_with_either_algorithm() {
    for algorithm in [Algorithm::EcdsaP256, Algorithm::Ed25519] {
        let place = Place::new(algorithm, "", Vec::new());
        let full = |question: &str| {
            let said = place.delv(&place.anchor(), question);
            assert!(said.contains("; fully validated"), "{algorithm:?} {question}: {said}");
            assert!(!said.contains("unsigned answer"), "{question}: {said}");
        };
        for there in
            ["chat.example SOA", "chat.example NS", "chat.example DNSKEY", "chat.example CDS", "chat.example AAAA"]
        {
            full(there);
        }
        for there in ["_mqtts._tcp.chat.example SRV", "_8883._tcp.chat.example TLSA", "alias.chat.example A"] {
            full(there);
        }
        full("one.wild.chat.example TXT");
        full("two.below.wild.chat.example TXT");

        let missing = |question: &str, what: &str| {
            let said = place.delv(&place.anchor(), question);
            let proven = said.contains("; negative response, fully validated");
            assert!(proven && said.contains(what), "{algorithm:?} {question}: {said}");
        };
        missing("nothing.chat.example A", "ncache nxdomain");
        missing("a.b.c.d.chat.example A", "ncache nxdomain");
        missing("www.chat.example AAAA", "ncache nxrrset");
        missing("down.there.chat.example A", "ncache nxrrset");
        missing("one.wild.chat.example A", "ncache nxrrset");
        missing("sub.chat.example DS", "ncache nxrrset");
        let lost = place.delv(&place.anchor(), "lost.chat.example A");
        assert!(lost.contains("; fully validated") && lost.contains("ncache nxdomain"), "{lost}");
    }
}

#[test]
fn unbound_trusts_what_the_anchor_signs_and_nothing_else() {
    let place = Place::new(Algorithm::EcdsaP256, "", Vec::new());
    let validator = |anchor: &str| {
        let text = VALIDATOR.replace("ANCHOR", anchor).replace("OURS", &place.port().to_string());
        Program::start(place.folder.path(), "unbound", &["-d", "-c"], &text)
    };
    let right = validator(&place.anchor());
    let flags = |said: &str| said.lines().find(|line| line.contains("flags:")).unwrap_or_default().to_owned();
    for (question, status) in [
        ("chat.example SOA", "NOERROR"),
        ("_8883._tcp.chat.example TLSA", "NOERROR"),
        ("x.wild.chat.example TXT", "NOERROR"),
        ("www.chat.example MX", "NOERROR"),
        ("there.chat.example MX", "NOERROR"),
        ("no.chat.example A", "NXDOMAIN"),
        ("no.such.name.chat.example A", "NXDOMAIN"),
    ] {
        let said = dig(right.port, &format!("+dnssec {question}"));
        assert!(said.contains(&format!("status: {status}")), "{question}: {said}");
        assert!(flags(&said).contains(" ad"), "{question}: {said}");
    }
    let other = Keys::create(Algorithm::EcdsaP256, now()).unwrap().ds(&origin());
    let wrong = validator(&other[0]);
    assert!(dig(wrong.port, "chat.example SOA").contains("status: SERVFAIL"));
    assert!(dig(wrong.port, "no.chat.example A").contains("status: SERVFAIL"));
}

#[test]
fn ldns_verifies_the_whole_zone() {
    let place = Place::copied("");
    let copy = place.dig("+noall +answer +onesoa chat.example AXFR");
    let file = place.folder.path().join("zone");
    fs::write(&file, &copy).unwrap();
    let said = said("ldns-verify-zone", &["-t", &stamp(), file.to_str().unwrap()]);
    assert!(said.contains("Zone is verified and complete"), "{said}\n{copy}");
}

/// An hour ago by the clock of who verifies, as slow clocks are.
fn stamp() -> String {
    let said = said("date", &["-u", "-d", "50 minutes ago", "+%Y%m%d%H%M%S"]);
    said.trim().to_owned()
}

const SECRET: &str = "c2hhcmVkIHdpdGggdGhlIHNlY29uZCBvbmUgYWxvbmU=";
/// Keys as an operator has them in a file; the first is the second server's.
const SECRETS: &str = "second.chat.example hmac-sha256 c2hhcmVkIHdpdGggdGhlIHNlY29uZCBvbmUgYWxvbmU=
long hmac-sha384 c2hhcmVkIHdpdGggdGhlIHNlY29uZCBvbmUgYWxvbmU=
longer hmac-sha512 c2hhcmVkIHdpdGggdGhlIHNlY29uZCBvbmUgYWxvbmU=
";

/// More names than one message of a transfer carries.
fn many() -> String {
    (0..200).map(|at| format!("u{at} A 192.0.2.{at}\n")).collect()
}

/// A server whose secondary has this port, and shows its key if there is one.
fn with_secondary(port: u16, key: bool) -> Place {
    let key = key.then(|| ns::record::Name::from_ascii("second.chat.example.").unwrap());
    let secondary = Secondary { address: format!("127.0.0.1:{port}").parse().unwrap(), key };
    Place::knowing(Algorithm::EcdsaP256, &many(), vec![secondary], SECRETS)
}

#[test]
fn nsd_copies_the_zone_and_is_told_of_changes() {
    nsd_copies("NOKEY");
}

#[test]
fn nsd_copies_the_zone_by_a_key_and_is_told_of_changes_by_it() {
    nsd_copies("second.chat.example");
}

#[test]
fn who_shows_not_the_key_that_is_asked_copies_nothing() {
    let place = with_secondary(9, true);
    let copied = |how: &str| {
        let said = place.dig(&format!("{how}chat.example AXFR"));
        said.lines().find(|line| line.contains("XFR size")).map(str::to_owned)
    };
    let copies = |how: &str| copied(how).is_some();
    let size = copied(&format!("-y hmac-sha256:second.chat.example:{SECRET} ")).unwrap_or_default();
    assert!(size.contains("messages") && !size.contains("messages 1,"), "each is signed: {size}");
    assert!(!copies(""), "no key");
    assert!(!copies(&format!("-y hmac-sha384:long:{SECRET} ")), "the key of another");
    assert!(!copies("-y hmac-sha256:second.chat.example:bm90IHRoYXQgc2VjcmV0IGJ1dCBhbm90aGVyIG9uZQ== "));
    assert!(!copies(&format!("-y hmac-sha256:second.chat.example:{SECRET} +fuzztime=1700000000 ")));
    let counts = place.server.counts();
    // dig may ask again.
    assert!(counts.transfers == 1 && counts.refused >= 4, "{counts:?}");
    let refused = place.dig(&format!("+tcp -y hmac-sha384:long:{SECRET} chat.example IXFR=1"));
    assert!(!refused.contains("verify"), "the refusal is signed: {refused}");
}

#[test]
fn who_signs_a_question_gets_a_signed_answer_or_is_told_what_is_wrong() {
    let place = with_secondary(9, true);
    for key in ["hmac-sha256:second.chat.example", "hmac-sha384:long", "hmac-sha512:LONGER"] {
        for question in ["+dnssec chat.example SOA", "+tcp chat.example SOA", "+bufsize=512 +dnssec no.chat.example A"]
        {
            let said = place.dig(&format!("-y {key}:{SECRET} {question}"));
            let is_good = said.contains("status: NOERROR") || said.contains("status: NXDOMAIN");
            assert!(is_good && said.contains("TSIG PSEUDOSECTION"), "{key} {question}: {said}");
            assert!(!said.contains("verify"), "{key} {question}: {said}");
        }
    }
    let told = |how: &str, what: &str| {
        for way in ["", "+tcp "] {
            let said = place.dig(&format!("{way}{how} +ignore chat.example SOA"));
            assert!(said.contains("status: NOTAUTH") && said.contains(what), "{how}: {said}");
            assert!(!said.contains("hostmaster"), "{how}: {said}");
        }
    };
    told("-y hmac-sha256:second.chat.example:bm90IHRoYXQgc2VjcmV0IGJ1dCBhbm90aGVyIG9uZQ==", "BADSIG");
    told(&format!("-y hmac-sha512:second.chat.example:{SECRET}"), "BADKEY");
    told(&format!("-y hmac-sha256:third.chat.example:{SECRET}"), "BADKEY");
    // dig itself finds that the time of the signed answer is not its own.
    told(&format!("-y hmac-sha256:second.chat.example:{SECRET} +fuzztime=1700000000"), "BADTIME 6 ");
    told(&format!("-y hmac-sha256-128:second.chat.example:{SECRET}"), "BADTRUNC");
}

/// The configuration of a secondary that speaks by `by`, and has a key of this name.
fn secondary(place: &Place, by: &str, key: &str, secret: &str) -> String {
    let ours = place.port().to_string();
    SECONDARY.replace("OURS", &ours).replace("BY", by).replace("NAMED", key).replace("SECRET", secret)
}

fn nsd_copies(key: &str) {
    let port = free_port();
    let place = with_secondary(port, key != "NOKEY");
    let text = secondary(&place, key, "second.chat.example", SECRET);
    let nsd = Program::start_at(port, place.folder.path(), "nsd", &["-d", "-c"], &text);
    let serial = |port| dig(port, "+short chat.example SOA").split(' ').nth(2).unwrap_or_default().to_owned();
    let catches_up = || (0..200).any(|_| serial(nsd.port) == serial(place.port()) && !serial(nsd.port).is_empty());
    assert!(catches_up(), "{}", dig(nsd.port, "chat.example SOA"));

    place.change(&(many() + "fresh A 192.0.2.77\n"));
    assert!(catches_up(), "{}", dig(nsd.port, "chat.example SOA"));
    let copied = dig(nsd.port, "+dnssec fresh.chat.example A");
    assert!(copied.contains("192.0.2.77") && copied.contains("RRSIG"), "{copied}");
    let missing = dig(nsd.port, "+dnssec nothing.chat.example A");
    assert!(missing.contains("NXDOMAIN") && missing.contains("NSEC3"), "{missing}");
    assert!(place.server.counts().transfers >= 2);
    let is_told = || {
        dig(nsd.port, "chat.example SOA");
        place.server.counts().told > 0
    };
    assert!((0..200).any(|_| is_told()), "nsd signs its answer, and that counts");
}

#[test]
fn a_secondary_with_another_secret_or_without_the_key_is_told_as_such() {
    let heard = |key: &str, secret: &str| {
        let port = free_port();
        let place = with_secondary(port, true);
        let text = secondary(&place, key, key, secret);
        let nsd = Program::start_at(port, place.folder.path(), "nsd", &["-d", "-c"], &text);
        place.change("fresh A 192.0.2.77\n");
        let said = || {
            dig(nsd.port, "chat.example SOA");
            place.server.secondaries().pop().map(|(_, heard)| heard)
        };
        let is_said = |heard: &Option<Heard>| !matches!(heard, Some(Heard::Nothing) | None);
        (0..400).map(|_| said()).find(is_said).flatten()
    };
    let other = "bm90IHRoYXQgc2VjcmV0IGJ1dCBhbm90aGVyIG9uZQ==";
    assert_eq!(heard("second.chat.example", other), Some(Heard::Distrusts(Fault::Signature)));
    assert_eq!(heard("third.chat.example", SECRET), Some(Heard::Distrusts(Fault::Key)));
}

#[test]
fn who_is_no_secondary_copies_nothing() {
    let place = Place::new(Algorithm::EcdsaP256, "", Vec::new());
    assert!(place.dig("chat.example AXFR").contains("Transfer failed"));
    assert!(place.dig("+tcp chat.example IXFR=1").contains("Transfer failed"));
}

#[test]
fn who_signs_by_a_key_that_is_not_known_is_told_so() {
    let place = Place::copied("");
    for question in ["chat.example SOA", "+tcp chat.example SOA", "chat.example AXFR"] {
        let said =
            place.dig(&format!("-y hmac-sha256:nobody:c2VjcmV0 +noall +comments +answer +additional {question}"));
        let is_told = said.contains("NOTAUTH") || said.contains("Transfer failed");
        assert!(is_told && !said.contains("hostmaster"), "{question}: {said}");
    }
    let said = place.dig("-y hmac-sha256:nobody:c2VjcmV0 chat.example SOA");
    assert!(said.contains("NOTAUTH") && said.contains("BADKEY"), "{said}");
}

#[test]
fn a_rollover_is_valid_by_the_old_anchor_and_the_new_at_every_step() {
    let mut place = Place::new(Algorithm::EcdsaP256, "", Vec::new());
    let valid = |place: &Place, anchor: &str| {
        ["chat.example SOA", "chat.example CDNSKEY", "www.chat.example A"]
            .iter()
            .all(|question| place.delv(anchor, question).contains("; fully validated"))
    };
    let publish = |place: &Place| {
        let before = place.server.zone();
        let next = ns::compile(&support::contents(""), &place.keys, 1, now(), Some(&before)).unwrap();
        place.server.publish(next.expect("something changes"));
    };
    let (old, hour) = (place.anchor(), 3600);
    place.keys.roll(now() - 2 * hour).unwrap();
    publish(&place);
    let both = place.keys.ds(&origin());
    assert_eq!(both.len(), 2);
    let new = both.iter().find(|line| **line != old).unwrap().clone();
    let cds = place.dig("+short chat.example CDS");
    assert!(both.iter().all(|line| cds.contains(line.split(' ').nth(3).unwrap())), "{cds}");
    assert!(valid(&place, &old) && valid(&place, &new));

    place.keys.switch(now()).unwrap();
    publish(&place);
    assert!(valid(&place, &old) && valid(&place, &new));
    assert_eq!(place.dig("+short chat.example CDS").lines().count(), 1, "the parent is to forget the old one");
    assert_eq!(place.dig("+short chat.example DNSKEY").lines().count(), 2);

    assert!(place.keys.prune(now() + 3 * 24 * hour));
    publish(&place);
    assert!(valid(&place, &new) && !valid(&place, &old));
    assert!(place.keys.iter().all(|key| key.state == State::Active));
}

#[test]
fn only_what_changed_is_signed_again() {
    let place = Place::new(Algorithm::EcdsaP256, "", Vec::new());
    let of = |question: &str| place.dig(&format!("+dnssec +noall +answer {question}"));
    let (kept, serial) = (of("www.chat.example A"), place.server.zone().serial());
    let before = place.server.zone();
    let same = ns::compile(&support::contents(""), &place.keys, 1, now(), Some(&before)).unwrap();
    assert!(same.is_none(), "nothing has changed");
    place.change("ns A 127.0.0.2\n");
    assert_eq!(of("www.chat.example A"), kept);
    assert!(place.server.zone().serial() > serial);
    let old = zone("", &place.keys);
    let week = now() + 8 * 24 * 3600;
    let anew = ns::compile(&support::contents(""), &place.keys, 1, week, Some(&old)).unwrap().unwrap();
    assert!(anew.expires() > week + 13 * 24 * 3600, "signatures that end soon are made anew");
    let right = ns::compile(&support::contents(""), &place.keys, 1, now(), Some(&anew)).unwrap();
    assert!(right.is_some_and(|zone| zone.expires() < anew.expires()), "as are those of a clock that was ahead");
}
