//! OpenLDAP's programs against the directory server, one matter a test.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::BytesMut;
use ldap::server::{Taken, take};
use ldap3_proto::LdapCodec;
use ldap3_proto::proto::{LdapCompareRequest, LdapMsg, LdapOp};
use support::{ADMIN, BASE, Directory};
use tokio_util::codec::Encoder;

const ANN: &str = "uid=ann,ou=people,dc=chat,dc=example";
const BEN: &str = "uid=ben,ou=people,dc=chat,dc=example";
const CARLA: &str = "uid=carla,ou=people,dc=chat,dc=example";

fn directory() -> Directory {
    Directory::start(0, |_| {})
}

#[test]
fn the_root_and_the_schema_say_what_there_is() {
    let directory = directory();
    let url = directory.url();
    let root = directory.run("ldapsearch", &["-x", "-LLL", "-H", &url, "-s", "base", "-b", "", "*", "+"], "").out;
    for line in [
        "namingContexts: dc=chat,dc=example",
        "supportedLDAPVersion: 3",
        "supportedControl: 1.2.840.113556.1.4.319",
        "supportedExtension: 1.3.6.1.4.1.1466.20037",
        "subschemaSubentry: cn=subschema",
    ] {
        assert!(root.contains(line), "{line} in {root}");
    }
    let schema = directory.run("ldapsearch", &["-x", "-LLL", "-H", &url, "-s", "base", "-b", "cn=subschema", "+"], "");
    assert!(
        schema.out.contains("NAME ( 'uid' 'userid' )") && schema.out.contains("objectClasses: ( 2.5.6.9"),
        "{schema:?}"
    );
    // Whoever names no base means ours.
    let all = directory.run("ldapsearch", &["-x", "-LLL", "-H", &url, "-b", "", "uid=ann", "uid"], "");
    assert_eq!(all.out.trim(), format!("dn: {ANN}\nuid: ann"));
}

#[test]
fn filters_of_every_kind() {
    let directory = directory();
    for (filter, found) in [
        ("(uid=ANN)", &[ANN][..]),
        ("(userid=ann)", &[ANN]),
        ("(0.9.2342.19200300.100.1.1=ann)", &[ANN]),
        ("(cn=ann  MARIE   black)", &[ANN]),
        ("(cn=*marie*)", &[ANN]),
        ("(cn=Ann*Black)", &[ANN]),
        ("(cn=*b*l*k*)", &[ANN]),
        ("(sn=MÜLLER)", &[CARLA]),
        ("(sn~=oneill)", &[BEN]),
        ("(telephoneNumber=+380670000001)", &[ANN]),
        ("(telephoneNumber=*0002)", &[BEN]),
        ("(&(uid=*)(!(uid=ann))(!(sn=O'Neill)))", &[CARLA]),
        ("(|(uid=ann)(uid=ben)(mail=ann@chat.example))", &[ANN, BEN]),
        ("(&(objectClass=person)(uid>=b)(uid<=bz))", &[BEN]),
        ("(createTimestamp>=20270101000000Z)", &[]),
        ("(&(uid=*)(createTimestamp<=20270101000000Z))", &[ANN, BEN, CARLA]),
        ("(objectClass=2.16.840.1.113730.3.2.2)", &[ANN, BEN, CARLA]),
        ("(name=black)", &[ANN]),
        ("(name=carla)", &[CARLA]),
        ("(uid:2.5.13.5:=ANN)", &[]),
        ("(uid:caseIgnoreMatch:=ANN)", &[ANN]),
        ("(:caseIgnoreMatch:=black)", &[ANN]),
        ("(&(uid=*)(ou:dn:=people))", &[ANN, BEN, CARLA]),
        // What is not known is neither true nor false.
        ("(shoeSize=43)", &[]),
        ("(!(shoeSize=43))", &[]),
        ("(|(shoeSize=43)(uid=ben))", &[BEN]),
        ("(uid:1.2.3.4:=ann)", &[]),
        ("(&)", &[ADMIN, ANN, BEN, CARLA, "ou=people,dc=chat,dc=example", BASE]),
        ("(|)", &[]),
        // Nothing that a name is made of gets out of it.
        ("(uid=ann\\29\\28uid=\\2a)", &[]),
    ] {
        let mut found = found.to_vec();
        found.sort_unstable();
        assert_eq!(directory.names(&[filter, "1.1"]), found, "{filter}");
    }
}

#[test]
fn scopes_attributes_and_what_is_not_there() {
    let directory = directory();
    let people = "ou=people,dc=chat,dc=example";
    assert_eq!(directory.names(&["-s", "base", "(&)", "1.1"]), [BASE]);
    assert_eq!(directory.names(&["-s", "one", "(&)", "1.1"]), [ADMIN, people]);
    assert_eq!(directory.names(&["-b", people, "-s", "children", "(&)", "1.1"]), [ANN, BEN, CARLA]);
    // Names are compared, not letters.
    assert_eq!(directory.names(&["-b", "OU = People, DC=chat,dc=\\65xample", "-s", "one", "(uid=ben)", "1.1"]), [BEN]);

    let shown = |words: &[&str]| directory.search(&[&["(uid=ann)"], words].concat()).out;
    assert_eq!(shown(&["1.1"]).trim(), format!("dn: {ANN}"));
    assert_eq!(shown(&["-A", "sn", "mail"]).trim(), format!("dn: {ANN}\nsn:\nmail:"));
    let (user, all) = (shown(&[]), shown(&["*", "+"]));
    assert!(user.contains("givenName: Ann Marie") && !user.contains("entryDN") && !user.contains("secret"), "{user}");
    assert!(all.contains(&format!("entryDN: {ANN}")) && all.contains("structuralObjectClass: inetOrgPerson"), "{all}");

    let missing = directory.search(&["-b", "uid=dora,ou=people,dc=chat,dc=example"]);
    assert_eq!(missing.code, 32);
    assert!(missing.err.contains("Matched DN: ou=people,dc=chat,dc=example"), "{missing:?}");
    assert_eq!(directory.search(&["-b", "dc=other"]).code, 32);
    assert_eq!(directory.search(&["-b", "nonsense"]).code, 34);
}

#[test]
fn limits_and_pages() {
    let directory = Directory::start(500, |options| {
        options.limits.entries = 300;
        options.limits.looked = 400;
    });
    // Found by an index, whatever else there is.
    assert_eq!(directory.names(&["(&(objectClass=person)(uid=p499))", "1.1"]).len(), 1);
    assert_eq!(directory.search(&["-z", "10", "(uid=p*)", "1.1"]).code, 4);
    assert_eq!(directory.search(&["-z", "max", "(uid=p*)", "1.1"]).code, 4, "ours");
    assert_eq!(directory.search(&["(sn=No 499)", "1.1"]).code, 11);
    let paged =
        |size: &str| directory.search(&["-E", &format!("pr={size}/noprompt"), "(objectClass=inetOrgPerson)", "1.1"]);
    for size in ["1", "100", "250"] {
        let said = paged(size);
        let found = said.out.lines().filter(|line| line.starts_with("dn: ")).count();
        // The whole search has one limit, however many its pages.
        assert_eq!((said.code, found), (4, 300), "{size}");
    }
    let directory = Directory::start(500, |_| {});
    let said = directory.search(&["-E", "pr=97/noprompt", "(objectClass=inetOrgPerson)", "1.1"]);
    let mut names: Vec<&str> = said.out.lines().filter(|line| line.starts_with("dn: ")).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!((said.code, names.len()), (0, 503));
}

#[test]
fn controls_that_we_do_not_have() {
    let directory = directory();
    assert_eq!(directory.search(&["-E", "!1.2.3.4", "(uid=ann)"]).code, 12);
    assert_eq!(directory.search(&["-E", "1.2.3.4", "(uid=ann)"]).code, 0);
    assert_eq!(directory.search(&["-E", "!sss=sn", "(uid=ann)"]).code, 12);
    assert_eq!(directory.search(&["-E", "sss=sn", "(uid=ann)"]).code, 0);
    assert_eq!(directory.search(&["-MM", "(uid=ann)"]).code, 0, "there is nothing to manage");
}

#[test]
fn passwords_go_over_tls_only() {
    let directory = directory();
    let (url, secure) = (directory.url(), directory.secure_url());
    let who = |words: &[&str]| directory.run("ldapwhoami", &[&["-x"], words].concat(), "");
    let by = |password: &'static str| ["-D", ANN, "-w", password];
    assert_eq!(who(&["-H", &url]).out.trim(), "anonymous");
    assert_eq!(who(&[&["-H", &url], &by("secret of ann")[..]].concat()).code, 13);
    for right in [&["-ZZ", "-H", &url[..]][..], &["-H", &secure]] {
        let said = who(&[right, &by("secret of ann")].concat());
        assert_eq!((said.code, said.out.trim()), (0, &format!("dn:{ANN}")[..]), "{said:?}");
        assert_eq!(who(&[right, &by("secret of ben")].concat()).code, 49);
        assert_eq!(who(&[right, &["-D", "uid=dora,dc=chat,dc=example", "-w", "x"]].concat()).code, 49);
        assert_eq!(who(&[right, &["-D", "nonsense", "-w", "x"]].concat()).code, 34);
    }
    // Without a password, but with a name: a program that forgot to ask would think it was right.
    let none = directory.run("ldapsearch", &["-x", "-ZZ", "-H", &url, "-D", ANN, "-w", "", "-b", BASE], "");
    assert_eq!(none.code, 53, "{none:?}");
    let external = directory.run("ldapwhoami", &["-Y", "EXTERNAL", "-Q", "-ZZ", "-H", &url], "");
    assert_ne!(external.code, 0, "no certificate: {external:?}");
}

#[test]
fn who_has_not_said_who_he_is_sees_the_root_only_unless_that_is_wished() {
    let directory = Directory::start(0, |options| options.anonymous = false);
    assert_eq!(directory.search(&["(uid=ann)"]).code, 8);
    assert_eq!(directory.search(&["-b", "", "-s", "base"]).code, 0);
    let found = directory.search(&["-ZZ", "-D", BEN, "-w", "secret of ben", "(uid=ann)", "sn"]);
    assert!(found.out.contains("sn: Black"), "{found:?}");
    let url = directory.url();
    assert_eq!(directory.run("ldapcompare", &["-x", "-H", &url, ANN, "sn:Black"], "").code, 8);
}

#[test]
fn values_are_compared() {
    let directory = directory();
    let url = directory.url();
    let compared = |name: &str, what: &str| directory.run("ldapcompare", &["-x", "-H", &url, name, what], "").code;
    assert_eq!(compared(ANN, "sn:BLACK"), 6);
    assert_eq!(compared(ANN, "sn:White"), 5);
    assert_eq!(compared(ANN, "telephoneNumber:+380 670 000 001"), 6);
    assert_eq!(compared(ANN, "description:x"), 16);
    assert_eq!(compared(ANN, "shoeSize:43"), 17);
    assert_eq!(compared(ANN, "userPassword:secret of ann"), 16, "nobody's to know");
    assert_eq!(compared("uid=dora,dc=chat,dc=example", "sn:x"), 32);
    assert_eq!(compared("", "supportedLDAPVersion:3"), 6);
}

#[test]
fn administrators_write_and_nobody_else() {
    let directory = directory();
    let url = directory.url();
    let run = |program: &str, who: &str, password: &str, words: &[&str], input: &str| {
        let all = ["-x", "-ZZ", "-H", &url, "-D", who, "-w", password];
        directory.run(program, &[&all[..], words].concat(), input).code
    };
    let dora = "dn: uid=dora,ou=people,dc=chat,dc=example\nobjectClass: inetOrgPerson\nuid: dora\ncn: Dora\nsn: D\n";
    let edit = "dn: uid=dora,ou=people,dc=chat,dc=example\nchangetype: modify\nreplace: sn\nsn: Green\n-\nadd: mail\nmail: d@x.example\n";
    let name = "uid=dora,ou=people,dc=chat,dc=example";
    let secret = "secret of ann";
    assert_eq!(run("ldapadd", ANN, secret, &[], dora), 50);
    assert_eq!(run("ldapmodify", ANN, secret, &[], edit), 50);
    assert_eq!(run("ldapdelete", ANN, secret, &[BEN], ""), 50);
    assert_eq!(directory.run("ldapdelete", &["-x", "-H", &url, BEN], "").code, 8);

    assert_eq!(run("ldapadd", ADMIN, "wonder", &[], dora), 0);
    assert_eq!(run("ldapadd", ADMIN, "wonder", &[], dora), 68);
    assert_eq!(run("ldapmodify", ADMIN, "wonder", &[], edit), 0);
    assert_eq!(directory.names(&["(sn=green)", "1.1"]), [name]);
    assert_eq!(directory.names(&["(mail=D@x.example)", "1.1"]), [name]);
    assert_eq!(run("ldapmodify", ADMIN, "wonder", &[], &edit.replace("replace: sn", "add: sn")), 20);
    assert_eq!(run("ldapmodify", ADMIN, "wonder", &[], &edit.replace("sn", "shoeSize")), 17);
    assert_eq!(run("ldapmodify", ADMIN, "wonder", &[], &edit.replace("sn", "entryDN")), 19);
    assert_eq!(run("ldapmodrdn", ADMIN, "wonder", &[name, "uid=eve"], ""), 53);
    assert_eq!(run("ldapdelete", ADMIN, "wonder", &["ou=people,dc=chat,dc=example"], ""), 66);
    assert_eq!(run("ldapdelete", ADMIN, "wonder", &[name], ""), 0);
    assert_eq!(run("ldapdelete", ADMIN, "wonder", &[name], ""), 32);
    assert!(directory.names(&["(uid=dora)", "1.1"]).is_empty());
}

/// What comes back for bytes, until the server closes.
fn said(directory: &Directory, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(directory.plain()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(bytes).unwrap();
    // The server may have closed it already.
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

const START_TLS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
const NOTICE: &[u8] = b"1.3.6.1.4.1.1466.20036";

fn holds(answer: &[u8], what: &[u8]) -> bool {
    answer.windows(what.len()).any(|window| window == what)
}

#[test]
fn bytes_behind_the_request_for_tls_end_the_connection() {
    let directory = directory();
    let bind = b"\x30\x0c\x02\x01\x02\x60\x07\x02\x01\x03\x04\x00\x80\x00";
    let answer = said(&directory, &[START_TLS, bind].concat());
    // operationsError to the first, nothing to the second.
    assert!(holds(&answer, b"\x02\x01\x01\x78") && holds(&answer, b"\x0a\x01\x01"), "{answer:x?}");
    assert!(!holds(&answer, b"\x02\x01\x02\x61"));
}

#[test]
fn what_is_no_request_is_told_so() {
    let directory = directory();
    for (bytes, expected) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], NOTICE),
        (b"\x30\x80\x02\x01\x01", NOTICE),
        (b"\x30\x84\x7f\xff\xff\xff\x02\x01\x01", NOTICE),
        (b"\x30\x02\x05\x00", NOTICE),
        // A search that is none, a bind that is none, an answer.
        (b"\x30\x05\x02\x01\x07\x63\x00", b"\x02\x01\x07\x65\x07\x0a\x01\x02"),
        (b"\x30\x05\x02\x01\x07\x60\x00", b"\x02\x01\x07\x61\x07\x0a\x01\x02"),
    ] {
        let answer = said(&directory, bytes);
        assert!(holds(&answer, expected) || holds(&answer, &expected[..4]), "{bytes:x?}: {answer:x?}");
    }
    assert_eq!(directory.names(&["(uid=ann)", "1.1"]), [ANN], "others are served");
}

#[test]
fn who_says_nothing_but_what_is_no_request_is_left() {
    let directory = directory();
    let flawed = |id: u8| [0x30, 5, 2, 1, id, 0x63, 0];
    let answer = said(&directory, &(1..=6).flat_map(flawed).collect::<Vec<u8>>());
    let answered: Vec<u8> = (1..=6).filter(|id| holds(&answer, &[2, 1, *id, 0x65])).collect();
    assert_eq!(answered, [1, 2, 3, 4, 5]);
}

/// A request that comes byte by byte holds its place no longer than a silent connection does.
#[test]
fn who_dawdles_is_left() {
    let directory = Directory::start(0, |options| (options.anonymous, options.idle) = (false, Duration::from_secs(1)));
    let mut stream = TcpStream::connect(directory.plain()).unwrap();
    // The time-out is the pace at which the client dawdles.
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut answer = [0; 64];
    stream.write_all(b"\x30\x82\x7f\xff\x02\x01\x01").unwrap();
    let told = (0..1_000).any(|_| stream.write_all(b"\x63").is_err() || stream.read(&mut answer).is_ok());
    assert!(told, "it is still served");
}

#[test]
fn filters_too_deep_and_names_too_long_are_refused() {
    let directory = directory();
    let nested = |depth: usize| format!("{}(uid=ann){}", "(!".repeat(depth), ")".repeat(depth));
    assert_eq!(directory.names(&[&nested(20), "1.1"]).len(), 1);
    assert_eq!(directory.search(&[&nested(30)]).code, 11);
    let wide = format!("(|{})", "(uid=x)".repeat(300));
    assert_eq!(directory.search(&[&wide]).code, 11);
    let long = format!("uid={},{BASE}", "a".repeat(5000));
    assert_eq!(directory.search(&["-b", &long]).code, 34);
    // More than a decoder goes into: the request is answered, or the connection ends; either way the server lives.
    let said = directory.search(&[&nested(100)]);
    assert_ne!(said.code, 0);
    assert_eq!(directory.names(&["(uid=ann)", "1.1"]), [ANN]);
}

/// (objectClass=*) below the base, number 5.
fn search_of_all() -> Vec<u8> {
    let base = BASE.as_bytes();
    let present = b"\x87\x0bobjectClass";
    let body = [
        &[0x04, base.len() as u8][..],
        base,
        b"\x0a\x01\x02\x0a\x01\x00\x02\x01\x00\x02\x01\x00\x01\x01\x00",
        present,
        b"\x30\x00",
    ]
    .concat();
    let op = [&[0x63, body.len() as u8][..], &body].concat();
    [&[0x30, op.len() as u8 + 3, 2, 1, 5][..], &op].concat()
}

#[test]
fn a_search_is_abandoned_and_others_on_its_connection_are_answered() {
    let directory = Directory::start(3000, |options| options.limits.entries = 10_000);
    // Then abandon 5, and whoami, number 6.
    let search = search_of_all();
    let abandon = b"\x30\x06\x02\x01\x07\x50\x01\x05";
    let who = b"\x30\x1e\x02\x01\x06\x77\x19\x80\x171.3.6.1.4.1.4203.1.11.3";
    let answer = said(&directory, &[&search[..], abandon, who].concat());
    assert!(holds(&answer, b"\x02\x01\x06\x78"), "whoami is answered");
    assert!(!holds(&answer, b"\x02\x01\x05\x65"), "the search has no end");
}

/// Many and large ones, more than the server keeps.
#[test]
fn what_comes_during_a_search_is_answered_after_it() {
    let directory = Directory::start(3000, |options| options.limits.entries = 10_000);
    let mut sent = BytesMut::from(&search_of_all()[..]);
    for id in 10..110 {
        let compare = LdapCompareRequest { dn: String::new(), atype: "cn".into(), val: vec![b'x'; 8000] };
        LdapCodec::default().encode(LdapMsg::new(id, LdapOp::CompareRequest(compare)), &mut sent).unwrap();
    }
    let mut stream = TcpStream::connect(directory.plain()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let writing = std::thread::spawn(move || writer.write_all(&sent).unwrap());
    let (mut bytes, mut answered) = (BytesMut::new(), Vec::new());
    while answered.last() != Some(&109) {
        let mut piece = [0; 16 * 1024];
        let read = stream.read(&mut piece).unwrap();
        assert_ne!(read, 0, "{answered:?}");
        bytes.extend_from_slice(&piece[..read]);
        while let Some(taken) = take(&mut bytes) {
            let Taken::Request(answer, _) = taken else { panic!("{taken:?} after {answered:?}") };
            if !matches!(answer.op, LdapOp::SearchResultEntry(_)) {
                answered.push(answer.msgid);
            }
        }
    }
    writing.join().unwrap();
    assert_eq!(answered, std::iter::once(5).chain(10..110).collect::<Vec<_>>());
}
