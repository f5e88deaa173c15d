//! Coming in and going out: CON-3, CON-8, AUTH-5, and ID-9 rule 2.

use std::sync::Arc;

use bytes::Bytes;
use n2o::Failure;
use proto::Outcome;
use proto::ids::{ClientId, DevKey, Phone};
use proto::limits::{DEVICES, TOKEN_OLD_MS, TOKEN_RENEW_MS};
use proto::records::Io;

use super::binding::{self, Unbind};
use super::device::{self, Face};
use super::key::{self, Bound};
use super::proof::{Proved, Token, is_over, judge};
use super::{Waiting, enrol, secret, standing};
use crate::door::{Bye, Certificate, Denied, Role};
use crate::effects::Seen;
use crate::protocol::feature::{self, AUTH_DATA};
use crate::rows::{Device, PROFILE, roster_ids};
use crate::{Account, Admit, Admitted, Chat, Cx, Fx, Group, Input, Name, WorkResult, names};

/// CON-3: lets the connection in or not. Gives back the account when a device came in. Where the organisation's directory decides, it is
/// asked first, and this said again with what it `said`.
pub(crate) fn admit(
    phone: &Phone,
    waiting: &mut Waiting,
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    admit: &Admit,
    said: Option<&WorkResult>,
) -> Result<Option<Arc<Account>>, Failure> {
    let row = device::read(cx, phone, &admit.device)?;
    let password = admit.password.as_deref().unwrap_or_default();
    if let Some(row) = row.as_ref().filter(|row| !admit.in_use && is_over(row, password, cx.now.0)) {
        refuse(fx, admit, Denied::BadCredentials);
        expire(cx, fx, phone, row)?;
        return Ok(None);
    }
    let (bound, named) = match &admit.certificate {
        Some(shown) => (key::bound(cx, shown)?, key::is_named(chat, cx, shown, phone, &admit.device)?),
        None => (Bound::Not, false),
    };
    let foreign = is_foreign(chat, cx, phone, admit, &bound)?;
    let proved = judge(cx.now.0, phone, admit, row.as_ref(), &bound, foreign, named);
    match (&proved, said) {
        (Ok(Proved::Device { .. } | Proved::Named(_)), None) if standing::is_judged(chat, cx, phone)? => {
            if !waiting.hold(cx, fx, phone, admit)? {
                refuse(fx, admit, Denied::TooMany);
            }
            return Ok(None);
        }
        (Ok(Proved::Device { .. } | Proved::Named(_)), Some(said)) => {
            if let Err(denied) = standing::admits(cx, fx, phone, said)? {
                refuse(fx, admit, denied);
                return Ok(None);
            }
        }
        (Ok(Proved::Guest | Proved::Device { .. } | Proved::Named(_)) | Err(_), _) => {}
    }
    match proved {
        Err(denied) => refuse(fx, admit, denied),
        Ok(Proved::Guest) => tell(fx, admit, admitted(admit, Role::Registering)),
        Ok(_) if is_full(cx, phone, &admit.device)? => refuse(fx, admit, Denied::TooMany),
        Ok(Proved::Device { token }) => return enter(chat, cx, fx, phone, admit, row, token),
        Ok(Proved::Named(certificate)) => return bind(chat, cx, fx, phone, admit, row, &certificate).map(Some),
    }
    Ok(None)
}

/// ID-10: whether the certificate is of another account: bound to it, or naming one that exists.
fn is_foreign(chat: &Chat, cx: &Cx<'_>, phone: &Phone, admit: &Admit, bound: &Bound) -> Result<bool, Failure> {
    match (bound, &admit.certificate) {
        (Bound::To(owner, _), _) => Ok(owner != phone),
        (Bound::Not, Some(certificate)) => match key::named(&chat.settings, certificate) {
            Some(named) if named != *phone => Ok(cx.store.get(PROFILE, named.as_str().as_bytes())?.is_some()),
            Some(_) | None => Ok(false),
        },
        (Bound::Not, None) | (Bound::Ended, _) => Ok(false),
    }
}

/// The session that asks is the device's own: told to end, it forgets the device's queue, after it has heard the refusal.
fn expire(cx: &Cx<'_>, fx: &mut Fx, phone: &Phone, row: &Device) -> Result<(), Failure> {
    device::end(cx, fx, phone, row, Unbind::Forget, Some((Bye::Expired, None)))?;
    let mut devices = device::all(cx, phone)?;
    devices.retain(|kept| kept.dev_key != row.dev_key);
    device::changed(cx, fx, phone, roster_ids(cx.store, phone)?, &devices)?;
    Ok(())
}

/// Section 11: how many devices of an account may be connected at once. A connection that is taken over counts as none.
fn is_full(cx: &Cx<'_>, phone: &Phone, device: &DevKey) -> Result<bool, Failure> {
    if cx.group_size(&Group::Account(phone.clone())) < DEVICES {
        return Ok(false);
    }
    let others = device::all(cx, phone)?.into_iter().filter(|row| row.dev_key != device.as_str().as_bytes());
    Ok(others.filter(|row| cx.is_alive(&Name::session(&row.client_id))).count() >= DEVICES)
}

/// AUTH-5: the device comes in; a token that is older than a day is renewed.
fn enter(
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    phone: &Phone,
    admit: &Admit,
    row: Option<Device>,
    token: Option<Token>,
) -> Result<Option<Arc<Account>>, Failure> {
    let Some(mut row) = row else {
        return Ok(None);
    };
    let until = opened_by(admit, &row).filter(|_| token.is_none());
    if opened_by(admit, &row).is_some() {
        binding::supersede(fx, &mut row);
    }
    let renamed = names::client(cx.store, phone, &admit.device)?.as_str().as_bytes() != &admit.called[..];
    let renewed = renew(cx, &mut row, token, renamed).map(|token| {
        let client = ClientId::device(phone, &admit.device).to_bytes();
        etf::encode(&Io::ok_src(Outcome::Login, (client, token)))
    });
    let fresh = begin_anew(cx, &mut row)?;
    row.last_online = cx.now.0;
    device::put(fx, phone, &admit.device, &row);
    let devices = device::all(cx, phone)?;
    let account = device::account(phone, roster_ids(cx.store, phone)?, &devices)?;
    tell(
        fx,
        admit,
        Admitted {
            account: Some(account.clone()),
            birth: row.birth,
            fresh,
            renewed,
            puback: puback(chat, &row),
            until,
            ..admitted(admit, Role::Device)
        },
    );
    Ok(Some(account))
}

/// The end of the certificate shown, if it is the device's present one.
fn opened_by(admit: &Admit, row: &Device) -> Option<u64> {
    let certificate = admit.certificate.as_ref()?;
    (row.key.as_deref() == Some(&certificate.key[..])).then_some(certificate.not_after)
}

/// DLV-12: a device that was away for 90 days is born again; whether it was.
fn begin_anew(cx: &Cx<'_>, row: &mut Device) -> Result<bool, Failure> {
    let gone = row.is_gone(cx.now.0);
    if gone {
        row.birth = cx.id()?;
    }
    Ok(gone)
}

/// AUTH-5: the new token, if it is time for one, or for a new client id (PROFILE-11). The one before stays valid until the new one has
/// been used, at most 30 days.
fn renew(cx: &Cx<'_>, row: &mut Device, token: Option<Token>, renamed: bool) -> Option<Bytes> {
    let now = cx.now.0;
    match token {
        None if renamed => {}
        None => return None,
        Some(Token::Current) if renamed => {
            row.token_before = row.token.take();
            row.before_until = now.saturating_add(TOKEN_OLD_MS);
        }
        Some(Token::Current) => {
            row.token_before = None;
            row.before_until = 0;
            if row.token_made.saturating_add(TOKEN_RENEW_MS) > now {
                return None;
            }
            row.token_before = row.token.take();
            row.before_until = now.saturating_add(TOKEN_OLD_MS);
        }
        // The new one was handed out and not used. After a day its answer counts as lost: there is another, but no more time.
        Some(Token::Before) if row.token_made.saturating_add(TOKEN_RENEW_MS) > now => return None,
        Some(Token::Before) => {}
    }
    let token = secret::token(cx);
    row.token = Some(secret::hash(&token));
    row.token_made = now;
    Some(token)
}

/// ID-9 rule 2: account, session row and binding come into being as far as they are not there; others learn of the key (SEC-9).
fn bind(
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    phone: &Phone,
    admit: &Admit,
    row: Option<Device>,
    certificate: &Certificate,
) -> Result<Arc<Account>, Failure> {
    let opened = device::open(chat, cx, fx, phone, Some(Face::certified(certificate)))?;
    let mut devices = device::all(cx, phone)?;
    devices.retain(|known| known.dev_key != admit.device.as_str().as_bytes());
    let (is_new, mut fresh) = (row.is_none(), false);
    let mut row = match row {
        Some(mut row) => {
            fresh = begin_anew(cx, &mut row)?;
            row
        }
        None => Device {
            phone: phone.to_bytes(),
            dev_key: admit.device.to_bytes(),
            client_id: device::client_id(phone, &admit.device),
            created: cx.now.0,
            ..Device::default()
        },
    };
    binding::bind(cx, fx, &mut row, certificate)?;
    row.last_online = cx.now.0;
    devices.push(row.clone());
    if !opened.is_new {
        enrol::announce(cx, fx, phone, &devices, Seen::By(admit.connection))?;
    }
    if is_new {
        // After all that is told of it (DLV-11).
        row.birth = cx.id()?;
    }
    device::put(fx, phone, &admit.device, &row);
    let (birth, puback) = (row.birth, puback(chat, &row));
    let rosters = opened.rosters.iter().map(|(id, _)| id.roster()).collect();
    let account = device::changed(cx, fx, phone, rosters, &devices)?;
    let until = Some(certificate.not_after);
    let came = admitted(admit, Role::Device);
    tell(fx, admit, Admitted { account: Some(account.clone()), birth, fresh, puback, until, ..came });
    Ok(account)
}

/// DLV-13: what this device wants, else what the deployment does.
pub(super) fn puback(chat: &Chat, row: &Device) -> bool {
    match feature::value(&row.settings, AUTH_DATA, b"ACK_MODE") {
        Some(b"puback") => true,
        Some(b"record") => false,
        Some(_) | None => chat.settings.puback,
    }
}

fn admitted(admit: &Admit, role: Role) -> Admitted {
    Admitted {
        connection: admit.connection,
        role,
        account: None,
        birth: 0,
        renewed: None,
        fresh: false,
        puback: false,
        until: None,
    }
}

fn tell(fx: &mut Fx, admit: &Admit, admitted: Admitted) {
    fx.tell(Name::Session(admit.session.clone()), Input::Admitted(Box::new(admitted)));
}

fn refuse(fx: &mut Fx, admit: &Admit, denied: Denied) {
    fx.tell(Name::Session(admit.session.clone()), Input::Refused { connection: admit.connection, denied });
}

/// CON-8: when the device was last there, unless it has been ended meanwhile.
pub(crate) fn here(cx: &Cx<'_>, fx: &mut Fx, phone: &Phone, device: &DevKey) -> Result<(), Failure> {
    if let Some(row) = device::read(cx, phone, device)? {
        device::put(fx, phone, device, &Device { last_online: cx.now.0, ..row });
    }
    Ok(())
}
