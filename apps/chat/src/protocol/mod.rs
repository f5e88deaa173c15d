//! The sub-protocols: one file each, one function per call, in the order of SPEC section 6.

pub(crate) mod auth;
pub(crate) mod circle;
pub(crate) mod contact;
pub(crate) mod favorite;
pub(crate) mod feature;
pub(crate) mod friend;
pub(crate) mod fleeting;
pub(crate) mod ftp;
mod halt;
pub(crate) mod history;
pub(crate) mod later;
pub(crate) mod init;
pub(crate) mod keys;
pub(crate) mod link;
pub(crate) mod location;
pub(crate) mod mailbox;
pub(crate) mod member;
pub(crate) mod message;
pub(crate) mod pages;
pub(crate) mod person;
pub(crate) mod presence;
pub(crate) mod profile;
pub(crate) mod push;
pub(crate) mod reading;
pub(crate) mod rights;
pub(crate) mod room;
pub(crate) mod roster;
pub(crate) mod service;
pub(crate) mod search;
pub(crate) mod sticker;
pub(crate) mod terminal;
mod turn;
pub(crate) mod typing;
pub(crate) mod work;

pub(crate) use halt::{Halt, settle};
