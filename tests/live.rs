//! The scenes of `tests/scenes`, played unchanged against the real program over MQTT 5.0 and 3.1.1, a server for each file.

mod support;

use std::net::SocketAddr;
use std::path::PathBuf;

use scene::{Daemon, SERVICE_HASH, Version, live_file};
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
