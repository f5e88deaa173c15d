//! The client of CHAT: connect, register, call, receive (SPEC sections 3 to 8, as their user).
//!
//! [`Client::connect`] gives a handle for calls and a stream of [`Event`]s. A call ends when the specification says that its answer is
//! complete. After a break the client connects again and repeats what had no answer, messages under the same `msg_id`, so nothing is
//! lost and nothing doubled (G-7, MESSAGE-1). Durable items are confirmed to the server when they are taken from [`Events`], so a slow
//! reader slows the server down instead of filling memory.

mod options;
mod error;
mod client;
mod calls;
mod answer;
mod pending;
mod inbox;
mod engine;
mod find;
mod link;
mod tls;
pub mod mqtt;
mod sealed;
mod revoked;
mod files;
mod home;
mod console;
mod bench;

pub use answer::{Answer, Origin, Step};
pub use bench::{BenchArgs, bench};
pub use calls::{Account, Enrolment, Peer, Registered, Sent, private};
pub use client::Client;
pub use console::{Command, ConsoleArgs, Field, HELP, RoomAct, console};
pub use error::Error;
pub use files::{Progress, is_reference};
pub use find::{Anchors, Named};
pub use home::{Home, Stored};
pub use inbox::{EVENTS_MAX, Event, Events, State};
pub use options::{BACKOFF_MAX, BACKOFF_MIN, Carrier, Identity, Options, Tls, Url};
pub use pending::{CALLS_MAX, Pending, Request};
pub use revoked::{fetch_list, list_url};
pub use sealed::{Doubt, Found, News, Opened, People, Replays, Seals, file_key, file_part};
