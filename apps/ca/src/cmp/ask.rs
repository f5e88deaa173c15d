//! What a message asks for (RFC 9810 section 5.3).

use der::{
    Any, Decode, DecodeValue, Encode, FixedTag, Sequence, Tag, TagNumber, Tagged,
    asn1::{Int, ObjectIdentifier, OctetString},
};
use x509_cert::{ext::Extension, spki::AlgorithmIdentifierOwned};

use super::{Fault, Message, answer::StatusInfo, oid};
use crate::{
    Error, Reason, encoding,
    template::{CertRequest, Template, part},
};

/// A piece of information and, in an answer, what it is.
#[derive(Debug, Clone, PartialEq, Eq, Sequence)]
pub struct Info {
    pub kind: ObjectIdentifier,
    pub value: Option<Any>,
}

impl Info {
    /// With one value (DER).
    ///
    /// # Errors
    /// `Crypto` for what is no DER.
    pub fn one(kind: ObjectIdentifier, value: &[u8]) -> Result<Info, Error> {
        let value = Any::from_der(value).map_err(|error| Error::Crypto(error.to_string()))?;
        Ok(Info { kind, value: Some(value) })
    }

    /// With a sequence of values.
    ///
    /// # Errors
    /// As [`Info::one`].
    pub fn list(kind: ObjectIdentifier, values: &[&[u8]]) -> Result<Info, Error> {
        let list = Any::new(Tag::Sequence, values.concat()).map_err(|error| Error::Crypto(error.to_string()))?;
        Ok(Info { kind, value: Some(list) })
    }
}

/// What somebody wants.
#[derive(Debug)]
pub enum Ask {
    /// ir, cr, p10cr, kur.
    Certificate(Wish),
    /// rr.
    Revocation {
        /// DER of the name of whoever issued it, if it is named.
        issuer: Option<Vec<u8>>,
        /// The number's magnitude, as in [`crate::Subject`].
        serial: Vec<u8>,
        reason: Reason,
    },
    /// certConf; also an error, with which a client ends what it has begun.
    Confirmation(Confirmation),
    /// genm.
    Information(Vec<Info>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    pub kind: Kind,
    /// How the client calls it.
    pub id: i64,
    /// PKCS#10 or CRMF, as [`crate::Authority::device`] takes it.
    pub request: Vec<u8>,
    /// The serial number of the certificate that is to be renewed, where it is named.
    pub renews: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Initial,
    Further,
    Pkcs10,
    Renewal,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Confirmation {
    /// The certificate with this hash has come and is good.
    Accepted { hash: Vec<u8>, id: i64 },
    /// The client will not use what it was given.
    Rejected,
}

#[derive(Sequence)]
struct CertStatus {
    hash: OctetString,
    id: i64,
    status: Option<StatusInfo>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    algorithm: Option<AlgorithmIdentifierOwned>,
}

#[derive(Sequence)]
struct RevDetails {
    details: Template,
    extensions: Option<Vec<Extension>>,
}

/// What the control oldCertID names.
#[derive(Sequence)]
struct CertId {
    issuer: Any,
    serial: Int,
}

/// Pieces of information of one request.
const INFORMATION_MAX: usize = 16;
/// The version of requests by PKCS#10 has no number for them.
const PKCS10_ID: i64 = -1;

impl Message {
    /// # Errors
    /// `BadDataFormat`; `BadRequest` for what is not done here, several requests in one message included (RFC 9483).
    pub fn ask(&self) -> Result<Ask, Fault> {
        let Tag::ContextSpecific { constructed: true, number: TagNumber(number) } = self.body.tag() else {
            return Err(Fault::BadDataFormat);
        };
        let inside = self.body.value();
        match number {
            0 => crmf(Kind::Initial, inside),
            2 => crmf(Kind::Further, inside),
            4 => pkcs10(inside),
            7 => crmf(Kind::Renewal, inside),
            11 => revocation(inside),
            21 => information(inside),
            23 => Ok(Ask::Confirmation(Confirmation::Rejected)),
            24 => confirmation(inside),
            _ => Err(Fault::BadRequest),
        }
    }
}

fn crmf(kind: Kind, inside: &[u8]) -> Result<Ask, Fault> {
    let request = only(read::<Vec<Any>>(inside)?)?.to_der().map_err(|_| Fault::BadDataFormat)?;
    // What is asked for is proved, and judged, where it is issued.
    let first: Vec<Any> = read(&request)?;
    let asked: CertRequest =
        first.first().ok_or(Fault::BadDataFormat)?.decode_as().map_err(|_| Fault::BadDataFormat)?;
    let mut old = asked.controls.iter().flatten().filter(|control| control.kind == oid::OLD_CERT);
    let renews = old.next().map(|control| control.value.decode_as::<CertId>()).transpose();
    let renews = renews.map_err(|_| Fault::BadDataFormat)?;
    let renews = renews.map(|old| encoding::magnitude(old.serial.as_bytes()));
    Ok(Ask::Certificate(Wish { kind, id: asked.id, request, renews }))
}

fn pkcs10(inside: &[u8]) -> Result<Ask, Fault> {
    Ok(Ask::Certificate(Wish { kind: Kind::Pkcs10, id: PKCS10_ID, request: inside.to_vec(), renews: None }))
}

fn revocation(inside: &[u8]) -> Result<Ask, Fault> {
    let RevDetails { details, extensions } = only(read::<Vec<RevDetails>>(inside)?)?;
    let serial = encoding::magnitude(part(&details, 1).ok_or(Fault::BadCertId)?);
    let issuer = part(&details, 3).map(<[u8]>::to_vec);
    let reason = extensions.iter().flatten().find(|extension| extension.extn_id == oid::REASON);
    let reason = match reason.map(|extension| extension.extn_value.as_bytes()) {
        None => Reason::Unspecified,
        // On hold, or good again: what is over is over.
        Some([0x0a, 1, 6 | 8]) => return Err(Fault::BadRequest),
        Some([0x0a, 1, code]) => Reason::of_code(*code).unwrap_or(Reason::Unspecified),
        Some(_) => return Err(Fault::BadDataFormat),
    };
    Ok(Ask::Revocation { issuer, serial, reason })
}

fn information(inside: &[u8]) -> Result<Ask, Fault> {
    let asked: Vec<Info> = read(inside)?;
    if asked.len() > INFORMATION_MAX {
        return Err(Fault::BadRequest);
    }
    Ok(Ask::Information(asked))
}

fn confirmation(inside: &[u8]) -> Result<Ask, Fault> {
    let statuses: Vec<CertStatus> = read(inside)?;
    if statuses.is_empty() {
        return Ok(Ask::Confirmation(Confirmation::Rejected));
    }
    let CertStatus { hash, id, status, .. } = only(statuses)?;
    Ok(Ask::Confirmation(match status.is_none_or(|status| status.is_good()) {
        true => Confirmation::Accepted { hash: hash.as_bytes().to_vec(), id },
        false => Confirmation::Rejected,
    }))
}

fn read<T>(der: &[u8]) -> Result<T, Fault>
where
    T: for<'a> DecodeValue<'a, Error = der::Error> + FixedTag,
{
    Any::from_der(der).and_then(|any| any.decode_as()).map_err(|_| Fault::BadDataFormat)
}

fn only<T>(list: Vec<T>) -> Result<T, Fault> {
    let mut list = list.into_iter();
    match (list.next(), list.next()) {
        (Some(only), None) => Ok(only),
        (None, _) | (Some(_), Some(_)) => Err(Fault::BadRequest),
    }
}
