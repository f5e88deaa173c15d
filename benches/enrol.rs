//! Enrolment as clients see it: EST over HTTPS against the real program, everything on the disk before it is answered.
//! `cargo bench --bench enrol` prints certificates a second; `CHAT_ENROLMENTS=10000` takes more.

mod program;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use client::{Client, Enrolment, Options, Registered};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::client::legacy::Client as Http;
use hyper_util::rt::TokioExecutor;
use program::{address, kill, start};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// Who enrols, each over a connection of its own.
const USERS: usize = 32;

fn main() {
    let count = std::env::var("CHAT_ENROLMENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(3_000);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut server = start(folder.path(), "log = \"warn\"\n");
    actix_rt::System::new().block_on(measure(folder.path(), count));
    kill(&mut server);
}

async fn measure(home: &std::path::Path, count: usize) {
    let mut users = Vec::new();
    for number in 0..USERS {
        users.push(register(&address(home, "mqtt"), 380_670_000_000 + number).await);
    }
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_file(home.join("ca/root.crt")).expect("the root");
    roots.add(root).expect("an authority");
    let config = ClientConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("TLS")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let port = address(home, "https").rsplit_once(':').expect("a port").1.to_owned();
    let url = Arc::new(format!("https://localhost:{port}/.well-known/est/simpleenroll"));
    let (left, start) = (Arc::new(AtomicUsize::new(count)), Instant::now());
    let tasks: Vec<_> = users
        .into_iter()
        .map(|credentials| {
            let (left, url, config) = (left.clone(), url.clone(), config.clone());
            actix_rt::spawn(async move {
                let connector = hyper_rustls::HttpsConnectorBuilder::new()
                    .with_tls_config(config)
                    .https_only()
                    .enable_http1()
                    .build();
                let http: Http<_, Full<Bytes>> = Http::builder(TokioExecutor::new()).build(connector);
                // The same request again: what the server does is the same, and making keys is not its work.
                let (_key, request) = ca::request("device").expect("a request");
                let body = Bytes::from(STANDARD.encode(request));
                while left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1)).is_ok() {
                    let asked = Request::post(url.as_str()).header("authorization", &credentials);
                    let answer = http.request(asked.body(Full::new(body.clone())).expect("a request")).await;
                    let answer = answer.expect("an answer");
                    assert_eq!(answer.status(), 200);
                    answer.into_body().collect().await.expect("a certificate");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("it enrols");
    }
    let took = start.elapsed();
    println!(
        "{count} certificates by EST for {USERS} devices, all cores shared with who asks: {:.0} a second",
        count as f64 / took.as_secs_f64()
    );
}

/// A device with its token, as HTTP wants it.
async fn register(mqtt: &str, number: usize) -> String {
    let url: client::Url = format!("mqtt://{mqtt}").parse().expect("an address");
    let (client, _events) = Client::connect(Options::new(url, format!("reg_{number}_d1"))).await.expect("in");
    let phone = number.to_string();
    let Registered::Done(account) = client.register(&phone, "d1", Enrolment::Fake, None).await.expect("registered")
    else {
        panic!("a fake number needs no code");
    };
    client.close().await;
    format!("Basic {}", STANDARD.encode(format!("{}:{}", account.client_id, account.token)))
}
