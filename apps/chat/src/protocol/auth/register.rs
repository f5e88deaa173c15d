//! AUTH-1: a registration begins, and how the number is to be proved.

use std::sync::Arc;

use bytes::Bytes;
use proto::ids::{ClientId, DevKey, Phone};
use proto::limits::REGISTRATION_MS;
use proto::records::{Auth, AuthPhone, Feature, Io, Os};
use proto::{Outcome, Refusal};

use super::key::{self, Bound};
use super::pending::{put_tries, tries_of, wait};
use super::standing::{self, Listing};
use super::{Ask, Asking, Halt, Job, invite, jwt, push, secret, tries, verify, version};
use crate::door::Certificate;
use crate::effects::done;
use crate::output::{Channel, Sender, Work};
use crate::protocol::feature::{self, AUTH_DATA};
use crate::rows::{PROFILE, Pending, Tries};
use crate::{Provider, names};

/// A registration whose number is proved: what AUTH-4 completes.
#[derive(Debug, Clone)]
pub(super) struct Registration {
    pub(super) device: DevKey,
    pub(super) os: Option<Os>,
    /// The device's push token (AUTH-7).
    pub(super) push: Option<Bytes>,
    pub(super) settings: Vec<Feature>,
    /// A certificate request (ID-14).
    pub(super) request: Option<Bytes>,
    pub(super) proof: Proof,
    /// What the organisation's directory says; absent until it has been asked.
    pub(super) listing: Option<Listing>,
}

/// How the number was proved.
#[derive(Debug, Clone)]
pub(super) enum Proof {
    /// By the code of the pending registration.
    Code,
    /// By the password that the organisation's directory has.
    Password,
    /// By an endorsement of its challenge (ID-12).
    Endorsed,
    /// By an invite, which is used up; its key.
    Invite(Bytes),
    /// ID-13.
    Certificate(Arc<Certificate>),
    /// ID-15.
    Fake,
}

/// How the number is to be proved.
#[derive(Debug, Clone, Copy)]
enum Way {
    Code,
    Jwt,
    Certificate,
    Fake,
}

/// AUTH-1: begins a registration, or completes it where nothing has to be sent.
pub(super) fn reg(ask: &mut Ask<'_>, auth: Auth) -> Result<(), Halt> {
    listed(ask, auth, None)
}

/// The same, once the organisation's directory has been asked, if there is one.
pub(super) fn listed(ask: &mut Ask<'_>, auth: Auth, listing: Option<Listing>) -> Result<(), Halt> {
    check_own(ask, &auth)?;
    let way = way(ask, &auth)?;
    version::check(auth.version(), ask.chat.settings.min_version)?;
    check_certificate(ask)?;
    let device = dev_key(ask, &auth)?;
    let push = push::checked(&auth.push)?;
    let (settings, request) = settings(&[], None, auth.features())?;
    let start = |proof| Registration {
        device: device.clone(),
        os: auth.os,
        push: push.clone(),
        settings: settings.clone(),
        request: request.clone(),
        proof,
        listing: listing.clone(),
    };
    match (way, &listing) {
        (Way::Code | Way::Jwt, None) if standing::is_asked(ask.chat) => {
            let job = Job::Look { who: ask.who.clone(), asking: Asking::Begin(Box::new(auth)) };
            return standing::look(ask, job);
        }
        (Way::Code | Way::Jwt, Some(listing)) => standing::allows(ask, listing)?,
        (Way::Code | Way::Jwt, None) | (Way::Certificate | Way::Fake, _) => {}
    }
    match way {
        Way::Fake => {
            check_fake(ask)?;
            verify::complete(ask, start(Proof::Fake))
        }
        Way::Certificate => {
            let certificate = proves(ask, &device)?;
            verify::complete(ask, start(Proof::Certificate(certificate)))
        }
        Way::Code | Way::Jwt => {
            let pending = Pending {
                phone: ask.phone.to_bytes(),
                dev_key: device.to_bytes(),
                expires: ask.cx.now.0.saturating_add(REGISTRATION_MS),
                os: auth.os,
                push: push.map(|token| push::seal_pending(ask.chat, ask.cx, ask.phone, &token)),
                settings,
                csr: request,
                ..Pending::default()
            };
            match way {
                Way::Jwt => by_jwt(ask, &device, pending),
                Way::Code | Way::Certificate | Way::Fake => by_code(ask, pending, listing.as_ref()),
            }
        }
    }
}

/// G-3: the client id named is the own one, the phone the one this profile is of.
pub(super) fn check_own(ask: &Ask<'_>, auth: &Auth) -> Result<(), Refusal> {
    match given(&auth.client_id) {
        Some(client) if &client[..] != ask.who.session.as_bytes() => Err(Refusal::PermissionDenied),
        Some(_) | None => Ok(()),
    }
}

fn way(ask: &Ask<'_>, auth: &Auth) -> Result<Way, Refusal> {
    let (phone, fake) = match auth.phone.as_ref().ok_or(Refusal::InvalidData)? {
        AuthPhone::Number(phone) => (phone, false),
        AuthPhone::Fake(fake) => (&fake.phone, true),
    };
    if Phone::parse(phone).as_ref() != Ok(ask.phone) {
        return Err(Refusal::InvalidData);
    }
    match (fake, auth.services.first(), auth.service()) {
        (true, ..) if ask.chat.settings.fake_numbers => Ok(Way::Fake),
        (true, ..) => Err(Refusal::NumberNotAllowed),
        (false, None, _) => Ok(Way::Code),
        (false, _, Some("x509")) => Ok(Way::Certificate),
        (false, _, Some("jwt")) if jwt::is_possible(&ask.chat.settings.jwt) => Ok(Way::Jwt),
        (false, _, Some("jwt")) => Err(Refusal::NumberNotAllowed),
        (false, Some(_), _) => Err(Refusal::InvalidData),
    }
}

/// A connection whose certificate is another account's registers nothing here.
fn check_certificate(ask: &Ask<'_>) -> Result<(), Halt> {
    let Some(certificate) = &ask.who.certificate else {
        return Ok(());
    };
    match key::bound(ask.cx, certificate)? {
        Bound::To(phone, _) if phone != *ask.phone => Err(Refusal::PermissionDenied.into()),
        Bound::Ended => Err(Refusal::PermissionDenied.into()),
        Bound::To(..) | Bound::Not => Ok(()),
    }
}

/// ID-5.
fn dev_key(ask: &Ask<'_>, auth: &Auth) -> Result<DevKey, Halt> {
    match given(&auth.dev_key) {
        Some(key) => DevKey::parse(&key),
        None => {
            let number = names::number(ask.cx.store, ask.phone)?;
            ClientId::parse(ask.who.session.as_bytes()).and_then(|client| client.default_dev_key(&number))
        }
    }
    .map_err(|_| Refusal::InvalidData.into())
}

/// The settings of a registration, and apart from them its certificate request (ID-14).
pub(super) fn settings(
    kept: &[Feature],
    request: Option<Bytes>,
    given: &[Feature],
) -> Result<(Vec<Feature>, Option<Bytes>), Refusal> {
    let mut settings = kept.to_vec();
    feature::merge(&mut settings, given)?;
    let request = feature::value(&settings, AUTH_DATA, b"CSR").map(Bytes::copy_from_slice).or(request);
    settings.retain(|feature| !feature.is(AUTH_DATA, b"CSR"));
    Ok((settings, request))
}

/// ID-15: a fake number opens only what a fake number has made.
fn check_fake(ask: &Ask<'_>) -> Result<(), Halt> {
    let exists = ask.cx.store.get(PROFILE, ask.phone.as_str().as_bytes())?.is_some();
    if exists && tries_of(ask.cx, ask.phone)?.fake == 0 {
        return Err(Refusal::NumberNotAllowed.into());
    }
    Ok(())
}

/// ID-13: the connection's certificate, when it maps to this account.
fn proves(ask: &Ask<'_>, device: &DevKey) -> Result<Arc<Certificate>, Halt> {
    let certificate = ask.who.certificate.as_ref().ok_or(Refusal::PermissionDenied)?;
    let maps = match key::bound(ask.cx, certificate)? {
        Bound::To(phone, _) => phone == *ask.phone,
        Bound::Ended => false,
        Bound::Not => key::is_named(ask.chat, ask.cx, certificate, ask.phone, device)?,
    };
    if maps { Ok(certificate.clone()) } else { Err(Refusal::PermissionDenied.into()) }
}

/// ID-11: the first provider that accepts the number.
fn by_code(ask: &mut Ask<'_>, pending: Pending, listing: Option<&Listing>) -> Result<(), Halt> {
    let mut count = tries_of(ask.cx, ask.phone)?;
    tries::check_lock(&count, ask.cx.now.0)?;
    let number = names::number(ask.cx.store, ask.phone)?;
    for provider in &ask.chat.settings.providers {
        match provider {
            Provider::Invite if invite::exists(ask.cx, ask.phone)? => {
                return wait(ask, count, pending, done(Outcome::SmsSent));
            }
            Provider::Invite => {}
            // The person has it already.
            Provider::Directory if listing.is_some_and(|listing| listing.person().is_some()) => {
                ask.waiting.codes.remove(&ask.client());
                let pending = Pending { code: Some(Bytes::new()), ..pending };
                return wait(ask, count, pending, done(Outcome::SmsSent));
            }
            Provider::Directory => {}
            Provider::Static => {
                if let Some(code) = ask.chat.settings.static_codes.get(&number).cloned() {
                    return by_fixed_code(ask, count, pending, code);
                }
            }
            Provider::Webhook | Provider::Log => {
                if let Some(sender) = sender(*provider, &number) {
                    tries::take_code(&mut count, ask.cx.now.0)?;
                    return send(ask, &count, pending, sender);
                }
            }
        }
    }
    Err(Refusal::NumberNotAllowed.into())
}

/// The provider, if it sends to this number: a webhook reaches telephones.
pub(super) fn sender(provider: Provider, phone: &Phone) -> Option<Sender> {
    match provider {
        Provider::Log => Some(Sender::Log),
        Provider::Webhook if phone.is_number() => Some(Sender::Webhook),
        Provider::Webhook | Provider::Invite | Provider::Static | Provider::Directory => None,
    }
}

/// A number with a code of its own: nothing is sent.
fn by_fixed_code(ask: &mut Ask<'_>, mut count: Tries, pending: Pending, code: Bytes) -> Result<(), Halt> {
    tries::take_code(&mut count, ask.cx.now.0)?;
    let pending = Pending { code: Some(secret::hash(&code)), ..pending };
    ask.waiting.codes.insert(ask.client(), code);
    wait(ask, count, pending, done(Outcome::SmsSent))
}

/// ID-12: the challenge goes to the client, which has it endorsed.
fn by_jwt(ask: &mut Ask<'_>, device: &DevKey, pending: Pending) -> Result<(), Halt> {
    let mut count = tries_of(ask.cx, ask.phone)?;
    tries::take_code(&mut count, ask.cx.now.0)?;
    let (challenge, nonce) = jwt::challenge(ask.chat, ask.cx, &names::number(ask.cx.store, ask.phone)?, device)?;
    ask.waiting.codes.remove(&ask.client());
    let sent = etf::encode(&Io::ok_src(Outcome::JwtSent, challenge));
    wait(ask, count, Pending { nonce: Some(nonce), ..pending }, sent)
}

/// Makes the code and gives it to the provider.
fn send(ask: &mut Ask<'_>, count: &Tries, pending: Pending, sender: Sender) -> Result<(), Halt> {
    let code = secret::code(ask.cx);
    let pending = Pending { code: Some(secret::hash(&code)), ..pending };
    let language = feature::language(&pending.settings).map(Bytes::copy_from_slice);
    let job = Job::Code { who: ask.who.clone(), pending: Box::new(pending), code: code.clone() };
    let phone = names::number(ask.cx.store, ask.phone)?;
    ask.work(job, Work::SendCode { sender, channel: Channel::Sms, phone, code, language })?;
    put_tries(ask.fx, ask.phone, count);
    Ok(())
}

/// C-5: an empty binary is absent.
pub(super) fn given(field: &Option<Bytes>) -> Option<Bytes> {
    field.clone().filter(|bytes| !bytes.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_14_the_certificate_request_is_no_setting() {
        let given = [Feature::new("AUTH_DATA", "CSR", "der"), Feature::new("LANGUAGE_SETTINGS", "LANGUAGE", "en")];
        let (kept, request) = settings(&[], None, &given).unwrap();
        assert_eq!((kept.len(), request.as_deref()), (1, Some(&b"der"[..])));
        let (_, request) = settings(&kept, request, &[]).unwrap();
        assert_eq!(request.as_deref(), Some(&b"der"[..]));
    }
}
