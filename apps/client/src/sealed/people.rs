//! Which keys people have (SEC-9), and which they are known to have had: a change is told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use bytes::Bytes;
use ca::cms;
use proto::{Service, ServiceType};

use super::{Seals, hex, unhex};

/// Accounts whose keys are remembered.
const PEOPLE_MAX: usize = 20_000;
/// Keys remembered of one: its devices now, and those it had.
const KEYS_MAX: usize = 256;

/// Keys by account.
#[derive(Debug, Default)]
pub struct People {
    /// Certificates (DER) by the SHA-256 of their keys, as they are now.
    now: BTreeMap<String, BTreeMap<[u8; 32], Bytes>>,
    /// All keys that were ever seen with an account; kept by the device.
    known: BTreeMap<String, BTreeSet<[u8; 32]>>,
}

/// An account that was known has another key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    pub phone: String,
    pub key: [u8; 32],
}

impl People {
    /// With keys that an earlier run has seen, in hexadecimal.
    pub fn remembered(known: BTreeMap<String, Vec<String>>) -> People {
        let keys = |keys: Vec<String>| {
            keys.iter().filter_map(|text| unhex(text.as_bytes())?.try_into().ok()).take(KEYS_MAX).collect()
        };
        let known = known.into_iter().take(PEOPLE_MAX).map(|(phone, list)| (phone, keys(list)));
        People { known: known.collect(), now: BTreeMap::new() }
    }

    /// What a later run is to know.
    pub fn to_remember(&self) -> BTreeMap<String, Vec<String>> {
        let list = |keys: &BTreeSet<[u8; 32]>| keys.iter().map(|key| hex(key)).collect();
        self.known.iter().map(|(phone, keys)| (phone.clone(), list(keys))).collect()
    }

    /// The certificates of an account as the server tells them now. Those that the authority does not know, or that name somebody
    /// else, count as not there. Keys that are new of somebody who was known already are news.
    pub fn note(&mut self, seals: &Seals, phone: &str, services: &[Service], at: SystemTime) -> Vec<News> {
        if self.known.len() >= PEOPLE_MAX && !self.known.contains_key(phone) {
            return Vec::new();
        }
        let certificates = services.iter().filter(|service| service.r#type == Some(ServiceType::Synrc));
        let ders = certificates.filter_map(|service| service.data.as_binary().cloned());
        let good = ders.filter_map(|der| Some((seals.vouches(&der, phone, at)?, der)));
        let now: BTreeMap<[u8; 32], Bytes> = good.take(KEYS_MAX).collect();
        let known = self.known.entry(phone.to_owned()).or_default();
        let was_known = !known.is_empty();
        let fresh: Vec<[u8; 32]> = now.keys().filter(|key| !known.contains(*key)).copied().collect();
        known.extend(fresh.iter().take(KEYS_MAX - known.len().min(KEYS_MAX)));
        self.now.insert(phone.to_owned(), now);
        let news = |key| News { phone: phone.to_owned(), key };
        fresh.into_iter().filter(|_| was_known).map(news).collect()
    }

    /// The authority has taken more back: whom it vouches for no more, for him nothing is sealed.
    pub fn judge_again(&mut self, seals: &Seals, at: SystemTime) {
        for (phone, keys) in &mut self.now {
            keys.retain(|_, der| seals.vouches(der, phone, at).is_some());
        }
    }

    /// The certificates (DER) of an account's devices that can receive sealed content.
    pub fn recipients(&self, phone: &str) -> Vec<Bytes> {
        let all = self.now.get(phone).into_iter().flat_map(BTreeMap::values);
        all.filter(|der| cms::can_receive(der)).cloned().collect()
    }

    /// The keys of an account now.
    pub fn keys(&self, phone: &str) -> impl Iterator<Item = &[u8; 32]> {
        self.now.get(phone).into_iter().flat_map(BTreeMap::keys)
    }

    /// Whether the account has, or had, this key.
    pub fn has(&self, phone: &str, key: &[u8; 32]) -> bool {
        self.known.get(phone).is_some_and(|keys| keys.contains(key))
    }

    /// Whether any key of the account was ever seen: then it can receive sealed content, and who says otherwise is not believed.
    pub fn knows(&self, phone: &str) -> bool {
        self.known.get(phone).is_some_and(|keys| !keys.is_empty())
    }
}
