//! Results: `ok`, `error`, `errors`.
use bytes::Bytes;
use etf::{Atom, Atoms, Choice, Decode, Encode, Error, Reader, Record, Term};

use crate::{Outcome, Refusal};

/// A request done; old form of two elements without `src` (C-6).
#[derive(Clone, PartialEq, Default, Record)]
#[record("ok", also(2 = "Success::from_short"))]
pub struct Success {
    pub code: Option<Label>,
    /// Detail: a binary, `{ClientId,Token}`, a list of ids, or nil.
    pub src: Term,
}

discreet!(Success: code);

impl Success {
    pub fn new(outcome: Outcome, src: impl Encode) -> Self {
        Self { code: Some(Label::Atom(Atom::new(outcome.text()))), src: Term::of(&src).unwrap_or_default() }
    }

    /// The code, when it is one of appendix C.
    pub fn outcome(&self) -> Option<Outcome> {
        Outcome::of(self.code.as_ref()?.as_str())
    }

    fn from_short(r: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(Self { code: Decode::decode(r)?, src: Term::nil() })
    }
}

/// Code of a success. An atom (D-26); the reference answers searches with their reference as text.
#[derive(Debug, Clone, PartialEq, Choice)]
pub enum Label {
    Atom(Atom),
    Text(Bytes),
}

impl Label {
    /// Its text; empty when that is not UTF-8.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Atom(atom) => atom.as_str(),
            Self::Text(text) => std::str::from_utf8(text).unwrap_or_default(),
        }
    }
}

/// A request refused; old form of two elements without `src` (C-6).
#[derive(Clone, PartialEq, Default, Record)]
#[record("error", also(2 = "Failure::from_short"))]
pub struct Failure {
    pub code: Option<Atom>,
    /// Detail: a binary, an integer, or nil.
    pub src: Term,
}

discreet!(Failure: code);

impl Failure {
    pub fn new(refusal: Refusal, src: impl Encode) -> Self {
        Self { code: Some(Atom::new(refusal.text())), src: Term::of(&src).unwrap_or_default() }
    }

    /// The code, when it is one of appendix C.
    pub fn refusal(&self) -> Option<Refusal> {
        Refusal::of(self.code.as_ref()?.as_str())
    }

    fn from_short(r: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(Self { code: Decode::decode(r)?, src: Term::nil() })
    }
}

/// Several errors at once: read, never sent (D-9).
#[derive(Clone, PartialEq, Default, Record)]
#[record("errors")]
pub struct Errors {
    pub code: Vec<Bytes>,
    pub data: Term,
}

discreet!(Errors: code);
