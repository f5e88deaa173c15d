//! The index of unique names, nicks and e-mail addresses: one process, so that a name is taken once (ID-17, PROFILE-6).

use n2o::Failure;
use proto::{Record, Refusal};

use crate::protocol::work::Task;
use crate::protocol::{profile, roster, settle};
use crate::{Cx, Fx, Input};

/// The owner of the index; all of it is in the store.
pub struct Nicks;

impl Nicks {
    pub fn step(&mut self, cx: &Cx<'_>, fx: &mut Fx, input: Input) -> Result<(), Failure> {
        let call = match input {
            Input::Call(call) => *call,
            Input::Found(founding) => return roster::claim_first(cx, fx, &founding),
            Input::Confirm(confirming) => return profile::claim(cx, fx, &confirming),
            Input::Errand(errand) => {
                match &errand.task {
                    Task::Leave { own, .. } => roster::unname(cx, fx, own)?,
                    Task::Unmail { list } => profile::release(cx, fx, &errand.home, list)?,
                    _ => {}
                }
                errand.go_on(fx);
                return Ok(());
            }
            Input::Registered { roster, .. } => return roster::claim(cx, fx, &roster),
            _ => return Ok(()),
        };
        let done = match call.record {
            Record::Roster(record) => roster::nick(cx, fx, &call.who, *record),
            Record::Index(index) => roster::index(cx, fx, &call.who, *index),
            _ => Err(Refusal::InvalidData.into()),
        };
        settle(fx, &call.who, done)
    }
}
