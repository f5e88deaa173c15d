//! Why something is not done, as the one who asked is told (PKIFailureInfo, RFC 9810 section 5.2.3).

use der::asn1::BitString;

/// The faults that are said here, of those that the protocol knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("an algorithm or its parameters are not allowed")]
    BadAlg,
    #[error("the protection is not good")]
    BadMessageCheck,
    #[error("this is not done here, or not now")]
    BadRequest,
    #[error("the message is too old, or from the future")]
    BadTime,
    #[error("no such certificate")]
    BadCertId,
    #[error("the message has not the right form")]
    BadDataFormat,
    #[error("the key has not proved itself")]
    BadPop,
    #[error("the certificate is revoked already")]
    CertRevoked,
    #[error("not the nonce that was sent")]
    BadRecipientNonce,
    #[error("a nonce of 16 bytes is missing")]
    BadSenderNonce,
    #[error("such a certificate is not issued")]
    BadCertTemplate,
    #[error("the certificate that signs is not one of ours, or over")]
    SignerNotTrusted,
    #[error("the transaction's number is in use")]
    TransactionIdInUse,
    #[error("version 2 or 3 is spoken here")]
    UnsupportedVersion,
    #[error("not allowed")]
    NotAuthorized,
    #[error("too much is asked; try again later")]
    SystemUnavail,
    #[error("the server failed")]
    SystemFailure,
}

impl Fault {
    fn bit(self) -> u8 {
        match self {
            Fault::BadAlg => 0,
            Fault::BadMessageCheck => 1,
            Fault::BadRequest => 2,
            Fault::BadTime => 3,
            Fault::BadCertId => 4,
            Fault::BadDataFormat => 5,
            Fault::BadPop => 9,
            Fault::CertRevoked => 10,
            Fault::BadRecipientNonce => 13,
            Fault::BadSenderNonce => 18,
            Fault::BadCertTemplate => 19,
            Fault::SignerNotTrusted => 20,
            Fault::TransactionIdInUse => 21,
            Fault::UnsupportedVersion => 22,
            Fault::NotAuthorized => 23,
            Fault::SystemUnavail => 24,
            Fault::SystemFailure => 25,
        }
    }

    /// Bits with names end with the last that is set (X.690 section 11.2.2).
    pub(super) fn bits(self) -> der::Result<BitString> {
        let (byte, bit) = (usize::from(self.bit() / 8), self.bit() % 8);
        let mut bytes = vec![0; byte];
        bytes.push(0x80 >> bit);
        BitString::new(7 - bit, bytes)
    }
}
