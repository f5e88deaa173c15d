//! Records out of text: what there shall be, and what shall change.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ldap3_proto::proto::{LdapModify, LdapModifyType, LdapPartialAttribute};

use super::super::dn::Dn;
use super::super::entry::{Attribute, Entry};
use super::super::schema::{Kind, kind};

/// Bytes of a record.
pub const RECORD_MAX: usize = 1 << 20;
/// Changes of one record.
const CHANGES_MAX: usize = 100;

/// One record, and the line that it begins at.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub line: usize,
    pub dn: Dn,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// No change: the entry shall be so.
    Content(Entry),
    Add(Entry),
    Modify(Vec<LdapModify>),
    Delete,
}

/// Why a record is none; lines are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct BadLdif {
    pub line: usize,
    pub what: String,
}

impl BadLdif {
    fn new(line: usize, what: impl Into<String>) -> BadLdif {
        BadLdif { line, what: what.into() }
    }
}

/// A line of a record, unfolded, and the number of its first.
type Line = (usize, String);

/// Reads records. An error ends nothing but its own record.
pub fn read(text: &str) -> Vec<Result<Record, BadLdif>> {
    let mut all = Vec::new();
    let mut lines: Vec<Line> = Vec::new();
    for (number, raw) in (1..).zip(text.lines().chain([""])) {
        let raw = raw.strip_suffix('\r').unwrap_or(raw);
        match raw.strip_prefix(' ') {
            Some(more) if !lines.is_empty() => {
                if let Some((_, line)) = lines.last_mut() {
                    line.push_str(more);
                }
            }
            Some(_) | None if raw.is_empty() => {
                let record = std::mem::take(&mut lines);
                let said =
                    record.into_iter().filter(|(_, line)| !line.starts_with('#') && !line.starts_with("version:"));
                let said: Vec<Line> = said.collect();
                if !said.is_empty() {
                    all.push(record_of(&said));
                }
            }
            Some(_) | None => lines.push((number, raw.to_owned())),
        }
    }
    all
}

fn record_of(lines: &[Line]) -> Result<Record, BadLdif> {
    let [(line, first), rest @ ..] = lines else { return Err(BadLdif::new(0, "nothing")) };
    if lines.iter().map(|(_, text)| text.len()).sum::<usize>() > RECORD_MAX {
        return Err(BadLdif::new(*line, "too long a record"));
    }
    let (name, value) = pair(*line, first)?;
    if !name.eq_ignore_ascii_case("dn") {
        return Err(BadLdif::new(*line, "a record begins with dn"));
    }
    let dn = std::str::from_utf8(&value).ok().and_then(|name| Dn::parse(name).ok());
    let dn = dn.ok_or_else(|| BadLdif::new(*line, "not a distinguished name"))?;
    let kind = match rest {
        [(number, text), ..] => Some((*number, pair(*number, text)?)),
        [] => None,
    };
    let kind = kind.filter(|(_, (name, _))| name.eq_ignore_ascii_case("changetype"));
    let what = match kind {
        None => What::Content(entry(&dn, *line, rest)?),
        Some((number, (_, kind))) => {
            let rest = rest.get(1..).unwrap_or_default();
            match &kind.to_ascii_lowercase()[..] {
                b"add" => What::Add(entry(&dn, *line, rest)?),
                b"modify" => What::Modify(changes(number, rest)?),
                b"delete" => match rest {
                    [] => What::Delete,
                    [(number, _), ..] => return Err(BadLdif::new(*number, "nothing follows `delete`")),
                },
                b"modrdn" | b"moddn" => return Err(BadLdif::new(number, "entries keep their names")),
                _ => return Err(BadLdif::new(number, "changetype: add, modify or delete")),
            }
        }
    };
    Ok(Record { line: *line, dn, what })
}

fn entry(dn: &Dn, line: usize, lines: &[Line]) -> Result<Entry, BadLdif> {
    let mut entry = Entry { dn: dn.clone(), attributes: Vec::new() };
    for (number, text) in lines {
        let (name, value) = pair(*number, text)?;
        let kind = known(*number, name)?;
        // What the server itself says is not for others to say.
        if kind.operational {
            continue;
        }
        fits(*number, kind, &value)?;
        match entry.attributes.iter_mut().find(|own| own.kind == kind) {
            Some(own) => own.values.push(value),
            None => entry.attributes.push(Attribute { kind, values: vec![value] }),
        }
    }
    match entry.attributes.is_empty() {
        true => Err(BadLdif::new(line, "an entry without attributes")),
        false => Ok(entry),
    }
}

/// Each change names an attribute, then has its values, and ends with a hyphen.
fn changes(line: usize, lines: &[Line]) -> Result<Vec<LdapModify>, BadLdif> {
    let mut changes: Vec<LdapModify> = Vec::new();
    let mut open: Option<(&'static Kind, LdapModify)> = None;
    for (number, text) in lines {
        if text == "-" {
            let (_, change) = open.take().ok_or_else(|| BadLdif::new(*number, "nothing is changed here"))?;
            changes.push(change);
            continue;
        }
        let (name, value) = pair(*number, text)?;
        if let Some((kind, change)) = &mut open {
            if known(*number, name)? != *kind {
                return Err(BadLdif::new(*number, format!("not of {}, which is changed here", kind.name)));
            }
            fits(*number, kind, &value)?;
            change.modification.vals.push(value);
            continue;
        }
        let operation = match &name.to_ascii_lowercase()[..] {
            "add" => LdapModifyType::Add,
            "delete" => LdapModifyType::Delete,
            "replace" => LdapModifyType::Replace,
            _ => return Err(BadLdif::new(*number, "add, delete or replace")),
        };
        let kind = known(*number, &String::from_utf8_lossy(&value))?;
        if kind.operational || changes.len() >= CHANGES_MAX {
            return Err(BadLdif::new(*number, format!("{} is the server's, or too many changes", kind.name)));
        }
        let modification = LdapPartialAttribute { atype: kind.name.to_owned(), vals: Vec::new() };
        open = Some((kind, LdapModify { operation, modification }));
    }
    changes.extend(open.map(|(_, change)| change));
    match changes.is_empty() {
        true => Err(BadLdif::new(line, "no change")),
        false => Ok(changes),
    }
}

fn known(line: usize, name: &str) -> Result<&'static Kind, BadLdif> {
    kind(name).ok_or_else(|| BadLdif::new(line, format!("no such attribute: {name}")))
}

fn fits(line: usize, kind: &Kind, value: &[u8]) -> Result<(), BadLdif> {
    match kind.has(value) {
        true => Ok(()),
        false => Err(BadLdif::new(line, format!("no value of {}", kind.name))),
    }
}

/// Name and value. Values by URL are not fetched.
fn pair(line: usize, text: &str) -> Result<(&str, Vec<u8>), BadLdif> {
    let bad = || BadLdif::new(line, "neither `name: value` nor `name:: base64`");
    let (name, rest) = text.split_once(':').ok_or_else(bad)?;
    match rest.strip_prefix(':') {
        Some(encoded) => STANDARD.decode(encoded.trim()).map(|value| (name, value)).map_err(|_| bad()),
        None if rest.starts_with('<') => Err(bad()),
        None => Ok((name, rest.trim_start_matches(' ').as_bytes().to_vec())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Result<What, BadLdif> {
        let all = read(text);
        assert_eq!(all.len(), 1, "{text}");
        all.into_iter().next().unwrap().map(|record| record.what)
    }

    #[test]
    fn changes_are_read_as_ldapmodify_writes_them() {
        let text = "dn: uid=1,dc=x\nchangetype: modify\nreplace: SN\nsurname: Bl\n ack\n-\nadd: uid\nuid:: YW5u\n-\ndelete: gn\n";
        let Ok(What::Modify(changes)) = one(text) else { panic!("no changes") };
        let change = |operation, atype: &str, vals: &[&[u8]]| LdapModify {
            operation,
            modification: LdapPartialAttribute {
                atype: atype.into(),
                vals: vals.iter().map(|value| value.to_vec()).collect(),
            },
        };
        let wanted = [
            change(LdapModifyType::Replace, "sn", &[b"Black"]),
            change(LdapModifyType::Add, "uid", &[b"ann"]),
            change(LdapModifyType::Delete, "givenName", &[]),
        ];
        assert_eq!(changes, wanted);
        assert_eq!(one("dn: uid=1,dc=x\nchangetype: delete\n"), Ok(What::Delete));
        assert!(matches!(one("dn: uid=1,dc=x\nChangeType: Add\nsn: x\n"), Ok(What::Add(_))));
        assert!(matches!(one("version: 1\n# no\n  comment\ndn: uid=1,dc=x\r\nsn: x\r\n"), Ok(What::Content(_))));
    }

    #[test]
    fn what_is_wrong_is_told_by_its_line_and_the_next_record_counts() {
        for (bad, line) in [
            ("cn: x\n", 1),
            ("dn: x\ncn: x\n", 1),
            ("dn: cn=x\n", 1),
            ("dn: cn=x\ncn x\n", 2),
            ("dn: cn=x\ncn: x\nshoeSize: 40\n", 3),
            ("dn: cn=x\nsn:: ?\n", 2),
            ("dn: cn=x\nsn:< file:///etc/passwd\n", 2),
            ("dn: cn=x\nsn:\n", 2),
            ("dn: cn=x\nchangetype: modrdn\nnewrdn: cn=y\n", 2),
            ("dn: cn=x\nchangetype: delete\ncn: x\n", 3),
            ("dn: cn=x\nchangetype: modify\n", 2),
            ("dn: cn=x\nchangetype: modify\nreplace: sn\ncn: y\n", 4),
            ("dn: cn=x\nchangetype: modify\nincrement: sn\n", 3),
            ("dn: cn=x\nchangetype: modify\n-\n", 3),
            ("dn: cn=x\nchangetype: modify\nreplace: entryDN\n", 3),
        ] {
            let all = read(&format!("{bad}\n\n\ndn: cn=y\nsn: y\n"));
            assert_eq!(all[0].as_ref().unwrap_err().line, line, "{bad}");
            assert_eq!(all[1].as_ref().unwrap().line, bad.lines().count() + 4, "{bad}");
        }
        let long = format!("dn: cn=x\nsn: {}\n", "x".repeat(RECORD_MAX));
        assert_eq!(one(&long).unwrap_err(), BadLdif::new(1, "too long a record"));
    }
}
