//! The records the notation knows by name.

use crate::{Encode, Error, Shape, Term};

/// Where records are looked up.
pub trait Catalogue {
    /// The record of this atom, and of this arity if one is given; of several the current one.
    fn record(&self, atom: &str, arity: Option<usize>) -> Option<&Entry>;

    /// The atoms of all records, to suggest near ones.
    fn atoms(&self) -> Vec<&str> {
        Vec::new()
    }
}

/// One record: its fields' names and what they are when nothing is said.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub atom: &'static str,
    pub fields: Vec<&'static str>,
    /// As many as `fields`.
    pub defaults: Vec<Term>,
}

impl Entry {
    /// The entry of a derived record, from its default value.
    pub fn of<T: Shape + Default + Encode>() -> Result<Self, Error> {
        let default = Term::of(&T::default())?;
        let defaults = default.as_tuple().and_then(|elements| elements.get(1..)).unwrap_or_default();
        Ok(Self { atom: T::ATOM, fields: T::FIELDS.to_vec(), defaults: defaults.to_vec() })
    }

    /// Elements of the tuple, its atom included.
    pub fn arity(&self) -> usize {
        self.fields.len() + 1
    }
}

/// No records: every tuple is bare.
impl Catalogue for () {
    fn record(&self, _: &str, _: Option<usize>) -> Option<&Entry> {
        None
    }
}

/// The first entry that fits.
impl Catalogue for Vec<Entry> {
    fn record(&self, atom: &str, arity: Option<usize>) -> Option<&Entry> {
        self.iter().find(|entry| entry.atom == atom && arity.is_none_or(|arity| arity == entry.arity()))
    }

    fn atoms(&self) -> Vec<&str> {
        self.iter().map(|entry| entry.atom).collect()
    }
}

/// Those of `names` that are nearest to `name`, three at most.
pub(crate) fn near<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut all: Vec<(usize, &str)> = names.into_iter().map(|other| (distance(name, other), other)).collect();
    all.sort_unstable();
    all.dedup();
    let close = |&&(distance, other): &&(usize, &str)| distance <= other.len().max(3) / 2;
    all.iter().filter(close).take(3).map(|(_, other)| (*other).to_owned()).collect()
}

/// Letters to change, add or drop (Levenshtein), whatever their case. Names are short: the first 64 letters count.
fn distance(a: &str, b: &str) -> usize {
    let lower = |text: &str| text.chars().take(64).map(|letter| letter.to_ascii_lowercase()).collect::<Vec<_>>();
    let (a, b) = (lower(a), lower(b));
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut left = i + 1;
        let mut next = vec![left];
        for (to, pair) in b.iter().zip(row.windows(2)) {
            let (corner, above) = (pair.first().copied().unwrap_or(0), pair.last().copied().unwrap_or(0));
            left = (left + 1).min(above + 1).min(corner + usize::from(from != to));
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}
