//! From the first byte to CONNACK (CON-3, CON-4, CON-7, CON-12).

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use chat::Port;
use chat::door::{self, Certificate, Out, Source};
use rumqttd::protocol::ConnAckProperties;
use tokio::time::{Duration, timeout};

use super::Stream;
use super::live::{Free, Live};
use super::socket::{READ_BYTES, Socket};
use crate::broker::{Anothers, Claimant, Resumable, Shelf};
use crate::holder::Holder;
use crate::packet::{self, Bad, BadConnect, Connect, Incoming, Next, Version, reason, write};
use crate::session::greet::{self, Greeting, Kind};
use crate::session::{Session, Todo, denied_code};
use crate::shared::{Seat, Shared};
use crate::status::Counted;

/// How long a refused client may take to read why.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long the chat may take to let a client in.
const WELCOME: Duration = Duration::from_secs(10);

/// `None`: the connection is over.
pub(super) async fn open<S: Stream>(
    stream: S,
    shared: &Arc<Shared>,
    certificate: Option<Arc<Certificate>>,
    source: Option<Source>,
) -> Option<Live<S>> {
    let mut socket = Socket::new(stream);
    let (connect, rest) = match connect(&mut socket, shared).await {
        Ok(Some(read)) => read,
        Ok(None) => return part(socket, BytesMut::new()).await,
        Err(bad) => return refuse(socket, bad).await,
    };
    let told = Told::of(&connect);
    let settings = &shared.settings;
    if certificate.as_ref().is_some_and(|shown| shared.doorman.is_over(shown)) {
        return deny(socket, told, reason::BANNED).await;
    }
    let print = certificate.as_ref().map(|shown| shown.print);
    let handle = &shared.doorman.handle;
    let holder = certificate.map(|shown| Holder::new(shown, handle.store().clone(), handle.app().names.clone()));
    let greeting = match greet::greet(*connect, holder, settings, random) {
        Ok(mut greeting) => {
            if let Some(hello) = &mut greeting.hello {
                hello.source = source;
            }
            greeting
        }
        Err(code) => return deny(socket, told, code).await,
    };
    if greeting.welcome(&shared.settings, false).is_none() {
        return deny(socket, told, reason::PACKET_TOO_LARGE).await;
    }
    match enter(greeting, print, source, shared).await {
        Ok(entered) => Some(entered.welcome(socket, rest, shared)),
        Err(code) => deny(socket, told, code).await,
    }
}

/// Reads until there is a whole CONNECT, and what came behind it.
async fn connect<S: Stream>(
    socket: &mut Socket<S>,
    shared: &Shared,
) -> Result<Option<(Box<Connect>, BytesMut)>, BadConnect> {
    let mut wanted = 2;
    loop {
        // Who is not let in yet is made no more room than for a read.
        let Ok(mut arrived) = poll_fn(|cx| socket.poll_read(wanted.min(READ_BYTES), cx)).await else {
            return Ok(None);
        };
        if arrived.is_empty() {
            return Ok(None);
        }
        let before = arrived.len();
        match packet::next(&mut arrived, None, shared.settings.packet_max) {
            Next::Packet(Incoming::Connect(connect)) => {
                let mut taken = Counted::default();
                taken.packet(before - arrived.len(), false);
                shared.status.received.add(taken);
                return Ok(Some((connect, arrived)));
            }
            Next::Needs(bytes) => wanted = bytes,
            Next::BadConnect(bad) => return Err(bad),
            // Of an unknown version, so without a word.
            Next::Bad(_) | Next::Packet(_) => return Err(BadConnect::Alien),
        }
        socket.keep(&mut arrived, 0);
    }
}

async fn refuse<S: Stream>(socket: Socket<S>, bad: BadConnect) -> Option<Live<S>> {
    match bad {
        BadConnect::Alien | BadConnect::Bad(Version::V4, _) => part(socket, BytesMut::new()).await,
        BadConnect::Bad(version, Bad(code)) => deny(socket, Told::any(version), code).await,
        BadConnect::Level(version) => deny(socket, Told::any(version), reason::UNSUPPORTED_VERSION).await,
    }
}

/// How a client can be told that it is refused.
#[derive(Clone, Copy)]
struct Told {
    version: Version,
    /// Bytes of a packet that it takes.
    packet_max: usize,
}

impl Told {
    fn of(connect: &Connect) -> Told {
        let said = connect.properties.as_ref().and_then(|known| known.max_packet_size);
        Told { version: connect.version, packet_max: said.map_or(usize::MAX, |bytes| bytes as usize) }
    }

    fn any(version: Version) -> Told {
        Told { version, packet_max: usize::MAX }
    }
}

/// CONNACK with a reason, in words too if the client takes so much ([MQTT-3.2.2-19]), or without a word if it takes none, then the end.
async fn deny<S: Stream>(socket: Socket<S>, told: Told, code: u8) -> Option<Live<S>> {
    let mut bytes = BytesMut::new();
    let words =
        ConnAckProperties { reason_string: Some(reason::text(code).to_owned()), ..ConnAckProperties::default() };
    write::connack(&mut bytes, told.version, false, code, Some(words));
    if bytes.len() > told.packet_max {
        bytes.clear();
        write::connack(&mut bytes, told.version, false, code, Some(ConnAckProperties::default()));
        if bytes.len() > told.packet_max {
            bytes.clear();
        }
    }
    part(socket, bytes).await
}

/// Says that, and ends the stream in the manner of what carries it.
async fn part<S: Stream>(mut socket: Socket<S>, mut bytes: BytesMut) -> Option<Live<S>> {
    let said = async {
        let _ = poll_fn(|cx| socket.poll_write(&mut bytes, cx)).await;
        let _ = poll_fn(|cx| socket.poll_shutdown(cx)).await;
    };
    let _ = timeout(LAST_WORDS, said).await;
    None
}

/// A client that is let in.
struct Entered {
    greeting: Greeting,
    seat: Seat,
    chat: Option<(door::Session, Arc<Port>)>,
    free: Option<Box<Free>>,
    /// What the chat had to say beside the welcome.
    outs: Vec<Out>,
}

async fn enter(
    mut greeting: Greeting,
    print: Option<u128>,
    source: Option<Source>,
    shared: &Arc<Shared>,
) -> Result<Entered, u8> {
    if shared.closing.has_begun() {
        return Err(reason::UNAVAILABLE);
    }
    let seat = shared.seat(print);
    let mut outs = Vec::new();
    let chat = match greeting.hello.take() {
        None => None,
        Some(hello) => {
            let port = Arc::new(Port::default());
            let session = door::Session::connect(shared.doorman.handle.clone(), hello, port.clone())
                .map_err(|_| reason::UNAVAILABLE)?;
            outs = welcomed(&port).await?;
            Some((session, port))
        }
    };
    let free = match greeting.free {
        false => None,
        true if greeting.kind == Kind::Client => Some(Box::new(visit(&mut greeting, shared))),
        true => Some(Box::new(claim(&mut greeting, &seat, source, shared).await?)),
    };
    Ok(Entered { greeting, seat, chat, free, outs })
}

/// Waits for the chat's word; a session that failed over the question never gives it.
async fn welcomed(port: &Port) -> Result<Vec<Out>, u8> {
    let Ok(mut outs) = timeout(WELCOME, poll_fn(|cx| port.poll_drain(cx))).await else {
        return Err(reason::UNAVAILABLE);
    };
    match outs.pop_front() {
        Some(Out::Welcome(..)) => Ok(outs.into()),
        Some(Out::Denied(denied)) => Err(denied_code(denied)),
        Some(_) | None => Err(reason::UNAVAILABLE),
    }
}

/// A device's session ends with its connection, and that it has one connection the chat sees to: by its account, since two accounts may
/// have devices of one client id (PROFILE-11).
fn visit(greeting: &mut Greeting, shared: &Arc<Shared>) -> Free {
    free(None, shared.broker.visitor(), None, greeting, shared)
}

async fn claim(greeting: &mut Greeting, seat: &Seat, source: Option<Source>, shared: &Arc<Shared>) -> Result<Free, u8> {
    let (broker, Greeting { client_id: id, owner, clean_start, expiry, .. }) = (&shared.broker, &*greeting);
    let bucket = source.map(|source| (shared.doorman.bucket)(&source));
    let claimant = Claimant { id, owner, bucket, clean: *clean_start, expiry: *expiry };
    let claim = poll_fn(|cx| broker.poll_claim(&claimant, &seat.signal, cx)).await;
    let claim = claim.map_err(|Anothers| reason::NOT_AUTHORIZED)?;
    greeting.expiry = claim.expiry;
    Ok(free(Some(greeting.client_id.clone()), claim.shelf, claim.resumed, greeting, shared))
}

fn free(
    id: Option<Arc<str>>,
    shelf: Arc<Shelf>,
    resumed: Option<Box<Resumable>>,
    greeting: &mut Greeting,
    shared: &Shared,
) -> Free {
    let unreleased = shared.broker.unreleased(shelf.clone());
    Free { id, shelf, resumed, link: None, unreleased, will: greeting.will.take(), expiry: greeting.expiry }
}

impl Entered {
    fn welcome<S: Stream>(self, socket: Socket<S>, rest: BytesMut, shared: &Arc<Shared>) -> Live<S> {
        let Entered { greeting, seat, chat, mut free, outs } = self;
        let mut session = Session::new(&greeting, shared.settings.receive_max);
        let mut todo = Todo::default();
        let resumed = free.as_mut().and_then(|free| free.resumed.take());
        todo.bytes = greeting.welcome(&shared.settings, resumed.is_some()).unwrap_or_default();
        if let (Some(resumed), Some(free)) = (resumed, &mut free) {
            session.resume(resumed.kept, Instant::now(), &mut todo);
            free.link = resumed.link;
            free.unreleased = resumed.unreleased;
            if let Some(link) = &free.link {
                link.connect();
            }
        }
        for out in outs {
            session.out(out, &mut todo);
        }
        Live::new(socket, rest, session, todo, seat, chat, free, greeting.keep_alive, shared.clone())
    }
}

/// 16 characters for a client that has no name (CON-4).
fn random() -> String {
    let mut bytes = [0; 8];
    let filled = rustls::crypto::aws_lc_rs::default_provider().secure_random.fill(&mut bytes);
    filled.expect("aws-lc seeds itself at the start and does not fail later");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
