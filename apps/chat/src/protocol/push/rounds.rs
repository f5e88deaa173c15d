//! PUSH-1 in rooms: the members are looked at in steps, and again at the earliest when pushes of the feed are no longer merged.

use bytes::Bytes;
use n2o::{Failure, Time};
use proto::ids::{FeedId, PhoneId};
use proto::records::{Member, Message};

use super::{Kind, is_muted, wake};
use crate::rows::{self, MEMBER};
use crate::{Cx, Fx, Input, Name, Tick};

/// A round begins at most once in this time; what was written meanwhile is told by its last message.
const ROUND_MS: u64 = 3000;
/// Members looked at in one step.
const STEP: usize = 64;
/// Mentions kept for the next round; further ones are told as messages.
const MENTIONS_MAX: usize = 1000;

/// What a room's conversation holds of it. It may be lost: who was away finds all in the queue.
#[derive(Default)]
pub(crate) struct Rounds {
    next: Option<Post>,
    /// What is told now, and the member that it goes on behind.
    now: Option<(Post, u64)>,
    quiet_until: Time,
    is_timed: bool,
}

struct Post {
    author: PhoneId,
    /// The message, encoded.
    message: Bytes,
    /// Members whom it mentions, or one before it that is told by it.
    mentioned: Vec<u64>,
}

impl Rounds {
    /// A message was written: no more than a note of it, until a round begins.
    pub(crate) fn posted(
        &mut self,
        cx: &Cx<'_>,
        fx: &mut Fx,
        feed: &FeedId,
        author: &PhoneId,
        mentioned: &[u64],
        message: Bytes,
    ) {
        let mut all = self.next.take().map(|before| before.mentioned).unwrap_or_default();
        all.extend(mentioned.iter().take(MENTIONS_MAX.saturating_sub(all.len())));
        self.next = Some(Post { author: author.clone(), message, mentioned: all });
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
        self.begin(cx, fx, feed);
        Ok(())
    }
}

/// PUSH-2: without its content, unless pushes show it.
fn shown(message: &Bytes, preview: bool) -> Bytes {
    match etf::decode::<Message>(message) {
        Ok(whole) if !preview => etf::encode(&Message { files: Vec::new(), ..whole }),
        Ok(_) | Err(_) => message.clone(),
    }
}
