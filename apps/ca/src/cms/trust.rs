//! Whose signatures count (SPEC SEC-6): chains to known roots, for signing content, not revoked.

use std::time::{SystemTime, UNIX_EPOCH};

use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, TrustAnchor, UnixTime};
use webpki::{BorrowedCertRevocationList, CertRevocationList, EndEntityCert, KeyUsage, RevocationOptionsBuilder};

use super::Fault;
use crate::encoding;

/// id-kp-emailProtection, the value of its object identifier.
const EMAIL_PROTECTION: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x04];

/// Roots, and what they have taken back.
pub struct Trust {
    roots: Vec<CertificateDer<'static>>,
    lists: Vec<CertRevocationList<'static>>,
}

impl Trust {
    /// Roots and revocation lists, DER. Where there is a list of an issuer, it decides; where there is none, nothing is known
    /// to be revoked.
    ///
    /// # Errors
    /// `Certificate` when one of them cannot be read.
    pub fn new(roots: &[&[u8]], lists: &[&[u8]]) -> Result<Trust, Fault> {
        let roots: Vec<CertificateDer<'static>> =
            roots.iter().map(|root| CertificateDer::from(root.to_vec())).collect();
        for root in &roots {
            webpki::anchor_from_trusted_cert(root).map_err(|_| Fault::Certificate)?;
        }
        let list = |list: &&[u8]| {
            let list = CertificateRevocationListDer::from(list.to_vec());
            let list = BorrowedCertRevocationList::from_der(&list).and_then(|list| list.to_owned());
            list.map(CertRevocationList::from).map_err(|_| Fault::Certificate)
        };
        Ok(Trust { lists: lists.iter().map(list).collect::<Result<_, _>>()?, roots })
    }

    /// Whether `certificate` (DER) is good at this time for signing and receiving content. `between` may lead to a root.
    ///
    /// # Errors
    /// `Untrusted`, whatever the reason.
    pub fn check(&self, certificate: &[u8], between: &[&[u8]], at: SystemTime) -> Result<(), Fault> {
        let untrusted = |_| Fault::Untrusted;
        let der = CertificateDer::from(certificate);
        let end = EndEntityCert::try_from(&der).map_err(untrusted)?;
        let anchors = self.roots.iter().map(webpki::anchor_from_trusted_cert);
        let anchors: Vec<TrustAnchor<'_>> = anchors.collect::<Result<_, _>>().map_err(untrusted)?;
        let between: Vec<CertificateDer<'_>> = between.iter().map(|one| CertificateDer::from(*one)).collect();
        let lists: Vec<&CertRevocationList<'_>> = self.lists.iter().collect();
        let revocation = RevocationOptionsBuilder::new(&lists)
            .ok()
            .map(|options| options.with_status_policy(webpki::UnknownStatusPolicy::Allow).build());
        let time = UnixTime::since_unix_epoch(at.duration_since(UNIX_EPOCH).map_err(|_| Fault::Untrusted)?);
        let usage = KeyUsage::required(EMAIL_PROTECTION);
        let algorithms = webpki::ALL_VERIFICATION_ALGS;
        end.verify_for_usage(algorithms, &anchors, &between, time, usage, revocation, None).map_err(untrusted)?;
        match signs(certificate) {
            true => Ok(()),
            false => Err(Fault::Untrusted),
        }
    }
}

/// Its key usage, where it says any, has digitalSignature (SPEC SEC-2).
fn signs(certificate: &[u8]) -> bool {
    let Ok(certificate) = encoding::parse(certificate) else { return false };
    let usage = certificate.key_usage();
    usage.is_ok_and(|usage| usage.is_none_or(|usage| usage.value.digital_signature()))
}
