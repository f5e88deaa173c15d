//! The mail queue: what a device has not acknowledged (SPEC section 8), without storage or network.
//!
//! A queue is not stored as a list. What happened is kept once, in the order of its numbers, for all receivers; a device is a
//! [`Cursor`] in each stream of it (a feed, or its account's notices). [`Stream`] follows a feed on one connection, [`Inbox`] the notices: what was sent,
//! what is open, and what cursor follows from that. [`merge`] makes one item of several notices.
//!
//! The mailboxes of terminals (SPEC section 7) are another thing: [`Run`] is a box as arithmetic, [`Command`] what a terminal says,
//! [`line`] what it is told.

mod command;
mod cursor;
mod inbox;
pub mod line;
pub mod merge;
mod run;
mod stream;

pub use command::{Command, clean};
pub use cursor::{Cursor, RANGES_MAX};
pub use inbox::{Inbox, SETTLED_MS};
pub use run::Run;
pub use stream::{Open, Stream};
