//! The section `ns`: the zone that the server publishes itself in.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ns::record::Name;
use serde::Deserialize;

use super::LISTENERS_MAX;

/// Secondaries, and addresses of this server.
const ADDRESSES_MAX: usize = 16;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Ns {
    pub(crate) zone: String,
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) file: String,
    pub(crate) secondaries: Vec<Secondary>,
    pub(crate) keys: String,
    pub(crate) algorithm: Algorithm,
}

/// An address, and the name of the key by which it is known if that is not enough.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Secondary(pub(crate) ns::Secondary);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Algorithm {
    EcdsaP256Sha256,
    Ed25519,
}

impl Default for Ns {
    fn default() -> Ns {
        Ns {
            zone: String::new(),
            listen: vec![(Ipv4Addr::LOCALHOST, 5300).into(), (Ipv6Addr::LOCALHOST, 5300).into()],
            addresses: Vec::new(),
            file: String::new(),
            secondaries: Vec::new(),
            keys: String::new(),
            algorithm: Algorithm::EcdsaP256Sha256,
        }
    }
}

impl Ns {
    /// The zone, if there is one.
    pub(crate) fn origin(&self) -> Option<Name> {
        let text = self.zone.trim_end_matches('.');
        let is_host = |label: &str| label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let good = !text.is_empty() && text.split('.').all(|label| !label.is_empty() && is_host(label));
        good.then(|| Name::from_ascii(format!("{}.", text.to_ascii_lowercase())).ok()).flatten()
    }

    /// Where the world reaches this server.
    pub(crate) fn reached_at(&self) -> Vec<IpAddr> {
        let given = self.addresses.iter().copied();
        let listens = self.listen.iter().map(SocketAddr::ip).filter(|ip| !ip.is_unspecified());
        let mut all: Vec<IpAddr> = if self.addresses.is_empty() { listens.collect() } else { given.collect() };
        all.sort_unstable();
        all.dedup();
        all
    }

    pub(super) fn check(&self) -> Result<(), String> {
        if self.zone.is_empty() {
            return Ok(());
        }
        if self.origin().is_none() {
            return Err(format!("ns.zone: {:?} is no name of a zone", self.zone));
        }
        if self.listen.is_empty() || self.listen.len() > LISTENERS_MAX {
            return Err(format!("ns.listen: 1 to {LISTENERS_MAX} addresses"));
        }
        if self.addresses.len() > ADDRESSES_MAX || self.secondaries.len() > ADDRESSES_MAX {
            return Err(format!("ns.addresses and ns.secondaries: at most {ADDRESSES_MAX} each"));
        }
        if self.keys.is_empty() && self.secondaries.iter().any(|secondary| secondary.0.key.is_some()) {
            return Err("ns.keys: which file has the keys of the secondaries?".into());
        }
        match self.reached_at().is_empty() {
            true => Err("ns.addresses: where is this server reached?".into()),
            false => Ok(()),
        }
    }
}

impl TryFrom<String> for Secondary {
    type Error = Unclear;

    fn try_from(text: String) -> Result<Secondary, Unclear> {
        let (address, key) = text.split_once(' ').map_or((&*text, None), |(address, key)| (address, Some(key)));
        let address = address.parse().ok();
        // Names of keys are whole, with a dot at the end or without.
        let key = key.map(|key| Name::from_ascii(format!("{}.", key.trim().trim_end_matches('.')))).transpose().ok();
        let (Some(address), Some(key)) = (address, key) else { return Err(Unclear(text)) };
        Ok(Secondary(ns::Secondary { address, key }))
    }
}

/// No secondary.
#[derive(Debug)]
pub(crate) struct Unclear(String);

impl fmt::Display for Unclear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no secondary: \"192.0.2.53:53\" or \"192.0.2.53:53 name-of-its-key\"", self.0)
    }
}

impl From<Algorithm> for ns::Algorithm {
    fn from(algorithm: Algorithm) -> ns::Algorithm {
        match algorithm {
            Algorithm::EcdsaP256Sha256 => ns::Algorithm::EcdsaP256,
            Algorithm::Ed25519 => ns::Algorithm::Ed25519,
        }
    }
}
