//! What the broker says of itself below `$SYS/broker` (TOPIC-13), over real sockets.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::{Client, Server, publish, settings};
use mqtt::Settings;

/// All values, as somebody is told them who subscribes now.
fn values(server: &Server) -> BTreeMap<String, String> {
    let mut client = server.five("reader");
    client.subscribe("end", 0);
    client.subscribe("$SYS/#", 0);
    client.send(&publish(0, "end", ""));
    let mut values = BTreeMap::new();
    loop {
        let (topic, value, first) = client.message();
        if topic == "end" {
            return values;
        }
        assert_eq!(first & 1, 1, "{topic} is retained");
        values.insert(topic.strip_prefix("$SYS/broker/").unwrap().to_owned(), value);
    }
}

fn number(values: &BTreeMap<String, String>, name: &str) -> u64 {
    values[name].parse().unwrap()
}

/// The next value that is told, and not because it was retained.
fn change(client: &mut Client) -> String {
    let (_, value, first) = client.message();
    assert_eq!(first & 1, 0);
    value
}

#[test]
fn topic_13_a_new_subscriber_has_the_state_of_the_broker_at_once() {
    let server = Server::start(settings());
    let mut writer = server.five("writer");
    writer.subscribe("a/+", 1);
    writer.subscribe("#", 0);
    writer.send(&publish(0b0011, "kept", "x"));
    assert_eq!((writer.packet()[0], writer.packet()[0]), (0x40, 0x30));
    drop(server.four("away", false));

    let values = values(&server);
    assert_eq!(values["version"], concat!("chat ", env!("CARGO_PKG_VERSION")));
    let (seconds, unit) = values["uptime"].split_once(' ').unwrap();
    assert!(unit == "seconds" && seconds.parse::<u64>().is_ok());
    assert_eq!(number(&values, "retained messages/count"), 1, "not itself");
    assert_eq!(number(&values, "subscriptions/count"), 3);
    assert!(number(&values, "clients/connected") >= 2 && number(&values, "clients/maximum") >= 2);
    let all = number(&values, "clients/connected") + number(&values, "clients/disconnected");
    assert_eq!(number(&values, "clients/total"), all);
    assert_eq!(number(&values, "messages/received"), 8, "three CONNECT, four SUBSCRIBE, one PUBLISH");
    assert_eq!((number(&values, "publish/messages/received"), number(&values, "publish/messages/sent")), (1, 1));
    assert!(number(&values, "bytes/received") > 80 && number(&values, "bytes/sent") > 40, "{values:?}");
    assert!(number(&values, "heap/maximum") >= number(&values, "heap/current"));
    // Whoever listens to everything does not hear of it.
    writer.send(&publish(0, "last", ""));
    let (topic, ..) = writer.message();
    assert!(topic == "end" || topic == "last", "{topic}");
}

#[test]
fn topic_13_what_changes_of_the_state_of_the_broker_is_told() {
    let server = Server::start(Settings { sys_interval: Duration::from_millis(1), ..settings() });
    let mut reader = server.five("reader");
    reader.subscribe("$SYS/broker/clients/connected", 0);
    assert_eq!(reader.message(), ("$SYS/broker/clients/connected".into(), "1".into(), 0x31));
    let other = server.five("other");
    assert_eq!(change(&mut reader), "2");
    drop(other);
    assert_eq!(change(&mut reader), "1");
}

#[test]
fn topic_13_a_server_may_say_nothing_of_itself() {
    let server = Server::start(Settings { sys_interval: Duration::ZERO, ..settings() });
    assert!(values(&server).is_empty());
}
