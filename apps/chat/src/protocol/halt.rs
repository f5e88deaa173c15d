//! Why a call stops early: a refusal, which the client is owed, or a failure, which is ours.

use n2o::Failure;
use proto::Refusal;

use crate::effects::refuse;
use crate::{Fx, Who};

/// The two kinds of error of a call, never mixed: `?` works for both.
#[derive(Debug)]
pub(crate) enum Halt {
    Refused(Refusal),
    Failed(Failure),
}

impl From<Refusal> for Halt {
    fn from(refusal: Refusal) -> Halt {
        Halt::Refused(refusal)
    }
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Halt {
        Halt::Failed(failure)
    }
}

impl From<kvs::Error> for Halt {
    fn from(error: kvs::Error) -> Halt {
        Halt::Failed(error.into())
    }
}

/// Ends the call of a function that stopped early with a refusal; a failure climbs on.
pub(crate) fn settle(fx: &mut Fx, who: &Who, done: Result<(), Halt>) -> Result<(), Failure> {
    match done {
        Ok(()) => Ok(()),
        Err(Halt::Refused(refusal)) => {
            refuse(fx, who, refusal);
            Ok(())
        }
        Err(Halt::Failed(failure)) => Err(failure),
    }
}
