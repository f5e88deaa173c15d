//! A terminal: one per connection that speaks to the mailboxes. It knows who the user is now and for whom the connection is registered, and
//! has one command after the other done, so that they are answered in their order (MAIL-10).
//!
//! A client that does not read costs little: nothing more is done for it while [`ANSWERS_MAX`] bytes wait to be written, and letters
//! beyond [`UNWRITTEN_MAX`] close the connection; they are in their boxes.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use n2o::{Bounce, Failure};
use proto::ids::{Phone, User};

use crate::door::{Bye, Frame, Out, Verdict};
use crate::post::{Asked, Back, Caller, Came, Post, Posted, Said, What};
use crate::protocol::terminal::{self, Speaker, Turn};
use crate::session::rate::{self, Class, Rate};
use crate::{CALLS_MAX, Chat, Cx, Fx, Group, Input, Name, Output, Port, Tick};

/// Bytes written for a client that it has not been able to take; then its next command waits.
const ANSWERS_MAX: u64 = 64 << 10;
/// Then it is too slow for those who write to it.
const UNWRITTEN_MAX: u64 = 4 << 20;
/// Bytes that a frame costs besides its content.
const FRAME_BYTES: usize = 64;

#[derive(Default)]
pub struct Terminal {
    link: Option<Link>,
}

/// The connection.
struct Link {
    port: Arc<Port>,
    caller: Arc<Caller>,
    account: Option<Phone>,
    user: Option<User>,
    /// For whom it is registered (MAIL-10).
    registered: BTreeSet<User>,
    /// Not yet begun, at most [`CALLS_MAX`].
    waiting: VecDeque<(u64, Asked)>,
    busy: Option<Busy>,
    /// The next command is too early (SEC-13).
    early: bool,
    rate: Rate,
    /// Bytes for the client, from the first on, and how many of them have been written.
    said: u64,
    written: u64,
}

/// A command that a box is at.
struct Busy {
    call: u64,
    asked: Asked,
    login: Option<User>,
}

impl Terminal {
    pub fn step(&mut self, chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, input: Input) -> Result<(), Failure> {
        match input {
            Input::Said(said) => self.said(chat, cx, fx, *said)?,
            Input::Posted(posted) => self.posted(chat, cx, fx, *posted)?,
            Input::Delivered(letter) => {
                if let Some(link) = &mut self.link {
                    link.emit(fx, Frame::Letter(letter));
                }
            }
            Input::Confirmed { delivery, .. } => {
                if let Some(link) = &mut self.link {
                    link.written = delivery;
                    link.work(chat, cx, fx)?;
                }
            }
            Input::Tick(Tick::GoOn { .. }) => {
                if let Some(link) = &mut self.link {
                    link.early = false;
                    link.work(chat, cx, fx)?;
                }
            }
            Input::Gone { .. } => self.link = None,
            // Meant for other kinds of process.
            _ => {}
        }
        if let Some(link) = self.link.take_if(|link| link.said - link.written > UNWRITTEN_MAX) {
            close(fx, &link.port);
        }
        if self.link.is_none() {
            // What comes late finds nobody; the registrations end with the process.
            fx.stop();
        }
        Ok(())
    }

    fn said(&mut self, chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, said: Said) -> Result<(), Failure> {
        let Said { port, caller, account, call, asked } = said;
        let link = match &mut self.link {
            Some(link) => link,
            None if call == 0 => self.link.insert(Link::new(port, caller, Rate::new(chat.settings.limits, cx.now))),
            None => {
                // Its state was lost with a failed step, or it was too slow: the client comes again.
                close(fx, &port);
                return Ok(());
            }
        };
        if link.waiting.len() >= CALLS_MAX {
            // The transport promised not to.
            close(fx, &link.port);
            self.link = None;
            return Ok(());
        }
        link.account = account;
        link.waiting.push_back((call, asked));
        link.work(chat, cx, fx)
    }

    /// A box has done, or refused, what it was asked for.
    fn posted(&mut self, chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, posted: Posted) -> Result<(), Failure> {
        let Posted { back: Back::Terminal { call, .. }, came } = posted else { return Ok(()) };
        let Some(link) = &mut self.link else { return Ok(()) };
        let Some(busy) = link.busy.take_if(|busy| busy.call == call) else { return Ok(()) };
        if let (Came::Opened, Some(user)) = (&came, &busy.login) {
            fx.join(Group::Mailbox(user.clone()));
            link.registered.insert(user.clone());
            link.user = Some(user.clone());
        }
        let frame = terminal::outcome(&busy.asked, busy.login.as_ref(), came);
        link.answer(fx, call, frame);
        link.work(chat, cx, fx)
    }

    /// It failed: who the user was and the registrations are lost. The client is told, and comes again.
    pub(crate) fn last_words(&self) -> Vec<Bounce<Chat>> {
        let close = |link: &Link| Bounce::Emit(Output::Port(link.port.clone(), Out::Close(Bye::Fault)));
        self.link.iter().map(close).collect()
    }
}

impl Link {
    fn new(port: Arc<Port>, caller: Arc<Caller>, rate: Rate) -> Link {
        Link {
            port,
            caller,
            account: None,
            user: None,
            registered: BTreeSet::new(),
            waiting: VecDeque::new(),
            busy: None,
            early: false,
            rate,
            said: 0,
            written: 0,
        }
    }

    /// Takes up what waits, as far as it may.
    fn work(&mut self, chat: &Chat, cx: &Cx<'_>, fx: &mut Fx) -> Result<(), Failure> {
        while self.busy.is_none() && !self.early && self.said - self.written <= ANSWERS_MAX {
            let Some((call, asked)) = self.waiting.pop_front() else { return Ok(()) };
            match self.rate.turn(cx.now, Class::Talk) {
                rate::Turn::Now => self.take_up(chat, cx, fx, call, asked)?,
                rate::Turn::At(time) => {
                    self.waiting.push_front((call, asked));
                    self.early = true;
                    fx.timer(time, Input::Tick(Tick::GoOn { connection: self.port.number() }));
                }
                // Of what waits nothing is refused.
                rate::Turn::Refused | rate::Turn::RefusedForGood => close(fx, &self.port),
            }
        }
        Ok(())
    }

    fn take_up(&mut self, chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, call: u64, asked: Asked) -> Result<(), Failure> {
        let speaker = Speaker {
            caller: &self.caller,
            account: self.account.as_ref(),
            user: self.user.as_ref(),
            registered: &self.registered,
        };
        match terminal::turn(chat, cx, &speaker, &asked)? {
            Turn::Say(frame) => self.answer(fx, call, frame),
            Turn::Ask { name, what, login } => {
                self.ask(fx, name, call, what);
                self.busy = Some(Busy { call, asked, login });
            }
        }
        Ok(())
    }

    fn ask(&self, fx: &mut Fx, name: Name, call: u64, what: What) {
        let back = Back::Terminal { connection: self.port.number(), call };
        fx.tell(name, Input::Post(Box::new(Post { back, what })));
    }

    fn answer(&mut self, fx: &mut Fx, call: u64, frame: Frame) {
        self.emit(fx, frame);
        fx.emit(Output::Port(self.port.clone(), Out::Done { call, verdict: Verdict::Done }));
    }

    fn emit(&mut self, fx: &mut Fx, frame: Frame) {
        self.said += (frame.size() + FRAME_BYTES) as u64;
        fx.emit(Output::Port(self.port.clone(), Out::Mail { frame, number: self.said }));
    }
}

fn close(fx: &mut Fx, port: &Arc<Port>) {
    fx.emit(Output::Port(port.clone(), Out::Close(Bye::Fault)));
}
