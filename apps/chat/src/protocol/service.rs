//! SERVICE (SPEC 6.3): linked accounts of others, and further certificates of the own devices. Part of PROFILE-3 and 4.

use std::sync::Arc;

use bytes::Bytes;
use n2o::Failure;
use proto::Refusal;
use proto::ids::Phone;
use proto::records::{Profile, Service, ServiceStatus, ServiceType};

use super::Halt;
use super::auth::{self, Bound};
use crate::door::Certificate;
use crate::rows::{self, PROFILE};
use crate::vault::Purpose;
use crate::{Chat, Cx, Fx, Who, names};

/// Services of one account; a further one is refused with `limit`.
const SERVICES_MAX: usize = 32;
/// Bytes of a name or password, and of the whole record: a certificate has room.
const TEXT_BYTES: usize = 1024;
const SERVICE_BYTES: usize = 12 * 1024;
/// Bytes of an id that the server makes.
const ID_BYTES: usize = 16;

/// What becomes of an account's services, and of the keys that its certificates bind.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) services: Vec<Service>,
    /// Ids of those that the request names, and of those that it adds, which may be there without having been named.
    named: Vec<Bytes>,
    bound: Vec<Arc<Certificate>>,
    /// SHA-256 of keys (ID-9).
    ended: Vec<Bytes>,
}

/// SERVICE-1, SERVICE-2: the services that are there, with those added and less those removed. Nothing is changed yet.
pub(crate) fn patched(
    chat: &Chat,
    cx: &Cx<'_>,
    who: &Who,
    own: &Phone,
    row: &Profile,
    asked: &[Service],
) -> Result<Change, Halt> {
    let services = row.services.clone();
    let mut change = Change { services, named: Vec::new(), bound: Vec::new(), ended: Vec::new() };
    for service in asked {
        match service.status {
            Some(ServiceStatus::Add) => change.add(chat, cx, who, own, service)?,
            Some(ServiceStatus::Remove) => change.remove(given(&service.id).ok_or(Refusal::InvalidData)?),
            // As the server shows it: it stays.
            Some(ServiceStatus::Added | ServiceStatus::Verified) if change.has(service) => {
                change.named.extend(service.id.clone());
            }
            Some(ServiceStatus::Added | ServiceStatus::Verified) | None => return Err(Refusal::InvalidData.into()),
        }
    }
    Ok(change)
}

/// PROFILE-3: those named stay or are added, the others are removed.
pub(crate) fn replaced(
    chat: &Chat,
    cx: &Cx<'_>,
    who: &Who,
    own: &Phone,
    row: &Profile,
    asked: &[Service],
) -> Result<Change, Halt> {
    let mut change = patched(chat, cx, who, own, row, asked)?;
    let mut others: Vec<Bytes> = row.services.iter().filter_map(|kept| kept.id.clone()).collect();
    others.retain(|id| !change.named.contains(id));
    others.iter().for_each(|id| change.remove(id));
    Ok(change)
}

impl Change {
    /// Writes what hangs on it: the bindings of keys (ID-9). The profile's row is the caller's.
    pub(crate) fn perform(&self, cx: &Cx<'_>, fx: &mut Fx, who: &Who, own: &Phone) -> Result<(), Halt> {
        for key in &self.ended {
            auth::end_key(cx, fx, own, key)?;
        }
        for certificate in &self.bound {
            let device = who.device.as_ref().ok_or(Refusal::PermissionDenied)?;
            auth::bind_key(fx, own, device, certificate);
        }
        match self.bound.is_empty() && self.ended.is_empty() {
            true => Ok(()),
            false => Ok(auth::announce_keys(cx, fx, own, &self.services, &self.ended)?),
        }
    }

    fn has(&self, service: &Service) -> bool {
        service.id.is_some() && self.services.iter().any(|kept| kept.id == service.id)
    }

    /// SERVICE-1.
    fn add(&mut self, chat: &Chat, cx: &Cx<'_>, who: &Who, own: &Phone, asked: &Service) -> Result<(), Halt> {
        check(asked)?;
        let kept = match asked.r#type.ok_or(Refusal::InvalidData)? {
            ServiceType::Synrc => self.certified(chat, cx, who, own, asked)?,
            ServiceType::Aws | ServiceType::Gcp | ServiceType::Azure | ServiceType::Vox => {
                self.linked(chat, cx, own, asked)
            }
            // By a request of its own: it waits for a code to leave (PROFILE-5).
            ServiceType::Email => return Err(Refusal::InvalidData.into()),
        };
        self.named.extend(kept.id.clone());
        let full = self.services.len() >= SERVICES_MAX;
        match self.services.iter_mut().find(|service| service.id == kept.id) {
            Some(service) if shown(chat, own, service) == shown(chat, own, &kept) => {}
            Some(service) => *service = kept,
            None if full => return Err(Refusal::Limit.into()),
            None => self.services.push(kept),
        }
        Ok(())
    }

    /// An account elsewhere; its password is kept sealed (SEC-12). The same kind and login is the same one, whatever its id.
    fn linked(&self, chat: &Chat, cx: &Cx<'_>, own: &Phone, asked: &Service) -> Service {
        let same = |kept: &&Service| kept.r#type == asked.r#type && kept.login == asked.login;
        let known = || self.services.iter().find(same).and_then(|kept| kept.id.clone());
        let id = given(&asked.id).cloned().or_else(known).unwrap_or_else(|| hex(&cx.random::<ID_BYTES>()));
        let seal = |password: &Bytes| chat.vault.seal(Purpose::Password, cx.random(), &owner(own, &id), password);
        let password = given(&asked.password).map(seal);
        Service { id: Some(id), password, status: Some(ServiceStatus::Added), ..asked.clone() }
    }

    /// A certificate, with its key's SHA-256 as login: the one shown on this connection, or one of our authority that names this account. Certificates are public: a copy
    /// of another's proves nothing.
    fn certified(
        &mut self,
        chat: &Chat,
        cx: &Cx<'_>,
        who: &Who,
        own: &Phone,
        asked: &Service,
    ) -> Result<Service, Halt> {
        let der = asked.data.as_binary().ok_or(Refusal::InvalidData)?;
        let certificate = match &who.certificate {
            Some(shown) if shown.der == *der => shown.clone(),
            Some(_) | None => {
                let read = (chat.identify)(der).map(Arc::new).ok_or(Refusal::InvalidData)?;
                let read = names::certificate(&chat.names, cx, read)?;
                let names = auth::named(&chat.settings, &read);
                read_if(read, names.as_ref() == Some(own) && who.device.is_some())?
            }
        };
        match auth::bound(cx, &certificate)? {
            Bound::Not => self.bound.push(certificate.clone()),
            Bound::To(phone, _) if phone == *own => {}
            Bound::To(..) | Bound::Ended => return Err(Refusal::PermissionDenied.into()),
        }
        // The request may have removed it before, or known it by another id: its key is wanted.
        self.ended.retain(|ended| ended[..] != certificate.key);
        let login = hex(&certificate.key);
        let same = |kept: &&Service| kept.r#type == Some(ServiceType::Synrc) && kept.login.as_ref() == Some(&login);
        let known = self.services.iter().find(same).and_then(|kept| kept.id.clone());
        Ok(Service {
            id: Some(given(&asked.id).cloned().or(known).unwrap_or_else(|| login.clone())),
            r#type: Some(ServiceType::Synrc),
            data: etf::Term::binary(&certificate.der),
            login: Some(login),
            expiration: Some(certificate.not_after),
            status: Some(ServiceStatus::Verified),
            ..Service::default()
        })
    }

    /// SERVICE-2. What is not there has been removed already (G-7). A key that another entry has stays bound.
    fn remove(&mut self, id: &Bytes) {
        let Some(at) = self.services.iter().position(|service| service.id.as_ref() == Some(id)) else { return };
        let gone = self.services.remove(at);
        let is_left = |ended: &Bytes| self.services.iter().any(|kept| key(kept).as_ref() == Some(ended));
        self.ended.extend(key(&gone).filter(|ended| !is_left(ended)));
    }
}

fn read_if(certificate: Arc<Certificate>, allowed: bool) -> Result<Arc<Certificate>, Refusal> {
    if allowed { Ok(certificate) } else { Err(Refusal::PermissionDenied) }
}

fn check(service: &Service) -> Result<(), Refusal> {
    let texts = [&service.id, &service.login, &service.password];
    let fits = texts.iter().all(|text| text.as_ref().is_none_or(|text| text.len() <= TEXT_BYTES));
    if fits && etf::encode(service).len() <= SERVICE_BYTES { Ok(()) } else { Err(Refusal::InvalidData) }
}

/// As an own device sees it: with its password.
pub(crate) fn shown(chat: &Chat, own: &Phone, kept: &Service) -> Service {
    let open = |sealed: &Bytes| {
        chat.vault.open(Purpose::Password, &owner(own, kept.id.as_ref().unwrap_or(&Bytes::new())), sealed)
    };
    Service { password: kept.password.as_ref().and_then(open), ..kept.clone() }
}

/// As anything else sees it: services, and the notices that are kept.
pub(crate) fn without_passwords(services: &[Service]) -> Vec<Service> {
    services.iter().map(|kept| Service { password: None, ..kept.clone() }).collect()
}

/// The certificates among them, as others see the account's keys (SEC-9).
pub(crate) fn certificates(services: &[Service]) -> impl Iterator<Item = Service> {
    services.iter().filter(|service| service.r#type == Some(ServiceType::Synrc)).cloned()
}

/// Whose password it is.
fn owner(own: &Phone, id: &Bytes) -> Bytes {
    rows::path(&[own.as_str().as_bytes(), id])
}

fn given(text: &Option<Bytes>) -> Option<&Bytes> {
    text.as_ref().filter(|text| !text.is_empty())
}

/// The key of a certificate that was added.
fn key(service: &Service) -> Option<Bytes> {
    let text = service.login.as_deref().filter(|_| service.r#type == Some(ServiceType::Synrc))?;
    let (pairs, _) = text.as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs.iter().map(byte).collect()
}

fn hex(bytes: &[u8]) -> Bytes {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

/// The services of an account, as they are kept.
pub(crate) fn kept(cx: &Cx<'_>, own: &Phone) -> Result<Vec<Service>, Failure> {
    Ok(rows::read::<Profile>(cx.store, PROFILE, own.as_str().as_bytes())?.map_or_else(Vec::new, |row| row.services))
}

/// ID-10: a further certificate was revoked; it is shown no more.
pub(crate) fn revoked(cx: &Cx<'_>, fx: &mut Fx, own: &Phone, revoked: &Bytes) -> Result<(), Failure> {
    auth::end_key(cx, fx, own, revoked)?;
    let Some(row) = rows::read::<Profile>(cx.store, PROFILE, own.as_str().as_bytes())? else { return Ok(()) };
    let (gone, left): (Vec<_>, Vec<_>) =
        row.services.iter().cloned().partition(|service| key(service).as_ref() == Some(revoked));
    if gone.is_empty() {
        return Ok(());
    }
    auth::announce_keys(cx, fx, own, &left, std::slice::from_ref(revoked))?;
    let row = Profile { services: left, ..row };
    fx.put(PROFILE, own.to_bytes(), rows::encode(&row));
    Ok(())
}

/// PROFILE-8: the further certificates of an account end with it.
pub(crate) fn end_keys(cx: &Cx<'_>, fx: &mut Fx, own: &Phone, services: &[Service]) -> Result<(), Failure> {
    services.iter().filter_map(key).try_for_each(|key| auth::end_key(cx, fx, own, &key))
}
