//! Who is who: `@ann.phone` and the like.

use std::collections::HashMap;

use bytes::Bytes;
use etf::Term;

use crate::notation::{Bound, name};

/// A device of a person, or a connection of nobody.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    pub phone: String,
    pub dev_key: String,
    pub client: String,
    pub token: Option<Bytes>,
    pub roster: u64,
    /// The latest code that was sent to the number.
    pub code: Option<Bytes>,
    /// The number before (PROFILE-11).
    pub left: String,
}

/// Everybody that a scene has named.
#[derive(Debug, Clone, Default)]
pub struct Names {
    known: HashMap<String, Known>,
    first: u64,
}

impl Names {
    /// Telephone numbers begin here; no two scenes that share a server may meet.
    pub fn from(first: u64) -> Names {
        Names { known: HashMap::new(), first }
    }

    pub(crate) fn get(&self, who: &str) -> Option<&Known> {
        self.known.get(who)
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.known.keys().cloned().collect()
    }

    pub(crate) fn entry(&mut self, who: &str) -> &mut Known {
        self.known.entry(who.to_owned()).or_default()
    }

    /// Gives a number; a second device has that of the first.
    pub(crate) fn number(&mut self, who: &str) -> &mut Known {
        let person = who.split('/').next().unwrap_or(who).to_owned();
        let fresh = self.first
            + self.known.values().map(|known| &known.phone).collect::<std::collections::HashSet<_>>().len() as u64;
        let phone = match self.known.get(&person) {
            Some(known) if !known.phone.is_empty() => known.phone.clone(),
            _ => fresh.to_string(),
        };
        let known = self.entry(who);
        known.phone = phone;
        known
    }

    /// Gives an e-mail address.
    pub(crate) fn address(&mut self, who: &str) {
        let known = self.number(who);
        known.phone = format!("{}@example.org", known.phone);
    }

    /// Everybody who has the number of `who` has that of `to` from now on; their devices have yet to learn it.
    pub(crate) fn moves(&mut self, who: &str, to: &str) {
        let (left, phone) = (self.entry(who).phone.clone(), self.entry(to).phone.clone());
        for known in self.known.values_mut().filter(|known| known.phone == left) {
            (known.left, known.phone) = (left.clone(), phone.clone());
        }
    }

    /// What a name stands for in a term.
    pub(crate) fn term(&self, atom: &str) -> Result<Term, String> {
        let (who, part) = split(atom);
        match (self.known.get(who), part) {
            (Some(known), "roster") => i64::try_from(known.roster).map(Term::int).map_err(|why| why.to_string()),
            _ => self.text(atom).map(|text| Term::binary(text.as_bytes())),
        }
    }

    /// What a name stands for in a topic.
    pub(crate) fn text(&self, atom: &str) -> Result<String, String> {
        let (who, part) = split(atom);
        let known = self.known.get(who).ok_or_else(|| format!("nobody knows {atom}"))?;
        let secret = |bytes: &Option<Bytes>| {
            bytes
                .as_ref()
                .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
                .ok_or_else(|| format!("there is no {atom}"))
        };
        Ok(match part {
            "" => format!("{}_{}", known.phone, known.roster),
            "phone" => known.phone.clone(),
            "left" => known.left.clone(),
            "was" => format!("{}_{}", known.left, known.roster),
            "client" => known.client.clone(),
            "dev" => known.dev_key.clone(),
            "roster" => known.roster.to_string(),
            "token" => return secret(&known.token),
            "code" => return secret(&known.code),
            _ => return Err(format!("there is no part {part} of {who}")),
        })
    }

    /// The same without what lines have bound: `?n` stays.
    pub(crate) fn fill_known(&self, text: &str) -> Result<String, String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('@') {
            let (before, from) = rest.split_at(at);
            let (atom, after) = from.split_at(name(from));
            out.push_str(before);
            out.push_str(&self.text(atom)?);
            rest = after;
        }
        out.push_str(rest);
        Ok(out)
    }

    /// A topic or client id with names in it.
    pub(crate) fn fill(&self, text: &str, bound: &Bound) -> Result<String, String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['@', '?']) {
            let (before, from) = rest.split_at(at);
            let (atom, after) = from.split_at(name(from));
            out.push_str(before);
            match atom.starts_with('@') {
                true => out.push_str(&self.text(atom)?),
                false => out.push_str(&plain(bound.get(atom).ok_or_else(|| format!("{atom} is not known yet"))?)),
            }
            rest = after;
        }
        out.push_str(rest);
        Ok(out)
    }
}

fn plain(term: &Term) -> String {
    match term.as_binary() {
        Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        None => format!("{term:?}"),
    }
}

fn split(atom: &str) -> (&str, &str) {
    let name = atom.strip_prefix('@').unwrap_or(atom);
    name.split_once('.').unwrap_or((name, ""))
}
