//! The client and OpenLDAP's server: people found and not found, passwords, TLS with the right roots and others, servers that go.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail, and needs a part of what is shared"
)]

#[path = "../../../tests/support/slapd.rs"]
mod slapd;

use std::sync::Arc;
use std::time::Duration;

use ldap::client::{Attributes, Directory, Error, Person, Setup};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use slapd::{BASE, READER, SECRET, Slapd};
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

        let mut all: Vec<String> = directory.everybody().await.unwrap().into_iter().map(|one| one.dn).collect();
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
    assert!(matches!(run(directory.find(&["380670000101"])), Err(Error::Refused(_))));
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
        assert_eq!(given(directory.find(&["ann"]).await.unwrap()), "Second", "remembered");
        assert!(matches!(directory.find(&["ben"]).await, Err(Error::Away(_))), "never asked for");
        assert!(matches!(directory.check(ANN, &password("ann's own")).await, Err(Error::Away(_))));
        second.restart();
        assert!(directory.find(&["ben"]).await.unwrap().is_some());
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
