//! Free topics of the real program across its end, packet by packet: QoS 2 arrives once, and a session's place is kept (CON-11).

#![expect(clippy::indexing_slicing, reason = "helpers of a test may panic as a test may")]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use support::Server;

const PATIENCE: Duration = Duration::from_secs(60);
const PUBACK: u8 = 0x40;
const PUBREC: u8 = 0x50;
const PUBREL: u8 = 0x62;
const PUBCOMP: u8 = 0x70;

/// A client of MQTT 3.1.1 whose session lasts.
struct Client(TcpStream);

impl Client {
    /// With whether there was a session.
    fn connect(server: &Server, id: &str) -> (Client, bool) {
        let stream = TcpStream::connect(server.mqtt()).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        let mut client = Client(stream);
        client.send(0x10, &[b"\0\x04MQTT\x04\0\0\x3c", &text(id)[..]].concat());
        let ack = client.packet();
        assert_eq!((ack[0], ack[2]), (0x20, 0));
        (client, ack[1] == 1)
    }

    fn send(&mut self, first: u8, body: &[u8]) {
        let packet = [&[first, body.len() as u8], body].concat();
        self.0.write_all(&packet).expect("it takes it");
    }

    /// First byte and body of the next packet, which is a short one.
    fn packet(&mut self) -> Vec<u8> {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).expect("a packet");
        let mut packet = vec![0; usize::from(head[1]) + 1];
        packet[0] = head[0];
        self.0.read_exact(&mut packet[1..]).expect("its body");
        packet
    }

    fn answered(&mut self, first: u8, body: &[u8], kind: u8, id: u8) {
        self.send(first, body);
        assert_eq!(self.packet(), [kind, 0, id]);
    }
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes(), text.as_bytes()].concat()
}

fn publish(id: u8, payload: &str) -> Vec<u8> {
    [&text("t")[..], &[0, id], payload.as_bytes()].concat()
}

#[test]
fn con_11_topic_13_qos_2_arrives_once_though_the_server_is_killed_at_every_step() {
    let mut server = Server::start();
    let (mut reader, present) = Client::connect(&server, "reader");
    assert!(!present);
    reader.send(0x82, &[&[0, 1][..], &text("t"), &[2]].concat());
    assert_eq!(reader.packet(), [0x90, 0, 1, 2]);
    let (mut writer, _) = Client::connect(&server, "writer");
    writer.answered(0x34, &publish(5, "m"), PUBREC, 5);

    let again = |server: &mut Server, id: &str| {
        server.kill();
        server.restart();
        let (client, present) = Client::connect(server, id);
        assert!(present, "{id} has its session");
        client
    };
    // The server is killed after PUBREC, and again after PUBCOMP: the writer says again what it may.
    let mut writer = again(&mut server, "writer");
    writer.answered(0x3C, &publish(5, "m"), PUBREC, 5);
    writer.answered(PUBREL, &[0, 5], PUBCOMP, 5);
    let mut writer = again(&mut server, "writer");
    writer.answered(PUBREL, &[0, 5], PUBCOMP, 5);
    writer.answered(0x34, &publish(6, "next"), PUBREC, 6);
    writer.answered(PUBREL, &[0, 6], PUBCOMP, 6);

    // The reader is sent both, by identifiers that stay.
    let (mut reader, present) = Client::connect(&server, "reader");
    assert!(present);
    assert_eq!(reader.packet(), [&[0x34][..], &publish(1, "m")].concat());
    assert_eq!(reader.packet(), [&[0x34][..], &publish(2, "next")].concat());
    let mut reader = again(&mut server, "reader");
    assert_eq!(reader.packet(), [&[0x3C][..], &publish(1, "m")].concat());
    assert_eq!(reader.packet(), [&[0x3C][..], &publish(2, "next")].concat());
    reader.answered(PUBREC, &[0, 1], PUBREL, 1);
    let mut reader = again(&mut server, "reader");
    assert_eq!(reader.packet(), [PUBREL, 0, 1]);
    assert_eq!(reader.packet(), [&[0x3C][..], &publish(2, "next")].concat());
    reader.send(PUBCOMP, &[0, 1]);
    reader.answered(PUBREC, &[0, 2], PUBREL, 2);
    reader.send(PUBCOMP, &[0, 2]);
    reader.send(0xC0, &[]);
    assert_eq!(reader.packet(), [0xD0]);
}

#[test]
fn con_8_con_11_sessions_and_what_is_retained_outlive_a_server_that_is_stopped() {
    let mut server = Server::start();
    let (mut reader, _) = Client::connect(&server, "reader");
    reader.send(0x82, &[&[0, 1][..], &text("t"), &[1]].concat());
    assert_eq!(reader.packet(), [0x90, 0, 1, 1]);
    reader.send(0xE0, &[]);
    let (mut writer, _) = Client::connect(&server, "writer");
    writer.answered(0x32, &publish(5, "one"), PUBACK, 5);
    // Of QoS 0 and retained: kept, though nobody waits for it. The answer to the ping comes when the server has it.
    writer.send(0x31, &[&text("kept")[..], b"zero"].concat());
    writer.send(0xC0, &[]);
    assert_eq!(writer.packet(), [0xD0]);
    assert!(server.terminate().success());
    server.restart();

    let (mut reader, present) = Client::connect(&server, "reader");
    assert!(present);
    assert_eq!(reader.packet(), [&[0x32][..], &publish(1, "one")].concat());
    reader.send(0x82, &[&[0, 2][..], &text("kept"), &[1]].concat());
    assert_eq!(reader.packet(), [0x90, 0, 2, 1]);
    assert_eq!(reader.packet(), [&[0x31][..], &text("kept"), b"zero"].concat());
}
