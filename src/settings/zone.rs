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
        let mut words = text.split_whitespace();
        let (address, key, more) = (words.next().unwrap_or_default(), words.next(), words.next());
        // Names of keys are whole, with a dot at the end or without.
        let key = key.map(|key| Name::from_ascii(format!("{}.", key.trim_end_matches('.')))).transpose();
        match (address.parse(), key, more) {
            (Ok(address), Ok(key), None) => Ok(Secondary(ns::Secondary { address, key })),
            // What stands behind it may be a secret.
            _ => Err(Unclear(address.to_owned())),
        }
    }
}

/// No secondary; the word that it begins with.
#[derive(Debug)]
pub(crate) struct Unclear(String);

impl fmt::Display for Unclear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} begins no secondary: \"192.0.2.53:53\" or \"192.0.2.53:53 name-of-its-key\"", self.0)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secondary_is_an_address_and_the_name_of_its_key_and_no_secret_is_told() {
        let read = |text: &str| Secondary::try_from(text.to_owned()).map_err(|why| why.to_string());
        assert!(read("192.0.2.53:53").is_ok_and(|secondary| secondary.0.key.is_none()));
        assert_eq!(read("192.0.2.53:53  second").unwrap(), read("192.0.2.53:53 second.").unwrap());
        for wrong in ["", "192.0.2.53", "second 192.0.2.53:53"] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
        let misplaced = read("192.0.2.53:53 second hmac-sha256 c2VjcmV0").unwrap_err();
        assert!(misplaced.contains("192.0.2.53:53") && !misplaced.contains("c2Vjc"), "{misplaced}");
    }
}
