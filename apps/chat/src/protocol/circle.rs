//! Group boxes: MAILR-3. A circle has no box; a letter to it is kept until it has been put into the box of everybody who has joined.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use kvs::Span;
use n2o::Failure;
use proto::ids::User;
use proto::limits::GROUP_MEMBERS;

use super::keys::Keys;
use super::mailbox::moment;
use crate::post::{Back, Came, Mail, Post, What};
use crate::rows::{self, CIRCLE, CIRCLE_DUE, Letter};
use crate::{Chat, Cx, Fx, Input, Name};

/// Letters that are not yet in all boxes: those of as many senders, who wait.
const DUE_MAX: usize = 1024;
/// While there are more, one that a box fails at again and again is given up.
const PASSED_MAX: usize = DUE_MAX / 2;
/// Boxes that are asked at once to take a letter.
const ASKED_MAX: usize = 64;
/// Circles whose letters are looked for in one step.
const STEP_CIRCLES: usize = 64;

/// What a circle is.
pub(crate) struct Circle {
    name: User,
    members: BTreeSet<User>,
    /// Letters that are not yet in all boxes.
    due: usize,
    keys: Keys,
}

/// A letter on its way to the boxes.
pub(crate) struct Round {
    pub(crate) seq: u64,
    /// No two rounds have one, also after the circle was loaded again.
    pub(crate) number: u64,
    letter: Letter,
    /// Members up to this one have been asked.
    at: Option<User>,
    asked: usize,
    /// A box has failed at it: the round is made again.
    failed: bool,
}

impl Circle {
    pub(crate) fn load(cx: &Cx<'_>, name: &User) -> Result<Circle, Failure> {
        let mut members = BTreeSet::new();
        let prefix = [name.as_str().as_bytes(), b"\0"].concat();
        rows::each(cx.store, CIRCLE, &prefix, |key, _| {
            members.extend(User::parse(key.get(prefix.len()..).unwrap_or_default()));
            Ok(())
        })?;
        let due = cx.store.scan(CIRCLE_DUE, &due(name, 0).limit(DUE_MAX))?.len();
        let keys = Keys::load(cx, [b"*", name.as_str().as_bytes()].concat().into())?;
        Ok(Circle { name: name.clone(), members, due, keys })
    }

    /// Somebody has joined it.
    pub(crate) fn is_there(&self) -> bool {
        !self.members.is_empty()
    }

    /// There are letters that are not yet in all boxes.
    pub(crate) fn is_due(&self) -> bool {
        self.due > 0
    }

    /// The circle comes into being with the first who joins it. It has as many members as a group of the chat.
    pub(crate) fn join(&mut self, fx: &mut Fx, user: User) -> Came {
        if !self.members.contains(&user) {
            if self.members.len() >= GROUP_MEMBERS {
                return Came::Full;
            }
            fx.put(CIRCLE, [self.name.as_str().as_bytes(), b"\0", user.as_str().as_bytes()].concat(), Bytes::new());
            self.members.insert(user);
        }
        Came::Joined
    }

    /// Keeps a letter for everybody; its number, by which its round finds it.
    pub(crate) fn put(
        &mut self,
        chat: &Chat,
        cx: &Cx<'_>,
        fx: &mut Fx,
        mail: &Mail,
    ) -> Result<Result<u64, Came>, Failure> {
        if !self.members.contains(&mail.from) {
            return Ok(Err(Came::NotJoined));
        }
        if let Some(key) = &mail.key
            && self.keys.has(cx, key, &mail.scope)?
        {
            return Ok(Err(Came::Again));
        }
        if self.due >= DUE_MAX {
            return Ok(Err(Came::Full));
        }
        let seq = moment(chat, cx)?;
        let key = mail.key.clone().unwrap_or_else(|| seq.to_string().into());
        self.keys.note(cx, fx, seq, &key, &mail.scope)?;
        let (from, to) = (mail.from.to_bytes(), mail.to.to_bytes());
        let letter =
            Letter { place: 0, from, to, key: Some(key), tag: mail.tag.clone(), content: mail.content.clone() };
        fx.put(CIRCLE_DUE, rows::numbered(self.name.as_str().as_bytes(), seq), rows::encode(&letter));
        self.due += 1;
        Ok(Ok(seq))
    }

    /// The oldest letter, behind those that are passed over, that is not yet in all boxes.
    pub(crate) fn next(&self, cx: &Cx<'_>, passed: u64) -> Result<Option<Round>, Failure> {
        let found = cx.store.scan(CIRCLE_DUE, &due(&self.name, passed.saturating_add(1)).limit(1))?;
        let round = found.first().map(|(key, row)| {
            let (seq, letter) = (rows::number(key).unwrap_or_default(), rows::decode(row)?);
            Ok(Round { seq, number: cx.id()?, letter, at: None, asked: 0, failed: false })
        });
        round.transpose()
    }

    /// Asks the next boxes. A box that has taken the letter in an earlier round, which was broken off, knows its Key.
    pub(crate) fn hand_out(&self, fx: &mut Fx, round: &mut Round) -> Result<(), Failure> {
        let bad = |_| Failure::new("a letter that is due has no sender or no circle");
        let (from, to) = (User::parse(&round.letter.from).map_err(bad)?, User::parse(&round.letter.to).map_err(bad)?);
        let mail = Arc::new(Mail {
            from,
            to,
            key: round.letter.key.clone(),
            scope: [b"*", self.name.as_str().as_bytes(), &round.seq.to_be_bytes()].concat().into(),
            tag: round.letter.tag.clone(),
            content: round.letter.content.clone(),
        });
        let rest = self.members.iter().filter(|user| round.at.as_ref().is_none_or(|at| *user > at));
        for user in rest.take(ASKED_MAX.saturating_sub(round.asked)).cloned().collect::<Vec<_>>() {
            let back = Back::Circle { name: self.name.clone(), round: round.number };
            let post = Post { back, what: What::Put(mail.clone()) };
            fx.tell(Name::Mailbox(user.clone()), Input::Post(Box::new(post)));
            round.at = Some(user);
            round.asked += 1;
        }
        Ok(())
    }

    /// A box has answered. One that is full does not get the letter: a sender is not made to wait for a member who does not read.
    pub(crate) fn answered(&self, round: &mut Round, came: &Came) {
        round.asked = round.asked.saturating_sub(1);
        round.failed |= *came == Came::Failed;
    }

    pub(crate) fn is_over(&self, round: &Round) -> bool {
        round.asked == 0 && self.members.last().is_none_or(|last| round.at.as_ref() == Some(last))
    }

    /// The round is over; true if the letter is in all boxes.
    pub(crate) fn finish(&mut self, fx: &mut Fx, round: &Round) -> bool {
        if !round.failed {
            self.forget(fx, round);
        }
        !round.failed
    }

    /// Others go before it. A box that fails for ever is in the end like one that is full: it fills up no circle.
    pub(crate) fn pass(&mut self, fx: &mut Fx, round: &Round) {
        if self.due > PASSED_MAX {
            self.forget(fx, round);
        }
    }

    fn forget(&mut self, fx: &mut Fx, round: &Round) {
        fx.delete(CIRCLE_DUE, rows::numbered(self.name.as_str().as_bytes(), round.seq));
        self.due = self.due.saturating_sub(1);
    }
}

fn due(name: &User, from: u64) -> Span {
    rows::numbers(name.as_str().as_bytes(), from, u64::MAX)
}

/// When the server starts: letters that were on their way go on. Where to look for more of them in the next step, if there may be any.
pub(crate) fn resume(cx: &Cx<'_>, fx: &mut Fx, mut from: Bytes) -> Result<Option<Bytes>, Failure> {
    for _ in 0..STEP_CIRCLES {
        let found = cx.store.scan(CIRCLE_DUE, &rows::beyond(&[], &from).limit(1))?;
        let Some((key, _)) = found.first() else { return Ok(None) };
        let name = key.split(|byte| *byte == 0).next().unwrap_or_default();
        if let Ok(name) = User::parse(name) {
            fx.tell(Name::Circle(name), Input::GoOn);
        }
        // Behind all letters of this circle.
        from = [name, b"\x01"].concat().into();
    }
    Ok(Some(from))
}
