//! The remote shell: one command a connection over TLS with an operator's certificate; a line goes in, text comes out.

mod authority;
mod client;
mod file;
mod command;
mod ldif;
mod look;
mod notation;
mod pushes;
mod records;
mod server;
mod tree;

pub(crate) use client::{Target, once, run, sign};
pub(crate) use file::ldif_file;
pub(crate) use server::{Shell, bind, listen};

/// Bytes of a command.
const COMMAND_MAX: u64 = 64 * 1024;
/// Bytes of an answer; a longer one ends with a word about that.
const ANSWER_MAX: usize = 4 << 20;
/// The first byte of an answer: it was done, or it was not and this is why.
const DONE: u8 = b'+';
const REFUSED: u8 = b'-';
