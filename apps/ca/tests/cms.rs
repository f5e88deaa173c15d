//! SEC-5, SEC-6, SEC-8, SEC-11: content sealed and signed here is opened and verified by `openssl cms`, and the other way round; what was
//! tampered with is refused.

mod common;

use std::time::{Duration, SystemTime};

use ca::Authority;
use ca::cms::{self, Fault, Identity, Trust};
use common::{ED25519, Openssl, P256, P384, authority, now, rsa};

const CONTENT: &[u8] = b"meet me at the bridge\r\nat nine\r\n";

/// A device of ann's: its identity here, `NAME.key` and `NAME.crt` for openssl.
fn device(openssl: &Openssl, authority: &Authority, name: &str, key: &str) -> Identity {
    device_at(openssl, authority, name, key, now())
}

fn device_at(openssl: &Openssl, authority: &Authority, name: &str, key: &str, at: SystemTime) -> Identity {
    let request = openssl.request(key, "");
    let certificate = authority.device(&request, "38001", name, at).expect("a good request");
    let key = String::from_utf8(openssl.get("key.pem")).expect("PEM is text");
    openssl.put(&format!("{name}.key"), &key);
    openssl.put(&format!("{name}.crt"), ca::pem(&certificate.der));
    Identity::from_pem(&ca::pem(&certificate.der), &key).expect("its own key")
}

fn trust(authority: &Authority) -> Trust {
    Trust::new(&[authority.certificate_der()], &[]).expect("its own root")
}

#[test]
fn sec_5_openssl_verifies_what_we_sign() {
    let (openssl, authority) = (Openssl::new(), authority());
    openssl.put("root.pem", authority.certificate_pem());
    openssl.put("content", CONTENT);
    for (name, key) in [("p256", P256.to_owned()), ("p384", P384.to_owned()), ("rsa", rsa(2048))] {
        let signer = device(&openssl, &authority, name, &key);
        openssl.put("signed", cms::sign(CONTENT, &signer, now()).unwrap());
        openssl.ok("cms -verify -binary -inform DER -in signed -CAfile root.pem -out out");
        assert_eq!(openssl.get("out"), CONTENT, "{name}");

        openssl.put("beside", cms::sign_detached(CONTENT, &signer, now()).unwrap());
        openssl.ok("cms -verify -binary -inform DER -in beside -content content -CAfile root.pem -out out");
        assert_eq!(openssl.get("out"), CONTENT, "{name}");
    }
}

#[test]
fn sec_6_we_verify_what_openssl_signs() {
    let (openssl, authority) = (Openssl::new(), authority());
    openssl.put("content", CONTENT);
    let trust = trust(&authority);
    for (name, key) in [("p256", P256.to_owned()), ("p384", P384.to_owned()), ("rsa", rsa(2048))] {
        let signer = device(&openssl, &authority, name, &key);
        for options in ["", "-stream", "-keyid", "-md sha384", "-md sha512"] {
            let sign = format!("cms -sign -binary -nodetach -in content -signer {name}.crt -inkey {name}.key");
            openssl.ok(&format!("{sign} -outform DER -out signed {options}"));
            let signed = cms::verify(&openssl.get("signed"), &trust, now()).unwrap();
            assert_eq!(signed.content, CONTENT, "{name} {options}");
            assert_eq!(signed.certificate, signer.certificate());
            assert!(signed.time.unwrap() > now() - Duration::from_secs(300));
        }
        openssl.ok(&format!(
            "cms -sign -binary -in content -signer {name}.crt -inkey {name}.key -outform DER -out beside"
        ));
        let beside = openssl.get("beside");
        assert_eq!(cms::verify_detached(&beside, CONTENT, &trust, now()).unwrap().certificate, signer.certificate());
        assert_eq!(cms::verify_detached(&beside, b"another", &trust, now()).unwrap_err(), Fault::Signature);
        assert_eq!(cms::verify(&beside, &trust, now()).unwrap_err(), Fault::Malformed);
    }
}

#[test]
fn sec_5_ed25519_signs_but_does_not_receive() {
    let (openssl, authority) = (Openssl::new(), authority());
    let signer = device(&openssl, &authority, "ed", ED25519);
    let signed = cms::sign(CONTENT, &signer, now()).unwrap();
    assert_eq!(cms::verify(&signed, &trust(&authority), now()).unwrap().content, CONTENT);
    assert_eq!(cms::seal(CONTENT, &[signer.certificate()]).unwrap_err(), Fault::CannotReceive);
}

#[test]
fn sec_5_every_recipient_opens_with_openssl_and_with_us() {
    let (openssl, authority) = (Openssl::new(), authority());
    let keys = [("a", P256.to_owned()), ("b", P384.to_owned()), ("c", P256.to_owned()), ("d", rsa(2048))];
    let devices = keys.map(|(name, key)| (name, device(&openssl, &authority, name, &key)));
    let certificates: Vec<&[u8]> = devices.iter().map(|(_, device)| device.certificate()).collect();
    let sealed = cms::seal(CONTENT, &certificates).unwrap();
    assert!(cms::is_sealed(&sealed));
    openssl.put("sealed", &sealed);
    for (name, device) in &devices {
        openssl
            .ok(&format!("cms -decrypt -binary -inform DER -in sealed -inkey {name}.key -recip {name}.crt -out out"));
        assert_eq!(openssl.get("out"), CONTENT, "{name}");
        assert_eq!(cms::open(&sealed, device).unwrap(), CONTENT, "{name}");
    }
    let stranger = device(&openssl, &authority, "stranger", P256);
    assert_eq!(cms::open(&sealed, &stranger).unwrap_err(), Fault::NotForUs);
    assert_eq!(cms::seal(CONTENT, &[]).unwrap_err(), Fault::Recipients);
}

#[test]
fn sec_5_we_open_what_openssl_seals() {
    let (openssl, authority) = (Openssl::new(), authority());
    openssl.put("content", CONTENT);
    for (name, key) in [("p256", P256.to_owned()), ("p384", P384.to_owned())] {
        let own = device(&openssl, &authority, name, &key);
        for cipher in ["-aes-256-gcm", "-aes-128-gcm", "-aes-256-cbc", "-aes-128-cbc"] {
            for options in ["", "-stream", "-keyid", "-keyopt ecdh_kdf_md:sha256", "-keyopt ecdh_kdf_md:sha384"] {
                let words = format!("cms -encrypt -binary {cipher} -in content -outform DER -out sealed");
                // Options for a recipient stand behind it.
                openssl.ok(&format!("{words} -recip {name}.crt {options}"));
                let sealed = openssl.get("sealed");
                assert!(cms::is_sealed(&sealed));
                assert_eq!(cms::open(&sealed, &own).unwrap(), CONTENT, "{name} {cipher} {options}");
            }
        }
    }
    let own = device(&openssl, &authority, "rsa", &rsa(2048));
    for hash in ["sha1", "sha256", "sha512"] {
        openssl.ok(&format!(
            "cms -encrypt -binary -aes-256-gcm -in content -outform DER -out sealed -recip rsa.crt \
             -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:{hash}"
        ));
        assert_eq!(cms::open(&openssl.get("sealed"), &own).unwrap(), CONTENT, "{hash}");
    }
    // PKCS#1 v1.5 is not taken: its padding tells too much.
    openssl.ok("cms -encrypt -binary -aes-256-gcm -in content -outform DER -out sealed -recip rsa.crt");
    assert_eq!(cms::open(&openssl.get("sealed"), &own).unwrap_err(), Fault::Algorithm);
}

#[test]
fn sec_6_whoever_is_not_trusted_signed_nothing() {
    let (openssl, authority) = (Openssl::new(), authority());
    let signer = device(&openssl, &authority, "ann", P256);
    let signed = cms::sign(CONTENT, &signer, now()).unwrap();
    let refused = |trust: &Trust, at| cms::verify(&signed, trust, at).unwrap_err();

    let foreign = Authority::create("Example Org", now()).unwrap();
    assert_eq!(refused(&trust(&foreign), now()), Fault::Untrusted);
    assert_eq!(refused(&trust(&authority), now() + Duration::from_secs(398 * 86_400)), Fault::Untrusted);

    let certificate = ca::subject(signer.certificate()).unwrap();
    let revoked = ca::Revoked { serial: certificate.serial, at: now(), reason: ca::Reason::KeyCompromise };
    let list = authority.crl(&[revoked], 1, now()).unwrap();
    let strict = Trust::new(&[authority.certificate_der()], &[&list]).unwrap();
    assert_eq!(refused(&strict, now()), Fault::Untrusted);

    // Revoked for a reason that leaves what was signed before: only what is signed afterwards is no more believed.
    let serial = ca::subject(signer.certificate()).unwrap().serial;
    let hour = Duration::from_secs(3600);
    for (reason, is_believed_before) in [
        (ca::Reason::Superseded, true),
        (ca::Reason::CessationOfOperation, true),
        (ca::Reason::KeyCompromise, false),
        (ca::Reason::Unspecified, false),
    ] {
        let revoked = ca::Revoked { serial: serial.clone(), at: now() + hour, reason };
        let list = authority.crl(&[revoked], 1, now()).unwrap();
        let strict = Trust::new(&[authority.certificate_der()], &[&list]).unwrap();
        assert_eq!(cms::verify(&signed, &strict, now()).is_ok(), is_believed_before, "{reason:?}");
        assert_eq!(refused(&strict, now() + 2 * hour), Fault::Untrusted, "{reason:?}");
    }
    // A list by somebody else takes nothing back.
    let list = foreign.crl(&[], 1, now()).unwrap();
    assert_eq!(Trust::new(&[authority.certificate_der()], &[&list]).err(), Some(Fault::Certificate));

    // A server's certificate is not a person's.
    let server = authority.server(&["localhost".to_owned()], now()).unwrap();
    let server = Identity::from_pem(&server.cert_pem, &server.key_pem).unwrap();
    let signed = cms::sign(CONTENT, &server, now()).unwrap();
    assert_eq!(cms::verify(&signed, &trust(&authority), now()).unwrap_err(), Fault::Untrusted);
}

#[test]
fn sec_6_what_openssl_signs_weakly_is_refused() {
    let (openssl, authority) = (Openssl::new(), authority());
    openssl.put("content", CONTENT);
    device(&openssl, &authority, "ann", P256);
    device(&openssl, &authority, "ben", P256);
    let sign = "cms -sign -binary -nodetach -in content -outform DER -out signed -signer ann.crt -inkey ann.key";
    for (options, fault) in [
        ("-noattr", Fault::Signature),
        ("-md sha1", Fault::Algorithm),
        ("-nocerts", Fault::Untrusted),
        ("-signer ben.crt -inkey ben.key", Fault::Malformed),
    ] {
        openssl.ok(&format!("{sign} {options}"));
        assert_eq!(cms::verify(&openssl.get("signed"), &trust(&authority), now()).unwrap_err(), fault, "{options}");
    }
}

#[test]
fn sec_6_a_key_of_another_is_no_identity() {
    let (openssl, authority) = (Openssl::new(), authority());
    device(&openssl, &authority, "ann", P256);
    device(&openssl, &authority, "ben", P256);
    let text = |name| String::from_utf8(openssl.get(name)).unwrap();
    assert_eq!(Identity::from_pem(&text("ann.crt"), &text("ben.key")).err(), Some(Fault::Key));
    assert_eq!(Identity::from_pem(&text("ann.crt"), "no key").err(), Some(Fault::Key));
    assert_eq!(Identity::from_pem("no certificate", &text("ann.key")).err(), Some(Fault::Certificate));
}

/// Every byte changed, every length cut: an error, never a panic, never other content.
#[test]
fn sec_6_tampering_is_noticed() {
    let (openssl, authority) = (Openssl::new(), authority());
    let own = device(&openssl, &authority, "ann", P256);
    let trust = trust(&authority);
    let sealed = cms::seal(CONTENT, &[own.certificate()]).unwrap();
    let signed = cms::sign(CONTENT, &own, now()).unwrap();
    for at in 0..sealed.len() {
        assert!(cms::open(&sealed[..at], &own).is_err());
        let mut changed = sealed.clone();
        changed[at] ^= 0x01;
        assert!(cms::open(&changed, &own).map_or(true, |content| content == CONTENT), "byte {at}");
    }
    for at in 0..signed.len() {
        assert!(cms::verify(&signed[..at], &trust, now()).is_err());
        let mut changed = signed.clone();
        changed[at] ^= 0x01;
        let seen = cms::verify(&changed, &trust, now());
        assert!(
            seen.map_or(true, |seen| seen.content == CONTENT && seen.certificate == own.certificate()),
            "byte {at}"
        );
    }
}

#[test]
fn sec_7_only_an_envelope_is_sealed() {
    let (openssl, authority) = (Openssl::new(), authority());
    let own = device(&openssl, &authority, "ann", P256);
    assert!(!cms::is_sealed(b""));
    assert!(!cms::is_sealed(CONTENT));
    assert!(!cms::is_sealed(&cms::sign(CONTENT, &own, now()).unwrap()));
    // Nested without end, and a length that is not there.
    assert!(!cms::is_sealed(&[0x30, 0x80].repeat(500_000)));
    assert!(!cms::is_sealed(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]));
    assert!(!cms::is_sealed(&[0x24, 0x80].repeat(500_000)));
}
