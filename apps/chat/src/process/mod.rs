//! The processes that own state: each loads its rows, judges one input at a time, and says what should happen.

pub(crate) mod agenda;
pub(crate) mod circle;
pub(crate) mod conversation;
pub(crate) mod files;
pub(crate) mod links;
pub(crate) mod mail;
pub(crate) mod mailbox;
pub(crate) mod nicks;
pub(crate) mod profile;
pub(crate) mod room;
pub(crate) mod roster;
pub(crate) mod source;
pub(crate) mod stickers;
pub(crate) mod terminal;
