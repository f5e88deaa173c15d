//! The files of an account: the one owner of its transfers, and of what it has uploaded.

use n2o::{Bounce, Failure};
use proto::Record;
use proto::ids::Phone;

use crate::protocol::ftp::{self, Desk, Shelf};
use crate::protocol::work::Task;
use crate::{Call, Chat, Cx, Fx, Input, Tick};

pub struct Files {
    shelf: Shelf,
}

impl Files {
    /// What was left behind is looked at in an hour.
    pub fn load(cx: &Cx<'_>, phone: &Phone) -> Result<Files, Failure> {
        Ok(Files { shelf: Shelf::load(cx, phone)? })
    }

    pub fn step(&mut self, chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, input: Input) -> Result<(), Failure> {
        let mut desk = Desk { shelf: &mut self.shelf, chat, cx, fx };
        match input {
            Input::Call(call) => {
                let Call { who, record } = *call;
                match record {
                    Record::Ftp(ftp) => desk.call(who, *ftp, false),
                    Record::Ftp10(ftp) => desk.call(who, (*ftp).into(), true),
                    // Nothing else is routed here.
                    _ => Ok(()),
                }
            }
            Input::Upload(upload) => desk.step(*upload),
            Input::Errand(errand) => {
                if let Task::Abandon { upto } = errand.task {
                    desk.abandon(upto)?;
                }
                errand.go_on(desk.fx);
                Ok(())
            }
            Input::Worked { job, result } => desk.worked(job, result),
            Input::Resume => {
                ftp::watch(desk.shelf, cx, desk.fx);
                Ok(())
            }
            Input::Tick(Tick::FilesDue) => ftp::look(desk.shelf, cx, desk.fx),
            // Meant for other kinds of process.
            _ => Ok(()),
        }
    }

    pub(crate) fn last_words(&self) -> Vec<Bounce<Chat>> {
        self.shelf.last_words()
    }
}
