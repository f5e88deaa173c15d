//! The vocabulary of the wire, shared by server and client: every record, topic name, identity, result atom and limit. No behaviour.
#[macro_use]
mod discreet;
pub mod ids;
pub mod limits;
pub mod mail;
pub mod naming;
mod record;
pub mod records;
mod refusal;
pub mod text;
pub mod topic;

pub use discreet::erased;
pub use record::{Record, catalogue};
pub use records::*;
pub use refusal::{Outcome, Refusal};
