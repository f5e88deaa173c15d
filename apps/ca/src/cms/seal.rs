//! Sealing (SPEC SEC-5): content encrypted once, its key wrapped for every recipient.

use cms::{
    authenveloped_data::AuthEnvelopedData,
    content_info::{CmsVersion, ContentInfo},
    enveloped_data::{
        EncryptedContentInfo, KeyAgreeRecipientIdentifier, KeyAgreeRecipientInfo, KeyTransRecipientInfo,
        OriginatorIdentifierOrKey, OriginatorPublicKey, RecipientEncryptedKey, RecipientIdentifier, RecipientInfo,
        RecipientInfos, RecipientKeyIdentifier,
    },
};
use der::{
    Any, Decode, Encode,
    asn1::{BitString, ObjectIdentifier, OctetString},
};
use x509_cert::{Certificate, ext::pkix::KeyUsage, spki::AlgorithmIdentifierOwned};

use super::{
    CONTENT_MAX, Fault, RECIPIENTS_MAX, agree,
    cipher::{self, ContentKey},
    identity::{Curve, curve, issuer_and_serial, key_id},
    oid,
};

/// AuthEnvelopedData (DER, AES-256-GCM) that the holders of these certificates (DER) can open. That they are whose they should be is
/// for the caller to check: [`Trust::check`](super::Trust::check).
///
/// # Errors
/// `Recipients` for none or too many; `Certificate`, `CannotReceive` when one of them cannot be used: nothing is sealed then.
pub fn seal(content: &[u8], recipients: &[&[u8]]) -> Result<Vec<u8>, Fault> {
    if content.len() > CONTENT_MAX {
        return Err(Fault::TooLong);
    }
    if recipients.is_empty() || recipients.len() > RECIPIENTS_MAX {
        return Err(Fault::Recipients);
    }
    let encrypted = cipher::encrypt(content)?;
    let infos = recipients.iter().map(|der| recipient(der, &encrypted.key)).collect::<Result<Vec<_>, _>>()?;
    structure(infos, encrypted).map_err(|_| Fault::Crypto)
}

/// Whether content can be sealed for this certificate (DER): an EC key on a curve of ours, or an RSA key, whose usage allows it.
pub fn can_receive(der: &[u8]) -> bool {
    let Ok(certificate) = Certificate::from_der(der) else { return false };
    match certificate.tbs_certificate().subject_public_key_info().algorithm.oid == oid::RSA {
        true => may(&certificate, |usage| usage.key_encipherment()).is_ok(),
        false => curve(&certificate).is_some() && may(&certificate, |usage| usage.key_agreement()).is_ok(),
    }
}

fn recipient(der: &[u8], key: &ContentKey) -> Result<RecipientInfo, Fault> {
    let certificate = Certificate::from_der(der).map_err(|_| Fault::Certificate)?;
    let spki = certificate.tbs_certificate().subject_public_key_info();
    if spki.algorithm.oid == oid::RSA {
        may(&certificate, |usage| usage.key_encipherment())?;
        let spki = spki.to_der().map_err(|_| Fault::Certificate)?;
        let (algorithm, encrypted) = agree::transport(&spki, key)?;
        return transported(&certificate, algorithm, encrypted).map_err(|_| Fault::Crypto);
    }
    let curve = curve(&certificate).ok_or(Fault::CannotReceive)?;
    may(&certificate, |usage| usage.key_agreement())?;
    let public = spki.subject_public_key.as_bytes().ok_or(Fault::Certificate)?;
    let (point, wrapped) = agree::wrap(curve, public, key)?;
    agreed(&certificate, curve, &point, wrapped).map_err(|_| Fault::Crypto)
}

/// Its usage, where it says any, allows it.
fn may(certificate: &Certificate, allows: impl Fn(&KeyUsage) -> bool) -> Result<(), Fault> {
    let usage = certificate.tbs_certificate().get_extension::<KeyUsage>().map_err(|_| Fault::Certificate)?;
    match usage.is_none_or(|(_, usage)| allows(&usage)) {
        true => Ok(()),
        false => Err(Fault::CannotReceive),
    }
}

fn transported(
    certificate: &Certificate,
    algorithm: AlgorithmIdentifierOwned,
    encrypted: Vec<u8>,
) -> der::Result<RecipientInfo> {
    let (version, rid) = match key_id(certificate) {
        Some(id) => (CmsVersion::V2, RecipientIdentifier::SubjectKeyIdentifier(id)),
        None => (CmsVersion::V0, RecipientIdentifier::IssuerAndSerialNumber(issuer_and_serial(certificate))),
    };
    let enc_key = OctetString::new(encrypted)?;
    Ok(RecipientInfo::Ktri(KeyTransRecipientInfo { version, rid, key_enc_alg: algorithm, enc_key }))
}

fn agreed(certificate: &Certificate, on: Curve, point: &[u8], wrapped: Vec<u8>) -> der::Result<RecipientInfo> {
    let rid = match key_id(certificate) {
        Some(id) => KeyAgreeRecipientIdentifier::RKeyId(RecipientKeyIdentifier {
            subject_key_identifier: id,
            date: None,
            other: None,
        }),
        None => KeyAgreeRecipientIdentifier::IssuerAndSerialNumber(issuer_and_serial(certificate)),
    };
    let named: ObjectIdentifier = match on {
        Curve::P256 => oid::P256,
        Curve::P384 => oid::P384,
    };
    let originator = OriginatorPublicKey {
        algorithm: AlgorithmIdentifierOwned { oid: oid::EC_KEY, parameters: Some(Any::encode_from(&named)?) },
        public_key: BitString::from_bytes(point)?,
    };
    Ok(RecipientInfo::Kari(KeyAgreeRecipientInfo {
        version: CmsVersion::V3,
        originator: OriginatorIdentifierOrKey::OriginatorKey(originator),
        ukm: None,
        key_enc_alg: agree::key_agreement(on)?,
        recipient_enc_keys: vec![RecipientEncryptedKey { rid, enc_key: OctetString::new(wrapped)? }],
    }))
}

fn structure(infos: Vec<RecipientInfo>, encrypted: cipher::Encrypted) -> der::Result<Vec<u8>> {
    let data = AuthEnvelopedData {
        version: CmsVersion::V0,
        originator_info: None,
        recip_infos: RecipientInfos::try_from(infos)?,
        auth_encrypted_content_info: EncryptedContentInfo {
            content_type: oid::DATA,
            content_enc_alg: encrypted.algorithm,
            encrypted_content: Some(OctetString::new(encrypted.bytes)?),
        },
        auth_attrs: None,
        mac: OctetString::new(encrypted.tag)?,
        unauth_attrs: None,
    };
    ContentInfo { content_type: oid::AUTH_ENVELOPED, content: Any::encode_from(&data)? }.to_der()
}
