//! Entries in memory: a directory of its own for as long as a test runs. Passwords are as they were given: nothing for a server.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use ldap::server::{Attribute, Backend, Bound, Change, ChangeKind, Code, Dn, Entry, Kind, Refused, Shown, Slice, kind};

/// Types by whose values entries are found at once.
const INDEXED: &[&str] = &["uid", "telephoneNumber", "mail", "cn"];

/// The administrator is whoever has this name; all others are their entries, with a `userPassword` that nobody is shown.
pub(crate) struct Memory {
    base: Dn,
    admin: Dn,
    entries: RwLock<Entries>,
}

#[derive(Default)]
struct Entries {
    /// By their names, the root's side first, so that what lies below an entry follows it.
    all: BTreeMap<String, Entry>,
    /// Type and normal value → names.
    by_value: HashMap<(&'static str, Vec<u8>), Vec<String>>,
}

impl Memory {
    pub(crate) fn new(base: Dn, admin: Dn) -> Memory {
        Memory { base, admin, entries: RwLock::default() }
    }

    /// # Errors
    /// There is one of that name, or none above it.
    pub(crate) fn put(&self, entry: Entry) -> Result<(), Refused> {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let has_parent = entry.dn.parent().is_some_and(|parent| entries.all.contains_key(&parent.path()));
        if !entry.dn.is_within(&self.base) || entry.dn != self.base && !has_parent {
            return Err(Refused::new(Code::NoSuchObject, "there is nothing above it"));
        }
        if entries.all.contains_key(&entry.dn.path()) {
            return Err(Refused::new(Code::EntryAlreadyExists, ""));
        }
        entries.put(entry);
        Ok(())
    }

    fn read(&self) -> RwLockReadGuard<'_, Entries> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn put(&mut self, entry: Entry) {
        let path = entry.dn.path();
        for key in keys(&entry) {
            self.by_value.entry(key).or_default().push(path.clone());
        }
        self.all.insert(path, entry);
    }

    fn take(&mut self, path: &str) -> Option<Entry> {
        let entry = self.all.remove(path)?;
        for key in keys(&entry) {
            if let Some(paths) = self.by_value.get_mut(&key) {
                paths.retain(|own| own != path);
                if paths.is_empty() {
                    self.by_value.remove(&key);
                }
            }
        }
        Some(entry)
    }

    fn has_below(&self, path: &str) -> bool {
        self.all.range(format!("{path}\0")..).next().is_some_and(|(next, _)| next.starts_with(&format!("{path}\0")))
    }
}

fn keys(entry: &Entry) -> Vec<(&'static str, Vec<u8>)> {
    let indexed = entry.attributes.iter().filter(|own| INDEXED.contains(&own.kind.name));
    let pairs = indexed.flat_map(|own| own.values.iter().map(move |value| (own.kind, value)));
    pairs.filter_map(|(kind, value)| Some((kind.name, kind.rule.normal(value)?))).collect()
}

/// Passwords are nobody's to read.
fn seen(entry: &Entry) -> Entry {
    let shown = entry.attributes.iter().filter(|own| own.kind.name != "userPassword");
    Entry { dn: entry.dn.clone(), attributes: shown.cloned().collect() }
}

impl Backend for Memory {
    type Who = ();

    fn base(&self) -> &Dn {
        &self.base
    }

    fn is_indexed(&self, kind: &Kind) -> bool {
        INDEXED.contains(&kind.name)
    }

    fn entry(&self, _: Option<&()>, name: &Dn) -> Result<Option<Entry>, Refused> {
        Ok(self.read().all.get(&name.path()).map(seen))
    }

    fn find(&self, _: Option<&()>, kind: &Kind, value: &[u8]) -> Result<Vec<Entry>, Refused> {
        let entries = self.read();
        let paths = entries.by_value.get(&(kind.name, value.to_vec()));
        Ok(paths.into_iter().flatten().filter_map(|path| entries.all.get(path)).map(seen).collect())
    }

    fn scan(&self, _: Option<&()>, base: &Dn, from: &[u8], count: usize) -> Result<Slice, Refused> {
        let entries = self.read();
        let base = base.path();
        let from = if from.is_empty() { base.clone() } else { String::from_utf8_lossy(from).into_owned() };
        let within = entries.all.range(from..).take_while(|(path, _)| path.starts_with(&base));
        let mut paths = within.take(count + 1);
        let found: Vec<Entry> = paths.by_ref().take(count).map(|(_, entry)| seen(entry)).collect();
        let next = paths.next().map(|(path, _)| path.clone().into_bytes());
        Ok(Slice { looked: found.len(), entries: found, next })
    }

    async fn bind(&self, shown: Shown<'_>, _: IpAddr) -> Result<Bound<()>, Refused> {
        let wrong = || Refused::new(Code::InvalidCredentials, "");
        let Shown::Password { name, password } = shown else { return Err(wrong()) };
        let entries = self.read();
        let entry = entries.all.get(&name.path()).ok_or_else(wrong)?;
        let secret = kind("userPassword").ok_or_else(wrong)?;
        match entry.values(secret).any(|(_, own)| own == password.as_bytes()) {
            true => Ok(Bound { who: (), name: name.clone(), is_admin: *name == self.admin }),
            false => Err(wrong()),
        }
    }

    fn holds(&self, (): &()) -> bool {
        true
    }

    async fn add(&self, (): &(), entry: Entry) -> Result<(), Refused> {
        let classes: Vec<Vec<u8>> =
            entry.values(kind("objectClass").ok_or_else(no_class)?).map(|(_, class)| class.to_vec()).collect();
        let classes: Vec<&str> = classes.iter().filter_map(|class| std::str::from_utf8(class).ok()).collect();
        if classes.is_empty() {
            return Err(no_class());
        }
        let mut own = Entry::new(entry.dn, &classes);
        own.attributes.extend(entry.attributes.into_iter().filter(|own| own.kind.name != "objectClass"));
        self.put(own)
    }

    async fn modify(&self, (): &(), name: &Dn, changes: Vec<Change>) -> Result<(), Refused> {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let missing = || Refused::new(Code::NoSuchObject, "");
        let mut entry = entries.all.get(&name.path()).ok_or_else(missing)?.clone();
        for change in changes {
            changed(&mut entry, change)?;
        }
        entries.take(&name.path());
        entries.put(entry);
        Ok(())
    }

    async fn remove(&self, (): &(), name: &Dn) -> Result<(), Refused> {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if entries.has_below(&name.path()) {
            return Err(Refused::new(Code::NotAllowedOnNonLeaf, ""));
        }
        entries.take(&name.path()).map(drop).ok_or_else(|| Refused::new(Code::NoSuchObject, ""))
    }
}

fn no_class() -> Refused {
    Refused::new(Code::ObjectClassViolation, "no objectClass")
}

/// RFC 4511 section 4.6.
fn changed(entry: &mut Entry, change: Change) -> Result<(), Refused> {
    let Change { operation, modification } = change;
    let undefined = || Refused::new(Code::UndefinedAttributeType, modification.atype.clone());
    let kind = kind(&modification.atype).ok_or_else(undefined)?;
    let is_same = |a: &[u8], b: &[u8]| kind.rule.normal(a) == kind.rule.normal(b);
    let mut values = match entry.attributes.iter().position(|own| own.kind == kind) {
        Some(at) => entry.attributes.remove(at).values,
        None => Vec::new(),
    };
    match operation {
        ChangeKind::Replace => values = modification.vals,
        ChangeKind::Add => {
            for value in modification.vals {
                if values.iter().any(|own| is_same(own, &value)) {
                    return Err(Refused::new(Code::AttributeOrValueExists, kind.name));
                }
                values.push(value);
            }
        }
        ChangeKind::Delete if modification.vals.is_empty() => {
            if std::mem::take(&mut values).is_empty() {
                return Err(Refused::new(Code::NoSuchAttribute, kind.name));
            }
        }
        ChangeKind::Delete => {
            for value in modification.vals {
                let at = values.iter().position(|own| is_same(own, &value));
                values.remove(at.ok_or_else(|| Refused::new(Code::NoSuchAttribute, kind.name))?);
            }
        }
        ChangeKind::Increment => return Err(Refused::new(Code::UnwillingToPerform, "nothing here is counted")),
    }
    if !values.is_empty() {
        entry.attributes.push(Attribute { kind, values });
    }
    Ok(())
}
