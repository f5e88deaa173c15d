//! The protocol's text and this library agree on what answers a call and when the answer is complete.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "../../proto/tests/page/mod.rs"]
mod page;

use client::{Answer, Origin, Step};
use page::{Example, Kind, Page};
use proto::Record;

fn record(example: &Example) -> Record {
    etf::decode(&example.bytes()).unwrap_or_else(|error| panic!("{}: {error}", example.place))
}

/// Each request with the answers that stand behind it.
fn dialogues(page: &Page) -> Vec<(Example, Vec<Example>)> {
    let mut dialogues: Vec<(Example, Vec<Example>)> = Vec::new();
    for example in page.examples().into_iter().filter(|example| !example.is_text && !example.id.starts_with("MAILR-")) {
        match (example.kind, dialogues.last_mut()) {
            (Kind::Request, _) => dialogues.push((example, Vec::new())),
            (Kind::Answer, Some((request, answers))) if request.id == example.id => answers.push(example),
            (Kind::Answer | Kind::Notice, _) => {}
        }
    }
    dialogues
}

#[test]
fn every_answer_of_the_pages_ends_its_call() {
    let (mut seen, mut wrong) = (0, Vec::new());
    for page in page::pages() {
        for (request, answers) in dialogues(&page) {
            if answers.is_empty() {
                continue;
            }
            let expected = Answer::of(&record(&request));
            let mut last = Step::Other;
            for answer in &answers {
                let record = record(answer);
                if matches!(&record, Record::Io(io) if io.failure().is_some()) {
                    last = Step::Last;
                    continue;
                }
                let origin = if answer.topic.is_some() { Origin::Notice } else { Origin::Reply };
                last = expected.step(origin, &record);
                if last == Step::Other {
                    wrong.push(format!("{}: is no {expected:?}", answer.place));
                }
            }
            if last == Step::More && expected != Answer::Sessions {
                wrong.push(format!("{}: the call goes on after its last answer", request.place));
            }
            seen += 1;
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen > 90, "{seen} calls");
}
