//! Keys that are shared with others, and what is signed by them (TSIG, RFC 8945).
//!
//! hickory-proto has TSIG for whole messages of its own; it neither signs a transfer of many messages nor tells a slow clock the time, so
//! only the packets' names for things are taken from there.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use data_encoding::BASE64;
use hickory_proto::rr::Name;

use crate::kind;
use crate::name;
use crate::query::{self, HEADER, Signed};

/// Keys at most.
const KEYS_MAX: usize = 64;
/// Bytes of a secret: fewer could be guessed.
const SECRET_MIN: usize = 16;
/// Seconds by which clocks may differ.
const FUDGE: u16 = 300;
/// Bytes of a signature that was cut short, at least.
const CUT_MIN: usize = 10;

const BAD_SIGNATURE: u16 = 16;
const BAD_KEY: u16 = 17;
const BAD_TIME: u16 = 18;
const BAD_CUT: u16 = 22;

/// What is wrong with a file of keys. It never says what the secret is.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct SecretFlaw {
    line: usize,
    why: &'static str,
}

/// The keys by which questions may be signed.
#[derive(Debug, Default)]
pub struct Secrets(BTreeMap<Box<[u8]>, Arc<Secret>>);

/// A key that is shared with somebody.
pub struct Secret {
    name: Box<[u8]>,
    algorithm: Algorithm,
    key: hmac::Key,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Sha256,
    Sha384,
    Sha512,
}

/// By which keys a question may be signed, and what time it is.
#[derive(Debug, Clone, Copy)]
pub struct Known<'s> {
    pub secrets: &'s Secrets,
    /// In seconds since 1970.
    pub now: u64,
}

/// What the other end finds wrong with a signature of ours (RFC 8945, 5.2). Whoever says so has not always signed it, so it is a hint only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("BADSIG: it has another secret for the key")]
    Signature,
    #[error("BADKEY: it does not know the key, or by another algorithm")]
    Key,
    #[error("BADTIME: its clock is another")]
    Time,
    #[error("BADTRUNC: it wants more of the signature")]
    Cut,
}

impl Fault {
    fn of(error: u16) -> Option<Fault> {
        match error {
            BAD_SIGNATURE => Some(Fault::Signature),
            BAD_KEY => Some(Fault::Key),
            BAD_TIME => Some(Fault::Time),
            BAD_CUT => Some(Fault::Cut),
            _ => None,
        }
    }
}

/// How what follows on a message is signed: the answer to a question, each message of a transfer.
#[derive(Debug, Clone)]
pub struct Seal {
    /// Without it the signature is empty and only says what is wrong.
    secret: Option<Arc<Secret>>,
    key: Box<[u8]>,
    algorithm: Box<[u8]>,
    /// Of the message before; the first of all has none.
    before: Option<Vec<u8>>,
    /// Further messages of a transfer say less.
    goes_on: bool,
    error: u16,
    /// When that was signed whose clock is wrong.
    asked_at: u64,
}

impl Secrets {
    /// Reads keys, one a line: name, algorithm, secret in base64.
    ///
    /// # Errors
    /// Says which line is none.
    pub fn parse(text: &str) -> Result<Secrets, SecretFlaw> {
        let mut secrets = BTreeMap::new();
        let lines = text.lines().zip(1..).map(|(line, number)| (line.trim(), number));
        for (text, line) in lines.filter(|(text, _)| !text.is_empty() && !text.starts_with('#')) {
            let flaw = |why| SecretFlaw { line, why };
            let secret = Secret::parse(text).map_err(flaw)?;
            if secrets.len() == KEYS_MAX {
                return Err(flaw("more keys than there may be"));
            }
            if secrets.insert(secret.name.clone(), Arc::new(secret)).is_some() {
                return Err(flaw("there is a key of this name"));
            }
        }
        Ok(Secrets(secrets))
    }

    pub fn get(&self, name: &Name) -> Option<&Arc<Secret>> {
        self.0.get(&name::wire(name))
    }
}

impl Secret {
    fn parse(line: &str) -> Result<Secret, &'static str> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, algorithm, secret] = *words else { return Err("a key is a name, an algorithm and a secret") };
        let name = Name::from_ascii(name).map_err(|_| "this is no name of a key")?;
        let algorithm = Algorithm::named(algorithm).ok_or("hmac-sha256, hmac-sha384 or hmac-sha512?")?;
        let secret = BASE64.decode(secret.as_bytes()).map(zeroize::Zeroizing::new);
        let secret = secret.map_err(|_| "the secret is not base64")?;
        if secret.len() < SECRET_MIN {
            return Err("the secret is too short to be one");
        }
        Ok(Secret { name: name::wire(&name), algorithm, key: hmac::Key::new(algorithm.hmac(), &secret) })
    }

    /// How a question of ours is signed.
    pub fn seal(self: &Arc<Secret>) -> Seal {
        Seal {
            secret: Some(self.clone()),
            key: self.name.clone(),
            algorithm: self.algorithm.name().into(),
            before: None,
            goes_on: false,
            error: 0,
            asked_at: 0,
        }
    }

    fn mac(&self, before: Option<&[u8]>, message: &[&[u8]], about: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key);
        if let Some(before) = before {
            // A hash has 64 bytes at most.
            context.update(&u16::try_from(before.len()).unwrap_or_default().to_be_bytes());
            context.update(before);
        }
        message.iter().for_each(|part| context.update(part));
        context.update(about);
        context.sign()
    }

    /// Whether the signature is this key's, as far as it goes.
    fn signed(&self, before: Option<&[u8]>, signed: &Signed<'_>) -> bool {
        let Some((header, rest)) = signed.message.split_first_chunk::<HEADER>() else { return false };
        // As it was when it was signed: with its own number, and one record fewer.
        let [_, _, middle @ .., high, low] = *header;
        let fewer = u16::from_be_bytes([high, low]).wrapping_sub(1).to_be_bytes();
        let id = signed.id.to_be_bytes();
        let about = about(&signed.key, &signed.algorithm, signed.time, signed.fudge, signed.error, signed.more);
        let mac = self.mac(before, &[&id, &middle, &fewer, rest], &about);
        let right = mac.as_ref().get(..signed.mac.len()).unwrap_or_default();
        verify_slices_are_equal(right, signed.mac).is_ok()
    }
}

/// What is signed of the signature itself.
fn about(key: &[u8], algorithm: &[u8], time: u64, fudge: u16, error: u16, more: &[u8]) -> Vec<u8> {
    let mut about = key.to_vec();
    about.extend(kind::ANY.to_be_bytes());
    about.extend([0; 4]);
    about.extend(algorithm);
    about.extend(six(time));
    // The time of a clock, or what came in a record.
    for number in [fudge, error, u16::try_from(more.len()).unwrap_or_default()] {
        about.extend(number.to_be_bytes());
    }
    about.extend(more);
    about
}

/// A time in 48 bits.
fn six(time: u64) -> [u8; 6] {
    let [_, _, six @ ..] = time.to_be_bytes();
    six
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", name::text(&self.name), self.algorithm)
    }
}

impl Algorithm {
    const ALL: [Algorithm; 3] = [Algorithm::Sha256, Algorithm::Sha384, Algorithm::Sha512];

    /// As it stands on the wire.
    fn name(self) -> &'static [u8] {
        match self {
            Algorithm::Sha256 => b"\x0bhmac-sha256\0",
            Algorithm::Sha384 => b"\x0bhmac-sha384\0",
            Algorithm::Sha512 => b"\x0bhmac-sha512\0",
        }
    }

    fn named(text: &str) -> Option<Algorithm> {
        let named = |algorithm: &Algorithm| name::text(algorithm.name()).trim_end_matches('.') == text;
        Algorithm::ALL.into_iter().find(named)
    }

    fn hmac(self) -> hmac::Algorithm {
        match self {
            Algorithm::Sha256 => hmac::HMAC_SHA256,
            Algorithm::Sha384 => hmac::HMAC_SHA384,
            Algorithm::Sha512 => hmac::HMAC_SHA512,
        }
    }
}

/// The question is signed in a way that nobody signs: it is malformed.
pub(crate) struct Nonsense;

/// Looks at a signature in the order of RFC 8945, 5.2: key, signature, time, length. What is wrong is in the seal of the answer.
pub(crate) fn judge(known: Known<'_>, signed: &Signed<'_>) -> Result<Seal, Nonsense> {
    let seal = |secret: Option<&Arc<Secret>>, error| Seal {
        secret: secret.cloned(),
        key: signed.key.clone().into(),
        algorithm: signed.algorithm.clone().into(),
        before: secret.map(|_| signed.mac.to_vec()),
        goes_on: false,
        error,
        asked_at: signed.time,
    };
    let same = |secret: &&Arc<Secret>| *signed.algorithm == *secret.algorithm.name();
    let Some(secret) = known.secrets.0.get(&*signed.key).filter(same) else { return Ok(seal(None, BAD_KEY)) };
    let whole = secret.key.algorithm().digest_algorithm().output_len();
    if signed.mac.len() > whole || signed.mac.len() < CUT_MIN.max(whole / 2) {
        return Err(Nonsense);
    }
    if !secret.signed(None, signed) {
        return Ok(seal(None, BAD_SIGNATURE));
    }
    if known.now.abs_diff(signed.time) > signed.fudge.into() {
        return Ok(seal(Some(secret), BAD_TIME));
    }
    Ok(seal(Some(secret), if signed.mac.len() < whole { BAD_CUT } else { 0 }))
}

impl Seal {
    /// By which key the question was signed, if by any that counts.
    pub(crate) fn by(&self) -> Option<&[u8]> {
        (self.error == 0).then_some(&*self.key)
    }

    /// Whether the answer counts only with it.
    pub(crate) fn signs(&self) -> bool {
        self.secret.is_some()
    }

    /// Bytes that it adds to a message.
    pub(crate) fn length(&self) -> usize {
        let mac = self.secret.as_ref().map_or(0, |secret| secret.key.algorithm().digest_algorithm().output_len());
        self.key.len() + self.algorithm.len() + 26 + mac + self.more(0).len()
    }

    /// Whose clock is wrong is told the time.
    fn more(&self, now: u64) -> Vec<u8> {
        if self.error == BAD_TIME { six(now).to_vec() } else { Vec::new() }
    }

    /// Signs `message`, which is whole but for that. The next one follows on it.
    pub fn close(&mut self, message: &mut Vec<u8>, now: u64) {
        let (time, more) = (if self.error == 0 { now } else { self.asked_at }, self.more(now));
        let about = match self.goes_on {
            true => [&six(time)[..], &FUDGE.to_be_bytes()].concat(),
            false => about(&self.key, &self.algorithm, time, FUDGE, self.error, &more),
        };
        let mac = self.secret.as_ref().map(|secret| secret.mac(self.before.as_deref(), &[message], &about));
        let mac = mac.as_ref().map_or(&[][..], |mac| mac.as_ref());
        let number = |length: usize| u16::try_from(length).unwrap_or_default().to_be_bytes();
        let id = message.first_chunk::<2>().copied().unwrap_or_default();
        let data = [&*self.algorithm, &six(time), &FUDGE.to_be_bytes(), &number(mac.len()), mac];
        let end = [&id[..], &self.error.to_be_bytes(), &number(more.len()), &more];
        let data = [data.concat(), end.concat()].concat();
        message.extend(&self.key);
        message.extend(kind::TSIG.to_be_bytes());
        message.extend(kind::ANY.to_be_bytes());
        message.extend([0; 4]);
        message.extend(number(data.len()));
        message.extend(data);
        if let Some(count) = message.get_mut(HEADER - 2..HEADER).and_then(|count| count.first_chunk_mut()) {
            *count = u16::from_be_bytes(*count).wrapping_add(1).to_be_bytes();
        }
        self.goes_on = self.before.is_some();
        self.before = Some(mac.to_vec());
    }

    /// What `answer`, to what this closed, says is wrong with the signature.
    pub(crate) fn fault(&self, answer: &[u8]) -> Option<Fault> {
        let signed = query::signature(answer).filter(|signed| signed.key == *self.key)?;
        Fault::of(signed.error)
    }

    /// Whether `answer`, the first to what this closed, is signed by the same key, now.
    pub fn opens(&self, answer: &[u8], now: u64) -> bool {
        let (Some(secret), Some(signed)) = (&self.secret, query::signature(answer)) else { return false };
        let whole = secret.key.algorithm().digest_algorithm().output_len();
        signed.key == *self.key
            && signed.algorithm == *self.algorithm
            && signed.error == 0
            && signed.mac.len() == whole
            && secret.signed(self.before.as_deref(), &signed)
            && now.abs_diff(signed.time) <= signed.fudge.into()
    }
}

impl PartialEq for Seal {
    fn eq(&self, other: &Seal) -> bool {
        (&self.key, &self.algorithm, &self.before, self.error, self.asked_at)
            == (&other.key, &other.algorithm, &other.before, other.error, other.asked_at)
    }
}

impl Eq for Seal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_keys_is_read_and_what_is_wrong_told_without_the_secret() {
        let good = "# shared with the second server\nNSD.example hmac-sha256 MDEyMzQ1Njc4OWFiY2RlZg==\n\nb hmac-sha512 MDEyMzQ1Njc4OWFiY2RlZg==\n";
        let secrets = Secrets::parse(good).unwrap();
        let secret = secrets.get(&Name::from_ascii("nsd.Example.").unwrap()).unwrap();
        assert_eq!(format!("{secret:?}"), "nsd.example. Sha256");
        let told = |text: &str| Secrets::parse(text).unwrap_err().to_string();
        assert_eq!(told("\na hmac-sha256"), "line 2: a key is a name, an algorithm and a secret");
        assert!(told("a hmac-md5 MDEyMzQ1Njc4OWFiY2RlZg==").contains("hmac-sha256"));
        assert!(told("a hmac-sha256 MDEyMzQ1Njc4OWFiY2Rl!").ends_with("not base64"));
        assert!(told("a hmac-sha256 c2VjcmV0").ends_with("too short to be one"));
        assert!(told(&good.replace("b ", "nsd.example. ")).starts_with("line 4"));
    }
}
