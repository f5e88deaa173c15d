//! A front on loopback over the real chat with an empty store, and a client of a few bytes.

pub(crate) mod refusing;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use chat::Chat;
use listen::{Kind, Listen};
use mqtt::{Front, Plain, Settings};

/// No answer in this time is a failure of the test.
const PATIENCE: Duration = Duration::from_secs(10);

/// It says in the end how many connections were left.
pub(crate) struct Server(hosted::Server<usize>);

pub(crate) fn settings() -> Settings {
    Settings { plain: Plain::Any, ..Settings::default() }
}

pub(crate) fn store() -> kvs::Memory {
    hosted::store(mqtt::TABLES)
}

pub(crate) fn bind(handle: n2o::Handle<Chat>, address: SocketAddr, settings: Settings) -> Result<Front, mqtt::Error> {
    let doorman = hosted::doorman(handle, settings.connect_timeout);
    Front::bind(doorman, vec![Listen { address, kind: Kind::Tcp }], settings)
}

impl Server {
    pub(crate) fn start(settings: Settings) -> Server {
        Server::start_on(Arc::new(store()), settings)
    }

    pub(crate) fn start_on(store: Arc<dyn kvs::Store>, settings: Settings) -> Server {
        Server(hosted::Server::start(store, move |handle| {
            let front = bind(handle, SocketAddr::from(([127, 0, 0, 1], 0)), settings).unwrap();
            let address = front.addresses()[0];
            front.serve();
            let end = async move || {
                front.shutdown(PATIENCE).await;
                front.connections()
            };
            (address, end)
        }))
    }

    /// Stops; how many connections were left then.
    pub(crate) fn stop(self) -> usize {
        self.0.stop()
    }

    pub(crate) fn stream(&self) -> Client {
        Client::to(self.0.address)
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

pub(crate) struct Client {
    stream: TcpStream,
}

impl Client {
    pub(crate) fn to(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client { stream }
    }

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
    let mut packet = vec![first];
    let mut left = body.len();
    while left >= 128 {
        packet.push(left as u8 | 0x80);
        left >>= 7;
    }
    packet.push(left as u8);
    packet.extend_from_slice(body);
    packet
}

pub(crate) fn text(text: &str) -> Vec<u8> {
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
pub(crate) fn publish(flags: u8, topic: &str, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let id: &[u8] = if flags & 0b110 == 0 { &[] } else { &[0, 9] };
    frame(0x30 | flags, &[&text(topic)[..], id, &[0], payload.as_ref()].concat())
}
