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
use crate::effects::{Seen, notify, ses};
use crate::process::conversation::{Conversation, Side};
use crate::rows::Reader;
use crate::{Cx, Fx, Who};
use answer::{conclude, respond};
use chain::next_kept;

pub(crate) use chain::last_kept;
pub(crate) use reach::Reach;
pub(crate) use reading::{show_reader, update};

/// HISTORY-1 to 13.
pub(crate) fn call(
    conversation: &mut Conversation,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    request: History,
) -> Result<(), Halt> {
    let own = conversation.own(cx, who, request.roster_id.as_ref())?;
    match request.status {
        Some(HistoryStatus::Get) => get(conversation, cx, fx, who, &own, &request),
        Some(HistoryStatus::Update) => update(conversation, cx, fx, who, own, request.entity_id, Vec::new()),
        Some(HistoryStatus::Delete) => delete(conversation, cx, fx, who, own, Vec::new()),
        Some(HistoryStatus::DoubleGet) => double_get(conversation, cx, fx, who, &own, &request),
        Some(HistoryStatus::LastLoaded) => last_loaded(conversation, cx, fx, who, &own, &request),
        Some(HistoryStatus::LastMsg) => last_msg(conversation, cx, fx, who, &own, &request),
        Some(HistoryStatus::GetReply) => chosen::replies(conversation, cx, fx, who, &own, &request),
        Some(
            kind @ (HistoryStatus::Image
            | HistoryStatus::Video
            | HistoryStatus::File
            | HistoryStatus::Link
            | HistoryStatus::Audio
            | HistoryStatus::Contact
            | HistoryStatus::Location
            | HistoryStatus::Text),
        ) => chosen::by_kind(conversation, cx, fx, who, &own, &request, kind),
        // HISTORY-13
        Some(HistoryStatus::Updated) | None => Err(Refusal::InvalidData.into()),
    }
}

/// HISTORY-1: so many before the position, or, for a negative size, after it.
fn get(
    conversation: &Conversation,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: &Side,
    request: &History,
) -> Result<(), Halt> {
    let ids = chosen::named(request);
    if !ids.is_empty() {
        return chosen::by_id(conversation, cx, fx, who, own, request, ids);
    }
    let reach = Reach::of(cx, &conversation.feed, own)?;
    let (size, at) = (request.size.unwrap_or(0), request.entity_id.unwrap_or(0));
    let count = count(size);
    let found = match (size >= 0, at) {
        (true, 0) => reach.before(cx, u64::MAX, count)?,
        (true, at) => reach.before(cx, at, count)?,
        (false, at) => reach.after(cx, at, count)?,
    };
    respond(conversation, cx, fx, who, request, found)
}

/// How many messages a size asks for.
fn count(size: i64) -> usize {
    match size.unsigned_abs() as usize {
        0 => HISTORY_REQUEST,
        count => count.min(HISTORY_REQUEST),
    }
}

/// HISTORY-5: nothing up to here is shown to this roster any more. It may come as a message (MESSAGE-14), which has `acks`.
pub(crate) fn delete(
    conversation: &mut Conversation,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: Side,
    acks: Vec<Bytes>,
) -> Result<(), Halt> {
    let mark = conversation.last.unwrap_or(0).min(own.sees.1);
    let acks = acks.into_iter().chain([etf::encode(&Io::ok(Outcome::Cleared))]).collect();
    if own.reader.clear >= mark {
        crate::effects::answer(fx, who, acks);
        return Ok(());
    }
    let reader = Reader { reader: own.reader.reader.max(mark), clear: own.reader.clear.max(mark) };
    conversation.put_reader(fx, &own, reader);
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
fn double_get(
    conversation: &Conversation,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: &Side,
    request: &History,
) -> Result<(), Halt> {
    let reach = Reach::of(cx, &conversation.feed, own)?;
    if let [one, other] = chosen::named(request)[..] {
        let (first, last) = (one.min(other), one.max(other));
        let mut found = reach.after(cx, first.saturating_sub(1), HISTORY_REQUEST)?;
        found.retain(|message| message.id <= Some(last));
        return respond(conversation, cx, fx, who, request, found);
    }
    let at = request.entity_id.filter(|at| *at > 0).ok_or(Refusal::InvalidData)?;
    let size = request
        .size
        .and_then(|size| usize::try_from(size).ok())
        .filter(|size| *size > 0)
        .ok_or(Refusal::InvalidData)?;
    let count = size.min(HISTORY_REQUEST / 2);
    let mut found = reach.before(cx, at, count)?;
    let mut rest = reach.after(cx, at - 1, count + 1)?;
    if rest.first().is_none_or(|first| first.id != Some(at)) {
        rest.truncate(count);
    }
    found.append(&mut rest);
    respond(conversation, cx, fx, who, request, found)
}

/// HISTORY-8: everything after what the client holds.
fn last_loaded(
    conversation: &Conversation,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: &Side,
    request: &History,
) -> Result<(), Halt> {
    let reach = Reach::of(cx, &conversation.feed, own)?;
    let found = reach.after(cx, request.entity_id.unwrap_or(0), HISTORY_REQUEST)?;
    respond(conversation, cx, fx, who, request, found)
}

/// HISTORY-9.
fn last_msg(
    conversation: &Conversation,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: &Side,
    request: &History,
) -> Result<(), Halt> {
    let found = Reach::of(cx, &conversation.feed, own)?.last(cx)?.into_iter().collect();
    respond(conversation, cx, fx, who, request, found)
}
