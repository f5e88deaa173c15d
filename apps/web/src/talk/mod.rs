//! The framing of N2O (CON-2): a front door of the chat for browsers and terminals. Text frames are heartbeat (HEART-1, HEART-2),
//! `N2O,<token>` (INIT-3) and commands for the mailboxes (MAIL-1); binary frames are records, one each.
//!
//! `session` decides what a frame or an out means and is a value without I/O; here the socket is read and written, with the rules of
//! MQTT's connections: what has to leave goes before what comes is read, so that a slow reader slows down only itself, and at most
//! [`chat::CALLS_MAX`] requests are unfinished. A connection has a session in the chat, once it has asked something of that, and a
//! terminal at the mailboxes, once it has asked something of those; each says what it has to say through a port of its own.

pub(crate) mod session;
mod vigil;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use chat::door::{self, Gone, Hello};
use chat::{Caller, Chat, Port};
use futures_util::{Sink, Stream};
use tokio::time::{Duration, Instant, Sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use websocket::blame;

use crate::front::Leave;
use crate::route::{Joined, Peer};
use crate::websocket::Socket;
use session::{Ask, Close, Frame, Mark, Session, Taken, Todo};
pub use vigil::Times;
use vigil::{Due, Vigil};

/// Frames of one turn; then other connections of the thread have theirs.
const FRAMES_MAX: usize = 32;
/// When the chat is busy it is asked again after this.
const AGAIN: Duration = Duration::from_millis(2);
/// How long a client may take to read why it is closed.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Bytes of a frame around its payload.
const FRAME_OVERHEAD: usize = 16;
/// Client version of whom says none (CON-6).
const VERSION_UNSAID: u32 = proto::limits::CLIENT_VERSION;

/// What all connections have in common.
pub struct House {
    pub handle: n2o::Handle<Chat>,
    /// Bytes of a message, either way.
    pub packet_max: usize,
    pub mail: MailAuth,
    pub times: Times,
}

/// `mail.auth`: who may be which user of the mailboxes (MAIL-2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailAuth {
    /// Whoever comes from this machine without TLS is whoever he says, all others have to prove it.
    ByListener,
    Open,
    Identity,
}

impl MailAuth {
    fn is_open(self, peer: &Peer) -> bool {
        match self {
            MailAuth::ByListener => !peer.secure && peer.address.to_canonical().is_loopback(),
            MailAuth::Open => true,
            MailAuth::Identity => false,
        }
    }
}

/// Serves a socket until its end.
pub async fn talk(joined: Joined, house: Arc<House>) {
    let Joined { socket, peer, mut leave, .. } = joined;
    let device = peer.certificate.as_ref().and_then(|certificate| certificate.device.clone());
    let mut connection = Connection {
        socket,
        session: Session::new(guest(), device),
        peer,
        vigil: Vigil::begin(Instant::now(), house.times),
        house,
        chat: None,
        mail: None,
        asks: VecDeque::new(),
        held: None,
        out: VecDeque::new(),
        written: Vec::new(),
        listens: false,
    };
    let end = {
        let mut alarm = pin!(sleep_until(Instant::now()));
        poll_fn(|cx| connection.poll(leave.as_mut(), alarm.as_mut(), cx)).await
    };
    Box::pin(connection.finish(end)).await;
}

struct Connection {
    socket: Socket,
    session: Session,
    peer: Arc<Peer>,
    house: Arc<House>,
    chat: Option<(door::Session, Arc<Port>)>,
    mail: Option<(door::Terminal, Arc<Port>)>,
    /// Not yet taken by the chat: nothing is read until they are.
    asks: VecDeque<Ask>,
    /// A frame that has to wait until something ends.
    held: Option<Frame>,
    /// For the client.
    out: VecDeque<(Frame, Option<Mark>)>,
    /// What is in the socket's buffer, as far as somebody wants to know when it has left.
    written: Vec<Mark>,
    vigil: Vigil,
    /// What comes is read; else something of ours is waited for.
    listens: bool,
}

impl Connection {
    fn poll(
        &mut self,
        leave: Pin<&mut dyn Future<Output = Leave>>,
        alarm: Pin<&mut Sleep>,
        cx: &mut Context<'_>,
    ) -> Poll<Close> {
        match leave.poll(cx) {
            Poll::Ready(Leave::ShuttingDown) => return Poll::Ready(Close::GOING_AWAY),
            Poll::Ready(Leave::Revoked) => return Poll::Ready(Close::ENDED),
            Poll::Pending => {}
        }
        let mut busy = false;
        for turn in 0.. {
            let mut todo = Todo::default();
            busy = !self.ask();
            match self.turn(&mut todo, busy, cx) {
                Err(end) => return Poll::Ready(end),
                Ok(more) => {
                    self.out.extend(todo.frames);
                    self.asks.extend(todo.asks);
                    if let Some(end) = todo.end {
                        // What came with it is said first.
                        return Poll::Ready(end);
                    }
                    if !more {
                        break;
                    }
                }
            }
            if turn >= FRAMES_MAX {
                cx.waker().wake_by_ref();
                break;
            }
        }
        self.watch(alarm, busy, cx)
    }

    /// Writes what waits, takes what the chat has, reads one frame. False: nothing more for now.
    fn turn(&mut self, todo: &mut Todo, busy: bool, cx: &mut Context<'_>) -> Result<bool, Close> {
        self.listens = false;
        if !self.write(cx)? {
            return Ok(false);
        }
        todo.asks.extend(self.written.drain(..).map(|mark| match mark {
            Mark::Item(delivery) => Ask::Confirm(delivery),
            Mark::Mail(number) => Ask::Written(number),
        }));
        if let Some((_, port)) = &self.chat
            && let Poll::Ready(outs) = port.poll_drain(cx)
        {
            for out in outs {
                self.session.out(out, todo);
            }
            return Ok(true);
        }
        if let Some((_, port)) = &self.mail
            && let Poll::Ready(outs) = port.poll_drain(cx)
        {
            for out in outs {
                self.session.mail_out(out, todo);
            }
            return Ok(true);
        }
        if busy || !todo.asks.is_empty() || !self.session.may_read() {
            return Ok(!todo.asks.is_empty());
        }
        let frame = match self.held.take() {
            Some(frame) => frame,
            None => match self.read(cx)? {
                Some(frame) => frame,
                None => return Ok(false),
            },
        };
        match self.session.frame(frame, todo) {
            Taken::Yes => Ok(true),
            Taken::Later(frame) => {
                self.held = Some(frame);
                Ok(false)
            }
        }
    }

    /// True: everything has left.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<bool, Close> {
        while let Some((frame, delivery)) = self.out.pop_front() {
            Pin::new(&mut self.socket).start_send(frame.into()).map_err(|_| Close::BROKEN)?;
            self.written.extend(delivery);
        }
        // Also what the socket answers by itself: pongs.
        match Pin::new(&mut self.socket).poll_flush(cx) {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(())) => Ok(true),
            Poll::Ready(Err(_)) => Err(Close::BROKEN),
        }
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Result<Option<Frame>, Close> {
        self.listens = true;
        loop {
            let polled = Pin::new(&mut self.socket).poll_next(cx);
            let now = Instant::now();
            let Poll::Ready(read) = polled else {
                self.vigil.waits(now, self.socket.get_ref().is_unfinished());
                return Ok(None);
            };
            match read {
                Some(Ok(Message::Text(text))) => {
                    self.vigil.has_spoken(now);
                    return Ok(Some(Frame::Text(text.as_str().to_owned())));
                }
                Some(Ok(Message::Binary(bytes))) => {
                    self.vigil.has_spoken(now);
                    return Ok(Some(Frame::Binary(bytes)));
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
                    self.vigil.lives(now);
                    self.vigil.waits(now, self.socket.get_ref().is_unfinished());
                }
                Some(Ok(Message::Close(_))) => return Err(Close::LEFT),
                Some(Err(why)) => return Err(blame(&why).map_or(Close::BROKEN, |code| Close::fault(code.into()))),
                None => return Err(Close::BROKEN),
            }
        }
    }

    /// HEART, CON-12: who is silent is asked, then closed. While it is we who do not read, nobody is.
    fn watch(&mut self, mut alarm: Pin<&mut Sleep>, busy: bool, cx: &mut Context<'_>) -> Poll<Close> {
        loop {
            let now = Instant::now();
            if !self.listens {
                self.vigil.rests(now);
            }
            let next = match self.vigil.look(now) {
                Due::End => return Poll::Ready(Close::GOING_AWAY),
                Due::Ask => {
                    self.out.push_back((Frame::Ping, None));
                    cx.waker().wake_by_ref();
                    continue;
                }
                Due::Later(at) => {
                    if busy {
                        now + AGAIN
                    } else {
                        at
                    }
                }
            };
            // One that is set too early is only looked at in vain: most turns leave it as it is.
            if alarm.is_elapsed() || next < alarm.deadline() {
                alarm.as_mut().reset(next);
            }
            if alarm.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Hands on what the session asks for; false when the chat is too busy to take it.
    fn ask(&mut self) -> bool {
        while let Some(ask) = self.asks.pop_front() {
            if let Err(door::Busy) = self.ask_one(&ask) {
                self.asks.push_front(ask);
                return false;
            }
        }
        true
    }

    fn ask_one(&mut self, ask: &Ask) -> Result<(), door::Busy> {
        match ask {
            Ask::Enter { client_id, password } => {
                if let Some((earlier, _)) = self.chat.take() {
                    earlier.gone(Gone::Left);
                }
                let port = Arc::new(Port::default());
                let hello = self.hello(client_id, password.clone());
                let entered = door::Session::connect(self.house.handle.clone(), hello, port.clone())?;
                self.chat = Some((entered, port));
            }
            Ask::Known => self.peer.known(),
            Ask::Request { call, payload } => {
                if let Some((chat, _)) = &self.chat {
                    chat.request(*call, door::Origin::Events { token: None }, payload.clone())?;
                }
            }
            Ask::Confirm(delivery) => {
                if let Some((chat, _)) = &self.chat {
                    chat.confirm(*delivery)?;
                }
            }
            Ask::Mail { call, account, asked } => {
                self.terminal().say(*call, account.clone(), asked.clone())?;
            }
            Ask::Written(number) => {
                if let Some((terminal, _)) = &self.mail {
                    terminal.written(*number)?;
                }
            }
        }
        Ok(())
    }

    fn terminal(&mut self) -> &door::Terminal {
        let (terminal, _) = self.mail.get_or_insert_with(|| {
            let port = Arc::new(Port::default());
            let open = self.house.mail.is_open(&self.peer);
            let caller = Caller { certificate: self.peer.certificate.clone(), open };
            (door::Terminal::open(self.house.handle.clone(), caller, port.clone()), port)
        });
        terminal
    }

    fn hello(&self, client_id: &str, password: Option<Bytes>) -> Hello {
        Hello {
            client_id: Bytes::copy_from_slice(client_id.as_bytes()),
            password,
            certificate: self.peer.certificate.clone(),
            source: self.peer.source,
            version: VERSION_UNSAID,
            window: proto::limits::RECEIVE_MAX,
            item_max: self.house.packet_max.saturating_sub(FRAME_OVERHEAD),
            acknowledges: false,
        }
    }

    /// Says what is left to say and why it ends, if the client still listens, and tells the chat.
    async fn finish(self, end: Close) {
        let Connection { mut socket, chat, out, .. } = self;
        if let Some((chat, _)) = chat {
            chat.gone(if end == Close::LEFT { Gone::Left } else { Gone::Lost });
        }
        let farewell = async {
            let Some(code) = end.code() else {
                // Its good-bye is answered; that answer is ready, and waits to be written.
                if end == Close::LEFT {
                    let _ = poll_fn(|cx| Pin::new(&mut socket).poll_close(cx)).await;
                }
                return;
            };
            for (frame, _) in out {
                if Pin::new(&mut socket).start_send(frame.into()).is_err() {
                    return;
                }
            }
            let frame = CloseFrame { code: code.into(), reason: end.reason().into() };
            if socket.close(Some(frame)).await.is_ok() {
                while let Some(Ok(_)) = poll_fn(|cx| Pin::new(&mut socket).poll_next(cx)).await {}
            }
        };
        let _ = timeout(LAST_WORDS, farewell).await;
    }
}

impl From<Frame> for Message {
    fn from(frame: Frame) -> Message {
        match frame {
            Frame::Text(text) => Message::text(text),
            Frame::Binary(bytes) => Message::Binary(bytes),
            Frame::Ping => Message::Ping(Bytes::new()),
        }
    }
}

/// The client id of one who names none (D-63).
fn guest() -> String {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes).expect("aws-lc seeds itself at the start and does not fail later");
    format!("emqttd_{:016x}", u64::from_be_bytes(bytes))
}
