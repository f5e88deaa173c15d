//! Records written by a real Erlang node are read as typed records, and written as Erlang writes them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use etf::{Term, encode, text};
use proto::{Message, Record, catalogue};
use serde_json::Value;

/// Legal terms that are not legal records: what is wrong with each.
const REFUSED: [(&str, &str); 12] = [
    ("atom/unknown_status", "an atom outside the closed set, C-8"),
    ("atom/unknown_status/mv1", "an atom outside the closed set, C-8"),
    ("atom/utf8_status", "an atom outside the closed set, C-8"),
    ("atom/utf8_status/mv1", "an atom outside the closed set, C-8"),
    ("int/message_ids", "ids beyond 64 bits and below 0; C-11 keeps them below 2^53"),
    ("list/improper_in_record", "an improper list where a list is declared, C-3"),
    ("message/all_statuses", "a list of records: read as one in a test of its own"),
    ("message/link_big_id", "ids beyond 64 bits"),
    ("message/null_and_booleans", "wrong types in known fields"),
    ("message/seenby_negative", "no roster has a negative id"),
    ("message/too_short", "a tag alone"),
    ("message/wrong_arity_v1", "the 14 elements of the old text's examples, D-1"),
];

/// Canonical bytes that are not ours: what is written instead.
const WRITTEN_OTHERWISE: [(&str, &str); 12] = [
    ("auth/v1_arity", "the current shape, C-6"),
    ("hand/string_ext_as_binary_field", "a binary, C-4"),
    ("io/empty_binary_data", "the result with three elements, D-2"),
    ("message/elixir_nil_fields", "[] for the atom nil, C-5"),
    ("message/type_single_atom", "a list of marks, C-6"),
    ("message/undefined_fields", "[] for the atom undefined, C-5"),
    ("unicode/charlist_ascii", "a binary, C-4"),
    ("unicode/charlist_wide", "a binary, C-4"),
    ("v1/error/2/default", "three elements, D-2"),
    ("v1/error/2/full", "three elements, D-2"),
    ("v1/ok/2/default", "three elements, D-2"),
    ("v1/ok/2/full", "three elements, D-2"),
];

struct Vector {
    name: String,
    record: String,
    canonical: bool,
    bytes: Vec<u8>,
}

fn vectors() -> Vec<Vector> {
    include_str!("data/records.jsonl").lines().map(vector).collect()
}

fn vector(line: &str) -> Vector {
    let line: Value = serde_json::from_str(line).unwrap();
    let hex = line["etf_hex"].as_str().unwrap();
    let bytes = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
    Vector {
        name: line["name"].as_str().unwrap().to_owned(),
        record: line["record"].as_str().unwrap().to_owned(),
        canonical: line["canonical"].as_bool().unwrap(),
        bytes: bytes.collect(),
    }
}

#[test]
fn every_record_vector_is_typed_except_the_illegal_ones() {
    let mut refused = BTreeSet::new();
    for vector in vectors() {
        match etf::decode::<Record>(&vector.bytes) {
            Ok(record) => assert_eq!(record.atom(), vector.record, "{}", vector.name),
            Err(error) => {
                println!("{}: {error}", vector.name);
                refused.insert(vector.name);
            }
        }
    }
    assert_eq!(refused, REFUSED.iter().map(|(name, _)| (*name).to_owned()).collect());
}

#[test]
fn c_2_canonical_vectors_are_written_byte_for_byte() {
    let (mut same, mut otherwise) = (0, BTreeSet::new());
    for vector in vectors().into_iter().filter(|vector| vector.canonical) {
        let Ok(record) = etf::decode::<Record>(&vector.bytes) else {
            continue;
        };
        match encode(&record) == vector.bytes {
            true => same += 1,
            false => {
                otherwise.insert(vector.name);
            }
        }
    }
    println!("{same} the same");
    assert_eq!(otherwise, WRITTEN_OTHERWISE.iter().map(|(name, _)| (*name).to_owned()).collect());
}

#[test]
fn what_is_written_is_read_back_the_same() {
    for vector in vectors() {
        if let Ok(record) = etf::decode::<Record>(&vector.bytes) {
            assert_eq!(etf::decode::<Record>(&encode(&record)).unwrap(), record, "{}", vector.name);
        }
    }
}

#[test]
fn every_message_status_is_read_and_written() {
    let vector = vectors().into_iter().find(|vector| vector.name == "message/all_statuses").unwrap();
    let messages: Vec<Message> = etf::decode(&vector.bytes).unwrap();
    assert_eq!(messages.len(), 6);
    assert_eq!(encode(&messages), vector.bytes);
}

#[test]
fn every_record_prints_and_parses_to_the_same() {
    let catalogue = catalogue();
    for vector in vectors() {
        if let Ok(record) = etf::decode::<Record>(&vector.bytes) {
            let printed = text::print(&Term::of(&record).unwrap(), &catalogue);
            let parsed = text::parse(&printed, &catalogue).unwrap();
            assert_eq!(parsed.to::<Record>().unwrap(), record, "{printed}");
        }
    }
}
