//! What terminals, mailboxes and circles tell each other (SPEC section 7).

use std::sync::Arc;

use bytes::Bytes;
use mail::Command;
use n2o::Bounce;
use proto::ids::{Phone, User};
use proto::mail::MailRecord;

use crate::door::Certificate;
use crate::port::Port;
use crate::{Chat, Fx, Input, Name};

/// A connection on which terminals' commands come.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// The verified client certificate of the TLS connection, if any (ID-9).
    pub certificate: Option<Arc<Certificate>>,
    /// `mail.auth=open` holds for it: it is whoever it says (MAIL-2).
    pub open: bool,
}

/// One command, from a transport to the connection's terminal.
#[derive(Debug, Clone)]
pub struct Said {
    pub port: Arc<Port>,
    pub caller: Arc<Caller>,
    /// The account, by its key, whose device the connection has been let in as.
    pub account: Option<Phone>,
    /// They rise by one, from 0; at most [`crate::CALLS_MAX`] may be unfinished.
    pub call: u64,
    pub asked: Asked,
}

/// In which of the two protocols it came, and so how it is answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Asked {
    Text(Command),
    Record(MailRecord),
}

impl Asked {
    /// A text frame.
    pub fn text(frame: &str) -> Asked {
        Asked::Text(Command::parse(frame))
    }
}

/// Something to be done with a box.
#[derive(Debug, Clone)]
pub struct Post {
    pub back: Back,
    pub what: What,
}

/// Who waits for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Back {
    /// A command of the terminal of this connection.
    Terminal { connection: u64, call: u64 },
    /// A circle that hands out a letter, in the round of this number.
    Circle { name: User, round: u64 },
}

#[derive(Debug, Clone)]
pub enum What {
    /// MAIL-2: it is there from now on; of this account, if that has been proved.
    Open(Option<Phone>),
    /// MAIL-3, MAILR-2.
    Put(Arc<Mail>),
    /// MAIL-6.
    List,
    /// MAIL-7, MAILR-4: up to the letter of this id or Key.
    Cut(Bytes),
    /// MAILR-3: this user joins the circle.
    Join(User),
}

/// A letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    pub from: User,
    /// A user, or the group that it was sent to.
    pub to: User,
    /// Its sender's own name for it, by which a repetition is known.
    pub key: Option<Bytes>,
    /// Whose Keys it is one of: the sender's, or the circle's and the number there.
    pub scope: Bytes,
    pub tag: Bytes,
    pub content: Bytes,
}

/// What became of a [`Post`].
#[derive(Debug, Clone)]
pub struct Posted {
    pub back: Back,
    pub came: Came,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Came {
    Opened,
    /// The box is another account's.
    NotYours,
    Kept {
        id: u64,
    },
    /// It was kept before (MAILR-2).
    Again,
    /// There is no such box.
    Nobody,
    Full,
    /// The whole answer to BOX.
    Listed(Bytes),
    Erased(u64),
    NotFound,
    Joined,
    /// The sender is not in the circle.
    NotJoined,
    /// Our own fault.
    Failed,
}

/// A letter that has come to a box, in both forms, shared by all who are registered for it (MAIL-4, MAILR-5).
#[derive(Debug, PartialEq, Eq)]
pub struct Delivered {
    pub text: Bytes,
    pub record: Bytes,
}

impl Back {
    /// Tells whoever waits.
    pub(crate) fn tell(self, fx: &mut Fx, came: Came) {
        let (name, posted) = self.letter(came);
        fx.tell(name, posted);
    }

    pub(crate) fn bounce(&self, came: Came) -> Bounce<Chat> {
        let (name, posted) = self.clone().letter(came);
        Bounce::Tell(name, posted)
    }

    fn letter(self, came: Came) -> (Name, Input) {
        let name = match &self {
            Back::Terminal { connection, .. } => Name::Terminal(*connection),
            Back::Circle { name, .. } => Name::Circle(name.clone()),
        };
        (name, Input::Posted(Box::new(Posted { back: self, came })))
    }
}
