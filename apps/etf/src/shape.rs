//! What derived types say about themselves.

/// A record's wire names. Derived by `Record`.
pub trait Shape {
    /// The tag atom, element 0 of the tuple.
    const ATOM: &'static str;
    /// The names of elements 1 and up.
    const FIELDS: &'static [&'static str];
}

/// A closed set of atoms. Derived by `AtomEnum`.
pub trait Atoms: Sized + 'static {
    /// Every text that is read, in the order of the variants.
    const ATOMS: &'static [&'static str];

    /// The text that is written.
    fn text(&self) -> &'static str;

    /// The value `text` stands for; `None` outside the set.
    fn of(text: &str) -> Option<Self>;
}
