//! AUTH-17: a certificate for a verified device, and what others learn of its keys (SEC-9).

use std::sync::Arc;

use bytes::Bytes;
use n2o::Failure;
use proto::ids::Phone;
use proto::records::{Auth, Cert, Contact, Feature, Io, Service};
use proto::{Outcome, Refusal};

use super::key::{self, Bound};
use super::{Ask, Halt, Job, device, register};
use crate::door::Certificate;
use crate::effects::answer;
use crate::output::Work;
use crate::protocol::{contact, presence, service};
use crate::rows::{self, Device};
use crate::{Cx, Fx, names};

/// AUTH-17: the authority works first; nothing is changed before it has.
pub(super) fn enrol(ask: &mut Ask<'_>, auth: &Auth, request: Bytes) -> Result<(), Halt> {
    let own = ask.who.device.clone().ok_or(Refusal::PermissionDenied)?;
    let row = device::read(ask.cx, ask.phone, &own)?.ok_or(Refusal::SessionNotFound)?;
    let (settings, _) = register::settings(&row.settings, None, auth.features())?;
    let work = Work::Issue { request, phone: names::number(ask.cx.store, ask.phone)?, device: own };
    ask.work(Job::Enrol { who: ask.who.clone(), settings }, work)
}

/// The certificate is there: it opens the device from now on, beside the one before (the answer may be lost).
pub(super) fn enrolled(ask: &mut Ask<'_>, settings: Vec<Feature>, issued: &Arc<Certificate>) -> Result<(), Halt> {
    let own = ask.who.device.clone().ok_or(Refusal::PermissionDenied)?;
    let mut row = device::read(ask.cx, ask.phone, &own)?.ok_or(Refusal::SessionNotFound)?;
    match key::bound(ask.cx, issued)? {
        Bound::Not => {}
        Bound::To(phone, device) if phone == *ask.phone && device == own => {}
        // A request with the key of another device would take it away from that one (SEC-4).
        Bound::To(..) | Bound::Ended => return Err(Refusal::InvalidData.into()),
    }

    row.settings = settings;
    device::succeed(ask.fx, &mut row, issued, ask.cx.now.0);
    device::put(ask.fx, ask.phone, &own, &row);
    let answered = Io::ok_src(Outcome::Verified, row.client_id.clone());
    answer(ask.fx, ask.who, vec![etf::encode(&answered.with(Cert { der: Some(issued.der.clone()) }))]);
    let mut devices = device::all(ask.cx, ask.phone)?;
    devices.retain(|kept| kept.dev_key != row.dev_key);
    devices.push(row);
    Ok(announce(ask.cx, ask.fx, ask.phone, &devices)?)
}

/// SEC-9: the keys of an account's devices have changed; to the friends of each of its rosters. `devices` are those that it has now.
pub(super) fn announce(cx: &Cx<'_>, fx: &mut Fx, phone: &Phone, devices: &[Device]) -> Result<(), Failure> {
    let services = service::kept(cx, phone)?;
    tell(cx, fx, phone, devices, &services)
}

/// The same when further certificates have changed to these (SERVICE-1, 2); `ended` are no device's any more.
pub(crate) fn announce_keys(
    cx: &Cx<'_>,
    fx: &mut Fx,
    phone: &Phone,
    services: &[Service],
    ended: &[Bytes],
) -> Result<(), Failure> {
    let has_ended = |row: &Device| ended.iter().any(|gone| row.key.as_ref() == Some(gone));
    let devices: Vec<Device> = device::all(cx, phone)?.into_iter().filter(|row| !has_ended(row)).collect();
    tell(cx, fx, phone, &devices, services)
}

fn tell(cx: &Cx<'_>, fx: &mut Fx, phone: &Phone, devices: &[Device], services: &[Service]) -> Result<(), Failure> {
    device::keep_keys(cx, fx, phone, devices)?;
    let mut keys = contact::certificates(devices);
    keys.extend(service::certificates(services));
    for roster in rows::roster_ids(cx.store, phone)? {
        let own = phone.roster(roster);
        let face = Contact {
            phone_id: Some(own.to_bytes()),
            update: Some(cx.now.0),
            services: keys.clone(),
            ..Contact::default()
        };
        presence::tell_face(cx, fx, &own, &face)?;
    }
    Ok(())
}
