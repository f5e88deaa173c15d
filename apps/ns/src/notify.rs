//! Telling secondaries that the zone has changed (NOTIFY, RFC 1996).

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::kind;
use crate::query::{AA, HEADER, QR};
use crate::zone::Zone;

const NOTIFY: u16 = 4 << 11;
/// How long an answer is waited for, each time it is asked again; then the secondary finds out by itself.
const WAITS_S: [u64; 5] = [1, 2, 4, 8, 16];

/// Tells one secondary, until it has understood.
pub(crate) async fn tell(secondary: SocketAddr, zone: &Zone) {
    match try_to_tell(secondary, zone).await {
        Ok(true) => tracing::info!(%secondary, serial = zone.serial(), "a secondary knows of the change"),
        Ok(false) => tracing::warn!(%secondary, serial = zone.serial(), "a secondary does not answer"),
        Err(failure) => tracing::warn!(%secondary, %failure, "a secondary cannot be told of a change"),
    }
}

async fn try_to_tell(secondary: SocketAddr, zone: &Zone) -> io::Result<bool> {
    let any: SocketAddr = match secondary {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(secondary).await?;
    let message = message(zone)?;
    for wait in WAITS_S {
        // Who is not there may be there later.
        let _ = socket.send(&message).await;
        if timeout(Duration::from_secs(wait), understood(&socket, &message)).await.is_ok() {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn understood(socket: &UdpSocket, message: &[u8]) {
    let mut answer = [0; HEADER];
    loop {
        match socket.recv(&mut answer).await {
            Ok(_) if answer.first_chunk::<2>() == message.first_chunk() && is_answer(&answer) => return,
            Ok(_) => {}
            // Nobody listens there; until it is asked again somebody may.
            Err(_) => std::future::pending().await,
        }
    }
}

fn is_answer(packet: &[u8; HEADER]) -> bool {
    let [_, _, high, low, ..] = *packet;
    u16::from_be_bytes([high, low]) & (QR | NOTIFY) == QR | NOTIFY
}

fn message(zone: &Zone) -> io::Result<Vec<u8>> {
    let mut id = [0; 2];
    aws_lc_rs::rand::fill(&mut id).map_err(io::Error::other)?;
    let mut message = id.to_vec();
    for number in [NOTIFY | AA, 1, 0, 0, 0] {
        message.extend(number.to_be_bytes());
    }
    message.extend(&*zone.origin);
    message.extend(kind::SOA.to_be_bytes());
    message.extend(kind::IN.to_be_bytes());
    Ok(message)
}
