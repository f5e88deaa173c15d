//! `sealed("…")` and `signature("…")` in scenes: what clients that know CMS send. The same words are always the same bytes.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::SystemTime;

use ca::Authority;
use ca::cms::{self, Identity, Trust};
use chat::{Signature, WorkError, WorkResult};

/// Somebody who is certified, and who trusts what is certified.
struct Party {
    own: Identity,
    trust: Trust,
}

static PARTY: LazyLock<Party> = LazyLock::new(|| {
    let now = SystemTime::now();
    let authority = Authority::create("Scenes", now).expect("a new authority");
    let issued = authority.client("380100000", now).expect("a certificate");
    let own = Identity::from_pem(&issued.cert_pem, &issued.key_pem).expect("they fit");
    let trust = Trust::new(&[authority.certificate_der()], &[]).expect("a root");
    Party { own, trust }
});

static MADE: LazyLock<Mutex<HashMap<String, Vec<u8>>>> = LazyLock::new(Mutex::default);

/// The text with each `sealed("…")` an envelope around these words, each `signature("…")` a detached signature of them.
pub(crate) fn crafted(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((at, word)) =
        ["sealed(\"", "signature(\""].iter().filter_map(|word| Some((rest.find(word)?, *word))).min()
    {
        let (before, after) = (rest.get(..at).unwrap_or_default(), rest.get(at + word.len()..).unwrap_or_default());
        let (words, after) = after.split_once("\")").ok_or("a \") is missing")?;
        let bytes: Vec<String> = made(word, words).iter().map(u8::to_string).collect();
        out.push_str(before);
        out.push_str(&format!("<<{}>>", bytes.join(",")));
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn made(what: &str, words: &str) -> Vec<u8> {
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let make = || match what {
        "sealed(\"" => cms::seal(words.as_bytes(), &[PARTY.own.certificate()]).expect("an EC key receives"),
        _ => cms::sign_detached(words.as_bytes(), &PARTY.own, SystemTime::now()).expect("an EC key signs"),
    };
    made.entry(format!("{what}{words}")).or_insert_with(make).clone()
}

/// What a server's slow work does about signatures (SEC-8).
pub(crate) fn verify(signatures: &[Signature]) -> WorkResult {
    let is_good =
        |one: &Signature| cms::verify_detached(&one.signature, &one.content, &PARTY.trust, SystemTime::now()).is_ok();
    match signatures.iter().all(is_good) {
        true => WorkResult::Verified,
        false => WorkResult::Failed(WorkError::Invalid),
    }
}
