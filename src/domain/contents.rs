//! What stands in the zone: where the server is, what it speaks on which port, by which key it is known; and what the operator adds.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use aws_lc_rs::digest::{SHA256, digest};
use chat::directory::Published;
use ns::Contents;
use ns::record::rdata::svcb::{Alpn, SvcParamKey, SvcParamValue};
use ns::record::rdata::tlsa::{CertUsage, Matching, Selector};
use ns::record::rdata::{A, AAAA, CAA, HTTPS, NS, SMIMEA, SOA, SRV, SVCB, TLSA, TXT};
use ns::record::{Name, RData, Record};

use crate::failure::Failure;
use crate::home::Home;
use crate::settings::Settings;

/// Seconds for which others remember what hardly changes, and what may change with a start or a certificate.
const LONG: u32 = 3600;
const SHORT: u32 = 300;
/// Of a secondary: it asks again, asks again after a failure, stops answering. Signatures hold longer than that.
const REFRESH: i32 = 3600;
const RETRY: i32 = 600;
const EXPIRE: i32 = 5 * 24 * 3600;
/// Bytes of the operator's file.
const FILE_MAX: u64 = 64 << 20;
/// Bytes of the hash of an address's part before the @ by which it is named.
const LOCAL_BYTES: usize = 28;
/// Bytes of certificates of one account; further ones are left out.
const CERTIFICATES_MAX: usize = 24 << 10;
/// The version in the names of topics.
const PROTOCOL: &str = "v=chat1";

/// `key` is the SHA-256 of the public key that listeners with TLS show.
pub(super) fn contents(
    settings: &Settings,
    zone: &Name,
    key: [u8; 32],
    listeners: &[(&'static str, SocketAddr)],
    people: &[Published],
) -> Result<Contents, Failure> {
    let addresses = settings.ns.reached_at();
    let mut made = Made { zone, records: Vec::new() };
    made.apex(&addresses, settings.tls.certificate.is_empty())?;
    let is_seen = |address: &SocketAddr| !address.ip().is_loopback() || addresses.iter().all(IpAddr::is_loopback);
    for (name, address) in listeners.iter().filter(|(_, address)| is_seen(address)) {
        made.listener(name, address.port(), key)?;
    }
    made.people(people)?;
    Ok(Contents { origin: zone.clone(), records: made.records })
}

/// What the operator adds, as it is in his file.
pub(super) fn given(home: &Home, settings: &Settings) -> Result<String, Failure> {
    let Some(file) = path(home, settings) else { return Ok(String::new()) };
    let length = fs::metadata(&file).map_err(|why| refused(settings, &why))?.len();
    if length > FILE_MAX {
        return Err(refused(settings, &"the file is too large"));
    }
    fs::read_to_string(&file).map_err(|why| refused(settings, &why))
}

/// The records of it.
pub(super) fn records(settings: &Settings, zone: &Name, text: &str) -> Result<Vec<Record>, Failure> {
    ns::import(text, zone).map_err(|why| refused(settings, &why))
}

fn path(home: &Home, settings: &Settings) -> Option<PathBuf> {
    let name = &settings.ns.file;
    (!name.is_empty()).then(|| home.path().join(name))
}

fn refused(settings: &Settings, why: &dyn std::fmt::Display) -> Failure {
    Failure::Refused(format!("ns.file: {}: {why}", settings.ns.file))
}

struct Made<'z> {
    zone: &'z Name,
    records: Vec<Record>,
}

impl Made<'_> {
    fn put(&mut self, name: Name, ttl: u32, data: RData) {
        self.records.push(Record::from_rdata(name, ttl, data));
    }

    /// Certificates of accounts that allow it, where mail programs look for those of an address (RFC 8162).
    fn people(&mut self, all: &[Published]) -> Result<(), Failure> {
        for person in all {
            for local in &person.names {
                let hash = digest(&SHA256, local);
                let label: String = hash.as_ref().iter().take(LOCAL_BYTES).map(|byte| format!("{byte:02x}")).collect();
                let name = self.name(&format!("{label}._smimecert"))?;
                let mut room = CERTIFICATES_MAX;
                for der in &person.certificates {
                    let Some(rest) = room.checked_sub(der.len()) else { break };
                    room = rest;
                    let data = SMIMEA::new(CertUsage::DaneEe, Selector::Full, Matching::Raw, der.to_vec());
                    self.put(name.clone(), SHORT, RData::SMIMEA(data));
                }
            }
        }
        Ok(())
    }

    fn name(&self, below: &str) -> Result<Name, Failure> {
        let name = Name::from_ascii(below).and_then(|below| below.append_domain(self.zone));
        name.map_err(|why| Failure::Zone(format!("{below}.{}: {why}", self.zone)))
    }

    fn apex(&mut self, addresses: &[IpAddr], own_authority: bool) -> Result<(), Failure> {
        let (zone, server) = (self.zone.clone(), self.name("ns")?);
        let soa = SOA::new(server.clone(), self.name("hostmaster")?, 0, REFRESH, RETRY, EXPIRE, SHORT);
        self.put(zone.clone(), LONG, RData::SOA(soa));
        self.put(zone.clone(), LONG, RData::NS(NS(server.clone())));
        for address in addresses {
            let data = match address {
                IpAddr::V4(address) => RData::A(A(*address)),
                IpAddr::V6(address) => RData::AAAA(AAAA(*address)),
            };
            self.put(zone.clone(), SHORT, data.clone());
            self.put(server.clone(), LONG, data);
        }
        self.put(self.name("_chat")?, LONG, RData::TXT(TXT::new(vec![PROTOCOL.into()])));
        if own_authority {
            // No public authority has any business here.
            self.put(zone, LONG, RData::CAA(CAA::new_issue(false, None, Vec::new())));
        }
        Ok(())
    }

    /// How a listener is found and known.
    fn listener(&mut self, name: &str, port: u16, key: [u8; 32]) -> Result<(), Failure> {
        match name {
            "mqtt" => self.service("_mqtt._tcp", port),
            "mqtts" => {
                self.service("_mqtts._tcp", port)?;
                self.known_by("_tcp", port, key)
            }
            "quic" => {
                self.service("_mqtt._udp", port)?;
                self.known_by("_udp", port, key)
            }
            "https" => {
                self.service("_est._tcp", port)?;
                let alpn = SvcParamValue::Alpn(Alpn(vec!["h2".into()]));
                let parameters = vec![(SvcParamKey::Alpn, alpn), (SvcParamKey::Port, SvcParamValue::Port(port))];
                let https = HTTPS(SVCB::new(1, Name::root(), parameters));
                self.put(self.zone.clone(), SHORT, RData::HTTPS(https));
                self.known_by("_tcp", port, key)
            }
            "ldap" => self.service("_ldap._tcp", port),
            "ldaps" => {
                self.service("_ldaps._tcp", port)?;
                self.known_by("_tcp", port, key)
            }
            // The shell is the operator's own; a listener without TLS has no key, and http nobody looks for by name.
            _ => Ok(()),
        }
    }

    fn service(&mut self, name: &str, port: u16) -> Result<(), Failure> {
        let data = RData::SRV(SRV::new(0, 0, port, self.zone.clone()));
        self.put(self.name(name)?, SHORT, data);
        Ok(())
    }

    /// DANE-EE by the SHA-256 of the key (RFC 7671).
    fn known_by(&mut self, transport: &str, port: u16, key: [u8; 32]) -> Result<(), Failure> {
        let data = TLSA::new(CertUsage::DaneEe, Selector::Spki, Matching::Sha256, key.to_vec());
        self.put(self.name(&format!("_{port}.{transport}"))?, SHORT, RData::TLSA(data));
        Ok(())
    }
}
