//! Whoever answers for the directory means harm: answers of any depth and length, before TLS and within it. The program lives, and asks again.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ldap::client::{Attributes, Directory, Error, Setup};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use zeroize::Zeroizing;

const GRANTED: &[u8] = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00";
/// No entries for message 1.
const NOTHING: &[u8] = b"\x30\x0c\x02\x01\x01\x65\x07\x0a\x01\x00\x04\x00\x04\x00";

/// How a server is reached.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Plain,
    StartTls,
    Ldaps,
}

/// Both sides of TLS, with a certificate of their own.
fn tls() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let issued = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let key = PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
    let server = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let server = server.with_no_client_auth().with_single_cert(vec![issued.cert.der().clone()], key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(issued.cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    (Arc::new(server), Arc::new(client.with_root_certificates(roots).with_no_client_auth()))
}

fn directory(listener: &TcpListener, way: Way, tls: Arc<ClientConfig>) -> Directory {
    let scheme = if way == Way::Ldaps { "ldaps" } else { "ldap" };
    Directory::new(Setup {
        servers: vec![format!("{scheme}://{}", listener.local_addr().unwrap())],
        start_tls: way == Way::StartTls,
        tls,
        bind_dn: String::new(),
        password: Zeroizing::default(),
        base: "dc=example".into(),
        people: "(objectClass=person)".into(),
        attributes: Attributes {
            keys: vec!["uid".into()],
            given: String::new(),
            surname: String::new(),
            display: String::new(),
            certificate: "userCertificate".into(),
            member: "member".into(),
        },
        timeout: Duration::from_secs(30),
        connections: 1,
        keep: Duration::ZERO,
    })
}

/// Elements within elements: with so many the library's reader needs more stack than there is.
fn nested() -> Vec<u8> {
    let depth = 100_000_u32;
    (0..depth).flat_map(|level| [&[0x30, 0x84][..], &(6 * (depth - 1 - level)).to_be_bytes()].concat()).collect()
}

fn attacks() -> Vec<Vec<u8>> {
    let within = |tag: u8, body: &[u8]| {
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&[tag, 0x84], &length[..], body].concat()
    };
    vec![
        nested(),
        within(0x30, &[b"\x02\x01\x01", &within(0x64, &[b"\x04\x00", &nested()[..]].concat())[..]].concat()),
        b"\x30\x84\xff\xff\xff\xff\x02\x01\x01".to_vec(),
        b"\x30\x88\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
        b"\x30\x80\x02\x01\x01".to_vec(),
        // An element that is longer than the message.
        b"\x30\x0c\x02\x01\x01\x65\x84\x7f\xff\xff\xff\x0a\x01\x00".to_vec(),
        // What the library panics at.
        b"\x30\x05\x02\x01\x01\x65\x00".to_vec(),
        b"\x30\x00".to_vec(),
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
    ]
}

/// Reads the request, says `answer`, and waits until the client has gone.
fn say(stream: &mut (impl Read + Write), answer: &[u8]) {
    assert_ne!(stream.read(&mut [0; 4096]).unwrap(), 0, "a request");
    // It may leave before it has all of it.
    let _ = stream.write_all(answer).and_then(|()| stream.flush());
    while stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {}
}

/// One connection, on which this is the answer to what is asked.
fn answer(mut stream: TcpStream, way: Way, tls: &Arc<ServerConfig>, answer: &[u8]) {
    if way == Way::StartTls {
        assert_eq!(stream.read(&mut [0; 4096]).unwrap(), 31);
        stream.write_all(GRANTED).unwrap();
    }
    match way {
        Way::Plain => say(&mut stream, answer),
        Way::StartTls | Way::Ldaps => {
            say(&mut StreamOwned::new(ServerConnection::new(tls.clone()).unwrap(), stream), answer);
        }
    }
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

#[test]
fn no_answer_ends_the_program_and_the_next_one_counts() {
    let (server, client) = tls();
    for way in [Way::Plain, Way::StartTls, Way::Ldaps] {
        for attack in attacks() {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let directory = directory(&listener, way, client.clone());
            thread::scope(|scope| {
                scope.spawn(|| {
                    for said in [&attack[..], NOTHING] {
                        answer(listener.accept().unwrap().0, way, &server, said);
                    }
                });
                run(async {
                    let shown = &attack[..attack.len().min(16)];
                    let told = directory.find(&["ann"]).await;
                    assert!(matches!(told, Err(Error::Away(_))), "{way:?} {shown:x?}: {told:?}");
                    assert_eq!(directory.find(&["ann"]).await.unwrap(), None, "{way:?} after {shown:x?}");
                });
                drop(directory);
            });
        }
    }
}

#[test]
fn no_answer_to_the_request_for_tls_ends_the_program_and_none_but_yes_begins_tls() {
    let (_, client) = tls();
    let refused = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x02\x04\x00\x04\x00".to_vec();
    // Somebody on the way says yes, and more: what is behind it has to be TLS.
    let more = [GRANTED, NOTHING].concat();
    for attack in attacks().into_iter().chain([refused, more]) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let directory = directory(&listener, Way::StartTls, client.clone());
        thread::scope(|scope| {
            scope.spawn(|| say(&mut listener.accept().unwrap().0, &attack));
            let told = run(directory.find(&["ann"]));
            assert!(matches!(told, Err(Error::Away(_))), "{:x?}: {told:?}", &attack[..attack.len().min(16)]);
        });
    }
}
