//! The other side of enrolment: a device makes its key and asks for a certificate.

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use zeroize::Zeroizing;

use crate::{
    Error,
    names::{self, NAME_MAX},
};

/// A new P-256 key (PKCS#8, PEM) and a PKCS#10 request for it (DER, RFC 2986). An authority of ours does not look at
/// `common_name` (1 to 64 characters); others may.
pub fn request(common_name: &str) -> Result<(Zeroizing<String>, Vec<u8>), Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, names::readable(common_name, NAME_MAX)?);

    let key = KeyPair::generate()?;
    let request = params.serialize_request(&key)?;
    Ok((Zeroizing::new(key.serialize_pem()), request.der().to_vec()))
}
