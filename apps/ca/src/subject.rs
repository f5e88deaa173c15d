//! What a certificate says of its holder (ID-9). Whether it is to be believed is decided where it was verified.

use std::time::SystemTime;

use aws_lc_rs::digest;
use x509_parser::{
    der_parser::{Oid, oid},
    extensions::GeneralName,
    oid_registry::{
        OID_USERID, OID_X509_COMMON_NAME, OID_X509_GIVEN_NAME, OID_X509_ORGANIZATIONAL_UNIT, OID_X509_SURNAME,
    },
    prelude::X509Certificate,
};

use crate::{Authority, Error, authority::sha256, encoding, names, validity};

const OID_TELEPHONE_NUMBER: Oid<'static> = oid!(2.5.4.20);

/// The holder of a certificate, in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The certificate itself.
    pub der: Vec<u8>,
    /// SHA-256 of the SubjectPublicKeyInfo (DER): what a binding records.
    pub spki_sha256: [u8; 32],
    /// Where an account key may be found, in the order of ID-9 rule 2: every telephoneNumber, UID, commonName.
    pub names: Vec<String>,
    pub common_name: Option<String>,
    pub given_name: Option<String>,
    pub surname: Option<String>,
    /// Organisational units.
    pub units: Vec<String>,
    /// Account key and dev_key of the URI `chat:<phone>/<dev_key>` (SEC-4).
    pub device: Option<(String, String)>,
    /// The extended key usage names serverAuth.
    pub server_auth: bool,
    /// The extended key usage names clientAuth or any, or there is none (RFC 5280 section 4.2.1.12).
    pub client_auth: bool,
    pub is_ca: bool,
    pub not_before: SystemTime,
    pub not_after: SystemTime,
    /// The serial number's magnitude, big-endian, without leading zeros.
    pub serial: Vec<u8>,
    /// DER of the name of whoever signed it.
    pub issuer: Vec<u8>,
}

impl Subject {
    /// When it was issued, as far as it says so. What an authority of ours issues counts from a little earlier on, for clocks that are slow.
    pub fn issued(&self, is_ours: bool) -> SystemTime {
        if is_ours { self.not_before + validity::SKEW } else { self.not_before }
    }

    /// Whether `authority`'s own key signed this certificate; equal names alone prove nothing.
    pub fn issuer_is(&self, authority: &Authority) -> bool {
        authority.issued(&self.der)
    }
}

/// Tells a certificate from every other: half of the SHA-256 of its issuer's name (DER) and its serial number, as in [`Subject`].
pub fn print_of(issuer: &[u8], serial: &[u8]) -> u128 {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(issuer);
    hash.update(serial);
    hash.finish().as_ref().first_chunk().map_or(0, |half| u128::from_be_bytes(*half))
}

/// Reads a certificate (DER).
///
/// # Errors
/// `Certificate` when it cannot be parsed, has an extension twice, or a `chat:` URI that names no device or a second one:
/// what was meant to limit a certificate must not be overlooked.
pub fn subject(der: &[u8]) -> Result<Subject, Error> {
    let certificate = encoding::parse(der)?;
    let common_names = texts(&certificate, &OID_X509_COMMON_NAME);
    let usage = certificate.extended_key_usage().map_err(|_| Error::Certificate("its usage is not readable"))?;
    let usage = usage.map(|extension| extension.value);
    Ok(Subject {
        der: der.to_vec(),
        spki_sha256: sha256(certificate.public_key().raw),
        common_name: common_names.first().cloned(),
        names: [texts(&certificate, &OID_TELEPHONE_NUMBER), texts(&certificate, &OID_USERID), common_names].concat(),
        given_name: texts(&certificate, &OID_X509_GIVEN_NAME).into_iter().next(),
        surname: texts(&certificate, &OID_X509_SURNAME).into_iter().next(),
        units: texts(&certificate, &OID_X509_ORGANIZATIONAL_UNIT),
        device: device(&certificate)?,
        server_auth: usage.is_some_and(|usage| usage.server_auth),
        client_auth: usage.is_none_or(|usage| usage.client_auth || usage.any),
        is_ca: certificate.is_ca(),
        not_before: validity::system(certificate.validity().not_before),
        not_after: validity::system(certificate.validity().not_after),
        serial: encoding::magnitude(certificate.raw_serial()),
        issuer: certificate.issuer().as_raw().to_vec(),
    })
}

/// Every value of one attribute that is text, in the order of the certificate; old encodings (BMP, T61) are passed over.
fn texts(certificate: &X509Certificate<'_>, attribute: &Oid<'_>) -> Vec<String> {
    let values = certificate.subject().iter_attributes().filter(|value| value.attr_type() == attribute);
    values.filter_map(|value| value.as_str().ok()).map(str::to_owned).collect()
}

fn device(certificate: &X509Certificate<'_>) -> Result<Option<(String, String)>, Error> {
    let alternatives =
        certificate.subject_alternative_name().map_err(|_| Error::Certificate("its names are not readable"))?;
    let mut found = None;
    for name in alternatives.iter().flat_map(|extension| &extension.value.general_names) {
        let GeneralName::URI(uri) = name else { continue };
        let Some(device) = names::device_of(uri) else { continue };
        if found.replace(device?).is_some() {
            return Err(Error::Certificate("it names more than one device"));
        }
    }
    Ok(found)
}
