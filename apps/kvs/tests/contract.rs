//! What every engine keeps to: each test runs on both.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;

use kvs::{BATCH_MAX, Batch, Disk, Entry, Error, Glance, KEY_MAX, Memory, Span, Store, Table, VALUE_MAX, View};

const A: Table = Table("a");
const B: Table = Table("b_two");

fn on_each_engine(test: impl Fn(&dyn Store)) {
    test(&Memory::new(&[A, B]));
    let folder = tempfile::tempdir().unwrap();
    test(&Disk::open(&folder.path().join("store"), &[A, B]).unwrap());
}

fn put(store: &dyn Store, table: Table, rows: &[(&'static str, &'static str)]) {
    let mut batch = Batch::default();
    for (key, value) in rows {
        batch.put(table, *key, *value);
    }
    store.apply(&batch).unwrap();
}

fn keys(entries: Vec<Entry>) -> Vec<String> {
    entries.iter().map(|(key, _)| String::from_utf8(key.to_vec()).unwrap()).collect()
}

#[test]
fn a_row_is_read_as_it_was_put_and_gone_when_deleted() {
    on_each_engine(|store| {
        assert_eq!(store.get(A, b"k").unwrap(), None);
        put(store, A, &[("k", "v")]);
        assert_eq!(store.get(A, b"k").unwrap().unwrap(), "v");
        assert_eq!(store.get(B, b"k").unwrap(), None, "tables are apart");

        let mut batch = Batch::default();
        batch.delete(A, "k");
        batch.delete(A, "never there");
        store.apply(&batch).unwrap();
        assert_eq!(store.get(A, b"k").unwrap(), None);
    });
}

#[test]
fn values_may_be_empty_or_large() {
    on_each_engine(|store| {
        let large = vec![7; 1 << 20];
        let mut batch = Batch::default();
        batch.put(A, "empty", "");
        batch.put(A, "large", large.clone());
        store.apply(&batch).unwrap();
        assert_eq!(store.get(A, b"empty").unwrap().unwrap(), "");
        assert_eq!(store.get(A, b"large").unwrap().unwrap(), large);
    });
}

#[test]
fn a_scan_is_in_key_order_or_backward_within_its_bounds_and_limit() {
    on_each_engine(|store| {
        put(store, A, &[("b", ""), ("ab", ""), ("a", ""), ("abc", ""), ("a\u{7f}", ""), ("ac", "")]);
        let scan = |span| keys(store.scan(A, &span).unwrap());

        assert_eq!(scan(Span::prefix("")), ["a", "ab", "abc", "ac", "a\u{7f}", "b"]);
        assert_eq!(scan(Span::prefix("ab")), ["ab", "abc"]);
        assert_eq!(scan(Span::prefix("a").backward().limit(2)), ["a\u{7f}", "ac"]);
        assert_eq!(scan(Span::prefix("a").limit(1)), ["a"]);
        assert_eq!(scan(Span::range("ab", "ac")), ["ab", "abc"]);
        assert_eq!(scan(Span::range("ab", "b").backward()), ["a\u{7f}", "ac", "abc", "ab"]);
        for nothing in [Span::prefix("x"), Span::range("b", "a"), Span::range("a", "a"), Span::prefix("a").limit(0)] {
            assert!(store.scan(A, &nothing).unwrap().is_empty(), "{nothing:?}");
            assert!(store.scan(A, &nothing.backward()).unwrap().is_empty());
        }
    });
}

#[test]
fn a_prefix_of_highest_bytes_ends_with_the_table() {
    on_each_engine(|store| {
        let mut batch = Batch::default();
        for key in [&[0xfe_u8][..], &[0xff], &[0xff, 0xff], &[0xff, 0xff, 0]] {
            batch.put(A, key.to_vec(), "");
        }
        store.apply(&batch).unwrap();
        assert_eq!(store.scan(A, &Span::prefix(vec![0xff, 0xff])).unwrap().len(), 2);
        assert_eq!(store.scan(A, &Span::prefix(vec![0xff])).unwrap().len(), 3);
    });
}

#[test]
fn a_scan_without_a_limit_has_one() {
    on_each_engine(|store| {
        let mut batch = Batch::default();
        for n in 0..2000_u32 {
            batch.put(A, n.to_be_bytes().to_vec(), "");
        }
        store.apply(&batch).unwrap();
        assert_eq!(store.scan(A, &Span::prefix("")).unwrap().len(), kvs::SCAN_DEFAULT);
        assert_eq!(store.scan(A, &Span::prefix("").limit(1500)).unwrap().len(), 1500);
    });
}

#[test]
fn a_scan_ends_with_the_entry_that_makes_its_bytes_full_and_one_of_keys_likewise() {
    on_each_engine(|store| {
        put(store, A, &[("a", "12345"), ("b", "12345"), ("c", "12345"), ("d", ""), ("e", "12345")]);
        let (some, all) = (Span::prefix("").bytes(6), Span::prefix("").bytes(100));
        assert_eq!(keys(store.scan(A, &some).unwrap()), ["a", "b"]);
        assert_eq!(keys(store.scan(A, &some.clone().backward()).unwrap()), ["e", "d", "c"]);
        assert_eq!(keys(store.scan(A, &some.clone().limit(1)).unwrap()), ["a"]);
        assert_eq!(keys(store.scan(A, &all).unwrap()).len(), 5);
        let view = store.snapshot();
        for span in [some.clone(), some.backward(), all.limit(2)] {
            let of_entries: Vec<_> = view.scan(A, &span).unwrap().into_iter().map(|(key, _)| key).collect();
            assert_eq!(view.keys(A, &span).unwrap(), of_entries, "{span:?}");
        }
    });
}

#[test]
fn of_several_changes_to_a_key_in_one_batch_the_last_wins() {
    on_each_engine(|store| {
        let mut batch = Batch::default();
        batch.put(A, "put", "1");
        batch.put(A, "put", "2");
        batch.put(A, "gone", "1");
        batch.delete(A, "gone");
        batch.delete(A, "back");
        batch.put(A, "back", "2");
        store.apply(&batch).unwrap();
        assert_eq!(store.get(A, b"put").unwrap().unwrap(), "2");
        assert_eq!(store.get(A, b"gone").unwrap(), None);
        assert_eq!(store.get(A, b"back").unwrap().unwrap(), "2");
        assert_eq!(keys(store.scan(A, &Span::prefix("")).unwrap()), ["back", "put"]);
    });
}

#[test]
fn a_refused_batch_leaves_no_trace() {
    on_each_engine(|store| {
        let refused = |change: &dyn Fn(&mut Batch)| {
            let mut batch = Batch::default();
            batch.put(A, "first", "v");
            change(&mut batch);
            let error = store.apply(&batch).unwrap_err();
            assert_eq!(store.get(A, b"first").unwrap(), None);
            error
        };
        assert!(matches!(refused(&|b| b.put(Table("none"), "k", "v")), Error::UnknownTable("none")));
        assert!(matches!(refused(&|b| b.put(A, "", "v")), Error::KeySize(0)));
        assert!(matches!(refused(&|b| b.delete(A, vec![1; KEY_MAX + 1])), Error::KeySize(_)));
        assert!(matches!(refused(&|b| b.put(A, "k", vec![0; VALUE_MAX + 1])), Error::ValueSize(_)));
        assert!(matches!(refused(&|b| (0..BATCH_MAX).for_each(|_| b.delete(A, "k"))), Error::BatchSize(_)));
    });
}

#[test]
fn reading_an_unknown_table_is_an_error_and_an_impossible_key_is_absent() {
    on_each_engine(|store| {
        assert!(matches!(store.get(Table("none"), b"k"), Err(Error::UnknownTable("none"))));
        assert!(matches!(store.scan(Table("none"), &Span::prefix("")), Err(Error::UnknownTable(_))));
        assert_eq!(store.get(A, b"").unwrap(), None);
        assert_eq!(store.get(A, &[1; KEY_MAX * 100]).unwrap(), None);
        put(store, A, &[("k", "v")]);
        let (low, high) = (vec![1; KEY_MAX * 100], vec![b'z'; KEY_MAX * 100]);
        assert!(store.scan(A, &Span::prefix(low.clone())).unwrap().is_empty());
        assert_eq!(keys(store.scan(A, &Span::range(low, high)).unwrap()), ["k"]);
    });
}

#[test]
fn a_snapshot_stays_as_it_was() {
    on_each_engine(|store| {
        put(store, A, &[("changed", "old"), ("deleted", "old")]);
        let before = store.snapshot();
        let mut batch = Batch::default();
        batch.put(A, "changed", "new");
        batch.delete(A, "deleted");
        batch.put(A, "added", "new");
        store.apply(&batch).unwrap();
        store.flush().unwrap();

        assert_eq!(before.glance(A, b"changed").unwrap().unwrap(), "old");
        assert_eq!(Glance(&*before).get(A, b"deleted").unwrap().unwrap(), "old");
        assert_eq!(Glance(&*store.snapshot()).get(A, b"changed").unwrap().unwrap(), "new");
        assert_eq!(before.get(A, b"changed").unwrap().unwrap(), "old");
        assert_eq!(before.get(A, b"added").unwrap(), None);
        assert_eq!(keys(before.scan(A, &Span::prefix("")).unwrap()), ["changed", "deleted"]);
        assert_eq!(keys(store.scan(A, &Span::prefix("")).unwrap()), ["added", "changed"]);
        assert!(matches!(before.get(Table("none"), b"k"), Err(Error::UnknownTable(_))));
    });
}

#[test]
fn tickets_rise_and_a_flush_covers_what_was_applied() {
    on_each_engine(|store| {
        let mut last = store.applied();
        for _ in 0..100 {
            let mut batch = Batch::default();
            batch.put(A, "k", "v");
            let ticket = store.apply(&batch).unwrap();
            assert!(ticket > last && ticket == store.applied());
            last = ticket;
        }
        assert!(store.flush().unwrap() >= last);
        assert_eq!(store.apply(&Batch::default()).unwrap(), last, "an empty batch needs no flush");
        assert_eq!(store.flush().unwrap(), last);
    });
}

#[test]
fn nobody_sees_half_a_batch() {
    on_each_engine(|store| {
        std::thread::scope(|threads| {
            let writer = threads.spawn(|| {
                for n in 1..=2000_u32 {
                    let mut batch = Batch::default();
                    batch.put(A, "n", n.to_be_bytes().to_vec());
                    batch.put(B, "n", n.to_be_bytes().to_vec());
                    store.apply(&batch).unwrap();
                }
            });
            while !writer.is_finished() {
                // B is written last, so whoever sees it in B sees at least it in A.
                let b = store.get(B, b"n").unwrap();
                let a = store.get(A, b"n").unwrap();
                assert!(b <= a, "{b:?} {a:?}");
                // A is written first, so a dirty read would see it before it is in B.
                let a = store.get(A, b"n").unwrap();
                let b = store.get(B, b"n").unwrap();
                assert!(a <= b, "{a:?} {b:?}");
                let view = store.snapshot();
                assert_eq!(view.get(A, b"n").unwrap(), view.get(B, b"n").unwrap());
            }
        });
    });
}

#[test]
fn one_store_serves_many_threads() {
    let store: Arc<dyn Store> = Arc::new(Memory::new(&[A]));
    let threads = (0..4_u8).map(|t| {
        let store = store.clone();
        std::thread::spawn(move || {
            for n in 0..100_u8 {
                let mut batch = Batch::default();
                batch.put(A, vec![t, n], "");
                store.apply(&batch).unwrap();
            }
        })
    });
    threads.collect::<Vec<_>>().into_iter().for_each(|t| t.join().unwrap());
    assert_eq!(store.scan(A, &Span::prefix("")).unwrap().len(), 400);
    assert_eq!(store.applied().0, 400);
}

#[test]
fn batches_can_be_joined() {
    let mut batch = Batch::default();
    batch.put(A, "kept", "1");
    let mut more = Batch::default();
    more.delete(B, "joined");
    batch.append(&mut more);
    assert!(more.is_empty());
    let ops: Vec<_> = batch.ops().map(|op| (op.table, &op.key[..], op.value.is_some())).collect();
    assert_eq!(ops, [(A, &b"kept"[..], true), (B, &b"joined"[..], false)]);
    batch.clear();
    assert!(batch.is_empty());
}

#[test]
fn what_a_later_change_supersedes_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let stores: [Arc<dyn Store>; 2] = [Arc::new(Memory::new(&[A])), Arc::new(Disk::open(folder.path(), &[A]).unwrap())];
    for store in stores {
        let mut batch = Batch::default();
        (0..=BATCH_MAX).for_each(|n| batch.put(A, "key", n.to_string()));
        assert!(matches!(store.apply(&batch), Err(Error::BatchSize(_))), "nobody has said that they are of one key");
        (1..=BATCH_MAX).for_each(|place| batch.supersede(place - 1, place));
        store.apply(&batch).unwrap();
        assert_eq!(store.get(A, b"key").unwrap().unwrap(), BATCH_MAX.to_string());
    }
}

#[test]
fn only_a_later_change_of_the_same_key_supersedes() {
    let folder = tempfile::tempdir().unwrap();
    let stores: [Arc<dyn Store>; 2] =
        [Arc::new(Memory::new(&[A, B])), Arc::new(Disk::open(folder.path(), &[A, B]).unwrap())];
    for store in stores {
        let mut batch = Batch::default();
        batch.put(A, "key", "first");
        batch.put(B, "key", "of another table");
        batch.put(A, "other", "of another key");
        batch.put(A, "key", "last");
        for (earlier, later) in [(0, 1), (1, 3), (2, 3), (3, 0), (3, 3), (3, 4), (0, 9)] {
            batch.supersede(earlier, later);
        }
        store.apply(&batch).unwrap();
        assert_eq!(store.get(A, b"key").unwrap().as_deref(), Some(&b"last"[..]));
        assert_eq!(store.get(B, b"key").unwrap().as_deref(), Some(&b"of another table"[..]));
        assert_eq!(store.get(A, b"other").unwrap().as_deref(), Some(&b"of another key"[..]));
    }
}
