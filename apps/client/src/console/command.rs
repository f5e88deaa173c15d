//! What a person types.

use crate::Error;

/// One line of the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Phone and, if at hand, the code.
    Register {
        phone: String,
        code: Option<String>,
    },
    Friend {
        who: String,
    },
    Accept {
        who: String,
    },
    Revoke {
        who: String,
    },
    Ban {
        who: String,
    },
    Unban {
        who: String,
    },
    /// Makes `who` the one that lines go to; nobody, to end that.
    Write {
        who: Option<String>,
    },
    Send {
        who: String,
        text: String,
    },
    /// Text for the one chosen by `write`.
    Say {
        text: String,
    },
    History {
        who: Option<String>,
        count: u16,
    },
    Who,
    Me,
    Sessions,
    /// A record in text notation, sent as it is.
    Call {
        record: String,
    },
    Help,
    Quit,
    /// An empty line.
    Nothing,
}

/// How many messages `history` shows when no number is given.
const HISTORY: u16 = 20;

/// What `help` says.
pub const HELP: &str = "\
register PHONE [CODE]   make this device known to the server (asks for the code)
friend WHO              ask WHO to be friends (a phone, or an address like 380670001122_1)
accept WHO              accept WHO's request
revoke, ban, unban WHO  end a friendship or request; block; unblock
write WHO               send the lines that follow to WHO; commands then begin with /
write                   stop that
send WHO TEXT           send one message
history [WHO] [N]       the last N messages (20)
who                     friends, who is there, what is unread
me, sessions            the own profile; the account's devices
call RECORD             any record of the protocol in text notation, e.g. call Profile{status=get}
help, quit";

impl Command {
    /// Reads a line. While somebody is written to (`writing`), only what begins with `/` is a command.
    pub fn parse(line: &str, writing: bool) -> Result<Command, Error> {
        let line = line.trim();
        let command = match line.strip_prefix('/') {
            Some(rest) if !rest.starts_with('/') => rest,
            // Two strokes: text that begins with one.
            Some(text) if writing => return Ok(Command::Say { text: text.to_owned() }),
            _ if line.is_empty() => return Ok(Command::Nothing),
            _ if writing => return Ok(Command::Say { text: line.to_owned() }),
            _ => line,
        };
        let (word, rest) = split(command);
        let who = || match split(rest) {
            ("", _) => Err(Error::local(format!("{word}: whom?"))),
            (who, _) => Ok(who.to_owned()),
        };
        match word {
            "register" => {
                let (_, code) = split(rest);
                Ok(Command::Register { phone: who()?, code: some(code) })
            }
            "friend" | "add" => Ok(Command::Friend { who: who()? }),
            "accept" | "confirm" => Ok(Command::Accept { who: who()? }),
            "revoke" => Ok(Command::Revoke { who: who()? }),
            "ban" => Ok(Command::Ban { who: who()? }),
            "unban" => Ok(Command::Unban { who: who()? }),
            "write" => Ok(Command::Write { who: some(split(rest).0) }),
            "end" => Ok(Command::Write { who: None }),
            "send" => match split(rest) {
                (_, "") => Err(Error::local("send WHO TEXT")),
                (who, text) => Ok(Command::Send { who: who.to_owned(), text: text.to_owned() }),
            },
            "history" => history(rest),
            "who" | "friends" => Ok(Command::Who),
            "me" | "profile" => Ok(Command::Me),
            "sessions" => Ok(Command::Sessions),
            "call" if !rest.is_empty() => Ok(Command::Call { record: rest.to_owned() }),
            "call" => Err(Error::local("call RECORD, for example: call Profile{status=get}")),
            "help" | "?" => Ok(Command::Help),
            "quit" | "exit" => Ok(Command::Quit),
            other => Err(Error::local(format!("there is no command {other}; try help"))),
        }
    }
}

/// `[WHO] [N]`, in this order; a short number alone is N, since no telephone number is that short (ID-1).
fn history(rest: &str) -> Result<Command, Error> {
    let count = |text: &str| text.parse::<u16>().ok().filter(|count| (1..=1000).contains(count));
    match split(rest) {
        ("", _) => Ok(Command::History { who: None, count: HISTORY }),
        (one, "") => Ok(match count(one) {
            Some(count) => Command::History { who: None, count },
            None => Command::History { who: some(one), count: HISTORY },
        }),
        (who, number) => {
            let count = count(number).ok_or_else(|| Error::local("history [WHO] [1 to 1000]"))?;
            Ok(Command::History { who: some(who), count })
        }
    }
}

/// The first word and what follows it.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    text.split_once(char::is_whitespace).map_or((text, ""), |(word, rest)| (word, rest.trim_start()))
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
