//! Reads the test data, whose form `vectors-format.md` of the protocol describes.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::indexing_slicing)]

pub mod agree;
pub mod terms;

use etf::Term;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use serde_json::Value;
use std::collections::HashMap;
use std::io::Write;

/// The lines of a file of `tests/data`.
pub fn lines(file: &str) -> Vec<Value> {
    let path = format!("{}/tests/data/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub fn text<'a>(line: &'a Value, key: &str) -> &'a str {
    line[key].as_str().unwrap_or_default()
}

pub fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Makes documents; keeps what it compressed, since the largest takes seconds.
#[derive(Default)]
pub struct Documents {
    compressed: HashMap<String, Vec<u8>>,
}

impl Documents {
    /// The bytes of a line, from `etf_hex` or `etf_gen`.
    pub fn of(&mut self, line: &Value) -> Vec<u8> {
        match &line["etf_gen"] {
            Value::Array(segments) => {
                let mut out = Vec::new();
                self.segments(segments, &mut out);
                out
            }
            _ => hex(text(line, "etf_hex")),
        }
    }

    fn segments(&mut self, segments: &[Value], out: &mut Vec<u8>) {
        for segment in segments {
            match (&segment["zlib"], &segment["for"]) {
                (Value::Array(inner), _) => out.extend(self.zlib(inner)),
                (_, Value::Array(range)) => numbers(segment, range, out),
                _ => plain(segment, out),
            }
        }
    }

    fn zlib(&mut self, inner: &[Value]) -> Vec<u8> {
        let key = serde_json::to_string(inner).unwrap();
        self.compressed.entry(key).or_insert_with(|| compress(inner)).clone()
    }
}

fn plain(segment: &Value, out: &mut impl Write) {
    if let Some(bytes) = segment["hex"].as_str() {
        return out.write_all(&hex(bytes)).unwrap();
    }
    let (unit, count) = (hex(text(segment, "repeat")), segment["count"].as_u64().unwrap() as usize);
    let block = unit.repeat(count.min(4096));
    for _ in 0..count / 4096 {
        out.write_all(&block).unwrap();
    }
    out.write_all(&unit.repeat(count % 4096)).unwrap();
}

fn numbers(segment: &Value, range: &[Value], out: &mut Vec<u8>) {
    let (head, format) = (hex(text(segment, "hex")), text(segment, "text"));
    for number in range[0].as_u64().unwrap()..=range[1].as_u64().unwrap() {
        out.extend(&head);
        out.extend(format.replace("%08d", &format!("{number:08}")).bytes());
    }
}

fn compress(inner: &[Value]) -> Vec<u8> {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    inner.iter().for_each(|segment| plain(segment, &mut zlib));
    zlib.finish().unwrap()
}

/// The term of a `tree` node.
pub fn tree(node: &Value) -> Term {
    let (kind, value) = node.as_object().unwrap().iter().next().unwrap();
    let all = |value: &Value| value.as_array().unwrap().iter().map(tree).collect::<Vec<_>>();
    match kind.as_str() {
        "n" => Term::nil(),
        "a" => Term::atom(value.as_str().unwrap()),
        "i" => etf::text::parse(value.as_str().unwrap(), &()).unwrap(),
        "f" => Term::float(f64::from_bits(u64::from_str_radix(value.as_str().unwrap(), 16).unwrap())).unwrap(),
        "b" => Term::binary(&hex(value.as_str().unwrap())),
        "bits" => Term::bits(&hex(value[0].as_str().unwrap()), value[1].as_u64().unwrap() as usize).unwrap(),
        "t" => Term::tuple(all(value)),
        "l" => Term::list(all(value)),
        "il" => Term::improper(all(&value[0]), tree(&value[1])),
        "m" => {
            Term::map(value.as_array().unwrap().iter().map(|pair| (tree(&pair[0]), tree(&pair[1]))).collect()).unwrap()
        }
        _ => panic!("no such node: {kind}"),
    }
}
