//! A server whose every word is written in the test: it checks what the client does on the wire.
#![allow(dead_code, clippy::unwrap_used, clippy::indexing_slicing)] // a part of the tests; each file uses a part of it

use std::time::Duration;

use client::mqtt::{self, AckKind, Packet, Publication, Qos, Version};
use client::{Carrier, Client, Events, Options, Url};
use proto::Record;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) struct Server {
    listener: TcpListener,
}

/// A PUBLISH that the client sent.
#[derive(Debug, PartialEq)]
pub(crate) struct Request {
    pub(crate) topic: String,
    pub(crate) id: u16,
    pub(crate) record: Record,
}

pub(crate) struct Connection {
    socket: TcpStream,
}

impl Server {
    pub(crate) async fn start() -> Server {
        Server { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    pub(crate) fn options(&self) -> Options {
        let port = self.listener.local_addr().unwrap().port();
        let mut options =
            Options::new(Url { carrier: Carrier::Tcp, host: "127.0.0.1".into(), port }, "emqttd_38001_d1");
        options.token = Some("t1".into());
        options.call_timeout = Duration::from_secs(20);
        options
    }

    /// The connection after CONNECT and an accepting CONNACK that takes `receive_max`; and the CONNECT's bytes.
    pub(crate) async fn accept(&self, receive_max: u16) -> (Connection, Vec<u8>) {
        let (socket, _) = self.listener.accept().await.unwrap();
        let mut connection = Connection { socket };
        let (first, connect) = connection.frame().await.unwrap();
        assert_eq!(first, 0x10, "CONNECT comes first");
        let [high, low] = receive_max.to_be_bytes();
        connection.write(&[0x20, 6, 0, 0, 3, 0x21, high, low]).await;
        (connection, connect)
    }

    /// A connected client and the server's end of it.
    pub(crate) async fn connect(&self, options: Options) -> (Client, Events, Connection) {
        let (client, (connection, _)) = tokio::join!(Client::connect(options), self.accept(32));
        let (client, events) = client.unwrap();
        (client, events, connection)
    }
}

impl Connection {
    /// First byte and body of the next packet; `None` at the end.
    pub(crate) async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let first = self.socket.read_u8().await.ok()?;
        let (mut length, mut shift) = (0, 0);
        loop {
            let byte = self.socket.read_u8().await.ok()?;
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.socket.read_exact(&mut body).await.ok()?;
        Some((first, body))
    }

    /// The next PUBLISH of the client.
    pub(crate) async fn request(&mut self) -> Request {
        let (first, body) = self.frame().await.expect("a packet");
        assert_eq!(first >> 4, 3, "a PUBLISH");
        published(first, body)
    }

    /// The next PUBLISH of a client that may leave instead.
    pub(crate) async fn next_request(&mut self) -> Option<Request> {
        loop {
            match self.frame().await {
                Some((first, body)) if first >> 4 == 3 => return Some(published(first, body)),
                Some((first, _)) if first >> 4 != 14 => {}
                _ => return None,
            }
        }
    }

    /// The packet id of the PUBACK that must come next.
    pub(crate) async fn puback(&mut self) -> u16 {
        let (first, body) = self.frame().await.expect("a packet");
        assert_eq!(first, 0x40, "a PUBACK");
        u16::from_be_bytes([body[0], body[1]])
    }

    /// Acknowledges a PUBLISH of the client.
    pub(crate) async fn acknowledge(&mut self, id: u16) {
        let mut out = Vec::new();
        mqtt::acknowledge(&mut out, AckKind::PubAck, id);
        self.write(&out).await;
    }

    /// Sends a record: at QoS 1 under `id`, at QoS 0 where that is 0.
    pub(crate) async fn send(&mut self, topic: &str, id: u16, record: impl Into<Record>) {
        let mut out = Vec::new();
        let qos = if id == 0 { Qos::AtMostOnce } else { Qos::AtLeastOnce };
        let payload = etf::encode(&record.into());
        let publication = Publication { topic, payload: &payload, qos, id, dup: false, retain: false };
        mqtt::publish(&mut out, Version::V5, &publication);
        self.write(&out).await;
    }

    pub(crate) async fn answer(&mut self, record: impl Into<Record>) {
        self.send("actions/1/api/emqttd_38001_d1", 0, record).await;
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.unwrap();
    }
}

/// A PUBLISH, from its first byte and what is behind its length.
fn published(first: u8, body: Vec<u8>) -> Request {
    let mut bytes = vec![first];
    let mut length = body.len();
    loop {
        bytes.push((length & 0x7f) as u8 | if length > 0x7f { 0x80 } else { 0 });
        length >>= 7;
        if length == 0 {
            break;
        }
    }
    bytes.extend(body);
    match mqtt::decode(&bytes, Version::V5, usize::MAX).unwrap() {
        Some((Packet::Publish(publish), _)) => {
            Request { topic: publish.topic.to_owned(), id: publish.id, record: etf::decode(publish.payload).unwrap() }
        }
        other => panic!("{other:?}"),
    }
}

/// Text of a Message record.
pub(crate) fn text_of(record: &Record) -> String {
    match record {
        Record::Message(message) => String::from_utf8(message.files[0].payload.clone().unwrap().to_vec()).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// The Ack that accepts a Message record.
pub(crate) fn accepts(record: &Record) -> proto::Ack {
    match record {
        Record::Message(message) => proto::Ack { id: message.msg_id.clone(), ..proto::Ack::default() },
        other => panic!("{other:?}"),
    }
}
