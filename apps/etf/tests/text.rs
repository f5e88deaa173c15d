//! The text notation.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use bytes::Bytes;
use etf::text::{Entry, parse, print};
use etf::{Atom, Record, Term};
use proptest::collection::vec;
use proptest::prelude::*;
use support::terms::any_term;

#[derive(Debug, Clone, PartialEq, Record)]
struct Message {
    id: Option<u64>,
    container: Atom,
    files: Vec<Desc>,
}

impl Default for Message {
    fn default() -> Self {
        Self { id: None, container: Atom::new("chain"), files: Vec::new() }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Record)]
struct Desc {
    id: Option<Bytes>,
    payload: Option<Bytes>,
}

#[derive(Debug, Clone, Default, PartialEq, Record)]
#[record("p2p")]
struct P2p {
    from: Option<Bytes>,
    to: Option<Bytes>,
}

fn catalogue() -> Vec<Entry> {
    [Entry::of::<Message>(), Entry::of::<Desc>(), Entry::of::<P2p>()].into_iter().map(Result::unwrap).collect()
}

/// What `text` parses to, printed.
fn again(text: &str) -> String {
    let catalogue = catalogue();
    print(&parse(text, &catalogue).unwrap_or_else(|error| panic!("{text}: {error}")), &catalogue)
}

#[test]
fn records_are_written_by_name_without_what_is_at_its_default() {
    for same in [
        r#"Message{id=7 files=[Desc{payload="hi"}]}"#,
        r#"Message{container=cur}"#,
        r#"Message{}"#,
        r#"p2p{from="a" to="b"}"#,
        r#"{ok,login,[]}"#,
        r#"{'Message',1}"#,
        r#"{}"#,
    ] {
        assert_eq!(again(same), same);
    }
    assert_eq!(again(r#" Message { }"#.trim().replace(" {", "{").as_str()), "Message{}");
    assert_eq!(again(r#"Message{ files = [Desc{}], id = 7 }"#), "Message{id=7 files=[Desc{}]}");
    assert_eq!(again("{'Desc',[],[]}"), "Desc{}");
}

#[test]
fn values_have_one_form_each() {
    for same in [
        "[]",
        "chain",
        "'Ack'",
        "'a b'",
        r"'it\'s'",
        "1",
        "-1",
        "1.5",
        "-0.0",
        "1e300",
        "[1,2]",
        "[1|2]",
        "[a,b|\"c\"]",
        "\"\"",
        r#""a\"b\\c\n\td""#,
        "<<1,2,255>>",
        "<<5:3>>",
        "<<171,19:5>>",
        "#{}",
        "#{a=>1,\"b\"=>[]}",
        "\"Привіт\"",
        "123456789012345678901234567890",
        "-123456789012345678901234567890",
        r#""a\xe2\x80\xaeb""#,
    ] {
        assert_eq!(again(same), same);
    }
    assert_eq!(parse(r#""\x41\xff""#, &()).unwrap(), Term::binary(b"A\xff"));
    assert_eq!(parse(" [ 1 2 , 3 ] ", &()).unwrap(), parse("[1,2,3]", &()).unwrap());
}

#[test]
fn errors_say_where_and_what_was_near() {
    let error = |text: &str| parse(text, &catalogue()).unwrap_err();
    assert_eq!(error("[Mesage{}]").at, 1);
    assert!(error("[Mesage{}]").what.contains("Message"));
    assert!(error("Desc{paylod=1}").what.contains("payload"));
    assert_eq!(error("Desc{id=1 id=2}").at, 10);
    for wrong in [
        "",
        "{",
        "[1",
        "\"a",
        "Ack",
        "1.2.3",
        "--1",
        "1 2",
        "<<256>>",
        "<<8:3>>",
        "#{1}",
        "#{1=>2,1=>3}",
        "1e999",
        "'",
        "[|1]",
        "{1,,2}",
    ] {
        error(wrong);
    }
    assert!(error(&"[".repeat(1000)).what.contains("deep"));
    assert!(error(&"9".repeat(2000)).what.contains("digits"));
    assert!(error(&format!("'{}'", "a".repeat(256))).what.contains("255"));
}

proptest! {
    #[test]
    fn what_is_printed_parses_to_the_same(term in any_term(), id in any::<Option<u64>>(), payload in vec(any::<u8>(), 0..20)) {
        let catalogue = catalogue();
        let message = Message { id, files: vec![Desc { id: None, payload: Some(payload.into()) }], ..Message::default() };
        for term in [term.clone(), Term::tuple(vec![Term::atom("Desc"), term, Term::of(&message).unwrap()])] {
            let text = print(&term, &catalogue);
            prop_assert!(!text.chars().any(char::is_control), "{}", text);
            prop_assert_eq!(parse(&text, &catalogue).unwrap(), term);
        }
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in "\\PC{0,40}|[\\[\\]{}<>#=|,:'\"a-cx0-9\\\\ .-]{0,40}") {
        let _ = parse(&text, &catalogue());
    }
}
