//! Session rows and what hangs on them: the account they open, token, birth (ID-7, ID-8, AUTH-4, AUTH-6).

use std::sync::Arc;

use bytes::Bytes;
use n2o::Failure;
use proto::ids::{ClientId, DevKey, Phone, PhoneId};
use proto::limits::NAMES;
use proto::records::{Auth, AuthAct, AuthPhone, AuthSettings, Profile, Roster, RosterEntry, RosterId};
use proto::text;

use super::binding::{Unbind, unbind};
use super::standing::Listing;
use crate::door::{Bye, Certificate};
use crate::protocol::{contact, presence};
use crate::rows::{self, DEVICE, Device, KEYS, Keys, PROFILE, ROSTER, STANDING, WANTED};
use crate::{Account, Chat, Cx, Fx, Group, Input, Name, Who};

/// Session rows of one account; AUTH-4 refuses a further one. Connected at once may be 20 (section 11).
pub(crate) const DEVICES_MAX: usize = 1000;
/// Phone books that are told of a number that registers; the holders beyond find it when they ask again.
const HOLDERS_MAX: usize = 65_536;

/// An account as a step has it: what is in the store, or what this step creates.
pub(crate) struct Opened {
    pub(crate) profile: Profile,
    pub(crate) rosters: Vec<(PhoneId, Roster)>,
    pub(super) is_new: bool,
}

/// Who names the holder of an account that comes into being.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Face<'a> {
    given: Option<&'a String>,
    surname: Option<&'a String>,
}

impl<'a> Face<'a> {
    pub(super) fn certified(certificate: &'a Certificate) -> Face<'a> {
        Face { given: certificate.given_name.as_ref(), surname: certificate.surname.as_ref() }
    }

    /// The directory, if it has a name.
    pub(super) fn listed(listing: &'a Listing) -> Option<Face<'a>> {
        let person = listing.person()?;
        let face = Face { given: person.given.as_ref(), surname: person.surname.as_ref() };
        (face.given.is_some() || face.surname.is_some()).then_some(face)
    }
}

/// The account, created with one roster when there is none (AUTH-4, ID-9 rule 2). `face` names its holder.
pub(crate) fn open(
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    phone: &Phone,
    face: Option<Face<'_>>,
) -> Result<Opened, Failure> {
    match rows::read::<Profile>(cx.store, PROFILE, phone.as_str().as_bytes())? {
        Some(profile) => Ok(Opened { rosters: rosters(cx, phone)?, profile, is_new: false }),
        None => create(chat, cx, fx, phone, face),
    }
}

/// The rosters of an account that is in the store, ascending.
pub(crate) fn rosters(cx: &Cx<'_>, phone: &Phone) -> Result<Vec<(PhoneId, Roster)>, Failure> {
    let ids = rows::roster_ids(cx.store, phone)?.into_iter().map(|id| phone.roster(id));
    ids.map(|id| Ok((id.clone(), rows::read(cx.store, ROSTER, id.as_str().as_bytes())?.unwrap_or_default()))).collect()
}

fn create(chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, phone: &Phone, face: Option<Face<'_>>) -> Result<Opened, Failure> {
    let id = phone.roster(chat.rosters.next()?);
    let name = |given: Option<&String>| text::name(&given?.clone().into(), NAMES).ok();
    let roster = Roster {
        id: Some(RosterId::Number(id.roster())),
        names: name(face.and_then(|face| face.given)),
        surnames: name(face.and_then(|face| face.surname)),
        phone: Some(phone.to_bytes()),
        update: Some(cx.now.0),
        ..Roster::default()
    };
    let profile = Profile {
        phone: Some(phone.to_bytes()),
        rosters: vec![RosterEntry::Id(id.roster())],
        update: Some(cx.now.0),
        date: Some(cx.now.0),
        ..Profile::default()
    };
    fx.put(PROFILE, phone.to_bytes(), rows::encode(&profile));
    fx.put(ROSTER, id.to_bytes(), rows::encode(&roster));
    if face.is_some() && roster.names.is_none() && roster.surnames.is_none() {
        fx.tell(Name::Nicks, Input::Registered { phone: phone.clone(), roster: id.clone() });
    }
    tell_holders(cx, fx, phone, &id)?;
    Ok(Opened { profile, rosters: vec![(id, roster)], is_new: true })
}

/// AUTH-4: who has the number in a phone book learns its address.
fn tell_holders(cx: &Cx<'_>, fx: &mut Fx, phone: &Phone, roster: &PhoneId) -> Result<(), Failure> {
    let prefix = rows::path(&[phone.as_str().as_bytes(), b""]);
    for (key, _) in cx.store.scan(WANTED, &kvs::Span::prefix(prefix.clone()).limit(HOLDERS_MAX))? {
        if let Ok(holder) = PhoneId::parse(&key.slice(prefix.len()..)) {
            fx.tell(Name::Roster(holder), Input::Registered { phone: phone.clone(), roster: roster.clone() });
        }
    }
    Ok(())
}

pub(super) fn read(cx: &Cx<'_>, phone: &Phone, device: &DevKey) -> Result<Option<Device>, Failure> {
    rows::read(cx.store, DEVICE, &rows::device_key(phone, device))
}

/// All session rows of an account, oldest first.
pub(super) fn all(cx: &Cx<'_>, phone: &Phone) -> Result<Vec<Device>, Failure> {
    let prefix = rows::path(&[phone.as_str().as_bytes(), b""]);
    let found = cx.store.scan(DEVICE, &kvs::Span::prefix(prefix).limit(DEVICES_MAX))?;
    let mut devices = found.iter().map(|(_, row)| rows::decode(row)).collect::<Result<Vec<Device>, Failure>>()?;
    devices.sort_by_key(|device| (device.created, device.birth));
    Ok(devices)
}

/// The key of a row, which was one when the row was written.
pub(super) fn dev_key(device: &Device) -> Result<DevKey, Failure> {
    DevKey::parse(&device.dev_key).map_err(|_| Failure::new("a session row without a device key"))
}

pub(super) fn client_id(phone: &Phone, device: &DevKey) -> Bytes {
    ClientId::device(phone, device).to_bytes()
}

pub(super) fn put(fx: &mut Fx, phone: &Phone, key: &DevKey, device: &Device) {
    fx.put(DEVICE, rows::device_key(phone, key), rows::encode(device));
}

/// AUTH-6: the row and its binding go, its connection is closed, its queue is forgotten (DLV-12).
pub(super) fn end(
    cx: &Cx<'_>,
    fx: &mut Fx,
    phone: &Phone,
    device: &Device,
    how: Unbind,
    bye: Option<(Bye, Option<Bytes>)>,
) -> Result<(), Failure> {
    let key = dev_key(device)?;
    unbind(fx, device, how);
    super::push::let_go(cx, fx, device)?;
    fx.delete(DEVICE, rows::device_key(phone, &key));
    if let Some((bye, record)) = bye {
        fx.tell(Name::session(&client_id(phone, &key)), Input::End { bye, record, forget: true });
    }
    Ok(())
}

/// PROFILE-8: all devices of an account end, with their keys. Those that are connected are told by `record`, but for the one that asked;
/// the client ids of all are given back.
pub(crate) fn end_all(
    cx: &Cx<'_>,
    fx: &mut Fx,
    phone: &Phone,
    who: &Who,
    record: &Bytes,
) -> Result<Vec<Bytes>, Failure> {
    let devices = all(cx, phone)?;
    for device in &devices {
        let bye = (device.client_id != who.session.as_bytes()).then(|| (Bye::Ended, Some(record.clone())));
        end(cx, fx, phone, device, Unbind::Block, bye)?;
    }
    super::push::mark(cx, fx, phone, &[])?;
    fx.delete(KEYS, phone.to_bytes());
    fx.delete(STANDING, phone.to_bytes());
    Ok(devices.into_iter().map(|device| device.client_id).collect())
}

/// AUTH-14: what an ended device is told.
pub(super) fn deleted(device: &Device) -> Auth {
    Auth { client_id: Some(device.client_id.clone()), r#type: Some(AuthAct::Deleted.into()), ..Auth::default() }
}

/// ID-8: a session row as its account may see it: no token, code or push token.
pub(super) fn shown(device: &Device, default: Option<&PhoneId>, act: AuthAct) -> Auth {
    Auth {
        client_id: Some(device.client_id.clone()),
        dev_key: Some(device.dev_key.clone()),
        user_id: default.map(PhoneId::to_bytes),
        phone: Some(AuthPhone::Number(device.phone.clone())),
        os: device.os,
        settings: Some(AuthSettings::Features(device.settings.clone())).filter(|_| !device.settings.is_empty()),
        created: Some(device.created.into()),
        last_online: Some(device.last_online),
        r#type: Some(act.into()),
        ..Auth::default()
    }
}

/// The devices of an account have changed to these: its sessions are told, and whether it can be woken is kept.
pub(super) fn changed(
    cx: &Cx<'_>,
    fx: &mut Fx,
    phone: &Phone,
    rosters: Vec<u64>,
    devices: &[Device],
) -> Result<Arc<Account>, Failure> {
    super::push::mark(cx, fx, phone, devices)?;
    keep_keys(cx, fx, phone, devices)?;
    let account = account(phone, rosters, devices)?;
    fx.publish(Group::Account(phone.clone()), Input::Account(account.clone()));
    Ok(account)
}

/// What these devices, which are all that the account has, show of their keys. Where a change of them was announced in this step, the row
/// of that is the same.
fn keep_keys(cx: &Cx<'_>, fx: &mut Fx, phone: &Phone, devices: &[Device]) -> Result<(), Failure> {
    let services = contact::certificates(devices);
    let before: Keys = rows::read(cx.store, KEYS, phone.as_str().as_bytes())?.unwrap_or_default();
    if before.services != services {
        fx.put(KEYS, phone.to_bytes(), rows::encode(&Keys { update: cx.now.0, services }));
        presence::tell_publisher(cx, fx, phone)?;
    }
    Ok(())
}

/// The facts that sessions hold, with these devices.
pub(super) fn account(phone: &Phone, rosters: Vec<u64>, devices: &[Device]) -> Result<Arc<Account>, Failure> {
    let devices = devices.iter().map(dev_key).collect::<Result<Vec<_>, _>>()?;
    Ok(Arc::new(Account { phone: phone.clone(), rosters, devices }))
}

/// The facts that sessions hold, with the devices that are in the store.
pub(crate) fn facts(cx: &Cx<'_>, phone: &Phone, rosters: Vec<u64>) -> Result<Arc<Account>, Failure> {
    account(phone, rosters, &all(cx, phone)?)
}

/// Whether this is the device's token, or the one before that is still valid (AUTH-5).
pub(crate) fn has_token(cx: &Cx<'_>, phone: &Phone, device: &DevKey, token: &[u8]) -> Result<bool, Failure> {
    let Some(row) = read(cx, phone, device)? else { return Ok(false) };
    let before = row.token_before.filter(|_| cx.now.0 < row.before_until);
    Ok([row.token, before].into_iter().flatten().any(|kept| super::secret::is_same(token, &kept)))
}
