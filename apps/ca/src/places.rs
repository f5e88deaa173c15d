//! Where it is later found what became of a certificate: its revocation list and its responder, named in the certificate itself.

use der::{Encode, asn1::Ia5String, asn1::ObjectIdentifier};
use rcgen::{CertificateParams, CrlDistributionPoint, CustomExtension};
use x509_cert::ext::pkix::{AccessDescription, AuthorityInfoAccessSyntax, name::GeneralName};

use crate::Error;

/// id-pe-authorityInfoAccess (RFC 5280 section 4.2.2.1).
const INFORMATION: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 1];
const OCSP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1");
/// Bytes of an address.
const URL_MAX: usize = 256;

/// Addresses (http://…), as the outside reaches them; what is absent is not named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    pub crl: Option<String>,
    pub ocsp: Option<String>,
}

impl Places {
    /// # Errors
    /// `Name` for what is no address.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let good = |url: &&String| {
            let web = url.starts_with("http://") || url.starts_with("https://");
            web && url.len() <= URL_MAX && url.bytes().all(|byte| byte.is_ascii_graphic())
        };
        match [&self.crl, &self.ocsp].into_iter().flatten().find(|url| !good(url)) {
            Some(bad) => Err(Error::Name(bad.clone())),
            None => Ok(()),
        }
    }

    pub(crate) fn name_in(&self, params: &mut CertificateParams) -> Result<(), Error> {
        params.crl_distribution_points =
            self.crl.iter().map(|url| CrlDistributionPoint { uris: vec![url.clone()] }).collect();
        if let Some(url) = &self.ocsp {
            let url = Ia5String::new(url).map_err(|_| Error::Name(url.clone()))?;
            let access_location = GeneralName::UniformResourceIdentifier(url);
            let access = AuthorityInfoAccessSyntax(vec![AccessDescription { access_method: OCSP, access_location }]);
            let content = access.to_der().map_err(|error| Error::Crypto(error.to_string()))?;
            params.custom_extensions.push(CustomExtension::from_oid_content(INFORMATION, content));
        }
        Ok(())
    }
}
