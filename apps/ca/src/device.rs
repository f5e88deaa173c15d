//! SEC-4: what of a request, PKCS#10 or CRMF, is believed. Its public key, once proven; nothing else.

use der::{Encode, asn1};
use rcgen::{PublicKeyData, SubjectPublicKeyInfo};
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_parser::{
    asn1_rs::BitString,
    certification_request::X509CertificationRequest,
    cri_attributes::ParsedCriAttribute,
    extensions::ParsedExtension,
    oid_registry::{
        OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_PKCS1_RSAENCRYPTION, OID_PKCS1_SHA1WITHRSA,
        OID_SHA1_WITH_RSA, OID_SIG_ED25519, OID_X509_EXT_BASIC_CONSTRAINTS,
    },
    prelude::FromDer,
    public_key::{PublicKey, RSAPublicKey},
    verify::verify_signature,
    x509::{self, AlgorithmIdentifier},
};

use crate::{Refusal, authority::sha256, profile::KeyKind, template};

/// Bytes of a request; a longer one is refused unread. An RSA key of 8192 bits with many attributes fits.
const REQUEST_MAX: usize = 8 * 1024;
const RSA_BITS_MIN: usize = 2048;
/// The longest that TLS verifiers take.
const RSA_BITS_MAX: usize = 8192;
/// Uncompressed points (RFC 5480): 0x04, then two coordinates.
const P256_POINT_BYTES: usize = 65;
const P384_POINT_BYTES: usize = 97;
const ED25519_KEY_BYTES: usize = 32;

/// The key that signed the request `der` (PKCS#10, or CRMF as CMP has it), and its kind.
///
/// rcgen's own reader of requests is not used: it takes the curve from the signature algorithm instead of the key,
/// and copies what the request asks for, `CA:TRUE` included.
pub(crate) fn proven_key(der: &[u8]) -> Result<(SubjectPublicKeyInfo, KeyKind), Refusal> {
    if der.len() > REQUEST_MAX {
        return Err(Refusal::TooLong);
    }
    match X509CertificationRequest::from_der(der) {
        Ok(([], request)) => {
            if wants_authority(&request) {
                return Err(Refusal::Authority);
            }
            let asked = &request.certification_request_info.subject_pki;
            let is_good = !is_weak(&request.signature_algorithm) && request.verify_signature().is_ok();
            certifiable(asked, || is_good)
        }
        // Its signature is over the template, and under another tag: neither can be taken for the other.
        Ok(_) | Err(_) => {
            let request = template::asked(der)?;
            let key = x509::SubjectPublicKeyInfo::from_der(&request.key).map_err(|_| Refusal::Malformed)?.1;
            certifiable(&key, || verifies(&key, &request.algorithm, &request.signature, &request.signed))
        }
    }
}

/// Whether it asks to issue certificates itself. Other wishes are not heard; this one is refused, as in a request of CMP, and so is one that
/// cannot be read.
fn wants_authority(request: &X509CertificationRequest<'_>) -> bool {
    let extensions = request.certification_request_info.iter_attributes().filter_map(|attribute| {
        match attribute.parsed_attribute() {
            ParsedCriAttribute::ExtensionRequest(asked) => Some(&asked.extensions),
            _ => None,
        }
    });
    extensions.flatten().any(|one| match one.parsed_extension() {
        ParsedExtension::BasicConstraints(constraints) => constraints.ca,
        _ => one.oid == OID_X509_EXT_BASIC_CONSTRAINTS,
    })
}

fn certifiable(
    asked: &x509::SubjectPublicKeyInfo<'_>,
    is_proven: impl FnOnce() -> bool,
) -> Result<(SubjectPublicKeyInfo, KeyKind), Refusal> {
    let kind = kind(asked).ok_or(Refusal::Key)?;
    if !is_proven() {
        return Err(Refusal::Signature);
    }
    let key = SubjectPublicKeyInfo::from_der(asked.raw).map_err(|_| Refusal::Key)?;
    // What will be certified is, to the byte, what proved itself.
    if key.subject_public_key_info() != asked.raw {
        return Err(Refusal::Key);
    }
    Ok((key, kind))
}

/// Whether `key` has signed `message`, by an algorithm that proves something.
pub(crate) fn verifies(
    key: &x509::SubjectPublicKeyInfo<'_>,
    algorithm: &AlgorithmIdentifierOwned,
    signature: &asn1::BitString,
    message: &[u8],
) -> bool {
    let (Ok(algorithm), Some(signature)) = (algorithm.to_der(), signature.as_bytes()) else { return false };
    let Ok(([], algorithm)) = AlgorithmIdentifier::from_der(&algorithm) else { return false };
    !is_weak(&algorithm) && verify_signature(key, &algorithm, &BitString::new(0, signature), message).is_ok()
}

fn is_weak(algorithm: &AlgorithmIdentifier<'_>) -> bool {
    [OID_PKCS1_SHA1WITHRSA, OID_SHA1_WITH_RSA].contains(&algorithm.algorithm)
}

/// SHA-256 of the SubjectPublicKeyInfo of a request that [`crate::Authority::device`] would take.
pub fn key_of_request(der: &[u8]) -> Result<[u8; 32], Refusal> {
    Ok(sha256(&proven_key(der)?.0.subject_public_key_info()))
}

/// The kind of an allowed key whose length fits its algorithm.
fn kind(key: &x509::SubjectPublicKeyInfo<'_>) -> Option<KeyKind> {
    let algorithm = &key.algorithm.algorithm;
    let bytes = key.subject_public_key.data.as_ref();
    if key.subject_public_key.unused_bits != 0 {
        return None;
    }
    if *algorithm == OID_SIG_ED25519 {
        return (bytes.len() == ED25519_KEY_BYTES).then_some(KeyKind::Ed25519);
    }
    if *algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY {
        return is_point(key, bytes).then_some(KeyKind::Ec);
    }
    if *algorithm == OID_PKCS1_RSAENCRYPTION {
        let Ok(PublicKey::RSA(rsa)) = key.parsed() else {
            return None;
        };
        return (RSA_BITS_MIN..=RSA_BITS_MAX).contains(&modulus_bits(&rsa)).then_some(KeyKind::Rsa);
    }
    None
}

fn is_point(key: &x509::SubjectPublicKeyInfo<'_>, bytes: &[u8]) -> bool {
    let Some(Ok(curve)) = key.algorithm.parameters.as_ref().map(|parameters| parameters.as_oid()) else {
        return false;
    };
    let length = match curve {
        curve if curve == OID_EC_P256 => P256_POINT_BYTES,
        curve if curve == OID_NIST_EC_P384 => P384_POINT_BYTES,
        _ => return false,
    };
    bytes.len() == length && bytes.first() == Some(&0x04)
}

/// Counted here because x509-parser's own count takes the first byte to be padding.
fn modulus_bits(key: &RSAPublicKey<'_>) -> usize {
    let zeros = key.modulus.iter().take_while(|byte| **byte == 0).count();
    let bytes = key.modulus.len() - zeros;
    let unused = key.modulus.get(zeros).map_or(0, |byte| byte.leading_zeros());
    (bytes * 8).saturating_sub(unused as usize)
}
