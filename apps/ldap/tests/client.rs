//! The client and OpenLDAP's server: people found and not found, passwords, TLS with the right roots and others, servers that go.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail, and needs a part of what is shared"
)]

#[path = "../../../tests/support/slapd.rs"]
mod slapd;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use bytes::BytesMut;
use ldap::client::{Attributes, Directory, Error, Person, Setup};
use ldap3_proto::LdapCodec;
use ldap3_proto::proto::*;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use slapd::{BASE, READER, SECRET, Slapd, number};
use tokio_util::codec::{Decoder, Encoder};
use zeroize::Zeroizing;

const ANN: &str = "uid=ann,ou=people,dc=example,dc=org";

fn trusting(slapd: &Slapd) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(slapd.roots()).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

fn setup(slapd: &Slapd) -> Setup {
    Setup {
        servers: vec![slapd.url()],
        start_tls: true,
        tls: trusting(slapd),
        bind_dn: READER.into(),
        password: Zeroizing::new(SECRET.into()),
        base: BASE.into(),
        people: "(&(objectClass=inetOrgPerson)(!(pwdAccountLockedTime=*)))".into(),
        attributes: Attributes {
            keys: vec!["telephoneNumber".into(), "uid".into()],
            given: "givenName".into(),
            surname: "sn".into(),
            display: "displayName".into(),
            certificate: "userCertificate;binary".into(),
            member: "member".into(),
        },
        timeout: Duration::from_secs(20),
        connections: 2,
        keep: Duration::from_secs(3600),
    }
}

/// Without TLS, over one connection.
fn plain(server: &TcpListener) -> Setup {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Setup {
        servers: vec![format!("ldap://{}", server.local_addr().unwrap())],
        start_tls: false,
        tls: Arc::new(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth()),
        bind_dn: String::new(),
        password: password(""),
        base: BASE.into(),
        people: "(objectClass=person)".into(),
        attributes: Attributes {
            keys: vec!["uid".into()],
            given: "givenName".into(),
            surname: "sn".into(),
            display: String::new(),
            certificate: "userCertificate".into(),
            member: "member".into(),
        },
        timeout: Duration::from_secs(20),
        connections: 1,
        keep: Duration::from_secs(3600),
    }
}

/// Answers each search with one entry, whose attributes depend on those that are asked for, until the client has gone.
fn serve(listener: &TcpListener, entry: impl Fn(&str) -> Vec<(&'static str, Vec<String>)>) {
    let (mut stream, _) = listener.accept().unwrap();
    let (mut bytes, mut codec) = (BytesMut::new(), LdapCodec::default());
    loop {
        while let Some(asked) = codec.decode(&mut bytes).unwrap() {
            let LdapOp::SearchRequest(search) = asked.op else { return };
            let attributes = entry(&search.attrs[0]).into_iter().map(|(name, values)| LdapPartialAttribute {
                atype: name.into(),
                vals: values.into_iter().map(String::into_bytes).collect(),
            });
            let found = LdapSearchResultEntry { dn: search.base, attributes: attributes.collect() };
            let (code, text) = (LdapResultCode::Success, String::new());
            let done = LdapResult { code, matcheddn: text.clone(), message: text, referral: Vec::new() };
            let mut out = BytesMut::new();
            codec.encode(LdapMsg::new(asked.msgid, LdapOp::SearchResultEntry(found)), &mut out).unwrap();
            codec.encode(LdapMsg::new(asked.msgid, LdapOp::SearchResultDone(done)), &mut out).unwrap();
            stream.write_all(&out).unwrap();
        }
        let mut piece = [0; 4096];
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return,
            Ok(read) => bytes.extend_from_slice(&piece[..read]),
        }
    }
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn password(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.into())
}

#[test]
fn people_are_found_by_any_key_and_others_are_not() {
    let slapd = Slapd::start();
    let directory = Directory::new(setup(&slapd));
    run(async {
        let ann = directory.find(&["380670000101"]).await.unwrap().unwrap();
        assert_eq!((ann.dn.as_str(), ann.keys), (ANN, vec!["380670000101".to_owned(), "ann".to_owned()]));
        assert_eq!((ann.given.as_deref(), ann.surname.as_deref()), (Some("Ann"), Some("Smith")));

        let ben = directory.find(&["380670000102", "+380670000102"]).await.unwrap().unwrap();
        assert_eq!((ben.given.as_deref(), ben.surname.as_deref()), (Some("Ben van"), Some("Marsh")));
        assert_eq!(directory.find(&["uid-of-nobody"]).await.unwrap(), None);

        // Nobody is found by what is no name but a filter, and who has such a name is.
        for strange in ["*", "ann)(uid=*", "a\\2a", "\0", "ann*"] {
            assert_eq!(directory.find(&[strange]).await.unwrap(), None, "{strange}");
        }
        assert!(directory.find(&["dora*)(uid=,"]).await.unwrap().is_some());

        let mut all: Vec<String> = directory.everybody().await.unwrap().people.into_iter().map(|one| one.dn).collect();
        all.sort();
        assert_eq!((all.len(), all[0].as_str()), (3, ANN));
        assert!(matches!(directory.members("cn=team,dc=example,dc=org").await.unwrap(), Some(dns) if dns.len() == 2));
        assert_eq!(directory.members("cn=nobody,dc=example,dc=org").await.unwrap(), None);
    });
}

#[test]
fn two_people_with_one_key_are_nobody() {
    let slapd = Slapd::start();
    let directory = Directory::new(setup(&slapd));
    slapd.set("ben", "telephoneNumber", Some("380670000101"));
    assert!(matches!(run(directory.find(&["380670000101"])), Err(Error::Several(_))));
    assert_eq!(run(directory.among(&["380670000101".into()])).unwrap().len(), 2);
}

#[test]
fn one_of_two_who_are_not_shown_together_is_nobody() {
    let slapd = Slapd::with(0, &format!("limits dn.exact=\"{READER}\" size=1\n"));
    let directory = Directory::new(setup(&slapd));
    slapd.set("ben", "telephoneNumber", Some("380670000101"));
    assert!(matches!(run(directory.find(&["380670000101"])), Err(Error::Refused(_))));
    assert!(matches!(run(directory.among(&["380670000101".into()])), Err(Error::Refused(_))));
    assert_eq!(run(directory.among(&["ann".into(), "ben".into()])).unwrap().len(), 2, "one by one");
}

#[test]
fn a_listing_that_is_cut_short_says_so_and_whoever_is_there_is_found_by_his_keys() {
    const MORE: usize = 600;
    // As it comes; by what it would have to look through; without pages.
    for (limits, most) in [("", 500), ("size.unchecked=100", 0), ("size.prtotal=disabled", 500)] {
        let slapd = Slapd::with(MORE, &lines(limits));
        let directory = Directory::new(setup(&slapd));
        run(async {
            directory.find(&["ann"]).await.unwrap();
            let listing = directory.everybody().await.unwrap();
            assert!(listing.cut.is_some(), "{limits}");
            assert_eq!(listing.people.len(), most, "{limits}");
            assert!(directory.recall(&["ann"]).is_some(), "{limits}: nothing says that she has gone");
            slapd.set("p599", "pwdAccountLockedTime", Some("000001010000Z"));
            let numbers: Vec<String> = (0..MORE + 5).map(number).collect();
            let found = directory.among(&numbers).await.unwrap();
            assert_eq!(found.len(), MORE - 1, "{limits}");
            directory.keep_only(&found);
            assert_eq!(directory.recall(&["ann"]), None);
        });
    }
    for limits in ["size.prtotal=unlimited", "size=unlimited"] {
        let slapd = Slapd::with(MORE, &lines(limits));
        let listing = run(Directory::new(setup(&slapd)).everybody()).unwrap();
        assert_eq!((listing.people.len(), listing.cut), (MORE + 3, None), "{limits}");
    }
}

#[test]
fn whoever_is_asked_for_many_is_asked_for_some_of_them_at_once() {
    const LANES: usize = 4;
    let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
    let all = Arc::new(Barrier::new(LANES));
    for _ in 0..LANES {
        let (listener, all) = (listener.clone(), all.clone());
        thread::spawn(move || {
            serve(&listener, |_| {
                // None is answered before all are asked.
                all.wait();
                vec![("uid", vec!["p".to_owned()])]
            });
        });
    }
    let directory = Directory::new(Setup { connections: 2 * LANES, ..plain(&listener) });
    let values: Vec<String> = (0..8 * 100).map(number).collect();
    assert_eq!(run(directory.among(&values)).unwrap().len(), 8);
}

fn lines(limits: &str) -> String {
    match limits.is_empty() {
        true => String::new(),
        false => format!("limits dn.exact=\"{READER}\" {limits}\n"),
    }
}

#[test]
fn only_the_right_password_is_one() {
    let slapd = Slapd::start();
    let directory = Directory::new(setup(&slapd));
    run(async {
        assert!(directory.check(ANN, &password("ann's own")).await.unwrap());
        for wrong in ["ben's own", "", "ann's own ", &"x".repeat(5000)] {
            assert!(!directory.check(ANN, &password(wrong)).await.unwrap(), "{wrong}");
        }
        assert!(!directory.check("uid=nobody,dc=example,dc=org", &password("ann's own")).await.unwrap());
        assert!(!directory.check("", &password("ann's own")).await.unwrap());

        slapd.set("ann", "pwdAccountLockedTime", Some("000001010000Z"));
        assert!(!directory.check(ANN, &password("ann's own")).await.unwrap(), "locked");
        assert_eq!(directory.find(&["ann"]).await.unwrap(), None, "locked");
    });
}

#[test]
fn tls_begins_before_anything_is_said_and_only_with_whom_we_trust() {
    let (slapd, stranger) = (Slapd::start(), Slapd::start());
    run(async {
        for servers in [vec![slapd.url()], vec![slapd.secure_url()]] {
            let good = Directory::new(Setup { servers: servers.clone(), ..setup(&slapd) });
            assert!(good.find(&["ann"]).await.unwrap().is_some());
            let wrong = Directory::new(Setup { servers, tls: trusting(&stranger), ..setup(&slapd) });
            assert!(matches!(wrong.find(&["ann"]).await, Err(Error::Away(_))));
            assert!(matches!(wrong.check(ANN, &password("ann's own")).await, Err(Error::Away(_))));
        }
    });
}

#[test]
fn who_asks_with_a_wrong_password_is_told_nothing() {
    let slapd = Slapd::start();
    let wrong = Directory::new(Setup { password: password("another"), ..setup(&slapd) });
    assert!(matches!(run(wrong.find(&["ann"])), Err(Error::Away(_))));
}

#[test]
fn another_server_answers_for_one_that_has_gone_and_memory_for_all() {
    let (mut first, mut second) = (Slapd::start(), Slapd::start());
    // Each has an authority of its own; both are trusted here.
    let roots: Vec<_> = [&first, &second].iter().map(|one| std::fs::read(one.roots()).unwrap()).collect();
    std::fs::write(first.roots(), roots.concat()).unwrap();
    let servers = vec![first.url(), second.url()];
    let directory = Directory::new(Setup { servers, ..setup(&first) });
    second.set("ann", "givenName", Some("Second"));
    let given = |person: Option<Person>| person.unwrap().given.unwrap();
    run(async {
        assert_eq!(given(directory.find(&["ann"]).await.unwrap()), "Ann");
        first.stop();
        assert_eq!(given(directory.find(&["ann"]).await.unwrap()), "Second");
        assert!(directory.check(ANN, &password("ann's own")).await.unwrap());
        second.stop();
        assert!(matches!(directory.find(&["ann"]).await, Err(Error::Away(_))));
        assert_eq!(given(directory.recall(&["ann"])), "Second");
        assert_eq!(directory.recall(&["ben"]), None, "never asked for");
        assert!(matches!(directory.check(ANN, &password("ann's own")).await, Err(Error::Away(_))));
        second.restart();
        assert!(directory.find(&["ben"]).await.unwrap().is_some());
        second.set("ann", "pwdAccountLockedTime", Some("000001010000Z"));
        assert_eq!(directory.everybody().await.unwrap().people.len(), 2);
        assert_eq!(directory.recall(&["ann"]), None, "locked since");
    });
}

/// One after the other they would wait for minutes.
#[test]
fn nobody_waits_for_long_behind_a_directory_that_says_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let directory = Directory::new(Setup { timeout: Duration::from_secs(1), ..plain(&silent) });
    let all = futures_util::future::join_all((0..500).map(|_| directory.find(&["ann"])));
    let told = run(async { tokio::time::timeout(Duration::from_secs(120), all).await }).unwrap();
    assert!(told.iter().all(|told| matches!(told, Err(Error::Away(_)))), "{told:?}");
}

#[test]
fn an_answer_that_is_none_is_an_error() {
    // A result without a code, one that is no sequence, one whose code is text.
    for answer in
        [&b"\x30\x05\x02\x01\x01\x65\x00"[..], b"\x30\x03\x02\x01\x01", b"\x30\x08\x02\x01\x01\x65\x03\x04\x01x"]
    {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let directory = Directory::new(Setup { timeout: Duration::from_secs(5), ..plain(&listener) });
        thread::scope(|scope| {
            scope.spawn(|| {
                let (mut stream, _) = listener.accept().unwrap();
                let asked = stream.read(&mut [0; 4096]).unwrap();
                assert_ne!(asked, 0);
                stream.write_all(answer).unwrap();
                // Until the client has enough of it.
                while stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {}
            });
            assert!(matches!(run(directory.find(&["ann"])), Err(Error::Away(_))), "{answer:x?}");
        });
    }
}

/// As Active Directory has it: 1500 at a time.
#[test]
fn all_members_of_a_large_group_are_read() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let directory = Directory::new(plain(&listener));
    let parts = |asked: &str| {
        let part = |from: usize, to: usize| (from..to).map(|number| format!("cn=p{number}")).collect();
        match asked {
            "member" => vec![("member", Vec::new()), ("member;range=0-1499", part(0, 1500))],
            "member;range=1500-*" => vec![("member;Range=1500-2999", part(1500, 3000))],
            "member;range=3000-*" => vec![("member;range=3000-*", part(3000, 3001))],
            other => panic!("{other}"),
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| serve(&listener, parts));
        let members = run(directory.members("cn=all")).unwrap().unwrap();
        assert_eq!((members.len(), members[3000].as_str()), (3001, "cn=p3000"));
    });
}

#[test]
fn the_same_members_again_and_again_are_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let directory = Directory::new(plain(&listener));
    thread::scope(|scope| {
        scope.spawn(|| serve(&listener, |_| vec![("member;range=0-1", vec!["cn=a".into(), "cn=b".into()])]));
        assert!(matches!(run(directory.members("cn=all")), Err(Error::Refused(_))));
    });
}

#[test]
fn a_change_is_seen_and_certificates_are_written() {
    let slapd = Slapd::start();
    let directory = Directory::new(setup(&slapd));
    let der = CertificateDer::from_pem_file(slapd.roots()).unwrap();
    run(async {
        let before = directory.version().await.unwrap();
        assert_eq!(directory.version().await.unwrap(), before);
        assert!(before.is_some(), "OpenLDAP with syncprov says it");
        for _ in 0..2 {
            directory.publish(ANN, &der).await.unwrap();
        }
        assert_eq!(directory.certificates(ANN).await.unwrap(), [der.to_vec()]);
        assert_ne!(directory.version().await.unwrap(), before);
        assert!(slapd.shown("ann", "userCertificate").contains("userCertificate;binary:: "));
        assert!(matches!(directory.publish("cn=nobody,dc=example,dc=org", &der).await, Err(Error::Refused(_))));
    });
}
