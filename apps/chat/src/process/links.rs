//! The index of links: one process, so that a name is claimed by one room at a time.

use n2o::Failure;
use proto::{Record, Refusal};

use crate::protocol::{link, settle};
use crate::{Cx, Fx, Input};

/// The owner of the index; all of it is in the store.
pub struct Links;

impl Links {
    pub fn step(&mut self, cx: &Cx<'_>, fx: &mut Fx, input: Input) -> Result<(), Failure> {
        match input {
            Input::Call(call) => {
                let done = match call.record {
                    Record::Link(asked) => link::check(cx, fx, &call.who, *asked),
                    _ => Err(Refusal::InvalidData.into()),
                };
                settle(fx, &call.who, done)
            }
            Input::Claim(news) => {
                let who = news.who.clone();
                let done = link::claim(cx, fx, *news);
                settle(fx, &who, done)
            }
            Input::Unclaim { room, names } => link::unclaim(cx, fx, &room, &names),
            // Meant for other kinds of process.
            _ => Ok(()),
        }
    }
}
