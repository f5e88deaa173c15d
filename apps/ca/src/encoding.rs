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

/// The certificate in `text`, as DER, and those above it.
pub(crate) fn ders(text: &str) -> Result<(Vec<u8>, Vec<Vec<u8>>), Error> {
    let blocks = pem::parse_many(text).map_err(|_| Error::Certificate("not PEM"))?;
    let mut certificates = blocks.into_iter().filter(|block| block.tag() == CERTIFICATE).map(Pem::into_contents);
    let own = certificates.next().ok_or(Error::Certificate("no certificate in the file"))?;
    let above: Vec<Vec<u8>> = certificates.collect();
    let mut below = parse(&own)?;
    for issuer in &above {
        let issuer = parse(issuer)?;
        let named = below.issuer().as_raw() == issuer.subject().as_raw();
        if !named || !issuer.is_ca() || below.verify_signature(Some(issuer.public_key())).is_err() {
            return Err(Error::Certificate("one in the file is not by the one behind it"));
        }
        below = issuer;
    }
    Ok((own, above))
}

/// Whether the key of `issuer` has signed `certificate` (both DER). Validity and usage are another matter.
pub fn is_issued_by(certificate: &[u8], issuer: &[u8]) -> bool {
    let (Ok(issuer), Ok(certificate)) = (parse(issuer), parse(certificate)) else { return false };
    certificate.issuer().as_raw() == issuer.subject().as_raw()
        && certificate.verify_signature(Some(issuer.public_key())).is_ok()
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
