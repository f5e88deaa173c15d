//! `chat bench`: load on a running server, and what it took.
//!
//! The generator is one thread and no task per connection ([`fleet`]), so that it takes as little as can be of the machine it measures.

mod accounts;
mod fanout;
mod files;
mod fleet;
mod flow;
mod idle;
mod logins;
mod offline;
mod pairs;
mod profile;
mod report;
mod room;
mod server;
mod side;
mod stalled;
mod traffic;
mod ways;
mod wire;
mod wording;

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::{Error, Tls, Url, home, tls};
use server::Server;
use wire::Route;

/// Load on a server, and what it takes. Needs `auth.fake_numbers` (the dev profile) for its accounts.
#[derive(Debug, Clone, Args)]
pub struct BenchArgs {
    /// Where the server listens: mqtt://host:port, mqtts://, ws://, wss:// or quic://
    #[arg(long, global = true, default_value = "mqtt://127.0.0.1:1883")]
    pub url: Url,
    /// Where accounts are registered, if not at --url (a TLS listener wants a certificate first)
    #[arg(long, global = true)]
    pub register_url: Option<Url>,
    /// Certificates of the authorities to trust (PEM), for mqtts, wss and quic
    #[arg(long, global = true)]
    pub ca: Option<PathBuf>,
    /// Own certificate (PEM), for mqtts and quic
    #[arg(long, global = true, requires = "key")]
    pub cert: Option<PathBuf>,
    /// Its key (PEM)
    #[arg(long, global = true, requires = "cert")]
    pub key: Option<PathBuf>,
    /// The server's process: a number, auto (who listens on the port of --url on this machine), or none
    #[arg(long, global = true, default_value = "auto")]
    pub pid: String,
    /// Folder in which the accounts are kept for the next run
    #[arg(long, global = true, default_value = "chat-bench")]
    pub home: PathBuf,
    /// One line of JSON instead of a table
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub load: Load,
}

/// Kinds of load.
#[derive(Debug, Clone, Subcommand)]
pub enum Load {
    /// Friends write to each other, both ways, as fast as the window lets them, or at a rate
    Pairs(pairs::PairsArgs),
    /// The same traffic through the chat and through a bare MQTT broker, in turn
    Compare(pairs::CompareArgs),
    /// The same traffic by several ways to the server, in turn
    Ways(ways::WaysArgs),
    /// Messages for people who are away, and their coming back
    Offline(offline::OfflineArgs),
    /// Readers that stop reading, and what they cost the server and everybody else
    Stalled(stalled::StalledArgs),
    /// Connections that do nothing, and what each takes of the server's memory
    Idle(idle::IdleArgs),
    /// One writes in a room, all others receive
    Room(room::RoomArgs),
    /// Somebody whom many know: the whole profile, and presence beside the messages of others
    Profile(profile::ProfileArgs),
    /// Connecting, again and again
    Logins(logins::LoginsArgs),
    /// A large file up and down
    Files(files::FilesArgs),
}

/// Makes the load that `args` say and prints what was measured.
pub async fn bench(args: BenchArgs) -> Result<(), Error> {
    more_files()?;
    match args.load.clone() {
        Load::Pairs(pairs) => pairs::run(args, pairs).await,
        Load::Compare(compare) => pairs::compare(args, compare).await,
        Load::Ways(ways) => ways::run(args, ways).await,
        Load::Offline(offline) => offline::run(args, offline).await,
        Load::Stalled(stalled) => stalled::run(args, stalled).await,
        Load::Idle(idle) => idle::run(args, idle).await,
        Load::Room(room) => room::run(args, room).await,
        Load::Profile(profile) => profile::run(args, profile).await,
        Load::Logins(logins) => logins::run(args, logins).await,
        Load::Files(files) => files::run(args, files).await,
    }
}

impl BenchArgs {
    fn register_url(&self) -> &Url {
        self.register_url.as_ref().unwrap_or(&self.url)
    }

    /// What the command line gives for TLS.
    fn tls(&self) -> Result<Option<Tls>, Error> {
        let Some(ca) = &self.ca else { return Ok(None) };
        let identity = match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => Some(home::identity(cert, key)?),
            _ => None,
        };
        Ok(Some(Tls { ca_pem: std::fs::read_to_string(ca)?, identity }))
    }

    /// The way of the fleet's connections.
    fn route(&self) -> Result<Route, Error> {
        self.route_to(&self.url)
    }

    fn route_to(&self, url: &Url) -> Result<Route, Error> {
        let tls = match self.tls()?.filter(|_| url.carrier.is_secure()) {
            Some(given) => Some(tls::config(&given, url.carrier)?),
            None => None,
        };
        Ok(Route { url: url.clone(), address: address(url)?, tls })
    }

    fn server(&self) -> Result<Option<Server>, Error> {
        Server::find(&self.pid, address(&self.url)?)
    }
}

fn address(url: &Url) -> Result<SocketAddr, Error> {
    (url.host.as_str(), url.port).to_socket_addrs()?.next().ok_or_else(|| Error::Url(url.to_string()))
}

/// Tells this run's messages from all others': 8 letters and digits of the time.
fn run_id() -> [u8; 8] {
    let ms = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
    let mut id = *b"r0000000";
    let mut left = ms;
    for place in id.iter_mut().skip(1).rev() {
        *place = b"0123456789abcdefghijklmnopqrstuvwxyz".get((left % 36) as usize).copied().unwrap_or(b'0');
        left /= 36;
    }
    id
}

/// Each connection is an open file: as many as the system allows.
fn more_files() -> Result<(), Error> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).map_err(|error| Error::Io(error.into()))
}

/// The fleet blocks its thread, so it gets one of its own.
async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::local(error.to_string()))?
}
