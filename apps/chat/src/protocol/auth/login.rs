//! Coming in and going out: CON-3 as far as accounts judge it, ID-9, ID-10, AUTH-5, CON-8.

use std::sync::Arc;

use bytes::Bytes;
use n2o::Failure;
use proto::ids::{ClientId, DevKey, Phone};
use proto::limits::{DEVICES, TOKEN_EXPIRY_MS, TOKEN_OLD_MS, TOKEN_RENEW_MS};
use proto::records::{Io, Outcome};

use super::device::{self, Unbind};
use super::key::{self, Bound};
use super::secret;
use crate::door::{Bye, Certificate, Denied, Role};
use crate::protocol::feature::{self, AUTH_DATA};
use crate::rows::{Device, roster_ids};
use crate::{Account, Admit, Admitted, Chat, Cx, Fx, Input, Name};

/// What a connection has proved.
#[derive(Debug, PartialEq)]
enum Proved {
    /// It is the device: by its token, or without one by its certificate.
    Device { token: Option<Token> },
    /// ID-9 rule 2: its certificate names account and device; to be bound.
    Named(Arc<Certificate>),
    /// CON-3: a client id that has no session row, and no password.
    Guest,
}

/// Which of a device's tokens was presented (AUTH-5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Current,
    /// The one before, valid until the current one has been used.
    Before,
}

/// CON-3: lets the connection in or not. Gives back the account when a device came in.
pub(crate) fn admit(
    phone: &Phone, chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, admit: &Admit,
) -> Result<Option<Arc<Account>>, Failure> {
    let row = device::read(cx, phone, &admit.device)?;
    if let Some(row) = row.as_ref().filter(|row| is_over(row, cx.now.0) && admit.password.is_some()) {
        refuse(fx, admit, Denied::BadCredentials);
        expire(cx, fx, phone, row)?;
        return Ok(None);
    }
    let certificate = match &admit.certificate {
        Some(certificate) => key::bound(cx, certificate)?,
        None => Bound::Not,
    };
    let proved = judge(chat, cx.now.0, phone, admit, row.as_ref(), &certificate);
    match proved {
        Err(denied) => refuse(fx, admit, denied),
        Ok(Proved::Guest) => tell(fx, admit, admitted(admit, Role::Registering)),
        Ok(_) if is_full(cx, phone, &admit.device)? => refuse(fx, admit, Denied::TooMany),
        Ok(Proved::Device { token }) => return enter(cx, fx, phone, admit, row, token),
        Ok(Proved::Named(certificate)) => return bind(chat, cx, fx, phone, admit, row, &certificate).map(Some),
    }
    Ok(None)
}

/// CON-3, ID-9, ID-10.
fn judge(
    chat: &Chat, now: u64, phone: &Phone, admit: &Admit, row: Option<&Device>, bound: &Bound,
) -> Result<Proved, Denied> {
    let password = admit.password.as_deref().filter(|password| !password.is_empty());
    let token = row.zip(password).and_then(|(row, password)| token(row, password, now));
    match (bound, row, password, token) {
        (Bound::Ended, ..) => Err(Denied::Banned),
        // ID-10: the certificate of one account, the token of another, whichever of them the client id names.
        (Bound::To(owner, _), _, Some(_), Some(_)) if owner != phone => Err(Denied::NotAuthorized),
        (Bound::To(owner, device), Some(_), Some(_), None) if owner == phone && *device == admit.device => {
            Err(Denied::NotAuthorized)
        }
        (Bound::To(owner, device), Some(_), None, _) if owner == phone && *device == admit.device => {
            Ok(Proved::Device { token: None })
        }
        (_, Some(_), Some(_), Some(token)) => Ok(Proved::Device { token: Some(token) }),
        // D-63: a wrong password is never taken for a guest's.
        (_, _, Some(_), _) => Err(Denied::BadCredentials),
        (Bound::Not, row, None, _) => by_name(chat, phone, admit, row),
        (Bound::To(..), None, None, _) => Ok(Proved::Guest),
        (Bound::To(..), Some(_), None, _) => Err(Denied::BadCredentials),
    }
}

/// ID-9 rule 2: a certificate that nobody has bound may name this account and device.
fn by_name(chat: &Chat, phone: &Phone, admit: &Admit, row: Option<&Device>) -> Result<Proved, Denied> {
    let named = admit.certificate.as_ref().filter(|certificate| {
        key::named(&chat.settings, certificate).as_ref() == Some(phone) && key::fits(certificate, phone, &admit.device)
    });
    match (named, row) {
        (Some(_), Some(row)) if row.key.is_some() => Err(Denied::BadCredentials),
        (Some(certificate), _) => Ok(Proved::Named(certificate.clone())),
        (None, Some(_)) => Err(Denied::BadCredentials),
        (None, None) => Ok(Proved::Guest),
    }
}

/// ID-7, AUTH-5: which token of the device this is, if any.
fn token(row: &Device, password: &[u8], now: u64) -> Option<Token> {
    let is = |kept: &Option<Bytes>| kept.as_deref().is_some_and(|kept| secret::is_same(password, kept));
    if is(&row.token) {
        return Some(Token::Current);
    }
    (now < row.before_until && is(&row.token_before)).then_some(Token::Before)
}

/// AUTH-5: a token that was not used for a year.
fn is_over(row: &Device, now: u64) -> bool {
    let used = row.last_online.max(row.token_made);
    row.token.is_some() && row.key.is_none() && used.saturating_add(TOKEN_EXPIRY_MS) <= now
}

fn expire(cx: &Cx<'_>, fx: &mut Fx, phone: &Phone, row: &Device) -> Result<(), Failure> {
    // The session that asks is the device's own: told to end, it forgets the device's queue, after it has heard the refusal.
    device::end(fx, phone, row, Unbind::Forget, Some((Bye::Expired, None)))?;
    let mut devices = device::all(cx, phone)?;
    devices.retain(|kept| kept.dev_key != row.dev_key);
    let account = device::account(phone, roster_ids(cx.store, phone)?, &devices)?;
    fx.publish(phone.clone(), Input::Account(account));
    Ok(())
}

/// Section 11: how many devices of an account may be connected at once. A connection that is taken over counts as none.
fn is_full(cx: &Cx<'_>, phone: &Phone, device: &DevKey) -> Result<bool, Failure> {
    if cx.group_size(phone) < DEVICES {
        return Ok(false);
    }
    let others = device::all(cx, phone)?.into_iter().filter(|row| row.dev_key != device.as_str().as_bytes());
    Ok(others.filter(|row| cx.is_alive(&Name::session(&row.client_id))).count() >= DEVICES)
}

/// AUTH-5: the device comes in; a token that is older than a day is renewed.
fn enter(
    cx: &Cx<'_>, fx: &mut Fx, phone: &Phone, admit: &Admit, row: Option<Device>, token: Option<Token>,
) -> Result<Option<Arc<Account>>, Failure> {
    let Some(mut row) = row else {
        return Ok(None);
    };
    let renewed = renew(cx, &mut row, token).map(|token| {
        let client = ClientId::device(phone, &admit.device).to_bytes();
        etf::encode(&Io::ok_src(Outcome::Login, (client, token)))
    });
    row.last_online = cx.now.0;
    device::put(fx, phone, &admit.device, &row);
    let devices = device::all(cx, phone)?;
    let account = device::account(phone, roster_ids(cx.store, phone)?, &devices)?;
    tell(fx, admit, Admitted { account: Some(account.clone()), birth: row.birth, renewed, puback: puback(&row), ..admitted(admit, Role::Device) });
    Ok(Some(account))
}

/// AUTH-5: the new token, if it is time for one. The one before stays valid until the new one has been used, at most 30 days.
fn renew(cx: &Cx<'_>, row: &mut Device, token: Option<Token>) -> Option<Bytes> {
    let now = cx.now.0;
    match token? {
        Token::Current => {
            row.token_before = None;
            row.before_until = 0;
            if row.token_made.saturating_add(TOKEN_RENEW_MS) > now {
                return None;
            }
            row.token_before = row.token.take();
            row.before_until = now.saturating_add(TOKEN_OLD_MS);
        }
        // The answer with the new one was lost: it gets another, and no more time.
        Token::Before => {}
    }
    let token = secret::token(cx);
    row.token = Some(secret::hash(&token));
    row.token_made = now;
    Some(token)
}

/// ID-9 rule 2: account, session row and binding come into being as far as they are not there.
fn bind(
    chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, phone: &Phone, admit: &Admit, row: Option<Device>, certificate: &Certificate,
) -> Result<Arc<Account>, Failure> {
    let opened = device::open(chat, cx, fx, phone, Some(certificate))?;
    let mut devices = device::all(cx, phone)?;
    devices.retain(|known| known.dev_key != admit.device.as_str().as_bytes());
    let mut row = match row {
        Some(row) => row,
        None => Device {
            phone: phone.to_bytes(),
            dev_key: admit.device.to_bytes(),
            client_id: device::client_id(phone, &admit.device),
            created: cx.now.0,
            birth: cx.id()?,
            ..Device::default()
        },
    };
    device::bind(fx, &mut row, certificate);
    row.last_online = cx.now.0;
    device::put(fx, phone, &admit.device, &row);
    let (birth, puback) = (row.birth, puback(&row));
    devices.push(row);
    let rosters = opened.rosters.iter().map(|(id, _)| id.roster()).collect();
    let account = device::account(phone, rosters, &devices)?;
    fx.publish(phone.clone(), Input::Account(account.clone()));
    tell(fx, admit, Admitted { account: Some(account.clone()), birth, puback, ..admitted(admit, Role::Device) });
    Ok(account)
}

/// DLV-13: what this device wants, whatever the deployment does.
fn puback(row: &Device) -> bool {
    feature::value(&row.settings, AUTH_DATA, b"ACK_MODE") == Some(b"puback")
}

fn admitted(admit: &Admit, role: Role) -> Admitted {
    Admitted { connection: admit.connection, role, account: None, birth: 0, renewed: None, puback: false }
}

fn tell(fx: &mut Fx, admit: &Admit, admitted: Admitted) {
    fx.tell(Name::Session(admit.session.clone()), Input::Admitted(Box::new(admitted)));
}

fn refuse(fx: &mut Fx, admit: &Admit, denied: Denied) {
    fx.tell(Name::Session(admit.session.clone()), Input::Refused { connection: admit.connection, denied });
}

/// CON-8: when the device was last there. False when it has been ended meanwhile.
pub(crate) fn left(cx: &Cx<'_>, fx: &mut Fx, phone: &Phone, device: &DevKey) -> Result<bool, Failure> {
    let Some(row) = device::read(cx, phone, device)? else {
        return Ok(false);
    };
    device::put(fx, phone, device, &Device { last_online: cx.now.0, ..row });
    Ok(true)
}
