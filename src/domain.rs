//! The server's own zone: what stands in it, the keys that sign it, and the name server that answers from it.
//!
//! It is made anew when certificates are looked at, and when the operator says so; only what has changed is signed again.

mod contents;

use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use ns::Keys;
use ns::record::Name;

use crate::clock;
use crate::failure::Failure;
use crate::home::Home;
use crate::settings::{Origin, Settings};
use crate::tls::Tls;

/// Threads for each address; the chat needs the machine as well.
const THREADS_MAX: usize = 4;
/// Like answers to one network in a second: a resolver remembers what it was told.
const LIKE_ANSWERS: u32 = 50;

pub(crate) struct Domain {
    home: Home,
    origin: Origin,
    tls: Arc<Tls>,
    zone: Name,
    /// What listens where.
    listeners: Vec<(&'static str, SocketAddr)>,
    server: ns::Server,
    state: Mutex<State>,
}

/// What must outlive the program.
struct State {
    keys: Keys,
    serial: u32,
}

impl Domain {
    /// Answers for the zone that the configuration names, if it does; `listen` is what this machine can have of the addresses for it.
    pub(crate) fn start(
        home: &Home,
        settings: &Settings,
        origin: &Origin,
        tls: &Arc<Tls>,
        listeners: &[(&'static str, SocketAddr)],
        listen: Vec<SocketAddr>,
    ) -> Result<Option<Domain>, Failure> {
        let Some(zone) = settings.ns.origin() else { return Ok(None) };
        let state = State { keys: keys(home, settings)?, serial: serial(home) };
        let contents = contents::contents(home, settings, &zone, tls.key(), listeners)?;
        let first = ns::compile(&contents, &state.keys, state.serial, now(), None).map_err(flaw)?;
        let first = first.ok_or_else(|| Failure::Zone("nothing was signed".into()))?;
        let state = State { serial: first.serial(), ..state };
        state.keep_serial(home)?;
        let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get()).min(THREADS_MAX);
        let options = ns::Options {
            listen,
            threads,
            secondaries: settings.ns.secondaries.clone(),
            like_answers: settings.limits.then_some(LIKE_ANSWERS),
        };
        let server = ns::Server::start(&options, first)
            .map_err(|failure| Failure::Zone(format!("cannot listen on {:?}: {failure}", settings.ns.listen)))?;
        Ok(Some(Domain {
            home: home.clone(),
            origin: origin.clone(),
            tls: tls.clone(),
            zone,
            listeners: listeners.to_vec(),
            server,
            state: Mutex::new(state),
        }))
    }

    pub(crate) fn addresses(&self) -> impl Iterator<Item = (&'static str, SocketAddr)> {
        self.server.addresses().iter().map(|address| ("dns", *address))
    }

    /// Reads configuration and file again; forgets keys whose time is over; signs what has changed and what ends soon. If anything is wrong
    /// all stays as it was.
    pub(crate) fn reload(&self) -> Result<(), Failure> {
        let mut state = self.state();
        let mut keys = copy(&state.keys)?;
        if keys.prune(now()) {
            self.keep_keys(&mut state, keys)?;
        }
        self.publish(&mut state)
    }

    /// Begins a rollover.
    pub(crate) fn roll(&self) -> Result<String, Failure> {
        let mut state = self.state();
        let mut keys = copy(&state.keys)?;
        let tag = keys.roll(now()).map_err(flaw)?.tag;
        self.keep_keys(&mut state, keys)?;
        self.publish(&mut state)?;
        Ok(format!(
            "key {tag} is shown. Have the zone above take what `zone ds` prints (CDS and CDNSKEY say the same); when it has, `zone switch`"
        ))
    }

    /// The zone above names the new key.
    pub(crate) fn switch(&self) -> Result<String, Failure> {
        let mut state = self.state();
        let mut keys = copy(&state.keys)?;
        keys.switch(now()).map_err(flaw)?;
        self.keep_keys(&mut state, keys)?;
        self.publish(&mut state)?;
        Ok("the new key signs. The zone above may forget the old one, which is shown for two days yet".into())
    }

    /// What the zone above is to have.
    pub(crate) fn ds(&self) -> String {
        self.state().keys.ds(&self.zone).join("\n")
    }

    /// Zone, keys, questions.
    pub(crate) fn look(&self) -> String {
        let (zone, state, counts) = (self.server.zone(), self.state(), self.server.counts());
        let at = |seconds: u32| clock::utc_ms(u64::from(seconds) * 1000);
        let (serial, size) = (zone.serial(), zone.size());
        let mut out =
            format!("{} serial {serial}, {size} names, signatures hold until {}", self.zone, at(zone.expires()));
        for key in state.keys.iter() {
            // A String takes everything.
            let _ = write!(out, "\nkey {} {:?} {} since {}", key.tag, key.algorithm, key.state.name(), at(key.since));
        }
        let _ = write!(out, "\n{counts:?}");
        out
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep_keys(&self, state: &mut State, keys: Keys) -> Result<(), Failure> {
        ca::files::write_secret(self.home.zone_keys(), keys.to_text().as_bytes())?;
        state.keys = keys;
        Ok(())
    }

    /// The number is kept before anybody sees it, so that it never comes again.
    fn publish(&self, state: &mut State) -> Result<(), Failure> {
        let settings = self.origin.load()?;
        let contents = contents::contents(&self.home, &settings, &self.zone, self.tls.key(), &self.listeners)?;
        let before = self.server.zone();
        let next = ns::compile(&contents, &state.keys, state.serial, now(), Some(&before)).map_err(flaw)?;
        if let Some(zone) = next {
            state.serial = zone.serial();
            state.keep_serial(&self.home)?;
            tracing::info!(zone = %self.zone, serial = state.serial, "published the zone");
            self.server.publish(zone);
        }
        Ok(())
    }
}

impl State {
    fn keep_serial(&self, home: &Home) -> Result<(), Failure> {
        Ok(ca::files::write_secret(home.zone_serial(), self.serial.to_string())?)
    }
}

/// The keys of the zone; the first is made where there is none.
fn keys(home: &Home, settings: &Settings) -> Result<Keys, Failure> {
    let path = home.zone_keys();
    let damaged = |what: String| Failure::Damaged { path: path.clone(), what };
    if path.exists() {
        let bytes = ca::files::read_secret(&path)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| damaged("no text".into()))?;
        return Keys::parse(text).map_err(|why| damaged(why.to_string()));
    }
    let keys = Keys::create(settings.ns.algorithm.into(), now()).map_err(flaw)?;
    ca::files::write_secret(&path, keys.to_text().as_bytes())?;
    Ok(keys)
}

/// Keys are changed as a copy, which counts when it is kept.
fn copy(keys: &Keys) -> Result<Keys, Failure> {
    Keys::parse(&keys.to_text()).map_err(flaw)
}

/// Without the file it goes on from the time, which is larger.
fn serial(home: &Home) -> u32 {
    fs::read_to_string(home.zone_serial()).ok().and_then(|text| text.trim().parse().ok()).unwrap_or_default()
}

fn now() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
}

fn flaw(why: impl std::fmt::Display) -> Failure {
    Failure::Zone(why.to_string())
}
