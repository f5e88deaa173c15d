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
    /// To the one chosen by `write` if nobody is named, with a text if there is one.
    File {
        who: Option<String>,
        path: String,
        text: String,
    },
    /// The files of the message of this number, else of the last one of somebody else; to a folder, or under another name.
    Get {
        number: Option<u64>,
        place: Option<String>,
    },
    History {
        who: Option<String>,
        count: u16,
    },
    /// To the message of this number, else to the last one of somebody else.
    Reply {
        number: Option<u64>,
        text: String,
    },
    /// The message of this number, else the last one of one's own.
    Edit {
        number: Option<u64>,
        text: String,
    },
    Delete {
        number: Option<u64>,
    },
    Star {
        number: Option<u64>,
    },
    Unstar {
        number: Option<u64>,
    },
    Stars,
    Who,
    /// The keys of somebody, to compare.
    Keys {
        who: String,
    },
    Search {
        field: Field,
        text: String,
    },
    Room {
        what: RoomAct,
        words: Vec<String>,
    },
    /// A link to a room (the one written to if none is named), by a name of one's choice or one that cannot be guessed.
    Link {
        words: Vec<String>,
    },
    Join {
        link: String,
    },
    Me,
    Nick {
        nick: String,
    },
    Name {
        words: Vec<String>,
    },
    Devices,
    End {
        device: String,
    },
    /// A record in text notation, sent as it is.
    Call {
        record: String,
    },
    Help,
    Quit,
    /// An empty line.
    Nothing,
}

/// What to search by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    Nick,
    Phone,
    Link,
}

/// What to do with a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomAct {
    Create,
    Add,
    Remove,
    Admin,
    Members,
    Info,
    Rename,
    Mute,
    Unmute,
    Leave,
    Delete,
}

/// How many messages `history` shows when no number is given.
const HISTORY: u16 = 20;

/// What `help` says.
pub const HELP: &str = "\
WHO is a friend or a room: a name, a nick, a phone, an address like 38001_1. N is a message's number, as in #12.

register PHONE [CODE]      make this device known to the server (asks for the code)
friend WHO                 ask WHO to be friends; accept WHO: say yes
revoke, ban, unban WHO     end a friendship or request; block; unblock
who                        friends and rooms: who is there, what is unread
keys WHO                   the keys of WHO's devices, to compare with what WHO sees by the same command
search nick|phone|link X   people by nick or phone, a room by its link

write WHO                  the lines that follow go to WHO; commands then begin with /
write                      stop that
send WHO TEXT              one message
file WHO PATH [TEXT]       a file; while you write to somebody: /file PATH [TEXT]
get [#N] [WHERE]           the files of that message, into a folder or under a name
history [WHO] [COUNT]      the last messages (20)
reply [#N] TEXT            to that message, or to the last one
edit [#N] TEXT, delete [#N]   that message, or your last one
star [#N], unstar [#N]     keep a message; stars: show what is kept

room create NAME [WHO...]  a group of you and others; \"two words\" in quotes
room add|remove|admin ROOM WHO...   (ROOM may be left out while you write to it)
room members|info|leave|mute|unmute|delete ROOM, room rename ROOM NAME
link [ROOM] [NAME]         a link to a room, for others to: join LINK

me, nick NICK, name NAME [SURNAME]   who you are to others
devices, end DEVICE        where you are logged in; log out there
call RECORD                any record of the protocol, e.g. call Profile{status=get}
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
        let who = || words(rest).into_iter().next().ok_or_else(|| Error::local(format!("{word}: whom?")));
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
            "write" => Ok(Command::Write { who: words(rest).into_iter().next() }),
            "end" if rest.is_empty() => Ok(Command::Write { who: None }),
            "end" => Ok(Command::End { device: rest.to_owned() }),
            "send" => match quoted(rest) {
                Some((who, text)) if !text.is_empty() => Ok(Command::Send { who, text: text.to_owned() }),
                Some(_) | None => Err(Error::local("send WHO TEXT")),
            },
            "file" if writing => file(None, rest),
            "file" => match quoted(rest) {
                Some((who, rest)) => file(Some(who), rest),
                None => Err(Error::local("file WHO PATH [TEXT]")),
            },
            "get" => Ok(get(rest)),
            "history" => history(rest),
            "reply" => numbered(rest).map(|(number, text)| Command::Reply { number, text }),
            "edit" => numbered(rest).map(|(number, text)| Command::Edit { number, text }),
            "delete" => number(rest).map(|number| Command::Delete { number }),
            "star" => number(rest).map(|number| Command::Star { number }),
            "unstar" => number(rest).map(|number| Command::Unstar { number }),
            "stars" => Ok(Command::Stars),
            "who" | "friends" | "rooms" => Ok(Command::Who),
            "keys" => Ok(Command::Keys { who: who()? }),
            "search" | "find" => search(rest),
            "room" => room(rest),
            "link" => Ok(Command::Link { words: words(rest) }),
            "join" if !rest.is_empty() => Ok(Command::Join { link: rest.to_owned() }),
            "join" => Err(Error::local("join LINK")),
            "me" | "profile" => Ok(Command::Me),
            "nick" if !rest.is_empty() => Ok(Command::Nick { nick: rest.to_owned() }),
            "nick" => Err(Error::local("nick NICK")),
            "name" => match words(rest) {
                names if (1..=2).contains(&names.len()) => Ok(Command::Name { words: names }),
                _ => Err(Error::local("name NAME [SURNAME]")),
            },
            "devices" | "sessions" => Ok(Command::Devices),
            "call" if !rest.is_empty() => Ok(Command::Call { record: rest.to_owned() }),
            "call" => Err(Error::local("call RECORD, for example: call Profile{status=get}")),
            "help" | "?" => Ok(Command::Help),
            "quit" | "exit" => Ok(Command::Quit),
            other => Err(Error::local(format!("there is no command {other}; try help"))),
        }
    }
}

fn search(rest: &str) -> Result<Command, Error> {
    let (field, text) = split(rest);
    let field = match field {
        "nick" => Field::Nick,
        "phone" => Field::Phone,
        "link" => Field::Link,
        _ => return Err(Error::local("search nick|phone|link TEXT")),
    };
    match text {
        "" => Err(Error::local("search for what?")),
        text => Ok(Command::Search { field, text: text.to_owned() }),
    }
}

fn room(rest: &str) -> Result<Command, Error> {
    let (what, rest) = split(rest);
    let what = match what {
        "create" => RoomAct::Create,
        "add" => RoomAct::Add,
        "remove" => RoomAct::Remove,
        "admin" => RoomAct::Admin,
        "members" => RoomAct::Members,
        "info" => RoomAct::Info,
        "rename" => RoomAct::Rename,
        "mute" => RoomAct::Mute,
        "unmute" => RoomAct::Unmute,
        "leave" => RoomAct::Leave,
        "delete" => RoomAct::Delete,
        _ => return Err(Error::local("room create|add|remove|admin|members|info|rename|mute|unmute|leave|delete")),
    };
    Ok(Command::Room { what, words: words(rest) })
}

/// `PATH [TEXT]`
fn file(who: Option<String>, rest: &str) -> Result<Command, Error> {
    match quoted(rest) {
        Some((path, text)) => Ok(Command::File { who, path, text: text.to_owned() }),
        None => Err(Error::local("which file? file WHO PATH [TEXT]")),
    }
}

/// `[#N] [WHERE]`
fn get(rest: &str) -> Command {
    let (number, rest) = match split(rest) {
        (first, rest) if number_of(first).is_some() => (number_of(first), rest),
        _ => (None, rest),
    };
    Command::Get { number, place: words(rest).into_iter().next() }
}

/// `[WHO] [N]`, in this order; a short number alone is N, since no telephone number is that short (ID-1).
fn history(rest: &str) -> Result<Command, Error> {
    let count = |text: &str| text.parse::<u16>().ok().filter(|count| (1..=1000).contains(count));
    match words(rest).as_slice() {
        [] => Ok(Command::History { who: None, count: HISTORY }),
        [one] => Ok(match count(one) {
            Some(count) => Command::History { who: None, count },
            None => Command::History { who: some(one), count: HISTORY },
        }),
        [who, number] => {
            let count = count(number).ok_or_else(|| Error::local("history [WHO] [1 to 1000]"))?;
            Ok(Command::History { who: some(who), count })
        }
        _ => Err(Error::local("history [WHO] [1 to 1000]")),
    }
}

/// `[#N] TEXT`
fn numbered(rest: &str) -> Result<(Option<u64>, String), Error> {
    let (number, text) = match split(rest) {
        (first, text) if number_of(first).is_some() => (number_of(first), text),
        _ => (None, rest),
    };
    match text {
        "" => Err(Error::local("with which text?")),
        text => Ok((number, text.to_owned())),
    }
}

/// `[#N]`, or `[N]`.
fn number(rest: &str) -> Result<Option<u64>, Error> {
    match (rest, number_of(rest).or_else(|| rest.parse().ok())) {
        ("", _) => Ok(None),
        (_, Some(number)) => Ok(Some(number)),
        (_, None) => Err(Error::local(format!("{rest} is no number of a message, such as #12"))),
    }
}

fn number_of(word: &str) -> Option<u64> {
    word.strip_prefix('#')?.parse().ok()
}

/// The first word and what follows it.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    text.split_once(char::is_whitespace).map_or((text, ""), |(word, rest)| (word, rest.trim_start()))
}

/// All words; what stands in double quotes is one.
fn words(mut text: &str) -> Vec<String> {
    let mut words = Vec::new();
    while let Some((word, rest)) = quoted(text) {
        words.push(word);
        text = rest;
    }
    words
}

/// The first word, or what stands in double quotes, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let text = text.trim();
    match text.strip_prefix('"').and_then(|inside| inside.split_once('"')) {
        Some((word, rest)) => Some((word.to_owned(), rest.trim_start())),
        None => {
            let (word, rest) = split(text);
            (!word.is_empty()).then(|| (word.to_owned(), rest))
        }
    }
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
