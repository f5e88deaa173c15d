//! Identities: ID-1, 4, 5, 6, 16, 17, and names: C-12.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use bytes::Bytes;
use proto::ids::{Address, BadId, ClientId, ClientKind, DevKey, FeedId, Nick, Phone, PhoneId, RoomId};
use proto::text::{BadText, name};
use proto::{Feed, Muc, P2p};

fn phone(text: &str) -> Phone {
    text.parse().unwrap()
}

fn id(text: &str) -> PhoneId {
    text.parse().unwrap()
}

#[test]
fn id_1_account_keys() {
    for (given, kept) in [
        ("380676631870", "380676631870"),
        ("+38 (067) 663-18-70", "380676631870"),
        ("12345", "12345"),
        ("123456789012345", "123456789012345"),
        ("Anna", "anna"),
        ("a1", "a1"),
        ("anna-b.example", "anna-b.example"),
        ("regina", "regina"),
    ] {
        assert_eq!(phone(given).as_str(), kept);
    }
    let long = "a".repeat(65);
    for bad in
        ["", "1234", "1234567890123456", "a", "reg", "REG", "an_na", "an/na", "an na", "анна", "--", "a+b", &long]
    {
        assert!(Phone::parse(bad.as_bytes()).is_err(), "{bad}");
    }
    assert!(phone("12345").is_number() && !phone("1a").is_number());
}

#[test]
fn id_4_phone_ids() {
    let id = id("380676631870_12");
    assert_eq!((id.phone().as_str(), id.roster(), id.as_str()), ("380676631870", 12, "380676631870_12"));
    assert_eq!(PhoneId::parse(b"+38067663_1").unwrap().as_str(), "38067663_1");
    for bad in
        ["380676631870", "_1", "anna_", "anna_0", "anna_01", "anna_+1", "anna_x", "a_b_1", "anna_99999999999999999999"]
    {
        assert!(PhoneId::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn id_4_short_addresses() {
    let own = phone("12345");
    assert_eq!(Address::parse(b"anna_2"), Ok(Address::Full(id("anna_2"))));
    assert_eq!(Address::parse(b"12346"), Ok(Address::Phone(phone("12346"))));
    assert_eq!(Address::parse(b"7"), Err(BadId::Length));
    assert_eq!(Address::parse_own(b"7", &own), Ok(Address::Roster(7)));
    assert_eq!(Address::parse_own(b"12345", &own), Ok(Address::Phone(own.clone())));
    assert_eq!(Address::parse_own(b"12346", &own), Ok(Address::Roster(12346)));
}

#[test]
fn id_5_dev_keys() {
    assert_eq!(DevKey::parse(b"Dev_Key.A1:-").unwrap().as_str(), "Dev_Key.A1:-");
    for bad in ["".to_owned(), "a b".into(), "a/b".into(), "ключ".into(), "a".repeat(129)] {
        assert!(DevKey::parse(bad.as_bytes()).is_err(), "{bad}");
    }
    let of = |client: &str| ClientId::parse(client.as_bytes()).unwrap().default_dev_key(&phone("38001"));
    assert_eq!(of("reg_38001_d1").unwrap().as_str(), "d1");
    assert_eq!(of("reg_d1").unwrap().as_str(), "d1");
    assert_eq!(of("emqttd_reg_d1").unwrap().as_str(), "d1");
    assert_eq!(of("emqttd_x7f").unwrap().as_str(), "x7f");
    assert_eq!(of("reg_").unwrap_err(), BadId::Length);
}

#[test]
fn id_6_client_ids() {
    let kind = |client: &str| ClientId::parse(client.as_bytes()).unwrap().kind();
    assert_eq!(kind("reg_38001_d1"), ClientKind::Reg);
    assert_eq!(kind("emqttd_reg_1"), ClientKind::Reg);
    assert_eq!(kind("emqttd_38001_d_1"), ClientKind::Device(phone("38001"), "d_1".parse().unwrap()));
    assert_eq!(kind("emqttd_8f3a"), ClientKind::Guest);
    assert_eq!(kind("emqttd_Anna_d1"), ClientKind::Guest, "the key is written as it is kept");
    assert_eq!(kind("sys_bot"), ClientKind::Sys);
    for plain in ["", "5HT", "emqtt-host-1a2b", "mosq/7"] {
        assert_eq!(kind(plain), ClientKind::Plain);
    }
    let device = ClientId::device(&phone("38001"), &"d1".parse().unwrap());
    assert_eq!(device.as_str(), "emqttd_38001_d1");
    assert!(ClientId::parse(&[b'a'; 256]).is_ok());
    assert_eq!(ClientId::parse(&[b'a'; 257]), Err(BadId::Length));
    for bad in ["emqttd_a/b", "reg_+", "sys_#"] {
        assert_eq!(ClientId::parse(bad.as_bytes()), Err(BadId::Character), "{bad} would break a reply topic");
    }
}

#[test]
fn id_16_room_ids() {
    for good in ["lobby", "Room-1.x", "7f0c_a", "a", "_1", "reg_1"] {
        assert!(RoomId::parse(good.as_bytes()).is_ok(), "{good}");
    }
    let long = "a".repeat(65);
    for bad in ["", "room_1", "380676631870_1", "a/b", "a b", "кімната", &long] {
        assert!(RoomId::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn id_17_nicks() {
    for good in ["ab", "anna.b_7", "Їжак", "x9"] {
        assert!(Nick::parse(good.as_bytes()).is_ok(), "{good}");
    }
    let long = "a".repeat(33);
    for bad in ["", "a", "7up", "_a", "a b", "a-b", "a\u{200d}b", &long] {
        assert!(Nick::parse(bad.as_bytes()).is_err(), "{bad}");
    }
    let folded = |nick: &str| nick.parse::<Nick>().unwrap().folded();
    assert_eq!(folded("ЇЖАК"), folded("їжак"));
    assert_eq!(folded("Straße"), folded("STRASSE"));
    assert_eq!(folded("ΟΔΟΣ"), folded("οδος"));
    assert_eq!(folded("é9"), folded("E\u{301}9"));
}

#[test]
fn topic_7_a_private_feed_is_one_in_any_order() {
    let feed = FeedId::p2p(id("380679999_1"), id("38067_2"));
    assert_eq!(feed, FeedId::p2p(id("38067_2"), id("380679999_1")));
    assert_eq!(&feed.key()[..], b"p/380679999_1/38067_2", "bytes, not numbers: 9 is before _");
    assert_eq!(feed.peer(&id("38067_2")), Some(&id("380679999_1")));
    assert_eq!(feed.peer(&id("38068_2")), None);
    let notes = FeedId::p2p(id("anna_1"), id("anna_1"));
    assert_eq!(notes.peer(&id("anna_1")), Some(&id("anna_1")));
}

#[test]
fn feeds_go_to_records_and_keys_and_back() {
    for feed in [FeedId::p2p(id("anna_1"), id("12345_7")), FeedId::Room("lobby".parse().unwrap())] {
        assert_eq!(FeedId::from_key(&feed.key()), Ok(feed.clone()));
        assert_eq!(FeedId::try_from(&Feed::from(&feed)), Ok(feed));
    }
    for bad in [&b""[..], b"p/", b"p/anna_1", b"p/anna_1/ben_1/", b"r/", b"r/a/b", b"x/lobby"] {
        assert!(FeedId::from_key(bad).is_err());
    }
    assert!(FeedId::try_from(&Feed::Muc(Muc::default())).is_err());
    assert!(FeedId::try_from(&Feed::P2p(P2p { from: Some("anna_1".into()), to: Some("lobby".into()) })).is_err());
}

#[test]
fn c_12_names() {
    let kept = |text: &str, length| name(&Bytes::copy_from_slice(text.as_bytes()), length);
    assert_eq!(kept("  Леся \n", 2..=32).unwrap(), "Леся");
    assert_eq!(kept("e\u{301}", 1..=1).unwrap(), "é", "counted after composing");
    assert_eq!(kept("👩‍👩‍👧", 5..=5).unwrap(), "👩‍👩‍👧", "scalar values, not letters");
    assert_eq!(kept("   ", 1..=32), Err(BadText::Short));
    assert_eq!(kept(&"a".repeat(33), 1..=32), Err(BadText::Long));
    assert_eq!(kept(&" ".repeat(5000), 1..=32), Err(BadText::Long));
    assert_eq!(name(&Bytes::from_static(&[0xff, 0xfe]), 1..=32), Err(BadText::NotUtf8));
}
