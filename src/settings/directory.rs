//! The section `directory`: the organisation's own, which decides who people are.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use proto::ids::{Phone, RoomId};
use serde::Deserialize;

use super::auth::is_here;

const SERVERS_MAX: usize = 16;
const KEYS_MAX: usize = 8;
const GROUPS_MAX: usize = 256;
/// Seconds. Whoever has gone is to be signed out within a minute.
const SYNC: RangeInclusive<u64> = 1..=30;
const KEEP_MAX: u64 = 365 * 86_400;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Directory {
    pub(crate) servers: Vec<String>,
    pub(crate) start_tls: bool,
    pub(crate) roots: String,
    pub(crate) bind_dn: String,
    pub(crate) password_file: String,
    pub(crate) base: String,
    pub(crate) people: String,
    pub(crate) keys: Vec<String>,
    pub(crate) given: String,
    pub(crate) surname: String,
    pub(crate) display: String,
    pub(crate) certificate: String,
    pub(crate) member: String,
    pub(crate) restrict: bool,
    pub(crate) groups: BTreeMap<String, String>,
    pub(crate) owner: String,
    pub(crate) sync: u64,
    pub(crate) keep: u64,
}

impl Default for Directory {
    fn default() -> Directory {
        Directory {
            servers: Vec::new(),
            start_tls: true,
            roots: String::new(),
            bind_dn: String::new(),
            password_file: String::new(),
            base: String::new(),
            people: "(objectClass=inetOrgPerson)".into(),
            keys: vec!["telephoneNumber".into(), "uid".into()],
            given: "givenName".into(),
            surname: "sn".into(),
            display: "displayName".into(),
            certificate: String::new(),
            member: "member".into(),
            restrict: false,
            groups: BTreeMap::new(),
            owner: "directory".into(),
            sync: 30,
            keep: 86_400,
        }
    }
}

impl Directory {
    pub(crate) fn decides(&self) -> chat::Directory {
        match (self.servers.is_empty(), self.restrict) {
            (true, _) => chat::Directory::None,
            (false, false) => chat::Directory::Asked,
            (false, true) => chat::Directory::Restricts,
        }
    }

    /// The account that owns the rooms of groups.
    pub(crate) fn owner(&self) -> Result<Phone, String> {
        Phone::parse(self.owner.as_bytes()).map_err(|_| format!("directory.owner: {:?} is no account key", self.owner))
    }

    /// Rooms, and the groups that they follow.
    pub(crate) fn groups(&self) -> Result<Vec<(RoomId, String)>, String> {
        if self.groups.len() > GROUPS_MAX {
            return Err(format!("directory.groups: at most {GROUPS_MAX}"));
        }
        let pair = |(room, group): (&String, &String)| match RoomId::parse(room.as_bytes()) {
            Ok(room) if !group.is_empty() => Ok((room, group.clone())),
            Ok(_) | Err(_) => Err(format!("directory.groups: {room} = {group:?} is no room's id and group's name")),
        };
        self.groups.iter().map(pair).collect()
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let wrong = |what: &str| Err(format!("directory.{what}"));
        if self.servers.is_empty() {
            return match self.restrict {
                true => wrong("restrict needs directory.servers"),
                false => Ok(()),
            };
        }
        if self.servers.len() > SERVERS_MAX {
            return wrong(&format!("servers: at most {SERVERS_MAX}"));
        }
        for server in &self.servers {
            let Ok(url) = server.parse::<hyper::Uri>() else { return wrong(&format!("servers: {server} is no URL")) };
            let is_name = url.host().is_some_and(|host| !host.is_empty() && !host.starts_with('['));
            match url.scheme_str() {
                Some("ldap" | "ldaps") if !is_name => return wrong("servers: hosts are names or IPv4 addresses"),
                Some("ldaps") => {}
                Some("ldap") if self.start_tls || is_here(&url) => {}
                Some("ldap") => return wrong("start_tls: without TLS on loopback only"),
                Some(_) | None => return wrong(&format!("servers: {server} begins with neither ldaps:// nor ldap://")),
            }
        }
        if self.base.is_empty() {
            return wrong("base: below which entry are people?");
        }
        if !ldap::client::is_filter(&self.people) {
            return wrong("people: is no filter");
        }
        if self.keys.is_empty() || self.keys.len() > KEYS_MAX || !self.keys.iter().all(|key| is_attribute(key)) {
            return wrong(&format!("keys: 1 to {KEYS_MAX} names of attributes"));
        }
        if ![&self.given, &self.surname, &self.display, &self.certificate]
            .into_iter()
            .all(|name| name.is_empty() || is_attribute(name))
        {
            return wrong("given, surname, display, certificate: names of attributes");
        }
        if !is_attribute(&self.member) {
            return wrong("member: the name of an attribute");
        }
        self.owner()?;
        self.groups()?;
        if !SYNC.contains(&self.sync) || self.keep > KEEP_MAX {
            return wrong(&format!("sync is {} to {} seconds, keep at most {KEEP_MAX}", SYNC.start(), SYNC.end()));
        }
        Ok(())
    }
}

/// RFC 4512, 2.5: a name and options.
fn is_attribute(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b';'))
}
