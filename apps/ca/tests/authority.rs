//! The root and what it issues with keys of its own making, read by openssl.

mod common;

use std::time::{Duration, UNIX_EPOCH};

use ca::{Authority, Curve, Error, Places, Reason, Revoked, read_list, subject};
use common::{ED25519, Openssl, P256, P384, authority, now, rsa};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[test]
fn root_is_a_p256_authority_that_may_sign_certificates_and_lists() {
    let text = Openssl::new().text(authority().certificate_der());

    assert!(text.contains("CN = Example Org Root CA"), "{text}");
    assert!(text.contains("ASN1 OID: prime256v1"));
    assert!(text.contains("CA:TRUE, pathlen:1"));
    assert!(text.contains("Certificate Sign, CRL Sign"));
}

#[test]
fn kept_authority_loads_and_goes_on() {
    let first = authority();
    let again = Authority::load(first.certificate_pem(), first.key_pem().unwrap()).unwrap();

    let issued = again.client("anna", now()).unwrap();
    assert_eq!(again.certificate_der(), first.certificate_der());
    assert_eq!(again.key_pem(), None, "a key that was kept already");
    assert!(first.issued(&issued.certificate.der));
    assert!(Openssl::new().verifies(&first, &issued.certificate.der, "sslclient"));
}

#[test]
fn an_authority_below_the_root_issues_in_its_place() {
    let (openssl, root) = (Openssl::new(), authority());
    let issuing = root.below("Example Org", now()).unwrap();
    openssl.put("root.pem", root.certificate_pem());
    openssl.put("issuing.pem", ca::pem(issuing.certificate_der()));
    let text = openssl.text(issuing.certificate_der());
    assert!(text.contains("CN = Example Org Issuing CA") && text.contains("CA:TRUE, pathlen:0"), "{text}");
    openssl.ok("verify -x509_strict -CAfile root.pem issuing.pem");
    assert_eq!(issuing.chain(), [issuing.certificate_der(), root.certificate_der()]);

    let again = Authority::load(issuing.certificate_pem(), issuing.key_pem().unwrap()).unwrap();
    let leaf = again.server(&["localhost".to_owned()], now()).unwrap();
    assert!(issuing.issued(&leaf.certificate.der) && !root.issued(&leaf.certificate.der));
    assert_eq!(issuing.name().unwrap(), subject(&leaf.certificate.der).unwrap().issuer);
    openssl.put("leaf.pem", ca::pem(&leaf.certificate.der));
    openssl.put("shown.pem", &leaf.cert_pem);
    openssl.ok("verify -x509_strict -purpose sslserver -CAfile root.pem -untrusted issuing.pem leaf.pem");
    openssl.ok("verify -x509_strict -purpose sslserver -CAfile root.pem -untrusted shown.pem leaf.pem");
    assert!(!openssl.run("verify -CAfile root.pem leaf.pem").status.success(), "it was not the root");

    // Its lists are its own, and as short as its arm: none stands below it.
    let entry = Revoked { serial: leaf.certificate.serial.clone(), at: now(), reason: Reason::Superseded };
    let list = again.crl(&[entry], 1, now()).unwrap();
    assert_eq!(read_list(&list, &[issuing.certificate_der()]).unwrap().issuer, issuing.name().unwrap());
    assert!(read_list(&list, &[root.certificate_der()]).is_err());
    assert!(matches!(issuing.below("Example Org", now()), Err(Error::Certificate(_))));
    let wrong = format!("{}{}", ca::pem(issuing.certificate_der()), authority().certificate_pem());
    assert!(matches!(Authority::load(&wrong, issuing.key_pem().unwrap()), Err(Error::Certificate(_))));
}

#[test]
fn an_authority_on_p384_issues_what_openssl_verifies_down_to_lists_and_answers() {
    let openssl = Openssl::new();
    let root = Authority::create_on(Curve::P384, "Example Org", now()).unwrap();
    let again = Authority::load(root.certificate_pem(), root.key_pem().unwrap()).unwrap();
    let issuing = again.below("Example Org", now()).unwrap();
    for authority in [&root, &issuing] {
        let text = openssl.text(authority.certificate_der());
        assert!(text.contains("ASN1 OID: secp384r1") && text.contains("ecdsa-with-SHA384"), "{text}");
        assert!(!text.contains("prime256v1"));
    }
    openssl.put("root.pem", root.certificate_pem());
    openssl.put("issuing.pem", issuing.certificate_pem());
    for key in [P384, P256, ED25519] {
        let request = openssl.request(key, "");
        let device = issuing.device(&request, "380670000001", "d1", now()).unwrap();
        openssl.put("leaf.pem", ca::pem(&device.der));
        let line = "verify -x509_strict -purpose sslclient -CAfile root.pem -untrusted issuing.pem";
        openssl.ok(&format!("{line} leaf.pem"));
        assert!(issuing.issued(&device.der) && !root.issued(&device.der));

        let entry = Revoked { serial: device.serial.clone(), at: now(), reason: Reason::KeyCompromise };
        for (number, revoked) in [(1, &[][..]), (2, &[entry][..])] {
            let list = issuing.crl(revoked, number, now()).unwrap();
            openssl.put("list.der", &list);
            openssl.ok("crl -inform DER -in list.der -CAfile issuing.pem -verify -out list.pem");
            let checked = openssl.run(&format!("{line} -crl_check -CRLfile list.pem leaf.pem"));
            assert_eq!(checked.status.success(), revoked.is_empty(), "{checked:?}");
            assert_eq!(read_list(&list, &[issuing.certificate_der()]).unwrap().revoked.len(), revoked.len());
        }
    }
    // What is made here for others stays on P-256, which every client has.
    let server = issuing.server(&["localhost".to_owned()], now()).unwrap();
    assert!(openssl.text(&server.certificate.der).contains("ASN1 OID: prime256v1"));
    openssl.put("leaf.pem", &server.cert_pem);
    openssl.ok("verify -x509_strict -purpose sslserver -CAfile root.pem -untrusted leaf.pem leaf.pem");
}

#[test]
fn load_refuses_a_key_of_another() {
    let refused = Authority::load(authority().certificate_pem(), authority().key_pem().unwrap());
    assert!(matches!(refused, Err(Error::KeyMismatch)));
}

#[test]
fn load_refuses_what_is_no_authority() {
    let ca = authority();
    let leaf = ca.client("anna", now()).unwrap();
    assert!(matches!(Authority::load(&leaf.cert_pem, &leaf.key_pem), Err(Error::Certificate(_))));

    let two = format!("{}{}", ca.certificate_pem(), leaf.cert_pem);
    assert!(matches!(Authority::load(&two, ca.key_pem().unwrap()), Err(Error::Certificate(_))));
    assert!(matches!(Authority::load("nothing", ca.key_pem().unwrap()), Err(Error::Certificate(_))));
    assert!(matches!(Authority::load(ca.certificate_pem(), "nothing"), Err(Error::Key)));
}

/// An authority made with openssl: `key` as for genpkey, `name` as for -subj.
fn foreign(openssl: &Openssl, key: &str, name: &str) -> Result<Authority, Error> {
    openssl.ok(&format!("genpkey {key} -out ca.key"));
    openssl.ok(&format!(
        "req -x509 -new -key ca.key -subj {name} -days 3650 -out ca.pem -addext keyUsage=critical,keyCertSign,cRLSign"
    ));
    let text = |name| String::from_utf8(openssl.get(name)).expect("PEM is text");
    Authority::load(&text("ca.pem"), &text("ca.key"))
}

#[test]
fn authority_made_elsewhere_loads_and_issues() {
    let openssl = Openssl::new();
    for key in [P384, &rsa(3072)] {
        let ca = foreign(&openssl, key, "/C=DE/O=Elsewhere/CN=Root").unwrap();
        let later = now() + Duration::from_secs(1);
        let leaf = ca.client("anna", later).unwrap().certificate.der;
        assert!(ca.issued(&leaf));
        assert!(openssl.verifies(&ca, &leaf, "sslclient"));
    }
}

#[test]
fn load_refuses_a_name_it_could_not_repeat() {
    let refused = foreign(&Openssl::new(), P384, "/O=Elsewhere/OU=one/OU=two/CN=Root");
    assert!(matches!(refused, Err(Error::Certificate(_))));
}

#[test]
fn sec_1_server_certificate_names_hosts_and_addresses() {
    let (openssl, ca) = (Openssl::new(), authority());
    let names = ["chat.example", "*.chat.example", "localhost", "127.0.0.1", "::1"].map(String::from);
    let issued = ca.server(&names, now()).unwrap();

    let text = openssl.text(&issued.certificate.der);
    assert!(
        text.contains("DNS:chat.example, DNS:*.chat.example, DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:")
    );
    assert!(text.contains("TLS Web Server Authentication") && !text.contains("TLS Web Client"), "{text}");
    assert!(openssl.verifies(&ca, &issued.certificate.der, "sslserver"));
    assert!(!openssl.verifies(&ca, &issued.certificate.der, "sslclient"));
}

#[test]
fn server_names_that_are_none_are_refused() {
    let ca = authority();
    let long = "a".repeat(64);
    for bad in ["", "a b", "a..b", "-a.b", "a.*.b", "*.", "1.2.3.4.5", "a/b", "a\0b", "ä.example", &long] {
        assert!(matches!(ca.server(&[bad.into()], now()), Err(Error::Name(_))), "{bad:?}");
    }
    assert!(matches!(ca.server(&[], now()), Err(Error::Name(_))));
}

#[test]
fn admin_and_service_carry_their_unit() {
    let (openssl, ca) = (Openssl::new(), authority());
    for (issued, unit) in [(ca.admin("ops", now()).unwrap(), "admin"), (ca.service("gate", now()).unwrap(), "sys")] {
        let holder = subject(&issued.certificate.der).unwrap();
        assert_eq!(holder.units, [unit]);
        assert!(holder.client_auth && !holder.server_auth && !holder.is_ca);
        assert!(openssl.verifies(&ca, &issued.certificate.der, "sslclient"));
        assert!(!openssl.verifies(&ca, &issued.certificate.der, "smimesign"));
    }
}

#[test]
fn issued_key_is_pkcs8_and_belongs_to_the_certificate() {
    let (openssl, ca) = (Openssl::new(), authority());
    let issued = ca.client("38001", now()).unwrap();
    assert!(issued.key_pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));

    openssl.put("key.pem", &*issued.key_pem);
    openssl.put("cert.pem", &issued.cert_pem);
    assert_eq!(openssl.ok("pkey -in key.pem -pubout"), openssl.ok("x509 -in cert.pem -noout -pubkey"));
}

#[test]
fn names_out_of_bounds_are_refused() {
    let ca = authority();
    for bad in ["", "a\nb", &"a".repeat(65)] {
        assert!(matches!(ca.admin(bad, now()), Err(Error::Name(_))), "{bad:?}");
    }
    assert!(ca.admin(&"ä".repeat(64), now()).is_ok());
    assert!(matches!(Authority::create(&"a".repeat(57), now()), Err(Error::Name(_))));
}

#[test]
fn sec_4_leaf_is_valid_from_five_minutes_ago_for_397_days() {
    let ca = authority();
    let now = now();
    let issued = ca.client("anna", now).unwrap().certificate;
    let second = |time: std::time::SystemTime| time.duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(second(issued.not_after), second(now + 397 * DAY));

    let openssl = Openssl::new();
    openssl.text(&issued.der);
    let from = second(now) - 5 * 60;
    let date = openssl.ok("x509 -inform DER -in certificate.der -noout -startdate -dateopt iso_8601");
    let clock = format!("{:02}:{:02}:{:02}Z", from / 3600 % 24, from / 60 % 60, from % 60);
    assert!(date.contains(&clock), "{date} has not {clock}");
}

#[test]
fn nothing_outlives_the_authority() {
    let ca = authority();
    let end = subject(ca.certificate_der()).unwrap().not_after;

    let last = ca.client("anna", end - DAY).unwrap().certificate;
    assert_eq!(last.not_after, end);
    assert!(matches!(ca.client("anna", end + DAY), Err(Error::Expired)));
    assert!(matches!(ca.client("anna", UNIX_EPOCH), Err(Error::Time)));
}

#[test]
fn serial_numbers_are_random_and_positive() {
    let ca = authority();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..50 {
        let issued = ca.client("anna", now()).unwrap().certificate;
        assert_eq!(issued.serial.len(), 16);
        assert!(issued.serial[0] & 0xc0 == 0x40);
        assert_eq!(subject(&issued.der).unwrap().serial, issued.serial);
        assert!(seen.insert(issued.serial));
    }
}

#[test]
fn revoked_certificate_is_refused_by_openssl_and_the_others_are_not() {
    let (openssl, ca) = (Openssl::new(), authority());
    let bad = ca.client("bad", now()).unwrap();
    let good = ca.client("good", now()).unwrap();
    let entry = Revoked { serial: bad.certificate.serial.clone(), at: now(), reason: Reason::KeyCompromise };
    let crl = ca.crl(&[entry], 7, now()).unwrap();

    openssl.put("root.pem", ca.certificate_pem());
    openssl.put("bad.pem", &bad.cert_pem);
    openssl.put("good.pem", &good.cert_pem);
    openssl.put("crl.der", crl);
    openssl.ok("crl -inform DER -in crl.der -out crl.pem -CAfile root.pem -verify");
    let refused = openssl.run("verify -crl_check -CRLfile crl.pem -CAfile root.pem bad.pem");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("certificate revoked"));
    openssl.ok("verify -crl_check -CRLfile crl.pem -CAfile root.pem good.pem");

    let text = openssl.ok("crl -in crl.pem -noout -text");
    assert!(text.contains("Key Compromise") && text.contains("X509v3 CRL Number: \n                7"), "{text}");
}

#[test]
fn empty_list_of_a_foreign_authority_names_its_key_as_its_certificate_does() {
    let openssl = Openssl::new();
    let ca = foreign(&openssl, P384, "/CN=Root").unwrap();
    openssl.put("crl.der", ca.crl(&[], 1, now()).unwrap());

    let list = openssl.ok("crl -inform DER -in crl.der -noout -text");
    let own = openssl.ok("x509 -in ca.pem -noout -ext subjectKeyIdentifier");
    let id = own.lines().nth(1).unwrap().trim();
    assert!(list.contains(id), "{list} has not {id}");
    let wrong = Revoked { serial: vec![1; 21], at: now(), reason: Reason::Superseded };
    assert!(matches!(ca.crl(&[wrong], 2, now()), Err(Error::Certificate(_))));
}

#[test]
fn authority_is_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&authority());
}

/// A key that is not in our memory: it counts what it was asked to sign.
struct Guarded {
    key: rcgen::KeyPair,
    signed: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

impl ca::signer::PublicKeyData for Guarded {
    fn der_bytes(&self) -> &[u8] {
        self.key.der_bytes()
    }

    fn algorithm(&self) -> &'static ca::signer::SignatureAlgorithm {
        self.key.algorithm()
    }
}

impl ca::signer::SigningKey for Guarded {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, ca::signer::SignerError> {
        self.signed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.key.sign(message)
    }
}

#[test]
fn key_may_be_elsewhere_and_signs_everything() {
    let made = authority();
    let signed = std::sync::Arc::<std::sync::atomic::AtomicUsize>::default();
    let key = rcgen::KeyPair::from_pem(made.key_pem().unwrap()).unwrap();
    let ca = Authority::guarded(made.certificate_pem(), Box::new(Guarded { key, signed: signed.clone() })).unwrap();
    let before = signed.load(std::sync::atomic::Ordering::Relaxed);

    let leaf = ca.client("anna", now()).unwrap().certificate.der;
    ca.crl(&[], 1, now()).unwrap();
    assert!(made.issued(&leaf) && ca.key_pem().is_none());
    assert_eq!(signed.load(std::sync::atomic::Ordering::Relaxed), before + 2);
}

#[test]
fn certificates_name_where_their_revocation_is_found_if_that_is_configured() {
    let (openssl, ca) = (Openssl::new(), authority());
    let text = openssl.text(&ca.client("anna", now()).unwrap().certificate.der);
    assert!(!text.contains("CRL Distribution") && !text.contains("Authority Information Access"), "{text}");

    let place = |name: &str| Some(format!("http://chat.example/{name}"));
    let ca = ca.with_places(Places { crl: place("ca.crl"), ocsp: place("ocsp") }).unwrap();
    let leaf = ca.client("anna", now()).unwrap().certificate.der;
    let text = openssl.text(&leaf);
    assert!(text.contains("URI:http://chat.example/ca.crl") && text.contains("OCSP - URI:http://chat.example/ocsp"));
    assert!(openssl.verifies(&ca, &leaf, "sslclient"));
    let bad = Places { crl: Some("ldap://chat.example".into()), ocsp: None };
    assert!(matches!(ca.with_places(bad), Err(Error::Name(_))));
}

#[test]
fn list_reads_back_by_those_who_know_its_authority() {
    let (ca, other) = (authority(), authority());
    let bad = ca.client("bad", now()).unwrap().certificate;
    let entry = Revoked { serial: bad.serial.clone(), at: now(), reason: Reason::Unspecified };
    let der = ca.crl(&[entry], 1, now()).unwrap();

    let list = read_list(&der, &[other.certificate_der(), ca.certificate_der()]).unwrap();
    assert_eq!(list.revoked.iter().map(|entry| &entry.serial).collect::<Vec<_>>(), [&bad.serial]);
    assert!(list.this_update <= now() && list.revoked[0].at <= now() && list.revoked[0].at + DAY > now());
    assert_eq!(list.issuer, subject(&bad.der).unwrap().issuer);
    assert!(list.next_update.unwrap() > now() + 6 * DAY);
    assert!(matches!(read_list(&der, &[other.certificate_der()]), Err(Error::Certificate(_))));
    assert!(matches!(read_list(ca.certificate_der(), &[ca.certificate_der()]), Err(Error::Certificate(_))));
    let openssl = Openssl::new();
    openssl.put("crl.der", der);
    let text = openssl.ok("crl -inform DER -in crl.der -noout -text");
    assert!(!text.contains("Reason Code"), "no reason is left out: {text}");
}

#[test]
fn every_reason_has_its_number_and_name() {
    for (code, name) in [(0, "unspecified"), (1, "keyCompromise"), (4, "superseded"), (9, "privilegeWithdrawn")] {
        let reason = Reason::of_name(name).unwrap();
        assert_eq!((reason.code(), Reason::of_code(code)), (code, Some(reason)));
        assert_eq!(reason.name(), name);
    }
    assert_eq!((Reason::of_code(6), Reason::of_name("hold")), (None, None));
}
