//! Inputs a second through nodes: pairs that ping each other over two threads, with and without a write per step.
//!
//! `cargo bench -p n2o`, with the number of pairs behind `--` if another is wanted.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Instant;

use actix_rt::System;
use kvs::{Disk, Memory, Sequence, Store, Table};
use n2o::{App, Bounce, Cx, Effects, Failure, Host, Options, Performer, Ring, Sim};

const ROWS: Table = Table("rows");
const IDS: Table = Table("ids");
const HOPS: u32 = 2000;

#[derive(Clone, Copy)]
struct Relay {
    writes: bool,
}

/// A ball with the hops it has left.
struct Ball(u32);

impl App for Relay {
    type Name = u64;
    type Group = u64;
    type Input = Ball;
    type Output = u64;
    type Process = Vec<u8>;

    fn key(name: &u64) -> Cow<'_, [u8]> {
        Cow::Owned(name.to_be_bytes().to_vec())
    }

    fn kind(_: &u64) -> &'static str {
        "relay"
    }

    fn start(&self, _: &Cx<'_, Self>, _: &u64, _: &mut Effects<Self>) -> Result<Vec<u8>, Failure> {
        Ok(vec![7; 200])
    }

    fn step(&self, value: &mut Vec<u8>, cx: &Cx<'_, Self>, fx: &mut Effects<Self>, ball: Ball) -> Result<(), Failure> {
        if self.writes {
            fx.put(ROWS, cx.name.to_be_bytes().to_vec(), value.clone());
        }
        match ball.0.checked_sub(1) {
            Some(left) => fx.tell(cx.name ^ 1, Ball(left)),
            None => fx.emit(*cx.name),
        }
        Ok(())
    }

    fn bounce(&self, _: &u64, _: &Ball) -> Option<Bounce<Self>> {
        None
    }
}

struct Count(Sender<usize>);

impl Performer<Relay> for Count {
    fn perform(&self, _: usize, outputs: &mut Vec<u64>) {
        // The receiver is gone only when the run is over.
        let _ = self.0.send(outputs.len());
        outputs.clear();
    }
}

fn main() {
    let pairs = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(200);
    let memory = || Arc::new(Memory::new(&[ROWS, IDS]));
    simulated(pairs);
    threaded("2 threads, no writes", pairs, Relay { writes: false }, memory());
    threaded("2 threads, a write a step, memory", pairs, Relay { writes: true }, memory());
    let folder = tempfile::tempdir().expect("a folder");
    let disk = Disk::open(folder.path(), &[ROWS, IDS]).expect("a store");
    threaded("2 threads, a write a step, disk", pairs, Relay { writes: true }, Arc::new(disk));
}

fn simulated(pairs: u64) {
    let mut sim = Sim::new(Relay { writes: false }, &[ROWS], 1, 1);
    (0..pairs).for_each(|pair| assert!(sim.tell(&(pair * 2), Ball(HOPS)).is_ok()));
    let begin = Instant::now();
    sim.run_until_quiet();
    report("1 thread, simulator, no writes", pairs, begin);
}

fn threaded(title: &str, pairs: u64, app: Relay, store: Arc<dyn Store>) {
    System::new().block_on(async {
        let ids = Arc::new(Sequence::open(store.clone(), IDS, b"last").expect("a sequence"));
        let (sender, done) = channel();
        let options = Options {
            threads: 2,
            ring: Ring::new(16, "/bench/"),
            on_disk_failure: Box::new(|error| panic!("{error}")),
        };
        let handle = Host::start(Arc::new(app), store, ids, options, Arc::new(Count(sender))).expect("threads");

        let begin = Instant::now();
        (0..pairs).for_each(|pair| assert!(handle.tell(&(pair * 2), Ball(HOPS)).is_ok()));
        let mut back = 0;
        while back < pairs as usize {
            back += done.recv().expect("the nodes run");
        }
        report(title, pairs, begin);
        assert!(handle.shutdown(std::time::Duration::from_secs(10)).await);
    });
}

fn report(title: &str, pairs: u64, begin: Instant) {
    let inputs = pairs * u64::from(HOPS + 1);
    let seconds = begin.elapsed().as_secs_f64();
    println!("{title:36} {:>12.0} inputs/s", inputs as f64 / seconds);
}
