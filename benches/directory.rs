//! What asking the organisation's directory adds to a sign-in: the real program with OpenLDAP's server, and without.
//! `cargo bench --bench directory`; `CHAT_SIGN_INS=5000` takes more.

mod program;
#[path = "../tests/support/slapd.rs"]
#[allow(dead_code, reason = "a part of what tests need")]
mod slapd;

use std::fs;
use std::time::{Duration, Instant};

use client::{Client, Enrolment, Options, Registered};
use program::{address, kill, start};
use slapd::{BASE, READER, SECRET, Slapd};

/// Whom the directory has.
const PHONE: &str = "380670000101";

fn main() {
    let count = std::env::var("CHAT_SIGN_INS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000);
    let slapd = Slapd::start();
    let directory = format!(
        "directory.servers = [\"{}\"]\ndirectory.roots = {:?}\ndirectory.bind_dn = \"{READER}\"\ndirectory.password_file = \"reader\"\n\
         directory.base = \"{BASE}\"\n",
        slapd.url(),
        slapd.roots(),
    );
    let (alone, asked) = (median("", count), median(&directory, count));
    println!(
        "{count} sign-ins one after another, median: {:.2} ms alone, {:.2} ms when slapd is asked over TLS: {:.2} ms more",
        millis(alone),
        millis(asked),
        millis(asked) - millis(alone)
    );
}

fn median(lines: &str, count: usize) -> Duration {
    let folder = tempfile::tempdir().expect("a temporary folder");
    ca::files::write_secret(folder.path().join("reader"), SECRET).expect("a file");
    let mut server = start(folder.path(), &format!("log = \"warn\"\nauth.fake_numbers = true\n{lines}"));
    let mut times = actix_rt::System::new().block_on(sign_in(&address(folder.path(), "mqtt"), count));
    kill(&mut server);
    assert!(lines.is_empty() || fs::metadata(folder.path().join("directory.seen")).is_ok(), "it was asked");
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

async fn sign_in(address: &str, count: usize) -> Vec<Duration> {
    let url: client::Url = format!("mqtt://{address}").parse().expect("an address");
    let (client, _events) = Client::connect(Options::new(url.clone(), "reg_bench")).await.expect("in");
    let Ok(Registered::Done(account)) = client.register(PHONE, "d1", Enrolment::Fake, None).await else {
        panic!("not registered")
    };
    client.close().await;
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let mut options = Options::new(url.clone(), &account.client_id);
        (options.token, options.reconnect) = (Some(account.token.clone()), false);
        let since = Instant::now();
        let (client, _events) = Client::connect(options).await.expect("in");
        times.push(since.elapsed());
        client.close().await;
    }
    times
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
