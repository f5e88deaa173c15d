//! The operator's side: one command, or a prompt with line editing.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustyline::error::ReadlineError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{ANSWER_MAX, DONE, file};
use crate::cli::Remote;
use crate::failure::Failure;
use crate::home::Home;
use crate::registrar::Kind;
use crate::terminal::say;
use crate::{keys, tls};

const PROMPT: &str = "chat> ";

/// Which server is asked.
pub(crate) struct Target {
    home: Home,
    /// `host:port` of a server elsewhere.
    address: Option<String>,
}

impl Target {
    /// The server of this folder.
    pub(crate) fn of(home: &Home) -> Target {
        Target { home: home.clone(), address: None }
    }

    /// That one, or one elsewhere.
    pub(crate) fn new(home: Home, address: Option<String>) -> Target {
        Target { home, address }
    }

    fn address(&self) -> Result<String, Failure> {
        let here = || self.home.address("shell").map(|address: SocketAddr| local(address).to_string());
        // Where nothing is said of it, why: none may run, or its folder may be another user's.
        let none = || self.home.running().err().unwrap_or(Failure::NotRunning { home: self.home.path().into() });
        self.address.clone().or_else(here).ok_or_else(none)
    }
}

/// Where a listener on every address is reached from here.
fn local(address: SocketAddr) -> SocketAddr {
    match address.ip().is_unspecified() {
        true => (std::net::Ipv4Addr::LOCALHOST, address.port()).into(),
        false => address,
    }
}

/// `chat remote`.
pub(crate) fn run(remote: &Remote) -> Result<(), Failure> {
    let target = Target::new(remote.place.home()?, remote.address.clone());
    match &remote.execute {
        Some(command) => once(&target, command),
        None => converse(&target),
    }
}

/// Runs one command and prints its answer.
pub(crate) fn once(target: &Target, command: &str) -> Result<(), Failure> {
    say(&actix_rt::System::new().block_on(answer(target, command))?);
    Ok(())
}

/// Files are on this side; all else is done on the other.
async fn answer(target: &Target, command: &str) -> Result<String, Failure> {
    let words: Vec<&str> = command.split_whitespace().collect();
    match file::ldif(target, &words).await {
        Some(done) => done,
        None => ask(target, command).await,
    }
}

/// A request (DER) signed by the authority of the server that runs here; the certificate, PEM.
pub(crate) fn sign(home: &Home, request: &[u8], name: &str, kind: Kind) -> Result<String, Failure> {
    let hex: String = request.iter().map(|byte| format!("{byte:02x}")).collect();
    let command = format!("sign {name} {} {hex}", if kind == Kind::Service { "service" } else { "client" });
    actix_rt::System::new().block_on(ask(&Target::of(home), &command))
}

fn converse(target: &Target) -> Result<(), Failure> {
    let system = actix_rt::System::new();
    say(&system.block_on(ask(target, "version"))?);
    let mut editor = rustyline::DefaultEditor::new().map_err(refused)?;
    loop {
        match editor.readline(PROMPT) {
            Ok(line) if line.trim().is_empty() => {}
            Ok(line) if ["quit", "exit"].contains(&line.trim()) => return Ok(()),
            Ok(line) => {
                // A line that is not remembered is still run.
                let _ = editor.add_history_entry(line.as_str());
                match system.block_on(answer(target, &line)) {
                    Ok(answer) => say(&answer),
                    Err(failure) => say(&failure.to_string()),
                }
            }
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(refused(error)),
        }
    }
}

fn refused(error: ReadlineError) -> Failure {
    Failure::Refused(error.to_string())
}

/// Connects, asks, and takes the whole answer.
pub(super) async fn ask(target: &Target, command: &str) -> Result<String, Failure> {
    let address = target.address()?;
    let config = config(&target.home)?;
    let lost = |source| Failure::Unreachable { address: address.clone(), source };
    let name = server_name(&address)?;
    let stream = TcpStream::connect(&address).await.map_err(lost)?;
    let mut stream = TlsConnector::from(config).connect(name, stream).await.map_err(lost)?;
    stream.write_all(format!("{}\n", command.replace(['\n', '\r'], " ")).as_bytes()).await.map_err(lost)?;

    let mut answer = Vec::new();
    stream.take(2 * ANSWER_MAX as u64).read_to_end(&mut answer).await.map_err(lost)?;
    let (mark, text) = answer.split_first().ok_or_else(|| lost(std::io::ErrorKind::UnexpectedEof.into()))?;
    let text = String::from_utf8_lossy(text).into_owned();
    if *mark == DONE { Ok(text) } else { Err(Failure::Refused(text)) }
}

/// The operator's certificate shown, the server's known by our root.
fn config(home: &Home) -> Result<Arc<ClientConfig>, Failure> {
    let missing = |_| Failure::NotRunning { home: home.path().into() };
    let root = CertificateDer::from_pem_file(home.root_certificate()).map_err(missing)?;
    let (cert_path, key_path) = keys::paths(&home.certificates(), keys::ADMIN);
    let certificate = CertificateDer::from_pem_file(cert_path).map_err(missing)?;
    let key = PrivateKeyDer::from_pem_slice(&ca::files::read_secret(key_path)?).map_err(Failure::tls)?;
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(Failure::tls)?
        .with_root_certificates(tls::roots(&root)?)
        .with_client_auth_cert(vec![certificate], key)
        .map_err(Failure::tls)?;
    Ok(Arc::new(config))
}

fn server_name(address: &str) -> Result<ServerName<'static>, Failure> {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    ServerName::try_from(host).map_err(Failure::tls)
}
