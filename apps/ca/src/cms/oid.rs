//! Object identifiers, by the standard that names them.

use der::asn1::ObjectIdentifier as Oid;

const fn oid(dotted: &str) -> Oid {
    Oid::new_unwrap(dotted)
}

// RFC 5652, RFC 5083: kinds of content, attributes.
pub(super) const DATA: Oid = oid("1.2.840.113549.1.7.1");
pub(super) const SIGNED: Oid = oid("1.2.840.113549.1.7.2");
pub(super) const ENVELOPED: Oid = oid("1.2.840.113549.1.7.3");
pub(super) const AUTH_ENVELOPED: Oid = oid("1.2.840.113549.1.9.16.1.23");
pub(super) const CONTENT_TYPE: Oid = oid("1.2.840.113549.1.9.3");
pub(super) const MESSAGE_DIGEST: Oid = oid("1.2.840.113549.1.9.4");
pub(super) const SIGNING_TIME: Oid = oid("1.2.840.113549.1.9.5");

// RFC 5754: digests and signatures.
pub(super) const SHA1: Oid = oid("1.3.14.3.2.26");
pub(super) const SHA256: Oid = oid("2.16.840.1.101.3.4.2.1");
pub(super) const SHA384: Oid = oid("2.16.840.1.101.3.4.2.2");
pub(super) const SHA512: Oid = oid("2.16.840.1.101.3.4.2.3");
pub(super) const ECDSA_SHA256: Oid = oid("1.2.840.10045.4.3.2");
pub(super) const ECDSA_SHA384: Oid = oid("1.2.840.10045.4.3.3");
pub(super) const ECDSA_SHA512: Oid = oid("1.2.840.10045.4.3.4");
pub(super) const RSA: Oid = oid("1.2.840.113549.1.1.1");
pub(super) const RSA_SHA256: Oid = oid("1.2.840.113549.1.1.11");
pub(super) const RSA_SHA384: Oid = oid("1.2.840.113549.1.1.12");
pub(super) const RSA_SHA512: Oid = oid("1.2.840.113549.1.1.13");
// RFC 8419
pub(super) const ED25519: Oid = oid("1.3.101.112");

// RFC 5480: keys on curves.
pub(super) const EC_KEY: Oid = oid("1.2.840.10045.2.1");
pub(super) const P256: Oid = oid("1.2.840.10045.3.1.7");
pub(super) const P384: Oid = oid("1.3.132.0.34");

// RFC 5753: key agreement. RFC 3560: key transport. RFC 3565: key wrap.
pub(super) const ECDH_SHA1: Oid = oid("1.3.133.16.840.63.0.2");
pub(super) const ECDH_SHA256: Oid = oid("1.3.132.1.11.1");
pub(super) const ECDH_SHA384: Oid = oid("1.3.132.1.11.2");
pub(super) const RSA_OAEP: Oid = oid("1.2.840.113549.1.1.7");
pub(super) const MGF1: Oid = oid("1.2.840.113549.1.1.8");
pub(super) const AES128_WRAP: Oid = oid("2.16.840.1.101.3.4.1.5");
pub(super) const AES256_WRAP: Oid = oid("2.16.840.1.101.3.4.1.45");

// RFC 3565, RFC 5084: content encryption.
pub(super) const AES128_CBC: Oid = oid("2.16.840.1.101.3.4.1.2");
pub(super) const AES256_CBC: Oid = oid("2.16.840.1.101.3.4.1.42");
pub(super) const AES128_GCM: Oid = oid("2.16.840.1.101.3.4.1.6");
pub(super) const AES256_GCM: Oid = oid("2.16.840.1.101.3.4.1.46");
