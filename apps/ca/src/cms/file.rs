//! Files sealed by themselves (SPEC SEC-6): each under a key of its own, which travels in the sealed message that names the file.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand;
use zeroize::Zeroizing;

use super::Fault;

/// Bytes of a file that is sealed at once.
pub const FILE_MAX: usize = 100 << 20;
/// Bytes of its key.
pub const FILE_KEY_BYTES: usize = 32;

/// What opens one file, and only that one: a nonce is never used twice because a key is not.
#[derive(Clone, PartialEq, Eq)]
pub struct FileKey {
    pub key: Zeroizing<[u8; FILE_KEY_BYTES]>,
    pub nonce: [u8; NONCE_LEN],
}

/// The ciphertext with its tag behind it (AES-256-GCM), and what opens it.
///
/// # Errors
/// `TooLong`, `Crypto`.
pub fn seal_file(content: &[u8]) -> Result<(Vec<u8>, FileKey), Fault> {
    if content.len() > FILE_MAX {
        return Err(Fault::TooLong);
    }
    let mut own = FileKey { key: Zeroizing::new([0; FILE_KEY_BYTES]), nonce: [0; NONCE_LEN] };
    rand::fill(&mut *own.key)?;
    rand::fill(&mut own.nonce)?;
    let mut sealed = content.to_vec();
    own.cipher()?.seal_in_place_append_tag(own.fresh(), Aad::empty(), &mut sealed)?;
    Ok((sealed, own))
}

/// What was sealed under this key.
///
/// # Errors
/// `TooLong`; `Unreadable` for another key, and for a file that was changed.
pub fn open_file(sealed: &[u8], own: &FileKey) -> Result<Vec<u8>, Fault> {
    if sealed.len() > FILE_MAX + AES_256_GCM.tag_len() {
        return Err(Fault::TooLong);
    }
    let mut content = sealed.to_vec();
    let opened = own.cipher()?.open_in_place(own.fresh(), Aad::empty(), &mut content);
    let length = opened.map_err(|_| Fault::Unreadable)?.len();
    content.truncate(length);
    Ok(content)
}

impl FileKey {
    fn cipher(&self) -> Result<LessSafeKey, Fault> {
        Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &*self.key)?))
    }

    fn fresh(&self) -> Nonce {
        Nonce::assume_unique_for_key(self.nonce)
    }
}

/// Without the key.
impl std::fmt::Debug for FileKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FileKey")
    }
}
