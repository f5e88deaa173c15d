//! Readers that stop reading while friends write to them: what they cost the server, and everybody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;

use super::accounts::{self, Actor};
use super::fleet::{Fleet, Target};
use super::pairs::{self, Outcome, PairsArgs};
use super::report::Report;
use super::server::Server;
use super::side::Side;
use super::traffic::{Peer, Shape, Traffic};
use super::wire::Route;
use super::wording::message_payload;
use super::{BenchArgs, on_a_thread, run_id};
use crate::Error;
use crate::client::REQUESTS;
use crate::mqtt::Qos;

/// The store's caches fill with messages whoever reads them: first all read so large a part of what comes.
const WARM_UP: u32 = 4;
/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// How many, and how much for them.
#[derive(Debug, Clone, Args)]
pub struct StalledArgs {
    /// Readers, each with one friend who writes
    #[arg(long, default_value_t = 1000)]
    pub readers: usize,
    /// Messages for each
    #[arg(long, default_value_t = 1000)]
    pub messages: u32,
    /// A second, for all readers together
    #[arg(long, default_value_t = 10_000.0)]
    pub rate: f64,
    /// Pairs of others, who read
    #[arg(long, default_value_t = 20)]
    pub pairs: usize,
    /// Messages a second of all others together
    #[arg(long, default_value_t = 400.0)]
    pub others_rate: f64,
    /// Seconds of rest before memory is read
    #[arg(long, default_value_t = 8.0)]
    pub settle: f64,
}

pub(super) async fn run(args: BenchArgs, stalled: StalledArgs) -> Result<(), Error> {
    let server = args.server()?.ok_or_else(|| Error::local("stalled needs the server's process: --pid"))?;
    let begun = Instant::now();
    let mut others = accounts::pairs(&args, (stalled.pairs + stalled.readers) * 2).await?;
    let time = f64::from(stalled.messages + stalled.messages.div_ceil(WARM_UP)) * stalled.readers as f64 / stalled.rate;
    let seconds = time + 3.0 * stalled.settle;
    eprintln!(
        "accounts are there after {:.0} s; now {seconds:.0} s of messages and rest ...",
        begun.elapsed().as_secs_f64()
    );
    let actors = others.split_off(stalled.pairs * 2);
    let (route, settings) = (args.route()?, stalled.clone());
    let seen = on_a_thread(move || measure(&settings, &route, server, &actors, &others)).await?;
    let mut report = Report::new("stalled");
    report.count("readers", stalled.readers as u64);
    report.count("messages", u64::from(stalled.messages) * stalled.readers as u64);
    report.number("others p99 ms while all read", p99_ms(&seen.reading.others));
    report.number("others p99 ms while none reads", p99_ms(&seen.stopped.others));
    report.number("ratio p99", p99_ms(&seen.stopped.others) / p99_ms(&seen.reading.others));
    report.number("accepted/s while all read", seen.reading.accepted);
    report.number("accepted/s while none reads", seen.stopped.accepted);
    report.number("resident MiB after all had read", mib(seen.reading.resident));
    report.number("resident MiB at most while none reads", mib(seen.stopped.peak));
    report.number("resident MiB when they have gone", mib(seen.gone));
    report.number("ratio resident", seen.gone as f64 / seen.reading.resident.max(1) as f64);
    report.print(args.json);
    Ok(())
}

struct Seen {
    reading: Part,
    stopped: Part,
    /// Resident bytes when the readers have left.
    gone: u64,
}

/// One part of the run.
struct Part {
    others: Outcome,
    accepted: f64,
    /// Bytes, after it and at most.
    resident: u64,
    peak: u64,
}

fn measure(
    args: &StalledArgs,
    route: &Route,
    server: Server,
    actors: &[Actor],
    others: &[Actor],
) -> Result<Seen, Error> {
    let target = |actor: &Actor| Target {
        route: route.clone(),
        client_id: actor.client_id.clone(),
        password: Some(actor.token.clone()),
        receive_max: u16::MAX,
    };
    let (senders, readers) = (actors.iter().step_by(2), actors.iter().skip(1).step_by(2));
    let side = |to: &Actor| Side::new(REQUESTS, &message_payload(&to.phone_id, 64), Qos::AtLeastOnce);
    let sides = readers.clone().map(side).collect();
    let first = args.messages.div_ceil(WARM_UP);
    let shape = Shape {
        peer: Peer::Chat,
        window: 1,
        burst: 1,
        rate: Some(args.rate),
        warm_up: Duration::ZERO,
        time: Duration::from_secs(3600),
        limit: Some(first),
        wait_for_receiver: false,
        qos: Qos::AtLeastOnce,
    };
    let mut traffic = Traffic::new(shape, run_id(), sides, Box::new(|| {}))?;
    let mut fleet = Fleet::new(senders.chain(readers).map(target).collect())?;
    let reading = part(args, route, server, others, &mut fleet, &mut traffic, first)?;
    fleet.stop_reading(args.readers..args.readers * 2);
    traffic.more(args.messages);
    let stopped = part(args, route, server, others, &mut fleet, &mut traffic, args.messages)?;
    fleet.leave(args.readers..args.readers * 2);
    thread::sleep(Duration::from_secs_f64(args.settle));
    let gone = server.usage()?.resident;
    fleet.close();
    Ok(Seen { reading, stopped, gone })
}

/// Sends `messages` to each reader, while the others talk.
fn part(
    args: &StalledArgs,
    route: &Route,
    server: Server,
    others: &[Actor],
    fleet: &mut Fleet,
    traffic: &mut Traffic,
    messages: u32,
) -> Result<Part, Error> {
    let seconds = (f64::from(messages) * args.readers as f64 / args.rate - 2.0).max(1.0);
    let talk = PairsArgs {
        pairs: args.pairs,
        window: 1,
        burst: 1,
        seconds,
        size: 64,
        rate: Some(args.others_rate),
        qos: 1,
        peer: "chat".into(),
    };
    let (route, others) = (route.clone(), others.to_vec());
    let talking = thread::spawn(move || pairs::once(Peer::Chat, &talk, &route, &others, None));
    let watch = Watch::begin(server);
    fleet.run(traffic)?;
    let accepted = f64::from(messages) * args.readers as f64 / traffic.measured.as_secs_f64();
    match traffic.outstanding() {
        0 => {}
        left => return Err(Error::Unexpected(format!("{left} messages were not accepted"))),
    }
    let others = talking.join().map_err(|_| Error::local("the others failed"))??;
    let peak = watch.end();
    thread::sleep(Duration::from_secs_f64(args.settle));
    Ok(Part { others, accepted, resident: server.usage()?.resident, peak })
}

/// Looks at the server's memory from time to time.
struct Watch {
    goes_on: Arc<AtomicBool>,
    peak: Arc<AtomicU64>,
    thread: thread::JoinHandle<()>,
}

impl Watch {
    fn begin(server: Server) -> Watch {
        let (goes_on, peak) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
        let (own, most) = (goes_on.clone(), peak.clone());
        let thread = thread::spawn(move || {
            while own.load(Ordering::Acquire) {
                let now = server.usage().map_or(0, |usage| usage.resident);
                most.fetch_max(now, Ordering::AcqRel);
                thread::sleep(LOOK);
            }
        });
        Watch { goes_on, peak, thread }
    }

    fn end(self) -> u64 {
        self.goes_on.store(false, Ordering::Release);
        let _ = self.thread.join();
        self.peak.load(Ordering::Acquire)
    }
}

fn p99_ms(outcome: &Outcome) -> f64 {
    outcome.received_us[2] as f64 / 1000.0
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}
