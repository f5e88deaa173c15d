//! HEART-1, HEART-3, CON-12 on `/ws` over real connections, with times that a test can wait for.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chat::Chat;
use listen::{Kind, Listen};
use web::{Front, House, MailAuth, Origins, Routes, Times, talk};

/// No answer in this time is a failure of the test.
const PATIENCE: Duration = Duration::from_secs(60);
/// So long nothing is waited for in these tests.
const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(300);

const FIN_TEXT: u8 = 0x81;
const TEXT: u8 = 0x01;
const CONTINUED: u8 = 0x00;
const FIN_CONTINUED: u8 = 0x80;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
const GOING_AWAY: u16 = 1001;

struct Server(hosted::Server<()>);

impl Server {
    fn start(times: Times) -> Server {
        Server(hosted::Server::start(Arc::new(hosted::store(&[])), move |handle| {
            let front = bind(handle, times);
            let address = front.addresses()[0];
            front.serve();
            (address, async move || front.shutdown(PATIENCE).await)
        }))
    }

    fn open(&self) -> Client {
        let mut stream = TcpStream::connect(self.0.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
        Client { stream }
    }
}

fn bind(handle: n2o::Handle<Chat>, times: Times) -> Front {
    let doorman = hosted::doorman(handle.clone(), PATIENCE);
    let house = Arc::new(House { handle, packet_max: 1 << 16, mail: MailAuth::Open, times });
    let mut routes = Routes::new(Origins::default());
    routes.socket("/ws", None, 1 << 16, move |joined| talk(joined, house.clone()));
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    Front::bind(doorman, vec![Listen { address, kind: Kind::Tcp }], routes).unwrap()
}

struct Client {
    stream: TcpStream,
}

impl Client {
    fn frame(&mut self, first: u8, payload: &str) {
        self.begin(first, payload, payload.len());
    }

    /// The head of a frame that says so many bytes, and some of them; the mask changes nothing.
    fn begin(&mut self, first: u8, some: &str, length: usize) {
        let head = [first, 0x80 | u8::try_from(length).unwrap(), 0, 0, 0, 0];
        // Who has been closed meanwhile finds it out by reading.
        let _ = self.stream.write_all(&[&head, some.as_bytes()].concat());
    }

    fn more(&mut self, payload: &str) {
        let _ = self.stream.write_all(payload.as_bytes());
    }

    /// The next frame, which is a short one.
    fn next(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).expect("a frame");
        let mut payload = vec![0; head[1].into()];
        self.stream.read_exact(&mut payload).expect("its payload");
        (head[0], payload)
    }

    /// It is told that it is closed, and why; pings are answered.
    fn closed(&mut self) -> u16 {
        loop {
            match self.next() {
                (CLOSE, why) => return u16::from_be_bytes([why[0], why[1]]),
                (PING, _) => self.frame(PONG, ""),
                (PONG, _) => {}
                (other, payload) => panic!("{other:#x} {payload:?}"),
            }
        }
    }

    fn is_heard(&mut self) {
        self.frame(FIN_TEXT, "PING");
        loop {
            match self.next() {
                (PING, _) => self.frame(PONG, ""),
                (first, said) => return assert_eq!((first, &said[..]), (FIN_TEXT, &b"PONG"[..])),
            }
        }
    }
}

fn times() -> Times {
    Times { silence: LONG, alive: LONG, first_words: LONG, message: LONG }
}

#[test]
fn con_12_who_never_says_anything_is_closed_though_he_lives_and_who_has_spoken_is_not() {
    let server = Server::start(Times { first_words: SHORT, silence: SHORT, ..times() });
    let (mut mute, mut pinging) = (server.open(), server.open());
    pinging.frame(PING, "");
    assert_eq!((mute.closed(), pinging.closed()), (GOING_AWAY, GOING_AWAY));
    // A busy machine may be late even for one who speaks at once: then he comes again.
    let stays = (0..100).any(|_| {
        let mut client = server.open();
        client.frame(FIN_TEXT, "PING");
        match client.next() {
            (FIN_TEXT, said) => {
                assert_eq!(said, b"PONG");
                // The time for first words is over when he has been asked so often; he is heard still.
                (0..3).for_each(|_| {
                    assert_eq!(client.next().0, PING);
                    client.frame(PONG, "");
                });
                client.is_heard();
                true
            }
            _ => false,
        }
    });
    assert!(stays);
}

#[test]
fn con_12_a_message_that_was_begun_and_is_not_ended_closes_whatever_comes_between_its_frames() {
    let server = Server::start(Times { message: SHORT, ..times() });
    // Within a frame, after its head, and between two frames of a message.
    let beginnings: [fn(&mut Client); 3] = [
        |client| client.begin(FIN_TEXT, "PI", 4),
        |client| client.begin(FIN_TEXT, "", 4),
        |client| client.frame(TEXT, "PI"),
    ];
    for begin in beginnings {
        let mut client = server.open();
        client.is_heard();
        begin(&mut client);
        assert_eq!(client.closed(), GOING_AWAY);
    }
    // Signs of life between the frames make no difference.
    let mut client = server.open();
    client.frame(TEXT, "PI");
    let since = Instant::now();
    loop {
        client.frame(PING, "");
        match client.next() {
            (PONG, _) if since.elapsed() < PATIENCE => client.frame(CONTINUED, ""),
            (first, why) => {
                assert_eq!((first, &why[..2]), (CLOSE, &GOING_AWAY.to_be_bytes()[..]));
                break;
            }
        }
    }
}

#[test]
fn con_12_a_message_that_comes_in_its_time_is_heard_in_whatever_pieces() {
    let server = Server::start(Times { first_words: SHORT / 10, silence: SHORT / 10, ..times() });
    let heard = (0..100).any(|_| {
        let mut client = server.open();
        client.frame(FIN_TEXT, "PING");
        if client.next().0 != FIN_TEXT {
            return false;
        }
        client.frame(TEXT, "P");
        // Long after its beginning: he has been asked meanwhile whether he lives.
        assert_eq!(client.next().0, PING);
        client.frame(PONG, "");
        client.begin(FIN_CONTINUED, "IN", 3);
        assert_eq!(client.next().0, PING);
        client.more("G");
        loop {
            match client.next() {
                (PING, _) => client.frame(PONG, ""),
                (first, said) => break assert_eq!((first, &said[..]), (FIN_TEXT, &b"PONG"[..])),
            }
        }
        true
    });
    assert!(heard);
}

#[test]
fn heart_3_who_is_silent_is_asked_and_stays_as_long_as_he_answers() {
    let server = Server::start(Times { silence: SHORT, ..times() });
    let mut client = server.open();
    client.is_heard();
    for _ in 0..3 {
        assert_eq!(client.next(), (PING, Vec::new()));
        client.frame(PONG, "");
    }
    client.is_heard();

    let server = Server::start(Times { silence: SHORT, alive: SHORT, ..times() });
    let mut client = server.open();
    // Asked once, he says nothing.
    assert_eq!(client.next(), (PING, Vec::new()));
    let (first, why) = client.next();
    assert_eq!((first, &why[..2]), (CLOSE, &GOING_AWAY.to_be_bytes()[..]));
}
