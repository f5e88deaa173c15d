//! TLS of the listeners (SEC-1): 1.3 alone, a client certificate for MQTT always and for the web if there is one, post-quantum key
//! exchange first. And who a client is by it.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use ca::{Authority, Subject};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};

use crate::failure::Failure;
use crate::home::Home;
use crate::keys;
use crate::registrar::{Registrar, millis, print_of};
use crate::settings::Settings;

const MQTT: &[&[u8]] = &[b"mqtt"];
const WEB: &[&[u8]] = &[b"h2", b"http/1.1"];

/// What the listeners show and whom they trust; replaced while they run.
pub(crate) struct Tls {
    home: Home,
    settings: Settings,
    registrar: Arc<Registrar>,
    configs: RwLock<Configs>,
}

#[derive(Clone)]
struct Configs {
    required: Arc<ServerConfig>,
    asked: Arc<ServerConfig>,
}

impl Tls {
    pub(crate) fn new(home: &Home, settings: &Settings, registrar: Arc<Registrar>) -> Result<Tls, Failure> {
        let configs = Configs::new(&registrar.authority, keys::server(home, settings, &registrar)?)?;
        Ok(Tls { home: home.clone(), settings: settings.clone(), registrar, configs: RwLock::new(configs) })
    }

    /// For the next handshake where a client certificate is required: MQTT, the shell.
    pub(crate) fn required(&self) -> Arc<ServerConfig> {
        self.configs.read().unwrap_or_else(PoisonError::into_inner).required.clone()
    }

    /// The same where it is asked for: the web.
    pub(crate) fn asked(&self) -> Arc<ServerConfig> {
        self.configs.read().unwrap_or_else(PoisonError::into_inner).asked.clone()
    }

    /// Issues what ends soon anew; connections stay as they are.
    pub(crate) fn renew(&self) -> Result<(), Failure> {
        keys::admin(&self.home, &self.registrar)?;
        let pair = keys::server(&self.home, &self.settings, &self.registrar)?;
        let fresh = Configs::new(&self.registrar.authority, pair)?;
        *self.configs.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }
}

impl Configs {
    fn new(authority: &Authority, pair: keys::Pair) -> Result<Configs, Failure> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let roots = roots(authority.certificate_der())?;
        let verifier = || WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone());
        let (must, may) = (verifier(), verifier().allow_unauthenticated());
        let again = keys::Pair { certificate: pair.certificate.clone(), key: pair.key.clone_key() };
        let required = config(must.build().map_err(Failure::tls)?, again, MQTT)?;
        let asked = config(may.build().map_err(Failure::tls)?, pair, WEB)?;
        Ok(Configs { required, asked })
    }
}

/// Sessions are resumed by tickets, which only this configuration opens: with new authorities there are new tickets. A resumed session has
/// the certificate of the first one, at which the TLS stack does not look again; so everybody who takes connections does (SEC-2).
fn config(
    verifier: Arc<dyn ClientCertVerifier>,
    pair: keys::Pair,
    protocols: &[&[u8]],
) -> Result<Arc<ServerConfig>, Failure> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(Failure::tls)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![pair.certificate], pair.key)
        .map_err(Failure::tls)?;
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(Failure::tls)?;
    config.send_tls13_tickets = 1;
    Ok(Arc::new(config))
}

pub(crate) fn roots(der: &[u8]) -> Result<Arc<RootCertStore>, Failure> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(der.to_vec())).map_err(Failure::tls)?;
    Ok(Arc::new(roots))
}

/// What a certificate that TLS has verified says to the chat (ID-9); `None` when it cannot be read.
pub(crate) fn identify(authority: &Authority, der: &[u8]) -> Option<chat::door::Certificate> {
    let subject = ca::subject(der).ok()?;
    let not_after = subject.not_after.duration_since(UNIX_EPOCH).ok()?.as_millis();
    Some(chat::door::Certificate {
        der: bytes::Bytes::copy_from_slice(der),
        key: subject.spki_sha256,
        print: print_of(&subject.issuer, &subject.serial),
        own_authority: subject.issuer_is(authority),
        sys: is_in(&subject, "sys"),
        personal: subject.client_auth
            && !subject.server_auth
            && !subject.is_ca
            && !is_in(&subject, "sys")
            && !keys::is_admin(&subject),
        names: subject.names,
        given_name: subject.given_name,
        surname: subject.surname,
        device: subject.device,
        not_after: u64::try_from(not_after).ok()?,
    })
}

/// The same for a certificate that TLS has not seen: nothing that is revoked or over.
pub(crate) fn good(registrar: &Registrar, der: &[u8]) -> Option<chat::door::Certificate> {
    let read = identify(&registrar.authority, der)?;
    let is_over = read.not_after <= millis(SystemTime::now());
    (!is_over && !registrar.revocations.has(read.print)).then_some(read)
}

fn is_in(subject: &Subject, unit: &str) -> bool {
    subject.units.iter().any(|other| other == unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_9_only_people_s_certificates_are_personal() {
        let authority = Authority::create("Test", SystemTime::now()).unwrap();
        let now = SystemTime::now();
        let who = |issued: ca::Issued| identify(&authority, &issued.certificate.der).unwrap();

        let ann = who(authority.client("380670000001", now).unwrap());
        assert!(ann.personal && ann.own_authority && !ann.sys);
        assert_eq!(ann.names, ["380670000001"]);
        let service = who(authority.service("bot", now).unwrap());
        assert!(service.sys && !service.personal);
        assert!(!who(authority.admin("operator", now).unwrap()).personal);
        assert!(!who(authority.server(&["localhost".into()], now).unwrap()).personal);

        let other = Authority::create("Other", now).unwrap();
        assert!(!identify(&other, &authority.client("ann", now).unwrap().certificate.der).unwrap().own_authority);
    }
}
