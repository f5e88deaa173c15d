//! PROFILE-5, 6: e-mail addresses. A verified one is one account's (SEARCH-8): their index has one owner.

use bytes::Bytes;
use n2o::Failure;
use proto::ids::Phone;
use proto::records::{Io, Profile, ProfileStatus, Roster, Service, ServiceStatus, ServiceType};
use proto::topic::{Owner, Topic};
use proto::{Outcome, Refusal};

use super::own_row;
use crate::effects::{self, Seen};
use crate::protocol::auth::{self, Waiting};
use crate::protocol::work::{self, Next, Task};
use crate::protocol::{Halt, settle};
use crate::rows::{self, Confirm, EMAIL, PROFILE, ROSTER, Work};
use crate::{Chat, Confirming, Cx, Fx, Input, Name, Who};

/// RFC 5321 section 4.5.3.1, bytes.
const LOCAL_BYTES: usize = 64;
const ADDRESS_BYTES: usize = 254;
/// Addresses of one account.
const ADDRESSES: usize = 16;

/// How an address is linked, which decides what answers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Linking {
    /// PROFILE-5.
    Link,
    /// SERVICE-1, by PROFILE-4.
    Service,
}

/// PROFILE-5: a code goes to the address. Asked for by SERVICE-1, an address that is verified needs none (G-7).
#[expect(clippy::too_many_arguments, reason = "a call, and how it is meant")]
pub(super) fn link(
    waiting: &mut Waiting,
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: &Phone,
    asked: &Profile,
    how: Linking,
) -> Result<(), Halt> {
    let row = own_row(cx, who, own, asked)?;
    let (address, _) = given(asked)?;
    if how == Linking::Service && verified(&row).contains(&address) {
        return super::change(cx, fx, who, own, &row, row.clone(), ProfileStatus::Patch);
    }
    if holder(cx, &address)?.is_some_and(|holder| holder != own.as_str().as_bytes()) {
        return Err(Refusal::AlreadyPresent.into());
    }
    if find(&row, &address).is_none() && row.services.iter().filter(|service| is_email(service)).count() >= ADDRESSES {
        return Err(Refusal::Limit.into());
    }
    auth::mail_code(own, waiting, chat, cx, fx, who, address, how)
}

/// SERVICE-1: whether the request adds an address, and nothing else, since it waits for the code to leave.
pub(super) fn is_added(asked: &Profile) -> bool {
    let [service] = &asked.services[..] else { return false };
    let is_alone = asked.settings.is_empty() && asked.balance.unwrap_or_default() == 0;
    is_alone && is_email(service) && service.status == Some(ServiceStatus::Add)
}

/// The code is on its way: the address is noted, but nobody's yet.
pub(crate) fn linked(
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: &Phone,
    address: &Bytes,
    how: Linking,
) -> Result<(), Halt> {
    let row: Option<Profile> = rows::read(cx.store, PROFILE, own.as_str().as_bytes())?;
    let row = row.ok_or(Refusal::ProfileNotFound)?;
    let mut after = row.clone();
    if find(&row, address).is_none() {
        after.services.push(service(address, ServiceStatus::Added));
    }
    match how {
        Linking::Service => return super::change(cx, fx, who, own, &row, after, ProfileStatus::Patch),
        Linking::Link if after != row => {
            fx.put(PROFILE, own.to_bytes(), rows::encode(&Profile { update: Some(cx.now.0), ..after }));
        }
        Linking::Link => {}
    }
    effects::answer(fx, who, vec![effects::done(Outcome::EmailSent)]);
    Ok(())
}

/// PROFILE-6: the code was right, so the index of addresses decides.
pub(super) fn confirm(cx: &Cx<'_>, fx: &mut Fx, who: &Who, own: &Phone, asked: &Profile) -> Result<(), Halt> {
    let row = own_row(cx, who, own, asked)?;
    let (address, code) = given(asked)?;
    let code = code.ok_or(Refusal::InvalidData)?;
    if verified(&row).contains(&address) {
        // Its answer may have been lost (G-7).
        effects::answer(fx, who, vec![effects::done(Outcome::Verified)]);
        return Ok(());
    }
    if !auth::is_proof(cx, fx, own, &address, &code)? {
        // The wrong code has been counted, so this is an answer, not an early end.
        effects::refuse(fx, who, Refusal::WrongCode);
        return Ok(());
    }
    let confirming = Confirming { who: who.clone(), phone: own.clone(), address };
    fx.tell(Name::Nicks, Input::Confirm(Box::new(confirming)));
    Ok(())
}

/// PROFILE-6 at the index: the address is taken, once; whatever happens now, the account has it.
pub(crate) fn claim(cx: &Cx<'_>, fx: &mut Fx, confirming: &Confirming) -> Result<(), Failure> {
    let Confirming { who, phone, address } = confirming;
    if holder(cx, address)?.is_some_and(|holder| holder != phone.as_str().as_bytes()) {
        return settle(fx, who, Err(Refusal::AlreadyPresent.into()));
    }
    fx.put(EMAIL, address.clone(), phone.to_bytes());
    work::begin(cx, fx, phone, &Work::Confirm(Confirm { address: address.clone() }), Some(who))
}

/// PROFILE-6: the account says so, then its default roster. An account that has ended meanwhile gives the address back.
pub(crate) fn confirmed(cx: &Cx<'_>, fx: &mut Fx, own: &Phone, confirm: &Confirm) -> Result<Next, Failure> {
    let address = &confirm.address;
    let row: Option<Profile> = rows::read(cx.store, PROFILE, own.as_str().as_bytes())?;
    let Some(mut row) = row else {
        return Ok(match cx.store.get(EMAIL, address)?.is_some_and(|holder| holder == own.as_str().as_bytes()) {
            true => Next::Round { task: Task::Unmail { list: vec![address.clone()] }, way: vec![Name::Nicks] },
            false => Next::Done(Vec::new()),
        });
    };
    if !find(&row, address).is_some_and(|service| service.status == Some(ServiceStatus::Verified)) {
        row.services.retain(|service| !(is_email(service) && service.login.as_ref() == Some(address)));
        row.services.push(service(address, ServiceStatus::Verified));
        row.update = Some(cx.now.0);
        fx.put(PROFILE, own.to_bytes(), rows::encode(&row));
        auth::forget_proof(fx, own);
        let brief = super::brief(own, &row, ProfileStatus::Patch);
        let topic = Topic::Ses(Owner::Account(own.clone()));
        effects::notify(fx, cx, own, &topic, &brief, None, Seen::ByNobody)?;
    }
    let done = Next::Done(vec![etf::encode(&Io::ok(Outcome::Verified))]);
    let Some(default) = rows::default_roster(cx.store, own)? else { return Ok(done) };
    let roster: Option<Roster> = rows::read(cx.store, ROSTER, default.as_str().as_bytes())?;
    Ok(match roster.is_some_and(|roster| roster.email.as_ref() != Some(address)) {
        true => Next::Round { task: Task::Mail { address: address.clone() }, way: vec![Name::Roster(default)] },
        false => done,
    })
}

/// Addresses of an account that ends are free.
pub(crate) fn release(cx: &Cx<'_>, fx: &mut Fx, own: &Phone, list: &[Bytes]) -> Result<(), Failure> {
    for address in list {
        if cx.store.get(EMAIL, address)?.is_some_and(|holder| holder == own.as_str().as_bytes()) {
            fx.delete(EMAIL, address.clone());
        }
    }
    Ok(())
}

/// The verified addresses of an account.
pub(crate) fn verified(row: &Profile) -> Vec<Bytes> {
    let verified = |service: &&Service| is_email(service) && service.status == Some(ServiceStatus::Verified);
    row.services.iter().filter(verified).filter_map(|service| service.login.clone()).collect()
}

/// Whose verified address it is (SEARCH-8). An account that has let it go since holds it no more.
pub(crate) fn holder(cx: &Cx<'_>, address: &[u8]) -> Result<Option<Bytes>, Failure> {
    let Some(phone) = cx.store.get(EMAIL, address)? else { return Ok(None) };
    let row: Option<Profile> = rows::read(cx.store, PROFILE, &phone)?;
    if row.is_some_and(|row| verified(&row).iter().any(|known| *known == address)) {
        return Ok(Some(phone));
    }
    // Between the two steps of PROFILE-6 the index is ahead of the account.
    let on_its_way = |work: &Work| matches!(work, Work::Confirm(confirm) if confirm.address == address);
    Ok(work::all(cx.store, &phone)?.iter().any(on_its_way).then_some(phone))
}

fn is_email(service: &Service) -> bool {
    service.r#type == Some(ServiceType::Email)
}

fn find<'a>(row: &'a Profile, address: &Bytes) -> Option<&'a Service> {
    row.services.iter().find(|service| is_email(service) && service.login.as_ref() == Some(address))
}

fn service(address: &Bytes, status: ServiceStatus) -> Service {
    Service {
        id: Some(address.clone()),
        r#type: Some(ServiceType::Email),
        login: Some(address.clone()),
        status: Some(status),
        ..Service::default()
    }
}

/// The one address that a request names, in small letters, and the code beside it.
fn given(asked: &Profile) -> Result<(Bytes, Option<Bytes>), Refusal> {
    let [service] = &asked.services[..] else { return Err(Refusal::InvalidData) };
    if !is_email(service) {
        return Err(Refusal::InvalidData);
    }
    let address = normal(service.login.as_deref().unwrap_or_default()).ok_or(Refusal::InvalidData)?;
    Ok((address, service.password.clone().filter(|code| !code.is_empty())))
}

/// An address that mail can be sent to, without regard to case.
fn normal(address: &[u8]) -> Option<Bytes> {
    let text = std::str::from_utf8(address).ok()?.trim().to_ascii_lowercase();
    let (local, domain) = text.split_once('@')?;
    let is_local = (1..=LOCAL_BYTES).contains(&local.len()) && local.bytes().all(|byte| byte.is_ascii_graphic());
    let is_label = |label: &str| {
        let inside = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        inside && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
    };
    let is_domain = domain.contains('.') && domain.split('.').all(is_label);
    (is_local && is_domain && text.len() <= ADDRESS_BYTES).then(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profile_5_addresses() {
        assert_eq!(normal(b" Ann.Bell@Example.ORG ").as_deref(), Some(&b"ann.bell@example.org"[..]));
        for bad in [
            "",
            "ann",
            "ann@",
            "@example.org",
            "ann@example",
            "ann@-a.org",
            "ann@a..org",
            "a b@example.org",
            "a@b@c.org",
        ] {
            assert_eq!(normal(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(normal(format!("{}@example.org", "a".repeat(65)).as_bytes()), None);
    }
}
