//! A server's life: what is started in which order (the supervisor tree of ARCHITECTURE.md), and how it ends.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chat::door::Identify;
use chat::{Chat, Vault};
use kvs::{Disk, Sequence, Store};
use listen::{Doorman, Gate, Kind, Listen, TlsNow};
use mqtt::Front;
use n2o::{Handle, Host, Options, Part};
use quic::RESETS_BYTES;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use zeroize::Zeroizing;

use crate::bell::Bell;
use crate::cli::Start;
use crate::courier::Courier;
use crate::directory::Directory;
use crate::domain::{self, Domain};
use crate::enrol::Office;
use crate::failure::Failure;
use crate::files::Files;
use crate::ftp::Depot;
use crate::greeting;
use crate::home::{Home, Lock};
use crate::keys;
use crate::logging;
use crate::memory;
use crate::people::People;
use crate::registrar::{Keeper, Registrar};
use crate::remote;
use crate::ring;
use crate::routes;
use crate::settings::{Listen as Listeners, Origin, Settings};
use crate::store;
use crate::terminal::say;
use crate::tls::{self, Tls};
use crate::webhook::Webhook;
use crate::work::{Outputs, Outside};

/// Threads of the ring at most; beyond, they would only steal work from each other's caches.
const THREADS_MAX: usize = 8;
/// Clients have this long to take their good-bye, and processes to finish what they have.
const FAREWELL: Duration = Duration::from_secs(2);
/// A server that has not ended by then is ended: what was acknowledged is on the disk.
const END: Duration = Duration::from_millis(4_500);
/// MiB of address space without which it does not start. The allocators set aside a GiB, and 64 MiB a thread, before anything is in them:
/// with up to 1.4 GiB in all, threads may find no room for their stacks.
const ADDRESSES_MIB: u64 = 2048;
/// How often certificates are looked at.
const RENEWAL: Duration = Duration::from_secs(6 * 60 * 60);
/// Exit code when the disk has failed (EX_SOFTWARE of sysexits.h).
const DISK_FAILED: i32 = 70;

/// `chat foreground`: serves until it is told to stop.
pub(crate) fn foreground(start: &Start) -> Result<(), Failure> {
    let done = prepare(start).and_then(|(home, settings, origin, lock)| {
        let served = actix_rt::System::new().block_on(serve(&home, &settings, &origin));
        home.remove_addresses();
        drop(lock);
        served
    });
    if let (Err(failure), true) = (&done, start.detached) {
        // Whoever started it reads this; the log has it from `main`.
        say(&format!("{}{failure}", greeting::FAILED));
    }
    done
}

fn prepare(start: &Start) -> Result<(Home, Settings, Origin, Lock), Failure> {
    if start.detached {
        rustix::process::setsid().map_err(|error| Failure::Start(n2o::Failure::new(error)))?;
    }
    enough_addresses()?;
    let home = start.place.home()?;
    let origin = origin(start, &home);
    let settings = origin.load()?;
    logging::start(&settings.log, &origin.path)?;
    if !settings.huge_pages {
        memory::small_pages();
    }
    domain::check(&home, &settings)?;
    home.make()?;
    let lock = home.lock()?;
    home.close()?;
    home.remove_addresses();
    more_files();
    no_dumps();
    Ok((home, settings, origin, lock))
}

/// Where its configuration comes from.
pub(crate) fn origin(start: &Start, home: &Home) -> Origin {
    let path = start.config.clone().unwrap_or_else(|| home.config());
    Origin { path, must_be: start.config.is_some(), profile: start.profile }
}

/// Threads and allocations that find no room end the program in the midst of whatever it does.
fn enough_addresses() -> Result<(), Failure> {
    use rustix::process::{Resource, getrlimit};
    match getrlimit(Resource::As).current.map(|bytes| bytes >> 20) {
        Some(limit) if limit < ADDRESSES_MIB => Err(Failure::Narrow { limit, needed: ADDRESSES_MIB }),
        Some(_) | None => Ok(()),
    }
}

/// Each connection is an open file: as many as the system allows.
fn more_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(failure) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%failure, "cannot raise the number of open files");
    }
}

/// SEC-12: keys are in memory; no dump of it is left behind, however the program ends.
fn no_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    if let Err(failure) = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }) {
        tracing::warn!(%failure, "cannot forbid dumps of memory");
    }
}

/// A server that is up.
struct Running {
    handle: Handle<Chat>,
    front: Arc<Front>,
    web: Arc<web::Front>,
    tls: Arc<Tls>,
    courier: Arc<Courier>,
    domain: Option<Arc<Domain>>,
    _directory: Option<ldap::server::Server>,
    keeper: Keeper,
    _parts: Vec<Part>,
}

async fn serve(home: &Home, settings: &Settings, origin: &Origin) -> Result<(), Failure> {
    let stop_command = Arc::new(Notify::new());
    let told = told_to_stop(stop_command.clone())?;
    let hangups = listen_to(SignalKind::hangup())?;
    let running = start(home, settings, origin, stop_command)?;
    tokio::select! {
        () = told => {}
        () = renew(&running, hangups) => {}
        () = memory::give_back() => {}
    }
    stop(running).await;
    Ok(())
}

fn start(home: &Home, settings: &Settings, origin: &Origin, stop: Arc<Notify>) -> Result<Running, Failure> {
    let first = store::is_first(home);
    let (inside, vault) = Inside::start(home, settings, origin, first)?;
    let doorman = inside.doorman(settings);
    let front = Arc::new(Front::bind(
        doorman.clone(),
        mqtt_listeners(settings, &inside.tls, keys::resets(home)?),
        settings.mqtt(),
    )?);
    let office = Office::new(inside.registrar.clone(), inside.handle.clone(), settings.limits);
    let (store, files) = (inside.store.clone(), inside.files.clone());
    let depot = Depot::new(office.clone(), store, files, settings.ftp.max, settings.limits);
    let routes = routes::routes(settings, office, depot, vault, &front, &inside.handle)?;
    let web = Arc::new(web::Front::bind(doorman, web_listeners(settings, &inside.tls), routes)?);
    let shells = remote::bind(&reachable(&settings.listen.shell))?;

    let (mqtt, sockets) = (front.clone(), web.clone());
    let end_revoked = move || {
        mqtt.end_revoked();
        sockets.end_revoked();
    };
    let keeper = Keeper::start(inside.registrar.clone(), inside.handle.clone(), end_revoked)?;

    // Every port is ours; only now is anything served.
    front.serve();
    web.serve();
    let Listeners { mqtt, mqtts, http, https, quic, .. } = &settings.listen;
    let mut addresses = named(&[("mqtt", mqtt), ("mqtts", mqtts), ("quic", quic)], front.addresses());
    addresses.extend(named(&[("http", http), ("https", https)], web.addresses()));
    let book = inside.directory(settings)?;
    let (plain, secure) = (reachable(&settings.listen.ldap), reachable(&settings.listen.ldaps));
    let directory = book.serve(settings, &inside.tls, plain, secure)?;
    let found: &[SocketAddr] = directory.as_ref().map_or(&[], ldap::server::Server::addresses);
    addresses.extend(named(&[("ldap", &settings.listen.ldap), ("ldaps", &settings.listen.ldaps)], found));
    let dns = reachable(&settings.ns.listen);
    let domain = Domain::start(home, settings, origin, &inside.tls, &addresses, dns, &inside.store)?;
    domain.iter().try_for_each(|domain| domain.watch(inside.published.clone()))?;
    addresses.extend(domain.iter().flat_map(|domain| domain.addresses()));
    let shell = Arc::new(inside.shell(home, &front, &web, domain.clone(), book, stop));
    for listener in shells {
        addresses.push(("shell", listener.local_addr().map_err(Failure::file(home.path()))?));
        actix_rt::spawn(remote::listen(listener, shell.clone()));
    }
    home.write_addresses(&addresses)?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), ?addresses, "serves");
    greeting::print(home, settings, &addresses, first);
    let parts = parts(&inside.handle, &addresses);
    Ok(Running {
        handle: inside.handle,
        front,
        web,
        tls: inside.tls,
        courier: inside.courier,
        domain,
        _directory: directory,
        keeper,
        _parts: parts,
    })
}

/// What of the tree is no process.
fn parts(handle: &Handle<Chat>, addresses: &[(&str, SocketAddr)]) -> Vec<Part> {
    let listener = |(name, address): &(&str, SocketAddr)| {
        handle.registry().part(&format!("listeners/{name} {address}"), "listens")
    };
    addresses.iter().map(listener).chain([handle.registry().part("store", "open")]).collect()
}

/// The server behind its listeners.
struct Inside {
    registrar: Arc<Registrar>,
    tls: Arc<Tls>,
    store: Arc<Disk>,
    files: Arc<Files>,
    courier: Arc<Courier>,
    /// Rung when an account shows the world something else than before.
    published: Arc<Bell>,
    handle: Handle<Chat>,
    vault: Arc<Vault>,
}

impl Inside {
    /// Authority, certificates, store, processes, slow work; and what opens what is kept sealed, for whoever enrols devices.
    fn start(home: &Home, settings: &Settings, origin: &Origin, first: bool) -> Result<(Inside, Vault), Failure> {
        let authority = keys::authority(home, settings, first)?.with_places(settings.x509.places())?;
        // Before the store, as the authority is: a first start that ends half-way leaves no store without its key.
        let key = keys::storage(home, first)?;
        let store = store::open(home)?;
        if settings.ns.origin().is_some() {
            // Before any profile may change.
            chat::directory::note_publishers(&*store).map_err(Failure::Start)?;
        }
        let registrar = Registrar::open(home, authority, store.clone())?;
        let tls = Arc::new(Tls::new(home, settings, origin, registrar.clone())?);
        keys::admin(home, &registrar)?;

        let (vault, own) = (Vault::new(&key), Arc::new(Vault::new(&key)));
        let courier = Courier::new(home, settings, origin, store.clone(), own.clone())?;
        let people = People::new(home, settings, store.clone())?;
        let outside = Outside { webhook: Webhook::new(home, settings)?, people: people.clone() };
        let files = Arc::new(Files::new(home.files(), settings.ftp.reserve));
        let published = Arc::new(Bell::default());
        let (outputs, worker) = Outputs::start(
            registrar.clone(),
            courier.clone(),
            &home.outbox(),
            files.clone(),
            outside,
            published.clone(),
        );
        let handle = host(home, settings, vault, &registrar, store.clone(), outputs.clone())?;
        outputs.attach(handle.clone());
        worker.run(handle.clone())?;
        courier.run(handle.clone())?;
        resume(&store, &handle)?;
        if let Some(people) = people {
            people.watch(store.clone(), handle.clone());
        }
        Ok((Inside { registrar, tls, store, files, courier, published, handle, vault: own }, Vault::new(&key)))
    }

    fn directory(&self, settings: &Settings) -> Result<Directory, Failure> {
        Directory::new(settings, self.store.clone(), self.handle.clone(), self.registrar.clone())
    }

    /// Whom all listeners have in common.
    fn doorman(&self, settings: &Settings) -> Arc<Doorman> {
        let tls = self.tls.clone();
        let identify: Identify = Arc::new(move |der: &[u8]| tls.identify(der));
        let (revocations, vault) = (self.registrar.revocations.clone(), self.vault.clone());
        Arc::new(Doorman {
            handle: self.handle.clone(),
            identify,
            is_revoked: Arc::new(move |print| revocations.has(print)),
            bucket: Arc::new(move |source| vault.bucket(source)),
            gate: Gate::new(settings.gate()),
            patience: settings.mqtt().connect_timeout,
        })
    }

    fn shell(
        &self,
        home: &Home,
        front: &Arc<Front>,
        web: &Arc<web::Front>,
        domain: Option<Arc<Domain>>,
        directory: Directory,
        stop: Arc<Notify>,
    ) -> remote::Shell {
        remote::Shell {
            home: home.clone(),
            handle: self.handle.clone(),
            store: self.store.clone(),
            front: front.clone(),
            web: web.clone(),
            registrar: self.registrar.clone(),
            tls: self.tls.clone(),
            courier: self.courier.clone(),
            domain,
            directory,
            stop,
            started: Instant::now(),
        }
    }
}

fn host(
    home: &Home,
    settings: &Settings,
    vault: Vault,
    registrar: &Arc<Registrar>,
    store: Arc<Disk>,
    outputs: Arc<Outputs>,
) -> Result<Handle<Chat>, Failure> {
    let failed = |source| Failure::Store { path: home.store(), source };
    let rosters =
        Sequence::open_in_blocks(store.clone(), store::META, store::ROSTERS, 1).map(Arc::new).map_err(failed)?;
    let moments = Sequence::open_in_time(store.clone(), store::META, store::MOMENTS).map(Arc::new).map_err(failed)?;
    let own = registrar.clone();
    let identify: Identify = Arc::new(move |der: &[u8]| tls::good(&own, der));
    let is_sealed = ca::cms::is_sealed;
    let app = Arc::new(Chat {
        settings: settings.chat(home)?,
        rosters,
        moments,
        vault,
        identify,
        is_sealed,
        names: Default::default(),
    });
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let threads = cores.min(THREADS_MAX);
    let options = Options {
        threads,
        ring: ring::of(settings.ring.nodes, threads),
        on_disk_failure: Box::new(|failure| {
            tracing::error!(%failure, "the disk failed; what is acknowledged is kept, nothing more can be: the server ends");
            std::process::exit(DISK_FAILED);
        }),
    };
    let ids = Sequence::open(store.clone(), store::META, store::IDS).map(Arc::new).map_err(failed)?;
    let handle = Host::start(app, store, ids, options, outputs)?;
    let (name, input) = Chat::begin();
    handle.tell_always(&name, input);
    Ok(handle)
}

/// Work that an earlier run of the server has left goes on, though nobody connects (PM-6).
fn resume(store: &Disk, handle: &Handle<Chat>) -> Result<(), Failure> {
    let unfinished = chat::unfinished(&*store.snapshot()).map_err(Failure::Start)?;
    unfinished.iter().for_each(|home| handle.tell_always(home, chat::Input::Resume));
    Ok(())
}

fn mqtt_listeners(settings: &Settings, tls: &Arc<Tls>, resets: Zeroizing<[u8; RESETS_BYTES]>) -> Vec<Listen> {
    let tls = tls.clone();
    let required: TlsNow = Arc::new(move || tls.required());
    let mut listens = listeners(&settings.listen.mqtt, &settings.listen.mqtts, Kind::Tls(required.clone()));
    let quic = |address| Listen { address, kind: Kind::Quic { tls: required.clone(), resets: resets.clone() } };
    listens.extend(reachable(&settings.listen.quic).into_iter().map(quic));
    listens
}

fn web_listeners(settings: &Settings, tls: &Arc<Tls>) -> Vec<Listen> {
    let tls = tls.clone();
    listeners(&settings.listen.http, &settings.listen.https, Kind::Tls(Arc::new(move || tls.asked())))
}

/// Those that this machine can have, TLS ones last.
fn listeners(plain: &[SocketAddr], secure: &[SocketAddr], tls: Kind) -> Vec<Listen> {
    let plain = reachable(plain).into_iter().map(|address| Listen { address, kind: Kind::Tcp });
    let secure = reachable(secure).into_iter().map(|address| Listen { address, kind: tls.clone() });
    plain.chain(secure).collect()
}

/// Where the machine has no IPv6, its loopback is left out and every address is every one of IPv4.
fn reachable(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let usable = |address: &SocketAddr| UdpSocket::bind((address.ip(), 0)).is_ok();
    let instead = |address: &SocketAddr| match address.ip() {
        IpAddr::V6(any) if any.is_unspecified() && !usable(address) => {
            Some((Ipv4Addr::UNSPECIFIED, address.port()).into())
        }
        IpAddr::V6(own) if own.is_loopback() && !usable(address) => None,
        IpAddr::V4(_) | IpAddr::V6(_) => Some(*address),
    };
    addresses.iter().filter_map(instead).collect()
}

/// The addresses of a front, which are as many of each kind as were wished for, kind after kind.
fn named(kinds: &[(&'static str, &Vec<SocketAddr>)], all: &[SocketAddr]) -> Vec<(&'static str, SocketAddr)> {
    let names = kinds.iter().flat_map(|(name, wished)| std::iter::repeat_n(*name, reachable(wished).len()));
    names.zip(all.iter().copied()).collect()
}

/// SIGTERM, Ctrl-C or the remote shell.
fn told_to_stop(stop: Arc<Notify>) -> Result<impl Future<Output = ()>, Failure> {
    let (mut terminate, mut interrupt) = (listen_to(SignalKind::terminate())?, listen_to(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = stop.notified() => {}
        }
    })
}

fn listen_to(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::Start(n2o::Failure::new(error)))
}

/// Looks after the certificates, by the clock and when it is told to by SIGHUP; never ends.
async fn renew(running: &Running, mut hangups: Signal) {
    loop {
        let told = tokio::time::timeout(RENEWAL, hangups.recv()).await.is_ok();
        match running.tls.reload() {
            Ok(()) if told => tracing::info!("reloaded certificates and whom to trust"),
            Ok(()) => {}
            Err(failure) => tracing::error!(%failure, "cannot reload certificates; those before stay"),
        }
        if let Some(Err(failure)) = running.domain.as_ref().map(|domain| domain.reload()) {
            tracing::error!(%failure, "the zone goes on without what is wrong");
        }
        if told && let Err(failure) = running.courier.reload() {
            tracing::error!(%failure, "cannot reload the gateways of pushes; those before stay");
        }
    }
}

/// Clients are told, processes finish, the disk has all. Nothing acknowledged depends on it.
async fn stop(running: Running) {
    tracing::info!("stops");
    end_in_time();
    tokio::join!(running.front.shutdown(FAREWELL), running.web.shutdown(FAREWELL));
    let finished = running.handle.shutdown(FAREWELL).await;
    drop(running.keeper);
    tracing::info!(finished, "stopped");
}

/// Ends the program should it hang while stopping.
fn end_in_time() {
    let watch = || {
        std::thread::sleep(END);
        tracing::error!("still not stopped: ends now");
        std::process::exit(1);
    };
    // Without a thread it may take longer, no more.
    let _ = std::thread::Builder::new().name("end".into()).spawn(watch);
}
