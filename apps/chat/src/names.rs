//! What accounts are called outside (PROFILE-11).
//!
//! Inside, an account and its rosters are known for ever by the key that the account was made with: rows, processes and groups are named
//! by it, so that nothing has to move when a person changes the number, and no crash can tear anything apart. A number is only what the
//! world calls the account. Sessions translate: what a client says as it comes in, what it is told as it goes out. Where no account was
//! ever moved, that costs nothing.

mod change;
mod inward;
mod known;
mod outward;

use std::sync::Arc;

use bytes::Bytes;
use kvs::{Span, View};
use n2o::Failure;
use proto::ids::{ClientId, ClientKind, DevKey, Phone, PhoneId};

use crate::beside::Shown;
use crate::door::Hello;
use crate::protocol::auth::{self, Bound, is_device};
use crate::rows::{self, ALIAS, CALLED, Called, DEVICE, NUMBER, PROFILE};
use crate::{Chat, Cx};

pub(crate) use change::{forget, free, give, leave, seat_is_taken};
pub(crate) use inward::{certificate, understood, understood_topic};
pub use known::Known;
pub(crate) use outward::outward;

/// A name that is meant as it stands, of a time that is over: `=` and the name. Clients never see the sign.
const LITERAL: u8 = b'=';
/// Names that nobody has: no name of a client's is this.
const NOBODY: &[u8] = b"?";
/// The row that says that there are others. No number is this.
const ANY: &[u8] = b"*";
/// Accounts that have left a number within a year.
const ALIASES: usize = 64;

/// A name in a record that is meant as it stands.
pub(crate) fn literal(name: &PhoneId) -> Bytes {
    Bytes::from([&[LITERAL], name.as_str().as_bytes()].concat())
}

/// Whether there is an account that is called otherwise than it is kept.
fn differ(store: &dyn View) -> Result<bool, Failure> {
    Ok(store.get(NUMBER, ANY)?.is_some())
}

/// The account that has a number, or would have it if it registered; none of what is no number.
pub(crate) fn holder(store: &dyn View, number: &Phone) -> Result<Option<Phone>, Failure> {
    match store.get(NUMBER, number.as_str().as_bytes())? {
        None => Ok(Some(number.clone())),
        Some(key) => Ok(Phone::parse(&key).ok()),
    }
}

/// The number of an account.
pub(crate) fn number(store: &dyn View, account: &Phone) -> Result<Phone, Failure> {
    number_as_of(store, account, None)
}

/// Whether the account has this number now.
///
/// # Errors
/// The store cannot be read.
pub fn is_called(store: &dyn View, account: &Phone, by: &Phone) -> Result<bool, Failure> {
    Ok(number(store, account)? == *by)
}

/// The number that it had when this message was sent.
fn number_as_of(store: &dyn View, account: &Phone, message: Option<u64>) -> Result<Phone, Failure> {
    let Some(called) = rows::read::<Called>(store, CALLED, account.as_str().as_bytes())? else {
        return Ok(account.clone());
    };
    let then = |(_, since): &&(Bytes, u64)| message.is_none_or(|message| *since <= message);
    let number = called.numbers.iter().rev().find(then).map(|(number, _)| number);
    match number {
        Some(number) => Phone::parse(number).map_err(|_| Failure::new("an account is called by no number")),
        None => Ok(account.clone()),
    }
}

/// What a roster was called before, the earliest first.
pub(crate) fn before(store: &dyn View, roster: &PhoneId) -> Result<Vec<PhoneId>, Failure> {
    let called: Option<Called> = rows::read(store, CALLED, roster.phone().as_str().as_bytes())?;
    let mut names: Vec<PhoneId> = Vec::new();
    let (present, past) = called.as_ref().and_then(|called| called.numbers.split_last()).unzip();
    for (number, _) in past.unwrap_or_default() {
        if let Ok(number) = Phone::parse(number)
            && present.is_some_and(|(present, _)| number.as_str().as_bytes() != present)
            && names.iter().all(|name| *name.phone() != number)
        {
            names.push(number.roster(roster.roster()));
        }
    }
    Ok(names)
}

/// The client id by which the world knows a device.
pub(crate) fn client(store: &dyn View, account: &Phone, device: &DevKey) -> Result<ClientId, Failure> {
    Ok(ClientId::device(&number(store, account)?, device))
}

/// The session that serves a connection: of the account that has the number, or had it and the device is of old.
pub(crate) fn session(chat: &Chat, cx: &Cx<'_>, hello: &Hello) -> Result<Arc<str>, Failure> {
    let given = || Arc::from(String::from_utf8_lossy(&hello.client_id).as_ref());
    match ClientId::parse(&hello.client_id).map(|client| client.kind()) {
        Ok(ClientKind::Device(phone, device)) => match entered(chat, cx, &phone, &device, hello)? {
            Some(account) => Ok(ClientId::device(&account, &device).as_str().into()),
            None => Ok(given()),
        },
        Ok(ClientKind::Reg | ClientKind::Guest | ClientKind::Sys | ClientKind::Plain) | Err(_) => Ok(given()),
    }
}

/// The account that a connection is to be let into. Several may have a device of this name under this number: then it is the one whose token
/// or certificate the connection shows, and where it shows none of them the first, which says so.
fn entered(chat: &Chat, cx: &Cx<'_>, phone: &Phone, device: &DevKey, hello: &Hello) -> Result<Option<Phone>, Failure> {
    let token = hello.password.clone().map(Shown::Token);
    let certificate = hello.certificate.clone().map(Shown::Certificate);
    for shown in [token, certificate].into_iter().flatten() {
        let shows = |account: &Phone| is_device(cx.store, cx.now.0, account, device, &shown);
        if let Some(account) = first(cx.store, cx.now.0, phone, shows)?
            && shows(&account)?
        {
            return Ok(Some(account));
        }
    }
    if let Some(shown) = &hello.certificate
        && shown.device.is_none()
        && auth::bound(cx, shown)? == Bound::Not
        && auth::named(&chat.settings, shown).as_ref() == Some(phone)
    {
        // Of a number that stands in it, without a device: whose it is now.
        return holder(cx.store, phone);
    }
    account_of(cx.store, cx.now.0, phone, device)
}

/// The default roster of whoever has this number now (ID-3), if there is an account.
///
/// # Errors
/// The store cannot be read.
pub fn default_roster(store: &dyn View, number: &Phone) -> Result<Option<PhoneId>, Failure> {
    let Some(account) = holder(store, number)? else { return Ok(None) };
    rows::default_roster(store, &account)
}

/// The account whose device a client id `emqttd_<phone>_<device>` is.
pub(crate) fn account_of(store: &dyn View, now: u64, phone: &Phone, device: &DevKey) -> Result<Option<Phone>, Failure> {
    let has = |account: &Phone| Ok(store.get(DEVICE, &rows::device_key(account, device))?.is_some());
    first(store, now, phone, has)
}

/// The same of a device that shows this token, at `now`, milliseconds since 1970: of several accounts that have one of this name it is the
/// one whose token it is.
///
/// # Errors
/// The store cannot be read.
pub fn account_by(
    store: &dyn View,
    now: u64,
    phone: &Phone,
    device: &DevKey,
    token: &Bytes,
) -> Result<Option<Phone>, Failure> {
    let shown = Shown::Token(token.clone());
    let shows = |account: &Phone| is_device(store, now, account, device, &shown);
    first(store, now, phone, shows)
}

/// The account that a number refers to: who has it, else who had it.
pub(crate) fn meant(store: &dyn View, now: u64, phone: &Phone) -> Result<Option<Phone>, Failure> {
    first(store, now, phone, |account| Ok(store.get(PROFILE, account.as_str().as_bytes())?.is_some()))
}

/// The roster that an address refers to: of whoever has or had the number.
fn meant_roster(store: &dyn View, now: u64, id: &PhoneId) -> Result<Option<PhoneId>, Failure> {
    let has = |account: &Phone| Ok(rows::roster_ids(store, account)?.contains(&id.roster()));
    Ok(first(store, now, id.phone(), has)?.map(|account| account.roster(id.roster())))
}

/// Of the accounts that a number may stand for the first that is the one; the present one where none is.
fn first(
    store: &dyn View,
    now: u64,
    phone: &Phone,
    is_it: impl Fn(&Phone) -> Result<bool, Failure>,
) -> Result<Option<Phone>, Failure> {
    if store.get(NUMBER, phone.as_str().as_bytes())?.is_none() {
        // Nobody has moved to it or away from it.
        return Ok(Some(phone.clone()));
    }
    let holder = holder(store, phone)?;
    if let Some(holder) = &holder
        && is_it(holder)?
    {
        return Ok(Some(holder.clone()));
    }
    for former in former(store, now, phone)? {
        if is_it(&former)? {
            return Ok(Some(former));
        }
    }
    Ok(holder)
}

/// When somebody has left the number last, or has ended with it, in milliseconds since 1970: in a certificate that was issued earlier the
/// number may be another's by now.
///
/// # Errors
/// The store cannot be read.
pub fn last_left(store: &dyn View, number: &Phone) -> Result<Option<u64>, Failure> {
    rows::read(store, ALIAS, &change::last_left(number))
}

/// Who has left the number within a year.
fn former(store: &dyn View, now: u64, phone: &Phone) -> Result<Vec<Phone>, Failure> {
    let prefix = rows::path(&[phone.as_str().as_bytes(), b""]);
    let mut former = Vec::new();
    for (key, until) in store.scan(ALIAS, &Span::prefix(prefix.clone()).limit(ALIASES))? {
        if rows::decode::<u64>(&until)? > now {
            former.extend(Phone::parse(key.get(prefix.len()..).unwrap_or_default()).ok());
        }
    }
    Ok(former)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::{SHA256, digest};
    use kvs::{Batch, Memory, Store};

    use super::*;
    use crate::rows::Device;

    #[test]
    fn profile_11_of_two_accounts_with_such_a_device_it_is_the_one_whose_token_it_shows() {
        let store = Memory::new(rows::TABLES);
        let account = |text: &str| Phone::parse(text.as_bytes()).unwrap();
        let (number, device) = (account("38001"), DevKey::parse(b"phone").unwrap());
        let mut batch = Batch::default();
        // 38001 has moved away a while ago, and 38005 has the number now.
        batch.put(NUMBER, ANY, "");
        batch.put(NUMBER, "38001", "38005");
        batch.put(ALIAS, rows::path(&[b"38001", b"38001"]), rows::encode(&1000_u64));
        for (key, token) in [("38001", b"of old"), ("38005", b"of new")] {
            let token = Some(Bytes::copy_from_slice(digest(&SHA256, token).as_ref()));
            let row = Device { token, last_online: 1, ..Device::default() };
            batch.put(DEVICE, rows::device_key(&account(key), &device), rows::encode(&row));
        }
        store.apply(&batch).unwrap();
        let by = |now: u64, token: &'static [u8]| {
            account_by(&*store.snapshot(), now, &number, &device, &Bytes::from_static(token)).unwrap()
        };
        assert_eq!(by(1, b"of old"), Some(account("38001")));
        assert_eq!(by(1, b"of new"), Some(account("38005")));
        assert_eq!(by(1, b"of nobody"), Some(account("38005")), "who has the number says that it is wrong");
        assert_eq!(by(1000, b"of old"), Some(account("38005")), "a year is over");
    }
}
