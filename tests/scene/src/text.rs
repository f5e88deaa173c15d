//! Text frames in scenes.

use etf::Term;

use crate::notation::{Bound, name};

/// What a line says: `\n`, `\t`, `\0`, `\s` (a blank) and `long(300)` are meant as elsewhere.
pub(crate) fn said(text: &str) -> Result<String, String> {
    let text = text.replace(r"\n", "\n").replace(r"\t", "\t").replace(r"\0", "\0").replace(r"\s", " ");
    let Some((before, rest)) = text.split_once("long(") else { return Ok(text) };
    let (count, after) = rest.split_once(')').ok_or("long( without an end")?;
    let count = count.parse().map_err(|_| format!("no number: {count}"))?;
    Ok(format!("{before}{}{}", "x".repeat(count), said(after)?))
}

/// Whether a text is as the pattern says, in which `?n` is a number. What that binds counts only if all of it fits.
pub(crate) fn fits(pattern: &str, text: &str, bound: &mut Bound) -> bool {
    let mut trial = bound.clone();
    let fits = fit(pattern, text, &mut trial);
    if fits {
        *bound = trial;
    }
    fits
}

fn fit(pattern: &str, text: &str, bound: &mut Bound) -> bool {
    let Some(at) = pattern.find('?') else { return pattern == text };
    let (before, from) = pattern.split_at(at);
    let Some(text) = text.strip_prefix(before) else { return false };
    let (atom, pattern) = from.split_at(name(from));
    let (number, text) = text.split_at(text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len()));
    let number = Term::binary(number.as_bytes());
    *bound.entry(atom.to_owned()).or_insert_with(|| number.clone()) == number && fit(pattern, text, bound)
}
