//! The letters of a text: what comes next, words, blanks, quotes.

use super::super::is_name_part;
use super::{Error, Parser, error};

impl<'a> Parser<'a> {
    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.at += letter.len_utf8();
        Some(letter)
    }

    pub(super) fn while_in(&mut self, is_in: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let taken = rest.find(|letter| !is_in(letter)).and_then(|end| rest.get(..end)).unwrap_or(rest);
        self.at += taken.len();
        taken
    }

    pub(super) fn word(&mut self) -> &'a str {
        self.while_in(is_name_part)
    }

    pub(super) fn blanks(&mut self) {
        self.while_in(char::is_whitespace);
    }

    /// Blanks, and one comma among them.
    pub(super) fn separator(&mut self) {
        self.blanks();
        if self.takes(",") {
            self.blanks();
        }
    }

    pub(super) fn takes(&mut self, text: &str) -> bool {
        let takes = self.rest().starts_with(text);
        self.at += if takes { text.len() } else { 0 };
        takes
    }

    pub(super) fn want(&mut self, text: &str) -> Result<(), Error> {
        match self.takes(text) {
            true => Ok(()),
            false => Err(self.error(format!("{text} is wanted"))),
        }
    }

    pub(super) fn error(&self, what: impl Into<String>) -> Error {
        error(self.at, what)
    }

    /// The bytes between two quotes.
    pub(super) fn quoted(&mut self, quote: char) -> Result<Vec<u8>, Error> {
        let start = self.at;
        self.next();
        let mut bytes = Vec::new();
        loop {
            match self.next() {
                Some(letter) if letter == quote => return Ok(bytes),
                Some('\\') => bytes.push(self.escaped(quote)?),
                Some(letter) => bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
                None => return Err(error(start, "the closing quote is missing")),
            }
        }
    }

    fn escaped(&mut self, quote: char) -> Result<u8, Error> {
        let start = self.at;
        match self.next() {
            Some('n') => Ok(b'\n'),
            Some('t') => Ok(b'\t'),
            Some('\\') => Ok(b'\\'),
            Some('"') => Ok(b'"'),
            Some('\'') if quote == '\'' => Ok(b'\''),
            Some('x') => self.hex().ok_or_else(|| error(start, "two hexadecimal digits are wanted")),
            Some(_) | None => Err(error(start, "no such escape")),
        }
    }

    fn hex(&mut self) -> Option<u8> {
        let (high, low) = (self.next()?.to_digit(16)?, self.next()?.to_digit(16)?);
        u8::try_from(high * 16 + low).ok()
    }
}
