//! The fuzz target's property on a stable compiler: over all vectors, damaged, and over random bytes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::LazyLock;
use support::agree::agree;
use support::terms::any_term;
use support::{Documents, lines};

static SMALL: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut documents = Documents::default();
    let all = lines("vectors.jsonl");
    all.iter()
        .filter(|line| line["etf_gen"].is_null())
        .map(|line| documents.of(line))
        .filter(|d| d.len() < 3000)
        .collect()
});

#[test]
fn seeds_of_the_fuzz_target() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds/decode");
    let seeds: Vec<_> = std::fs::read_dir(folder).unwrap().collect();
    assert_eq!(seeds.len(), 100);
    seeds.into_iter().for_each(|seed| agree(&std::fs::read(seed.unwrap().path()).unwrap()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn damaged_vectors(pick in any::<prop::sample::Index>(), hits in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut bytes = pick.get(&SMALL).clone();
        for (place, byte) in hits {
            *place.get_mut(&mut bytes) = byte;
        }
        agree(&bytes);
    }

    #[test]
    fn joined_vectors(one in any::<prop::sample::Index>(), other in any::<prop::sample::Index>(), cut in any::<prop::sample::Index>()) {
        let (one, other) = (one.get(&SMALL), other.get(&SMALL));
        agree(&[&one[..cut.index(one.len())], &other[cut.index(other.len())..]].concat());
    }

    #[test]
    fn random_bytes(bytes in vec(any::<u8>(), 0..64)) {
        agree(&[&[131], bytes.as_slice()].concat());
    }
}

proptest! {
    #[test]
    fn random_terms(term in any_term()) {
        let bytes = etf::encode(&term);
        prop_assert_eq!(etf::decode::<etf::Term>(&bytes).unwrap(), term);
        agree(&bytes);
    }
}
