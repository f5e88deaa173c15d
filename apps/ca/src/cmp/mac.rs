//! Protection by a shared secret: the password-based MAC of CMP (RFC 9810 section 5.1.3.1), and PBMAC1 (RFC 9481 section 6.1).

use std::num::NonZeroU32;

use aws_lc_rs::{digest, hmac, pbkdf2};
use der::{
    Sequence,
    asn1::{ObjectIdentifier, OctetString},
};
use x509_cert::spki::AlgorithmIdentifierOwned;
use zeroize::Zeroizing;

use super::{Fault, oid};

/// Rounds of the derivation (RFC 9481 asks for 100): so that who knows nothing costs no more than a few milliseconds.
const ROUNDS_MIN: u32 = 100;
const ROUNDS_MAX: u32 = 10_000;
/// Bytes of a salt.
const SALT_MAX: usize = 128;
/// Bytes of a key of PBMAC1.
const KEY_MIN: usize = 20;
const KEY_MAX: usize = 64;

#[derive(Sequence)]
struct PbmParameter {
    salt: OctetString,
    owf: AlgorithmIdentifierOwned,
    rounds: u32,
    mac: AlgorithmIdentifierOwned,
}

#[derive(Sequence)]
struct Pbmac1Parameter {
    derivation: AlgorithmIdentifierOwned,
    mac: AlgorithmIdentifierOwned,
}

#[derive(Sequence)]
struct Pbkdf2Parameter {
    salt: OctetString,
    rounds: u32,
    length: Option<u16>,
    prf: Option<AlgorithmIdentifierOwned>,
}

/// How a key comes from a secret, and what is made with it.
pub struct Mac {
    algorithm: AlgorithmIdentifierOwned,
    derivation: Derivation,
    salt: OctetString,
    rounds: NonZeroU32,
    mac: hmac::Algorithm,
}

enum Derivation {
    /// The digest of secret and salt, digested again.
    Digest(&'static digest::Algorithm),
    Pbkdf2 {
        prf: pbkdf2::Algorithm,
        length: usize,
    },
}

/// The key of one message and its answer.
pub struct MacKey {
    pub(super) algorithm: AlgorithmIdentifierOwned,
    key: hmac::Key,
}

impl Mac {
    /// `None`: not by a secret.
    pub(super) fn read(algorithm: &AlgorithmIdentifierOwned) -> Result<Option<Mac>, Fault> {
        match algorithm.oid {
            oid::PASSWORD_MAC => Mac::password_based(algorithm).map(Some),
            oid::PBMAC1 => Mac::pbmac1(algorithm).map(Some),
            _ => Ok(None),
        }
    }

    fn password_based(algorithm: &AlgorithmIdentifierOwned) -> Result<Mac, Fault> {
        let PbmParameter { salt, owf, rounds, mac } = parameter(algorithm)?;
        let owf = match owf.oid {
            oid::SHA256 => &digest::SHA256,
            oid::SHA384 => &digest::SHA384,
            oid::SHA512 => &digest::SHA512,
            _ => return Err(Fault::BadAlg),
        };
        Mac::bounded(algorithm, Derivation::Digest(owf), salt, rounds, mac.oid)
    }

    fn pbmac1(algorithm: &AlgorithmIdentifierOwned) -> Result<Mac, Fault> {
        let Pbmac1Parameter { derivation, mac } = parameter(algorithm)?;
        if derivation.oid != oid::PBKDF2 {
            return Err(Fault::BadAlg);
        }
        let Pbkdf2Parameter { salt, rounds, length, prf } = parameter(&derivation)?;
        // Where none is named it is SHA-1.
        let prf = match prf.ok_or(Fault::BadAlg)?.oid {
            oid::HMAC_SHA256 => pbkdf2::PBKDF2_HMAC_SHA256,
            oid::HMAC_SHA384 => pbkdf2::PBKDF2_HMAC_SHA384,
            oid::HMAC_SHA512 => pbkdf2::PBKDF2_HMAC_SHA512,
            _ => return Err(Fault::BadAlg),
        };
        let length = length.map_or(hmac_of(mac.oid)?.digest_algorithm().output_len(), usize::from);
        if !(KEY_MIN..=KEY_MAX).contains(&length) {
            return Err(Fault::BadAlg);
        }
        Mac::bounded(algorithm, Derivation::Pbkdf2 { prf, length }, salt, rounds, mac.oid)
    }

    fn bounded(
        algorithm: &AlgorithmIdentifierOwned,
        derivation: Derivation,
        salt: OctetString,
        rounds: u32,
        mac: ObjectIdentifier,
    ) -> Result<Mac, Fault> {
        if !(ROUNDS_MIN..=ROUNDS_MAX).contains(&rounds) || salt.as_bytes().len() > SALT_MAX {
            return Err(Fault::BadAlg);
        }
        let rounds = NonZeroU32::new(rounds).ok_or(Fault::BadAlg)?;
        Ok(Mac { algorithm: algorithm.clone(), derivation, salt, rounds, mac: hmac_of(mac)? })
    }

    /// The key that this secret gives. Takes up to some milliseconds.
    pub fn key(&self, secret: &[u8]) -> MacKey {
        let salt = self.salt.as_bytes();
        let key = match &self.derivation {
            Derivation::Digest(owf) => {
                let mut key = Zeroizing::new([secret, salt].concat());
                for _ in 0..self.rounds.get() {
                    let next = digest::digest(owf, &key);
                    key.clear();
                    key.extend_from_slice(next.as_ref());
                }
                key
            }
            Derivation::Pbkdf2 { prf, length } => {
                let mut key = Zeroizing::new(vec![0; *length]);
                pbkdf2::derive(*prf, self.rounds, salt, secret, &mut key);
                key
            }
        };
        MacKey { algorithm: self.algorithm.clone(), key: hmac::Key::new(self.mac, &key) }
    }
}

impl MacKey {
    /// Takes the same time wherever they differ.
    pub(super) fn verifies(&self, message: &[u8], tag: &[u8]) -> bool {
        hmac::verify(&self.key, message, tag).is_ok()
    }

    pub(super) fn tag(&self, message: &[u8]) -> Vec<u8> {
        hmac::sign(&self.key, message).as_ref().to_vec()
    }
}

/// SHA-1 as `openssl cmp` has it by default: in an HMAC it is still good.
fn hmac_of(name: ObjectIdentifier) -> Result<hmac::Algorithm, Fault> {
    match name {
        oid::HMAC_SHA256 => Ok(hmac::HMAC_SHA256),
        oid::HMAC_SHA384 => Ok(hmac::HMAC_SHA384),
        oid::HMAC_SHA512 => Ok(hmac::HMAC_SHA512),
        name if oid::HMAC_SHA1.contains(&name) => Ok(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
        _ => Err(Fault::BadAlg),
    }
}

fn parameter<T: for<'a> der::DecodeValue<'a, Error = der::Error> + der::FixedTag>(
    algorithm: &AlgorithmIdentifierOwned,
) -> Result<T, Fault> {
    algorithm.parameters.as_ref().and_then(|parameters| parameters.decode_as().ok()).ok_or(Fault::BadAlg)
}
