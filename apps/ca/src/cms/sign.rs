//! Signing (SPEC SEC-5, SEC-8): one signer, its certificate and the time included.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::{digest, rand::SystemRandom, signature::RSA_PKCS1_SHA384};
use cms::{
    content_info::{CmsVersion, ContentInfo},
    signed_data::{SignerIdentifier, SignerInfo},
};
use der::{
    Any, Decode, Encode,
    asn1::{ObjectIdentifier, OctetString, SetOfVec, UtcTime},
};
use x509_cert::{attr::Attribute, spki::AlgorithmIdentifierOwned};

use super::{
    CONTENT_MAX, Fault, Identity,
    identity::{Key, issuer_and_serial, key_id},
    oid,
    signed::{Content, SignedData},
};

/// UTCTime ends with this year; later times are GeneralizedTime (RFC 5652 section 11.3).
const UTC_TIME_END: Duration = Duration::from_secs(2_524_608_000);

/// SignedData (DER) with the content inside.
///
/// # Errors
/// `TooLong`, `Crypto`.
pub fn sign(content: &[u8], signer: &Identity, now: SystemTime) -> Result<Vec<u8>, Fault> {
    signed(content, true, signer, now)
}

/// SignedData (DER) about content that travels elsewhere (SPEC SEC-8).
///
/// # Errors
/// `TooLong`, `Crypto`.
pub fn sign_detached(content: &[u8], signer: &Identity, now: SystemTime) -> Result<Vec<u8>, Fault> {
    signed(content, false, signer, now)
}

fn signed(content: &[u8], inside: bool, signer: &Identity, now: SystemTime) -> Result<Vec<u8>, Fault> {
    if content.len() > CONTENT_MAX {
        return Err(Fault::TooLong);
    }
    let digest = digest_of(&signer.key);
    let signer_info = signer_info(content, digest, signer, now).map_err(|_| Fault::Crypto)??;
    structure(content, inside, digest, signer, signer_info).map_err(|_| Fault::Crypto)
}

/// How an identity digests what it signs.
#[derive(Clone, Copy)]
struct Digest {
    oid: ObjectIdentifier,
    algorithm: &'static digest::Algorithm,
}

fn digest_of(key: &Key) -> Digest {
    match key {
        Key::P256 { .. } => Digest { oid: oid::SHA256, algorithm: &digest::SHA256 },
        Key::P384 { .. } | Key::Rsa { .. } => Digest { oid: oid::SHA384, algorithm: &digest::SHA384 },
        // RFC 8419 section 3.1
        Key::Ed25519(_) => Digest { oid: oid::SHA512, algorithm: &digest::SHA512 },
    }
}

fn signer_info(
    content: &[u8],
    Digest { oid: digest_oid, algorithm }: Digest,
    signer: &Identity,
    now: SystemTime,
) -> der::Result<Result<SignerInfo, Fault>> {
    let digest = OctetString::new(digest::digest(algorithm, content).as_ref())?;
    let attributes = SetOfVec::try_from(vec![
        attribute(oid::CONTENT_TYPE, &oid::DATA)?,
        attribute(oid::MESSAGE_DIGEST, &digest)?,
        Attribute { oid: oid::SIGNING_TIME, values: SetOfVec::try_from(vec![time(now)?])? },
    ])?;
    let (algorithm, signature) = match signature(&signer.key, &attributes.to_der()?) {
        Ok(made) => made,
        Err(fault) => return Ok(Err(fault)),
    };
    let (version, sid) = match key_id(&signer.certificate) {
        Some(id) => (CmsVersion::V3, SignerIdentifier::SubjectKeyIdentifier(id)),
        None => {
            let issuer = issuer_and_serial(&signer.certificate);
            (CmsVersion::V1, SignerIdentifier::IssuerAndSerialNumber(issuer))
        }
    };
    Ok(Ok(SignerInfo {
        version,
        sid,
        digest_alg: AlgorithmIdentifierOwned { oid: digest_oid, parameters: None },
        signed_attrs: Some(attributes),
        signature_algorithm: algorithm,
        signature: OctetString::new(signature)?,
        unsigned_attrs: None,
    }))
}

fn attribute(oid: ObjectIdentifier, value: &(impl Encode + der::Tagged)) -> der::Result<Attribute> {
    Ok(Attribute { oid, values: SetOfVec::try_from(vec![Any::from_der(&value.to_der()?)?])? })
}

fn time(now: SystemTime) -> der::Result<Any> {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let encoded = match since < UTC_TIME_END {
        true => UtcTime::from_unix_duration(Duration::from_secs(since.as_secs()))?.to_der()?,
        false => der::asn1::GeneralizedTime::from_unix_duration(Duration::from_secs(since.as_secs()))?.to_der()?,
    };
    Any::from_der(&encoded)
}

/// The signature over the attributes, and the algorithm that made it.
fn signature(key: &Key, attributes: &[u8]) -> Result<(AlgorithmIdentifierOwned, Vec<u8>), Fault> {
    let random = SystemRandom::new();
    let (oid, parameters, signature) = match key {
        Key::P256 { sign, .. } => (oid::ECDSA_SHA256, None, sign.sign(&random, attributes)?.as_ref().to_vec()),
        Key::P384 { sign, .. } => (oid::ECDSA_SHA384, None, sign.sign(&random, attributes)?.as_ref().to_vec()),
        Key::Ed25519(pair) => (oid::ED25519, None, pair.sign(attributes).as_ref().to_vec()),
        Key::Rsa { sign, .. } => {
            let mut signature = vec![0; sign.public_modulus_len()];
            sign.sign(&RSA_PKCS1_SHA384, &random, attributes, &mut signature)?;
            (oid::RSA_SHA384, Some(Any::null()), signature)
        }
    };
    Ok((AlgorithmIdentifierOwned { oid, parameters }, signature))
}

fn structure(
    content: &[u8],
    inside: bool,
    digest: Digest,
    signer: &Identity,
    signer_info: SignerInfo,
) -> der::Result<Vec<u8>> {
    let data = SignedData {
        version: signer_info.version,
        digests: SetOfVec::try_from(vec![AlgorithmIdentifierOwned { oid: digest.oid, parameters: None }])?,
        content: Content {
            kind: oid::DATA,
            bytes: match inside {
                true => Some(OctetString::new(content)?),
                false => None,
            },
        },
        certificates: Some(SetOfVec::try_from(vec![Any::from_der(&signer.der)?])?),
        lists: None,
        signers: SetOfVec::try_from(vec![signer_info])?,
    };
    ContentInfo { content_type: oid::SIGNED, content: Any::from_der(&data.to_der()?)? }.to_der()
}
