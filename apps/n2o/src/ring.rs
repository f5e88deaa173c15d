//! The consistent hash ring (PM-2): which node a key belongs to.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA1_OUTPUT_LEN, digest};

/// Leads an external term (Erlang external term format).
const VERSION: u8 = 131;
const SMALL_INTEGER: u8 = 97;
const INTEGER: u8 = 98;
const STRING: u8 = 107;
const BINARY: u8 = 109;

type Point = [u8; SHA1_OUTPUT_LEN];

/// Nodes at points of a circle. A key belongs to the node at the first point at or after its own hash.
#[derive(Debug, Clone)]
pub struct Ring {
    names: Vec<String>,
    /// In order, each with the index of its node.
    points: Vec<(Point, usize)>,
}

impl Ring {
    /// A ring of `nodes` nodes (at least one) named `prefix` with 1, 2, … behind it, each at as many points as the
    /// ring has nodes (PM-2).
    pub fn new(nodes: usize, prefix: &str) -> Ring {
        let names = (1..=nodes.max(1)).map(|n| format!("{prefix}{n}")).collect();
        Ring::with_points(names, nodes)
    }

    /// A ring of these nodes (of which there must be one), each at `points` points (at least one). With the same
    /// number of points, adding or removing a node moves only its share; more points make the shares more even.
    pub fn with_points(names: Vec<String>, points: usize) -> Ring {
        let place = |(node, name): (usize, &String)| {
            let name = string(name);
            let first = hash(&name);
            let more = (1..points).map(move |k| hash(&[name.as_slice(), &integer(k)].concat()));
            std::iter::once(first).chain(more).map(move |point| (point, node))
        };
        let mut points: Vec<_> = names.iter().enumerate().flat_map(place).collect();
        points.sort_unstable();
        Ring { names, points }
    }

    /// The index, from 0, of the node a key belongs to. Costs a SHA-1: the registry remembers it per process.
    pub fn node(&self, key: &[u8]) -> usize {
        let hash = hash(&binary(key));
        let at = self.points.partition_point(|(point, _)| *point < hash);
        self.points.get(at).or(self.points.first()).map_or(0, |(_, node)| *node)
    }

    /// Names of the nodes, in the order of their indexes.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

fn hash(term: &[u8]) -> Point {
    let mut point = Point::default();
    point.copy_from_slice(digest(&SHA1_FOR_LEGACY_USE_ONLY, term).as_ref());
    point
}

/// `term_to_binary("…")`; names are short.
fn string(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    [&[VERSION, STRING], &length.to_be_bytes()[..], text.as_bytes()].concat()
}

/// `term_to_binary(K)` for what fits in 31 bits.
fn integer(k: usize) -> Vec<u8> {
    match u8::try_from(k) {
        Ok(small) => vec![VERSION, SMALL_INTEGER, small],
        Err(_) => {
            let wide = i32::try_from(k).unwrap_or(i32::MAX);
            [&[VERSION, INTEGER], &wide.to_be_bytes()[..]].concat()
        }
    }
}

/// `term_to_binary(<<…>>)`.
fn binary(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [&[VERSION, BINARY], &length.to_be_bytes()[..], bytes].concat()
}
