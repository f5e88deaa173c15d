//! A session: one per client id. It lets a connection in, hands its requests to their owners, keeps the answers in order, and delivers
//! what is due to its device.

mod acknowledge;
mod behalf;
mod broadcast;
mod calls;
mod connect;
mod due;
mod limit;
mod loading;
mod missed;
mod outlived;
mod pass;
mod queue;
pub(crate) mod rate;
mod receive;
mod requests;
mod rooms;
mod route;
mod service;
mod signature;
mod spans;

pub(crate) use calls::PIECES_MAX;
pub(crate) use route::friend_feed;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use n2o::{Bounce, Failure, Time};
use proto::ids::{DevKey, Phone, RoomId};

use crate::door::{Bye, Denied, Hello, Out, Role};
use crate::input::{Account, Forgetting, Input, Missed, Tick};
use crate::{Chat, Cx, Fx, Name, Output, Port, Who, names};
use calls::Calls;
use loading::Loading;
use queue::Queue;
use rate::Rate;
use requests::Asked;

/// Events of which a second copy is known: those of one moment.
const HEARD: usize = 8;

/// What is known to be taken while a queue is loaded: as much as a cursor has room for. What is more comes again.
const ANSWERED: usize = mail::RANGES_MAX;

/// A client id, and its connection while there is one.
pub struct Session {
    client: Arc<str>,
    link: Option<Link>,
    /// Connections that have yet to be judged, as they asked, also those that have gone meanwhile; who is let in takes over (CON-7).
    asking: Vec<Link>,
    /// The place of a connection that is over, as long as others ask to take over: its account takes the device for there.
    vacant: Option<Vacant>,
    /// The rooms whose groups it is in.
    rooms: BTreeSet<RoomId>,
    /// Connections under this client id that other sessions serve, and which (PROFILE-11): one a device that may be meant, beside those that
    /// have yet to be let in or are about to end.
    passes: Vec<(Arc<Port>, Arc<str>)>,
}

/// Whose place it is, and what the device has not had of what is due to it.
#[derive(Clone)]
struct Vacant {
    phone: Phone,
    missed: Box<Missed>,
}

/// One connection.
struct Link {
    port: Arc<Port>,
    hello: Box<Hello>,
    role: Role,
    /// Absent for guests and services.
    account: Option<Arc<Account>>,
    device: Option<DevKey>,
    calls: Calls,
    /// What is due to the device; absent before [`Input::Begin`], while it is being looked for, and for all but devices.
    queue: Option<Box<Queue>>,
    loading: Option<Box<Loading>>,
    rate: Rate,
    /// Requests that came too early (SEC-13), at most [`crate::CALLS_MAX`] with those that have not ended.
    late: VecDeque<Asked>,
    /// DLV-13: items are acknowledged by the transport.
    puback: bool,
    birth: u64,
    /// When the device came, by this connection or one that it has taken over.
    since: Time,
    /// Events of the latest copies that came (G-8).
    heard: [u64; HEARD],
    /// What it has had as answers (G-8) before its queue was loaded, at most [`ANSWERED`]: notices, and entries of the feed with this key.
    answered: Vec<(Option<Bytes>, u64)>,
    /// What an earlier life of the device has left is to be forgotten (DLV-12).
    fresh: bool,
    /// One that asked later was let in before this one was judged.
    outdone: bool,
    /// The transport has ended, while this connection asks to be let in.
    gone: bool,
}

impl Session {
    pub fn start(client: Arc<str>) -> Session {
        let (rooms, passes) = (BTreeSet::new(), Vec::new());
        Session { client, link: None, asking: Vec::new(), vacant: None, rooms, passes }
    }

    pub fn step(&mut self, chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, input: Input) -> Result<(), Failure> {
        let mark = fx.mark();
        if let Some(input) = self.pass(chat, cx, fx, input)? {
            self.perform_step(chat, cx, fx, input)?;
        }
        names::outward(&chat.names, cx.store, fx, mark)?;
        if self.link.is_none() && self.asking.is_empty() && self.passes.is_empty() {
            // Nothing to do without a connection; what comes late finds nobody.
            fx.stop();
        }
        Ok(())
    }

    fn perform_step(&mut self, chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, input: Input) -> Result<(), Failure> {
        match input {
            Input::Connect { hello, port } => self.connect(chat, cx, fx, hello, port)?,
            Input::Admitted(admitted) => self.admitted(chat, cx, fx, *admitted),
            Input::Refused { connection, denied } => self.refused(fx, connection, denied),
            Input::Begin { connection } => self.begin(cx, fx, connection)?,
            Input::Begun { connection } => self.begun(cx, fx, connection)?,
            Input::Seat(seat) => self.seat(cx, fx, &seat)?,
            Input::Opened { connection, room } => self.opened(cx, fx, connection, &room)?,
            Input::Gone { connection, how } => self.gone(fx, connection, how),
            Input::End { bye, record, forget } => self.end(cx, fx, bye, record, forget)?,
            Input::Request { port, call, origin, payload } => {
                self.request(chat, cx, fx, &port, Asked { call, origin, payload })?
            }
            Input::GoOn => self.load_on(cx, fx)?,
            Input::Answer(answer) => self.answer(cx, fx, *answer)?,
            Input::Shown { connection, records, done } => self.shown(cx, fx, connection, records, done)?,
            Input::Failed { connection, call } => self.failed(cx, fx, connection, call)?,
            Input::Confirmed { connection, delivery } => self.confirmed(cx, fx, connection, delivery)?,
            Input::MayReceive { connection, ask, topic } => self.may_receive(chat, cx, fx, connection, ask, &topic)?,
            Input::Letter(letter) => self.letter(cx, fx, letter)?,
            Input::Hidden { feed } => self.hidden(&feed),
            Input::Notice(notice) => self.notice(cx, fx, notice)?,
            Input::Transient(transient) => self.transient(fx, transient),
            Input::Receipt { topic, payload } => self.receipt(fx, topic, payload),
            Input::Account(account) => self.account_changed(account),
            Input::Tick(Tick::RegistrationOver { connection }) => self.registration_over(fx, connection),
            Input::Tick(Tick::StillHere { connection }) => self.still_here(cx, fx, connection),
            Input::Tick(Tick::GoOn { connection }) => self.go_on(chat, cx, fx, connection)?,
            Input::Worked { job, result } => self.verified(cx, fx, job, result)?,
            Input::Tick(Tick::VerifyOver { connection }) => self.verify_over(cx, fx, connection)?,
            Input::Tick(Tick::SessionOver { connection }) => self.session_over(fx, connection),
            // The operator closes it.
            Input::Command(_) => self.close(fx, Bye::Ended),
            // The device is there again, with another queue.
            Input::Errand(errand) if self.link.as_ref().is_some_and(|link| link.account.is_some()) => errand.go_on(fx),
            Input::Errand(errand) => {
                let forgetting = Forgetting { errand: Some(errand), ..*Forgetting::all(cx.id()?) };
                self.forget(cx, fx, forgetting.into())?
            }
            Input::Forget(forgetting) => self.forget(cx, fx, forgetting)?,
            Input::Outlived { connection, beyond } => self.outlived(cx, fx, connection, &beyond)?,
            // Meant for other kinds of process.
            _ => {}
        }
        Ok(())
    }

    /// It failed: with it the state of its connection is lost. The client is told, comes again and finds all that is due.
    pub(crate) fn last_words(&self) -> Vec<Bounce<Chat>> {
        let mut words: Vec<_> = self.pass_no_more().collect();
        if let Some(link) = &self.link {
            words.push(Bounce::Emit(Output::Port(link.port.clone(), Out::Close(Bye::Fault))));
        }
        let place = self.link.as_ref().and_then(|link| link.place());
        let place = place.or_else(|| self.vacant.clone());
        words.extend(place.map(|place| Bounce::Tell(Name::Profile(place.phone), Input::Left(place.missed))));
        let unheard = self.asking.iter().map(|link| link.port.clone());
        words.extend(unheard.map(|port| Bounce::Emit(Output::Port(port, Out::Denied(Denied::Unavailable)))));
        words
    }

    /// The connection, if it is this one: what an earlier one still says is no longer heard.
    fn link(&mut self, connection: u64) -> Option<&mut Link> {
        self.link.as_mut().filter(|link| link.port.number() == connection)
    }

    fn is_service(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.role == Role::Service)
    }

    fn account_changed(&mut self, account: Arc<Account>) {
        if let Some(link) = &mut self.link
            && link.account.as_ref().is_some_and(|known| known.phone == account.phone)
        {
            link.account = Some(account);
        }
    }
}

impl Link {
    fn new(port: Arc<Port>, hello: Box<Hello>, role: Role, rate: Rate) -> Link {
        Link {
            port,
            hello,
            role,
            account: None,
            device: None,
            calls: Calls::default(),
            queue: None,
            loading: None,
            rate,
            late: VecDeque::new(),
            puback: false,
            birth: 0,
            since: Time::default(),
            heard: [0; HEARD],
            answered: Vec::new(),
            fresh: false,
            outdone: false,
            gone: false,
        }
    }

    fn connection(&self) -> u64 {
        self.port.number()
    }

    /// What is due to its device is still being looked for.
    fn is_loading(&self) -> bool {
        self.queue.is_none() && self.device.is_some() && self.account.is_some()
    }

    fn emit(&self, fx: &mut Fx, out: Out) {
        fx.emit(Output::Port(self.port.clone(), out));
    }

    /// For what no person waits for.
    fn emit_patiently(&self, fx: &mut Fx, out: Out) {
        fx.emit_patiently(Output::Port(self.port.clone(), out));
    }

    fn phone(&self) -> Option<&Phone> {
        self.account.as_ref().map(|account| &account.phone)
    }

    /// What it leaves when it is over.
    fn place(&self) -> Option<Vacant> {
        let (phone, device) = (self.phone()?.clone(), self.device.clone()?);
        Some(Vacant { phone, missed: Box::new(self.missed(device)) })
    }

    /// What an owner is told about the caller.
    fn who(&self, client: &Arc<str>, call: u64) -> Who {
        Who {
            session: client.clone(),
            connection: self.connection(),
            call,
            role: self.role,
            account: self.account.clone(),
            device: self.device.clone(),
            certificate: self.hello.certificate.clone(),
            source: self.hello.source.filter(|_| self.rate.is_limited()),
            beside: None,
        }
    }

    fn shows(&self, payload: &Bytes) -> bool {
        payload.len() <= self.hello.item_max
    }
}
