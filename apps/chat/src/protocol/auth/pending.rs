//! Registrations that wait for their code: AUTH-2, AUTH-3, and how they end.

use std::collections::BTreeMap;

use bytes::Bytes;
use n2o::Failure;
use proto::ids::Phone;
use proto::limits::{CALL_MS, REGISTRATION_MS, RESENDS};
use proto::records::{Auth, AuthPhone, AuthToken, Io};
use proto::{Outcome, Refusal};

use super::register::{check_own, given, sender};
use super::{Ask, Halt, JOBS_MAX, Job, Waiting, secret, tries};
use crate::effects::{answer, done};
use crate::output::{Channel, Output, Sender, Work};
use crate::protocol::feature;
use crate::rows::{self, PENDING, Pending, TRIES, Tries};
use crate::{Admit, Cx, Fx, Input, Name, Provider, Tick, Who, names};

/// AUTH-1: the code is on its way; from now on the registration waits for it.
pub(super) fn sent(ask: &mut Ask<'_>, pending: Pending, code: Bytes) -> Result<(), Halt> {
    let count = tries_of(ask.cx, ask.phone)?;
    ask.waiting.codes.insert(ask.client(), code);
    wait(ask, count, pending, done(Outcome::SmsSent))
}

/// Section 11: too many codes were asked for from one address. The number has had none, so none is counted against it.
pub(super) fn not_sent(ask: &mut Ask<'_>) -> Result<(), Halt> {
    let mut count = tries_of(ask.cx, ask.phone)?;
    count.codes.pop();
    put_tries(ask.fx, ask.phone, &count);
    Err(Refusal::AttemptsExpired.into())
}

/// Keeps the registration, in the place of an earlier one of this client id, and answers.
pub(super) fn wait(ask: &mut Ask<'_>, mut count: Tries, pending: Pending, sent: Bytes) -> Result<(), Halt> {
    if let Some(oldest) = tries::wait(&mut count, ask.client()) {
        ask.waiting.codes.remove(&oldest);
        if of_client(ask.cx, ask.phone, &oldest)?.is_some() {
            ask.fx.delete(PENDING, oldest);
        }
    }
    ask.waiting.time(ask.cx, ask.fx);
    ask.fx.put(PENDING, ask.client(), rows::encode(&pending));
    put_tries(ask.fx, ask.phone, &count);
    answer(ask.fx, ask.who, vec![sent]);
    Ok(())
}

/// AUTH-2: the same code by a telephone call; it counts as a resend.
pub(super) fn voice(ask: &mut Ask<'_>, auth: &Auth) -> Result<(), Halt> {
    let pending = own(ask)?;
    check_same(ask, &pending, auth)?;
    if pending.code.is_none() || pending.is_by_password() {
        return Err(Refusal::SessionNotFound.into());
    }
    let number = names::number(ask.cx.store, ask.phone)?;
    let calls = |provider: &Provider| match provider {
        Provider::Webhook => sender(*provider, &number).filter(|_| ask.chat.settings.voice),
        Provider::Log | Provider::Static | Provider::Invite | Provider::Directory => None,
    };
    let sender = ask.chat.settings.providers.iter().find_map(calls).ok_or(Refusal::NotSupported)?;
    let language = auth.service().map(|language| Bytes::copy_from_slice(language.as_bytes()));
    send_again(ask, pending, Job::Voice { who: ask.who.clone() }, sender, Channel::Voice, language)
}

pub(super) fn called(ask: &mut Ask<'_>) -> Result<(), Halt> {
    let calls = Io::ok(Outcome::CallInProgress).with(AuthToken { token: Some(Bytes::new()) });
    answer(ask.fx, ask.who, vec![etf::encode(&calls)]);
    Ok(())
}

/// AUTH-3: the same code once more, at most three times.
pub(super) fn resend(ask: &mut Ask<'_>, auth: &Auth) -> Result<(), Halt> {
    let pending = own(ask)?;
    check_same(ask, &pending, auth)?;
    if pending.nonce.is_some() {
        // A challenge is no code; `reg` gives another.
        return Err(Refusal::SessionNotFound.into());
    }
    let number = names::number(ask.cx.store, ask.phone)?;
    let sender = ask.chat.settings.providers.iter().find_map(|provider| sender(*provider, &number));
    let is_fixed = ask.chat.settings.static_codes.contains_key(&number) || pending.is_by_password();
    match sender.filter(|_| pending.code.is_some() && !is_fixed) {
        Some(sender) => {
            let language = feature::language(&pending.settings).map(Bytes::copy_from_slice);
            send_again(ask, pending, Job::Resend { who: ask.who.clone() }, sender, Channel::Sms, language)
        }
        // An invite, a fixed code or a password is with its owner already.
        None => {
            let pending = resent(ask, pending)?;
            ask.fx.put(PENDING, ask.client(), rows::encode(&pending));
            sent_again(ask)
        }
    }
}

/// AUTH-3: counts a resend.
fn resent(ask: &Ask<'_>, pending: Pending) -> Result<Pending, Halt> {
    tries::check_lock(&tries_of(ask.cx, ask.phone)?, ask.cx.now.0)?;
    match pending.resends >= RESENDS {
        true => Err(Refusal::AttemptsExpired.into()),
        false => Ok(Pending { resends: pending.resends + 1, ..pending }),
    }
}

fn send_again(
    ask: &mut Ask<'_>,
    pending: Pending,
    job: Job,
    sender: Sender,
    channel: Channel,
    language: Option<Bytes>,
) -> Result<(), Halt> {
    let mut pending = resent(ask, pending)?;
    let code = match ask.waiting.codes.get(&ask.client()) {
        Some(code) => code.clone(),
        // Codes do not outlive the process: the registration gets another, and the one before is void.
        None => secret::code(ask.cx),
    };
    pending.code = Some(secret::hash(&code));
    let phone = names::number(ask.cx.store, ask.phone)?;
    ask.work(job, Work::SendCode { sender, channel, phone, code: code.clone(), language })?;
    ask.waiting.codes.insert(ask.client(), code);
    ask.fx.put(PENDING, ask.client(), rows::encode(&pending));
    Ok(())
}

pub(super) fn sent_again(ask: &mut Ask<'_>) -> Result<(), Halt> {
    answer(ask.fx, ask.who, vec![done(Outcome::SmsSent)]);
    Ok(())
}

/// The registration of this client id that waits here.
pub(super) fn own(ask: &Ask<'_>) -> Result<Pending, Halt> {
    let row = of_client(ask.cx, ask.phone, ask.who.session.as_bytes())?;
    row.filter(|row| row.expires > ask.cx.now.0).ok_or_else(|| Refusal::SessionNotFound.into())
}

/// What waits under a client id, if it is for this number: the row is of the profile whose phone it names.
pub(super) fn of_client(cx: &Cx<'_>, phone: &Phone, client: &[u8]) -> Result<Option<Pending>, Failure> {
    let row: Option<Pending> = rows::read(cx.store, PENDING, client)?;
    Ok(row.filter(|row| row.phone == phone.as_str().as_bytes()))
}

/// AUTH-3, 4: client_id, dev_key and phone, if given, are those of the registration.
pub(super) fn check_same(ask: &Ask<'_>, pending: &Pending, auth: &Auth) -> Result<(), Refusal> {
    check_own(ask, auth)?;
    let device = given(&auth.dev_key).is_none_or(|key| key == pending.dev_key);
    let phone = auth.phone.as_ref().is_none_or(|phone| match phone {
        AuthPhone::Number(phone) => phone.is_empty() || Phone::parse(phone).as_ref() == Ok(ask.phone),
        AuthPhone::Fake(_) => false,
    });
    if device && phone { Ok(()) } else { Err(Refusal::MismatchUserData) }
}

pub(super) fn tries_of(cx: &Cx<'_>, phone: &Phone) -> Result<Tries, Failure> {
    Ok(rows::read(cx.store, TRIES, phone.as_str().as_bytes())?.unwrap_or_default())
}

pub(super) fn put_tries(fx: &mut Fx, phone: &Phone, count: &Tries) {
    fx.put(TRIES, phone.to_bytes(), rows::encode(count));
}

/// Clears away the registrations whose 15 minutes are over (AUTH-4).
pub(crate) fn clear(cx: &Cx<'_>, fx: &mut Fx, phone: &Phone, waiting: &mut Waiting) -> Result<(), Failure> {
    let mut count = tries_of(cx, phone)?;
    for client in count.waiting.clone() {
        let mine = of_client(cx, phone, &client)?;
        if mine.as_ref().is_some_and(|row| row.expires > cx.now.0) {
            continue;
        }
        if mine.is_some() {
            fx.delete(PENDING, client.clone());
        }
        waiting.codes.remove(&client);
        tries::stop_waiting(&mut count, &client);
    }
    put_tries(fx, phone, &count);
    waiting.is_timed = false;
    if !count.waiting.is_empty() {
        waiting.time(cx, fx);
    }
    Ok(())
}

impl Waiting {
    /// When the profile is loaded, registrations may wait from before.
    pub(crate) fn load(cx: &Cx<'_>, fx: &mut Fx, phone: &Phone) -> Result<Waiting, Failure> {
        let mut waiting = Waiting {
            jobs: BTreeMap::new(),
            doors: BTreeMap::new(),
            codes: BTreeMap::new(),
            is_timed: false,
            is_work_timed: false,
        };
        if !tries_of(cx, phone)?.waiting.is_empty() {
            waiting.time(cx, fx);
        }
        Ok(waiting)
    }

    /// One timer serves all registrations: each is looked at when its time is over, or a while later.
    fn time(&mut self, cx: &Cx<'_>, fx: &mut Fx) {
        if !std::mem::replace(&mut self.is_timed, true) {
            fx.timer(cx.now + REGISTRATION_MS, Input::Tick(Tick::PendingOver));
        }
    }

    /// One timer serves all slow work: it is set for the oldest.
    pub(super) fn time_work(&mut self, fx: &mut Fx) {
        let first = self.jobs.values().map(|(until, _)| *until).next();
        let door = self.doors.values().map(|(until, _)| *until).next();
        if let Some(until) = first.into_iter().chain(door).min()
            && !std::mem::replace(&mut self.is_work_timed, true)
        {
            fx.timer(until, Input::Tick(Tick::WorkOver));
        }
    }

    /// Passwords that the directory is looking at.
    pub(super) fn passwords(&self) -> u64 {
        self.jobs.values().filter(|(_, job)| matches!(job, Job::Password { .. })).count() as u64
    }

    /// A connection is let in or not when the directory has been asked.
    pub(super) fn hold(&mut self, cx: &Cx<'_>, fx: &mut Fx, phone: &Phone, admit: &Admit) -> Result<bool, Failure> {
        if self.doors.len() >= JOBS_MAX {
            return Ok(false);
        }
        let number = cx.id()?;
        self.doors.insert(number, (cx.now + CALL_MS, Box::new(admit.clone())));
        self.time_work(fx);
        let work = Work::Look { phone: names::number(cx.store, phone)? };
        fx.emit(Output::Work(Box::new(crate::Job { from: Name::Profile(phone.clone()), number, work })));
        Ok(true)
    }

    /// The connection that this work was asked for, if it was for one.
    pub(crate) fn door(&mut self, job: u64) -> Option<Box<Admit>> {
        self.doors.remove(&job).map(|(_, admit)| admit)
    }

    /// The same of those that have waited for too long.
    pub(crate) fn doors_over(&mut self, cx: &Cx<'_>) -> Vec<Admit> {
        let over: Vec<u64> =
            self.doors.iter().take_while(|(_, (until, _))| *until <= cx.now).map(|(number, _)| *number).collect();
        over.into_iter().filter_map(|number| self.door(number).map(|admit| *admit)).collect()
    }

    /// Connections that wait to be let in.
    pub(crate) fn at_the_door(&self) -> impl Iterator<Item = &Admit> {
        self.doors.values().map(|(_, admit)| &**admit)
    }

    /// Whose calls wait for slow work.
    pub(crate) fn callers(&self) -> impl Iterator<Item = &Who> {
        self.jobs.values().map(|(_, job)| job.who())
    }
}

impl Ask<'_> {
    /// The client id, by which its pending registration is kept.
    pub(super) fn client(&self) -> Bytes {
        Bytes::copy_from_slice(self.who.session.as_bytes())
    }

    /// Asks for slow work; the call ends when it has.
    pub(super) fn work(&mut self, job: Job, work: Work) -> Result<(), Halt> {
        if self.waiting.jobs.len() >= JOBS_MAX {
            return Err(Refusal::Limit.into());
        }
        // Numbers are never given twice, so what an earlier life of this process asked for is not taken for this.
        let number = self.cx.id()?;
        self.waiting.jobs.insert(number, (self.cx.now + CALL_MS, job));
        self.waiting.time_work(self.fx);
        let work = Box::new(crate::Job { from: Name::Profile(self.phone.clone()), number, work });
        match (&work.work, self.who.source) {
            (Work::SendCode { .. }, Some(source)) => self.fx.tell(Name::Source(source), Input::Pass(work)),
            _ => self.fx.emit(Output::Work(work)),
        }
        Ok(())
    }
}
