//! The chat as the process model sees it: which kinds of process there are, how each is loaded and stepped.

use std::borrow::Cow;
use std::sync::Arc;

use n2o::{App, Bounce, Failure};
use proto::ids::{ClientId, ClientKind};

use crate::door::{Bye, Denied, Identify, IsSealed, Out};
use crate::input::Missed;
use crate::names::Known;
use crate::post::Came;
use crate::process::{
    agenda, circle, conversation, files, links, mail, mailbox, nicks, profile, roster, source, stickers, terminal,
};
use crate::protocol::search;
use crate::protocol::work::Errand;
use crate::{
    Admitted, Cx, Fx, Group, Input, Name, Output, Settings, Tick, Vault, WorkError, WorkResult, effects, session,
};

/// One chat server: its settings, and the sequences that are not of the server as a whole: roster ids (C-11), ids of letters.
pub struct Chat {
    pub settings: Settings,
    pub rosters: Arc<kvs::Sequence>,
    /// The ids of letters, which are times (MAIL-3).
    pub moments: Arc<kvs::Sequence>,
    /// What it keeps encrypted (SEC-12).
    pub vault: Vault,
    /// What certificates say.
    pub identify: Identify,
    /// Which content is an envelope (SEC-7).
    pub is_sealed: IsSealed,
    /// What it knows of names without asking the store.
    pub names: Arc<Known>,
}

impl Chat {
    /// What is told once to a server that starts: what was to be done at some time is found again.
    pub fn begin() -> (Name, Input) {
        (Name::Agenda, Input::Tick(Tick::AgendaDue))
    }
}

/// The state of one process.
pub enum Process {
    Session(Box<session::Session>),
    Profile(Box<profile::Profile>),
    Roster(Box<roster::Roster>),
    Conversation(Box<conversation::Conversation>),
    Mail(mail::Mail),
    Files(Box<files::Files>),
    Nicks(nicks::Nicks),
    Links(links::Links),
    Stickers(stickers::Stickers),
    Agenda(agenda::Agenda),
    Terminal(Box<terminal::Terminal>),
    Mailbox(Box<mailbox::Mailbox>),
    Circle(Box<circle::Circle>),
    Source(source::Source),
}

impl App for Chat {
    type Name = Name;
    type Group = Group;
    type Input = Input;
    type Output = Output;
    type Process = Process;

    fn key(name: &Name) -> Cow<'_, [u8]> {
        name.key()
    }

    fn kind(name: &Name) -> &'static str {
        name.kind()
    }

    fn may_idle(name: &Name) -> bool {
        // A session or terminal lives as long as its connection.
        !matches!(name, Name::Session(_) | Name::Terminal(_))
    }

    fn start(&self, cx: &Cx<'_>, name: &Name, fx: &mut Fx) -> Result<Process, Failure> {
        Ok(match name {
            Name::Session(client) => Process::Session(Box::new(session::Session::start(client.clone()))),
            Name::Profile(phone) => Process::Profile(Box::new(profile::Profile::load(cx, fx, phone)?)),
            Name::Roster(id) => Process::Roster(Box::new(roster::Roster::load(cx, fx, id)?)),
            Name::Conversation(feed) => {
                Process::Conversation(Box::new(conversation::Conversation::load(cx, fx, feed)?))
            }
            Name::Mail(phone) => Process::Mail(mail::Mail::load(phone)),
            Name::Files(phone) => Process::Files(Box::new(files::Files::load(cx, phone)?)),
            Name::Nicks => Process::Nicks(nicks::Nicks),
            Name::Links => Process::Links(links::Links),
            Name::Stickers => Process::Stickers(stickers::Stickers),
            Name::Agenda => Process::Agenda(agenda::Agenda::load(cx, fx)?),
            Name::Terminal(_) => Process::Terminal(Box::default()),
            Name::Mailbox(user) => Process::Mailbox(Box::new(mailbox::Mailbox::load(cx, fx, user)?)),
            Name::Circle(name) => Process::Circle(Box::new(circle::Circle::load(cx, fx, name)?)),
            Name::Source(_) => Process::Source(source::Source::default()),
        })
    }

    fn step(&self, process: &mut Process, cx: &Cx<'_>, fx: &mut Fx, input: Input) -> Result<(), Failure> {
        match process {
            Process::Session(session) => session.step(self, cx, fx, input),
            Process::Profile(profile) => {
                profile.step(self, cx, fx, input)?;
                search::card_follows(cx, fx, profile.phone())
            }
            Process::Roster(roster) => {
                roster.step(self, cx, fx, input)?;
                search::card_follows(cx, fx, roster.own().phone())
            }
            Process::Conversation(conversation) => conversation.step(self, cx, fx, input),
            Process::Mail(mail) => mail.step(cx, fx, input),
            Process::Files(files) => files.step(self, cx, fx, input),
            Process::Nicks(nicks) => nicks.step(cx, fx, input),
            Process::Links(links) => links.step(cx, fx, input),
            Process::Stickers(stickers) => stickers.step(cx, fx, input),
            Process::Agenda(agenda) => agenda.step(cx, fx, input),
            Process::Terminal(terminal) => terminal.step(self, cx, fx, input),
            Process::Mailbox(mailbox) => mailbox.step(self, cx, fx, input),
            Process::Circle(circle) => circle.step(self, cx, fx, input),
            Process::Source(source) => source.step(cx, fx, input),
        }
    }

    /// Whoever waits for a step that failed is told: the caller gets `err(internal)`, a connection is closed. For the other inputs
    /// nobody waits; what is lost with them is made good when the process is loaded again. A failed session's own connection is closed by
    /// its last words.
    fn bounce(&self, name: &Name, input: &Input) -> Option<Bounce<Chat>> {
        match input {
            Input::Call(call) => Some(effects::failed(&call.who)),
            Input::Upload(upload) => Some(effects::failed(&upload.who)),
            Input::Claim(news) | Input::Claimed(news) => Some(effects::failed(&news.who)),
            Input::Search(search) => Some(effects::failed(search.who())),
            Input::Seek(seek) => Some(effects::failed(seek.who())),
            Input::Starred(news) => news.who.as_ref().map(effects::failed),
            Input::Reading(reading) => Some(reading.bounce()),
            // It goes on without: what is due to the device waits for this.
            Input::Show { session, connection } => Some(effects::unshown(session, *connection)),
            Input::Refresh(refresh) => Some(effects::failed(&refresh.who)),
            Input::Found(founding) => Some(effects::failed(&founding.who)),
            Input::Confirm(confirming) => Some(effects::failed(&confirming.who)),
            Input::Work { who, .. } => who.as_deref().map(effects::failed),
            // Work is never given up: its account begins the round again.
            Input::Errand(errand) => Some(stuck(errand)),
            Input::Forget(forgetting) => forgetting.errand.as_deref().map(stuck),
            Input::Admit(admit) => {
                let refused = Input::Refused { connection: admit.connection, denied: Denied::Unavailable };
                Some(Bounce::Tell(Name::Session(admit.session.clone()), refused))
            }
            Input::Admitted(admitted) => unheard(name, admitted),
            Input::Connect { port, .. } => {
                Some(Bounce::Emit(Output::Port(port.clone(), Out::Denied(Denied::Unavailable))))
            }
            // A session that may not run now (it failed too often) closes whoever speaks to it.
            Input::Request { port, .. } => Some(Bounce::Emit(Output::Port(port.clone(), Out::Close(Bye::Fault)))),
            Input::Said(said) => Some(Bounce::Emit(Output::Port(said.port.clone(), Out::Close(Bye::Fault)))),
            Input::Post(post) => Some(post.back.bounce(Came::Failed)),
            Input::Pass(job) => {
                let worked = Input::Worked { job: job.number, result: WorkResult::Failed(WorkError::Broken) };
                Some(Bounce::Tell(job.from.clone(), worked))
            }
            Input::Confirmed { .. }
            | Input::MayReceive { .. }
            | Input::Gone { .. }
            | Input::Posted(_)
            | Input::Delivered(_)
            | Input::Refused { .. }
            | Input::Begin { .. }
            | Input::Left(_)
            | Input::Answer(_)
            | Input::Shown { .. }
            | Input::Telling(_)
            | Input::Stuck { .. }
            | Input::Resume
            | Input::Failed { .. }
            | Input::Letter(_)
            | Input::Hidden { .. }
            | Input::Notice(_)
            | Input::Transient(_)
            | Input::Receipt { .. }
            | Input::Account(_)
            | Input::End { .. }
            | Input::Trim
            | Input::Noticed { .. }
            | Input::Here { .. }
            | Input::Registered { .. }
            | Input::Called { .. }
            | Input::Renamed { .. }
            | Input::Expect
            | Input::AddUp { .. }
            | Input::Friends(_)
            | Input::Due { .. }
            | Input::Taken
            | Input::Agenda { .. }
            | Input::GoOn
            | Input::Unstar { .. }
            | Input::Wake { .. }
            | Input::Missed(_)
            | Input::WakeMembers
            | Input::Push
            | Input::PushDead { .. }
            | Input::Unclaim { .. }
            | Input::PushTaken { .. }
            | Input::Revoked { .. }
            | Input::Exist
            | Input::Follow(_)
            | Input::Standing { .. }
            | Input::Seat(_)
            | Input::Opened { .. }
            | Input::Begun { .. }
            | Input::Outlived { .. }
            | Input::Erase
            | Input::CallEnded(_)
            | Input::Worked { .. }
            | Input::Tick(_)
            | Input::Command(_) => None,
        }
    }

    /// A client whose session is gone would hang on until its next request, a call whose slow work nobody remembers for ever.
    fn last_words(&self, _name: &Name, process: &Process) -> Vec<Bounce<Chat>> {
        match process {
            Process::Session(session) => session.last_words(),
            Process::Profile(profile) => profile.last_words(),
            Process::Files(files) => files.last_words(),
            Process::Terminal(terminal) => terminal.last_words(),
            Process::Mailbox(mailbox) => mailbox.last_words(),
            Process::Circle(circle) => circle.last_words(),
            Process::Roster(_)
            | Process::Conversation(_)
            | Process::Mail(_)
            | Process::Nicks(_)
            | Process::Agenda(_)
            | Process::Source(_)
            | Process::Links(_)
            | Process::Stickers(_) => Vec::new(),
        }
    }
}

/// A device was let in, and its session may not run: friends, who may have heard that it is there, hear that it is not (CON-8).
fn unheard(session: &Name, admitted: &Admitted) -> Option<Bounce<Chat>> {
    let Name::Session(client) = session else { return None };
    let Ok(ClientKind::Device(_, device)) = ClientId::parse(client.as_bytes()).map(|id| id.kind()) else { return None };
    let phone = admitted.account.as_ref()?.phone.clone();
    Some(Bounce::Tell(Name::Profile(phone), Input::Left(Box::new(Missed::nothing(device)))))
}

fn stuck(errand: &Errand) -> Bounce<Chat> {
    let stuck = Input::Stuck { who: errand.who.clone(), work: errand.work };
    Bounce::Tell(Name::Profile(errand.home.clone()), stuck)
}
