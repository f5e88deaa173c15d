//! Text as terms.

mod scan;

use super::catalogue::near;
use super::{Catalogue, DEPTH_MAX, DIGITS_MAX, Entry, is_bare, is_name_start};
use crate::Term;
use crate::reader::ATOM_MAX;
use crate::term::Big;

/// What was wrong with a text, and at which byte of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at {at}: {what}")]
pub struct Error {
    /// Bytes before the place.
    pub at: usize,
    pub what: String,
}

/// The term that `text` is in the notation of [`text`](super), all of it.
pub fn parse(text: &str, catalogue: &dyn Catalogue) -> Result<Term, Error> {
    let mut parser = Parser { text, at: 0, depth: 0, catalogue };
    parser.blanks();
    let term = parser.term()?;
    parser.blanks();
    match parser.rest().is_empty() {
        true => Ok(term),
        false => Err(parser.error("something follows the term")),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    catalogue: &'a dyn Catalogue,
}

impl<'a> Parser<'a> {
    fn term(&mut self) -> Result<Term, Error> {
        match self.peek() {
            Some('{') => self.nested("{", |parser| parser.all("}").map(Term::tuple)),
            Some('[') => self.nested("[", Self::list),
            Some('#') => self.nested("#{", Self::map),
            Some('<') => self.bytes(),
            Some('"') => self.quoted('"').map(|bytes| Term::binary(&bytes)),
            Some('\'') => self.quoted_atom(),
            Some(first) if first.is_ascii_digit() || "+-".contains(first) => self.number(),
            Some(first) if is_name_start(first) => self.name(),
            Some(_) => Err(self.error("a term is wanted")),
            None => Err(self.error("ends where a term is wanted")),
        }
    }

    /// What is behind `open`, one level deeper.
    fn nested(&mut self, open: &str, inside: impl FnOnce(&mut Self) -> Result<Term, Error>) -> Result<Term, Error> {
        self.want(open)?;
        if self.depth >= DEPTH_MAX {
            return Err(self.error("nested too deep"));
        }
        self.depth += 1;
        let term = inside(self)?;
        self.depth -= 1;
        Ok(term)
    }

    /// Terms up to `close`.
    fn all(&mut self, close: &str) -> Result<Vec<Term>, Error> {
        let mut all = Vec::new();
        self.blanks();
        while !self.takes(close) {
            all.push(self.term()?);
            self.separator();
        }
        Ok(all)
    }

    fn list(&mut self) -> Result<Term, Error> {
        let mut all = Vec::new();
        self.blanks();
        loop {
            if self.takes("]") {
                return Ok(Term::list(all));
            }
            if !all.is_empty() && self.takes("|") {
                self.blanks();
                let tail = self.term()?;
                self.blanks();
                self.want("]")?;
                return Ok(Term::improper(all, tail));
            }
            all.push(self.term()?);
            self.separator();
        }
    }

    fn map(&mut self) -> Result<Term, Error> {
        let start = self.at;
        let mut pairs = Vec::new();
        self.blanks();
        while !self.takes("}") {
            let key = self.term()?;
            self.blanks();
            self.want("=>")?;
            self.blanks();
            pairs.push((key, self.term()?));
            self.separator();
        }
        Term::map(pairs).ok_or_else(|| error(start, "two equal keys in a map"))
    }

    /// A bare atom, or a record if `{` follows directly.
    fn name(&mut self) -> Result<Term, Error> {
        let start = self.at;
        let name = self.word();
        if self.peek() == Some('{') {
            return self.record(name, start);
        }
        match is_bare(name) {
            true if name.len() <= ATOM_MAX => Ok(Term::atom(name)),
            true => Err(error(start, "an atom has at most 255 characters")),
            false => Err(error(start, format!("the atom {name} must be quoted: '{name}'"))),
        }
    }

    fn quoted_atom(&mut self) -> Result<Term, Error> {
        let start = self.at;
        let bytes = self.quoted('\'')?;
        let text = String::from_utf8(bytes).map_err(|_| error(start, "an atom is UTF-8"))?;
        if text.chars().count() > ATOM_MAX {
            return Err(error(start, "an atom has at most 255 characters"));
        }
        match self.peek() {
            Some('{') => self.record(&text, start),
            Some(_) | None => Ok(Term::atom(&text)),
        }
    }

    fn record(&mut self, name: &str, start: usize) -> Result<Term, Error> {
        let catalogue = self.catalogue;
        let unknown = || error(start, suggest("record", name, near(name, catalogue.atoms())));
        let entry = catalogue.record(name, None).ok_or_else(unknown)?;
        self.nested("{", |parser| parser.fields(entry))
    }

    fn fields(&mut self, entry: &Entry) -> Result<Term, Error> {
        let mut values: Vec<Option<Term>> = vec![None; entry.fields.len()];
        self.blanks();
        while !self.takes("}") {
            let start = self.at;
            let field = self.word();
            let unknown = || error(start, suggest("field", field, near(field, entry.fields.iter().copied())));
            let place = entry.fields.iter().position(|name| *name == field).ok_or_else(unknown)?;
            self.blanks();
            self.want("=")?;
            self.blanks();
            let value = self.term()?;
            if let Some(slot) = values.get_mut(place)
                && slot.replace(value).is_some()
            {
                return Err(error(start, format!("{field} is given twice")));
            }
            self.separator();
        }
        let defaults = entry.defaults.iter().cloned();
        let values = values.into_iter().zip(defaults).map(|(value, default)| value.unwrap_or(default));
        Ok(Term::tuple([Term::atom(entry.atom)].into_iter().chain(values).collect()))
    }

    fn number(&mut self) -> Result<Term, Error> {
        let start = self.at;
        let in_number = |letter: char| letter.is_ascii_digit() || "+-.eE".contains(letter);
        let text = self.while_in(in_number);
        if text.contains(['.', 'e', 'E']) {
            let value = text.parse().ok().and_then(Term::float);
            return value.ok_or_else(|| error(start, "no finite float"));
        }
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        if digits.len() > DIGITS_MAX {
            return Err(error(start, "an integer of too many digits"));
        }
        let value = (!digits.is_empty()).then(|| Big::parse(text.starts_with('-'), digits)).flatten();
        value.ok_or_else(|| error(start, "no number"))
    }

    /// A binary byte by byte, or a bit string.
    fn bytes(&mut self) -> Result<Term, Error> {
        self.want("<<")?;
        let mut bytes = Vec::new();
        self.blanks();
        while !self.takes(">>") {
            let byte = self.small("a byte, 0 to 255,")?;
            if self.takes(":") {
                return self.bits(bytes, byte);
            }
            bytes.push(byte);
            self.separator();
        }
        Ok(Term::binary(&bytes))
    }

    /// The end of a bit string, whose last value is `last`, `:` just read.
    fn bits(&mut self, mut bytes: Vec<u8>, last: u8) -> Result<Term, Error> {
        let start = self.at;
        let count = self.small("a number of bits")?;
        if !(1..=7).contains(&count) || last >> count != 0 {
            return Err(error(start, "1 to 7 bits are wanted, and a value of as many"));
        }
        self.blanks();
        self.want(">>")?;
        let whole = bytes.len() * 8;
        bytes.push(last << (8 - count));
        Term::bits(&bytes, whole + usize::from(count)).ok_or_else(|| error(start, "too few bits"))
    }

    fn small(&mut self, want: &str) -> Result<u8, Error> {
        let start = self.at;
        let digits = self.while_in(|letter| letter.is_ascii_digit());
        digits.parse().map_err(|_| error(start, format!("{want} is wanted")))
    }
}

fn error(at: usize, what: impl Into<String>) -> Error {
    Error { at, what: what.into() }
}

fn suggest(kind: &str, name: &str, near: Vec<String>) -> String {
    match near.is_empty() {
        true => format!("no {kind} {name:?}"),
        false => format!("no {kind} {name:?}; near: {}", near.join(", ")),
    }
}
