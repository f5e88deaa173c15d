//! Untyped terms, for fields of type any, the console and tests.

mod big;
mod codec;
mod order;

use crate::{Atom, Decode, Encode, Error, Reader};
use bytes::Bytes;

pub(crate) use self::big::Big;

/// Any term that C-3 reads. Equal by value, however it was coded; ordered as Erlang orders map keys.
#[derive(Clone, Default)]
pub struct Term(pub(crate) Node);

/// One form per value: that is what makes equality and encoding simple.
#[derive(Clone, Default)]
pub(crate) enum Node {
    #[default]
    Nil,
    Integer(i64),
    /// Beyond 64 bits.
    Big(Box<Big>),
    /// Finite.
    Float(f64),
    Atom(Atom),
    Binary(Bytes),
    /// Not a whole number of bytes: the last byte has 1 to 7 high bits, the rest of it is zero.
    Bits(Bytes, u8),
    Tuple(Vec<Term>),
    /// Not empty.
    List(Vec<Term>),
    /// Not empty, and a tail that is no list.
    Improper(Box<(Vec<Term>, Term)>),
    /// Sorted by key, no two equal.
    Map(Vec<(Term, Term)>),
}

/// Made from values.
impl Term {
    /// `[]`
    pub fn nil() -> Self {
        Self(Node::Nil)
    }

    pub fn int(value: i64) -> Self {
        Self(Node::Integer(value))
    }

    /// An integer of any size, as little-endian bytes of its magnitude.
    pub fn big(negative: bool, magnitude: &[u8]) -> Self {
        Big::term(negative, magnitude)
    }

    /// `None` for a float that is not finite: it has no term.
    pub fn float(value: f64) -> Option<Self> {
        value.is_finite().then_some(Self(Node::Float(value)))
    }

    pub fn atom(text: &str) -> Self {
        Self(Node::Atom(Atom::new(text)))
    }

    pub fn binary(bytes: &[u8]) -> Self {
        Self(Node::Binary(Bytes::copy_from_slice(bytes)))
    }

    /// The first `count` bits of `bytes`; `None` if it has fewer.
    pub fn bits(bytes: &[u8], count: usize) -> Option<Self> {
        let last = u8::try_from(count % 8).ok()?;
        let bytes = bytes.get(..count.div_ceil(8))?;
        let (&end, whole) = match bytes.split_last() {
            Some(split) if last > 0 => split,
            Some(_) | None => return Some(Self::binary(bytes)),
        };
        let kept = [whole, &[end & !(0xff >> last)]].concat();
        Some(Self(Node::Bits(kept.into(), last)))
    }

    pub fn tuple(elements: Vec<Self>) -> Self {
        Self(Node::Tuple(elements))
    }

    /// A proper list, `[]` if it has no elements.
    pub fn list(elements: Vec<Self>) -> Self {
        match elements.is_empty() {
            true => Self::nil(),
            false => Self(Node::List(elements)),
        }
    }

    /// `[elements | tail]`: proper if the tail is, and the tail alone if there are no elements.
    pub fn improper(mut elements: Vec<Self>, tail: Self) -> Self {
        if elements.is_empty() {
            return tail;
        }
        match tail.0 {
            Node::Nil => Self::list(elements),
            Node::List(more) => {
                elements.extend(more);
                Self::list(elements)
            }
            Node::Improper(more) => {
                elements.extend(more.0);
                Self(Node::Improper(Box::new((elements, more.1))))
            }
            _ => Self(Node::Improper(Box::new((elements, tail)))),
        }
    }

    /// `None` if two keys are equal.
    pub fn map(mut pairs: Vec<(Self, Self)>) -> Option<Self> {
        pairs.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let twice = pairs.windows(2).any(|pair| matches!(pair, [a, b] if a.0 == b.0));
        (!twice).then_some(Self(Node::Map(pairs)))
    }

    /// The term a value is written as.
    pub fn of<T: Encode + ?Sized>(value: &T) -> Result<Self, Error> {
        let mut bytes = Vec::new();
        value.encode(&mut bytes);
        Self::decode(&mut Reader::new(&bytes))
    }

    /// The value of the type a term is read as.
    pub fn to<T: Decode>(&self) -> Result<T, Error> {
        let mut bytes = Vec::new();
        self.encode(&mut bytes);
        T::decode(&mut Reader::new(&bytes))
    }
}

/// Looked into.
impl Term {
    pub fn is_nil(&self) -> bool {
        matches!(self.0, Node::Nil)
    }

    pub fn as_atom(&self) -> Option<&str> {
        match &self.0 {
            Node::Atom(atom) => Some(atom.as_str()),
            _ => None,
        }
    }

    /// An integer of 64 bits.
    pub fn as_int(&self) -> Option<i64> {
        match self.0 {
            Node::Integer(value) => Some(value),
            _ => None,
        }
    }

    pub fn as_float(&self) -> Option<f64> {
        match self.0 {
            Node::Float(value) => Some(value),
            _ => None,
        }
    }

    pub fn as_binary(&self) -> Option<&Bytes> {
        match &self.0 {
            Node::Binary(bytes) => Some(bytes),
            _ => None,
        }
    }

    pub fn as_tuple(&self) -> Option<&[Self]> {
        match &self.0 {
            Node::Tuple(elements) => Some(elements),
            _ => None,
        }
    }

    /// A proper list; `[]` is one.
    pub fn as_list(&self) -> Option<&[Self]> {
        match &self.0 {
            Node::List(elements) => Some(elements),
            Node::Nil => Some(&[]),
            _ => None,
        }
    }

    /// A map's pairs, in the order of the keys.
    pub fn as_map(&self) -> Option<&[(Self, Self)]> {
        match &self.0 {
            Node::Map(pairs) => Some(pairs),
            _ => None,
        }
    }

    /// The tag atom and arity of a tuple that could be a record.
    pub fn head(&self) -> Option<(&str, usize)> {
        let elements = self.as_tuple()?;
        Some((elements.first()?.as_atom()?, elements.len()))
    }
}
