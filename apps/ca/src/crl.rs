//! The revocation list (RFC 5280 section 5).

use std::time::SystemTime;

use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevocationReason, RevokedCertParams, SerialNumber};
use x509_parser::{
    extensions::ParsedExtension,
    prelude::FromDer,
    revocation_list::{CertificateRevocationList, RevokedCertificate},
};

use crate::{Authority, Error, encoding, validity};

/// Bytes of a serial number (RFC 5280 section 4.1.2.2).
const SERIAL_MAX: usize = 20;

/// One certificate that is no longer good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// As in [`crate::Certificate`] and [`crate::Subject`].
    pub serial: Vec<u8>,
    pub at: SystemTime,
    pub reason: Reason,
}

/// Why (RFC 5280 section 5.3.1): those of its reasons that this authority gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    Unspecified,
    KeyCompromise,
    AffiliationChanged,
    Superseded,
    CessationOfOperation,
    PrivilegeWithdrawn,
}

impl Reason {
    const ALL: [(Reason, u8, &str); 6] = [
        (Reason::Unspecified, 0, "unspecified"),
        (Reason::KeyCompromise, 1, "keyCompromise"),
        (Reason::AffiliationChanged, 3, "affiliationChanged"),
        (Reason::Superseded, 4, "superseded"),
        (Reason::CessationOfOperation, 5, "cessationOfOperation"),
        (Reason::PrivilegeWithdrawn, 9, "privilegeWithdrawn"),
    ];

    /// Its number in lists and answers.
    pub fn code(self) -> u8 {
        Reason::ALL.iter().find(|(reason, ..)| *reason == self).map_or(0, |(_, code, _)| *code)
    }

    /// Its name in the standard.
    pub fn name(self) -> &'static str {
        Reason::ALL.iter().find(|(reason, ..)| *reason == self).map_or("unspecified", |(.., name)| name)
    }

    /// Whether nothing counts that was signed before, either: somebody else may have signed it, and may claim any time.
    pub fn reaches_back(self) -> bool {
        match self {
            Reason::Unspecified | Reason::KeyCompromise => true,
            Reason::AffiliationChanged
            | Reason::Superseded
            | Reason::CessationOfOperation
            | Reason::PrivilegeWithdrawn => false,
        }
    }

    pub fn of_code(code: u8) -> Option<Reason> {
        Reason::ALL.iter().find(|(_, known, _)| *known == code).map(|(reason, ..)| *reason)
    }

    pub fn of_name(name: &str) -> Option<Reason> {
        Reason::ALL.iter().find(|(.., known)| *known == name).map(|(reason, ..)| *reason)
    }
}

/// A list of another authority, or of ours, as its reader needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// DER of the name of whoever signed it.
    pub issuer: Vec<u8>,
    /// A reason that we do not give, or none, is `Unspecified`.
    pub revoked: Vec<Revoked>,
    pub this_update: SystemTime,
    /// Of two of the same second the later has the higher one (RFC 5280 section 5.2.3); 0: none, or one that is too large.
    pub number: u128,
    pub next_update: Option<SystemTime>,
}

/// Reads a revocation list (DER) that one of `issuers` (certificates, DER) must have signed.
///
/// # Errors
/// `Certificate` when it is none, none of them has signed it, or it is of a kind that leaves certificates out.
pub fn read_list(der: &[u8], issuers: &[&[u8]]) -> Result<List, Error> {
    let Ok(([], list)) = CertificateRevocationList::from_der(der) else {
        return Err(Error::Certificate("not a revocation list"));
    };
    // What is critical and not known here changes what the list means: a part of it, or only changes.
    if list.extensions().iter().any(|extension| extension.critical) {
        return Err(Error::Certificate("a revocation list of a kind that is not read here"));
    }
    let signed = issuers.iter().filter_map(|issuer| encoding::parse(issuer).ok()).any(|issuer| {
        issuer.subject().as_raw() == list.issuer().as_raw() && list.verify_signature(issuer.public_key()).is_ok()
    });
    if !signed {
        return Err(Error::Certificate("a revocation list that no known authority has signed"));
    }
    let revoked = |entry: &RevokedCertificate<'_>| Revoked {
        serial: encoding::magnitude(entry.raw_serial()),
        at: validity::system(entry.revocation_date),
        reason: entry.reason_code().and_then(|(_, code)| Reason::of_code(code.0)).unwrap_or(Reason::Unspecified),
    };
    Ok(List {
        issuer: list.issuer().as_raw().to_vec(),
        revoked: list.iter_revoked_certificates().map(revoked).collect(),
        this_update: validity::system(list.last_update()),
        number: list.crl_number().and_then(|number| u128::try_from(number).ok()).unwrap_or_default(),
        next_update: list.next_update().map(validity::system),
    })
}

pub(crate) fn signed(ca: &Authority, revoked: &[Revoked], number: u64, now: SystemTime) -> Result<Vec<u8>, Error> {
    let (this_update, next_update) = validity::window(now, validity::CRL)?;
    let list = CertificateRevocationListParams {
        this_update: this_update.to_datetime(),
        next_update: next_update.to_datetime(),
        crl_number: SerialNumber::from(number),
        issuing_distribution_point: None,
        revoked_certs: revoked.iter().map(entry).collect::<Result<_, _>>()?,
        key_identifier_method: key_id(ca.certificate_der())?,
    };
    Ok(list.signed_by(&ca.issuer)?.der().to_vec())
}

fn entry(revoked: &Revoked) -> Result<RevokedCertParams, Error> {
    if revoked.serial.is_empty() || revoked.serial.len() > SERIAL_MAX {
        return Err(Error::Certificate("a serial number has 1 to 20 bytes"));
    }
    Ok(RevokedCertParams {
        serial_number: SerialNumber::from_slice(&revoked.serial),
        revocation_time: validity::asn1(revoked.at)?.to_datetime(),
        reason_code: reason(revoked.reason),
        invalidity_date: None,
    })
}

/// `Unspecified` is left out (RFC 5280 section 5.3.1).
fn reason(reason: Reason) -> Option<RevocationReason> {
    match reason {
        Reason::Unspecified => None,
        Reason::KeyCompromise => Some(RevocationReason::KeyCompromise),
        Reason::AffiliationChanged => Some(RevocationReason::AffiliationChanged),
        Reason::Superseded => Some(RevocationReason::Superseded),
        Reason::CessationOfOperation => Some(RevocationReason::CessationOfOperation),
        Reason::PrivilegeWithdrawn => Some(RevocationReason::PrivilegeWithdrawn),
    }
}

/// The list names its signer's key as the signer's certificate does.
fn key_id(ca_der: &[u8]) -> Result<KeyIdMethod, Error> {
    let certificate = encoding::parse(ca_der)?;
    let own = certificate.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
        _ => None,
    });
    Ok(own.map_or(KeyIdMethod::Sha256, KeyIdMethod::PreSpecified))
}
