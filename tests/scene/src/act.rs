//! What each line of a scene does.

use bytes::Bytes;
use etf::Term;

use crate::player::{Content, Player, Wanted};
use crate::stage::{Entry, Hello, Opening, SERVICE_SECRET, Victim};
use crate::text;

/// Where requests go when a line names no topic (TOPIC-1).
pub const EVENTS: &str = "events/1//api/anon//";

/// Text frames that are sent before their answers are waited for.
const WINDOW: usize = 16;

impl Player<'_> {
    pub(crate) fn act(&mut self, line: &str) -> Result<(), String> {
        let (first, rest) = word(line);
        match (first, rest) {
            ("people", names) => self.people(names),
            ("friends", names) => self.friends(names),
            ("roster", names) => self.roster(names),
            ("call", record) => self.call(record),
            ("group" | "channel", names) => self.room(first, names),
            ("address", who) => {
                self.names.address(who);
                Ok(())
            }
            ("number", who) => {
                self.names.number(who);
                Ok(())
            }
            ("server", "crashes") => self.stage.crash(),
            ("server", rest) => self.keeps(rest),
            ("provider", "sleeps") => self.stage.work_sleeps(true),
            ("provider", "wakes") => self.stage.work_sleeps(false),
            ("provider", "works") => self.stage.work_ends(true),
            ("provider", "fails") => self.stage.work_ends(false),
            ("revoked", name) => self.revoked(name),
            ("directory", change) => self.directory(change),
            ("wait", time) => self.stage.advance(milliseconds(time)?),
            (who, rest) => {
                let (verb, rest) = word(rest);
                self.verb(who, verb, rest)
            }
        }
    }

    fn verb(&mut self, who: &str, verb: &str, rest: &str) -> Result<(), String> {
        match verb {
            "connects" => self.connects(who, rest),
            "opens" => self.opens(who, rest),
            "|" => {
                let text = text::said(&self.names.fill(rest, &self.bound)?)?;
                self.stage.say(who, &text)
            }
            "|<" => self.hears_text(who, rest),
            "sends" => self.sends(who, rest),
            "terminal" if rest == "fails" => self.stage.fail(&Victim::Terminal(who.to_owned())),
            "mailbox" if rest == "fails" => self.stage.fail(&Victim::Mailbox(who.to_owned())),
            "circle" if rest == "fails" => self.stage.fail(&Victim::Circle(who.to_owned())),
            "disconnects" => self.stage.disconnect(who, true),
            "vanishes" => self.stage.disconnect(who, false),
            "closed" => self.closed(who, rest),
            ">" => self.says(who, rest, true),
            ">>" => self.says(who, rest, false),
            "repeats" => self.repeats(who, rest),
            "<" => self.hears(who, rest),
            "<~" => {
                let wanted = self.wanted(rest)?;
                self.anywhere(who, &wanted)
            }
            "is" => self.is_pushed(who, rest.strip_prefix("pushed").unwrap_or_default().trim()),
            "was" => self.was_pushed(who, rest.strip_prefix("pushed").unwrap_or_default().trim()),
            "forgets" => self.forget(who),
            "moves" => {
                self.names.moves(who, rest.strip_prefix("to ").unwrap_or(rest));
                Ok(())
            }
            "subscribes" => self.subscribes(who, rest),
            "holds" => self.stage.confirm(who, false),
            "confirms" => self.stage.confirm(who, true),
            "writes" => self.writes(who, rest),
            "acknowledges" => ids(rest).iter().try_for_each(|id| self.says(who, &format!("Ack{{id=\"{id}\"}}"), true)),
            "has" => self.has(who, rest),
            "does" => self.does(who),
            "not" => self.not(who, rest),
            "fails" => self.stage.fail(&Victim::Session(self.names.get(who).cloned().unwrap_or_default().client)),
            "profile" if rest == "fails" => {
                let phone = self.names.get(who).cloned().unwrap_or_default().phone;
                self.stage.fail(&Victim::Profile(phone))
            }
            _ => Err(format!("no such line: {verb}")),
        }
    }

    fn connects(&mut self, who: &str, rest: &str) -> Result<(), String> {
        let (options, code) = verdict(rest)?;
        let known = self.names.get(who).cloned().unwrap_or_default();
        let mut hello = Hello { client_id: known.client, password: known.token, ..Hello::default() };
        let mut rest = options;
        while !rest.is_empty() {
            let (option, after) = word(rest);
            let (value, after) = match option {
                "certified" | "without" | "holding" | "service" => ("", after),
                _ => word(after),
            };
            let value = self.names.fill(value.trim_matches('"'), &self.bound)?;
            match option {
                "as" => (hello.client_id, hello.password) = (value, None),
                "token" => hello.password = Some(value.into_bytes().into()),
                "service" => hello.password = Some(SERVICE_SECRET.into()),
                "without" => hello.password = None,
                "holding" => hello.holding = true,
                "version" => hello.version = Some(number(&value)?),
                "window" => hello.window = Some(number(&value)?),
                "from" => hello.from = Some(value.parse().map_err(|_| format!("no address: {value}"))?),
                "takes" => hello.takes = Some(number(&value)?),
                "certified" => hello.certified = Some(known.phone.clone()),
                "certificate" => hello.certified = Some(value),
                _ => return Err(format!("no such option: {option}")),
            }
            rest = after;
        }
        self.open(who, &hello, code)
    }

    pub(crate) fn open(&mut self, who: &str, hello: &Hello, code: u8) -> Result<(), String> {
        self.names.entry(who).client.clone_from(&hello.client_id);
        let wanted = self.stage.codes().connack(code);
        let came = self.stage.connect(who, hello)?;
        self.opened(who);
        same("CONNACK", wanted, came)
    }

    /// `m opens [strictly] [as x] [certificate P]`
    fn opens(&mut self, who: &str, rest: &str) -> Result<(), String> {
        let (mut opening, mut rest) = (Opening::default(), rest);
        while !rest.is_empty() {
            let (option, after) = word(rest);
            let (value, after) = if option == "strictly" { ("", after) } else { word(after) };
            match option {
                "strictly" => opening.strict = true,
                "certificate" => {
                    opening.certified = Some(self.names.fill(value.trim_matches('"'), &self.bound)?);
                }
                "as" => {
                    let known = self.names.get(value).cloned().unwrap_or_default();
                    opening.device = known.token.map(|token| (known.client, token));
                }
                _ => return Err(format!("no such option: {option}")),
            }
            rest = after;
        }
        self.stage.open(who, &opening)?;
        self.opened(who);
        Ok(())
    }

    fn hears_text(&mut self, who: &str, rest: &str) -> Result<(), String> {
        let wanted = |content| Wanted { topic: None, content };
        if let Some(begin) = rest.strip_prefix("no ") {
            return self.none(who, &wanted(Content::Prefix(begin.to_owned())));
        }
        let pattern = text::said(&self.names.fill_known(rest)?)?;
        self.next(who, &wanted(Content::Text(pattern)))
    }

    /// `m sends 500 hi to r`
    fn sends(&mut self, who: &str, rest: &str) -> Result<(), String> {
        let (count, rest) = word(rest);
        let (text, to) = rest.rsplit_once(" to ").ok_or("to whom?")?;
        let (command, count) = (format!("SEND {to} {}", text::said(text)?), number::<usize>(count)?);
        for sent in (0..count).step_by(WINDOW) {
            let window = WINDOW.min(count - sent);
            (0..window).try_for_each(|_| self.stage.say(who, &command))?;
            for _ in 0..window {
                self.bound.remove("?last");
                self.hears_text(who, r#"ACK "?last""#)?;
            }
        }
        Ok(())
    }

    /// ID-10.
    fn revoked(&mut self, name: &str) -> Result<(), String> {
        let name = self.names.fill(name.trim_matches('"'), &self.bound)?;
        let phone = name.split(':').next().unwrap_or(&name).to_owned();
        self.stage.revoke(&name, &phone)
    }

    /// ID-11.
    fn directory(&mut self, change: &str) -> Result<(), String> {
        let change = self.names.fill(change, &self.bound)?;
        let words: Vec<String> = change.split(' ').map(|word| word.trim_matches('"').to_owned()).collect();
        let phone = || words.get(1).cloned().unwrap_or_default();
        let entry = match (words.first().map(String::as_str), &words[..]) {
            (Some("has"), [_, phone, given, surname, password]) => Entry::Has {
                phone: phone.clone(),
                given: given.clone(),
                surname: surname.clone(),
                password: password.clone(),
            },
            (Some("loses"), [_, _]) => Entry::Loses { phone: phone() },
            (Some("tells"), [_, _]) => Entry::Told { phone: phone() },
            (Some("gathers"), [_, room, members @ ..]) => {
                Entry::Gathers { room: room.clone(), members: members.to_vec() }
            }
            (Some("fails"), [_]) => Entry::Failed,
            (Some("leaves"), [_]) => Entry::Left,
            (Some("returns"), [_]) => Entry::Back,
            _ => return Err("has PHONE GIVEN SURNAME PASSWORD, loses PHONE, tells PHONE, gathers ROOM PHONE_ID ..., leaves, fails, returns".to_owned()),
        };
        self.stage.directory(entry)
    }

    fn closed(&mut self, who: &str, rest: &str) -> Result<(), String> {
        let wanted = code(rest)?;
        self.stage.settle()?;
        while self.stage.closed(who)?.is_none() && self.stage.wait(who)? {}
        match self.stage.closed(who)? {
            Some(came) if came == wanted || self.stage.codes().puback(wanted) != wanted => Ok(()),
            Some(came) => Err(format!("closed with {came:#04x}")),
            None => Err(format!("still open; what came: {}", self.seen(who, 0))),
        }
    }

    /// `[topic] term [=> code]`
    pub(crate) fn says(&mut self, who: &str, rest: &str, wait: bool) -> Result<(), String> {
        let (rest, code) = verdict(rest)?;
        let (topic, content) = topic(rest);
        if content.contains(".code") {
            self.learn_codes()?;
        }
        let topic = self.names.fill(topic.unwrap_or(EVENTS), &self.bound)?;
        let payload = match literal(content)? {
            Some(bytes) => bytes,
            None => etf::encode(&self.notation.term(content, &self.names, &self.bound)?),
        };
        self.stage.publish(who, &topic, payload)?;
        if !wait {
            return Ok(());
        }
        let wanted = self.stage.codes().puback(code);
        let came = self.stage.acknowledged(who)?;
        if self.stage.closed(who)?.is_some() {
            // The end of the connection came instead; `closed` says which.
            return Ok(());
        }
        match came.last() {
            Some(came) => same("PUBACK", wanted, *came),
            None => Err("was not acknowledged".to_owned()),
        }
    }

    /// `x repeats 500 topic term => code`
    fn repeats(&mut self, who: &str, rest: &str) -> Result<(), String> {
        let (count, rest) = word(rest);
        (1..=number::<usize>(count)?).try_for_each(|n| self.says(who, &rest.replace('#', &n.to_string()), true))?;
        self.forget(who)
    }

    /// `server keeps 2 files`, `server keeps 0 letters`
    fn keeps(&mut self, rest: &str) -> Result<(), String> {
        let (count, what) = word(rest.strip_prefix("keeps ").ok_or_else(|| format!("no such line: server {rest}"))?);
        let wanted: usize = number(count)?;
        let count = match (what, self.stage.kept()) {
            ("files", _) => self.stage.files()?,
            (_, Some(kept)) => kept.keys().filter(|(table, _)| what.strip_suffix('s') == Some(*table)).count(),
            (_, None) => return Err("rows are counted in the simulator only: mark the scene [sim]".to_owned()),
        };
        match count == wanted {
            true => Ok(()),
            false => Err(format!("there are {count} {what}")),
        }
    }

    pub(crate) fn learn_codes(&mut self) -> Result<(), String> {
        for who in self.names.all() {
            let phone = self.names.entry(&who).phone.clone();
            self.names.entry(&who).code = self.stage.code(&phone)?;
        }
        Ok(())
    }

    fn hears(&mut self, who: &str, rest: &str) -> Result<(), String> {
        match word(rest) {
            ("nothing", "") => self.nothing(who),
            ("no", rest) => {
                let wanted = self.wanted(rest)?;
                self.none(who, &wanted)
            }
            _ => {
                let wanted = self.wanted(rest)?;
                self.next(who, &wanted)
            }
        }
    }

    fn wanted(&self, rest: &str) -> Result<Wanted, String> {
        let (topic, content) = topic(rest);
        let topic = topic.map(|topic| self.names.fill(topic, &self.bound)).transpose()?;
        let topic = topic.filter(|_| self.stage.has_topics());
        let content = match literal(content)? {
            Some(bytes) => Content::Bytes(bytes),
            None if content.is_empty() || content == "_" => Content::Any,
            None => Content::Pattern(self.notation.pattern(content, &self.names, &self.bound)?),
        };
        Ok(Wanted { topic, content })
    }

    fn subscribes(&mut self, who: &str, rest: &str) -> Result<(), String> {
        let (filter, code) = verdict(rest)?;
        let filter = self.names.fill(filter, &self.bound)?;
        let wanted = self.stage.codes().suback(code);
        let came = self.stage.subscribe(who, &filter)?;
        match (wanted, came) {
            (0, 0..=2) => Ok(()),
            _ => same("SUBACK", wanted, came),
        }
    }

    /// `x writes y m1 m2`, `x writes y m1 m2 about ?m0`
    fn writes(&mut self, who: &str, rest: &str) -> Result<(), String> {
        let (to, rest) = word(rest);
        let (rest, about) = rest.split_once(" about ").unwrap_or((rest, ""));
        let about = if about.is_empty() { String::new() } else { format!("type=[reply] link={about}") };
        let from = who.split('/').next().unwrap_or(who);
        for id in ids(rest) {
            self.bound.remove(&format!("?{id}"));
            let feed = match to.starts_with('?') {
                true => format!("muc{{name={to}}}"),
                false => format!("p2p{{from=@{from} to=@{to}}}"),
            };
            self.says(
                who,
                &format!(r#"Message{{msg_id="{id}" feed_id={feed} files=[Desc{{id="1" payload="{id}"}}] {about}}}"#),
                true,
            )?;
            self.hears(who, &format!(r#"Ack{{id="{id}"}}"#))?;
            self.hears(who, &format!(r#"Message{{id=?{id} msg_id="{id}" status=[]}}"#))?;
        }
        Ok(())
    }

    /// `x has 2 due`
    fn has(&mut self, who: &str, rest: &str) -> Result<(), String> {
        let wanted: usize = number(rest.strip_suffix("due").unwrap_or(rest).trim())?;
        self.stage.settle()?;
        self.stage.disconnect(who, true)?;
        self.connects(who, "")?;
        let came = self.count_due(who)?;
        match came == wanted {
            true => Ok(()),
            false => Err(format!("{came} are due: {}", self.seen(who, 0))),
        }
    }
}

fn same(packet: &str, wanted: u8, came: u8) -> Result<(), String> {
    match wanted == came {
        true => Ok(()),
        false => Err(format!("{packet} says {came:#04x}, not {wanted:#04x}")),
    }
}

/// The first word and what follows it.
pub(crate) fn word(text: &str) -> (&str, &str) {
    let text = text.trim();
    match text.split_once(char::is_whitespace) {
        Some((first, rest)) => (first, rest.trim()),
        None => (text, ""),
    }
}

/// What stands before `=> 0x87`, and that code; 0 if none does.
fn verdict(text: &str) -> Result<(&str, u8), String> {
    match text.rsplit_once("=> 0x") {
        Some((before, after)) => {
            Ok((before.trim(), u8::from_str_radix(after.trim(), 16).map_err(|why| why.to_string())?))
        }
        None => Ok((text.trim(), 0)),
    }
}

fn code(text: &str) -> Result<u8, String> {
    let digits = text.trim().trim_start_matches("0x");
    u8::from_str_radix(digits, 16).map_err(|_| format!("no code: {text}"))
}

/// The topic in front, if there is one, and the rest.
fn topic(text: &str) -> (Option<&str>, &str) {
    let (first, rest) = word(text);
    let level = first.find('/').and_then(|at| first.get(..at));
    match level.is_some_and(|level| level.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit()))
    {
        true => (Some(first), rest),
        false => (None, text.trim()),
    }
}

/// `bytes "text"` or `bytes <<1,2>>`; `nothing at all`.
fn literal(text: &str) -> Result<Option<Bytes>, String> {
    let Some(literal) = text.strip_prefix("bytes ") else { return Ok(None) };
    if let Some((size, "KiB")) = literal.split_once(' ') {
        return Ok(Some(Bytes::from(vec![b'x'; number::<usize>(size)? * 1024])));
    }
    let term = etf::text::parse(literal, &()).map_err(|why| why.to_string())?;
    term.as_binary().cloned().map(Some).ok_or_else(|| format!("no bytes: {literal}"))
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("no number: {text}"))
}

/// `m1 m2` or `m1..m9`.
fn ids(text: &str) -> Vec<String> {
    text.split_whitespace().flat_map(range).collect()
}

fn range(text: &str) -> Vec<String> {
    let parts = |text: &str| {
        let at = text.find(|letter: char| letter.is_ascii_digit())?;
        let (stem, digits) = text.split_at(at);
        Some((stem.to_owned(), digits.parse::<u32>().ok()?))
    };
    let ends = text.split_once("..").and_then(|(first, last)| Some((parts(first)?, parts(last)?)));
    match ends {
        Some(((stem, first), (_, last))) => (first..=last).map(|number| format!("{stem}{number}")).collect(),
        None => vec![text.to_owned()],
    }
}

/// `1 s`, `20 min`, `25 h`, `100 d`.
fn milliseconds(text: &str) -> Result<u64, String> {
    let (count, unit) = word(text);
    let unit = match unit {
        "ms" => 1,
        "s" => 1000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(format!("no time: {text}")),
    };
    Ok(number::<u64>(count)? * unit)
}

/// What a line bound, as text.
pub(crate) fn text_of(term: Option<&Term>) -> Option<Bytes> {
    term.and_then(Term::as_binary).cloned()
}
