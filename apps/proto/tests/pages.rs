//! The protocol's text for client authors, `priv/proto/*.md`: each example is what it says, byte for byte, and no call is left out.
//! `CHAT_BLESS=1` writes notation and bytes anew (`priv/proto/README.md`).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod page;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use etf::{Term, text};
use page::{Kind, Page};
use proto::mail::{self, MailRecord};
use proto::topic::Topic;
use proto::{Record, catalogue};

/// The sub-protocols: name, number of the last call, calls that only the server makes, rules that are no call.
const CALLS: [(&str, u32, &[u32], &[u32]); 24] = [
    ("INIT", 3, &[1], &[]),
    ("IO", 4, &[2], &[1, 3, 4]),
    ("AUTH", 18, &[5, 13, 14, 18], &[15, 16]),
    ("FEATURE", 2, &[], &[1, 2]),
    ("SERVICE", 2, &[], &[]),
    ("PROFILE", 14, &[], &[14]),
    ("PERSON", 2, &[], &[]),
    ("ROSTER", 14, &[], &[12, 13, 14]),
    ("FRIEND", 11, &[], &[10]),
    ("PRESENCE", 8, &[3, 4, 5, 6], &[8]),
    ("MESSAGE", 17, &[2, 11, 12, 15], &[17]),
    ("HISTORY", 14, &[4], &[13, 14]),
    ("ROOM", 21, &[14, 15], &[16, 20, 21]),
    ("MEMBER", 4, &[], &[4]),
    ("LINK", 7, &[], &[7]),
    ("SEARCH", 9, &[], &[9]),
    ("FAV", 6, &[], &[]),
    ("STICKER", 3, &[], &[]),
    ("LOC", 1, &[], &[]),
    ("CDR", 2, &[2], &[]),
    ("INDEX", 1, &[], &[]),
    ("HEART", 3, &[], &[]),
    ("MAIL", 10, &[4, 5], &[9, 10]),
    ("MAILR", 6, &[5], &[]),
];

/// The pages; in bless mode after they were written anew, once for all tests.
fn pages() -> &'static [Page] {
    static PAGES: LazyLock<Vec<Page>> = LazyLock::new(|| {
        let is_blessing = std::env::var_os("CHAT_BLESS").is_some();
        for page in page::pages().iter().filter(|_| is_blessing) {
            let blessed = page.blessed();
            if blessed != page.text {
                std::fs::write(&page.path, blessed).unwrap();
            }
        }
        page::pages()
    });
    &PAGES
}

#[test]
fn every_example_is_its_bytes_and_a_typed_record_that_prints_as_it_stands_there() {
    let catalogue = catalogue();
    let mut seen = 0;
    for example in pages().iter().flat_map(Page::examples).filter(|example| !example.is_text) {
        let place = &example.place;
        let bytes = example.bytes();
        assert_eq!(etf::encode(&example.term()), bytes, "{place}: the bytes are others; see CHAT_BLESS");
        if example.id.starts_with("MAILR-") {
            assert!(is_of_mailboxes(&bytes), "{place}");
            assert_eq!(text::print(&example.term(), &catalogue), example.notation, "{place}: see CHAT_BLESS");
            continue;
        }
        let record: Record = etf::decode(&bytes).unwrap_or_else(|error| panic!("{place}: {error}"));
        assert_eq!(etf::encode(&record), bytes, "{place}: the record is written in another way");
        assert_eq!(text::print(&Term::of(&record).unwrap(), &catalogue), example.notation, "{place}: see CHAT_BLESS");
        seen += 1;
    }
    assert!(seen > 200, "{seen} examples");
}

/// Records of the mailboxes are none of the chat's.
fn is_of_mailboxes(bytes: &[u8]) -> bool {
    let is = |record: Result<bytes::Bytes, etf::Error>| record.is_ok_and(|written| written[..] == *bytes);
    is(etf::decode::<mail::Ack>(bytes).map(|record| etf::encode(&record)))
        || is(etf::decode::<mail::Nak>(bytes).map(|record| etf::encode(&record)))
        || is(etf::decode::<mail::Pub>(bytes).map(|record| etf::encode(&record)))
        || etf::decode::<MailRecord>(bytes).is_ok_and(|record| record != MailRecord::Bad)
}

#[test]
fn topic_4_every_topic_named_with_an_example_is_one_of_the_protocol() {
    for example in pages().iter().flat_map(Page::examples) {
        assert!(example.kind != Kind::Notice || example.topic.is_some(), "{}: a notice has a topic", example.place);
        if let Some(topic) = &example.topic {
            assert!(!matches!(Topic::parse(topic), Topic::Unknown | Topic::Free), "{}: {topic}", example.place);
        }
    }
}

#[test]
fn every_call_has_its_place_and_its_example_and_no_other_is_named() {
    let pages = pages();
    let headings: Vec<String> = pages.iter().flat_map(Page::headings).collect();
    let unique: BTreeSet<&String> = headings.iter().collect();
    assert_eq!(unique.len(), headings.len(), "an id has two headings");
    let examples: Vec<_> = pages.iter().flat_map(Page::examples).collect();
    let mut missing = Vec::new();
    for (name, last, notices, rules) in CALLS {
        for number in 1..=last {
            let id = format!("{name}-{number}");
            let shows = |kind: Option<Kind>| {
                let fits = |example: &&page::Example| example.id == id && kind.is_none_or(|kind| example.kind == kind);
                examples.iter().any(|example| fits(&example))
            };
            let is_shown = match (notices.contains(&number), rules.contains(&number)) {
                (true, _) => shows(None),
                (false, true) => true,
                (false, false) => shows(Some(Kind::Request)),
            };
            if !headings.contains(&id) {
                missing.push(format!("{id} has no heading"));
            } else if !is_shown {
                missing.push(format!("{id} has no example"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    for page in pages {
        for word in page.text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-') {
            let is_call = CALLS.iter().any(|(name, ..)| word.starts_with(&format!("{name}-"))) && page::is_id(word);
            assert!(!is_call || headings.iter().any(|id| id == word), "{}: {word} is no call", page.name());
        }
    }
}

#[test]
fn an_example_stands_under_the_heading_of_its_call() {
    for page in pages().iter().filter(|page| page.name() != "README.md") {
        let mut under = Vec::new();
        for line in page.text.lines() {
            if line.starts_with("## ") {
                under = page::heading(line);
            }
            if let Some(info) = line.strip_prefix("```etf ") {
                let id = info.split(' ').next().unwrap_or_default();
                assert!(under.iter().any(|heading| heading == id), "{}: {line} under {under:?}", page.name());
            }
        }
    }
}

#[test]
fn the_first_page_leads_to_every_other() {
    let pages = pages();
    let first = pages.iter().find(|page| page.name() == "README.md").unwrap();
    for page in pages.iter().map(Page::name).filter(|name| name != "README.md") {
        assert!(first.text.contains(&format!("({page})")), "README.md does not lead to {page}");
    }
}
