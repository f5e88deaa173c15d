//! Somebody whom many know: what the whole profile costs, and what a change of presence does to the others' messages.

use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Args;
use proto::records::PresenceStatus;
use proto::{Presence, Profile};

use super::accounts::{self, Actor};
use super::pairs::{self, Outcome, PairsArgs};
use super::report::{Report, median};
use super::server::Server;
use super::traffic::Peer;
use super::{BenchArgs, on_a_thread};
use crate::{Client, Error, Peer as Contact};

/// How many know the one, and how the others write meanwhile.
#[derive(Debug, Clone, Args)]
pub struct ProfileArgs {
    /// Friends of the one
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub contacts: u16,
    /// Rooms of the one, each with one more member
    #[arg(long, default_value_t = 0)]
    pub rooms: usize,
    /// How often the profile is asked for
    #[arg(long, default_value_t = 10)]
    pub gets: usize,
    /// Messages a second of 200 other pairs, while presence rests and while it changes
    #[arg(long, default_value_t = 1000.0)]
    pub rate: f64,
    /// Seconds of each
    #[arg(long, default_value_t = 10.0)]
    pub seconds: f64,
    /// Milliseconds between two changes
    #[arg(long, default_value_t = 1000)]
    pub every: u64,
}

pub(super) async fn run(args: BenchArgs, profile: ProfileArgs) -> Result<(), Error> {
    let actors = accounts::crowd(&args, usize::from(profile.contacts) + 1).await?;
    for room in 0..profile.rooms {
        let two = actors.get(..2).unwrap_or_default();
        accounts::room(&args, two, &format!("bench-two-{room}")).await?;
    }
    let others = accounts::pairs(&args, 400).await?;
    let server = args.server()?;
    let one = accounts::connect(&args, actors.first().ok_or_else(|| Error::local("no accounts"))?).await?;

    let mut report = Report::new("profile");
    report.count("contacts", u64::from(profile.contacts));
    report.count("rooms", profile.rooms as u64);
    get(&mut report, &one, profile.gets, server).await?;

    let resting = traffic(&args, &profile, &others, server).await?;
    let changing = tokio::select! {
        outcome = traffic(&args, &profile, &others, server) => outcome?,
        ended = change(&one, Duration::from_millis(profile.every)) => return Err(ended),
    };
    one.close().await;
    for (name, outcome) in [("resting", &resting), ("changing", &changing)] {
        report.latency(&format!("{name} received"), outcome.received_us);
    }
    report.print(args.json);
    Ok(())
}

/// PROFILE-1, again and again.
async fn get(report: &mut Report, one: &Client, times: usize, server: Option<Server>) -> Result<(), Error> {
    let cpu = || server.and_then(|server| server.usage().ok()).map(|usage| usage.cpu);
    let before = cpu();
    let (mut took, mut found) = (Vec::new(), Profile::default());
    for _ in 0..times.max(1) {
        let since = Instant::now();
        found = one.profile().await?;
        took.push(since.elapsed().as_secs_f64() * 1000.0);
    }
    report.count("contacts found", Contact::all(&found).len() as u64);
    report.number("profile get ms", median(took));
    if let (Some(before), Some(after)) = (before, cpu()) {
        report.number("profile get server cpu ms", (after - before) * 1000.0 / times.max(1) as f64);
    }
    Ok(())
}

/// The messages of the others.
async fn traffic(
    args: &BenchArgs,
    profile: &ProfileArgs,
    others: &[Actor],
    server: Option<Server>,
) -> Result<Outcome, Error> {
    let (route, others) = (args.route()?, others.to_vec());
    let shape = PairsArgs {
        pairs: others.len() / 2,
        window: 1,
        burst: 1,
        seconds: profile.seconds,
        size: 64,
        rate: Some(profile.rate),
        qos: 1,
        peer: "chat".into(),
    };
    on_a_thread(move || pairs::once(Peer::Chat, &shape, &route, &others, server)).await
}

/// PRESENCE-1 until something fails.
async fn change(one: &Client, every: Duration) -> Error {
    let mut tick = tokio::time::interval(every);
    for number in 0_u64.. {
        tick.tick().await;
        let status = Some(PresenceStatus::Text(Bytes::from(format!("busy {number}"))));
        if let Err(error) = one.call(Presence { status, ..Presence::default() }).await {
            return error;
        }
    }
    Error::local("there are only so many numbers")
}
