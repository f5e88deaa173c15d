//! A server's certificate, known by what its zone says of it (DANE: RFC 6698, 7671).

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, SHA512, digest};
use hickory_net::proto::rr::rdata::TLSA;
use hickory_net::proto::rr::rdata::tlsa::{CertUsage, Matching, Selector};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// Records of one listener.
const RECORDS_MAX: usize = 32;
/// Certificates that a server may show.
const CHAIN_MAX: usize = 8;

/// What is known of a listener's certificate.
pub(crate) struct Known {
    entries: Vec<Entry>,
    provider: Arc<CryptoProvider>,
}

struct Entry {
    whose: Whose,
    selector: Part,
    matching: Form,
    data: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// Of the listener (DANE-EE): that its key is the one is all that counts.
    Own,
    /// Of an authority (DANE-TA), which the listener shows with its own.
    Authority,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Certificate,
    Key,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Whole,
    Sha256,
    Sha512,
}

impl Known {
    /// `None`: nothing among them is understood.
    pub(super) fn by(records: &[TLSA]) -> Option<Known> {
        let entries: Vec<Entry> = records.iter().take(RECORDS_MAX).filter_map(Entry::of).collect();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        (!entries.is_empty()).then_some(Known { entries, provider })
    }

    fn has(&self, whose: Whose, certificate: &[u8]) -> bool {
        self.entries.iter().any(|entry| entry.whose == whose && entry.is(certificate))
    }

    /// Certificates of authorities by which this server may be known: those that it shows, and those that stand in the zone whole.
    fn authorities(&self, shown: &[CertificateDer<'_>]) -> Result<RootCertStore, Error> {
        let mut roots = RootCertStore::empty();
        for certificate in shown.iter().take(CHAIN_MAX).filter(|shown| self.has(Whose::Authority, shown)) {
            roots.add(certificate.clone().into_owned())?;
        }
        let form = (Whose::Authority, Part::Certificate, Form::Whole);
        for entry in self.entries.iter().filter(|entry| (entry.whose, entry.selector, entry.matching) == form) {
            roots.add(CertificateDer::from(entry.data.clone()))?;
        }
        Ok(roots)
    }
}

impl Entry {
    /// Those that want a public authority besides (0 and 1) are not for us, nor is what nobody has defined.
    fn of(record: &TLSA) -> Option<Entry> {
        let whose = match record.cert_usage {
            CertUsage::DaneEe => Whose::Own,
            CertUsage::DaneTa => Whose::Authority,
            _ => return None,
        };
        let selector = match record.selector {
            Selector::Full => Part::Certificate,
            Selector::Spki => Part::Key,
            _ => return None,
        };
        let matching = match record.matching {
            Matching::Raw => Form::Whole,
            Matching::Sha256 => Form::Sha256,
            Matching::Sha512 => Form::Sha512,
            _ => return None,
        };
        Some(Entry { whose, selector, matching, data: record.cert_data.clone() })
    }

    fn is(&self, certificate: &[u8]) -> bool {
        let der = CertificateDer::from(certificate);
        let Ok(parsed) = webpki::EndEntityCert::try_from(&der) else { return false };
        let key = parsed.subject_public_key_info();
        let part = match self.selector {
            Part::Certificate => certificate,
            Part::Key => key.as_ref(),
        };
        match self.matching {
            Form::Whole => part == self.data,
            Form::Sha256 => digest(&SHA256, part).as_ref() == self.data,
            Form::Sha512 => digest(&SHA512, part).as_ref() == self.data,
        }
    }
}

impl ServerCertVerifier for Known {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.has(Whose::Own, own) {
            return Ok(ServerCertVerified::assertion());
        }
        let roots = self.authorities(others)?;
        if roots.is_empty() {
            return Err(CertificateError::UnknownIssuer.into());
        }
        let usual = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), self.provider.clone()).build();
        usual.map_err(|why| Error::General(why.to_string()))?.verify_server_cert(own, others, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known").field("entries", &self.entries.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    /// A server's certificate, and that of its authority.
    fn chain() -> (CertificateDer<'static>, CertificateDer<'static>) {
        let authority = ca::Authority::create("Test", SystemTime::now()).unwrap();
        let issued = authority.server(&["chat.example".into()], SystemTime::now()).unwrap();
        (issued.certificate.der.into(), authority.certificate_der().to_vec().into())
    }

    fn good(known: &[TLSA], own: &CertificateDer<'_>, others: &[CertificateDer<'_>], name: &str) -> bool {
        let known = Known::by(known).unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        known.verify_server_cert(own, others, &name, &[], UnixTime::now()).is_ok()
    }

    fn key(certificate: &CertificateDer<'_>) -> Vec<u8> {
        webpki::EndEntityCert::try_from(certificate).unwrap().subject_public_key_info().as_ref().to_vec()
    }

    #[test]
    fn the_listener_s_own_key_or_certificate_in_every_form_and_no_other() {
        let ((own, root), (other, _)) = (chain(), chain());
        for selector in [Selector::Spki, Selector::Full] {
            let part = if selector == Selector::Spki { key(&own) } else { own.to_vec() };
            let forms = [
                (Matching::Raw, part.clone()),
                (Matching::Sha256, digest(&SHA256, &part).as_ref().to_vec()),
                (Matching::Sha512, digest(&SHA512, &part).as_ref().to_vec()),
            ];
            for (matching, data) in forms {
                let known = [TLSA::new(CertUsage::DaneEe, selector, matching, data)];
                assert!(good(&known, &own, &[], "another.example"), "its name does not count (RFC 7671)");
                assert!(!good(&known, &other, std::slice::from_ref(&own), "chat.example"));
                assert!(!good(&known, &root, &[], "chat.example"));
            }
        }
    }

    #[test]
    fn an_authority_of_the_zone_counts_for_those_whom_it_signed_under_their_name() {
        let ((own, root), (other, _)) = (chain(), chain());
        let print = digest(&SHA256, &key(&root)).as_ref().to_vec();
        let known = [TLSA::new(CertUsage::DaneTa, Selector::Spki, Matching::Sha256, print)];
        let shown = [root.clone()];
        assert!(good(&known, &own, &shown, "chat.example"));
        assert!(!good(&known, &own, &shown, "another.example"));
        assert!(!good(&known, &own, &[], "chat.example"), "it is to be shown");
        assert!(!good(&known, &other, &shown, "chat.example"));
        let whole = [TLSA::new(CertUsage::DaneTa, Selector::Full, Matching::Raw, root.to_vec())];
        assert!(good(&whole, &own, &[], "chat.example"));
    }

    #[test]
    fn what_is_not_understood_is_not_taken_for_nothing() {
        let odd = |usage, selector, matching| TLSA::new(usage, selector, matching, vec![0; 32]);
        assert!(Known::by(&[odd(CertUsage::PkixEe, Selector::Spki, Matching::Sha256)]).is_none());
        assert!(Known::by(&[odd(CertUsage::DaneEe, Selector::Unassigned(7), Matching::Sha256)]).is_none());
        assert!(Known::by(&[odd(CertUsage::DaneEe, Selector::Spki, Matching::Unassigned(9))]).is_none());
    }
}
