//! One device: writes with a window, reads, acknowledges by Ack record, and keeps a journal of what it has had.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use client::{Client, Event, Events, State};
use proto::{Desc, Message, Record};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::device::Device;
use super::progress::{PATIENCE, Progress};

/// Messages on their way to the server.
const WINDOW: usize = 16;
/// Ack records on their way, about; while there are more nothing is taken.
const ACKS: usize = 24;
/// The last message of a device ends so.
const LAST: &[u8] = b"/last";

/// What a device has had.
pub(crate) struct Journal {
    pub(crate) client_id: String,
    /// What it wrote, in that order: the server has acknowledged each.
    pub(crate) acknowledged: Vec<Bytes>,
    /// What it saw as items: id to msg_id.
    pub(crate) seen: BTreeMap<u64, Bytes>,
    /// How many items came, those that came again included.
    pub(crate) delivered: usize,
    /// How many of its messages the server had already when they were repeated (MESSAGE-1).
    pub(crate) repeated: usize,
    /// How many of its Ack records were confirmed on the connection of their message, which must not come again.
    pub(crate) settled: usize,
}

/// Writes until it is told to stop, reads until it has the last word of all `authors` of the feed, and acknowledges everything.
pub(crate) async fn live(
    device: Device,
    (client, mut events): (Client, Events),
    authors: usize,
    progress: Arc<Progress>,
) -> Journal {
    let writer = tokio::spawn(write(client.clone(), device.clone(), progress.clone()));
    let mut reader = Reader::new(client.clone(), &device, progress);
    while reader.last.len() < authors {
        tokio::select! {
            event = timeout(PATIENCE, events.next()), if reader.acks.len() < ACKS => {
                reader.take(event.expect("nothing comes any more").expect("the client lives"));
            }
            Some(done) = reader.acks.join_next() => {
                // A break before the acknowledgement is told before it.
                while let Some(event) = events.try_next() {
                    reader.take(event);
                }
                reader.acknowledged(done.expect("it is acknowledged"));
            }
        }
    }
    let acknowledged = writer.await.expect("the writer ends well");
    reader.finish(&device).await;
    client.close().await;
    Journal { acknowledged, settled: reader.settled.len(), ..reader.journal }
}

/// The msg_ids of what it wrote; when this returns the server has acknowledged them.
async fn write(client: Client, device: Device, progress: Arc<Progress>) -> Vec<Bytes> {
    let mut sent = Vec::new();
    let mut open = JoinSet::new();
    while !progress.is_stopped() {
        let msg_id = Bytes::from(format!("{}/{:06}", device.client_id, sent.len()));
        sent.push(msg_id.clone());
        open.spawn(send(client.clone(), device.peer.clone(), msg_id));
        while open.len() >= WINDOW {
            open.join_next().await.expect("one is open").expect("it is sent");
            progress.one_more();
        }
    }
    open.join_all().await;
    let last = Bytes::from([device.client_id.as_bytes(), LAST].concat());
    sent.push(last.clone());
    send(client, device.peer, last).await;
    sent
}

async fn send(client: Client, peer: String, msg_id: Bytes) {
    let message = Message {
        to: Some(peer.into()),
        files: vec![Desc::text(msg_id.clone())],
        msg_id: Some(msg_id),
        ..Message::default()
    };
    client.send_message(message).await.expect("the server acknowledges it");
}

struct Reader {
    client: Client,
    progress: Arc<Progress>,
    journal: Journal,
    /// The connection; each break begins another.
    connection: u64,
    /// Id of the last item on this connection.
    top: u64,
    /// Ids whose Ack record the server has confirmed on the connection on which they came: they may not come again.
    settled: HashSet<u64>,
    /// Ack records on their way: which id, and on which connection it came.
    acks: JoinSet<(u64, u64)>,
    /// The last words: msg_id, by id.
    last: HashMap<u64, Bytes>,
}

impl Reader {
    fn new(client: Client, device: &Device, progress: Arc<Progress>) -> Reader {
        let journal = Journal {
            client_id: device.client_id.clone(),
            acknowledged: Vec::new(),
            seen: BTreeMap::new(),
            delivered: 0,
            repeated: 0,
            settled: 0,
        };
        let (settled, acks, last) = (HashSet::new(), JoinSet::new(), HashMap::new());
        Reader { client, progress, journal, connection: 0, top: 0, settled, acks, last }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::State(State::Disconnected(_)) => (self.connection, self.top) = (self.connection + 1, 0),
            Event::State(State::Ended(why)) => panic!("{}: {why}", self.journal.client_id),
            Event::Record { topic, record: Record::Message(_) } if topic.contains("actions/") => {
                self.journal.repeated += 1
            }
            Event::Record { record: Record::Message(message), .. } => self.item(*message),
            Event::Record { .. } | Event::Bytes { .. } | Event::State(_) => {}
        }
    }

    fn item(&mut self, message: Message) {
        let name = &self.journal.client_id;
        let id = message.id.expect("a number");
        let msg_id = message.msg_id.expect("a msg_id");
        assert!(id > self.top, "DLV-8: {name} has {id} behind {} on one connection", self.top);
        assert!(!self.settled.contains(&id), "DLV-4: {name} has {id} again, whose Ack the server had confirmed");
        self.top = id;
        self.journal.delivered += 1;
        self.progress.one_more();
        let before = self.journal.seen.insert(id, msg_id.clone());
        assert!(before.is_none_or(|before| before == msg_id), "{id} is two messages");
        if msg_id.ends_with(LAST) {
            self.last.insert(id, msg_id);
        } else if !is_echo(name, &msg_id) {
            let (client, connection) = (self.client.clone(), self.connection);
            self.acks.spawn(async move {
                client.ack(msg_id).await.expect("the Ack record is taken");
                (id, connection)
            });
        }
    }

    fn acknowledged(&mut self, (id, connection): (u64, u64)) {
        if connection == self.connection {
            self.settled.insert(id);
        }
    }

    /// Acknowledges what is left, the last words of the others last of all: behind them everything is on the disk (G-6).
    async fn finish(&mut self, device: &Device) {
        while let Some(done) = self.acks.join_next().await {
            done.expect("it is acknowledged");
        }
        // Its answer comes behind the confirmation of the own last word, which was taken before.
        self.client.history(device.feed.clone(), 1, 0).await.expect("a history");
        for msg_id in self.last.values().filter(|msg_id| !is_echo(&device.client_id, msg_id)) {
            self.client.ack(msg_id.clone()).await.expect("the Ack record is taken");
        }
    }
}

/// Whether this device wrote it: its copy is acknowledged by PUBACK (DLV-3).
fn is_echo(client_id: &str, msg_id: &[u8]) -> bool {
    msg_id.strip_prefix(client_id.as_bytes()).is_some_and(|rest| rest.first() == Some(&b'/'))
}
