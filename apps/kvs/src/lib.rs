//! Ordered tables of bytes: atomic batches, snapshots, group commit; engines on disk and in memory.
//!
//! A batch is *applied* by the calling thread: all of it at once, visible to every reader on return. It is *durable*
//! once a flush that began after it has ended; many batches share one flush ([`Flusher`]). What a batch led to may leave
//! the server only when its [`Ticket`] is durable.

mod store;

mod batch;
mod span;

mod disk;
mod memory;

mod flusher;
mod sequence;

mod error;

pub use batch::{BATCH_MAX, Batch, KEY_MAX, Op, VALUE_MAX};
pub use disk::Disk;
pub use error::Error;
pub use flusher::Flusher;
pub use memory::Memory;
pub use sequence::{ID_MAX, Sequence};
pub use span::{SCAN_DEFAULT, Span};
pub use store::{Entry, Glance, Store, TABLE_MAX, Table, Ticket, View};
