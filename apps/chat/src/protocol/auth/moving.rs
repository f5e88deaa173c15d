//! Codes that prove a number to which an account moves (PROFILE-10, 11). The profile that would have the number sends and judges them.

use bytes::Bytes;
use n2o::Failure;
use proto::ids::Phone;
use proto::limits::REGISTRATION_MS;
use proto::records::Profile;
use proto::{Outcome, Refusal};

use super::code::judge;
use super::pending::{of_client, put_tries, tries_of};
use super::register::sender;
use super::standing::{self, Listing};
use super::{Ask, Asking, Halt, Job, Waiting, invite, secret, tries};
use crate::effects::{answer, done};
use crate::output::{Channel, Work};
use crate::protocol::feature;
use crate::rows::{self, INVITE, PENDING, PROFILE, PROOF, Proof, TRIES};
use crate::settings::Provider;
use crate::{Chat, Cx, Fx, Who, names};

/// PROFILE-10: by the first provider that accepts the number (ID-11); `account` wants to have it.
pub(crate) fn send(
    phone: &Phone,
    waiting: &mut Waiting,
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    account: &Phone,
) -> Result<(), Halt> {
    let mut ask = Ask { phone, waiting, chat, cx, fx, who };
    match standing::is_judged(chat, cx, account)? {
        true => standing::look(&mut ask, Job::Look { who: who.clone(), asking: Asking::Move(account.clone()) }),
        false => allowed(&mut ask, account),
    }
}

/// An account that the directory decides about goes to no number that the directory does not have: it would be signed out there.
pub(super) fn listed(ask: &mut Ask<'_>, account: &Phone, listing: &Listing) -> Result<(), Halt> {
    if ask.cx.store.get(PROFILE, ask.phone.as_str().as_bytes())?.is_some() {
        return Err(Refusal::AlreadyPresent.into());
    }
    match listing {
        Listing::Person(_) => allowed(ask, account),
        Listing::Nobody => Err(Refusal::NumberNotAllowed.into()),
        Listing::Silent => Err(Refusal::SmsSend.into()),
    }
}

fn allowed(ask: &mut Ask<'_>, account: &Phone) -> Result<(), Halt> {
    let (phone, chat, cx, who) = (ask.phone, ask.chat, ask.cx, ask.who);
    let mut count = tries_of(cx, phone)?;
    tries::check_lock(&count, cx.now.0)?;
    let number = names::number(cx.store, phone)?;
    let proof = |code: Bytes| Proof {
        to: account.to_bytes(),
        code,
        wrong: 0,
        expires: cx.now.0.saturating_add(REGISTRATION_MS),
    };
    for provider in &chat.settings.providers {
        match provider {
            // It is with its owner already.
            Provider::Invite if invite::exists(cx, phone)? => return sent(ask, &proof(Bytes::new())),
            // Whose number it is the directory says, not to whom it moves.
            Provider::Invite | Provider::Directory => {}
            Provider::Static => {
                if let Some(code) = chat.settings.static_codes.get(&number) {
                    tries::take_code(&mut count, cx.now.0)?;
                    put_tries(ask.fx, phone, &count);
                    return sent(ask, &proof(secret::hash(code)));
                }
            }
            Provider::Webhook | Provider::Log => {
                if let Some(sender) = sender(*provider, &number) {
                    tries::take_code(&mut count, cx.now.0)?;
                    let code = secret::code(cx);
                    let proof = Box::new(proof(secret::hash(&code)));
                    let language = language(cx, account)?;
                    let work = Work::SendCode { sender, channel: Channel::Sms, phone: number, code, language };
                    ask.work(Job::Move { who: who.clone(), proof }, work)?;
                    put_tries(ask.fx, phone, &count);
                    return Ok(());
                }
            }
        }
    }
    Err(Refusal::NumberNotAllowed.into())
}

fn language(cx: &Cx<'_>, account: &Phone) -> Result<Option<Bytes>, Failure> {
    let row: Option<Profile> = rows::read(cx.store, PROFILE, account.as_str().as_bytes())?;
    Ok(feature::language(&row.unwrap_or_default().settings).map(Bytes::copy_from_slice))
}

/// The code is on its way: it is waited for, in the place of an earlier one.
pub(super) fn sent(ask: &mut Ask<'_>, proof: &Proof) -> Result<(), Halt> {
    ask.fx.put(PROOF, ask.phone.to_bytes(), rows::encode(proof));
    answer(ask.fx, ask.who, vec![done(Outcome::Migration)]);
    Ok(())
}

/// PROFILE-11: whether the account has the code that was sent to the number. It is used up, and what else waits for the number ends.
pub(crate) fn proves(cx: &Cx<'_>, fx: &mut Fx, phone: &Phone, account: &Phone, code: &Bytes) -> Result<bool, Halt> {
    let by_invite = |proof: &Proof| match proof.code.is_empty() {
        true => invite::find(cx, phone, code),
        false => Ok(None),
    };
    let proof: Option<Proof> = rows::read(cx.store, PROOF, phone.as_str().as_bytes())?;
    let invited = proof.as_ref().map(by_invite).transpose()?.flatten();
    let is_mine = proof.is_some_and(|proof| proof.to == account.as_str().as_bytes() && proof.expires > cx.now.0);
    match invited.filter(|_| is_mine) {
        Some(invite) => fx.delete(INVITE, invite),
        None if judge(cx, fx, phone, account.as_str().as_bytes(), code, Refusal::NotAuthorized)? => {}
        None => return Ok(false),
    }
    fx.delete(PROOF, phone.to_bytes());
    for client in tries_of(cx, phone)?.waiting {
        if of_client(cx, phone, &client)?.is_some() {
            fx.delete(PENDING, client);
        }
    }
    fx.delete(TRIES, phone.to_bytes());
    Ok(true)
}
