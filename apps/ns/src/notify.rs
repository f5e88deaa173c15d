//! Telling secondaries that the zone has changed (NOTIFY, RFC 1996).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::kind;
use crate::query::{AA, HEADER, QR};
use crate::server::now;
use crate::tsig::{Fault, Seal, Secret};
use crate::zone::Zone;

const NOTIFY: u16 = 4 << 11;
const OPCODE: u16 = 0xF << 11;
const RCODE: u16 = 0xF;
/// Bytes of an answer, which has the question and may have a signature.
const ANSWER_MAX: usize = 1024;
/// How long an answer is waited for, each time it is asked again; then the secondary finds out by itself.
const WAITS_S: [u64; 5] = [1, 2, 4, 8, 16];

/// What a secondary has said to the news of the latest change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Nothing yet.
    Nothing,
    /// It knows of the zone with this number.
    Knows(u32),
    /// It refuses to hear of it, by this RCODE.
    Refuses(u16),
    /// It does not take our signature.
    Distrusts(Fault),
    /// It does not answer, and is asked no more.
    Silent,
    /// It could not be asked.
    Unreachable(String),
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Heard::Nothing => f.write_str("is being told of the change"),
            Heard::Knows(serial) => write!(f, "knows of serial {serial}"),
            Heard::Refuses(code) => write!(f, "refuses to hear of the change (RCODE {code})"),
            Heard::Distrusts(fault) => write!(f, "does not take our signature: {fault}"),
            Heard::Silent => f.write_str("does not answer"),
            Heard::Unreachable(why) => write!(f, "cannot be told of the change: {why}"),
        }
    }
}

/// Tells one secondary, until it has understood; `note` takes what it says.
pub(crate) async fn tell(secondary: SocketAddr, zone: &Zone, secret: Option<&Arc<Secret>>, note: impl Fn(Heard)) {
    let mut fault = None;
    let note = |heard: Heard| {
        let serial = zone.serial();
        match &heard {
            Heard::Knows(_) => tracing::info!(%secondary, serial, "a secondary knows of the change"),
            other => tracing::warn!(%secondary, serial, "a secondary {other}"),
        }
        note(heard);
    };
    let told = try_to_tell(secondary, zone, secret, &mut |said| {
        // Once: it is asked again, for another may have said so in its name.
        if fault.replace(said) != Some(said) {
            note(Heard::Distrusts(said));
        }
    })
    .await;
    match told {
        Ok(Some(0)) => note(Heard::Knows(zone.serial())),
        Ok(Some(code)) => note(Heard::Refuses(code)),
        Ok(None) if fault.is_some() => {}
        Ok(None) => note(Heard::Silent),
        Err(failure) => note(Heard::Unreachable(failure.to_string())),
    }
}

/// The RCODE of its answer, if there is one that counts; what it says is wrong with the signature goes to `faulty`.
async fn try_to_tell(
    secondary: SocketAddr,
    zone: &Zone,
    secret: Option<&Arc<Secret>>,
    faulty: &mut impl FnMut(Fault),
) -> io::Result<Option<u16>> {
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
        let answered = answered(&socket, &message, seal.as_ref(), faulty);
        if let Ok(code) = timeout(Duration::from_secs(wait), answered).await {
            return Ok(Some(code));
        }
    }
    Ok(None)
}

/// Where there is a key an answer without its signature is nobody's.
async fn answered(socket: &UdpSocket, message: &[u8], seal: Option<&Seal>, faulty: &mut impl FnMut(Fault)) -> u16 {
    let mut packet = [0; ANSWER_MAX];
    loop {
        match socket.recv(&mut packet).await {
            Ok(length) => {
                let answer = packet.get(..length).unwrap_or_default();
                let Some(code) = code(answer).filter(|_| answer.first_chunk::<2>() == message.first_chunk()) else {
                    continue;
                };
                match seal {
                    Some(seal) if !seal.opens(answer, now()) => seal.fault(answer).into_iter().for_each(&mut *faulty),
                    Some(_) | None => return code,
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
