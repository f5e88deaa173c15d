//! The front door: all that a transport may do with the chat, and all that the chat may ask of it.
//!
//! A transport (MQTT, WebSocket, the simulator) turns its connection into a [`Hello`], keeps the [`Port`] it is answered on, and hands
//! requests in as bytes. It knows framing, packet ids and topics' spelling; it knows no record. The chat knows records and rights; it
//! knows no packet.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use proto::ids::Phone;
use proto::topic::Topic;

use crate::port::Port;
use crate::post::{Asked, Caller, Delivered, Said};
use crate::{Chat, Input, Name};

/// What a connection says and has proved before anything else (SPEC CON-3).
#[derive(Clone)]
pub struct Hello {
    /// MQTT client identifier, as sent; at most 256 bytes (ID-6).
    pub client_id: Bytes,
    pub password: Option<Bytes>,
    /// The verified client certificate of the TLS connection, if any (ID-9).
    pub certificate: Option<Arc<Certificate>>,
    /// Where it comes from, unless that is loopback (section 11).
    pub source: Option<Source>,
    /// Client version (CON-6), 101 when the client says none.
    pub version: u32,
    /// How many durable items may be unconfirmed on this connection (the client's Receive Maximum, at most ours).
    pub window: u16,
    /// Largest payload that the client takes, in bytes (DLV-14).
    pub item_max: usize,
    /// [`Session::confirm`] says that the client has an item (MQTT's PUBACK), not only that it was written (DLV-3, DLV-13).
    pub acknowledges: bool,
}

/// Without the password (SEC-10).
impl fmt::Debug for Hello {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hello").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// An address that limits count for: one of IPv4, or the first half of one of IPv6, which is one network. It is not written to a log, and
/// no more of it is kept than [`Vault::bucket`](crate::Vault::bucket) says (SEC-10).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source(pub [u8; 16]);

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Source")
    }
}

/// What a verified certificate says of its holder; who trusts it has been decided by the TLS stack. The default one says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Certificate {
    pub der: Bytes,
    /// SHA-256 of the SubjectPublicKeyInfo: what a binding records (ID-9).
    pub key: [u8; 32],
    /// Tells it from every other: a hash of issuer and serial number, by which it may be revoked.
    pub print: u128,
    /// telephoneNumber, UID, commonName, those present, in this order (ID-9 rule 2).
    pub names: Vec<String>,
    pub given_name: Option<String>,
    pub surname: Option<String>,
    /// (phone, dev_key) of the URI that SEC-4 writes.
    pub device: Option<(String, String)>,
    /// Issued by this deployment's own authority: auto-bind and `sys_` depend on it.
    pub own_authority: bool,
    /// OU=sys (ID-6, CON-3).
    pub sys: bool,
    /// A person's or device's certificate: not a server's, an administrator's or a service's (ID-9).
    pub personal: bool,
    /// When it was issued, milliseconds since 1970, if this deployment's own authority has; else from when on it counts.
    pub issued: u64,
    /// End of validity, milliseconds since 1970.
    pub not_after: u64,
}

/// Reads a certificate that a client names without showing it; `None` when it is none. That the authority has signed it is known by
/// `own_authority`.
pub type Identify = Arc<dyn Fn(&[u8]) -> Option<Certificate> + Send + Sync>;

/// Whether bytes are content sealed for others (SEC-7). Asked for each part where that is required, so it must be quick.
pub type IsSealed = fn(&[u8]) -> bool;

/// Who a connection is, once it is let in (ID-6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `reg_…` or a guest: may register, nothing else.
    Registering,
    /// `emqttd_…`: a verified device.
    Device,
    /// `sys_…`: a trusted service.
    Service,
    /// Any other client id: free topics only; the chat keeps no session for it.
    Plain,
}

/// Why a CONNECT is turned down (CON-3); a transport spells it in its own codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// 0x86 / 4: unknown session row, wrong or expired token.
    BadCredentials,
    /// 0x87 / 5: not allowed for what was proved.
    NotAuthorized,
    /// 0x85 / 2: client id too long or malformed.
    BadClientId,
    /// 0x8A / 5: account or certificate blocked, revoked or expired.
    Banned,
    /// 0x97 / 3: a limit on connections is reached (section 11).
    TooMany,
    /// 0x88 / 3: our own fault, or the server is draining.
    Unavailable,
}

/// Why the server ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bye {
    /// 0x00: as the client asked (AUTH-6); to a transport that has ended, that the chat knows.
    Done,
    /// 0x8E: a second CONNECT with this client id, or a new verification (CON-7, AUTH-4).
    TakenOver,
    /// 0x87: the session has expired (AUTH-13).
    Expired,
    /// 0x98: ended from elsewhere (AUTH-14, PROFILE-8).
    Ended,
    /// 0xA0: registration took too long (CON-9).
    TimeUp,
    /// 0x96: too many requests, repeatedly (SEC-13).
    TooOften,
    /// 0x8B: the server is going down.
    ShuttingDown,
    /// 0x83: our own fault.
    Fault,
}

/// How a request ended for the transport, beside its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Executed or refused with an answer: acknowledge.
    Done,
    /// No right to publish there (TOPIC-8): 0x87 / silence.
    NoRight,
    /// A record that clients may not send on that topic (TOPIC-10.3): 0x99.
    BadPayload,
    /// Larger than a relay takes, or a rate limit (TOPIC-10.4, SEC-13): 0x97.
    TooMuch,
}

/// Where a request came in.
#[derive(Clone, PartialEq)]
pub enum Origin {
    /// An events topic (TOPIC-1) or a WebSocket frame; with the token named in the topic, if any.
    Events { token: Option<Bytes> },
    /// A broadcast topic (TOPIC-10): `private`, `room`, `devices`, `contacts`.
    Broadcast(Topic),
}

/// Without the token (SEC-10).
impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Events { .. } => f.write_str("Events"),
            Origin::Broadcast(topic) => f.debug_tuple("Broadcast").field(topic).finish(),
        }
    }
}

/// One thing for the transport to do. They come in the order in which they must be done.
#[derive(Clone, PartialEq)]
pub enum Out {
    /// The connection is accepted, a device's as one of the account that is kept under this key; nothing precedes this.
    Welcome(Role, Option<Phone>),
    /// It is not; nothing follows.
    Denied(Denied),
    /// A record that answers call `call`: on its reply topic, with its QoS (TOPIC-2, TOPIC-12).
    Answer { call: u64, payload: Bytes },
    /// Call `call` has ended: its PUBLISH may be acknowledged now, not before (G-6). Calls end in the order they came (G-5).
    Done { call: u64, verdict: Verdict },
    /// A record on the reply topic that no call asked for (IO-2), at QoS 0.
    Notice { payload: Bytes },
    /// A record or relayed bytes on a topic. `delivery` marks a durable item (`[D]`): QoS 1, confirmed by [`Session::confirm`].
    Item { topic: Arc<str>, payload: Bytes, delivery: Option<u64> },
    /// Answer to [`Session::may_receive`].
    Right { ask: u64, granted: bool },
    /// Something for a terminal. When it has been written, [`Terminal::written`] says so with this number.
    Mail { frame: Frame, number: u64 },
    /// Say why, then close.
    Close(Bye),
}

/// Without what people and the server say (SEC-10).
impl fmt::Debug for Out {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Out::Welcome(role, _) => write!(f, "Welcome({role:?})"),
            Out::Denied(why) => write!(f, "Denied({why:?})"),
            Out::Answer { call, payload } => write!(f, "Answer({call}, {} bytes)", payload.len()),
            Out::Done { call, verdict } => write!(f, "Done({call}, {verdict:?})"),
            Out::Notice { payload } => write!(f, "Notice({} bytes)", payload.len()),
            Out::Item { topic, payload, delivery } => write!(f, "Item({topic}, {delivery:?}, {} bytes)", payload.len()),
            Out::Right { ask, granted } => write!(f, "Right({ask}, {granted})"),
            Out::Mail { frame, number } => write!(f, "Mail({number}, {} bytes)", frame.size()),
            Out::Close(bye) => write!(f, "Close({bye:?})"),
        }
    }
}

/// What a terminal is told.
#[derive(Clone, PartialEq)]
pub enum Frame {
    Text(Bytes),
    Record(Bytes),
    /// A letter: as the record where the client's last frame was a record, else as text (MAILR-5).
    Letter(Arc<Delivered>),
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} bytes)", self.size())
    }
}

impl Frame {
    /// Bytes of its content.
    pub fn size(&self) -> usize {
        match self {
            Frame::Text(bytes) | Frame::Record(bytes) => bytes.len(),
            Frame::Letter(letter) => letter.text.len().max(letter.record.len()),
        }
    }
}

/// How the transport's side of a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// The client said good-bye.
    Left,
    /// The connection broke or was silent for too long.
    Lost,
    /// The session that passed it on (PROFILE-11) has failed, and ended it.
    Failed,
}

/// The process that serves this client cannot take more now: stop reading until the port has been drained of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("busy")]
pub struct Busy;

/// One connection's way into the chat. Dropping it is [`Gone::Lost`].
pub struct Session {
    handle: n2o::Handle<Chat>,
    name: Name,
    /// Its number tells this connection from an earlier one with the same client id (CON-7).
    port: Arc<Port>,
    gone: bool,
}

impl Session {
    /// Starts (or takes over) the session of `hello.client_id`. The answer, [`Out::Welcome`] or [`Out::Denied`], comes through `port`.
    pub fn connect(handle: n2o::Handle<Chat>, hello: Hello, port: Arc<Port>) -> Result<Session, Busy> {
        let name = Name::session(&hello.client_id);
        handle.tell(&name, Input::Connect { hello: Box::new(hello), port: port.clone() }).map_err(|_| Busy)?;
        Ok(Session { handle, name, port, gone: false })
    }

    /// Hands in one request. `call` numbers rise by one, from 0; at most [`crate::CALLS_MAX`] may be unfinished.
    pub fn request(&self, call: u64, origin: Origin, payload: Bytes) -> Result<(), Busy> {
        self.tell(Input::Request { port: self.port.clone(), call, origin, payload })
    }

    /// The client has confirmed (PUBACK) the item with this delivery number; where it cannot, the item was written.
    pub fn confirm(&self, delivery: u64) -> Result<(), Busy> {
        self.tell(Input::Confirmed { connection: self.port.number(), delivery })
    }

    /// May this client receive what is published on `topic`? Answered by [`Out::Right`] (TOPIC-5, TOPIC-9).
    pub fn may_receive(&self, ask: u64, topic: Topic) -> Result<(), Busy> {
        self.tell(Input::MayReceive { connection: self.port.number(), ask, topic })
    }

    /// The connection has ended.
    pub fn gone(mut self, how: Gone) {
        self.leave(how);
    }

    fn leave(&mut self, how: Gone) {
        if !std::mem::replace(&mut self.gone, true) {
            // A full mailbox is no reason to keep a dead session: `leave` is never refused.
            self.handle.tell_always(&self.name, Input::Gone { connection: self.port.number(), how });
        }
    }

    fn tell(&self, input: Input) -> Result<(), Busy> {
        self.handle.tell(&self.name, input).map_err(|_| Busy)
    }
}

/// One connection's way to the mailboxes (SPEC section 7), beside its [`Session`], on a port of its own. It has no account: who it is, it
/// says by a command. Dropping it ends its registrations (MAIL-10).
pub struct Terminal {
    handle: n2o::Handle<Chat>,
    name: Name,
    port: Arc<Port>,
    caller: Arc<Caller>,
}

impl Terminal {
    pub fn open(handle: n2o::Handle<Chat>, caller: Caller, port: Arc<Port>) -> Terminal {
        Terminal { handle, name: Name::Terminal(port.number()), port, caller: Arc::new(caller) }
    }

    /// Hands in one command; what comes of it ends with [`Out::Done`]. `account`: whose device the connection has been let in as.
    pub fn say(&self, call: u64, account: Option<Phone>, asked: Asked) -> Result<(), Busy> {
        let said = Said { port: self.port.clone(), caller: self.caller.clone(), account, call, asked };
        self.handle.tell(&self.name, Input::Said(Box::new(said))).map_err(|_| Busy)
    }

    /// All up to this number has been written.
    pub fn written(&self, number: u64) -> Result<(), Busy> {
        let confirmed = Input::Confirmed { connection: self.port.number(), delivery: number };
        self.handle.tell(&self.name, confirmed).map_err(|_| Busy)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.handle.tell_always(&self.name, Input::Gone { connection: self.port.number(), how: Gone::Left });
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.leave(Gone::Lost);
    }
}
