//! The content's own encryption: AES-GCM, and AES-CBC of older senders.

use aws_lc_rs::{
    aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, LessSafeKey, Nonce, UnboundKey},
    cipher::{AES_128, AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey},
    iv::FixedLength,
};
use der::{
    Any, Sequence,
    asn1::{ObjectIdentifier, OctetString},
};
use x509_cert::spki::AlgorithmIdentifierOwned;
use zeroize::Zeroizing;

use super::{Fault, oid};

/// Bytes of the tag that is asked for and accepted; shorter ones can be forged sooner (RFC 5084 allows 12).
pub(super) const TAG_BYTES: usize = 16;
const NONCE_BYTES: usize = 12;

/// RFC 5084 section 3.2. The tag's length is always written: the default is another.
#[derive(Sequence)]
struct GcmParameters {
    nonce: OctetString,
    #[asn1(default = "default_tag_bytes")]
    tag: u8,
}

fn default_tag_bytes() -> u8 {
    12
}

/// A key for the content of one envelope.
pub(super) type ContentKey = Zeroizing<Vec<u8>>;

/// Encrypts under a fresh AES-256 key: the key, the algorithm with its nonce, the ciphertext, the tag.
pub(super) struct Encrypted {
    pub(super) key: ContentKey,
    pub(super) algorithm: AlgorithmIdentifierOwned,
    pub(super) bytes: Vec<u8>,
    pub(super) tag: Vec<u8>,
}

pub(super) fn encrypt(content: &[u8]) -> Result<Encrypted, Fault> {
    let mut key: ContentKey = Zeroizing::new(vec![0; AES_256_GCM.key_len()]);
    aws_lc_rs::rand::fill(&mut key)?;
    let mut nonce = [0; NONCE_BYTES];
    aws_lc_rs::rand::fill(&mut nonce)?;
    let sealing = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key)?);
    let mut bytes = content.to_vec();
    let tag = sealing.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut bytes)?;
    let parameters = || {
        let parameters = GcmParameters { nonce: OctetString::new(nonce.to_vec())?, tag: TAG_BYTES as u8 };
        Any::encode_from(&parameters)
    };
    let parameters = parameters().map_err(|_: der::Error| Fault::Crypto)?;
    let algorithm = AlgorithmIdentifierOwned { oid: oid::AES256_GCM, parameters: Some(parameters) };
    Ok(Encrypted { key, algorithm, bytes, tag: tag.as_ref().to_vec() })
}

/// Authenticated content; `attributes` were authenticated with it.
pub(super) fn open_gcm(
    algorithm: &AlgorithmIdentifierOwned,
    key: &ContentKey,
    attributes: &[u8],
    bytes: &[u8],
    tag: &[u8],
) -> Result<Vec<u8>, Fault> {
    let cipher = gcm(algorithm.oid)?;
    let parameters = algorithm.parameters.as_ref().ok_or(Fault::Malformed)?;
    let parameters: GcmParameters = parameters.decode_as().map_err(|_| Fault::Malformed)?;
    if usize::from(parameters.tag) != TAG_BYTES || tag.len() != TAG_BYTES {
        return Err(Fault::Algorithm);
    }
    let nonce = Nonce::try_assume_unique_for_key(parameters.nonce.as_bytes()).map_err(|_| Fault::Algorithm)?;
    let opening = UnboundKey::new(cipher, key).map(LessSafeKey::new).map_err(|_| Fault::Unreadable)?;
    let mut content = [bytes, tag].concat();
    let length = opening.open_in_place(nonce, Aad::from(attributes), &mut content);
    let length = length.map_err(|_| Fault::Unreadable)?.len();
    content.truncate(length);
    Ok(content)
}

fn gcm(oid: ObjectIdentifier) -> Result<&'static Algorithm, Fault> {
    match oid {
        oid if oid == oid::AES128_GCM => Ok(&AES_128_GCM),
        oid if oid == oid::AES256_GCM => Ok(&AES_256_GCM),
        _ => Err(Fault::Algorithm),
    }
}

/// Content that is encrypted only: whoever changed it may have gone unnoticed, so what is inside must be signed.
pub(super) fn open_cbc(algorithm: &AlgorithmIdentifierOwned, key: &ContentKey, bytes: &[u8]) -> Result<Vec<u8>, Fault> {
    let cipher = match algorithm.oid {
        oid if oid == oid::AES128_CBC => &AES_128,
        oid if oid == oid::AES256_CBC => &AES_256,
        _ => return Err(Fault::Algorithm),
    };
    let parameters = algorithm.parameters.as_ref().ok_or(Fault::Malformed)?;
    let iv: OctetString = parameters.decode_as().map_err(|_| Fault::Malformed)?;
    let iv: [u8; 16] = iv.as_bytes().try_into().map_err(|_| Fault::Malformed)?;
    let unreadable = |_| Fault::Unreadable;
    let key = UnboundCipherKey::new(cipher, key).map_err(unreadable)?;
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).map_err(unreadable)?;
    let mut content = bytes.to_vec();
    let length = key.decrypt(&mut content, DecryptionContext::Iv128(FixedLength::from(iv))).map_err(unreadable)?.len();
    content.truncate(length);
    Ok(content)
}
