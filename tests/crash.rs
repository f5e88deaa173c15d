//! Rules DLV-4, DLV-5, DLV-7 and DLV-8 under SIGKILL: people write to each other while the server is killed, again and again.
//!
//! More of it: `CHAT_CRASH_ROUNDS=200 cargo test -p chat --test crash -- --nocapture`; `CHAT_CRASH_SEED` repeats a run's moments,
//! not its race.

mod support;
#[path = "crash/progress.rs"]
mod progress;
#[path = "crash/device.rs"]
mod device;
#[path = "crash/journal.rs"]
mod journal;
#[path = "crash/check.rs"]
mod check;

use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use device::Pair;
use journal::Journal;
use progress::Progress;
use support::Server;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

/// Kills, when the environment does not say.
const ROUNDS: u64 = 10;
/// Pairs of friends; in the first, one has two devices.
const PAIRS: usize = 4;
/// A round ends after so many acknowledgements and deliveries at most, mostly after fewer; 2 to the power of this.
const ROUND_MAX_LOG: u64 = 13;

#[test]
fn dlv_4_5_7_8_what_was_acknowledged_arrives_once_and_in_order_whenever_the_server_is_killed() {
    let rounds = asked("CHAT_CRASH_ROUNDS").unwrap_or(ROUNDS);
    let seed = asked("CHAT_CRASH_SEED").unwrap_or_else(now);
    println!("seed {seed}");
    let began = Instant::now();
    let mut server = Server::start();
    let url = format!("mqtt://{}", server.mqtt()).parse().expect("an address");

    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let pairs = runtime.block_on(device::enrol(&url, PAIRS));
    let progress = Arc::new(Progress::default());
    let people = thread::spawn({
        let (pairs, progress) = (pairs.clone(), progress.clone());
        move || write_and_read(runtime, &pairs, &progress)
    });
    let mut random = Random(seed);
    for _ in 0..rounds {
        progress.wait_for_more(random.moment());
        server.kill();
        server.restart();
    }
    progress.wait_for_more(1 << ROUND_MAX_LOG);
    progress.stop();
    let (runtime, journals) = people.join().expect("what a device found wrong is above");

    // Once more, now that everything is acknowledged: what the queues are then is what the disk says.
    server.kill();
    server.restart();
    for device in pairs.iter().flat_map(|pair| &pair.devices) {
        let queue = server.remote(&format!("queue {}", device.client_id));
        assert!(queue.trim_end().ends_with("\n0 due"), "{}:\n{queue}", device.client_id);
    }
    for (pair, journals) in pairs.iter().zip(&journals) {
        runtime.block_on(check::pair(pair, journals));
    }

    let sum = |of: fn(&Journal) -> usize| journals.iter().flatten().map(of).sum::<usize>();
    println!(
        "{rounds} rounds: {} acknowledged, {} delivered, of these {} again; {} sends repeated; {} Ack records confirmed; {:.1} s",
        sum(|journal| journal.acknowledged.len()),
        sum(|journal| journal.delivered),
        sum(|journal| journal.delivered - journal.seen.len()),
        sum(|journal| journal.repeated),
        sum(|journal| journal.settled),
        began.elapsed().as_secs_f64(),
    );
}

#[test]
fn a_write_that_was_not_finished_when_the_server_was_killed_is_told_and_is_no_error() {
    let mut server = Server::start();
    server.kill();
    // The end of the last batch did not get to the disk.
    let files = fs::read_dir(server.home().join("store")).expect("the store").map(|file| file.expect("a file").path());
    let journal = files.filter(|path| path.extension().is_some_and(|kind| kind == "jnl")).max().expect("a journal");
    let mut bytes = fs::read(&journal).expect("it reads");
    let end = bytes.iter().rposition(|byte| *byte != 0).expect("a batch");
    bytes.truncate(end);
    fs::write(&journal, bytes).expect("written");
    server.restart();
    let log = server.log();
    assert!(log.contains("WARN") && log.contains("cut off and put aside"), "{log}");
    assert!(!log.contains("ERROR"), "{log}");
}

/// All devices at once, on the calling thread, from when the last is connected until they are told to stop and have everything; their journals, by pair.
fn write_and_read(runtime: Runtime, pairs: &[Pair], progress: &Arc<Progress>) -> (Runtime, Vec<Vec<Journal>>) {
    let journals = runtime.block_on(async {
        let mut present = Vec::new();
        for (at, pair) in pairs.iter().enumerate() {
            for device in &pair.devices {
                present.push((at, pair.devices.len(), device.clone(), device.connect(true).await));
            }
        }
        let mut running = JoinSet::new();
        for (at, authors, device, connection) in present {
            let progress = progress.clone();
            running.spawn(async move { (at, journal::live(device, connection, authors, progress).await) });
        }
        let mut journals: Vec<Vec<Journal>> = pairs.iter().map(|_| Vec::new()).collect();
        while let Some(ended) = running.join_next().await {
            let (at, journal) = ended.expect("the device ends well");
            journals.get_mut(at).expect("its pair").push(journal);
        }
        journals
    });
    (runtime, journals)
}

fn asked(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as u64
}

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// After how much the server is killed: each order of magnitude is as likely, so that it also dies while it takes up its work.
    fn moment(&mut self) -> u64 {
        let order = self.next() % (ROUND_MAX_LOG + 1);
        1 + self.next() % (1 << order)
    }
}
