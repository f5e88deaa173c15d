//! Tuples of the first protocol text and of N2O that have no record in the reference's header.
use bytes::Bytes;
use etf::{Atom, AtomEnum, Record, Term};

use super::Muc;

/// `{init,Token}`: asks for an N2O session (INIT-2).
#[derive(Clone, PartialEq, Eq, Default, Record)]
#[record("init")]
pub struct Init {
    pub token: Option<Bytes>,
}

discreet!(Init:);

/// `{vnode_max,N}`: the number of events nodes (INIT-1).
#[derive(Debug, Clone, PartialEq, Eq, Default, Record)]
#[record("vnode_max")]
pub struct VnodeMax {
    pub node: u64,
}

/// `{'Token',T}`: an N2O session token; stock browser clients keep it (IO-4).
#[derive(Clone, PartialEq, Eq, Default, Record)]
pub struct Token {
    pub token: Option<Bytes>,
}

discreet!(Token:);

/// `{'Auth',T}`: as [`Token`]; the server sends it empty (D-25).
#[derive(Clone, PartialEq, Eq, Default, Record)]
#[record("Auth")]
pub struct AuthToken {
    pub token: Option<Bytes>,
}

discreet!(AuthToken:);

/// `{'Client',ClientId}`, within an old `ok2`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Record)]
pub struct Client {
    pub client_id: Option<Bytes>,
}

/// Old form of [`super::Success`]: read, never sent (D-2).
#[derive(Clone, PartialEq, Default, Record)]
#[record("ok2")]
pub struct Ok2 {
    pub code: Option<Atom>,
    pub src: Term,
}

discreet!(Ok2: code);

/// Old form of [`super::Failure`]: read, never sent (D-2).
#[derive(Clone, PartialEq, Default, Record)]
#[record("error2")]
pub struct Error2 {
    pub code: Option<Atom>,
    pub src: Term,
}

discreet!(Error2: code);

/// Old form of [`Muc`] (C-6).
#[derive(Debug, Clone, PartialEq, Eq, Default, Record)]
#[record("group")]
pub struct Group {
    pub name: Option<Bytes>,
}

impl From<Group> for Muc {
    fn from(group: Group) -> Self {
        Self { name: group.name }
    }
}

/// Where a device is: relayed, not stored (D-34).
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Loc {
    pub x: Term,
    pub y: Term,
    pub z: Term,
}

/// An old client's view of a profile (D-36).
#[derive(Debug, Clone, PartialEq, Record)]
#[expect(non_snake_case, reason = "names of the wire")]
pub struct Person {
    pub id: Option<Bytes>,
    pub names: Option<Bytes>,
    pub surnames: Option<Bytes>,
    pub username: Option<Bytes>,
    pub phonelist: Vec<Bytes>,
    pub alias: Vec<Term>,
    pub avatar: Option<Bytes>,
    pub localize: Vec<Term>,
    pub NotificationSettings: Vec<Term>,
    pub SoundSettings: Vec<Term>,
    pub ThemeID: Option<Bytes>,
    pub voxImplantID: Option<Bytes>,
    pub voxImplantLogin: Option<Bytes>,
    pub voxImplantPassword: Option<Bytes>,
    pub BlockUsers: Vec<Bytes>,
    pub balance: Option<i64>,
    pub isParticipants: Vec<Atom>,
    pub status: Option<PersonStatus>,
}

impl Default for Person {
    fn default() -> Self {
        Self {
            id: None,
            names: None,
            surnames: None,
            username: None,
            phonelist: Vec::new(),
            alias: Vec::new(),
            avatar: None,
            localize: Vec::new(),
            NotificationSettings: Vec::new(),
            SoundSettings: Vec::new(),
            ThemeID: None,
            voxImplantID: None,
            voxImplantLogin: None,
            voxImplantPassword: None,
            BlockUsers: Vec::new(),
            balance: Some(0),
            isParticipants: Vec::new(),
            status: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, AtomEnum)]
pub enum PersonStatus {
    Get,
    Set,
}
