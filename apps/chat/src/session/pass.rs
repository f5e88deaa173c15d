//! A device whose account has changed its number comes by another client id than its session is named by (PROFILE-11): what its
//! connection says is passed on.

use std::sync::Arc;

use n2o::{Bounce, Failure};

use super::Session;
use crate::door::{Bye, Gone, Hello, Out};
use crate::{Chat, Cx, Fx, Input, Name, Output, names};

impl Session {
    /// The input, if it is for this session.
    pub(super) fn pass(
        &mut self,
        chat: &Chat,
        cx: &Cx<'_>,
        fx: &mut Fx,
        input: Input,
    ) -> Result<Option<Input>, Failure> {
        let passes = match &input {
            Input::Connect { hello, port } => {
                let other = self.other(chat, cx, hello)?;
                self.passes.extend(other.clone().map(|other| (port.clone(), other)));
                other
            }
            Input::Request { port, .. } => self.passed(port.number()),
            Input::Confirmed { connection, .. } | Input::MayReceive { connection, .. } => self.passed(*connection),
            Input::Gone { connection, .. } => {
                let at = self.passes.iter().position(|(port, _)| port.number() == *connection);
                at.map(|at| self.passes.swap_remove(at).1)
            }
            // From inside, where its name is known.
            _ => None,
        };
        Ok(match passes {
            Some(other) => {
                fx.tell(Name::Session(other), input);
                None
            }
            None => Some(input),
        })
    }

    fn passed(&self, connection: u64) -> Option<Arc<str>> {
        self.passes.iter().find(|(port, _)| port.number() == connection).map(|(_, other)| other.clone())
    }

    /// The session that serves this connection, where it is another. One that has been passed on is not passed on again: two sessions that
    /// judge by different moments would do so for ever.
    fn other(&self, chat: &Chat, cx: &Cx<'_>, hello: &Hello) -> Result<Option<Arc<str>>, Failure> {
        let is_passed = *hello.client_id != *self.client.as_bytes();
        if is_passed || !chat.names.differ(cx.store)? {
            return Ok(None);
        }
        Ok(Some(names::session(chat, cx, hello)?).filter(|name| *name != self.client))
    }

    /// It failed, and does not know any more whose its connections are: they end, and come again.
    pub(super) fn pass_no_more(&self) -> impl Iterator<Item = Bounce<Chat>> {
        self.passes.iter().flat_map(|(port, other)| {
            let gone = Input::Gone { connection: port.number(), how: Gone::Failed };
            let close = Output::Port(port.clone(), Out::Close(Bye::Fault));
            [Bounce::Emit(close), Bounce::Tell(Name::Session(other.clone()), gone)]
        })
    }
}
