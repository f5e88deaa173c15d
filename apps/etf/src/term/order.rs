//! Erlang's order of map keys: integer < float < atom < tuple < map < `[]` < list < bit string.

use super::{Node, Term};
use std::cmp::Ordering;

impl Ord for Term {
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b) = (&self.0, &other.0);
        rank(a).cmp(&rank(b)).then_with(|| same_rank(a, b))
    }
}

fn rank(node: &Node) -> u8 {
    match node {
        Node::Integer(_) | Node::Big(_) => 0,
        Node::Float(_) => 1,
        Node::Atom(_) => 2,
        Node::Tuple(_) => 3,
        Node::Map(_) => 4,
        Node::Nil => 5,
        Node::List(_) | Node::Improper(_) => LIST_RANK,
        Node::Binary(_) | Node::Bits(..) => 7,
    }
}

fn same_rank(a: &Node, b: &Node) -> Ordering {
    match (a, b) {
        (Node::Integer(a), Node::Integer(b)) => a.cmp(b),
        (Node::Big(a), Node::Big(b)) => a.cmp(b),
        (Node::Big(a), _) => {
            if a.negative {
                Ordering::Less
            } else {
                Ordering::Greater
            }
        }
        (_, Node::Big(b)) => {
            if b.negative {
                Ordering::Greater
            } else {
                Ordering::Less
            }
        }
        (Node::Float(a), Node::Float(b)) => a.total_cmp(b),
        (Node::Atom(a), Node::Atom(b)) => a.cmp(b),
        (Node::Tuple(a), Node::Tuple(b)) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
        (Node::Map(a), Node::Map(b)) => maps(a, b),
        (Node::Nil, Node::Nil) => Ordering::Equal,
        (Node::List(_) | Node::Improper(_), _) => lists(a, b),
        (Node::Binary(_) | Node::Bits(..), _) => bits(a).cmp(&bits(b)),
        _ => rank(a).cmp(&rank(b)),
    }
}

/// By size, then all keys, then all values.
fn maps(a: &[(Term, Term)], b: &[(Term, Term)]) -> Ordering {
    let keys =
        |pairs: &[(Term, Term)], other: &[(Term, Term)]| pairs.iter().map(|p| &p.0).cmp(other.iter().map(|p| &p.0));
    let values =
        |pairs: &[(Term, Term)], other: &[(Term, Term)]| pairs.iter().map(|p| &p.1).cmp(other.iter().map(|p| &p.1));
    a.len().cmp(&b.len()).then_with(|| keys(a, b)).then_with(|| values(a, b))
}

/// Cell by cell: where one list has ended, its tail is compared with what is left of the other, which is a list.
fn lists(a: &Node, b: &Node) -> Ordering {
    let ((a, a_tail), (b, b_tail)) = (cells(a), cells(b));
    let first = a.iter().zip(b).map(|(a, b)| a.cmp(b)).find(|order| order.is_ne());
    let tails = || match a.len().cmp(&b.len()) {
        Ordering::Equal => a_tail.cmp(b_tail),
        Ordering::Less => rank(&a_tail.0).cmp(&LIST_RANK),
        Ordering::Greater => LIST_RANK.cmp(&rank(&b_tail.0)),
    };
    first.unwrap_or_else(tails)
}

const LIST_RANK: u8 = 6;

static NIL: Term = Term(Node::Nil);

/// Elements and tail.
fn cells(node: &Node) -> (&[Term], &Term) {
    match node {
        Node::List(elements) => (elements, &NIL),
        Node::Improper(parts) => (&parts.0, &parts.1),
        _ => (&[], &NIL),
    }
}

/// Bytes, then how many bits of the last one count.
fn bits(node: &Node) -> (&[u8], u8) {
    match node {
        Node::Binary(bytes) => (bytes, 8),
        Node::Bits(bytes, last) => (bytes, *last),
        _ => (&[], 0),
    }
}

impl PartialOrd for Term {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Term {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Term {}
