//! A certificate and its private key: who signs, who opens.

use aws_lc_rs::{
    agreement,
    rsa::{OaepPrivateDecryptingKey, PrivateDecryptingKey},
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
        RsaKeyPair,
    },
};
use cms::{cert::IssuerAndSerialNumber, signed_data::SignerIdentifier};
use der::{Decode, Encode};
use x509_cert::{Certificate, ext::pkix::SubjectKeyIdentifier};

use super::{Fault, oid};

/// A person's or device's certificate, with its key.
pub struct Identity {
    pub(super) der: Vec<u8>,
    pub(super) certificate: Certificate,
    pub(super) key: Key,
}

/// A private key by what it can do.
pub(super) enum Key {
    P256 { sign: EcdsaKeyPair, agree: agreement::PrivateKey },
    P384 { sign: EcdsaKeyPair, agree: agreement::PrivateKey },
    Ed25519(Ed25519KeyPair),
    Rsa { sign: Box<RsaKeyPair>, decrypt: OaepPrivateDecryptingKey },
}

impl Identity {
    /// `certificate` is DER, `key` its PKCS#8 in DER: P-256, P-384, Ed25519 or RSA.
    ///
    /// # Errors
    /// `Certificate` or `Key` when either cannot be read or they do not belong together.
    pub fn new(certificate: &[u8], key: &[u8]) -> Result<Identity, Fault> {
        let der = certificate.to_vec();
        let certificate = Certificate::from_der(certificate).map_err(|_| Fault::Certificate)?;
        let key = private_key(&certificate, key).ok_or(Fault::Key)?;
        Ok(Identity { der, certificate, key })
    }

    /// The same from PEM.
    ///
    /// # Errors
    /// As [`Identity::new`].
    pub fn from_pem(certificate: &str, key: &str) -> Result<Identity, Fault> {
        let (certificate, _) = crate::encoding::ders(certificate).map_err(|_| Fault::Certificate)?;
        let key = zeroize::Zeroizing::new(pem::parse(key).map_err(|_| Fault::Key)?.into_contents());
        Identity::new(&certificate, &key)
    }

    /// DER.
    pub fn certificate(&self) -> &[u8] {
        &self.der
    }
}

/// The key, if it is the certificate's and of a kind we use.
fn private_key(certificate: &Certificate, key: &[u8]) -> Option<Key> {
    let spki = certificate.tbs_certificate().subject_public_key_info();
    let public = spki.subject_public_key.as_bytes()?;
    let algorithm = spki.algorithm.oid;
    if algorithm == oid::ED25519 {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key).ok()?;
        return (pair.public_key().as_ref() == public).then_some(Key::Ed25519(pair));
    }
    if algorithm == oid::RSA {
        let pair = RsaKeyPair::from_pkcs8(key).ok()?;
        let decrypt = OaepPrivateDecryptingKey::new(PrivateDecryptingKey::from_pkcs8(key).ok()?).ok()?;
        return (pair.public_key().as_ref() == public).then(|| Key::Rsa { sign: Box::new(pair), decrypt });
    }
    let (signing, agreeing) = match curve(certificate)? {
        Curve::P256 => (&ECDSA_P256_SHA256_ASN1_SIGNING, &agreement::ECDH_P256),
        Curve::P384 => (&ECDSA_P384_SHA384_ASN1_SIGNING, &agreement::ECDH_P384),
    };
    let sign = EcdsaKeyPair::from_pkcs8(signing, key).ok()?;
    let agree = agreement::PrivateKey::from_private_key_der(agreeing, key).ok()?;
    if sign.public_key().as_ref() != public {
        return None;
    }
    Some(match curve(certificate)? {
        Curve::P256 => Key::P256 { sign, agree },
        Curve::P384 => Key::P384 { sign, agree },
    })
}

/// A curve that a certificate's key may be on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
}

/// The curve of the certificate's key, if it is an EC key of ours.
pub(super) fn curve(certificate: &Certificate) -> Option<Curve> {
    let algorithm = &certificate.tbs_certificate().subject_public_key_info().algorithm;
    if algorithm.oid != oid::EC_KEY {
        return None;
    }
    match algorithm.parameters.as_ref()?.decode_as::<der::asn1::ObjectIdentifier>().ok()? {
        curve if curve == oid::P256 => Some(Curve::P256),
        curve if curve == oid::P384 => Some(Curve::P384),
        _ => None,
    }
}

/// The certificate's subject key identifier, where it has one.
pub(super) fn key_id(certificate: &Certificate) -> Option<SubjectKeyIdentifier> {
    let extension = certificate.tbs_certificate().get_extension::<SubjectKeyIdentifier>().ok()?;
    extension.map(|(_, id)| id)
}

pub(super) fn issuer_and_serial(certificate: &Certificate) -> IssuerAndSerialNumber {
    let body = certificate.tbs_certificate();
    IssuerAndSerialNumber { issuer: body.issuer().clone(), serial_number: body.serial_number().clone() }
}

/// Whether a structure names this certificate as its signer's.
pub(super) fn is_named(certificate: &Certificate, sid: &SignerIdentifier) -> bool {
    match sid {
        SignerIdentifier::IssuerAndSerialNumber(named) => same(named, &issuer_and_serial(certificate)),
        SignerIdentifier::SubjectKeyIdentifier(named) => key_id(certificate).as_ref() == Some(named),
    }
}

/// Compared as encoded: a name may hold strings of several types that only look alike.
pub(super) fn same(one: &IssuerAndSerialNumber, other: &IssuerAndSerialNumber) -> bool {
    matches!((one.to_der(), other.to_der()), (Ok(one), Ok(other)) if one == other)
}
