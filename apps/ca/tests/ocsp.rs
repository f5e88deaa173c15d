//! The responder (RFC 6960), asked and believed by openssl.

mod common;

use std::time::{Duration, SystemTime};

use ca::ocsp::{self, Status};
use ca::{Authority, Reason};
use common::{Openssl, P384, authority, now, rsa};

/// What `openssl ocsp` says of `certificate` when the responder knows `status`; `options` as for asking.
fn said(ca: &Authority, certificate: &[u8], status: Status, options: &str) -> String {
    let openssl = Openssl::new();
    openssl.put("root.pem", ca.certificate_pem());
    openssl.put("cert.pem", ca::pem(certificate));
    openssl.ok(&format!("ocsp {options} -issuer root.pem -cert cert.pem -reqout request.der"));
    let serial = ca::subject(certificate).expect("a certificate").serial;
    let answer = ocsp::respond(ca, &openssl.get("request.der"), now(), |asked| {
        Ok(if asked == serial { status } else { Status::Unknown })
    });
    openssl.put("response.der", answer);
    let output = openssl.run(&format!(
        "ocsp {options} -no_nonce -issuer root.pem -cert cert.pem -reqin request.der -respin response.der -CAfile root.pem"
    ));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn sec_4_openssl_hears_good_revoked_and_unknown_and_believes_it() {
    let ca = authority();
    let leaf = ca.client("anna", now()).unwrap().certificate.der;
    let revoked = Status::Revoked { at: now() - Duration::from_secs(60), reason: Reason::KeyCompromise };

    for options in ["", "-sha256"] {
        let good = said(&ca, &leaf, Status::Good, options);
        assert!(good.contains("Response verify OK") && good.contains("cert.pem: good"), "{good}");
        assert!(!good.contains("WARNING: no nonce"), "the nonce came back: {good}");
    }
    let bad = said(&ca, &leaf, revoked, "");
    assert!(bad.contains("cert.pem: revoked") && bad.contains("Reason: keyCompromise"), "{bad}");
    assert!(said(&ca, &leaf, Status::Unknown, "").contains("cert.pem: unknown"));
}

#[test]
fn sec_4_authorities_with_other_keys_answer_too() {
    let openssl = Openssl::new();
    for key in [P384, &rsa(3072)] {
        openssl.ok(&format!("genpkey {key} -out ca.key"));
        openssl.ok("req -x509 -new -key ca.key -subj /CN=Root -days 3650 -out ca.pem \
             -addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature");
        let text = |name| String::from_utf8(openssl.get(name)).unwrap();
        let ca = Authority::load(&text("ca.pem"), &text("ca.key")).unwrap();
        let leaf = ca.client("anna", now() + Duration::from_secs(1)).unwrap().certificate.der;
        assert!(said(&ca, &leaf, Status::Good, "").contains("Response verify OK"), "{key}");
    }
}

#[test]
fn sec_4_certificate_of_another_authority_is_unknown_and_not_looked_up() {
    let (ca, other) = (authority(), authority());
    let openssl = Openssl::new();
    openssl.put("other.pem", other.certificate_pem());
    openssl.put("cert.pem", ca::pem(&other.client("anna", now()).unwrap().certificate.der));
    openssl.ok("ocsp -issuer other.pem -cert cert.pem -reqout request.der");
    let answer = ocsp::respond(&ca, &openssl.get("request.der"), now(), |_| panic!("not ours"));
    openssl.put("response.der", answer);
    assert!(openssl.ok("ocsp -respin response.der -resp_text -noverify").contains("Cert Status: unknown"));
}

#[test]
fn what_is_no_request_is_said_to_be_malformed() {
    let ca = authority();
    let never = |_: &[u8]| -> Result<Status, ca::Error> { panic!("nothing was asked") };
    // status malformedRequest, nothing else
    let malformed = [0x30, 0x03, 0x0a, 0x01, 0x01];
    assert_eq!(ocsp::respond(&ca, b"", now(), never), malformed);
    assert_eq!(ocsp::respond(&ca, b"hello", now(), never), malformed);
    assert_eq!(ocsp::respond(&ca, &vec![0x30; 1 << 20], now(), never), malformed);
    assert_eq!(ocsp::respond(&ca, ca.certificate_der(), now(), never), malformed);
}

#[test]
fn every_cut_and_turned_bit_of_a_request_gets_an_answer() {
    let (ca, openssl) = (authority(), Openssl::new());
    openssl.put("root.pem", ca.certificate_pem());
    openssl.put("cert.pem", ca::pem(&ca.client("anna", now()).unwrap().certificate.der));
    openssl.ok("ocsp -issuer root.pem -cert cert.pem -reqout request.der");
    let request = openssl.get("request.der");
    let ask = |bytes: &[u8]| ocsp::respond(&ca, bytes, SystemTime::now(), |_| Ok(Status::Good));
    for at in 0..request.len() {
        assert!(!ask(&request[..at]).is_empty());
        for bit in [0x01, 0x20, 0x80] {
            let mut bad = request.clone();
            bad[at] ^= bit;
            assert!(!ask(&bad).is_empty());
        }
    }
}
