//! PROFILE-10, 11: an account moves to another number. What is kept stays where it is (`names.rs`); from one batch on the account is called
//! by the new number, and durable work tells everybody.
//!
//! Two profiles have a part in it: the account's own, and the one that whoever registers the number would have, its seat. The seat sends
//! the code and judges it, so that nobody can register the number at the same time.

mod news;

use n2o::Failure;
use proto::Refusal;
use proto::ids::Phone;
use proto::records::{Profile, ProfileStatus};
use proto::topic::{Owner, Topic};

use super::{full, opened};
use crate::effects::{self, Seen};
use crate::protocol::Halt;
use crate::protocol::auth::{self, Waiting};
use crate::protocol::reading::To;
use crate::protocol::work::{self, Next};
use crate::rows::{self, Move, PROFILE, Work};
use crate::{Call, Chat, Cx, Fx, Input, Name, Who, names};

pub(crate) use news::{Moved, keep as keep_told, tell_book, tell_other};

/// PROFILE-10: a code goes to the number.
pub(super) fn migrate(
    waiting: &mut Waiting,
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: &Phone,
    asked: Profile,
) -> Result<(), Halt> {
    let account = account(who)?;
    let seat = seat(&asked)?;
    if is_registered(cx, &seat)? {
        return Err(Refusal::AlreadyPresent.into());
    }
    match account == own {
        true => pass(fx, who, seat, asked),
        false => auth::send_move(own, waiting, chat, cx, fx, who, account)?,
    }
    Ok(())
}

/// PROFILE-11: with the right code the number is the account's, whatever happens now. That it is so already is said again.
pub(super) fn confirm(
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: &Phone,
    asked: Profile,
) -> Result<(), Halt> {
    let account = account(who)?;
    let seat = seat(&asked)?;
    let [service] = &asked.services[..] else { return Err(Refusal::InvalidData.into()) };
    if service.login != asked.phone {
        return Err(Refusal::InvalidData.into());
    }
    let code = service.password.clone().filter(|code| !code.is_empty()).ok_or(Refusal::InvalidData)?;
    if seat == *account {
        return Ok(answer(chat, cx, fx, who, own)?);
    }
    if is_registered(cx, &seat)? || names::seat_is_taken(cx.store, &seat)? {
        return Err(Refusal::AlreadyPresent.into());
    }
    if account == own {
        pass(fx, who, seat, asked);
        return Ok(());
    }
    if !auth::proves_move(cx, fx, own, account, &code)? {
        // The wrong code has been counted, so this is an answer, not an early end.
        effects::refuse(fx, who, Refusal::WrongCode);
        return Ok(());
    }
    let number = names::give(&chat.names, cx.store, fx, own, account)?.to_bytes();
    let work = Move { number, seat: own.to_bytes(), ..Move::default() };
    Ok(work::begin(cx, fx, account, &Work::Move(work), Some(who))?)
}

/// Only a person moves, by a device of the account.
fn account(who: &Who) -> Result<&Phone, Refusal> {
    let account = who.account.as_ref().filter(|_| !who.is_service());
    account.map(|account| &account.phone).ok_or(Refusal::NotAuthorized)
}

fn seat(asked: &Profile) -> Result<Phone, Refusal> {
    Phone::parse(asked.phone.as_deref().unwrap_or_default()).map_err(|_| Refusal::InvalidData)
}

fn is_registered(cx: &Cx<'_>, seat: &Phone) -> Result<bool, Failure> {
    Ok(cx.store.get(PROFILE, seat.as_str().as_bytes())?.is_some())
}

/// To the profile that the number has without an account.
fn pass(fx: &mut Fx, who: &Who, seat: Phone, asked: Profile) {
    fx.tell(Name::Profile(seat), Input::Call(Box::new(Call { who: who.clone(), record: asked.into() })));
}

fn answer(chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, who: &Who, own: &Phone) -> Result<(), Failure> {
    let row: Profile = rows::read(cx.store, PROFILE, own.as_str().as_bytes())?.unwrap_or_default();
    let to = To::Caller(Box::new(who.clone()));
    full(cx, fx, to, &opened(chat, own, row), &auth::rosters(cx, own)?, None, Some(ProfileStatus::Phone))
}

/// The account is called by the number; then everybody is told.
pub(crate) fn moved(
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    own: &Phone,
    number: u64,
    who: Option<&Who>,
    mut work: Move,
) -> Result<Next, Failure> {
    let new = Phone::parse(&work.number).map_err(|_| Failure::new("work about a number that is none"))?;
    let row: Option<Profile> = rows::read(cx.store, PROFILE, own.as_str().as_bytes())?;
    match (row, &work.left) {
        (Some(_), Some(_)) => {
            chat.names.forget();
            news::tell(cx, fx, own, number, work)
        }
        (Some(row), None) => {
            let (left, seat) = names::leave(&chat.names, cx, fx, own, &new)?;
            work.left = Some((left.to_bytes(), seat.to_bytes()));
            work.events = (cx.id()?, cx.id()?);
            work::keep(fx, own, number, &Work::Move(work));
            tell_own(cx, fx, own, row, who)?;
            if let Some(who) = who {
                answer(chat, cx, fx, who, own)?;
            }
            Ok(Next::Again)
        }
        // It has ended meanwhile.
        (None, Some(_)) => Ok(Next::Done(Vec::new())),
        (None, None) => {
            names::free(cx, fx, &new)?;
            Ok(Next::Refused(Refusal::NotAuthorized))
        }
    }
}

/// The own devices learn it by a brief record: they ask for the rest.
fn tell_own(cx: &Cx<'_>, fx: &mut Fx, own: &Phone, row: Profile, who: Option<&Who>) -> Result<(), Failure> {
    let row = Profile { update: Some(cx.now.0), ..row };
    fx.put(PROFILE, own.to_bytes(), rows::encode(&row));
    let rosters = row.rosters.clone();
    let brief = Profile { rosters, ..super::brief(own, &row, ProfileStatus::Phone) };
    let topic = Topic::Ses(Owner::Account(own.clone()));
    effects::notify(fx, cx, own, &topic, &brief, None, who.map(Seen::by).unwrap_or_default())
}
