//! Every record of `priv/proto/records.toml` is typed as the catalogue says (C-6, section 5).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use etf::{Term, encode};
use proto::{Record, catalogue};
use toml::Table;

/// Shapes that are read into another record and never written (C-6), and so have no type of their own.
const READ_ONLY: [(&str, usize); 2] = [("ok", 2), ("error", 2)];

fn records() -> Vec<Table> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../priv/proto/records.toml");
    let file: Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
    file["record"].as_array().unwrap().iter().map(|record| record.as_table().unwrap().clone()).collect()
}

fn atom(record: &Table) -> &str {
    record["atom"].as_str().unwrap()
}

fn arities(record: &Table) -> Vec<usize> {
    let others = record.get("other_arities").and_then(|list| list.as_array()).cloned().unwrap_or_default();
    let all = std::iter::once(&record["arity"]).chain(&others);
    all.map(|arity| usize::try_from(arity.as_integer().unwrap()).unwrap()).collect()
}

fn fields(record: &Table) -> Vec<&Table> {
    record["fields"].as_array().unwrap().iter().map(|field| field.as_table().unwrap()).collect()
}

fn strings<'a>(table: &'a Table, key: &str) -> Vec<&'a str> {
    let list = table.get(key).and_then(|list| list.as_array());
    list.into_iter().flatten().map(|text| text.as_str().unwrap()).collect()
}

/// The default as a term; `None` where the catalogue names none.
fn default(field: &Table) -> Option<Term> {
    let value = field.get("default")?;
    let Some(table) = value.as_table() else {
        return Some(Term::nil());
    };
    let (kind, value) = table.iter().next().unwrap();
    Some(match kind.as_str() {
        "binary" => Term::binary(value.as_str().unwrap().as_bytes()),
        "integer" => Term::int(value.as_integer().unwrap()),
        "atom" => Term::atom(value.as_str().unwrap()),
        kind => panic!("default of kind {kind}"),
    })
}

#[test]
fn every_record_has_the_fields_and_defaults_of_the_catalogue() {
    let typed = catalogue();
    let mut seen = 0;
    for record in records() {
        for (index, arity) in arities(&record).into_iter().enumerate() {
            if READ_ONLY.contains(&(atom(&record), arity)) {
                continue;
            }
            let entry = typed.iter().find(|entry| entry.atom == atom(&record) && entry.arity() == arity);
            let entry = entry.unwrap_or_else(|| panic!("{} of arity {arity} is not typed", atom(&record)));
            let names: Vec<&str> = fields(&record).iter().map(|field| field["name"].as_str().unwrap()).collect();
            assert_eq!(entry.fields, names[..names.len() - index], "{}", atom(&record));
            for (field, has) in fields(&record).iter().zip(&entry.defaults) {
                if let Some(wanted) = default(field) {
                    assert_eq!(*has, wanted, "{}.{}", atom(&record), field["name"]);
                }
            }
            seen += 1;
        }
    }
    assert_eq!(seen, typed.len(), "a typed record is not in the catalogue");
    assert_eq!(seen, 48);
}

/// A document of `record` at its defaults, with `value` at `position`.
fn with(record: &Table, position: usize, value: Term) -> bytes::Bytes {
    let mut elements = vec![Term::atom(atom(record))];
    elements.extend(fields(record).iter().map(|field| default(field).unwrap_or_default()));
    elements[position] = value;
    encode(&Term::tuple(elements))
}

#[test]
fn c_8_every_atom_of_a_closed_set_is_read_and_no_other() {
    for record in records() {
        for field in fields(&record) {
            let closed = strings(field, "atoms");
            if closed.is_empty() {
                continue;
            }
            let position = usize::try_from(field["pos"].as_integer().unwrap()).unwrap();
            for name in closed.iter().chain(&strings(field, "also_atoms")) {
                let bytes = with(&record, position, Term::atom(name));
                etf::decode::<Record>(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
            }
            let types = strings(field, "types");
            if !types.contains(&"any") && atom(&record) != "ok2" {
                let bytes = with(&record, position, Term::atom("nobody_declared_this"));
                assert!(etf::decode::<Record>(&bytes).is_err(), "{}.{}", atom(&record), field["name"]);
            }
        }
    }
}

#[test]
fn c_5_nil_and_its_atoms_are_read_in_every_field_that_may_be_absent() {
    for record in records() {
        for field in fields(&record) {
            if !strings(field, "types").contains(&"nil") && field.get("nil_undeclared").is_none() {
                continue;
            }
            let position = usize::try_from(field["pos"].as_integer().unwrap()).unwrap();
            for absent in [Term::nil(), Term::atom("nil"), Term::atom("undefined")] {
                let bytes = with(&record, position, absent);
                etf::decode::<Record>(&bytes).unwrap_or_else(|error| panic!("{}: {error}", atom(&record)));
            }
        }
    }
}

#[test]
fn every_declared_type_of_a_field_is_read() {
    for record in records() {
        for field in fields(&record) {
            for kind in strings(field, "types").into_iter().chain(strings(field, "also_types")) {
                let Some(value) = sample(kind) else {
                    continue;
                };
                let position = usize::try_from(field["pos"].as_integer().unwrap()).unwrap();
                let bytes = with(&record, position, value);
                if let Err(error) = etf::decode::<Record>(&bytes) {
                    panic!("{}.{} as {kind}: {error}", atom(&record), field["name"]);
                }
            }
        }
    }
}

/// A value of a type as records.toml names it; `None` for those that need a closed set or have no fixed form.
fn sample(kind: &str) -> Option<Term> {
    let named = |name: &str| {
        let entry = catalogue().into_iter().find(|entry| entry.atom == name).unwrap();
        Term::tuple(std::iter::once(Term::atom(entry.atom)).chain(entry.defaults).collect())
    };
    let text = || Term::binary(b"7");
    if let Some(inside) = kind.strip_prefix("list<").and_then(|rest| rest.strip_suffix('>')) {
        let samples: Option<Vec<Term>> = inside.split('|').map(sample).collect();
        return samples.map(Term::list);
    }
    if let Some(name) = kind.strip_prefix("record<").and_then(|rest| rest.strip_suffix('>')) {
        return Some(named(name));
    }
    match kind {
        "nil" => Some(Term::nil()),
        "integer" => Some(Term::int(1000)),
        "binary" => Some(text()),
        "tuple<binary,binary>" => Some(Term::tuple(vec![text(), text()])),
        _ => None,
    }
}
