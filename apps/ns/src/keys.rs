//! Keys of the zone. One signs it, and itself (a CSK); around a rollover there are two, of which the parent learns by CDS and CDNSKEY.
//!
//! A rollover publishes first (RFC 6781): the new key is shown until every cache has it and the parent names it, then it signs, and the old
//! one is shown until no cache has anything that it signed. All keys that are shown sign the list of keys, so each alone is a way in.

use std::fmt::Write;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use data_encoding::{BASE64, HEXLOWER};
use hickory_proto::rr::Name;
use zeroize::Zeroizing;

use crate::name;

/// Seconds for which caches keep the list of keys; a new key is shown for that long before it signs.
pub(crate) const KEYS_TTL: u32 = 3600;
/// Seconds for which an old key is still shown: longer than any record of the zone, or of the parent's, is kept.
pub(crate) const RETIRED: u32 = 2 * 24 * 3600;
/// A zone key that is an entry (RFC 4034, 2.1.1), version 3.
const FLAGS: [u8; 3] = [1, 1, 3];
/// DS by SHA-256.
const DIGEST: u8 = 2;
const KEYS_MAX: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    EcdsaP256,
    Ed25519,
}

/// What a key is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Shown, so that caches and the parent get to know it.
    Published,
    /// Signs.
    Active,
    /// Shown for what caches still have.
    Retired,
}

#[derive(Debug, thiserror::Error)]
pub enum KeyFlaw {
    #[error("line {0} is no key")]
    Line(usize),
    #[error("there must be exactly one active key, and at most {KEYS_MAX} in all")]
    Active,
    #[error("the system makes no key")]
    Make,
    #[error("the last rollover is not over: {0}")]
    Rolling(String),
    #[error("there is no new key; begin with a rollover")]
    None,
    #[error("the new key is not yet known everywhere: {0} seconds more")]
    Early(u32),
}

pub struct Keys(Vec<Key>);

pub struct Key {
    pub algorithm: Algorithm,
    pub state: State,
    /// Seconds since 1970.
    pub since: u32,
    /// By which signatures name it; no two keys of a zone have the same.
    pub tag: u16,
    secret: Zeroizing<Vec<u8>>,
    pair: Pair,
    /// The data of its DNSKEY record.
    public: Vec<u8>,
}

enum Pair {
    EcdsaP256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Keys {
    /// One that signs from now on.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn create(algorithm: Algorithm, now: u32) -> Result<Keys, KeyFlaw> {
        Ok(Keys(vec![Key::create(algorithm, State::Active, now)?]))
    }

    /// Reads what `to_text` wrote.
    ///
    /// # Errors
    /// Says which line is no key, or that none signs.
    pub fn parse(text: &str) -> Result<Keys, KeyFlaw> {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
        let read = |(at, line): (usize, &str)| Key::parse(line).ok_or(KeyFlaw::Line(at + 1));
        let keys = lines.map(read).collect::<Result<Vec<_>, _>>()?;
        let active = keys.iter().filter(|key| key.state == State::Active).count();
        if active != 1 || keys.len() > KEYS_MAX {
            return Err(KeyFlaw::Active);
        }
        Ok(Keys(keys))
    }

    /// One a line: state, since when, algorithm, the secret in PKCS#8.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::from("# Keys of the zone. Secret.\n"));
        for key in &self.0 {
            let secret = Zeroizing::new(BASE64.encode(&key.secret));
            // A String takes everything.
            let _ = writeln!(text, "{} {} {} {}", key.state.name(), key.since, key.algorithm.number(), *secret);
        }
        text
    }

    pub fn iter(&self) -> impl Iterator<Item = &Key> {
        self.0.iter()
    }

    /// Begins a rollover: a new key of the same algorithm is shown.
    ///
    /// # Errors
    /// Another one is under way.
    pub fn roll(&mut self, now: u32) -> Result<&Key, KeyFlaw> {
        if let Some(other) = self.0.iter().find(|key| key.state != State::Active) {
            return Err(KeyFlaw::Rolling(format!("key {} is {}", other.tag, other.state.name())));
        }
        let algorithm = self.active().map_or(Algorithm::EcdsaP256, |key| key.algorithm);
        let fresh = loop {
            let fresh = Key::create(algorithm, State::Published, now)?;
            if self.0.iter().all(|key| key.tag != fresh.tag) {
                break fresh;
            }
        };
        self.0.push(fresh);
        self.0.last().ok_or(KeyFlaw::None)
    }

    /// The parent names the new key: it signs from now on.
    ///
    /// # Errors
    /// There is none, or caches may not know it yet.
    pub fn switch(&mut self, now: u32) -> Result<(), KeyFlaw> {
        let next = self.0.iter().find(|key| key.state == State::Published).ok_or(KeyFlaw::None)?;
        let known = next.since.saturating_add(KEYS_TTL);
        if now < known {
            return Err(KeyFlaw::Early(known - now));
        }
        for key in &mut self.0 {
            (key.state, key.since) = match key.state {
                State::Published => (State::Active, now),
                State::Active => (State::Retired, now),
                State::Retired => (State::Retired, key.since),
            };
        }
        Ok(())
    }

    /// Forgets keys of which no cache has anything; true if there was one.
    pub fn prune(&mut self, now: u32) -> bool {
        let before = self.0.len();
        self.0.retain(|key| key.state != State::Retired || now < key.since.saturating_add(RETIRED));
        self.0.len() != before
    }

    /// What the parent is to have (DS, RFC 4034), for the present keys but those that go: one line a key.
    pub fn ds(&self, origin: &Name) -> Vec<String> {
        let wire = name::wire(origin);
        let lasting = self.0.iter().filter(|key| key.state != State::Retired);
        let line = |key: &Key| {
            let [_, _, algorithm, digest, rest @ ..] = &*key.ds(&wire) else { return String::new() };
            let hex = HEXLOWER.encode(rest);
            format!("{} IN DS {} {algorithm} {digest} {hex}", name::text(&wire), key.tag)
        };
        lasting.map(line).collect()
    }

    pub(crate) fn active(&self) -> Option<&Key> {
        self.0.iter().find(|key| key.state == State::Active)
    }
}

impl Key {
    fn create(algorithm: Algorithm, state: State, since: u32) -> Result<Key, KeyFlaw> {
        let random = SystemRandom::new();
        let secret = match algorithm {
            Algorithm::EcdsaP256 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random),
            Algorithm::Ed25519 => Ed25519KeyPair::generate_pkcs8(&random),
        };
        let secret = Zeroizing::new(secret.map_err(|_| KeyFlaw::Make)?.as_ref().to_vec());
        Key::of(algorithm, state, since, secret).ok_or(KeyFlaw::Make)
    }

    fn parse(line: &str) -> Option<Key> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [state, since, algorithm, secret] = *words.as_slice() else { return None };
        let secret = Zeroizing::new(BASE64.decode(secret.as_bytes()).ok()?);
        Key::of(Algorithm::of(algorithm)?, State::of(state)?, since.parse().ok()?, secret)
    }

    fn of(algorithm: Algorithm, state: State, since: u32, secret: Zeroizing<Vec<u8>>) -> Option<Key> {
        let pair = match algorithm {
            Algorithm::EcdsaP256 => {
                Pair::EcdsaP256(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &secret).ok()?)
            }
            Algorithm::Ed25519 => Pair::Ed25519(Ed25519KeyPair::from_pkcs8(&secret).ok()?),
        };
        // DNS leaves out the mark of an uncompressed point (RFC 6605).
        let point = match &pair {
            Pair::EcdsaP256(pair) => pair.public_key().as_ref().get(1..)?,
            Pair::Ed25519(pair) => pair.public_key().as_ref(),
        };
        let public = [&FLAGS[..], &[algorithm.number()], point].concat();
        Some(Key { algorithm, state, since, tag: tag(&public), secret, pair, public })
    }

    /// The data of its DNSKEY record, and of CDNSKEY.
    pub(crate) fn dnskey(&self) -> &[u8] {
        &self.public
    }

    /// The data of its DS record, and of CDS.
    pub(crate) fn ds(&self, origin: &[u8]) -> Vec<u8> {
        let digest = digest(&SHA256, &[origin, &self.public].concat());
        [&self.tag.to_be_bytes(), &[self.algorithm.number(), DIGEST][..], digest.as_ref()].concat()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        match &self.pair {
            Pair::EcdsaP256(pair) => Some(pair.sign(&SystemRandom::new(), message).ok()?.as_ref().to_vec()),
            Pair::Ed25519(pair) => Some(pair.sign(message).as_ref().to_vec()),
        }
    }
}

/// RFC 4034, appendix B.
fn tag(dnskey: &[u8]) -> u16 {
    let sum: u32 =
        dnskey.iter().zip(0_u8..=255).map(|(byte, at)| u32::from(*byte) << (8 * u32::from(1 - at % 2))).sum();
    let [_, _, high, low] = (sum + (sum >> 16)).to_be_bytes();
    u16::from_be_bytes([high, low])
}

impl Algorithm {
    /// Its number in DNSSEC.
    pub(crate) fn number(self) -> u8 {
        match self {
            Algorithm::EcdsaP256 => 13,
            Algorithm::Ed25519 => 15,
        }
    }

    fn of(number: &str) -> Option<Algorithm> {
        [Algorithm::EcdsaP256, Algorithm::Ed25519].into_iter().find(|each| each.number().to_string() == number)
    }
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            State::Published => "published",
            State::Active => "active",
            State::Retired => "retired",
        }
    }

    fn of(name: &str) -> Option<State> {
        [State::Published, State::Active, State::Retired].into_iter().find(|each| each.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(keys: &Keys) -> Vec<State> {
        keys.iter().map(|key| key.state).collect()
    }

    #[test]
    fn a_rollover_shows_first_then_signs_then_forgets() {
        let mut keys = Keys::create(Algorithm::Ed25519, 1000).unwrap();
        assert!(matches!(keys.switch(9000), Err(KeyFlaw::None)));
        keys.roll(10_000).unwrap();
        assert_eq!(states(&keys), [State::Active, State::Published]);
        assert!(matches!(keys.roll(10_001), Err(KeyFlaw::Rolling(_))));
        assert!(matches!(keys.switch(10_001), Err(KeyFlaw::Early(3599))));
        keys.switch(13_600).unwrap();
        assert_eq!(states(&keys), [State::Retired, State::Active]);
        assert!(matches!(keys.roll(13_601), Err(KeyFlaw::Rolling(_))));
        assert!(!keys.prune(13_600 + RETIRED - 1) && keys.prune(13_600 + RETIRED));
        assert_eq!(states(&keys), [State::Active]);
    }

    #[test]
    fn keys_are_kept_as_text() {
        for algorithm in [Algorithm::EcdsaP256, Algorithm::Ed25519] {
            let mut keys = Keys::create(algorithm, 1000).unwrap();
            keys.roll(2000).unwrap();
            let again = Keys::parse(&keys.to_text()).unwrap();
            let seen = |keys: &Keys| keys.iter().map(|key| (key.tag, key.state, key.since)).collect::<Vec<_>>();
            assert_eq!(seen(&keys), seen(&again));
            assert_eq!(keys.ds(&Name::root()), again.ds(&Name::root()));
        }
        assert!(matches!(Keys::parse(""), Err(KeyFlaw::Active)));
        assert!(matches!(Keys::parse("\nactive 1 13 AAAA"), Err(KeyFlaw::Line(2))));
    }
}
