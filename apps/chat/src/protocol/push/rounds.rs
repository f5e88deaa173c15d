//! PUSH-1 in rooms: the members are looked at in steps, and again at the earliest when pushes of the feed are no longer merged.

use bytes::Bytes;
use n2o::{Failure, Time};
use proto::ids::{FeedId, PhoneId};
use proto::records::{Member, Message};

use super::{Kind, is_muted, wake};
use crate::rows::{self, MEMBER, MESSAGE, ROUND};
use crate::{Cx, Fx, Input, Name, Tick};

/// A round begins at most once in this time; what was written meanwhile is told by its last message.
const ROUND_MS: u64 = 3000;
/// Members looked at in one step.
const STEP: usize = 64;
/// Mentions kept for the next round; further ones are told as messages.
const MENTIONS_MAX: usize = 1000;

/// Messages that are looked at for what a crash left untold.
const LEFT_MAX: usize = 256;

/// What a room's conversation holds of it. A row says from which message on its members are still to be told, once a round: so a crash
/// loses none.
#[derive(Default)]
pub(crate) struct Rounds {
    next: Option<Post>,
    /// What is told now, and the member that it goes on behind.
    now: Option<(Post, u64)>,
    /// What the row says.
    kept: Option<u64>,
    quiet_until: Time,
    is_timed: bool,
}

struct Post {
    /// Number of the first message that is told by it.
    first: u64,
    author: PhoneId,
    /// The message, encoded.
    message: Bytes,
    /// Members whom it mentions, or one before it that is told by it.
    mentioned: Vec<u64>,
}

impl Rounds {
    /// What was left untold when the process or the server ended: all of a round that had begun, since some may not have heard of it.
    pub(crate) fn load(cx: &Cx<'_>, fx: &mut Fx, feed: &FeedId) -> Result<Rounds, Failure> {
        let key = feed.key();
        let kept: Option<u64> = rows::read(cx.store, ROUND, &key)?;
        let mut rounds = Rounds { kept, ..Rounds::default() };
        if let Some(first) = kept {
            rounds.next = left(cx, &key, first)?;
            rounds.keep(fx, feed);
            rounds.begin(cx, fx, feed);
        }
        Ok(rounds)
    }

    /// A message was written: no more than a note of it, until a round begins.
    pub(crate) fn posted(
        &mut self,
        cx: &Cx<'_>,
        fx: &mut Fx,
        feed: &FeedId,
        author: &PhoneId,
        kept: &Message,
        message: Bytes,
    ) {
        let before = self.next.take().map(|before| (before.first, before.mentioned));
        let (first, mut mentioned) = before.unwrap_or_else(|| (kept.id.unwrap_or_default(), Vec::new()));
        mention(&mut mentioned, kept);
        self.next = Some(Post { first, author: author.clone(), message, mentioned });
        self.keep(fx, feed);
        self.begin(cx, fx, feed);
    }

    /// The time of the last round is over.
    pub(crate) fn due(&mut self, cx: &Cx<'_>, fx: &mut Fx, feed: &FeedId) {
        self.is_timed = false;
        self.begin(cx, fx, feed);
    }

    fn begin(&mut self, cx: &Cx<'_>, fx: &mut Fx, feed: &FeedId) {
        if self.now.is_some() || self.is_timed || self.next.is_none() {
            return;
        }
        if cx.now < self.quiet_until {
            self.is_timed = true;
            return fx.timer(self.quiet_until, Input::Tick(Tick::RoundDue));
        }
        self.now = self.next.take().map(|post| (post, 0));
        self.quiet_until = cx.now + ROUND_MS;
        fx.tell(Name::Conversation(feed.clone()), Input::WakeMembers);
    }

    /// The next members.
    pub(crate) fn go_on(&mut self, cx: &Cx<'_>, fx: &mut Fx, feed: &FeedId, preview: bool) -> Result<(), Failure> {
        let Some((post, from)) = &mut self.now else { return Ok(()) };
        let key = feed.key();
        let members = cx.store.scan(MEMBER, &rows::numbers(&key, *from + 1, u64::MAX).limit(STEP))?;
        for (row_key, row) in &members {
            *from = rows::number(row_key).unwrap_or(u64::MAX);
            let member: Member = rows::decode(row)?;
            let Some(Ok(roster)) = member.phone_id.as_deref().map(PhoneId::parse) else { continue };
            let kind = match post.mentioned.contains(from) {
                true => Kind::Mention,
                false if is_muted(cx, &member.settings) => continue,
                false => Kind::Message,
            };
            wake(cx, fx, &roster, &post.author, &key, kind, || shown(&post.message, preview))?;
        }
        if members.len() == STEP {
            fx.tell(Name::Conversation(feed.clone()), Input::WakeMembers);
            return Ok(());
        }
        self.now = None;
        self.keep(fx, feed);
        self.begin(cx, fx, feed);
        Ok(())
    }

    /// The row follows the round that is told, else the one that waits.
    fn keep(&mut self, fx: &mut Fx, feed: &FeedId) {
        let told = self.now.as_ref().map(|(post, _)| post.first);
        let first = told.or(self.next.as_ref().map(|post| post.first));
        if first == self.kept {
            return;
        }
        match first {
            Some(first) => fx.put(ROUND, feed.key(), rows::encode(&first)),
            None => fx.delete(ROUND, feed.key()),
        }
        self.kept = first;
    }
}

/// What is to be told of the messages from this one on: the latest, and whom the latest ones mention.
fn left(cx: &Cx<'_>, key: &[u8], first: u64) -> Result<Option<Post>, Failure> {
    let (mut found, mut mentioned) = (None, Vec::new());
    for (_, row) in cx.store.scan(MESSAGE, &rows::numbers(key, first, u64::MAX).backward().limit(LEFT_MAX))? {
        let kept: Message = rows::decode(&row)?;
        let Some(author) = super::author(&kept) else { continue };
        mention(&mut mentioned, &kept);
        found.get_or_insert((author, row));
    }
    Ok(found.map(|(author, message)| Post { first, author, message, mentioned }))
}

fn mention(all: &mut Vec<u64>, message: &Message) {
    all.extend(message.mentioned.iter().take(MENTIONS_MAX.saturating_sub(all.len())));
}

/// PUSH-2: without its content, unless pushes show it.
fn shown(message: &Bytes, preview: bool) -> Bytes {
    match etf::decode::<Message>(message) {
        Ok(whole) if !preview => super::shown(&whole, preview),
        Ok(_) | Err(_) => message.clone(),
    }
}
