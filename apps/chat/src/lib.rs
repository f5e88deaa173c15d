//! The chat: what the server does with records, whoever carries them.
//!
//! Read it downwards. `door` is how transports come in; `session` takes a request and hands it to the owner of what it is about;
//! one file per sub-protocol says what each call does; `conversation`, `profile`, `roster` are the processes that own the state.
//! Nothing here knows a socket, a clock or a thread: the process model (crate `n2o`) runs it, on a ring of threads or in a simulator.

mod app;
pub mod beside;
pub mod directory;
pub mod door;
mod effects;
mod input;
mod name;
mod names;
mod output;
mod port;
mod post;
mod process;
mod protocol;
pub mod rows;
mod session;
mod settings;
mod vault;

pub use app::{Chat, Process};
pub use input::{
    Account, Admit, Admitted, Also, Answer, Call, CallEnded, Command, Confirming, Enrol, Follow, Founding, Friendship,
    Input, Letter, Listed, Notice, Refresh, Seat, Starred, Step, Tick, Transient, Upload, Who, WorkError, WorkResult,
};
pub use name::{Group, Name};
pub use names::{Known, account_by, default_roster, is_called, last_left};
pub use output::{Channel, FileWork, Gateway, Job, Output, Push, Sender, Signature, Work};
pub use port::{OUTS_MAX, Port, TRANSIENT_MAX};
pub use post::{Asked, Back, Caller, Came, Delivered, Mail, Post, Posted, Said, What};
pub use protocol::auth::{Invitation, Judged, directed, invites, is_invited};
pub use protocol::push::{Waiting, trial, waiting};
pub use protocol::work::unfinished;
pub use settings::{BadIssuer, Directory, Issuer, Jwt, Provider, Settings};
pub use vault::{KEY_BYTES, Vault};

/// Requests of one connection that may be unfinished; then its transport stops reading (SPEC section 11, Receive Maximum).
pub const CALLS_MAX: usize = 32;
/// Bytes of the calls of one connection that are at work; at this many the next one waits. Two pieces of a file.
pub const UNFINISHED_MAX: usize = 512 << 10;

pub(crate) type Fx = n2o::Effects<Chat>;
pub(crate) type Cx<'a> = n2o::Cx<'a, Chat>;
