//! The configuration: one file, read once. Each option is explained in priv/chat.toml, which is the file that is shipped.

mod load;
mod auth;
mod directory;
mod push;
mod ldap;
mod zone;

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use proto::limits;
use serde::Deserialize;

use crate::failure::Failure;
use crate::home::Home;
pub(crate) use auth::Auth;
pub(crate) use directory::Directory;
pub(crate) use ldap::Ldap;
pub(crate) use push::{Apns, Push};
pub(crate) use zone::Ns;

/// Where the configuration came from, for what is read again while the server runs.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) path: PathBuf,
    pub(crate) must_be: bool,
    pub(crate) profile: Option<Profile>,
}

impl Origin {
    pub(crate) fn load(&self) -> Result<Settings, Failure> {
        Settings::load(&self.path, self.must_be, self.profile)
    }
}

/// The configuration that is shipped: all options, with the defaults of the profile `embedded`.
#[cfg(test)]
const SHIPPED: &str = include_str!("../priv/chat.toml");

/// Bytes of the largest packet that may be asked for.
const PACKETS: RangeInclusive<usize> = 2 * limits::PACKET_OVERHEAD_BYTES..=limits::PACKET_MAX_BYTES;
/// Bytes of the largest file that may be allowed, and of an account's: a tebibyte.
const FILES: RangeInclusive<u64> = 1..=1 << 40;
const RING_NODES: RangeInclusive<u64> = 1..=64;
/// Listeners of one kind.
const LISTENERS_MAX: usize = 16;

/// What two deployments may want different.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) profile: Profile,
    pub(crate) log: String,
    pub(crate) limits: bool,
    pub(crate) huge_pages: bool,
    pub(crate) listen: Listen,
    pub(crate) server: Server,
    pub(crate) auth: Auth,
    pub(crate) directory: Directory,
    pub(crate) session: Session,
    pub(crate) push: Push,
    pub(crate) http: Http,
    pub(crate) tls: Tls,
    pub(crate) x509: X509,
    pub(crate) ns: Ns,
    pub(crate) ldap: Ldap,
    pub(crate) mqtt: Mqtt,
    pub(crate) web: Web,
    pub(crate) mail: Mail,
    pub(crate) topics: Topics,
    pub(crate) ring: Ring,
    pub(crate) queue: Queue,
    pub(crate) history: History,
    pub(crate) ftp: Ftp,
    pub(crate) security: Security,
}

/// Where the defaults come from (SPEC section 11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Profile {
    Dev,
    #[default]
    Embedded,
    Production,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Listen {
    pub(crate) mqtt: Vec<SocketAddr>,
    pub(crate) mqtts: Vec<SocketAddr>,
    pub(crate) http: Vec<SocketAddr>,
    pub(crate) https: Vec<SocketAddr>,
    pub(crate) quic: Vec<SocketAddr>,
    pub(crate) ldap: Vec<SocketAddr>,
    pub(crate) ldaps: Vec<SocketAddr>,
    pub(crate) shell: Vec<SocketAddr>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Server {
    pub(crate) organisation: String,
    pub(crate) names: Vec<String>,
}

/// N2O sessions (INIT-2).
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Session {
    pub(crate) prolong: bool,
}

/// Requests to servers of others.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Http {
    pub(crate) roots: String,
}

impl Http {
    /// Whom TLS to others trusts.
    pub(crate) fn trusted(&self) -> Result<fetch::RootCertStore, Failure> {
        fetch::trusted(&self.roots).map_err(|why| Failure::Refused(format!("http.roots: {why}")))
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct X509 {
    pub(crate) auto_bind: bool,
    pub(crate) intermediate: bool,
    pub(crate) curve: Curve,
    pub(crate) crl_url: String,
    pub(crate) ocsp_url: String,
}

/// Of the authority's own keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Curve {
    P256,
    P384,
}

impl From<Curve> for ca::Curve {
    fn from(curve: Curve) -> ca::Curve {
        match curve {
            Curve::P256 => ca::Curve::P256,
            Curve::P384 => ca::Curve::P384,
        }
    }
}

impl X509 {
    /// What certificates say of where their revocation is found.
    pub(crate) fn places(&self) -> ca::Places {
        let given = |url: &String| Some(url.clone()).filter(|url| !url.is_empty());
        ca::Places { crl: given(&self.crl_url), ocsp: given(&self.ocsp_url) }
    }
}

/// SEC-1; files of others. Read again while the server runs.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Tls {
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) roots: String,
    pub(crate) crl: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Mqtt {
    pub(crate) plain: Plain,
    pub(crate) packet_max: usize,
    pub(crate) sys_interval: u16,
}

/// CON-2.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Web {
    pub(crate) origins: Vec<String>,
}

/// MAIL-2.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Mail {
    pub(crate) auth: MailAuth,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MailAuth {
    #[default]
    #[serde(rename = "")]
    ByListener,
    Open,
    Identity,
}

impl Mail {
    pub(crate) fn web(&self) -> web::MailAuth {
        match self.auth {
            MailAuth::ByListener => web::MailAuth::ByListener,
            MailAuth::Open => web::MailAuth::Open,
            MailAuth::Identity => web::MailAuth::Identity,
        }
    }
}

/// TOPIC-13.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Topics {
    pub(crate) free: Vec<Rule>,
}

/// Names of certificates that may read and write what `filter` names.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    pub(crate) filter: String,
    #[serde(default)]
    pub(crate) read: Vec<String>,
    #[serde(default)]
    pub(crate) write: Vec<String>,
}

/// CON-3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Plain {
    Cert,
    Any,
    Off,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Ring {
    pub(crate) nodes: u64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Queue {
    pub(crate) ack: Ack,
}

/// DLV-13.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Ack {
    Record,
    Puback,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct History {
    pub(crate) mode: Mode,
}

/// FTP-8, bytes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Ftp {
    pub(crate) max: u64,
    pub(crate) quota: u64,
    /// Zero: a twentieth of the disk, at most 256 MiB.
    pub(crate) reserve: u64,
}

/// SEC-7, SEC-8.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Security {
    pub(crate) require_cms: bool,
    pub(crate) verify: bool,
}

/// DLV-6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    Keep,
    Transient,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            profile: Profile::default(),
            log: "info".into(),
            limits: true,
            huge_pages: true,
            listen: Listen::default(),
            server: Server::default(),
            auth: Auth::default(),
            directory: Directory::default(),
            session: Session::default(),
            push: Push::default(),
            http: Http::default(),
            tls: Tls::default(),
            x509: X509::default(),
            ns: Ns::default(),
            ldap: Ldap::default(),
            mqtt: Mqtt::default(),
            web: Web::default(),
            mail: Mail::default(),
            topics: Topics::default(),
            ring: Ring::default(),
            queue: Queue::default(),
            history: History::default(),
            ftp: Ftp::default(),
            security: Security::default(),
        }
    }
}

impl Default for Listen {
    fn default() -> Listen {
        use std::net::{Ipv4Addr, Ipv6Addr};
        Listen {
            mqtt: vec![(Ipv4Addr::LOCALHOST, 1883).into(), (Ipv6Addr::LOCALHOST, 1883).into()],
            mqtts: vec![(Ipv6Addr::UNSPECIFIED, 8883).into()],
            http: vec![(Ipv4Addr::LOCALHOST, 8083).into(), (Ipv6Addr::LOCALHOST, 8083).into()],
            https: vec![(Ipv6Addr::UNSPECIFIED, 8084).into()],
            quic: vec![(Ipv6Addr::UNSPECIFIED, 14567).into()],
            ldap: vec![(Ipv4Addr::LOCALHOST, 1389).into()],
            ldaps: Vec::new(),
            shell: vec![(Ipv4Addr::LOCALHOST, 8899).into()],
        }
    }
}

impl Default for Server {
    fn default() -> Server {
        Server { organisation: "CHAT".into(), names: Vec::new() }
    }
}

impl Default for X509 {
    fn default() -> X509 {
        X509 {
            auto_bind: true,
            intermediate: false,
            curve: Curve::P256,
            crl_url: String::new(),
            ocsp_url: String::new(),
        }
    }
}

impl Default for Mqtt {
    fn default() -> Mqtt {
        Mqtt { plain: Plain::Cert, packet_max: limits::PACKET_BYTES, sys_interval: 10 }
    }
}

impl Default for Ring {
    fn default() -> Ring {
        Ring { nodes: 4 }
    }
}

impl Default for Queue {
    fn default() -> Queue {
        Queue { ack: Ack::Record }
    }
}

impl Default for History {
    fn default() -> History {
        History { mode: Mode::Keep }
    }
}

impl Default for Ftp {
    fn default() -> Ftp {
        Ftp { max: limits::FTP_FILE_BYTES, quota: limits::FTP_QUOTA_BYTES, reserve: 0 }
    }
}

impl Listen {
    /// All of them, by what is spoken there.
    pub(crate) fn kinds(&self) -> [&Vec<SocketAddr>; 8] {
        [&self.mqtt, &self.mqtts, &self.http, &self.https, &self.quic, &self.ldap, &self.ldaps, &self.shell]
    }
}

impl Settings {
    /// What concerns the chat.
    pub(crate) fn chat(&self, home: &Home) -> Result<chat::Settings, Failure> {
        Ok(chat::Settings {
            fake_numbers: self.auth.fake_numbers,
            providers: self.auth.providers.iter().filter_map(|provider| provider.chat()).collect(),
            static_codes: self.auth.static_codes().map_err(Failure::Refused)?,
            voice: self.auth.webhook.voice,
            directory: self.directory.decides(),
            jwt: self.auth.jwt.chat(home)?,
            min_version: self.auth.min_version.into(),
            auto_bind: self.x509.auto_bind,
            sys_secret: auth::sha256(&self.auth.sys_secret),
            push_preview: self.push.preview,
            session_prolong: self.session.prolong,
            ring_nodes: self.ring.nodes,
            limits: self.limits,
            puback: self.queue.ack == Ack::Puback,
            transient: self.history.mode == Mode::Transient,
            require_cms: self.security.require_cms,
            verify: self.security.verify,
            packet_max: self.mqtt.packet_max,
            file_max: self.ftp.max,
            file_quota: self.ftp.quota,
        })
    }

    /// What concerns the connections.
    pub(crate) fn mqtt(&self) -> mqtt::Settings {
        let plain = match self.mqtt.plain {
            Plain::Cert => mqtt::Plain::Cert,
            Plain::Any => mqtt::Plain::Any,
            Plain::Off => mqtt::Plain::Off,
        };
        let rules = self.rules().into();
        let sys_interval = Duration::from_secs(self.mqtt.sys_interval.into());
        mqtt::Settings { packet_max: self.mqtt.packet_max, plain, rules, sys_interval, ..mqtt::Settings::default() }
    }

    fn rules(&self) -> Vec<mqtt::Rule> {
        let rule = |Rule { filter, read, write }| mqtt::Rule { filter, read, write };
        self.topics.free.iter().cloned().map(rule).collect()
    }

    /// What concerns strangers at the listeners.
    pub(crate) fn gate(&self) -> listen::Limits {
        let held = listen::Limits::default();
        match self.limits {
            true => held,
            false => listen::Limits { per_address_max: usize::MAX, connects_per_minute: None, ..held },
        }
    }
}
