//! WebSocket without blocking (RFC 6455): what is written goes as one masked frame, what comes is stripped of its heads in place.

use std::io;

use super::Below;
use crate::Url;
use crate::link::upgrade;

const BINARY: u8 = 0x82;
const CLOSE: u8 = 8;
/// Opcodes from here on are control frames, whose content is nothing of MQTT.
const CONTROL: u8 = 8;
const MASK: [u8; 4] = [0x5a, 0xa5, 0x3c, 0xc3];
/// Bytes that wait for the socket; beyond, nothing more is taken.
const PENDING_MAX: usize = 256 << 10;
/// Bytes of the answer that opens the socket.
const HEAD_MAX: usize = 8 << 10;

pub(in crate::bench) struct Frames {
    key: String,
    /// The answer to the handshake, until it is whole.
    answer: Option<Vec<u8>>,
    /// Of the frame begun: its head as far as it has come, what of its content has not, and whether that is for us.
    head: Vec<u8>,
    left: u64,
    is_data: bool,
    /// Whole frames that the socket did not take.
    pending: Vec<u8>,
    /// What waited for the answer may be written.
    has_opened: bool,
}

impl Frames {
    pub(super) fn new(url: &Url) -> Box<Frames> {
        let key = websocket::key();
        let pending = upgrade(url, &key).into_bytes();
        let (answer, head) = (Some(Vec::new()), Vec::new());
        Box::new(Frames { key, answer, head, left: 0, is_data: true, pending, has_opened: false })
    }

    pub(super) fn read(&mut self, below: &mut Below, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = below.read(into)?;
            if count == 0 {
                return Ok(0);
            }
            let mut from = 0;
            if let Some(mut answer) = self.answer.take() {
                from = self.opening(&mut answer, into.get(..count).unwrap_or_default())?;
                if !answer.ends_with(b"\r\n\r\n") {
                    self.answer = Some(answer);
                    continue;
                }
                self.has_opened = true;
            }
            match self.strip(into, from, count) {
                Some(0) => continue,
                Some(count) => return Ok(count),
                None => return Ok(0),
            }
        }
    }

    /// Takes of `fresh` what belongs to the answer; how much that is.
    fn opening(&self, answer: &mut Vec<u8>, fresh: &[u8]) -> io::Result<usize> {
        for (at, byte) in fresh.iter().enumerate() {
            answer.push(*byte);
            if answer.ends_with(b"\r\n\r\n") {
                let text = String::from_utf8_lossy(answer);
                let proved = text.contains(&websocket::proof(self.key.as_bytes()));
                let opened = text.starts_with("HTTP/1.1 101") && proved;
                return if opened { Ok(at + 1) } else { Err(io::Error::other(text.into_owned())) };
            }
            if answer.len() > HEAD_MAX {
                return Err(io::Error::other("a long answer"));
            }
        }
        Ok(fresh.len())
    }

    /// Moves the contents of `bytes[from..to]` to its beginning; how many they are. Absent when the peer closes.
    fn strip(&mut self, bytes: &mut [u8], mut from: usize, to: usize) -> Option<usize> {
        let mut count = 0;
        while from < to {
            if self.left == 0 {
                self.head.push(bytes.get(from).copied().unwrap_or_default());
                from += 1;
                self.begin()?;
                continue;
            }
            let part = usize::try_from(self.left).unwrap_or(usize::MAX).min(to - from);
            if self.is_data {
                bytes.copy_within(from..from + part, count);
                count += part;
            }
            from += part;
            self.left -= part as u64;
        }
        Some(count)
    }

    /// A frame whose head is whole begins.
    fn begin(&mut self) -> Option<()> {
        let (length, opcode) = match self.head.as_slice() {
            [first, short, rest @ ..] => {
                let length = match (short & 0x7f, rest) {
                    (126, [high, low]) => u64::from(u16::from_be_bytes([*high, *low])),
                    (127, rest) => match <[u8; 8]>::try_from(rest) {
                        Ok(long) => u64::from_be_bytes(long),
                        Err(_) => return Some(()),
                    },
                    (126, _) => return Some(()),
                    (short, _) => u64::from(short),
                };
                (length, first & 0x0f)
            }
            _ => return Some(()),
        };
        self.head.clear();
        self.left = length;
        self.is_data = opcode < CONTROL;
        (opcode != CLOSE).then_some(())
    }

    pub(super) fn write(&mut self, below: &mut Below, out: &[u8]) -> io::Result<usize> {
        let may = self.answer.is_none() && self.pending.len() < PENDING_MAX;
        let taken = if may { out.len() } else { 0 };
        if taken > 0 {
            self.pending.push(BINARY);
            match u16::try_from(taken) {
                Ok(short) if short < 126 => self.pending.push(0x80 | short as u8),
                Ok(middle) => {
                    self.pending.push(0x80 | 126);
                    self.pending.extend(middle.to_be_bytes());
                }
                Err(_) => {
                    self.pending.push(0x80 | 127);
                    self.pending.extend((taken as u64).to_be_bytes());
                }
            }
            self.pending.extend(MASK);
            self.pending.extend(out.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        }
        self.has_opened = false;
        loop {
            let gone = below.write(&self.pending)?;
            self.pending.drain(..gone);
            if gone == 0 || self.pending.is_empty() {
                return Ok(taken);
            }
        }
    }

    pub(super) fn wants_write(&self) -> bool {
        self.has_opened || !self.pending.is_empty()
    }
}
