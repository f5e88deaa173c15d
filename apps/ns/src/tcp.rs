//! Questions by TCP, and transfers.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::answer::{Outcome, Via, respond};
use crate::server::{Shared, now};
use crate::transfer;
use crate::tsig::Seal;

/// Connections at a time; further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 256;
/// Connections of one host at a time, which of IPv6 has a whole network; further ones are closed.
const PER_ADDRESS_MAX: usize = 16;
/// Questions on one connection; then it is closed.
const QUESTIONS_MAX: usize = 1000;
/// Transfers at a time; further ones wait.
pub(crate) const TRANSFERS_MAX: usize = 4;
/// For the next question to come whole.
const IDLE: Duration = Duration::from_secs(10);
/// For a message to be taken.
const TAKE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(100);

/// How many connections each host has.
#[derive(Default)]
struct Guests(Mutex<HashMap<IpAddr, usize>>);

/// Accepts until its runtime ends.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let guests = Arc::new(Guests::default());
    while let Ok(place) = places.clone().acquire_owned().await {
        match listener.accept().await {
            Ok((stream, source)) => {
                let (shared, guests) = (shared.clone(), guests.clone());
                tokio::spawn(async move {
                    if guests.enter(source.ip()) {
                        if let Err(failure) = converse(stream, source, &shared).await {
                            tracing::debug!(%failure, %source, "a connection ended early");
                        }
                        guests.leave(source.ip());
                    }
                    drop(place);
                });
            }
            Err(failure) => {
                tracing::warn!(%failure, "no connection can be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn converse(mut stream: TcpStream, source: SocketAddr, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut question, mut out) = (Vec::new(), Vec::new());
    for _ in 0..QUESTIONS_MAX {
        if !timeout(IDLE, read(&mut stream, &mut question)).await?? {
            break;
        }
        let (zone, friends) = (shared.zone.load_full(), shared.friends.load_full());
        match respond(&zone, friends.known(), &question, Via::Tcp, &mut out) {
            Outcome::Silence => break,
            Outcome::Reply { asked, .. } => {
                shared.tally.count(asked, &shared.tally.tcp);
                write(&mut stream, &out).await?;
            }
            Outcome::Transfer(mut seal) if transfer::is_allowed(&friends.secondaries, source.ip(), seal.as_ref()) => {
                let _turn = shared.transfers.acquire().await.map_err(io::Error::other)?;
                shared.tally.transfers.fetch_add(1, Ordering::Relaxed);
                tracing::info!(%source, serial = zone.serial(), "a secondary copies the zone");
                for mut message in transfer::messages(&zone, &question) {
                    if let Some(seal) = &mut seal {
                        seal.close(&mut message, now());
                    }
                    write(&mut stream, &message).await?;
                }
            }
            Outcome::Transfer(seal) => {
                shared.tally.refused.fetch_add(1, Ordering::Relaxed);
                let signed = seal.is_some();
                tracing::warn!(%source, signed, "who is no secondary, or shows not its key, wants to copy the zone");
                write(&mut stream, &refused(&question, seal)).await?;
            }
        }
    }
    stream.shutdown().await
}

/// False at the end of the connection.
async fn read(stream: &mut TcpStream, question: &mut Vec<u8>) -> io::Result<bool> {
    let length = match stream.read_u16().await {
        Ok(length) => length,
        Err(end) if end.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        Err(failure) => return Err(failure),
    };
    question.resize(length.into(), 0);
    stream.read_exact(question).await.map(|_| true)
}

async fn write(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    let framed = [&length.to_be_bytes(), message].concat();
    timeout(TAKE, stream.write_all(&framed)).await?
}

/// The question itself, answered with a refusal.
fn refused(question: &[u8], seal: Option<Seal>) -> Vec<u8> {
    use crate::query::{self, QR, RD};
    use crate::reply::Code;
    let Ok(query) = query::read(question) else { return Vec::new() };
    let flags = QR | query.flags & RD | Code::Refused as u16;
    let head = [query.id, flags, 1, 0, 0, 0];
    let head = head.iter().flat_map(|number| number.to_be_bytes());
    let mut answer = head.chain(query.question.iter().copied()).collect();
    if let Some(mut seal) = seal {
        seal.close(&mut answer, now());
    }
    answer
}

/// Who has one address of IPv6 has its network.
fn host(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(own) => Ipv6Addr::from_bits(own.to_bits() >> 64 << 64).into(),
        own @ IpAddr::V4(_) => own,
    }
}

impl Guests {
    fn enter(&self, address: IpAddr) -> bool {
        let address = host(address);
        let mut guests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = guests.entry(address).or_default();
        let has_room = *number < PER_ADDRESS_MAX;
        *number += usize::from(has_room);
        has_room
    }

    fn leave(&self, address: IpAddr) {
        let address = host(address);
        let mut guests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = guests.get_mut(&address) {
            *number = number.saturating_sub(1);
            if *number == 0 {
                guests.remove(&address);
            }
        }
    }
}
