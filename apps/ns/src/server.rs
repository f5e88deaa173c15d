//! The server: its ports, its threads, the zone that is answered from.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use tokio::sync::{Semaphore, watch};

use crate::answer::Asked;
use crate::notify::{self, Heard};
use crate::rate::Limiter;
use crate::transfer::Secondary;
use crate::tsig::{Known, Secret, Secrets};
use crate::zone::Zone;
use crate::{tcp, udp};

/// How soon threads see that the server is over.
const LOOK: Duration = Duration::from_millis(200);
/// Where any port will do: attempts to have the same for UDP and TCP.
const PORTS_TRIED: usize = 16;

#[derive(Debug, Clone, Default)]
pub struct Options {
    pub listen: Vec<SocketAddr>,
    /// For each address, of UDP; at least one.
    pub threads: usize,
    /// Who may copy the zone and is told of changes.
    pub secondaries: Vec<Secondary>,
    /// Keys by which anybody's questions may be signed.
    pub secrets: Arc<Secrets>,
    /// Like answers to one network in a second over UDP.
    pub like_answers: Option<u32>,
}

/// Questions since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub udp: u64,
    pub tcp: u64,
    pub missing: u64,
    pub refused: u64,
    pub malformed: u64,
    /// Not answered in full because too much was asked from there.
    pub limited: u64,
    pub transfers: u64,
    /// Secondaries that have understood that the zone has changed.
    pub told: u64,
}

/// Serves until it is dropped.
pub struct Server {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    published: watch::Sender<Arc<Zone>>,
}

pub(crate) struct Shared {
    pub(crate) zone: ArcSwap<Zone>,
    pub(crate) limiter: Option<Limiter>,
    pub(crate) friends: ArcSwap<Friends>,
    /// What each of the secondaries has said to the latest news.
    heard: Mutex<HashMap<SocketAddr, Heard>>,
    pub(crate) transfers: Semaphore,
    pub(crate) tally: Tally,
    pub(crate) is_over: AtomicBool,
    since: Instant,
}

/// Who may copy the zone, and the keys by which others are known.
pub(crate) struct Friends {
    pub(crate) secondaries: Vec<Secondary>,
    secrets: Arc<Secrets>,
}

#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) udp: AtomicU64,
    pub(crate) tcp: AtomicU64,
    missing: AtomicU64,
    pub(crate) refused: AtomicU64,
    malformed: AtomicU64,
    pub(crate) limited: AtomicU64,
    pub(crate) transfers: AtomicU64,
    told: AtomicU64,
}

impl Server {
    /// Takes the ports and answers from `zone`.
    ///
    /// # Errors
    /// A port is another's, there are no threads, or a secondary has a key that is not among the secrets.
    pub fn start(options: &Options, zone: Zone) -> io::Result<Server> {
        let friends = Friends::new(options.secondaries.clone(), options.secrets.clone())?;
        let zone = Arc::new(zone);
        let (published, news) = watch::channel(zone.clone());
        let shared = Arc::new(Shared {
            zone: ArcSwap::new(zone),
            limiter: options.like_answers.map(Limiter::new),
            friends: ArcSwap::from_pointee(friends),
            heard: Mutex::default(),
            transfers: Semaphore::new(tcp::TRANSFERS_MAX),
            tally: Tally::default(),
            is_over: AtomicBool::new(false),
            since: Instant::now(),
        });
        let pairs = options.listen.iter().map(|address| bind(*address)).collect::<io::Result<Vec<_>>>()?;
        let addresses = pairs.iter().map(|(socket, _)| socket.local_addr()).collect::<io::Result<Vec<_>>>()?;
        // From here on its end, by an error too, ends the threads.
        let server = Server { shared: shared.clone(), addresses, published };
        let mut listeners = Vec::new();
        for (socket, listener) in pairs {
            for _ in 0..options.threads.max(1) {
                let (socket, shared) = (socket.try_clone()?, shared.clone());
                thread::Builder::new().name("ns udp".into()).spawn(move || udp::serve(&socket, &shared))?;
            }
            listeners.push(listener);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let run = move || runtime.block_on(run(listeners, shared, news));
        thread::Builder::new().name("ns tcp".into()).spawn(run)?;
        Ok(server)
    }

    /// Where it listens, by UDP and TCP.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The next question is answered from `zone`. Secondaries are told.
    pub fn publish(&self, zone: Zone) {
        let zone = Arc::new(zone);
        self.shared.zone.store(zone.clone());
        self.published.send_replace(zone);
    }

    /// From now on these may copy the zone, and others are known by these keys. If there are other secondaries than before, all are told
    /// of the zone.
    ///
    /// # Errors
    /// A secondary has a key that is not among the secrets; nothing has changed.
    pub fn befriend(&self, secondaries: Vec<Secondary>, secrets: Arc<Secrets>) -> io::Result<()> {
        let friends = Friends::new(secondaries, secrets)?;
        let are_others = self.shared.friends.load().secondaries != friends.secondaries;
        self.shared.friends.store(Arc::new(friends));
        if are_others {
            self.published.send_replace(self.zone());
        }
        Ok(())
    }

    pub fn zone(&self) -> Arc<Zone> {
        self.shared.zone.load_full()
    }

    /// The secondaries, and what each has said to the latest news of the zone.
    pub fn secondaries(&self) -> Vec<(Secondary, Heard)> {
        let heard = self.shared.heard();
        let of = |secondary: &Secondary| heard.get(&secondary.address).cloned().unwrap_or(Heard::Nothing);
        let friends = self.shared.friends.load();
        friends.secondaries.iter().map(|secondary| (secondary.clone(), of(secondary))).collect()
    }

    pub fn counts(&self) -> Counts {
        let tally = &self.shared.tally;
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        Counts {
            udp: read(&tally.udp),
            tcp: read(&tally.tcp),
            missing: read(&tally.missing),
            refused: read(&tally.refused),
            malformed: read(&tally.malformed),
            limited: read(&tally.limited),
            transfers: read(&tally.transfers),
            told: read(&tally.told),
        }
    }
}

impl Drop for Server {
    /// UDP threads look after a moment; that of TCP sees that nothing will be published any more.
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
    }
}

/// The same port for both.
fn bind(address: SocketAddr) -> io::Result<(UdpSocket, TcpListener)> {
    let mut tried = 0;
    loop {
        let socket = UdpSocket::bind(address)?;
        socket.set_read_timeout(Some(LOOK))?;
        match TcpListener::bind(socket.local_addr()?) {
            Ok(listener) => {
                listener.set_nonblocking(true)?;
                return Ok((socket, listener));
            }
            Err(_) if address.port() == 0 && tried < PORTS_TRIED => tried += 1,
            Err(failure) => return Err(failure),
        }
    }
}

/// All that is slow: connections, and secondaries.
async fn run(listeners: Vec<TcpListener>, shared: Arc<Shared>, mut news: watch::Receiver<Arc<Zone>>) {
    for listener in listeners {
        match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => drop(tokio::spawn(tcp::serve(listener, shared.clone()))),
            Err(failure) => tracing::error!(%failure, "nothing is answered by TCP"),
        }
    }
    news.mark_changed();
    let mut told = tokio::task::JoinSet::new();
    while news.changed().await.is_ok() {
        let zone = news.borrow_and_update().clone();
        // What they were being told is out of date.
        told.abort_all();
        shared.heard().clear();
        let friends = shared.friends.load_full();
        for secondary in &friends.secondaries {
            let (zone, shared) = (zone.clone(), shared.clone());
            let (address, secret) = (secondary.address, friends.secret(secondary).cloned());
            told.spawn(async move {
                notify::tell(address, &zone, secret.as_ref(), |heard| shared.note(address, heard)).await;
            });
        }
        while told.try_join_next().is_some() {}
    }
}

impl Friends {
    fn new(secondaries: Vec<Secondary>, secrets: Arc<Secrets>) -> io::Result<Friends> {
        let lacks = |secondary: &&Secondary| secondary.key.as_ref().is_some_and(|key| secrets.get(key).is_none());
        match secondaries.iter().find(lacks) {
            Some(secondary) => Err(io::Error::other(format!("there is no key of the secondary {secondary}"))),
            None => Ok(Friends { secondaries, secrets }),
        }
    }

    /// By which key this secondary is known.
    fn secret(&self, secondary: &Secondary) -> Option<&Arc<Secret>> {
        secondary.key.as_ref().and_then(|key| self.secrets.get(key))
    }

    pub(crate) fn known(&self) -> Known<'_> {
        Known { secrets: &self.secrets, now: now() }
    }
}

impl Shared {
    fn heard(&self) -> MutexGuard<'_, HashMap<SocketAddr, Heard>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, secondary: SocketAddr, heard: Heard) {
        if let Heard::Knows(_) = heard {
            self.tally.told.fetch_add(1, Ordering::Relaxed);
        }
        self.heard().insert(secondary, heard);
    }

    pub(crate) fn now_us(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// In seconds since 1970, by which signatures say when they were made.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl Tally {
    pub(crate) fn count(&self, asked: Asked, way: &AtomicU64) {
        way.fetch_add(1, Ordering::Relaxed);
        let also = match asked {
            Asked::There => return,
            Asked::Missing => &self.missing,
            Asked::Refused => &self.refused,
            Asked::Malformed => &self.malformed,
        };
        also.fetch_add(1, Ordering::Relaxed);
    }
}
