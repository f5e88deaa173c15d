//! An answer as it is written: header, the question as it came, records behind it.

use crate::kind;
use crate::name::{self, Hash};
use crate::query::{HEADER, OPCODE, QR, Query, RD, TC};
use crate::set::{Bodies, Set};
use crate::tsig::Seal;

/// Bytes of an answer over UDP at most, whatever the asker would take: it must not be cut into fragments on its way.
pub(crate) const UDP_MAX: u16 = 1232;
/// Bytes that every asker takes.
pub(crate) const UDP_MIN: u16 = 512;
const OPT_BYTES: usize = 11;
/// A pointer to a name earlier in the packet.
const POINTER: u16 = 0xC000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    Good = 0,
    Malformed = 1,
    NoName = 3,
    Unknown = 4,
    Refused = 5,
    /// The question is signed by a key that is not known here, or wrong, or at another time.
    NotKnown = 9,
    BadVersion = 16,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Section {
    Answer,
    Authority,
    Additional,
}

/// By what a record's owner is written.
pub(crate) enum Owner<'n> {
    /// The question's name, or an end of it, so many bytes long.
    Asked(usize),
    Name(&'n [u8]),
    /// The label of a hash, below the zone's name.
    Hash(&'n Hash),
}

pub(crate) struct Reply<'a> {
    out: &'a mut Vec<u8>,
    query: &'a Query<'a>,
    /// Bytes of the zone's name, with which the question's name ends.
    origin: usize,
    counts: [u16; 3],
    /// How it is signed, and when.
    seal: Option<(Seal, u64)>,
    pub(crate) flags: u16,
    pub(crate) code: Code,
}

/// An answer to what is no question: its number and nothing else.
pub(crate) fn bare(out: &mut Vec<u8>, id: u16, flags: u16, code: Code) {
    out.extend(id.to_be_bytes());
    out.extend((QR | flags & (OPCODE | RD) | code as u16).to_be_bytes());
    out.extend([0; 8]);
}

impl<'a> Reply<'a> {
    pub(crate) fn new(
        out: &'a mut Vec<u8>,
        query: &'a Query<'a>,
        origin: usize,
        seal: Option<(Seal, u64)>,
    ) -> Reply<'a> {
        out.extend([0; HEADER]);
        out.extend(query.question);
        Reply { out, query, origin, counts: [0; 3], seal, flags: 0, code: Code::Good }
    }

    /// A set, with its signatures if they are wanted.
    pub(crate) fn set(&mut self, section: Section, owner: &Owner<'_>, set: &Set) {
        self.records(section, owner, &set.records);
        if self.query.edns.is_some_and(|edns| edns.dnssec) {
            self.records(section, owner, &set.signatures);
        }
    }

    pub(crate) fn records(&mut self, section: Section, owner: &Owner<'_>, records: &Bodies) {
        for body in records.iter() {
            match owner {
                Owner::Asked(length) => self.point(*length),
                Owner::Name(name) => self.out.extend(*name),
                Owner::Hash(hash) => {
                    self.out.extend(name::hash_label(hash));
                    self.point(self.origin);
                }
            }
            self.out.extend(body);
            let [answers, authorities, additional] = &mut self.counts;
            *match section {
                Section::Answer => answers,
                Section::Authority => authorities,
                Section::Additional => additional,
            } += 1;
        }
    }

    /// Points to the last `length` bytes of the question's name.
    fn point(&mut self, length: usize) {
        let at = HEADER + self.query.name.len().saturating_sub(length);
        // A name has 255 bytes at most.
        self.out.extend((POINTER | u16::try_from(at).unwrap_or_default()).to_be_bytes());
    }

    /// Closes it. What is longer than `limit` is left out whole: the additional records, which
    /// begin at `additional`, or else everything, so that it is asked by TCP.
    pub(crate) fn finish(mut self, limit: usize, additional: Option<usize>) {
        // Why a signature does not count is said where there is room; what does count is answered signed.
        let after = if self.query.edns.is_some() { OPT_BYTES } else { 0 };
        let least = HEADER + self.query.question.len() + after;
        let seal = self.seal.take().filter(|(seal, _)| seal.signs() || least + seal.length() <= limit);
        let limit = limit.saturating_sub(after + seal.as_ref().map_or(0, |(seal, _)| seal.length()));
        if let Some(additional) = additional.filter(|_| self.out.len() > limit) {
            self.out.truncate(additional);
            self.counts[2] = 0;
        }
        if self.out.len() > limit {
            self.out.truncate(HEADER + self.query.question.len());
            self.counts = [0; 3];
            self.flags |= TC;
        }
        self.opt();
        let flags = QR | self.query.flags & (OPCODE | RD) | self.flags | self.code as u16 & 0xF;
        let [answers, authorities, additional] = self.counts;
        let header = [self.query.id, flags, 1, answers, authorities, additional];
        for (place, number) in self.out.chunks_exact_mut(2).zip(header) {
            place.copy_from_slice(&number.to_be_bytes());
        }
        if let Some((mut seal, now)) = seal {
            seal.close(self.out, now);
        }
    }

    /// EDNS is answered with EDNS (RFC 6891).
    fn opt(&mut self) {
        let Some(edns) = self.query.edns else { return };
        self.out.push(0);
        self.out.extend(kind::OPT.to_be_bytes());
        self.out.extend(UDP_MAX.to_be_bytes());
        let [_, extended] = (self.code as u16 >> 4).to_be_bytes();
        self.out.extend([extended, 0, if edns.dnssec { 0x80 } else { 0 }, 0, 0, 0]);
        self.counts[2] += 1;
    }

    pub(crate) fn length(&self) -> usize {
        self.out.len()
    }
}
