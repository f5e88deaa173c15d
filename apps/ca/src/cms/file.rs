//! Files sealed by themselves (SPEC SEC-6): each under a key of its own, which travels in the sealed message that names the file.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand;
use zeroize::Zeroizing;

use super::Fault;

/// Bytes of a file that is sealed at once.
pub const FILE_MAX: usize = 100 << 20;
/// Bytes of its key.
pub const FILE_KEY_BYTES: usize = 32;

/// Plain bytes of each part of a file that is sealed in parts, but the last.
pub const FILE_PART: usize = 1 << 20;
/// Bytes by which a sealed part is longer.
pub const FILE_TAG: usize = 16;

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
    let own = FileKey::fresh()?;
    let mut sealed = content.to_vec();
    own.cipher()?.seal_in_place_append_tag(own.nonce_of_all(), Aad::empty(), &mut sealed)?;
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
    let opened = own.cipher()?.open_in_place(own.nonce_of_all(), Aad::empty(), &mut content);
    let length = opened.map_err(|_| Fault::Unreadable)?.len();
    content.truncate(length);
    Ok(content)
}

impl FileKey {
    /// For a new file.
    ///
    /// # Errors
    /// `Crypto`.
    pub fn fresh() -> Result<FileKey, Fault> {
        let mut own = FileKey { key: Zeroizing::new([0; FILE_KEY_BYTES]), nonce: [0; NONCE_LEN] };
        rand::fill(&mut *own.key)?;
        rand::fill(&mut own.nonce)?;
        Ok(own)
    }

    /// Seals a part in place; parts count from 0, and the last one says that it is. So a file can be read and sent as it comes, and
    /// whoever opens it part by part sees if one is missing, even at the end.
    ///
    /// # Errors
    /// `Crypto`.
    pub fn seal_part(&self, number: u32, is_last: bool, part: &mut Vec<u8>) -> Result<(), Fault> {
        let place = Aad::from([u8::from(is_last)]);
        Ok(self.cipher()?.seal_in_place_append_tag(self.nonce_of(number), place, part)?)
    }

    /// Opens a part in place.
    ///
    /// # Errors
    /// `Unreadable`: another key, another part, or it was changed.
    pub fn open_part(&self, number: u32, is_last: bool, part: &mut Vec<u8>) -> Result<(), Fault> {
        let place = Aad::from([u8::from(is_last)]);
        let opened = self.cipher()?.open_in_place(self.nonce_of(number), place, part);
        let length = opened.map_err(|_| Fault::Unreadable)?.len();
        part.truncate(length);
        Ok(())
    }

    fn cipher(&self) -> Result<LessSafeKey, Fault> {
        Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &*self.key)?))
    }

    fn nonce_of_all(&self) -> Nonce {
        Nonce::assume_unique_for_key(self.nonce)
    }

    /// Each part has its own, so that none can stand in the place of another.
    fn nonce_of(&self, number: u32) -> Nonce {
        let mut nonce = self.nonce;
        for (byte, count) in nonce.iter_mut().rev().zip(number.to_le_bytes()) {
            *byte ^= count;
        }
        Nonce::assume_unique_for_key(nonce)
    }
}

/// Without the key.
impl std::fmt::Debug for FileKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FileKey")
    }
}
