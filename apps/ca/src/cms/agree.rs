//! How the content's key reaches a recipient: agreed over a curve (RFC 5753) or transported by RSA (RFC 3560), and wrapped.

use aws_lc_rs::{
    agreement::{self, PrivateKey, UnparsedPublicKey},
    digest,
    key_wrap::{self, AesKek, KeyWrap},
    rsa::{
        OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384, OAEP_SHA512_MGF1SHA512, OaepAlgorithm,
        OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PublicEncryptingKey,
    },
};
use der::{
    Any, Encode, Sequence,
    asn1::{ObjectIdentifier, OctetString},
};
use x509_cert::spki::AlgorithmIdentifierOwned;
use zeroize::Zeroizing;

use super::{Fault, cipher::ContentKey, identity::Curve, oid};

/// RFC 5753 section 7.2.
#[derive(Sequence)]
struct SharedInfo {
    key_info: AlgorithmIdentifierOwned,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    party: Option<OctetString>,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT")]
    length: OctetString,
}

/// Wraps a key for the holder of `public`, a point on `curve`: our ephemeral point, and the wrapped key.
pub(super) fn wrap(curve: Curve, public: &[u8], key: &ContentKey) -> Result<(Vec<u8>, Vec<u8>), Fault> {
    let ephemeral = PrivateKey::generate(algorithm(curve))?;
    let point = ephemeral.compute_public_key()?.as_ref().to_vec();
    let scheme = scheme(curve);
    let kek = kek(&ephemeral, curve, public, scheme.digest, oid::AES256_WRAP, None)?;
    let mut wrapped = vec![0; key.len() + 8];
    let length = AesKek::new(&key_wrap::AES_256, &kek)?.wrap(key, &mut wrapped)?.len();
    wrapped.truncate(length);
    Ok((point, wrapped))
}

/// What is written beside a wrapped key.
pub(super) fn key_agreement(curve: Curve) -> der::Result<AlgorithmIdentifierOwned> {
    let wrap = AlgorithmIdentifierOwned { oid: oid::AES256_WRAP, parameters: None };
    Ok(AlgorithmIdentifierOwned { oid: scheme(curve).oid, parameters: Some(Any::encode_from(&wrap)?) })
}

/// The key that `wrapped` holds for us.
pub(super) fn unwrap(
    own: &PrivateKey,
    curve: Curve,
    point: &[u8],
    agreed: &AlgorithmIdentifierOwned,
    party: Option<&OctetString>,
    wrapped: &[u8],
) -> Result<ContentKey, Fault> {
    let digest = match agreed.oid {
        oid if oid == oid::ECDH_SHA1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        oid if oid == oid::ECDH_SHA256 => &digest::SHA256,
        oid if oid == oid::ECDH_SHA384 => &digest::SHA384,
        _ => return Err(Fault::Algorithm),
    };
    let wrap: AlgorithmIdentifierOwned =
        agreed.parameters.as_ref().ok_or(Fault::Malformed)?.decode_as().map_err(|_| Fault::Malformed)?;
    let cipher = match wrap.oid {
        oid if oid == oid::AES128_WRAP => &key_wrap::AES_128,
        oid if oid == oid::AES256_WRAP => &key_wrap::AES_256,
        _ => return Err(Fault::Algorithm),
    };
    let kek = kek(own, curve, point, digest, wrap.oid, party).map_err(|_| Fault::Unreadable)?;
    let mut key = Zeroizing::new(vec![0; wrapped.len()]);
    let unreadable = |_| Fault::Unreadable;
    let kek = AesKek::new(cipher, &kek).map_err(unreadable)?;
    let length = kek.unwrap(wrapped, &mut key).map_err(unreadable)?.len();
    key.truncate(length);
    Ok(key)
}

fn algorithm(curve: Curve) -> &'static agreement::Algorithm {
    match curve {
        Curve::P256 => &agreement::ECDH_P256,
        Curve::P384 => &agreement::ECDH_P384,
    }
}

struct Scheme {
    oid: ObjectIdentifier,
    digest: &'static digest::Algorithm,
}

fn scheme(curve: Curve) -> Scheme {
    match curve {
        Curve::P256 => Scheme { oid: oid::ECDH_SHA256, digest: &digest::SHA256 },
        Curve::P384 => Scheme { oid: oid::ECDH_SHA384, digest: &digest::SHA384 },
    }
}

/// The key-encryption key of two parties: what they agree on, through the X9.63 function.
fn kek(
    own: &PrivateKey,
    curve: Curve,
    public: &[u8],
    digest: &'static digest::Algorithm,
    wrap: ObjectIdentifier,
    party: Option<&OctetString>,
) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let bytes: usize = if wrap == oid::AES128_WRAP { 16 } else { 32 };
    let bits = u32::try_from(8 * bytes).unwrap_or_default().to_be_bytes();
    let info = || {
        // `wrap` without parameters, as openssl and RFC 5753's examples have it.
        SharedInfo {
            key_info: AlgorithmIdentifierOwned { oid: wrap, parameters: None },
            party: party.cloned(),
            length: OctetString::new(bits.to_vec())?,
        }
        .to_der()
    };
    let info = info().map_err(|_| Fault::Crypto)?;
    let public = UnparsedPublicKey::new(algorithm(curve), public);
    agreement::agree(own, public, Fault::Crypto, |secret| Ok(derive(digest, secret, &info, bytes)))
}

/// ANSI X9.63 (SEC 1 section 3.6.1).
fn derive(digest: &'static digest::Algorithm, secret: &[u8], info: &[u8], bytes: usize) -> Zeroizing<Vec<u8>> {
    let mut key = Zeroizing::new(Vec::with_capacity(bytes + digest.output_len()));
    let mut counter = 1_u32;
    while key.len() < bytes {
        let mut context = digest::Context::new(digest);
        context.update(secret);
        context.update(&counter.to_be_bytes());
        context.update(info);
        key.extend_from_slice(context.finish().as_ref());
        counter += 1;
    }
    key.truncate(bytes);
    key
}

/// Parameters of RSAES-OAEP (RFC 4055 section 4.1); what is absent is SHA-1.
#[derive(Sequence)]
struct OaepParameters {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    hash: Option<AlgorithmIdentifierOwned>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    mask: Option<AlgorithmIdentifierOwned>,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", optional = "true")]
    source: Option<AlgorithmIdentifierOwned>,
}

/// Encrypts a key to an RSA key (SubjectPublicKeyInfo, DER) by OAEP with SHA-256.
pub(super) fn transport(spki: &[u8], key: &ContentKey) -> Result<(AlgorithmIdentifierOwned, Vec<u8>), Fault> {
    let public = PublicEncryptingKey::from_der(spki).map_err(|_| Fault::CannotReceive)?;
    let public = OaepPublicEncryptingKey::new(public)?;
    let mut encrypted = vec![0; public.ciphertext_size()];
    let length = public.encrypt(&OAEP_SHA256_MGF1SHA256, key, &mut encrypted, None)?.len();
    encrypted.truncate(length);
    Ok((oaep_sha256().map_err(|_| Fault::Crypto)?, encrypted))
}

fn oaep_sha256() -> der::Result<AlgorithmIdentifierOwned> {
    let hash = AlgorithmIdentifierOwned { oid: oid::SHA256, parameters: None };
    let mask = AlgorithmIdentifierOwned { oid: oid::MGF1, parameters: Some(Any::encode_from(&hash)?) };
    let parameters = OaepParameters { hash: Some(hash), mask: Some(mask), source: None };
    Ok(AlgorithmIdentifierOwned { oid: oid::RSA_OAEP, parameters: Some(Any::encode_from(&parameters)?) })
}

/// The key that was encrypted to ours.
pub(super) fn received(
    own: &OaepPrivateDecryptingKey,
    algorithm: &AlgorithmIdentifierOwned,
    encrypted: &[u8],
) -> Result<ContentKey, Fault> {
    let oaep = oaep(algorithm)?;
    let mut key = Zeroizing::new(vec![0; own.min_output_size()]);
    let length = own.decrypt(oaep, encrypted, &mut key, None).map_err(|_| Fault::Unreadable)?.len();
    key.truncate(length);
    Ok(key)
}

fn oaep(algorithm: &AlgorithmIdentifierOwned) -> Result<&'static OaepAlgorithm, Fault> {
    if algorithm.oid != oid::RSA_OAEP {
        return Err(Fault::Algorithm);
    }
    let parameters = algorithm.parameters.as_ref().ok_or(Fault::Malformed)?;
    let parameters: OaepParameters = parameters.decode_as().map_err(|_| Fault::Malformed)?;
    let hash = parameters.hash.map_or(oid::SHA1, |hash| hash.oid);
    let mask = match parameters.mask.and_then(|mask| mask.parameters) {
        None => oid::SHA1,
        Some(hash) => hash.decode_as::<AlgorithmIdentifierOwned>().map_err(|_| Fault::Malformed)?.oid,
    };
    match hash {
        _ if hash != mask || parameters.source.is_some() => Err(Fault::Algorithm),
        hash if hash == oid::SHA1 => Ok(&OAEP_SHA1_MGF1SHA1),
        hash if hash == oid::SHA256 => Ok(&OAEP_SHA256_MGF1SHA256),
        hash if hash == oid::SHA384 => Ok(&OAEP_SHA384_MGF1SHA384),
        hash if hash == oid::SHA512 => Ok(&OAEP_SHA512_MGF1SHA512),
        _ => Err(Fault::Algorithm),
    }
}
