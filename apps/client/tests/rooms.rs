//! Calls about rooms and single messages: what they say on the wire, and what ends them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod script;

use client::Error;
use proto::{
    Io, Link, Mark, Member, MessageLink, MessageStatus, Muc, Outcome, Record, Refusal, Room, RoomStatus, Roster, SeenBy,
};
use script::{Server, accepts};

fn room(record: &Record) -> &Room {
    match record {
        Record::Room(room) => room,
        other => panic!("{other:?}"),
    }
}

fn tea() -> proto::Feed {
    proto::Feed::Muc(Muc { name: Some("tea".into()) })
}

#[tokio::test]
async fn room_1_a_repeated_create_makes_no_second_room() {
    let server = Server::start().await;
    let (client, _events, mut connection) = server.connect(server.options()).await;
    let create = tokio::spawn(async move { client.create_room("Tea", &["38002_2".into()]).await });
    let first = connection.request().await.record;
    assert_eq!(room(&first).members, [Member { phone_id: Some("38002_2".into()), ..Member::default() }]);
    drop(connection);
    let (mut connection, _) = server.accept(32).await;
    let again = connection.request().await.record;
    assert!(room(&again).id.is_some());
    assert_eq!(again, first, "the same id, so the same room");
    connection.answer(room(&again).clone()).await;
    assert_eq!(create.await.unwrap().unwrap(), *room(&first));
}

#[tokio::test]
async fn room_2_parts_are_put_together() {
    let server = Server::start().await;
    let (client, _events, mut connection) = server.connect(server.options()).await;
    let get = tokio::spawn(async move { client.room("tea").await });
    connection.request().await;
    let member = |id| Member { id: Some(id), ..Member::default() };
    let part = |name: Option<&'static str>, update, members| Room {
        id: Some("tea".into()),
        name: name.map(Into::into),
        update: Some(update),
        members,
        status: Some(RoomStatus::Get),
        ..Room::default()
    };
    connection.answer(part(Some("Tea"), 0, vec![member(1)])).await;
    connection.answer(part(None, 7, vec![member(2)])).await;
    let whole = get.await.unwrap().unwrap();
    assert_eq!((whole.name, whole.update), (Some("Tea".into()), Some(7)));
    assert_eq!(whole.members, [member(1), member(2)]);
}

#[tokio::test]
async fn room_9_mute_ends_with_the_room_on_ses() {
    let server = Server::start().await;
    let (client, _events, mut connection) = server.connect(server.options()).await;
    let mute = tokio::spawn(async move { client.mute_room("tea", true).await });
    let request = connection.request().await.record;
    connection.send("ses/38001", 5, room(&request).clone()).await;
    mute.await.unwrap().unwrap();
}

#[tokio::test]
async fn link_6_a_link_without_a_name_is_not_asked_for_twice() {
    let server = Server::start().await;
    let (client, _events, mut connection) = server.connect(server.options()).await;
    let add = tokio::spawn({
        let client = client.clone();
        async move { client.add_link("tea", None).await }
    });
    connection.request().await;
    drop(connection);
    assert!(matches!(add.await.unwrap(), Err(Error::Disconnected)));
    let (mut connection, _) = server.accept(32).await;
    let add = tokio::spawn(async move { client.add_link("tea", Some("tea_club")).await });
    let Record::Link(request) = connection.request().await.record else { panic!("a Link") };
    connection.answer(Link { created: Some(7), ..*request }).await;
    assert_eq!(add.await.unwrap().unwrap().id, Some("tea_club".into()));
}

#[tokio::test]
async fn message_6_7_8_name_the_message_and_its_feed() {
    let server = Server::start().await;
    let (client, _events, mut connection) = server.connect(server.options()).await;
    let calls = tokio::spawn(async move {
        client.reply(tea(), 12, "yes", None).await?;
        client.edit(tea(), 13, "no").await?;
        client.delete(tea(), 13, None).await?;
        client.delete(tea(), 12, Some("38001_1")).await
    });
    let mut seen = Vec::new();
    for _ in 0..4 {
        let record = connection.request().await.record;
        connection.answer(accepts(&record)).await;
        let Record::Message(message) = record else { panic!("a Message") };
        assert_eq!(message.feed_id, Some(tea()));
        assert!(message.msg_id.is_some(), "each may be repeated");
        seen.push(message);
    }
    calls.await.unwrap().unwrap();
    assert_eq!((&seen[0].link, &seen[0].r#type[..]), (&Some(MessageLink::Id(12)), &[Mark::Reply][..]));
    assert_eq!((seen[1].id, seen[1].status), (Some(13), Some(MessageStatus::Edit)));
    assert_eq!((seen[2].status, seen[2].seenby.len()), (Some(MessageStatus::Delete), 0));
    assert_eq!(seen[3].seenby[..], [SeenBy::Phone("38001_1".into())]);
}

#[tokio::test]
async fn search_2_the_answer_is_the_roster_within_the_io() {
    let server = Server::start().await;
    let (client, _events, mut connection) = server.connect(server.options()).await;
    let find = tokio::spawn({
        let client = client.clone();
        async move { client.find_nick("ben").await }
    });
    let Record::Search(request) = connection.request().await.record else { panic!("a Search") };
    assert_eq!((request.field.as_deref(), request.value), (Some(&b"nick"[..]), etf::Term::binary(b"ben")));
    for update in [0, 7] {
        let userlist = vec![proto::UserEntry::Contact(Box::default())];
        let part = Roster { userlist, update: Some(update), ..Roster::default() };
        connection.answer(Io::ok_src(Outcome::Search, request.r#ref.clone().unwrap()).with(part)).await;
    }
    assert_eq!(find.await.unwrap().unwrap().len(), 2, "both parts");
    let find = tokio::spawn(async move { client.find_nick("ben").await });
    connection.request().await;
    connection.answer(Io::error(Refusal::Limit)).await;
    assert!(matches!(find.await.unwrap(), Err(Error::Refused { code, .. }) if code == "limit"));
}
