//! The section `ldap`: the directory that the server itself serves.

use ldap::server::Dn;
use serde::Deserialize;

use super::Settings;

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Ldap {
    pub(crate) base: String,
    pub(crate) anonymous: bool,
}

impl Ldap {
    pub(super) fn check(&self) -> Result<(), String> {
        match Dn::parse(&self.base) {
            Ok(name) if self.base.is_empty() || name.own().is_some() => Ok(()),
            Ok(_) | Err(_) => Err(format!("ldap.base: {:?} is no distinguished name", self.base)),
        }
    }
}

impl Settings {
    /// The name above all entries: the one given, else that of the server's first name with a dot, else the organisation's.
    pub(crate) fn base(&self) -> Result<Dn, String> {
        if !self.ldap.base.is_empty() {
            return Dn::parse(&self.ldap.base).map_err(|why| format!("ldap.base: {why}"));
        }
        let is_name = |name: &&String| name.contains('.') && name.parse::<std::net::IpAddr>().is_err();
        Ok(match self.server.names.iter().find(is_name) {
            Some(name) => {
                let labels = name.split('.').rev().filter(|label| !label.is_empty());
                labels.fold(Dn::root(), |above, label| above.child("dc", label))
            }
            None => Dn::root().child("o", &self.server.organisation),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_is_the_one_given_or_the_server_s_name_or_the_organisation_s() {
        let base = |text: &str| toml::from_str::<Settings>(text).unwrap().base().unwrap().to_string();
        assert_eq!(base(""), "o=CHAT");
        assert_eq!(base("server = { organisation = 'A, B', names = ['192.0.2.1', 'chat'] }"), "o=A\\, B");
        assert_eq!(base("server.names = ['::1', 'chat.example.org']"), "dc=chat,dc=example,dc=org");
        assert_eq!(base("ldap.base = 'ou=chat, dc=x'"), "ou=chat,dc=x");
    }
}
