//! The compressed wrapper (C-3): inflated once, to exactly what it claims.

use crate::Error;
use flate2::{Decompress, FlushDecompress, Status};

/// What is inflated at a time, so that memory follows the data and not the claim.
const STEP: usize = 64 << 10;

/// The term inside the wrapper whose tag was already read: four bytes of claimed size, then a zlib stream to the end.
pub(crate) fn inflate(wrapped: &[u8], limit: usize) -> Result<Vec<u8>, Error> {
    let (claim, stream) = wrapped.split_first_chunk().ok_or(Error::Short { at: wrapped.len() + 2 })?;
    let claim = usize::try_from(u32::from_be_bytes(*claim)).unwrap_or(usize::MAX);
    if claim > limit {
        return Err(Error::Limit { what: "inflated bytes", limit, at: 2 });
    }
    let mut zlib = Decompress::new(true);
    let mut plain = Vec::new();
    loop {
        let status = step(&mut zlib, stream, &mut plain, claim)?;
        if plain.len() > claim {
            return Err(Error::Malformed { what: "inflates to more than it claims", at: 2 });
        }
        if status == Status::StreamEnd {
            break;
        }
    }
    if plain.len() < claim {
        return Err(Error::Malformed { what: "inflates to less than it claims", at: 2 });
    }
    match consumed(&zlib) == stream.len() {
        true => Ok(plain),
        false => Err(Error::Trailing { at: 6 + consumed(&zlib) }),
    }
}

/// Inflates up to [`STEP`] bytes more, never more than one beyond `claim`, which then shows that there are more.
fn step(zlib: &mut Decompress, stream: &[u8], plain: &mut Vec<u8>, claim: usize) -> Result<Status, Error> {
    let before = (consumed(zlib), plain.len());
    plain.reserve_exact(STEP.min((claim + 1).saturating_sub(plain.len())));
    let rest = stream.get(consumed(zlib)..).unwrap_or_default();
    let status = zlib.decompress_vec(rest, plain, FlushDecompress::None);
    let status = status.map_err(|_| Error::Malformed { what: "no sound zlib stream", at: 6 + before.0 })?;
    let stuck = status != Status::StreamEnd && before == (consumed(zlib), plain.len());
    match stuck {
        true => Err(Error::Short { at: 6 + stream.len() }),
        false => Ok(status),
    }
}

fn consumed(zlib: &Decompress) -> usize {
    usize::try_from(zlib.total_in()).unwrap_or(usize::MAX)
}
