//! A device whose account has changed its number comes by another client id than its session is named by (PROFILE-11): what its
//! connection says is passed on.

use std::sync::Arc;

use bytes::Bytes;
use n2o::Failure;

use super::Session;
use crate::{Chat, Cx, Fx, Input, Name, names};

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
            Input::Connect { hello, .. } => {
                self.passes = self.other(chat, cx, &hello.client_id)?;
                self.passes.clone()
            }
            Input::Request { port, .. } => self.not_mine(chat, cx, port.number())?,
            Input::Confirmed { connection, .. } | Input::MayReceive { connection, .. } => {
                self.not_mine(chat, cx, *connection)?
            }
            Input::Gone { connection, .. } => {
                let passes = self.not_mine(chat, cx, *connection)?;
                self.passes.take_if(|_| passes.is_some());
                passes
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

    fn not_mine(&self, chat: &Chat, cx: &Cx<'_>, connection: u64) -> Result<Option<Arc<str>>, Failure> {
        let mine = [&self.link, &self.asking].into_iter().flatten().any(|link| link.connection() == connection);
        match mine {
            true => Ok(None),
            false if self.passes.is_some() => Ok(self.passes.clone()),
            // It has begun again since the connection came.
            false => self.other(chat, cx, &Bytes::copy_from_slice(self.client.as_bytes())),
        }
    }

    /// The session that serves a client id, where it is another.
    fn other(&self, chat: &Chat, cx: &Cx<'_>, client: &Bytes) -> Result<Option<Arc<str>>, Failure> {
        if !chat.names.differ(cx.store)? {
            return Ok(None);
        }
        Ok(Some(names::session(cx.store, cx.now.0, client)?).filter(|name| *name != self.client))
    }
}
