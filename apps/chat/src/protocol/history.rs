//! HISTORY: what a roster may see of a feed, in order, and how far it has read.

mod answer;
mod chain;
mod chosen;
pub(crate) mod kinds;
mod reach;
mod reading;

use bytes::Bytes;
use proto::limits::HISTORY_REQUEST;
use proto::records::{Feed, History, HistoryStatus, Io};
use proto::{Outcome, Refusal};

use super::Halt;
use super::turn::Turn;
use crate::effects::{Seen, notify, ses};
use crate::process::conversation::Conversation;
use crate::rows::Reader;
use crate::{Chat, Cx, Fx, Who};
use answer::{conclude, respond};
use chain::next_kept;

pub(crate) use answer::whole;
pub(crate) use chain::last_kept;
pub(crate) use reach::{Gone, Reach};
pub(crate) use reading::show_reader;
pub(super) use reading::update;

/// HISTORY-1 to 13.
pub(crate) fn call(
    conversation: &mut Conversation,
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    asked: History,
) -> Result<(), Halt> {
    let mut turn = Turn::begin(conversation, chat, cx, fx, who, asked.roster_id.as_ref())?;
    let turn = &mut turn;
    match asked.status {
        Some(HistoryStatus::Get) => get(turn, &asked),
        Some(HistoryStatus::Update) => update(turn, asked.entity_id, Vec::new()),
        Some(HistoryStatus::Delete) => delete(turn, Vec::new()),
        Some(HistoryStatus::GetReply) => chosen::replies(turn, &asked),
        Some(HistoryStatus::DoubleGet) => double_get(turn, &asked),
        Some(HistoryStatus::LastLoaded) => last_loaded(turn, &asked),
        Some(HistoryStatus::LastMsg) => last_msg(turn, &asked),
        Some(
            kind @ (HistoryStatus::Image
            | HistoryStatus::Video
            | HistoryStatus::File
            | HistoryStatus::Link
            | HistoryStatus::Audio
            | HistoryStatus::Contact
            | HistoryStatus::Location
            | HistoryStatus::Text),
        ) => chosen::by_kind(turn, &asked, kind),
        // HISTORY-13
        Some(HistoryStatus::Updated) | None => Err(Refusal::InvalidData.into()),
    }
}

/// HISTORY-1: so many before the position, or, for a negative size, after it.
fn get(turn: &mut Turn<'_, '_>, asked: &History) -> Result<(), Halt> {
    let ids = chosen::named(asked);
    if !ids.is_empty() {
        return chosen::by_id(turn, asked, ids);
    }
    let reach = turn.reach();
    let (size, at) = (asked.size.unwrap_or(0), asked.entity_id.unwrap_or(0));
    let count = count(size);
    let found = match (size >= 0, at) {
        (true, 0) => reach.before(turn.cx, u64::MAX, count)?,
        (true, at) => reach.before(turn.cx, at, count)?,
        (false, at) => reach.after(turn.cx, at, count)?,
    };
    respond(turn, asked, found)
}

/// How many messages a size asks for.
fn count(size: i64) -> usize {
    match size.unsigned_abs() as usize {
        0 => HISTORY_REQUEST,
        count => count.min(HISTORY_REQUEST),
    }
}

/// HISTORY-5: nothing up to here is shown to this roster any more. It may come as a message (MESSAGE-14), which has `acks`.
pub(super) fn delete(turn: &mut Turn<'_, '_>, acks: Vec<Bytes>) -> Result<(), Halt> {
    let Turn { conversation, cx, fx, who, own, .. } = turn;
    let mark = conversation.last.unwrap_or(0).min(own.sees.1);
    let acks = acks.into_iter().chain([etf::encode(&Io::ok(Outcome::Cleared))]).collect();
    if own.reader.clear >= mark {
        crate::effects::answer(fx, who, acks);
        return Ok(());
    }
    let reader = Reader { reader: own.reader.reader.max(mark), clear: own.reader.clear.max(mark) };
    conversation.put_reader(fx, own, reader);
    conversation.hide(fx, own);
    let news = History {
        roster_id: Some(own.who.to_bytes()),
        feed: Some(Feed::from(&conversation.feed).into()),
        entity_id: Some(mark),
        status: Some(HistoryStatus::Delete),
        ..History::default()
    };
    crate::effects::answer(fx, who, acks);
    notify(fx, cx, own.who.phone(), &ses(cx, &own.who)?, &news, None, Seen::after(who))?;
    Ok(())
}

/// HISTORY-7: around a position, or between two messages.
fn double_get(turn: &mut Turn<'_, '_>, asked: &History) -> Result<(), Halt> {
    let reach = turn.reach();
    if let [one, other] = chosen::named(asked)[..] {
        let (first, last) = (one.min(other), one.max(other));
        let mut found = reach.after(turn.cx, first.saturating_sub(1), HISTORY_REQUEST)?;
        found.retain(|message| message.id <= Some(last));
        return respond(turn, asked, found);
    }
    let at = asked.entity_id.filter(|at| *at > 0).ok_or(Refusal::InvalidData)?;
    let size = asked.size.and_then(|size| usize::try_from(size).ok()).filter(|size| *size > 0);
    let count = size.ok_or(Refusal::InvalidData)?.min(HISTORY_REQUEST / 2);
    let mut found = reach.before(turn.cx, at, count)?;
    let mut rest = reach.after(turn.cx, at - 1, count + 1)?;
    if rest.first().is_none_or(|first| first.id != Some(at)) {
        rest.truncate(count);
    }
    found.append(&mut rest);
    respond(turn, asked, found)
}

/// HISTORY-8: everything after what the client holds.
fn last_loaded(turn: &mut Turn<'_, '_>, asked: &History) -> Result<(), Halt> {
    let found = turn.reach().after(turn.cx, asked.entity_id.unwrap_or(0), HISTORY_REQUEST)?;
    respond(turn, asked, found)
}

/// HISTORY-9.
fn last_msg(turn: &mut Turn<'_, '_>, asked: &History) -> Result<(), Halt> {
    let found = turn.reach().last(turn.cx)?.into_iter().collect();
    respond(turn, asked, found)
}
