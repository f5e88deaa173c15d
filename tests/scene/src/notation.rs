//! Terms with gaps: what a scene says of a record.

use std::collections::HashMap;
use std::sync::LazyLock;

use etf::Term;
use etf::text::{Entry, parse};

use crate::cms::crafted;
use crate::names::Names;

/// What `?i` stands for, so far.
pub(crate) type Bound = HashMap<String, Term>;

/// Reads terms: in one catalogue a field that is not written is at its default, in the other anything.
pub(crate) struct Notation {
    said: Vec<Entry>,
    shown: Vec<Entry>,
}

/// The same for every play.
static NOTATION: LazyLock<Notation> = LazyLock::new(Notation::new);

impl Notation {
    pub(crate) fn get() -> &'static Notation {
        &NOTATION
    }

    fn new() -> Notation {
        let said = proto::catalogue();
        let blank = |entry: &Entry| Entry { defaults: vec![Term::atom("_"); entry.defaults.len()], ..entry.clone() };
        Notation { shown: said.iter().map(blank).collect(), said }
    }

    /// A term to send: every name in it has a meaning.
    pub(crate) fn term(&self, text: &str, names: &Names, bound: &Bound) -> Result<Term, String> {
        let text = named_texts(&crafted(&pieces(text)?)?, names, bound)?;
        let term = parse(&quoted(&text), &self.said).map_err(|why| why.to_string())?;
        filled(&term, names, bound)
    }

    /// A term to compare with.
    pub(crate) fn pattern(&self, text: &str, names: &Names, bound: &Bound) -> Result<Term, String> {
        parse(&quoted(&named_texts(&crafted(&pieces(text)?)?, names, bound)?), &self.shown)
            .map_err(|why| why.to_string())
    }

    /// The fields of a record of so many elements.
    pub(crate) fn fields(&self, name: &str, arity: usize) -> Option<Vec<&'static str>> {
        let entry = self.said.iter().find(|entry| entry.atom == name && entry.arity() == arity)?;
        Some(entry.fields.clone())
    }

    pub(crate) fn print(&self, term: &Term) -> String {
        etf::text::print(term, &self.said)
    }
}

/// `file(0..262144)`: these bytes of a file in which no two blocks are the same.
fn pieces(text: &str) -> Result<String, String> {
    let Some((before, rest)) = text.split_once("file(") else { return Ok(text.to_owned()) };
    let (span, after) = rest.split_once(')').ok_or("file( without an end")?;
    let ends = span.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    let span: std::ops::Range<u32> = ends.ok_or_else(|| format!("no bytes of a file: {span}"))?;
    let letter = |at: u32| char::from(b'a' + ((at + at / 26 + at / 676) % 26) as u8);
    Ok(format!("{before}\"{}\"{}", span.map(letter).collect::<String>(), pieces(after)?))
}

/// `@"ac/@ann"`: a text with names in it.
fn named_texts(text: &str, names: &Names, bound: &Bound) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            '"' | '\'' => string(rest),
            '@' if rest[1..].starts_with('"') => {
                let whole = string(&rest[1..]);
                out.push_str(&names.fill(&rest[1..1 + whole], bound)?);
                rest = &rest[1 + whole..];
                continue;
            }
            _ => first.len_utf8(),
        };
        out.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    Ok(out)
}

/// A name, if the atom is one: `@ann`, `?i`.
fn filled(term: &Term, names: &Names, bound: &Bound) -> Result<Term, String> {
    if let Some(atom) = term.as_atom() {
        return match atom.chars().next() {
            Some('@') => names.term(atom),
            Some('?') => bound.get(atom).cloned().ok_or_else(|| format!("{atom} is not known yet")),
            _ => Ok(term.clone()),
        };
    }
    let all = |terms: &[Term]| terms.iter().map(|one| filled(one, names, bound)).collect::<Result<Vec<_>, _>>();
    match (term.as_tuple(), term.as_list()) {
        (Some(elements), _) => all(elements).map(Term::tuple),
        (None, Some(elements)) => all(elements).map(Term::list),
        (None, None) => Ok(term.clone()),
    }
}

/// Whether the term is as the pattern says. What that binds counts only if all of it fits.
pub(crate) fn fits(pattern: &Term, term: &Term, names: &Names, bound: &mut Bound) -> bool {
    let mut trial = bound.clone();
    let fits = fit(pattern, term, names, &mut trial);
    if fits {
        *bound = trial;
    }
    fits
}

fn fit(pattern: &Term, term: &Term, names: &Names, bound: &mut Bound) -> bool {
    if let Some(atom) = pattern.as_atom() {
        return match atom.chars().next() {
            Some('_') if atom == "_" => true,
            Some('@') => names.term(atom).is_ok_and(|named| named == *term),
            Some('?') => *bound.entry(atom.to_owned()).or_insert_with(|| term.clone()) == *term,
            _ => pattern == term,
        };
    }
    if let (Some(wanted), Some(elements)) = (pattern.as_tuple(), term.as_tuple()) {
        return wanted.len() == elements.len()
            && wanted.iter().zip(elements).all(|(one, other)| fit(one, other, names, bound));
    }
    if let (Some(wanted), Some(elements)) = (pattern.as_list(), term.as_list()) {
        let (wanted, open) = match wanted.split_last() {
            Some((last, wanted)) if last.as_atom() == Some("...") => (wanted, true),
            _ => (wanted, false),
        };
        let length = if open { elements.len() >= wanted.len() } else { elements.len() == wanted.len() };
        return length && wanted.iter().zip(elements).all(|(one, other)| fit(one, other, names, bound));
    }
    pattern == term
}

/// `@ann.phone`, `?i`, `_` and `...` as quoted atoms, which the notation of terms reads.
fn quoted(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            '"' | '\'' => {
                let whole = string(rest);
                out.push_str(&rest[..whole]);
                whole
            }
            '@' | '?' => name(rest),
            '.' if rest.starts_with("...") => 3,
            '_' if !rest[1..].starts_with(is_name) => 1,
            _ if is_name(first) => {
                let word = rest.find(|letter| !is_name(letter)).unwrap_or(rest.len());
                out.push_str(&rest[..word]);
                word
            }
            _ => {
                out.push(first);
                first.len_utf8()
            }
        };
        let (text, next) = rest.split_at(taken);
        if matches!(first, '@' | '?') || text == "..." || text == "_" {
            out.push('\'');
            out.push_str(text);
            out.push('\'');
        }
        rest = next;
    }
    out
}

fn is_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

/// Bytes of the quoted text that `rest` begins with.
fn string(rest: &str) -> usize {
    let mut escaped = false;
    let quote = rest.chars().next();
    for (at, letter) in rest.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            letter if Some(letter) == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Bytes of `@ann/2.phone` or `?i` that `rest` begins with.
pub(crate) fn name(rest: &str) -> usize {
    let mut end = 1 + rest[1..].find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(rest.len() - 1);
    let device = rest[end..].strip_prefix('/').and_then(|more| more.chars().next());
    if rest.starts_with('@') && device.is_some_and(|digit| digit.is_ascii_digit()) {
        end += 2;
    }
    if let Some(part) =
        rest[end..].strip_prefix('.').filter(|part| part.starts_with(|letter: char| letter.is_ascii_lowercase()))
    {
        end += 1 + part.find(|letter: char| !letter.is_ascii_lowercase()).unwrap_or(part.len());
    }
    end
}
