//! Pairs of friends, or of clients of a bare broker, that write to each other.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::Args;

use super::accounts::Actor;
use super::fleet::{Fleet, Target};
use super::report::{Report, median};
use super::server::{Server, Usage};
use super::side::Side;
use super::traffic::{Peer, Shape, Traffic};
use super::wire::Route;
use super::wording::message_payload;
use super::{BenchArgs, accounts, on_a_thread, run_id};
use crate::client::REQUESTS;
use crate::mqtt::Qos;
use crate::{Error, Url};

/// The shape of the traffic.
#[derive(Debug, Clone, Args)]
pub struct PairsArgs {
    /// Pairs; both sides of each write
    #[arg(long, default_value_t = 200)]
    pub pairs: usize,
    /// Messages that one side may have outstanding: not yet accepted and received
    #[arg(long, default_value_t = 16)]
    pub window: usize,
    /// Send again when this many messages fit into the window: with more, fewer and larger packets of work for both sides
    #[arg(long, default_value_t = 1)]
    pub burst: usize,
    /// Seconds of measuring, after one of warming up
    #[arg(long, default_value_t = 10.0)]
    pub seconds: f64,
    /// Bytes of text in a message
    #[arg(long, default_value_t = 64)]
    pub size: usize,
    /// Messages a second of all together, instead of as many as the window lets through
    #[arg(long)]
    pub rate: Option<f64>,
    /// QoS of the messages on their way to the server, 0 or 1
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=1))]
    pub qos: u8,
    /// chat, or mosquitto for any bare MQTT broker at --url
    #[arg(long, default_value = "chat", value_parser = ["chat", "mosquitto"])]
    pub peer: String,
}

/// Both peers in turn.
#[derive(Debug, Clone, Args)]
pub struct CompareArgs {
    #[command(flatten)]
    pub pairs: PairsArgs,
    /// Address of the bare broker, host:port
    #[arg(long)]
    pub mosquitto: Url,
    /// Its process: a number, auto or none
    #[arg(long, default_value = "auto")]
    pub mosquitto_pid: String,
    /// How often each has its turn
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
}

/// What one run gave.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    delivered: u64,
    accepted: u64,
    seconds: f64,
    pub(super) received_us: [u64; 5],
    accepted_us: [u64; 5],
    repeated: u64,
    lost: usize,
    cpu_ms_per_1000: Option<f64>,
    resident: Option<u64>,
    own_cpu: f64,
}

/// One number of a run.
pub(super) type Figure = fn(&Outcome) -> f64;

/// Those that are compared.
pub(super) const FIGURES: [(&str, Figure); 4] = [
    ("delivered/s", Outcome::delivered_per_second),
    ("received p50 ms", |run| run.received_us[0] as f64 / 1000.0),
    ("received p99 ms", |run| run.received_us[2] as f64 / 1000.0),
    ("cpu ms per 1000", |run| run.cpu_ms_per_1000.unwrap_or(f64::NAN)),
];

impl Outcome {
    pub(super) fn delivered_per_second(&self) -> f64 {
        self.delivered as f64 / self.seconds
    }
}

pub(super) async fn run(args: BenchArgs, pairs: PairsArgs) -> Result<(), Error> {
    let is_chat = pairs.peer == "chat";
    let actors = if is_chat { accounts::pairs(&args, pairs.pairs * 2).await? } else { Vec::new() };
    let (server, route) = (args.server()?, args.route()?);
    let peer = if is_chat { Peer::Chat } else { Peer::Broker };
    let shape = pairs.clone();
    let outcome = on_a_thread(move || once(peer, &shape, &route, &actors, server)).await?;
    let mut report = Report::new("pairs");
    describe(&mut report, &pairs);
    show(&mut report, "", &outcome);
    report.print(args.json);
    Ok(())
}

pub(super) async fn compare(args: BenchArgs, compare: CompareArgs) -> Result<(), Error> {
    let pairs = compare.pairs.clone();
    let actors = accounts::pairs(&args, pairs.pairs * 2).await?;
    let (server, route) = (args.server()?, args.route()?);
    let broker_route = args.route_to(&compare.mosquitto)?;
    let broker = Server::find(&compare.mosquitto_pid, broker_route.address)?;
    let (shape, rounds) = (pairs.clone(), compare.rounds);
    let (ours, theirs) = on_a_thread(move || {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for round in 1..=rounds {
            theirs.push(once(Peer::Broker, &shape, &broker_route, &[], broker)?);
            ours.push(once(Peer::Chat, &shape, &route, &actors, server)?);
            let rate = |runs: &[Outcome]| runs.last().map_or(0.0, Outcome::delivered_per_second);
            eprintln!("round {round}: chat {:.0}/s, broker {:.0}/s", rate(&ours), rate(&theirs));
        }
        Ok((ours, theirs))
    })
    .await?;
    let mut report = Report::new("compare");
    describe(&mut report, &pairs);
    report.count("rounds", rounds as u64);
    let middle = |runs: &[Outcome], of: Figure| median(runs.iter().map(of).collect());
    for (name, of) in FIGURES {
        let (chat, bare) = (middle(&ours, of), middle(&theirs, of));
        if chat.is_nan() || bare.is_nan() {
            continue;
        }
        report.number(&format!("chat {name}"), chat);
        report.number(&format!("broker {name}"), bare);
        report.number(&format!("ratio {name}"), chat / bare);
    }
    report.print(args.json);
    Ok(())
}

/// One run from first connection to last.
pub(super) fn once(
    peer: Peer,
    args: &PairsArgs,
    route: &Route,
    actors: &[Actor],
    server: Option<Server>,
) -> Result<Outcome, Error> {
    let qos = if args.qos == 0 && peer == Peer::Chat { Qos::AtMostOnce } else { Qos::AtLeastOnce };
    let shape = Shape {
        peer,
        window: args.window.max(1),
        burst: args.burst.clamp(1, args.window.max(1)),
        rate: args.rate,
        warm_up: Duration::from_secs(1),
        time: Duration::from_secs_f64(args.seconds),
        limit: None,
        wait_for_receiver: true,
        qos,
    };
    let run = run_id();
    let target = |client_id: String, password: Option<String>| Target {
        route: route.clone(),
        client_id,
        password,
        receive_max: u16::MAX,
    };
    let (targets, sides): (Vec<_>, Vec<_>) = (0..args.pairs * 2)
        .map(|at| match peer {
            Peer::Chat => {
                let of = |at: usize| actors.get(at).ok_or_else(|| Error::local("too few accounts"));
                let (own, other) = (of(at)?, of(at ^ 1)?);
                let side = Side::new(REQUESTS, &message_payload(&other.phone_id, args.size), qos);
                Ok((target(own.client_id.clone(), Some(own.token.clone())), side))
            }
            Peer::Broker => {
                let topic = format!("bench/pair/{}/{}", at / 2, (at % 2) ^ 1);
                let side = Side::new(&topic, &message_payload("99000001_1", args.size), qos);
                Ok((target(format!("bench-{}-{at}", String::from_utf8_lossy(&run)), None), side))
            }
        })
        .collect::<Result<Vec<_>, Error>>()?
        .into_iter()
        .unzip();
    let marks = Arc::new(Mutex::new(Vec::new()));
    let taken = Arc::clone(&marks);
    let mark = move || {
        let both = (server.and_then(|server| server.usage().ok()), own_usage());
        taken.lock().unwrap_or_else(|broken| broken.into_inner()).push(both);
    };
    let mut fleet = Fleet::new(targets)?;
    let mut traffic = Traffic::new(shape, run, sides, Box::new(mark))?;
    fleet.run(&mut traffic)?;
    fleet.close();
    let marks = std::mem::take(&mut *marks.lock().unwrap_or_else(|broken| broken.into_inner()));
    Ok(outcome(&traffic, &marks))
}

fn outcome(traffic: &Traffic, marks: &[(Option<Usage>, Usage)]) -> Outcome {
    let meter = &traffic.meter;
    let (before, after) = (marks.first().copied(), marks.last().copied());
    let cpu = |of: fn((Option<Usage>, Usage)) -> Option<f64>| Some(of(after?)? - of(before?)?);
    let thousands = meter.delivered as f64 / 1000.0;
    Outcome {
        delivered: meter.delivered,
        accepted: meter.accepted.count(),
        seconds: traffic.measured.as_secs_f64(),
        received_us: meter.received.summary(),
        accepted_us: meter.accepted.summary(),
        repeated: meter.repeated,
        lost: traffic.outstanding(),
        cpu_ms_per_1000: cpu(|(server, _)| server.map(|usage| usage.cpu)).map(|seconds| seconds * 1000.0 / thousands),
        resident: after.and_then(|(server, _)| server).map(|usage| usage.resident),
        own_cpu: cpu(|(_, own)| Some(own.cpu)).unwrap_or_default() / traffic.measured.as_secs_f64(),
    }
}

fn own_usage() -> Usage {
    Server { pid: std::process::id() }.usage().unwrap_or_default()
}

pub(super) fn describe(report: &mut Report, args: &PairsArgs) {
    report.text("peer", &args.peer);
    report.count("pairs", args.pairs as u64);
    match args.rate {
        Some(rate) => report.number("rate", rate),
        None => report.count("window", args.window as u64),
    }
    report.count("size", args.size as u64);
    report.count("qos", u64::from(args.qos));
}

fn show(report: &mut Report, prefix: &str, outcome: &Outcome) {
    report.number(&format!("{prefix}seconds"), outcome.seconds);
    report.number(&format!("{prefix}delivered/s"), outcome.delivered_per_second());
    report.number(&format!("{prefix}accepted/s"), outcome.accepted as f64 / outcome.seconds);
    report.latency(&format!("{prefix}received"), outcome.received_us);
    report.latency(&format!("{prefix}accepted"), outcome.accepted_us);
    report.count(&format!("{prefix}received twice"), outcome.repeated);
    report.count(&format!("{prefix}unanswered"), outcome.lost as u64);
    if let Some(cpu) = outcome.cpu_ms_per_1000 {
        report.number(&format!("{prefix}server cpu ms per 1000"), cpu);
    }
    if let Some(resident) = outcome.resident {
        report.number(&format!("{prefix}server resident MiB"), resident as f64 / 1_048_576.0);
    }
    report.number(&format!("{prefix}generator cores"), outcome.own_cpu);
}
