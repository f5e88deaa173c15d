//! What a document may cost before anything is kept of it.

/// The bounds [`check`](crate::check) holds a document to. Beyond any of them it is refused with [`Error::Limit`](crate::Error::Limit).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the document, and of what a compressed one inflates to.
    pub bytes: usize,
    /// Tuples, lists and maps inside one another (C-9). Never more than 1024, since readers recurse.
    pub depth: usize,
    /// Terms of the document; a tuple, list, map or string counts eight more, since it allocates.
    pub elements: usize,
    /// Magnitude bytes of one integer, padding included.
    pub integer_bytes: usize,
}

/// What a tuple, list, map or string costs beside its elements, in elements.
pub(crate) const CONTAINER: usize = 8;

/// Deeper than this no `Limits` go: a reader takes one stack frame or two for each level.
pub(crate) const DEPTH_CEILING: usize = 1024;

impl Default for Limits {
    /// As SPEC section 1 and the packet limit have it; a document within them costs less than 64 MiB as [`Term`](crate::Term)s.
    fn default() -> Self {
        Self { bytes: 1 << 20, depth: 128, elements: 512 << 10, integer_bytes: 512 }
    }
}
