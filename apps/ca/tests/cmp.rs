//! CMP (RFC 9810): what `openssl cmp` has written is read, and by whom; what nobody sane writes is refused.
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

mod common;
#[allow(dead_code, reason = "the checks are another test's")]
#[path = "hostile/mod.rs"]
mod checks;

use std::path::Path;

use ca::cmp::{Ask, CA_CERTS, Confirmation, Fault, Kind, Mac, Message};
use ca::{Reason, Refusal, key_of_request};
use checks::SECRET;
use common::Openssl;
use der::asn1::{BitString, GeneralizedTime, Null, ObjectIdentifier, OctetString};
use der::{Any, Encode, Sequence, Tag, TagNumber};
use x509_cert::spki::AlgorithmIdentifierOwned;

fn seed(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/cmp").join(name);
    std::fs::read(path).expect("a seed")
}

fn read(der: &[u8]) -> Message {
    Message::read(der).expect("a message")
}

fn is_known_by(message: &Message, secret: &[u8]) -> bool {
    message.mac().expect("good parameters").is_some_and(|mac| message.is_sealed_by(&mac.key(secret)))
}

#[test]
fn what_openssl_asks_by_a_secret() {
    let wish = |name: &str| match read(&seed(name)).ask() {
        Ok(Ask::Certificate(wish)) => wish,
        other => panic!("{name}: {other:?}"),
    };
    for name in ["ir.der", "p10cr.der", "genm.der", "certconf.der"] {
        let message = read(&seed(name));
        assert_eq!((message.check(), message.reference()), (Ok(()), &b"380670000001"[..]), "{name}");
        assert!(is_known_by(&message, SECRET) && !is_known_by(&message, b"another") && message.signer().is_none());
    }
    let (initial, pkcs10) = (wish("ir.der"), wish("p10cr.der"));
    assert_eq!((initial.kind, initial.id, initial.renews.clone()), (Kind::Initial, 0, None));
    assert_eq!((pkcs10.kind, pkcs10.id), (Kind::Pkcs10, -1));
    assert_ne!(key_of_request(&initial.request).expect("proven"), key_of_request(&pkcs10.request).expect("proven"));

    let asked = read(&seed("genm.der")).ask();
    assert!(matches!(&asked, Ok(Ask::Information(list)) if list.len() == 1 && list[0].kind == CA_CERTS), "{asked:?}");
    let (first, second) = (read(&seed("ir.der")), read(&seed("certconf.der")));
    assert_eq!(first.transaction(), second.transaction());
    assert!(first.answers().is_empty() && second.answers().len() == 16 && !first.wants_no_confirmation());
    let confirmed = second.ask();
    let is_hash = |hash: &[u8]| hash.len() == 32;
    assert!(
        matches!(&confirmed, Ok(Ask::Confirmation(Confirmation::Accepted { hash, id: 0 })) if is_hash(hash)),
        "{confirmed:?}"
    );
}

#[test]
fn what_openssl_asks_by_a_signature() {
    for name in ["kur.der", "rr.der"] {
        let message = read(&seed(name));
        let signer = message.signer().expect("its certificate").to_vec();
        let own = ca::subject(&signer).expect("a certificate");
        assert!(message.is_signed_by(&signer) && message.mac().expect("none").is_none(), "{name}");
        assert!(message.time().is_some());
        match message.ask() {
            Ok(Ask::Certificate(wish)) => {
                assert_eq!((wish.kind, wish.renews), (Kind::Renewal, Some(own.serial)));
                assert_ne!(key_of_request(&wish.request).expect("proven"), own.spki_sha256);
            }
            Ok(Ask::Revocation { issuer, serial, reason }) => {
                assert_eq!((issuer, serial, reason), (Some(own.issuer), own.serial, Reason::KeyCompromise));
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

/// Whatever is changed in it: the secret, or the certificate that has signed it, does not vouch for it.
#[test]
fn what_was_changed_is_nobody_s() {
    let kur = seed("kur.der");
    let signer = read(&kur).signer().expect("its certificate").to_vec();
    // Certificates stand behind what is protected.
    let beside = kur.windows(signer.len()).position(|part| part == signer).expect("it is in there") - 12;
    let ir = seed("ir.der");
    for bit in [1, 0x80] {
        for (seed, end) in [(&ir, ir.len()), (&kur, beside)] {
            for at in 0..end {
                let mut changed = seed.clone();
                changed[at] ^= bit;
                let Some(message) = Message::read(&changed) else { continue };
                let by_secret =
                    message.mac().is_ok_and(|mac| mac.is_some_and(|mac: Mac| message.is_sealed_by(&mac.key(SECRET))));
                assert!(!by_secret && !message.is_signed_by(&signer), "byte {at}");
            }
        }
    }
}

#[test]
fn a_key_that_has_not_signed_its_request_is_not_proven() {
    let openssl = Openssl::new();
    let Ok(Ask::Certificate(wish)) = read(&seed("ir.der")).ask() else { panic!("a wish") };
    assert!(key_of_request(&wish.request).is_ok());
    // Another's key in its place, of the same kind.
    openssl.ok("ecparam -name prime256v1 -genkey -noout -out other.pem");
    openssl.ok("ec -in other.pem -pubout -outform DER -out other.der");
    let other = openssl.get("other.der");
    let point = other.len() - 65;
    let at = wish.request.windows(2).position(|pair| pair == [0x00, 0x04]).expect("a point") + 1;
    let mut stolen = wish.request.clone();
    stolen[at..at + 65].copy_from_slice(&other[point..]);
    assert_eq!(key_of_request(&stolen), Err(Refusal::Signature));
    // A proof that says only that somebody else has looked (raVerified), or none.
    let proof = wish.request.windows(2).rposition(|pair| pair == [0x30, 0x0a]).expect("an algorithm") - 2;
    assert_eq!(wish.request[proof], 0xa1);
    let claimed = |proof: &[u8], request: &[u8]| {
        let inside = [&request[2 + usize::from(request[1] == 0x81)..], proof].concat();
        Any::new(Tag::Sequence, inside).expect("a sequence").to_der().expect("DER")
    };
    for other in [&[0x80, 0][..], &[]] {
        assert_eq!(key_of_request(&claimed(other, &wish.request[..proof])), Err(Refusal::Signature), "{other:?}");
    }
}

#[derive(Sequence)]
struct Header {
    version: u8,
    sender: Any,
    recipient: Any,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    time: Option<GeneralizedTime>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    algorithm: Option<AlgorithmIdentifierOwned>,
    #[asn1(context_specific = "4", tag_mode = "EXPLICIT", optional = "true")]
    transaction: Option<OctetString>,
    #[asn1(context_specific = "5", tag_mode = "EXPLICIT", optional = "true")]
    nonce: Option<OctetString>,
}

#[derive(Sequence)]
struct Protected {
    header: Header,
    body: Any,
}

#[derive(Sequence)]
struct Whole {
    header: Header,
    body: Any,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    protection: Option<BitString>,
}

#[derive(Sequence)]
struct Pbm {
    salt: OctetString,
    owf: AlgorithmIdentifierOwned,
    rounds: u32,
    mac: AlgorithmIdentifierOwned,
}

#[derive(Sequence)]
struct Pbmac1 {
    derivation: AlgorithmIdentifierOwned,
    mac: AlgorithmIdentifierOwned,
}

#[derive(Sequence)]
struct Pbkdf2 {
    salt: OctetString,
    rounds: u32,
    length: Option<u16>,
    prf: AlgorithmIdentifierOwned,
}

const HMAC_SHA256: &str = "1.2.840.113549.2.9";
const SHA256: &str = "2.16.840.1.101.3.4.2.1";

fn tagged(number: u32, inside: &[u8]) -> Any {
    Any::new(Tag::ContextSpecific { constructed: true, number: TagNumber(number) }, inside).expect("a tag")
}

fn octets(bytes: &[u8]) -> OctetString {
    OctetString::new(bytes).expect("octets")
}

fn algorithm(name: &str, parameters: Option<Any>) -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned { oid: ObjectIdentifier::new(name).expect("a name"), parameters }
}

fn pbm(rounds: u32, owf: &str, mac: &str, salt: &[u8]) -> AlgorithmIdentifierOwned {
    let (owf, mac) = (algorithm(owf, None), algorithm(mac, None));
    let parameters = Any::encode_from(&Pbm { salt: octets(salt), owf, rounds, mac }).expect("DER");
    algorithm("1.2.840.113533.7.66.13", Some(parameters))
}

fn pbmac1(rounds: u32, length: Option<u16>, prf: &str) -> AlgorithmIdentifierOwned {
    let inside = Pbkdf2 { salt: octets(b"some salt"), rounds, length, prf: algorithm(prf, None) };
    let derivation = algorithm("1.2.840.113549.1.5.12", Some(Any::encode_from(&inside).expect("DER")));
    let both = Pbmac1 { derivation, mac: algorithm(HMAC_SHA256, None) };
    algorithm("1.2.840.113549.1.5.14", Some(Any::encode_from(&both).expect("DER")))
}

fn header(algorithm: Option<AlgorithmIdentifierOwned>) -> Header {
    Header {
        version: 2,
        sender: tagged(4, &[0x30, 0]),
        recipient: tagged(4, &[0x30, 0]),
        time: None,
        algorithm,
        transaction: Some(octets(&[1; 16])),
        nonce: Some(octets(&[2; 16])),
    }
}

fn whole(header: Header, body: Any) -> Message {
    let protection = header.algorithm.is_some().then(|| BitString::from_bytes(&[0; 32]).expect("bits"));
    read(&Whole { header, body, protection }.to_der().expect("DER"))
}

#[test]
fn what_every_message_must_have() {
    let null = Null.to_der().expect("DER");
    let check = |header: Header| whole(header, tagged(19, &null)).check();
    assert_eq!(check(header(None)), Ok(()));
    assert_eq!(check(Header { version: 3, ..header(None) }), Ok(()));
    assert_eq!(check(Header { version: 1, ..header(None) }), Err(Fault::UnsupportedVersion));
    assert_eq!(check(Header { transaction: None, ..header(None) }), Err(Fault::BadDataFormat));
    assert_eq!(check(Header { transaction: Some(octets(&[0; 129])), ..header(None) }), Err(Fault::BadDataFormat));
    assert_eq!(check(Header { nonce: None, ..header(None) }), Err(Fault::BadSenderNonce));
    assert_eq!(check(Header { nonce: Some(octets(&[0; 15])), ..header(None) }), Err(Fault::BadSenderNonce));
    // What is not done here: answers, polling, nested and cross-certified messages, messages yet unknown.
    for number in [1, 3, 5, 9, 13, 19, 20, 25, 27, 99] {
        let ask = whole(header(None), tagged(number, &null)).ask();
        assert!(matches!(ask, Err(Fault::BadRequest)), "{number}: {ask:?}");
    }
    // No request, two, and what is none.
    for inside in [&[0x30, 0][..], &[0x30, 4, 0x30, 0, 0x30, 0], &[4, 0]] {
        for number in [0, 2, 7, 11] {
            let ask = whole(header(None), tagged(number, inside)).ask();
            assert!(matches!(ask, Err(Fault::BadRequest | Fault::BadDataFormat)), "{number}: {ask:?}");
        }
    }
    assert!(Message::read(&vec![0x30; ca::cmp::MESSAGE_MAX + 1]).is_none());
}

#[test]
fn parameters_of_a_secret_are_bounded() {
    let mac = |algorithm| whole(header(Some(algorithm)), tagged(21, &[0x30, 0])).mac().map(|mac| mac.is_some());
    let good = |rounds| pbm(rounds, SHA256, HMAC_SHA256, b"salt");
    assert_eq!((mac(good(100)), mac(good(10_000))), (Ok(true), Ok(true)));
    for bad in [
        good(99),
        good(10_001),
        good(u32::MAX),
        pbm(500, "1.3.14.3.2.26", HMAC_SHA256, b"salt"),
        pbm(500, SHA256, "1.2.840.113549.2.5", b"salt"),
        pbm(500, SHA256, HMAC_SHA256, &[0; 129]),
        algorithm("1.2.840.113533.7.66.13", None),
        pbmac1(10_001, None, HMAC_SHA256),
        pbmac1(1000, Some(4), HMAC_SHA256),
        pbmac1(1000, Some(u16::MAX), HMAC_SHA256),
        pbmac1(1000, None, "1.2.840.113549.2.7"),
    ] {
        assert_eq!(mac(bad.clone()), Err(Fault::BadAlg), "{bad:?}");
    }
    // A signature's, which is no matter of secrets.
    assert_eq!(mac(algorithm("1.2.840.10045.4.3.2", None)), Ok(false));
}

#[test]
fn pbmac1_is_what_openssl_computes() {
    let openssl = Openssl::new();
    let derive = "kdf -binary -keylen 32 -kdfopt digest:SHA256 -kdfopt pass:secret -kdfopt iter:1000";
    openssl.ok(&format!("{derive} -kdfopt hexsalt:736f6d652073616c74 -out key PBKDF2"));
    let key: String = openssl.get("key").iter().map(|byte| format!("{byte:02x}")).collect();
    for length in [None, Some(32)] {
        let (one, other) =
            (header(Some(pbmac1(1000, length, HMAC_SHA256))), header(Some(pbmac1(1000, length, HMAC_SHA256))));
        let body = || tagged(21, &[0x30, 0]);
        openssl.put("message", Protected { header: one, body: body() }.to_der().expect("DER"));
        openssl.ok(&format!("mac -binary -digest SHA256 -macopt hexkey:{key} -in message -out tag HMAC"));
        let protection = Some(BitString::from_bytes(&openssl.get("tag")).expect("bits"));
        let message = read(&Whole { header: other, body: body(), protection }.to_der().expect("DER"));
        assert!(is_known_by(&message, b"secret") && !is_known_by(&message, b"other"));
    }
}
