//! A time that clients set and servers overrule, so any form of it is read (C-10).
use bytes::Bytes;
use etf::{Decode, Encode, Error, Fits, Reader};

/// Milliseconds since 1970-01-01 UTC. Old clients send decimal text; text that is no number is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Stamp(pub u64);

impl Decode for Stamp {
    fn decode(r: &mut Reader<'_>) -> Result<Self, Error> {
        if u64::fits(r) {
            return u64::decode(r).map(Self);
        }
        let text = Bytes::decode(r)?;
        let digits = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
        Ok(Self(digits.unwrap_or_default()))
    }
}

impl Encode for Stamp {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

impl From<u64> for Stamp {
    fn from(ms: u64) -> Self {
        Self(ms)
    }
}
