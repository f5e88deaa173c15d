//! Requests of CMP (CRMF, RFC 4211): the template of a certificate, and the proof that its key is the asker's.

use der::{
    Any, Decode, DecodeValue, Encode, FixedTag, Sequence, Tag, TagNumber,
    asn1::{BitString, ObjectIdentifier},
};
use x509_cert::{
    ext::{Extension, pkix::BasicConstraints},
    spki::AlgorithmIdentifierOwned,
};

use crate::Refusal;

const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");

#[derive(Sequence)]
struct CertReqMsg {
    request: Any,
    proof: Option<Any>,
    information: Option<Any>,
}

#[derive(Sequence)]
pub(crate) struct CertRequest {
    pub(crate) id: i64,
    pub(crate) template: Template,
    pub(crate) controls: Option<Vec<Control>>,
}

#[derive(Sequence)]
pub(crate) struct Control {
    pub(crate) kind: ObjectIdentifier,
    pub(crate) value: Any,
}

/// CertTemplate: parts by their number, each once at most.
pub(crate) type Template = Vec<Any>;

/// POPOSigningKey, where it signs the request itself.
#[derive(Sequence)]
struct Signed {
    algorithm: AlgorithmIdentifierOwned,
    signature: BitString,
}

/// What a request says and by what its key is to prove itself.
pub(crate) struct Asked {
    /// SubjectPublicKeyInfo, DER.
    pub(crate) key: Vec<u8>,
    pub(crate) algorithm: AlgorithmIdentifierOwned,
    pub(crate) signature: BitString,
    /// What is signed.
    pub(crate) signed: Vec<u8>,
}

/// A CertReqMsg (DER).
///
/// # Errors
/// `Malformed`; `Key` without a key; `Signature` without a signature over it; `Authority` when it is to issue certificates itself.
pub(crate) fn asked(der: &[u8]) -> Result<Asked, Refusal> {
    let malformed = |_| Refusal::Malformed;
    let CertReqMsg { request, proof, .. } = CertReqMsg::from_der(der).map_err(malformed)?;
    let signed = request.to_der().map_err(malformed)?;
    let template = CertRequest::from_der(&signed).map_err(malformed)?.template;
    if !template.is_sorted_by(|one, next| number(one) < number(next)) {
        return Err(Refusal::Malformed);
    }
    if wants_authority(&template)? {
        return Err(Refusal::Authority);
    }
    let key = part(&template, 6).ok_or(Refusal::Key)?;
    let key = Any::new(Tag::Sequence, key).and_then(|key| key.to_der()).map_err(malformed)?;
    let proof = proof.filter(|proof| number(proof) == Some(1)).ok_or(Refusal::Signature)?;
    let Signed { algorithm, signature } = implicit(proof.value()).map_err(|_| Refusal::Signature)?;
    Ok(Asked { key, algorithm, signature, signed })
}

/// The inside of a part of a template.
pub(crate) fn part(template: &Template, wanted: u32) -> Option<&[u8]> {
    template.iter().find(|part| number(part) == Some(wanted)).map(Any::value)
}

/// A sequence that stands under another tag.
pub(crate) fn implicit<T>(inside: &[u8]) -> der::Result<T>
where
    T: for<'a> DecodeValue<'a, Error = der::Error> + FixedTag,
{
    Any::new(Tag::Sequence, inside)?.decode_as()
}

fn number(part: &Any) -> Option<u32> {
    match der::Tagged::tag(part) {
        Tag::ContextSpecific { number: TagNumber(number), .. } => Some(number),
        _ => None,
    }
}

fn wants_authority(template: &Template) -> Result<bool, Refusal> {
    let Some(extensions) = part(template, 9) else { return Ok(false) };
    let extensions: Vec<Extension> = implicit(extensions).map_err(|_| Refusal::Malformed)?;
    let mut constraints = extensions.iter().filter(|extension| extension.extn_id == BASIC_CONSTRAINTS);
    // What cannot be read is not what we would issue either.
    Ok(constraints.any(|one| BasicConstraints::from_der(one.extn_value.as_bytes()).map_or(true, |read| read.ca)))
}
