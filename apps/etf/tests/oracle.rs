//! The crate `eetf` as a second opinion on sound bytes, and its defects, which are why it does not read ours.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use etf::{Term, decode, encode};
use proptest::prelude::*;
use std::panic::catch_unwind;
use support::terms::any_term;

proptest! {
    #[test]
    fn eetf_reads_what_we_write(term in any_term()) {
        // See eetf_takes_the_two_zeros_for_one_key.
        prop_assume!(!format!("{term:?}").contains("-0.0"));
        let bytes = encode(&term);
        let theirs = eetf::Term::decode(&bytes[..]).unwrap();
        prop_assert_eq!(translated(&theirs), term);
    }
}

/// Their term as ours, by value.
fn translated(term: &eetf::Term) -> Term {
    let all = |elements: &[eetf::Term]| elements.iter().map(translated).collect::<Vec<_>>();
    match term {
        eetf::Term::Atom(x) => Term::atom(&x.name),
        eetf::Term::FixInteger(x) => Term::int(x.value.into()),
        eetf::Term::BigInteger(x) => etf::text::parse(&x.value.to_string(), &()).unwrap(),
        eetf::Term::Float(x) => Term::float(x.value).unwrap(),
        eetf::Term::Binary(x) => Term::binary(&x.bytes),
        eetf::Term::BitBinary(x) => bits(x),
        eetf::Term::ByteList(x) => Term::list(x.bytes.iter().map(|&byte| Term::int(byte.into())).collect()),
        eetf::Term::List(x) => Term::list(all(&x.elements)),
        eetf::Term::ImproperList(x) => Term::improper(all(&x.elements), translated(&x.last)),
        eetf::Term::Tuple(x) => Term::tuple(all(&x.elements)),
        eetf::Term::Map(x) => Term::map(x.map.iter().map(|(k, v)| (translated(k), translated(v))).collect()).unwrap(),
        other => panic!("we never write {other}"),
    }
}

/// They shift the last byte down.
fn bits(x: &eetf::BitBinary) -> Term {
    let mut bytes = x.bytes.clone();
    *bytes.last_mut().unwrap() <<= 8 - x.tail_bits_size;
    Term::bits(&bytes, (bytes.len() - 1) * 8 + usize::from(x.tail_bits_size)).unwrap()
}

#[test]
fn eetf_writes_negative_integers_as_a_string_and_we_do_not() {
    let term = Term::list(vec![Term::int(-1), Term::int(2)]);
    assert_eq!(decode::<Term>(&encode(&term)).unwrap(), term);
    let mut bytes = Vec::new();
    eetf::Term::decode(&encode(&term)[..]).unwrap().encode(&mut bytes).unwrap();
    assert_eq!(bytes, [131, 107, 0, 2, 255, 2]);
}

#[test]
fn eetf_panics_on_two_tags_and_we_do_not() {
    for tag in [68, 82] {
        assert!(decode::<Term>(&[131, tag, 0]).is_err());
        assert!(catch_unwind(|| eetf::Term::decode(&[131, tag, 0][..]).is_err()).is_err());
    }
}

#[test]
fn eetf_lets_bytes_follow_the_term_and_we_do_not() {
    assert!(decode::<Term>(&[131, 106, 0]).is_err());
    assert!(eetf::Term::decode(&[131, 106, 0][..]).is_ok());
}

#[test]
fn eetf_reads_latin1_atoms_as_utf8_and_we_do_not() {
    let bytes = [131, 115, 1, 0xe9];
    assert_eq!(decode::<Term>(&bytes).unwrap(), Term::atom("é"));
    assert!(eetf::Term::decode(&bytes[..]).is_err());
}

#[test]
fn eetf_keeps_one_of_two_equal_keys_and_we_refuse() {
    let bytes = [131, 116, 0, 0, 0, 2, 97, 1, 106, 97, 1, 106];
    assert!(decode::<Term>(&bytes).is_err());
    assert!(eetf::Term::decode(&bytes[..]).is_ok());
}

/// As Erlang did until OTP 26; since OTP 27 they differ.
#[test]
fn eetf_takes_the_two_zeros_for_one_key_and_we_keep_both() {
    let term = etf::text::parse("#{-0.0=>a,0.0=>b}", &()).unwrap();
    let theirs = eetf::Term::decode(&encode(&term)[..]).unwrap();
    assert_eq!(translated(&theirs).as_map().unwrap().len(), 1);
    assert_eq!(decode::<Term>(&encode(&term)).unwrap(), term);
}

#[test]
fn eetf_ignores_what_a_compressed_term_claims_and_we_do_not() {
    let bytes = [131, 80, 0, 0, 0, 99, 0x78, 0x9c, 0xcb, 0x02, 0x00, 0x00, 0x6b, 0x00, 0x6b];
    assert!(decode::<Term>(&bytes).is_err());
    assert!(eetf::Term::decode(&bytes[..]).is_ok());
}

#[test]
fn eetf_refuses_a_sign_byte_of_two_and_we_read_it_as_erlang() {
    let bytes = [131, 110, 1, 2, 5];
    assert_eq!(decode::<Term>(&bytes).unwrap(), Term::int(-5));
    assert!(eetf::Term::decode(&bytes[..]).is_err());
}
