//! Names of algorithms, controls and pieces of information.

use der::asn1::ObjectIdentifier;

const fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}

pub(super) const PASSWORD_MAC: ObjectIdentifier = oid("1.2.840.113533.7.66.13");
pub(super) const PBMAC1: ObjectIdentifier = oid("1.2.840.113549.1.5.14");
pub(super) const PBKDF2: ObjectIdentifier = oid("1.2.840.113549.1.5.12");

/// HMAC with SHA-1 has two names.
pub(super) const HMAC_SHA1: [ObjectIdentifier; 2] = [oid("1.3.6.1.5.5.8.1.2"), oid("1.2.840.113549.2.7")];
pub(super) const HMAC_SHA256: ObjectIdentifier = oid("1.2.840.113549.2.9");
pub(super) const HMAC_SHA384: ObjectIdentifier = oid("1.2.840.113549.2.10");
pub(super) const HMAC_SHA512: ObjectIdentifier = oid("1.2.840.113549.2.11");

pub(super) const SHA256: ObjectIdentifier = oid("2.16.840.1.101.3.4.2.1");
pub(super) const SHA384: ObjectIdentifier = oid("2.16.840.1.101.3.4.2.2");
pub(super) const SHA512: ObjectIdentifier = oid("2.16.840.1.101.3.4.2.3");

pub(super) const ECDSA_SHA256: ObjectIdentifier = oid("1.2.840.10045.4.3.2");

/// id-regCtrl-oldCertID (RFC 4211 section 6.5).
pub(super) const OLD_CERT: ObjectIdentifier = oid("1.3.6.1.5.5.7.5.1.5");
/// reasonCode (RFC 5280 section 5.3.1).
pub(super) const REASON: ObjectIdentifier = oid("2.5.29.21");

pub(super) const IMPLICIT_CONFIRM: ObjectIdentifier = oid("1.3.6.1.5.5.7.4.13");

/// The revocation list as it is now (RFC 9810 section 5.3.19.6).
pub const CURRENT_CRL: ObjectIdentifier = oid("1.3.6.1.5.5.7.4.6");
/// Certificates of authorities (RFC 9483 section 4.3.1).
pub const CA_CERTS: ObjectIdentifier = oid("1.3.6.1.5.5.7.4.17");
/// The answer to [`ROOT_CERT`].
pub const ROOT_UPDATE: ObjectIdentifier = oid("1.3.6.1.5.5.7.4.18");
/// Whether there is a newer root (RFC 9483 section 4.3.2).
pub const ROOT_CERT: ObjectIdentifier = oid("1.3.6.1.5.5.7.4.20");
/// Whether there is a newer revocation list (RFC 9483 section 4.3.4).
pub const CRL_STATUS: ObjectIdentifier = oid("1.3.6.1.5.5.7.4.22");
/// The answer to [`CRL_STATUS`].
pub const CRLS: ObjectIdentifier = oid("1.3.6.1.5.5.7.4.23");
