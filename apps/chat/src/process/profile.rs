//! A profile: the one owner of an account and its devices (PM-4), and of the registrations of its number before there is an account.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use n2o::{Bounce, Failure, Time};
use proto::ids::{DevKey, Phone};
use proto::limits::{REQUESTS_MS, REQUESTS_PER_HOUR};
use proto::records::{Friend, Online, PresenceStatus, Profile as Row, RosterStatus};
use proto::{Record, Refusal};

use crate::door::{Denied, Out};
use crate::protocol::auth::{self, Waiting};
use crate::protocol::presence::{self, Audience, Tellings};
use crate::protocol::push::{self, Wakes};
use crate::protocol::work::Task;
use crate::protocol::{Halt, location, person, profile, roster, search, settle, work};
use crate::rows::{self, PROFILE};
use crate::session::friend_feed;
use crate::{
    Admit, Call, Chat, Command, Cx, Friendship, Fx, Group, Input, Name, Output, Port, Tick, Who, WorkError, WorkResult,
    effects, names,
};

/// PRESENCE-5: friends are told of an account at most once in this time.
const TELL_MS: u64 = 1000;

/// Work that was stuck is tried again after this time.
const RETRY_MS: u64 = 10_000;

/// The account of one key. All it owns is in the store; what it holds besides may be lost.
pub struct Profile {
    phone: Phone,
    waiting: Waiting,
    wakes: Wakes,
    told: Told,
    /// Devices that were let in, by session, and have not said yet that they are there or have left.
    coming: BTreeMap<DevKey, Arc<str>>,
    tellings: Tellings,
    /// When its rosters asked strangers to be friends, in the last hour, oldest first (section 11). Not kept.
    asked: Vec<Time>,
    /// Work that is under way (PM-6).
    busy: BTreeSet<u64>,
    /// When the last two positions were told (LOC-1), milliseconds.
    located: [u64; 2],
}

/// What friends have been told last (PRESENCE-5).
#[derive(Default)]
struct Told {
    status: Option<PresenceStatus>,
    at: Option<Time>,
    /// The timer is set that will tell the latest.
    is_due: bool,
}

impl Profile {
    pub fn load(cx: &Cx<'_>, fx: &mut Fx, phone: &Phone) -> Result<Profile, Failure> {
        if !work::left(cx.store, phone)?.is_empty() {
            fx.tell(Name::Profile(phone.clone()), Input::Resume);
        }
        if push::was_asked(cx, phone)? {
            fx.tell(Name::Profile(phone.clone()), Input::Push);
        }
        search::keep_card(cx, fx, phone)?;
        Ok(Profile {
            phone: phone.clone(),
            waiting: Waiting::load(cx, fx, phone)?,
            wakes: Wakes::load(cx, fx, phone)?,
            told: Told::default(),
            coming: BTreeMap::new(),
            tellings: Tellings::default(),
            asked: Vec::new(),
            busy: BTreeSet::new(),
            located: [0; 2],
        })
    }

    pub fn step(&mut self, chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, input: Input) -> Result<(), Failure> {
        match input {
            Input::Admit(admit) => self.admit(chat, cx, fx, &admit, None),
            Input::Left(missed) => {
                self.wakes.left(chat, cx, fx, &self.phone, &missed)?;
                self.left(cx, fx, &missed.device)
            }
            Input::Here { device } => auth::here(cx, fx, &self.phone, &device),
            Input::Call(call) => self.call(chat, cx, fx, *call),
            Input::Work { work, who } => self.work(chat, cx, fx, work, who),
            Input::Resume | Input::Tick(Tick::WorkDue) => self.resume(chat, cx, fx),
            Input::Stuck { work, who } => {
                self.stuck(cx, fx, work, who);
                Ok(())
            }
            Input::Errand(errand) => {
                match &errand.task {
                    Task::Moved(moved) => profile::keep_told(cx, fx, &self.phone, &errand, moved)?,
                    Task::Lose { upto, .. } => roster::keep_told(cx, fx, &self.phone, errand.work, upto)?,
                    _ => {}
                }
                errand.go_on(fx);
                Ok(())
            }
            Input::Reading(reading) => reading.step(cx, fx),
            Input::Telling(telling) => {
                self.coming.retain(|_, session| telling.device() != Some(&*session));
                self.tellings.begin(cx, fx, telling)
            }
            Input::Tick(Tick::TellDue) => self.tellings.go_on(cx, fx),
            Input::Show { session, connection } => profile::show(chat, cx, fx, &self.phone, session, connection),
            Input::Worked { job, result } => match self.waiting.door(job) {
                Some(admit) => self.admit(chat, cx, fx, &admit, Some(&result)),
                None => auth::worked(&self.phone, &mut self.waiting, chat, cx, fx, job, result),
            },
            Input::Wake { feed } => self.wakes.wake(chat, cx, fx, &self.phone, feed),
            Input::Missed(missed) => self.wakes.left(chat, cx, fx, &self.phone, &missed),
            Input::Push => push::asked(chat, cx, fx, &self.phone),
            Input::PushDead { device, print } => auth::push_dead(cx, fx, &self.phone, &device, &print),
            Input::Tick(Tick::WakeDue) => self.wakes.due(chat, cx, fx, &self.phone),
            Input::PushTaken { device, print } => auth::push_taken(cx, fx, &self.phone, &device, &print),
            Input::Due { when } => auth::forget_ended(cx, fx, &self.phone, when),
            Input::Revoked { key } => auth::revoked(cx, fx, &self.phone, &key),
            Input::Exist => auth::open(chat, cx, fx, &self.phone, None).map(drop),
            Input::Standing { is_listed } => auth::judged(cx, fx, &self.phone, is_listed),
            Input::Friends(news) => self.friends(cx, fx, &news),
            Input::Tick(Tick::PendingOver) => auth::clear_pending(cx, fx, &self.phone, &mut self.waiting),
            Input::Tick(Tick::PresenceDue) => self.presence_due(cx, fx),
            Input::Tick(Tick::WorkOver) => {
                for admit in self.waiting.doors_over(cx) {
                    self.admit(chat, cx, fx, &admit, Some(&WorkResult::Failed(WorkError::Broken)))?;
                }
                auth::work_over(&self.phone, &mut self.waiting, chat, cx, fx)
            }
            Input::Tick(Tick::RequestsOver) => {
                self.forget_asked(cx);
                Ok(())
            }
            Input::Command(command) => self.command(chat, cx, fx, *command),
            // Meant for other kinds of process.
            _ => Ok(()),
        }
    }

    pub(crate) fn phone(&self) -> &Phone {
        &self.phone
    }

    /// It failed: who waits for slow work that it asked for is told, and so are the friends who have not been told yet. Work goes on, though
    /// the timer of its next step is gone.
    pub(crate) fn last_words(&self) -> Vec<Bounce<Chat>> {
        let refused = |admit: &Admit| {
            let refused = Input::Refused { connection: admit.connection, denied: Denied::Unavailable };
            Bounce::Tell(Name::Session(admit.session.clone()), refused)
        };
        let callers = self.waiting.callers().map(effects::failed);
        let tellings = self.tellings.last_words(&self.phone);
        let goes_on = || Bounce::Tell(Name::Profile(self.phone.clone()), Input::Resume);
        let work = (!self.busy.is_empty()).then(goes_on);
        callers.chain(self.waiting.at_the_door().map(refused)).chain(tellings).chain(work).collect()
    }

    /// CON-3, CON-5: with its first device the account comes online.
    fn admit(
        &mut self,
        chat: &Chat,
        cx: &Cx<'_>,
        fx: &mut Fx,
        admit: &Admit,
        said: Option<&WorkResult>,
    ) -> Result<(), Failure> {
        let is_first = !self.is_there(cx);
        if auth::admit(&self.phone, &mut self.waiting, chat, cx, fx, admit, said)?.is_none() {
            return Ok(());
        }
        self.coming.insert(admit.device.clone(), admit.session.clone());
        if is_first {
            // What was set before lasted until the last device left, also if the server ended before it did.
            self.forget_presence(cx, fx)?;
            self.tell(cx, fx, Online::Online.into())?;
        }
        Ok(())
    }

    /// CON-8: with its last device the account goes offline.
    fn left(&mut self, cx: &Cx<'_>, fx: &mut Fx, device: &DevKey) -> Result<(), Failure> {
        auth::here(cx, fx, &self.phone, device)?;
        self.coming.remove(device);
        if self.is_there(cx) {
            return Ok(());
        }
        self.forget_presence(cx, fx)?;
        self.tell(cx, fx, Online::Offline.into())
    }

    /// Whether one of its devices is, or is about to be.
    fn is_there(&self, cx: &Cx<'_>) -> bool {
        !self.coming.is_empty() || cx.group_size(&Group::Account(self.phone.clone())) > 0
    }

    /// PRESENCE-1: a presence that was set ends with the last device.
    fn forget_presence(&self, cx: &Cx<'_>, fx: &mut Fx) -> Result<(), Failure> {
        let row: Option<Row> = rows::read(cx.store, PROFILE, self.phone.as_str().as_bytes())?;
        if let Some(row) = row.filter(|row| row.presence.is_some()) {
            fx.put(PROFILE, self.phone.to_bytes(), rows::encode(&Row { presence: None, ..row }));
        }
        Ok(())
    }

    fn call(&mut self, chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, call: Call) -> Result<(), Failure> {
        let Call { who, record } = call;
        let done = match record {
            Record::Auth(auth) => auth::call(&self.phone, &mut self.waiting, chat, cx, fx, &who, *auth),
            Record::Profile(profile) => profile::call(&mut self.waiting, chat, cx, fx, &who, &self.phone, *profile),
            Record::Person(asked) => person::call(cx, fx, &who, &self.phone, *asked),
            Record::Presence(asked) => match presence::call(cx, fx, &who, &self.phone, *asked) {
                Ok(None) => Ok(()),
                Ok(Some(status)) => self.changed(cx, fx, status, who.connection).map_err(Halt::from),
                Err(halt) => Err(halt),
            },
            Record::Roster(asked) => match asked.status {
                Some(RosterStatus::Create) => profile::create(chat, cx, fx, &who, &self.phone, *asked),
                Some(RosterStatus::Remove) => profile::drop_roster(cx, fx, &who, &self.phone, &asked),
                _ => roster::list(fx, &who, &asked),
            },
            Record::Loc(loc) => location::loc(chat, cx, fx, &who, &self.phone, &mut self.located, &loc),
            Record::Friend(friend) => self.ask_stranger(chat, cx, fx, &who, friend),
            _ => Err(Refusal::InvalidData.into()),
        };
        settle(fx, &who, done)
    }

    /// Section 11: a request to a stranger is counted here, and judged where it belongs.
    fn ask_stranger(
        &mut self,
        chat: &Chat,
        cx: &Cx<'_>,
        fx: &mut Fx,
        who: &Who,
        friend: Box<Friend>,
    ) -> Result<(), Halt> {
        let feed = friend_feed(cx, who, &friend)?;
        self.forget_asked(cx);
        if chat.settings.limits {
            if self.asked.len() >= REQUESTS_PER_HOUR as usize {
                return Err(Refusal::Limit.into());
            }
            self.asked.push(cx.now);
            // As long as it is set, the process stays.
            fx.timer(cx.now + REQUESTS_MS, Input::Tick(Tick::RequestsOver));
        }
        let call = Call { who: who.clone(), record: Record::Friend(friend) };
        fx.tell(Name::Conversation(feed), Input::Call(Box::new(call)));
        Ok(())
    }

    fn forget_asked(&mut self, cx: &Cx<'_>) {
        self.asked.retain(|at| cx.now.since(*at) < REQUESTS_MS);
    }

    /// PRESENCE-1: others are told, own devices too.
    fn changed(&mut self, cx: &Cx<'_>, fx: &mut Fx, status: PresenceStatus, asked: u64) -> Result<(), Failure> {
        presence::tell_own(cx, fx, &self.phone, &status, Some(asked))?;
        self.tell(cx, fx, status)
    }

    /// PRESENCE-5 to friends, at most once a second: now, or the latest when the second is over.
    fn tell(&mut self, cx: &Cx<'_>, fx: &mut Fx, status: PresenceStatus) -> Result<(), Failure> {
        let recent = self.told.at.filter(|at| cx.now.since(*at) < TELL_MS);
        if recent.is_none() && !self.told.is_due {
            return self.tell_now(cx, fx, status);
        }
        // Whoever asks meanwhile sees what nobody was told: what holds then is told in any case.
        self.told.status = self.told.status.take().filter(|told| *told == status);
        if let Some(at) = recent.filter(|_| !self.told.is_due) {
            self.told.is_due = true;
            fx.timer(at + TELL_MS, Input::Tick(Tick::PresenceDue));
        }
        Ok(())
    }

    fn presence_due(&mut self, cx: &Cx<'_>, fx: &mut Fx) -> Result<(), Failure> {
        self.told.is_due = false;
        let status = presence::when(self.is_there(cx), cx, &self.phone)?;
        if self.told.status.as_ref() == Some(&status) {
            return Ok(());
        }
        self.tell_now(cx, fx, status)
    }

    fn tell_now(&mut self, cx: &Cx<'_>, fx: &mut Fx, status: PresenceStatus) -> Result<(), Failure> {
        let row: Option<Row> = rows::read(cx.store, PROFILE, self.phone.as_str().as_bytes())?;
        match presence::last_seen(&row.unwrap_or_default().settings) {
            Audience::Nobody => {}
            audience @ (Audience::Everyone | Audience::Friends) => {
                presence::tell_others(cx, fx, &self.phone, &status, audience)?;
            }
        }
        self.told = Told { status: Some(status), at: Some(cx.now), is_due: false };
        Ok(())
    }

    /// The next step of a piece of work.
    fn work(&mut self, chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, work: u64, who: Option<Box<Who>>) -> Result<(), Failure> {
        match work::step(&self.phone, chat, cx, fx, work, who)? {
            true => self.busy.remove(&work),
            false => self.busy.insert(work),
        };
        Ok(())
    }

    /// What an earlier life of this process, or of the server, has left.
    fn resume(&mut self, chat: &Chat, cx: &Cx<'_>, fx: &mut Fx) -> Result<(), Failure> {
        for work in work::left(cx.store, &self.phone)? {
            if !self.busy.contains(&work) {
                self.work(chat, cx, fx, work, None)?;
            }
        }
        Ok(())
    }

    /// An owner has failed at its part; who waits is told, the work goes on later.
    fn stuck(&mut self, cx: &Cx<'_>, fx: &mut Fx, work: u64, who: Option<Box<Who>>) {
        self.busy.remove(&work);
        fx.timer(cx.now + RETRY_MS, Input::Tick(Tick::WorkDue));
        if let Some(who) = who {
            let failed = Input::Failed { connection: who.connection, call: who.call };
            fx.tell(Name::Session(who.session), failed);
        }
    }

    /// FRIEND-2 to 4: a friendship began or ended.
    fn friends(&self, cx: &Cx<'_>, fx: &mut Fx, news: &Friendship) -> Result<(), Failure> {
        presence::tell_one(cx, fx, &news.own, news.other.phone(), news.visible)
    }

    fn command(&mut self, chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, command: Command) -> Result<(), Failure> {
        match command {
            Command::Invite { phone, reply } => match names::holder(cx.store, &phone)? {
                // The number is called so outside; here it has a key (PROFILE-11).
                Some(holder) if holder != self.phone => {
                    let command = Command::Invite { phone, reply };
                    fx.tell(Name::Profile(holder), Input::Command(Box::new(command)));
                    Ok(())
                }
                Some(_) | None => self.invite(chat, cx, fx, reply),
            },
            Command::Enrol(asked) => auth::enrol(&self.phone, &mut self.waiting, chat, cx, fx, *asked),
            // For sessions.
            Command::Kick => Ok(()),
        }
    }

    /// ID-11.
    fn invite(&self, chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, reply: Arc<Port>) -> Result<(), Failure> {
        let code = auth::issue_invite(&chat.vault, cx, fx, &self.phone)?;
        fx.emit(Output::Port(reply, Out::Notice { payload: code }));
        Ok(())
    }
}
