//! Content of Web Push, which its push service carries and cannot read (RFC 8291, of one record of RFC 8188).

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use aws_lc_rs::rand::{SystemRandom, fill};

/// Bytes of a record, which every push service takes.
const RECORD: usize = 4096;
const SALT: usize = 16;
const TAG: usize = 16;
pub(crate) const POINT: usize = 65;
pub(crate) const AUTH: usize = 16;
/// Salt, size of the records, and our key with its length.
const HEADER: usize = SALT + 4 + 1 + POINT;
/// Bytes that fit: a delimiter ends the content.
pub(crate) const PLAIN_MAX: usize = RECORD - HEADER - TAG - 1;
/// Behind the last record's content.
const LAST: u8 = 2;

/// What cannot be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("too long")]
    Long,
    #[error("its key is none of P-256")]
    Key,
}

/// Seals `content` for whom `theirs` is the public key of, and `auth` the secret that it shares with its push service's users.
pub(crate) fn seal(content: &[u8], theirs: &[u8; POINT], auth: &[u8; AUTH]) -> Result<Vec<u8>, Fault> {
    if content.len() > PLAIN_MAX {
        return Err(Fault::Long);
    }
    let key = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).map_err(|Unspecified| Fault::Key)?;
    let ours = key.compute_public_key().map_err(|Unspecified| Fault::Key)?;
    let mut salt = [0; SALT];
    fill(&mut salt).map_err(|Unspecified| Fault::Key)?;

    let theirs_parsed = UnparsedPublicKey::new(&ECDH_P256, theirs);
    let shared = agree_ephemeral(key, theirs_parsed, Fault::Key, |shared| Ok(shared.to_vec()))?;
    let (key, nonce) = keys(&shared, theirs, ours.as_ref(), auth, &salt).map_err(|Unspecified| Fault::Key)?;

    let mut record = Vec::with_capacity(HEADER + content.len() + 1 + TAG);
    record.extend_from_slice(&salt);
    record.extend_from_slice(&(RECORD as u32).to_be_bytes());
    record.push(POINT as u8);
    record.extend_from_slice(ours.as_ref());
    let mut body = [content, &[LAST]].concat();
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).map_err(|Unspecified| Fault::Key)?);
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut body)
        .map_err(|Unspecified| Fault::Long)?;
    record.append(&mut body);
    Ok(record)
}

/// The key of the content, and its nonce.
fn keys(
    shared: &[u8],
    theirs: &[u8],
    ours: &[u8],
    auth: &[u8],
    salt: &[u8],
) -> Result<([u8; 16], [u8; 12]), Unspecified> {
    let combined: [u8; 32] =
        expand(&Salt::new(HKDF_SHA256, auth).extract(shared), &[b"WebPush: info\0", theirs, ours])?;
    let secret = Salt::new(HKDF_SHA256, salt).extract(&combined);
    Ok((expand(&secret, &[b"Content-Encoding: aes128gcm\0"])?, expand(&secret, &[b"Content-Encoding: nonce\0"])?))
}

fn expand<const N: usize>(secret: &Prk, info: &[&[u8]]) -> Result<[u8; N], Unspecified> {
    let mut out = [0; N];
    secret.expand(info, Length(N))?.fill(&mut out)?;
    Ok(out)
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

    use super::*;

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        BASE64.decode(text).unwrap().try_into().unwrap()
    }

    /// RFC 8291, appendix A.
    #[test]
    fn keys_are_those_of_the_standard_s_example() {
        let shared: [u8; 32] = bytes("kyrL1jIIOHEzg3sM2ZWRHDRB62YACZhhSlknJ672kSs");
        let theirs: [u8; POINT] =
            bytes("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4");
        let ours: [u8; POINT] =
            bytes("BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8");
        let (auth, salt) = (bytes::<AUTH>("BTBZMqHH6r4Tts7J_aSIgg"), bytes::<SALT>("DGv6ra1nlYgDCS1FRnbzlw"));
        let (key, nonce) = keys(&shared, &theirs, &ours, &auth, &salt).unwrap();
        assert_eq!((key, nonce), (bytes("oIhVW04MRdy2XN9CiKLxTg"), bytes("4h_95klXJ5E_qnoN")));
    }

    #[test]
    fn what_is_too_long_or_for_no_key_is_not_sealed() {
        let theirs: [u8; POINT] =
            bytes("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4");
        assert_eq!(seal(&[0; PLAIN_MAX], &theirs, &[0; AUTH]).map(|record| record.len()), Ok(RECORD));
        assert_eq!(seal(&[0; PLAIN_MAX + 1], &theirs, &[0; AUTH]), Err(Fault::Long));
        assert_eq!(seal(b"x", &[4; POINT], &[0; AUTH]), Err(Fault::Key), "a point that is not on the curve");
    }
}
