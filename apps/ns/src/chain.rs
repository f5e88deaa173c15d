//! The proof of what is not there: the names of a zone in the order of their hashes, each with the next (NSEC3, RFC 5155).

use crate::kind;
use crate::name::Hash;
use crate::set::{Bodies, Set};

/// SHA-1, no opt-out, hashed once, no salt (RFC 9276).
pub(crate) const PARAMETERS: [u8; 5] = [1, 0, 0, 0, 0];

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) hash: Hash,
    pub(crate) set: Set,
}

/// Unsigned yet. `names` are hashes and the types that each has.
pub(crate) fn links(mut names: Vec<(Hash, Vec<u16>)>, ttl: u32) -> Vec<Link> {
    names.sort();
    names.dedup_by_key(|(hash, _)| *hash);
    let next: Vec<Hash> = names.iter().skip(1).chain(names.first()).map(|(hash, _)| *hash).collect();
    let link = |((hash, kinds), next): ((Hash, Vec<u16>), Hash)| {
        let data = [&PARAMETERS[..], &[20], &next, &bitmap(&kinds)].concat();
        let records = Bodies::of(kind::NSEC3, ttl, vec![data]);
        Link { hash, set: Set { kind: kind::NSEC3, records, signatures: Bodies::default() } }
    };
    names.into_iter().zip(next).map(link).collect()
}

/// RFC 4034, 4.1.2; `kinds` are sorted.
fn bitmap(kinds: &[u16]) -> Vec<u8> {
    let mut out = Vec::new();
    for window in kinds.chunk_by(|one, other| one >> 8 == other >> 8) {
        let mut bits = [0_u8; 32];
        for kind in window {
            let [_, low] = kind.to_be_bytes();
            if let Some(byte) = bits.get_mut(usize::from(low / 8)) {
                *byte |= 0x80 >> (low % 8);
            }
        }
        let used = bits.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let number = window.first().map_or(0, |kind| kind.to_be_bytes()[0]);
        out.extend([number, u8::try_from(used).unwrap_or(32)]);
        out.extend(bits.iter().take(used));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bitmap_has_windows() {
        // The example of RFC 4034, 4.3: A MX RRSIG NSEC TYPE1234.
        let mut expected = vec![0, 6, 0x40, 1, 0, 0, 0, 3, 4, 27];
        expected.extend([0; 26]);
        expected.push(0x20);
        assert_eq!(bitmap(&[1, 15, 46, 47, 1234]), expected);
        assert_eq!(bitmap(&[]), Vec::<u8>::new());
    }

    #[test]
    fn the_last_leads_to_the_first() {
        let links = links(vec![([2; 20], vec![1]), ([1; 20], vec![]), ([3; 20], vec![])], 300);
        let next = |at: usize| links[at].set.records.data().next().unwrap()[6..26].to_vec();
        assert_eq!((next(0), next(1), next(2)), (vec![2; 20], vec![3; 20], vec![1; 20]));
    }
}
