//! What the web front answers: the table of routes, to which each part adds its own.

use std::sync::Arc;

use chat::{Chat, Vault};
use mqtt::Front;
use web::{House, Joined, Origins, Routes, Times, text};
use websocket::{Carried, MQTT};

use crate::enrol::Office;
use crate::failure::Failure;
use crate::ftp::Depot;
use crate::keys;
use crate::settings::Settings;

pub(crate) fn routes(
    settings: &Settings,
    office: Arc<Office>,
    depot: Arc<Depot>,
    vault: Vault,
    front: &Arc<Front>,
    handle: &n2o::Handle<Chat>,
) -> Result<Routes, Failure> {
    let mut routes = Routes::new(Origins { others: settings.web.origins.clone(), names: keys::names(settings) });
    routes.get("/", |_| async { text(concat!("CHAT ", env!("CARGO_PKG_VERSION"), "\n")) });
    // For those who watch whether a server serves; it says nothing else.
    routes.get("/health", |_| async { text("ok\n") });
    sockets(&mut routes, settings, front, handle);
    office.open(vault, &mut routes)?;
    depot.open(&mut routes);
    Ok(routes)
}

/// CON-2: MQTT for those who offer it, else the framing of N2O.
fn sockets(routes: &mut Routes, settings: &Settings, front: &Arc<Front>, handle: &n2o::Handle<Chat>) {
    let packet_max = settings.mqtt.packet_max;
    for path in ["/mqtt", "/"] {
        let front = front.clone();
        routes.socket(path, Some(MQTT), packet_max, move |joined: Joined| {
            let front = front.clone();
            async move {
                let Joined { socket, peer, .. } = joined;
                if let Some(ticket) = peer.ticket() {
                    front.carry(Carried::new(socket), peer.certificate.clone(), ticket).await;
                }
            }
        });
    }
    let (handle, mail, times) = (handle.clone(), settings.mail.web(), Times::default());
    let house = Arc::new(House { handle, packet_max, mail, times });
    for path in ["/ws", "/ws/", "/"] {
        let house = house.clone();
        routes.socket(path, None, packet_max, move |joined| web::talk(joined, house.clone()));
    }
}
