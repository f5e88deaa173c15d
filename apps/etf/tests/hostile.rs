//! C-1, C-3, C-9: hostile bytes are refused in bounded time and memory. One test, since it owns the allocator.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use cap::Cap;
use etf::{Error, Term, decode};
use serde_json::Value;
use std::alloc::System;
use std::time::{Duration, Instant};
use support::{Documents, lines, text};

/// Beyond its limit an allocation fails, which ends the test run.
#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

/// What one document may take beside its own bytes.
const EXTRA_MEMORY: usize = 64 << 20;
const TIME: Duration = Duration::from_millis(100);

const ATTEMPTS: usize = 8;

/// For what is within the limits: half a million terms are built, in unoptimised code slowly.
const BUILD_TIME: Duration = if cfg!(debug_assertions) { Duration::MAX } else { Duration::from_secs(1) };

#[test]
fn hostile_documents_are_refused_within_100_ms_and_64_mib() {
    let mut documents = Documents::default();
    let all = lines("hostile.jsonl");
    assert_eq!(all.len(), 1101);
    for line in &all {
        let bytes = documents.of(line);
        let result = measured(text(line, "name"), &bytes, TIME);
        judge(line, result.err());
    }
    for bytes in dearest_documents() {
        measured("dearest", &bytes, BUILD_TIME).expect("within the limits");
    }
    for bytes in documents_with_dear_keys() {
        measured("keys", &bytes, BUILD_TIME).expect("within the limits");
    }
}

/// Decodes within the bounds. Of a few attempts the fastest counts: others use the machine too.
fn measured(name: &str, bytes: &[u8], time: Duration) -> Result<Term, Error> {
    MEMORY.set_limit(MEMORY.allocated() + EXTRA_MEMORY).unwrap();
    let timed = || {
        let start = Instant::now();
        drop(decode::<Term>(bytes));
        start.elapsed()
    };
    let spent = (0..ATTEMPTS).map(|_| timed()).find(|spent| *spent < time);
    let result = decode::<Term>(bytes);
    MEMORY.set_limit(usize::MAX).unwrap();
    assert!(spent.is_some(), "{name} took more than {time:?}, {ATTEMPTS} times");
    println!("{name} {spent:?}");
    result
}

fn judge(line: &Value, error: Option<Error>) {
    let name = text(line, "name");
    match (text(line, "expect"), error) {
        ("either", _) => {}
        ("reject", Some(error)) => {
            assert!(!error.is_limit() || line["bytes"].as_u64() > Some(1 << 20) || is_bomb(name), "{name}: {error}")
        }
        ("limit", Some(error)) => assert!(error.is_limit(), "{name}: {error}"),
        (expect, error) => panic!("{name}: {expect} expected, got {error:?}"),
    }
}

/// Documents that are wrong in a way that shows only beyond a limit.
fn is_bomb(name: &str) -> bool {
    ["gen/", "zlib/", "len/nested"].iter().any(|group| name.starts_with(group))
}

/// The most terms that the limits let in, of the kinds that take most memory for their bytes.
fn dearest_documents() -> Vec<Vec<u8>> {
    let list = |count: usize, element: &[u8]| {
        let count_bytes = u32::try_from(count).unwrap().to_be_bytes();
        [&[131, 108][..], &count_bytes, &element.repeat(count), &[106]].concat()
    };
    let map = |pairs: u32| {
        let mut bytes = [&[131, 116][..], &pairs.to_be_bytes()].concat();
        (0..pairs).for_each(|key| bytes.extend([&[98][..], &key.to_be_bytes(), &[106]].concat()));
        bytes
    };
    vec![
        list(520_000, &[119, 0]),
        list(520_000, &[97, 1]),
        list(200_000, &[109, 0, 0, 0, 0]),
        list(170_000, &[109, 0, 0, 0, 1, 7]),
        list(58_000, &[107, 0, 0]),
        list(50_000, &[104, 1, 106]),
        map(170_000),
    ]
}

/// Maps in the keys of maps: comparing keys must not multiply.
fn documents_with_dear_keys() -> Vec<Vec<u8>> {
    let nested = |levels: usize, inner: &[u8]| {
        let mut bytes = vec![131];
        (0..levels).for_each(|_| bytes.extend([116, 0, 0, 0, 1]));
        bytes.extend(inner);
        bytes.extend([106].repeat(levels));
        bytes
    };
    let big = |size: u32| [&[109][..], &size.to_be_bytes(), &vec![7; size as usize]].concat();
    vec![nested(120, &big(1_000_000)), nested(127, &[97, 1])]
}
