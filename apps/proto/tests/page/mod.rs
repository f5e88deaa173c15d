//! The worked examples in the Markdown of `priv/proto`: how they are written there, read from there, and written anew.
#![allow(dead_code, reason = "a part of several tests; each uses a part of it")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use etf::{Term, text};
use proto::catalogue;

/// Columns that a line of notation has at most, where it has a blank to be broken at.
const WIDTH: usize = 116;

/// One page: its file and its text.
pub(crate) struct Page {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// A fenced block: its info string is `etf ID KIND [TOPIC]`, its last line the bytes in hexadecimal, those before it the notation.
/// A block `text ID KIND` is a text frame as it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Example {
    /// `FILE:LINE` of its fence.
    pub(crate) place: String,
    pub(crate) is_text: bool,
    /// The call that it shows, such as `AUTH-1`.
    pub(crate) id: String,
    pub(crate) kind: Kind,
    /// Where it is published, when that is not the events topic or the reply topic.
    pub(crate) topic: Option<String>,
    pub(crate) notation: String,
    pub(crate) hex: String,
}

/// Who says it: the client, the server to the asking client, or the server to others or of its own accord.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Request,
    Answer,
    Notice,
}

impl Page {
    pub(crate) fn name(&self) -> String {
        self.path.file_name().unwrap().to_string_lossy().into_owned()
    }

    /// The ids of its headings, `## ID, ID: title`.
    pub(crate) fn headings(&self) -> Vec<String> {
        self.text.lines().flat_map(heading).collect()
    }

    pub(crate) fn examples(&self) -> Vec<Example> {
        let (mut examples, mut open): (Vec<Example>, Option<(Example, Vec<&str>)>) = (Vec::new(), None);
        for (number, line) in self.text.lines().enumerate() {
            match open.take() {
                None => open = fence(line, format!("{}:{}", self.name(), number + 1)).map(|start| (start, Vec::new())),
                Some((example, body)) if line == "```" => examples.push(finish(example, &body)),
                Some((example, mut body)) => {
                    body.push(line);
                    open = Some((example, body));
                }
            }
        }
        assert!(open.is_none(), "{}: a fence is not closed", self.name());
        examples
    }

    /// The same page with canonical notation and fresh bytes.
    pub(crate) fn blessed(&self) -> String {
        let (mut out, mut body): (Vec<String>, Option<Vec<&str>>) = (Vec::new(), None);
        for (number, line) in self.text.lines().enumerate() {
            match body.take() {
                None => {
                    body = line.starts_with("```etf ").then(Vec::new);
                    out.push(line.to_owned());
                }
                Some(lines) if line == "```" => {
                    let (notation, _) = split(&lines);
                    let place = format!("{}:{}", self.name(), number + 1);
                    let term = text::parse(&notation, &catalogue()).unwrap_or_else(|error| panic!("{place}: {error}"));
                    out.extend(wrap(&text::print(&term, &catalogue())));
                    out.extend([hex(&etf::encode(&term)), line.to_owned()]);
                }
                Some(mut lines) => {
                    lines.push(line);
                    body = Some(lines);
                }
            }
        }
        out.join("\n") + "\n"
    }
}

impl Example {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        assert!(self.hex.len().is_multiple_of(2), "{}", self.place);
        let byte = |at| u8::from_str_radix(&self.hex[at..at + 2], 16).unwrap();
        (0..self.hex.len()).step_by(2).map(byte).collect()
    }

    pub(crate) fn term(&self) -> Term {
        text::parse(&self.notation, &catalogue()).unwrap_or_else(|error| panic!("{}: {error}", self.place))
    }
}

/// All pages but the list of deviations, by name.
pub(crate) fn pages() -> Vec<Page> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../priv/proto");
    let files = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path());
    let is_page = |path: &PathBuf| path.extension().is_some_and(|end| end == "md") && !path.ends_with("DEVIATIONS.md");
    let mut paths: Vec<PathBuf> = files.filter(is_page).collect();
    paths.sort();
    paths.into_iter().map(|path| Page { text: std::fs::read_to_string(&path).unwrap(), path }).collect()
}

pub(crate) fn heading(line: &str) -> Vec<String> {
    let ids = line.strip_prefix("## ").and_then(|rest| rest.split_once(": ")).map_or("", |(ids, _)| ids);
    ids.split(", ").filter(|id| is_id(id)).map(str::to_owned).collect()
}

/// `LETTERS-NUMBER`.
pub(crate) fn is_id(word: &str) -> bool {
    word.split_once('-').is_some_and(|(name, number)| {
        let is_name = !name.is_empty() && name.chars().all(|letter| letter.is_ascii_uppercase());
        is_name && !number.is_empty() && number.chars().all(|digit| digit.is_ascii_digit())
    })
}

fn fence(line: &str, place: String) -> Option<Example> {
    let words: Vec<&str> = line.strip_prefix("```")?.split(' ').collect();
    let (is_text, id, kind, topic) = match words[..] {
        ["etf", id, kind] => (false, id, kind, None),
        ["etf", id, kind, topic] => (false, id, kind, Some(topic.to_owned())),
        ["text", id, kind] => (true, id, kind, None),
        _ => {
            assert!(!line.starts_with("```etf"), "{place}: ```etf ID KIND [TOPIC]");
            return None;
        }
    };
    let kind = match kind {
        "request" => Kind::Request,
        "answer" => Kind::Answer,
        "notice" => Kind::Notice,
        other => panic!("{place}: {other} is no kind"),
    };
    Some(Example { place, is_text, id: id.to_owned(), kind, topic, notation: String::new(), hex: String::new() })
}

fn finish(example: Example, body: &[&str]) -> Example {
    match example.is_text {
        true => Example { notation: body.join("\n"), ..example },
        false => {
            let (notation, hex) = split(body);
            Example { notation, hex, ..example }
        }
    }
}

/// Notation and bytes; no bytes in a block that was just written.
fn split(body: &[&str]) -> (String, String) {
    let is_hex = |line: &&str| line.starts_with("83") && line.chars().all(|digit| digit.is_ascii_hexdigit());
    match body.split_last() {
        Some((last, notation)) if is_hex(last) => (notation.join(" "), (*last).to_owned()),
        Some(_) | None => (body.join(" "), String::new()),
    }
}

/// Broken at blanks; joined with blanks it is the same again.
fn wrap(line: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in line.split(' ') {
        match lines.last_mut() {
            Some(last) if last.len() + 1 + word.len() <= WIDTH => {
                last.push(' ');
                last.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
