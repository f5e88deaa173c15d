//! AUTH-7: where a device is woken. Its push token is kept encrypted, and of all devices one at most has it.

use bytes::Bytes;
use n2o::Failure;
use proto::Refusal;
use proto::ids::{DevKey, Phone};
use proto::records::{Auth, Feature, Io, Os};

use super::register::given;
use super::{Ask, Halt, device, secret};
use crate::effects::answer;
use crate::rows::{self, Device, HOLDER, Holder, WAKEABLE, Wakeable};
use crate::vault::Purpose;
use crate::{Chat, Cx, Fx, Input, Name, Vault};

/// Longest push token, in bytes: those of web push are small records.
const TOKEN_BYTES: usize = 4096;

/// AUTH-7: keeps the push token in the own session row, and nowhere else; an empty one removes it.
pub(super) fn push(ask: &mut Ask<'_>, auth: &Auth) -> Result<(), Halt> {
    let own = ask.who.device.clone().ok_or(Refusal::PermissionDenied)?;
    check_same(ask, &own, auth)?;
    let token = checked(&auth.push)?;
    let mut row = device::read(ask.cx, ask.phone, &own)?.ok_or(Refusal::SessionNotFound)?;
    let before = row.clone();

    row.os = auth.os.or(row.os);
    hold(ask.chat, ask.cx, ask.fx, &mut row, token)?;
    if row != before {
        device::put(ask.fx, ask.phone, &own, &row);
        mark_with(ask.cx, ask.fx, ask.phone, row)?;
    }
    answer(ask.fx, ask.who, vec![etf::encode(&Io::empty())]);
    Ok(())
}

fn check_same(ask: &Ask<'_>, own: &DevKey, auth: &Auth) -> Result<(), Halt> {
    let client = given(&auth.client_id).is_none_or(|client| client == ask.who.session.as_bytes());
    let token = match given(&auth.token) {
        Some(token) => device::has_token(ask.cx, ask.phone, own, &token)?,
        None => true,
    };
    if client && token { Ok(()) } else { Err(Refusal::MismatchUserData.into()) }
}

/// A push token as a client gives it.
pub(super) fn checked(token: &Option<Bytes>) -> Result<Option<Bytes>, Refusal> {
    match given(token) {
        Some(token) if token.len() > TOKEN_BYTES => Err(Refusal::InvalidData),
        token => Ok(token),
    }
}

/// Gives a session row a push token, or takes away the one that it has. Whoever had it before is told.
pub(super) fn hold(
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    row: &mut Device,
    token: Option<Bytes>,
) -> Result<(), Failure> {
    let print = token.as_deref().map(secret::hash);
    if row.push_print == print {
        return Ok(());
    }
    let_go(cx, fx, row)?;
    row.push = None;
    if let (Some(token), Some(print)) = (token, &print) {
        if let Some(holder) = rows::read::<Holder>(cx.store, HOLDER, print)? {
            tell_former(fx, holder, print)?;
        }
        let own = Holder { phone: row.phone.clone(), dev_key: row.dev_key.clone() };
        fx.put(HOLDER, print.clone(), rows::encode(&own));
        row.push = Some(chat.vault.seal(Purpose::Push, cx.random(), &owner(row), &token));
    }
    row.push_print = print;
    Ok(())
}

fn tell_former(fx: &mut Fx, holder: Holder, print: &Bytes) -> Result<(), Failure> {
    let no_device = |_| Failure::new("a push token of no device");
    let device = DevKey::parse(&holder.dev_key).map_err(no_device)?;
    let phone = Phone::parse(&holder.phone).map_err(no_device)?;
    fx.tell(Name::Profile(phone), Input::PushTaken { device, print: print.clone() });
    Ok(())
}

/// The row's push token is nobody's from now on, unless another device has it already.
pub(super) fn let_go(cx: &Cx<'_>, fx: &mut Fx, row: &Device) -> Result<(), Failure> {
    let Some(print) = &row.push_print else { return Ok(()) };
    if is_holder(cx, row, print)? {
        fx.delete(HOLDER, print.clone());
    }
    Ok(())
}

/// Another device has it now.
pub(crate) fn taken(cx: &Cx<'_>, fx: &mut Fx, phone: &Phone, device: &DevKey, print: &Bytes) -> Result<(), Failure> {
    match device::read(cx, phone, device)? {
        Some(row) if row.push_print.as_ref() == Some(print) && !is_holder(cx, &row, print)? => {
            let row = Device { push: None, push_print: None, ..row };
            device::put(fx, phone, device, &row);
            mark_with(cx, fx, phone, row)?;
        }
        Some(_) | None => {}
    }
    Ok(())
}

fn is_holder(cx: &Cx<'_>, row: &Device, print: &[u8]) -> Result<bool, Failure> {
    let holder: Option<Holder> = rows::read(cx.store, HOLDER, print)?;
    Ok(holder.is_some_and(|holder| holder.phone == row.phone && holder.dev_key == row.dev_key))
}

/// For whom a push token is sealed.
fn owner(row: &Device) -> Bytes {
    rows::path(&[&row.phone, &row.dev_key])
}

/// A token that came with a registration waits with it, and is as secret there.
pub(super) fn seal_pending(chat: &Chat, cx: &Cx<'_>, phone: &Phone, token: &[u8]) -> Bytes {
    chat.vault.seal(Purpose::Push, cx.random(), phone.as_str().as_bytes(), token)
}

pub(super) fn open_pending(chat: &Chat, phone: &Phone, sealed: &[u8]) -> Option<Bytes> {
    chat.vault.open(Purpose::Push, phone.as_str().as_bytes(), sealed)
}

/// Whether the account can be woken, by the devices that it has now: what [`crate::protocol::push::wake`] looks at first.
pub(super) fn mark(cx: &Cx<'_>, fx: &mut Fx, phone: &Phone, devices: &[Device]) -> Result<(), Failure> {
    let key = phone.to_bytes();
    let before: Option<Wakeable> = rows::read(cx.store, WAKEABLE, &key)?;
    let has_token = devices.iter().any(|device| device.push.is_some());
    let after = has_token.then_some(Wakeable { devices: devices.len() as u64 });
    match after {
        _ if after == before => {}
        Some(after) => fx.put(WAKEABLE, key, rows::encode(&after)),
        None => fx.delete(WAKEABLE, key),
    }
    Ok(())
}

fn mark_with(cx: &Cx<'_>, fx: &mut Fx, phone: &Phone, row: Device) -> Result<(), Failure> {
    let mut devices = device::all(cx, phone)?;
    devices.retain(|kept| kept.dev_key != row.dev_key);
    devices.push(row);
    mark(cx, fx, phone, &devices)
}

/// A device that can be woken.
#[derive(Clone)]
pub(crate) struct Away {
    pub(crate) client_id: Bytes,
    pub(crate) os: Os,
    pub(crate) settings: Vec<Feature>,
    pub(crate) token: Bytes,
    pub(crate) device: DevKey,
    pub(crate) print: Bytes,
    /// When it was here last, milliseconds.
    pub(crate) seen: u64,
    /// Its birth number (AUTH-4).
    pub(crate) birth: u64,
}

/// Those that are away.
pub(crate) fn away(chat: &Chat, cx: &Cx<'_>, phone: &Phone) -> Result<Vec<Away>, Failure> {
    let mut away = reachable(chat, cx, phone)?;
    away.retain(|device| !cx.is_alive(&Name::session(&device.client_id)));
    Ok(away)
}

/// The same of one device.
pub(crate) fn is_away(chat: &Chat, cx: &Cx<'_>, phone: &Phone, device: &DevKey) -> Result<Option<Away>, Failure> {
    let away = match device::read(cx, phone, device)? {
        Some(row) if row.push.is_some() => woken(&chat.vault, row)?,
        Some(_) | None => None,
    };
    Ok(away.filter(|device| !cx.is_alive(&Name::session(&device.client_id))))
}

/// The devices of an account that have a push token of a known system (PUSH-7).
pub(crate) fn reachable(chat: &Chat, cx: &Cx<'_>, phone: &Phone) -> Result<Vec<Away>, Failure> {
    let mut found = Vec::new();
    for row in device::all(cx, phone)? {
        found.extend(woken(&chat.vault, row)?);
    }
    Ok(found)
}

/// How a device is woken, if it can be.
pub(crate) fn woken(vault: &Vault, row: Device) -> Result<Option<Away>, Failure> {
    let device = device::dev_key(&row)?;
    let token = row.push.as_ref().and_then(|sealed| vault.open(Purpose::Push, &owner(&row), sealed));
    let (Some(os), Some(token), Some(print)) = (row.os, token, row.push_print) else { return Ok(None) };
    let (client_id, settings, seen, birth) = (row.client_id, row.settings, row.last_online, row.birth);
    Ok(Some(Away { client_id, os, settings, token, device, print, seen, birth }))
}

/// PUSH-7: the gateway says that the token is dead.
pub(crate) fn dead(cx: &Cx<'_>, fx: &mut Fx, phone: &Phone, device: &DevKey, print: &Bytes) -> Result<(), Failure> {
    match device::read(cx, phone, device)? {
        Some(row) if row.push_print.as_ref() == Some(print) => {
            let_go(cx, fx, &row)?;
            let row = Device { push: None, push_print: None, ..row };
            device::put(fx, phone, device, &row);
            mark_with(cx, fx, phone, row)
        }
        Some(_) | None => Ok(()),
    }
}
