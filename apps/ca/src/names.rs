//! Which names may stand in a certificate: the bounds of X.520 (RFC 5280, appendix A), DNS and SEC-4.

use std::net::IpAddr;

use rcgen::{SanType, string::Ia5String};

use crate::{Error, Refusal};

/// Characters of a common name, an organisation or a unit (ub-common-name and its like).
pub(crate) const NAME_MAX: usize = 64;
/// Characters of an account key in a device's URI (ID-1).
const PHONE_MAX: usize = 64;
/// Characters of a dev_key in a device's URI (ID-5).
const DEV_KEY_MAX: usize = 128;
/// Characters of a DNS name and of one of its labels (RFC 1035).
const DNS_MAX: usize = 253;
const LABEL_MAX: usize = 63;
/// Names of one server certificate.
const SERVER_NAMES_MAX: usize = 64;

const SCHEME: &str = "chat:";

/// A name of 1 to `max` characters without control characters.
pub(crate) fn readable(name: &str, max: usize) -> Result<&str, Error> {
    let count = name.chars().count();
    if count == 0 || count > max || name.chars().any(char::is_control) {
        return Err(Error::Name(name.into()));
    }
    Ok(name)
}

/// The URI that names a device, `chat:<phone>/<dev_key>` (SEC-4).
pub(crate) fn device_uri(phone: &str, dev_key: &str) -> Result<Ia5String, Refusal> {
    if !is_phone(phone) || !is_dev_key(dev_key) {
        return Err(Refusal::Name);
    }
    Ia5String::try_from(format!("{SCHEME}{phone}/{dev_key}")).map_err(|_| Refusal::Name)
}

/// The device that a URI names: `None` for a URI of another scheme.
pub(crate) fn device_of(uri: &str) -> Option<Result<(String, String), Error>> {
    let path = uri.strip_prefix(SCHEME)?;
    let device = match path.split_once('/') {
        Some((phone, dev_key)) if is_phone(phone) && is_dev_key(dev_key) => Ok((phone.into(), dev_key.into())),
        _ => Err(Error::Certificate("its chat: URI names no device")),
    };
    Some(device)
}

fn is_phone(text: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-');
    (1..=PHONE_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

fn is_dev_key(text: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.' | b':' | b'-');
    (1..=DEV_KEY_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

/// The subject alternative names of a server: DNS names (`*.` in front is allowed) and IP addresses.
pub(crate) fn server(names: &[String]) -> Result<Vec<SanType>, Error> {
    if names.is_empty() || names.len() > SERVER_NAMES_MAX {
        return Err(Error::Name(format!("a list of {} server names", names.len())));
    }
    names.iter().map(|name| server_name(name)).collect()
}

fn server_name(name: &str) -> Result<SanType, Error> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    if !is_dns_name(name.strip_prefix("*.").unwrap_or(name)) {
        return Err(Error::Name(name.into()));
    }
    Ok(SanType::DnsName(Ia5String::try_from(name).map_err(|_| Error::Name(name.into()))?))
}

fn is_dns_name(name: &str) -> bool {
    // An all-numeric last label would read as an address (RFC 1123).
    let numeric_end = name.rsplit('.').next().is_some_and(|label| label.bytes().all(|c| c.is_ascii_digit()));
    name.len() <= DNS_MAX && name.split('.').all(is_label) && !numeric_end
}

fn is_label(label: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
    let edge = label.starts_with('-') || label.ends_with('-');
    (1..=LABEL_MAX).contains(&label.len()) && label.bytes().all(allowed) && !edge
}
