//! Who may use which free topic, where a deployment narrows or widens it (TOPIC-13, `topics.free`).

use std::sync::Arc;

use crate::broker::filter::{covers, overlap};
use crate::holder::Holder;
use crate::packet::well_formed;
use crate::session::Kind;

/// Rules of a deployment.
const RULES_MAX: usize = 256;
/// Names in a rule.
const NAMES_MAX: usize = 1024;
/// Every plain client and service.
const EVERYBODY: &str = "*";

/// Who may read and write the topics that `filter` names, by the names in their certificates. The first rule that names a topic decides;
/// on topics that none names, plain clients and services may do both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub filter: String,
    pub read: Vec<String>,
    pub write: Vec<String>,
}

impl Rule {
    /// # Errors
    /// What no rules can be.
    pub fn check(rules: &[Rule]) -> Result<(), String> {
        if rules.len() > RULES_MAX {
            return Err(format!("topics.free: at most {RULES_MAX} rules"));
        }
        for Rule { filter, read, write } in rules {
            if !well_formed(filter) || filter.starts_with("$share/") || filter.contains('\0') {
                return Err(format!("topics.free: {filter:?} is no topic filter"));
            }
            if read.len().max(write.len()) > NAMES_MAX {
                return Err(format!("topics.free: at most {NAMES_MAX} names for {filter:?}"));
            }
        }
        Ok(())
    }
}

/// What a client wants to do with a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Read,
    Write,
}

/// The rights of one client. `rules` is empty in most deployments.
#[derive(Debug, Clone)]
pub(crate) struct Rights {
    rules: Arc<[Rule]>,
    holder: Option<Holder>,
}

impl Rights {
    /// `None` where there are no rules.
    pub(crate) fn new(rules: &Arc<[Rule]>, holder: Option<&Holder>) -> Option<Box<Rights>> {
        (!rules.is_empty()).then(|| Box::new(Rights { rules: rules.clone(), holder: holder.cloned() }))
    }

    /// Whether there is a topic for it beside those that its kind may use.
    pub(crate) fn names_it(&self) -> bool {
        self.rules.iter().any(|rule| self.is_among(&rule.read) || self.is_among(&rule.write))
    }

    /// Whether it may do that to all that `filter`, or the topic, names.
    pub(crate) fn allow(&self, kind: Kind, act: Act, filter: &str) -> bool {
        for rule in self.rules.iter().filter(|rule| overlap(&rule.filter, filter)) {
            let names = match act {
                Act::Read => &rule.read,
                Act::Write => &rule.write,
            };
            let everybody = kind != Kind::Client && names.iter().any(|name| name == EVERYBODY);
            if !everybody && !self.is_among(names) {
                return false;
            }
            if covers(&rule.filter, filter) {
                return true;
            }
        }
        kind != Kind::Client
    }

    fn is_among(&self, names: &[String]) -> bool {
        self.holder.as_ref().is_some_and(|holder| holder.is_among(names))
    }
}

#[cfg(test)]
mod tests {
    use chat::door::Certificate;

    use super::*;

    fn rights(name: &str) -> Rights {
        let rule = |filter: &str, read: &[&str], write: &[&str]| Rule {
            filter: filter.into(),
            read: read.iter().map(|name| (*name).to_owned()).collect(),
            write: write.iter().map(|name| (*name).to_owned()).collect(),
        };
        let rules = [
            rule("sensors/secret", &["anna"], &["gateway"]),
            rule("sensors/#", &["*"], &["gateway"]),
            rule("door/+", &["anna", "phone"], &["phone"]),
        ];
        let certificate =
            Certificate { names: vec![name.to_owned()], own_authority: true, personal: true, ..Certificate::default() };
        *Rights::new(&rules.into(), Some(&Arc::new(certificate).into())).unwrap()
    }

    #[test]
    fn topic_13_the_first_rule_that_names_a_topic_decides() {
        let may = |name: &str, act, filter: &str| rights(name).allow(Kind::Plain, act, filter);
        assert!(may("anna", Act::Read, "sensors/secret") && !may("ben", Act::Read, "sensors/secret"));
        assert!(may("ben", Act::Read, "sensors/open") && !may("ben", Act::Write, "sensors/open"));
        assert!(may("gateway", Act::Write, "sensors/secret"));
        assert!(may("ben", Act::Write, "elsewhere") && !may("ben", Act::Read, "door/front"));
    }

    #[test]
    fn topic_13_a_filter_needs_the_right_to_all_that_it_names() {
        let may = |name: &str, filter: &str| rights(name).allow(Kind::Plain, Act::Read, filter);
        assert!(may("anna", "#") && may("anna", "sensors/+"));
        assert!(!may("ben", "#") && !may("ben", "sensors/+") && !may("gateway", "+/front"));
        assert!(may("ben", "other/#"));
    }

    #[test]
    fn topic_13_a_device_has_only_what_a_rule_gives_its_certificate() {
        let may = |name: &str, act, filter: &str| rights(name).allow(Kind::Client, act, filter);
        assert!(may("phone", Act::Write, "door/front") && may("phone", Act::Read, "door/+"));
        assert!(!may("phone", Act::Read, "#") && !may("phone", Act::Read, "sensors/open"));
        assert!(!may("phone", Act::Write, "elsewhere") && rights("phone").names_it() && !rights("ben").names_it());
    }

    #[test]
    fn rules_are_checked() {
        let rule = |filter: &str| [Rule { filter: filter.into(), read: Vec::new(), write: Vec::new() }];
        assert!(Rule::check(&rule("a/+/#")).is_ok());
        for wrong in ["", "a#", "$share/g/a"] {
            assert!(Rule::check(&rule(wrong)).unwrap_err().contains("topics.free"), "{wrong}");
        }
    }
}
