//! Random terms.

use etf::Term;
use proptest::collection::vec;
use proptest::prelude::*;

/// Any term, up to a few levels deep.
pub fn any_term() -> impl Strategy<Value = Term> {
    leaf().prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Term::tuple),
            vec(inner.clone(), 0..6).prop_map(Term::list),
            vec(any::<u8>().prop_map(|byte| Term::int(byte.into())), 1..9).prop_map(Term::list),
            (vec(inner.clone(), 1..4), inner.clone()).prop_map(|(all, tail)| Term::improper(all, tail)),
            vec((inner.clone(), inner), 0..4).prop_filter_map("equal keys", Term::map),
        ]
    })
}

fn leaf() -> impl Strategy<Value = Term> {
    prop_oneof![
        Just(Term::nil()),
        any::<i64>().prop_map(Term::int),
        (-300i64..300).prop_map(Term::int),
        (any::<bool>(), vec(any::<u8>(), 0..40)).prop_map(|(negative, bytes)| Term::big(negative, &bytes)),
        any::<f64>().prop_filter_map("not finite", Term::float),
        "[a-z@][A-Za-z0-9_@]{0,8}".prop_map(|text| Term::atom(&text)),
        "\\PC{0,8}".prop_map(|text| Term::atom(&text)),
        any::<String>().prop_map(|text| Term::atom(&text)),
        any::<String>().prop_map(|text| Term::binary(text.as_bytes())),
        vec(any::<u8>(), 0..20).prop_map(|bytes| Term::binary(&bytes)),
        (vec(any::<u8>(), 1..6), 1usize..8).prop_map(|(bytes, cut)| Term::bits(&bytes, bytes.len() * 8 - cut).unwrap()),
    ]
}
