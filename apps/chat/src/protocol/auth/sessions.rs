//! The sessions of an account: AUTH-6, 8 to 11, 14.

use bytes::Bytes;
use n2o::Failure;
use proto::ids::{ClientId, ClientKind, DevKey, Phone};
use proto::records::{Auth, AuthAct, AuthToken, Io};
use proto::topic::{Owner, Topic};
use proto::{Outcome, Refusal};

use super::binding::Unbind;
use super::device;
use super::login::puback;
use super::register::given;
use super::{Ask, Halt, enrol};
use crate::door::Bye;
use crate::effects::{Seen, answer, answer_also, done, show};
use crate::protocol::feature::{self, AUTH_DATA};
use crate::protocol::service;
use crate::rows::{self, Device};
use crate::{Also, Cx, Fx};

/// AUTH-6: ends the own session.
pub(super) fn logout(ask: &mut Ask<'_>) -> Result<(), Halt> {
    let own = own_key(ask)?;
    let row = device::read(ask.cx, ask.phone, &own)?.ok_or(Refusal::SessionNotFound)?;

    device::end(ask.cx, ask.fx, ask.phone, &row, Unbind::Forget, None)?;
    let bye = Io::ok(Outcome::Logout).with(AuthToken { token: Some(Bytes::new()) });
    answer_also(ask.fx, ask.who, vec![etf::encode(&bye)], Also::Close(Bye::Done));
    let news = Auth { dev_key: Some(row.dev_key.clone()), ..device::deleted(&row) };
    let topic = Topic::Ses(Owner::Account(ask.phone.clone()));
    show(ask.fx, ask.phone, &topic, etf::encode(&news), Some(ask.who.connection));
    Ok(tell_account(ask, |kept| kept.dev_key != row.dev_key)?)
}

/// AUTH-8: one record for each session row, oldest first.
pub(super) fn get(ask: &mut Ask<'_>) -> Result<(), Halt> {
    let default = ask.who.account.as_ref().and_then(|account| account.default_roster());
    let rows = device::all(ask.cx, ask.phone)?;
    let records = rows.iter().map(|row| etf::encode(&device::shown(row, default.as_ref(), AuthAct::Get)));
    answer(ask.fx, ask.who, records.collect());
    Ok(())
}

/// AUTH-9: ends all sessions but the own one.
pub(super) fn clear(ask: &mut Ask<'_>) -> Result<(), Halt> {
    // A service has none of them.
    let own = ask.who.device.as_ref().map(DevKey::to_bytes);
    let is_own = |row: &Device| Some(&row.dev_key) == own.as_ref();
    let others: Vec<Device> = device::all(ask.cx, ask.phone)?.into_iter().filter(|row| !is_own(row)).collect();

    for row in &others {
        end(ask.cx, ask.fx, ask.phone, row)?;
    }
    if !others.is_empty() {
        tell_account(ask, is_own)?;
    }
    answer(ask.fx, ask.who, vec![done(Outcome::Cleared)]);
    Ok(())
}

/// AUTH-10: ends one session of the account; the own one as AUTH-6 does.
pub(super) fn delete(ask: &mut Ask<'_>, auth: &Auth) -> Result<(), Halt> {
    let key = named(ask, auth)?;
    let row = device::read(ask.cx, ask.phone, &key)?.ok_or(Refusal::SessionNotFound)?;
    if ask.who.device.as_ref() == Some(&key) {
        return logout(ask);
    }
    end(ask.cx, ask.fx, ask.phone, &row)?;
    tell_account(ask, |kept| kept.dev_key != row.dev_key)?;
    answer(ask.fx, ask.who, vec![etf::encode(&Io::ok_src(Outcome::Deleted, row.client_id.clone()))]);
    Ok(())
}

/// The device that AUTH-10 means: by its client id, else by its key.
fn named(ask: &Ask<'_>, auth: &Auth) -> Result<DevKey, Refusal> {
    let Some(client) = given(&auth.client_id) else {
        let key = given(&auth.dev_key).ok_or(Refusal::InvalidData)?;
        return DevKey::parse(&key).map_err(|_| Refusal::SessionNotFound);
    };
    match ClientId::parse(&client).map(|client| client.kind()) {
        Ok(ClientKind::Device(phone, key)) if phone == *ask.phone => Ok(key),
        Ok(ClientKind::Device(..)) => Err(Refusal::PermissionDenied),
        Ok(ClientKind::Reg | ClientKind::Guest | ClientKind::Sys | ClientKind::Plain) | Err(_) => {
            Err(Refusal::SessionNotFound)
        }
    }
}

/// AUTH-14: the device is told, closed (0x98) and forgotten; its key is refused from now on (ID-9).
fn end(cx: &Cx<'_>, fx: &mut Fx, phone: &Phone, row: &Device) -> Result<(), Failure> {
    let record = etf::encode(&device::deleted(row));
    device::end(cx, fx, phone, row, Unbind::Block, Some((Bye::Ended, Some(record))))
}

/// ID-10: a certificate was revoked. A device that it opens ends with its token; one that has another by now, or a further key of the
/// account (SERVICE-1), goes on without this one.
pub(crate) fn revoked(cx: &Cx<'_>, fx: &mut Fx, phone: &Phone, key: &Bytes) -> Result<(), Failure> {
    let devices = device::all(cx, phone)?;
    let Some(row) = devices.iter().find(|row| row.key.as_ref() == Some(key)) else {
        return service::revoked(cx, fx, phone, key);
    };
    end(cx, fx, phone, row)?;
    tell_devices(cx, fx, phone, devices.clone(), Seen::ByNobody, |kept| kept.dev_key != row.dev_key)
}

/// The account's person may not come in any more (ID-11): every device ends, as AUTH-14 says.
pub(super) fn end_all(cx: &Cx<'_>, fx: &mut Fx, phone: &Phone) -> Result<(), Failure> {
    let devices = device::all(cx, phone)?;
    for row in &devices {
        end(cx, fx, phone, row)?;
    }
    if devices.is_empty() { Ok(()) } else { tell_devices(cx, fx, phone, devices, Seen::ByNobody, |_| false) }
}

/// AUTH-11: settings and system of this session.
pub(super) fn update(ask: &mut Ask<'_>, auth: Auth) -> Result<(), Halt> {
    if let Some(request) = feature::value(auth.features(), AUTH_DATA, b"CSR").map(Bytes::copy_from_slice) {
        return enrol::enrol(ask, &auth, request);
    }
    let own = own_key(ask)?;
    let mut row = device::read(ask.cx, ask.phone, &own)?.ok_or(Refusal::SessionNotFound)?;
    let before = row.clone();
    feature::merge(&mut row.settings, auth.features())?;
    row.os = auth.os.or(row.os);

    let default = ask.who.account.as_ref().and_then(|account| account.default_roster());
    let shown = etf::encode(&device::shown(&row, default.as_ref(), AuthAct::Update));
    answer_also(ask.fx, ask.who, vec![shown], Also::Acknowledge { puback: puback(ask.chat, &row) });
    if row != before {
        device::put(ask.fx, ask.phone, &own, &row);
    }
    Ok(())
}

fn own_key(ask: &Ask<'_>) -> Result<DevKey, Refusal> {
    ask.who.device.clone().ok_or(Refusal::PermissionDenied)
}

/// Tells the sessions which devices the account has left, and friends and own devices which keys (SEC-9).
fn tell_account(ask: &mut Ask<'_>, stays: impl Fn(&Device) -> bool) -> Result<(), Failure> {
    let devices = device::all(ask.cx, ask.phone)?;
    tell_devices(ask.cx, ask.fx, ask.phone, devices, Seen::by(ask.who), stays)
}

fn tell_devices(
    cx: &Cx<'_>,
    fx: &mut Fx,
    phone: &Phone,
    mut devices: Vec<Device>,
    seen: Seen,
    stays: impl Fn(&Device) -> bool,
) -> Result<(), Failure> {
    let had_keys = devices.iter().any(|device| device.certificate.is_some() && !stays(device));
    devices.retain(stays);
    if had_keys {
        enrol::announce(cx, fx, phone, &devices, seen)?;
    }
    device::changed(cx, fx, phone, rows::roster_ids(cx.store, phone)?, &devices)?;
    Ok(())
}
