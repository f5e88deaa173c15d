//! SignedData as it is read and written here. The type of the crate `cms` takes the content as any element, which loses
//! content that was written in pieces (BER, as `openssl cms -stream` does).

use cms::{content_info::CmsVersion, signed_data::SignerInfo};
use der::{
    Any, Sequence,
    asn1::{ObjectIdentifier, OctetString, SetOfVec},
};
use x509_cert::spki::AlgorithmIdentifierOwned;

/// RFC 5652 section 5.1.
#[derive(Sequence)]
pub(super) struct SignedData {
    pub(super) version: CmsVersion,
    pub(super) digests: SetOfVec<AlgorithmIdentifierOwned>,
    pub(super) content: Content,
    /// Certificates and other things; those that are certificates are looked at.
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", constructed = "true", optional = "true")]
    pub(super) certificates: Option<SetOfVec<Any>>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", constructed = "true", optional = "true")]
    pub(super) lists: Option<SetOfVec<Any>>,
    pub(super) signers: SetOfVec<SignerInfo>,
}

/// RFC 5652 section 5.2; absent content is detached.
#[derive(Sequence)]
pub(super) struct Content {
    pub(super) kind: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) bytes: Option<OctetString>,
}
