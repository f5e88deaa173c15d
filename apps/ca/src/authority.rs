//! The authority itself: its root key and certificate, and the one place where it signs.

use std::time::{Duration, SystemTime};

use aws_lc_rs::{digest, rand};
use der::{Decode, asn1::BitString};
use rcgen::{
    CertificateParams, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PublicKeyData, SerialNumber,
    SigningKey,
};
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_parser::{prelude::X509Certificate, time::ASN1Time};
use zeroize::Zeroizing;

use crate::{
    Error, Places, Revoked, Signer, device, encoding,
    profile::{self, KeyKind},
    signer::Key,
    validity,
};

/// Bytes of a serial number.
const SERIAL_BYTES: usize = 16;

/// Root key and certificate of an organisation. Cheap to share behind an `Arc`; nothing in it changes.
pub struct Authority {
    pub(crate) issuer: Issuer<'static, Key>,
    der: Vec<u8>,
    /// From its issuer up to the root, DER; of a root there are none.
    above: Vec<Vec<u8>>,
    pem: String,
    /// Of a key made here, which its owner has still to keep.
    key_pem: Option<Zeroizing<String>>,
    not_after: ASN1Time,
    /// How its signatures are named.
    pub(crate) algorithm: AlgorithmIdentifierOwned,
    places: Places,
}

/// On which curve an authority's own key lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Curve {
    #[default]
    P256,
    P384,
}

impl Curve {
    fn fresh_key(self) -> Result<KeyPair, Error> {
        let algorithm = match self {
            Curve::P256 => &PKCS_ECDSA_P256_SHA256,
            Curve::P384 => &PKCS_ECDSA_P384_SHA384,
        };
        Ok(KeyPair::generate_for(algorithm)?)
    }
}

/// A certificate as issued, with what a log of issuances and a binding (ID-9) need of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    pub der: Vec<u8>,
    /// The serial number's magnitude, big-endian, without leading zeros.
    pub serial: Vec<u8>,
    /// SHA-256 of the SubjectPublicKeyInfo (DER).
    pub spki_sha256: [u8; 32],
    pub not_after: SystemTime,
}

/// A certificate together with its key, which was made here.
pub struct Issued {
    pub certificate: Certificate,
    /// Behind it the authority's own, where that is not the root: what TLS has to show.
    pub cert_pem: String,
    /// PKCS#8.
    pub key_pem: Zeroizing<String>,
}

impl Authority {
    /// A new root for `organisation` (1 to 56 characters): P-256, 20 years, one intermediate allowed below.
    pub fn create(organisation: &str, now: SystemTime) -> Result<Authority, Error> {
        Authority::create_on(Curve::default(), organisation, now)
    }

    /// The same on another curve.
    pub fn create_on(curve: Curve, organisation: &str, now: SystemTime) -> Result<Authority, Error> {
        let mut params = profile::root(organisation)?;
        params.serial_number = Some(SerialNumber::from_slice(&serial()?));
        let (from, until) = validity::window(now, validity::ROOT)?;
        params.not_before = from.to_datetime();
        params.not_after = until.to_datetime();

        let key = curve.fresh_key()?;
        let der = params.self_signed(&key)?.der().to_vec();
        let key_pem = Some(Zeroizing::new(key.serialize_pem()));
        Ok(Authority {
            pem: encoding::pem(&der),
            algorithm: algorithm_of(&der)?,
            issuer: Issuer::new(params, Key(Box::new(key))),
            der,
            above: Vec::new(),
            key_pem,
            not_after: until,
            places: Places::default(),
        })
    }

    /// A new authority of the same `organisation` below this one, which issues in its place (10 years, on its curve): so the key of the
    /// root can be locked away.
    ///
    /// # Errors
    /// As [`Authority::create`]; `Certificate` when this one is no root itself.
    pub fn below(&self, organisation: &str, now: SystemTime) -> Result<Authority, Error> {
        if !self.above.is_empty() {
            return Err(Error::Certificate("none may stand below it"));
        }
        let is_384 = self.issuer.key().algorithm() == &PKCS_ECDSA_P384_SHA384;
        let key = if is_384 { Curve::P384 } else { Curve::P256 }.fresh_key()?;
        let certificate = self.sign_for(profile::issuing(organisation)?, &key, now, validity::ISSUING)?;
        let key_pem = Zeroizing::new(key.serialize_pem());
        let issuing = Authority::load(&format!("{}{}", encoding::pem(&certificate.der), self.pem), &key_pem)?;
        Ok(Authority { key_pem: Some(key_pem), ..issuing })
    }

    /// An authority as it was kept: its certificate, behind it those above it up to the root, and its key, PEM.
    ///
    /// # Errors
    /// `Certificate` when it may not sign certificates and revocation lists, or its name is one we would not repeat
    /// exactly; `KeyMismatch` when the key is another's.
    pub fn load(cert_pem: &str, key_pem: &str) -> Result<Authority, Error> {
        let (certificate, _) = encoding::ders(cert_pem)?;
        may_sign(&encoding::parse(&certificate)?)?;
        Authority::guarded(cert_pem, Box::new(KeyPair::from_pem(key_pem).map_err(|_| Error::Key)?))
    }

    /// An authority whose key is elsewhere: `signer` signs for it.
    ///
    /// # Errors
    /// As [`Authority::load`].
    pub fn guarded(cert_pem: &str, signer: Box<Signer>) -> Result<Authority, Error> {
        let (der, above) = encoding::ders(cert_pem)?;
        let certificate = encoding::parse(&der)?;
        may_sign(&certificate)?;
        let key = Key(signer);
        if key.subject_public_key_info() != certificate.public_key().raw {
            return Err(Error::KeyMismatch);
        }

        let (not_before, not_after) = (certificate.validity().not_before, certificate.validity().not_after);
        let issuer = Issuer::from_ca_cert_der(&der.as_slice().into(), key)?;
        let pem = [&der].into_iter().chain(&above).map(|der| encoding::pem(der)).collect();
        let (places, algorithm) = (Places::default(), algorithm_of(&der)?);
        let authority = Authority { issuer, above, pem, key_pem: None, not_after, der, algorithm, places };
        let algorithm = authority.knows_its_own(validity::system(not_before))?;
        Ok(Authority { algorithm, ..authority })
    }

    /// The same, naming these places in what it issues.
    ///
    /// # Errors
    /// `Name` for what is no address.
    pub fn with_places(self, places: Places) -> Result<Authority, Error> {
        places.check()?;
        Ok(Authority { places, ..self })
    }

    /// Tried once, because rcgen carries a name as a map: two units in it would become one, and what we issue would have
    /// no issuer. Gives back how its signatures are named.
    fn knows_its_own(&self, now: SystemTime) -> Result<AlgorithmIdentifierOwned, Error> {
        let probe = self.sign(profile::client("probe", KeyKind::Ec)?, self.issuer.key(), now)?;
        if !self.issued(&probe.der) {
            return Err(Error::Certificate("its name or its kind of key cannot be an authority's here"));
        }
        algorithm_of(&probe.der)
    }

    /// Its own certificate, behind it those above it.
    pub fn certificate_pem(&self) -> &str {
        &self.pem
    }

    /// The same, DER.
    pub fn chain(&self) -> Vec<&[u8]> {
        [&self.der].into_iter().chain(&self.above).map(Vec::as_slice).collect()
    }

    /// DER of the name by which what it issues names it.
    pub fn name(&self) -> Result<Vec<u8>, Error> {
        Ok(encoding::parse(&self.der)?.subject().as_raw().to_vec())
    }

    pub fn certificate_der(&self) -> &[u8] {
        &self.der
    }

    /// The key (PKCS#8), if it was made here by [`Authority::create`].
    pub fn key_pem(&self) -> Option<&str> {
        self.key_pem.as_ref().map(|key| key.as_str())
    }

    /// End of its own validity.
    pub fn not_after(&self) -> SystemTime {
        validity::system(self.not_after)
    }

    /// For a listener (SEC-1): `names` are DNS names or IP addresses, 1 to 64 of them.
    pub fn server(&self, names: &[String], now: SystemTime) -> Result<Issued, Error> {
        self.with_new_key(profile::server(names)?, now)
    }

    /// The same for a key (PEM) that a listener has already: who knows it by the key need not learn another.
    pub fn server_again(&self, key_pem: &str, names: &[String], now: SystemTime) -> Result<Issued, Error> {
        let key = KeyPair::from_pem(key_pem).map_err(|_| Error::Key)?;
        self.with_key(profile::server(names)?, &key, now)
    }

    /// For an operator: `OU=admin`.
    pub fn admin(&self, name: &str, now: SystemTime) -> Result<Issued, Error> {
        self.with_new_key(profile::admin(name)?, now)
    }

    /// For whoever signs answers of [`crate::cmp`] in its name.
    pub fn responder(&self, now: SystemTime) -> Result<Issued, Error> {
        self.with_new_key(profile::responder(), now)
    }

    /// For a trusted service: `OU=sys`.
    pub fn service(&self, name: &str, now: SystemTime) -> Result<Issued, Error> {
        self.with_new_key(profile::service(name)?, now)
    }

    /// For the key of a PKCS#10 request, as [`Authority::service`].
    pub fn service_for(&self, csr_der: &[u8], name: &str, now: SystemTime) -> Result<Certificate, Error> {
        self.sign(profile::service(name)?, &device::proven_key(csr_der)?.0, now)
    }

    /// For the key of a PKCS#10 request, as [`Authority::client`].
    pub fn client_for(&self, csr_der: &[u8], name: &str, now: SystemTime) -> Result<Certificate, Error> {
        let (key, kind) = device::proven_key(csr_der)?;
        self.sign(profile::client(name, kind)?, &key, now)
    }

    /// For a client whose key we make: common name `name`, no device named.
    pub fn client(&self, name: &str, now: SystemTime) -> Result<Issued, Error> {
        self.with_new_key(profile::client(name, KeyKind::Ec)?, now)
    }

    fn with_new_key(&self, params: CertificateParams, now: SystemTime) -> Result<Issued, Error> {
        self.with_key(params, &KeyPair::generate()?, now)
    }

    fn with_key(&self, params: CertificateParams, key: &KeyPair, now: SystemTime) -> Result<Issued, Error> {
        let certificate = self.sign(params, key, now)?;
        let mut cert_pem = encoding::pem(&certificate.der);
        if !self.above.is_empty() {
            cert_pem += &encoding::pem(&self.der);
        }
        Ok(Issued { certificate, cert_pem, key_pem: Zeroizing::new(key.serialize_pem()) })
    }

    /// SEC-4: for the key of a request (PKCS#10 or CRMF; DER, at most 8 KiB) as device `dev_key` of account `phone`. The
    /// request's own subject and extensions are not looked at.
    pub fn device(&self, csr_der: &[u8], phone: &str, dev_key: &str, now: SystemTime) -> Result<Certificate, Error> {
        let (key, kind) = device::proven_key(csr_der)?;
        self.sign(profile::device(phone, dev_key, kind)?, &key, now)
    }

    fn sign(&self, params: CertificateParams, key: &impl PublicKeyData, now: SystemTime) -> Result<Certificate, Error> {
        self.sign_for(params, key, now, validity::LEAF)
    }

    fn sign_for(
        &self,
        mut params: CertificateParams,
        key: &impl PublicKeyData,
        now: SystemTime,
        length: Duration,
    ) -> Result<Certificate, Error> {
        let (from, until) = validity::window(now, length)?;
        if validity::asn1(now)? >= self.not_after {
            return Err(Error::Expired);
        }

        let serial = serial()?;
        let not_after = until.min(self.not_after);
        self.places.name_in(&mut params)?;
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.not_before = from.to_datetime();
        params.not_after = not_after.to_datetime();
        Ok(Certificate {
            der: params.signed_by(key, &self.issuer)?.der().to_vec(),
            serial: serial.to_vec(),
            spki_sha256: sha256(&key.subject_public_key_info()),
            not_after: validity::system(not_after),
        })
    }

    /// Whether this authority's key signed `certificate` (DER). Validity and revocation are another matter.
    pub fn issued(&self, certificate: &[u8]) -> bool {
        encoding::is_issued_by(certificate, &self.der)
    }

    pub(crate) fn sign_bytes(&self, message: &[u8]) -> Result<BitString, Error> {
        let signature = self.issuer.key().sign(message)?;
        BitString::from_bytes(&signature).map_err(|error| Error::Crypto(error.to_string()))
    }

    /// The revocation list (RFC 5280 section 5), DER. `number` rises with every list; good for 7 days.
    pub fn crl(&self, revoked: &[Revoked], number: u64, now: SystemTime) -> Result<Vec<u8>, Error> {
        crate::crl::signed(self, revoked, number, now)
    }
}

/// How the signature of a certificate (DER) is named.
fn algorithm_of(certificate: &[u8]) -> Result<AlgorithmIdentifierOwned, Error> {
    let certificate = x509_cert::Certificate::from_der(certificate);
    Ok(certificate.map_err(|_| Error::Certificate("not a certificate"))?.signature_algorithm().clone())
}

fn may_sign(certificate: &X509Certificate<'_>) -> Result<(), Error> {
    let usage = certificate.key_usage().map_err(|_| Error::Certificate("its key usage is not readable"))?;
    let signs = usage.is_none_or(|usage| usage.value.key_cert_sign() && usage.value.crl_sign());
    // rcgen takes for granted that no part of the name is empty.
    let named = certificate.subject().iter_rdn().all(|part| part.iter().count() == 1);
    if !certificate.is_ca() || !signs {
        return Err(Error::Certificate("it may not sign certificates and revocation lists"));
    }
    if !named {
        return Err(Error::Certificate("its name cannot be an authority's here"));
    }
    Ok(())
}

/// 126 random bits under the fixed top bits 01: always positive and always 16 bytes, however it is encoded.
fn serial() -> Result<[u8; SERIAL_BYTES], Error> {
    let mut bytes = [0; SERIAL_BYTES];
    rand::fill(&mut bytes)?;
    let [first, ..] = &mut bytes;
    *first = *first & 0x3f | 0x40;
    Ok(bytes)
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}
