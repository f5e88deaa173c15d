//! What holds for all names, values and filters.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

use ldap::server::{Dn, Entry, Filter, LdapFilter, kind, ldif};
use ldap3_proto::proto::LdapSubstringFilter;
use proptest::prelude::*;

fn entry(values: &[String]) -> Entry {
    let mut entry = Entry::new(Dn::parse("uid=x,dc=y").unwrap(), &["inetOrgPerson"]);
    entry.put("cn", values);
    entry
}

fn value() -> impl Strategy<Value = String> {
    // Signs that mean something in names and filters come often.
    prop_oneof![written("[ ,+\"\\\\<>;=#a-zA-Zäß*()]{1,12}"), written("\\PC{1,12}")]
}

/// What fits the pattern and is more than blanks, which are no value.
fn written(pattern: &'static str) -> impl Strategy<Value = String> {
    pattern.prop_filter("blank", |text| !text.trim().is_empty())
}

fn fits(filter: &LdapFilter, entry: &Entry) -> bool {
    Filter::new(filter).unwrap().fits(entry)
}

/// Filters on `cn` and on a type that nobody knows.
fn filter() -> impl Strategy<Value = LdapFilter> {
    let cn = || "cn".to_owned();
    let leaf = prop_oneof![
        value().prop_map(move |value| LdapFilter::Equality(cn(), value)),
        value().prop_map(move |value| LdapFilter::GreaterOrEqual(cn(), value)),
        Just(LdapFilter::Present(cn())),
        Just(LdapFilter::Present("shoeSize".into())),
        Just(LdapFilter::Present("mail".into())),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(LdapFilter::And),
            proptest::collection::vec(inner.clone(), 0..4).prop_map(LdapFilter::Or),
            inner.prop_map(|one| LdapFilter::Not(Box::new(one))),
        ]
    })
}

proptest! {
    #[test]
    fn a_name_is_read_as_it_was_written(values in proptest::collection::vec(value(), 1..5)) {
        let mut name = Dn::root();
        for value in &values {
            name = name.child("cn", value);
        }
        let read = Dn::parse(&name.to_string()).unwrap();
        prop_assert_eq!(&read, &name);
        prop_assert_eq!(read.own().unwrap().1, values.last().unwrap());
        prop_assert!(read.is_within(&read.parent().unwrap()));
        prop_assert!(!read.parent().unwrap().is_within(&read));
        prop_assert!(read.path().starts_with(&read.parent().unwrap().path()));
    }

    #[test]
    fn anything_is_a_name_or_none(text in "\\PC{0,40}") {
        if let Ok(name) = Dn::parse(&text) {
            prop_assert_eq!(Dn::parse(&name.to_string()).unwrap(), name);
        }
    }

    #[test]
    fn a_name_s_normal_form_is_its_own(values in proptest::collection::vec(value(), 1..4)) {
        let rule = kind("owner").unwrap().rule;
        for kind in ["cn", "owner", "member", "telephoneNumber"] {
            let name = values.iter().fold(Dn::root(), |name, value| name.child(kind, value)).to_string();
            let normal = rule.normal(name.as_bytes()).unwrap();
            prop_assert_eq!(rule.normal(&normal).unwrap(), normal);
        }
    }

    #[test]
    fn a_value_s_normal_form_is_its_own(value in value()) {
        for name in ["cn", "telephoneNumber", "objectClass"] {
            let rule = kind(name).unwrap().rule;
            let normal = rule.normal(value.as_bytes()).unwrap();
            prop_assert_eq!(rule.normal(&normal).unwrap(), normal);
        }
    }

    #[test]
    fn a_value_is_found_whatever_its_case_and_by_its_pieces(value in "[a-zA-Z0-9äÖ]{3,12}", cut in 1_usize..3) {
        let entry = entry(std::slice::from_ref(&value));
        let at = value.char_indices().nth(cut).unwrap().0;
        let (first, rest) = value.split_at(at);
        prop_assert!(fits(&LdapFilter::Equality("CN".into(), value.to_uppercase().to_lowercase()), &entry));
        let pieces = LdapSubstringFilter { initial: Some(first.to_uppercase()), any: vec![], final_: Some(rest.into()) };
        prop_assert!(fits(&LdapFilter::Substring("cn".into(), pieces), &entry));
        let more = LdapSubstringFilter { initial: Some(value.clone()), any: vec![], final_: Some(rest.into()) };
        prop_assert!(!fits(&LdapFilter::Substring("cn".into(), more), &entry), "pieces do not overlap");
    }

    #[test]
    fn not_makes_no_unknown_true(filter in filter(), values in proptest::collection::vec(value(), 0..3)) {
        let entry = entry(&values);
        let not = LdapFilter::Not(Box::new(filter.clone()));
        prop_assert!(!(fits(&filter, &entry) && fits(&not, &entry)));
        let twice = LdapFilter::Not(Box::new(not));
        prop_assert_eq!(fits(&twice, &entry), fits(&filter, &entry));
    }

    /// An index looks only at entries with one of the keys, so every entry that fits must have one.
    #[test]
    fn keys_leave_out_nothing_that_fits(filter in filter(), values in proptest::collection::vec(value(), 0..3)) {
        let (entry, asked) = (entry(&values), Filter::new(&filter).unwrap());
        if let (true, Some(keys)) = (asked.fits(&entry), asked.keys(&|kind| kind.name == "cn")) {
            let has = |value: &[u8]| values.iter().any(|own| kind("cn").unwrap().rule.normal(own.as_bytes()).unwrap() == value);
            prop_assert!(keys.iter().any(|(_, value)| has(value)), "{:?}", filter);
        }
    }

    #[test]
    fn an_entry_is_read_from_text_as_it_was_written(values in proptest::collection::vec(written("\\PC{1,200}"), 1..4)) {
        let mut entry = Entry { dn: Dn::root().child("uid", &values[0]), attributes: Vec::new() };
        entry.put("cn", &values);
        entry.put("userCertificate", &[[0_u8, 10, 13, 255]]);
        let text = "version: 1\n".to_owned() + &ldif::write(&entry);
        prop_assert!(text.is_ascii() && text.lines().all(|line| line.len() <= 76), "{}", text);
        let read = ldif::read(&text);
        prop_assert_eq!(read.len(), 1);
        prop_assert_eq!(&read[0].as_ref().unwrap().what, &ldif::What::Content(entry));
    }
}

/// A name of names of names: each is read once, however many there are.
#[test]
fn names_within_names_are_text() {
    for kind in ["owner", "member", "seeAlso", "entryDN"] {
        let deep = format!("{kind}=").repeat(400) + "CN=x";
        assert_eq!(Dn::parse(&deep).unwrap(), Dn::parse(&deep.to_lowercase()).unwrap());
        let mut group = Entry::new(Dn::parse("cn=group").unwrap(), &["groupOfNames"]);
        group.put("member", &[&deep]);
        let member = |value: &str| LdapFilter::Equality("member".into(), value.into());
        assert!(fits(&member(&deep.to_uppercase()), &group) && !fits(&member("cn=x"), &group));
    }
}

#[test]
fn names_that_mean_the_same_are_the_same() {
    let same = |a: &str, b: &str| assert_eq!(Dn::parse(a).unwrap(), Dn::parse(b).unwrap(), "{a} {b}");
    same("UID=Ann,DC=Chat,DC=Example", "uid = ann , dc=chat, dc=example");
    same("cn=a+sn=b,dc=x", "sn=B+commonName=A,dc=x");
    same("cn=\\41nn,dc=x", "cn=Ann,dc=x");
    same("cn=#0403416e6e,dc=x", "cn=ann,dc=x");
    same("cn=O\\,Neill", "cn=o\\2cneill");
    same("cn=two  spaces", "cn=two spaces");
    same("uid=a;dc=x", "uid=a,dc=x");
    let other = |a: &str, b: &str| assert_ne!(Dn::parse(a).unwrap(), Dn::parse(b).unwrap(), "{a} {b}");
    other("cn=a+sn=b", "cn=a,sn=b");
    other("cn=a\\,sn=b", "cn=a,sn=b");
    for bad in ["uid", "=x", "uid=x,", "uid=x,,dc=y", "uid=\\", "uid=\\4", "uid=\\zz", "u id=x", "uid=#04", "uid=\"x\""]
    {
        assert!(Dn::parse(bad).is_err(), "{bad}");
    }
    assert!(Dn::parse(&vec!["a=b"; 33].join(",")).is_err());
    assert!(Dn::parse(&"a=b+".repeat(20)).is_err());
}
