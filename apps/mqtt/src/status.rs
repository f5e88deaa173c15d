//! What the broker says of itself below `$SYS/broker` (TOPIC-13), in the words of mosquitto(8). Nobody pays for it while nobody listens: the
//! values are read when somebody subscribes, and every `mqtt.sys_interval` as long as there is a subscription.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::broker::{Broker, Lasting};
use crate::message::Message;
use crate::packet::{Qos, frame};

/// What has gone one way over all connections since the server started.
#[derive(Debug, Default)]
// A line of the cache for each way: threads that read do not wait for those that write.
#[repr(align(128))]
pub(crate) struct Traffic {
    bytes: AtomicU64,
    packets: AtomicU64,
    published: AtomicU64,
}

/// Packets that one connection has read or writes at once.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counted {
    bytes: u64,
    packets: u64,
    published: u64,
}

impl Counted {
    /// A packet of so many bytes.
    pub(crate) fn packet(&mut self, bytes: usize, is_publish: bool) {
        self.bytes += bytes as u64;
        self.packets += 1;
        self.published += u64::from(is_publish);
    }
}

impl Traffic {
    /// Bytes that are whole packets.
    pub(crate) fn count(&self, bytes: &[u8]) {
        let mut counted = Counted::default();
        frame::each(bytes, |kind, bytes| counted.packet(bytes, kind == frame::PUBLISH));
        self.add(counted);
    }

    pub(crate) fn add(&self, counted: Counted) {
        let ways =
            [(&self.bytes, counted.bytes), (&self.packets, counted.packets), (&self.published, counted.published)];
        for (all, more) in ways.into_iter().filter(|(_, more)| *more > 0) {
            all.fetch_add(more, Ordering::Relaxed);
        }
    }
}

#[derive(Debug)]
pub(crate) struct Status {
    started: Instant,
    pub(crate) received: Traffic,
    pub(crate) sent: Traffic,
    told: Mutex<Told>,
}

/// What was told last, and when.
#[derive(Debug, Default)]
struct Told {
    at: Option<Instant>,
    values: HashMap<&'static str, String>,
}

impl Status {
    pub(crate) fn new(now: Instant) -> Status {
        Status { started: now, received: Traffic::default(), sent: Traffic::default(), told: Mutex::default() }
    }

    /// Publishes what has changed, if it is time to.
    pub(crate) fn tell(&self, broker: &Broker, interval: Duration, clients: Clients, now: Instant) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_early = told.at.is_some_and(|at| now.duration_since(at) < interval);
        if interval.is_zero() || is_early {
            return;
        }
        told.at = Some(now);
        for (topic, value) in self.values(broker, clients, now) {
            if told.values.get(topic) != Some(&value) {
                broker.tell(Message::of_server(topic, value.clone()), now);
                told.values.insert(topic, value);
            }
        }
    }

    fn values(&self, broker: &Broker, clients: Clients, now: Instant) -> Vec<(&'static str, String)> {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed).to_string();
        let away = broker.sessions_away();
        let mut values = vec![
            ("$SYS/broker/version", concat!("chat ", env!("CARGO_PKG_VERSION")).to_owned()),
            ("$SYS/broker/uptime", format!("{} seconds", now.duration_since(self.started).as_secs())),
            ("$SYS/broker/clients/connected", clients.connected.to_string()),
            ("$SYS/broker/clients/disconnected", away.to_string()),
            ("$SYS/broker/clients/total", (clients.connected + away).to_string()),
            ("$SYS/broker/clients/maximum", clients.most.to_string()),
            ("$SYS/broker/messages/received", count(&self.received.packets)),
            ("$SYS/broker/messages/sent", count(&self.sent.packets)),
            ("$SYS/broker/publish/messages/received", count(&self.received.published)),
            ("$SYS/broker/publish/messages/sent", count(&self.sent.published)),
            ("$SYS/broker/bytes/received", count(&self.received.bytes)),
            ("$SYS/broker/bytes/sent", count(&self.sent.bytes)),
            ("$SYS/broker/retained messages/count", broker.retained_count().to_string()),
            ("$SYS/broker/subscriptions/count", broker.subscriptions().to_string()),
        ];
        if let Ok(said) = std::fs::read_to_string("/proc/self/status") {
            let heap = [("$SYS/broker/heap/current", "VmRSS:"), ("$SYS/broker/heap/maximum", "VmHWM:")];
            values.extend(heap.iter().filter_map(|(topic, name)| Some((*topic, memory(&said, name)?.to_string()))));
        }
        values
    }
}

/// Connections now, and as many as there were at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clients {
    pub(crate) connected: usize,
    pub(crate) most: usize,
}

/// Bytes, of a line of proc(5): `VmRSS:    1234 kB`.
fn memory(said: &str, name: &str) -> Option<u64> {
    let line = said.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

impl Message {
    /// Of QoS 0: the next one takes its place, so nothing of it waits for who is away.
    fn of_server(topic: &str, payload: String) -> Message {
        Message {
            topic: topic.into(),
            payload: payload.into(),
            qos: Qos::Zero,
            retain: true,
            properties: None,
            expires: None,
            lasting: Lasting::default(),
        }
    }
}
