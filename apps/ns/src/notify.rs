//! Telling secondaries that the zone has changed (NOTIFY, RFC 1996).

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::kind;
use crate::query::{AA, HEADER, QR};
use crate::server::now;
use crate::tsig::{Seal, Secret};
use crate::zone::Zone;

const NOTIFY: u16 = 4 << 11;
const OPCODE: u16 = 0xF << 11;
const RCODE: u16 = 0xF;
/// Bytes of an answer, which has the question and may have a signature.
const ANSWER_MAX: usize = 1024;
/// How long an answer is waited for, each time it is asked again; then the secondary finds out by itself.
const WAITS_S: [u64; 5] = [1, 2, 4, 8, 16];

/// Tells one secondary, until it has understood.
pub(crate) async fn tell(secondary: SocketAddr, zone: &Zone, secret: Option<&Arc<Secret>>) -> bool {
    let told = try_to_tell(secondary, zone, secret).await;
    match &told {
        Ok(Some(0)) => tracing::info!(%secondary, serial = zone.serial(), "a secondary knows of the change"),
        Ok(Some(code)) => {
            tracing::warn!(%secondary, serial = zone.serial(), code, "a secondary refuses to hear of the change");
        }
        Ok(None) => tracing::warn!(%secondary, serial = zone.serial(), "a secondary does not answer"),
        Err(failure) => tracing::warn!(%secondary, %failure, "a secondary cannot be told of a change"),
    }
    matches!(told, Ok(Some(0)))
}

/// The RCODE of its answer, if there is one.
async fn try_to_tell(secondary: SocketAddr, zone: &Zone, secret: Option<&Arc<Secret>>) -> io::Result<Option<u16>> {
    let any: SocketAddr = match secondary {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(secondary).await?;
    let plain = message(zone)?;
    for wait in WAITS_S {
        let (mut message, mut seal) = (plain.clone(), secret.map(Secret::seal));
        if let Some(seal) = &mut seal {
            seal.close(&mut message, now());
        }
        // Who is not there may be there later.
        let _ = socket.send(&message).await;
        if let Ok(code) = timeout(Duration::from_secs(wait), answered(&socket, &message, seal.as_ref())).await {
            return Ok(Some(code));
        }
    }
    Ok(None)
}

/// Where there is a key an answer without its signature is nobody's.
async fn answered(socket: &UdpSocket, message: &[u8], seal: Option<&Seal>) -> u16 {
    let mut packet = [0; ANSWER_MAX];
    loop {
        match socket.recv(&mut packet).await {
            Ok(length) => {
                let answer = packet.get(..length).unwrap_or_default();
                if answer.first_chunk::<2>() == message.first_chunk()
                    && let Some(code) = code(answer)
                    && seal.is_none_or(|seal| seal.opens(answer, now()))
                {
                    return code;
                }
            }
            // Nobody listens there; until it is asked again somebody may.
            Err(_) => std::future::pending().await,
        }
    }
}

/// The RCODE of an answer to NOTIFY.
fn code(packet: &[u8]) -> Option<u16> {
    let [_, _, high, low, ..] = packet.first_chunk::<HEADER>().copied()?;
    let flags = u16::from_be_bytes([high, low]);
    (flags & (QR | OPCODE) == QR | NOTIFY).then_some(flags & RCODE)
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
