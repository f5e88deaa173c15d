//! Lines of a master file that its parser would take wrong, or not at all: data of any type in hexadecimal (RFC 3597), and what there can be
//! only one of.

use std::collections::BTreeSet;

use data_encoding::HEXLOWER_PERMISSIVE;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinDecoder, Restrict};

use crate::contents::Flaw;
use crate::escape;
use crate::file::origin_of;
use crate::kind::DNAME;

/// By which a file has another read in its place.
const INCLUDE: &str = "$INCLUDE";
/// By which a record says that its data is a number of bytes.
const GENERIC: &str = "\\#";

/// Takes such records out of `text`, in which each record stands on one line; lines keep their numbers.
pub(crate) fn take(text: &str, origin: &Name, ttl: u32) -> Result<(String, Vec<Record>), Flaw> {
    let mut taker = Taker {
        out: String::with_capacity(text.len()),
        records: Vec::new(),
        origin: origin.clone(),
        owner: None,
        ttl,
        aliases: BTreeSet::new(),
        is_taken: false,
    };
    let mut quoted = false;
    for (line, text) in (1..).zip(text.split_inclusive('\n')) {
        let begins = !quoted;
        quoted = is_open(text, quoted);
        if begins {
            taker.line(text).map_err(|why| Flaw::File { line, why })?;
        } else {
            // Behind the end of a string that has begun on another line.
            escape::kept(text, true, |_| false).map_err(|why| Flaw::File { line, why })?;
            taker.out.push_str(text);
        }
    }
    Ok((taker.out, taker.records))
}

/// Whether a string goes on at the end of the line.
fn is_open(line: &str, mut quoted: bool) -> bool {
    let mut is_escaped = false;
    for each in line.chars() {
        match each {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => quoted = !quoted,
            ';' if !quoted => return false,
            _ => {}
        }
    }
    quoted
}

struct Taker {
    out: String,
    records: Vec<Record>,
    origin: Name,
    owner: Option<Name>,
    ttl: u32,
    aliases: BTreeSet<Name>,
    /// The owner of the record before stands no more in the text.
    is_taken: bool,
}

impl Taker {
    fn line(&mut self, line: &str) -> Result<(), String> {
        // For the parser a line ends with a carriage return as well.
        if line.split('\r').any(includes) {
            return Err(format!("{INCLUDE} is not served here; put its records into this file"));
        }
        let record = line.split(';').next().unwrap_or_default();
        let mut words = record.split_whitespace().peekable();
        match words.peek() {
            None => {
                self.out.push_str(line);
                return Ok(());
            }
            Some(word) if word.starts_with('$') => {
                self.direct(word, line);
                self.out.push_str(line);
                return Ok(());
            }
            Some(_) => {}
        }
        let inherits = record.starts_with(char::is_whitespace);
        if !inherits {
            self.owner = words.next().and_then(|word| Name::parse(word, Some(&self.origin)).ok());
        }
        let mut ttl = self.ttl;
        let mut before = usize::from(!inherits) + 1;
        while let Some(word) =
            words.next_if(|word| is_class(word) || word.starts_with(|first: char| first.is_ascii_digit()))
        {
            ttl = seconds(word).unwrap_or(ttl);
            before += 1;
            if is_class(word) && !word.eq_ignore_ascii_case("IN") {
                return Err(format!("{word} is not served here"));
            }
        }
        let kind = words.next().unwrap_or_default().to_ascii_uppercase();
        let number = kind.strip_prefix("TYPE").and_then(|number| number.parse::<u16>().ok());
        if kind == "DNAME" || number == Some(DNAME) {
            return Err("DNAME is not served here; a name may have a CNAME of its own".into());
        }
        if let (true, Some(owner)) = (number.is_some() || words.peek() == Some(&GENERIC), &self.owner) {
            let kind = match number {
                Some(number) => RecordType::from(number),
                None => kind.parse().map_err(|_| format!("{kind} is no type of record"))?,
            };
            let record = Record::from_rdata(owner.clone(), ttl, generic(kind, words)?);
            self.records.push(record);
            self.is_taken = true;
            self.out.push('\n');
            return Ok(());
        }
        if let ("CNAME", Some(owner)) = (&*kind, &self.owner)
            && !self.aliases.insert(owner.to_lowercase())
        {
            return Err(format!("{owner} has a CNAME already"));
        }
        if let (true, true, Some(owner)) = (inherits, self.is_taken, &self.owner) {
            self.out.push_str(&owner.to_ascii());
        }
        self.is_taken = self.is_taken && inherits;
        self.out.push_str(&escape::written(line, before, &kind)?);
        Ok(())
    }

    fn direct(&mut self, word: &str, line: &str) {
        let value = line.split_whitespace().nth(1).and_then(seconds);
        match word {
            "$TTL" => self.ttl = value.unwrap_or(self.ttl),
            "$ORIGIN" => {
                let named = origin_of(line).and_then(|name| Name::from_ascii(name).ok());
                self.origin = named.unwrap_or_else(|| self.origin.clone());
            }
            // What is wrong with it the parser says.
            _ => {}
        }
    }
}

fn includes(line: &str) -> bool {
    line.split_whitespace().next().is_some_and(|word| word.eq_ignore_ascii_case(INCLUDE))
}

fn is_class(word: &str) -> bool {
    ["IN", "CH", "HS", "CS"].iter().any(|class| word.eq_ignore_ascii_case(class))
}

/// A number of seconds, or of weeks, days, hours and minutes.
fn seconds(word: &str) -> Option<u32> {
    let (mut all, mut number) = (0_u32, String::new());
    for each in word.chars() {
        let unit = match each.to_ascii_lowercase() {
            '0'..='9' => {
                number.push(each);
                continue;
            }
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 24 * 3600,
            'w' => 7 * 24 * 3600,
            _ => return None,
        };
        all = all.checked_add(std::mem::take(&mut number).parse::<u32>().ok()?.checked_mul(unit)?)?;
    }
    match (number.is_empty(), word.is_empty()) {
        (true, is_none) => (!is_none).then_some(all),
        (false, _) => all.checked_add(number.parse().ok()?),
    }
}

/// `\# length bytes`
fn generic<'w>(kind: RecordType, mut words: impl Iterator<Item = &'w str>) -> Result<RData, String> {
    let wrong = || format!("data of {kind} is written {GENERIC}, its length and so many bytes in hexadecimal");
    let length: u16 = words
        .next()
        .filter(|word| *word == GENERIC)
        .and(words.next())
        .and_then(|word| word.parse().ok())
        .ok_or_else(wrong)?;
    let bytes = HEXLOWER_PERMISSIVE.decode(words.collect::<String>().as_bytes()).map_err(|_| wrong())?;
    if bytes.len() != usize::from(length) {
        return Err(wrong());
    }
    let mut decoder = BinDecoder::new(&bytes);
    let data = RData::read(&mut decoder, kind, Restrict::new(length)).map_err(|why| format!("{kind}: {why}"))?;
    if decoder.is_empty() { Ok(data) } else { Err(format!("{kind}: there is more than its data")) }
}
