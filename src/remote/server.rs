//! The server's side: listeners, who may ask, and the answer.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chat::Chat;
use kvs::Disk;
use mqtt::Front;
use n2o::Handle;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore};
use tokio_rustls::TlsAcceptor;

use super::{ANSWER_MAX, COMMAND_MAX, DONE, REFUSED, command};
use crate::courier::Courier;
use crate::directory::Directory;
use crate::domain::Domain;
use crate::failure::Failure;
use crate::home::Home;
use crate::keys;
use crate::registrar::{Registrar, print_of};
use crate::tls::Tls;

/// Connections served at a time; further ones wait.
const CONNECTIONS_MAX: usize = 16;
/// From the accepted connection to the whole command.
const ASK: Duration = Duration::from_secs(10);
/// For the answer to be taken.
const TAKE: Duration = Duration::from_secs(30);
/// After an error of accepting (too many open files): it does not go away at once.
const PAUSE: Duration = Duration::from_millis(100);

/// What commands work on.
pub(crate) struct Shell {
    pub(crate) home: Home,
    pub(crate) handle: Handle<Chat>,
    pub(crate) store: Arc<Disk>,
    pub(crate) front: Arc<Front>,
    pub(crate) web: Arc<web::Front>,
    pub(crate) registrar: Arc<Registrar>,
    pub(crate) tls: Arc<Tls>,
    pub(crate) courier: Arc<Courier>,
    pub(crate) domain: Option<Arc<Domain>>,
    pub(crate) directory: Directory,
    pub(crate) stop: Arc<Notify>,
    pub(crate) started: Instant,
}

impl Shell {
    /// Clients of all fronts.
    pub(crate) fn connections(&self) -> usize {
        self.front.connections() + self.web.connections()
    }
}

/// Takes the ports.
pub(crate) fn bind(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, Failure> {
    let bind = |address: &SocketAddr| {
        let listener =
            TcpListener::bind(address).and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
        listener.map_err(|source| Failure::Shell { address: *address, source })
    };
    addresses.iter().map(bind).collect()
}

/// Serves until the program ends.
pub(crate) async fn listen(listener: TcpListener, shell: Arc<Shell>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(failure) => return tracing::error!(%failure, "the remote shell is lost"),
    };
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    while let Ok(place) = places.clone().acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let shell = shell.clone();
                actix_rt::spawn(async move {
                    if let Err(failure) = serve(stream, &shell).await {
                        tracing::warn!(%failure, "a connection to the remote shell ended early");
                    }
                    drop(place);
                });
            }
            Err(failure) => {
                tracing::warn!(%failure, "the remote shell cannot accept connections");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, shell: &Shell) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let asked = tokio::time::timeout(ASK, async {
        let mut stream = TlsAcceptor::from(shell.tls.shell()).accept(stream).await?;
        let operator =
            stream.get_ref().1.peer_certificates().and_then(<[_]>::first).is_some_and(|leaf| is_operator(shell, leaf));
        let line = read_command(&mut stream).await?;
        std::io::Result::Ok((stream, operator, line))
    });
    let (mut stream, operator, line) = asked.await??;
    let answer = match operator {
        true => command::run(shell, &line).await,
        false => Err("an operator's certificate is needed".to_owned()),
    };
    tokio::time::timeout(TAKE, write_answer(&mut stream, answer)).await??;
    if operator && line.trim() == "stop" {
        shell.stop.notify_one();
    }
    Ok(())
}

/// Issued by us to an operator, and not revoked; TLS has verified it.
fn is_operator(shell: &Shell, leaf: &[u8]) -> bool {
    ca::subject(leaf).is_ok_and(|subject| {
        keys::is_admin(&subject)
            && subject.issuer_is(&shell.registrar.authority)
            && !shell.registrar.revocations.has(print_of(&subject.issuer, &subject.serial))
    })
}

async fn read_command(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<String> {
    let mut line = String::new();
    BufReader::new(stream.take(COMMAND_MAX)).read_line(&mut line).await?;
    Ok(line)
}

async fn write_answer(stream: &mut (impl AsyncWrite + Unpin), answer: Result<String, String>) -> std::io::Result<()> {
    let (mark, text) = match answer {
        Ok(text) => (DONE, text),
        Err(why) => (REFUSED, why),
    };
    let mut bytes = [&[mark], text.as_bytes()].concat();
    if bytes.len() > ANSWER_MAX {
        bytes.truncate(ANSWER_MAX);
        bytes.extend_from_slice("\n… and more".as_bytes());
    }
    stream.write_all(&bytes).await?;
    // Says in TLS that this is all, so that a cut answer is known as one.
    stream.shutdown().await
}
