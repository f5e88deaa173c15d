//! Sealed and signed content (CMS, RFC 5652; SPEC SEC-5, 6, 8, 11): sign, verify, seal for several certificates, open.
//!
//! Types are those of the crates `cms` and `der`; all cryptography is aws-lc-rs. The crate's own builder is not used: it
//! wraps keys under an all-zero key. What is written is DER; what is read may be BER. Interoperable with `openssl cms`.

mod fault;
mod oid;

mod identity;
mod trust;

mod sign;
mod signed;
mod verify;

mod seal;
mod open;
mod agree;
mod cipher;

mod file;

pub use fault::Fault;
pub use file::{FILE_KEY_BYTES, FILE_MAX, FILE_PART, FILE_TAG, FileKey, open_file, seal_file};
pub use identity::Identity;
pub use open::{is_sealed, open};
pub use seal::{can_receive, seal};
pub use sign::{sign, sign_detached};
pub use trust::Trust;
pub use verify::{Signed, content, verify, verify_detached};

/// Bytes of sealed or signed content, at most: the largest packet (24 MiB, SPEC section 11).
pub const CONTENT_MAX: usize = 24 << 20;
/// Recipients of one envelope: 20 devices for each of 64 accounts.
pub const RECIPIENTS_MAX: usize = 1280;
