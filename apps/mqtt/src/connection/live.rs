//! An accepted connection at work: what came is taken, what the chat and the broker have is written, all that waits in one go.

use std::collections::VecDeque;
use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BytesMut;
use chat::Port;
use chat::door::{self, Gone};
use kvs::Ticket;
use tokio::time::{Duration, Instant, Sleep, sleep_until, timeout};

use super::Stream;
use super::socket::Socket;
use crate::broker::{Broker, Link, Overrun, Resumable, Shelf, Unkept, Unreleased};
use crate::message::{Message, Will};
use crate::packet::{self, Incoming, Next, reason};
use crate::session::greet::SESSION_EXPIRY_MAX;
use crate::session::{Ask, End, Session, Taken, Todo};
use crate::shared::{Seat, Shared};
use crate::signal::Leave;
use crate::status::Counted;

/// Reads of one turn; then other connections of the thread have theirs.
const READS_MAX: usize = 16;
/// Bytes that are written at once; what is beyond waits until these have left.
const BYTES_MAX: usize = 64 << 10;
/// When the chat is busy it is asked again after this.
const AGAIN: Duration = Duration::from_millis(2);
/// How long a client may take to read why it is closed.
const LAST_WORDS: Duration = Duration::from_secs(2);

pub(super) struct Live<S> {
    socket: Socket<S>,
    session: Session,
    seat: Seat,
    chat: Option<(door::Session, Arc<Port>)>,
    free: Option<Box<Free>>,
    /// Not yet taken by the chat: nothing is read until they are.
    asks: VecDeque<Ask>,
    /// A packet that has to wait until a call ends.
    held: Option<Box<Held>>,
    /// Length of the packet begun.
    wanted: usize,
    heard: Instant,
    keep_alive: u16,
    shared: Arc<Shared>,
    /// To be written first: the beginning, or what waits for the disk.
    first: Option<Box<Todo>>,
    /// Nothing is written or read before the store is durable so far.
    gate: Option<Ticket>,
}

struct Held {
    packet: Incoming,
    /// What came behind it.
    rest: BytesMut,
}

/// What a plain client or a service has beside its packets (TOPIC-13).
pub(super) struct Free {
    /// By which its session is kept; none of a device.
    pub(super) id: Option<Arc<str>>,
    pub(super) shelf: Arc<Shelf>,
    pub(super) resumed: Option<Box<Resumable>>,
    pub(super) link: Option<Link>,
    pub(super) unreleased: Unreleased,
    pub(super) will: Option<Box<Will>>,
    /// Seconds that the session is kept after the connection.
    pub(super) expiry: u32,
}

impl<S: Stream> Live<S> {
    #[expect(clippy::too_many_arguments, reason = "one caller, which has them all apart")]
    pub(super) fn new(
        mut socket: Socket<S>,
        mut rest: BytesMut,
        session: Session,
        todo: Todo,
        seat: Seat,
        chat: Option<(door::Session, Arc<Port>)>,
        free: Option<Box<Free>>,
        keep_alive: u16,
        shared: Arc<Shared>,
    ) -> Live<S> {
        socket.keep(&mut rest, 0);
        Live {
            socket,
            session,
            seat,
            chat,
            free,
            asks: VecDeque::new(),
            held: None,
            wanted: 2,
            heard: Instant::now(),
            keep_alive,
            shared,
            first: Some(Box::new(todo)),
            gate: None,
        }
    }

    pub(super) async fn run(mut self) {
        let end = {
            let mut alarm = pin!(sleep_until(self.silent_at()));
            poll_fn(|cx| self.poll(alarm.as_mut(), cx)).await
        };
        // In memory of its own: else every connection at work would have room for all that its end needs.
        Box::pin(self.finish(end)).await;
    }

    /// HEART-3: one and a half times the keep-alive.
    fn silent_at(&self) -> Instant {
        self.heard + Duration::from_millis(u64::from(self.keep_alive) * 1500)
    }

    fn poll(&mut self, alarm: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<End> {
        if self.waits_for_disk(cx) {
            return Poll::Pending;
        }
        let mut todo = self.first.take().map_or_else(Todo::default, |first| *first);
        self.seat.signal.listen(cx.waker());
        let was_flushed = self.socket.is_flushed();
        let busy = self.turn(&mut todo, cx);
        // After what the client has said: its good-bye may be among it.
        self.check_signal(&mut todo);
        self.check_alarm(alarm, busy, &mut todo, cx);
        if self.free.as_ref().is_some_and(|free| free.shelf.has_to_wait()) {
            match self.shared.broker.book.write() {
                Ok(ticket) => self.gate = Some(ticket),
                // What the client would hear now may not be true.
                Err(Unkept) => return Poll::Ready(todo.end.unwrap_or(End::Broken)),
            }
            if self.waits_for_disk(cx) {
                self.first = Some(Box::new(todo));
                return Poll::Pending;
            }
        }
        self.shared.status.sent.count(&todo.bytes);
        match self.socket.poll_write(&mut todo.bytes, cx) {
            Poll::Ready(Err(_)) => Poll::Ready(todo.end.unwrap_or(End::Broken)),
            Poll::Ready(Ok(())) if !was_flushed => {
                // What waited for this has woken us before.
                cx.waker().wake_by_ref();
                todo.end.map_or(Poll::Pending, Poll::Ready)
            }
            Poll::Ready(Ok(())) | Poll::Pending => todo.end.map_or(Poll::Pending, Poll::Ready),
        }
    }

    /// CON-11: what is kept is acknowledged when it is on the disk. The rest waits with it, so that the order stays.
    fn waits_for_disk(&mut self, cx: &mut Context<'_>) -> bool {
        let waits = self.gate.is_some_and(|ticket| self.shared.broker.book.poll_durable(ticket, cx).is_pending());
        if !waits {
            self.gate = None;
        }
        waits
    }

    fn check_signal(&self, todo: &mut Todo) {
        match self.seat.signal.heard().filter(|_| todo.end.is_none()) {
            None => (),
            Some(Leave::TakenOver) => self.session.close(reason::TAKEN_OVER, End::Broken, todo),
            Some(Leave::Revoked) => self.session.close(reason::ADMINISTRATIVE, End::Broken, todo),
            Some(Leave::ShuttingDown) => self.session.close(reason::SHUTTING_DOWN, End::Broken, todo),
        }
    }

    fn check_alarm(&mut self, mut alarm: Pin<&mut Sleep>, busy: bool, todo: &mut Todo, cx: &mut Context<'_>) {
        if busy || self.held.is_some() {
            // It is we who do not read: the client may have spoken.
            self.heard = Instant::now();
        }
        let silent_at = self.silent_at();
        if busy {
            alarm.as_mut().reset(Instant::now() + AGAIN);
        }
        while todo.end.is_none() && alarm.as_mut().poll(cx).is_ready() {
            if Instant::now() >= silent_at {
                return self.session.close(reason::KEEP_ALIVE_TIMEOUT, End::Broken, todo);
            }
            alarm.as_mut().reset(if busy { Instant::now() + AGAIN } else { silent_at });
        }
    }

    /// Goes round until nothing is left to do. True: the chat is busy, come back.
    fn turn(&mut self, todo: &mut Todo, cx: &mut Context<'_>) -> bool {
        for _ in 0..READS_MAX {
            let taken = self.ask(todo);
            self.outs(todo, cx);
            if !taken || todo.end.is_some() {
                return !taken;
            }
            if !self.socket.is_flushed() || !self.read(todo, cx) {
                return false;
            }
        }
        cx.waker().wake_by_ref();
        !self.ask(todo)
    }

    /// What the chat and the broker have for the client, unless it is slow to read.
    fn outs(&mut self, todo: &mut Todo, cx: &mut Context<'_>) {
        if !self.socket.is_flushed() {
            return;
        }
        if let Some((_, port)) = &self.chat {
            while let Poll::Ready(mut outs) = port.poll_drain(cx) {
                while let Some(out) = outs.pop_front()
                    && todo.end.is_none()
                {
                    self.session.out(out, todo);
                    if todo.bytes.len() >= BYTES_MAX && !outs.is_empty() {
                        port.give_back(outs);
                        return cx.waker().wake_by_ref();
                    }
                }
            }
        }
        let link = self.free.as_ref().and_then(|free| free.link.as_ref());
        let Some(link) = link else {
            return;
        };
        let now = Instant::now().into_std();
        while self.session.has_room() && todo.end.is_none() {
            if todo.bytes.len() > BYTES_MAX {
                // More when these have left.
                return cx.waker().wake_by_ref();
            }
            match link.poll_next(now, cx) {
                Poll::Ready(Ok(delivered)) => self.session.deliver(delivered, todo),
                Poll::Ready(Err(Overrun)) => self.session.close(reason::QUOTA_EXCEEDED, End::Broken, todo),
                Poll::Pending => return,
            }
        }
    }

    /// Takes a held packet or reads once. False: nothing more for now.
    fn read(&mut self, todo: &mut Todo, cx: &mut Context<'_>) -> bool {
        let mut arrived = match self.held.take() {
            Some(held) => match self.session.packet(held.packet, todo) {
                Taken::Yes => held.rest,
                Taken::Later(packet) => {
                    self.held = Some(Box::new(Held { packet, rest: held.rest }));
                    return false;
                }
            },
            None => match self.arrival(cx) {
                Poll::Pending => return false,
                Poll::Ready(Some(arrived)) => arrived,
                Poll::Ready(None) => {
                    todo.end = Some(End::Broken);
                    return false;
                }
            },
        };
        self.heard = Instant::now();
        let mut taken = Counted::default();
        self.take(&mut arrived, todo, &mut taken);
        self.shared.status.received.add(taken);
        true
    }

    /// Bytes kept from CONNECT first, then from the stream; `None` when it has ended.
    fn arrival(&mut self, cx: &mut Context<'_>) -> Poll<Option<BytesMut>> {
        if self.socket.partial.len() >= self.wanted {
            return Poll::Ready(Some(std::mem::take(&mut self.socket.partial)));
        }
        self.socket.poll_read(self.wanted, cx).map(|read| read.ok().filter(|arrived| !arrived.is_empty()))
    }

    fn take(&mut self, arrived: &mut BytesMut, todo: &mut Todo, taken: &mut Counted) {
        let version = Some(self.session.version());
        while todo.end.is_none() {
            let before = arrived.len();
            match packet::next(arrived, version, self.shared.settings.packet_max) {
                Next::Needs(bytes) => {
                    self.wanted = bytes;
                    return self.socket.keep(arrived, bytes);
                }
                Next::Bad(bad) => return self.session.broken(bad, todo),
                Next::BadConnect(_) => return self.session.broken(packet::Bad::PROTOCOL, todo),
                Next::Packet(packet) => {
                    taken.packet(before - arrived.len(), matches!(packet, Incoming::Publish(_)));
                    if let Taken::Later(packet) = self.session.packet(packet, todo) {
                        self.held = Some(Box::new(Held { packet, rest: arrived.split() }));
                        return;
                    }
                }
            }
        }
    }

    /// Hands on what the session asks for; false when somebody is too busy to take it.
    fn ask(&mut self, todo: &mut Todo) -> bool {
        self.asks.append(&mut todo.asks);
        let mut asks = std::mem::take(&mut self.asks);
        while let Some(ask) = asks.pop_front() {
            if let Some(ask) = self.ask_one(ask, todo) {
                asks.push_front(ask);
                self.asks = asks;
                return false;
            }
        }
        true
    }

    /// Gives back what the chat is too busy to take; the broker takes everything.
    fn ask_one(&mut self, ask: Ask, todo: &mut Todo) -> Option<Ask> {
        match (ask, &mut self.free) {
            (ask @ (Ask::Request { .. } | Ask::Confirm(_) | Ask::MayReceive { .. }), _) => match &self.chat {
                Some((chat, _)) => ask_chat(chat, &ask).is_err().then_some(ask),
                None => None,
            },
            (ask, Some(free)) => {
                if let Ask::Subscribe { filter, retained: true, .. } = &ask {
                    self.shared.refresh_status(filter);
                }
                if let Err(Overrun) = free.ask(ask, &self.shared.broker) {
                    self.session.close(reason::QUOTA_EXCEEDED, End::Broken, todo);
                }
                None
            }
            // Who has no free topics asks none of these.
            (
                Ask::Publish(_) | Ask::Hold { .. } | Ask::Release(_) | Ask::Subscribe { .. } | Ask::Unsubscribe { .. },
                None,
            ) => None,
        }
    }

    /// Tells everybody, lets the last bytes leave, closes.
    async fn finish(self, end: End) {
        let Live { mut socket, session, chat, free, shared, seat, asks, .. } = self;
        drop(asks);
        if let Some((chat, port)) = chat {
            match end {
                End::Left => chat.gone(Gone::Left),
                End::Broken | End::Dismissed => chat.gone(Gone::Lost),
            }
            if end != End::Dismissed && !shared.closing.has_begun() {
                // Whoever sees the close may rely on it: for what comes now, the device is away.
                let _ = timeout(LAST_WORDS, farewell_of(&port)).await;
            }
        }
        if let Some(free) = free {
            release(*free, session, end, &shared);
        }
        let farewell = async {
            let _ = poll_fn(|cx| socket.poll_write(&mut BytesMut::new(), cx)).await;
            let _ = poll_fn(|cx| socket.poll_shutdown(cx)).await;
            // Closed with something unread, the stream would take back what the client has not read of ours.
            while end == End::Broken && !shared.closing.has_begun() {
                match poll_fn(|cx| socket.poll_read(2, cx)).await {
                    Ok(unread) if !unread.is_empty() => (),
                    _ => break,
                }
            }
        };
        let _ = timeout(LAST_WORDS, farewell).await;
        drop(seat);
    }
}

/// The chat has taken leave of the connection.
async fn farewell_of(port: &Port) {
    let is_over = |outs: VecDeque<door::Out>| outs.iter().any(|out| matches!(out, door::Out::Close(_)));
    while !is_over(poll_fn(|cx| port.poll_drain(cx)).await) {}
}

impl Free {
    fn ask(&mut self, ask: Ask, broker: &Arc<Broker>) -> Result<(), Overrun> {
        match ask {
            Ask::Publish(message) => self.publish(*message, broker),
            Ask::Hold { id, message } => return self.unreleased.keep(id, message),
            Ask::Release(id) => {
                if let Some(pending) = self.unreleased.take(id) {
                    let (message, row) = pending.into_parts();
                    self.publish(*message, broker);
                    drop(row);
                }
            }
            Ask::Subscribe { filter, options, retained } => {
                let link = self.link.get_or_insert_with(|| Link::open(broker.clone(), self.shelf.clone()));
                link.subscribe(&filter, options, retained);
            }
            Ask::Unsubscribe { filter } => {
                if let Some(link) = &mut self.link {
                    link.unsubscribe(&filter);
                }
            }
            // The chat's.
            Ask::Request { .. } | Ask::Confirm(_) | Ask::MayReceive { .. } => (),
        }
        Ok(())
    }

    fn publish(&self, message: Message, broker: &Broker) {
        if broker.publish(message, self.shelf.number(), Instant::now().into_std()) {
            self.shelf.hurry();
        }
    }
}

fn ask_chat(chat: &door::Session, ask: &Ask) -> Result<(), door::Busy> {
    match ask {
        Ask::Request { call, origin, payload } => chat.request(*call, origin.clone(), payload.clone()),
        Ask::Confirm(delivery) => chat.confirm(*delivery),
        Ask::MayReceive { ask, topic } => chat.may_receive(*ask, topic.clone()),
        // The broker's.
        Ask::Publish(_) | Ask::Hold { .. } | Ask::Release(_) | Ask::Subscribe { .. } | Ask::Unsubscribe { .. } => {
            Ok(())
        }
    }
}

/// CON-8, CON-11: the will, and what is kept of the session.
fn release(free: Free, session: Session, end: End, shared: &Shared) {
    let will = match end {
        End::Left => None,
        End::Broken | End::Dismissed => free.will.map(|will| *will),
    };
    let expiry = match free.expiry {
        // It was told that its session ends with the connection.
        0 => 0,
        granted => session.expiry_said().unwrap_or(granted).min(SESSION_EXPIRY_MAX),
    };
    let Free { id, shelf, link, unreleased, .. } = free;
    let kept = session.into_kept().map(|kept| Box::new(Resumable { kept, link, unreleased, shelf }));
    match id {
        Some(id) => shared.broker.release(&id, kept, expiry, will),
        None => shared.broker.part(kept, will),
    }
}
