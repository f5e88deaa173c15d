//! Which records answer which call (SPEC section 6).

use client::{Answer, Origin, Step};
use etf::Term;
use proto::{
    Ack, Auth, AuthAct, Contact, Friend, FriendStatus, Ftp, FtpEvent, FtpStatus, Ftpack, History, HistoryStatus, Io,
    Link, LinkStatus, Message, MessageStatus, Outcome, Profile, ProfileStatus, Record, Room, RoomStatus, Typing,
};

fn message(msg_id: Option<&'static str>, status: Option<MessageStatus>) -> Record {
    Message { msg_id: msg_id.map(Into::into), status, ..Message::default() }.into()
}

#[test]
fn each_request_knows_its_answer() {
    let auth = |act: AuthAct| Record::from(Auth { r#type: Some(act.into()), ..Auth::default() });
    let friend =
        |status| Record::from(Friend { friend_id: Some("b_2".into()), status: Some(status), ..Friend::default() });
    for (request, answer) in [
        (auth(AuthAct::Reg), Answer::Login),
        (auth(AuthAct::Verify), Answer::Login),
        (auth(AuthAct::List), Answer::Sessions),
        (auth(AuthAct::Clear), Answer::Io),
        (friend(FriendStatus::Request), Answer::Contact(vec!["b_2".into()])),
        (friend(FriendStatus::Confirm), Answer::Io),
        (Profile { status: Some(ProfileStatus::Get), ..Profile::default() }.into(), Answer::ProfileParts),
        (message(Some("m1"), None), Answer::Accepted("m1".into())),
        (message(None, None), Answer::Nothing),
        (message(Some("m1"), Some(MessageStatus::Update)), Answer::Nothing),
        (message(None, Some(MessageStatus::Delete)), Answer::Io),
        (History { status: Some(HistoryStatus::LastLoaded), ..History::default() }.into(), Answer::HistoryParts),
        (Ack::default().into(), Answer::Nothing),
        (Typing::default().into(), Answer::Nothing),
    ] {
        assert_eq!(Answer::of(&request), answer, "{request:?}");
    }
}

#[test]
fn auth_4_a_login_is_followed_by_the_profile() {
    let pair = Term::tuple(vec![Term::binary(b"emqttd_1"), Term::binary(b"t")]);
    let login = Record::from(Io::ok_src(Outcome::Login, pair));
    let profile = Record::from(Profile { status: Some(ProfileStatus::Init), ..Profile::default() });
    assert_eq!(Answer::Login.step(Origin::Reply, &login), Step::More);
    assert_eq!(Answer::Login.step(Origin::Reply, &profile), Step::Last);
    assert_eq!(Answer::Login.step(Origin::Reply, &Io::ok(Outcome::SmsSent).into()), Step::Last);
    assert_eq!(Answer::Io.step(Origin::Reply, &login), Step::Other, "AUTH-5: a renewal answers no other call");
}

#[test]
fn ftp_3_the_event_behind_the_last_piece_answers_no_other_step() {
    let ack = |status| Record::from(Ftpack { status: Some(status), ..Ftpack::default() });
    let asked = Answer::of(&Ftp::default().into());
    assert_eq!(asked.step(Origin::Reply, &ack(FtpStatus::Text("send".into()))), Step::Last);
    let stop = FtpEvent { name: etf::Atom::from("stop") };
    assert_eq!(asked.step(Origin::Reply, &ack(FtpStatus::Event(stop))), Step::Other);
}

#[test]
fn a_bare_number_is_answered_by_its_roster_and_by_no_longer_number() {
    let contact = |id: &'static str| Record::from(Contact { phone_id: Some(id.into()), ..Contact::default() });
    let number = Answer::Contact(vec!["38002".into()]);
    assert_eq!(number.step(Origin::Notice, &contact("38002_2")), Step::Last);
    assert_eq!(number.step(Origin::Notice, &contact("380021_3")), Step::Other);
    let address = Answer::Contact(vec!["38002_2".into()]);
    assert_eq!(address.step(Origin::Reply, &contact("38002_2")), Step::Last);
    assert_eq!(address.step(Origin::Reply, &contact("38002_21")), Step::Other);
}

#[test]
fn a_room_answers_by_its_id_and_status_and_news_of_others_do_not() {
    let room = |id: Option<&'static str>, status, update| {
        Record::from(Room { id: id.map(Into::into), status: Some(status), update: Some(update), ..Room::default() })
    };
    let add = Answer::of(&room(Some("tea"), RoomStatus::Add, 0));
    assert_eq!(add.step(Origin::Notice, &room(Some("tea"), RoomStatus::Patch, 7)), Step::Other);
    assert_eq!(add.step(Origin::Notice, &room(Some("cake"), RoomStatus::Add, 7)), Step::Other);
    assert_eq!(add.step(Origin::Reply, &room(Some("tea"), RoomStatus::Add, 7)), Step::Last);
    let mute = Answer::of(&room(Some("tea"), RoomStatus::Mute, 0));
    assert_eq!(mute.step(Origin::Notice, &room(Some("tea"), RoomStatus::Mute, 0)), Step::Last, "ROOM-9 answers on ses");
    let create = Answer::of(&room(None, RoomStatus::Create, 0));
    assert_eq!(create.step(Origin::Notice, &room(Some("r"), RoomStatus::Create, 7)), Step::Other, "another's room");
    assert_eq!(create.step(Origin::Reply, &room(Some("r"), RoomStatus::Create, 7)), Step::Last);
    let get = Answer::of(&room(Some("tea"), RoomStatus::Get, 0));
    assert_eq!(get.step(Origin::Reply, &room(Some("tea"), RoomStatus::Get, 0)), Step::More, "ROOM-2 in parts");
    assert_eq!(get.step(Origin::Reply, &room(Some("tea"), RoomStatus::Get, 7)), Step::Last);
}

#[test]
fn link_1_the_room_ends_the_answer() {
    let ask = Record::from(Link { id: Some("l".into()), status: Some(LinkStatus::Get), ..Link::default() });
    let room = Record::from(Room { id: Some("tea".into()), status: Some(RoomStatus::Info), ..Room::default() });
    assert_eq!(Answer::of(&ask).step(Origin::Reply, &ask), Step::More);
    assert_eq!(Answer::of(&ask).step(Origin::Reply, &room), Step::Last);
}

#[test]
fn g_7_only_what_makes_something_new_is_not_repeated() {
    assert!(Answer::may_repeat(&message(Some("m1"), None)));
    assert!(!Answer::may_repeat(&message(None, None)), "without msg_id it would be sent twice");
    assert!(!Answer::may_repeat(&Auth { r#type: Some(AuthAct::Reg.into()), ..Auth::default() }.into()));
}
