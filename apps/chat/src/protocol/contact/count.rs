//! How full a roster is (section 11), without reading its contacts.
//!
//! The phone book is the roster's and each relation its conversation's, so no one of them can keep the sum. Whoever adds or removes
//! something says so in a row of its own, in the same batch; the roster adds these up now and then. The sum says up to which number it
//! has them, and nobody looks for rows before that: it costs something to pass where many were erased. An address may be in the phone book
//! and in a relation; how many are is counted one by one, by the roster, when the limit may be near, and is known from then on.

use bytes::Bytes;
use kvs::Span;
use n2o::Failure;
use proto::ids::PhoneId;
use proto::limits;
use proto::records::ContactStatus;

use crate::rows::{self, BOOK, RELATION, Relation, TALLY, Tally};
use crate::{Cx, Fx, Input, Name};

/// Rows besides the sum for which the roster is asked to add them up, and those that are worth it when it does.
const ROWS: usize = 32;
const WORTH: usize = 16;
/// Rows added up at once.
const ADDED: usize = 1024;

/// Whether a roster takes `more` contacts: the phone book and those that it stands in a relation to, each address once.
pub(crate) fn has_place(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, more: usize) -> Result<bool, Failure> {
    let tally = tally(cx, fx, own)?;
    let is_within = |both| tally.book + tally.related - both + more as i64 <= limits::CONTACTS as i64;
    if is_within(tally.both) {
        return Ok(true);
    }
    let both = in_both(cx, own)?;
    // The roster counts for itself only where there is something new.
    if both > tally.both {
        fx.tell(Name::Roster(own.clone()), Input::AddUp { upto: cx.settled(), recount: true });
    }
    Ok(is_within(both))
}

/// Requests of others that a roster has not answered: they are no contacts yet (FRIEND-1).
pub(crate) fn unanswered(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId) -> Result<usize, Failure> {
    Ok(usize::try_from(tally(cx, fx, own)?.unanswered).unwrap_or(0))
}

/// The phone book has so many entries more.
pub(crate) fn booked(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, more: i64) -> Result<(), Failure> {
    keep(cx, fx, own, Tally { book: more, ..Tally::default() })
}

/// What another is to the roster changes.
pub(crate) fn related(
    cx: &Cx<'_>,
    fx: &mut Fx,
    own: &PhoneId,
    before: Option<ContactStatus>,
    after: Option<ContactStatus>,
) -> Result<(), Failure> {
    let (before, after) = (of(before), of(after));
    let (related, unanswered) = (after.related - before.related, after.unanswered - before.unanswered);
    keep(cx, fx, own, Tally { related, unanswered, ..Tally::default() })
}

/// The roster's part: what was said by one row each, it says by one for all. Every row up to the number `upto` is there. `recount`: and
/// how many addresses are in both tables.
pub(crate) fn add_up(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, upto: u64, recount: bool) -> Result<(), Failure> {
    let mut sum = sum(cx, own)?;
    let rows = cx.store.scan(TALLY, &said(own, &sum, upto).limit(ADDED))?;
    if rows.len() < WORTH && !recount {
        return Ok(());
    }
    for (key, row) in &rows {
        sum = sum.with(rows::decode(row)?);
        fx.delete(TALLY, key.clone());
    }
    let last = rows.last().and_then(|(key, _)| rows::number(key)).filter(|_| rows.len() == ADDED);
    // Who asked a while ago knows of less than what was added up since.
    sum.upto = last.unwrap_or(upto).max(sum.upto);
    if recount && last.is_none() {
        // What is taken away by rows beyond counts once more than it should: there may be more of them, and not fewer.
        sum.both = in_both(cx, own)?;
    }
    fx.put(TALLY, key(own, 0), rows::encode(&sum));
    if last.is_some() {
        fx.tell(Name::Roster(own.clone()), Input::AddUp { upto, recount });
    }
    Ok(())
}

fn of(status: Option<ContactStatus>) -> Tally {
    match status {
        None => Tally::default(),
        Some(ContactStatus::Authorization) => Tally { unanswered: 1, ..Tally::default() },
        Some(_) => Tally { related: 1, ..Tally::default() },
    }
}

fn keep(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, tally: Tally) -> Result<(), Failure> {
    if tally != Tally::default() {
        fx.put(TALLY, key(own, cx.id()?), rows::encode(&tally));
    }
    Ok(())
}

fn tally(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId) -> Result<Tally, Failure> {
    let mut known = sum(cx, own)?;
    // The first scan of a step may open the store anew, where the roster has added up more meanwhile.
    let rows = loop {
        let rows = cx.store.scan(TALLY, &said(own, &known, u64::MAX).limit(usize::MAX))?;
        match sum(cx, own)? {
            same if same == known => break rows,
            newer => known = newer,
        }
    };
    if rows.len() > ROWS {
        fx.tell(Name::Roster(own.clone()), Input::AddUp { upto: cx.settled(), recount: false });
    }
    rows.iter().try_fold(known, |sum, (_, row)| Ok(sum.with(rows::decode(row)?)))
}

fn sum(cx: &Cx<'_>, own: &PhoneId) -> Result<Tally, Failure> {
    Ok(rows::read(cx.store, TALLY, &key(own, 0))?.unwrap_or_default())
}

/// The rows up to a number that are not in the sum.
fn said(own: &PhoneId, sum: &Tally, upto: u64) -> Span {
    Span::prefix(rows::pair_key(own, b"")).after(&key(own, sum.upto)).upto(&key(own, upto))
}

fn key(own: &PhoneId, number: u64) -> Bytes {
    rows::pair_key(own, &number.to_be_bytes())
}

/// How many addresses are in the phone book and in a relation.
fn in_both(cx: &Cx<'_>, own: &PhoneId) -> Result<i64, Failure> {
    let mut count = 0;
    rows::each(cx.store, RELATION, &rows::pair_key(own, b""), |key, row| {
        let is_contact = of(rows::decode::<Relation>(row)?.status).related > 0;
        count += i64::from(is_contact && cx.store.get(BOOK, key)?.is_some());
        Ok(())
    })?;
    Ok(count)
}
