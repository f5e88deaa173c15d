//! Who may be which user (MAIL-2, `mail.auth`).

use bytes::Bytes;
use n2o::Failure;
use proto::ids::{ClientId, ClientKind, DevKey, Nick, Phone, PhoneId, User};

use super::Speaker;
use crate::beside::Shown;
use crate::protocol::auth::{self, Bound};
use crate::rows::{self, NICK};
use crate::{Chat, Cx, names};

/// Whether the speaker may be this user, and as which account, where that is proved. Where it need not be, a proof still opens the box of an
/// account.
pub(super) fn of(
    chat: &Chat,
    cx: &Cx<'_>,
    speaker: &Speaker<'_>,
    user: &User,
    token: Option<&str>,
) -> Result<Option<Option<Phone>>, Failure> {
    for account in accounts(cx, user)? {
        let proved = match token {
            Some(token) => auth::bearer(cx.store, cx.now.0, &account, token.as_bytes())?.is_some(),
            None => is_own(chat, cx, speaker, &account)?,
        };
        if proved {
            return Ok(Some(Some(account)));
        }
    }
    Ok(speaker.caller.open.then_some(None))
}

/// MAILR-1: `CLIENT_ID:TOKEN` of a device, and the user that is called as its account.
pub(super) fn device(cx: &Cx<'_>, said: &[u8]) -> Result<Option<(User, Phone)>, Failure> {
    // dev_keys may have colons, tokens have none.
    let Some(at) = said.iter().rposition(|byte| *byte == b':') else { return Ok(None) };
    let (client, token) = said.split_at(at);
    let Some((phone, device)) = device_of(client) else { return Ok(None) };
    let token = Bytes::copy_from_slice(token.get(1..).unwrap_or_default());
    let Some(account) = names::account_by(cx.store, cx.now.0, &phone, &device, &token)? else { return Ok(None) };
    if !auth::is_device(cx.store, cx.now.0, &account, &device, &Shown::Token(token))? {
        return Ok(None);
    }
    let number = names::number(cx.store, &account)?;
    Ok(User::parse(number.as_str().as_bytes()).ok().map(|user| (user, account)))
}

/// The accounts that a name may be of: by their key, and by a nick as it is shown.
fn accounts(cx: &Cx<'_>, user: &User) -> Result<Vec<Phone>, Failure> {
    let text = user.as_str().as_bytes();
    let mut found = Vec::new();
    if let Ok(phone) = Phone::parse(text)
        && phone.as_str() == user.as_str()
    {
        found.extend(names::meant(cx.store, cx.now.0, &phone)?);
    }
    if let Ok(nick) = Nick::parse(text)
        && let Some(roster) = cx.store.get(NICK, nick.folded().as_bytes())?
        && rows::nick(cx.store, &roster)?.is_some_and(|shown| shown[..] == *text)
    {
        found.extend(PhoneId::parse(&roster).ok().map(|roster| roster.phone().clone()));
    }
    Ok(found)
}

/// Whether the connection itself has proved to be the account: it was let in as a device of it, or has shown a certificate of it.
fn is_own(chat: &Chat, cx: &Cx<'_>, speaker: &Speaker<'_>, account: &Phone) -> Result<bool, Failure> {
    if let Some(own) = speaker.account {
        return Ok(own == account);
    }
    let Some(shown) = &speaker.caller.certificate else { return Ok(false) };
    let shown = names::certificate(&chat.names, cx, shown.clone())?;
    Ok(match auth::bound(cx, &shown)? {
        Bound::To(owner, _) => owner == *account,
        Bound::Not => auth::named(&chat.settings, &shown).as_ref() == Some(account),
        Bound::Ended => false,
    })
}

fn device_of(client: &[u8]) -> Option<(Phone, DevKey)> {
    match ClientId::parse(&Bytes::copy_from_slice(client)).map(|id| id.kind()) {
        Ok(ClientKind::Device(phone, device)) => Some((phone, device)),
        Ok(ClientKind::Reg | ClientKind::Guest | ClientKind::Sys | ClientKind::Plain) | Err(_) => None,
    }
}
