//! Records from a master file (RFC 1035, section 5).

use hickory_proto::rr::{Name, Record};
use hickory_proto::serialize::txt::{ParseError, Parser};

use crate::contents::Flaw;
use crate::lines;

/// Seconds for which others remember a record that does not say, in a file that does not say.
const TTL: u32 = 3600;

/// Reads `text`. It is all there is: what is wrong with another file that it includes could not be told by its line, and what was last good
/// is kept as one text.
///
/// # Errors
/// Says what is wrong, and about where.
pub fn import(text: &str, origin: &Name) -> Result<Vec<Record>, Flaw> {
    let (text, generic) = lines::take(&spelt_out(text, origin)?, origin, TTL)?;
    let parse = |text: &str| {
        let text = format!("$TTL {TTL}\n{text}");
        Parser::new(text, None, Some(origin.clone())).parse()
    };
    match parse(&text) {
        Ok((_, sets)) => {
            let records = sets.values().flat_map(|set| set.records_without_rrsigs().cloned());
            Ok(records.chain(generic).collect())
        }
        Err(why) => Err(Flaw::File { line: line_of(&text, parse), why: why.to_string() }),
    }
}

/// The text as the parser reads it right. It knows `@`, the zone's name, at the beginning of a line only; in a list neither quotes nor
/// comments; and escapes by numbers otherwise than everybody (RFC 1035, 5.1). So the name is written out, a list stands on one line without
/// its brackets, and an escape is what it means. Lines keep their numbers.
fn spelt_out(text: &str, origin: &Name) -> Result<String, Flaw> {
    let mut speller = Speller { out: String::with_capacity(text.len()), line: 1, depth: 0, owed: 0, quoted: false };
    let mut origin = origin_of(text).unwrap_or_else(|| origin.to_ascii());
    let (mut rest, mut before) = (text, '\n');
    while let Some(each) = rest.chars().next() {
        let after = rest.get(each.len_utf8()..).unwrap_or_default();
        let ends = after.chars().next().is_none_or(|next| next.is_whitespace() || matches!(next, '(' | ')' | ';'));
        let begins = before.is_whitespace() || before == '(';
        rest = match each {
            '\\' => speller.escape(after)?,
            ';' if !speller.quoted => speller.comment(rest),
            '@' if !speller.quoted && begins && ends => {
                speller.out.push_str(&origin);
                after
            }
            _ => {
                speller.push(each);
                after
            }
        };
        if each == '\n'
            && let Some(named) = origin_of(after)
        {
            origin = named;
        }
        before = each;
    }
    Ok(speller.end())
}

/// What a line sets as the name to which others are relative.
pub(crate) fn origin_of(line: &str) -> Option<String> {
    let named = line.lines().next()?.strip_prefix("$ORIGIN")?;
    named.split_whitespace().next().map(|name| format!("{}.", name.trim_end_matches('.')))
}

struct Speller {
    out: String,
    line: usize,
    /// Lists within lists.
    depth: usize,
    /// Ends of lines in this list, made up for behind it.
    owed: usize,
    quoted: bool,
}

impl Speller {
    fn push(&mut self, each: char) {
        self.line += usize::from(each == '\n');
        match each {
            '"' => self.quoted = !self.quoted,
            '(' if !self.quoted => {
                self.depth += 1;
                return self.out.push(' ');
            }
            ')' if !self.quoted && self.depth > 0 => {
                self.depth -= 1;
                return self.out.push(' ');
            }
            '\n' if self.depth > 0 && !self.quoted => {
                self.owed += 1;
                return self.out.push(' ');
            }
            _ => {}
        }
        self.out.push(each);
        if each == '\n' && !self.quoted {
            self.out.extend(std::iter::repeat_n('\n', std::mem::take(&mut self.owed)));
        }
    }

    /// Goes on at the end of the line.
    fn comment<'t>(&mut self, rest: &'t str) -> &'t str {
        let (comment, rest) = rest.split_at(rest.find('\n').unwrap_or(rest.len()));
        if self.depth == 0 {
            self.out.push_str(comment);
        }
        rest
    }

    /// Goes on behind it; what the parser could not take is refused.
    fn escape<'t>(&mut self, rest: &'t str) -> Result<&'t str, Flaw> {
        let Some(first) = rest.chars().next() else {
            self.out.push('\\');
            return Ok(rest);
        };
        if !first.is_ascii_digit() {
            self.out.extend(['\\', first]);
            self.line += usize::from(first == '\n');
            return Ok(rest.get(first.len_utf8()..).unwrap_or_default());
        }
        let number: String = rest.chars().take(3).collect();
        let meant = number.parse::<u8>().ok().filter(|_| number.len() == 3).map(char::from);
        match meant {
            Some(meant @ ('"' | '\\')) if self.quoted => self.out.extend(['\\', meant]),
            Some(meant @ ' '..='~') if self.quoted => self.out.push(meant),
            Some(meant) if meant.is_ascii_alphanumeric() || matches!(meant, '-' | '_') => self.out.push(meant),
            Some(meant @ ' '..='~') if !self.quoted && !matches!(meant, '.' | '#') => self.out.extend(['\\', meant]),
            Some(_) | None => {
                let why = format!("\\{number} stands for nothing that can be kept here");
                return Err(Flaw::File { line: self.line, why });
            }
        }
        Ok(rest.get(number.len()..).unwrap_or_default())
    }

    fn end(mut self) -> String {
        if self.depth > 0 {
            // It is the parser that says so.
            self.out.push('(');
        }
        self.out
    }
}

/// The parser does not say where it stopped: the first line with which it cannot go on, or where the record of that line begins.
fn line_of<T>(text: &str, parse: impl Fn(&str) -> Result<T, ParseError>) -> usize {
    let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).collect();
    let good = |end: &usize| text.get(..*end).is_some_and(|text| parse(text).is_ok());
    ends.partition_point(good) + 1
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::RData;

    use super::*;

    fn read(text: &str) -> Result<Vec<Record>, Flaw> {
        import(text, &Name::from_ascii("chat.example.").unwrap())
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
        assert_eq!(spelt_out(text, name).unwrap(), written);
    }

    /// What the record of this name says, as master files say it.
    fn said(text: &str) -> Vec<String> {
        read(text).unwrap().iter().map(|record| format!("{} {}", record.name, record.data)).collect()
    }

    #[test]
    fn lists_have_quotes_and_comments_and_escapes_mean_what_they_mean() {
        let strings = |text: &str| match read(text).unwrap().first().map(|record| record.data.clone()) {
            Some(RData::TXT(text)) => text.txt_data.iter().map(|part| part.to_vec()).collect::<Vec<_>>(),
            other => panic!("{text}: {other:?}"),
        };
        let key = "e TXT ( \"v=DKIM1; k=rsa; \" ; \"first\"\n  \"p=abc (1)\" ) ; ( end\n";
        assert_eq!(strings(key), [&b"v=DKIM1; k=rsa; "[..], b"p=abc (1)"]);
        assert_eq!(strings("e TXT ( \"a; \" \"b\" )\n"), [&b"a; "[..], b"b"]);
        assert_eq!(strings("d TXT \"\\065 \\034x\\092\"\n"), [&b"A \"x\\"[..]]);
        assert!(said("e CAA ( 0 issue \"le.org\" )\n")[0].contains("0 issue \"le.org\""));
        assert_eq!(said("n\\065x A ( 192.0.2.1 )\n"), ["nax.chat.example. 192.0.2.1"]);
        let told = |text: &str| read(text).unwrap_err().to_string();
        assert!(told("a A 192.0.2.1\nb TXT (\n \"\\200\" )\n").contains("line 3"));
        assert!(told("a\\046b A 192.0.2.1\n").contains("line 1") && told("a TXT \"\\9\"\n").contains("line 1"));
        assert!(told("a TXT ( \"b\"\n\"c\" )\nb A nowhere\n").contains("line 3"));
    }

    #[test]
    fn escapes_outside_quotes_mean_the_same_or_are_refused() {
        let strings = |text: &str| match read(text).unwrap().first().map(|record| record.data.clone()) {
            Some(RData::TXT(text)) => {
                text.txt_data.iter().map(|part| String::from_utf8(part.to_vec()).unwrap()).collect::<Vec<_>>()
            }
            other => panic!("{text}: {other:?}"),
        };
        // As nsd reads them.
        for (written, meant) in [
            ("v=DKIM1\\;p=abc ; more", &["v=DKIM1;p=abc"][..]),
            ("a\\ b c", &["a b", "c"]),
            ("( a\\\"b \"c\\;d\" ; \"\n a\\\\b )", &["a\"b", "c;d", "a\\b"]),
            ("300 a\\059b\\.c \\(\\)\\@\\x", &["300", "a;b.c", "()@x"]),
        ] {
            for begin in ["q TXT", "q 60 IN txt", "q\\.q IN 1h TXT"] {
                assert_eq!(strings(&format!("{begin} {written}\n")), meant, "{begin} {written}");
            }
        }
        assert!(said("q CAA 0 issue le.org\\;x=y\n")[0].contains("0 issue \"le.org;x=y\""));
        assert_eq!(said("s\\.t MX 1 a\\.b\n"), ["s\\.t.chat.example. 1 a\\.b.chat.example."]);
        let told = |text: &str| read(text).unwrap_err().to_string();
        for wrong in [
            "a\\;b A 192.0.2.1",
            "a\\ b TXT c",
            "a\\@ TXT c",
            "a CNAME b\\\\c",
            "a NAPTR 1 1 s x\\.y \"\" .",
            "a TXT b\\",
            "a TXT b\"c\\;d\"",
            "a TXT \"b\n\" c\\;d",
        ] {
            let told = told(&format!("x A 192.0.2.1\n{wrong}\ny A 192.0.2.2\n"));
            let line = 2 + wrong.matches('\n').count();
            assert!(told.contains(&format!("line {line}")), "{wrong}: {told}");
        }
    }

    #[test]
    fn data_of_any_type_is_taken_in_hexadecimal() {
        let text = "$TTL 1h\na A \\# 4 c0000201\n TYPE65280 ( \\# 3 0aBC\n de ) ; of nobody\n TXT \"x\"\n\
                    $ORIGIN sub.chat.example\nb 1m30s IN TYPE1 \\# 4 C0000202\nc IN 5 TYPE731 \\# 0\n";
        let found = read(text).unwrap();
        let of = |name: &str, kind: u16| {
            let is_it = |record: &&Record| {
                record.name == Name::from_ascii(name).unwrap() && u16::from(record.record_type()) == kind
            };
            found.iter().find(is_it).unwrap_or_else(|| panic!("{name} {kind}: {found:?}"))
        };
        let a = of("a.chat.example.", 1);
        assert_eq!((a.data.to_string(), a.ttl), ("192.0.2.1".into(), 3600));
        assert!(
            matches!(&of("a.chat.example.", 65280).data, RData::Unknown { rdata, .. } if rdata.anything == [10, 0xBC, 0xDE])
        );
        assert_eq!(of("a.chat.example.", 16).data.to_string(), "x", "the owner before goes on");
        assert_eq!((of("b.sub.chat.example.", 1).ttl, of("c.sub.chat.example.", 731).ttl), (90, 5));
        let told = |line: &str| read(&format!("a A 192.0.2.1\n{line}\nb A 192.0.2.2\n")).unwrap_err().to_string();
        for wrong in [
            "TYPE731 1 ab",
            "TYPE731 \\# 2 ab",
            "TYPE731 \\# 1 xy",
            "TYPE99999 \\# 1 ab",
            "A \\# 5 c000020100",
            "A \\# 3 c00002",
        ] {
            assert!(told(&format!("a {wrong}")).contains("line 2"), "{wrong}: {}", told(&format!("a {wrong}")));
        }
    }

    #[test]
    fn a_name_stands_for_one_other_and_nothing_for_all_below_another() {
        let told = |text: &str| read(text).unwrap_err().to_string();
        let twice = "a CNAME b\nx A 192.0.2.1\nA.chat.example. 60 IN CNAME c\n";
        assert!(told(twice).contains("line 3") && told(twice).contains("CNAME already"));
        assert!(told("a CNAME b\n CNAME c\n").contains("line 2"));
        for dname in ["old DNAME new", "old DNAME \\# 0", "old TYPE39 \\# 5 036e657700"] {
            assert!(told(&format!("x A 192.0.2.1\n{dname}\n")).contains("line 2: DNAME"), "{dname}");
        }
        let origin = Name::from_ascii("chat.example.").unwrap();
        let lines = |text: &str| lines::take(text, &origin, TTL).map(|(text, _)| text).map_err(|why| why.to_string());
        let good = "a CNAME b\nc CNAME b\nd TXT \"\na CNAME e\" ; \"\n";
        assert_eq!(lines(good).unwrap(), good, "in a string it is no record");
        assert!(lines(&format!("{good}a CNAME b\n")).unwrap_err().contains("line 5"));
    }

    #[test]
    fn no_other_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let other = folder.path().join("other");
        std::fs::write(&other, "b A 192.0.2.2\n").unwrap();
        let other = other.display();
        for text in ["$INCLUDE @", "$include @", " $INCLUDE @", "$INCLUDE\t@ ; more", "x A 192.0.2.3\r$INCLUDE @"] {
            let told = read(&format!("a A 192.0.2.1\n{}\n", text.replace('@', &other.to_string()))).unwrap_err();
            assert!(told.to_string().contains("line 2: $INCLUDE"), "{text}: {told}");
        }
        assert_eq!(read("a TXT \"\n$INCLUDE other\" ; $INCLUDE other\n").unwrap().len(), 1);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let told = |text: &str| read(text).unwrap_err().to_string();
        assert!(told("$TTL 300\na A 192.0.2.1\nb A nowhere\nc A 192.0.2.2\n").contains("line 3"));
        assert!(told("a 300 A 192.0.2.1\na 300 NONSENSE x\n").contains("line 2"));
        assert!(told("a 300 A (\n 192.0.2.1\n").contains("line 1"));
    }
}
