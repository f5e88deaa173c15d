//! Which keys open which device, and what becomes of them (ID-9, AUTH-17). One that was ended is known, and refused, until its certificate
//! is over; then it is forgotten.

use bytes::Bytes;
use n2o::Failure;
use proto::ids::{DevKey, Phone};
use proto::limits::TOKEN_OLD_MS;

use super::device::{all, dev_key, put};
use crate::door::Certificate;
use crate::process::agenda;
use crate::protocol::later;
use crate::rows::{self, AGENDA, BINDING, Binding, Device, ENDED, LAPSED, Lapsed, Why};
use crate::{Cx, Fx, Input, Name, Output};

/// When a binding has been ended that is not to be used any more, whenever that was.
const LONG_AGO: u64 = 1;
/// Bindings that are forgotten in one step.
const FORGOTTEN: usize = 64;

/// ID-9: the device is opened by this certificate from now on. Keys it was opened by before open it no more.
pub(super) fn bind(cx: &Cx<'_>, fx: &mut Fx, device: &mut Device, certificate: &Certificate) -> Result<(), Failure> {
    let key = Bytes::copy_from_slice(&certificate.key);
    for before in [device.key.take(), device.key_before.take()].into_iter().flatten() {
        match before == key {
            true => lapses_no_more(cx, fx, &key)?,
            false => fx.delete(BINDING, before),
        }
    }
    take(fx, device, key, certificate);
    Ok(())
}

/// AUTH-17: a new certificate opens the device beside the one it has, which is left its time. One that was never used goes at once. So it
/// does also when the key before comes back, because the answer to the renewal was lost: then nothing is left to be superseded.
pub(super) fn succeed(cx: &Cx<'_>, fx: &mut Fx, device: &mut Device, certificate: &Certificate) -> Result<(), Failure> {
    let (key, now) = (Bytes::copy_from_slice(&certificate.key), cx.now.0);
    let present = device.key.take().filter(|present| *present != key);
    if device.key_before.as_ref() == Some(&key) {
        if let Some(unused) = present {
            end_binding(fx, device, unused, LONG_AGO, Why::Superseded);
        }
        device.key_before = None;
        lapses_no_more(cx, fx, &key)?;
        take(fx, device, key, certificate);
        return Ok(());
    }
    match present {
        Some(unused) if device.key_before.is_some() => end_binding(fx, device, unused, LONG_AGO, Why::Superseded),
        Some(present) => {
            end_binding(fx, device, present.clone(), now.saturating_add(TOKEN_OLD_MS), Why::Superseded);
            device.key_before = Some(present);
        }
        None => {}
    }
    take(fx, device, key, certificate);
    Ok(())
}

/// What the authority has not read yet of a key that comes back would count for its new certificate as well.
fn lapses_no_more(cx: &Cx<'_>, fx: &mut Fx, key: &Bytes) -> Result<(), Failure> {
    if let Some(binding) = rows::read::<Binding>(cx.store, BINDING, key)? {
        fx.delete(LAPSED, lapsed_key(key, binding.ended));
    }
    Ok(())
}

fn take(fx: &mut Fx, device: &mut Device, key: Bytes, certificate: &Certificate) {
    put_binding(fx, device, key.clone(), certificate.not_after);
    device.key = Some(key);
    device.key_until = certificate.not_after;
    device.certificate = Some(certificate.der.clone());
    fx.emit(Output::Bound);
}

/// AUTH-17: the present certificate has been used; the one before is revoked as superseded.
pub(super) fn supersede(fx: &mut Fx, device: &mut Device) {
    if let Some(before) = device.key_before.take() {
        end_binding(fx, device, before, LONG_AGO, Why::Superseded);
    }
}

/// SERVICE-1: a further key opens this device.
pub(crate) fn bind_key(fx: &mut Fx, phone: &Phone, device: &DevKey, certificate: &Certificate) {
    let row = Device { phone: phone.to_bytes(), dev_key: device.to_bytes(), ..Device::default() };
    put_binding(fx, &row, Bytes::copy_from_slice(&certificate.key), certificate.not_after);
}

/// SERVICE-2: a key of the account opens nothing more. A device that has it as its own is left without.
pub(crate) fn end_key(cx: &Cx<'_>, fx: &mut Fx, phone: &Phone, key: &Bytes) -> Result<(), Failure> {
    let binding: Option<Binding> = rows::read(cx.store, BINDING, key)?;
    let Some(binding) = binding.filter(|binding| binding.phone == phone.as_str().as_bytes()) else { return Ok(()) };
    put_ended(fx, key.clone(), Binding { ended: LONG_AGO, ..binding }, Why::Ended);
    for row in all(cx, phone)? {
        let device = dev_key(&row)?;
        if row.key.as_ref() == Some(key) {
            put(fx, phone, &device, &Device { key: None, certificate: None, ..row });
        } else if row.key_before.as_ref() == Some(key) {
            put(fx, phone, &device, &Device { key_before: None, ..row });
        }
    }
    Ok(())
}

fn put_binding(fx: &mut Fx, device: &Device, key: Bytes, until: u64) {
    let (phone, dev_key) = (device.phone.clone(), device.dev_key.clone());
    fx.put(BINDING, key, rows::encode(&Binding { phone, dev_key, until, ended: 0 }));
}

/// ID-9: from `ended` on the key is refused as blocked.
fn end_binding(fx: &mut Fx, device: &Device, key: Bytes, ended: u64, why: Why) {
    let (phone, dev_key, until) = (device.phone.clone(), device.dev_key.clone(), device.key_until);
    put_ended(fx, key, Binding { phone, dev_key, until, ended }, why);
}

/// The authority revokes the key's certificates, and one day it is forgotten.
fn put_ended(fx: &mut Fx, key: Bytes, binding: Binding, why: Why) {
    let (at, when) = (binding.ended, later::whole(binding.until));
    // By the time as well: what the authority has read and deletes is never a later word.
    fx.put(LAPSED, lapsed_key(&key, at), rows::encode(&Lapsed { at, why }));
    fx.emit(Output::Lapsed);
    fx.put(ENDED, [&rows::numbered(&binding.phone, binding.until)[..], &key].concat(), Bytes::new());
    fx.put(AGENDA, agenda::account_key(when, &binding.phone), Bytes::new());
    fx.tell(Name::Agenda, Input::Agenda { when });
    fx.put(BINDING, key, rows::encode(&binding));
}

fn lapsed_key(key: &[u8], at: u64) -> Bytes {
    [key, &at.to_be_bytes()].concat().into()
}

/// The agenda says that certificates of ended keys are over.
pub(crate) fn forget_ended(cx: &Cx<'_>, fx: &mut Fx, phone: &Phone, when: u64) -> Result<(), Failure> {
    let own = phone.as_str().as_bytes();
    let over = cx.store.scan(ENDED, &rows::numbers(own, 0, cx.now.0).limit(FORGOTTEN))?;
    let prefix = rows::numbered(own, 0).len();
    for (row, _) in &over {
        let key = row.slice(prefix..);
        let binding: Option<Binding> = rows::read(cx.store, BINDING, &key)?;
        // It may have been bound again, and by another account.
        if binding.is_some_and(|binding| binding.phone == own && binding.ended != 0 && binding.until <= cx.now.0) {
            fx.delete(BINDING, key);
        }
        fx.delete(ENDED, row.clone());
    }
    match over.len() {
        FORGOTTEN => fx.tell(Name::Profile(phone.clone()), Input::Due { when }),
        _ => fx.delete(AGENDA, agenda::account_key(when, own)),
    }
    Ok(())
}

/// What becomes of the key of a device that ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unbind {
    /// It may be bound again (AUTH-4, AUTH-6).
    Forget,
    /// It is refused as blocked until its certificate expires (ID-9).
    Block,
}

pub(super) fn unbind(fx: &mut Fx, device: &Device, how: Unbind) {
    for key in [&device.key, &device.key_before].into_iter().flatten().cloned() {
        match how {
            Unbind::Forget => fx.delete(BINDING, key),
            Unbind::Block => end_binding(fx, device, key, LONG_AGO, Why::Ended),
        }
    }
}
