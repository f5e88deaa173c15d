//! SEC-4, SEC-2, ID-14: requests written by openssl, certificates read by it.

mod common;

use std::ops::Range;

use ca::{Error, Refusal, request, subject};
use common::{ED25519, Openssl, P256, P384, authority, now, rsa};
use x509_parser::{certification_request::X509CertificationRequest, prelude::FromDer};

/// A request for `key` by `req <options>` becomes a good client certificate; how openssl reads it.
fn enrolled(key: &str, options: &str) -> String {
    let (openssl, ca) = (Openssl::new(), authority());
    let csr = openssl.request(key, options);
    let certificate = ca.device(&csr, "38001", "d1", now()).expect("a good request");

    assert!(openssl.verifies(&ca, &certificate.der, "sslclient"), "{key} {options}");
    assert!(openssl.verifies(&ca, &certificate.der, "smimesign"), "{key} {options}");
    openssl.put("certificate.der", &certificate.der);
    let certified = openssl.ok("x509 -inform DER -in certificate.der -noout -pubkey");
    assert_eq!(certified, openssl.ok("pkey -in key.pem -pubout"));
    openssl.text(&certificate.der)
}

fn refused(csr: &[u8]) -> Refusal {
    match authority().device(csr, "38001", "d1", now()) {
        Err(Error::Refused(refusal)) => refusal,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("a certificate was issued"),
    }
}

#[test]
fn sec_4_device_certificate_says_what_policy_says() {
    let text = enrolled(P256, "");

    assert!(text.contains("Subject: CN = 38001\n"), "{text}");
    assert!(text.contains("URI:chat:38001/d1"));
    assert!(text.contains("CA:FALSE"));
    assert!(text.contains("Digital Signature, Key Agreement\n"));
    assert!(text.contains("TLS Web Client Authentication, E-mail Protection\n"));
    assert!(text.contains("Subject Key Identifier") && text.contains("Authority Key Identifier"));
    assert!(!text.contains("mallory") && !text.contains("sys"));
}

#[test]
fn sec_4_a_request_to_be_an_authority_is_refused() {
    let openssl = Openssl::new();
    for asks in ["critical,CA:TRUE", "CA:TRUE,pathlen:0", "DER:0101ff"] {
        let csr = openssl.request(P256, &format!("-addext keyUsage=keyCertSign -addext basicConstraints={asks}"));
        assert_eq!(refused(&csr), Refusal::Authority, "{asks}");
    }
    assert!(enrolled(P256, "-addext basicConstraints=critical,CA:FALSE").contains("CA:FALSE"));
}

#[test]
fn sec_4_what_else_a_request_asks_for_is_not_heard() {
    let asks = "-addext keyUsage=keyCertSign,cRLSign \
                -addext subjectAltName=DNS:chat.example,URI:chat:38002/d9 -addext extendedKeyUsage=serverAuth";
    let text = enrolled(P256, asks);

    assert!(text.contains("CA:FALSE") && !text.contains("CA:TRUE"), "{text}");
    assert!(!text.contains("Certificate Sign") && !text.contains("CRL Sign"));
    assert!(!text.contains("chat.example") && !text.contains("38002") && !text.contains("Server Authentication"));
}

#[test]
fn sec_4_p384_request_signed_with_sha256_keeps_its_curve() {
    let text = enrolled(P384, "-sha256");
    assert!(text.contains("ASN1 OID: secp384r1"), "{text}");
}

#[test]
fn sec_4_request_for_a_key_identifier_is_no_obstacle() {
    enrolled(P256, "-addext subjectKeyIdentifier=hash");
}

#[test]
fn sec_4_request_has_no_say_in_how_long_it_is_valid() {
    let (openssl, ca) = (Openssl::new(), authority());
    let csr = openssl.request(P256, "");
    let now = now();
    let certificate = ca.device(&csr, "38001", "d1", now).unwrap();
    openssl.put("certificate.der", &certificate.der);

    let days = |n: u64| n * 24 * 60 * 60;
    let ends_within = |seconds: u64| {
        openssl.run(&format!("x509 -inform DER -in certificate.der -noout -checkend {seconds}")).status.code()
            == Some(1)
    };
    assert!(!ends_within(days(396)) && ends_within(days(398)), "397 days, not two thousand years");
}

/// rcgen's own way is not taken, whatever it can do by now.
#[test]
fn sec_4_requests_are_not_read_by_rcgen() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(!text.contains("CertificateSigningRequestParams"), "{}", path.display());
        }
    }
}

#[test]
fn sec_2_ed25519_only_signs() {
    let text = enrolled(ED25519, "");
    assert!(text.contains("ED25519"));
    assert!(text.contains("Digital Signature\n"), "{text}");
}

#[test]
fn sec_2_rsa_receives_by_key_encipherment() {
    for digest in ["-sha256", "-sha384", "-sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest"] {
        let text = enrolled(&rsa(2048), digest);
        assert!(text.contains("Digital Signature, Key Encipherment\n"), "{text}");
    }
}

#[test]
fn sec_1_kinds_of_key_that_are_not_allowed() {
    let openssl = Openssl::new();
    let curve = |name: &str| format!("-algorithm EC -pkeyopt ec_paramgen_curve:{name}");
    for key in [rsa(1024), rsa(2040), curve("P-521"), curve("secp256k1"), "-algorithm ED448".into()] {
        assert_eq!(refused(&openssl.request(&key, "")), Refusal::Key, "{key}");
    }
    let explicit = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit";
    assert_eq!(refused(&openssl.request(explicit, "")), Refusal::Key);
}

#[test]
fn sec_4_signature_with_sha1_proves_nothing() {
    let openssl = Openssl::new();
    for key in [P256, &rsa(2048)] {
        assert_eq!(refused(&openssl.request(key, "-sha1")), Refusal::Signature, "{key}");
    }
}

#[test]
fn sec_4_key_that_did_not_sign_is_refused() {
    let openssl = Openssl::new();
    let mine = openssl.request(P256, "");
    let theirs = Openssl::new().request(P256, "");
    // The point is the 65 bytes behind the bit string's header.
    let header = [0x03, 0x42, 0x00, 0x04];
    let at = |der: &[u8]| der.windows(4).position(|window| window == header).expect("a P-256 key") + 3;
    let mut swapped = mine.clone();
    swapped[at(&mine)..at(&mine) + 65].copy_from_slice(&theirs[at(&theirs)..at(&theirs) + 65]);

    assert_eq!(refused(&swapped), Refusal::Signature);
}

/// With any bit turned of what is signed there is no certificate. Outside of it a parser may overlook a bit of a header,
/// but what is certified is always the key that signed.
#[test]
fn sec_4_tampered_requests_are_refused() {
    let (openssl, ca) = (Openssl::new(), authority());
    for (key, options) in [(P256, "-addext subjectAltName=DNS:a.example"), (ED25519, ""), (&rsa(2048), "")] {
        let csr = openssl.request(key, options);
        let proven = ca.device(&csr, "38001", "d1", now()).unwrap().spki_sha256;
        let signed = signed_part(&csr);
        for at in 0..csr.len() {
            for bit in [0x01, 0x20, 0x80] {
                let mut bad = csr.clone();
                bad[at] ^= bit;
                match ca.device(&bad, "38001", "d1", now()) {
                    Err(error) => assert!(matches!(error, Error::Refused(_)), "{error}"),
                    Ok(issued) => {
                        assert!(!signed.contains(&at), "{key}: byte {at} ^ {bit}");
                        assert_eq!(issued.spki_sha256, proven);
                    }
                }
            }
            assert!(ca.device(&csr[..at], "38001", "d1", now()).is_err(), "{key}: cut at {at}");
        }
    }
}

/// Where the request's signed part lies.
fn signed_part(csr: &[u8]) -> Range<usize> {
    let (_, request) = X509CertificationRequest::from_der(csr).expect("a request");
    let info = request.certification_request_info.raw;
    let start = csr.windows(info.len()).position(|window| window == info).expect("it is part of the request");
    start..start + info.len()
}

#[test]
fn sec_4_garbage_is_refused() {
    assert_eq!(refused(b""), Refusal::Malformed);
    assert_eq!(refused(b"hello"), Refusal::Malformed);
    assert_eq!(refused(&[0x30; 4096]), Refusal::Malformed);
    assert_eq!(refused(authority().certificate_der()), Refusal::Malformed);
    let mut longer = Openssl::new().request(P256, "");
    longer.push(0);
    assert_eq!(refused(&longer), Refusal::Malformed);
}

#[test]
fn sec_4_request_beyond_8_kib_is_refused_unread() {
    let openssl = Openssl::new();
    let names = |n: usize| (0..n).map(|i| format!("DNS:name-{i}.chat.example")).collect::<Vec<_>>().join(",");
    let fits = openssl.request(P256, &format!("-addext subjectAltName={}", names(320)));
    let long = openssl.request(P256, &format!("-addext subjectAltName={}", names(400)));

    assert!(fits.len() > 7_000 && fits.len() <= 8_192, "{}", fits.len());
    assert!(authority().device(&fits, "38001", "d1", now()).is_ok());
    assert_eq!(refused(&long), Refusal::TooLong);
    assert_eq!(refused(&vec![0x30; 1024 * 1024]), Refusal::TooLong);
}

#[test]
fn sec_4_device_names_that_are_not_safe_in_a_uri_are_refused() {
    let ca = authority();
    let (_, csr) = request("anna").unwrap();
    let long = "d".repeat(129);
    let pairs = [("", "d1"), ("38001", ""), ("38/001", "d1"), ("38001", "d/1"), ("38 001", "d1"), ("38001", "d\n1")];
    let more = [("3_8001", "d1"), ("38001", "d%31"), ("änna", "d1"), ("38001", &long), (&long, "d1"), ("a:b", "d1")];
    for (phone, dev_key) in pairs.into_iter().chain(more) {
        let answer = ca.device(&csr, phone, dev_key, now());
        assert!(matches!(answer, Err(Error::Refused(Refusal::Name))), "{phone:?} {dev_key:?}");
    }
    assert!(ca.device(&csr, "anna.b-1", "A_z.0:9-", now()).is_ok());
}

#[test]
fn id_14_our_own_request_passes_with_openssl_and_with_us() {
    let (openssl, ca) = (Openssl::new(), authority());
    let (key, csr) = request("anna").unwrap();
    openssl.put("key.pem", &*key);
    openssl.put("request.der", &csr);
    let certificate = ca.device(&csr, "anna", "d1", now()).unwrap();

    openssl.ok("req -inform DER -in request.der -noout -verify");
    openssl.put("certificate.der", &certificate.der);
    let certified = openssl.ok("x509 -inform DER -in certificate.der -noout -pubkey");
    assert_eq!(certified, openssl.ok("pkey -in key.pem -pubout"));
    assert_eq!(subject(&certificate.der).unwrap().device, Some(("anna".into(), "d1".into())));
}
