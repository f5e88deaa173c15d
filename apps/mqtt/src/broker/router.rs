//! The thread that talks to the rumqttd router: whatever blocks there blocks here, and nowhere else.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::task::{Context, Waker};

use rumqttd::local::{LinkRx, LinkTx};
use rumqttd::protocol::{
    Disconnect, DisconnectReasonCode, Filter, Packet, QoS, RetainForwardRule, Subscribe, SubscribeProperties,
    Unsubscribe,
};
use rumqttd::{Config, RouterConfig};
use tokio::sync::oneshot;

/// Commands that wait; beyond, clients' sockets are not read until there is a place.
const COMMANDS_MAX: usize = 4096;
/// Publishes handed to the router at once.
const BATCH_MAX: usize = 256;
/// Links at the same time; a client beyond gets no messages.
const LINKS_MAX: usize = 20_000;

pub(super) enum Command {
    Publish(Box<Packet>),
    Open { link: u64, opened: oneshot::Sender<LinkRx> },
    Subscribe { link: u64, number: usize, path: String },
    Unsubscribe { link: u64, path: String },
    Close { link: u64 },
}

/// Starts router and thread. `None`: the system gives no thread; said in the log.
pub(super) fn start() -> Option<SyncSender<Command>> {
    let (sender, receiver) = sync_channel(COMMANDS_MAX);
    let run = move || Router::default().run(&receiver);
    match std::thread::Builder::new().name("broker".to_owned()).spawn(run) {
        Ok(_) => Some(sender),
        Err(failure) => {
            tracing::error!(%failure, "no thread for the broker: free topics are dead");
            None
        }
    }
}

#[derive(Default)]
struct Router {
    links: HashMap<u64, Member>,
    /// Names of ended links, to be used again: the router remembers every name for ever.
    names: Vec<String>,
}

struct Member {
    name: String,
    link: LinkTx,
    /// Its shared subscriptions: the router takes a client out of all its groups when it leaves one.
    shared: Vec<(usize, String)>,
}

fn config() -> Config {
    Config {
        router: RouterConfig {
            max_connections: LINKS_MAX + 1,
            max_outgoing_packet_count: 100,
            max_segment_size: 1 << 20,
            max_segment_count: 8,
            ..RouterConfig::default()
        },
        ..Config::default()
    }
}

impl Router {
    fn run(mut self, commands: &Receiver<Command>) {
        let broker = rumqttd::Broker::new(config());
        let mut publisher = match broker.link("publisher") {
            Ok((link, _)) => link,
            Err(failure) => return tracing::error!(%failure, "the router does not start: free topics are dead"),
        };
        while let Ok(command) = commands.recv() {
            let Some(command) = publish(&mut publisher, command, commands) else {
                continue;
            };
            self.perform(&broker, command);
        }
    }

    fn perform(&mut self, broker: &rumqttd::Broker, command: Command) {
        match command {
            Command::Publish(_) => (),
            Command::Open { link, opened } => self.open(broker, link, opened),
            Command::Subscribe { link, number, path } => self.subscribe(link, number, path),
            Command::Unsubscribe { link, path } => self.unsubscribe(link, path),
            Command::Close { link } => self.close(link),
        }
    }

    fn open(&mut self, broker: &rumqttd::Broker, link: u64, opened: oneshot::Sender<LinkRx>) {
        if self.links.len() >= LINKS_MAX {
            return tracing::warn!("as many links to the broker as there may be");
        }
        let name = self.names.pop().unwrap_or_else(|| format!("link-{}", self.links.len()));
        match broker.link(&name) {
            Ok((tx, rx)) => {
                self.links.insert(link, Member { name, link: tx, shared: Vec::new() });
                let _ = opened.send(rx);
            }
            Err(failure) => tracing::warn!(%failure, "the router gave no link"),
        }
    }

    fn subscribe(&mut self, link: u64, number: usize, path: String) {
        let Some(member) = self.links.get_mut(&link) else {
            return;
        };
        if path.starts_with("$share/") {
            member.shared.push((number, path.clone()));
        }
        send(&mut member.link, subscription(number, path));
    }

    fn unsubscribe(&mut self, link: u64, path: String) {
        let Some(member) = self.links.get_mut(&link) else {
            return;
        };
        member.shared.retain(|(_, known)| *known != path);
        send(&mut member.link, Packet::Unsubscribe(Unsubscribe { pkid: 1, filters: vec![path] }, None));
        for (number, path) in &member.shared {
            send(&mut member.link, subscription(*number, path.clone()));
        }
    }

    fn close(&mut self, link: u64) {
        if let Some(mut member) = self.links.remove(&link) {
            let bye = Disconnect { reason_code: DisconnectReasonCode::NormalDisconnection };
            send(&mut member.link, Packet::Disconnect(bye, None));
            self.names.push(member.name);
        }
    }
}

fn subscription(number: usize, path: String) -> Packet {
    let filter = Filter {
        path,
        qos: QoS::AtMostOnce,
        nolocal: false,
        preserve_retain: false,
        retain_forward_rule: RetainForwardRule::Never,
    };
    let properties = SubscribeProperties { id: Some(number), user_properties: Vec::new() };
    Packet::Subscribe(Subscribe { pkid: 1, filters: vec![filter] }, Some(properties))
}

/// Publishes `first` and all that waits behind it, in one hand-over; gives back the first command of another kind.
fn publish(publisher: &mut LinkTx, first: Command, commands: &Receiver<Command>) -> Option<Command> {
    let Command::Publish(mut last) = first else {
        return Some(first);
    };
    let mut other = None;
    for _ in 0..BATCH_MAX {
        match commands.try_recv() {
            Ok(Command::Publish(next)) => {
                publisher.buffer().push_back(*std::mem::replace(&mut last, next));
            }
            Ok(command) => {
                other = Some(command);
                break;
            }
            Err(_) => break,
        }
    }
    send(publisher, *last);
    other
}

/// The method is async but never waits: it blocks this thread while the router's channel is full, as it should.
fn send(link: &mut LinkTx, packet: Packet) {
    let _ = pin!(link.send(packet)).as_mut().poll(&mut Context::from_waker(Waker::noop()));
}

use std::future::Future as _;
