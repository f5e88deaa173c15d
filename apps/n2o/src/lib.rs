//! The process model: processes by name on a ring of threads, each a pure state machine.
//!
//! An [`App`] says what a process is. A node (one per ring thread) schedules its processes, steps them, applies
//! what they write and holds back what would leave the server until it is durable. Two hosts run the same node:
//! [`Host`] with actix in production, [`Sim`] with a seed, a clock that is moved and crashes on demand in tests.
//!
//! What holds in both:
//! - A step's writes are applied to the store before any of its sends goes anywhere; inside the server what was
//!   applied is visible at once.
//! - An output leaves only when everything applied before it is on disk; outputs of one node leave in order.
//! - Inputs from one sender to one receiver arrive in the order they were sent.
//! - A step that fails or panics leaves nothing: its writes and sends are dropped, its input is bounced, its process
//!   is loaded afresh from the store at the next input, all others go on.

mod app;

mod cx;
mod effects;

mod ring;

mod registry;
mod tree;

mod net;

mod node;

mod slots;

mod step;

mod ahead;
mod commit;

mod gate;

mod restarts;
mod timers;

mod host;
mod sim;

pub use app::{App, Bounce, Failure};
pub use cx::{Cx, Time};
pub use effects::{Effects, GROUPS_MAX, TIMERS_MAX};
pub use gate::{GATE_MAX, PATIENCE_MS};
pub use host::{Handle, Host, Options, Performer};
pub use net::{Full, MAILBOX_MAX};
pub use node::{DRAIN_INPUTS, IDLE_MS, LAZY_FLUSH_MS, TURN_INPUTS};
pub use registry::{Part, Registry};
pub use restarts::{BARRED_MS, RESTARTS_MAX, RESTARTS_MS};
pub use ring::Ring;
pub use sim::Sim;
pub use tree::Branch;
