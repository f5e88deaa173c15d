//! What only this server can read: secrets at rest (SEC-12) and the tokens that it hands out for itself (INIT-2, ID-12).
//!
//! All keys come from the server's one storage key, a key for each purpose, so that nothing sealed for one is opened for another.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use bytes::Bytes;
use proto::ids::Phone;
use zeroize::Zeroizing;

use crate::door::Source;

/// Bytes of every key.
pub const KEY_BYTES: usize = 32;

/// What something is sealed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A device's push token (AUTH-7).
    Push,
    /// The password of a linked service (SERVICE-1).
    Password,
    /// An N2O session (INIT-2).
    Session,
}

/// Seals and opens by AES-256-GCM. What the library holds of keys it erases itself; what is held here is erased as well.
pub struct Vault {
    push: LessSafeKey,
    password: LessSafeKey,
    session: LessSafeKey,
    signing: Zeroizing<[u8; KEY_BYTES]>,
    files: hmac::Key,
    invites: hmac::Key,
    sources: hmac::Key,
}

impl Vault {
    /// `key` is the storage key: random, kept in a file of the server that nobody else reads.
    pub fn new(key: &[u8; KEY_BYTES]) -> Vault {
        Vault {
            push: sealing(key, b"chat push token"),
            password: sealing(key, b"chat service password"),
            session: sealing(key, b"chat n2o session"),
            signing: derive(key, b"chat jwt signature"),
            files: hmac::Key::new(HMAC_SHA256, derive(key, b"chat file owner").as_slice()),
            invites: hmac::Key::new(HMAC_SHA256, derive(key, b"chat invite").as_slice()),
            sources: hmac::Key::new(HMAC_SHA256, derive(key, b"chat source").as_slice()),
        }
    }

    /// Nonce, ciphertext and tag. `nonce` is fresh and random; `owner` says whose it is, and it opens for no other.
    pub(crate) fn seal(&self, purpose: Purpose, nonce: [u8; NONCE_LEN], owner: &[u8], secret: &[u8]) -> Bytes {
        let mut sealed = secret.to_vec();
        self.key(purpose)
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(owner), &mut sealed)
            .expect("a secret is shorter than 64 GiB");
        [&nonce[..], &sealed].concat().into()
    }

    /// `None` for what was not sealed by this key, for this purpose and owner.
    pub(crate) fn open(&self, purpose: Purpose, owner: &[u8], sealed: &[u8]) -> Option<Bytes> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut opened = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = self.key(purpose).open_in_place(nonce, Aad::from(owner), &mut opened).ok()?.len();
        opened.truncate(length);
        Some(proto::erased(opened))
    }

    /// Seed of the Ed25519 key that signs challenges (ID-12).
    pub(crate) fn signing_seed(&self) -> &[u8; KEY_BYTES] {
        &self.signing
    }

    /// What stands for an account in the references of its files (FTP-3). From it nobody else learns whose it is: numbers are few.
    pub(crate) fn file_owner(&self, phone: &Phone) -> String {
        let tag = hmac::sign(&self.files, phone.as_str().as_bytes());
        tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What may be kept of an address (SEC-10): one of 256 addresses has the same, and which do, only who has the storage key can tell.
    /// To them it says of an address that they think of that it was not the one, or that it may have been.
    pub fn bucket(&self, source: &Source) -> u8 {
        let tag = hmac::sign(&self.sources, &source.0);
        *tag.as_ref().first().expect("HMAC with SHA-256 gives 32 bytes")
    }

    /// What the code of an invite is made of (ID-11): a secret can be proved without being sent (CMP) only to who knows it, so it follows
    /// from what is kept.
    pub(crate) fn invite(&self, phone: &[u8], expires: u64) -> Zeroizing<[u8; KEY_BYTES]> {
        let tag = hmac::sign(&self.invites, &[&expires.to_be_bytes(), phone].concat());
        Zeroizing::new(tag.as_ref().try_into().expect("HMAC with SHA-256 gives 32 bytes"))
    }

    fn key(&self, purpose: Purpose) -> &LessSafeKey {
        match purpose {
            Purpose::Push => &self.push,
            Purpose::Password => &self.password,
            Purpose::Session => &self.session,
        }
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault")
    }
}

fn sealing(key: &[u8; KEY_BYTES], purpose: &[u8]) -> LessSafeKey {
    let key = UnboundKey::new(&AES_256_GCM, derive(key, purpose).as_slice()).expect("32 bytes are a key of AES-256");
    LessSafeKey::new(key)
}

fn derive(key: &[u8; KEY_BYTES], purpose: &[u8]) -> Zeroizing<[u8; KEY_BYTES]> {
    let mut derived = Zeroizing::new([0; KEY_BYTES]);
    let extracted = Salt::new(HKDF_SHA256, &[]).extract(key);
    let info = [purpose];
    let expanded = extracted.expand(&info, HKDF_SHA256).and_then(|okm| okm.fill(derived.as_mut_slice()));
    expanded.expect("HKDF gives 255 times 32 bytes");
    derived
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sec_12_what_is_sealed_opens_for_its_purpose_owner_and_key_alone() {
        let vault = Vault::new(&[7; KEY_BYTES]);
        let sealed = vault.seal(Purpose::Push, [1; NONCE_LEN], b"ann/d1", b"token");
        assert!(!sealed.windows(5).any(|part| part == b"token"));
        assert_eq!(vault.open(Purpose::Push, b"ann/d1", &sealed).as_deref(), Some(&b"token"[..]));
        assert_eq!(vault.open(Purpose::Push, b"ann/d2", &sealed), None);
        assert_eq!(vault.open(Purpose::Password, b"ann/d1", &sealed), None);
        assert_eq!(Vault::new(&[8; KEY_BYTES]).open(Purpose::Push, b"ann/d1", &sealed), None);
        let mut bent = sealed.to_vec();
        bent[NONCE_LEN] ^= 1;
        assert_eq!(vault.open(Purpose::Push, b"ann/d1", &bent), None);
        assert_eq!(vault.open(Purpose::Push, b"ann/d1", b"short"), None);
    }

    #[test]
    fn sec_10_what_is_kept_of_an_address_others_have_too_also_where_few_come_from() {
        let vault = Vault::new(&[7; KEY_BYTES]);
        let mut owners = [0; 256];
        for number in 0..5000_u128 {
            owners[usize::from(vault.bucket(&Source(number.to_be_bytes())))] += 1;
        }
        assert!(owners.iter().all(|owners| *owners >= 5), "{owners:?}");
    }
}
