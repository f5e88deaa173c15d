//! Whose signatures count (SPEC SEC-6): chains to known roots, for signing content, not revoked.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use super::Fault;
use crate::{encoding, print_of, read_list};

/// id-kp-emailProtection, the value of its object identifier.
const EMAIL_PROTECTION: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x04];

/// Roots, and what they have taken back.
pub struct Trust {
    roots: Vec<CertificateDer<'static>>,
    /// From when on which certificates count no more; absent: from the beginning.
    revoked: HashMap<u128, Option<SystemTime>>,
}

impl Trust {
    /// Roots and their revocation lists, DER. Where there is a list of an issuer, it decides; where there is none, nothing is known
    /// to be revoked.
    ///
    /// Whose key is compromised has signed nothing, whenever it says that it did, since somebody else may say so as well; the same where no
    /// reason is given. Who was revoked for another reason is believed what was signed before.
    ///
    /// # Errors
    /// `Certificate` when one of them cannot be read, or a list is not by a root.
    pub fn new(roots: &[&[u8]], lists: &[&[u8]]) -> Result<Trust, Fault> {
        let roots: Vec<CertificateDer<'static>> =
            roots.iter().map(|root| CertificateDer::from(root.to_vec())).collect();
        for root in &roots {
            webpki::anchor_from_trusted_cert(root).map_err(|_| Fault::Certificate)?;
        }
        let issuers: Vec<&[u8]> = roots.iter().map(|root| root.as_ref()).collect();
        let mut revoked = HashMap::new();
        for list in lists {
            let list = read_list(list, &issuers).map_err(|_| Fault::Certificate)?;
            revoked.extend(list.revoked.iter().map(|entry| {
                let since = (!entry.reason.reaches_back()).then_some(entry.at);
                (print_of(&list.issuer, &entry.serial), since)
            }));
        }
        Ok(Trust { revoked, roots })
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
        let time = UnixTime::since_unix_epoch(at.duration_since(UNIX_EPOCH).map_err(|_| Fault::Untrusted)?);
        let usage = KeyUsage::required(EMAIL_PROTECTION);
        let algorithms = webpki::ALL_VERIFICATION_ALGS;
        end.verify_for_usage(algorithms, &anchors, &between, time, usage, None, None).map_err(untrusted)?;
        let is_revoked = between.iter().map(AsRef::as_ref).chain([certificate]).any(|one| self.is_revoked(one, at));
        match signs(certificate) && !is_revoked {
            true => Ok(()),
            false => Err(Fault::Untrusted),
        }
    }

    /// One that cannot be read counts as revoked.
    fn is_revoked(&self, certificate: &[u8], at: SystemTime) -> bool {
        let Ok(certificate) = encoding::parse(certificate) else { return true };
        let print = print_of(certificate.issuer().as_raw(), &encoding::magnitude(certificate.raw_serial()));
        self.revoked.get(&print).is_some_and(|since| since.is_none_or(|since| since <= at))
    }
}

/// Its key usage, where it says any, has digitalSignature (SPEC SEC-2).
fn signs(certificate: &[u8]) -> bool {
    let Ok(certificate) = encoding::parse(certificate) else { return false };
    let usage = certificate.key_usage();
    usage.is_ok_and(|usage| usage.is_none_or(|usage| usage.value.digital_signature()))
}
