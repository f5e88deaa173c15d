//! What can be wrong with content, and with keys.

/// Why content was not signed, verified, sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("longer than content may be")]
    TooLong,
    /// Not CMS, or not of the kind asked for.
    #[error("not a CMS structure of this kind")]
    Malformed,
    /// An algorithm that proves or protects too little, or that we do not have.
    #[error("its algorithm is not supported")]
    Algorithm,
    /// The private key cannot be used, or is not the certificate's.
    #[error("not a private key of the certificate")]
    Key,
    #[error("not a certificate that can be used")]
    Certificate,
    /// A certificate whose key only signs (Ed25519, SPEC SEC-5), or whose usage excludes it.
    #[error("its key cannot receive sealed content")]
    CannotReceive,
    #[error("there is nobody to seal for, or there are too many")]
    Recipients,
    /// Sealed for others.
    #[error("not sealed for this key")]
    NotForUs,
    /// Deliberately silent on what went wrong: anything finer would help who tampers.
    #[error("cannot be opened")]
    Unreadable,
    /// The content is not what was signed, or the key is another's.
    #[error("its signature is not good")]
    Signature,
    /// The signer's certificate: unknown issuer, expired, revoked, or not meant to sign content.
    #[error("its signer is not trusted")]
    Untrusted,
    /// aws-lc-rs failed: no randomness.
    #[error("cryptography failed")]
    Crypto,
}

impl From<aws_lc_rs::error::Unspecified> for Fault {
    fn from(_: aws_lc_rs::error::Unspecified) -> Fault {
        Fault::Crypto
    }
}
