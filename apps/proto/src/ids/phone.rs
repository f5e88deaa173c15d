//! Account keys and the addresses of rosters: ID-1, ID-4.
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::{BadId, ascii, text_id};
use crate::limits::{HANDLE_CHARS, PHONE_DIGITS};

/// ID-1: the name of a profile, a telephone number without `+` or a handle in lower case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phone {
    text: Arc<str>,
}

text_id!(Phone);

/// The longest input that is looked at, in bytes: a number may come with blanks and brackets.
const INPUT_MAX: usize = 64;

impl Phone {
    /// A number, less its decoration, or a handle.
    pub fn parse(input: &[u8]) -> Result<Self, BadId> {
        if input.is_empty() || input.len() > INPUT_MAX {
            return Err(BadId::Length);
        }
        match number(input) {
            Some(digits) => Ok(Self { text: digits.into() }),
            None => handle(input),
        }
    }

    /// Whether it is a telephone number, not a handle.
    pub fn is_number(&self) -> bool {
        !self.text.bytes().any(|byte| byte.is_ascii_alphabetic())
    }

    /// The address of one of its rosters.
    pub fn roster(&self, roster: u64) -> PhoneId {
        PhoneId::new(format!("{}_{roster}", self.text), self.clone(), roster)
    }
}

/// The digits of a telephone number; `None` when there is anything but digits and decoration.
fn number(input: &[u8]) -> Option<String> {
    let mut digits = String::with_capacity(input.len());
    for &byte in input {
        match byte {
            b'0'..=b'9' => digits.push(char::from(byte)),
            b'+' | b' ' | b'-' | b'(' | b')' => {}
            _ => return None,
        }
    }
    PHONE_DIGITS.contains(&digits.len()).then_some(digits)
}

fn handle(input: &[u8]) -> Result<Phone, BadId> {
    let text = ascii(input, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))?.to_ascii_lowercase();
    if !HANDLE_CHARS.contains(&text.len()) {
        return Err(BadId::Length);
    }
    if !text.bytes().any(|byte| byte.is_ascii_lowercase()) {
        return Err(BadId::Form);
    }
    match text.as_str() {
        "reg" => Err(BadId::Reserved),
        _ => Ok(Phone { text: text.into() }),
    }
}

/// ID-4: the address of a roster, `phone_rosterid`. Ordered by its bytes (TOPIC-7). Names of processes and whatever they tell each other
/// have it, so it is one pointer.
#[derive(Clone)]
pub struct PhoneId {
    parts: Arc<Parts>,
}

struct Parts {
    text: Box<str>,
    phone: Phone,
    roster: u64,
}

text_id!(PhoneId, parts);

impl PhoneId {
    fn new(text: impl Into<Box<str>>, phone: Phone, roster: u64) -> Self {
        Self { parts: Arc::new(Parts { text: text.into(), phone, roster }) }
    }

    /// Split at the last `_`; the roster id is a decimal number from 1, without leading zeros.
    pub fn parse(input: &[u8]) -> Result<Self, BadId> {
        let at = input.iter().rposition(|&byte| byte == b'_').ok_or(BadId::Form)?;
        let (phone, roster) = input.split_at_checked(at).ok_or(BadId::Form)?;
        let roster = roster_number(roster.get(1..).unwrap_or_default()).ok_or(BadId::Form)?;
        let phone = Phone::parse(phone)?;
        Ok(match std::str::from_utf8(input) {
            Ok(text) if text.get(..at) == Some(phone.as_str()) => Self::new(text, phone, roster),
            // The number is decorated.
            Ok(_) | Err(_) => phone.roster(roster),
        })
    }

    pub fn phone(&self) -> &Phone {
        &self.parts.phone
    }

    /// Id of the roster.
    pub fn roster(&self) -> u64 {
        self.parts.roster
    }
}

// The text says all of it.

impl PartialEq for PhoneId {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for PhoneId {}

impl PartialOrd for PhoneId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PhoneId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for PhoneId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

/// Decimal, from 1, as Display writes it.
fn roster_number(digits: &[u8]) -> Option<u64> {
    match digits.first()? {
        b'1'..=b'9' => ascii(digits, |byte| byte.is_ascii_digit()).ok()?.parse().ok(),
        _ => None,
    }
}

/// The ways to name a roster (ID-4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    Full(PhoneId),
    /// The default roster of a profile.
    Phone(Phone),
    /// One of the own rosters.
    Roster(u64),
}

impl Address {
    /// Of anybody's roster: a number alone is a phone.
    pub fn parse(input: &[u8]) -> Result<Self, BadId> {
        match input.contains(&b'_') {
            true => PhoneId::parse(input).map(Self::Full),
            false => Phone::parse(input).map(Self::Phone),
        }
    }

    /// Where only rosters of `own` can be meant: a number alone is a roster id, unless it is that phone.
    pub fn parse_own(input: &[u8], own: &Phone) -> Result<Self, BadId> {
        match roster_number(input).filter(|_| input != own.as_str().as_bytes()) {
            Some(roster) => Ok(Self::Roster(roster)),
            None => Self::parse(input),
        }
    }
}
