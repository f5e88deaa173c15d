//! Attachments (SEC-6): a file is sealed by itself, the part that names it says by which key it opens.

use bytes::Bytes;
use ca::Zeroizing;
use ca::cms::{FILE_PART, FileKey, seal_file};
use proto::{Desc, Feature};

use super::{hex, unhex};
use crate::Error;

const GROUP: &[u8] = b"FILE_DATA";
const KEY: &str = "KEY";
const NONCE: &str = "NONCE";

/// A part of this kind for a file, and the file's bytes as they are to be handed to the server. Its `payload` is empty: the reference
/// is known when the file is there (FTP-3).
pub fn file_part(mime: &str, name: &str, content: &[u8]) -> Result<(Desc, Vec<u8>), Error> {
    let (sealed, own) = seal_file(content)?;
    let feature = |key: &'static str, value: String| Feature::new(GROUP, key, value);
    let data = vec![
        feature("FILENAME", name.to_owned()),
        feature("SIZE", content.len().to_string()),
        feature(KEY, hex(&*own.key)),
        feature(NONCE, hex(&own.nonce)),
    ];
    Ok((Desc { mime: Some(Bytes::copy_from_slice(mime.as_bytes())), data, ..Desc::default() }, sealed))
}

/// The same for a file of so many bytes that is sealed in parts as it is read.
pub(crate) fn sealed_part(mime: &str, name: &str, size: u64, own: &FileKey) -> Desc {
    let feature = |key: &'static str, value: String| Feature::new(GROUP, key, value);
    let data = vec![
        feature("FILENAME", name.to_owned()),
        feature("SIZE", size.to_string()),
        feature(KEY, hex(&*own.key)),
        feature(NONCE, hex(&own.nonce)),
        feature("PART", FILE_PART.to_string()),
    ];
    Desc { mime: Some(Bytes::copy_from_slice(mime.as_bytes())), data, ..Desc::default() }
}

/// By which key the file of a part opens, if it is sealed.
pub fn file_key(part: &Desc) -> Option<FileKey> {
    let value = |key: &str| part.data.iter().find(|feature| feature.is(GROUP, key.as_bytes())).map(Feature::text);
    let key = Zeroizing::new(unhex(value(KEY)?)?);
    Some(FileKey {
        key: Zeroizing::new(key.as_slice().try_into().ok()?),
        nonce: unhex(value(NONCE)?)?.try_into().ok()?,
    })
}

/// The references of all sealed files, separated by blanks: by them the server knows who may fetch which (FTP-7).
pub(super) fn named(parts: &[Desc]) -> Option<Bytes> {
    let references = parts.iter().filter(|part| file_key(part).is_some()).filter_map(|part| part.payload.as_deref());
    let references: Vec<&[u8]> = references.filter(|reference| !reference.is_empty()).collect();
    (!references.is_empty()).then(|| references.join(&b' ').into())
}
