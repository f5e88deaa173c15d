//! Whom TLS to others trusts.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::Error;

/// `roots`: a file of the authorities to trust, PEM; empty: those of the system.
pub fn trusted(roots: &str) -> Result<RootCertStore, Error> {
    let mut store = RootCertStore::empty();
    if roots.is_empty() {
        let found = rustls_native_certs::load_native_certs();
        // What the system has and cannot be read is the system's affair; without any, TLS to others fails and says so.
        store.add_parsable_certificates(found.certs);
        return Ok(store);
    }
    let unreadable = |why: &dyn std::fmt::Display| Error::Roots(format!("{roots}: {why}"));
    for certificate in CertificateDer::pem_file_iter(roots).map_err(|why| unreadable(&why))? {
        store.add(certificate.map_err(|why| unreadable(&why))?).map_err(|why| unreadable(&why))?;
    }
    match store.is_empty() {
        true => Err(Error::Roots(format!("{roots} has no certificate"))),
        false => Ok(store),
    }
}
