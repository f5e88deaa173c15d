//! A room in which one writes and all others receive, or a topic of a bare broker with as many subscribers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::Args;

use super::accounts::{self, Actor};
use super::fanout::{Fanout, Plan};
use super::fleet::{Fleet, Target};
use super::report::{Report, median};
use super::server::{Server, Usage};
use super::side::Side;
use super::traffic::Peer;
use super::wire::Route;
use super::wording::message_payload;
use super::{BenchArgs, address, on_a_thread, run_id};
use crate::client::REQUESTS;
use crate::mqtt::Qos;
use crate::{Error, Url};

/// How many, and how they acknowledge.
#[derive(Debug, Clone, Args)]
pub struct RoomArgs {
    /// People in the room, the one who writes among them
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(2..=1000))]
    pub members: u16,
    /// Messages that may be outstanding: not yet accepted and received by all
    #[arg(long, default_value_t = 4)]
    pub window: usize,
    /// Seconds of measuring, after one of warming up
    #[arg(long, default_value_t = 10.0)]
    pub seconds: f64,
    /// So many messages instead, acknowledged only when all have come: what messages and what acknowledgements write is told apart
    #[arg(long)]
    pub messages: Option<u32>,
    /// Bytes of text in a message
    #[arg(long, default_value_t = 64)]
    pub size: usize,
    /// Acknowledge by PUBACK alone, for a server with queue.ack = "puback"
    #[arg(long)]
    pub puback: bool,
    /// A bare broker to compare with, one subscriber a member, in turn
    #[arg(long)]
    pub mosquitto: Option<Url>,
    /// Its process: a number, auto or none
    #[arg(long, default_value = "auto")]
    pub mosquitto_pid: String,
    /// How often each has its turn
    #[arg(long, default_value_t = 1)]
    pub rounds: usize,
}

/// What one run gave.
#[derive(Debug, Clone)]
struct Outcome {
    messages: u64,
    deliveries: u64,
    seconds: f64,
    received_us: [u64; 5],
    accepted_us: [u64; 5],
    /// What the server consumed while messages came, and, told apart, while they were acknowledged.
    used: Option<Usage>,
    used_later: Option<Usage>,
}

type Figure = fn(&Outcome) -> f64;

const FIGURES: [(&str, Figure); 6] = [
    ("messages/s", |run| run.messages as f64 / run.seconds),
    ("deliveries/s", |run| run.deliveries as f64 / run.seconds),
    ("received p50 ms", |run| run.received_us[0] as f64 / 1000.0),
    ("received p99 ms", |run| run.received_us[2] as f64 / 1000.0),
    ("accepted p99 ms", |run| run.accepted_us[2] as f64 / 1000.0),
    ("cpu ms per 1000 deliveries", |run| {
        run.used.map_or(f64::NAN, |used| used.cpu * 1_000_000.0 / run.deliveries.max(1) as f64)
    }),
];

/// What the server's process wrote to its disk.
const WRITTEN: [(&str, Figure); 2] = [
    ("bytes written per message", |run| per_message(run, run.used)),
    ("bytes written per message acknowledged", |run| per_message(run, run.used_later)),
];

fn per_message(run: &Outcome, used: Option<Usage>) -> f64 {
    used.map_or(f64::NAN, |used| used.written as f64 / run.messages.max(1) as f64)
}

pub(super) async fn run(args: BenchArgs, room: RoomArgs) -> Result<(), Error> {
    let actors = accounts::crowd(&args, usize::from(room.members)).await?;
    let name = format!("bench-{}", room.members);
    accounts::room(&args, &actors, &name).await?;
    let (server, route) = (args.server()?, args.route()?);
    let broker = match &room.mosquitto {
        Some(url) => Some((args.route_to(url)?, Server::find(&room.mosquitto_pid, address(url)?)?)),
        None => None,
    };
    let settings = room.clone();
    let (ours, theirs) = on_a_thread(move || {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..settings.rounds.max(1) {
            if let Some((route, server)) = &broker {
                theirs.push(at_broker(&settings, route, *server)?);
            }
            ours.push(at_chat(&settings, &name, &route, &actors, server)?);
        }
        Ok((ours, theirs))
    })
    .await?;

    let mut report = Report::new("room");
    report.count("members", u64::from(room.members));
    report.count("window", room.window as u64);
    report.count("size", room.size as u64);
    let middle = |runs: &[Outcome], of: Figure| median(runs.iter().map(of).collect());
    for (name, of) in FIGURES {
        let (chat, bare) = (middle(&ours, of), middle(&theirs, of));
        report.known(name, chat);
        if !theirs.is_empty() {
            report.known(&format!("broker {name}"), bare);
            report.known(&format!("ratio {name}"), chat / bare);
        }
    }
    for (name, of) in WRITTEN {
        report.known(name, middle(&ours, of));
    }
    report.print(args.json);
    Ok(())
}

fn at_chat(
    args: &RoomArgs,
    room: &str,
    route: &Route,
    actors: &[Actor],
    server: Option<Server>,
) -> Result<Outcome, Error> {
    let target = |actor: &Actor| Target {
        route: route.clone(),
        client_id: actor.client_id.clone(),
        password: Some(actor.token.clone()),
        receive_max: u16::MAX,
    };
    let side = Side::new(REQUESTS, &message_payload(room, args.size), Qos::AtLeastOnce);
    once(args, Peer::Chat, actors.iter().map(target).collect(), side, run_id(), server)
}

fn at_broker(args: &RoomArgs, route: &Route, server: Option<Server>) -> Result<Outcome, Error> {
    let run = run_id();
    let target = |at: u16| Target {
        route: route.clone(),
        client_id: format!("bench-{}-{at}", String::from_utf8_lossy(&run)),
        password: None,
        receive_max: u16::MAX,
    };
    let side = Side::new(super::fanout::TOPIC, &message_payload("bench", args.size), Qos::AtLeastOnce);
    once(args, Peer::Broker, (0..args.members).map(target).collect(), side, run, server)
}

fn once(
    args: &RoomArgs,
    peer: Peer,
    targets: Vec<Target>,
    side: Side,
    run: [u8; 8],
    server: Option<Server>,
) -> Result<Outcome, Error> {
    let plan = Plan {
        peer,
        members: targets.len(),
        window: args.window.max(1),
        time: Duration::from_secs_f64(args.seconds),
        limit: args.messages,
        puback: args.puback,
    };
    let marks = Arc::new(Mutex::new(Vec::new()));
    let taken = Arc::clone(&marks);
    let mark = move || {
        let usage = server.and_then(|server| server.usage().ok());
        taken.lock().unwrap_or_else(|broken| broken.into_inner()).push(usage);
    };
    let mut fleet = Fleet::new(targets)?;
    let mut fanout = Fanout::new(plan, run, side, Box::new(mark))?;
    fleet.run(&mut fanout)?;
    fleet.close();

    let marks = std::mem::take(&mut *marks.lock().unwrap_or_else(|broken| broken.into_inner()));
    let between = |at: usize| Some(marks.get(at + 1).copied().flatten()?.since(marks.get(at).copied().flatten()?));
    Ok(Outcome {
        messages: fanout.meter.delivered,
        deliveries: fanout.deliveries,
        seconds: fanout.measured.as_secs_f64(),
        received_us: fanout.meter.received.summary(),
        accepted_us: fanout.meter.accepted.summary(),
        used: between(0),
        used_later: between(1),
    })
}
