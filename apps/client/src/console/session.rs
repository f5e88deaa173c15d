//! What the console's commands do.

mod account;
mod files;
mod people;
mod rooms;
mod sealed;
mod talk;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use etf::Term;
use proto::{Feed, History, HistoryFeed, HistoryStatus, Message, Record, Typing};

use super::book::{Book, Target};
use super::command::{Command, HELP};
use super::seen::Seen;
use super::{ConsoleArgs, Place, show, tls};
use crate::calls::text;
use crate::{Answer, Client, Error, Event, Events, Home, State, Stored};
use sealed::Sealing;

/// Own messages remembered as sent from here; a copy of any other came from another device and is shown.
const SENT_MAX: usize = 1000;
/// Somebody's typing is shown at most so often.
const TYPING: Duration = Duration::from_secs(10);

pub(super) struct Session {
    pub(super) args: ConsoleArgs,
    home: Home,
    place: Place,
    online: Option<Online>,
    book: Book,
    seen: Seen,
    sent: VecDeque<Bytes>,
    /// Whom lines go to.
    writing: Option<Target>,
    /// Who was shown typing last, and when.
    typing: Option<(String, Instant)>,
    /// The last own message that was shown as read.
    read: u64,
    /// Where this device has a certificate.
    sealing: Option<Sealing>,
    /// It has been said that nothing is sealed, for want of an authority.
    is_told_unsealed: bool,
    /// What is to be said beside the next thing.
    notes: VecDeque<String>,
    /// Taken and not yet shown.
    held: VecDeque<Event>,
}

struct Online {
    client: Client,
    events: Events,
    stored: Stored,
}

impl Session {
    pub(super) fn new(args: ConsoleArgs, home: Home, place: Place) -> Session {
        Session {
            args,
            home,
            place,
            online: None,
            book: Book::default(),
            seen: Seen::default(),
            sent: VecDeque::new(),
            writing: None,
            typing: None,
            read: 0,
            sealing: None,
            is_told_unsealed: false,
            notes: VecDeque::new(),
            held: VecDeque::new(),
        }
    }

    pub(super) fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    pub(super) fn prompt(&self) -> String {
        match (&self.writing, &self.online) {
            (Some(target), _) => format!("{}> ", self.book.target(target)),
            (None, Some(online)) => format!("{}: ", online.stored.phone_id),
            (None, None) => "not registered: ".into(),
        }
    }

    pub(super) fn greeting(&self) -> String {
        match &self.online {
            Some(online) => {
                format!("connected to {} as {}; help says what can be done", self.place, online.stored.phone_id)
            }
            None => format!("this device is not registered at {}; begin with: register PHONE", self.place),
        }
    }

    pub(super) async fn connect(&mut self, stored: Stored) -> Result<(), Error> {
        let mut options = self.home.options(&stored, self.place.url())?;
        self.place.lead(&mut options);
        options.tls = tls(&self.args, &self.home)?;
        options.others = self.args.url.iter().skip(1).cloned().collect();
        options.files = self.args.files.clone();
        options.auto_ack = true;
        let (client, events) = Client::connect(options).await?;
        let profile = client.profile().await?;
        self.book = Book::of(&stored.phone_id, &profile);
        self.online = Some(Online { client, events, stored });
        if let Some(why) = self.begin_sealing(&profile).await?
            && self.expects_sealing()?
        {
            self.notes.push_back(format!("! nothing can be sealed: this device has no certificate: {why}"));
        }
        Ok(())
    }

    pub(super) async fn close(&mut self) {
        if let Some(online) = self.online.take() {
            online.client.close().await;
        }
    }

    /// The next thing to show; never, while there is no connection. Cancelling it loses nothing.
    pub(super) async fn next_line(&mut self) -> Option<String> {
        loop {
            if let Some(note) = self.notes.pop_front() {
                return Some(note);
            }
            if self.held.is_empty() {
                let Some(online) = &mut self.online else { return std::future::pending().await };
                let Some(event) = online.events.next().await else {
                    self.online = None;
                    continue;
                };
                self.held.push_back(event);
            }
            if let Some(Event::Record { record: Record::Message(message), .. }) = self.held.front().cloned() {
                self.look_up_author(&message).await;
            }
            let Some(event) = self.held.pop_front() else { continue };
            if let Some(line) = self.line(&event) {
                return Some(line);
            }
        }
    }

    /// What an event is to the person, and to what is remembered here.
    fn line(&mut self, event: &Event) -> Option<String> {
        if let Event::State(State::Renewed { client_id, token }) = event {
            return self.renewed(client_id, token);
        }
        let Event::Record { topic, record } = event else { return show::event(event, &self.book) };
        // A room that goes has its name in the book until its line is made.
        let line = match record {
            Record::Message(message) => self.message(message),
            Record::Typing(typing) => self.typing(topic, typing),
            Record::History(history) => self.has_read(history),
            record => {
                self.note_keys(record);
                let is_end = matches!(record, Record::Room(room) if room.name.is_none());
                if !is_end {
                    self.book.note(record);
                }
                let line = show::event(event, &self.book);
                self.book.note(record);
                line
            }
        };
        match self.args.verbose {
            true => Some(format!("{topic} < {}", show::notation(record))),
            false => line,
        }
    }

    /// AUTH-5: the new token is kept at once.
    fn renewed(&mut self, client_id: &str, token: &str) -> Option<String> {
        let online = self.online.as_mut()?;
        (online.stored.client_id, online.stored.token) = (client_id.to_owned(), token.to_owned());
        let kept = self.home.save(&online.stored);
        kept.err().map(|error| format!("! the new token could not be kept: {error}"))
    }

    /// What was sent from here stands on the screen already. What comes while its conversation is open is read.
    fn message(&mut self, message: &Message) -> Option<String> {
        self.seen.note(message, &self.book.own);
        let is_own = text(&message.from) == self.book.own;
        if is_own && message.msg_id.as_ref().is_some_and(|id| self.sent.contains(id)) {
            return None;
        }
        if let (false, Some(id), Some(feed), Some(online)) = (is_own, message.id, self.open_feed(), &self.online)
            && message.feed_id.as_ref() == Some(&feed)
        {
            let client = online.client.clone();
            // Not waited for: should it be lost, the next one says the same and more.
            tokio::spawn(async move { client.read_up_to(feed, id).await });
        }
        let (message, mark) = self.judged(message);
        self.seen.keep(&message, files::files(&message));
        show::message(&message, &mark, &self.book)
    }

    fn typing(&mut self, topic: &str, typing: &Typing) -> Option<String> {
        let who = text(&typing.phone_id);
        let is_fresh = self.typing.as_ref().is_none_or(|(last, at)| *last != who || at.elapsed() > TYPING);
        if typing.comments == Term::nil() || !is_fresh {
            return None;
        }
        let place = topic.strip_prefix("room/").map(|id| format!(" in {}", self.book.room(id))).unwrap_or_default();
        let line = format!("* {} is writing{place}", self.book.person(&who));
        self.typing = Some((who, Instant::now()));
        Some(line)
    }

    /// HISTORY-4, where it tells something new about the open conversation.
    fn has_read(&mut self, history: &History) -> Option<String> {
        let (HistoryStatus::Updated, HistoryFeed::Feed(feed)) = (history.status?, history.feed.as_ref()?) else {
            return None;
        };
        let last = self.seen.last(Some(feed), true)?.id;
        let is_news = history.entity_id? >= last && last > self.read && self.open_feed().as_ref() == Some(feed);
        if !is_news || text(&history.roster_id) == self.book.own {
            return None;
        }
        self.read = last;
        Some(format!("* {} has read #{last}", self.book.person(&text(&history.roster_id))))
    }

    fn open_feed(&self) -> Option<Feed> {
        self.writing.as_ref()?.feed(&self.book.own).ok()
    }

    fn client(&self) -> Result<&Client, Error> {
        let online = self.online.as_ref().ok_or_else(|| Error::local("not connected; begin with: register PHONE"))?;
        Ok(&online.client)
    }

    /// Does one command; what it says. `ask` asks the person something.
    pub(super) async fn run(
        &mut self,
        command: Command,
        ask: impl AsyncFnOnce(&str) -> Result<String, Error>,
    ) -> Result<Vec<String>, Error> {
        let lines = self.perform(command, ask).await?;
        Ok(self.notes.drain(..).chain(lines).collect())
    }

    async fn perform(
        &mut self,
        command: Command,
        ask: impl AsyncFnOnce(&str) -> Result<String, Error>,
    ) -> Result<Vec<String>, Error> {
        match command {
            Command::Nothing | Command::Quit => Ok(Vec::new()),
            Command::Help => Ok(HELP.lines().map(str::to_owned).collect()),
            Command::Register { phone, code } => self.register(&phone, code, ask).await,
            Command::Friend { who } => self.friend(&who).await,
            Command::Accept { who } => self.accept(&who).await,
            Command::Revoke { who } => self.revoke(&who).await,
            Command::Ban { who } => self.ban(&who).await,
            Command::Unban { who } => self.unban(&who).await,
            Command::Who => Ok(show::everybody(&self.client()?.profile().await?)),
            Command::Keys { who } => self.keys(&who).await,
            Command::Search { field, text } => self.search(field, &text).await,
            Command::Write { who } => self.write(who).await,
            Command::Say { text } => self.say(&text).await,
            Command::Send { who, text } => self.send(&who, &text).await,
            Command::File { who, path, text } => self.send_file(who, path.as_ref(), &text).await,
            Command::Get { number, place } => self.fetch_files(number, place.map(Into::into)).await,
            Command::History { who, count } => self.history(who, count).await,
            Command::Reply { number, text } => self.reply(number, &text).await,
            Command::Edit { number, text } => self.edit(number, &text).await,
            Command::Delete { number } => self.delete(number).await,
            Command::Star { number } => self.star(number).await,
            Command::Unstar { number } => self.unstar(number).await,
            Command::Stars => self.stars().await,
            Command::Room { what, words } => self.room(what, words).await,
            Command::Link { words } => self.link(words).await,
            Command::Join { link } => self.join(&link).await,
            Command::Me => self.me().await,
            Command::Nick { nick } => self.nick(&nick).await,
            Command::Name { words } => self.name(&words).await,
            Command::Devices => self.devices().await,
            Command::End { device } => self.end(&device).await,
            Command::Call { record } => self.call(&record).await,
        }
    }

    async fn call(&self, record: &str) -> Result<Vec<String>, Error> {
        let term = etf::text::parse(record, &proto::catalogue()).map_err(|error| Error::Record(error.to_string()))?;
        let record: Record = etf::decode(&etf::encode(&term)).map_err(|error| Error::Record(error.to_string()))?;
        let answers = self.client()?.call_for(&record, Answer::of(&record)).await?;
        Ok(answers.iter().map(show::notation).collect())
    }
}

/// What was done, in words.
fn said(what: impl Into<String>) -> Result<Vec<String>, Error> {
    Ok(vec![what.into()])
}
