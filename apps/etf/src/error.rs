//! Why bytes were not the value they should be, and where.

/// What was wrong with a document. `at` counts bytes from the version byte, which is byte 0; in a compressed
/// document from the same place of the inflated term.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("byte {at}: ends in the middle of a term")]
    Short { at: usize },
    #[error("byte 0: no version byte 131")]
    Version,
    #[error("byte {at}: something follows the term")]
    Trailing { at: usize },
    /// Legal, but more than this server takes on.
    #[error("byte {at}: more than {limit} {what}")]
    Limit { what: &'static str, limit: usize, at: usize },
    #[error("byte {at}: tag {tag} is not accepted")]
    Tag { tag: u8, at: usize },
    #[error("byte {at}: {what}")]
    Malformed { what: &'static str, at: usize },
    /// A sound term of another type than the one declared.
    #[error("byte {at}: {want} wanted, tag {tag} found")]
    Expected { want: &'static str, tag: u8, at: usize },
    /// A sound atom outside the closed set of `of` (C-8).
    #[error("byte {at}: {of} has no atom {atom:?}")]
    UnknownAtom { of: &'static str, atom: Box<str>, at: usize },
    /// A tuple with the right atom and the wrong size (C-6).
    #[error("byte {at}: {record} has no shape with {arity} elements")]
    Arity { record: &'static str, arity: usize, at: usize },
    #[error("{record}.{field}: {cause}")]
    Field { record: &'static str, field: &'static str, cause: Box<Error> },
}

impl Error {
    /// Whether the bytes were legal and only too much.
    pub fn is_limit(&self) -> bool {
        match self {
            Self::Limit { .. } => true,
            Self::Field { cause, .. } => cause.is_limit(),
            Self::Short { .. }
            | Self::Version
            | Self::Trailing { .. }
            | Self::Tag { .. }
            | Self::Malformed { .. }
            | Self::Expected { .. }
            | Self::UnknownAtom { .. }
            | Self::Arity { .. } => false,
        }
    }
}
