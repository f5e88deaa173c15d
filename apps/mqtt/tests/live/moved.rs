//! Free topics by the certificates of devices (`topics.free`), where accounts have changed their numbers (PROFILE-11).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chat::door::Certificate;
use chat::rows::{self, ALIAS, CALLED, Called, NUMBER};
use kvs::{Batch, Store};
use mqtt::{Front, Rule, Settings};

use crate::support::{Client, connect, connect_with, publish, store, subscribe, text};

/// 38001 has moved to 38009 and is kept under its first number; whoever registers that one is kept as x.1.
fn moved() -> impl Store {
    let store = store();
    let mut batch = Batch::default();
    batch.put(NUMBER, "*", "");
    for (key, number, account) in [("38009", "38009", "38001"), ("38001", "38001", "x.1")] {
        batch.put(NUMBER, key, account);
        let called = Called { numbers: vec![(number.into(), 0)] };
        batch.put(CALLED, account, rows::encode(&called));
    }
    batch.put(ALIAS, rows::path(&[b"38001", b"38001"]), rows::encode(&u64::MAX));
    store.apply(&batch).unwrap();
    store
}

/// A front to which everybody shows a certificate of this name.
fn serve(store: impl Store, name: &'static str) -> hosted::Server<()> {
    let rule = Rule { filter: "door/#".into(), read: vec![name.into()], write: vec![name.into()] };
    let settings = Settings { rules: [rule].into(), ..Settings::default() };
    hosted::Server::start(Arc::new(store), move |handle| {
        let doorman = hosted::doorman(handle, Duration::from_secs(10));
        let front = Arc::new(Front::bind(doorman.clone(), Vec::new(), settings).unwrap());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        actix_rt::spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, from): (_, SocketAddr) = listener.accept().await.unwrap();
                let shown = Certificate { names: vec![name.into()], not_after: u64::MAX, ..Certificate::default() };
                let ticket = doorman.gate.admit(from.ip(), Instant::now()).unwrap();
                let front = front.clone();
                actix_rt::spawn(async move { front.carry(stream, Some(Arc::new(shown)), ticket).await });
            }
        });
        (address, async || ())
    })
}

/// Its token.
fn register(server: &hosted::Server<()>, phone: &str) -> String {
    let mut client = Client::to(server.address);
    client.send(&connect(5, &format!("reg_{phone}_d"), true, 60, &[]));
    assert_eq!(client.packet()[3], 0);
    let auth = format!(r#"Auth{{type=reg dev_key="d" phone={{fake,"{phone}"}}}}"#);
    let auth = etf::encode(&etf::text::parse(&auth, &proto::catalogue()).unwrap());
    client.send(&publish(2, "events/1//api/anon//", auth));
    let found = std::iter::from_fn(|| Some(client.packet())).find_map(|packet| login(&packet)).unwrap();
    assert_eq!(found.0, format!("emqttd_{phone}_d"));
    found.1
}

/// Client id and token, of the answer that has them.
fn login(packet: &[u8]) -> Option<(String, String)> {
    assert!(!packet.is_empty(), "it was closed");
    let record = packet.iter().position(|byte| *byte == 131).map(|at| &packet[at..])?;
    let Ok(proto::Record::Io(io)) = etf::decode::<proto::Record>(&bytes::Bytes::copy_from_slice(record)) else {
        return None;
    };
    let said = etf::text::print(&etf::Term::of(&*io).ok()?, &());
    let mut parts = said.split('"').skip(1).step_by(2).map(str::to_owned);
    let client = parts.next().filter(|id| id.starts_with("emqttd_"))?;
    Some((client, parts.next()?))
}

#[test]
fn profile_11_topic_13_devices_of_two_accounts_by_one_client_id_use_free_topics_at_once() {
    let server = serve(moved(), "lamp");
    let tokens = [register(&server, "38009"), register(&server, "38001")];
    let enter = |token: &String| {
        let mut client = Client::to(server.address);
        let proof = [text("u"), text(token)].concat();
        client.send(&connect_with(5, "emqttd_38001_d", 0xC2, 60, &[], &proof));
        assert_eq!(client.packet()[..4][2..], [0, 0]);
        client
    };
    let mut clients = tokens.each_ref().map(enter);
    for (client, filter) in clients.iter_mut().zip(["door/a", "door/b"]) {
        client.send(&subscribe(5, filter, 0));
        while client.packet()[0] != 0x90 {}
    }
    // Each hears the other, and itself.
    for client in &mut clients {
        for topic in ["door/a", "door/b"] {
            client.send(&publish(0, topic, "x"));
        }
    }
    for (mut client, topic) in clients.into_iter().zip(["door/a", "door/b"]) {
        let mut heard = 0;
        while heard < 2 {
            let packet = client.packet();
            assert_ne!(packet.first().copied().unwrap_or(0xE0), 0xE0, "{topic}: it was closed");
            heard +=
                usize::from(packet[0] >> 4 == 3 && packet.windows(topic.len()).any(|part| part == topic.as_bytes()));
        }
    }
}
