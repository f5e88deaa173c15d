//! The server's own zone: what stands in it, the keys that sign it, and the name server that answers from it.
//!
//! It is made anew when certificates are looked at, and when the operator says so; only what has changed is signed again.

mod contents;
mod given;

use std::fmt::Write;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chat::directory::{self, Published};
use kvs::{Disk, Store};
use ns::record::Name;
use ns::{Contents, Keys, Secrets, Zone};

use crate::bell::Bell;
use crate::clock;
use crate::failure::Failure;
use crate::home::Home;
use crate::settings::{Origin, Settings};
use crate::tls::Tls;
use given::{Given, Made};

/// Threads for each address; the chat needs the machine as well.
const THREADS_MAX: usize = 4;
/// Like answers to one network in a second: a resolver remembers what it was told.
const LIKE_ANSWERS: u32 = 50;

/// How often it is looked what accounts publish though none says that it has changed.
const FOLLOW: Duration = Duration::from_secs(30);
/// From one look to the next at least.
const PACE: Duration = Duration::from_secs(1);
/// Accounts that publish; those beyond do not.
const PUBLISHED_MAX: usize = 100_000;

pub(crate) struct Domain {
    home: Home,
    origin: Origin,
    tls: Arc<Tls>,
    zone: Name,
    /// What listens where.
    listeners: Vec<(&'static str, SocketAddr)>,
    store: Arc<Disk>,
    server: ns::Server,
    state: Mutex<State>,
}

/// What must outlive the program.
struct State {
    keys: Keys,
    serial: u32,
    given: Given,
    /// Stands for what accounts had published.
    people: u64,
}

/// Whether there will be a zone, as far as that can be said before anything is made: a first start that fails leaves nothing behind.
pub(crate) fn check(home: &Home, settings: &Settings) -> Result<(), Failure> {
    let Some(zone) = settings.ns.origin() else { return Ok(()) };
    secrets(home, settings)?;
    if home.zone_records().exists() {
        // Those that were last good would do.
        return Ok(());
    }
    let mut contents = contents::contents(settings, &zone, [0; 32], &[], &[])?;
    let text = contents::given(home, settings)?;
    contents.lay_over(contents::records(settings, &zone, &text)?);
    contents.check().map_err(flaw)
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
        store: &Arc<Disk>,
    ) -> Result<Option<Arc<Domain>>, Failure> {
        let Some(zone) = settings.ns.origin() else { return Ok(None) };
        let (keys, serial) = (keys(home, settings)?, serial(home));
        let people = published(store)?;
        let bare = contents::contents(settings, &zone, tls.key(), listeners, &people)?;
        let make = |contents: &Contents| compile(contents, &keys, serial, None);
        let Made { made, given, refused } = Given::last(home).over(home, settings, &bare, make)?;
        if let Some(why) = refused {
            tracing::error!(%why, "the zone goes on with the operator's records as they were last good");
        }
        let first = made.ok_or_else(|| Failure::Zone("nothing was signed".into()))?;
        given.keep(home)?;
        let state = State { keys, serial: first.serial(), given, people: stand_in(&people) };
        state.keep_serial(home)?;
        let threads = thread::available_parallelism().map_or(1, |cores| cores.get()).min(THREADS_MAX);
        let options = ns::Options {
            listen,
            threads,
            secondaries: secondaries(settings),
            secrets: Arc::new(secrets(home, settings)?),
            like_answers: settings.limits.then_some(LIKE_ANSWERS),
        };
        let server = ns::Server::start(&options, first)
            .map_err(|failure| Failure::Zone(format!("cannot listen on {:?}: {failure}", settings.ns.listen)))?;
        let domain = Arc::new(Domain {
            home: home.clone(),
            origin: origin.clone(),
            tls: tls.clone(),
            zone,
            listeners: listeners.to_vec(),
            store: store.clone(),
            server,
            state: Mutex::new(state),
        });
        Ok(Some(domain))
    }

    /// Looks whether accounts allow other certificates than before, or have others: when one of them says so, and from time to time.
    pub(crate) fn watch(self: &Arc<Domain>, published: Arc<Bell>) -> Result<(), Failure> {
        let own = Arc::downgrade(self);
        let follow = move || {
            while published.wait(FOLLOW) {
                let Some(domain) = own.upgrade() else { return };
                let began = Instant::now();
                if let Err(failure) = domain.follow() {
                    tracing::error!(%failure, "the certificates of accounts in the zone stay as they were");
                }
                drop(domain);
                // What many say one after the other is one change of the zone.
                thread::sleep(PACE.max(began.elapsed()));
            }
        };
        thread::Builder::new().name("zone".into()).spawn(follow).map(drop).map_err(flaw)
    }

    fn follow(&self) -> Result<(), Failure> {
        let people = glance(&self.store)?;
        let mut state = self.state();
        if people == state.people {
            return Ok(());
        }
        let keys = copy(&state.keys)?;
        // What is wrong with the operator's file was told when it was looked at.
        self.publish(&mut state, keys).map(drop)
    }

    pub(crate) fn addresses(&self) -> impl Iterator<Item = (&'static str, SocketAddr)> {
        self.server.addresses().iter().map(|address| ("dns", *address))
    }

    /// Reads configuration and files again; forgets keys whose time is over; signs what has changed and what ends soon. If a file is wrong
    /// what is of it stays as it was, and that is said: the keys of listeners and the signatures do not wait for it.
    pub(crate) fn reload(&self) -> Result<(), Failure> {
        let mut state = self.state();
        let mut keys = copy(&state.keys)?;
        keys.prune(now());
        self.publish(&mut state, keys)?.map_or(Ok(()), Err)
    }

    /// Begins a rollover.
    pub(crate) fn roll(&self) -> Result<String, Failure> {
        let mut state = self.state();
        let mut keys = copy(&state.keys)?;
        let tag = keys.roll(now()).map_err(flaw)?.tag;
        self.publish(&mut state, keys)?;
        Ok(format!(
            "key {tag} is shown. Have the zone above take what `zone ds` prints (CDS and CDNSKEY say the same); when it has, `zone switch`"
        ))
    }

    /// The zone above names the new key.
    pub(crate) fn switch(&self) -> Result<String, Failure> {
        let mut state = self.state();
        let mut keys = copy(&state.keys)?;
        keys.switch(now()).map_err(flaw)?;
        self.publish(&mut state, keys)?;
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
        for (secondary, heard) in self.server.secondaries() {
            let _ = write!(out, "\nsecondary {secondary} {heard}");
        }
        let _ = write!(out, "\n{counts:?}");
        out
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What wants keys that are not shown fails before they count. Keys and number are kept before anybody sees them, so that the number never
    /// comes again. What is returned is why the operator's records, or else the keys of others and the secondaries, stay as they were.
    fn publish(&self, state: &mut State, keys: Keys) -> Result<Option<Failure>, Failure> {
        let settings = self.origin.load()?;
        let people = published(&self.store)?;
        let bare = contents::contents(&settings, &self.zone, self.tls.key(), &self.listeners, &people)?;
        let before = self.server.zone();
        let make = |contents: &Contents| compile(contents, &keys, state.serial, Some(&before));
        let Made { made, given, refused } = state.given.over(&self.home, &settings, &bare, make)?;
        if *keys.to_text() != *state.keys.to_text() {
            ca::files::write_secret(self.home.zone_keys(), keys.to_text().as_bytes())?;
        }
        state.keys = keys;
        if given != state.given {
            given.keep(&self.home)?;
            state.given = given;
        }
        state.people = stand_in(&people);
        let befriended = secrets(&self.home, &settings)
            .and_then(|secrets| self.server.befriend(secondaries(&settings), Arc::new(secrets)).map_err(flaw));
        if let Some(zone) = made {
            state.serial = zone.serial();
            state.keep_serial(&self.home)?;
            tracing::info!(zone = %self.zone, serial = state.serial, "published the zone");
            self.server.publish(zone);
        }
        Ok(refused.or(befriended.err()))
    }
}

fn published(store: &Disk) -> Result<Vec<Published>, Failure> {
    let mut people = Vec::new();
    directory::published(&*store.snapshot(), PUBLISHED_MAX, |person| people.push(person)).map_err(flaw)?;
    Ok(people)
}

/// What stands for all that is published, with one account of it in memory at a time.
fn glance(store: &Disk) -> Result<u64, Failure> {
    let mut hasher = DefaultHasher::new();
    directory::published(&*store.snapshot(), PUBLISHED_MAX, |person| person.hash(&mut hasher)).map_err(flaw)?;
    Ok(hasher.finish())
}

fn stand_in(people: &[Published]) -> u64 {
    let mut hasher = DefaultHasher::new();
    people.iter().for_each(|person| person.hash(&mut hasher));
    hasher.finish()
}

fn compile(contents: &Contents, keys: &Keys, serial: u32, before: Option<&Zone>) -> Result<Option<Zone>, Failure> {
    ns::compile(contents, keys, serial, now(), before).map_err(flaw)
}

impl State {
    fn keep_serial(&self, home: &Home) -> Result<(), Failure> {
        Ok(ca::files::write_secret(home.zone_serial(), self.serial.to_string())?)
    }
}

fn secondaries(settings: &Settings) -> Vec<ns::Secondary> {
    settings.ns.secondaries.iter().map(|secondary| secondary.0.clone()).collect()
}

/// The keys that are shared with others.
fn secrets(home: &Home, settings: &Settings) -> Result<Secrets, Failure> {
    let file = &settings.ns.keys;
    if file.is_empty() {
        return Ok(Secrets::default());
    }
    let wrong = |why: &dyn std::fmt::Display| Failure::Refused(format!("ns.keys: {file}: {why}"));
    let bytes = ca::files::read_secret(home.path().join(file))?;
    let secrets = Secrets::parse(std::str::from_utf8(&bytes).map_err(|why| wrong(&why))?).map_err(|why| wrong(&why))?;
    for key in settings.ns.secondaries.iter().filter_map(|secondary| secondary.0.key.as_ref()) {
        if secrets.get(key).is_none() {
            return Err(wrong(&format!("it has no key {key}")));
        }
    }
    Ok(secrets)
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
