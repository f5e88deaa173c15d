//! Both engines against a plain `BTreeMap`, with random batches, crashes and scans.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use std::collections::BTreeMap;

use kvs::{Batch, Disk, Memory, Span, Store, Table};
use proptest::{collection::vec, prelude::*};

const TABLES: [Table; 2] = [Table("left"), Table("right")];

type Model = BTreeMap<(usize, Vec<u8>), Vec<u8>>;
type Change = (usize, Vec<u8>, Option<Vec<u8>>);

#[derive(Debug, Clone)]
enum Step {
    Apply(Vec<Change>),
    Flush,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    // Few different keys, so that they meet.
    let key = vec(prop_oneof![Just(0), Just(1), Just(0xff)], 1..4);
    let change = (0..TABLES.len(), key, proptest::option::of(vec(any::<u8>(), 0..9)));
    prop_oneof![
        8 => vec(change, 0..9).prop_map(Step::Apply),
        2 => Just(Step::Flush),
        1 => Just(Step::Reopen),
    ]
}

fn batch(changes: &[Change]) -> Batch {
    let mut batch = Batch::default();
    for (table, key, value) in changes {
        match value {
            Some(value) => batch.put(TABLES[*table], key.clone(), value.clone()),
            None => batch.delete(TABLES[*table], key.clone()),
        }
    }
    batch
}

fn change(model: &mut Model, changes: &[Change]) {
    for (table, key, value) in changes.iter().cloned() {
        match value {
            Some(value) => model.insert((table, key), value),
            None => model.remove(&(table, key)),
        };
    }
}

fn agree(store: &dyn Store, model: &Model, from: &[u8], to: &[u8], limit: usize) {
    for (number, table) in TABLES.into_iter().enumerate() {
        let rows = model.iter().filter(|((t, _), _)| *t == number).map(|((_, k), v)| (k.clone(), v.clone()));
        let rows: Vec<_> = rows.collect();
        let scan = |span: Span| -> Vec<(Vec<u8>, Vec<u8>)> {
            let found = store.scan(table, &span).unwrap();
            found.into_iter().map(|(k, v)| (k.to_vec(), v.to_vec())).collect()
        };
        for (key, value) in &rows {
            assert_eq!(store.get(table, key).unwrap().as_deref(), Some(&value[..]));
        }
        let within =
            |wanted: &dyn Fn(&[u8]) -> bool| rows.iter().filter(|(k, _)| wanted(k)).cloned().collect::<Vec<_>>();
        assert_eq!(scan(Span::prefix("")), rows);
        assert_eq!(scan(Span::prefix(from.to_vec())), within(&|k| k.starts_with(from)));

        let mut range = within(&|k| k >= from && k < to);
        let span = Span::range(from.to_vec(), to.to_vec()).limit(limit);
        assert_eq!(scan(span.clone()), range[..limit.min(range.len())]);
        range.reverse();
        assert_eq!(scan(span.backward()), range[..limit.min(range.len())]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn memory_agrees_and_a_crash_keeps_what_was_flushed(
        steps in vec(step(), 1..40), from in vec(any::<u8>(), 0..3), to in vec(any::<u8>(), 0..3), limit in 0..9_usize,
    ) {
        let (mut now, mut kept) = (Model::new(), Model::new());
        let mut store = Memory::new(&TABLES);
        for step in &steps {
            match step {
                Step::Apply(changes) => {
                    store.apply(&batch(changes)).unwrap();
                    change(&mut now, changes);
                }
                Step::Flush => {
                    store.flush().unwrap();
                    kept = now.clone();
                }
                Step::Reopen => {
                    agree(&store.crash_at(store.applied()), &now, &from, &to, limit);
                    store = store.crash();
                    now = kept.clone();
                }
            }
            agree(&store, &now, &from, &to, limit);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(12) })]

    #[test]
    fn disk_agrees_also_after_it_was_opened_again(
        steps in vec(step(), 1..40), from in vec(any::<u8>(), 0..3), to in vec(any::<u8>(), 0..3), limit in 0..9_usize,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let mut now = Model::new();
        let mut store = Some(Disk::open_with(&path, &TABLES, &TABLES[1..]).unwrap());
        for step in &steps {
            let open = store.take().unwrap();
            match step {
                Step::Apply(changes) => {
                    open.apply(&batch(changes)).unwrap();
                    change(&mut now, changes);
                }
                Step::Flush => drop(open.flush().unwrap()),
                Step::Reopen => {
                    open.flush().unwrap();
                    drop(open);
                    store = Some(Disk::open_with(&path, &TABLES, &TABLES[1..]).unwrap());
                    agree(store.as_ref().unwrap(), &now, &from, &to, limit);
                    continue;
                }
            }
            agree(&open, &now, &from, &to, limit);
            store = Some(open);
        }
    }
}
