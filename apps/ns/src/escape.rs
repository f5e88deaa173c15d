//! Escapes outside quotes (RFC 1035, 5.1), which the parser of master files knows in quotes only: outside it keeps the backslash, and what
//! is behind it ends the word.

/// Whose data is text: a word of it means the same in quotes.
const TEXTS: [&str; 4] = ["TXT", "SPF", "HINFO", "CAA"];
/// Whose data is text and names, or has escapes of its own.
const MIXED: [&str; 3] = ["NAPTR", "SVCB", "HTTPS"];

/// The line of a record of this type, which stands as so many words' next, as the parser reads it right.
///
/// # Errors
/// It has an escape that could not be kept.
pub(crate) fn written(line: &str, words: usize, kind: &str) -> Result<String, String> {
    let (head, data) = line.split_at(behind(line, words));
    if !TEXTS.contains(&kind) {
        let is_kept = |each: char| each == '.' && !MIXED.contains(&kind);
        return kept(line, false, is_kept).map(|()| line.to_owned());
    }
    kept(head, false, |each| each == '.')?;
    Ok(head.to_owned() + &in_quotes(data)?)
}

/// Whether all escapes outside quotes are of these.
///
/// # Errors
/// Says which one is not.
pub(crate) fn kept(text: &str, mut quoted: bool, is_kept: impl Fn(char) -> bool) -> Result<(), String> {
    let mut rest = text.chars();
    while let Some(each) = rest.next() {
        match each {
            '"' => quoted = !quoted,
            ';' if !quoted => return Ok(()),
            '\\' => match rest.next() {
                Some(_) if quoted => {}
                Some(escaped) if is_kept(escaped) => {}
                Some(escaped) => return Err(refused(escaped)),
                None => return Err(refused('\n')),
            },
            _ => {}
        }
    }
    Ok(())
}

/// Text whose words with escapes stand in quotes.
fn in_quotes(data: &str) -> Result<String, String> {
    let mut out = String::with_capacity(data.len() + 2);
    let mut rest = data;
    while let Some(first) = rest.chars().next() {
        let end = match first {
            ';' => rest.len(),
            '"' => string(rest),
            _ if first.is_whitespace() => first.len_utf8(),
            _ => word(rest)?,
        };
        let (part, after) = rest.split_at(end);
        match first != ';' && first != '"' && part.contains('\\') {
            true => out.extend(["\"", part, "\""]),
            false => out.push_str(part),
        }
        rest = after;
    }
    Ok(out)
}

/// Where a string ends, if it does on this line.
fn string(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, each) in text.char_indices().skip(1) {
        match each {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Where a word outside quotes ends.
fn word(text: &str) -> Result<usize, String> {
    let mut rest = text.char_indices();
    let (mut end, mut has_escape, mut has_quote) = (text.len(), false, false);
    while let Some((at, each)) = rest.next() {
        match each {
            '\\' => match rest.next() {
                Some((_, escaped)) if !escaped.is_control() => has_escape = true,
                Some((_, escaped)) => return Err(refused(escaped)),
                None => return Err(refused('\n')),
            },
            '"' => has_quote = true,
            _ if each == ';' || each.is_whitespace() => {
                end = at;
                break;
            }
            _ => {}
        }
    }
    match has_escape && has_quote {
        true => Err("a word with escapes and quotes: write it in quotes".into()),
        false => Ok(end),
    }
}

fn refused(escaped: char) -> String {
    let named = escaped.escape_debug();
    format!("\\{named} outside quotes cannot be kept here; text may be written in quotes")
}

/// Where so many words have ended.
fn behind(line: &str, words: usize) -> usize {
    let mut rest = line;
    for _ in 0..words {
        rest = rest.trim_start().trim_start_matches(|each: char| !each.is_whitespace());
    }
    line.len() - rest.len()
}
