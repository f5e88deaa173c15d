//! PRESENCE-5 in slices: an account has up to 10,000 friends, so those who are told are told some at a time.

use std::sync::Arc;

use bytes::Bytes;
use mail::merge;
use n2o::Failure;
use proto::ids::{Phone, PhoneId};
use proto::records::{Contact, ContactStatus, Online, PresenceStatus};
use proto::topic::Topic;

use super::fellows::tell_some_fellows;
use super::tell::notice;
use super::{Audience, to_friend};
use crate::rows::{self, RELATION, Relation};
use crate::{Cx, Fx, Group, Input, Name, Transient};

/// Friends that a connecting device is told of (PRESENCE-5); of the others PROFILE-1 tells.
const ONLINE_TOLD: usize = 200;
/// What a slice may cost, in looks at a relation: it is to take less time than others notice.
const SLICE: usize = 64;
/// What it costs besides to tell somebody, whose sessions and sockets then have their turn before other mail of the thread.
const TOLD: usize = 4;
/// Friends of a slice in which each of them is told something, there or not.
pub(super) const FRIENDS: usize = SLICE / TOLD;
/// What it costs to tell a room.
const ROOM: usize = 16;

/// News on their way round the friends of an account: what is told, and how far it is.
#[derive(Debug, Clone)]
pub struct Telling {
    what: What,
    /// A number of the server's sequence: which of two is newer.
    born: u64,
    /// What those who share a room are still to hear, where it is not what the friends do: what came later is none of their business.
    fellows: Option<News>,
    /// The own rosters, whose friends are told one after the other.
    rosters: Vec<PhoneId>,
    at: Place,
    /// Those beyond have had this already.
    until: Option<Place>,
    /// Those up to here have had something older, before this took its place.
    again: Option<Place>,
}

/// Before it all have been told.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// Which of the own rosters.
    roster: usize,
    round: Round,
    /// The key of the last who was told.
    last: Bytes,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Round {
    #[default]
    Friends,
    /// Those who share a room where everybody may know.
    Fellows,
}

#[derive(Debug, Clone)]
enum What {
    /// One notice for all rosters of a friend, and for all of a roster's rooms (G-8).
    Changed { news: News, audience: Audience, told: Option<Phone>, event: u64 },
    /// To a device, which friends are there (CON-5), at most so many.
    There { session: Arc<str>, left: usize },
}

#[derive(Debug, Clone)]
pub(super) enum News {
    /// What the account shows (PRESENCE-5).
    Presence(PresenceStatus),
    /// Where it is (LOC-1), encoded.
    Location(Bytes),
    /// How a roster shows itself (PRESENCE-3, 4): to those who share a room. The friends have it as a notice.
    Face(Box<Contact>),
    /// What a device publishes to the friends (TOPIC-10), from this connection.
    Relayed(Bytes, u64),
}

impl News {
    fn payload(&self, own: &PhoneId) -> Bytes {
        match self {
            News::Presence(status) => notice(own, status),
            News::Face(face) => etf::encode(&**face),
            News::Location(payload) | News::Relayed(payload, _) => payload.clone(),
        }
    }

    /// The connection that it is not for.
    fn except(&self) -> Option<u64> {
        match self {
            News::Relayed(_, connection) => Some(*connection),
            News::Presence(_) | News::Location(_) | News::Face(_) => None,
        }
    }
}

impl Telling {
    /// To the friends of these rosters, and to those who share a room with one.
    pub(super) fn changed(rosters: Vec<PhoneId>, news: News, audience: Audience, event: u64) -> Telling {
        Telling::new(What::Changed { news, audience, told: None, event }, rosters, event)
    }

    /// PRESENCE-5 at CON-5: the connecting device learns which friends are there.
    pub(super) fn there(rosters: Vec<PhoneId>, session: &Arc<str>, born: u64) -> Telling {
        Telling::new(What::There { session: session.clone(), left: ONLINE_TOLD }, rosters, born)
    }

    fn new(what: What, rosters: Vec<PhoneId>, born: u64) -> Telling {
        Telling { what, born, fellows: None, rosters, at: Place::default(), until: None, again: None }
    }

    pub(super) fn born(&self) -> u64 {
        self.born
    }

    /// The session that says by this that it is there.
    pub(crate) fn device(&self) -> Option<&Arc<str>> {
        match &self.what {
            What::There { session, .. } => Some(session),
            What::Changed { .. } => None,
        }
    }

    pub(super) fn is_presence(&self) -> bool {
        matches!(self.what, What::Changed { news: News::Presence(_), .. })
    }

    /// Whether each of these is to arrive, not only the latest.
    pub(super) fn is_relayed(&self) -> bool {
        matches!(self.what, What::Changed { news: News::Relayed(..), .. })
    }

    fn is_face(&self) -> bool {
        matches!(self.what, What::Changed { news: News::Face(_), .. })
    }

    /// Whether it is for one connecting device.
    pub(super) fn is_for_a_device(&self) -> bool {
        matches!(self.what, What::There { .. })
    }

    /// Whether a later one says of the same what holds now.
    pub(super) fn is_replaced_by(&self, later: &Telling) -> bool {
        match (&self.what, &later.what) {
            (What::Changed { news: News::Presence(_), .. }, What::Changed { news: News::Presence(_), .. }) => true,
            (What::Changed { news: News::Location(_), .. }, What::Changed { news: News::Location(_), .. })
            | (What::Changed { news: News::Face(_), .. }, What::Changed { news: News::Face(_), .. }) => {
                self.rosters == later.rosters
            }
            (What::There { session, .. }, What::There { session: other, .. }) => session == other,
            (What::Changed { .. } | What::There { .. }, _) => false,
        }
    }

    /// Goes on with what the later one says; those who have had something older are told again, behind the others, so that nobody waits
    /// for ever for one who changes all the time. Gives back what is to be told by itself.
    pub(super) fn replace_by(&mut self, mut later: Telling) -> Option<Telling> {
        if let What::Changed { news: News::Face(was), .. } = &self.what
            && let What::Changed { news: News::Face(is), .. } = &mut later.what
        {
            match merge::contact((**was).clone(), (**is).clone()) {
                Some(merged) => **is = merged,
                None => return Some(later),
            }
        }
        let fellows = match (&self.what, &later.what) {
            (_, What::Changed { audience: Audience::Everyone, .. }) => None,
            (What::Changed { news, audience: Audience::Everyone, .. }, What::Changed { .. }) => Some(news.clone()),
            (What::Changed { .. } | What::There { .. }, _) => self.fellows.take(),
        };
        if self.rosters != later.rosters || self.is_for_a_device() {
            *self = Telling { fellows, ..later };
            return None;
        }
        (self.what, self.born, self.fellows) = (later.what, later.born, fellows);
        self.until = None;
        self.again = Some(self.at.clone());
        None
    }

    /// Tells some; whether there are more.
    pub(super) fn step(&mut self, cx: &Cx<'_>, fx: &mut Fx) -> Result<bool, Failure> {
        let mut left = SLICE;
        while left > 0 && !self.is_done(cx) {
            self.part(cx, fx, &mut left)?;
            left = left.saturating_sub(1);
        }
        Ok(!self.is_done(cx))
    }

    /// The next friends, or rooms, of one roster.
    fn part(&mut self, cx: &Cx<'_>, fx: &mut Fx, left: &mut usize) -> Result<(), Failure> {
        let Some(own) = self.rosters.get(self.at.roster).cloned() else { return Ok(()) };
        let last = match self.at.round {
            Round::Friends if self.is_face() => None,
            Round::Friends => self.tell_friends(cx, fx, &own, left)?,
            Round::Fellows => self.tell_fellows(cx, fx, &own, left)?,
        };
        match (last, self.at.round) {
            (Some(last), _) => self.at.last = last,
            (None, Round::Friends) => self.at = Place { round: Round::Fellows, last: Bytes::new(), ..self.at },
            (None, Round::Fellows) => {
                self.at = Place { roster: self.at.roster + 1, ..Place::default() };
                self.next_roster(cx)?;
            }
        }
        Ok(())
    }

    /// Its friends are told by another notice. Behind the last of all stand those who are to be told again.
    fn next_roster(&mut self, cx: &Cx<'_>) -> Result<(), Failure> {
        if let What::Changed { told, event, .. } = &mut self.what {
            (*told, *event) = (None, cx.id()?);
        }
        if self.at.roster >= self.rosters.len()
            && let Some(again) = self.again.take()
        {
            self.at = Place::default();
            self.until = Some(again);
        }
        Ok(())
    }

    fn is_done(&self, cx: &Cx<'_>) -> bool {
        let nobody_hears = match &self.what {
            What::There { session, left } => *left == 0 || !cx.is_alive(&Name::Session(session.clone())),
            What::Changed { .. } => false,
        };
        nobody_hears
            || self.at.roster >= self.rosters.len()
            || self.until.as_ref().is_some_and(|until| self.at >= *until)
    }

    /// The next friends; the last of them, unless they were the last of all. Who is not there costs a look at the key.
    fn tell_friends(
        &mut self,
        cx: &Cx<'_>,
        fx: &mut Fx,
        own: &PhoneId,
        left: &mut usize,
    ) -> Result<Option<Bytes>, Failure> {
        let (prefix, limit) = (rows::pair_key(own, b""), *left);
        let page = cx.store.scan(RELATION, &rows::beyond(&prefix, &self.at.last).limit(limit))?;
        // What is relayed is told in slices of one length: so nothing overtakes what was said before it.
        let cost = if self.is_relayed() { 0 } else { TOLD };
        let (shown, mut last) = (self.shown(own), None);
        for (key, row) in &page {
            if *left == 0 || self.has_had(key.get(prefix.len()..).unwrap_or_default()) {
                return Ok(last);
            }
            *left -= 1;
            last = Some(key.slice(prefix.len()..));
            let Ok(friend) = PhoneId::parse(key.get(prefix.len()..).unwrap_or_default()) else { continue };
            if cx.group_size(&Group::Account(friend.phone().clone())) == 0 {
                continue;
            }
            let relation: Relation = rows::decode(row)?;
            if relation.status == Some(ContactStatus::Friend) && self.tell(cx, fx, &friend, shown.as_ref())? {
                *left = left.saturating_sub(cost);
            }
        }
        Ok(last.filter(|_| page.len() == limit))
    }

    /// Whether this friend was told before, by what is being told.
    fn has_had(&self, key: &[u8]) -> bool {
        self.until
            .as_ref()
            .is_some_and(|until| (until.roster, until.round) == (self.at.roster, Round::Friends) && *key > *until.last)
    }

    /// What all friends of this roster are told, made once.
    fn shown(&self, own: &PhoneId) -> Option<Arc<Transient>> {
        let What::Changed { news, event, .. } = &self.what else { return None };
        let topic = Topic::Ac(own.clone()).to_string().into();
        Some(Arc::new(Transient { event: *event, ..Transient::new(topic, news.payload(own), news.except()) }))
    }

    /// Whether that gave anybody anything to do.
    fn tell(
        &mut self,
        cx: &Cx<'_>,
        fx: &mut Fx,
        friend: &PhoneId,
        shown: Option<&Arc<Transient>>,
    ) -> Result<bool, Failure> {
        match &mut self.what {
            What::Changed { told, .. } => {
                let is_new = told.replace(friend.phone().clone()).as_ref() != Some(friend.phone());
                if is_new && let Some(shown) = shown {
                    fx.publish(Group::Account(friend.phone().clone()), Input::Transient(Arc::clone(shown)));
                }
                Ok(is_new)
            }
            What::There { session, left } => {
                let status = to_friend(cx, friend.phone())?;
                let is_shown = *left > 0 && status != PresenceStatus::Is(Online::Offline);
                if is_shown {
                    *left -= 1;
                    let topic = Topic::Ac(friend.clone()).to_string().into();
                    let transient = Transient::new(topic, notice(friend, &status), None);
                    fx.tell(Name::Session(session.clone()), Input::Transient(transient.into()));
                }
                Ok(is_shown)
            }
        }
    }

    /// The same for those who share a room.
    fn tell_fellows(
        &self,
        cx: &Cx<'_>,
        fx: &mut Fx,
        own: &PhoneId,
        left: &mut usize,
    ) -> Result<Option<Bytes>, Failure> {
        let What::Changed { news, audience, event, .. } = &self.what else { return Ok(None) };
        let news = match audience {
            Audience::Everyone => Some(news),
            Audience::Friends | Audience::Nobody => self.fellows.as_ref(),
        };
        let Some(news) = news else { return Ok(None) };
        let most = left.div_ceil(ROOM);
        *left = left.saturating_sub(most * ROOM);
        tell_some_fellows(cx, fx, own, news.payload(own), *event, &self.at.last, most)
    }
}
