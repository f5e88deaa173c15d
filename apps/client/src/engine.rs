//! The task behind a [`crate::Client`]: drives the connection, mends it, and keeps the calls of [`Pending`] moving.

use std::time::{Duration, Instant};

use bytes::Bytes;
use proto::{MessageStatus, Record};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, sleep_until};

use crate::inbox::{Carried, Event, Inbox, Receipt, State};
use crate::link::Link;
use crate::mqtt::{self, AckKind, ConnAck, Packet, Publication, Qos};
use crate::pending::{Pending, Request};
use crate::{BACKOFF_MAX, BACKOFF_MIN, Error, Options, Origin};

/// Requests that a server which does not say takes unacknowledged (3.1.1; SPEC section 11).
const QUOTA: u16 = 32;
/// Subscriptions that are kept over a break; one more is refused.
const SUBSCRIPTIONS_MAX: usize = 256;
/// QoS 2 packets received and not yet released.
const UNRELEASED_MAX: usize = 1024;

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

    /// Takes every packet that has come whole, as long as there is room for what it may bring.
    fn receive(&mut self, link: &mut Link) -> Result<(), Error> {
        let mut replies = Vec::new();
        while self.inbox.has_room()
            && let Some(packet) = link.next()?
        {
            self.heard = Instant::now();
            match packet {
                Packet::Publish(publish) => self.published(&publish, &mut replies)?,
                Packet::Ack { kind: AckKind::PubAck, id, reason } => self.pending.acknowledged(id, reason),
                Packet::Ack { kind: AckKind::PubRel, id, .. } => {
                    self.unreleased.retain(|other| *other != id);
                    mqtt::acknowledge(&mut replies, AckKind::PubComp, id);
                }
                Packet::SubAck { id, codes } => self.subscribed(id, codes),
                Packet::Disconnect { reason } => return Err(Error::Closed(reason)),
                Packet::ConnAck(_) => return Err(mqtt::Malformed("a second CONNACK").into()),
                Packet::Ack { kind: AckKind::PubRec | AckKind::PubComp, .. } => {}
                Packet::UnsubAck { .. } | Packet::PingResp => {}
            }
        }
        link.out.extend_from_slice(&replies);
        Ok(())
    }

    fn published(&mut self, publish: &mqtt::Publish<'_>, replies: &mut Vec<u8>) -> Result<(), Error> {
        if publish.qos == Qos::ExactlyOnce {
            mqtt::acknowledge(replies, AckKind::PubRec, publish.id);
            if self.unreleased.contains(&publish.id) {
                return Ok(());
            }
            if self.unreleased.len() >= UNRELEASED_MAX {
                return Err(mqtt::Malformed("too many QoS 2 packets without PUBREL").into());
            }
            self.unreleased.push(publish.id);
        }
        let packet = if publish.qos == Qos::AtLeastOnce { publish.id } else { 0 };
        let topic = publish.topic.to_owned();
        let Ok(record) = etf::decode::<Record>(publish.payload) else {
            let payload = Bytes::copy_from_slice(publish.payload);
            self.put(Event::Bytes { topic, payload }, packet, None);
            return Ok(());
        };
        let origin = if is_reply(&topic) { Origin::Reply } else { Origin::Notice };
        let Some(record) = self.pending.answered(origin, record) else {
            if packet != 0 {
                mqtt::acknowledge(replies, AckKind::PubAck, packet);
            }
            return Ok(());
        };
        if let Some((client_id, token)) = renewal(origin, &record) {
            (self.options.client_id, self.options.token) = (client_id.clone(), Some(token.clone()));
            self.put(Event::State(State::Renewed { client_id, token }), packet, None);
            return Ok(());
        }
        let message = if self.options.auto_ack { to_acknowledge(&record) } else { None };
        self.put(Event::Record { topic, record }, packet, message);
        Ok(())
    }

    fn put(&self, event: Event, packet: u16, message: Option<Bytes>) {
        let receipt =
            (packet != 0 || message.is_some()).then_some(Receipt { connection: self.connection, packet, message });
        self.inbox.put(Carried { event, receipt });
    }

    /// An event was taken: tell the server.
    fn confirm(&mut self, link: &mut Link, receipt: Receipt) {
        if receipt.packet != 0 && receipt.connection == self.connection {
            mqtt::acknowledge(&mut link.out, AckKind::PubAck, receipt.packet);
            self.said = Instant::now();
        }
        if let Some(id) = receipt.message {
            // At QoS 0: should it be lost with the connection, the message comes again and so does this (MESSAGE-3, DLV-7).
            let ack = proto::Ack { id: Some(id), ..proto::Ack::default() };
            let payload = etf::encode(&ack);
            let topic = crate::client::REQUESTS;
            let qos = Qos::AtMostOnce;
            let publication = Publication { topic, payload: &payload, qos, id: 0, dup: false, retain: false };
            mqtt::publish(&mut link.out, self.options.version, &publication);
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

    fn subscribed(&mut self, id: u16, codes: &[u8]) {
        let Some(at) = self.subscribing.iter().position(|(other, _)| *other == id) else { return };
        let (_, done) = self.subscribing.swap_remove(at);
        let refused = codes.iter().copied().find(|code| *code >= 0x80);
        let _ = done.send(refused.map_or(Ok(()), |code| Err(Error::NotSubscribed(code))));
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

/// The reply topics of all forms (TOPIC-2).
fn is_reply(topic: &str) -> bool {
    topic.trim_start_matches('/').starts_with("actions/")
}

/// AUTH-5: a new token that nobody asked for.
fn renewal(origin: Origin, record: &Record) -> Option<(String, String)> {
    match (origin, record) {
        (Origin::Reply, Record::Io(_)) => crate::calls::login_of(record),
        _ => None,
    }
}

/// The msg_id of a Message that leaves the queue by an Ack record (DLV-3).
fn to_acknowledge(record: &Record) -> Option<Bytes> {
    let Record::Message(message) = record else { return None };
    match message.status {
        None | Some(MessageStatus::Async | MessageStatus::Edit | MessageStatus::Update | MessageStatus::Delete) => {
            message.msg_id.clone()
        }
        Some(_) => None,
    }
}
