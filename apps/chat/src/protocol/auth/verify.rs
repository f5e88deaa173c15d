//! AUTH-4: a number is proved; the account, the device and its credentials come into being in one batch.

use std::sync::Arc;

use bytes::Bytes;
use n2o::Failure;
use proto::ids::DevKey;
use proto::limits::WRONG_CODES;
use proto::records::{Auth, AuthAct, Cert, Io, ProfileStatus};
use proto::topic::{Owner, Topic};
use proto::{Outcome, Refusal};

use super::binding::{self, Unbind};
use super::device::{self, DEVICES_MAX, Face, Opened};
use super::key::{self, Bound};
use super::pending::{check_same, own, put_tries, tries_of};
use super::register::{self, Proof, Registration, given};
use super::standing::{self, Listing};
use super::tries::{self, Wrong};
use super::{Ask, Asking, Halt, Job, enrol, invite, jwt, push, secret};
use crate::door::{Bye, Certificate};
use crate::effects::{self, Seen, answer};
use crate::output::Work;
use crate::protocol::profile;
use crate::protocol::reading::To;
use crate::rows::{Device, INVITE, PENDING, Pending};
use crate::{Input, Name, WorkError, WorkResult, names};

/// AUTH-4: the code of the pending registration, or the invite, proves the number.
pub(super) fn verify(ask: &mut Ask<'_>, auth: &Auth) -> Result<(), Halt> {
    let pending = own(ask)?;
    check_same(ask, &pending, auth)?;
    tries::check_lock(&tries_of(ask.cx, ask.phone)?, ask.cx.now.0)?;
    let (settings, request) = register::settings(&pending.settings, pending.csr.clone(), auth.features())?;
    let code = given(&auth.sms_code).unwrap_or_default();
    let Some(proof) = proof(ask, &pending, &code)? else {
        return wrong(ask, pending.nonce.is_some());
    };
    let device = DevKey::parse(&pending.dev_key).map_err(|_| Refusal::SessionNotFound)?;
    let push = pending.push.as_ref().and_then(|sealed| push::open_pending(ask.chat, ask.phone, sealed));
    let os = auth.os.or(pending.os);
    let registration = Registration { device, os, push, settings, request, proof, listing: None };
    match pending.is_by_password() {
        true => by_password(ask, registration, code),
        false => complete(ask, registration),
    }
}

/// ID-11: the directory knows whether it is the person's password. What it is asked at once counts as wrong until it has answered, so that
/// nobody tries more than five.
fn by_password(ask: &mut Ask<'_>, registration: Registration, password: Bytes) -> Result<(), Halt> {
    let tried = tries_of(ask.cx, ask.phone)?.wrong + ask.waiting.passwords();
    if tried >= WRONG_CODES {
        return Err(Refusal::AttemptsExpired.into());
    }
    let phone = names::number(ask.cx.store, ask.phone)?;
    let job = Job::Password { who: ask.who.clone(), registration: Box::new(registration) };
    ask.work(job, Work::Password { phone, password })
}

/// It has answered.
pub(super) fn password(ask: &mut Ask<'_>, registration: Registration, said: &WorkResult) -> Result<(), Halt> {
    tries::check_lock(&tries_of(ask.cx, ask.phone)?, ask.cx.now.0)?;
    match (Listing::of(said), said) {
        (listing @ Listing::Person(_), _) => complete(ask, Registration { listing: Some(listing), ..registration }),
        (_, WorkResult::Failed(WorkError::Invalid)) => {
            own(ask)?;
            wrong(ask, false)
        }
        (Listing::Nobody, _) => Err(Refusal::NumberNotAllowed.into()),
        (Listing::Silent, _) => Err(Refusal::Internal.into()),
    }
}

fn proof(ask: &Ask<'_>, pending: &Pending, code: &Bytes) -> Result<Option<Proof>, Halt> {
    if pending.nonce.is_some() {
        let number = names::number(ask.cx.store, ask.phone)?;
        return Ok(jwt::proves(ask.chat, ask.cx.now, &number, pending, code).then_some(Proof::Endorsed));
    }
    match &pending.code {
        // What comes of it the directory says.
        Some(_) if pending.is_by_password() => Ok(Some(Proof::Password)),
        Some(kept) => Ok(secret::is_same(code, kept).then_some(Proof::Code)),
        None => Ok(invite::find(ask.cx, ask.phone, code)?.map(Proof::Invite)),
    }
}

/// AUTH-15.
fn wrong(ask: &mut Ask<'_>, is_jwt: bool) -> Result<(), Halt> {
    let mut count = tries_of(ask.cx, ask.phone)?;
    let refusal = match tries::count_wrong(&mut count, ask.cx.now.0) {
        Wrong::Left(left) if is_jwt => Io::error_src(Refusal::InvalidJwtCode, left),
        Wrong::Left(left) => Io::error_src(Refusal::InvalidSmsCode, left),
        Wrong::Over => Io::error(Refusal::AttemptsExpired),
    };
    put_tries(ask.fx, ask.phone, &count);
    answer(ask.fx, ask.who, vec![etf::encode(&refusal)]);
    Ok(())
}

/// The organisation's directory is asked first, and with a certificate request the authority works; nothing is changed before they have.
pub(super) fn complete(ask: &mut Ask<'_>, registration: Registration) -> Result<(), Halt> {
    match &registration.listing {
        None if standing::is_asked(ask.chat) => {
            let job = Job::Look { who: ask.who.clone(), asking: Asking::Complete(Box::new(registration)) };
            return standing::look(ask, job);
        }
        None => {}
        Some(listing) => standing::allows(ask, listing)?,
    }
    match registration.request.clone() {
        None => finish(ask, registration, None),
        Some(request) => {
            let phone = names::number(ask.cx.store, ask.phone)?;
            let work = Work::Issue { request, phone, account: ask.phone.clone(), device: registration.device.clone() };
            ask.work(Job::Certificate { who: ask.who.clone(), registration: Box::new(registration) }, work)
        }
    }
}

/// AUTH-4, *Do*, *Out* and *Notify*. `issued` is the certificate that was asked for.
pub(super) fn finish(
    ask: &mut Ask<'_>,
    registration: Registration,
    issued: Option<Arc<Certificate>>,
) -> Result<(), Halt> {
    check_proof(ask, &registration.proof)?;
    check_number(ask)?;
    if let Some(issued) = &issued {
        enrol::check_name(ask, issued)?;
    }
    let mut devices = device::all(ask.cx, ask.phone)?;
    let before = devices.iter().position(|row| row.dev_key == registration.device.as_str().as_bytes());
    let before = before.map(|at| devices.remove(at));
    if devices.len() >= DEVICES_MAX {
        return Err(Refusal::Limit.into());
    }
    let bind = binding(ask, &registration, issued.as_ref())?;

    let opened = device::open(ask.chat, ask.cx, ask.fx, ask.phone, face(&registration))?;
    if let Some(Listing::Person(_)) = &registration.listing {
        standing::note(ask.fx, ask.phone);
    }
    use_up(ask, &registration.proof, opened.is_new)?;
    let row = born(ask, &registration, !devices.is_empty())?;
    let (mut row, token) = install(ask, row, before.as_ref(), bind.as_deref(), registration.push.clone())?;
    answer_login(ask, &row, token, issued.as_deref(), &opened)?;
    if let Some(before) = &before {
        take_over(ask, before);
    }
    // The same key may have come with another certificate.
    let is_certified_anew = row.certificate != before.as_ref().and_then(|before| before.certificate.clone());
    devices.push(row.clone());
    if is_certified_anew {
        enrol::announce(ask.cx, ask.fx, ask.phone, &devices, Seen::by(ask.who))?;
    }
    // Born after all that is told of it (DLV-11).
    row.birth = ask.cx.id()?;
    device::put(ask.fx, ask.phone, &registration.device, &row);
    let rosters = opened.rosters.iter().map(|(id, _)| id.roster()).collect();
    device::changed(ask.cx, ask.fx, ask.phone, rosters, &devices)?;
    Ok(())
}

/// While the authority worked, the registration may have ended, or an invite been used.
fn check_proof(ask: &Ask<'_>, proof: &Proof) -> Result<(), Halt> {
    match proof {
        Proof::Code | Proof::Endorsed | Proof::Password => own(ask).map(drop),
        Proof::Invite(key) => match (own(ask)?, ask.cx.store.get(INVITE, key)?) {
            (_, Some(_)) => Ok(()),
            (_, None) => Err(Refusal::SessionNotFound.into()),
        },
        Proof::Certificate(_) | Proof::Fake => Ok(()),
    }
}

/// PROFILE-11: meanwhile an account may have moved to the number.
fn check_number(ask: &Ask<'_>) -> Result<(), Halt> {
    match names::seat_is_taken(ask.cx.store, ask.phone)? {
        true => Err(Refusal::NumberNotAllowed.into()),
        false => Ok(()),
    }
}

/// The certificate that opens the device from now on: the one issued, else the one that proved the number, unless that one opens
/// another device of the account already.
fn binding(
    ask: &Ask<'_>,
    registration: &Registration,
    issued: Option<&Arc<Certificate>>,
) -> Result<Option<Arc<Certificate>>, Halt> {
    let certificate = match (issued, &registration.proof) {
        (Some(issued), _) => issued,
        (None, Proof::Certificate(certificate)) => certificate,
        (None, Proof::Code | Proof::Endorsed | Proof::Password | Proof::Invite(_) | Proof::Fake) => return Ok(None),
    };
    match key::bound(ask.cx, certificate)? {
        Bound::Not => Ok(Some(certificate.clone())),
        Bound::To(phone, device) if phone == *ask.phone && device == registration.device => {
            Ok(Some(certificate.clone()))
        }
        // A request with the key of another device would take it away from that one (SEC-4).
        Bound::To(..) | Bound::Ended if issued.is_some() => Err(Refusal::InvalidData.into()),
        Bound::To(..) => Ok(None),
        Bound::Ended => Err(Refusal::PermissionDenied.into()),
    }
}

/// An account that comes into being takes its names from the directory, else, by ID-9 rule 2, from the certificate that makes it.
fn face(registration: &Registration) -> Option<Face<'_>> {
    let listed = registration.listing.as_ref().and_then(Face::listed);
    listed.or(match &registration.proof {
        Proof::Certificate(certificate) => Some(Face::certified(certificate)),
        Proof::Code | Proof::Endorsed | Proof::Password | Proof::Invite(_) | Proof::Fake => None,
    })
}

/// After success the pending registration is gone, and an invite used.
fn use_up(ask: &mut Ask<'_>, proof: &Proof, is_new: bool) -> Result<(), Failure> {
    let mut count = tries_of(ask.cx, ask.phone)?;
    match proof {
        Proof::Fake if is_new => count.fake = 1,
        Proof::Fake => {}
        Proof::Certificate(_) => count.fake = 0,
        Proof::Code | Proof::Endorsed | Proof::Password | Proof::Invite(_) => {
            count.fake = 0;
            tries::stop_waiting(&mut count, ask.who.session.as_bytes());
            ask.waiting.codes.remove(&ask.client());
            ask.fx.delete(PENDING, ask.client());
        }
    }
    if let Proof::Invite(key) = proof {
        ask.fx.delete(INVITE, key.clone());
    }
    put_tries(ask.fx, ask.phone, &count);
    Ok(())
}

/// The new session row, and AUTH-18 to the devices that are there.
fn born(ask: &mut Ask<'_>, registration: &Registration, has_others: bool) -> Result<Device, Failure> {
    let row = Device {
        phone: ask.phone.to_bytes(),
        dev_key: registration.device.to_bytes(),
        client_id: device::client_id(ask.phone, &registration.device),
        os: registration.os,
        settings: registration.settings.clone(),
        created: ask.cx.now.0,
        ..Device::default()
    };
    if has_others {
        let notice = Auth {
            client_id: Some(row.client_id.clone()),
            dev_key: Some(row.dev_key.clone()),
            os: row.os,
            created: Some(row.created.into()),
            r#type: Some(AuthAct::Verified.into()),
            ..Auth::default()
        };
        let topic = Topic::Ses(Owner::Account(ask.phone.clone()));
        effects::notify(ask.fx, ask.cx, ask.phone, &topic, &notice, None, Seen::ByNobody)?;
    }
    Ok(row)
}

/// What goes into the session row in the place of the one before: a new token, and the key that opens it.
fn install(
    ask: &mut Ask<'_>,
    mut row: Device,
    before: Option<&Device>,
    bind: Option<&Certificate>,
    push: Option<Bytes>,
) -> Result<(Device, Bytes), Failure> {
    let token = secret::token(ask.cx);
    row.token = Some(secret::hash(&token));
    row.token_made = ask.cx.now.0;
    row.last_online = ask.cx.now.0;
    match (bind, before) {
        (Some(certificate), before) => {
            row.key = before.and_then(|before| before.key.clone());
            row.key_before = before.and_then(|before| before.key_before.clone());
            binding::bind(ask.cx, ask.fx, &mut row, certificate)?;
        }
        (None, Some(before)) => binding::unbind(ask.fx, before, Unbind::Forget),
        (None, None) => {}
    }
    if let Some(before) = before {
        push::let_go(ask.cx, ask.fx, before)?;
    }
    push::hold(ask.chat, ask.cx, ask.fx, &mut row, push)?;
    Ok((row, token))
}

/// `{io,{ok,login,{ClientId,Token}},Data}`, then the whole Profile.
fn answer_login(
    ask: &mut Ask<'_>,
    row: &Device,
    token: Bytes,
    issued: Option<&Certificate>,
    opened: &Opened,
) -> Result<(), Failure> {
    let login = Io::ok_src(Outcome::Login, (row.client_id.clone(), token));
    let login = match issued {
        Some(certificate) => login.with(Cert { der: Some(certificate.der.clone()) }),
        None => login,
    };
    effects::answer_part(ask.fx, ask.who, vec![etf::encode(&login)]);
    let to = To::Caller(Box::new(ask.who.clone()));
    let whole = profile::opened(ask.chat, ask.phone, opened.profile.clone());
    profile::full(ask.cx, ask.fx, to, &whole, &opened.rosters, None, Some(ProfileStatus::Init))
}

/// A connection that still uses the former row is closed (0x8E); what was due to it is forgotten (DLV-11).
fn take_over(ask: &mut Ask<'_>, before: &Device) {
    if before.client_id != ask.who.session.as_bytes() {
        let end = Input::End { bye: Bye::TakenOver, record: None, forget: true };
        ask.fx.tell(Name::session(&before.client_id), end);
    }
}
