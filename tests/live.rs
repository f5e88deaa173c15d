//! The scenes of `tests/scenes`, played unchanged against the real program over MQTT 5.0 and 3.1.1, a server for each file; some of them
//! by other carriers as well, and with `CHAT_CARRIER=tls`, `ws`, `wss` or `quic` all of them by that.

mod support;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use scene::{Daemon, Frames, Hello, Live, SERVICE_HASH, Stage, Version, Wire, live_file, records_file};
use support::Server;
use support::carrier::{self, Carrier};

/// The real program as a stage.
struct Real(Server, Carrier);

impl Daemon for Real {
    fn address(&self) -> SocketAddr {
        self.0.mqtt()
    }

    fn open(&self) -> std::io::Result<Box<dyn Wire>> {
        carrier::open(&self.0, self.1)
    }

    fn join(&self) -> std::io::Result<Box<dyn Frames>> {
        carrier::talk(&self.0, self.1)
    }

    fn crash(&mut self) -> Result<(), String> {
        self.0.kill();
        self.0.restart();
        Ok(())
    }

    fn pushes(&self, client: &str) -> Vec<String> {
        self.0.pushes(client)
    }

    fn code(&self, phone: &str) -> Option<String> {
        self.0.codes(phone).pop()
    }
}

fn play(file: &str) {
    match Carrier::asked() {
        Some(carrier) => play_over(file, carrier, &[Version::V5]),
        None => play_over(file, Carrier::Tcp, &[Version::V5, Version::V4]),
    }
}

fn play_over(file: &str, carrier: Carrier, versions: &[Version]) {
    for version in versions {
        live_file(&path(file), &mut real(carrier), *version);
    }
}

fn path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/scenes").join(file)
}

/// One that takes the word of everybody on `/ws`, by whatever he comes (MAIL-2), has a secret for services, and wants certificates on free
/// topics.
fn real(carrier: Carrier) -> Real {
    let hash: String = SERVICE_HASH.iter().map(|byte| format!("{byte:02x}")).collect();
    let lines = format!("auth.sys_secret = \"{hash}\"\nmail.auth = \"open\"\nmqtt.plain = \"cert\"");
    Real(Server::start_with(&lines), carrier)
}

macro_rules! scenes {
    ($($name:ident = $file:literal,)+) => {
        $(#[test]
        fn $name() {
            play($file);
        })+
    };
}

scene::every_file!(scenes);

/// What a connection goes through by another carrier: all of its life, and much at once. The calls do not know of it.
#[test]
fn con_2_scenes_over_websocket() {
    for file in ["traces.chat", "connections.chat", "topics.chat"] {
        play_over(file, Carrier::Ws, &[Version::V5]);
    }
    play_over("traces.chat", Carrier::Ws, &[Version::V4]);
}

#[test]
fn con_2_scenes_over_websocket_and_tls() {
    for file in ["traces.chat", "delivery.chat"] {
        play_over(file, Carrier::Wss, &[Version::V5]);
    }
}

#[test]
fn con_1_scenes_over_mutual_tls() {
    for file in ["traces.chat", "delivery.chat"] {
        play_over(file, Carrier::Tls, &[Version::V5]);
    }
}

#[test]
fn con_1_scenes_over_quic() {
    for file in ["traces.chat", "delivery.chat", "topics.chat"] {
        play_over(file, Carrier::Quic, &[Version::V5]);
    }
    play_over("traces.chat", Carrier::Quic, &[Version::V4]);
}

/// The traces where no MQTT is: T-1 to T-5, T-7 and T-8 by records on `/ws`, in the clear and over TLS. T-6 is about topics.
#[test]
fn con_2_traces_by_records_on_ws() {
    for carrier in [Carrier::Ws, Carrier::Wss] {
        records_file(&path("traces.chat"), &mut real(carrier));
    }
}

/// With limits: what comes faster than it may is taken when it is due, and all of it is.
#[test]
fn sec_13_beyond_their_rate_messages_wait_and_none_is_refused() {
    const ACKS: usize = 12_400;
    let mut real = Real(Server::start_with("limits = true"), Carrier::Tcp);
    let mut live = Live::new(&mut real, Version::V5);
    let hello = Hello { client_id: "reg_flood".to_owned(), ..Hello::default() };
    assert_eq!(live.connect("flood", &hello), Ok(0));
    let ack = etf::encode(&proto::records::Ack { id: Some("none".into()), ..Default::default() });

    let began = Instant::now();
    let mut codes = Vec::new();
    while codes.len() < ACKS {
        for _ in 0..usize::from(proto::limits::RECEIVE_MAX).min(ACKS - codes.len()) {
            live.publish("flood", "events/1//api/anon//", ack.clone()).expect("it is connected");
        }
        codes.extend(live.acknowledged("flood").expect("it is connected"));
        assert_eq!(live.closed("flood"), Ok(None));
    }
    assert!(codes.iter().all(|code| *code == 0), "one was refused");
    // The server counts whole milliseconds: it may have begun one, and ended one, a part of it earlier.
    let due = Duration::from_millis((ACKS as u64 - 10_000) / 2 - 2);
    assert!(began.elapsed() >= due, "{ACKS} in {:?}, not before {due:?}", began.elapsed());
}
