//! Connections that do nothing: what each takes of the server's memory.

use std::time::{Duration, Instant};

use clap::Args;

use super::fleet::{Fleet, Next, Outs, Target, Work};
use super::report::Report;
use super::server::Server;
use super::wire::Route;
use super::{BenchArgs, accounts, on_a_thread};
use crate::mqtt::{self, AckKind, Packet, Qos};
use crate::{Error, Tls, tls};

/// How many, as whom.
#[derive(Debug, Clone, Args)]
pub struct IdleArgs {
    #[arg(long, default_value_t = 5000)]
    pub connections: usize,
    /// Connect as plain MQTT clients, all with --cert, instead of as devices with a certificate each
    #[arg(long)]
    pub plain: bool,
    /// Seconds of rest before memory is read
    #[arg(long, default_value_t = 5.0)]
    pub settle: f64,
}

pub(super) async fn run(args: BenchArgs, idle: IdleArgs) -> Result<(), Error> {
    let server = args.server()?.ok_or_else(|| Error::local("idle needs the server's process: --pid"))?;
    let targets = if idle.plain { plain(&args, &idle)? } else { devices(&args, &idle).await? };
    let settle = Duration::from_secs_f64(idle.settle);
    let (before, after, took) = on_a_thread(move || measure(server, targets, settle)).await?;
    let growth = after.saturating_sub(before);
    let mut report = Report::new("idle");
    report.count("connections", idle.connections as u64);
    report.number("opened/s", idle.connections as f64 / took.as_secs_f64());
    report.number("resident before MiB", before as f64 / 1_048_576.0);
    report.number("resident after MiB", after as f64 / 1_048_576.0);
    report.number("KiB per connection", growth as f64 / 1024.0 / idle.connections.max(1) as f64);
    report.print(args.json);
    Ok(())
}

fn measure(server: Server, targets: Vec<Target>, settle: Duration) -> Result<(u64, u64, Duration), Error> {
    let before = server.usage()?.resident;
    let began = Instant::now();
    let mut work = Idle { due: targets.len(), open: 0, full: None, settle };
    let mut fleet = Fleet::new(targets)?;
    fleet.run(&mut work)?;
    let after = server.usage()?.resident;
    fleet.close();
    let took = work.full.map_or_else(|| began.elapsed(), |full| full.duration_since(began));
    Ok((before, after, took))
}

/// One shared certificate; ids are not kept by the server.
fn plain(args: &BenchArgs, idle: &IdleArgs) -> Result<Vec<Target>, Error> {
    let route = args.route()?;
    let target = |at: usize| Target {
        route: route.clone(),
        client_id: format!("bench-idle-{at}"),
        password: None,
        receive_max: 32,
    };
    Ok((0..idle.connections).map(target).collect())
}

/// A certificate each where --url is TLS (registered at --register-url), else a token each.
async fn devices(args: &BenchArgs, idle: &IdleArgs) -> Result<Vec<Target>, Error> {
    let route = args.route()?;
    if !args.url.carrier.is_secure() {
        let actors = accounts::pairs(args, idle.connections).await?;
        let target = |actor: accounts::Actor| Target {
            route: route.clone(),
            client_id: actor.client_id,
            password: Some(actor.token),
            receive_max: 32,
        };
        return Ok(actors.into_iter().map(target).collect());
    }
    let given = args.tls()?.ok_or_else(|| Error::Tls("mqtts needs --ca".into()))?;
    let roots = tls::roots(&given.ca_pem)?;
    let actors = accounts::certified(args, idle.connections).await?;
    let target = |actor: accounts::Actor| {
        let identity = actor.identity();
        let config = tls::config_with(roots.clone(), &Tls { ca_pem: String::new(), identity }, args.url.carrier)?;
        let route = Route { tls: Some(config), ..route.clone() };
        Ok(Target { route, client_id: actor.client_id, password: None, receive_max: 32 })
    };
    actors.into_iter().map(target).collect()
}

struct Idle {
    due: usize,
    open: usize,
    full: Option<Instant>,
    settle: Duration,
}

impl Work for Idle {
    fn packet(&mut self, at: usize, packet: &Packet<'_>, now: Instant, outs: &mut Outs) -> Result<(), Error> {
        match packet {
            Packet::ConnAck(_) => {
                self.open += 1;
                if self.open == self.due {
                    self.full = Some(now);
                }
            }
            Packet::Publish(publish) if publish.qos == Qos::AtLeastOnce => {
                mqtt::acknowledge(outs.to(at), AckKind::PubAck, publish.id);
            }
            Packet::Disconnect { reason } => return Err(Error::Closed(*reason)),
            Packet::Publish(_) | Packet::Ack { .. } | Packet::SubAck { .. } => {}
            Packet::UnsubAck { .. } | Packet::PingResp => {}
        }
        Ok(())
    }

    fn round(&mut self, now: Instant, _: &mut Outs) -> Result<Next, Error> {
        match self.full {
            Some(full) if now.duration_since(full) >= self.settle => Ok(Next::Done),
            Some(_) | None => Ok(Next::Wait(Duration::from_millis(100))),
        }
    }
}
