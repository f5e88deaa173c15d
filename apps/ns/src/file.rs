//! Records from a master file (RFC 1035, section 5).

use std::path::Path;

use hickory_proto::rr::{Name, Record};
use hickory_proto::serialize::txt::{ParseError, Parser};

use crate::contents::Flaw;

/// Reads `text`, which came from `path`; files that it includes lie beside that one.
///
/// # Errors
/// Says what is wrong, and about where.
pub fn import(text: &str, path: &Path, origin: &Name) -> Result<Vec<Record>, Flaw> {
    let text = &spelt_out(text, origin);
    let parse = |text: &str| Parser::new(text.to_owned(), Some(path.to_owned()), Some(origin.clone())).parse();
    match parse(text) {
        Ok((_, sets)) => Ok(sets.values().flat_map(|set| set.records_without_rrsigs().cloned()).collect()),
        Err(why) => Err(Flaw::File { line: line_of(text, parse), why: why.to_string() }),
    }
}

/// The parser knows `@`, the zone's name, at the beginning of a line only: elsewhere it is written out.
fn spelt_out(text: &str, origin: &Name) -> String {
    let mut origin = origin.to_ascii();
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        if let Some(named) = line.strip_prefix("$ORIGIN") {
            origin = named.split_whitespace().next().map_or(origin, |name| format!("{}.", name.trim_end_matches('.')));
        }
        let (mut quoted, mut before) = (false, ' ');
        let mut rest = line.chars().peekable();
        while let Some(each) = rest.next() {
            let ends = rest.peek().is_none_or(|next| next.is_whitespace() || matches!(next, ')' | ';'));
            match each {
                ';' if !quoted && before != '\\' => {
                    out.extend([each].into_iter().chain(rest.by_ref()));
                    break;
                }
                '@' if !quoted && ends && (before.is_whitespace() || before == '(') => out.push_str(&origin),
                _ => out.push(each),
            }
            quoted ^= each == '"' && before != '\\';
            before = each;
        }
    }
    out
}

/// The parser does not say where it stopped: the first line with which it cannot go on, or where the record of that line begins.
fn line_of<T>(text: &str, parse: impl Fn(&str) -> Result<T, ParseError>) -> usize {
    let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).collect();
    let good = |end: &usize| text.get(..*end).is_some_and(|text| parse(text).is_ok());
    ends.partition_point(good) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Record>, Flaw> {
        import(text, Path::new("/zone"), &Name::from_ascii("chat.example.").unwrap())
    }

    #[test]
    fn records_of_many_kinds_are_read() {
        let text = "$TTL 300\n@ MX 10 mail\nmail A 192.0.2.7\n AAAA 2001:db8::7\nx TXT ( \"a\"\n \"b\" ) ; two\n\
                    sub NS ns.sub\nsub DS 12345 13 2 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n";
        assert_eq!(read(text).unwrap().len(), 6);
    }

    #[test]
    fn the_zone_is_named_by_a_sign_anywhere() {
        let name = &Name::from_ascii("chat.example.").unwrap();
        let text = "@ MX 10 @ ; @ here\nx TXT \"a @ b\" @\n$ORIGIN sub\ny CNAME @\nme@x A 1.2.3.4\n";
        let written = "chat.example. MX 10 chat.example. ; @ here\nx TXT \"a @ b\" chat.example.\n$ORIGIN sub\ny CNAME sub.\nme@x A 1.2.3.4\n";
        assert_eq!(spelt_out(text, name), written);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let told = |text: &str| read(text).unwrap_err().to_string();
        assert!(told("$TTL 300\na A 192.0.2.1\nb A nowhere\nc A 192.0.2.2\n").contains("line 3"));
        assert!(told("a 300 A 192.0.2.1\na 300 NONSENSE x\n").contains("line 2"));
        assert!(told("a 300 A (\n 192.0.2.1\n").contains("line 1"));
    }
}
