//! One N2O connection as a value: frames and outs go in, frames and things to ask for come out. No socket, no clock, no chat.

use std::collections::VecDeque;

use bytes::Bytes;
use chat::door::{self, Bye, Denied, Out, Role};
use chat::{Asked, CALLS_MAX, UNFINISHED_MAX};
use proto::Refusal;
use proto::ids::Phone;
use proto::mail::MailRecord;
use proto::records::{Init, Io};

/// What a text frame begins with that opens a session (INIT-3).
const N2O: &str = "N2O,";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    Text(String),
    Binary(Bytes),
    Ping,
}

/// What a session wants done, in this order of time within each kind.
#[derive(Debug, Default)]
pub(crate) struct Todo {
    /// For the client.
    pub(crate) frames: Vec<(Frame, Option<Mark>)>,
    pub(crate) asks: VecDeque<Ask>,
    pub(crate) end: Option<Close>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ask {
    /// Leave what has been entered, and come in as this client.
    Enter {
        client_id: String,
        password: Option<Bytes>,
    },
    /// It has proved who it is.
    Known,
    Request {
        call: u64,
        payload: Bytes,
    },
    Confirm(u64),
    /// A command for the mailboxes, of the account whose device the client is, if it is one.
    Mail {
        call: u64,
        account: Option<Phone>,
        asked: Asked,
    },
    /// So much for its terminal has been written.
    Written(u64),
}

/// What has to be told when a frame has been written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// A durable item.
    Item(u64),
    /// Something for a terminal.
    Mail(u64),
}

/// Whether a frame was taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Yes,
    /// Not before something else ends: offer it again after the next out.
    Later(Frame),
}

/// Why a connection ends: the code of its close frame; 0 where nobody hears it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Close(u16);

impl Close {
    /// The client said good-bye.
    pub(crate) const LEFT: Close = Close(0);
    pub(crate) const BROKEN: Close = Close(1);
    pub(crate) const GOING_AWAY: Close = Close(1001);
    pub(crate) const ENDED: Close = Close::of_mqtt(0x98);
    const DONE: Close = Close(1000);
    const FAULT: Close = Close(1011);
    const AGAIN_LATER: Close = Close(1013);

    /// Reasons that only MQTT has words for are its codes, among those for private use.
    const fn of_mqtt(code: u8) -> Close {
        Close(4000 + code as u16)
    }

    /// It broke the rules of the socket itself.
    pub(crate) fn fault(code: u16) -> Close {
        Close(code)
    }

    pub(crate) fn code(self) -> Option<u16> {
        (self.0 >= 1000).then_some(self.0)
    }

    pub(crate) fn reason(self) -> &'static str {
        match self.0 {
            4142 => "session taken over",
            4135 => "session expired",
            4138 => "banned",
            4152 => "ended",
            4160 => "registration took too long",
            4150 => "too many requests",
            _ => "",
        }
    }
}

/// Who the client is, so far.
#[derive(Debug)]
enum State {
    /// Nobody: nothing was asked of the chat yet.
    Outside,
    /// It asks to be let in; then this is its first request.
    Entering {
        first: Bytes,
        by: By,
    },
    Inside(Role),
}

/// What lets a client in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// A client id and a token, named by the client.
    Token,
    /// The device that its certificate names.
    Certificate,
    /// Nothing.
    Guest,
}

#[derive(Debug)]
pub(crate) struct Session {
    guest: String,
    /// Client id of the device that the certificate names.
    device: Option<String>,
    state: State,
    next: u64,
    /// Requests that have not ended, with their sizes.
    open: VecDeque<(u64, usize)>,
    /// Whose device it has been let in as.
    account: Option<Phone>,
    /// Commands for the mailboxes, and how many of them have not ended.
    next_mail: u64,
    open_mail: usize,
    /// Its last frame was a record (MAILR-5); heartbeats do not count.
    speaks_records: bool,
}

impl Session {
    pub(crate) fn new(guest: String, device: Option<(String, String)>) -> Session {
        let device = device.map(|(phone, dev_key)| format!("emqttd_{phone}_{dev_key}"));
        Session {
            guest,
            device,
            state: State::Outside,
            next: 0,
            open: VecDeque::new(),
            account: None,
            next_mail: 0,
            open_mail: 0,
            speaks_records: false,
        }
    }

    /// While it is being let in, and while too much is unfinished, the client waits.
    pub(crate) fn may_read(&self) -> bool {
        let may_ask = match self.state {
            State::Outside => true,
            State::Entering { .. } => false,
            State::Inside(_) => self.open.len() < CALLS_MAX && self.at_work() < UNFINISHED_MAX,
        };
        may_ask && self.open_mail < CALLS_MAX
    }

    fn at_work(&self) -> usize {
        self.open.iter().map(|(_, size)| size).sum()
    }

    pub(crate) fn frame(&mut self, frame: Frame, todo: &mut Todo) -> Taken {
        match frame {
            Frame::Binary(payload) => return self.binary(payload, todo),
            Frame::Ping => {}
            Frame::Text(text) => match text.as_str() {
                "" => todo.frames.push((Frame::Text(String::new()), None)),
                "PING" => todo.frames.push((Frame::Text("PONG".to_owned()), None)),
                other => match other.strip_prefix(N2O) {
                    Some(_) if self.open_mail > 0 => return Taken::Later(Frame::Text(text)),
                    Some(token) => {
                        self.speaks_records = false;
                        return self.n2o(token, &text, todo);
                    }
                    None if !self.open.is_empty() => return Taken::Later(Frame::Text(text)),
                    None => {
                        self.speaks_records = false;
                        self.mail(Asked::text(other), todo);
                    }
                },
            },
        }
        Taken::Yes
    }

    /// A record, of the mailboxes or of the chat (PM-1). Requests of one kind wait for those of the other (G-5).
    fn binary(&mut self, payload: Bytes, todo: &mut Todo) -> Taken {
        let mail = etf::decode::<MailRecord>(&payload);
        let is_busy = match &mail {
            Ok(MailRecord::Ftp(_)) | Err(_) => self.open_mail > 0,
            Ok(_) => !self.open.is_empty(),
        };
        if is_busy {
            return Taken::Later(Frame::Binary(payload));
        }
        self.speaks_records = true;
        match mail {
            Ok(MailRecord::Ftp(ftp)) => self.record(ftp, todo),
            Ok(record) => self.mail(Asked::Record(record), todo),
            Err(_) => self.record(payload, todo),
        }
        Taken::Yes
    }

    fn mail(&mut self, asked: Asked, todo: &mut Todo) {
        todo.asks.push_back(Ask::Mail { call: self.next_mail, account: self.account.clone(), asked });
        self.next_mail += 1;
        self.open_mail += 1;
    }

    fn record(&mut self, payload: Bytes, todo: &mut Todo) {
        match &self.state {
            State::Inside(_) => self.request(payload, todo),
            State::Outside | State::Entering { .. } => self.enter(payload, todo),
        }
    }

    fn request(&mut self, payload: Bytes, todo: &mut Todo) {
        self.open.push_back((self.next, payload.len()));
        todo.asks.push_back(Ask::Request { call: self.next, payload });
        self.next += 1;
    }

    /// By its certificate, if that names a device; else as a guest.
    fn enter(&mut self, first: Bytes, todo: &mut Todo) {
        match self.device.clone() {
            Some(client_id) => self.enter_as(client_id, None, first, By::Certificate, todo),
            None => self.enter_as(self.guest.clone(), None, first, By::Guest, todo),
        }
    }

    fn enter_as(&mut self, client_id: String, password: Option<Bytes>, first: Bytes, by: By, todo: &mut Todo) {
        self.state = State::Entering { first, by };
        self.account = None;
        // Requests are counted anew by whoever lets it in.
        self.next = 0;
        todo.asks.push_back(Ask::Enter { client_id, password });
    }

    /// INIT-3. A client id comes with its device's token, or with a certificate; dev_keys may have colons, tokens have none.
    fn n2o(&mut self, token: &str, frame: &str, todo: &mut Todo) -> Taken {
        let Some((client_id, token)) = token.rsplit_once(':') else {
            self.record(init(token), todo);
            return Taken::Yes;
        };
        match self.state {
            State::Inside(Role::Device | Role::Service) => {
                let refused = etf::encode(&Io::error(Refusal::InvalidData));
                todo.frames.push((Frame::Binary(refused), None));
            }
            State::Inside(Role::Registering | Role::Plain) if !self.open.is_empty() => {
                return Taken::Later(Frame::Text(frame.to_owned()));
            }
            State::Inside(Role::Registering | Role::Plain) | State::Outside | State::Entering { .. } => {
                let password = Some(token).filter(|token| !token.is_empty());
                let password = password.map(proto::erased);
                self.enter_as(client_id.to_owned(), password, init(""), By::Token, todo);
            }
        }
        Taken::Yes
    }

    /// One thing that the chat wants done.
    pub(crate) fn out(&mut self, out: Out, todo: &mut Todo) {
        if todo.end.is_some() {
            return;
        }
        match out {
            Out::Welcome(role, account) => self.welcome(role, account, todo),
            Out::Denied(denied) => self.denied(denied, todo),
            Out::Answer { payload, .. } | Out::Notice { payload } => todo.frames.push((Frame::Binary(payload), None)),
            Out::Item { payload, delivery, .. } => {
                todo.frames.push((Frame::Binary(payload), delivery.map(Mark::Item)));
            }
            // Refusals that only a packet can carry (TOPIC-8, SEC-13) have no word here.
            Out::Done { call, .. } => self.open.retain(|(open, _)| *open != call),
            // Terminals have a port of their own.
            Out::Right { .. } | Out::Mail { .. } => {}
            Out::Close(bye) => todo.end = Some(close(bye)),
        }
    }

    /// One thing that its terminal wants done.
    pub(crate) fn mail_out(&mut self, out: Out, todo: &mut Todo) {
        match out {
            Out::Mail { frame, number } => todo.frames.push((self.spoken(frame), Some(Mark::Mail(number)))),
            Out::Done { .. } => self.open_mail = self.open_mail.saturating_sub(1),
            Out::Close(bye) if todo.end.is_none() => todo.end = Some(close(bye)),
            // What only sessions say.
            Out::Close(_)
            | Out::Welcome(..)
            | Out::Denied(_)
            | Out::Answer { .. }
            | Out::Notice { .. }
            | Out::Item { .. }
            | Out::Right { .. } => {}
        }
    }

    /// MAILR-5.
    fn spoken(&self, frame: door::Frame) -> Frame {
        match frame {
            door::Frame::Record(record) => Frame::Binary(record),
            door::Frame::Text(text) => spelled(&text),
            door::Frame::Letter(letter) if self.speaks_records => Frame::Binary(letter.record.clone()),
            door::Frame::Letter(letter) => spelled(&letter.text),
        }
    }

    fn welcome(&mut self, role: Role, account: Option<Phone>, todo: &mut Todo) {
        self.account = account;
        match role {
            Role::Device | Role::Service => todo.asks.push_back(Ask::Known),
            Role::Registering | Role::Plain => {}
        }
        if let State::Entering { first, .. } = std::mem::replace(&mut self.state, State::Inside(role)) {
            self.open.clear();
            self.request(first, todo);
        }
    }

    fn denied(&mut self, denied: Denied, todo: &mut Todo) {
        let State::Entering { first, by } = std::mem::replace(&mut self.state, State::Outside) else { return };
        match (by, denied) {
            (By::Token, _) => {
                let refused = etf::encode(&Io::error(Refusal::SessionNotFound));
                todo.frames.push((Frame::Binary(refused), None));
            }
            (By::Certificate, Denied::Banned) => todo.end = Some(Close::of_mqtt(0x8a)),
            // A certificate that is bound to nothing may register (ID-9).
            (By::Certificate, Denied::BadCredentials | Denied::NotAuthorized) => {
                self.enter_as(self.guest.clone(), None, first, By::Guest, todo);
            }
            (By::Certificate | By::Guest, _) => todo.end = Some(Close::AGAIN_LATER),
        }
    }
}

/// It is text already; what is not is replaced.
fn spelled(text: &Bytes) -> Frame {
    Frame::Text(String::from_utf8_lossy(text).into_owned())
}

fn init(token: &str) -> Bytes {
    etf::encode(&Init { token: Some(Bytes::copy_from_slice(token.as_bytes())) })
}

fn close(bye: Bye) -> Close {
    match bye {
        Bye::Done => Close::DONE,
        Bye::TakenOver => Close::of_mqtt(0x8e),
        Bye::Expired => Close::of_mqtt(0x87),
        Bye::Ended => Close::ENDED,
        Bye::TimeUp => Close::of_mqtt(0xa0),
        Bye::TooOften => Close::of_mqtt(0x96),
        Bye::ShuttingDown => Close::GOING_AWAY,
        Bye::Fault => Close::FAULT,
    }
}
