//! Many connections in one thread: one poll, read all that is ready, think once, write each connection once.
//!
//! There is no task per connection and no wake-up per message, so that the generator leaves the machine to the server.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::ops::Range;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use super::wire::{Route, Wire};
use crate::Error;
use crate::mqtt::{self, Connect, Packet, Version};

/// Connections that are being opened at one time: more would only overflow the server's accept queue.
const OPENING_MAX: usize = 64;
/// Bytes read from one connection before the next one's turn.
const READ_MAX: usize = 256 * 1024;
/// Largest packet taken, in bytes.
const PACKET_MAX: usize = 1024 * 1024;
/// Seconds; longer than any run, so no pings disturb it (SPEC section 11).
const KEEP_ALIVE: u16 = 1200;

/// One connection to open.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) route: Route,
    pub(super) client_id: String,
    pub(super) password: Option<String>,
    /// Our Receive Maximum.
    pub(super) receive_max: u16,
}

/// What the load is: reacts to packets, and decides once a round.
pub(super) trait Work {
    /// A packet has come on connection `at`, the CONNACK included; CONNACKs that refuse end the run before.
    fn packet(&mut self, at: usize, packet: &Packet<'_>, now: Instant, outs: &mut Outs) -> Result<(), Error>;

    /// Everything that was there has been read; what is put out now goes out with one write per connection.
    fn round(&mut self, now: Instant, outs: &mut Outs) -> Result<Next, Error>;
}

/// What a round decided.
pub(super) enum Next {
    /// Go on when something comes, or after this long.
    Wait(Duration),
    Done,
}

/// What waits to be written, by connection.
pub(super) struct Outs {
    buffers: Vec<Vec<u8>>,
    dirty: Vec<usize>,
    is_dirty: Vec<bool>,
}

impl Outs {
    /// The buffer of connection `at`, to be written after this round.
    pub(super) fn to(&mut self, at: usize) -> &mut Vec<u8> {
        if let Some(flag) = self.is_dirty.get_mut(at)
            && !std::mem::replace(flag, true)
        {
            self.dirty.push(at);
        }
        #[expect(clippy::expect_used, reason = "buffers are as many as targets, and `at` counts targets")]
        self.buffers.get_mut(at).expect("a connection of this fleet")
    }
}

pub(super) struct Fleet {
    poll: Poll,
    conns: Vec<Option<Conn>>,
    waiting: VecDeque<(usize, Target)>,
    opening: usize,
    outs: Outs,
    scratch: Vec<u8>,
    /// Connections from here to there are not read.
    deaf: Range<usize>,
}

struct Conn {
    wire: Wire,
    /// The beginning of a packet whose end has not come.
    left: Vec<u8>,
}

impl Fleet {
    pub(super) fn new(targets: Vec<Target>) -> Result<Fleet, Error> {
        let count = targets.len();
        let outs = Outs { buffers: vec![Vec::new(); count], dirty: Vec::new(), is_dirty: vec![false; count] };
        Ok(Fleet {
            poll: Poll::new()?,
            conns: std::iter::repeat_with(|| None).take(count).collect(),
            waiting: targets.into_iter().enumerate().collect(),
            opening: 0,
            outs,
            scratch: vec![0; READ_MAX],
            deaf: 0..0,
        })
    }

    /// Runs until the work is done. May be called again with other work on the same connections.
    pub(super) fn run(&mut self, work: &mut impl Work) -> Result<(), Error> {
        let mut events = Events::with_capacity(1024);
        loop {
            self.open_some()?;
            let next = work.round(Instant::now(), &mut self.outs)?;
            self.write_dirty()?;
            let Next::Wait(wait) = next else { return Ok(()) };
            let wait = self.tick(Instant::now())?.map_or(wait, |due| due.min(wait));
            match self.poll.poll(&mut events, Some(wait)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                done => done?,
            }
            for event in &events {
                let at = event.token().0;
                if event.is_writable() {
                    self.outs.to(at);
                }
                if (event.is_readable() || event.is_read_closed()) && !self.deaf.contains(&at) {
                    self.read(at, work)?;
                }
            }
        }
    }

    /// Lets the carriers that have clocks of their own do what is due; how long nothing is.
    fn tick(&mut self, now: Instant) -> Result<Option<Duration>, Error> {
        let mut next: Option<Instant> = None;
        for at in 0..self.conns.len() {
            let Some(Some(conn)) = self.conns.get_mut(at).filter(|_| !self.deaf.contains(&at)) else { continue };
            if conn.wire.due().is_some_and(|due| due <= now) {
                conn.wire.tick(now)?;
                self.outs.to(at);
            }
            let due = conn.wire.due();
            next = next.into_iter().chain(due).min();
        }
        self.write_dirty()?;
        Ok(next.map(|due| due.saturating_duration_since(now)))
    }

    /// What comes on these connections from now on stays where it is.
    pub(super) fn stop_reading(&mut self, which: Range<usize>) {
        self.deaf = which;
    }

    /// Ends these connections without a word.
    pub(super) fn leave(&mut self, which: Range<usize>) {
        self.conns.get_mut(which).unwrap_or_default().iter_mut().for_each(|conn| *conn = None);
    }

    /// Says good-bye on every connection.
    pub(super) fn close(mut self) {
        for at in 0..self.conns.len() {
            mqtt::disconnect(self.outs.to(at));
        }
        let _ = self.write_dirty();
    }

    fn open_some(&mut self) -> Result<(), Error> {
        while self.opening < OPENING_MAX
            && let Some((at, target)) = self.waiting.pop_front()
        {
            let mut wire = Wire::connect(target.route)?;
            wire.register(self.poll.registry(), Token(at))?;
            let connect = Connect {
                version: Version::V5,
                client_id: &target.client_id,
                password: target.password.as_deref().map(str::as_bytes),
                keep_alive: KEEP_ALIVE,
                receive_max: target.receive_max,
                packet_max: PACKET_MAX as u32,
            };
            mqtt::connect(self.outs.to(at), &connect);
            if let Some(slot) = self.conns.get_mut(at) {
                *slot = Some(Conn { wire, left: Vec::new() });
            }
            self.opening += 1;
        }
        Ok(())
    }

    /// Reads connection `at` until nothing is left, handing each whole packet to the work.
    fn read(&mut self, at: usize, work: &mut impl Work) -> Result<(), Error> {
        let Some(conn) = self.conns.get_mut(at).and_then(Option::as_mut) else { return Ok(()) };
        loop {
            let count = match conn.wire.read(&mut self.scratch) {
                Ok(0) => return Err(Error::Disconnected),
                Ok(count) => count,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            let now = Instant::now();
            let fresh = self.scratch.get(..count).unwrap_or_default();
            let mut bytes = fresh;
            let mut joined = std::mem::take(&mut conn.left);
            if !joined.is_empty() {
                joined.extend_from_slice(fresh);
                bytes = &joined;
            }
            while let Some((packet, used)) = mqtt::decode(bytes, Version::V5, PACKET_MAX)? {
                if let Packet::ConnAck(connack) = &packet {
                    if connack.code != 0 {
                        return Err(Error::NotAccepted(connack.code));
                    }
                    self.opening = self.opening.saturating_sub(1);
                }
                work.packet(at, &packet, now, &mut self.outs)?;
                bytes = bytes.get(used..).unwrap_or_default();
            }
            conn.left = bytes.to_vec();
            if conn.wire.drains_by_short_read() && count < READ_MAX {
                break;
            }
        }
        if conn.wire.wants_write() {
            self.outs.to(at);
        }
        Ok(())
    }

    fn write_dirty(&mut self) -> Result<(), Error> {
        let Outs { buffers, dirty, is_dirty } = &mut self.outs;
        for at in dirty.drain(..) {
            if let Some(flag) = is_dirty.get_mut(at) {
                *flag = false;
            }
            let (Some(buffer), Some(Some(conn))) = (buffers.get_mut(at), self.conns.get_mut(at)) else { continue };
            loop {
                let taken = conn.wire.write(buffer)?;
                buffer.drain(..taken);
                if taken == 0 || buffer.is_empty() {
                    break;
                }
            }
        }
        Ok(())
    }
}
