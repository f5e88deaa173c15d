//! Tokens, codes and invites: how they are made, and what is kept of them (ID-7, ID-11, SEC-12).

use aws_lc_rs::{constant_time, digest};
use bytes::Bytes;
use proto::limits::{INVITE_CHARS, TOKEN_BITS};
use zeroize::Zeroizing;

use crate::{Cx, Vault};

/// RFC 4648 section 6.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// ID-7: a device's token, 256 random bits in lower-case hexadecimal.
pub(super) fn token(cx: &Cx<'_>) -> Bytes {
    let bits: Zeroizing<[u8; TOKEN_BITS / 8]> = Zeroizing::new(cx.random());
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or_default();
    // As long as it will be from the start, so that no half of it is left behind by growing.
    let mut token = String::with_capacity(TOKEN_BITS / 4);
    token.extend(bits.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]));
    proto::erased(token)
}

/// Section 6.2: a code of six decimal digits. Of 64 random bits no digit is noticeably likelier.
pub(super) fn code(cx: &Cx<'_>) -> Bytes {
    proto::erased(format!("{:06}", u64::from_be_bytes(cx.random()) % 1_000_000))
}

/// ID-11: an invite, 26 characters of base 32. Nobody can tell it from a random one who does not have the storage key.
pub(super) fn invite(vault: &Vault, phone: &[u8], expires: u64) -> Bytes {
    let bytes = vault.invite(phone, expires);
    let mut code = Vec::with_capacity(INVITE_CHARS);
    code.extend(bytes.iter().take(INVITE_CHARS).filter_map(|byte| BASE32.get(usize::from(byte % 32)).copied()));
    proto::erased(code)
}

/// What is kept of a secret.
pub(super) fn hash(secret: &[u8]) -> Bytes {
    Bytes::copy_from_slice(digest::digest(&digest::SHA256, secret).as_ref())
}

/// What is kept of an invite; people type it in either case.
pub(super) fn invite_hash(code: &[u8]) -> Bytes {
    hash(&Zeroizing::new(code.to_ascii_uppercase()))
}

/// Whether `secret` is the one of which `kept` was kept. Takes the same time wherever they differ (SEC-13).
pub(super) fn is_same(secret: &[u8], kept: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(&hash(secret), kept).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_7_only_the_secret_itself_opens() {
        let kept = hash(b"0123");
        assert_eq!(kept.len(), 32);
        assert!(is_same(b"0123", &kept));
        assert!(!is_same(b"0124", &kept) && !is_same(b"", &kept) && !is_same(b"0123", b""));
    }

    #[test]
    fn id_11_an_invite_is_the_same_in_either_case() {
        assert_eq!(invite_hash(b"abc2"), invite_hash(b"ABC2"));
    }

    #[test]
    fn id_11_each_invite_is_another_and_follows_from_what_is_kept() {
        let vault = Vault::new(&[7; crate::KEY_BYTES]);
        let code = invite(&vault, b"38001", 1);
        assert!(code.len() == INVITE_CHARS && code.iter().all(|c| BASE32.contains(c)), "{code:?}");
        assert_eq!(invite(&vault, b"38001", 1), code);
        assert_ne!(invite(&vault, b"38001", 2), code);
        assert_ne!(invite(&vault, b"38002", 1), code);
        assert_ne!(invite(&Vault::new(&[8; crate::KEY_BYTES]), b"38001", 1), code);
    }
}
