//! What comes without being asked for: a bounded stream of events, and the news of what was taken from it.

use bytes::Bytes;
use proto::Record;
use tokio::sync::mpsc;

/// Events waiting to be taken. Transient ones beyond it (less the room kept for durable ones) are dropped: they are for those who
/// listen now. When even that room is full the connection is not read until an event is taken.
pub const EVENTS_MAX: usize = 1024;

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    State(State),
    /// A record on a topic: a message, a contact, typing, presence, a receipt.
    Record {
        topic: String,
        record: Record,
    },
    /// Bytes that are no record: relayed between clients (TOPIC-10), or from a free topic (TOPIC-13).
    Bytes {
        topic: String,
        payload: Bytes,
    },
}

/// How the connection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    Connected,
    /// It broke; the client tries again by itself.
    Disconnected(String),
    /// The server replaced the token (AUTH-5): keep this one for the next start.
    Renewed {
        client_id: String,
        token: String,
    },
    /// The client has ended, and why; nothing follows.
    Ended(String),
}

/// An event with what the server waits to hear of it.
#[derive(Debug)]
pub(crate) struct Carried {
    pub(crate) event: Event,
    pub(crate) receipt: Option<Receipt>,
}

/// To be sent when the event was taken.
#[derive(Debug)]
pub(crate) struct Receipt {
    /// Which connection it came in on; ids mean nothing on another.
    pub(crate) connection: u64,
    /// PUBACK for this packet id; 0 for none.
    pub(crate) packet: u16,
    /// Ack record for this msg_id (MESSAGE-3).
    pub(crate) message: Option<Bytes>,
}

/// The engine's end.
#[derive(Debug)]
pub(crate) struct Inbox {
    events: mpsc::Sender<Carried>,
    pub(crate) taken: mpsc::Receiver<Receipt>,
    reserved: usize,
}

/// The stream of events, in the order they came.
#[derive(Debug)]
pub struct Events {
    events: mpsc::Receiver<Carried>,
    taken: mpsc::Sender<Receipt>,
}

/// Both ends; room for `reserved` durable events is kept free of transient ones.
pub(crate) fn inbox(reserved: u16) -> (Inbox, Events) {
    let (into, events) = mpsc::channel(EVENTS_MAX);
    let (taken, receipts) = mpsc::channel(2 * EVENTS_MAX);
    let reserved = usize::from(reserved).min(EVENTS_MAX / 2);
    (Inbox { events: into, taken: receipts, reserved }, Events { events, taken })
}

impl Inbox {
    /// Whether a durable event would find room. Without it the engine stops reading, until one is taken.
    pub(crate) fn has_room(&self) -> bool {
        self.events.is_closed() || self.events.capacity() > 0
    }

    /// Adds an event. When nobody listens any more it is dropped: what is durable stays with the server.
    pub(crate) fn put(&self, carried: Carried) {
        let is_transient = carried.receipt.as_ref().is_none_or(|receipt| receipt.packet == 0);
        if !is_transient || self.events.capacity() > self.reserved {
            let _ = self.events.try_send(carried);
        }
    }

    /// Tells how the connection is, if there is room.
    pub(crate) fn tell(&self, state: State) {
        let _ = self.events.try_send(Carried { event: Event::State(state), receipt: None });
    }
}

impl Events {
    /// Takes the next event, which confirms it to the server; `None` when the client has ended.
    pub async fn next(&mut self) -> Option<Event> {
        let carried = self.events.recv().await?;
        Some(self.take(carried))
    }

    /// As [`Events::next`], without waiting: `None` when none is there now.
    pub fn try_next(&mut self) -> Option<Event> {
        let carried = self.events.try_recv().ok()?;
        Some(self.take(carried))
    }

    fn take(&mut self, carried: Carried) -> Event {
        if let Some(receipt) = carried.receipt {
            // Never full while the engine runs: it reads, and it has no more unconfirmed than half of this.
            let _ = self.taken.try_send(receipt);
        }
        carried.event
    }
}
