//! Signatures over sets of records (RRSIG, RFC 4034).

use std::ops::Range;

use crate::keys::Key;
use crate::kind;
use crate::name;
use crate::set::{Bodies, Set};

const HOUR: u32 = 3600;
const DAY: u32 = 24 * HOUR;
/// Signatures begin in the past, for validators whose clock is slow.
const SKEW: u32 = HOUR;
/// Seconds for which a signature holds, and up to a day more, so that not all end at once.
const VALID: u32 = 14 * DAY;
/// A signature that ends within this time is made anew.
const RENEW: u32 = 7 * DAY;

/// Who signs what, and when.
pub(crate) struct Signer<'k> {
    pub(crate) origin: &'k [u8],
    pub(crate) now: u32,
}

impl Signer<'_> {
    /// The signatures of `set` by `keys`, if they are not good for some time yet. `before` is what was published under this name and type.
    pub(crate) fn fresh(&self, owner: &[u8], set: &Set, keys: &[&Key], before: Option<&Set>) -> Fresh {
        if let Some(before) = before.filter(|before| before.records == set.records) {
            // One whose time has not come was made when the clock was wrong.
            let good = |key: &&Key| {
                signatures(before)
                    .any(|(tag, times)| tag == key.tag && times.start <= self.now && times.end > self.now + RENEW)
            };
            if keys.iter().all(good) && signatures(before).count() == keys.len() {
                return Fresh::Same(before.signatures.clone());
            }
        }
        let mut made = Vec::with_capacity(keys.len());
        for key in keys {
            let mut data = self.data(owner, set, key);
            let mut message = data.clone();
            for body in set.records.iter() {
                message.extend(owner);
                message.extend(body);
            }
            let Some(signature) = key.sign(&message) else { return Fresh::Failed };
            data.extend(signature);
            made.push(data);
        }
        Fresh::Made(Bodies::of(kind::RRSIG, set.records.ttl(), made))
    }

    /// The data of an RRSIG record up to the signature.
    fn data(&self, owner: &[u8], set: &Set, key: &Key) -> Vec<u8> {
        let spread: u32 =
            owner.iter().fold(u32::from(set.kind), |sum, byte| sum.wrapping_mul(31) + u32::from(*byte)) % DAY;
        let mut data = Vec::with_capacity(18 + self.origin.len() + 64);
        data.extend(set.kind.to_be_bytes());
        data.extend([key.algorithm.number(), name::labels(owner)]);
        data.extend(set.records.ttl().to_be_bytes());
        data.extend((self.now.wrapping_add(VALID + spread)).to_be_bytes());
        data.extend(self.now.wrapping_sub(SKEW).to_be_bytes());
        data.extend(key.tag.to_be_bytes());
        data.extend(self.origin);
        data
    }
}

pub(crate) enum Fresh {
    Same(Bodies),
    Made(Bodies),
    Failed,
}

/// The tags of the keys that signed a set, and from when to when each signature holds.
pub(crate) fn signatures(set: &Set) -> impl Iterator<Item = (u16, Range<u32>)> {
    set.signatures.data().filter_map(|data| {
        let end = u32::from_be_bytes(*data.get(8..12)?.first_chunk()?);
        let begin = u32::from_be_bytes(*data.get(12..16)?.first_chunk()?);
        let tag = u16::from_be_bytes(*data.get(16..18)?.first_chunk()?);
        Some((tag, begin..end))
    })
}
