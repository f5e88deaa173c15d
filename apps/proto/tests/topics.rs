//! Topic names: TOPIC-1, 2, 6, 7, 13, 14, D-8.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use proto::topic::{Filter, Owner, ReplyForm, Topic};

/// The answer topic for client `me` of a request on `name`, and what the name claims.
fn request(name: &str) -> Option<(String, Option<String>, Option<String>, bool)> {
    match Topic::parse(name) {
        Topic::Events(events) => {
            let owned = |text: Option<Box<str>>| text.map(String::from);
            Some((events.reply.topic("me"), owned(events.client), owned(events.token), events.version_ok))
        }
        _ => None,
    }
}

#[test]
fn topic_1_and_2_requests_and_where_they_are_answered() {
    for (name, reply, client, token) in [
        ("events/1//api/anon//", "actions/1/api/me", "", ""),
        ("events/1//api//", "actions/1/api/me", "", ""),
        ("events/1/2/api/anon/me", "actions/1/api/me", "me", ""),
        ("events/1/2/room/anon/me/tok", "actions/1/room/me", "me", "tok"),
        ("events//////", "actions/1/api/me", "", ""),
        ("events/me", "actions/me", "me", ""),
        ("events/", "actions/me", "", ""),
        ("/events/own/svc/page/1/3", "/actions/page/me", "", ""),
        ("/events/own/svc/page/4/1/me", "/actions/page/me", "me", ""),
        ("/events/own/svc//7/9/me", "/actions/api/me", "me", ""),
    ] {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        assert_eq!(request(name), Some((reply.to_owned(), given(client), given(token), true)), "{name}");
    }
}

#[test]
fn topic_1_another_version_is_said_to_be_wrong() {
    assert!(!request("events/2//api/anon//").unwrap().3);
    assert!(request("/events/own/svc/page/2/9").unwrap().3, "here version and node are not told apart");
}

#[test]
fn topic_1_other_forms_are_unknown() {
    let long = format!("events/1//{}/anon//", "m".repeat(257));
    for name in
        ["events", "events/1/2", "events/1//api", "events/1//api/anon/me/tok/more", "/events/me", "/events", &long]
    {
        assert_eq!(Topic::parse(name), Topic::Unknown, "{name}");
    }
}

#[test]
fn topic_2_before_any_request() {
    assert_eq!(ReplyForm::default().topic("emqttd_38001_d1"), "actions/1/api/emqttd_38001_d1");
}

#[test]
fn topic_2_answer_topics_are_known() {
    for name in ["actions/1/api/me", "actions/1/room/me", "actions/me", "/actions/page/me"] {
        match Topic::parse(name) {
            Topic::Actions(form, client) => assert_eq!((form.topic("me"), &*client), (name.to_owned(), "me")),
            other => panic!("{name} is {other:?}"),
        }
    }
    for name in ["actions", "actions/2/api/me", "/actions/me", "actions/1/api/me/more"] {
        assert_eq!(Topic::parse(name), Topic::Unknown, "{name}");
    }
}

#[test]
fn every_row_of_the_table_is_read_and_written() {
    for name in [
        "devices/38001",
        "ses/38001",
        "ses/38001_2",
        "contacts/38001_2",
        "ac/anna_1",
        "muc/anna_1",
        "private/anna_1/ben_2",
        "p2p/anna_1/ben_2",
        "room/lobby",
        "version/11",
        "actions/1/api/emqttd_38001_d1",
    ] {
        assert_eq!(Topic::parse(name).to_string(), name);
    }
    assert_eq!(Topic::parse("ses/38001_2"), Topic::Ses(Owner::Roster("38001_2".parse().unwrap())), "TOPIC-14");
    for name in [
        "devices",
        "devices/",
        "devices/a_b",
        "devices/38001/x",
        "contacts/38001",
        "ac/lobby",
        "muc/",
        "private/anna_1",
        "private/anna_1/lobby",
        "p2p/anna_1/ben_2/x",
        "room/",
        "room/anna_1",
        "version/x",
        "version",
        "/devices/38001",
    ] {
        assert_eq!(Topic::parse(name), Topic::Unknown, "{name}");
    }
}

#[test]
fn topic_7_either_order_is_the_sorted_name() {
    assert_eq!(Topic::parse("private/ben_2/anna_1").to_string(), "private/anna_1/ben_2");
    assert_eq!(Topic::parse("p2p/380679999_1/38067_2").to_string(), "p2p/380679999_1/38067_2");
    assert_eq!(Topic::parse("p2p/38067_2/380679999_1").to_string(), "p2p/380679999_1/38067_2");
}

#[test]
fn d_8_the_server_writes_the_short_family() {
    for (long, short) in [
        ("devices/38001", "ses/38001"),
        ("contacts/anna_1", "ac/anna_1"),
        ("private/ben_2/anna_1", "p2p/anna_1/ben_2"),
        ("room/lobby", "room/lobby"),
    ] {
        assert_eq!(Topic::parse(long).short().to_string(), short);
        assert_eq!(Topic::parse(long).short(), Topic::parse(short));
    }
}

#[test]
fn topic_13_free_topics_begin_with_none_of_ours() {
    for name in ["topic", "hello", "a/b/c", "/hello", "eventsx/1", "Events/1", "//devices/1", "", "/", "$SYS/uptime"] {
        assert_eq!(Topic::parse(name), Topic::Free, "{name}");
    }
}

#[test]
fn topic_6_wildcards() {
    for filter in ["actions/#", "/actions/page/#", "actions/1/api/+", "/actions/#", "actions/+/+/me"] {
        assert_eq!(Filter::parse(filter), Ok(Filter::OwnActions), "{filter}");
    }
    for filter in ["devices/#", "events/+", "/room/#", "p2p/anna_1/+", "private/+/ben_2"] {
        assert_eq!(Filter::parse(filter), Ok(Filter::Wildcard), "{filter}");
    }
    for filter in ["#", "+", "+/actions", "/+", "/#", "a/+/c", "hello/#"] {
        assert_eq!(Filter::parse(filter), Ok(Filter::Free), "{filter}");
    }
}

#[test]
fn topic_5_filters_without_wildcards_are_topics() {
    for filter in ["room/lobby", "hello", "actions/1/api/me", "$SYS/uptime"] {
        assert_eq!(Filter::parse(filter), Ok(Filter::Topic(Topic::parse(filter))));
    }
}

#[test]
fn con_10_shared_filters() {
    let shared = |group: &str, filter| Ok(Filter::Shared { group: group.into(), filter: Box::new(filter) });
    assert_eq!(Filter::parse("$share/g/hello"), shared("g", Filter::Topic(Topic::Free)));
    assert_eq!(Filter::parse("$share/g/#"), shared("g", Filter::Free));
    assert_eq!(Filter::parse("$share/g/devices/+"), shared("g", Filter::Wildcard));
    assert_eq!(Filter::parse("$share/g//hello/+"), shared("g", Filter::Free));
    for bad in ["$share/g", "$share//hello", "$share/g/", "$share/+/hello", "", "a+", "a/#/b", "#/a", "a#", "a\0"] {
        assert!(Filter::parse(bad).is_err(), "{bad}");
    }
}
