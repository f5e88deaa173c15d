//! Terms from and to bytes.

use super::{Big, Node, Term};
use crate::{Atom, Decode, Encode, Error, Reader, tag, write};
use bytes::Bytes;

impl Decode for Term {
    /// Recurses as deep as the term, which [`check`](crate::check) has bounded.
    fn decode(r: &mut Reader<'_>) -> Result<Self, Error> {
        let at = r.at();
        let found = r.tag()?;
        Ok(Self(match found {
            tag::NIL => Node::Nil,
            tag::SMALL_INTEGER => Node::Integer(r.u8()?.into()),
            tag::INTEGER => Node::Integer(i32::from_be_bytes(*r.chunk()?).into()),
            tag::BINARY => Node::Binary(Bytes::copy_from_slice(r.binary_rest()?)),
            tag::SMALL_ATOM | tag::ATOM | tag::SMALL_ATOM_LATIN1 | tag::ATOM_LATIN1 => {
                Node::Atom(Atom::new(&r.atom_rest(found)?))
            }
            tag::FLOAT | tag::FLOAT_TEXT => Node::Float(r.float_rest(found)?),
            tag::SMALL_BIG | tag::LARGE_BIG => return big(r, found),
            tag::BITS => return bits(r, at),
            tag::STRING => return string(r),
            tag::TUPLE | tag::LARGE_TUPLE => {
                let arity = r.tuple_rest(found)?;
                Node::Tuple(elements(r, arity)?)
            }
            tag::LIST => return list(r),
            tag::MAP => return map(r, at),
            _ => return Err(Error::Tag { tag: found, at }),
        }))
    }
}

fn big(r: &mut Reader<'_>, found: u8) -> Result<Term, Error> {
    let whole = r.magnitude_rest(found)?;
    Ok(Big::term(whole.negative, whole.bytes))
}

fn bits(r: &mut Reader<'_>, at: usize) -> Result<Term, Error> {
    let bits = r.bits_rest()?;
    let count = bits.bytes.len() * 8 + usize::from(bits.last) - if bits.bytes.is_empty() { 0 } else { 8 };
    Term::bits(bits.bytes, count).ok_or(Error::Short { at })
}

fn string(r: &mut Reader<'_>) -> Result<Term, Error> {
    let codes = r.string_rest()?;
    Ok(Term::list(codes.iter().map(|&code| Term::int(code.into())).collect()))
}

fn list(r: &mut Reader<'_>) -> Result<Term, Error> {
    let length = r.count_rest()?;
    let elements = elements(r, length)?;
    Ok(Term::improper(elements, Term::decode(r)?))
}

fn map(r: &mut Reader<'_>, at: usize) -> Result<Term, Error> {
    let length = r.count_rest()?;
    let mut pairs = Vec::with_capacity(length.min(r.left() / 2));
    for _ in 0..length {
        pairs.push((Term::decode(r)?, Term::decode(r)?));
    }
    Term::map(pairs).ok_or(Error::Malformed { what: "two equal keys in a map", at })
}

fn elements(r: &mut Reader<'_>, count: usize) -> Result<Vec<Term>, Error> {
    let mut all = Vec::with_capacity(count.min(r.left()));
    for _ in 0..count {
        all.push(Term::decode(r)?);
    }
    Ok(all)
}

impl Encode for Term {
    fn encode(&self, out: &mut Vec<u8>) {
        match &self.0 {
            Node::Nil => write::nil(out),
            Node::Integer(value) => write::integer(out, i128::from(*value)),
            Node::Big(big) => write::magnitude(out, big.negative, &big.magnitude),
            Node::Float(value) => write::float(out, *value),
            Node::Atom(atom) => write::atom(out, atom.as_str()),
            Node::Binary(bytes) => write::binary(out, bytes),
            Node::Bits(bytes, last) => write::bits(out, bytes, *last),
            Node::Tuple(elements) => {
                write::tuple(out, elements.len());
                elements.iter().for_each(|one| one.encode(out));
            }
            Node::List(elements) => write::list(out, elements),
            Node::Improper(parts) => {
                write::list_head(out, parts.0.len());
                parts.0.iter().for_each(|one| one.encode(out));
                parts.1.encode(out);
            }
            Node::Map(pairs) => {
                write::map(out, pairs.len());
                for (key, value) in pairs {
                    key.encode(out);
                    value.encode(out);
                }
            }
        }
    }

    fn code(&self) -> Option<u8> {
        self.as_int().and_then(|value| u8::try_from(value).ok())
    }
}
