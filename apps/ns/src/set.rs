//! The records of one name and type, and their signatures, as they go out.

use bytes::Bytes;

use crate::kind;

/// Bytes before the data of a record without its owner: type, class, lifetime, length.
const HEAD: usize = 10;

#[derive(Debug, Clone)]
pub(crate) struct Set {
    pub(crate) kind: u16,
    pub(crate) records: Bodies,
    /// Empty where nothing is signed: at a cut, and below.
    pub(crate) signatures: Bodies,
}

/// Records without their owners, one behind the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bodies(Bytes);

impl Bodies {
    /// In the order of their data, each once, as a signature wants them (RFC 4034, 6.3).
    pub(crate) fn of(kind: u16, ttl: u32, mut data: Vec<Vec<u8>>) -> Bodies {
        data.sort();
        data.dedup();
        let mut bytes = Vec::with_capacity(data.iter().map(|each| HEAD + each.len()).sum());
        for each in data {
            push(&mut bytes, kind, ttl, &each);
        }
        Bodies(bytes.into())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest: &[u8] = &self.0;
        std::iter::from_fn(move || {
            let [high, low] = *rest.get(HEAD - 2..HEAD)?.first_chunk()?;
            let (body, after) = rest.split_at_checked(HEAD + usize::from(u16::from_be_bytes([high, low])))?;
            rest = after;
            Some(body)
        })
    }

    /// What the records say.
    pub(crate) fn data(&self) -> impl Iterator<Item = &[u8]> {
        self.iter().filter_map(|body| body.get(HEAD..))
    }

    pub(crate) fn ttl(&self) -> u32 {
        self.0.get(4..8).and_then(|ttl| ttl.first_chunk()).map_or(0, |ttl| u32::from_be_bytes(*ttl))
    }
}

fn push(bytes: &mut Vec<u8>, kind: u16, ttl: u32, data: &[u8]) {
    bytes.extend(kind.to_be_bytes());
    bytes.extend(kind::IN.to_be_bytes());
    bytes.extend(ttl.to_be_bytes());
    // Nothing longer is a record; `Contents` refuses it.
    bytes.extend(u16::try_from(data.len()).unwrap_or(u16::MAX).to_be_bytes());
    bytes.extend(data);
}
