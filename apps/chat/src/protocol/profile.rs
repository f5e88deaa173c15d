//! PROFILE (SPEC 6.4): the account as a whole.

mod email;
mod moving;
mod rosters;

use std::sync::Arc;

use n2o::Failure;
use proto::Refusal;
use proto::ids::{Phone, PhoneId};
use proto::records::{Feature, PresenceStatus, Profile, ProfileStatus, Roster};
use proto::topic::{Owner, Topic};

pub(crate) use email::{Linking, claim, confirmed, linked, release, verified};
pub(crate) use moving::{Moved, keep_told, moved, tell_book, tell_other};
pub(crate) use rosters::{create, drop_roster, found};

use super::auth::Waiting;
use super::presence::{self, Audience};
use super::reading::{Reading, To, What};
use super::roster::{self, Frame};
use super::{Halt, auth, favorite, feature, fleeting, service};
use crate::effects::{self, Seen};
use crate::rows::{self, PROFILE};
use crate::{Chat, Cx, Fx, Input, Name, Refresh, Who};

/// One PROFILE call, judged by the profile `own`.
pub(crate) fn call(
    waiting: &mut Waiting,
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: &Phone,
    mut profile: Profile,
) -> Result<(), Halt> {
    let status = profile.status.ok_or(Refusal::InvalidData)?;
    profile.settings.retain(|setting| !fleeting::is_mode(setting));
    match status {
        ProfileStatus::Get => get(chat, cx, fx, who, own, &profile),
        ProfileStatus::Patch if email::is_added(&profile) => {
            email::link(waiting, chat, cx, fx, who, own, &profile, Linking::Service)
        }
        ProfileStatus::Patch => patch(chat, cx, fx, who, own, profile),
        ProfileStatus::Init | ProfileStatus::Create if who.is_service() => init(chat, cx, fx, who, own, profile),
        // PROFILE-12, asked by a device.
        ProfileStatus::Init => get(chat, cx, fx, who, own, &profile),
        // PROFILE-13: accounts are made by services, or by registration.
        ProfileStatus::Create => Err(Refusal::PermissionDenied.into()),
        // PROFILE-7: no provider.
        ProfileStatus::Aws => Err(Refusal::Aws.into()),
        ProfileStatus::Update => update(cx, fx, who, own, &profile),
        ProfileStatus::Set => set(chat, cx, fx, who, own, profile),
        ProfileStatus::Remove => rosters::remove(chat, cx, fx, who, own, &profile),
        ProfileStatus::Delete => rosters::delete(chat, cx, fx, who, own, &profile),
        ProfileStatus::Link => email::link(waiting, chat, cx, fx, who, own, &profile, Linking::Link),
        ProfileStatus::Email => email::confirm(cx, fx, who, own, &profile),
        ProfileStatus::Migrate => moving::migrate(waiting, chat, cx, fx, who, own, profile),
        ProfileStatus::Phone => moving::confirm(chat, cx, fx, who, own, profile),
    }
}

/// Passwords of services are for own devices (section 5).
fn seen_by(chat: &Chat, who: &Who, own: &Phone, row: Profile) -> Profile {
    match who.is_service() {
        true => Profile { services: service::without_passwords(&row.services), ..row },
        false => opened(chat, own, row),
    }
}

/// As the own devices see it.
pub(crate) fn opened(chat: &Chat, own: &Phone, row: Profile) -> Profile {
    Profile { services: row.services.iter().map(|kept| service::shown(chat, own, kept)).collect(), ..row }
}

/// G-3, G-4: PROFILE names the own account or none. A service acts for any.
fn own_row(cx: &Cx<'_>, who: &Who, own: &Phone, profile: &Profile) -> Result<Profile, Halt> {
    let named = profile.phone.as_ref().filter(|phone| !phone.is_empty());
    let is_named = named.is_none_or(|phone| Phone::parse(phone).as_ref() == Ok(own));
    let is_own = who.account.as_ref().is_some_and(|account| account.phone == *own);
    if !is_named || !(is_own || who.is_service()) {
        return Err(Refusal::NotAuthorized.into());
    }
    let row: Option<Profile> = rows::read(cx.store, PROFILE, own.as_str().as_bytes())?;
    row.ok_or_else(|| Refusal::ProfileNotFound.into())
}

/// PROFILE-1: everything the account may see, or what has changed since.
fn get(chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, who: &Who, own: &Phone, asked: &Profile) -> Result<(), Halt> {
    let mut row = seen_by(chat, who, own, own_row(cx, who, own, asked)?);
    row.settings.extend(fleeting::mode(chat));
    let by_id = |option: &Feature| option.key.as_deref() == Some(b"ROSTERS") && option.text() == b"ids";
    if asked.settings.iter().any(by_id) {
        let presence = Some(presence::of(cx, own)?);
        let brief = Profile { presence, update: Some(roster::synced(cx)), status: asked.status, ..row };
        effects::answer(fx, who, vec![etf::encode(&brief)]);
        return Ok(());
    }
    let to = To::Caller(Box::new(who.clone()));
    Ok(full(cx, fx, to, &row, &auth::rosters(cx, own)?, roster::delta(cx, asked.update), asked.status)?)
}

/// A full Profile, as one record or several; `update` in the last one only (PROFILE-1, notes). `row` and `rosters` may be newer than
/// the store.
pub(crate) fn full(
    cx: &Cx<'_>,
    fx: &mut Fx,
    to: To,
    row: &Profile,
    rosters: &[(PhoneId, Roster)],
    since: Option<u64>,
    status: Option<ProfileStatus>,
) -> Result<(), Failure> {
    let own = rosters.first().map(|(id, _)| id.phone());
    let presence = own.map(|own| presence::of(cx, own)).transpose()?;
    let head = Profile { rosters: Vec::new(), update: None, presence, status, ..row.clone() };
    let whole = |(id, row): &(PhoneId, Roster)| {
        Ok((id.clone(), Roster { tags: favorite::tags(cx, id)?, ..roster::whole(cx, id, row.clone())? }))
    };
    let rosters = rosters.iter().map(whole).collect::<Result<Vec<_>, Failure>>()?;
    let frame = Frame::Profile(Box::new(head));
    let reading = Reading::new(to, frame, rosters, What::All { since }, roster::synced(cx));
    Box::new(reading).step(cx, fx)
}

/// CON-6: a client of the first versions is sent its Profile.
pub(crate) fn show(
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    own: &Phone,
    session: Arc<str>,
    connection: u64,
) -> Result<(), Failure> {
    match rows::read::<Profile>(cx.store, PROFILE, own.as_str().as_bytes())? {
        Some(row) => {
            let to = To::Connection { session, connection };
            full(cx, fx, to, &opened(chat, own, row), &auth::rosters(cx, own)?, None, Some(ProfileStatus::Get))
        }
        None => Ok(()),
    }
}

/// PROFILE-12, 13: a service sees to it that there is an account, and what it says.
fn init(chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, who: &Who, own: &Phone, asked: Profile) -> Result<(), Halt> {
    let row: Option<Profile> = rows::read(cx.store, PROFILE, own.as_str().as_bytes())?;
    if row.is_some() && asked.status == Some(ProfileStatus::Create) {
        return Err(Refusal::AlreadyPresent.into());
    }
    if asked.balance.is_some_and(|balance| balance < 0) {
        return Err(Refusal::InvalidData.into());
    }
    let row = row.unwrap_or_default();
    let services = service::patched(chat, cx, who, own, &row, &asked.services)?;
    let mut settings = row.settings;
    feature::merge(&mut settings, &asked.settings)?;

    let opened = auth::open(chat, cx, fx, own, None)?;
    services.perform(cx, fx, who, own)?;
    let row = opened.profile;
    let balance = asked.balance.filter(|balance| *balance > 0).or(row.balance);
    let mut after = Profile { services: services.services, settings, balance, ..row.clone() };
    if after != row {
        after.update = Some(cx.now.0);
        presence::index_publishers(fx, own, &row.settings, &after.settings);
        fx.put(PROFILE, own.to_bytes(), rows::encode(&after));
        let brief = brief(own, &after, ProfileStatus::Patch);
        effects::notify(fx, cx, own, &Topic::Ses(Owner::Account(own.clone())), &brief, None, Seen::ByNobody)?;
    }
    let (to, after) = (To::Caller(Box::new(who.clone())), seen_by(chat, who, own, after));
    Ok(full(cx, fx, to, &after, &opened.rosters, None, asked.status)?)
}

/// What changes of an account are told by.
fn brief(own: &Phone, row: &Profile, status: ProfileStatus) -> Profile {
    Profile {
        phone: Some(own.to_bytes()),
        services: service::without_passwords(&row.services),
        settings: row.settings.clone(),
        balance: row.balance,
        update: row.update,
        status: Some(status),
        ..Profile::default()
    }
}

/// PROFILE-2: the friends of all rosters are told again what they look like.
fn update(cx: &Cx<'_>, fx: &mut Fx, who: &Who, own: &Phone, asked: &Profile) -> Result<(), Halt> {
    let row = own_row(cx, who, own, asked)?;
    let update = Some(cx.now.0);
    fx.put(PROFILE, own.to_bytes(), rows::encode(&Profile { update, ..row }));
    let status = Some(ProfileStatus::Update);
    let answer = etf::encode(&Profile { phone: Some(own.to_bytes()), update, status, ..Profile::default() });
    let mut left: Vec<PhoneId> = rows::roster_ids(cx.store, own)?.iter().map(|id| own.roster(*id)).rev().collect();
    match left.pop() {
        Some(first) => {
            fx.tell(Name::Roster(first), Input::Refresh(Box::new(Refresh { who: who.clone(), left, answer })));
        }
        None => effects::answer(fx, who, vec![answer]),
    }
    Ok(())
}

/// PROFILE-3: other settings in the place of those that are there.
fn set(chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, who: &Who, own: &Phone, asked: Profile) -> Result<(), Halt> {
    let row = own_row(cx, who, own, &asked)?;
    let services = service::replaced(chat, cx, who, own, &row, &asked.services)?;
    let mut settings = Vec::new();
    feature::merge(&mut settings, &asked.settings)?;
    services.perform(cx, fx, who, own)?;
    let after = Profile { services: services.services, settings, ..row.clone() };
    change(cx, fx, who, own, &row, after, ProfileStatus::Set)
}

/// PROFILE-4: merges settings; a balance is set by services alone (D-55).
fn patch(chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, who: &Who, own: &Phone, asked: Profile) -> Result<(), Halt> {
    let row = own_row(cx, who, own, &asked)?;
    if asked.balance.is_some_and(|balance| balance < 0) {
        return Err(Refusal::InvalidData.into());
    }
    let services = service::patched(chat, cx, who, own, &row, &asked.services)?;
    let mut settings = row.settings.clone();
    feature::merge(&mut settings, &asked.settings)?;
    let balance = if who.is_service() { asked.balance.or(row.balance) } else { row.balance };

    services.perform(cx, fx, who, own)?;
    let after = Profile { services: services.services, settings, balance, ..row.clone() };
    change(cx, fx, who, own, &row, after, ProfileStatus::Patch)
}

/// Keeps services, settings and balance, and tells the own devices; what was so already is answered the same and told nobody (G-7).
fn change(
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: &Phone,
    row: &Profile,
    after: Profile,
    status: ProfileStatus,
) -> Result<(), Halt> {
    let is_changed = after != *row;
    let update = if is_changed { Some(cx.now.0) } else { row.update };
    let after = Profile { update, ..after };
    let brief = brief(own, &after, status);
    if is_changed {
        presence::index_publishers(fx, own, &row.settings, &after.settings);
        fx.put(PROFILE, own.to_bytes(), rows::encode(&after));
        let topic = Topic::Ses(Owner::Account(own.clone()));
        effects::notify(fx, cx, own, &topic, &brief, None, Seen::by(who))?;
        tell_privacy(cx, fx, own, row, &after)?;
    }
    effects::answer(fx, who, vec![etf::encode(&brief)]);
    Ok(())
}

/// PRESENCE-5: who may no longer, or may again, see the account's presence is told once.
fn tell_privacy(cx: &Cx<'_>, fx: &mut Fx, own: &Phone, before: &Profile, after: &Profile) -> Result<(), Failure> {
    let audience = |profile: &Profile| presence::last_seen(&profile.settings);
    match (audience(before), audience(after)) {
        (Audience::Nobody, Audience::Nobody) => Ok(()),
        (saw, Audience::Nobody) => presence::tell_others(cx, fx, own, &PresenceStatus::Is(proto::Online::Offline), saw),
        (Audience::Nobody, sees) => presence::tell_others(cx, fx, own, &presence::of(cx, own)?, sees),
        (_, _) => Ok(()),
    }
}
