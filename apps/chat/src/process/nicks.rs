//! The index of nicks: one process, so that a nick is taken once (ID-17).

use n2o::Failure;
use proto::{Record, Refusal};

use crate::protocol::{roster, settle};
use crate::{Cx, Fx, Input};

/// The owner of the index; all of it is in the store.
pub struct Nicks;

impl Nicks {
    pub fn step(&mut self, cx: &Cx<'_>, fx: &mut Fx, input: Input) -> Result<(), Failure> {
        let call = match input {
            Input::Call(call) => *call,
            Input::Found(founding) => return roster::claim_first(cx, fx, &founding),
            Input::Errand(errand) => {
                roster::unname(cx, fx, &errand)?;
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
