//! What can go wrong: a refusal is owed to whoever asked for a certificate, everything else is ours.

use std::{io, path::PathBuf};

/// Why nothing was issued, read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request itself is turned down; AUTH-4 and AUTH-17 answer `invalid_data`.
    #[error("request refused: {0}")]
    Refused(#[from] Refusal),
    /// A name or address given to the authority cannot stand in a certificate.
    #[error("{0:?} cannot stand in a certificate")]
    Name(String),
    /// A certificate that is not one, or says what we do not accept; the text says what.
    #[error("certificate: {0}")]
    Certificate(&'static str),
    #[error("private key: not a key that can be used")]
    Key,
    #[error("private key does not belong to the certificate")]
    KeyMismatch,
    #[error("the authority's own certificate has expired")]
    Expired,
    /// A time before 1970 or after 9999.
    #[error("the clock shows a time that a certificate cannot carry")]
    Time,
    /// aws-lc-rs or rcgen failed: no randomness, or a value they cannot encode.
    #[error("cryptography: {0}")]
    Crypto(String),
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    /// The key file's mode gives others a right to it.
    #[error("{}: others may use this key file (mode {mode:04o}); run: chmod 600 on it", path.display())]
    Exposed { path: PathBuf, mode: u32 },
}

/// Why a request (PKCS#10 or CRMF) gets no certificate (SEC-4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("longer than a request may be")]
    TooLong,
    #[error("not a request for a certificate")]
    Malformed,
    /// Neither P-256, P-384, Ed25519 nor RSA of 2048 to 8192 bits, or not encoded as these are.
    #[error("its kind of key is not allowed")]
    Key,
    /// Wrong, or made with an algorithm that proves nothing (SHA-1) or that we do not have.
    #[error("its signature is not good")]
    Signature,
    #[error("it asks for an authority's certificate")]
    Authority,
    #[error("the device's name has characters that cannot stand in its URI")]
    Name,
}

impl From<rcgen::Error> for Error {
    fn from(error: rcgen::Error) -> Error {
        Error::Crypto(error.to_string())
    }
}

impl From<aws_lc_rs::error::Unspecified> for Error {
    fn from(_: aws_lc_rs::error::Unspecified) -> Error {
        Error::Crypto("no random numbers".into())
    }
}
