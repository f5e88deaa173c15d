//! Ids are never given twice.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{collections::HashSet, sync::Arc};

use kvs::{Batch, Disk, Error, ID_MAX, Memory, Sequence, Store, Table};

const IDS: Table = Table("ids");

fn open(store: &Arc<dyn Store>) -> Sequence {
    Sequence::open(store.clone(), IDS, b"last").unwrap()
}

#[test]
fn ids_begin_at_one_and_rise() {
    let store: Arc<dyn Store> = Arc::new(Memory::new(&[IDS]));
    let ids = open(&store);
    let drawn: Vec<_> = (0..200_000).map(|_| ids.next().unwrap()).collect();
    assert_eq!(drawn.first(), Some(&1));
    assert!(drawn.is_sorted_by(|a, b| a < b));
    assert_eq!(store.applied().0, 4, "one write for 65,536 ids");
}

#[test]
fn threads_share_one_sequence() {
    let store: Arc<dyn Store> = Arc::new(Memory::new(&[IDS]));
    let ids = Arc::new(open(&store));
    let threads = (0..4).map(|_| {
        let ids = ids.clone();
        std::thread::spawn(move || (0..50_000).map(|_| ids.next().unwrap()).collect::<Vec<_>>())
    });
    let threads: Vec<_> = threads.collect();
    let drawn: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
    assert!(drawn.iter().all(|ids| ids.is_sorted_by(|a, b| a < b)), "they rise for each thread");
    let all: HashSet<_> = drawn.into_iter().flatten().collect();
    assert_eq!(all.len(), 200_000);
}

#[test]
fn an_id_that_was_seen_outside_is_below_all_ids_after_a_crash() {
    let mut memory = Arc::new(Memory::new(&[IDS]));
    let mut seen = 0;
    for round in 0..20 {
        let store: Arc<dyn Store> = memory.clone();
        let ids = open(&store);
        for _ in 0..round * 7_000 {
            assert!(ids.next().unwrap() > seen);
        }
        // What leaves the server waits for a flush that covers it.
        let id = ids.next().unwrap();
        if round % 3 > 0 {
            store.flush().unwrap();
            seen = id;
        }
        memory = Arc::new(memory.crash());
    }
}

#[test]
fn on_disk_it_goes_on_behind_the_ids_of_before() {
    let folder = tempfile::tempdir().unwrap();
    let mut last = 0;
    for _ in 0..3 {
        let store: Arc<dyn Store> = Arc::new(Disk::open(&folder.path().join("store"), &[IDS]).unwrap());
        let ids = open(&store);
        for _ in 0..70_000 {
            let id = ids.next().unwrap();
            assert!(id > last);
            last = id;
        }
        store.flush().unwrap();
    }
}

#[test]
fn it_ends_at_the_largest_id_a_double_holds() {
    let store: Arc<dyn Store> = Arc::new(Memory::new(&[IDS]));
    let mut batch = Batch::default();
    batch.put(IDS, "last", (ID_MAX - 2).to_be_bytes().to_vec());
    store.apply(&batch).unwrap();
    let ids = open(&store);
    assert_eq!(ids.next().unwrap(), ID_MAX - 1);
    assert_eq!(ids.next().unwrap(), ID_MAX);
    assert!(matches!(ids.next(), Err(Error::Exhausted)));
    assert!(matches!(ids.next(), Err(Error::Exhausted)));
    assert!(matches!(open(&store).next(), Err(Error::Exhausted)));
}

#[test]
fn a_row_that_is_no_number_is_damage() {
    let store: Arc<dyn Store> = Arc::new(Memory::new(&[IDS]));
    let mut batch = Batch::default();
    batch.put(IDS, "last", "three");
    store.apply(&batch).unwrap();
    assert!(matches!(Sequence::open(store, IDS, b"last"), Err(Error::Corrupted(_))));
}

#[test]
fn a_sequence_in_blocks_of_one_goes_on_without_a_gap() {
    let store: Arc<dyn Store> = Arc::new(Memory::new(&[IDS]));
    let open = || Sequence::open_in_blocks(store.clone(), IDS, b"roster", 1).unwrap();
    assert_eq!((open().next().unwrap(), open().next().unwrap(), open().next().unwrap()), (1, 2, 3));
}

#[test]
fn mailr_2_times_rise_whatever_the_clock_does_and_over_a_crash() {
    const SECOND: u64 = 1_000_000_000;
    let memory = Arc::new(Memory::new(&[IDS]));
    let open = |memory: &Arc<Memory>| Sequence::open_in_time(memory.clone(), IDS, b"time").unwrap();
    let times = open(&memory);
    let now = 1_700_000_000 * SECOND;
    assert_eq!(times.from(now).unwrap(), now);
    assert_eq!(times.from(now).unwrap(), now + 1, "two in one moment");
    assert_eq!(times.from(now - 3600 * SECOND).unwrap(), now + 2, "the clock was set back");
    let last = times.from(now + 5 * SECOND).unwrap();
    assert_eq!(last, now + 5 * SECOND);
    memory.flush().unwrap();
    assert_eq!(memory.applied().0, 1, "one write for ten seconds");

    let memory = Arc::new(memory.crash());
    let after = open(&memory).from(now).unwrap();
    assert!(after > last && after <= last + 10 * SECOND);
}
