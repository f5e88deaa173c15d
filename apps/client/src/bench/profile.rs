//! Somebody whom many know: what the whole profile costs, and what a change of presence does to the others' messages.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Args;
use proto::records::PresenceStatus;
use proto::{Presence, Profile, Record};

use super::accounts::{self, Actor};
use super::pairs::{self, Outcome, PairsArgs};
use super::report::{Report, median};
use super::server::Server;
use super::traffic::Peer;
use super::{BenchArgs, on_a_thread};
use crate::{Client, Error, Event, Peer as Contact};

/// How many know the one, and how the others write meanwhile.
#[derive(Debug, Clone, Args)]
pub struct ProfileArgs {
    /// Friends of the one
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub contacts: u16,
    /// How many of them are connected, and told of every change
    #[arg(long, default_value_t = 100)]
    pub there: u16,
    /// Rooms of the one, each with one more member
    #[arg(long, default_value_t = 0)]
    pub rooms: usize,
    /// How often the profile is asked for
    #[arg(long, default_value_t = 10)]
    pub gets: usize,
    /// Messages a second of 200 other pairs, while presence rests and while it changes
    #[arg(long, default_value_t = 1000.0)]
    pub rate: f64,
    /// Seconds of each phase, after one of warming up
    #[arg(long, default_value_t = 4.0)]
    pub seconds: f64,
    /// How often a phase in which presence rests is followed by one in which it changes
    #[arg(long, default_value_t = 5)]
    pub phases: usize,
    /// Milliseconds between two changes
    #[arg(long, default_value_t = 1000)]
    pub every: u64,
    /// Instead of changing what it shows, the one connects and disconnects
    #[arg(long)]
    pub comes: bool,
}

/// What others are told of the one.
#[derive(Default)]
struct Told {
    changes: AtomicU64,
    notices: AtomicU64,
}

pub(super) async fn run(args: BenchArgs, profile: ProfileArgs) -> Result<(), Error> {
    let actors = accounts::crowd(&args, usize::from(profile.contacts) + 1).await?;
    for room in 0..profile.rooms {
        let two = actors.get(..2).unwrap_or_default();
        accounts::room(&args, two, &format!("bench-two-{room}")).await?;
    }
    let others = accounts::pairs(&args, 400).await?;
    let server = args.server()?;
    let one = actors.first().ok_or_else(|| Error::local("no accounts"))?;
    let told = Arc::new(Told::default());
    let mut there = Vec::new();
    let apart = (usize::from(profile.contacts) / usize::from(profile.there.max(1))).max(1);
    for friend in actors.iter().skip(1).step_by(apart).take(usize::from(profile.there)) {
        there.push(hear(&args, friend, one, &told).await?);
    }

    let mut report = Report::new("profile");
    report.count("contacts", u64::from(profile.contacts));
    report.count("there", there.len() as u64);
    report.count("rooms", profile.rooms as u64);
    let asking = accounts::connect(&args, one).await?;
    get(&mut report, &asking, profile.gets, server).await?;
    asking.close().await;

    let (mut resting, mut changing) = (Vec::new(), Vec::new());
    // The first phase of all finds caches empty: it does not count.
    traffic(&args, &profile, &others, server).await?;
    for _ in 0..profile.phases.max(1) {
        resting.push(traffic(&args, &profile, &others, server).await?);
        changing.push(tokio::select! {
            outcome = traffic(&args, &profile, &others, server) => outcome?,
            ended = change(&args, &profile, one, &told) => return Err(ended),
        });
    }
    for friend in there {
        friend.close().await;
    }
    show(&mut report, &resting, &changing);
    report.count("changes", told.changes.load(Ordering::Relaxed));
    report.count("notices", told.notices.load(Ordering::Relaxed));
    report.print(args.json);
    Ok(())
}

/// Each figure's median, and of the ratio of p99 of two phases that follow one another.
fn show(report: &mut Report, resting: &[Outcome], changing: &[Outcome]) {
    let p99 = |outcome: &Outcome| outcome.received_us[2] as f64 / 1000.0;
    for (name, outcomes) in [("resting", resting), ("changing", changing)] {
        let middle = |at: usize| {
            let of = |outcome: &Outcome| outcome.received_us.get(at).copied().unwrap_or_default() as f64;
            median(outcomes.iter().map(of).collect()) as u64
        };
        report.latency(&format!("{name} received"), [0, 1, 2, 3, 4].map(middle));
        let all: Vec<String> = outcomes.iter().map(|outcome| format!("{:.2}", p99(outcome))).collect();
        report.text(&format!("{name} p99 of each"), &all.join(" "));
    }
    let ratios: Vec<f64> = resting.iter().zip(changing).map(|(rest, change)| p99(change) / p99(rest)).collect();
    let all: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
    report.text("ratio p99 of each", &all.join(" "));
    report.number("ratio p99", median(ratios));
}

/// A friend of the one, who counts what is told of it.
async fn hear(args: &BenchArgs, friend: &Actor, one: &Actor, told: &Arc<Told>) -> Result<Client, Error> {
    let (client, mut events) = accounts::open(args, friend).await?;
    let (of, told) = (Bytes::copy_from_slice(one.phone_id.as_bytes()), Arc::clone(told));
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            if let Event::Record { record: Record::Contact(contact), .. } = event
                && contact.phone_id.as_ref() == Some(&of)
                && contact.presence.is_some()
            {
                told.notices.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    Ok(client)
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

/// PRESENCE-1, or coming and going, until something fails.
async fn change(args: &BenchArgs, profile: &ProfileArgs, one: &Actor, told: &Told) -> Error {
    let mut tick = tokio::time::interval(Duration::from_millis(profile.every));
    let done = || told.changes.fetch_add(1, Ordering::Relaxed);
    if profile.comes {
        loop {
            tick.tick().await;
            let client = match accounts::connect(args, one).await {
                Ok(client) => client,
                Err(error) => return error,
            };
            done();
            tick.tick().await;
            client.close().await;
            done();
        }
    }
    let client = match accounts::connect(args, one).await {
        Ok(client) => client,
        Err(error) => return error,
    };
    loop {
        tick.tick().await;
        // Another than in the phase before.
        let status = Some(PresenceStatus::Text(Bytes::from(format!("busy {}", done()))));
        if let Err(error) = client.call(Presence { status, ..Presence::default() }).await {
            return error;
        }
    }
}
