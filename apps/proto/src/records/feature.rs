//! Settings and linked accounts: `Feature`, `Service`.
use bytes::Bytes;
use etf::{AtomEnum, Choice, Record, Term};

/// One setting. A list holds one per (group, key), the last wins (FEATURE-1).
#[derive(Clone, PartialEq, Record)]
pub struct Feature {
    /// Unique in its list.
    pub id: Option<Bytes>,
    pub key: Option<Bytes>,
    pub value: Option<Value>,
    pub group: Option<Bytes>,
}

discreet!(Feature: group, key);

impl Default for Feature {
    fn default() -> Self {
        Self { id: None, key: None, value: Some(Value::Text(Bytes::new())), group: None }
    }
}

impl Feature {
    /// A setting whose id is its key.
    pub fn new(group: impl Into<Bytes>, key: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        let key = key.into();
        Self {
            id: Some(key.clone()),
            key: Some(key),
            value: Some(Value::Text(value.into())),
            group: Some(group.into()),
        }
    }

    /// The value as text: the atom `true` is `true`, an absent value is empty.
    pub fn text(&self) -> &[u8] {
        match &self.value {
            Some(Value::Text(text)) => text,
            Some(Value::Flag(Flag::True)) => b"true",
            None => b"",
        }
    }

    /// Whether this is the setting `key` of `group`.
    pub fn is(&self, group: &[u8], key: &[u8]) -> bool {
        self.group.as_deref() == Some(group) && self.key.as_deref() == Some(key)
    }
}

/// Value of a Feature.
#[derive(Debug, Clone, PartialEq, Eq, Choice)]
pub enum Value {
    Text(Bytes),
    Flag(Flag),
}

/// The one atom that may stand for a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, AtomEnum)]
pub enum Flag {
    True,
}

/// A linked external account or credential.
#[derive(Clone, PartialEq, Default, Record)]
pub struct Service {
    pub id: Option<Bytes>,
    pub r#type: Option<ServiceType>,
    /// Free, or certificate DER (type `synrc`).
    pub data: Term,
    pub login: Option<Bytes>,
    /// Sent to own devices only.
    pub password: Option<Bytes>,
    /// Milliseconds since 1970.
    pub expiration: Option<u64>,
    pub status: Option<ServiceStatus>,
}

discreet!(Service: id, r#type, login, status);

/// Which kind of account a Service is; `email` and `vox` are of the old text (C-7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, AtomEnum)]
pub enum ServiceType {
    Synrc,
    Aws,
    Gcp,
    Azure,
    Email,
    Vox,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, AtomEnum)]
pub enum ServiceStatus {
    Verified,
    Added,
    Add,
    Remove,
}
