//! Who writes to whom.

use client::mqtt::Version;
use client::{Client, Enrolment, Events, Options, Registered, Url, private};
use proto::Feed;

use super::progress::PATIENCE;

/// Number of the first account; those after it count up.
const FIRST_PHONE: u64 = 97_000_001;

/// Two friends, and the feed between them.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) devices: Vec<Device>,
}

/// A verified device.
#[derive(Clone)]
pub(crate) struct Device {
    pub(crate) client_id: String,
    /// To whom it writes.
    pub(crate) peer: String,
    pub(crate) feed: Feed,
    url: Url,
    token: String,
    version: Version,
}

impl Device {
    /// Connects; after a break again by itself if it `reconnects`.
    pub(crate) async fn connect(&self, reconnects: bool) -> (Client, Events) {
        let mut options = options(&self.url, &self.client_id, self.version);
        options.token = Some(self.token.clone());
        options.reconnect = reconnects;
        Client::connect(options).await.expect("a connection")
    }
}

fn options(url: &Url, client_id: &str, version: Version) -> Options {
    Options { version, call_timeout: PATIENCE, ..Options::new(url.clone(), client_id) }
}

/// Registers `count` pairs of friends by fake numbers (ID-15); MQTT 3.1.1 and 5.0 in turn. The first has a third device.
pub(crate) async fn enrol(url: &Url, count: usize) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (at, phone) in (0..count).zip((FIRST_PHONE..).step_by(2)) {
        let versions = if at % 2 == 0 { [Version::V5, Version::V311] } else { [Version::V311, Version::V5] };
        let [mine, theirs] = versions;
        let one = register(url, phone, "one", mine).await;
        let other = register(url, phone + 1, "one", theirs).await;
        let mut devices = vec![one.facing(&other), other.facing(&one)];
        if at == 0 {
            devices.push(register(url, phone, "two", theirs).await.facing(&other));
        }
        befriend(&devices).await;
        pairs.push(Pair { devices });
    }
    pairs
}

/// A device without a friend.
struct Fresh {
    url: Url,
    client_id: String,
    token: String,
    phone_id: String,
    version: Version,
}

impl Fresh {
    fn facing(&self, other: &Fresh) -> Device {
        Device {
            client_id: self.client_id.clone(),
            peer: other.phone_id.clone(),
            feed: private(&self.phone_id, &other.phone_id).expect("two addresses"),
            url: self.url.clone(),
            token: self.token.clone(),
            version: self.version,
        }
    }
}

async fn register(url: &Url, phone: u64, dev_key: &str, version: Version) -> Fresh {
    let options = options(url, &format!("reg_{phone}_{dev_key}"), version);
    let (client, _events) = Client::connect(options).await.expect("a connection");
    let registered = client.register(&phone.to_string(), dev_key, Enrolment::Fake, None).await;
    client.close().await;
    let Ok(Registered::Done(account)) = registered else { panic!("{phone}: {registered:?}") };
    let phone_id = account.phone_id().expect("a roster");
    Fresh { url: url.clone(), client_id: account.client_id, token: account.token, phone_id, version }
}

async fn befriend(devices: &[Device]) {
    let [one, other, ..] = devices else { panic!("a pair") };
    let (first, _events) = one.connect(false).await;
    let (second, _events) = other.connect(false).await;
    first.request_friend(&one.peer).await.expect("asked");
    second.confirm(&other.peer).await.expect("accepted");
    first.close().await;
    second.close().await;
}
