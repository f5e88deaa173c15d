//! Invites (ID-11): codes issued beforehand, each for one account key, used once.

use bytes::Bytes;
use kvs::View;
use n2o::Failure;
use proto::ids::Phone;
use proto::limits::INVITE_MS;

use super::secret;
use crate::rows::{self, INVITE, Invite};
use crate::{Cx, Fx, Vault, names};

/// Unused invites of one account key; a further one puts the oldest to an end.
const INVITES_MAX: usize = 16;

/// ID-11: makes an invite, valid 7 days. Only its hash is kept, and when it ends, from which the server can make it again.
pub(crate) fn issue(vault: &Vault, cx: &Cx<'_>, fx: &mut Fx, phone: &Phone) -> Result<Bytes, Failure> {
    let mut kept = all(cx, phone)?;
    kept.sort_by_key(|(_, invite)| invite.expires);
    let taken: Vec<u64> = kept.iter().map(|(_, invite)| invite.expires).collect();
    let (over, valid): (Vec<_>, Vec<_>) = kept.into_iter().partition(|(_, invite)| invite.expires <= cx.now.0);
    let beyond = (valid.len() + 1).saturating_sub(INVITES_MAX);
    for (key, _) in over.into_iter().chain(valid.into_iter().take(beyond)) {
        fx.delete(INVITE, key);
    }

    // No two end at once, since the code follows from that.
    let mut expires = cx.now.0.saturating_add(INVITE_MS);
    while taken.contains(&expires) {
        expires += 1;
    }
    let code = secret::invite(vault, phone.as_str().as_bytes(), expires);
    let row = Invite { phone: phone.to_bytes(), expires };
    fx.put(INVITE, key(phone, &secret::invite_hash(&code)), rows::encode(&row));
    Ok(code)
}

/// Whether anybody is invited under this account key.
pub(super) fn exists(cx: &Cx<'_>, phone: &Phone) -> Result<bool, Failure> {
    Ok(all(cx, phone)?.iter().any(|(_, invite)| invite.expires > cx.now.0))
}

/// The key of the invite that this code is, if it still counts. Found by its hash: nothing of it is compared.
pub(super) fn find(cx: &Cx<'_>, phone: &Phone, code: &[u8]) -> Result<Option<Bytes>, Failure> {
    let key = key(phone, &secret::invite_hash(code));
    let row: Option<Invite> = rows::read(cx.store, INVITE, &key)?;
    Ok(row.filter(|invite| invite.expires > cx.now.0).map(|_| key))
}

/// Whether `code` is an invite for `phone` that counts `now`, milliseconds since 1970. It is not used up by this.
///
/// # Errors
/// The store cannot be read.
pub fn is_invited(store: &dyn View, phone: &Phone, code: &[u8], now: u64) -> Result<bool, Failure> {
    let Some(account) = names::holder(store, phone)? else { return Ok(false) };
    let row: Option<Invite> = rows::read(store, INVITE, &key(&account, &secret::invite_hash(code)))?;
    Ok(row.is_some_and(|invite| invite.expires > now))
}

/// An invite whose code is known: its code follows from the rest, for who has the storage key.
#[derive(Clone)]
pub struct Invitation {
    pub account: Phone,
    pub expires: u64,
    pub code: Bytes,
}

impl Invitation {
    /// What was issued for this account key and ends then, used up or not.
    pub fn again(vault: &Vault, account: Phone, expires: u64) -> Invitation {
        let code = secret::invite(vault, account.as_str().as_bytes(), expires);
        Invitation { account, expires, code }
    }
}

/// The invites for `phone` that count `now`, for who must know a secret to see that another knows it. Only the server that has issued
/// them can say.
///
/// # Errors
/// The store cannot be read.
pub fn invites(vault: &Vault, store: &dyn View, phone: &Phone, now: u64) -> Result<Vec<Invitation>, Failure> {
    let Some(account) = names::holder(store, phone)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for (key, invite) in kept(store, &account)? {
        let invited = Invitation::again(vault, account.clone(), invite.expires);
        if invite.expires > now && key == self::key(&account, &secret::invite_hash(&invited.code)) {
            found.push(invited);
        }
    }
    Ok(found)
}

fn all(cx: &Cx<'_>, phone: &Phone) -> Result<Vec<(Bytes, Invite)>, Failure> {
    kept(cx.store, phone)
}

fn kept(store: &dyn View, phone: &Phone) -> Result<Vec<(Bytes, Invite)>, Failure> {
    let found = store.scan(INVITE, &kvs::Span::prefix(key(phone, b"")).limit(INVITES_MAX))?;
    found.into_iter().map(|(key, row)| Ok((key, rows::decode(&row)?))).collect()
}

fn key(phone: &Phone, hash: &[u8]) -> Bytes {
    rows::path(&[phone.as_str().as_bytes(), hash])
}
