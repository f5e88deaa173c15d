//! Filters of SUBSCRIBE: TOPIC-5, 6, 13, CON-10.
use super::{Topic, is_ours};

/// What a filter asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Filter {
    /// One topic, without wildcards.
    Topic(Topic),
    /// Wildcards below `actions/` or `/actions/`: the own answers (TOPIC-6).
    OwnActions,
    /// Wildcards that match free topics only, `#` included (TOPIC-13).
    Free,
    /// Wildcards on topics of the protocol: for *sys* (TOPIC-6).
    Wildcard,
    /// `$share/:group/:filter` (CON-10).
    Shared { group: Box<str>, filter: Box<Filter> },
}

/// A filter that MQTT forbids (MQTT 5.0 sections 4.7.1, 4.8.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a topic filter")]
pub struct BadFilter;

impl Filter {
    pub fn parse(filter: &str) -> Result<Self, BadFilter> {
        match filter.strip_prefix("$share/") {
            Some(shared) => {
                let (group, filter) = shared.split_once('/').ok_or(BadFilter)?;
                match group.is_empty() || group.contains(['+', '#']) {
                    true => Err(BadFilter),
                    false => Ok(Self::Shared { group: group.into(), filter: Box::new(Self::unshared(filter)?) }),
                }
            }
            None => Self::unshared(filter),
        }
    }

    fn unshared(filter: &str) -> Result<Self, BadFilter> {
        check(filter)?;
        if !filter.contains(['+', '#']) {
            return Ok(Self::Topic(Topic::parse(filter)));
        }
        let levels = filter.strip_prefix('/').unwrap_or(filter);
        let first = levels.split('/').next().unwrap_or_default();
        Ok(match (first, is_ours(first)) {
            ("actions", _) => Self::OwnActions,
            (_, true) => Self::Wildcard,
            (_, false) => Self::Free,
        })
    }
}

/// Not empty, no NUL, `+` alone in its level, `#` alone in the last.
fn check(filter: &str) -> Result<(), BadFilter> {
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        let sound = match level {
            "+" => true,
            "#" => levels.peek().is_none(),
            _ => !level.contains(['+', '#', '\0']),
        };
        if !sound {
            return Err(BadFilter);
        }
    }
    match filter.is_empty() {
        true => Err(BadFilter),
        false => Ok(()),
    }
}
