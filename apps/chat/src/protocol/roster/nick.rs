//! ROSTER-7: nicks, unique on the server (ID-17). Run by the one process that owns their index.

use bytes::Bytes;
use etf::Term;
use n2o::Failure;
use proto::Refusal;
use proto::ids::{Nick, PhoneId};
use proto::records::{Contact, Index, Roster, RosterId, RosterStatus};

use super::{Halt, named};
use crate::effects::{self, Seen};
use crate::protocol::{link, presence, search, settle, work};
use crate::rows::{self, Found, NICK, NICK_OF, Nicked, Work};
use crate::{Cx, Founding, Fx, Who};

/// ROSTER-7: takes a nick, or with an empty one gives it back.
pub(crate) fn nick(cx: &Cx<'_>, fx: &mut Fx, who: &Who, roster: Roster) -> Result<(), Halt> {
    let own = named(who, roster.id.as_ref())?;
    if !rows::has_roster(cx.store, &own)? {
        // The session has not heard yet that it has ended.
        return Err(Refusal::RosterNotFound.into());
    }
    let wanted = wanted(roster.nick.as_ref().ok_or(Refusal::InvalidNick)?)?;
    let brief = Roster {
        id: Some(RosterId::Number(own.roster())),
        nick: Some(wanted.as_ref().map(Nick::to_bytes).unwrap_or_default()),
        update: Some(cx.now.0),
        status: Some(RosterStatus::Nick),
        ..Roster::default()
    };
    if !take(cx, fx, &own, wanted.as_ref())? {
        effects::answer(fx, who, vec![etf::encode(&brief)]);
        return Ok(());
    }
    effects::notify(fx, cx, own.phone(), &effects::ses(cx, &own)?, &brief, None, Seen::after(who))?;
    effects::answer(fx, who, Vec::new());
    let face = Contact { phone_id: Some(own.to_bytes()), nick: brief.nick, update: brief.update, ..Contact::default() };
    Ok(presence::tell_face(cx, fx, &own, &face)?)
}

/// ID-9: the nick of an account that came into being by its certificate: its handle, when that is free and a nick.
pub(crate) fn claim(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId) -> Result<(), Failure> {
    let Some(nick) = wanted(&own.phone().to_bytes()).ok().flatten() else {
        return Ok(());
    };
    match take(cx, fx, own, Some(&nick)) {
        Ok(_) | Err(Halt::Refused(_)) => Ok(()),
        Err(Halt::Failed(failure)) => Err(failure),
    }
}

/// INDEX-1: who has a nick, or which room a link. The number of the roster, the id of the room, or nothing.
pub(crate) fn index(cx: &Cx<'_>, fx: &mut Fx, who: &Who, asked: Index) -> Result<(), Halt> {
    let (kind, name) = match asked.id.as_tuple() {
        Some([kind, name]) => (kind.as_atom(), name.as_binary().ok_or(Refusal::InvalidData)?),
        Some(_) | None => return Err(Refusal::InvalidData.into()),
    };
    let holder = match kind {
        Some("nick") => {
            let nick = Nick::parse(name).map_err(|_| Refusal::InvalidNick)?;
            let holder = cx.store.get(NICK, nick.folded().as_bytes())?;
            let roster = holder.and_then(|holder| PhoneId::parse(&holder).ok()).map(|holder| holder.roster());
            roster.and_then(|roster| i64::try_from(roster).ok()).map(Term::int)
        }
        Some("link") => link::room_of(cx, name)?.map(|room| Term::binary(room.as_str().as_bytes())),
        Some(_) | None => return Err(Refusal::InvalidData.into()),
    };
    let roster = holder.into_iter().collect();
    effects::answer(fx, who, vec![etf::encode(&Index { roster, ..asked })]);
    Ok(())
}

/// ROSTER-2: the nick of a roster that is to be founded; taken, it is founded whatever happens.
pub(crate) fn claim_first(cx: &Cx<'_>, fx: &mut Fx, founding: &Founding) -> Result<(), Failure> {
    let Founding { who, own, row, nick } = founding;
    match take(cx, fx, own, Some(nick)) {
        Ok(_) => {
            let found = Found { roster: own.roster(), row: row.clone() };
            work::begin(cx, fx, own.phone(), &Work::Found(found), Some(who))
        }
        Err(halt) => settle(fx, who, Err(halt)),
    }
}

/// ROSTER-8: the nick of a roster that is no more is free.
pub(crate) fn unname(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId) -> Result<(), Failure> {
    match take(cx, fx, own, None) {
        Ok(_) | Err(Halt::Refused(_)) => {}
        Err(Halt::Failed(failure)) => return Err(failure),
    }
    fx.delete(NICK_OF, own.to_bytes());
    Ok(())
}

pub(crate) fn wanted(nick: &Bytes) -> Result<Option<Nick>, Refusal> {
    match nick.is_empty() {
        true => Ok(None),
        false => Nick::parse(nick).map(Some).map_err(|_| Refusal::InvalidNick),
    }
}

/// Moves the roster's entry in the index; false when it has that nick already, `nick` when another roster does.
fn take(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, wanted: Option<&Nick>) -> Result<bool, Halt> {
    let key = own.to_bytes();
    let before = rows::nick(cx.store, &key)?;
    if before.as_deref() == wanted.map(|nick| nick.as_str().as_bytes()) {
        return Ok(false);
    }
    if let Some(nick) = wanted
        && cx.store.get(NICK, nick.folded().as_bytes())?.is_some_and(|holder| holder != key)
    {
        return Err(Refusal::Nick.into());
    }
    if let Some(before) = before.and_then(|nick| Nick::parse(&nick).ok()) {
        fx.delete(NICK, before.folded());
    }
    if let Some(nick) = wanted {
        fx.put(NICK, nick.folded(), key.clone());
    }
    fx.put(NICK_OF, key, rows::encode(&Nicked { nick: wanted.map(Nick::to_bytes), update: cx.now.0 }));
    presence::tell_publisher(cx, fx, own.phone())?;
    search::renicked(cx, fx, own)?;
    Ok(true)
}
