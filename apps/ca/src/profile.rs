//! What each kind of certificate says (SEC-1, SEC-2, SEC-4): the authority's policy, in one place.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose as Purpose, IsCa,
    KeyUsagePurpose as Usage, SanType,
};

use crate::{
    Error,
    names::{self, NAME_MAX},
};

const ROOT_SUFFIX: &str = " Root CA";
const ISSUING_SUFFIX: &str = " Issuing CA";
const ADMIN_UNIT: &str = "admin";
const SERVICE_UNIT: &str = "sys";
/// id-kp-cmcCA (RFC 6402): speaks for the authority, and nothing else.
const SPEAKER: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 3, 27];

/// How a device's key works, which decides what its certificate lets it do (SEC-2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Ec,
    Ed25519,
    Rsa,
}

/// The self-signed certificate at the top. One authority may stand between it and what is issued.
pub(crate) fn root(organisation: &str) -> Result<CertificateParams, Error> {
    authority(organisation, ROOT_SUFFIX, 1)
}

/// The authority below the root, which issues in its place.
pub(crate) fn issuing(organisation: &str) -> Result<CertificateParams, Error> {
    let mut params = authority(organisation, ISSUING_SUFFIX, 0)?;
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn authority(organisation: &str, suffix: &str, below: u8) -> Result<CertificateParams, Error> {
    let organisation = names::readable(organisation, NAME_MAX - suffix.len())?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, organisation);
    params.distinguished_name.push(DnType::CommonName, format!("{organisation}{suffix}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(below));
    params.key_usages = vec![Usage::KeyCertSign, Usage::CrlSign];
    Ok(params)
}

/// A listener, by the names and addresses clients know it by.
pub(crate) fn server(names: &[String]) -> Result<CertificateParams, Error> {
    let mut params = leaf(&[Purpose::ServerAuth]);
    params.subject_alt_names = names::server(names)?;
    // Clients look at the alternative names only; the common name is for the human reader, where it fits.
    if let Some(first) = names.first().filter(|name| name.len() <= NAME_MAX) {
        params.distinguished_name.push(DnType::CommonName, first);
    }
    Ok(params)
}

/// Who signs the authority's answers.
pub(crate) fn responder() -> CertificateParams {
    let mut params = leaf(&[Purpose::Other(SPEAKER.to_vec())]);
    params.distinguished_name.push(DnType::CommonName, "CMP responder");
    params
}

/// An operator of the admin shell.
pub(crate) fn admin(name: &str) -> Result<CertificateParams, Error> {
    in_unit(ADMIN_UNIT, name)
}

/// A trusted service (`sys_`, ID-6).
pub(crate) fn service(name: &str) -> Result<CertificateParams, Error> {
    in_unit(SERVICE_UNIT, name)
}

fn in_unit(unit: &str, name: &str) -> Result<CertificateParams, Error> {
    let mut params = leaf(&[Purpose::ClientAuth]);
    params.distinguished_name.push(DnType::OrganizationalUnitName, unit);
    params.distinguished_name.push(DnType::CommonName, names::readable(name, NAME_MAX)?);
    Ok(params)
}

/// A person's client that names no device.
pub(crate) fn client(name: &str, key: KeyKind) -> Result<CertificateParams, Error> {
    let mut params = leaf(&[Purpose::ClientAuth, Purpose::EmailProtection]);
    params.key_usages.extend(receiving(key));
    params.distinguished_name.push(DnType::CommonName, names::readable(name, NAME_MAX)?);
    Ok(params)
}

/// A device of an account (SEC-4).
pub(crate) fn device(phone: &str, dev_key: &str, key: KeyKind) -> Result<CertificateParams, Error> {
    let uri = names::device_uri(phone, dev_key)?;
    let mut params = client(phone, key)?;
    params.subject_alt_names = vec![SanType::URI(uri)];
    Ok(params)
}

/// What lets a key receive sealed messages; an Ed25519 key only signs (SEC-2, SEC-5).
fn receiving(key: KeyKind) -> Option<Usage> {
    match key {
        KeyKind::Ec => Some(Usage::KeyAgreement),
        KeyKind::Rsa => Some(Usage::KeyEncipherment),
        KeyKind::Ed25519 => None,
    }
}

fn leaf(purposes: &[Purpose]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![Usage::DigitalSignature];
    params.extended_key_usages = purposes.to_vec();
    params.use_authority_key_identifier_extension = true;
    params
}
