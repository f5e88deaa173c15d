//! `Desc`: one part of a message (HISTORY-10 lists the kinds).
use bytes::Bytes;
use etf::{Decode, Error, Reader, Record, Term};

use super::Feature;

/// One part of a message, or an attachment.
#[derive(Clone, PartialEq, Record)]
#[record(also(7 = "Desc::from_v1"))]
pub struct Desc {
    /// Unique within the message.
    pub id: Option<Bytes>,
    /// Kind (HISTORY-10).
    pub mime: Option<Bytes>,
    /// Text or file reference; byte for byte as received (C-12).
    pub payload: Option<Bytes>,
    /// The part it belongs to.
    pub parentid: Option<Bytes>,
    /// Properties such as size, name, duration.
    pub data: Vec<Feature>,
}

discreet!(Desc: id, mime, parentid, data);

impl Default for Desc {
    fn default() -> Self {
        Self { id: None, mime: Some(Bytes::from_static(b"text")), payload: None, parentid: None, data: Vec::new() }
    }
}

impl Desc {
    /// A part of plain text.
    pub fn text(payload: impl Into<Bytes>) -> Self {
        Self { payload: Some(payload.into()), ..Self::default() }
    }

    /// Arity 7: size, filename and info become Features of group FILE_DATA (C-6).
    fn from_v1(r: &mut Reader<'_>) -> Result<Self, Error> {
        let mut desc = Self {
            id: Decode::decode(r)?,
            mime: Decode::decode(r)?,
            payload: Decode::decode(r)?,
            parentid: None,
            data: Vec::new(),
        };
        for key in ["SIZE", "FILENAME", "INFO"] {
            if let Some(value) = old_property(&Term::decode(r)?) {
                desc.data.push(Feature::new("FILE_DATA", key, value));
            }
        }
        Ok(desc)
    }
}

/// Text or number as text; an absent or empty property, or one of another type, has no Feature.
fn old_property(term: &Term) -> Option<Bytes> {
    if let Some(number) = term.as_int() {
        return Some(number.to_string().into());
    }
    term.as_binary().filter(|text| !text.is_empty()).cloned()
}
