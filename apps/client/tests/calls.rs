//! Calls over a connection: what ends them, what refuses them, what a break does to them.

mod script;

use client::{Error, Event, State};
use proto::{Ack, Contact, ContactStatus, History, HistoryItem, HistoryStatus, Io, Message, Outcome, Record, Refusal};
use script::{Server, accepts, text_of};

#[tokio::test]
async fn con_3_connect_says_who_and_proves_it() {
    let server = Server::start().await;
    let (client, (_connection, connect)) = tokio::join!(client::Client::connect(server.options()), server.accept(32));
    client.unwrap();
    assert!(connect.starts_with(b"\0\x04MQTT\x05\xc2\0\x3c"), "MQTT 5, clean start, name and password, 60 s");
    assert!(connect.ends_with(b"\0\x0femqttd_38001_d1\0\x0femqttd_38001_d1\0\x02t1"));
}

#[tokio::test]
async fn message_2_a_send_ends_with_the_ack_on_the_reply_topic_not_with_the_receipt_on_ses() {
    let server = Server::start().await;
    let (client, mut events, mut connection) = server.connect(server.options()).await;
    let send = tokio::spawn(async move { client.send("38002_2", "hi").await });
    let request = connection.request().await;
    assert_eq!((request.topic.as_str(), text_of(&request.record).as_str()), ("events/1//api/anon//", "hi"));
    connection.send("ses/38001", 0, accepts(&request.record)).await;
    assert!(matches!(events.next().await, Some(Event::State(State::Connected))));
    let Some(Event::Record { topic, record: Record::Ack(_) }) = events.next().await else {
        panic!("the receipt is news")
    };
    assert_eq!(topic, "ses/38001");
    assert!(!send.is_finished(), "a receipt is no acceptance");
    connection.answer(accepts(&request.record)).await;
    let sent = send.await.unwrap().unwrap();
    assert_eq!(Some(sent.msg_id), accepts(&request.record).id);
}

#[tokio::test]
async fn g_5_answers_go_to_the_calls_in_their_order() {
    let server = Server::start().await;
    let (client, _events, mut connection) = server.connect(server.options()).await;
    let (first, second) = (client.clone(), client.clone());
    let sends = tokio::spawn(async move { tokio::join!(first.send("a_1", "one"), second.send("b_2", "two")) });
    let (one, two) = (connection.request().await, connection.request().await);
    assert_eq!([text_of(&one.record), text_of(&two.record)], ["one", "two"]);
    connection.answer(Io::error(Refusal::PermissionDenied)).await;
    connection.answer(accepts(&two.record)).await;
    let (one, two) = sends.await.unwrap();
    assert!(matches!(one, Err(Error::Refused { code, .. }) if code == "permission_denied"));
    two.unwrap();
}

#[tokio::test]
async fn history_14_the_last_part_is_the_one_with_nothing_still_to_come() {
    let server = Server::start().await;
    let (client, _events, mut connection) = server.connect(server.options()).await;
    let feed = client::private("38002_2", "38001_1").unwrap();
    let asked = tokio::spawn(async move { client.history(feed, 3, 0).await });
    connection.request().await;
    let part = |ids: &[u64], left: i64| History {
        size: Some(left),
        data: ids
            .iter()
            .map(|id| HistoryItem::Message(Box::new(Message { id: Some(*id), ..Message::default() })))
            .collect(),
        status: Some(HistoryStatus::Get),
        ..History::default()
    };
    connection.answer(part(&[1, 2], 1)).await;
    connection.answer(part(&[3], 0)).await;
    let ids: Vec<_> = asked.await.unwrap().unwrap().into_iter().filter_map(|message| message.id).collect();
    assert_eq!(ids, [1, 2, 3]);
}

#[tokio::test]
async fn friend_1_the_contact_on_ses_answers_and_is_news_as_well() {
    let server = Server::start().await;
    let (client, mut events, mut connection) = server.connect(server.options()).await;
    let asked = tokio::spawn({
        let client = client.clone();
        async move { client.request_friend("38002").await }
    });
    connection.request().await;
    let contact =
        Contact { phone_id: Some("38002_2".into()), status: Some(ContactStatus::Request), ..Contact::default() };
    connection.send("ses/38001", 7, contact.clone()).await;
    assert_eq!(asked.await.unwrap().unwrap(), contact);
    events.next().await;
    let Some(Event::Record { record: Record::Contact(news), .. }) = events.next().await else {
        panic!("the contact is news")
    };
    assert_eq!(*news, contact);
    assert_eq!(connection.puback().await, 7, "confirmed when it was taken");
}

#[tokio::test]
async fn topic_8_a_refused_publish_fails_its_call() {
    let server = Server::start().await;
    let (client, _events, mut connection) = server.connect(server.options()).await;
    let publish = tokio::spawn(async move { client.publish("ses/38002", "x").await });
    let (_, body) = connection.frame().await.unwrap();
    let id = [body[11], body[12]];
    connection.write(&[0x40, 3, id[0], id[1], 0x87]).await;
    assert!(matches!(publish.await.unwrap(), Err(Error::NotPublished(0x87))));
}

#[tokio::test]
async fn auth_5_a_renewed_token_answers_nothing_and_is_used_from_then_on() {
    let server = Server::start().await;
    let (client, mut events, mut connection) = server.connect(server.options()).await;
    let pair = etf::Term::tuple(vec![etf::Term::binary(b"emqttd_38001_d1"), etf::Term::binary(b"t2")]);
    connection.answer(Io::ok_src(Outcome::Login, pair)).await;
    events.next().await;
    let renewed = State::Renewed { client_id: "emqttd_38001_d1".into(), token: "t2".into() };
    assert_eq!(events.next().await, Some(Event::State(renewed)));
    drop(connection);
    let (_connection, connect) = server.accept(32).await;
    assert!(connect.ends_with(b"\0\x02t2"));
    drop(client);
}

#[tokio::test]
async fn g_7_after_a_break_unanswered_sends_are_repeated_with_the_same_msg_id() {
    let server = Server::start().await;
    let (client, mut events, mut connection) = server.connect(server.options()).await;
    let (first, second) = (client.clone(), client.clone());
    let sends = tokio::spawn(async move { tokio::join!(first.send("a_1", "one"), second.send("a_1", "two")) });
    let (one, two) = (connection.request().await, connection.request().await);
    connection.acknowledge(one.id).await;
    drop(connection);
    let (mut connection, _) = server.accept(32).await;
    let again = [connection.request().await.record, connection.request().await.record];
    assert_eq!(again, [one.record, two.record], "the same records, so the same msg_ids, in the same order");
    for record in &again {
        connection.answer(accepts(record)).await;
    }
    let (one, two) = sends.await.unwrap();
    assert_ne!(one.unwrap(), two.unwrap());
    assert_eq!(events.next().await, Some(Event::State(State::Connected)));
    assert!(matches!(events.next().await, Some(Event::State(State::Disconnected(_)))));
    assert_eq!(events.next().await, Some(Event::State(State::Connected)));
}

#[tokio::test]
async fn what_may_not_be_repeated_fails_with_the_connection() {
    let server = Server::start().await;
    let (client, _events, mut connection) = server.connect(server.options()).await;
    let create = proto::Roster { status: Some(proto::RosterStatus::Create), ..proto::Roster::default() };
    let call = tokio::spawn(async move { client.call(create).await });
    connection.request().await;
    drop(connection);
    assert!(matches!(call.await.unwrap(), Err(Error::Disconnected)));
}

#[tokio::test]
async fn con_7_a_client_whose_place_was_taken_does_not_come_back() {
    let server = Server::start().await;
    let (client, mut events, mut connection) = server.connect(server.options()).await;
    connection.write(&[0xe0, 1, 0x8e]).await;
    events.next().await;
    assert!(matches!(events.next().await, Some(Event::State(State::Ended(_)))));
    assert_eq!(events.next().await, None);
    assert!(matches!(client.ack("m1").await, Err(Error::Disconnected)));
}

#[tokio::test]
async fn no_more_requests_are_on_the_way_than_the_server_takes() {
    let server = Server::start().await;
    let (connected, (mut connection, _)) = tokio::join!(client::Client::connect(server.options()), server.accept(1));
    let (client, _events) = connected.unwrap();
    let (first, second) = (client.clone(), client.clone());
    let acks = tokio::spawn(async move { tokio::join!(first.ack("m1"), second.ack("m2")) });
    let ack = |id: &'static str| Record::from(Ack { id: Some(id.into()), ..Ack::default() });
    let one = connection.request().await;
    assert_eq!(one.record, ack("m1"));
    connection.acknowledge(one.id).await;
    let two = connection.request().await;
    assert_eq!(two.record, ack("m2"));
    connection.acknowledge(two.id).await;
    let (one, two) = acks.await.unwrap();
    one.and(two).unwrap();
}
