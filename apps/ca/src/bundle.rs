//! Certificates to hand over: PKCS#7 with certificates and nothing signed (RFC 5652, RFC 7030 section 4.1.3).

use cms::content_info::ContentInfo;
use der::{Decode, Encode};
use x509_cert::Certificate;

use crate::Error;

/// Certificates (DER) as one `certs-only` message (DER).
///
/// # Errors
/// `Certificate` when one of them is none.
pub fn certs_only(certificates: &[&[u8]]) -> Result<Vec<u8>, Error> {
    let read = |der: &&[u8]| Certificate::from_der(der).map_err(|_| Error::Certificate("not a certificate"));
    let path: Vec<Certificate> = certificates.iter().map(read).collect::<Result<_, _>>()?;
    let message = ContentInfo::try_from(path).and_then(|info| info.to_der());
    message.map_err(|error| Error::Crypto(error.to_string()))
}
