//! Connecting and leaving, again and again: how many a second, and how long one takes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use tokio::time::sleep_until;

use super::flow::Meter;
use super::report::Report;
use super::{BenchArgs, accounts};
use crate::{Client, Error, Options};

/// Accounts that take turns.
const ACTORS: usize = 64;

/// How many, how fast.
#[derive(Debug, Clone, Args)]
pub struct LoginsArgs {
    #[arg(long, default_value_t = 2000)]
    pub count: usize,
    /// A second; without it as many as 32 at a time give
    #[arg(long)]
    pub rate: Option<f64>,
}

pub(super) async fn run(args: BenchArgs, logins: LoginsArgs) -> Result<(), Error> {
    let (actors, roots) = match args.url.carrier.is_secure() {
        true => (accounts::certified(&args, ACTORS).await?, args.tls()?),
        false => (accounts::pairs(&args, ACTORS).await?, None),
    };
    let all: Arc<Vec<Options>> = Arc::new(
        actors
            .into_iter()
            .map(|actor| {
                let mut options = Options::new(args.url.clone(), &actor.client_id);
                options.token = (!args.url.carrier.is_secure()).then(|| actor.token.clone());
                options.tls = roots.clone().map(|tls| crate::Tls { identity: actor.identity(), ..tls });
                options.reconnect = false;
                options
            })
            .collect(),
    );
    let before = args.server()?.map(|server| server.usage()).transpose()?;
    let began = Instant::now();
    let numbers = (0..logins.count).collect();
    let took = accounts::at_once(numbers, |number| {
        let all = Arc::clone(&all);
        let due = logins.rate.map(|rate| began + Duration::from_secs_f64(number as f64 / rate));
        async move {
            if let Some(due) = due {
                sleep_until(due.into()).await;
            }
            let options = all.get(number % ACTORS).cloned().ok_or_else(|| Error::local("too few accounts"))?;
            let start = Instant::now();
            let (client, _events) = Client::connect(options).await?;
            let took = start.elapsed();
            client.close().await;
            Ok(took)
        }
    });
    let took = took.await?;
    let seconds = began.elapsed().as_secs_f64();
    let mut meter = Meter::new()?;
    took.into_iter().for_each(|took| meter.accepted.add(took, true));
    let mut report = Report::new("logins");
    report.count("logins", logins.count as u64);
    report.number("logins/s", logins.count as f64 / seconds);
    report.latency("connect", meter.accepted.summary());
    if let (Some(before), Some(server)) = (before, args.server()?) {
        let cpu = server.usage()?.cpu - before.cpu;
        report.number("server cpu ms per login", cpu * 1000.0 / logins.count.max(1) as f64);
    }
    report.print(args.json);
    Ok(())
}
