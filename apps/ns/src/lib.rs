//! An authoritative name server for one zone: it signs what it is given (DNSSEC), answers over UDP and TCP, and lets named secondaries
//! copy the zone. It knows nothing of who uses it: contents come as records, keys as text, the time as a number.
//!
//! `Contents` are compiled with `Keys` into a `Zone`, in which every set of records is signed and lies there as it goes out; a `Server`
//! answers from the zone that was published last.

mod name;
mod kind;
mod set;
mod keys;
mod file;
mod lines;
mod escape;
mod contents;
mod chain;
mod sign;
mod zone;
mod query;
mod reply;
mod answer;
mod rate;
mod tsig;
mod transfer;
mod notify;
mod udp;
mod tcp;
mod server;

pub use hickory_proto::rr as record;

pub use answer::{Asked, Outcome, Via, respond};
pub use contents::{Contents, Flaw};
pub use file::import;
pub use keys::{Algorithm, Key, KeyFlaw, Keys, State};
pub use notify::Heard;
pub use server::{Counts, Options, Server};
pub use transfer::Secondary;
pub use tsig::{Fault, Known, Seal, Secret, SecretFlaw, Secrets};
pub use zone::{Zone, compile};
