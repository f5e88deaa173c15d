//! The answer envelope `io` (IO-1 to IO-4).
use std::fmt;

use bytes::Bytes;
use etf::{Atom, Choice, Encode, Record, Term};

use super::{AuthToken, Error2, Failure, Label, Ok2, Roster, Service, Success, Token};
use crate::{Outcome, Refusal};

/// Answer envelope. The server writes no text but the empty one into `code` (IO-4).
#[derive(Debug, Clone, PartialEq, Default, Record)]
#[record("io")]
pub struct Io {
    pub code: Option<Code>,
    pub data: Option<Data>,
}

impl Io {
    /// `{io,{ok,C,[]},<<>>}`.
    pub fn ok(outcome: Outcome) -> Self {
        Self::ok_src(outcome, Term::nil())
    }

    /// `{io,{ok,C,S},<<>>}`; S is text, a pair of texts, a list of ids …
    pub fn ok_src(outcome: Outcome, src: impl Encode) -> Self {
        Self::code(Code::Success(Success::new(outcome, src)))
    }

    /// `{io,{error,C,[]},<<>>}`.
    pub fn error(refusal: Refusal) -> Self {
        Self::error_src(refusal, Term::nil())
    }

    /// `{io,{error,C,S},<<>>}`.
    pub fn error_src(refusal: Refusal, src: impl Encode) -> Self {
        Self::code(Code::Failure(Failure::new(refusal, src)))
    }

    /// `{io,<<>>,<<>>}`.
    pub fn empty() -> Self {
        Self::code(Code::Text(Bytes::new()))
    }

    /// Without content `data` is the empty binary (D-3).
    fn code(code: Code) -> Self {
        Self { code: Some(code), data: Some(Data::Bytes(Bytes::new())) }
    }

    /// The same answer carrying `data`.
    pub fn with(self, data: impl Into<Data>) -> Self {
        Self { data: Some(data.into()), ..self }
    }

    /// The success code and its detail; old short forms included.
    pub fn success(&self) -> Option<(&str, &Term)> {
        match self.code.as_ref()? {
            Code::Success(ok) => Some((ok.code.as_ref().map_or("", Label::as_str), &ok.src)),
            Code::Ok2(ok) => Some((ok.code.as_ref().map_or("", Atom::as_str), &ok.src)),
            Code::Failure(_) | Code::Error2(_) | Code::Text(_) | Code::Other(_) => None,
        }
    }

    /// The error code and its detail; old short forms included.
    pub fn failure(&self) -> Option<(&str, &Term)> {
        match self.code.as_ref()? {
            Code::Failure(error) => Some((error.code.as_ref().map_or("", Atom::as_str), &error.src)),
            Code::Error2(error) => Some((error.code.as_ref().map_or("", Atom::as_str), &error.src)),
            Code::Success(_) | Code::Ok2(_) | Code::Text(_) | Code::Other(_) => None,
        }
    }
}

/// First field of `io`. Anything is read, since other servers put scripts there (D-64).
#[derive(Clone, PartialEq, Choice)]
pub enum Code {
    Success(Success),
    Failure(Failure),
    Ok2(Ok2),
    Error2(Error2),
    Text(Bytes),
    Other(Term),
}

/// Without what it says, which may be a token (SEC-10).
impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Code::Success(ok) => ok.fmt(f),
            Code::Failure(error) => error.fmt(f),
            Code::Ok2(ok) => ok.fmt(f),
            Code::Error2(error) => error.fmt(f),
            Code::Text(_) | Code::Other(_) => f.write_str("Code(..)"),
        }
    }
}

/// Second field of `io`: what the specification sends there, by type; the rest as a term.
#[derive(Clone, PartialEq, Choice)]
pub enum Data {
    /// Before `Bytes`, which would take a list of integers for a text (C-4).
    Ids(Vec<u64>),
    Bytes(Bytes),
    Token(Token),
    Auth(AuthToken),
    Cert(Cert),
    Roster(Box<Roster>),
    Service(Box<Service>),
    Success(Success),
    Failure(Failure),
    Other(Term),
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Data(..)")
    }
}

/// `{cert,Der}`: an issued certificate (AUTH-4, AUTH-17).
#[derive(Debug, Clone, PartialEq, Eq, Default, Record)]
#[record("cert")]
pub struct Cert {
    pub der: Option<Bytes>,
}

impl From<Vec<u64>> for Data {
    fn from(ids: Vec<u64>) -> Self {
        Self::Ids(ids)
    }
}

impl From<Bytes> for Data {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Token> for Data {
    fn from(token: Token) -> Self {
        Self::Token(token)
    }
}

impl From<AuthToken> for Data {
    fn from(token: AuthToken) -> Self {
        Self::Auth(token)
    }
}

impl From<Cert> for Data {
    fn from(cert: Cert) -> Self {
        Self::Cert(cert)
    }
}

impl From<Roster> for Data {
    fn from(roster: Roster) -> Self {
        Self::Roster(Box::new(roster))
    }
}

impl From<Service> for Data {
    fn from(service: Service) -> Self {
        Self::Service(Box::new(service))
    }
}

impl From<Success> for Data {
    fn from(success: Success) -> Self {
        Self::Success(success)
    }
}

impl From<Failure> for Data {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<Term> for Data {
    fn from(term: Term) -> Self {
        Self::Other(term)
    }
}
