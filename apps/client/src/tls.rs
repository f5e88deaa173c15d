//! TLS 1.3 on aws-lc-rs, post-quantum key exchange first (SPEC SEC-1).

use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};

use crate::find::Known;
use crate::{Carrier, Error, Identity, Tls, Url};

/// The authorities of a PEM bundle; at least one.
pub(crate) fn roots(ca_pem: &str) -> Result<Arc<RootCertStore>, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in authorities(ca_pem)? {
        roots.add(certificate).map_err(Error::tls)?;
    }
    Ok(Arc::new(roots))
}

/// The same as certificates.
pub(crate) fn authorities(ca_pem: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(ca_pem.as_bytes()).collect();
    match all.map_err(Error::tls)? {
        none if none.is_empty() => Err(Error::Tls("no certificate of an authority is given".into())),
        all => Ok(all),
    }
}

/// What a connection by `carrier` to a server that `tls` trusts needs.
pub(crate) fn config(tls: &Tls, carrier: Carrier) -> Result<Arc<ClientConfig>, Error> {
    config_with(roots(&tls.ca_pem)?, tls, carrier)
}

/// As [`config`], with authorities read before: thousands of connections share them.
pub(crate) fn config_with(roots: Arc<RootCertStore>, tls: &Tls, carrier: Carrier) -> Result<Arc<ClientConfig>, Error> {
    finish(builder()?.with_root_certificates(roots), tls.identity.as_ref(), carrier)
}

/// To a server whose certificate its zone tells.
pub(crate) fn config_known(known: Arc<Known>, tls: Option<&Tls>, carrier: Carrier) -> Result<Arc<ClientConfig>, Error> {
    let builder = builder()?.dangerous().with_custom_certificate_verifier(known);
    finish(builder, tls.and_then(|tls| tls.identity.as_ref()), carrier)
}

fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    builder.with_protocol_versions(&[&rustls::version::TLS13]).map_err(Error::tls)
}

fn finish(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    identity: Option<&Identity>,
    carrier: Carrier,
) -> Result<Arc<ClientConfig>, Error> {
    let mut config = match identity {
        Some(identity) => {
            let chain = CertificateDer::pem_slice_iter(identity.cert_pem.as_bytes())
                .collect::<Result<Vec<_>, _>>()
                .map_err(Error::tls)?;
            let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).map_err(Error::tls)?;
            builder.with_client_auth_cert(chain, key).map_err(Error::tls)?
        }
        None => builder.with_no_client_auth(),
    };
    let protocol: &[u8] = match carrier {
        Carrier::Tcp | Carrier::Tls | Carrier::Quic => b"mqtt",
        Carrier::WebSocket | Carrier::WebSocketTls => b"http/1.1",
    };
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(Arc::new(config))
}

/// The name that the server's certificate must carry.
pub(crate) fn server_name(url: &Url) -> Result<ServerName<'static>, Error> {
    ServerName::try_from(url.host.clone()).map_err(|_| Error::Url(url.to_string()))
}
