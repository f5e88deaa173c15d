//! What the console's commands do.

use proto::{Feed, Record, Roster, RosterEntry, RosterId};

use super::command::{Command, HELP};
use super::{ConsoleArgs, show, tls};
use crate::calls::text;
use crate::{Answer, Client, Enrolment, Error, Event, Events, Home, Options, Registered, State, Stored, Url, private};

pub(super) struct Session {
    pub(super) args: ConsoleArgs,
    home: Home,
    url: Url,
    online: Option<Online>,
    /// Whom lines go to.
    writing: Option<String>,
}

struct Online {
    client: Client,
    events: Events,
    stored: Stored,
}

impl Session {
    pub(super) fn new(args: ConsoleArgs, home: Home, url: Url) -> Session {
        Session { args, home, url, online: None, writing: None }
    }

    pub(super) fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    pub(super) fn prompt(&self) -> String {
        match (&self.writing, &self.online) {
            (Some(who), _) => format!("{who}> "),
            (None, Some(online)) => format!("{}: ", online.stored.phone_id),
            (None, None) => "not registered: ".into(),
        }
    }

    pub(super) fn greeting(&self) -> String {
        match &self.online {
            Some(online) => {
                format!("connected to {} as {}; help says what can be done", self.url, online.stored.phone_id)
            }
            None => format!("this device is not registered at {}; begin with: register PHONE", self.url),
        }
    }

    pub(super) async fn connect(&mut self, stored: Stored) -> Result<(), Error> {
        let mut options = self.home.options(&stored, self.url.clone())?;
        options.tls = tls(&self.args, &self.home)?;
        options.auto_ack = true;
        let (client, events) = Client::connect(options).await?;
        self.online = Some(Online { client, events, stored });
        Ok(())
    }

    pub(super) async fn close(&mut self) {
        if let Some(online) = self.online.take() {
            online.client.close().await;
        }
    }

    /// The next thing to show; never, while there is no connection.
    pub(super) async fn next_line(&mut self) -> Option<String> {
        loop {
            let Some(online) = &mut self.online else { return std::future::pending().await };
            let Some(event) = online.events.next().await else {
                self.online = None;
                continue;
            };
            if let Event::State(State::Renewed { client_id, token }) = &event {
                (online.stored.client_id, online.stored.token) = (client_id.clone(), token.clone());
                if let Err(error) = self.home.save(&online.stored) {
                    return Some(format!("! the new token could not be kept: {error}"));
                }
            }
            match &event {
                Event::Record { topic, record } if self.args.verbose => {
                    return Some(format!("{topic} < {}", show::notation(record)));
                }
                _ => {
                    if let Some(line) = show::event(&event, Some(&online.stored.phone_id)) {
                        return Some(line);
                    }
                }
            }
        }
    }

    /// Does one command; what it says. `ask` asks the person something.
    pub(super) async fn run(
        &mut self,
        command: Command,
        ask: impl AsyncFnOnce(&str) -> Result<String, Error>,
    ) -> Result<Vec<String>, Error> {
        match command {
            Command::Nothing | Command::Quit => Ok(Vec::new()),
            Command::Help => Ok(HELP.lines().map(str::to_owned).collect()),
            Command::Register { phone, code } => self.register(&phone, code, ask).await,
            Command::Write { who } => {
                self.writing = who;
                Ok(Vec::new())
            }
            Command::Say { text } => match self.writing.clone() {
                Some(who) => self.send(&who, &text).await,
                None => Err(Error::local("to whom? first: write WHO")),
            },
            Command::Send { who, text } => self.send(&who, &text).await,
            Command::Friend { who } => self.friend(&who).await,
            Command::Accept { who } => said(self.online()?.client.confirm(&who).await, "you are friends"),
            Command::Revoke { who } => said(self.online()?.client.revoke(&who).await, "done"),
            Command::Ban { who } => said(self.online()?.client.ban(&who).await, "blocked"),
            Command::Unban { who } => said(self.online()?.client.unban(&who).await, "unblocked"),
            Command::History { who, count } => self.history(who, count).await,
            Command::Who => Ok(show::peers(&self.online()?.client.profile().await?)),
            Command::Me => self.me().await,
            Command::Sessions => {
                let sessions = self.online()?.client.sessions().await?;
                Ok(sessions.into_iter().map(|auth| text(&auth.client_id)).collect())
            }
            Command::Call { record } => self.call(&record).await,
        }
    }

    fn online(&self) -> Result<&Online, Error> {
        self.online.as_ref().ok_or_else(|| Error::local("not connected; begin with: register PHONE"))
    }

    /// AUTH-1, AUTH-4: with a key and certificate request made here, so that the key never leaves this device.
    async fn register(
        &mut self,
        phone: &str,
        code: Option<String>,
        ask: impl AsyncFnOnce(&str) -> Result<String, Error>,
    ) -> Result<Vec<String>, Error> {
        let dev_key = String::from_utf8_lossy(&crate::calls::fresh_msg_id()?).chars().take(16).collect::<String>();
        let (key, csr) = ca::request(phone).map_err(|error| Error::local(error.to_string()))?;
        let mut options = Options::new(self.url.clone(), format!("reg_{dev_key}"));
        options.tls = tls(&self.args, &self.home)?;
        options.reconnect = false;
        let how = if self.args.fake { Enrolment::Fake } else { Enrolment::Code };
        let (client, _events) = Client::connect(options).await?;
        let account = match client.register(phone, &dev_key, how, Some(&csr)).await? {
            Registered::Done(account) => *account,
            Registered::CodeSent => {
                let code = match code {
                    Some(code) => code,
                    None => ask("code or invite:").await?,
                };
                client.verify(&code, Some(&csr)).await?
            }
        };
        client.close().await;
        let stored = self.home.save_account(&self.url, &account, &key)?;
        let line = format!("registered as {}; kept in {}", stored.phone_id, self.home.folder().display());
        self.connect(stored).await?;
        Ok(vec![line])
    }

    async fn send(&self, who: &str, text: &str) -> Result<Vec<String>, Error> {
        let online = self.online()?;
        let to = self.address(who).await?;
        online.client.send(&to, text).await?;
        Ok(Vec::new())
    }

    async fn friend(&self, who: &str) -> Result<Vec<String>, Error> {
        let contact = self.online()?.client.request_friend(who).await?;
        Ok(vec![format!("{} has been asked", text(&contact.phone_id))])
    }

    async fn history(&self, who: Option<String>, count: u16) -> Result<Vec<String>, Error> {
        let who = who.or_else(|| self.writing.clone()).ok_or_else(|| Error::local("history of whom?"))?;
        let online = self.online()?;
        let feed = self.feed(&self.address(&who).await?, online)?;
        let messages = online.client.history(feed, i64::from(count), 0).await?;
        Ok(messages.iter().map(show::message).collect())
    }

    async fn me(&self) -> Result<Vec<String>, Error> {
        let online = self.online()?;
        let profile = online.client.profile().await?;
        let mut lines = vec![format!("account {} at {}", text(&profile.phone), self.url)];
        for entry in &profile.rosters {
            if let RosterEntry::Roster(roster) = entry {
                let parts = [text(&roster.names), text(&roster.surnames), text(&roster.nick)];
                let said = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
                lines.push(format!("roster {} {said}", roster_id(roster)).trim_end().to_owned());
            }
        }
        Ok(lines)
    }

    async fn call(&self, record: &str) -> Result<Vec<String>, Error> {
        let term = etf::text::parse(record, &proto::catalogue()).map_err(|error| Error::Record(error.to_string()))?;
        let record: Record = etf::decode(&etf::encode(&term)).map_err(|error| Error::Record(error.to_string()))?;
        let answers = self.online()?.client.call_for(&record, Answer::of(&record)).await?;
        Ok(answers.iter().map(show::notation).collect())
    }

    /// A number or handle alone means the contact of that account; addresses and rooms are taken as they are.
    async fn address(&self, who: &str) -> Result<String, Error> {
        let Ok(phone) = proto::ids::Phone::parse(who.as_bytes()) else { return Ok(who.to_owned()) };
        let prefix = format!("{phone}_");
        let profile = self.online()?.client.profile().await?;
        let peer = crate::Peer::all(&profile).into_iter().find(|peer| peer.phone_id.starts_with(&prefix));
        Ok(peer.map_or_else(|| who.to_owned(), |peer| peer.phone_id))
    }

    fn feed(&self, to: &str, online: &Online) -> Result<Feed, Error> {
        match proto::ids::PhoneId::parse(to.as_bytes()) {
            Ok(_) => private(&online.stored.phone_id, to),
            Err(_) => Ok(Feed::Muc(proto::Muc { name: Some(to.as_bytes().to_vec().into()) })),
        }
    }
}

fn said<T>(done: Result<T, Error>, what: &str) -> Result<Vec<String>, Error> {
    done.map(|_| vec![what.to_owned()])
}

fn roster_id(roster: &Roster) -> String {
    match &roster.id {
        Some(RosterId::Number(id)) => id.to_string(),
        Some(RosterId::Name(name)) => String::from_utf8_lossy(name).into_owned(),
        None => String::new(),
    }
}
