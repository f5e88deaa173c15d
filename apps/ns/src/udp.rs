//! Questions by UDP: each thread takes one, answers it, takes the next.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use crate::answer::{Outcome, Via, respond};
use crate::rate::Ruling;
use crate::server::Shared;

/// Bytes of a question that are read; a longer one is none.
const PACKET_MAX: usize = 4096;
/// After an error that will not go away at once.
const PAUSE: Duration = Duration::from_millis(10);

/// Answers until the server is dropped.
pub(crate) fn serve(socket: &UdpSocket, shared: &Arc<Shared>) {
    let mut packet = [0; PACKET_MAX];
    let mut out = Vec::with_capacity(PACKET_MAX);
    while !shared.is_over.load(Ordering::Relaxed) {
        match socket.recv_from(&mut packet) {
            Ok((length, source)) if source.port() != 0 => {
                let question = packet.get(..length).unwrap_or_default();
                if answer(shared, question, source.ip(), &mut out) {
                    send(socket, &out, source);
                }
            }
            Ok(_) => {}
            // Time to see whether the server is over.
            Err(failure) if matches!(failure.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(failure) if failure.kind() == ErrorKind::Interrupted => {}
            Err(failure) => {
                tracing::debug!(%failure, "no question can be received");
                thread::sleep(PAUSE);
            }
        }
    }
}

/// False when there is nothing to be sent.
fn answer(shared: &Shared, question: &[u8], source: IpAddr, out: &mut Vec<u8>) -> bool {
    let (zone, friends) = (shared.zone.load(), shared.friends.load());
    let known = friends.known();
    let Outcome::Reply { asked, about } = respond(&zone, known, question, Via::Udp, out) else { return false };
    shared.tally.count(asked, &shared.tally.udp);
    let ruling = match &shared.limiter {
        Some(limiter) => limiter.rule(source, &about, shared.now_us()),
        None => Ruling::Send,
    };
    match ruling {
        Ruling::Send => true,
        Ruling::Shorten => {
            shared.tally.limited.fetch_add(1, Ordering::Relaxed);
            respond(&zone, known, question, Via::UdpTooOften, out) != Outcome::Silence
        }
        Ruling::Drop => {
            shared.tally.limited.fetch_add(1, Ordering::Relaxed);
            false
        }
    }
}

fn send(socket: &UdpSocket, answer: &[u8], to: SocketAddr) {
    if let Err(failure) = socket.send_to(answer, to) {
        // As if it was lost on its way: who asks asks again.
        tracing::debug!(%failure, "an answer cannot be sent");
    }
}
