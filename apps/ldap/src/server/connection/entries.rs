//! Requests about one entry: compare, add, modify, delete.

use ldap3_proto::proto::{LdapAddRequest, LdapCompareRequest};

use super::super::dn::Dn;
use super::super::entry::Entry;
use super::super::{Attribute, Backend, Change, Code, Kind, Refused, kind, root};
use super::Connection;

/// Attributes of an entry that is added, and changes of one.
const CHANGES_MAX: usize = 100;

impl<B: Backend> Connection<B> {
    pub(super) fn compare(&self, asked: &LdapCompareRequest) -> Result<bool, Refused> {
        let name = Dn::parse(&asked.dn).map_err(|why| Refused::new(Code::InvalidDNSyntax, why.to_string()))?;
        let unknown = || Refused::new(Code::UndefinedAttributeType, asked.atype.clone());
        let kind = kind(&asked.atype).ok_or_else(unknown)?;
        let entry = if name.depth() == 0 {
            self.root()
        } else if name == root::subschema_name() {
            root::subschema()
        } else {
            self.may_read()?;
            let found = self.shared.backend.entry(self.who(), &name)?;
            found.ok_or_else(|| Refused::new(Code::NoSuchObject, ""))?
        };
        let mut values = entry.values(kind).peekable();
        if values.peek().is_none() {
            return Err(Refused::new(Code::NoSuchAttribute, ""));
        }
        let wanted = kind.rule.normal(&asked.val);
        let wanted = wanted.ok_or_else(|| Refused::new(Code::InvalidAttributeSyntax, ""))?;
        Ok(values.any(|(own, value)| own.rule.normal(value).as_ref() == Some(&wanted)))
    }

    pub(super) async fn add(&self, asked: LdapAddRequest) -> Result<(), Refused> {
        let who = self.writer()?;
        let name = Dn::parse(&asked.dn).map_err(|why| Refused::new(Code::InvalidDNSyntax, why.to_string()))?;
        if asked.attributes.len() > CHANGES_MAX {
            return Err(Refused::new(Code::AdminLimitExceeded, "too many attributes"));
        }
        let mut entry = Entry { dn: name, attributes: Vec::new() };
        for own in asked.attributes {
            let kind = kind(&own.atype).ok_or_else(|| Refused::new(Code::UndefinedAttributeType, own.atype.clone()))?;
            check_values(kind, &own.vals)?;
            if own.vals.is_empty() {
                return Err(Refused::new(Code::InvalidAttributeSyntax, own.atype));
            }
            entry.attributes.push(Attribute { kind, values: own.vals });
        }
        self.shared.backend.add(who, entry).await
    }

    pub(super) async fn modify(&self, name: &str, changes: Vec<Change>) -> Result<(), Refused> {
        let who = self.writer()?;
        let name = Dn::parse(name).map_err(|why| Refused::new(Code::InvalidDNSyntax, why.to_string()))?;
        if changes.len() > CHANGES_MAX {
            return Err(Refused::new(Code::AdminLimitExceeded, "too many changes"));
        }
        for change in &changes {
            let named = &change.modification.atype;
            let kind = kind(named).ok_or_else(|| Refused::new(Code::UndefinedAttributeType, named.clone()))?;
            check_values(kind, &change.modification.vals)?;
        }
        self.shared.backend.modify(who, &name, changes).await
    }

    pub(super) async fn remove(&self, name: &str) -> Result<(), Refused> {
        let who = self.writer()?;
        let name = Dn::parse(name).map_err(|why| Refused::new(Code::InvalidDNSyntax, why.to_string()))?;
        self.shared.backend.remove(who, &name).await
    }

    pub(super) fn writer(&self) -> Result<&B::Who, Refused> {
        let bound = self.bound.as_ref().ok_or_else(|| Refused::new(Code::StrongerAuthRequired, "say who you are"))?;
        match bound.is_admin {
            true => Ok(&bound.who),
            false => Err(Refused::new(Code::InsufficentAccessRights, "administrators only")),
        }
    }
}

fn check_values(kind: &Kind, values: &[Vec<u8>]) -> Result<(), Refused> {
    if kind.operational {
        return Err(Refused::new(Code::ConstraintViolation, format!("{} is the server's", kind.name)));
    }
    match values.iter().all(|value| kind.has(value)) {
        true => Ok(()),
        false => Err(Refused::new(Code::InvalidAttributeSyntax, kind.name)),
    }
}
