//! Coming in and going out: CON-3 to CON-9, INIT-1, AUTH-13, AUTH-14.

use std::sync::Arc;

use bytes::Bytes;
use mail::Cursor;
use n2o::{Failure, Time};
use proto::ids::{ClientId, ClientKind, DevKey, Phone};
use proto::limits::{REGISTRATION_MS, SEEN_MS};
use proto::records::{Auth, AuthAct, VnodeMax};

use super::{Link, Rate, Session, Vacant};
use crate::door::{Bye, Denied, Gone, Hello, Out, Role};
use crate::input::{Admit, Admitted, Forgetting, Input, Missed, Tick};
use crate::protocol::{auth, init, presence};
use crate::rows::{self, CURSOR};
use crate::{Chat, Cx, Fx, Group, Name, Output, Port, names};

/// Clients up to this version get their Profile at connect (CON-6).
const PROFILE_VERSION_MAX: u32 = 10;
/// Connections that have yet to be judged; who asks beyond comes again.
const ASKING_MAX: usize = 9;
/// Cursors of a device that are forgotten in one step; it has one for each feed that it has acknowledged something of.
const FORGOTTEN: usize = 256;

impl Session {
    /// A CONNECT.
    pub(super) fn connect(
        &mut self,
        chat: &Chat,
        cx: &Cx<'_>,
        fx: &mut Fx,
        hello: Box<Hello>,
        port: Arc<Port>,
    ) -> Result<(), Failure> {
        let rate = Rate::new(chat.settings.limits, cx.now);
        let mut hello = without_session_token(chat, cx, hello);
        hello.certificate = hello.certificate.map(|shown| names::certificate(&chat.names, cx, shown)).transpose()?;
        // Of a device the session has the name that the account is kept by; others have the client id's own.
        let kind = match ClientId::parse(&hello.client_id).map(|id| id.kind()) {
            Ok(ClientKind::Device(..)) => ClientId::parse(self.client.as_bytes()).map(|id| id.kind()),
            kind => kind,
        };
        match kind {
            Err(_) | Ok(ClientKind::Plain) => deny(fx, &port, Denied::BadClientId),
            Ok(ClientKind::Reg) => self.open_registering(chat, cx, fx, Link::new(port, hello, Role::Registering, rate)),
            Ok(ClientKind::Guest) => match hello.password.as_deref().unwrap_or_default() {
                b"" => self.open_registering(chat, cx, fx, Link::new(port, hello, Role::Registering, rate)),
                _ => deny(fx, &port, Denied::BadCredentials),
            },
            Ok(ClientKind::Sys) if auth::is_service(&chat.settings, &hello) => {
                self.open(chat, fx, Link::new(port, hello, Role::Service, rate));
            }
            Ok(ClientKind::Sys) => deny(fx, &port, Denied::NotAuthorized),
            Ok(ClientKind::Device(phone, device)) => {
                self.ask(fx, phone, device, Link::new(port, hello, Role::Device, rate))
            }
        }
        Ok(())
    }

    /// CON-9: a registration has 15 minutes.
    fn open_registering(&mut self, chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, link: Link) {
        let over = Tick::RegistrationOver { connection: link.connection() };
        fx.timer(cx.now + REGISTRATION_MS, Input::Tick(over));
        self.open(chat, fx, link);
    }

    /// An earlier connection with this client id is taken over (CON-7); presence does not notice, unless that one was of an account and
    /// this one is not. INIT-1 follows the welcome of clients at once.
    fn open(&mut self, chat: &Chat, fx: &mut Fx, mut link: Link) {
        let mut place = self.vacant.take();
        if let Some(earlier) = self.link.take() {
            earlier.emit(fx, Out::Close(Bye::TakenOver));
            place = earlier.place();
        }
        match place {
            Some(place) if link.phone() == Some(&place.phone) => link.since = link.since.min(place.missed.since),
            Some(place) => {
                self.leave_rooms(fx);
                place.give_up(fx);
            }
            None => {}
        }
        link.emit(fx, Out::Welcome(link.role, link.phone().cloned()));
        if link.role != Role::Service {
            let ring = VnodeMax { node: chat.settings.ring_nodes };
            link.emit(fx, Out::Notice { payload: etf::encode(&ring) });
        }
        self.link = Some(link);
    }

    /// The account judges (CON-3). Of those that ask at once each counts when it is let in, unless one that asked later was let in before.
    fn ask(&mut self, fx: &mut Fx, phone: Phone, device: DevKey, mut link: Link) {
        if self.asking.len() >= ASKING_MAX {
            return deny(fx, &link.port, Denied::Unavailable);
        }
        link.device = Some(device.clone());
        let admit = Admit {
            session: self.client.clone(),
            connection: link.connection(),
            device,
            password: link.hello.password.take(),
            certificate: link.hello.certificate.clone(),
            called: link.hello.client_id.clone(),
            in_use: self.link.is_some() || self.vacant.is_some(),
        };
        self.asking.push(link);
        fx.tell(Name::Profile(phone), Input::Admit(Box::new(admit)));
    }

    pub(super) fn refused(&mut self, fx: &mut Fx, connection: u64, denied: Denied) {
        if let Some(at) = self.asks(connection) {
            self.asking.remove(at).emit(fx, Out::Denied(denied));
        }
        self.vacate(fx);
    }

    /// Where among those that ask the connection is.
    fn asks(&self, connection: u64) -> Option<usize> {
        self.asking.iter().position(|link| link.connection() == connection)
    }

    /// CON-5: welcome, INIT-1, AUTH-5; what is due follows when the session is in its account's group.
    pub(super) fn admitted(&mut self, chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, admitted: Admitted) {
        let Some(at) = self.asks(admitted.connection) else { return self.admitted_before(fx, &admitted) };
        let mut link = self.asking.remove(at);
        link.role = admitted.role;
        link.birth = admitted.birth;
        link.since = cx.now;
        link.fresh = admitted.fresh;
        link.puback = link.hello.acknowledges && admitted.puback;
        link.account = admitted.account;
        if link.outdone || link.gone {
            return self.admitted_late(fx, link);
        }
        self.asking.iter_mut().take(at).for_each(|earlier| earlier.outdone = true);
        let Some(account) = link.account.clone() else {
            return self.open_registering(chat, cx, fx, link);
        };
        if let Some(until) = admitted.until {
            let over = Tick::SessionOver { connection: admitted.connection };
            fx.timer(Time(until), Input::Tick(over));
        }
        let port = link.port.clone();
        self.open(chat, fx, link);
        if let Some(payload) = admitted.renewed {
            fx.emit(Output::Port(port, Out::Notice { payload }));
        }
        fx.join(Group::Account(account.phone.clone()));
        fx.timer(cx.now + SEEN_MS, Input::Tick(Tick::StillHere { connection: admitted.connection }));
        fx.tell(Name::Session(self.client.clone()), Input::Begin { connection: admitted.connection });
    }

    /// It has gone meanwhile, or one that asked later was let in before it: transports have words for who is let in and taken over, and none
    /// for who is taken over before. Its friends may have heard that it is there: where nobody is, it takes the place and leaves it.
    fn admitted_late(&mut self, fx: &mut Fx, link: Link) {
        if link.outdone {
            link.emit(fx, Out::Welcome(link.role, link.phone().cloned()));
            link.emit(fx, Out::Close(Bye::TakenOver));
        }
        let place = link.place();
        self.vacant = self.vacant.take().or(place);
        self.vacate(fx);
    }

    /// It asked an earlier life of this session, which failed: its friends may have heard that it is there.
    fn admitted_before(&mut self, fx: &mut Fx, admitted: &Admitted) {
        if let Some(account) = &admitted.account
            && let Ok(ClientKind::Device(_, device)) = ClientId::parse(self.client.as_bytes()).map(|id| id.kind())
        {
            let missed = Box::new(Missed::nothing(device));
            self.vacant.get_or_insert(Vacant { phone: account.phone.clone(), missed });
            self.vacate(fx);
        }
    }

    /// The session hears its account; now it joins its rooms, and learns which friends are there: who changes from now on tells it.
    pub(super) fn begin(&mut self, cx: &Cx<'_>, fx: &mut Fx, connection: u64) -> Result<(), Failure> {
        let Some(account) = self.link(connection).and_then(|link| link.account.clone()) else { return Ok(()) };
        self.hear_rooms(cx, fx, &account)?;
        presence::tell_device(cx, fx, &account, &self.client)?;
        fx.tell(Name::Session(self.client.clone()), Input::Begun { connection });
        Ok(())
    }

    /// The session hears news from now on; what came before is read from the store. CON-6: clients of the first versions are sent their
    /// Profile before it, without asking.
    pub(super) fn begun(&mut self, cx: &Cx<'_>, fx: &mut Fx, connection: u64) -> Result<(), Failure> {
        let client = self.client.clone();
        if let Some(before) = self.link(connection).filter(|link| link.fresh).map(|link| link.birth) {
            self.forget(cx, fx, Forgetting::all(before))?;
        }
        let Some(link) = self.link(connection) else {
            return Ok(());
        };
        match (link.hello.version <= PROFILE_VERSION_MAX, &link.account) {
            (true, Some(account)) => {
                fx.tell(Name::Profile(account.phone.clone()), Input::Show { session: client, connection });
                Ok(())
            }
            (false, _) | (_, None) => self.deliver(cx, fx, connection),
        }
    }

    /// A part of the Profile for a client of the first versions; behind the last one comes what is due.
    pub(super) fn shown(
        &mut self,
        cx: &Cx<'_>,
        fx: &mut Fx,
        connection: u64,
        records: Vec<Bytes>,
        done: bool,
    ) -> Result<(), Failure> {
        if let Some(link) = self.link(connection) {
            records.into_iter().for_each(|payload| link.emit(fx, Out::Notice { payload }));
        }
        if done { self.deliver(cx, fx, connection) } else { Ok(()) }
    }

    /// DLV-12: the account keeps when its devices were last there, also while they are.
    pub(super) fn still_here(&mut self, cx: &Cx<'_>, fx: &mut Fx, connection: u64) {
        let Some(link) = self.link(connection) else { return };
        if let (Some(phone), Some(device)) = (link.phone(), &link.device) {
            fx.tell(Name::Profile(phone.clone()), Input::Here { device: device.clone() });
            fx.timer(cx.now + SEEN_MS, Input::Tick(Tick::StillHere { connection }));
            self.look_for_outlived(fx, connection);
        }
    }

    /// CON-8. The transport closes when it hears that the session knows.
    pub(super) fn gone(&mut self, fx: &mut Fx, connection: u64, how: Gone) {
        let asks = self.asks(connection);
        let link = match asks {
            Some(at) => self.asking.get_mut(at),
            None => self.link(connection),
        };
        let Some(link) = link else { return };
        if how != Gone::Failed {
            link.emit(fx, Out::Close(Bye::Done));
        }
        match asks {
            Some(_) => link.gone = true,
            None => self.leave(fx),
        }
    }

    /// The connection is over.
    pub(super) fn leave(&mut self, fx: &mut Fx) {
        let Some(link) = self.link.take() else { return };
        self.leave_rooms(fx);
        self.vacant = link.place();
        self.vacate(fx);
    }

    fn leave_rooms(&mut self, fx: &mut Fx) {
        std::mem::take(&mut self.rooms).into_iter().for_each(|room| fx.leave(Group::Room(room)));
    }

    /// While other connections ask to take over, the place of the one that is over is kept: presence does not notice (CON-7). Were its
    /// account told before one of them is let in, nobody would hear that the device is there.
    fn vacate(&mut self, fx: &mut Fx) {
        let place = match &self.link {
            Some(link) => self.vacant.take().filter(|place| link.phone() != Some(&place.phone)),
            None if self.asking.is_empty() => self.vacant.take(),
            None => None,
        };
        if let Some(place) = place {
            place.give_up(fx);
        }
    }

    /// The session row has gone, or someone else is let in under it: say so, close, and forget what was due to the device.
    pub(super) fn end(
        &mut self,
        cx: &Cx<'_>,
        fx: &mut Fx,
        bye: Bye,
        record: Option<Bytes>,
        forget: bool,
    ) -> Result<(), Failure> {
        if let Some(link) = &self.link {
            if let Some(payload) = record {
                link.emit(fx, Out::Notice { payload });
            }
            link.emit(fx, Out::Close(bye));
        }
        self.leave(fx);
        if forget { self.forget(cx, fx, Forgetting::all(cx.id()?)) } else { Ok(()) }
    }

    /// DLV-12: the queue of a device that is no more, some feeds at a time. The device may be there again meanwhile: what it has acknowledged
    /// since it was born stays. What a crash leaves counts for nothing ([`rows::cursor`]).
    pub(super) fn forget(&self, cx: &Cx<'_>, fx: &mut Fx, mut forgetting: Box<Forgetting>) -> Result<(), Failure> {
        let birth = self.link.as_ref().filter(|link| link.account.is_some()).map(|link| link.birth);
        let before = birth.map_or(forgetting.before, |birth| birth.min(forgetting.before));
        let prefix = rows::cursor_key(&self.client, b"");
        let page = cx.store.scan(CURSOR, &rows::beyond(&prefix, &forgetting.at).limit(FORGOTTEN))?;
        for (key, row) in &page {
            if rows::decode::<Cursor>(row)?.upto < before {
                fx.delete(CURSOR, key.clone());
            }
        }
        if let Some((last, _)) = page.last().filter(|_| page.len() == FORGOTTEN) {
            forgetting.at = last.slice(prefix.len()..);
            fx.tell(Name::Session(self.client.clone()), Input::Forget(forgetting));
        } else if let Some(errand) = forgetting.errand {
            errand.go_on(fx);
        }
        Ok(())
    }

    /// AUTH-13: what opened the connection has ended. The device's row stays: it may come again by another certificate.
    pub(super) fn session_over(&mut self, fx: &mut Fx, connection: u64) {
        let client = Bytes::copy_from_slice(self.client.as_bytes());
        if let Some(link) = self.link(connection) {
            let expired = Auth { client_id: Some(client), r#type: Some(AuthAct::Expired.into()), ..Auth::default() };
            link.emit(fx, Out::Notice { payload: etf::encode(&expired) });
            link.emit(fx, Out::Close(Bye::Expired));
            self.leave(fx);
        }
    }

    pub(super) fn registration_over(&mut self, fx: &mut Fx, connection: u64) {
        if let Some(link) = self.link(connection).filter(|link| link.role == Role::Registering) {
            link.emit(fx, Out::Close(Bye::TimeUp));
            self.leave(fx);
        }
    }

    /// The server ends the connection; the client may come again.
    pub(super) fn close(&mut self, fx: &mut Fx, bye: Bye) {
        if let Some(link) = &self.link {
            link.emit(fx, Out::Close(bye));
        }
        self.leave(fx);
    }
}

impl Vacant {
    /// Nobody takes it.
    fn give_up(self, fx: &mut Fx) {
        fx.leave(Group::Account(self.phone.clone()));
        fx.tell(Name::Profile(self.phone), Input::Left(self.missed));
    }
}

/// CON-3: a guest shows a valid N2O session token as one without password; to others it is worth nothing.
fn without_session_token(chat: &Chat, cx: &Cx<'_>, mut hello: Box<Hello>) -> Box<Hello> {
    hello.password.take_if(|token| init::is_session(&chat.vault, cx.now, token));
    hello
}

fn deny(fx: &mut Fx, port: &Arc<Port>, denied: Denied) {
    fx.emit(Output::Port(port.clone(), Out::Denied(denied)));
}
