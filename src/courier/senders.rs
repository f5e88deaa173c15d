//! Who takes pushes, as the configuration has it: for each gateway its sender, or `log`.

use std::sync::Arc;

use chat::Gateway;
use etf::Atoms;
use fetch::Reach;
use push::{Account, Apns, Credentials, Fcm, Gateways, Push, Sender, Signer, Web};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::log::{Log, TOKEN};
use crate::failure::Failure;
use crate::home::Home;
use crate::settings::{self, Settings};

/// What APNs says instead of `LIVE`.
const SANDBOX: &str = "SANDBOX";

pub(crate) struct Senders {
    apns: Carrier,
    fcm: Carrier,
    web: Carrier,
    pub(crate) web_key: Option<String>,
}

/// A sender, and what it may see.
#[derive(Clone)]
pub(crate) struct Carrier {
    pub(crate) sender: Arc<dyn Sender>,
    name: &'static str,
}

const LOG: &str = "log";

impl Senders {
    pub(crate) fn new(home: &Home, settings: &Settings) -> Result<Senders, Failure> {
        let of = &settings.push;
        let log = Carrier { sender: Arc::new(Log::new(home.outbox().join("pushes"))), name: LOG };
        let mut senders = Senders { apns: log.clone(), fcm: log.clone(), web: log, web_key: None };
        if of.apns.is_used() {
            senders.apns = Carrier { sender: Arc::new(apns(home, settings)?), name: Gateway::Apns.text() };
        }
        if !of.fcm.account.is_empty() {
            senders.fcm = Carrier { sender: Arc::new(fcm(home, settings)?), name: Gateway::Fcm.text() };
        }
        if !of.web.subject.is_empty() {
            let web = web(home, settings)?;
            senders.web_key = Some(web.public_key());
            senders.web = Carrier { sender: Arc::new(web), name: Gateway::Web.text() };
        }
        Ok(senders)
    }

    pub(crate) fn of(&self, gateway: Gateway) -> Carrier {
        self.carrier(gateway).clone()
    }

    pub(crate) fn name(&self, gateway: Gateway) -> &'static str {
        self.carrier(gateway).name
    }

    fn carrier(&self, gateway: Gateway) -> &Carrier {
        match gateway {
            Gateway::Apns => &self.apns,
            Gateway::Fcm => &self.fcm,
            Gateway::Web => &self.web,
        }
    }
}

impl Carrier {
    /// A push as it is sent; what is written down has no token.
    pub(crate) fn parcel(&self, push: &chat::Push) -> Push {
        let is_logged = self.name == LOG;
        let (token, about) = match is_logged {
            true => (TOKEN.into(), described(push)),
            false => (push.token.clone(), String::new()),
        };
        Push {
            id: push.number,
            body: push.body(&String::from_utf8_lossy(&token)),
            token,
            about,
            expires: push.expires / 1000,
            is_call: push.is_call(),
            bundle: push.setting("IOS_BANDLE").map(str::to_owned),
            sandbox: push.setting("APNS_GATEWAY") == Some(SANDBOX),
        }
    }
}

/// Device, system, the record in hexadecimal.
fn described(push: &chat::Push) -> String {
    let record: String = push.push.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{} {} {record}", String::from_utf8_lossy(&push.client_id), push.os.text())
}

fn apns(home: &Home, settings: &Settings) -> Result<Apns, Failure> {
    let settings::Apns { key, key_id, team_id, certificate, certificate_key, bundles, live, sandbox } =
        &settings.push.apns;
    let who = match key.is_empty() {
        false => {
            let pem = ca::files::read_secret(home.path().join(key))?;
            let key = Signer::es256(&pem).map_err(|why| wrong("apns.key", &why))?;
            Credentials::Token { key, key_id: key_id.clone(), team_id: team_id.clone() }
        }
        true => {
            let bad = |why: rustls::pki_types::pem::Error| wrong("apns.certificate", &why);
            let chain = CertificateDer::pem_file_iter(home.path().join(certificate)).map_err(bad)?;
            let chain = chain.collect::<Result<_, _>>().map_err(bad)?;
            let pem = ca::files::read_secret(home.path().join(certificate_key))?;
            Credentials::Certificate { chain, key: PrivateKeyDer::from_pem_slice(&pem).map_err(bad)? }
        }
    };
    let url = |text: &String| text.parse().map_err(|why| wrong("apns", &why));
    let gateways = Gateways { live: url(live)?, sandbox: url(sandbox)? };
    Apns::new(who, gateways, bundles.clone(), settings.http.trusted()?).map_err(|why| wrong("apns", &why))
}

fn fcm(home: &Home, settings: &Settings) -> Result<Fcm, Failure> {
    let bad = |why: &dyn std::fmt::Display| wrong("fcm.account", why);
    let json = ca::files::read_secret(home.path().join(&settings.push.fcm.account))?;
    let account = Account::parse(&json).map_err(|why| bad(&why))?;
    let gateway = settings.push.fcm.gateway.parse().map_err(|why| wrong("fcm.gateway", &why))?;
    Fcm::new(account, &gateway, settings.http.trusted()?).map_err(|why| bad(&why))
}

/// By the server's own key, made when it is first wanted.
fn web(home: &Home, settings: &Settings) -> Result<Web, Failure> {
    let bad = |why: &dyn std::fmt::Display| wrong("web", why);
    let path = home.push_key();
    if !path.exists() {
        let fresh = Signer::generate().map_err(|why| bad(&why))?;
        ca::files::write_secret(&path, fresh.as_bytes())?;
    }
    let key = Signer::es256(&ca::files::read_secret(&path)?).map_err(|why| bad(&why))?;
    let reach = if settings.push.web.internal { Reach::Any } else { Reach::Outside };
    Web::new(key, &settings.push.web.subject, reach, settings.http.trusted()?).map_err(|why| bad(&why))
}

fn wrong(what: &str, why: &dyn std::fmt::Display) -> Failure {
    Failure::Refused(format!("push.{what}: {why}"))
}
