//! Who signs answers: not the authority's own key, which signs certificates and lists only, but one that it has certified for this.

use rcgen::{KeyPair, SigningKey};
use x509_parser::extensions::ParsedExtension;

use crate::{Error, Issued, encoding};

/// A key made by [`crate::Authority::responder`], and its certificate.
pub struct Responder {
    certificate: Vec<u8>,
    /// DER of its name.
    name: Vec<u8>,
    key_id: Vec<u8>,
    key: KeyPair,
}

impl Responder {
    /// # Errors
    /// `Certificate`, `Key` for what was not issued for it.
    pub fn new(issued: &Issued) -> Result<Responder, Error> {
        let key = KeyPair::from_pem(&issued.key_pem).map_err(|_| Error::Key)?;
        let certificate = issued.certificate.der.clone();
        let read = encoding::parse(&certificate)?;
        let name = read.subject().as_raw().to_vec();
        let key_id = read.extensions().iter().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
            _ => None,
        });
        let key_id = key_id.ok_or(Error::Certificate("it does not name its key"))?;
        Ok(Responder { certificate, name, key_id, key })
    }

    pub(super) fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    pub(super) fn name(&self) -> &[u8] {
        &self.name
    }

    pub(super) fn key_id(&self) -> &[u8] {
        &self.key_id
    }

    /// ECDSA on P-256 with SHA-256, as every key that is made here.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(self.key.sign(message)?)
    }
}
