//! The directory as a file (LDIF): all entries, and what an operator's file says of them.

use std::fmt::Write;

use chat::directory::{Asker, Person};
use kvs::Store;
use ldap::server::{Code, Dn, Entry, Refused, ldif};
use proto::ids::Phone;

use super::write::new_face;
use super::{Directory, broken, by_number};

/// Bytes of a part, or as many more as the last entries have.
const PART: usize = 1 << 20;
/// Entries that are read at once: rooms with all their members, people with all their certificates, are large.
const STEP: usize = 16;

/// Some entries as text, and where the next ones begin, if there are any.
pub(crate) struct Part {
    pub(crate) text: String,
    pub(crate) next: Option<Vec<u8>>,
}

/// What has become of records.
#[derive(Debug, Default)]
pub(crate) struct Imported {
    pub(crate) added: usize,
    pub(crate) changed: usize,
    pub(crate) removed: usize,
    /// Those that say what is so already.
    pub(crate) same: usize,
    /// Content that is not an operator's to write: rooms, and people's own addresses and certificates that the entry has not.
    pub(crate) left: usize,
    /// By their lines. Nothing of these records is done.
    pub(crate) refused: Vec<String>,
}

enum Done {
    Added,
    Changed,
    Removed,
    Same,
    Left,
}

impl Directory {
    /// Entries as an operator sees them, beyond a place. What changes meanwhile is there as before or as after.
    pub(crate) fn part(&self, from: &[u8]) -> Result<Part, String> {
        let mut part = Part { text: String::new(), next: Some(from.to_vec()) };
        while let Some(from) = part.next.take() {
            let slice = self.slice(Asker::Operator, &self.names.base, &from, STEP).map_err(|why| why.to_string())?;
            slice.entries.iter().for_each(|entry| part.text.push_str(&ldif::write(entry)));
            part.next = slice.next;
            if part.text.len() >= PART {
                break;
            }
        }
        Ok(part)
    }

    /// Does what records say, one after the other; `before` lines of their file come before `text`.
    pub(crate) async fn import(&self, before: usize, text: &str) -> Imported {
        let mut all = Imported::default();
        for record in ldif::read(text) {
            let (line, done) = match record {
                Ok(record) => (record.line, self.record(record).await),
                Err(bad) => (bad.line, Err(bad.what)),
            };
            match done {
                Ok(Done::Added) => all.added += 1,
                Ok(Done::Changed) => all.changed += 1,
                Ok(Done::Removed) => all.removed += 1,
                Ok(Done::Same) => all.same += 1,
                Ok(Done::Left) => all.left += 1,
                Err(why) => all.refused.push(format!("line {}: {why}", before.saturating_add(line))),
            }
        }
        all
    }

    async fn record(&self, record: ldif::Record) -> Result<Done, String> {
        let done = match record.what {
            ldif::What::Content(entry) => self.shall_be(entry).await,
            ldif::What::Add(entry) => self.register(&entry).await.map(|()| Done::Added),
            ldif::What::Modify(changes) => self.change(&record.dn, changes).await.map(|()| Done::Changed),
            ldif::What::Delete => self.end(&record.dn).await.map(|()| Done::Removed),
        };
        done.map_err(|Refused { code, why }| match why.is_empty() {
            true => spaced(&format!("{code:?}")),
            false => why,
        })
    }

    /// A person that is there is changed to what the entry says, others are added.
    async fn shall_be(&self, mut entry: Entry) -> Result<Done, Refused> {
        let Some(number) = self.names.person(&entry.dn) else { return self.is_left(&entry.dn) };
        let own = entry.attributes.extract_if(.., |own| matches!(own.kind.name, "mail" | "userCertificate"));
        let own: Vec<_> = own.collect();
        let person = by_number(&*self.store.snapshot(), Asker::Operator, &number).map_err(broken)?;
        let Some(person) = person else {
            self.register(&entry).await?;
            return Ok(Done::Added);
        };
        let shown = self.names.person_entry(&person);
        let is_shown = |kind, value: &Vec<u8>| shown.values(kind).any(|(_, own)| own == value);
        let is_new = own.iter().any(|own| own.values.iter().any(|value| !is_shown(own.kind, value)));
        match self.differs(&entry, &number, &person).await? {
            true => Ok(Done::Changed),
            false if is_new => Ok(Done::Left),
            false => Ok(Done::Same),
        }
    }

    /// Changes what is different; whether anything was.
    async fn differs(&self, entry: &Entry, number: &Phone, person: &Person) -> Result<bool, Refused> {
        let mut face = new_face(entry, number)?;
        face.names = face.names.filter(|names| person.names.as_ref() != Some(names));
        face.surnames = face.surnames.filter(|surnames| person.surnames.as_ref() != Some(surnames));
        face.nick = face.nick.filter(|nick| person.nick.as_ref() != Some(nick));
        if face.is_empty() {
            return Ok(false);
        }
        self.set(number, person, face).await.map(|()| true)
    }

    /// What is always there, and what is people's own, is no error of a file that has all entries.
    fn is_left(&self, name: &Dn) -> Result<Done, Refused> {
        if self.names.fixed().iter().any(|entry| entry.dn == *name) {
            return Ok(Done::Same);
        }
        match self.names.room(name) {
            Some(_) => Ok(Done::Left),
            None => Err(Refused::new(Code::UnwillingToPerform, "only what lies in ou=people is written")),
        }
    }
}

/// "EntryAlreadyExists" in words.
fn spaced(code: &str) -> String {
    let mut out = String::new();
    for (at, letter) in code.char_indices() {
        if at > 0 && letter.is_uppercase() {
            out.push(' ');
        }
        // A String takes everything.
        let _ = write!(out, "{}", letter.to_ascii_lowercase());
    }
    out
}
