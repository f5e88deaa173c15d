//! Old shapes and old atoms: C-4 to C-7.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use etf::text::parse;
use proto::{
    Auth, AuthAct, Contact, Desc, Feature, Feed, Ftp, Ftp10, Link, LinkType, Mark, MessageLink, MessageStatus, Profile,
    ProfileStatus, Record, RosterStatus, catalogue,
};

/// The record a bare tuple, written as text, is read as.
fn read(text: &str) -> Record {
    parse(text, &catalogue()).unwrap().to().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The same, written again.
fn current(text: &str) -> String {
    etf::text::print(&etf::Term::of(&read(text)).unwrap(), &catalogue())
}

#[test]
fn c_6_auth_of_14_has_its_type_sixth_and_no_settings() {
    assert_eq!(
        current(r#"{'Auth',"c","d","u","38067","t",reg,"123456",3,[jwt],"p",ios,"1686825600000",7}"#),
        r#"Auth{client_id="c" dev_key="d" user_id="u" phone="38067" token="t" sms_code="123456" attempts=3 services=[jwt] push="p" os=ios created=1686825600000 last_online=7 type=reg}"#
    );
}

#[test]
fn c_6_message_of_15_has_a_link_and_no_replies() {
    let text = r#"{'Message',7,chain,p2p{from="1" to="2"},[],[],"m","1","2",5,[],reply,99,["1"],async}"#;
    let Record::Message(message) = read(text) else {
        panic!("a Message");
    };
    assert_eq!(message.link, Some(MessageLink::Id(99)));
    assert_eq!(*message.r#type, [Mark::Reply]);
    assert_eq!(message.status, Some(MessageStatus::Async));
    assert!(message.repliedby.is_empty() && message.mentioned.is_empty());
}

#[test]
fn c_6_member_of_19_drops_email_and_vox_id() {
    let text = r#"{'Member',1,chain,muc{name="r"},[],[],[],"p","a","n","s","al","mail","vox",9,3,[],online,admin}"#;
    assert_eq!(
        current(text),
        r#"Member{id=1 feed_id=muc{name="r"} phone_id="p" avatar="a" names="n" surnames="s" alias="al" reader=9 update=3 presence=online status=admin}"#
    );
}

#[test]
fn c_6_room_of_16_has_no_links_mentions_readers() {
    let text = r#"{'Room',"r","n","d",[],[],[],[],group,"tos",1,2,33,4,5,create}"#;
    assert_eq!(
        current(text),
        r#"Room{id="r" name="n" description="d" type=group tos="tos" tos_update=1 unread=2 last_msg=33 update=4 created=5 status=create}"#
    );
}

#[test]
fn c_6_profile_of_9_and_of_8() {
    let text = r#"{'Profile',"p",[],[1],[Feature{key="k"}],7,3,online,get}"#;
    let wanted =
        r#"Profile{phone="p" rosters=[1] update=7 settings=[Feature{key="k"}] balance=3 presence=online status=get}"#;
    assert_eq!(current(text), wanted);

    let Record::Profile(profile) = read(r#"{'Profile',"p",[],what,"ever",[],0,remove}"#) else {
        panic!("a Profile");
    };
    let status = Some(ProfileStatus::Remove);
    assert_eq!(*profile, Profile { phone: Some("p".into()), status, ..Profile::default() });
}

#[test]
fn c_6_friend_of_4_tag_of_6_star_of_5() {
    assert_eq!(current(r#"{'Friend',"a","b",revoke}"#), r#"Friend{phone_id="a" friend_id="b" status=revoke}"#);
    assert_eq!(
        current(r#"{'Tag',3,"1","work","red",edit}"#),
        r#"Tag{roster_id="1" name="work" color="red" status=edit}"#
    );
    assert_eq!(
        current(r#"{'Star',1,Message{id=5},[1,2,3],add}"#),
        r#"Star{roster_id=1 message=Message{id=5} status=add}"#
    );
    assert_eq!(
        current(r#"{'Star',1,[],[1,Tag{name="t"}],add}"#),
        r#"Star{roster_id=1 tags=[Tag{name="t"}] status=add}"#
    );
}

#[test]
fn c_6_desc_of_7_has_its_properties_as_features() {
    let Record::Desc(desc) = read(r#"{'Desc',"1","image","file",1024,"a.png",[]}"#) else {
        panic!("a Desc");
    };
    let data = vec![Feature::new("FILE_DATA", "SIZE", "1024"), Feature::new("FILE_DATA", "FILENAME", "a.png")];
    assert_eq!(desc.data, data);
    assert_eq!(*desc, Desc { id: Some("1".into()), mime: Some("image".into()), data, ..Desc::text("file") });
}

#[test]
fn c_6_results_of_two_elements_have_no_detail() {
    assert_eq!(current("{ok,sms_sent}"), "ok{code=sms_sent}");
    assert_eq!(current("{error,invalid_data}"), "error{code=invalid_data}");
    let Record::Io(io) = read(r#"{io,{ok2,login,{'Client',"c"}},<<>>}"#) else {
        panic!("an io");
    };
    assert_eq!(io.success().unwrap().0, "login");
    let Record::Io(io) = read("{io,{error2,invalid_data,[]},[]}") else {
        panic!("an io");
    };
    assert_eq!(io.failure().unwrap().0, "invalid_data");
    assert_eq!(io.success(), None);
}

#[test]
fn c_6_ftp_keeps_the_arity_received() {
    let text = r#"{ftp,"i",[],[],[],1,2,3,"x","send"}"#;
    let Record::Ftp10(old) = read(text) else {
        panic!("an ftp of 10");
    };
    assert_eq!(Ftp::from(Ftp10::clone(&old)).offset, Some(2));
    assert_eq!(etf::Term::of(&old).unwrap(), parse(text, &()).unwrap());
}

#[test]
fn c_6_a_group_is_a_room_feed() {
    let Record::Message(message) = read(r#"Message{feed_id={group,"friends"}}"#) else {
        panic!("a Message");
    };
    assert!(matches!(message.feed_id, Some(Feed::Muc(muc)) if muc.name.as_deref() == Some(b"friends")));
}

#[test]
fn c_6_contact_is_read_in_the_current_order() {
    let text = r#"{'Contact',"p","a","n","s","nick",[1000,1001],2,[],online,3,4,[],[],autorization}"#;
    let Record::Contact(contact) = read(text) else {
        panic!("a Contact");
    };
    assert_eq!(*contact, Contact { nread: Some(2), update: Some(3), created: Some(4), ..(*contact).clone() });
    assert!(current(text).ends_with("status=authorization}"));
}

#[test]
fn c_4_integers_are_text_where_text_is_wanted() {
    assert_eq!(current("Typing{phone_id=[51,56,48]}"), r#"Typing{phone_id="380"}"#);
    assert_eq!(current("Message{msg_id=[105,1087]}"), r#"Message{msg_id="iп"}"#);
    assert_eq!(current("Message{seenby=[49,50]}"), "Message{seenby=[49,50]}");
    assert_eq!(current("Message{seenby=7}"), "Message{seenby=[7]}");
    assert_eq!(current(r#"Message{seenby="1_1"}"#), r#"Message{seenby=["1_1"]}"#);
}

#[test]
fn c_5_empty_text_is_kept_apart_from_absent() {
    let Record::Profile(profile) = read(r#"Profile{phone=""}"#) else {
        panic!("a Profile");
    };
    assert_eq!(profile.phone, Some("".into()));
}

#[test]
fn c_7_old_atoms_have_present_names() {
    assert_eq!(MessageStatus::Client.modern(), None);
    assert_eq!(MessageStatus::Upload.modern(), Some(MessageStatus::Async));
    assert_eq!(MessageStatus::Complete.modern(), Some(MessageStatus::Update));
    assert_eq!(MessageStatus::Deleted.modern(), Some(MessageStatus::Delete));
    assert_eq!(MessageStatus::Edit.modern(), Some(MessageStatus::Edit));
    let servers = ["sent", "internal", "event", "muc", "link"];
    for status in servers {
        let Record::Message(message) = read(&format!("Message{{status={status}}}")) else {
            panic!("a Message");
        };
        assert!(message.status.unwrap().is_servers());
    }
    assert_eq!(RosterStatus::Nickid.modern(), RosterStatus::Nick);
    assert_eq!(RosterStatus::Set.modern(), RosterStatus::Patch);
    assert_eq!(AuthAct::List.modern(), Some(AuthAct::Get));
    assert_eq!(AuthAct::Login.modern(), None);
    let Record::Link(link) = read("Link{type=group}") else {
        panic!("a Link");
    };
    assert_eq!(*link, Link { r#type: Some(LinkType::Group), ..Link::default() });
    for kind in ["email", "vox"] {
        assert!(matches!(read(&format!("Service{{type={kind}}}")), Record::Service(_)));
    }
}

#[test]
fn auth_1_and_12_versions_come_with_the_type() {
    let Record::Auth(auth) = read(r#"Auth{type={reg,11} phone={fake,"38001"} services=[x509]}"#) else {
        panic!("an Auth");
    };
    assert_eq!(auth.act(), Some(AuthAct::Reg));
    assert_eq!(auth.version().and_then(etf::Term::as_int), Some(11));
    assert_eq!(auth.service(), Some("x509"));
    assert_eq!(Auth::default().act(), None);
}

#[test]
fn c_9_what_is_no_record_is_an_error() {
    for text in ["{}", "{'Message'}", "{nobody,1,2}", "[]", "7", r#""Message""#, "{'Message',1,2}"] {
        assert!(parse(text, &()).unwrap().to::<Record>().is_err(), "{text}");
    }
}

#[test]
fn records_stay_small() {
    assert!(size_of::<Record>() <= 16);
}
