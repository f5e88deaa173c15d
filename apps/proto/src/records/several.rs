//! A list that old clients may send as its only element (C-6: a single atom is a one-element list).
use std::ops::{Deref, DerefMut};

use etf::{Decode, Encode, Error, Fits, Reader};

/// A list on the wire; a bare element is read as a list of one. Always written as a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Several<T>(pub Vec<T>);

impl<T> Default for Several<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Decode + Fits> Decode for Several<T> {
    fn decode(r: &mut Reader<'_>) -> Result<Self, Error> {
        // The list first: a list of integers would also fit an element that is a text (C-4).
        match !Vec::<T>::fits(r) && T::fits(r) {
            true => Ok(Self(vec![T::decode(r)?])),
            false => Vec::decode(r).map(Self),
        }
    }
}

impl<T> Encode for Several<T>
where
    Vec<T>: Encode,
{
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

impl<T> Deref for Several<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        &self.0
    }
}

impl<T> DerefMut for Several<T> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        &mut self.0
    }
}

impl<T> From<Vec<T>> for Several<T> {
    fn from(list: Vec<T>) -> Self {
        Self(list)
    }
}

impl<T> FromIterator<T> for Several<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self(items.into_iter().collect())
    }
}

impl<'a, T> IntoIterator for &'a Several<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}
