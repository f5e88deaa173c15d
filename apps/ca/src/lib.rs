//! The certificate authority: a library that knows nothing of chat, MQTT or sockets.
//!
//! What a certificate says is policy, written down here; a request contributes its public key and nothing else.
//! Time comes from the caller. Random numbers (keys, serial numbers) come from aws-lc-rs.

mod authority;
mod bundle;
pub mod cmp;
pub mod cms;
mod crl;
mod device;
mod encoding;
mod error;
pub mod files;
mod names;
pub mod ocsp;
mod places;
mod profile;
mod request;
pub mod signer;
mod subject;
mod template;
mod validity;

pub use authority::{Authority, Certificate, Curve, Issued};
pub use bundle::certs_only;
pub use crl::{List, Reason, Revoked, read_list};
pub use device::key_of_request;
pub use encoding::{is_issued_by, pem};
pub use error::{Error, Refusal};
pub use places::Places;
pub use request::request;
pub use signer::Signer;
pub use subject::{Subject, print_of, subject};
pub use zeroize::Zeroizing;
