//! The revocation list (RFC 5280 section 5).

use std::time::SystemTime;

use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevocationReason, RevokedCertParams, SerialNumber};
use x509_parser::extensions::ParsedExtension;

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
        reason_code: Some(reason(revoked.reason)),
        invalidity_date: None,
    })
}

fn reason(reason: Reason) -> RevocationReason {
    match reason {
        Reason::Unspecified => RevocationReason::Unspecified,
        Reason::KeyCompromise => RevocationReason::KeyCompromise,
        Reason::AffiliationChanged => RevocationReason::AffiliationChanged,
        Reason::Superseded => RevocationReason::Superseded,
        Reason::CessationOfOperation => RevocationReason::CessationOfOperation,
        Reason::PrivilegeWithdrawn => RevocationReason::PrivilegeWithdrawn,
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
