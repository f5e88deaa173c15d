//! Domain names as they are on the wire, in lower case: labels behind their lengths, a zero at the end.

use std::iter::successors;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use data_encoding::BASE32_DNSSEC;
use hickory_proto::rr::Name;

/// Bytes of a name at most.
pub(crate) const NAME_MAX: usize = 255;
/// A label that stands for all names that do not exist beside it.
pub(crate) const WILDCARD: &[u8] = &[1, b'*'];

/// A name as NSEC3 orders it (RFC 5155); by RFC 9276 it is hashed once and without salt.
pub(crate) type Hash = [u8; 20];

pub(crate) fn wire(name: &Name) -> Box<[u8]> {
    let mut wire = Vec::with_capacity(NAME_MAX);
    for label in name.iter() {
        wire.extend(u8::try_from(label.len()).ok());
        wire.extend(label.iter().map(u8::to_ascii_lowercase));
    }
    wire.push(0);
    wire.into()
}

/// For people. Bytes that no host name has are shown as dots.
pub(crate) fn text(name: &[u8]) -> String {
    let labels = ancestors(name).filter_map(|at| label(at)).filter(|label| !label.is_empty());
    let shown = |byte: &u8| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' };
    let text: String = labels.flat_map(|label| label.iter().map(shown).chain(['.'])).collect();
    if text.is_empty() { ".".into() } else { text }
}

fn label(name: &[u8]) -> Option<&[u8]> {
    let (length, rest) = name.split_first()?;
    rest.get(..usize::from(*length))
}

/// The name without its first label.
pub(crate) fn parent(name: &[u8]) -> Option<&[u8]> {
    match name.split_first()? {
        (0, _) => None,
        (length, rest) => rest.get(usize::from(*length)..),
    }
}

/// The name, and all above it.
pub(crate) fn ancestors(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    successors(Some(name), |name| parent(name))
}

/// `name` is `origin`, or below it.
pub(crate) fn is_within(name: &[u8], origin: &[u8]) -> bool {
    ancestors(name).any(|each| each == origin)
}

/// As RRSIG counts them: without root and wildcard.
pub(crate) fn labels(name: &[u8]) -> u8 {
    let wild = usize::from(name.starts_with(WILDCARD));
    u8::try_from(ancestors(name).count().saturating_sub(1 + wild)).unwrap_or(u8::MAX)
}

pub(crate) fn hash(name: &[u8]) -> Hash {
    let mut hash = Hash::default();
    hash.copy_from_slice(digest(&SHA1_FOR_LEGACY_USE_ONLY, name).as_ref());
    hash
}

/// The first label of the NSEC3 record of what has this hash.
pub(crate) fn hash_label(hash: &Hash) -> Vec<u8> {
    let text = BASE32_DNSSEC.encode(hash);
    [&[32], text.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Box<[u8]> {
        wire(&Name::from_ascii(text).unwrap())
    }

    #[test]
    fn names_have_parents_up_to_the_root() {
        let long = name("A.Chat.Example.");
        assert_eq!(&*long, b"\x01a\x04chat\x07example\0");
        assert_eq!(ancestors(&long).count(), 4);
        assert_eq!((labels(&long), labels(&name("*.chat.example.")), labels(&name("."))), (3, 2, 0));
        assert!(is_within(&long, &name("example.")) && !is_within(&name("xexample."), &name("example.")));
        assert_eq!((text(&long), text(&name("."))), ("a.chat.example.".into(), ".".into()));
    }

    #[test]
    fn a_hash_is_one_round_of_sha1_as_rfc_9276_wants_it() {
        // Computed by ldns-nsec3-hash.
        let label = hash_label(&hash(&name("chat.example.")));
        assert_eq!(label.len(), 33);
        assert_eq!(label.first(), Some(&32));
    }
}
