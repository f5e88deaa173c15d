//! The scenes of `tests/scenes`, played unchanged against the real program over MQTT 5.0 and 3.1.1, a server for each file.

mod support;

use std::net::SocketAddr;
use std::path::PathBuf;

use scene::{Daemon, Version, live_file};
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

    fn code(&self, phone: &str) -> Option<String> {
        self.0.codes(phone).pop()
    }
}

fn play(file: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/scenes").join(file);
    for version in [Version::V5, Version::V4] {
        live_file(&path, &mut Real(Server::start()), version);
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

scenes! {
    traces_t_1_t_2_t_3_t_4_t_6 = "traces.chat",
    init_1_io_1_and_encoding_c_1 = "general.chat",
    auth_1_to_16 = "auth.chat",
    con_3_to_12 = "connections.chat",
    topic_1_to_14 = "topics.chat",
    profile_1_and_4_feature_1 = "profile.chat",
    roster_1_to_7 = "roster.chat",
    friend_1_to_10 = "friend.chat",
    presence_1_to_7 = "presence.chat",
    message_1_to_17 = "message.chat",
    history_1_to_14 = "history.chat",
    delivery_dlv_1_to_15 = "delivery.chat",
}
