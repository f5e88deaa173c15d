//! Request topics and the answer topics that match them: TOPIC-1, TOPIC-2.
use crate::limits::MODULE_BYTES;

/// What an events topic says. The node is a hint that changes nothing (TOPIC-3) and the user name is not interpreted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Events {
    /// How to answer.
    pub reply: ReplyForm,
    /// Client id claimed.
    pub client: Option<Box<str>>,
    /// Token claimed.
    pub token: Option<Box<str>>,
    /// False: answer `invalid_version`.
    pub version_ok: bool,
}

impl Events {
    /// From the levels after `events`; `slash` if the topic began with one. `None`: no form of TOPIC-1.
    pub(super) fn parse(slash: bool, levels: &[&str]) -> Option<Self> {
        match (slash, levels) {
            (false, [client]) => Some(Self::new(ReplyForm::Short, true, client, "")),
            (false, [version, _, module, _, client]) => Self::long(version, module, client, ""),
            (false, [version, _, module, _, client, token]) => Self::long(version, module, client, token),
            (true, [_, _, module, _, _]) => Some(Self::new(ReplyForm::Slashed(level(module)?), true, "", "")),
            (true, [_, _, module, _, _, client]) => {
                Some(Self::new(ReplyForm::Slashed(level(module)?), true, client, ""))
            }
            _ => None,
        }
    }

    fn long(version: &str, module: &str, client: &str, token: &str) -> Option<Self> {
        Some(Self::new(ReplyForm::Long(level(module)?), matches!(version, "" | "1"), client, token))
    }

    fn new(reply: ReplyForm, version_ok: bool, client: &str, token: &str) -> Self {
        let given = |text: &str| (!text.is_empty()).then(|| text.into());
        Self { reply, client: given(client), token: given(token), version_ok }
    }
}

/// The form of an answer topic (TOPIC-2). A module is `None` for `api`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ReplyForm {
    /// `actions/1/:module/:client`.
    Long(Option<Box<str>>),
    /// `actions/:client`.
    Short,
    /// `/actions/:module/:client`.
    Slashed(Option<Box<str>>),
}

impl Default for ReplyForm {
    /// Of a connection that has asked nothing yet: `actions/1/api/:client`.
    fn default() -> Self {
        Self::Long(None)
    }
}

impl ReplyForm {
    /// The topic of an answer to `client`.
    pub fn topic(&self, client: &str) -> String {
        match self {
            Self::Long(module) => format!("actions/1/{}/{client}", module.as_deref().unwrap_or(API)),
            Self::Short => format!("actions/{client}"),
            Self::Slashed(module) => format!("/actions/{}/{client}", module.as_deref().unwrap_or(API)),
        }
    }

    /// The form and client id, from the levels after `actions`.
    pub(super) fn parse<'a>(slash: bool, levels: &[&'a str]) -> Option<(Self, &'a str)> {
        match (slash, levels) {
            (false, &[client]) => Some((Self::Short, client)),
            (false, &["" | "1", module, client]) => Some((Self::Long(level(module)?), client)),
            (true, &[module, client]) => Some((Self::Slashed(level(module)?), client)),
            _ => None,
        }
    }
}

const API: &str = "api";

/// A module level: `None` inside for `api` and empty, `None` outside when it is too long to keep.
fn level(module: &str) -> Option<Option<Box<str>>> {
    match module {
        "" | API => Some(None),
        _ => (module.len() <= MODULE_BYTES).then(|| Some(module.into())),
    }
}
