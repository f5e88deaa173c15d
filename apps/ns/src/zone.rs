//! A zone as it is answered from: every set of records signed, every name with its proof, nothing left to compute but the way to it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZero;
use std::thread;

use crate::chain::{self, Link};
use crate::contents::{Contents, Data, Flaw, Names, sorted};
use crate::keys::{KEYS_TTL, Key, Keys};
use crate::kind;
use crate::name::{self, Hash};
use crate::set::{Bodies, Set};
use crate::sign::{Fresh, Signer, signatures};

/// Sets that are worth a thread of their own.
const SHARE: usize = 1000;
const THREADS_MAX: usize = 8;

#[derive(Debug)]
pub struct Zone {
    pub(crate) origin: Box<[u8]>,
    serial: u32,
    names: HashMap<Box<[u8]>, Node>,
    chain: Vec<Link>,
    has_cuts: bool,
    expires: u32,
}

#[derive(Debug, Default)]
pub(crate) struct Node {
    /// In the order of their types.
    pub(crate) sets: Vec<Set>,
    pub(crate) hash: Hash,
    /// Its records are another zone's: it is a cut and has NS, or lies below one.
    pub(crate) place: Place,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    #[default]
    Inside,
    Cut,
    Below,
}

/// What there is under a name.
pub(crate) enum Found<'z, 'n> {
    Node(&'z Node),
    /// The name is at or below this cut.
    Cut(&'n [u8], &'z Node),
    /// There is no such name, but a wildcard that stands for it; the names are the next one that exists above, and the one below that.
    Wild(&'z Node, Gap<'z, 'n>),
    Missing(Gap<'z, 'n>),
}

/// Where a name that does not exist would be.
pub(crate) struct Gap<'z, 'n> {
    pub(crate) encloser: &'n [u8],
    pub(crate) above: &'z Node,
    pub(crate) below: &'n [u8],
}

/// Signs `contents`, keeping the signatures of `before` that are still good. The number of the zone is larger than `last`, and the time if it
/// can be. `None` when nothing has changed and no signature ends soon.
///
/// # Errors
/// What the contents are that no zone can be.
pub fn compile(
    contents: &Contents,
    keys: &Keys,
    last: u32,
    now: u32,
    before: Option<&Zone>,
) -> Result<Option<Zone>, Flaw> {
    let serial = before.map_or(last, |zone| zone.serial);
    let mut names = sorted(contents, serial)?;
    let origin = name::wire(&contents.origin);
    add_keys(&mut names, &origin, keys);
    let mut zone = Zone::unsigned(names, &origin);

    let signer = Signer { origin: &origin, now };
    let (all, active): (Vec<&Key>, Vec<&Key>) = (keys.iter().collect(), keys.active().into_iter().collect());
    let by = |kind: u16| if kind == kind::DNSKEY { &*all } else { &*active };
    if zone.sign(&signer, &by, before)? == 0 && before.is_some() {
        return Ok(None);
    }
    zone.count_up(last.max(serial).wrapping_add(1).max(now));
    let apex = zone.names.get_mut(&origin).into_iter().flat_map(|node| &mut node.sets);
    for set in apex.filter(|set| set.kind == kind::SOA) {
        sign_one(&signer, &origin, set, &active, None)?;
    }
    zone.expires = zone.all_sets().flat_map(signatures).map(|(_, times)| times.end).min().unwrap_or(now);
    Ok(Some(zone))
}

/// The keys, and what the parent is to make of them.
fn add_keys(names: &mut Names, origin: &[u8], keys: &Keys) {
    let lasting = || keys.iter().filter(|key| key.state != crate::State::Retired);
    let cdnskey = lasting().map(|key| key.dnskey().to_vec()).collect();
    let cds = lasting().map(|key| key.ds(origin)).collect();
    let apex = names.entry(origin.into()).or_default();
    apex.insert(kind::DNSKEY, Data { ttl: KEYS_TTL, records: keys.iter().map(|key| key.dnskey().to_vec()).collect() });
    apex.insert(kind::CDNSKEY, Data { ttl: KEYS_TTL, records: cdnskey });
    apex.insert(kind::CDS, Data { ttl: KEYS_TTL, records: cds });
    apex.insert(kind::NSEC3PARAM, Data { ttl: 0, records: vec![chain::PARAMETERS.to_vec()] });
}

impl Zone {
    fn unsigned(mut names: Names, origin: &[u8]) -> Zone {
        // Names between others exist, though they have nothing.
        let between: BTreeSet<Box<[u8]>> = names
            .keys()
            .flat_map(|owner| name::ancestors(owner).take_while(|above| *above != origin))
            .filter(|above| !names.contains_key(*above))
            .map(Into::into)
            .collect();
        names.extend(between.into_iter().map(|owner| (owner, Default::default())));

        let servers = names.iter().filter(|(_, sets)| sets.contains_key(&kind::NS)).map(|(owner, _)| owner);
        let cuts: BTreeSet<Box<[u8]>> = servers.filter(|owner| ***owner != *origin).cloned().collect();
        let place = |owner: &[u8]| match name::ancestors(owner).filter(|above| cuts.contains(*above)).last() {
            None => Place::Inside,
            Some(cut) if cut == owner => Place::Cut,
            Some(_) => Place::Below,
        };
        let node = |(owner, sets): (Box<[u8]>, BTreeMap<u16, Data>)| {
            let set = |(kind, data): (u16, Data)| {
                let records = Bodies::of(kind, data.ttl, data.records);
                Set { kind, records, signatures: Bodies::default() }
            };
            let node =
                Node { sets: sets.into_iter().map(set).collect(), hash: name::hash(&owner), place: place(&owner) };
            (owner, node)
        };
        let names: HashMap<Box<[u8]>, Node> = names.into_iter().map(node).collect();
        let ttl = names.get(origin).and_then(|apex| apex.set(kind::SOA)).map_or(0, |soa| soa.records.ttl());
        let proven = names.values().filter(|node| node.place != Place::Below).map(|node| (node.hash, node.kinds()));
        let chain = chain::links(proven.collect(), ttl);
        Zone { origin: origin.into(), serial: 0, names, chain, has_cuts: !cuts.is_empty(), expires: 0 }
    }

    /// The number of sets whose signatures are new.
    fn sign<'k>(
        &mut self,
        signer: &Signer<'_>,
        by: &(dyn Fn(u16) -> &'k [&'k Key] + Sync),
        before: Option<&Zone>,
    ) -> Result<usize, Flaw> {
        let mut work: Vec<(Vec<u8>, &mut Set, Option<&Set>)> = Vec::new();
        for (owner, node) in &mut self.names {
            let place = node.place;
            for set in node.sets.iter_mut().filter(|set| place.signs(set.kind)) {
                let old = before.and_then(|before| before.names.get(owner)).and_then(|node| node.set(set.kind));
                work.push((owner.to_vec(), set, old));
            }
        }
        for link in &mut self.chain {
            let owner = [&name::hash_label(&link.hash), &*self.origin].concat();
            let old = before.and_then(|before| before.link(&link.hash)).map(|link| &link.set);
            work.push((owner, &mut link.set, old));
        }

        let threads = thread::available_parallelism().map_or(1, NonZero::get).min(THREADS_MAX);
        let share = work.len().div_ceil(threads).max(SHARE);
        let sign_all = |work: &mut [(Vec<u8>, &mut Set, Option<&Set>)]| {
            work.iter_mut().try_fold(0, |made, (owner, set, old)| {
                sign_one(signer, owner, set, by(set.kind), *old).map(|new| made + usize::from(new))
            })
        };
        thread::scope(|scope| {
            let sign_all = &sign_all;
            let parts: Vec<_> = work.chunks_mut(share).map(|part| scope.spawn(move || sign_all(part))).collect();
            let done = parts.into_iter().map(|part| part.join().unwrap_or(Err(Flaw::Sign)));
            done.sum()
        })
    }

    /// Writes its number into the SOA: behind the two names are five numbers, of which it is the first.
    fn count_up(&mut self, serial: u32) {
        self.serial = serial;
        let apex = self.names.get_mut(&self.origin).into_iter().flat_map(|node| &mut node.sets);
        for set in apex.filter(|set| set.kind == kind::SOA) {
            let ttl = set.records.ttl();
            let Some(mut data) = set.records.data().next().map(<[u8]>::to_vec) else { continue };
            let at = data.len().saturating_sub(20);
            if let Some(number) = data.get_mut(at..at + 4) {
                number.copy_from_slice(&serial.to_be_bytes());
            }
            set.records = Bodies::of(kind::SOA, ttl, vec![data]);
        }
    }

    pub fn serial(&self) -> u32 {
        self.serial
    }

    /// When its first signature ends.
    pub fn expires(&self) -> u32 {
        self.expires
    }

    /// How many names it has.
    pub fn size(&self) -> usize {
        self.names.len()
    }

    /// What there is under `name`, which lies within the zone, for a question about `kind`.
    pub(crate) fn find<'z, 'n>(&'z self, name: &'n [u8], kind: u16) -> Found<'z, 'n> {
        if self.has_cuts
            && let Some((cut, node)) = self.cut(name)
            && (cut != name || kind != kind::DS)
        {
            return Found::Cut(cut, node);
        }
        if let Some(node) = self.names.get(name) {
            return Found::Node(node);
        }
        match self.gap(name) {
            None => Found::Missing(Gap { encloser: name, above: self.apex(), below: name }),
            Some(gap) => match self.names.get(&*wildcard(gap.encloser)) {
                Some(node) => Found::Wild(node, gap),
                None => Found::Missing(gap),
            },
        }
    }

    /// The highest cut above the name.
    fn cut<'n>(&self, name: &'n [u8]) -> Option<(&'n [u8], &Node)> {
        let nodes = name::ancestors(name).filter_map(|above| Some((above, self.names.get(above)?)));
        nodes.filter(|(_, node)| node.place == Place::Cut).last()
    }

    fn gap<'n>(&self, name: &'n [u8]) -> Option<Gap<'_, 'n>> {
        let pairs = name::ancestors(name).zip(name::ancestors(name).skip(1));
        let mut found = pairs.filter_map(|(below, encloser)| {
            let above = self.names.get(encloser)?;
            Some(Gap { encloser, above, below })
        });
        found.next()
    }

    /// There is always one; a zone without it was refused.
    fn apex(&self) -> &Node {
        static NOTHING: Node = Node { sets: Vec::new(), hash: [0; 20], place: Place::Inside };
        self.names.get(&self.origin).unwrap_or(&NOTHING)
    }

    pub(crate) fn soa(&self) -> Option<&Set> {
        self.apex().set(kind::SOA)
    }

    pub(crate) fn node(&self, name: &[u8]) -> Option<&Node> {
        self.names.get(name)
    }

    /// The proof about the name of exactly this hash.
    pub(crate) fn link(&self, hash: &Hash) -> Option<&Link> {
        let at = self.chain.binary_search_by(|link| link.hash.cmp(hash)).ok()?;
        self.chain.get(at)
    }

    /// The proof that nothing has this hash.
    pub(crate) fn cover(&self, hash: &Hash) -> Option<&Link> {
        let after = self.chain.partition_point(|link| link.hash <= *hash);
        let before = after.checked_sub(1).and_then(|at| self.chain.get(at));
        before.or(self.chain.last())
    }

    /// Everything in it, with its owner.
    pub(crate) fn everything(&self) -> impl Iterator<Item = (Vec<u8>, &Set)> {
        let named = self.names.iter().flat_map(|(owner, node)| node.sets.iter().map(|set| (owner.to_vec(), set)));
        let owner = |link: &Link| [&name::hash_label(&link.hash), &*self.origin].concat();
        named.chain(self.chain.iter().map(move |link| (owner(link), &link.set)))
    }

    fn all_sets(&self) -> impl Iterator<Item = &Set> {
        self.names.values().flat_map(|node| &node.sets).chain(self.chain.iter().map(|link| &link.set))
    }
}

pub(crate) fn wildcard(encloser: &[u8]) -> Vec<u8> {
    [name::WILDCARD, encloser].concat()
}

/// Whether it had to be signed.
fn sign_one(
    signer: &Signer<'_>,
    owner: &[u8],
    set: &mut Set,
    keys: &[&Key],
    before: Option<&Set>,
) -> Result<bool, Flaw> {
    match signer.fresh(owner, set, keys, before) {
        Fresh::Same(signatures) => {
            set.signatures = signatures;
            Ok(false)
        }
        Fresh::Made(signatures) => {
            set.signatures = signatures;
            Ok(true)
        }
        Fresh::Failed => Err(Flaw::Sign),
    }
}

impl Node {
    pub(crate) fn set(&self, kind: u16) -> Option<&Set> {
        self.sets.iter().find(|set| set.kind == kind)
    }

    /// The types that it has, as its proof lists them.
    fn kinds(&self) -> Vec<u16> {
        let shown = |kind: &u16| self.place == Place::Inside || matches!(*kind, kind::NS | kind::DS);
        let mut kinds: Vec<u16> = self.sets.iter().map(|set| set.kind).filter(shown).collect();
        if kinds.iter().any(|kind| self.place.signs(*kind)) {
            kinds.push(kind::RRSIG);
        }
        kinds.sort_unstable();
        kinds
    }
}

impl Place {
    /// Whether records of this type are the zone's own there.
    fn signs(self, kind: u16) -> bool {
        match self {
            Place::Inside => true,
            Place::Cut => kind == kind::DS,
            Place::Below => false,
        }
    }
}
