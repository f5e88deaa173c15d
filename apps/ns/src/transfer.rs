//! The whole zone for a secondary (AXFR, RFC 5936).

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use hickory_proto::rr::Name;

use crate::name;
use crate::query::{self, AA, QR, Query};
use crate::set::{Bodies, Set};
use crate::tsig::Seal;
use crate::zone::Zone;

/// Bytes of one message of a transfer, about: many records share a header.
const MESSAGE: usize = 16 * 1024;

/// Who may copy the zone: whoever has its address and, if it has a key, signs by that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secondary {
    /// Where it is told of changes.
    pub address: SocketAddr,
    pub key: Option<Name>,
}

impl fmt::Display for Secondary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        self.key.iter().try_for_each(|key| write!(f, " {key}"))
    }
}

/// Whether a question from there, signed so, is a secondary's.
pub(crate) fn is_allowed(secondaries: &[Secondary], source: IpAddr, seal: Option<&Seal>) -> bool {
    let by = seal.and_then(Seal::by);
    secondaries.iter().any(|secondary| {
        let has_key = secondary.key.as_ref().is_none_or(|key| by == Some(&*name::wire(key)));
        secondary.address.ip().to_canonical() == source.to_canonical() && has_key
    })
}

/// The messages that carry `zone` to whoever sent `packet`, one after the other: its SOA, everything else, its SOA again.
pub(crate) fn messages<'z>(zone: &'z Zone, packet: &[u8]) -> impl Iterator<Item = Vec<u8>> + use<'z> {
    let begin = query::read(packet).ok().map(|query| Begin::of(&query));
    let soa = move || zone.soa().map(|set| (zone.origin.to_vec(), set));
    let others = zone.everything().filter(move |(_, set)| !zone.soa().is_some_and(|soa| std::ptr::eq(*set, soa)));
    let sets = soa().into_iter().chain(others);
    let records = sets.flat_map(|(owner, set)| both(set).map(move |body| record(&owner, body)).collect::<Vec<_>>());
    let end = soa()
        .into_iter()
        .flat_map(|(owner, set)| set.records.iter().map(|body| record(&owner, body)).collect::<Vec<_>>());
    let mut records = records.chain(end).peekable();
    let mut begin = begin.filter(|_| zone.soa().is_some());
    std::iter::from_fn(move || {
        let head = begin.as_mut()?;
        records.peek()?;
        let mut message = head.header();
        let mut count: u16 = 0;
        // The first record goes whatever its length: none is longer than a message may be.
        while let Some(record) = records.next_if(|record| count == 0 || message.len() + record.len() < MESSAGE) {
            message.extend(record);
            count += 1;
        }
        if let Some(place) = message.get_mut(6..8) {
            place.copy_from_slice(&count.to_be_bytes());
        }
        Some(message)
    })
}

fn both(set: &Set) -> impl Iterator<Item = &[u8]> {
    let parts: [&Bodies; 2] = [&set.records, &set.signatures];
    parts.into_iter().flat_map(Bodies::iter)
}

fn record(owner: &[u8], body: &[u8]) -> Vec<u8> {
    [owner, body].concat()
}

struct Begin {
    id: u16,
    flags: u16,
    question: Vec<u8>,
}

impl Begin {
    fn of(query: &Query<'_>) -> Begin {
        Begin { id: query.id, flags: query.flags & query::RD, question: query.question.to_vec() }
    }

    fn header(&self) -> Vec<u8> {
        let mut message = Vec::with_capacity(MESSAGE + 1024);
        for number in [self.id, QR | AA | self.flags, 1, 0, 0, 0] {
            message.extend(number.to_be_bytes());
        }
        message.extend(&self.question);
        message
    }
}
