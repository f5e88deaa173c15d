//! What is to be done to messages at a later time. It is kept with their feed, and the agenda has the time, so that it is done after any
//! restart, whoever is loaded then.

use bytes::Bytes;
use n2o::Failure;

use super::{fleeting, history, message};
use crate::process::agenda;
use crate::process::conversation::Conversation;
use crate::rows::{self, AGENDA, Chore, DUPLICATE, LATER, Later, Sent};
use crate::{Cx, Fx, Input, Name};

/// Chores are due at whole minutes, so that those of about one time are one wake-up.
const GRAIN_MS: u64 = 60_000;
/// Chores of one step.
const CHORES_MAX: usize = 64;

/// Enters a chore about message `id`, for some time `at` or a little later.
pub(crate) fn enter(fx: &mut Fx, feed: &Bytes, at: u64, id: u64, later: &Later) {
    let when = whole(at);
    fx.put(LATER, key(feed, when, id, later.chore), rows::encode(later));
    fx.put(AGENDA, agenda::key(when, feed), Bytes::new());
    fx.tell(Name::Agenda, Input::Agenda { when });
}

/// It need not be done any more.
pub(crate) fn cancel(fx: &mut Fx, feed: &Bytes, at: u64, id: u64, chore: Chore) {
    fx.delete(LATER, key(feed, whole(at), id, chore));
}

/// The time that a chore for `at` is done.
pub(crate) fn whole(at: u64) -> u64 {
    at.div_ceil(GRAIN_MS).saturating_mul(GRAIN_MS)
}

fn key(feed: &[u8], when: u64, id: u64, chore: Chore) -> Bytes {
    [&rows::numbered(feed, when)[..], &id.to_be_bytes(), &[chore as u8]].concat().into()
}

/// The number of the message that a key made by [`key`] is about.
fn id_of(key: &[u8]) -> u64 {
    key.split_last().and_then(|(_, key)| rows::number(key)).unwrap_or_default()
}

/// The agenda says that a time has come: does what was entered up to now, in steps, and is then done with that time.
pub(crate) fn due(conversation: &mut Conversation, cx: &Cx<'_>, fx: &mut Fx, when: u64) -> Result<(), Failure> {
    let chores = cx.store.scan(LATER, &rows::numbers(&conversation.key, 0, cx.now.0).limit(CHORES_MAX))?;
    let mut gone = Vec::new();
    for (key, row) in &chores {
        fx.delete(LATER, key.clone());
        let id = id_of(key);
        if perform(conversation, cx, fx, id, rows::decode(row)?)? {
            gone.push(id);
        }
    }
    step_back(conversation, cx, &gone)?;
    message::relink(conversation, cx, fx, &gone)?;
    match chores.len() {
        CHORES_MAX => fx.tell(Name::Conversation(conversation.feed.clone()), Input::Due { when }),
        _ => fx.delete(AGENDA, agenda::key(when, &conversation.key)),
    }
    Ok(())
}

/// Whether the message is gone by this.
fn perform(conversation: &mut Conversation, cx: &Cx<'_>, fx: &mut Fx, id: u64, later: Later) -> Result<bool, Failure> {
    match later.chore {
        Chore::Withdraw => message::withdraw(conversation, cx, fx, id),
        Chore::Sweep => fleeting::look(conversation, cx, fx).map(|()| false),
        Chore::Vanish => fleeting::vanish(conversation, cx, fx, id).map(|()| true),
        Chore::Forget => forget(cx, fx, id, later.keys).map(|()| false),
    }
}

/// The feed's last message may be one that is gone: then it is the one before, of those that are in the store for this step still.
fn step_back(conversation: &mut Conversation, cx: &Cx<'_>, gone: &[u64]) -> Result<(), Failure> {
    while let Some(last) = conversation.last.filter(|last| gone.contains(last)) {
        conversation.last = history::last_kept(cx, &conversation.key, last - 1)?;
    }
    Ok(())
}

/// DLV-5: the message is long gone. A key that stands for a later message by now stays.
fn forget(cx: &Cx<'_>, fx: &mut Fx, id: u64, keys: Vec<Bytes>) -> Result<(), Failure> {
    for key in keys {
        let sent: Option<Sent> = rows::read(cx.store, DUPLICATE, &key)?;
        if sent.is_some_and(|sent| sent.id == id) {
            fx.delete(DUPLICATE, key);
        }
    }
    Ok(())
}
