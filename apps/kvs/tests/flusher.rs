//! Group commit: who waits is told once it is durable, and one flush serves many.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    fs, io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
};

use bytes::Bytes;
use kvs::{Batch, Disk, Entry, Error, Flusher, Memory, Span, Store, Table, Ticket, View};

const T: Table = Table("t");

/// A memory store that counts flushes, can fail them, and can be made to wait in one.
struct Watched {
    memory: Memory,
    flushes: AtomicU64,
    fails: AtomicBool,
    gate: Mutex<Option<mpsc::Receiver<()>>>,
}

impl Watched {
    fn new() -> Arc<Watched> {
        let memory = Memory::new(&[T]);
        Arc::new(Watched { memory, flushes: 0.into(), fails: false.into(), gate: Mutex::new(None) })
    }

    fn put(&self, key: u64) -> Ticket {
        let mut batch = Batch::default();
        batch.put(T, key.to_be_bytes().to_vec(), "v");
        self.apply(&batch).unwrap()
    }
}

impl Store for Watched {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.memory.get(table, key)
    }
    fn scan(&self, table: Table, span: &Span) -> Result<Vec<Entry>, Error> {
        self.memory.scan(table, span)
    }
    fn apply(&self, batch: &Batch) -> Result<Ticket, Error> {
        self.memory.apply(batch)
    }
    fn flush(&self) -> Result<Ticket, Error> {
        if let Some(gate) = self.gate.lock().unwrap().take() {
            gate.recv().unwrap();
        }
        self.flushes.fetch_add(1, Ordering::SeqCst);
        if self.fails.load(Ordering::SeqCst) {
            return Err(Error::Io(io::Error::other("pulled")));
        }
        self.memory.flush()
    }
    fn applied(&self) -> Ticket {
        self.memory.applied()
    }
    fn snapshot(&self) -> Box<dyn View> {
        self.memory.snapshot()
    }
}

fn no_failure() -> Box<dyn Fn(Error) + Send> {
    Box::new(|error| panic!("{error}"))
}

/// Waits, on the channel of a subscriber, until `ticket` is durable.
fn wait(told: &mpsc::Receiver<Ticket>, ticket: Ticket) {
    while told.recv().unwrap() < ticket {}
}

fn listen(flusher: &Flusher) -> mpsc::Receiver<Ticket> {
    let (tell, told) = mpsc::channel();
    flusher.subscribe(Box::new(move |ticket| tell.send(ticket).unwrap_or(())));
    told
}

#[test]
fn everybody_who_waits_is_told_after_the_batch_is_durable() {
    let store = Watched::new();
    let flusher = Arc::new(Flusher::start(store.clone(), no_failure()).unwrap());
    let threads = (0..8_u64).map(|t| {
        let (store, flusher) = (store.clone(), flusher.clone());
        let told = listen(&flusher);
        thread::spawn(move || {
            for n in 0..500 {
                let key = t << 32 | n;
                let ticket = store.put(key);
                flusher.request(ticket);
                wait(&told, ticket);
                assert!(flusher.durable() >= ticket);
                if n % 100 == 0 {
                    let kept = store.memory.crash();
                    assert!(kept.get(T, &key.to_be_bytes()).unwrap().is_some());
                }
            }
        })
    });
    threads.collect::<Vec<_>>().into_iter().for_each(|t| t.join().unwrap());
}

#[test]
fn who_asks_during_a_flush_shares_the_next_one() {
    let store = Watched::new();
    let (open, gate) = mpsc::channel();
    *store.gate.lock().unwrap() = Some(gate);
    let flusher = Flusher::start(store.clone(), no_failure()).unwrap();
    let told = listen(&flusher);
    let mut last = Ticket::default();
    for key in 0..1000 {
        last = store.put(key);
        flusher.request(last);
    }
    open.send(()).unwrap();
    wait(&told, last);
    assert!(store.flushes.load(Ordering::SeqCst) <= 2);
}

#[test]
fn a_ticket_that_was_never_given_does_not_keep_it_busy() {
    let store = Watched::new();
    let flusher = Flusher::start(store.clone(), no_failure()).unwrap();
    let told = listen(&flusher);
    flusher.request(Ticket(u64::MAX));
    let ticket = store.put(1);
    drop(flusher);
    wait(&told, ticket);
    assert!(store.flushes.load(Ordering::SeqCst) <= 2);
}

#[test]
fn the_end_flushes_what_nobody_asked_for() {
    let store = Watched::new();
    let flusher = Flusher::start(store.clone(), no_failure()).unwrap();
    store.put(1);
    drop(flusher);
    assert!(store.memory.crash().get(T, &1_u64.to_be_bytes()).unwrap().is_some());
}

#[test]
fn a_failed_flush_is_reported_once_and_never_tried_again() {
    let store = Watched::new();
    store.fails.store(true, Ordering::SeqCst);
    let (tell, failed) = mpsc::channel();
    let flusher = Flusher::start(store.clone(), Box::new(move |e| tell.send(e.to_string()).unwrap())).unwrap();
    let told = listen(&flusher);
    flusher.request(store.put(1));
    assert_eq!(failed.recv().unwrap(), "the disk failed: pulled");
    store.fails.store(false, Ordering::SeqCst);
    flusher.request(store.put(2));
    drop(flusher);
    assert_eq!(store.flushes.load(Ordering::SeqCst), 1);
    assert!(told.try_recv().is_err() && failed.try_recv().is_err());
}

#[test]
fn a_subscriber_that_panics_ends_it_loudly() {
    let store = Watched::new();
    let (tell, failed) = mpsc::channel();
    let flusher = Flusher::start(store.clone(), Box::new(move |e| tell.send(e.to_string()).unwrap())).unwrap();
    flusher.subscribe(Box::new(|_| panic!("a subscriber of this test")));
    flusher.request(store.put(1));
    assert_eq!(failed.recv().unwrap(), Error::Stopped.to_string());
}

#[test]
fn a_store_that_stops_by_itself_is_reported_though_nobody_writes_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = Arc::new(Disk::open_with(&path, &[T], &[T]).unwrap());
    let (tell, failed) = mpsc::channel();
    let _flusher = Flusher::start(store.clone(), Box::new(move |e| tell.send(e.to_string()).unwrap())).unwrap();
    // Where table files are made: the next one cannot be.
    fs::remove_dir_all(path.join("keyspaces")).unwrap();
    for n in 0..8_u8 {
        let mut batch = Batch::default();
        batch.put(T, vec![n], vec![n; 512 << 10]);
        if store.apply(&batch).is_err() {
            break;
        }
    }
    assert_eq!(failed.recv().unwrap(), Error::Stopped.to_string());
}

#[test]
fn it_works_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Disk::open(&folder.path().join("store"), &[T]).unwrap());
    let flusher = Flusher::start(store.clone(), no_failure()).unwrap();
    let told = listen(&flusher);
    for n in 0..50_u8 {
        let mut batch = Batch::default();
        batch.put(T, vec![n], "v");
        let ticket = store.apply(&batch).unwrap();
        flusher.request(ticket);
        wait(&told, ticket);
    }
}
