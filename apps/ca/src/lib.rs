//! The certificate authority: a library that knows nothing of chat, MQTT or sockets.
//!
//! What a certificate says is policy, written down here; a request contributes its public key and nothing else.
//! Time comes from the caller. Random numbers (keys, serial numbers) come from aws-lc-rs.

mod authority;
pub mod cms;
mod crl;
mod device;
mod encoding;
mod error;
pub mod files;
mod names;
mod profile;
mod request;
mod subject;
mod validity;

pub use authority::{Authority, Certificate, Issued};
pub use crl::{Reason, Revoked};
pub use encoding::pem;
pub use error::{Error, Refusal};
pub use request::request;
pub use subject::{Subject, subject};
pub use zeroize::Zeroizing;
