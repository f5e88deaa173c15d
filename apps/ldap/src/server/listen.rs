//! The running server: its ports, its threads, how many may come.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::connection::{Connection, Ended, Shared};
use super::{Backend, Options, TlsNow};

/// Connections at a time; further ones are closed.
const CONNECTIONS_MAX: usize = 1024;
/// Of one address, loopback excepted; one network of IPv6 counts as one.
const PER_ADDRESS_MAX: usize = 64;
/// From the beginning of TLS to its end.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// After an error of accepting (too many open files): it does not go away at once.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until it is dropped.
pub struct Server {
    addresses: Vec<SocketAddr>,
    _over: watch::Sender<()>,
}

/// Connections, in all and by address.
#[derive(Default)]
struct Guests(Mutex<(usize, HashMap<IpAddr, usize>)>);

/// A connection's place among them; dropped with it.
struct Guest(Arc<Guests>, IpAddr);

impl Server {
    /// Takes the ports and answers from what `backend` keeps.
    ///
    /// # Errors
    /// A port is another's, or there are no threads.
    pub fn start<B: Backend>(options: Options, tls: Option<TlsNow>, backend: B) -> io::Result<Server> {
        let plain = options.plain.iter().map(|address| (*address, false));
        let secure = options.secure.iter().map(|address| (*address, true));
        let mut listeners = Vec::new();
        for (address, secure) in plain.chain(secure) {
            let listener = TcpListener::bind(address)
                .map_err(|failure| io::Error::new(failure.kind(), format!("{address}: {failure}")))?;
            listener.set_nonblocking(true)?;
            listeners.push((listener, secure));
        }
        let addresses = listeners.iter().map(|(listener, _)| listener.local_addr()).collect::<io::Result<_>>()?;
        let (over, is_over) = watch::channel(());
        let threads = options.threads.max(1);
        let shared = Arc::new(Shared { backend, options, offers_tls: tls.is_some() });
        let guests = Arc::new(Guests::default());
        for _ in 0..threads {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let own = listeners.iter().map(|(listener, secure)| Ok((listener.try_clone()?, *secure)));
            let own = own.collect::<io::Result<Vec<_>>>()?;
            let (shared, guests, tls, mut is_over) = (shared.clone(), guests.clone(), tls.clone(), is_over.clone());
            thread::Builder::new().name("ldap".into()).spawn(move || {
                runtime.block_on(async {
                    for (listener, secure) in own {
                        tokio::spawn(accept(listener, secure, tls.clone(), shared.clone(), guests.clone()));
                    }
                    // An error: the server is dropped, and with the runtime all connections are.
                    while is_over.changed().await.is_ok() {}
                });
            })?;
        }
        Ok(Server { addresses, _over: over })
    }

    /// Where it listens, plain ones first, in the order asked for.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

async fn accept<B: Backend>(
    listener: TcpListener,
    secure: bool,
    tls: Option<TlsNow>,
    shared: Arc<Shared<B>>,
    guests: Arc<Guests>,
) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(failure) => return tracing::error!(%failure, "a listener of the directory is lost"),
    };
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                let Some(guest) = guests.enter(from.ip()) else { continue };
                let (tls, shared) = (tls.clone(), shared.clone());
                tokio::spawn(async move {
                    if let Err(failure) = converse(stream, from.ip(), secure, tls, shared).await {
                        tracing::debug!(%failure, "a connection to the directory ended early");
                    }
                    drop(guest);
                });
            }
            Err(failure) => {
                tracing::warn!(%failure, "the directory cannot accept connections");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn converse<B: Backend>(
    mut stream: TcpStream,
    from: IpAddr,
    secure: bool,
    tls: Option<TlsNow>,
    shared: Arc<Shared<B>>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut connection = Connection::new(shared, from);
    if !secure && connection.run(&mut stream).await? == Ended::Closed {
        return closed(stream).await;
    }
    let Some(tls) = tls else { return Ok(()) };
    let mut stream = timeout(HANDSHAKE, TlsAcceptor::from(tls()).accept(stream)).await??;
    let leaf = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    connection.is_secure(leaf.map(|leaf| leaf.to_vec()));
    connection.run(&mut stream).await?;
    closed(stream).await
}

/// Says that this is all, so that the last answer is not lost with what was not read.
async fn closed(mut stream: impl tokio::io::AsyncWrite + Unpin) -> io::Result<()> {
    use tokio::io::AsyncWriteExt;
    timeout(HANDSHAKE, stream.shutdown()).await?
}

impl Guests {
    fn enter(self: &Arc<Guests>, address: IpAddr) -> Option<Guest> {
        let address = network(address.to_canonical());
        let mut guests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, by_address) = &mut *guests;
        let own = by_address.entry(address).or_default();
        if *all >= CONNECTIONS_MAX || *own >= PER_ADDRESS_MAX && !address.is_loopback() {
            if *own == 0 {
                by_address.remove(&address);
            }
            return None;
        }
        (*all, *own) = (*all + 1, *own + 1);
        Some(Guest(self.clone(), address))
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut guests = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, by_address) = &mut *guests;
        *all = all.saturating_sub(1);
        if let Some(own) = by_address.get_mut(&self.1) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                by_address.remove(&self.1);
            }
        }
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(own) if !own.is_loopback() => std::net::Ipv6Addr::from_bits(own.to_bits() >> 64 << 64).into(),
        IpAddr::V4(_) | IpAddr::V6(_) => address,
    }
}
