//! The stream of events: bounded, in order, confirmed when taken.

mod script;

use client::{EVENTS_MAX, Event, State};
use proto::{Ack, Desc, Message, Record, Typing};
use script::{Server, accepts, text_of};

fn message(number: u16) -> Message {
    Message {
        id: Some(u64::from(number)),
        msg_id: Some(format!("m{number}").into()),
        files: vec![Desc::text(number.to_string())],
        ..Message::default()
    }
}

#[tokio::test]
async fn dlv_7_an_item_is_confirmed_when_it_was_taken_and_not_before() {
    let server = Server::start().await;
    let (client, mut events, mut connection) = server.connect(server.options()).await;
    for id in 1..=3 {
        connection.send("p2p/38001_1/38002_2", id, message(id)).await;
    }
    // A call goes through while nothing is taken; its PUBLISH comes before any PUBACK.
    let caller = client.clone();
    let send = tokio::spawn(async move { caller.send("38002_2", "hi").await });
    let request = connection.request().await;
    connection.answer(accepts(&request.record)).await;
    send.await.unwrap().unwrap();
    assert_eq!(events.next().await, Some(Event::State(State::Connected)));
    for id in 1..=3 {
        let Some(Event::Record { record, .. }) = events.next().await else { panic!("a message") };
        assert_eq!(text_of(&record), id.to_string());
        assert_eq!(connection.puback().await, id);
    }
}

#[tokio::test]
async fn message_3_with_auto_ack_a_taken_message_is_acknowledged_by_record() {
    let server = Server::start().await;
    let mut options = server.options();
    options.auto_ack = true;
    let (_client, mut events, mut connection) = server.connect(options).await;
    connection.send("p2p/38001_1/38002_2", 1, message(1)).await;
    events.next().await;
    events.next().await;
    assert_eq!(connection.puback().await, 1);
    let ack = Record::from(Ack { id: Some("m1".into()), ..Ack::default() });
    assert_eq!(connection.request().await.record, ack);
}

#[tokio::test]
async fn transient_events_beyond_the_bound_are_dropped_and_durable_ones_are_not() {
    let server = Server::start().await;
    let (client, mut events, mut connection) = server.connect(server.options()).await;
    for _ in 0..2 * EVENTS_MAX {
        connection.send("p2p/38001_1/38002_2", 0, Typing::default()).await;
    }
    connection.send("p2p/38001_1/38002_2", 1, message(1)).await;
    // An answered call shows that all of it has been read.
    let caller = client.clone();
    let send = tokio::spawn(async move { caller.send("38002_2", "hi").await });
    let request = connection.request().await;
    connection.answer(accepts(&request.record)).await;
    send.await.unwrap().unwrap();
    let (mut typing, mut messages) = (0, 0);
    while let Some(event) = events.try_next() {
        match event {
            Event::Record { record: Record::Typing(_), .. } => typing += 1,
            Event::Record { record: Record::Message(_), .. } => messages += 1,
            Event::State(_) | Event::Record { .. } | Event::Bytes { .. } => {}
        }
    }
    assert_eq!(messages, 1);
    assert!(typing < EVENTS_MAX, "{typing} kept");
}

#[tokio::test]
async fn topic_10_bytes_that_are_no_record_are_handed_on_as_they_are() {
    let server = Server::start().await;
    let (_client, mut events, mut connection) = server.connect(server.options()).await;
    connection.write(b"\x30\x0d\x00\x06room/r\x00call").await;
    events.next().await;
    let bytes = Event::Bytes { topic: "room/r".into(), payload: "call".into() };
    assert_eq!(events.next().await, Some(bytes));
}
