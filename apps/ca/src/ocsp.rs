//! The responder (RFC 6960): what became of certificates, said by the authority itself.

use std::time::{Duration, SystemTime};

use aws_lc_rs::digest;
use der::{
    Any, Choice, Decode, Encode, Enumerated, Sequence,
    asn1::{BitString, GeneralizedTime, Int, Null, ObjectIdentifier, OctetString},
};
use x509_cert::{ext::Extension, spki::AlgorithmIdentifierOwned};

use crate::{Authority, Error, Reason, encoding};

/// Bytes of a request; a longer one is malformed.
pub const REQUEST_MAX: usize = 8 * 1024;
/// Certificates of one request; beyond, it is malformed.
const ASKED_MAX: usize = 16;
/// How long an answer may be kept and believed.
pub const GOOD_FOR: Duration = Duration::from_secs(60 * 60);
/// Bytes of a nonce (RFC 9654).
const NONCE_MAX: usize = 128;

const BASIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.1");
const NONCE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.2");
const SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");

/// What is known of a serial number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Good,
    Revoked {
        at: SystemTime,
        reason: Reason,
    },
    /// We have not issued it.
    Unknown,
}

#[derive(Sequence)]
struct OcspRequest {
    tbs_request: TbsRequest,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    signature: Option<Any>,
}

#[derive(Sequence)]
struct TbsRequest {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", default = "Default::default")]
    version: u8,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    requestor: Option<Any>,
    list: Vec<Asked>,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Vec<Extension>>,
}

#[derive(Sequence)]
struct Asked {
    certificate: CertId,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Vec<Extension>>,
}

#[derive(Clone, Sequence)]
struct CertId {
    hash: AlgorithmIdentifierOwned,
    issuer_name_hash: OctetString,
    issuer_key_hash: OctetString,
    serial: Int,
}

#[derive(Sequence)]
struct OcspResponse {
    status: ResponseStatus,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    bytes: Option<ResponseBytes>,
}

#[derive(Clone, Copy, Enumerated)]
#[repr(u8)]
enum ResponseStatus {
    Successful = 0,
    MalformedRequest = 1,
    InternalError = 2,
}

#[derive(Sequence)]
struct ResponseBytes {
    kind: ObjectIdentifier,
    response: OctetString,
}

#[derive(Sequence)]
struct BasicResponse {
    data: ResponseData,
    algorithm: AlgorithmIdentifierOwned,
    signature: BitString,
}

#[derive(Sequence)]
struct ResponseData {
    responder: ResponderId,
    produced_at: GeneralizedTime,
    responses: Vec<SingleResponse>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Vec<Extension>>,
}

#[derive(Choice)]
enum ResponderId {
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", constructed = "true")]
    ByKey(OctetString),
}

#[derive(Sequence)]
struct SingleResponse {
    certificate: CertId,
    status: CertStatus,
    this_update: GeneralizedTime,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    next_update: Option<GeneralizedTime>,
}

#[derive(Choice)]
enum CertStatus {
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT")]
    Good(Null),
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", constructed = "true")]
    Revoked(RevokedInfo),
    #[asn1(context_specific = "2", tag_mode = "IMPLICIT")]
    Unknown(Null),
}

#[derive(Sequence)]
struct RevokedInfo {
    time: GeneralizedTime,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    reason: Option<CrlReason>,
}

#[derive(Clone, Copy, Enumerated)]
#[repr(u8)]
enum CrlReason {
    Unspecified = 0,
    KeyCompromise = 1,
    AffiliationChanged = 3,
    Superseded = 4,
    CessationOfOperation = 5,
    PrivilegeWithdrawn = 9,
}

/// Answers a request (DER) with a response (DER), always. `status` is asked for the serial numbers of `authority`'s own
/// certificates, as [`crate::Subject`] has them.
pub fn respond(
    authority: &Authority,
    request: &[u8],
    now: SystemTime,
    status: impl Fn(&[u8]) -> Result<Status, Error>,
) -> Vec<u8> {
    let Some(request) = parse(request) else {
        return failed(ResponseStatus::MalformedRequest);
    };
    answer(authority, request, now, status).unwrap_or_else(|_| failed(ResponseStatus::InternalError))
}

fn parse(request: &[u8]) -> Option<TbsRequest> {
    if request.len() > REQUEST_MAX {
        return None;
    }
    // That it is signed, and by whom, changes nothing: anybody may know.
    let request = OcspRequest::from_der(request).ok()?.tbs_request;
    (1..=ASKED_MAX).contains(&request.list.len()).then_some(request)
}

fn failed(status: ResponseStatus) -> Vec<u8> {
    OcspResponse { status, bytes: None }.to_der().unwrap_or_default()
}

fn answer(
    authority: &Authority,
    request: TbsRequest,
    now: SystemTime,
    status: impl Fn(&[u8]) -> Result<Status, Error>,
) -> Result<Vec<u8>, Error> {
    let names = Names::of(authority)?;
    let mut responses = Vec::with_capacity(request.list.len());
    for Asked { certificate, .. } in request.list {
        let status = match names.is_ours(&certificate) {
            true => status(&encoding::magnitude(certificate.serial.as_bytes()))?,
            false => Status::Unknown,
        };
        let (this_update, next_update) = (time(now)?, Some(time(now + GOOD_FOR)?));
        responses.push(SingleResponse { certificate, status: said(status)?, this_update, next_update });
    }
    let data = ResponseData {
        responder: ResponderId::ByKey(OctetString::new(names.key_sha1).map_err(encoded)?),
        produced_at: time(now)?,
        responses,
        extensions: nonce(request.extensions),
    };
    let signature = authority.sign_bytes(&data.to_der().map_err(encoded)?)?;
    let basic = BasicResponse { data, algorithm: authority.algorithm.clone(), signature };
    let response = OctetString::new(basic.to_der().map_err(encoded)?).map_err(encoded)?;
    let bytes = Some(ResponseBytes { kind: BASIC, response });
    OcspResponse { status: ResponseStatus::Successful, bytes }.to_der().map_err(encoded)
}

/// What an asker's nonce is, comes back, so that it knows the answer for its own.
fn nonce(extensions: Option<Vec<Extension>>) -> Option<Vec<Extension>> {
    let is_nonce =
        |extension: &Extension| extension.extn_id == NONCE && extension.extn_value.as_bytes().len() <= NONCE_MAX;
    let nonce = extensions?.into_iter().find(is_nonce)?;
    Some(vec![Extension { critical: false, ..nonce }])
}

fn said(status: Status) -> Result<CertStatus, Error> {
    Ok(match status {
        Status::Good => CertStatus::Good(Null),
        Status::Unknown => CertStatus::Unknown(Null),
        Status::Revoked { at, reason } => {
            CertStatus::Revoked(RevokedInfo { time: time(at)?, reason: Some(crl_reason(reason)) })
        }
    })
}

fn crl_reason(reason: Reason) -> CrlReason {
    match reason {
        Reason::Unspecified => CrlReason::Unspecified,
        Reason::KeyCompromise => CrlReason::KeyCompromise,
        Reason::AffiliationChanged => CrlReason::AffiliationChanged,
        Reason::Superseded => CrlReason::Superseded,
        Reason::CessationOfOperation => CrlReason::CessationOfOperation,
        Reason::PrivilegeWithdrawn => CrlReason::PrivilegeWithdrawn,
    }
}

/// How requests name the authority.
struct Names {
    key_sha1: Vec<u8>,
    key_sha256: Vec<u8>,
    name_sha1: Vec<u8>,
    name_sha256: Vec<u8>,
}

impl Names {
    fn of(authority: &Authority) -> Result<Names, Error> {
        let own = encoding::parse(authority.certificate_der())?;
        let (name, key) = (own.subject().as_raw(), own.public_key().subject_public_key.data.as_ref());
        let hash = |algorithm, bytes| digest::digest(algorithm, bytes).as_ref().to_vec();
        Ok(Names {
            key_sha1: hash(&digest::SHA1_FOR_LEGACY_USE_ONLY, key),
            key_sha256: hash(&digest::SHA256, key),
            name_sha1: hash(&digest::SHA1_FOR_LEGACY_USE_ONLY, name),
            name_sha256: hash(&digest::SHA256, name),
        })
    }

    fn is_ours(&self, asked: &CertId) -> bool {
        let (name, key) = match asked.hash.oid {
            SHA1 => (&self.name_sha1, &self.key_sha1),
            SHA256 => (&self.name_sha256, &self.key_sha256),
            _ => return false,
        };
        asked.issuer_name_hash.as_bytes() == name && asked.issuer_key_hash.as_bytes() == key
    }
}

pub(crate) fn time(time: SystemTime) -> Result<GeneralizedTime, Error> {
    // To the second: RFC 5280 section 4.1.2.5.2 forbids fractions.
    let since = time.duration_since(SystemTime::UNIX_EPOCH).map_err(|_| Error::Time)?;
    GeneralizedTime::from_unix_duration(Duration::from_secs(since.as_secs())).map_err(|_| Error::Time)
}

fn encoded(error: der::Error) -> Error {
    Error::Crypto(error.to_string())
}
