//! The scenes of `tests/scenes`, played unchanged against the real program over MQTT 5.0 and 3.1.1, a server for each file.

mod support;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use scene::{Daemon, Hello, Live, SERVICE_HASH, Stage, Version, live_file};
use support::Server;

/// The real program as a stage.
struct Real(Server);

impl Daemon for Real {
    fn address(&self) -> SocketAddr {
        self.0.mqtt()
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
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/scenes").join(file);
    let hash: String = SERVICE_HASH.iter().map(|byte| format!("{byte:02x}")).collect();
    let service = format!("auth.sys_secret = \"{hash}\"");
    for version in [Version::V5, Version::V4] {
        live_file(&path, &mut Real(Server::start_with(&service)), version);
    }
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

/// With limits: what comes faster than it may is taken when it is due, and all of it is.
#[test]
fn sec_13_beyond_their_rate_messages_wait_and_none_is_refused() {
    const ACKS: usize = 12_400;
    let mut real = Real(Server::start_with("limits = true"));
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
    let due = Duration::from_millis((ACKS as u64 - 10_000) / 2);
    assert!(began.elapsed() >= due, "{ACKS} in {:?}, not before {due:?}", began.elapsed());
}
