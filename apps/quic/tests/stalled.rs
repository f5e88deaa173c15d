//! A peer that stops reading: what waits for it is bounded, and whoever writes to it waits (CON-1, SEC-13).

#![allow(clippy::expect_used, reason = "a test may fail")]

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use quic::{Listener, RESETS_BYTES, Settings, Stream};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;
use tokio::time::timeout;

const SILENCE: Duration = Duration::from_secs(600);
/// A write that is not taken for so long waits for the peer; were it taken later, less would be counted, not more.
const BLOCKED: Duration = Duration::from_secs(2);
const PIECE: usize = 16 << 10;
/// What the peer may be sent ahead of its reading, and what waits here for it to be taken.
const AHEAD: usize = 512 << 10;
const UNSENT: usize = 256 << 10;
/// Peers that stop reading, at one time.
const PEERS: usize = 24;

/// TLS of a server, and of clients that trust it.
fn tls() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (provider, versions) = (Arc::new(aws_lc_rs::default_provider()), &[&rustls::version::TLS13]);
    let mut roots = RootCertStore::empty();
    roots.add(own.cert.der().clone()).expect("a certificate");
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).expect("a key");
    let server = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(versions);
    let server = server.expect("TLS 1.3").with_no_client_auth().with_single_cert(vec![own.cert.der().clone()], key);
    let client = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).expect("TLS 1.3");
    let (mut server, mut client) =
        (server.expect("they fit"), client.with_root_certificates(roots).with_no_client_auth());
    (server.alpn_protocols, client.alpn_protocols) = (vec![b"mqtt".to_vec()], vec![b"mqtt".to_vec()]);
    (Arc::new(server), Arc::new(client))
}

/// Writes until nothing more is taken; how much was.
async fn fill(mut stream: Stream) -> (Stream, usize) {
    let mut taken = 0;
    while let Ok(count) = timeout(BLOCKED, stream.write(&[7; PIECE])).await {
        taken += count.expect("the connection lives");
        assert!(taken <= AHEAD + UNSENT, "{taken} bytes wait for a peer that reads nothing");
    }
    (stream, taken)
}

#[tokio::test]
async fn con_1_what_waits_for_a_peer_that_does_not_read_is_bounded() {
    let (server, client) = tls();
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let address = socket.local_addr().expect("an address");
    let listener = Listener::open(socket, server.clone(), SILENCE, &[1; RESETS_BYTES]).expect("it opens");
    let mut peers = JoinSet::new();
    for _ in 0..PEERS {
        let settings = Settings::new(client.clone(), SILENCE).expect("TLS for QUIC");
        peers.spawn(async move {
            let mut stream = quic::dial(address, "localhost", settings).await.expect("it answers");
            // Its stream is there when something has been said on it.
            stream.write_all(b"hello").await.expect("it is taken");
            stream
        });
    }
    let mut filling = JoinSet::new();
    for _ in 0..PEERS {
        let knock = listener.knock().await.expect("it listens");
        filling.spawn(knock.answer(server.clone()));
    }
    let served: Vec<Stream> = filling.join_all().await.into_iter().map(|one| one.expect("a stream")).collect();
    let silent = peers.join_all().await;
    let filled: JoinSet<_> = served.into_iter().map(fill).collect();
    let filled = filled.join_all().await;
    assert_eq!((filled.len(), silent.len()), (PEERS, PEERS));
    assert!(filled.iter().all(|(_, taken)| *taken >= PIECE), "nothing was taken");
}
