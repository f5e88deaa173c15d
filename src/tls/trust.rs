//! Whose clients may connect: our own authority, and others that the configuration names, with what they have taken back.

use std::collections::HashSet;
use std::fs;
use std::sync::Arc;

use ca::Authority;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};

use crate::failure::Failure;
use crate::home::Home;
use crate::registrar::print_of;
use crate::settings;

/// Bytes of a file of authorities or revocation lists; a longer one is a mistake.
const FILE_MAX: u64 = 64 << 20;

pub(super) struct Trust {
    pub(super) roots: Arc<RootCertStore>,
    /// Not only our own authority is trusted.
    pub(super) has_others: bool,
    /// Prints of certificates.
    pub(super) revoked: HashSet<u128>,
}

impl Trust {
    pub(super) fn read(home: &Home, settings: &settings::Tls, authority: &Authority) -> Result<Trust, Failure> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(authority.certificate_der())).map_err(Failure::tls)?;
        let mut issuers = vec![authority.certificate_der().to_vec()];
        if !settings.roots.is_empty() {
            let bytes = read(home, "tls.roots", &settings.roots)?;
            let before = issuers.len();
            for certificate in CertificateDer::pem_slice_iter(&bytes) {
                let certificate = certificate.map_err(|why| refused("tls.roots", &settings.roots, &why))?;
                roots.add(certificate.clone()).map_err(|why| refused("tls.roots", &settings.roots, &why))?;
                issuers.push(certificate.to_vec());
            }
            if issuers.len() == before {
                return Err(refused("tls.roots", &settings.roots, &"it has no certificate"));
            }
        }
        let has_others = issuers.len() > 1;
        let mut trust = Trust { roots: Arc::new(roots), has_others, revoked: HashSet::new() };
        if !settings.crl.is_empty() {
            trust.read_lists(&read(home, "tls.crl", &settings.crl)?, &settings.crl, &issuers)?;
        }
        Ok(trust)
    }

    fn read_lists(&mut self, bytes: &[u8], path: &str, issuers: &[Vec<u8>]) -> Result<(), Failure> {
        let known: Vec<&[u8]> = issuers.iter().map(Vec::as_slice).collect();
        let lists = match bytes.starts_with(&[0x30]) {
            true => vec![CertificateRevocationListDer::from(bytes)],
            false => CertificateRevocationListDer::pem_slice_iter(bytes)
                .collect::<Result<_, _>>()
                .map_err(|why| refused("tls.crl", path, &why))?,
        };
        if lists.is_empty() {
            return Err(refused("tls.crl", path, &"it has no revocation list"));
        }
        for list in lists {
            let list = ca::read_list(&list, &known).map_err(|why| refused("tls.crl", path, &why))?;
            // Who is in it is revoked all the same; to let nobody in because nobody has renewed it would help nobody.
            if list.next_update.is_some_and(|next| next < std::time::SystemTime::now()) {
                tracing::warn!(file = path, "a revocation list is older than it may be: get a newer one");
            }
            self.revoked.extend(list.revoked.iter().map(|entry| print_of(&list.issuer, &entry.serial)));
        }
        Ok(())
    }
}

fn read(home: &Home, option: &str, path: &str) -> Result<Vec<u8>, Failure> {
    let file = home.path().join(path);
    let length = fs::metadata(&file).map_err(|why| refused(option, path, &why))?.len();
    if length > FILE_MAX {
        return Err(refused(option, path, &"the file is too large"));
    }
    fs::read(&file).map_err(|why| refused(option, path, &why))
}

fn refused(option: &str, path: &str, why: &dyn std::fmt::Display) -> Failure {
    Failure::Refused(format!("{option}: {path}: {why}"))
}
