//! The packs of stickers: one process owns them, and the index of their words.

use n2o::Failure;
use proto::{Record, Refusal};

use crate::protocol::{settle, sticker};
use crate::{Cx, Fx, Input};

/// The owner of all packs; all of it is in the store.
pub struct Stickers;

impl Stickers {
    pub fn step(&mut self, cx: &Cx<'_>, fx: &mut Fx, input: Input) -> Result<(), Failure> {
        let Input::Call(call) = input else { return Ok(()) };
        let done = match call.record {
            Record::History(request) => sticker::call(cx, fx, &call.who, *request),
            _ => Err(Refusal::InvalidData.into()),
        };
        settle(fx, &call.who, done)
    }
}
