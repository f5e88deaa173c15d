//! MQTT over TLS spoken by hand, with certificates of the server's authority.

use std::fs;
use std::io::{Error, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use client::Identity;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::Server;

const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) type Stream = StreamOwned<ClientConnection, TcpStream>;

/// A TLS connection to the server with what the client shows; refusals of the server are found by reading.
pub(crate) fn open(server: &Server, shown: Option<&Identity>, provider: CryptoProvider) -> Stream {
    dial(server, &config(server, shown, provider))
}

/// How such connections are made; those of one configuration resume their TLS session.
pub(crate) fn config(server: &Server, shown: Option<&Identity>, provider: CryptoProvider) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let root = fs::read(server.root_certificate()).expect("the root certificate");
    roots.add(CertificateDer::from_pem_slice(&root).expect("a certificate")).expect("an authority");
    let builder = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(roots);
    Arc::new(match shown {
        None => builder.with_no_client_auth(),
        Some(Identity { cert_pem, key_pem }) => {
            let certificate = CertificateDer::from_pem_slice(cert_pem.as_bytes()).expect("a certificate");
            let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).expect("a key");
            builder.with_client_auth_cert(vec![certificate], key).expect("they fit")
        }
    })
}

pub(crate) fn dial(server: &Server, config: &Arc<ClientConfig>) -> Stream {
    let socket = TcpStream::connect(server.mqtts()).expect("a connection");
    socket.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    let name = ServerName::try_from("localhost").expect("a name");
    StreamOwned::new(ClientConnection::new(config.clone(), name).expect("a client"), socket)
}

/// CONNECT, clean, kept alive for a minute, without password.
pub(crate) fn connect(level: u8, client_id: &str) -> Vec<u8> {
    let mut body = [&[0, 4], &b"MQTT"[..], &[level, 2, 0, 60]].concat();
    body.extend(if level == 5 { &[0][..] } else { &[] });
    body.extend((client_id.len() as u16).to_be_bytes());
    body.extend(client_id.as_bytes());
    [&[0x10, body.len() as u8][..], &body].concat()
}

/// The same of 5.0 with a device's token; CONNACK's body.
pub(crate) fn connect_with(stream: &mut Stream, client_id: &str, token: &str) -> Result<Vec<u8>, Error> {
    let mut body = [&[0, 4], &b"MQTT"[..], &[5, 0xc2, 0, 60, 0]].concat();
    for text in [client_id, client_id, token] {
        body.extend((text.len() as u16).to_be_bytes());
        body.extend(text.as_bytes());
    }
    let length = [(body.len() % 128) as u8 | 0x80, (body.len() / 128) as u8];
    stream.write_all(&[&[0x10][..], &length, &body].concat())?;
    connack(stream)
}

/// One packet: its first byte and its body; absent when the server has closed.
pub(crate) fn packet(stream: &mut impl Read) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 2];
    stream.read_exact(&mut head).ok()?;
    assert!(head[1] < 128, "a short packet");
    let mut body = vec![0; head[1].into()];
    stream.read_exact(&mut body).ok()?;
    Some((head[0], body))
}

/// Says CONNECT; CONNACK's body.
pub(crate) fn greet(stream: &mut Stream, level: u8, client_id: &str) -> Result<Vec<u8>, Error> {
    stream.write_all(&connect(level, client_id))?;
    connack(stream)
}

fn connack(stream: &mut Stream) -> Result<Vec<u8>, Error> {
    stream.flush()?;
    let mut head = [0; 2];
    stream.read_exact(&mut head)?;
    assert_eq!(head[0], 0x20);
    let mut body = vec![0; head[1].into()];
    stream.read_exact(&mut body)?;
    Ok(body)
}

pub(crate) fn certified(server: &Server, arguments: &[&str]) -> Identity {
    let output = server.chat(&[&["certify"], arguments].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    kept(server, arguments[0])
}

/// What was certified before.
pub(crate) fn kept(server: &Server, name: &str) -> Identity {
    let file = |end: &str| fs::read_to_string(server.home().join("certs").join(format!("{name}.{end}")));
    Identity { cert_pem: file("crt").expect("a certificate"), key_pem: file("key").expect("a key") }
}

pub(crate) fn issued(issued: ca::Issued) -> Identity {
    Identity { cert_pem: ca::pem(&issued.certificate.der), key_pem: issued.key_pem.to_string() }
}
