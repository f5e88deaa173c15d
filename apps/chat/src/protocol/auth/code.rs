//! Codes for something else than a registration: that an e-mail address is the account's (PROFILE-5, 6).

use bytes::Bytes;
use proto::Refusal;
use proto::ids::Phone;
use proto::limits::{REGISTRATION_MS, WRONG_CODES};

use super::pending::{put_tries, tries_of};
use super::{Ask, Halt, Job, Waiting, secret, tries};
use crate::output::Work;
use crate::protocol::feature;
use crate::protocol::profile::{self, Linking};
use crate::rows::{self, PROFILE, PROOF, Proof};
use crate::settings::Provider;
use crate::{Chat, Cx, Fx, Who};

/// Hands a code for an address to the provider; when it is on its way the call ends as [`profile::linked`] says.
#[expect(clippy::too_many_arguments, reason = "a call, and how it is meant")]
pub(crate) fn mail(
    phone: &Phone,
    waiting: &mut Waiting,
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    address: Bytes,
    how: Linking,
) -> Result<(), Halt> {
    let mut ask = Ask { phone, waiting, chat, cx, fx, who };
    if !chat.settings.providers.contains(&Provider::Log) {
        return Err(Refusal::SmsSend.into());
    }
    let mut count = tries_of(cx, phone)?;
    tries::take_code(&mut count, cx.now.0)?;
    let code = secret::code(cx);
    let proof = Proof {
        to: address.clone(),
        code: secret::hash(&code),
        wrong: 0,
        expires: cx.now.0.saturating_add(REGISTRATION_MS),
    };
    let settings = rows::read::<proto::records::Profile>(cx.store, PROFILE, phone.as_str().as_bytes())?;
    let settings = settings.unwrap_or_default().settings;
    let language = feature::language(&settings).map(Bytes::copy_from_slice);
    let job = Job::Mail { who: who.clone(), proof: Box::new(proof), how };
    ask.work(job, Work::MailCode { address, code, language })?;
    put_tries(ask.fx, phone, &count);
    Ok(())
}

/// The code is on its way: from now on it is waited for, in the place of an earlier one.
pub(super) fn mailed(ask: &mut Ask<'_>, proof: &Proof, how: Linking) -> Result<(), Halt> {
    profile::linked(ask.cx, ask.fx, ask.who, ask.phone, &proof.to, how)?;
    ask.fx.put(PROOF, ask.phone.to_bytes(), rows::encode(proof));
    Ok(())
}

/// Whether a code is the one that was sent to the address. A wrong one counts; with the fifth the code is void.
pub(crate) fn is_proof(cx: &Cx<'_>, fx: &mut Fx, phone: &Phone, to: &[u8], code: &[u8]) -> Result<bool, Halt> {
    judge(cx, fx, phone, to, code, Refusal::NotFound)
}

/// The same; where no code is waited for, that refusal.
pub(super) fn judge(
    cx: &Cx<'_>,
    fx: &mut Fx,
    phone: &Phone,
    to: &[u8],
    code: &[u8],
    missing: Refusal,
) -> Result<bool, Halt> {
    let proof: Option<Proof> = rows::read(cx.store, PROOF, phone.as_str().as_bytes())?;
    let proof = proof.filter(|proof| proof.to == to && proof.expires > cx.now.0).ok_or(missing)?;
    if secret::is_same(code, &proof.code) {
        return Ok(true);
    }
    match proof.wrong + 1 {
        wrong if wrong < WRONG_CODES => fx.put(PROOF, phone.to_bytes(), rows::encode(&Proof { wrong, ..proof })),
        _ => fx.delete(PROOF, phone.to_bytes()),
    }
    Ok(false)
}

/// The code has served its purpose, or there is no account any more.
pub(crate) fn forget_proof(fx: &mut Fx, phone: &Phone) {
    fx.delete(PROOF, phone.to_bytes());
}
