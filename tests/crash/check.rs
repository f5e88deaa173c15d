//! What must be when all is over.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use client::{Client, Event, Events};
use proto::{Desc, Message, Record};
use tokio::time::timeout;

use super::device::{Device, Pair};
use super::journal::Journal;
use super::progress::PATIENCE;

const PROOF: &[u8] = b"proof";

/// The feed is what was acknowledged, once each and in order, the same for all; each device has seen all of it; nothing is due.
pub(crate) async fn pair(pair: &Pair, journals: &[Journal]) {
    let mut present = Vec::new();
    for device in &pair.devices {
        let (client, events) = device.connect(false).await;
        present.push((device, client, events));
    }
    let (author, client, _) = present.first().expect("a device");
    prove(author, client).await;

    let mut feeds = Vec::new();
    for (device, client, events) in &mut present {
        only_the_proof(device, events).await;
        feeds.push(fetch(device, client).await);
        // The history was asked for behind the proof, so whatever else was due has come before it.
        while let Some(event) = events.try_next() {
            assert!(is_transient(&event), "{}: {event:?}", device.client_id);
        }
    }
    for (_, client, _) in present {
        client.close().await;
    }
    let feed = feeds.pop().expect("a feed");
    assert!(feeds.iter().all(|other| *other == feed), "the feed is not the same for all");
    feed_is_what_was_acknowledged(&feed, journals);
    for journal in journals {
        let seen: Vec<_> = journal.seen.iter().collect();
        let kept: Vec<_> = feed.iter().map(|entry| (&entry.id, &entry.msg_id)).collect();
        assert!(seen == kept, "{} has not seen all of its feed, or more than it", journal.client_id);
    }
}

async fn prove(device: &Device, client: &Client) {
    let message = Message {
        to: Some(device.peer.clone().into()),
        files: vec![Desc::text(PROOF)],
        msg_id: Some(PROOF.into()),
        ..Message::default()
    };
    client.send_message(message).await.expect("the server acknowledges it");
}

/// DLV-3, DLV-7: the first item on a new connection is the one written since.
async fn only_the_proof(device: &Device, events: &mut Events) {
    loop {
        let event = timeout(PATIENCE, events.next()).await.expect("the proof comes").expect("the client lives");
        match event {
            Event::Record { record: Record::Message(message), .. } if message.msg_id.as_deref() == Some(PROOF) => {
                return;
            }
            other => assert!(is_transient(&other), "{}: still due: {other:?}", device.client_id),
        }
    }
}

/// The greeting (INIT-1), presence, receipts (MESSAGE-12), and how the connection is.
fn is_transient(event: &Event) -> bool {
    match event {
        Event::Record { topic, record } => {
            topic.starts_with("ac/") || matches!(record, Record::VnodeMax(_) | Record::Ack(_))
        }
        Event::State(_) => true,
        Event::Bytes { .. } => false,
    }
}

/// A message as the history has it.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    id: u64,
    prev: Option<u64>,
    msg_id: Bytes,
    text: Option<Bytes>,
}

/// HISTORY-8: the whole feed, without the proof.
async fn fetch(device: &Device, client: &Client) -> Vec<Entry> {
    let mut feed: Vec<Entry> = Vec::new();
    loop {
        let last = feed.last().map_or(0, |entry| entry.id);
        let page = client.catch_up(device.feed.clone(), last).await.expect("a history");
        if page.is_empty() {
            let proof = feed.pop();
            assert!(proof.is_some_and(|entry| entry.msg_id == PROOF), "the proof is the last");
            return feed;
        }
        feed.extend(page.into_iter().map(|message| Entry {
            id: message.id.expect("a number"),
            prev: message.prev,
            msg_id: message.msg_id.expect("a msg_id"),
            text: message.files.into_iter().next().and_then(|file| file.payload),
        }));
    }
}

/// DLV-4, DLV-5, DLV-8: each once, whole, in the order in which its author wrote, linked to the one before it.
fn feed_is_what_was_acknowledged(feed: &[Entry], journals: &[Journal]) {
    let all: BTreeSet<&Bytes> = feed.iter().map(|entry| &entry.msg_id).collect();
    assert_eq!(all.len(), feed.len(), "a message is there twice");
    let acknowledged: BTreeSet<&Bytes> = journals.iter().flat_map(|journal| &journal.acknowledged).collect();
    let lost: Vec<_> = acknowledged.difference(&all).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    assert_eq!(acknowledged.len(), feed.len(), "something is there that nobody wrote");

    for (entry, next) in feed.iter().zip(feed.iter().skip(1)) {
        assert!(entry.id < next.id, "{} before {}", entry.id, next.id);
        assert_eq!(next.prev, Some(entry.id), "the message before {}", next.id);
    }
    assert!(feed.iter().all(|entry| entry.text.as_ref() == Some(&entry.msg_id)), "another text");
    let place: BTreeMap<&Bytes, usize> = feed.iter().enumerate().map(|(at, entry)| (&entry.msg_id, at)).collect();
    for journal in journals {
        let places: Vec<_> = journal.acknowledged.iter().map(|msg_id| place.get(msg_id)).collect();
        assert!(places.is_sorted(), "{} wrote in another order", journal.client_id);
    }
}
