//! A packet that asks something, read without trust.

use crate::kind;
use crate::name::NAME_MAX;

pub(crate) const HEADER: usize = 12;
/// Records that a question may have behind it: EDNS, a signature of the transaction, a SOA of who asks what has changed.
const RECORDS_MAX: u16 = 8;

pub(crate) const QR: u16 = 0x8000;
pub(crate) const AA: u16 = 0x0400;
pub(crate) const TC: u16 = 0x0200;
pub(crate) const RD: u16 = 0x0100;
pub(crate) const OPCODE: u16 = 0x7800;

/// One question.
#[derive(Debug)]
pub(crate) struct Query<'p> {
    pub(crate) id: u16,
    pub(crate) flags: u16,
    /// In lower case.
    pub(crate) name: Vec<u8>,
    pub(crate) kind: u16,
    pub(crate) class: u16,
    /// As it was asked, with type and class: it goes back so.
    pub(crate) question: &'p [u8],
    pub(crate) edns: Option<Edns>,
    pub(crate) signed: Option<Signed<'p>>,
}

/// How a message is signed (TSIG, RFC 8945). Names are in lower case.
#[derive(Debug, Clone)]
pub(crate) struct Signed<'p> {
    /// All that is before the signature.
    pub(crate) message: &'p [u8],
    pub(crate) key: Vec<u8>,
    pub(crate) algorithm: Vec<u8>,
    pub(crate) time: u64,
    /// By how much clocks may differ.
    pub(crate) fudge: u16,
    pub(crate) mac: &'p [u8],
    /// The number under which the message began its way.
    pub(crate) id: u16,
    pub(crate) error: u16,
    pub(crate) more: &'p [u8],
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Edns {
    pub(crate) size: u16,
    pub(crate) version: u8,
    pub(crate) dnssec: bool,
}

/// What cannot be answered as a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    /// No answer at all: an answer itself, or too short to be anything.
    Silence,
    /// FORMERR; id and flags.
    Malformed(u16, u16),
    /// NOTIMP.
    Unknown(u16, u16),
}

/// Reads on; nothing is taken behind the end.
struct Reader<'p> {
    packet: &'p [u8],
    at: usize,
}

pub(crate) fn read(packet: &[u8]) -> Result<Query<'_>, Unread> {
    let mut reader = Reader { packet, at: 0 };
    let mut header = || reader.number();
    let (Some(id), Some(flags)) = (header(), header()) else { return Err(Unread::Silence) };
    let counts = [header(), header(), header(), header()];
    let [Some(questions), Some(answers), Some(authorities), Some(additional)] = counts else {
        return Err(Unread::Silence);
    };
    if flags & QR != 0 {
        return Err(Unread::Silence);
    }
    if flags & OPCODE != 0 {
        return Err(Unread::Unknown(id, flags));
    }
    let malformed = Unread::Malformed(id, flags);
    let records = answers.saturating_add(authorities).saturating_add(additional);
    if questions != 1 || records > RECORDS_MAX {
        return Err(malformed);
    }
    let (name, kind, class, question) = reader.question().ok_or(malformed)?;
    let (edns, signed) = reader.additional(answers + authorities, additional).ok_or(malformed)?;
    Ok(Query { id, flags, name, kind, class, question, edns, signed })
}

/// How a whole message is signed, a question or an answer, if it is one and is signed.
pub(crate) fn signature(packet: &[u8]) -> Option<Signed<'_>> {
    let mut reader = Reader { packet, at: 4 };
    let [questions, answers, authorities, additional] =
        [reader.number()?, reader.number()?, reader.number()?, reader.number()?];
    for _ in 0..questions {
        reader.owner()?;
        reader.take(4)?;
    }
    let (_, signed) = reader.additional(answers.checked_add(authorities)?, additional)?;
    signed
}

impl<'p> Reader<'p> {
    fn take(&mut self, length: usize) -> Option<&'p [u8]> {
        let taken = self.packet.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        self.take(2)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
    }

    /// Nothing is in front of the question to which a pointer in its name could lead.
    fn question(&mut self) -> Option<(Vec<u8>, u16, u16, &'p [u8])> {
        let begin = self.at;
        while let Some(length @ 1..) = self.take(1)?.first().copied() {
            if length > 63 || self.at + usize::from(length) - begin > NAME_MAX {
                return None;
            }
            self.take(length.into())?;
        }
        let name = self.packet.get(begin..self.at)?;
        if name.len() > NAME_MAX {
            return None;
        }
        let (kind, class) = (self.number()?, self.number()?);
        Some((name.to_ascii_lowercase(), kind, class, self.packet.get(begin..self.at)?))
    }

    /// What the records behind say of EDNS, and of who asks; `None` if they are none.
    fn additional(&mut self, others: u16, additional: u16) -> Option<(Option<Edns>, Option<Signed<'p>>)> {
        for _ in 0..others {
            self.record()?;
        }
        let (mut found, mut signed) = (None, None);
        for left in (0..additional).rev() {
            let begin = self.at;
            let (is_root, kind, size, ttl) = self.record()?;
            if kind == kind::TSIG {
                // It is the last.
                signed = Some(Reader { packet: self.packet, at: begin }.signed().filter(|_| left == 0)?);
                continue;
            }
            if kind != kind::OPT {
                continue;
            }
            if !is_root || found.is_some() {
                return None;
            }
            let [_, version, flags, _] = ttl;
            found = Some(Edns { size, version, dnssec: flags & 0x80 != 0 });
        }
        (self.at == self.packet.len()).then_some((found, signed))
    }

    /// The record that begins here.
    fn signed(mut self) -> Option<Signed<'p>> {
        let message = self.packet.get(..self.at)?;
        let key = self.name()?;
        let (_kind, class, ttl, length) = (self.number()?, self.number()?, self.take(4)?, self.number()?);
        let end = self.at + usize::from(length);
        let algorithm = self.name()?;
        let (high, low) = (self.number()?, *self.take(4)?.first_chunk()?);
        let time = u64::from(high) << 32 | u64::from(u32::from_be_bytes(low));
        let (fudge, length) = (self.number()?, self.number()?);
        let mac = self.take(length.into())?;
        let (id, error, length) = (self.number()?, self.number()?, self.number()?);
        let more = self.take(length.into())?;
        let signed = Signed { message, key, algorithm, time, fudge, mac, id, error, more };
        (class == kind::ANY && *ttl == [0; 4] && self.at == end).then_some(signed)
    }

    /// A name, which may go on earlier: each time further ahead, so it ends.
    fn name(&mut self) -> Option<Vec<u8>> {
        let mut name = Vec::new();
        let mut from = Reader { packet: self.packet, at: self.at };
        self.owner()?;
        let mut begin = from.at;
        loop {
            let length = *from.take(1)?.first()?;
            if length >= 0xC0 {
                from.at -= 1;
                let at = usize::from(from.number()? & 0x3FFF);
                if at >= begin || at < HEADER {
                    return None;
                }
                (begin, from.at) = (at, at);
                continue;
            }
            let label = from.take(length.into()).filter(|_| length <= 63)?;
            name.push(length);
            name.extend(label.iter().map(u8::to_ascii_lowercase));
            if name.len() > NAME_MAX {
                return None;
            }
            if length == 0 {
                return Some(name);
            }
        }
    }

    /// Passes over a name: a pointer ends one, and is not followed.
    fn owner(&mut self) -> Option<()> {
        loop {
            match self.take(1)?.first()? {
                0 => return Some(()),
                0xC0.. => return self.take(1).map(drop),
                length @ ..=63 => self.take(usize::from(*length)).map(drop)?,
                _ => return None,
            }
        }
    }

    /// Whether its owner is the root, its type, class and lifetime.
    fn record(&mut self) -> Option<(bool, u16, u16, [u8; 4])> {
        let begin = self.at;
        self.owner()?;
        let is_root = self.at == begin + 1;
        let (kind, class) = (self.number()?, self.number()?);
        let ttl = *self.take(4)?.first_chunk()?;
        let length = self.number()?;
        self.take(length.into())?;
        Some((is_root, kind, class, ttl))
    }
}
