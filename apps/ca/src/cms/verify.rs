//! Verifying (SPEC SEC-6): the content, the attributes that were signed, the signature, the signer.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::{digest, signature as sig};
use cms::{content_info::ContentInfo, signed_data::SignerInfo};
use der::{
    Any, Decode, Encode, EncodingRules,
    asn1::{ObjectIdentifier, OctetString},
};
use x509_cert::{Certificate, attr::Attributes};

use super::{
    CONTENT_MAX, Fault, Trust,
    identity::{Curve, curve, is_named},
    oid,
    signed::SignedData,
};

/// Certificates looked at in one structure; a chain is two or three.
const CERTIFICATES_MAX: usize = 16;

/// Content, and who signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    pub content: Vec<u8>,
    /// The signer's certificate, DER. Whether it is the certificate of who is said to write is for the caller to compare.
    pub certificate: Vec<u8>,
    /// When, as the signer says.
    pub time: Option<SystemTime>,
}

/// Content with its signature: the signer's chain must lead to `trust` at the time `at`. One signer, not more: who else signs is
/// not asked.
///
/// # Errors
/// `TooLong`, `Malformed`, `Algorithm`, `Signature`, `Untrusted`.
pub fn verify(signed: &[u8], trust: &Trust, at: SystemTime) -> Result<Signed, Fault> {
    let data = read(signed)?;
    let content = data.content.bytes.as_ref().ok_or(Fault::Malformed)?.as_bytes().to_vec();
    let (certificate, time) = checked(&data, &content, trust, at)?;
    Ok(Signed { content, certificate, time })
}

/// The same for a signature that travels beside its content (SPEC SEC-8).
///
/// # Errors
/// As [`verify`].
pub fn verify_detached(signature: &[u8], content: &[u8], trust: &Trust, at: SystemTime) -> Result<Signed, Fault> {
    if content.len() > CONTENT_MAX {
        return Err(Fault::TooLong);
    }
    let data = read(signature)?;
    if data.content.bytes.as_ref().is_some_and(|inside| inside.as_bytes() != content) {
        return Err(Fault::Signature);
    }
    let (certificate, time) = checked(&data, content, trust, at)?;
    Ok(Signed { content: content.to_vec(), certificate, time })
}

/// What is signed, if it is there: nothing is verified, so nobody vouches for it.
pub fn content(signed: &[u8]) -> Option<Vec<u8>> {
    let data = read(signed).ok()?;
    Some(data.content.bytes?.as_bytes().to_vec())
}

fn read(signed: &[u8]) -> Result<SignedData, Fault> {
    // Content, its signature and certificates.
    if signed.len() > CONTENT_MAX + (1 << 20) {
        return Err(Fault::TooLong);
    }
    let info = ContentInfo::from_ber(signed).map_err(|_| Fault::Malformed)?;
    if info.content_type != oid::SIGNED {
        return Err(Fault::Malformed);
    }
    info.content.decode_as_encoding(EncodingRules::Ber).map_err(|_| Fault::Malformed)
}

/// The signer's certificate and the time of signing, once everything is as it should be.
fn checked(
    data: &SignedData,
    content: &[u8],
    trust: &Trust,
    at: SystemTime,
) -> Result<(Vec<u8>, Option<SystemTime>), Fault> {
    let [signer] = data.signers.as_slice() else { return Err(Fault::Malformed) };
    let certificates = certificates(data)?;
    let (certificate, der) =
        certificates.iter().find(|(certificate, _)| is_named(certificate, &signer.sid)).ok_or(Fault::Untrusted)?;

    let digest = digest::digest(digest_algorithm(signer)?, content);
    // Without signed attributes nothing says what kind of content was signed (RFC 5652 section 5.3 wants them for all but data).
    let attributes = signer.signed_attrs.as_ref().ok_or(Fault::Signature)?;
    if only::<ObjectIdentifier>(attributes, oid::CONTENT_TYPE)? != data.content.kind
        || only::<OctetString>(attributes, oid::MESSAGE_DIGEST)?.as_bytes() != digest.as_ref()
    {
        return Err(Fault::Signature);
    }
    let signed = attributes.to_der().map_err(|_| Fault::Malformed)?;
    is_signature(certificate, signer, &signed)?;

    let between: Vec<&[u8]> = certificates.iter().filter(|(_, other)| other != der).map(|(_, der)| &der[..]).collect();
    trust.check(der, &between, at)?;
    Ok((der.clone(), time(attributes)))
}

fn certificates(data: &SignedData) -> Result<Vec<(Certificate, Vec<u8>)>, Fault> {
    let all = data.certificates.iter().flat_map(|set| set.iter());
    let mut found = Vec::new();
    for one in all {
        let der = one.to_der().map_err(|_| Fault::Malformed)?;
        if let Ok(certificate) = Certificate::from_der(&der) {
            found.push((certificate, der));
        }
        if found.len() > CERTIFICATES_MAX {
            return Err(Fault::TooLong);
        }
    }
    Ok(found)
}

fn digest_algorithm(signer: &SignerInfo) -> Result<&'static digest::Algorithm, Fault> {
    match signer.digest_alg.oid {
        oid if oid == oid::SHA256 => Ok(&digest::SHA256),
        oid if oid == oid::SHA384 => Ok(&digest::SHA384),
        oid if oid == oid::SHA512 => Ok(&digest::SHA512),
        _ => Err(Fault::Algorithm),
    }
}

/// The one value of an attribute that must be there once (RFC 5652 section 11).
fn only<T>(attributes: &Attributes, oid: ObjectIdentifier) -> Result<T, Fault>
where
    T: for<'a> der::DecodeValue<'a, Error = der::Error> + der::FixedTag,
{
    let mut of_kind = attributes.iter().filter(|attribute| attribute.oid == oid);
    let (Some(attribute), None) = (of_kind.next(), of_kind.next()) else { return Err(Fault::Signature) };
    let [value] = attribute.values.as_slice() else { return Err(Fault::Signature) };
    value.decode_as().map_err(|_| Fault::Signature)
}

fn time(attributes: &Attributes) -> Option<SystemTime> {
    let attribute = attributes.iter().find(|attribute| attribute.oid == oid::SIGNING_TIME)?;
    let [value] = attribute.values.as_slice() else { return None };
    since_epoch(value).map(|since| UNIX_EPOCH + since)
}

fn since_epoch(value: &Any) -> Option<Duration> {
    let utc = value.decode_as::<der::asn1::UtcTime>().map(|time| time.to_unix_duration());
    utc.or_else(|_| value.decode_as::<der::asn1::GeneralizedTime>().map(|time| time.to_unix_duration())).ok()
}

/// The signature over the attributes is that of the certificate's key.
fn is_signature(certificate: &Certificate, signer: &SignerInfo, signed: &[u8]) -> Result<(), Fault> {
    let spki = certificate.tbs_certificate().subject_public_key_info();
    let key = spki.subject_public_key.as_bytes().ok_or(Fault::Algorithm)?;
    let algorithm = algorithm(certificate, signer).ok_or(Fault::Algorithm)?;
    let key = sig::UnparsedPublicKey::new(algorithm, key);
    key.verify(signed, signer.signature.as_bytes()).map_err(|_| Fault::Signature)
}

/// How the signature is verified: by the kind of the certificate's own key, and the digest.
fn algorithm(certificate: &Certificate, signer: &SignerInfo) -> Option<&'static dyn sig::VerificationAlgorithm> {
    let key = certificate.tbs_certificate().subject_public_key_info().algorithm.oid;
    let (made, digest) = (signer.signature_algorithm.oid, signer.digest_alg.oid);
    if key == oid::ED25519 {
        return (made == oid::ED25519).then_some(&sig::ED25519);
    }
    if key == oid::RSA {
        return match (made, digest) {
            (made, digest) if is(made, &[oid::RSA, oid::RSA_SHA256]) && digest == oid::SHA256 => {
                Some(&sig::RSA_PKCS1_2048_8192_SHA256)
            }
            (made, digest) if is(made, &[oid::RSA, oid::RSA_SHA384]) && digest == oid::SHA384 => {
                Some(&sig::RSA_PKCS1_2048_8192_SHA384)
            }
            (made, digest) if is(made, &[oid::RSA, oid::RSA_SHA512]) && digest == oid::SHA512 => {
                Some(&sig::RSA_PKCS1_2048_8192_SHA512)
            }
            _ => None,
        };
    }
    match (curve(certificate)?, made, digest) {
        (Curve::P256, oid::ECDSA_SHA256, oid::SHA256) => Some(&sig::ECDSA_P256_SHA256_ASN1),
        (Curve::P256, oid::ECDSA_SHA384, oid::SHA384) => Some(&sig::ECDSA_P256_SHA384_ASN1),
        (Curve::P256, oid::ECDSA_SHA512, oid::SHA512) => Some(&sig::ECDSA_P256_SHA512_ASN1),
        (Curve::P384, oid::ECDSA_SHA256, oid::SHA256) => Some(&sig::ECDSA_P384_SHA256_ASN1),
        (Curve::P384, oid::ECDSA_SHA384, oid::SHA384) => Some(&sig::ECDSA_P384_SHA384_ASN1),
        (Curve::P384, oid::ECDSA_SHA512, oid::SHA512) => Some(&sig::ECDSA_P384_SHA512_ASN1),
        _ => None,
    }
}

fn is(made: ObjectIdentifier, any: &[ObjectIdentifier]) -> bool {
    any.contains(&made)
}
