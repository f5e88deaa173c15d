//! Where the other end of a WebSocket is in its frames: whoever has begun a message and does not end it can be told from who is silent.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const FIN: u8 = 0x80;
/// Opcodes from here on are control frames: they stand between the frames of a message.
const CONTROL: u8 = 0x08;
const OPCODE: u8 = 0x0f;
const MASKED: u8 = 0x80;
const MASK_BYTES: u8 = 4;

/// A stream of frames that knows whether what has been read of it ends in the middle of something. Whether they are good is not its affair.
pub struct Followed<S> {
    stream: S,
    course: Course,
}

/// RFC 6455 section 5.2, as far as lengths go.
#[derive(Debug, Default)]
struct Course {
    place: Place,
    /// What the frame under way means for the message, when it has ended; a control frame means nothing.
    is_last: Option<bool>,
    /// Frames of a message have come, and not its last.
    in_message: bool,
}

#[derive(Debug, Default, Clone, Copy)]
enum Place {
    #[default]
    Between,
    Length,
    /// So many more bytes of the length, and what the earlier ones say; whether there is a mask.
    Long {
        left: u8,
        length: u64,
        masked: bool,
    },
    Mask {
        left: u8,
        length: u64,
    },
    Payload {
        left: u64,
    },
}

impl<S> Followed<S> {
    pub fn new(stream: S) -> Followed<S> {
        Followed { stream, course: Course::default() }
    }

    /// A message or a frame has been begun and not been ended.
    pub fn is_unfinished(&self) -> bool {
        self.course.in_message || !matches!(self.course.place, Place::Between)
    }
}

impl Course {
    fn take(&mut self, mut bytes: &[u8]) {
        while let Some((&byte, rest)) = bytes.split_first() {
            if let Place::Payload { left } = self.place {
                let taken = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                bytes = bytes.get(taken..).unwrap_or_default();
                self.payload(left - taken as u64);
                continue;
            }
            bytes = rest;
            match self.place {
                Place::Between => {
                    self.is_last = (byte & OPCODE < CONTROL).then_some(byte & FIN != 0);
                    self.place = Place::Length;
                }
                Place::Length => {
                    let masked = byte & MASKED != 0;
                    match byte & !MASKED {
                        126 => self.place = Place::Long { left: 2, length: 0, masked },
                        127 => self.place = Place::Long { left: 8, length: 0, masked },
                        length => self.measured(length.into(), masked),
                    }
                }
                Place::Long { left, length, masked } => {
                    let length = length << 8 | u64::from(byte);
                    match left {
                        0 | 1 => self.measured(length, masked),
                        _ => self.place = Place::Long { left: left - 1, length, masked },
                    }
                }
                Place::Mask { left: 0 | 1, length } => self.payload(length),
                Place::Mask { left, length } => self.place = Place::Mask { left: left - 1, length },
                // It has been taken above.
                Place::Payload { .. } => {}
            }
        }
    }

    fn measured(&mut self, length: u64, masked: bool) {
        match masked {
            true => self.place = Place::Mask { left: MASK_BYTES, length },
            false => self.payload(length),
        }
    }

    /// So much of it is still to come.
    fn payload(&mut self, left: u64) {
        if left > 0 {
            self.place = Place::Payload { left };
            return;
        }
        self.place = Place::Between;
        if let Some(is_last) = self.is_last {
            self.in_message = !is_last;
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Followed<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let had = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.course.take(buffer.filled().get(had..).unwrap_or_default());
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Followed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
