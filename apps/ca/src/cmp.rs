//! The certificate management protocol (CMP, RFC 9810; profile RFC 9483): requests are read, their protection is checked, answers are made.
//!
//! The types are our own: the crates for it can build no error, and read wrongly some of what `openssl cmp` writes. Who may have what
//! is decided elsewhere; the wish for a certificate is handed on as it is, since [`crate::Authority::device`] proves and takes it.

mod oid;

mod message;
mod mac;
mod ask;

mod answer;
mod fault;
mod responder;

pub use answer::{Answer, Envelope, Seal};
pub use ask::{Ask, Confirmation, Info, Kind, Wish};
pub use fault::Fault;
pub use mac::{Mac, MacKey};
pub use message::{MESSAGE_MAX, Message, NONCE_BYTES};
pub use oid::{CA_CERTS, CRL_STATUS, CRLS, CURRENT_CRL, ROOT_CERT, ROOT_UPDATE};
pub use responder::Responder;
