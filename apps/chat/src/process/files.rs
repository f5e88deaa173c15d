//! The files of an account: the one owner of its transfers, and of what it has uploaded.

use n2o::{Bounce, Failure};
use proto::Record;
use proto::ids::Phone;

use crate::protocol::ftp::{self, Shelf};
use crate::protocol::work::Task;
use crate::{Call, Chat, Cx, Fx, Input, Tick, Upload};

pub struct Files {
    shelf: Shelf,
}

impl Files {
    /// What was left behind is looked at in an hour.
    pub fn load(cx: &Cx<'_>, phone: &Phone) -> Result<Files, Failure> {
        Ok(Files { shelf: Shelf::load(cx, phone)? })
    }

    pub fn step(&mut self, chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, input: Input) -> Result<(), Failure> {
        let shelf = &mut self.shelf;
        match input {
            Input::Call(call) => {
                let Call { who, record } = *call;
                match record {
                    Record::Ftp(ftp) => ftp::call(shelf, chat, cx, fx, &who, *ftp, false),
                    Record::Ftp10(ftp) => ftp::call(shelf, chat, cx, fx, &who, (*ftp).into(), true),
                    // Nothing else is routed here.
                    _ => Ok(()),
                }
            }
            Input::Upload(upload) => {
                let Upload { who, ftp, step } = *upload;
                ftp::step(shelf, chat, cx, fx, &who, ftp, step)
            }
            Input::Errand(errand) => {
                if let Task::Abandon { upto } = errand.task {
                    ftp::abandon(shelf, chat, cx, fx, upto)?;
                }
                errand.go_on(fx);
                Ok(())
            }
            Input::Worked { job, result } => ftp::worked(shelf, chat, cx, fx, job, result),
            Input::Resume => {
                ftp::watch(shelf, cx, fx);
                Ok(())
            }
            Input::Tick(Tick::FilesDue) => ftp::look(shelf, cx, fx),
            // Meant for other kinds of process.
            _ => Ok(()),
        }
    }

    pub(crate) fn last_words(&self) -> Vec<Bounce<Chat>> {
        self.shelf.last_words()
    }
}
