//! What a full TLS 1.3 handshake with client certificates (P-256) costs the server in processor time, beside what rustls alone takes for
//! it: `cargo bench --bench handshake`; `CHAT_HANDSHAKES=10000` takes more.
//!
//! Three servers do the same handshakes, with the same certificates, key exchange (X25519MLKEM768) and one ticket each:
//!
//! - *in memory*: rustls with its own verifier of client certificates, no sockets. What the provider can do at all.
//! - *bare*: the same behind a socket of loopback, a process of its own that accepts, shakes hands and waits for the end, one after the
//!   other, without a runtime. What a server on rustls can do at all: the measure.
//! - *chat*: our real listener (8883) as `chat foreground` runs it, with its gate, runtime, verifier, and all that is done until it waits
//!   for CONNECT.
//!
//! Compared is the processor time, user and system, of the whole server process for one handshake: so it counts for a core, and how
//! busy the clients keep the machine counts for nothing. A handshake counts when its ticket has come, which the server sends when it has
//! verified the client. No session is resumed. The rounds alternate; each figure is the median, and the comparison is the median of what
//! it was in each pair of rounds.

mod program;

use std::fs;
use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use program::{address, kill, start, wait_for};
use rustls::client::{ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, NamedGroup, RootCertStore, ServerConfig, ServerConnection,
};

const ROUNDS: usize = 5;
/// Clients at once: enough that the server never waits for one.
const CLIENTS: usize = 4;
/// Set in the process that is the bare server: the folder of certificates.
const BARE: &str = "CHAT_BARE_SERVER";
const GOAL: f64 = 0.9;

fn main() {
    if let Some(home) = std::env::var_os(BARE) {
        return bare(Path::new(&home));
    }
    let count = std::env::var("CHAT_HANDSHAKES").ok().and_then(|text| text.parse().ok()).unwrap_or(3_000);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let home = folder.path();
    let (mut chat, ours) = start_chat(home);
    let (mut own, bares) = start_bare(home);
    let client = client_config(home);

    let (mut memory, mut simple, mut whole) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        memory.push(in_memory(home, count));
        simple.push(over_sockets(own.id(), bares, &client, count));
        whole.push(over_sockets(chat.id(), ours, &client, count));
    }
    for server in [&mut chat, &mut own] {
        kill(server);
    }
    let ratio = median(simple.iter().zip(&whole).map(|(simple, whole)| simple / whole).collect());
    let [memory, simple, whole] = [memory, simple, whole].map(median);
    for (name, micros) in [("in memory", memory), ("bare", simple), ("chat", whole)] {
        println!("{name:>10}: {micros:.0} µs of processor a handshake, {:.0} a second and core", 1e6 / micros);
    }
    println!("chat shakes hands at {ratio:.2} of the speed of rustls alone behind a socket; the goal is {GOAL}");
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}

fn start_chat(home: &Path) -> (Child, SocketAddr) {
    let child = start(home, "log = \"warn\"\n");
    let mut certify = Command::new(env!("CARGO_BIN_EXE_chat"));
    certify.args(["certify", "ann", "--home"]).arg(home).arg("--dir").arg(home);
    assert!(certify.stdout(Stdio::null()).status().expect("it runs").success());
    (child, address(home, "mqtts").parse().expect("an address"))
}

fn start_bare(home: &Path) -> (Child, SocketAddr) {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    let mut child = command.env(BARE, home).stdout(Stdio::piped()).spawn().expect("it starts");
    let address = wait_for(&mut child, "bare ").trim_start_matches("bare ").parse().expect("an address");
    (child, address)
}

/// Accepts, shakes hands, waits for the end; for ever.
fn bare(home: &Path) {
    let (config, listener) = (server_config(home), TcpListener::bind("127.0.0.1:0").expect("a port"));
    println!("bare {}", listener.local_addr().expect("bound"));
    for stream in listener.incoming() {
        let (mut stream, mut server) = (stream.expect("a client"), ServerConnection::new(config.clone()).expect("TLS"));
        stream.set_nodelay(true).expect("a socket");
        server.complete_io(&mut stream).expect("a handshake");
        let _ = stream.read(&mut [0; 64]);
    }
}

/// As our listener's, from the standard parts of rustls.
fn server_config(home: &Path) -> Arc<ServerConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(home)), provider.clone());
    let (chain, key) = pair(&home.join("certs/server"));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_client_cert_verifier(verifier.build().expect("a verifier"))
        .with_single_cert(chain, key)
        .expect("its certificate");
    config.alpn_protocols = vec![b"mqtt".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = aws_lc_rs::Ticketer::new().expect("tickets");
    config.send_tls13_tickets = 1;
    Arc::new(config)
}

fn roots(home: &Path) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(home.join("ca/root.crt")).expect("the root")).expect("an authority");
    roots
}

/// `NAME.crt`, `NAME.key`.
fn pair(name: &Path) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let chain = CertificateDer::pem_file_iter(name.with_extension("crt")).expect("a file");
    let chain = chain.collect::<Result<Vec<_>, _>>().expect("certificates");
    (chain, PrivateKeyDer::from_pem_file(name.with_extension("key")).expect("a key"))
}

fn client_config(home: &Path) -> ClientConfig {
    let (chain, key) = pair(&home.join("ann"));
    let mut config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(roots(home))
        .with_client_auth_cert(chain, key)
        .expect("its certificate");
    config.alpn_protocols = vec![b"mqtt".to_vec()];
    config
}

/// Counts tickets and gives none back, so each handshake is a full one.
#[derive(Debug, Default)]
struct Tickets(AtomicUsize);

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, _: Tls13ClientSessionValue) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        None
    }
}

/// Microseconds of processor that process `server` takes for one.
fn over_sockets(server: u32, address: SocketAddr, client: &ClientConfig, count: usize) -> f64 {
    let (left, before) = (AtomicUsize::new(count), processor_time(server));
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let tickets = Arc::new(Tickets::default());
                let mut config = client.clone();
                config.resumption = Resumption::store(tickets.clone());
                let config = Arc::new(config);
                while left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1)).is_ok() {
                    shake_hands(address, &config, &tickets);
                }
            });
        }
    });
    (processor_time(server) - before) * 1e6 / count as f64
}

fn shake_hands(address: SocketAddr, config: &Arc<ClientConfig>, tickets: &Tickets) {
    let had = tickets.0.load(Ordering::Relaxed);
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_nodelay(true).expect("a socket");
    let name = ServerName::try_from("localhost").expect("a name");
    let mut client = ClientConnection::new(config.clone(), name).expect("TLS");
    client.complete_io(&mut stream).expect("a handshake");
    while tickets.0.load(Ordering::Relaxed) == had {
        match client.read_tls(&mut stream) {
            Ok(0) => panic!("no ticket: the server does not want us"),
            Ok(_) => drop(client.process_new_packets().expect("a ticket")),
            Err(why) if why.kind() == ErrorKind::Interrupted => {}
            Err(why) => panic!("{why}"),
        }
    }
    assert_eq!(client.handshake_kind(), Some(HandshakeKind::Full));
}

/// Seconds, user and system, by the 14th and 15th word of its status: hundredths.
fn processor_time(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/stat")).expect("it lives");
    let behind_name = status.rsplit_once(')').expect("a name").1;
    let ticks: f64 =
        behind_name.split_whitespace().skip(11).take(2).map(|word| word.parse::<f64>().expect("ticks")).sum();
    ticks / 100.0
}

/// Microseconds of the server's half alone, on this thread.
fn in_memory(home: &Path, count: usize) -> f64 {
    let (server, mut client) = (server_config(home), client_config(home));
    client.resumption = Resumption::disabled();
    let (client, mut spent) = (Arc::new(client), std::time::Duration::ZERO);
    for _ in 0..count {
        let name = ServerName::try_from("localhost").expect("a name");
        let mut client = ClientConnection::new(client.clone(), name).expect("TLS");
        let mut server = ServerConnection::new(server.clone()).expect("TLS");
        let (mut up, mut down) = (Vec::new(), Vec::new());
        while client.is_handshaking() || server.is_handshaking() {
            up.clear();
            while client.wants_write() {
                client.write_tls(&mut up).expect("memory");
            }
            let start = Instant::now();
            let mut bytes = &up[..];
            while !bytes.is_empty() {
                server.read_tls(&mut bytes).expect("memory");
                server.process_new_packets().expect("a handshake");
            }
            down.clear();
            while server.wants_write() {
                server.write_tls(&mut down).expect("memory");
            }
            spent += start.elapsed();
            let mut bytes = &down[..];
            while !bytes.is_empty() {
                client.read_tls(&mut bytes).expect("memory");
                client.process_new_packets().expect("a handshake");
            }
        }
    }
    spent.as_secs_f64() * 1e6 / count as f64
}
