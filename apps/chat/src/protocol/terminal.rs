//! What terminals may say to the mailboxes, in text (MAIL-1 to MAIL-8) and in records (MAILR-1 to MAILR-4): who may do it, whom it goes
//! to, and in which words the outcome is told.

mod right;

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use etf::Encode;
use mail::{Command, line};
use n2o::Failure;
use proto::Refusal;
use proto::ids::{Phone, User};
use proto::limits::{KEY_BYTES, LETTER_BYTES, TAG_BYTES};
use proto::mail::{Ack, Dst, GroupName, MailRecord, N2o, Nak, Pub, Sub, ToGroup, ToUser, UserName};

use crate::door::Frame;
use crate::effects::refused;
use crate::post::{Asked, Caller, Came, Mail, What};
use crate::{Chat, Cx, Name};

/// Users that one connection is registered for.
const USERS_MAX: usize = 64;

/// Who asks.
pub(crate) struct Speaker<'a> {
    pub(crate) caller: &'a Caller,
    /// Whose device the connection has been let in as.
    pub(crate) account: Option<&'a Phone>,
    /// The current user.
    pub(crate) user: Option<&'a User>,
    /// The users that it is registered for.
    pub(crate) registered: &'a BTreeSet<User>,
}

impl Speaker<'_> {
    /// It may become this user: it has been before, or is of few enough.
    fn has_room(&self, user: &User) -> bool {
        self.registered.len() < USERS_MAX || self.registered.contains(user)
    }
}

/// What becomes of a command.
pub(crate) enum Turn {
    /// It is answered at once.
    Say(Frame),
    /// It is for this box. `login`: the user whom the connection is of from then on, if the box says yes.
    Ask { name: Name, what: What, login: Option<User> },
}

/// Judges a command.
pub(crate) fn turn(chat: &Chat, cx: &Cx<'_>, speaker: &Speaker<'_>, asked: &Asked) -> Result<Turn, Failure> {
    match asked {
        Asked::Text(command) => text(chat, cx, speaker, command),
        Asked::Record(record) => by_record(chat, cx, speaker, record),
    }
}

/// In which words the outcome is told.
pub(crate) fn outcome(asked: &Asked, login: Option<&User>, came: Came) -> Frame {
    match asked {
        Asked::Text(_) => Frame::Text(in_text(login, came)),
        Asked::Record(record) => Frame::Record(in_record(record, login, came)),
    }
}

fn text(chat: &Chat, cx: &Cx<'_>, speaker: &Speaker<'_>, command: &Command) -> Result<Turn, Failure> {
    match command {
        Command::Help => Ok(say(line::HELP)),
        Command::Other => Ok(say(line::TRY_HELP)),
        Command::Auth { user, token } => auth(chat, cx, speaker, user, token.as_deref()),
        Command::Send { .. } | Command::Box | Command::Cut(_) => {
            Ok(speaker.user.map_or_else(|| say(line::PLEASE), |user| own(user, command)))
        }
    }
}

/// MAIL-2.
fn auth(chat: &Chat, cx: &Cx<'_>, speaker: &Speaker<'_>, user: &str, token: Option<&str>) -> Result<Turn, Failure> {
    let Ok(user) = User::parse(user.as_bytes()) else { return Ok(say(line::WRONG)) };
    if !speaker.has_room(&user) {
        return Ok(say(line::WRONG));
    }
    Ok(match right::of(chat, cx, speaker, &user, token)? {
        Some(account) => login(user, account),
        None => say(line::UNAUTHORIZED),
    })
}

fn login(user: User, account: Option<Phone>) -> Turn {
    Turn::Ask { name: Name::Mailbox(user.clone()), what: What::Open(account), login: Some(user) }
}

/// MAIL-3, MAIL-6, MAIL-7: what the current user does.
fn own(user: &User, command: &Command) -> Turn {
    match command {
        Command::Send { to, text } => send(user, to, text),
        Command::Box => ask(Name::Mailbox(user.clone()), What::List),
        Command::Cut(Some(id)) => ask(Name::Mailbox(user.clone()), What::Cut(id.clone().into())),
        Command::Cut(None) => say(line::WRONG),
        Command::Help | Command::Auth { .. } | Command::Other => say(line::TRY_HELP),
    }
}

/// MAIL-3.
fn send(from: &User, to: &str, text: &str) -> Turn {
    if to.is_empty() || text.is_empty() {
        return say(line::WRONG);
    }
    match User::parse(to.as_bytes()) {
        Ok(to) => {
            let content = Bytes::copy_from_slice(text.as_bytes());
            let mail = Mail {
                from: from.clone(),
                to: to.clone(),
                key: None,
                scope: from.to_bytes(),
                tag: Bytes::new(),
                content,
            };
            ask(Name::Mailbox(to), What::Put(Arc::new(mail)))
        }
        Err(_) => say(line::NOBODY),
    }
}

fn by_record(chat: &Chat, cx: &Cx<'_>, speaker: &Speaker<'_>, record: &MailRecord) -> Result<Turn, Failure> {
    let told = match record {
        MailRecord::N2o(said) => return n2o(chat, cx, speaker, said),
        MailRecord::Sub(asked) => sub(speaker, asked),
        MailRecord::Pub(letter) => publish(speaker, letter),
        MailRecord::Cut(asked) => cut(speaker, asked.id.as_ref()),
        MailRecord::Bad => Some(Turn::Say(Frame::Record(refused(Refusal::InvalidData)))),
        // The transport hands it to the chat (MAILR-6).
        MailRecord::Ftp(_) => None,
    };
    Ok(told.unwrap_or_else(|| Turn::Say(Frame::Record(no(record)))))
}

/// MAILR-1.
fn n2o(chat: &Chat, cx: &Cx<'_>, speaker: &Speaker<'_>, said: &N2o) -> Result<Turn, Failure> {
    let token = said.token.as_deref().unwrap_or_default();
    let user = match right::device(cx, token)? {
        Some((user, account)) => Some((user, Some(account))),
        None => match User::parse(token) {
            Ok(user) => right::of(chat, cx, speaker, &user, None)?.map(|account| (user, account)),
            Err(_) => None,
        },
    };
    Ok(match user.filter(|(user, _)| speaker.has_room(user)) {
        Some((user, account)) => login(user, account),
        None => Turn::Say(Frame::Record(no(&MailRecord::N2o(said.clone())))),
    })
}

/// MAILR-3.
fn sub(speaker: &Speaker<'_>, asked: &Sub) -> Option<Turn> {
    let user = speaker.user?;
    is_key(asked.key.as_ref()).then_some(())?;
    match asked.adr.dst.as_ref()? {
        // It has been since it became the current user.
        Dst::User(ToUser { user: UserName { dst } }) => {
            (dst.as_deref() == Some(user.as_str().as_bytes())).then(|| Turn::Say(Frame::Record(yes(asked.key.clone()))))
        }
        Dst::Group(ToGroup { group: GroupName { dst } }) => {
            let name = User::parse(dst.as_deref()?).ok()?;
            Some(ask(Name::Circle(name), What::Join(user.clone())))
        }
    }
}

/// MAILR-2, MAILR-3.
fn publish(speaker: &Speaker<'_>, letter: &Pub) -> Option<Turn> {
    let from = speaker.user?;
    let (content, tag) = (letter.bin.clone()?, letter.tag.clone().unwrap_or_default());
    let is_good = is_key(letter.key.as_ref()) && (1..=LETTER_BYTES).contains(&content.len()) && tag.len() <= TAG_BYTES;
    is_good.then_some(())?;
    let (to, name): (User, fn(User) -> Name) = match letter.adr.dst.as_ref()? {
        Dst::User(ToUser { user: UserName { dst } }) => (User::parse(dst.as_deref()?).ok()?, Name::Mailbox),
        Dst::Group(ToGroup { group: GroupName { dst } }) => (User::parse(dst.as_deref()?).ok()?, Name::Circle),
    };
    let key = letter.key.clone().filter(|key| !key.is_empty());
    let mail = Mail { from: from.clone(), to: to.clone(), key, scope: from.to_bytes(), tag, content };
    Some(ask(name(to), What::Put(Arc::new(mail))))
}

/// MAILR-4.
fn cut(speaker: &Speaker<'_>, id: Option<&Bytes>) -> Option<Turn> {
    let user = speaker.user?;
    let id = id.filter(|id| !id.is_empty() && id.len() <= KEY_BYTES)?;
    Some(ask(Name::Mailbox(user.clone()), What::Cut(id.clone())))
}

fn is_key(key: Option<&Bytes>) -> bool {
    key.is_none_or(|key| key.len() <= KEY_BYTES)
}

fn in_text(login: Option<&User>, came: Came) -> Bytes {
    match came {
        Came::Opened => line::user(login.map_or("", User::as_str)),
        Came::NotYours => line::UNAUTHORIZED.into(),
        Came::Kept { id } => line::ack(id),
        Came::Nobody => line::NOBODY.into(),
        Came::Full => line::FULL.into(),
        Came::Listed(list) => list,
        Came::Erased(count) => line::erased(count),
        Came::NotFound => line::NOT_FOUND.into(),
        // What only records ask for.
        Came::Again | Came::Joined | Came::NotJoined | Came::Failed => line::FAULT.into(),
    }
}

fn in_record(record: &MailRecord, login: Option<&User>, came: Came) -> Bytes {
    match (came, record) {
        (Came::Opened, _) => yes(login.map(User::to_bytes)),
        (Came::Kept { id }, MailRecord::Pub(letter)) => {
            yes(letter.key.clone().filter(|key| !key.is_empty()).or_else(|| Some(id.to_string().into())))
        }
        (Came::Again, MailRecord::Pub(letter)) => yes(letter.key.clone()),
        (Came::Joined, MailRecord::Sub(asked)) => yes(asked.key.clone()),
        (Came::Erased(_), MailRecord::Cut(asked)) => yes(asked.id.clone()),
        (
            Came::Kept { .. }
            | Came::Again
            | Came::Joined
            | Came::Erased(_)
            | Came::NotYours
            | Came::Nobody
            | Came::Full
            | Came::Listed(_)
            | Came::NotFound
            | Came::NotJoined
            | Came::Failed,
            _,
        ) => no(record),
    }
}

fn yes(lex: Option<Bytes>) -> Bytes {
    record(&Ack { lex: Some(lex.unwrap_or_default()) })
}

fn no(asked: &MailRecord) -> Bytes {
    let key = match asked {
        MailRecord::N2o(said) => said.token.clone(),
        MailRecord::Sub(asked) => asked.key.clone(),
        MailRecord::Pub(letter) => letter.key.clone(),
        MailRecord::Cut(asked) => asked.id.clone(),
        MailRecord::Ftp(_) | MailRecord::Bad => None,
    };
    record(&Nak { key: Some(key.unwrap_or_default()) })
}

fn record<T: Encode>(record: &T) -> Bytes {
    etf::encode(record)
}

fn ask(name: Name, what: What) -> Turn {
    Turn::Ask { name, what, login: None }
}

fn say(text: &'static str) -> Turn {
    Turn::Say(Frame::Text(Bytes::from_static(text.as_bytes())))
}
