//! C-2, C-3: what real Erlang nodes and the browser client wrote is read, and written back as Erlang writes it.

mod support;

use etf::{Term, decode, encode};
use support::{Documents, lines, text, tree};

#[test]
fn every_vector_decodes_to_its_tree() {
    let mut documents = Documents::default();
    let all = lines("vectors.jsonl");
    assert_eq!(all.len(), 430);
    for line in &all {
        let name = text(line, "name");
        let term = decode::<Term>(&documents.of(line)).unwrap_or_else(|error| panic!("{name}: {error}"));
        if line["tree"].is_object() {
            assert_eq!(term, tree(&line["tree"]), "{name}");
        }
    }
}

#[test]
fn every_canonical_vector_is_written_back_to_the_same_bytes() {
    let mut documents = Documents::default();
    let mut same = 0;
    for line in lines("vectors.jsonl").iter().filter(|line| line["canonical"] == true) {
        let name = text(line, "name");
        let bytes = documents.of(line);
        let term = decode::<Term>(&bytes).unwrap();
        // Above 32 keys Erlang writes a map in the order of its hash; those are compared by tree.
        if term.as_map().is_some_and(|pairs| pairs.len() > 32) {
            assert_eq!(decode::<Term>(&encode(&term)).unwrap(), term, "{name}");
            continue;
        }
        assert_eq!(encode(&term), bytes, "{name}");
        same += 1;
    }
    assert!(same > 200, "only {same}");
}

#[test]
fn every_vector_survives_decode_encode_decode() {
    let mut documents = Documents::default();
    for line in &lines("vectors.jsonl") {
        support::agree::agree(&documents.of(line));
    }
}
