//! PEM armour and parsing shared by what reads certificates.

use pem::{EncodeConfig, LineEnding, Pem};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::Error;

const CERTIFICATE: &str = "CERTIFICATE";

/// A certificate (DER) as text.
pub fn pem(certificate: &[u8]) -> String {
    let block = Pem::new(CERTIFICATE, certificate);
    pem::encode_config(&block, EncodeConfig::new().set_line_ending(LineEnding::LF))
}

/// The one certificate in `text`, as DER.
pub(crate) fn der(text: &str) -> Result<Vec<u8>, Error> {
    let blocks = pem::parse_many(text).map_err(|_| Error::Certificate("not PEM"))?;
    let mut certificates = blocks.into_iter().filter(|block| block.tag() == CERTIFICATE);
    match (certificates.next(), certificates.next()) {
        (Some(only), None) => Ok(only.into_contents()),
        (None, _) => Err(Error::Certificate("no certificate in the file")),
        (Some(_), Some(_)) => Err(Error::Certificate("more than one certificate in the file")),
    }
}

/// `der` as a certificate with nothing behind it.
pub(crate) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, Error> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) => Err(Error::Certificate("bytes behind its end")),
        Err(_) => Err(Error::Certificate("not a certificate")),
    }
}

/// An unsigned number without leading zeros.
pub(crate) fn magnitude(number: &[u8]) -> Vec<u8> {
    number.iter().copied().skip_while(|byte| *byte == 0).collect()
}
