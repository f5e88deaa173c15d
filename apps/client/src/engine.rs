//! The task behind a [`crate::Client`]: drives the connection, mends it, and keeps the calls of [`Pending`] moving.

mod receive;

use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, sleep_until};

use crate::inbox::{Inbox, State};
use crate::link::Link;
use crate::mqtt::{self, ConnAck, Publication, Qos};
use crate::pending::{Pending, Request};
use crate::{BACKOFF_MAX, BACKOFF_MIN, Error, Options};

/// Requests that a server which does not say takes unacknowledged (3.1.1; SPEC section 11).
const QUOTA: u16 = 32;
/// Subscriptions that are kept over a break; one more is refused.
const SUBSCRIPTIONS_MAX: usize = 256;
/// What the handle asks of the engine.
#[derive(Debug)]
pub(crate) enum Command {
    Call(Request),
    Subscribe { filter: String, qos: Qos, done: oneshot::Sender<Result<(), Error>> },
    Close { done: oneshot::Sender<()> },
}

/// How a connection ended on our side.
enum End {
    /// [`crate::Client::close`], or nobody holds the client any more.
    Closed(Option<oneshot::Sender<()>>),
    Broken(Error),
}

pub(crate) struct Engine {
    options: Options,
    inbox: Inbox,
    orders: mpsc::Receiver<Command>,
    pending: Pending,
    subscriptions: Vec<(String, Qos)>,
    /// SUBSCRIBE packets not yet answered.
    subscribing: Vec<(u16, oneshot::Sender<Result<(), Error>>)>,
    /// Tells this connection's packet ids from earlier ones'.
    connection: u64,
    unreleased: Vec<u16>,
    quota: u16,
    heard: Instant,
    said: Instant,
}

impl Engine {
    pub(crate) fn new(options: Options, inbox: Inbox, orders: mpsc::Receiver<Command>) -> Engine {
        let now = Instant::now();
        Engine {
            options,
            inbox,
            orders,
            pending: Pending::default(),
            subscriptions: Vec::new(),
            subscribing: Vec::new(),
            connection: 0,
            unreleased: Vec::new(),
            quota: QUOTA,
            heard: now,
            said: now,
        }
    }

    pub(crate) async fn run(mut self, mut link: Link, mut connack: ConnAck) {
        loop {
            self.inbox.tell(State::Connected);
            let mut error = match self.serve(link, connack).await {
                End::Closed(done) => return self.end(Error::Closed(0), done).await,
                End::Broken(error) => error,
            };
            self.pending.broken();
            self.subscribing.clear();
            (link, connack) = loop {
                if !self.options.reconnect || !error.is_passing() {
                    return self.end(error, None).await;
                }
                match self.again(error).await {
                    Ok(Ok(opened)) => break opened,
                    Ok(Err(failed)) => error = failed,
                    Err(done) => return self.end(Error::Closed(0), done).await,
                }
            };
        }
    }

    /// Tries until the server is there again, waiting longer each time. `Err` when the client is closed meanwhile.
    async fn again(&mut self, why: Error) -> Result<Result<(Link, ConnAck), Error>, Option<oneshot::Sender<()>>> {
        self.inbox.tell(State::Disconnected(why.to_string()));
        let mut wait = BACKOFF_MIN;
        loop {
            let orders_end = Instant::now() + wait;
            loop {
                tokio::select! {
                    () = sleep_until(orders_end.into()) => break,
                    order = self.orders.recv(), if !self.pending.is_full() => match order {
                        Some(Command::Call(request)) => self.pending.push(request),
                        Some(Command::Subscribe { done, .. }) => drop(done.send(Err(Error::Disconnected))),
                        Some(Command::Close { done }) => return Err(Some(done)),
                        None => return Err(None),
                    },
                }
            }
            self.pending.expire(Instant::now());
            match Link::open(&self.options).await {
                Ok(opened) => return Ok(Ok(opened)),
                Err(error) if error.is_passing() => wait = (wait * 2).min(BACKOFF_MAX),
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    /// Serves one connection until it ends.
    async fn serve(&mut self, mut link: Link, connack: ConnAck) -> End {
        self.connection += 1;
        self.unreleased.clear();
        self.quota = connack.receive_max.min(QUOTA);
        if let Some(seconds) = connack.keep_alive {
            self.options.keep_alive = seconds;
        }
        (self.heard, self.said) = (Instant::now(), Instant::now());
        let id = self.pending.fresh_id();
        let filters: Vec<_> = self.subscriptions.iter().map(|(filter, qos)| (filter.as_str(), *qos)).collect();
        if !filters.is_empty() {
            mqtt::subscribe(&mut link.out, self.options.version, id, &filters);
        }
        match self.turn(&mut link).await {
            Ok(done) => {
                link.close().await;
                End::Closed(done)
            }
            Err(error) => End::Broken(error),
        }
    }

    async fn turn(&mut self, link: &mut Link) -> Result<Option<oneshot::Sender<()>>, Error> {
        loop {
            self.receive(link)?;
            self.send_calls(link);
            let wake = self.wake_at();
            let may_read = self.inbox.has_room();
            tokio::select! {
                done = link.step(may_read), if may_read || !link.is_flushed() => done?,
                Some(receipt) = self.inbox.taken.recv() => self.confirm(link, receipt),
                order = self.orders.recv(), if !self.pending.is_full() => match order {
                    Some(Command::Call(request)) => self.pending.push(request),
                    Some(Command::Subscribe { filter, qos, done }) => self.subscribe(link, filter, qos, done),
                    Some(Command::Close { done }) => return Ok(Some(done)),
                    None => return Ok(None),
                },
                () = sleep(wake.saturating_duration_since(Instant::now())) => self.tick(link)?,
            }
        }
    }

    fn send_calls(&mut self, link: &mut Link) {
        let version = self.options.version;
        while !link.is_choked() {
            let Some((id, request)) = self.pending.next_to_send(self.quota) else { return };
            let publication = Publication {
                topic: &request.topic,
                payload: &request.payload,
                qos: Qos::AtLeastOnce,
                id,
                dup: false,
                retain: false,
            };
            mqtt::publish(&mut link.out, version, &publication);
            self.said = Instant::now();
        }
    }

    fn subscribe(&mut self, link: &mut Link, filter: String, qos: Qos, done: oneshot::Sender<Result<(), Error>>) {
        if self.subscriptions.len() >= SUBSCRIPTIONS_MAX || self.subscribing.len() >= SUBSCRIPTIONS_MAX {
            return drop(done.send(Err(Error::Busy)));
        }
        let id = self.pending.fresh_id();
        mqtt::subscribe(&mut link.out, self.options.version, id, &[(filter.as_str(), qos)]);
        self.subscriptions.push((filter, qos));
        self.subscribing.push((id, done));
    }

    /// When something is due although nothing comes: a sign of life, the end of a call's time.
    fn wake_at(&self) -> Instant {
        let half = Duration::from_secs(u64::from(self.options.keep_alive.max(2))) / 2;
        let ping = self.said + half;
        self.pending.deadline().map_or(ping, |deadline| deadline.min(ping))
    }

    fn tick(&mut self, link: &mut Link) -> Result<(), Error> {
        let now = Instant::now();
        if self.pending.expire(now) {
            // Its answer would be taken for the next call's: begin anew.
            return Err(Error::TimedOut);
        }
        let alive = Duration::from_secs(u64::from(self.options.keep_alive.max(2)));
        if now.duration_since(self.heard) > alive + alive / 2 {
            return Err(Error::TimedOut);
        }
        if now.duration_since(self.said) >= alive / 2 {
            mqtt::ping(&mut link.out);
            self.said = now;
        }
        Ok(())
    }

    async fn end(mut self, why: Error, done: Option<oneshot::Sender<()>>) {
        self.pending.fail_all(|| Error::Disconnected);
        self.inbox.tell(State::Ended(why.to_string()));
        if let Some(done) = done {
            let _ = done.send(());
        }
    }
}
