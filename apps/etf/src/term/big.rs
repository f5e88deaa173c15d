//! Integers beyond 64 bits, as far as they travel: kept, compared, read and printed in decimal. No arithmetic.

use super::{Node, Term};
use std::cmp::Ordering;

/// Sign and little-endian magnitude without leading zeros, beyond the range of `i64`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Big {
    pub(crate) negative: bool,
    pub(crate) magnitude: Vec<u8>,
}

/// Decimal digits that fit a limb, and 10 to that power.
const DIGITS: usize = 9;
const BASE: u64 = 1_000_000_000;

impl Big {
    /// The term of a magnitude of any size and padding.
    pub(crate) fn term(negative: bool, magnitude: &[u8]) -> Term {
        let used = magnitude.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        let magnitude = magnitude.get(..used).unwrap_or_default();
        Term(match small(negative, magnitude) {
            Some(value) => Node::Integer(value),
            None => Node::Big(Box::new(Self { negative, magnitude: magnitude.to_vec() })),
        })
    }

    /// Of ASCII digits alone; the caller bounds their number, as the time is quadratic in it.
    pub(crate) fn parse(negative: bool, digits: &str) -> Option<Term> {
        let mut magnitude: Vec<u8> = Vec::new();
        for digit in digits.chars() {
            let mut carry = digit.to_digit(10)?;
            for byte in &mut magnitude {
                let value = u32::from(*byte) * 10 + carry;
                *byte = value.to_le_bytes()[0];
                carry = value >> 8;
            }
            magnitude.extend(u8::try_from(carry).ok().filter(|&carry| carry > 0));
        }
        Some(Self::term(negative, &magnitude))
    }

    /// In decimal. Quadratic in the size, which `Limits::integer_bytes` bounds.
    pub(crate) fn print(&self) -> String {
        let mut rest = self.magnitude.clone();
        let mut limbs = Vec::new();
        while !rest.is_empty() {
            let mut remainder = 0;
            for byte in rest.iter_mut().rev() {
                let value = (remainder << 8) | u64::from(*byte);
                *byte = (value / BASE).to_le_bytes()[0];
                remainder = value % BASE;
            }
            limbs.push(remainder);
            let used = rest.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
            rest.truncate(used);
        }
        let mut text = String::from(if self.negative { "-" } else { "" });
        text.extend(limbs.pop().map(|first| first.to_string()));
        text.extend(limbs.iter().rev().map(|limb| format!("{limb:0DIGITS$}")));
        text
    }
}

fn small(negative: bool, magnitude: &[u8]) -> Option<i64> {
    let mut wide = [0; 8];
    wide.get_mut(..magnitude.len())?.copy_from_slice(magnitude);
    let value = i128::from(u64::from_le_bytes(wide));
    i64::try_from(if negative { -value } else { value }).ok()
}

impl Ord for Big {
    fn cmp(&self, other: &Self) -> Ordering {
        let size = |big: &Self| (big.magnitude.len(), big.magnitude.iter().rev().copied().collect::<Vec<_>>());
        match (self.negative, other.negative) {
            (false, false) => size(self).cmp(&size(other)),
            (true, true) => size(other).cmp(&size(self)),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Big {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
