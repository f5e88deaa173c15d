//! AUTH (SPEC 6.2): how a device proves its number, comes in, and goes.

mod binding;
mod code;
mod device;
mod enrol;
mod invite;
mod jwt;
mod key;
mod login;
mod moving;
mod pending;
mod proof;
mod push;
mod register;
mod secret;
mod service;
mod sessions;
mod standing;
mod tries;
mod verify;
mod version;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use n2o::{Failure, Time};
use proto::Refusal;
use proto::ids::Phone;
use proto::records::{Auth, AuthAct, AuthType, Feature};

pub(crate) use binding::{bind_key, end_key, forget_ended};
pub(crate) use code::{forget_proof, is_proof, mail as mail_code};
pub(crate) use device::{DEVICES_MAX, end_all, facts as account, has_token, open, rosters};
pub(crate) use enrol::{announce_keys, aside as enrol};
pub(crate) use invite::issue as issue_invite;
pub use invite::{Invitation, invites, is_invited};
pub(crate) use key::{Bound, bound, named};
pub(crate) use login::{admit, here};
pub(crate) use moving::{proves as proves_move, send as send_move};
pub(crate) use pending::clear as clear_pending;
pub(crate) use proof::{bearer, is_device};
pub(crate) use push::{Away, away, dead as push_dead, is_away, reachable, taken as push_taken, woken};
pub(crate) use service::is_service;
pub(crate) use sessions::revoked;
pub(crate) use standing::judged;
pub use standing::{Judged, directed};
pub(crate) use version::ver;

use super::profile::Linking;
use super::{Halt, settle};
use crate::door::Role;
use crate::input::{WorkError, WorkResult};
use crate::rows::{Pending, Proof};
use crate::{Admit, Chat, Cx, Fx, Port, Who, effects};
use register::Registration;
use standing::Listing;

/// Slow work that one account may be waiting for; a request that would exceed it is refused with `limit`.
const JOBS_MAX: usize = 64;

/// What a profile holds of registrations while it runs. All of it may be lost: the client asks again.
pub(crate) struct Waiting {
    /// Slow work that has been asked for, by its number, and until when it is waited for; numbers and times rise together.
    jobs: BTreeMap<u64, (Time, Job)>,
    /// Connections that the directory decides about, by the number of that work; otherwise the same.
    doors: BTreeMap<u64, (Time, Box<Admit>)>,
    /// Codes by client id, to send the same one again (AUTH-3). Never stored (SEC-12).
    codes: BTreeMap<Bytes, Bytes>,
    /// Whether the timer is set that clears away registrations whose time is over.
    is_timed: bool,
    /// The same for the first of the jobs.
    is_work_timed: bool,
}

/// Slow work, and what its end means.
enum Job {
    /// AUTH-1: the provider has the code; then the registration waits for it.
    Code { who: Who, pending: Box<Pending>, code: Bytes },
    /// AUTH-3.
    Resend { who: Who },
    /// AUTH-2.
    Voice { who: Who },
    /// AUTH-17, with the settings that came beside the request. `aside`: whom to answer instead of a session.
    Enrol { who: Who, settings: Vec<Feature>, aside: Option<Arc<Port>> },
    /// PROFILE-5, SERVICE-1.
    Mail { who: Who, proof: Box<Proof>, how: Linking },
    /// PROFILE-10.
    Move { who: Who, proof: Box<Proof> },
    /// ID-11: the organisation's directory is asked whose number it is.
    Look { who: Who, asking: Asking },
    /// ID-11: the same, and whether what was shown is the person's password.
    Password { who: Who, registration: Box<Registration> },
    /// ID-14: the authority makes the certificate that completes a registration.
    Certificate { who: Who, registration: Box<Registration> },
}

/// What waits for the directory.
enum Asking {
    /// AUTH-1: nothing has been sent yet.
    Begin(Box<Auth>),
    /// AUTH-4: the number is proved.
    Complete(Box<Registration>),
    /// PROFILE-10: this account wants to have the number.
    Move(Phone),
}

impl Job {
    fn who(&self) -> &Who {
        match self {
            Job::Code { who, .. }
            | Job::Resend { who }
            | Job::Mail { who, .. }
            | Job::Move { who, .. }
            | Job::Voice { who }
            | Job::Enrol { who, .. }
            | Job::Look { who, .. }
            | Job::Password { who, .. }
            | Job::Certificate { who, .. } => who,
        }
    }
}

/// A request and all that its function works with.
struct Ask<'a> {
    phone: &'a Phone,
    waiting: &'a mut Waiting,
    chat: &'a Chat,
    cx: &'a Cx<'a>,
    fx: &'a mut Fx,
    who: &'a Who,
}

/// One AUTH call, judged by the profile of `phone`.
pub(crate) fn call(
    phone: &Phone,
    waiting: &mut Waiting,
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    auth: Auth,
) -> Result<(), Halt> {
    let Some(act) = act(&auth)? else {
        effects::answer(fx, who, Vec::new());
        return Ok(());
    };
    allowed(who.role, act)?;
    let mut ask = Ask { phone, waiting, chat, cx, fx, who };
    match act {
        AuthAct::Reg if who.is_service() => service::invite(&mut ask, auth.service()),
        AuthAct::Reg => register::reg(&mut ask, auth),
        AuthAct::Voice => pending::voice(&mut ask, &auth),
        AuthAct::Resend => pending::resend(&mut ask, &auth),
        AuthAct::Verify => verify::verify(&mut ask, &auth),
        AuthAct::Logout => sessions::logout(&mut ask),
        AuthAct::Get | AuthAct::List => sessions::get(&mut ask),
        AuthAct::Clear => sessions::clear(&mut ask),
        AuthAct::Delete => sessions::delete(&mut ask, &auth),
        AuthAct::Update => sessions::update(&mut ask, auth),
        AuthAct::Push => push::push(&mut ask, &auth),
        // Ver is the session's own.
        AuthAct::Ver | AuthAct::Deleted | AuthAct::Verified | AuthAct::Expired | AuthAct::Login => {
            Err(Refusal::InvalidData.into())
        }
    }
}

/// What is asked; `None` for the ignored `login` (C-7, D-23).
fn act(auth: &Auth) -> Result<Option<AuthAct>, Refusal> {
    match (auth.act(), &auth.r#type) {
        (Some(act), _) => Ok(Some(act)),
        (None, Some(AuthType::Act(AuthAct::Login))) => Ok(None),
        (None, _) => Err(Refusal::InvalidData),
    }
}

/// AUTH-16, ID-6: who may ask what.
fn allowed(role: Role, act: AuthAct) -> Result<(), Refusal> {
    use AuthAct::{
        Clear, Delete, Deleted, Expired, Get, List, Login, Logout, Push, Reg, Resend, Update, Ver, Verified, Verify,
        Voice,
    };
    match (role, act) {
        (Role::Registering, Reg | Voice | Resend | Verify | Ver | Login) => Ok(()),
        (Role::Registering, _) => Err(Refusal::PermissionDenied),
        (Role::Device, Reg) => Err(Refusal::PermissionDenied),
        // A verified device has no pending registration.
        (Role::Device, Voice | Resend | Verify) => Err(Refusal::SessionNotFound),
        (
            Role::Device,
            Deleted | Verified | Expired | Update | Clear | Delete | Logout | Push | Get | Ver | Login | List,
        ) => Ok(()),
        // On behalf of an account: its sessions, and invites for its number.
        (Role::Service, Reg | Get | List | Clear | Delete | Login) => Ok(()),
        (Role::Service | Role::Plain, _) => Err(Refusal::PermissionDenied),
    }
}

/// Slow work has ended. An unknown number was given up, or is of an earlier life of this process: its caller has been told.
pub(crate) fn worked(
    phone: &Phone,
    waiting: &mut Waiting,
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    job: u64,
    result: WorkResult,
) -> Result<(), Failure> {
    let Some((_, job)) = waiting.jobs.remove(&job) else {
        return Ok(());
    };
    let who = job.who().clone();
    let mut ask = Ask { phone, waiting, chat, cx, fx, who: &who };
    let done = match (job, result) {
        (Job::Look { asking: Asking::Begin(auth), .. }, said) => {
            register::listed(&mut ask, *auth, Some(Listing::of(&said)))
        }
        (Job::Look { asking: Asking::Complete(registration), .. }, said) => {
            verify::complete(&mut ask, Registration { listing: Some(Listing::of(&said)), ..*registration })
        }
        (Job::Look { asking: Asking::Move(account), .. }, said) => {
            moving::listed(&mut ask, &account, &Listing::of(&said))
        }
        (Job::Password { registration, .. }, said) => verify::password(&mut ask, *registration, &said),
        (Job::Code { pending, code, .. }, WorkResult::Sent) => pending::sent(&mut ask, *pending, code),
        (Job::Resend { .. }, WorkResult::Sent) => pending::sent_again(&mut ask),
        (Job::Voice { .. }, WorkResult::Sent) => pending::called(&mut ask),
        (Job::Enrol { settings, aside, .. }, WorkResult::Issued(certificate)) => {
            let done = enrol::enrolled(&mut ask, settings, &certificate, aside.as_ref());
            return enrol::settle(fx, &who, aside.as_ref(), done);
        }
        (Job::Enrol { aside, .. }, WorkResult::Failed(why)) => {
            return enrol::settle(fx, &who, aside.as_ref(), Err(not_issued(why).into()));
        }
        (Job::Certificate { registration, .. }, WorkResult::Issued(certificate)) => {
            verify::finish(&mut ask, *registration, Some(certificate))
        }
        (Job::Mail { proof, how, .. }, WorkResult::Sent) => code::mailed(&mut ask, &proof, how),
        (Job::Move { proof, .. }, WorkResult::Sent) => moving::sent(&mut ask, &proof),
        (Job::Mail { .. }, WorkResult::Failed(_)) => Err(Refusal::SmsSend.into()),
        (Job::Code { .. } | Job::Move { .. }, WorkResult::Failed(WorkError::TooOften)) => pending::not_sent(&mut ask),
        (Job::Code { .. } | Job::Move { .. } | Job::Resend { .. } | Job::Voice { .. }, WorkResult::Failed(why)) => {
            Err(unsent(why).into())
        }
        (Job::Certificate { .. }, WorkResult::Failed(why)) => Err(not_issued(why).into()),
        (
            Job::Code { .. } | Job::Move { .. } | Job::Resend { .. } | Job::Voice { .. } | Job::Mail { .. },
            WorkResult::Issued(_),
        )
        | (Job::Certificate { .. } | Job::Enrol { .. }, WorkResult::Sent)
        | (_, WorkResult::Verified | WorkResult::Read(_) | WorkResult::Listed(_) | WorkResult::AsBefore(_)) => {
            Err(Refusal::Internal.into())
        }
    };
    settle(fx, &who, done)
}

/// Slow work that has not ended in its time counts as failed: every call is answered (SPEC section 9).
pub(crate) fn work_over(
    phone: &Phone,
    waiting: &mut Waiting,
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
) -> Result<(), Failure> {
    waiting.is_work_timed = false;
    let over: Vec<u64> =
        waiting.jobs.iter().take_while(|(_, (until, _))| *until <= cx.now).map(|(number, _)| *number).collect();
    for job in over {
        worked(phone, waiting, chat, cx, fx, job, WorkResult::Failed(WorkError::Broken))?;
    }
    waiting.time_work(fx);
    Ok(())
}

fn unsent(why: WorkError) -> Refusal {
    match why {
        WorkError::Unsupported => Refusal::NumberNotAllowed,
        WorkError::Invalid | WorkError::Broken | WorkError::Full => Refusal::SmsSend,
        WorkError::TooOften => Refusal::AttemptsExpired,
    }
}

fn not_issued(why: WorkError) -> Refusal {
    match why {
        WorkError::Invalid => Refusal::InvalidData,
        WorkError::Unsupported => Refusal::NotSupported,
        WorkError::Broken | WorkError::TooOften | WorkError::Full => Refusal::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::records::VersionedReg;

    #[test]
    fn auth_16_a_registering_connection_may_register_and_nothing_else() {
        for act in [AuthAct::Reg, AuthAct::Voice, AuthAct::Resend, AuthAct::Verify, AuthAct::Ver] {
            assert_eq!(allowed(Role::Registering, act), Ok(()));
        }
        for act in [AuthAct::Get, AuthAct::Clear, AuthAct::Delete, AuthAct::Logout, AuthAct::Update, AuthAct::Push] {
            assert_eq!(allowed(Role::Registering, act), Err(Refusal::PermissionDenied));
            assert_eq!(allowed(Role::Device, act), Ok(()));
        }
        assert_eq!(allowed(Role::Device, AuthAct::Reg), Err(Refusal::PermissionDenied));
    }

    #[test]
    fn d_23_login_is_ignored_and_no_type_is_refused() {
        let asks = |r#type| Auth { r#type, ..Auth::default() };
        assert_eq!(act(&asks(Some(AuthAct::Login.into()))), Ok(None));
        assert_eq!(act(&asks(None)), Err(Refusal::InvalidData));
        assert_eq!(act(&asks(Some(AuthType::Reg(VersionedReg::default())))), Ok(Some(AuthAct::Reg)));
    }
}
