//! Durable work (PM-6): what touches several owners, done in repeatable steps that complete after a crash.
//!
//! Whoever begins it writes a row of [`WORK`] in the very batch that makes it inevitable. From there on the account's profile sees to
//! it: it looks in the store for what is left, and sends an [`Errand`] round the owners concerned, a bounded number at a time. Each
//! does its part in one batch of its own and hands the errand on; back at home the next round begins, until nothing is left and the
//! row goes. No part minds being done twice, so a round that was lost, with a process or with the whole server, is made again.

use bytes::Bytes;
use kvs::View;
use n2o::Failure;
use proto::Refusal;
use proto::ids::{FeedId, Phone, PhoneId};
use proto::records::Roster;

use super::{person, presence, profile, roster, search};
use crate::rows::{self, Face, STAR_DUE, TRANSFER, UNUSED, WORK, Work};
use crate::{Chat, Cx, Fx, Input, Name, Who, effects};

/// Owners visited in one round.
pub(crate) const ROUND: usize = 64;

/// A round of a piece of work.
#[derive(Debug, Clone)]
pub struct Errand {
    /// Whose work it is, and its number.
    pub(crate) home: Phone,
    pub(crate) work: u64,
    pub(crate) task: Task,
    /// Owners still to be visited, the next one last.
    pub(crate) way: Vec<Name>,
    /// Who waits for the work to be done.
    pub(crate) who: Option<Box<Who>>,
}

/// What the owners on the way have to do.
#[derive(Debug, Clone)]
pub(crate) enum Task {
    /// ROSTER-5: `own` removes these from its contacts. To the roster, then to its conversations with them.
    Forget { own: PhoneId, list: Vec<Bytes> },
    /// ROSTER-8, PROFILE-8: `own` is no more. To its conversations, its roster, the nicks.
    Leave { own: PhoneId, account: bool },
    /// The same, and these of its stars: number, feed, number of the message. To the conversations that keep the copies, then to
    /// the roster.
    Unstar { own: PhoneId, stars: Vec<(u64, Bytes, u64)> },
    /// Who has `lost` in its phone book keeps the number, or the roster that stands for it now. To the rosters that have it, up to this
    /// one, and home.
    Lose { lost: PhoneId, instead: Option<PhoneId>, upto: Bytes },
    /// PROFILE-6: the default roster has this address. To the roster.
    Mail { address: Bytes },
    /// These addresses are free, as far as they are the account's. To the index of names.
    Unmail { list: Vec<Bytes> },
    /// PERSON-2. To the conversations with those who are blocked, and to the roster.
    Persona { own: PhoneId, face: Box<Roster> },
    /// PROFILE-11. To conversations, or to the rosters that have a number in the phone book, and home.
    Moved(Box<profile::Moved>),
    /// The queue of a device that is no more is forgotten (DLV-12). To its session.
    Unqueue,
    /// Notices up to here have nobody to go to. To the mail process.
    Unnotify { upto: u64 },
    /// Files and transfers with smaller numbers are nobody's. To the files.
    Abandon { upto: u64 },
}

/// How a piece of work stands.
pub(crate) enum Next {
    Round {
        task: Task,
        way: Vec<Name>,
    },
    /// This step did a part; there is more.
    Again,
    /// The same of what is in no hurry: others have their turn first, for so many milliseconds.
    Later(u64),
    /// Nothing is left; whoever waits gets these records.
    Done(Vec<Bytes>),
    /// It cannot be done, and nothing of it was.
    Refused(Refusal),
}

impl Errand {
    /// To the next owner, or home.
    pub(crate) fn go_on(mut self: Box<Self>, fx: &mut Fx) {
        match self.way.pop() {
            Some(next) => fx.tell(next, Input::Errand(self)),
            None => fx.tell(Name::Profile(self.home), Input::Work { work: self.work, who: self.who }),
        }
    }
}

/// Keeps a piece of work of an account; it begins when this batch is in the store.
pub(crate) fn begin(cx: &Cx<'_>, fx: &mut Fx, home: &Phone, work: &Work, who: Option<&Who>) -> Result<(), Failure> {
    let number = cx.id()?;
    fx.put(WORK, key(home, number), rows::encode(work));
    fx.tell(Name::Profile(home.clone()), Input::Work { work: number, who: who.cloned().map(Box::new) });
    Ok(())
}

/// Keeps how far it is.
pub(crate) fn keep(fx: &mut Fx, home: &Phone, number: u64, work: &Work) {
    fx.put(WORK, key(home, number), rows::encode(work));
}

/// Does what can be done now, and sends the next round; whether all is done.
pub(crate) fn step(
    home: &Phone,
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    number: u64,
    mut who: Option<Box<Who>>,
) -> Result<bool, Failure> {
    let Some(work) = read(cx.store, home, number)? else {
        return Ok(true);
    };
    let next = match work {
        Work::Forget(forget) => roster::forget(cx, &forget)?,
        Work::Leave(leave) => roster::leave(cx, home, number, leave)?,
        Work::Found(found) => profile::found(chat, cx, fx, home, who.as_deref(), found)?,
        Work::Confirm(confirm) => profile::confirmed(cx, fx, home, &confirm)?,
        Work::Persona(persona) => person::apply(cx, home, &persona)?,
        Work::Face(face) => presence::tell_face_on(cx, fx, home, number, face)?,
        Work::Renicked(_) => {
            search::keep_card(cx, fx, home)?;
            Next::Done(Vec::new())
        }
        // Who waits has the answer when the account is called otherwise, not when everybody knows.
        Work::Move(work) => match (work.left.is_some(), who.take()) {
            (false, waits) => {
                let next = profile::moved(chat, cx, fx, home, number, waits.as_deref(), work)?;
                who = waits.filter(|_| matches!(next, Next::Refused(_)));
                next
            }
            (true, _) => profile::moved(chat, cx, fx, home, number, None, work)?,
        },
    };
    match next {
        Next::Round { task, way } => {
            Box::new(Errand { home: home.clone(), work: number, task, way, who }).go_on(fx);
            return Ok(false);
        }
        Next::Again => {
            fx.tell(Name::Profile(home.clone()), Input::Work { work: number, who });
            return Ok(false);
        }
        Next::Later(pause) => {
            fx.timer(cx.now + pause, Input::Work { work: number, who });
            return Ok(false);
        }
        Next::Done(records) => {
            if let Some(who) = who {
                effects::answer(fx, &who, records);
            }
        }
        Next::Refused(refusal) => {
            if let Some(who) = who {
                effects::refuse(fx, &who, refusal);
            }
        }
    }
    fx.delete(WORK, key(home, number));
    Ok(true)
}

/// A piece of work of an account, unless it is done.
pub(crate) fn read(store: &dyn View, home: &Phone, number: u64) -> Result<Option<Work>, Failure> {
    rows::read(store, WORK, &key(home, number))
}

/// Numbers of the work of an account that is not done.
pub(crate) fn left(store: &dyn View, home: &Phone) -> Result<Vec<u64>, Failure> {
    let rows = store.scan(WORK, &rows::numbers(home.as_str().as_bytes(), 0, u64::MAX))?;
    Ok(rows.iter().filter_map(|(key, _)| rows::number(key)).collect())
}

/// The change of this roster's face that is on its way since before the work of that number: the last.
pub(crate) fn face_before(
    store: &dyn View,
    home: &Phone,
    number: u64,
    roster: &[u8],
) -> Result<Option<(u64, Face)>, Failure> {
    let earlier = rows::numbers(home.as_str().as_bytes(), 0, number.saturating_sub(1));
    for (key, row) in store.scan(WORK, &earlier)?.into_iter().rev() {
        if let (Some(number), Work::Face(face)) = (rows::number(&key), rows::decode(&row)?)
            && face.roster == roster
        {
            return Ok(Some((number, face)));
        }
    }
    Ok(None)
}

/// The work of an account that is not done.
pub(crate) fn all(store: &dyn View, home: &[u8]) -> Result<Vec<Work>, Failure> {
    let rows = store.scan(WORK, &rows::numbers(home, 0, u64::MAX))?;
    rows.iter().map(|(_, row)| rows::decode(row)).collect()
}

/// Those whose work is not done: accounts, and rosters whose stars have not followed their copies (FAV-4, 6). At the start of the server each is told [`Input::Resume`], so that it completes though nobody
/// connects.
pub fn unfinished(store: &dyn View) -> Result<Vec<Name>, Failure> {
    let mut homes = Vec::new();
    rows::each(store, WORK, b"", |key, _| {
        let phone = key.split(|byte| *byte == 0).next().unwrap_or_default();
        homes.extend(Phone::parse(phone).map(Name::Profile));
        Ok(())
    })?;
    rows::each(store, STAR_DUE, b"", |key, _| {
        let roster = key.split(|byte| *byte == 0).next().unwrap_or_default();
        homes.extend(PhoneId::parse(roster).map(Name::Roster));
        Ok(())
    })?;
    // Transfers and files whose time may be over.
    for table in [TRANSFER, UNUSED] {
        rows::each(store, table, b"", |key, _| {
            let phone = key.split(|byte| *byte == 0).next().unwrap_or_default();
            homes.extend(Phone::parse(phone).map(Name::Files));
            Ok(())
        })?;
    }
    homes.dedup();
    Ok(homes)
}

/// The conversation of two rosters.
pub(crate) fn between(own: &PhoneId, other: PhoneId) -> Name {
    Name::Conversation(FeedId::p2p(own.clone(), other))
}

fn key(home: &Phone, number: u64) -> Bytes {
    rows::numbered(home.as_str().as_bytes(), number)
}
