//! A front on loopback over the real chat with an empty store, and a client of a few bytes.

pub(crate) mod refusing;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use chat::{Chat, Output};
use listen::{Doorman, Gate, Kind, Limits, Listen};
use mqtt::{Front, Plain, Settings};

/// No answer in this time is a failure of the test.
const PATIENCE: Duration = Duration::from_secs(10);

const ROWS: kvs::Table = kvs::Table("test");

/// A running server; it ends with the value.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<usize>>,
}

struct Ports;

impl n2o::Performer<Chat> for Ports {
    fn perform(&self, _: usize, outputs: &mut Vec<Output>) {
        for output in outputs.drain(..) {
            if let Output::Port(port, out) = output {
                port.push(out);
            }
        }
    }
}

pub(crate) fn settings() -> Settings {
    Settings { plain: Plain::Any, ..Settings::default() }
}

pub(crate) fn store() -> kvs::Memory {
    let tables: Vec<kvs::Table> = chat::rows::TABLES.iter().chain(mqtt::TABLES).copied().chain([ROWS]).collect();
    kvs::Memory::new(&tables)
}

pub(crate) fn host(store: Arc<dyn kvs::Store>) -> n2o::Handle<Chat> {
    let sequence = |key: &[u8]| Arc::new(kvs::Sequence::open(store.clone(), ROWS, key).unwrap());
    let chat = Chat {
        settings: chat::Settings::dev(),
        rosters: sequence(b"rosters"),
        moments: sequence(b"moments"),
        vault: chat::Vault::new(&[7; chat::KEY_BYTES]),
        identify: std::sync::Arc::new(|_: &[u8]| None),
        is_sealed: |_| false,
        names: Default::default(),
    };
    let options = n2o::Options {
        threads: 2,
        ring: n2o::Ring::new(4, "/mqtt/chat/"),
        on_disk_failure: Box::new(|failure| panic!("{failure}")),
    };
    n2o::Host::start(Arc::new(chat), store.clone(), sequence(b"ids"), options, Arc::new(Ports)).unwrap()
}

pub(crate) fn bind(handle: n2o::Handle<Chat>, address: SocketAddr, settings: Settings) -> Result<Front, mqtt::Error> {
    let gate = Gate::new(Limits::default());
    let (identify, is_revoked) = (Arc::new(|_: &[u8]| None), Arc::new(|_| false));
    let doorman = Doorman { handle, identify, is_revoked, gate, patience: settings.connect_timeout };
    Front::bind(Arc::new(doorman), vec![Listen { address, kind: Kind::Tcp }], settings)
}

impl Server {
    pub(crate) fn start(settings: Settings) -> Server {
        Server::start_on(Arc::new(store()), settings)
    }

    pub(crate) fn start_on(store: Arc<dyn kvs::Store>, settings: Settings) -> Server {
        let (ready, readied) = channel();
        let (stop, stopped) = channel::<()>();
        let thread = std::thread::spawn(move || {
            actix_rt::System::new().block_on(async move {
                let handle = host(store);
                let front = bind(handle.clone(), SocketAddr::from(([127, 0, 0, 1], 0)), settings).unwrap();
                front.serve();
                ready.send(front.addresses()[0]).unwrap();
                let waited = actix_rt::task::spawn_blocking(move || stopped.recv());
                let _ = waited.await;
                front.shutdown(PATIENCE).await;
                let left = front.connections();
                handle.shutdown(PATIENCE).await;
                left
            })
        });
        Server { address: readied.recv().unwrap(), stop: Some(stop), thread: Some(thread) }
    }

    /// Stops; how many connections were left then.
    pub(crate) fn stop(mut self) -> usize {
        self.stop = None;
        self.thread.take().unwrap().join().unwrap()
    }

    pub(crate) fn stream(&self) -> Client {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client { stream }
    }

    /// A 5.0 client that has been accepted.
    pub(crate) fn five(&self, id: &str) -> Client {
        let mut client = self.stream();
        client.send(&connect(5, id, true, 60, &[]));
        assert_eq!(client.packet()[..4][2..], [0, 0]);
        client
    }

    pub(crate) fn four(&self, id: &str, clean: bool) -> Client {
        let mut client = self.stream();
        client.send(&connect(4, id, clean, 60, &[]));
        assert_eq!(client.packet()[3], 0);
        client
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub(crate) struct Client {
    stream: TcpStream,
}

impl Client {
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next packet, whole; empty when the server has closed.
    pub(crate) fn packet(&mut self) -> Vec<u8> {
        let mut packet = vec![0];
        match self.stream.read(&mut packet) {
            Ok(1) => (),
            Ok(_) => return Vec::new(),
            Err(broken) if broken.kind() == std::io::ErrorKind::ConnectionReset => return Vec::new(),
            Err(late) => panic!("no packet: {late}"),
        }
        let mut len = 0;
        for shift in [0, 7, 14, 21] {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).unwrap();
            packet.push(byte[0]);
            len |= usize::from(byte[0] & 0x7F) << shift;
            if byte[0] & 0x80 == 0 {
                break;
            }
        }
        let start = packet.len();
        packet.resize(start + len, 0);
        self.stream.read_exact(&mut packet[start..]).unwrap();
        packet
    }

    /// Everything until the server closes.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        let _ = self.stream.read_to_end(&mut all);
        all
    }

    pub(crate) fn subscribe(&mut self, filter: &str, options: u8) {
        self.send(&subscribe(5, filter, options));
        let ack = self.packet();
        assert_eq!((ack[0], ack.last()), (0x90, Some(&(options & 3))));
    }

    /// Topic, payload and first byte of the next PUBLISH of a 5.0 client; QoS 1 is acknowledged.
    pub(crate) fn message(&mut self) -> (String, String, u8) {
        let packet = self.packet();
        assert_eq!(packet[0] >> 4, 3, "{packet:02x?}");
        let topic_len = usize::from(packet[3]);
        let mut at = 4 + topic_len;
        let topic = String::from_utf8(packet[4..at].to_vec()).unwrap();
        if packet[0] & 0b110 != 0 {
            self.send(&[0x40, 2, packet[at], packet[at + 1]]);
            at += 2;
        }
        let payload = packet[at + 1 + usize::from(packet[at])..].to_vec();
        (topic, String::from_utf8(payload).unwrap(), packet[0])
    }
}

fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    assert!(body.len() < 128);
    [&[first, body.len() as u8], body].concat()
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes(), text.as_bytes()].concat()
}

/// `known`: the property section of 5.0, without its length.
pub(crate) fn connect(level: u8, id: &str, clean: bool, keep_alive: u16, known: &[u8]) -> Vec<u8> {
    connect_with(level, id, u8::from(clean) << 1, keep_alive, known, &[])
}

pub(crate) fn connect_with(level: u8, id: &str, flags: u8, keep_alive: u16, known: &[u8], payload: &[u8]) -> Vec<u8> {
    let section = if level == 5 { [&[known.len() as u8], known].concat() } else { Vec::new() };
    let head = [&text("MQTT")[..], &[level, flags], &keep_alive.to_be_bytes()].concat();
    frame(0x10, &[&head[..], &section, &text(id), payload].concat())
}

pub(crate) fn will(level: u8, topic: &str, payload: &str) -> Vec<u8> {
    let section: &[u8] = if level == 5 { &[0] } else { &[] };
    [section, &text(topic), &text(payload)].concat()
}

pub(crate) fn subscribe(level: u8, filter: &str, options: u8) -> Vec<u8> {
    let section: &[u8] = if level == 5 { &[0] } else { &[] };
    frame(0x82, &[&[0, 1], section, &text(filter), &[options]].concat())
}

/// A 5.0 PUBLISH with packet id 9 where it has one.
pub(crate) fn publish(flags: u8, topic: &str, payload: &str) -> Vec<u8> {
    let id: &[u8] = if flags & 0b110 == 0 { &[] } else { &[0, 9] };
    frame(0x30 | flags, &[&text(topic)[..], id, &[0], payload.as_bytes()].concat())
}
