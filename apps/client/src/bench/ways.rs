//! The traffic of pairs by several ways to one server, in turn.

use clap::Args;

use super::pairs::{self, Outcome, PairsArgs};
use super::report::{Report, median};
use super::traffic::Peer;
use super::{BenchArgs, accounts, on_a_thread};
use crate::{Error, Url};

/// Which ways, and what traffic.
#[derive(Debug, Clone, Args)]
pub struct WaysArgs {
    /// A way to the server, as --url says one; given several times. The first is what others are measured by
    #[arg(long = "to", required = true)]
    pub to: Vec<Url>,
    #[command(flatten)]
    pub pairs: PairsArgs,
    /// How often each has its turn
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
}

pub(super) async fn run(args: BenchArgs, ways: WaysArgs) -> Result<(), Error> {
    let actors = accounts::pairs(&args, ways.pairs.pairs * 2).await?;
    let server = args.server()?;
    let routes = ways.to.iter().map(|url| args.route_to(url)).collect::<Result<Vec<_>, _>>()?;
    let (shape, rounds) = (ways.pairs.clone(), ways.rounds);
    let runs = on_a_thread(move || {
        let mut runs: Vec<Vec<Outcome>> = vec![Vec::new(); routes.len()];
        for round in 1..=rounds {
            for (route, runs) in routes.iter().zip(&mut runs) {
                let outcome = pairs::once(Peer::Chat, &shape, route, &actors, server)?;
                eprintln!("round {round}: {} {:.0}/s", route.url, outcome.delivered_per_second());
                runs.push(outcome);
            }
        }
        Ok(runs)
    })
    .await?;

    let mut report = Report::new("ways");
    pairs::describe(&mut report, &ways.pairs);
    report.count("rounds", ways.rounds as u64);
    let middle = |runs: &[Outcome], of: pairs::Figure| median(runs.iter().map(of).collect());
    let first = runs.first().map_or(f64::NAN, |runs| middle(runs, Outcome::delivered_per_second));
    for (url, runs) in ways.to.iter().zip(&runs) {
        for (name, of) in pairs::FIGURES {
            report.known(&format!("{url} {name}"), middle(runs, of));
        }
        report.known(&format!("{url} share"), middle(runs, Outcome::delivered_per_second) / first);
    }
    report.print(args.json);
    Ok(())
}
