//! TLS of the listeners (SEC-1): 1.3 alone, a client certificate for MQTT always and for the web if there is one, post-quantum key
//! exchange first. And who a client is by it.

mod trust;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
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
use crate::settings::{Origin, Settings};
use trust::Trust;

const MQTT: &[&[u8]] = &[b"mqtt"];
const WEB: &[&[u8]] = &[b"h2", b"http/1.1"];

/// What the listeners show and whom they trust; replaced while they run.
pub(crate) struct Tls {
    home: Home,
    origin: Origin,
    registrar: Arc<Registrar>,
    configs: RwLock<Configs>,
    /// One at a time replaces them.
    replacing: Mutex<()>,
    /// Other authorities are trusted, or were since the start: a connection that they let in may be about to say who it is.
    others: AtomicBool,
}

#[derive(Clone)]
struct Configs {
    required: Arc<ServerConfig>,
    asked: Arc<ServerConfig>,
    shell: Arc<ServerConfig>,
    /// SHA-256 of the public key that all but the shell show.
    key: [u8; 32],
}

impl Tls {
    pub(crate) fn new(
        home: &Home,
        settings: &Settings,
        origin: &Origin,
        registrar: Arc<Registrar>,
    ) -> Result<Tls, Failure> {
        let trust = Trust::read(home, &settings.tls, &registrar.authority)?;
        let configs = RwLock::new(Configs::new(home, settings, &registrar, &trust)?);
        registrar.revocations.set_others(trust.revoked);
        let (others, replacing) = (AtomicBool::new(trust.has_others), Mutex::new(()));
        Ok(Tls { home: home.clone(), origin: origin.clone(), registrar, configs, replacing, others })
    }

    /// For the next handshake where a client certificate is required: MQTT.
    pub(crate) fn required(&self) -> Arc<ServerConfig> {
        self.configs.read().unwrap_or_else(PoisonError::into_inner).required.clone()
    }

    /// The same where it is asked for: the web.
    pub(crate) fn asked(&self) -> Arc<ServerConfig> {
        self.configs.read().unwrap_or_else(PoisonError::into_inner).asked.clone()
    }

    /// The same for the remote shell, which knows our own authority only.
    pub(crate) fn shell(&self) -> Arc<ServerConfig> {
        self.configs.read().unwrap_or_else(PoisonError::into_inner).shell.clone()
    }

    /// By which clients may know the listeners, as DANE has it.
    pub(crate) fn key(&self) -> [u8; 32] {
        self.configs.read().unwrap_or_else(PoisonError::into_inner).key
    }

    /// What a certificate says that a listener has verified. Where no other authority is trusted, TLS has seen that our key signed it;
    /// to see that again would cost as much as it did.
    pub(crate) fn identify(&self, der: &[u8]) -> Option<chat::door::Certificate> {
        let subject = ca::subject(der).ok()?;
        let is_own = match self.others.load(Ordering::Acquire) {
            true => subject.issuer_is(&self.registrar.authority),
            false => self.registrar.is_named(&subject.issuer),
        };
        said(subject, is_own)
    }

    /// Reads configuration and files again; issues what ends soon anew. All of it counts from the next handshake on, or none does.
    /// Connections stay as they are, but for those whose certificate is revoked by now.
    pub(crate) fn reload(&self) -> Result<(), Failure> {
        let _alone = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let settings = self.origin.load()?;
        let trust = Trust::read(&self.home, &settings.tls, &self.registrar.authority)?;
        keys::admin(&self.home, &self.registrar)?;
        let fresh = Configs::new(&self.home, &settings, &self.registrar, &trust)?;
        self.others.fetch_or(trust.has_others, Ordering::AcqRel);
        *self.configs.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        self.registrar.revocations.set_others(trust.revoked);
        self.registrar.look_again();
        Ok(())
    }
}

impl Configs {
    fn new(home: &Home, settings: &Settings, registrar: &Registrar, trust: &Trust) -> Result<Configs, Failure> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = |roots| WebPkiClientVerifier::builder_with_provider(roots, provider.clone());
        let own = keys::server(home, settings, registrar)?;
        let (shown, own_roots) = (keys::shown(home, settings, &own)?, roots(registrar.authority.certificate_der())?);
        let must = verifier(trust.roots.clone()).build().map_err(Failure::tls)?;
        let may = verifier(trust.roots.clone()).allow_unauthenticated().build().map_err(Failure::tls)?;
        let operator = verifier(own_roots).build().map_err(Failure::tls)?;
        let leaf = shown.chain.first().ok_or_else(|| Failure::tls("no certificate is shown"))?;
        Ok(Configs {
            key: ca::subject(leaf)?.spki_sha256,
            required: config(must, &shown, MQTT)?,
            asked: config(may, &shown, WEB)?,
            shell: config(operator, &own, &[])?,
        })
    }
}

/// Sessions are resumed by tickets, which only this configuration opens: with new authorities there are new tickets. A resumed session has
/// the certificate of the first one, at which the TLS stack does not look again; so everybody who takes connections does (SEC-2).
fn config(
    verifier: Arc<dyn ClientCertVerifier>,
    pair: &keys::Pair,
    protocols: &[&[u8]],
) -> Result<Arc<ServerConfig>, Failure> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(Failure::tls)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(pair.chain.clone(), pair.key.clone_key())
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

/// What a certificate says to the chat (ID-9); `None` when it cannot be read. Whether it is to be believed is another matter.
pub(crate) fn identify(authority: &Authority, der: &[u8]) -> Option<chat::door::Certificate> {
    let subject = ca::subject(der).ok()?;
    let is_own = subject.issuer_is(authority);
    said(subject, is_own)
}

fn said(subject: Subject, own_authority: bool) -> Option<chat::door::Certificate> {
    let since = |time: SystemTime| u64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok();
    let (issued, not_after) = (since(subject.issued(own_authority))?, since(subject.not_after)?);
    Some(chat::door::Certificate {
        key: subject.spki_sha256,
        print: print_of(&subject.issuer, &subject.serial),
        own_authority,
        sys: is_in(&subject, "sys"),
        personal: subject.client_auth
            && !subject.server_auth
            && !subject.is_ca
            && !is_in(&subject, "sys")
            && !keys::is_admin(&subject),
        der: subject.der.into(),
        names: subject.names,
        given_name: subject.given_name,
        surname: subject.surname,
        device: subject.device,
        issued,
        not_after,
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

    #[test]
    fn profile_11_only_what_we_issue_counts_from_earlier_on_than_it_was_issued() {
        let now = SystemTime::now();
        let (own, other) = (Authority::create("Test", now).unwrap(), Authority::create("Other", now).unwrap());
        let der = own.client("380670000001", now).unwrap().certificate.der;
        let issued = |authority| identify(authority, &der).unwrap().issued;
        let second = millis(now) / 1000 * 1000;
        assert!((second..=millis(now)).contains(&issued(&own)));
        assert_eq!(issued(&other), issued(&own) - 300_000, "another authority's clock is not ours");
    }
}
