//! Receivers are away while their friends write; then they come back and take everything.

use std::time::{Duration, Instant};

use clap::Args;

use super::accounts::Actor;
use super::fleet::{Fleet, Next, Outs, Target, Work};
use super::report::Report;
use super::side::Side;
use super::traffic::{Peer, Shape, Traffic};
use super::wording::{acknowledge_stranger, is_message, message_payload};
use super::{BenchArgs, accounts, on_a_thread, run_id};
use crate::Error;
use crate::client::REQUESTS;
use crate::mqtt::{self, AckKind, Packet, Qos};

/// A receiver that has heard nothing for this long will hear nothing more.
const SILENCE: Duration = Duration::from_secs(10);

/// How much is left for whom.
#[derive(Debug, Clone, Args)]
pub struct OfflineArgs {
    /// Receivers that are away, each with one friend who writes
    #[arg(long, default_value_t = 20)]
    pub users: usize,
    /// Messages for each
    #[arg(long, default_value_t = 1000)]
    pub messages: u32,
    /// Bytes of text in a message
    #[arg(long, default_value_t = 64)]
    pub size: usize,
    /// Messages that one sender may have unaccepted
    #[arg(long, default_value_t = 32)]
    pub window: usize,
    /// Durable items on the way to a receiver, unconfirmed
    #[arg(long, default_value_t = 1000)]
    pub receive_max: u16,
    /// Leave the messages undelivered, to see how a server starts that keeps them
    #[arg(long)]
    pub leave: bool,
}

pub(super) async fn run(args: BenchArgs, offline: OfflineArgs) -> Result<(), Error> {
    let actors = accounts::pairs(&args, offline.users * 2).await?;
    let route = args.route()?;
    let target = move |actor: &Actor, receive_max| Target {
        route: route.clone(),
        client_id: actor.client_id.clone(),
        password: Some(actor.token.clone()),
        receive_max,
    };
    let settings = offline.clone();
    let (stored, drained) = on_a_thread(move || {
        let receivers: Vec<_> =
            actors.iter().skip(1).step_by(2).map(|actor| target(actor, settings.receive_max)).collect();
        // What an earlier run left would count for this one.
        drain(receivers.clone(), None)?;
        let senders = actors.iter().step_by(2).map(|actor| target(actor, u16::MAX)).collect();
        let stored = store(&settings, senders, &actors)?;
        let due = u64::from(settings.messages) * settings.users as u64;
        let drained = if settings.leave { None } else { Some(drain(receivers, Some(due))?) };
        Ok((stored, drained))
    })
    .await?;
    let messages = f64::from(offline.messages) * offline.users as f64;
    let mut report = Report::new("offline");
    report.count("users", offline.users as u64);
    report.count("messages each", u64::from(offline.messages));
    report.number("stored/s", messages / stored.as_secs_f64());
    if let Some(drained) = drained {
        report.number("drained/s", messages / drained.as_secs_f64());
    }
    report.print(args.json);
    Ok(())
}

fn store(args: &OfflineArgs, senders: Vec<Target>, actors: &[Actor]) -> Result<Duration, Error> {
    let shape = Shape {
        peer: Peer::Chat,
        window: args.window.max(1),
        burst: 1,
        rate: None,
        warm_up: Duration::ZERO,
        time: Duration::from_secs(600),
        limit: Some(args.messages),
        wait_for_receiver: false,
        qos: Qos::AtLeastOnce,
    };
    let receivers = actors.iter().skip(1).step_by(2);
    let sides =
        receivers.map(|to| Side::new(REQUESTS, &message_payload(&to.phone_id, args.size), Qos::AtLeastOnce)).collect();
    let mut fleet = Fleet::new(senders)?;
    let mut traffic = Traffic::new(shape, run_id(), sides, Box::new(|| {}))?;
    fleet.run(&mut traffic)?;
    fleet.close();
    match traffic.outstanding() {
        0 => Ok(traffic.measured),
        left => Err(Error::Unexpected(format!("{left} messages were not accepted"))),
    }
}

/// Takes `due` messages, or all that come within a second; how long that took.
fn drain(receivers: Vec<Target>, due: Option<u64>) -> Result<Duration, Error> {
    let mut work =
        Drain { connections: receivers.len(), open: 0, due, taken: 0, began: Instant::now(), heard: Instant::now() };
    let mut fleet = Fleet::new(receivers)?;
    fleet.run(&mut work)?;
    let took = work.heard.duration_since(work.began);
    fleet.close();
    Ok(took)
}

struct Drain {
    connections: usize,
    open: usize,
    due: Option<u64>,
    taken: u64,
    began: Instant,
    heard: Instant,
}

impl Work for Drain {
    fn packet(&mut self, at: usize, packet: &Packet<'_>, now: Instant, outs: &mut Outs) -> Result<(), Error> {
        match packet {
            Packet::ConnAck(_) => self.open += 1,
            Packet::Publish(publish) => {
                if publish.qos == Qos::AtLeastOnce {
                    mqtt::acknowledge(outs.to(at), AckKind::PubAck, publish.id);
                }
                if is_message(publish.payload) {
                    acknowledge_stranger(outs.to(at), publish.payload);
                    self.taken += 1;
                    self.heard = now;
                }
            }
            Packet::Disconnect { reason } => return Err(Error::Closed(*reason)),
            Packet::Ack { .. } | Packet::SubAck { .. } | Packet::UnsubAck { .. } | Packet::PingResp => {}
        }
        Ok(())
    }

    fn round(&mut self, now: Instant, _: &mut Outs) -> Result<Next, Error> {
        let quiet = now.duration_since(self.heard);
        match self.due {
            Some(due) if self.taken >= due => Ok(Next::Done),
            Some(due) if quiet > SILENCE => Err(Error::Unexpected(format!("{} of {due} messages came", self.taken))),
            None if self.open == self.connections && quiet > Duration::from_secs(1) => Ok(Next::Done),
            Some(_) | None => Ok(Next::Wait(Duration::from_millis(50))),
        }
    }
}
