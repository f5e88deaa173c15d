//! The client's end for who polls many sockets itself: no task, no timer, no runtime.

use std::cell::RefCell;
use std::io::{self, ErrorKind, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use quinn::udp::{EcnCodepoint, RecvMeta, Transmit, UdpSocketState};
use quinn_proto::{
    Connection, ConnectionHandle, DatagramEvent, Dir, Endpoint, EndpointConfig, Event, ReadError, ReadableError,
    StreamId, WriteError,
};

use crate::Settings;

/// Bytes received at once: as many as the kernel puts together.
const RECEIVED_MAX: usize = 64 << 10;
/// Datagrams that are sent in one call.
const SENT_MAX: usize = 10;

thread_local! {
    static RECEIVED: RefCell<Vec<u8>> = RefCell::new(vec![0; RECEIVED_MAX]);
}

/// A connection with its one stream. Its socket is the caller's, and is given to each call.
pub struct Polled {
    state: UdpSocketState,
    endpoint: Endpoint,
    handle: ConnectionHandle,
    connection: Connection,
    stream: Option<StreamId>,
    sending: Vec<u8>,
    /// It may have something of its own to say.
    is_due: bool,
}

impl Polled {
    /// Begins to connect from `socket`, which it makes never block, to a server that has a certificate for `name`.
    ///
    /// # Errors
    /// A socket that cannot be used, or no usable address.
    pub fn open(socket: &impl AsFd, address: SocketAddr, name: &str, settings: Settings) -> io::Result<Polled> {
        let state = UdpSocketState::new(socket.into())?;
        let mut endpoint = Endpoint::new(Arc::new(EndpointConfig::default()), None, true, None);
        let (handle, connection) =
            endpoint.connect(Instant::now(), settings.0, address, name).map_err(io::Error::other)?;
        Ok(Polled { state, endpoint, handle, connection, stream: None, sending: Vec::new(), is_due: true })
    }

    /// Reads once. 0 is the end; nothing there now is [`ErrorKind::WouldBlock`].
    ///
    /// # Errors
    /// The connection is lost, or refused.
    pub fn read(&mut self, socket: &impl AsFd, into: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(count) = self.take(into)? {
                return Ok(count);
            }
            if !self.receive(socket)? {
                return Err(ErrorKind::WouldBlock.into());
            }
        }
    }

    /// Puts what it takes of `bytes` into the stream, and sends all that may leave; says how much it took.
    ///
    /// # Errors
    /// The connection is lost.
    pub fn write(&mut self, socket: &impl AsFd, bytes: &[u8]) -> io::Result<usize> {
        let taken = match self.stream {
            Some(stream) if !bytes.is_empty() => match self.connection.send_stream(stream).write(bytes) {
                Err(WriteError::Blocked) => 0,
                done => done.map_err(io::Error::other)?,
            },
            Some(_) | None => 0,
        };
        self.transmit(socket);
        self.settle()?;
        Ok(taken)
    }

    /// Whether [`Polled::write`] is to be called though there are no bytes.
    pub fn wants_write(&self) -> bool {
        self.is_due
    }

    /// When [`Polled::tick`] is to be called.
    pub fn due(&mut self) -> Option<Instant> {
        self.connection.poll_timeout()
    }

    /// Time has passed.
    ///
    /// # Errors
    /// The connection is lost.
    pub fn tick(&mut self, now: Instant) -> io::Result<()> {
        self.connection.handle_timeout(now);
        self.settle()
    }

    /// Ends the connection with all that has not arrived.
    pub fn close(&mut self, socket: &impl AsFd) {
        self.connection.close(Instant::now(), 0_u32.into(), Bytes::new());
        self.transmit(socket);
    }

    /// Bytes of the stream that have come: none now, some, or 0 for its end.
    fn take(&mut self, into: &mut [u8]) -> io::Result<Option<usize>> {
        let Some(stream) = self.stream else { return Ok(None) };
        let mut stream = self.connection.recv_stream(stream);
        let mut chunks = match stream.read(true) {
            Ok(chunks) => chunks,
            Err(ReadableError::ClosedStream) => return Ok(Some(0)),
            Err(why) => return Err(io::Error::other(why)),
        };
        let mut count = 0;
        let end = loop {
            let room = into.get_mut(count..).unwrap_or_default();
            if room.is_empty() {
                break Ok(None);
            }
            match chunks.next(room.len()) {
                Ok(Some(chunk)) => {
                    room.iter_mut().zip(chunk.bytes.iter()).for_each(|(place, byte)| *place = *byte);
                    count += chunk.bytes.len();
                }
                Ok(None) => break Ok(Some(0)),
                Err(ReadError::Blocked) => break Ok(None),
                Err(why) => break Err(io::Error::other(why)),
            }
        };
        self.is_due |= chunks.finalize().should_transmit();
        if count > 0 { Ok(Some(count)) } else { end }
    }

    /// Takes what the socket has; whether it had something.
    fn receive(&mut self, socket: &impl AsFd) -> io::Result<bool> {
        let mut meta = [RecvMeta::default()];
        RECEIVED.with_borrow_mut(|received| {
            match self.state.recv(socket.into(), &mut [IoSliceMut::new(received)], &mut meta) {
                Err(none) if none.kind() == ErrorKind::WouldBlock => return Ok(false),
                // Nobody listens there, or not yet: what is lost is sent again, until its time is over.
                Err(lost) if lost.kind() == ErrorKind::ConnectionRefused => return Ok(false),
                done => done?,
            };
            let [meta] = meta;
            let all = received.get(..meta.len).unwrap_or_default();
            for datagram in all.chunks(meta.stride.max(1)) {
                self.arrived(&meta, datagram);
            }
            self.is_due = true;
            self.settle().map(|()| true)
        })
    }

    fn arrived(&mut self, meta: &RecvMeta, datagram: &[u8]) {
        let ecn = meta.ecn.and_then(|ecn| quinn_proto::EcnCodepoint::from_bits(ecn as u8));
        let (now, data) = (Instant::now(), BytesMut::from(datagram));
        let event = self.endpoint.handle(now, meta.addr, meta.dst_ip, ecn, data, &mut self.sending);
        match event {
            Some(DatagramEvent::ConnectionEvent(_, event)) => self.connection.handle_event(event),
            // Of a server's side, or nothing that concerns the connection.
            Some(DatagramEvent::NewConnection(_) | DatagramEvent::Response(_)) | None => {}
        }
    }

    fn settle(&mut self) -> io::Result<()> {
        while let Some(event) = self.connection.poll_endpoint_events() {
            if let Some(event) = self.endpoint.handle_event(self.handle, event) {
                self.connection.handle_event(event);
            }
        }
        while let Some(event) = self.connection.poll() {
            match event {
                Event::Connected => self.stream = self.connection.streams().open(Dir::Bi),
                Event::ConnectionLost { reason } => return Err(io::Error::other(reason)),
                _ => {}
            }
        }
        Ok(())
    }

    /// What the socket does not take is lost, as it could be on its way, and comes again.
    fn transmit(&mut self, socket: &impl AsFd) {
        self.is_due = false;
        let most = self.state.max_gso_segments().min(SENT_MAX);
        self.sending.clear();
        while let Some(transmit) = self.connection.poll_transmit(Instant::now(), most, &mut self.sending) {
            let transmit = Transmit {
                destination: transmit.destination,
                ecn: transmit.ecn.and_then(|ecn| EcnCodepoint::from_bits(ecn as u8)),
                contents: self.sending.get(..transmit.size).unwrap_or_default(),
                segment_size: transmit.segment_size,
                src_ip: transmit.src_ip,
            };
            let _ = self.state.send(socket.into(), &transmit);
            self.sending.clear();
        }
    }
}
