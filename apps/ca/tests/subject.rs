//! ID-9: what is read from a certificate, ours and those of others.

mod common;

use ca::{Error, subject};
use common::{Openssl, P256, authority, now, rsa};

/// A self-signed certificate (DER) that openssl wrote.
fn foreign(openssl: &Openssl, name: &str, options: &str) -> Vec<u8> {
    openssl.ok(&format!("genpkey {P256} -out key.pem"));
    openssl.ok(&format!("req -x509 -new -key key.pem -subj {name} -outform DER -out certificate.der {options}"));
    openssl.get("certificate.der")
}

#[test]
fn id_9_device_certificate_reads_back() {
    let ca = authority();
    let csr = Openssl::new().request(&rsa(2048), "");
    let issued = ca.device(&csr, "38001", "d:1", now()).unwrap();
    let holder = subject(&issued.der).unwrap();

    assert_eq!(holder.device, Some(("38001".into(), "d:1".into())));
    assert_eq!(holder.names, ["38001"]);
    assert_eq!(holder.common_name.as_deref(), Some("38001"));
    assert_eq!(holder.spki_sha256, issued.spki_sha256);
    assert_eq!(holder.serial, issued.serial);
    assert_eq!(holder.not_after, issued.not_after);
    assert!(holder.client_auth && !holder.server_auth && !holder.is_ca);
    assert!(holder.units.is_empty());
}

#[test]
fn id_9_names_come_as_telephone_number_uid_common_name() {
    let name = "/CN=anna/OU=one/UID=anna.b/OU=two/telephoneNumber=38001/GN=Anna/SN=Berg";
    let holder = subject(&foreign(&Openssl::new(), name, "")).unwrap();

    assert_eq!(holder.names, ["38001", "anna.b", "anna"]);
    assert_eq!(holder.units, ["one", "two"]);
    assert_eq!((holder.given_name.as_deref(), holder.surname.as_deref()), (Some("Anna"), Some("Berg")));
    assert_eq!(holder.device, None);
}

#[test]
fn id_9_binding_hashes_the_key_as_openssl_writes_it() {
    let openssl = Openssl::new();
    let holder = subject(&foreign(&openssl, "/CN=anna", "")).unwrap();

    openssl.ok("pkey -in key.pem -pubout -outform DER -out key.der");
    let hash = openssl.ok("dgst -sha256 -r key.der");
    let ours: String = holder.spki_sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(hash.starts_with(&ours));
}

#[test]
fn id_9_issuer_is_who_signed_not_who_is_named() {
    let (ours, theirs) = (authority(), authority());
    let issued = ours.client("anna", now()).unwrap().certificate;
    let holder = subject(&issued.der).unwrap();

    assert!(holder.issuer_is(&ours));
    assert!(!holder.issuer_is(&theirs), "the same name, another key");
    let mut tampered = issued.der;
    let middle = tampered.len() / 2;
    tampered[middle] ^= 1;
    assert!(!ours.issued(&tampered));
    assert!(!ours.issued(b"nothing"));
}

#[test]
fn usages_are_told_apart() {
    let openssl = Openssl::new();
    let with = |options: &str| subject(&foreign(&openssl, "/CN=anna", options)).unwrap();

    let (none, server) = (with(""), with("-addext extendedKeyUsage=serverAuth"));
    assert!(none.client_auth && !none.server_auth);
    assert!(!server.client_auth && server.server_auth);
    assert!(with("-addext extendedKeyUsage=anyExtendedKeyUsage").client_auth);
    assert!(!with("-addext extendedKeyUsage=emailProtection").client_auth);
}

#[test]
fn sec_4_device_uri_that_is_not_clear_is_an_error() {
    let openssl = Openssl::new();
    let with = |uris: &str| subject(&foreign(&openssl, "/CN=anna", &format!("-addext subjectAltName={uris}")));

    assert_eq!(with("URI:https://chat.example/").unwrap().device, None);
    assert_eq!(with("DNS:a,URI:chat:anna/d1").unwrap().device, Some(("anna".into(), "d1".into())));
    for bad in ["URI:chat:anna", "URI:chat:anna/", "URI:chat:/d1", "URI:chat:a/b/c", "URI:chat:a/d1,URI:chat:b/d1"] {
        assert!(matches!(with(bad), Err(Error::Certificate(_))), "{bad}");
    }
}

#[test]
fn damaged_certificates_never_panic() {
    let der = authority().client("anna", now()).unwrap().certificate.der;
    for at in 0..der.len() {
        assert!(subject(&der[..at]).is_err());
        for bit in [0x01, 0x20, 0x80, 0xff] {
            let mut bad = der.clone();
            bad[at] ^= bit;
            let _ = subject(&bad);
        }
    }
    let longer = [der.as_slice(), &[0]].concat();
    assert!(matches!(subject(&longer), Err(Error::Certificate(_))));
}
