//! What holds for processes, under actix with threads.

mod ledger;

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_rt::System;
use kvs::{Memory, Sequence, Store, Table};
use ledger::{Input, Ledger, Output, SUMS, name, number};
use n2o::{Handle, Host, Options, Performer, Ring};

const WAIT: Duration = Duration::from_secs(20);
const IDS: Table = Table("ids");

/// Checks that what an output says is on the disk, then passes it on.
struct Witness {
    store: Arc<Memory>,
    said: Mutex<Sender<Output>>,
}

impl Performer<Ledger> for Witness {
    fn perform(&self, _thread: usize, outputs: &mut Vec<Output>) {
        let kept = self.store.crash();
        for (who, what) in outputs.drain(..) {
            if let Some(sum) = what.strip_prefix("sum ") {
                let row = kept.get(SUMS, who.as_bytes()).expect("the table is there").expect("it is kept");
                assert!(number(&row) >= sum.parse().expect("a sum"));
            }
            self.said.lock().expect("nobody panics with it").send((who, what)).expect("the test listens");
        }
    }
}

fn start() -> (Handle<Ledger>, Receiver<Output>, Arc<Memory>) {
    let store = Arc::new(Memory::new(&[SUMS, IDS]));
    let ids = Arc::new(Sequence::open(store.clone(), IDS, b"last").expect("a sequence"));
    let (sender, said) = channel();
    let witness = Arc::new(Witness { store: store.clone(), said: Mutex::new(sender) });
    let options =
        Options { threads: 2, ring: Ring::new(4, "/mqtt/chat/"), on_disk_failure: Box::new(|error| panic!("{error}")) };
    let handle = Host::start(Arc::new(Ledger), store.clone(), ids, options, witness).expect("threads");
    (handle, said, store)
}

fn hear(said: &Receiver<Output>) -> String {
    let (who, what) = said.recv_timeout(WAIT).expect("an answer in time");
    format!("{who}: {what}")
}

#[test]
fn pm_4_a_panic_restarts_one_process_from_the_store_and_leaves_the_others() {
    System::new().block_on(async {
        let (handle, said, _) = start();
        let tell = |who: &str, input| handle.tell(&name(who), input).expect("room");
        for (who, sum) in [("anna", "anna: sum 7"), ("ben", "ben: sum 7")] {
            tell(who, Input::Add(7));
            assert_eq!(hear(&said), sum);
        }
        for fault in [Input::Panic, Input::Fail, Input::BadWrite] {
            tell("anna", fault);
            assert_eq!(hear(&said), "anna: bounced");
            tell("anna", Input::Lives);
            assert_eq!(hear(&said), "anna: inputs 1 sum 7");
        }
        tell("ben", Input::Lives);
        assert_eq!(hear(&said), "ben: inputs 2 sum 7");
        assert_eq!(handle.registry().tree("chat", 10).restarts, 3);
        assert!(handle.shutdown(WAIT).await);
    });
}

#[test]
fn many_tellers_hear_everything_once_in_order_and_durable() {
    const EACH: u64 = 2000;
    System::new().block_on(async {
        let (handle, said, _) = start();
        let tellers: Vec<_> = (0..4u64)
            .map(|teller| {
                let handle = handle.clone();
                std::thread::spawn(move || {
                    for n in 0..EACH {
                        let add = Box::new(Input::Add(1));
                        let to = format!("sum{}", (teller + n) % 5);
                        let relay = Input::Tell(to, add);
                        handle.tell(&format!("from{teller}"), relay).expect("room");
                    }
                })
            })
            .collect();
        tellers.into_iter().for_each(|teller| teller.join().expect("told"));

        let mut sums: HashMap<String, u64> = HashMap::new();
        for _ in 0..4 * EACH {
            let (who, what) = said.recv_timeout(WAIT).expect("an answer in time");
            let sum = sums.entry(who).or_default();
            *sum += 1;
            assert_eq!(what, format!("sum {sum}"));
        }
        assert_eq!(sums.values().sum::<u64>(), 4 * EACH);
        assert!(handle.shutdown(WAIT).await);
        assert!(said.try_recv().is_err());
    });
}

#[test]
fn shutdown_finishes_what_was_taken_and_takes_no_more() {
    System::new().block_on(async {
        let (handle, said, store) = start();
        (0..5000).for_each(|n| handle.tell(&format!("a{}", n % 50), Input::Add(1)).expect("room"));
        handle.tell(&name("quiet"), Input::AddTell(1, name("a0"), Box::new(Input::Look(name("quiet"))))).expect("room");
        assert!(handle.shutdown(WAIT).await);
        assert_eq!(said.try_iter().count(), 5001);
        assert!(handle.tell(&name("anna"), Input::Add(1)).is_err());
        let kept = store.crash();
        assert_eq!(kept.get(SUMS, b"quiet").expect("a table").map(|row| number(&row)), Some(1));
    });
}

#[test]
fn timers_and_groups_work_on_threads() {
    System::new().block_on(async {
        let (handle, said, _) = start();
        let tell = |who: &str, input| handle.tell(&name(who), input).expect("room");
        for n in 0..8 {
            tell(&format!("m{n}"), Input::Join(name("room")));
            tell(&format!("m{n}"), Input::Say(0));
        }
        (0..8).for_each(|_| drop(hear(&said)));
        tell("anna", Input::Timer(5, Box::new(Input::Publish(name("room"), Box::new(Input::Say(7))))));
        let mut heard: Vec<_> = (0..8).map(|_| hear(&said)).collect();
        heard.sort();
        assert_eq!(heard, (0..8).map(|n| format!("m{n}: 7")).collect::<Vec<_>>());
        assert!(handle.shutdown(WAIT).await);
    });
}

#[test]
fn tasks_run_on_the_ring_threads() {
    System::new().block_on(async {
        let (handle, _said, _) = start();
        let (sender, names) = channel();
        for thread in 0..handle.threads() {
            let sender = sender.clone();
            let tell = move || sender.send(std::thread::current().id()).expect("the test listens");
            assert!(handle.spawn(thread, async move { tell() }));
        }
        let made = sender.clone();
        assert!(handle.spawn_with(0, move || async move { made.send(std::thread::current().id()).expect("heard") }));
        let mut ids: Vec<_> = (0..3).map(|_| names.recv_timeout(WAIT).expect("it ran")).collect();
        ids.sort_by_key(|id| format!("{id:?}"));
        ids.dedup();
        assert_eq!(ids.len(), 2);
        assert!(!handle.spawn(9, async {}));
        assert!(handle.shutdown(WAIT).await);
    });
}
