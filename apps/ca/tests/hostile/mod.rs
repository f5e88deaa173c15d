//! What must hold whatever bytes come: the checks of the fuzz targets, and of the tests beside this folder.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ca::Authority;
use ca::cmp::{Answer, Ask, Envelope, Fault, Message, Responder, Seal};
use ca::ocsp::{self, Status};

static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| Authority::create("Fuzz", now()).expect("an authority"));

static RESPONDER: LazyLock<Responder> =
    LazyLock::new(|| Responder::new(&AUTHORITY.responder(now()).expect("a certificate")).expect("its own"));

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// SEC-4: refused, or a device's certificate for the very key of the request.
pub(crate) fn request(bytes: &[u8]) {
    let Ok(issued) = AUTHORITY.device(bytes, "380670000001", "d1", now()) else { return };
    let holder = ca::subject(&issued.der).expect("what we issue reads");
    assert_eq!(ca::key_of_request(bytes).expect("it was good"), holder.spki_sha256);
    assert!(!holder.is_ca && holder.client_auth && !holder.server_auth && AUTHORITY.issued(&issued.der));
    assert_eq!(holder.device, Some(("380670000001".into(), "d1".into())));
}

/// Always answered, within bounds.
pub(crate) fn question(bytes: &[u8]) {
    let answer = ocsp::respond(&AUTHORITY, bytes, now(), |_| Ok(Status::Good));
    assert!(answer.starts_with(&[0x30]) && answer.len() < 64 * 1024);
}

/// The secret of those seeds of CMP that have one; it was an invite of a server that is gone.
pub(crate) const SECRET: &[u8] = b"WVFPEF5SSA2NK5MBWOFYZPJL3Q";

/// CMP: what can be read can be answered, and a wish is judged as any request.
pub(crate) fn message(bytes: &[u8]) {
    let Some(message) = Message::read(bytes) else { return };
    if let Ok(Ask::Certificate(wish)) = message.ask() {
        request(&wish.request);
    }
    let key = message.mac().ok().flatten().map(|mac| mac.key(SECRET));
    let seal = key.as_ref().filter(|key| message.is_sealed_by(key)).map_or(Seal::Signature, Seal::Secret);
    let _ = message.signer().is_some_and(|signer| message.is_signed_by(signer));
    let why = message.check().err().unwrap_or(Fault::NotAuthorized);
    let (responder, now) = (&*RESPONDER, now());
    let envelope = Envelope { seal, responder, between: &[], nonce: [7; 16], is_confirmed: false, now };
    let answer = message.answer(Answer::Failed(why), &envelope).expect("an answer");
    assert!(answer.len() < bytes.len() + 4096);
    if let Some(answer) = Message::read(&answer) {
        assert_eq!(answer.transaction(), message.transaction());
        assert!(matches!(answer.ask(), Ok(Ask::Confirmation(_))), "an error");
        match &key {
            Some(key) if matches!(seal, Seal::Secret(_)) => assert!(answer.is_sealed_by(key)),
            Some(_) | None => assert!(answer.signer().is_some_and(|signer| answer.is_signed_by(signer))),
        }
    }
}
