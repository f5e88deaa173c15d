//! AUTH-17: a certificate for a verified device, and what others learn of its keys (SEC-9).

use std::sync::Arc;

use bytes::Bytes;
use n2o::Failure;
use proto::ids::{Phone, PhoneId};
use proto::records::{Auth, Cert, Contact, Feature, Io, Service};
use proto::{Outcome, Refusal};

use super::key::{self, Bound};
use super::{Ask, Halt, Job, Waiting, binding, device, proof, register};
use crate::beside::Shown;
use crate::door::{Certificate, Out, Role};
use crate::effects::{self, Seen, answer};
use crate::output::{Output, Work};
use crate::protocol::{contact, presence, service};
use crate::rows::{self, Device, KEYS, Keys};
use crate::{Chat, Cx, Enrol, Fx, Port, Who, names};

/// The session of those who have none; what is sent to it finds nobody.
const ASIDE: &str = "aside";

/// AUTH-17: the authority works first; nothing is changed before it has.
pub(super) fn enrol(ask: &mut Ask<'_>, auth: &Auth, request: Bytes) -> Result<(), Halt> {
    let own = ask.who.device.clone().ok_or(Refusal::PermissionDenied)?;
    let row = device::read(ask.cx, ask.phone, &own)?.ok_or(Refusal::SessionNotFound)?;
    let (settings, _) = register::settings(&row.settings, None, auth.features())?;
    let number = names::number(ask.cx.store, ask.phone)?;
    let work = Work::Issue { request, phone: number, account: ask.phone.clone(), device: own };
    ask.work(Job::Enrol { who: ask.who.clone(), settings, aside: None }, work)
}

/// SEC-4: the same for a device beside its connections, which are left alone (CON-7): it proves here who it is.
pub(crate) fn aside(
    phone: &Phone,
    waiting: &mut Waiting,
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    asked: Enrol,
) -> Result<(), Failure> {
    let Enrol { device, token, certificate, request, reply } = asked;
    let who = Who {
        session: ASIDE.into(),
        connection: reply.number(),
        call: 0,
        role: Role::Device,
        account: None,
        device: Some(device.clone()),
        certificate: certificate.clone(),
        source: None,
        beside: None,
    };
    let row = device::read(cx, phone, &device)?;
    let shown = match (&certificate, token) {
        (None, Some(token)) => Some(Shown::Token(token)),
        (Some(certificate), None) => Some(Shown::Certificate(certificate.clone())),
        // Either is enough; both are ID-10's business, and nobody's here.
        (None, None) | (Some(_), Some(_)) => None,
    };
    let is_it = |shown| proof::is_device(cx.store, cx.now.0, phone, &device, &shown);
    let proved = shown.map(is_it).transpose()?.unwrap_or_default();
    let Some(row) = row.filter(|_| proved) else {
        return settle(fx, &who, Some(&reply), Err(Refusal::SessionNotFound.into()));
    };
    let mut ask = Ask { phone, waiting, chat, cx, fx, who: &who };
    let work = Work::Issue { request, phone: names::number(cx.store, phone)?, account: phone.clone(), device };
    let job = Job::Enrol { who: who.clone(), settings: row.settings, aside: Some(reply.clone()) };
    let done = ask.work(job, work);
    settle(fx, &who, Some(&reply), done)
}

/// Ends it early, for whoever waits.
pub(super) fn settle(fx: &mut Fx, who: &Who, aside: Option<&Arc<Port>>, done: Result<(), Halt>) -> Result<(), Failure> {
    match (aside, done) {
        (Some(reply), Err(Halt::Refused(refusal))) => {
            fx.emit(Output::Port(reply.clone(), Out::Answer { call: 0, payload: effects::refused(refusal) }));
            Ok(())
        }
        (_, done) => crate::protocol::settle(fx, who, done),
    }
}

/// The certificate is there: it opens the device from now on, beside the one before (the answer may be lost).
pub(super) fn enrolled(
    ask: &mut Ask<'_>,
    settings: Vec<Feature>,
    issued: &Arc<Certificate>,
    aside: Option<&Arc<Port>>,
) -> Result<(), Halt> {
    let own = ask.who.device.clone().ok_or(Refusal::PermissionDenied)?;
    let mut row = device::read(ask.cx, ask.phone, &own)?.ok_or(Refusal::SessionNotFound)?;
    check_name(ask, issued)?;
    match key::bound(ask.cx, issued)? {
        Bound::Not => {}
        Bound::To(phone, device) if phone == *ask.phone && device == own => {}
        // A request with the key of another device would take it away from that one (SEC-4).
        Bound::To(..) | Bound::Ended => return Err(Refusal::InvalidData.into()),
    }

    row.settings = settings;
    binding::succeed(ask.cx, ask.fx, &mut row, issued)?;
    device::put(ask.fx, ask.phone, &own, &row);
    let answered = Io::ok_src(Outcome::Verified, row.client_id.clone());
    let payload = etf::encode(&answered.with(Cert { der: Some(issued.der.clone()) }));
    let mut devices = device::all(ask.cx, ask.phone)?;
    devices.retain(|kept| kept.dev_key != row.dev_key);
    devices.push(row);
    announce(ask.cx, ask.fx, ask.phone, &devices, Seen::by(ask.who))?;
    match aside {
        Some(reply) => ask.fx.emit(Output::Port(reply.clone(), Out::Answer { call: 0, payload })),
        None => answer(ask.fx, ask.who, vec![payload]),
    }
    Ok(())
}

/// PROFILE-11: the account may have moved since the certificate was ordered; what it names is then for somebody else. Asked for again it
/// names the new number.
pub(super) fn check_name(ask: &Ask<'_>, issued: &Certificate) -> Result<(), Halt> {
    let number = names::number(ask.cx.store, ask.phone)?;
    match &issued.device {
        Some((named, _)) if named != number.as_str() => Err(Refusal::Internal.into()),
        Some(_) | None => Ok(()),
    }
}

/// SEC-9: the keys of an account's devices have changed; to the friends of each of its rosters, and to the own devices (G-9) but the one
/// that asked. `devices` are those that it has now.
pub(super) fn announce(cx: &Cx<'_>, fx: &mut Fx, phone: &Phone, devices: &[Device], seen: Seen) -> Result<(), Failure> {
    let services = service::kept(cx, phone)?;
    for (own, face) in tell(cx, fx, phone, devices, &services)? {
        let merge = effects::contact_merge(&own, own.as_str().as_bytes());
        effects::notify(fx, cx, phone, &effects::ses(cx, &own)?, &face, merge, seen)?;
    }
    Ok(())
}

/// The same when further certificates have changed to these (SERVICE-1, 2), of which the Profile tells the own devices; `ended` are no
/// device's any more.
pub(crate) fn announce_keys(
    cx: &Cx<'_>,
    fx: &mut Fx,
    phone: &Phone,
    services: &[Service],
    ended: &[Bytes],
) -> Result<(), Failure> {
    let has_ended = |row: &Device| ended.iter().any(|gone| row.key.as_ref() == Some(gone));
    let devices: Vec<Device> = device::all(cx, phone)?.into_iter().filter(|row| !has_ended(row)).collect();
    tell(cx, fx, phone, &devices, services).map(drop)
}

/// Gives back what the friends of each roster are told.
fn tell(
    cx: &Cx<'_>,
    fx: &mut Fx,
    phone: &Phone,
    devices: &[Device],
    services: &[Service],
) -> Result<Vec<(PhoneId, Contact)>, Failure> {
    let mut keys = contact::certificates(devices);
    fx.put(KEYS, phone.to_bytes(), rows::encode(&Keys { update: cx.now.0, services: keys.clone() }));
    presence::tell_publisher(cx, fx, phone)?;
    keys.extend(service::certificates(services));
    let mut told = Vec::new();
    for roster in rows::roster_ids(cx.store, phone)? {
        let own = phone.roster(roster);
        let face = Contact {
            phone_id: Some(own.to_bytes()),
            update: Some(cx.now.0),
            services: keys.clone(),
            ..Contact::default()
        };
        presence::tell_face(cx, fx, &own, &face)?;
        told.push((own, face));
    }
    Ok(told)
}
