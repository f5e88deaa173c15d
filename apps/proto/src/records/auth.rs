//! `Auth`: a session row or a registration request (ID-8, AUTH-1 to AUTH-18).
use bytes::Bytes;
use etf::{AtomEnum, Choice, Decode, Error, Reader, Record, Term};

use super::{Feature, Stamp};

#[derive(Clone, PartialEq, Default, Record)]
#[record(also(14 = "Auth::from_v1"))]
pub struct Auth {
    pub client_id: Option<Bytes>,
    pub dev_key: Option<Bytes>,
    /// phone_id of the default roster.
    pub user_id: Option<Bytes>,
    pub phone: Option<AuthPhone>,
    pub token: Option<Bytes>,
    pub sms_code: Option<Bytes>,
    pub attempts: Option<u64>,
    /// Atoms: the proof of a registration (`jwt`, `x509`) or the language of a call (`en`, `ua`).
    pub services: Vec<Term>,
    pub settings: Option<AuthSettings>,
    pub push: Option<Bytes>,
    pub os: Option<Os>,
    pub created: Option<Stamp>,
    /// Milliseconds since 1970.
    pub last_online: Option<u64>,
    pub r#type: Option<AuthType>,
}

discreet!(Auth: client_id, dev_key, phone, os, r#type);

impl Auth {
    /// What is asked or told, whatever its form; `None` for the ignored `login` too (C-7).
    pub fn act(&self) -> Option<AuthAct> {
        match self.r#type.as_ref()? {
            AuthType::Act(act) => act.modern(),
            AuthType::Reg(_) => Some(AuthAct::Reg),
            AuthType::Ver(_) => Some(AuthAct::Ver),
        }
    }

    /// The client version that came with the type: `{reg,V}` or `{ver,V}`.
    pub fn version(&self) -> Option<&Term> {
        match self.r#type.as_ref()? {
            AuthType::Act(_) => None,
            AuthType::Reg(reg) => Some(&reg.version),
            AuthType::Ver(ver) => Some(&ver.version),
        }
    }

    /// The first service, when it is an atom.
    pub fn service(&self) -> Option<&str> {
        self.services.first().and_then(Term::as_atom)
    }

    pub fn features(&self) -> &[Feature] {
        match &self.settings {
            Some(AuthSettings::Features(list)) => list,
            Some(AuthSettings::Text(_)) | None => &[],
        }
    }

    /// Arity 14: type is the 6th field, there are no settings (C-6).
    fn from_v1(r: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(Self {
            client_id: Decode::decode(r)?,
            dev_key: Decode::decode(r)?,
            user_id: Decode::decode(r)?,
            phone: Decode::decode(r)?,
            token: Decode::decode(r)?,
            r#type: Decode::decode(r)?,
            sms_code: Decode::decode(r)?,
            attempts: Decode::decode(r)?,
            services: Decode::decode(r)?,
            settings: None,
            push: Decode::decode(r)?,
            os: Decode::decode(r)?,
            created: Decode::decode(r)?,
            last_online: Decode::decode(r)?,
        })
    }
}

/// The account key asked for.
#[derive(Debug, Clone, PartialEq, Eq, Choice)]
pub enum AuthPhone {
    Number(Bytes),
    /// `{fake,P}`, ID-15.
    Fake(Fake),
}

#[derive(Debug, Clone, PartialEq, Eq, Record)]
#[record("fake")]
pub struct Fake {
    pub phone: Bytes,
}

#[derive(Debug, Clone, PartialEq, Choice)]
pub enum AuthSettings {
    Features(Vec<Feature>),
    Text(Bytes),
}

#[derive(Debug, Clone, PartialEq, Choice)]
pub enum AuthType {
    Act(AuthAct),
    Reg(VersionedReg),
    Ver(VersionedVer),
}

/// `{reg,Version}`, AUTH-1.
#[derive(Debug, Clone, PartialEq, Default, Record)]
#[record("reg")]
pub struct VersionedReg {
    pub version: Term,
}

/// `{ver,Version}`, AUTH-12.
#[derive(Debug, Clone, PartialEq, Default, Record)]
#[record("ver")]
pub struct VersionedVer {
    pub version: Term,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, AtomEnum)]
pub enum AuthAct {
    Update,
    Clear,
    Delete,
    Deleted,
    Logout,
    Verify,
    Verified,
    Expired,
    Reg,
    Resend,
    Voice,
    Push,
    Get,
    Ver,
    Login,
    List,
}

impl AuthAct {
    /// Old atoms by their present name (C-7); `login` is ignored (D-23).
    pub fn modern(self) -> Option<Self> {
        match self {
            Self::List => Some(Self::Get),
            Self::Login => None,
            Self::Update
            | Self::Clear
            | Self::Delete
            | Self::Deleted
            | Self::Logout
            | Self::Verify
            | Self::Verified
            | Self::Expired
            | Self::Reg
            | Self::Resend
            | Self::Voice
            | Self::Push
            | Self::Get
            | Self::Ver => Some(self),
        }
    }
}

impl From<AuthAct> for AuthType {
    fn from(act: AuthAct) -> Self {
        Self::Act(act)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, AtomEnum)]
pub enum Os {
    Ios,
    Android,
    Web,
}
