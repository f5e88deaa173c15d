//! Opening (SPEC SEC-6): AuthEnvelopedData, and EnvelopedData of older senders.

use cms::{
    authenveloped_data::AuthEnvelopedData,
    content_info::ContentInfo,
    enveloped_data::{
        EncryptedContentInfo, EnvelopedData, KeyAgreeRecipientIdentifier, KeyAgreeRecipientInfo, KeyTransRecipientInfo,
        OriginatorIdentifierOrKey, RecipientIdentifier, RecipientInfo, RecipientInfos,
    },
};
use der::{Decode, Encode, EncodingRules};

use super::{
    CONTENT_MAX, Fault, Identity, RECIPIENTS_MAX, agree,
    cipher::{self, ContentKey},
    identity::{Curve, Key, issuer_and_serial, key_id, same},
    oid,
};

/// Bytes of an envelope besides its content: half a kilobyte for each recipient, and as much again for attributes.
const ENVELOPE_MAX: usize = CONTENT_MAX + RECIPIENTS_MAX * 1024;

/// An envelope, of either kind.
enum Envelope {
    Authenticated(AuthEnvelopedData),
    Plain(EnvelopedData),
}

/// Whether bytes are an envelope (SPEC SEC-7): a ContentInfo of an enveloped type that can be read to its end and has a recipient.
pub fn is_sealed(bytes: &[u8]) -> bool {
    read(bytes).is_ok_and(|envelope| !recipients(&envelope).0.is_empty())
}

/// What was sealed for this identity.
///
/// # Errors
/// `TooLong`, `Malformed`, `Algorithm`, `NotForUs`; `Unreadable` for everything that is found wrong with the keys or the content.
pub fn open(sealed: &[u8], own: &Identity) -> Result<Vec<u8>, Fault> {
    let envelope = read(sealed)?;
    let infos = recipients(&envelope);
    if infos.0.len() > RECIPIENTS_MAX {
        return Err(Fault::TooLong);
    }
    let key = infos.0.iter().find_map(|info| key_for(own, info)).ok_or(Fault::NotForUs)??;
    match &envelope {
        Envelope::Authenticated(data) => {
            let content = encrypted(&data.auth_encrypted_content_info)?;
            let attributes = match &data.auth_attrs {
                Some(attributes) => attributes.to_der().map_err(|_| Fault::Malformed)?,
                None => Vec::new(),
            };
            let algorithm = &data.auth_encrypted_content_info.content_enc_alg;
            cipher::open_gcm(algorithm, &key, &attributes, content, data.mac.as_bytes())
        }
        Envelope::Plain(data) => {
            cipher::open_cbc(&data.encrypted_content.content_enc_alg, &key, encrypted(&data.encrypted_content)?)
        }
    }
}

fn read(bytes: &[u8]) -> Result<Envelope, Fault> {
    if bytes.len() > ENVELOPE_MAX {
        return Err(Fault::TooLong);
    }
    let info = ContentInfo::from_ber(bytes).map_err(|_| Fault::Malformed)?;
    let read = match info.content_type {
        kind if kind == oid::AUTH_ENVELOPED => {
            info.content.decode_as_encoding(EncodingRules::Ber).map(Envelope::Authenticated)
        }
        kind if kind == oid::ENVELOPED => info.content.decode_as_encoding(EncodingRules::Ber).map(Envelope::Plain),
        _ => return Err(Fault::Malformed),
    };
    read.map_err(|_| Fault::Malformed)
}

fn recipients(envelope: &Envelope) -> &RecipientInfos {
    match envelope {
        Envelope::Authenticated(data) => &data.recip_infos,
        Envelope::Plain(data) => &data.recip_infos,
    }
}

fn encrypted(content: &EncryptedContentInfo) -> Result<&[u8], Fault> {
    content.encrypted_content.as_ref().map(|bytes| bytes.as_bytes()).ok_or(Fault::Malformed)
}

/// The content's key, if this recipient is us.
fn key_for(own: &Identity, info: &RecipientInfo) -> Option<Result<ContentKey, Fault>> {
    match info {
        RecipientInfo::Ktri(info) => transported(own, info),
        RecipientInfo::Kari(info) => agreed(own, info),
        // By a key or password known beforehand: not ours.
        RecipientInfo::Kekri(_) | RecipientInfo::Pwri(_) | RecipientInfo::Ori(_) => None,
    }
}

fn transported(own: &Identity, info: &KeyTransRecipientInfo) -> Option<Result<ContentKey, Fault>> {
    let is_us = match &info.rid {
        RecipientIdentifier::IssuerAndSerialNumber(named) => same(named, &issuer_and_serial(&own.certificate)),
        RecipientIdentifier::SubjectKeyIdentifier(named) => key_id(&own.certificate).as_ref() == Some(named),
    };
    match &own.key {
        Key::Rsa { decrypt, .. } if is_us => Some(agree::received(decrypt, &info.key_enc_alg, info.enc_key.as_bytes())),
        Key::Rsa { .. } | Key::P256 { .. } | Key::P384 { .. } | Key::Ed25519(_) => None,
    }
}

fn agreed(own: &Identity, info: &KeyAgreeRecipientInfo) -> Option<Result<ContentKey, Fault>> {
    let is_us = |rid: &KeyAgreeRecipientIdentifier| match rid {
        KeyAgreeRecipientIdentifier::IssuerAndSerialNumber(named) => same(named, &issuer_and_serial(&own.certificate)),
        KeyAgreeRecipientIdentifier::RKeyId(named) => {
            key_id(&own.certificate).as_ref() == Some(&named.subject_key_identifier)
        }
    };
    let ours = info.recipient_enc_keys.iter().find(|key| is_us(&key.rid))?;
    let (curve, agree) = match &own.key {
        Key::P256 { agree, .. } => (Curve::P256, agree),
        Key::P384 { agree, .. } => (Curve::P384, agree),
        Key::Rsa { .. } | Key::Ed25519(_) => return None,
    };
    let OriginatorIdentifierOrKey::OriginatorKey(originator) = &info.originator else {
        // A static key of the sender's: not used by SEC-5.
        return Some(Err(Fault::Algorithm));
    };
    let point = originator.public_key.as_bytes().unwrap_or_default();
    Some(agree::unwrap(agree, curve, point, &info.key_enc_alg, info.ukm.as_ref(), ours.enc_key.as_bytes()))
}
