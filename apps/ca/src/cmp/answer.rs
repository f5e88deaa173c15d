//! Answers, protected as what they answer was (RFC 9810 sections 5.1, 5.3).

use std::time::SystemTime;

use der::{
    Any, Decode, Encode, Sequence, Tag, TagNumber,
    asn1::{BitString, Null, OctetString},
};
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::{
    Fault, Info, Kind, MacKey, Message, NONCE_BYTES, Responder,
    message::{Header, PkiMessage, ProtectedPart},
    oid,
};
use crate::{Error, ocsp};

/// What is answered.
pub enum Answer<'a> {
    Issued {
        kind: Kind,
        id: i64,
        /// DER.
        certificate: &'a [u8],
        /// The root (DER), for who does not know it yet: only what a shared secret protects may bring it.
        root: Option<&'a [u8]>,
    },
    NotIssued {
        kind: Kind,
        id: i64,
        why: Fault,
    },
    /// pkiConf: the transaction is over.
    Noted,
    Revoked,
    NotRevoked(Fault),
    Information(Vec<Info>),
    Failed(Fault),
}

/// What is around an answer.
pub struct Envelope<'a> {
    pub seal: Seal<'a>,
    pub responder: &'a Responder,
    /// Certificates (DER) that stand between what the authority issues and the root.
    pub between: &'a [&'a [u8]],
    pub nonce: [u8; NONCE_BYTES],
    /// The client need not confirm what it gets.
    pub is_confirmed: bool,
    pub now: SystemTime,
}

/// What protects an answer.
#[derive(Clone, Copy)]
pub enum Seal<'a> {
    Secret(&'a MacKey),
    /// The responder's signature.
    Signature,
}

#[derive(Sequence)]
struct CertRepMessage {
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    roots: Option<Vec<Any>>,
    responses: Vec<CertResponse>,
}

#[derive(Sequence)]
struct CertResponse {
    id: i64,
    status: StatusInfo,
    pair: Option<CertifiedKeyPair>,
}

#[derive(Sequence)]
struct CertifiedKeyPair {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    certificate: Any,
}

#[derive(Sequence)]
pub(super) struct StatusInfo {
    status: u8,
    text: Option<Vec<String>>,
    failure: Option<BitString>,
}

#[derive(Sequence)]
struct RevRepContent {
    statuses: Vec<StatusInfo>,
}

#[derive(Sequence)]
struct ErrorMsgContent {
    status: StatusInfo,
}

const ACCEPTED: u8 = 0;
/// The policy says what is in a certificate, whatever was wished for.
const GRANTED_WITH_MODS: u8 = 1;
const REJECTION: u8 = 2;

impl StatusInfo {
    pub(super) fn is_good(&self) -> bool {
        [ACCEPTED, GRANTED_WITH_MODS].contains(&self.status)
    }

    fn good(status: u8) -> StatusInfo {
        StatusInfo { status, text: None, failure: None }
    }

    fn rejection(why: Fault) -> der::Result<StatusInfo> {
        Ok(StatusInfo { status: REJECTION, text: Some(vec![why.to_string()]), failure: Some(why.bits()?) })
    }
}

impl Message {
    /// An answer to this message, DER.
    ///
    /// # Errors
    /// `Crypto` when it cannot be signed or encoded.
    pub fn answer(&self, answer: Answer<'_>, envelope: &Envelope<'_>) -> Result<Vec<u8>, Error> {
        let body = body(answer).map_err(encoded)?;
        let header = Any::encode_from(&self.header_for(envelope)?).map_err(encoded)?;
        let protected = ProtectedPart { header: header.clone(), body: body.clone() }.to_der().map_err(encoded)?;
        let (tag, own) = match envelope.seal {
            Seal::Secret(key) => (key.tag(&protected), None),
            Seal::Signature => (envelope.responder.sign(&protected)?, Some(envelope.responder.certificate())),
        };
        let extra = own.iter().chain(envelope.between).map(|der| Any::from_der(der));
        let extra = extra.collect::<der::Result<Vec<_>>>().map_err(encoded)?;
        let extra = Some(extra).filter(|extra| !extra.is_empty());
        let protection = Some(BitString::from_bytes(&tag).map_err(encoded)?);
        PkiMessage { header, body, protection, extra }.to_der().map_err(encoded)
    }

    fn header_for(&self, envelope: &Envelope<'_>) -> Result<Header, Error> {
        let Envelope { seal, responder, nonce, is_confirmed, now, between: _ } = envelope;
        let (algorithm, sender_kid) = match seal {
            Seal::Secret(key) => (key.algorithm.clone(), self.header.sender_kid.clone()),
            Seal::Signature => {
                let algorithm = AlgorithmIdentifierOwned { oid: oid::ECDSA_SHA256, parameters: None };
                (algorithm, Some(OctetString::new(responder.key_id()).map_err(encoded)?))
            }
        };
        let confirmed = || Info { kind: oid::IMPLICIT_CONFIRM, value: Some(Any::from(Null)) };
        Ok(Header {
            version: self.header.version.clamp(2, 3),
            // directoryName.
            sender: explicit(4, responder.name()).map_err(encoded)?,
            recipient: self.header.sender.clone(),
            time: Some(ocsp::time(*now)?),
            algorithm: Some(algorithm),
            sender_kid,
            recipient_kid: None,
            transaction: self.header.transaction.clone(),
            sender_nonce: Some(OctetString::new(*nonce).map_err(encoded)?),
            recipient_nonce: self.header.sender_nonce.clone(),
            free_text: None,
            information: is_confirmed.then(|| vec![confirmed()]),
        })
    }
}

fn body(answer: Answer<'_>) -> der::Result<Any> {
    match answer {
        Answer::Issued { kind, id, certificate, root } => {
            let pair = Some(CertifiedKeyPair { certificate: Any::from_der(certificate)? });
            let response = CertResponse { id, status: StatusInfo::good(GRANTED_WITH_MODS), pair };
            let roots = root.map(Any::from_der).transpose()?.map(|root| vec![root]);
            explicit(kind.answer(), &CertRepMessage { roots, responses: vec![response] }.to_der()?)
        }
        Answer::NotIssued { kind, id, why } => {
            let response = CertResponse { id, status: StatusInfo::rejection(why)?, pair: None };
            explicit(kind.answer(), &CertRepMessage { roots: None, responses: vec![response] }.to_der()?)
        }
        Answer::Noted => explicit(19, &Null.to_der()?),
        Answer::Revoked => revoked(StatusInfo::good(ACCEPTED)),
        Answer::NotRevoked(why) => revoked(StatusInfo::rejection(why)?),
        Answer::Information(infos) => explicit(22, &infos.to_der()?),
        Answer::Failed(why) => explicit(23, &ErrorMsgContent { status: StatusInfo::rejection(why)? }.to_der()?),
    }
}

fn revoked(status: StatusInfo) -> der::Result<Any> {
    explicit(12, &RevRepContent { statuses: vec![status] }.to_der()?)
}

impl Kind {
    /// ip, cp, kup.
    fn answer(self) -> u32 {
        match self {
            Kind::Initial => 1,
            Kind::Further | Kind::Pkcs10 => 3,
            Kind::Renewal => 8,
        }
    }
}

fn explicit(number: u32, inside: &[u8]) -> der::Result<Any> {
    Any::new(Tag::ContextSpecific { constructed: true, number: TagNumber(number) }, inside)
}

fn encoded(error: der::Error) -> Error {
    Error::Crypto(error.to_string())
}
