//! Entries, and which of their attributes somebody asks for.

use ldap3_proto::proto::{LdapPartialAttribute, LdapSearchResultEntry};

use super::dn::Dn;
use super::schema::{Kind, kind};

/// The entry that describes all others.
pub(super) const SUBSCHEMA: &str = "cn=subschema";

/// One entry, as whoever asks may see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub dn: Dn,
    pub attributes: Vec<Attribute>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Attribute {
    pub kind: &'static Kind,
    pub values: Vec<Vec<u8>>,
}

impl Entry {
    /// The entry of that name; the first class is what it is.
    pub fn new(dn: Dn, classes: &[&str]) -> Entry {
        let mut entry = Entry { attributes: Vec::with_capacity(12), dn };
        entry.put("objectClass", classes);
        entry.put("structuralObjectClass", classes.first().as_slice());
        entry.put("entryDN", &[entry.dn.to_string()]);
        entry.put("subschemaSubentry", &[SUBSCHEMA]);
        entry
    }

    /// Adds values of an attribute; empty ones, and those of types that the schema has not, are left out.
    pub fn put<V: AsRef<[u8]>>(&mut self, name: &str, values: &[V]) {
        let Some(kind) = kind(name) else { return };
        let values = values.iter().map(|value| value.as_ref().to_vec()).filter(|value| !value.is_empty());
        match self.attributes.iter_mut().find(|own| own.kind == kind) {
            Some(own) => own.values.extend(values),
            None => {
                let values: Vec<_> = values.collect();
                if !values.is_empty() {
                    self.attributes.push(Attribute { kind, values });
                }
            }
        }
    }

    /// The values of a type and of all kinds of it.
    pub fn values(&self, kind: &Kind) -> impl Iterator<Item = (&'static Kind, &[u8])> {
        let of = self.attributes.iter().filter(move |own| own.kind.is_a(kind));
        of.flat_map(|own| own.values.iter().map(|value| (own.kind, &value[..])))
    }
}

/// Which attributes are wanted.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Choice {
    user: bool,
    operational: bool,
    kinds: Vec<&'static Kind>,
    types_only: bool,
}

impl Choice {
    /// As a search says it: nothing is all that users gave, `*` too, `+` is the rest, `1.1` is none. Unknown names are nobody's.
    pub(super) fn new(asked: &[String], types_only: bool) -> Choice {
        let has = |text: &str| asked.iter().any(|own| own == text);
        let mut kinds = Vec::new();
        for kind in asked.iter().filter_map(|name| kind(name)) {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        Choice { user: asked.is_empty() || has("*"), operational: has("+"), kinds, types_only }
    }

    fn has(&self, kind: &Kind) -> bool {
        let all = if kind.operational { self.operational } else { self.user };
        all || self.kinds.iter().any(|wanted| kind.is_a(wanted))
    }

    /// What is sent of an entry.
    pub(super) fn of(&self, entry: Entry) -> LdapSearchResultEntry {
        let chosen = entry.attributes.into_iter().filter(|own| self.has(own.kind));
        let attributes = chosen.map(|own| LdapPartialAttribute {
            atype: own.kind.shown().to_owned(),
            vals: if self.types_only { Vec::new() } else { own.values },
        });
        LdapSearchResultEntry { dn: entry.dn.to_string(), attributes: attributes.collect() }
    }
}
