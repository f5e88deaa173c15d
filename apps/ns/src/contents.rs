//! What a zone is made of, and what no zone may be made of.

use std::collections::{BTreeMap, BTreeSet};

use hickory_proto::rr::rdata::SOA;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder, NameEncoding};

use crate::{kind, name};

/// Names in a zone.
const NAMES_MAX: usize = 1_000_000;
/// Seconds for which anybody may keep a record; what is longer is cut, so that a rollover ends.
const TTL_MAX: u32 = 24 * 3600;
/// Bytes of all records of one name and type: they must fit in an answer over TCP with their signatures.
const SET_MAX: usize = 32 * 1024;

/// What is wrong with contents.
#[derive(Debug, thiserror::Error)]
pub enum Flaw {
    #[error("line {line}: {why}")]
    File { line: usize, why: String },
    #[error("{0} is not in the zone")]
    Outside(String),
    #[error("{name}: records of type {kind} are made by the server, not given")]
    Made { name: String, kind: RecordType },
    #[error("{0} has a CNAME and something beside it")]
    Alias(String),
    #[error("the zone has no name server (NS), or not one SOA")]
    Apex,
    #[error("{0}: too large for an answer")]
    Large(String),
    #[error("more than {NAMES_MAX} names")]
    Many,
    #[error("{0} is not of class IN")]
    Class(String),
    #[error("a key does not sign")]
    Sign,
}

/// The records of a zone, without those that DNSSEC adds. The serial number in its SOA does not count: it is made when the zone changes.
#[derive(Debug, Clone)]
pub struct Contents {
    pub origin: Name,
    pub records: Vec<Record>,
}

impl Contents {
    /// Whether they can be a zone.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self) -> Result<(), Flaw> {
        sorted(self, 0).map(drop)
    }

    /// Adds `records`; those of a name and type that is there already take the place of what is there, an alias that of all at its name.
    pub fn lay_over(&mut self, records: Vec<Record>) {
        let place = |record: &Record| (name::wire(&record.name), u16::from(record.record_type()));
        let taken: BTreeSet<_> = records.iter().map(place).collect();
        let is_taken = |record: &Record| {
            let (name, kind) = place(record);
            [kind, kind::CNAME].into_iter().any(|kind| taken.contains(&(name.clone(), kind)))
        };
        self.records.retain(|record| !is_taken(record));
        self.records.extend(records);
    }
}

/// The data of records by name and type.
pub(crate) type Names = BTreeMap<Box<[u8]>, BTreeMap<u16, Data>>;

#[derive(Debug, Default)]
pub(crate) struct Data {
    pub(crate) ttl: u32,
    pub(crate) records: Vec<Vec<u8>>,
}

/// Checks and sorts them; the SOA gets this number.
pub(crate) fn sorted(contents: &Contents, serial: u32) -> Result<Names, Flaw> {
    let origin = name::wire(&contents.origin);
    let mut names = Names::new();
    for record in &contents.records {
        let owner = name::wire(&record.name);
        check(record, &owner, &origin)?;
        let (data, ttl) = match &record.data {
            // How long it is known that something is not there is the shorter of the two (RFC 2308): so there is one.
            RData::SOA(soa) => (encode(&RData::SOA(numbered(soa, serial))), record.ttl.min(soa.minimum)),
            data => (encode(data), record.ttl),
        };
        let data = data.ok_or_else(|| Flaw::Large(record.name.to_string()))?;
        let set = names.entry(owner).or_default().entry(record.record_type().into()).or_default();
        set.ttl = if set.records.is_empty() { ttl } else { set.ttl.min(ttl) }.min(TTL_MAX);
        set.records.push(data);
    }
    check_all(&names, &origin)?;
    Ok(names)
}

fn numbered(soa: &SOA, serial: u32) -> SOA {
    let mut soa = soa.clone();
    soa.serial = serial;
    soa
}

fn check(record: &Record, owner: &[u8], origin: &[u8]) -> Result<(), Flaw> {
    let name = || record.name.to_string();
    let kind = record.record_type();
    if !name::is_within(owner, origin) {
        return Err(Flaw::Outside(name()));
    }
    if record.dns_class != DNSClass::IN {
        return Err(Flaw::Class(name()));
    }
    if kind::is_made_here(kind.into()) {
        return Err(Flaw::Made { name: name(), kind });
    }
    Ok(())
}

fn check_all(names: &Names, origin: &[u8]) -> Result<(), Flaw> {
    if names.len() > NAMES_MAX {
        return Err(Flaw::Many);
    }
    for (owner, sets) in names {
        let wrong = |flaw: fn(String) -> Flaw| Err(flaw(name::text(owner)));
        let has_alias = sets.get(&kind::CNAME).is_some_and(|alias| sets.len() > 1 || alias.records.len() > 1);
        if has_alias {
            return wrong(Flaw::Alias);
        }
        if **owner != *origin && sets.contains_key(&kind::SOA) {
            return wrong(Flaw::Outside);
        }
        if sets.values().any(|set| set.records.iter().map(Vec::len).sum::<usize>() > SET_MAX) {
            return wrong(Flaw::Large);
        }
    }
    let apex = names.get(origin);
    let number = |kind| apex.and_then(|sets| sets.get(&kind)).map_or(0, |set| set.records.len());
    if number(kind::SOA) == 1 && number(kind::NS) > 0 { Ok(()) } else { Err(Flaw::Apex) }
}

/// Names in it in lower case and whole: as it is signed, so is it sent.
fn encode(data: &RData) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = BinEncoder::new(&mut bytes);
    encoder.set_canonical_form(true);
    encoder.set_name_encoding(NameEncoding::UncompressedLowercase);
    data.emit(&mut encoder).ok()?;
    (bytes.len() <= SET_MAX).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::import;

    const APEX: &str = "$TTL 600\n@ SOA ns host 1 3600 600 86400 300\n@ NS ns\nns A 192.0.2.1\n";

    fn made(text: &str) -> Result<Names, Flaw> {
        let origin = Name::from_ascii("chat.example.").unwrap();
        let records = import(text, &origin).unwrap();
        sorted(&Contents { origin, records }, 7)
    }

    #[test]
    fn what_cannot_be_in_a_zone_is_refused() {
        assert!(made(APEX).is_ok());
        let refused = |more: &str| made(&format!("{APEX}{more}")).unwrap_err().to_string();
        assert!(refused("other.example. A 192.0.2.1\n").contains("not in the zone"));
        assert!(refused("x CNAME ns\nx A 192.0.2.1\n").contains("CNAME"));
        assert!(refused("x SOA ns host 1 2 3 4 5\n").contains("not in the zone"));
        assert!(made("@ 300 NS ns\n").unwrap_err().to_string().contains("SOA"));
    }

    #[test]
    fn what_is_given_takes_the_place_of_what_is_there() {
        let origin = Name::from_ascii("chat.example.").unwrap();
        let read = |text: &str| import(text, &origin).unwrap();
        let mut contents = Contents { origin: origin.clone(), records: read(APEX) };
        contents.lay_over(read("NS 60 A 192.0.2.9\nns 60 A 192.0.2.8\nx 60 A 192.0.2.7\n"));
        let names = sorted(&contents, 7).unwrap();
        let ns = &names[&name::wire(&Name::from_ascii("ns.chat.example.").unwrap())][&kind::A];
        assert_eq!((ns.records.len(), ns.ttl), (2, 60));
        assert_eq!(names.len(), 3);
        contents.lay_over(read("ns 60 CNAME x\n"));
        let names = sorted(&contents, 7).unwrap();
        assert_eq!(names[&name::wire(&Name::from_ascii("ns.chat.example.").unwrap())].len(), 1);
    }
}
