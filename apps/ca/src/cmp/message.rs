//! A message as it came (RFC 9810 section 5.1): who says it, in which transaction, and by what it is protected.

use std::time::{Duration, SystemTime};

use der::{
    Any, Decode, Encode, Sequence,
    asn1::{BitString, GeneralizedTime, OctetString},
};
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::{Fault, Mac, MacKey, ask::Info, oid};
use crate::{device, encoding};

/// Bytes of a message; a longer one is none.
pub const MESSAGE_MAX: usize = 32 * 1024;
/// Bytes of our nonces, and the least of theirs (RFC 9483 section 3.1).
pub const NONCE_BYTES: usize = 16;
/// Bytes of a transaction's number, of a nonce, and of a reference.
const ID_MAX: usize = 128;
/// Certificates beside a message; a chain is two or three.
const EXTRA_MAX: usize = 16;
/// cmp2000 and cmp2021.
const VERSIONS: [u8; 2] = [2, 3];

#[derive(Sequence)]
pub(super) struct PkiMessage {
    pub(super) header: Any,
    pub(super) body: Any,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) protection: Option<BitString>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) extra: Option<Vec<Any>>,
}

/// What the protection covers.
#[derive(Sequence)]
pub(super) struct ProtectedPart {
    pub(super) header: Any,
    pub(super) body: Any,
}

#[derive(Sequence)]
pub(super) struct Header {
    pub(super) version: u8,
    pub(super) sender: Any,
    pub(super) recipient: Any,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) time: Option<GeneralizedTime>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) algorithm: Option<AlgorithmIdentifierOwned>,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) sender_kid: Option<OctetString>,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) recipient_kid: Option<OctetString>,
    #[asn1(context_specific = "4", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) transaction: Option<OctetString>,
    #[asn1(context_specific = "5", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) sender_nonce: Option<OctetString>,
    #[asn1(context_specific = "6", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) recipient_nonce: Option<OctetString>,
    #[asn1(context_specific = "7", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) free_text: Option<Vec<String>>,
    #[asn1(context_specific = "8", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) information: Option<Vec<Info>>,
}

/// A message that can be answered. Nothing of it is to be believed before its protection is checked.
pub struct Message {
    pub(super) header: Header,
    pub(super) body: Any,
    protected: Vec<u8>,
    protection: Option<BitString>,
    extra: Vec<Vec<u8>>,
}

impl Message {
    /// `None` for what is no message: nobody could be answered.
    pub fn read(der: &[u8]) -> Option<Message> {
        if der.len() > MESSAGE_MAX {
            return None;
        }
        let PkiMessage { header, body, protection, extra } = PkiMessage::from_der(der).ok()?;
        let extra = extra.unwrap_or_default();
        if extra.len() > EXTRA_MAX {
            return None;
        }
        let extra = extra.iter().map(|certificate| certificate.to_der().ok()).collect::<Option<_>>()?;
        let read = Header::from_der(&header.to_der().ok()?).ok()?;
        let protected = ProtectedPart { header, body: body.clone() }.to_der().ok()?;
        Some(Message { header: read, body, protected, protection, extra })
    }

    /// Whether it has what every message must have: a version, a number for the transaction, a nonce.
    pub fn check(&self) -> Result<(), Fault> {
        let header = &self.header;
        if !VERSIONS.contains(&header.version) {
            return Err(Fault::UnsupportedVersion);
        }
        if !(1..=ID_MAX).contains(&self.transaction().len()) || self.reference().len() > ID_MAX {
            return Err(Fault::BadDataFormat);
        }
        if !(NONCE_BYTES..=ID_MAX).contains(&bytes(header.sender_nonce.as_ref()).len()) {
            return Err(Fault::BadSenderNonce);
        }
        Ok(())
    }

    /// The number of the transaction that it belongs to; empty if it names none.
    pub fn transaction(&self) -> &[u8] {
        bytes(self.header.transaction.as_ref())
    }

    /// The nonce of ours that it answers; empty in a first message.
    pub fn answers(&self) -> &[u8] {
        bytes(self.header.recipient_nonce.as_ref())
    }

    /// What tells which secret, or which certificate, protects it (senderKID).
    pub fn reference(&self) -> &[u8] {
        bytes(self.header.sender_kid.as_ref())
    }

    /// When it was made, as it says.
    pub fn time(&self) -> Option<SystemTime> {
        let since: Duration = self.header.time.as_ref()?.to_unix_duration();
        SystemTime::UNIX_EPOCH.checked_add(since)
    }

    /// Its sender would rather not confirm the certificate (RFC 9810 section 5.1.1.1).
    pub fn wants_no_confirmation(&self) -> bool {
        self.header.information.iter().flatten().any(|info| info.kind == oid::IMPLICIT_CONFIRM)
    }

    pub fn is_protected(&self) -> bool {
        self.protection.is_some()
    }

    /// How it is protected by a shared secret; `None` when it is not.
    ///
    /// # Errors
    /// `BadAlg` for parameters that are not allowed.
    pub fn mac(&self) -> Result<Option<Mac>, Fault> {
        match (&self.protection, &self.header.algorithm) {
            (Some(_), Some(algorithm)) => Mac::read(algorithm),
            (None, _) | (_, None) => Ok(None),
        }
    }

    /// Whether this key protects it.
    pub fn is_sealed_by(&self, key: &MacKey) -> bool {
        let Some(tag) = self.protection.as_ref().and_then(BitString::as_bytes) else { return false };
        key.verifies(&self.protected, tag)
    }

    /// The certificate (DER) that is to have signed it: the first of those beside it (RFC 9483 section 3.3).
    pub fn signer(&self) -> Option<&[u8]> {
        self.extra.first().map(Vec::as_slice)
    }

    /// Whether the key of this certificate (DER) has signed it. Whose it is, is another matter.
    pub fn is_signed_by(&self, certificate: &[u8]) -> bool {
        let (Some(signature), Some(algorithm)) = (&self.protection, &self.header.algorithm) else { return false };
        let Ok(certificate) = encoding::parse(certificate) else { return false };
        device::verifies(certificate.public_key(), algorithm, signature, &self.protected)
    }
}

fn bytes(id: Option<&OctetString>) -> &[u8] {
    id.map(OctetString::as_bytes).unwrap_or_default()
}
