//! What is answered to a packet.

use crate::kind;
use crate::name;
use crate::query::{self, AA, Query, Unread};
use crate::reply::{Code, Owner, Reply, Section, UDP_MAX, UDP_MIN, bare};
use crate::set::Set;
use crate::tsig::{self, Known, Seal};
use crate::zone::{Found, Gap, Node, Zone, wildcard};

/// Names that an answer follows from one to the next.
const ALIASES_MAX: usize = 8;

/// How a packet came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    Udp,
    /// By UDP, from where too much is asked: the answer says only to ask by TCP, which nobody can do in another's name.
    UdpTooOften,
    Tcp,
}

/// What became of a packet.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No answer: what came is an answer itself, or nothing.
    Silence,
    /// An answer of this sort. Answers with the same `about` are alike; who forges the source of many questions gets many such.
    Reply { asked: Asked, about: Vec<u8> },
    /// The whole zone is asked for; nothing is answered yet. What is answered is signed so.
    Transfer(Option<Seal>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// What is there.
    There,
    /// What is not there.
    Missing,
    /// What is not ours to say.
    Refused,
    /// What is no question.
    Malformed,
}

/// Writes the answer to `packet` in the place of what is in `out`.
pub fn respond(zone: &Zone, known: Known<'_>, packet: &[u8], via: Via, out: &mut Vec<u8>) -> Outcome {
    out.clear();
    let outcome = |asked| Outcome::Reply { asked, about: Vec::new() };
    let query = match query::read(packet) {
        Ok(query) => query,
        Err(Unread::Silence) => return Outcome::Silence,
        Err(Unread::Malformed(id, flags)) => {
            bare(out, id, flags, Code::Malformed);
            return outcome(Asked::Malformed);
        }
        Err(Unread::Unknown(id, flags)) => {
            bare(out, id, flags, Code::Unknown);
            return outcome(Asked::Refused);
        }
    };
    let Ok(seal) = query.signed.as_ref().map(|signed| tsig::judge(known, signed)).transpose() else {
        bare(out, query.id, query.flags, Code::Malformed);
        return outcome(Asked::Malformed);
    };
    let limit = limit(&query, via);
    let verdict = match &seal {
        Some(seal) if seal.by().is_none() => Verdict::Refuse(Code::NotKnown),
        Some(_) | None => verdict(zone, &query, via),
    };
    let sealed = |seal: Option<Seal>| seal.map(|seal| (seal, known.now));
    match verdict {
        Verdict::Refuse(code) => {
            let mut reply = Reply::new(out, &query, 0, sealed(seal));
            reply.code = code;
            reply.finish(limit, None);
            outcome(Asked::Refused)
        }
        Verdict::Transfer => Outcome::Transfer(seal),
        Verdict::Answer(kind) => {
            let reply = Reply::new(out, &query, zone.origin.len(), sealed(seal));
            let mut search = Search { zone, query: &query, kind, reply, additional: None };
            let asked = search.run();
            search.reply.finish(limit, search.additional);
            outcome_about(zone, query, asked)
        }
    }
}

fn outcome_about(zone: &Zone, query: Query<'_>, asked: Asked) -> Outcome {
    let about = match asked {
        Asked::There if zone.node(&query.name).is_some() => query.name,
        // By a wildcard, or below a cut: many names, one answer.
        Asked::There => vec![1],
        Asked::Missing => vec![2],
        Asked::Refused | Asked::Malformed => Vec::new(),
    };
    Outcome::Reply { asked, about }
}

fn limit(query: &Query<'_>, via: Via) -> usize {
    let wished = query.edns.map_or(UDP_MIN, |edns| edns.size);
    match via {
        Via::Udp => wished.clamp(UDP_MIN, UDP_MAX).into(),
        Via::UdpTooOften => 0,
        Via::Tcp => u16::MAX.into(),
    }
}

enum Verdict {
    Refuse(Code),
    Transfer,
    /// With records of this type.
    Answer(u16),
}

/// No recursion: what is not in the zone is refused.
fn verdict(zone: &Zone, query: &Query<'_>, via: Via) -> Verdict {
    if query.edns.is_some_and(|edns| edns.version != 0) {
        return Verdict::Refuse(Code::BadVersion);
    }
    if query.class != kind::IN || !name::is_within(&query.name, &zone.origin) {
        return Verdict::Refuse(Code::Refused);
    }
    match query.kind {
        kind::AXFR | kind::IXFR if *query.name != *zone.origin => Verdict::Refuse(Code::Refused),
        kind::AXFR | kind::IXFR if via == Via::Tcp => Verdict::Transfer,
        // Too much for a packet (RFC 1995): who asks sees by the number whether to come by TCP.
        kind::IXFR => Verdict::Answer(kind::SOA),
        kind::ANY => Verdict::Answer(kind::ANY),
        kind if kind == kind::OPT || kind::META.contains(&kind) => Verdict::Refuse(Code::Refused),
        kind => Verdict::Answer(kind),
    }
}

struct Search<'a> {
    zone: &'a Zone,
    query: &'a Query<'a>,
    kind: u16,
    reply: Reply<'a>,
    /// Where the additional records begin, if there are any.
    additional: Option<usize>,
}

/// What a name has of what is asked.
enum Step<'z> {
    Has,
    Alias(&'z [u8]),
    Lacks,
}

impl Search<'_> {
    fn run(&mut self) -> Asked {
        self.reply.flags = AA;
        let zone = self.zone;
        let mut name = self.query.name.clone();
        for step in 0..ALIASES_MAX {
            let is_first = step == 0;
            let asked = name.len();
            let owner = if is_first { Owner::Asked(asked) } else { Owner::Name(&name) };
            let done = match zone.find(&name, self.kind) {
                Found::Cut(cut, node) => {
                    self.refer(if is_first { Owner::Asked(cut.len()) } else { Owner::Name(cut) }, node);
                    // What an alias said before is the zone's own.
                    self.reply.flags = if is_first { 0 } else { AA };
                    return Asked::There;
                }
                Found::Node(node) => {
                    let done = self.take(&owner, node);
                    if matches!(done, Step::Lacks) {
                        self.nothing();
                        self.prove_has_name(node);
                    }
                    done
                }
                Found::Wild(node, gap) => {
                    let done = self.take(&owner, node);
                    match done {
                        Step::Has | Step::Alias(_) => self.prove_no_name(gap.below),
                        Step::Lacks => {
                            self.nothing();
                            self.prove_wild_lacks(&gap, node);
                        }
                    }
                    done
                }
                Found::Missing(gap) => {
                    self.nothing();
                    self.prove_missing(&gap);
                    self.reply.code = Code::NoName;
                    return Asked::Missing;
                }
            };
            match done {
                Step::Has => return Asked::There,
                Step::Lacks => return Asked::Missing,
                Step::Alias(next) if !name::is_within(next, &zone.origin) => return Asked::There,
                Step::Alias(next) => name = next.to_vec(),
            }
        }
        Asked::There
    }

    fn take<'z>(&mut self, owner: &Owner<'_>, node: &'z Node) -> Step<'z> {
        match (self.kind, node.sets.first()) {
            // One set of those that are there will do (RFC 8482).
            (kind::ANY, Some(set)) => {
                self.reply.set(Section::Answer, owner, set);
                return Step::Has;
            }
            (kind::RRSIG, Some(set)) => {
                self.reply.records(Section::Answer, owner, &set.signatures);
                return Step::Has;
            }
            _ => {}
        }
        if let Some(set) = node.set(self.kind) {
            self.reply.set(Section::Answer, owner, set);
            return Step::Has;
        }
        let Some(alias) = node.set(kind::CNAME) else { return Step::Lacks };
        self.reply.set(Section::Answer, owner, alias);
        alias.records.data().next().map_or(Step::Has, Step::Alias)
    }

    /// Where the answer is to be found, and the proof whether what is said there can be trusted.
    fn refer(&mut self, owner: Owner<'_>, node: &Node) {
        let Some(servers) = node.set(kind::NS) else { return };
        self.reply.records(Section::Authority, &owner, &servers.records);
        match node.set(kind::DS) {
            Some(ds) => self.reply.set(Section::Authority, &owner, ds),
            None => self.prove_has_name(node),
        }
        self.additional = Some(self.reply.length());
        for server in servers.records.data() {
            let addresses = self.zone.node(server).into_iter().flat_map(|node| &node.sets);
            for set in addresses.filter(|set| matches!(set.kind, kind::A | kind::AAAA)) {
                self.reply.records(Section::Additional, &Owner::Name(server), &set.records);
            }
        }
    }

    /// How long that may be remembered.
    fn nothing(&mut self) {
        if let Some(soa) = self.zone.soa() {
            self.reply.set(Section::Authority, &Owner::Asked(self.zone.origin.len()), soa);
        }
    }

    /// The name is there; its proof lists what it has.
    fn prove_has_name(&mut self, node: &Node) {
        let link = self.zone.link(&node.hash);
        self.prove([link.map(|link| (&link.hash, &link.set)), None, None]);
    }

    fn prove_no_name(&mut self, below: &[u8]) {
        let link = self.zone.cover(&name::hash(below));
        self.prove([link.map(|link| (&link.hash, &link.set)), None, None]);
    }

    fn prove_wild_lacks(&mut self, gap: &Gap<'_, '_>, wild: &Node) {
        let links =
            [self.zone.link(&gap.above.hash), self.zone.cover(&name::hash(gap.below)), self.zone.link(&wild.hash)];
        self.prove(links.map(|link| link.map(|link| (&link.hash, &link.set))));
    }

    fn prove_missing(&mut self, gap: &Gap<'_, '_>) {
        let wild = name::hash(&wildcard(gap.encloser));
        let links = [self.zone.link(&gap.above.hash), self.zone.cover(&name::hash(gap.below)), self.zone.cover(&wild)];
        self.prove(links.map(|link| link.map(|link| (&link.hash, &link.set))));
    }

    /// Each once, and only to those who can check it.
    fn prove(&mut self, links: [Option<(&name::Hash, &Set)>; 3]) {
        if !self.query.edns.is_some_and(|edns| edns.dnssec) {
            return;
        }
        let mut shown: [Option<&name::Hash>; 3] = [None; 3];
        for (place, (hash, set)) in links.into_iter().flatten().enumerate() {
            if shown.contains(&Some(hash)) {
                continue;
            }
            if let Some(seen) = shown.get_mut(place) {
                *seen = Some(hash);
            }
            self.reply.set(Section::Authority, &Owner::Hash(hash), set);
        }
    }
}
