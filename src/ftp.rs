//! Files on the web (FTP-7): `GET /ftp/R` gives a file away, `/ftp/` and `/ftp/up/ID` take one by tus 1.0.
//!
//! What comes in by the web is a transfer as any other: a device beside its connections says FTP's records, and the account's files
//! answer. Only the bytes of a download come straight from the disk, once it is known that they may.

mod download;
mod pace;
mod range;
mod tus;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use chat::beside::{Beside, Shown};
use etf::Term;
use kvs::{Disk, Store};
use proto::ids::{ClientId, ClientKind, Phone};
use proto::records::{Ftp, FtpStatus, Ftpack};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};
use web::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use web::{HeaderMap, Method, Peer, Reply, Routes, StatusCode, status};

use crate::enrol::{Credentials, Office, credentials};
use crate::files::Files;
use crate::registrar::millis;
use pace::Pace;

/// Where files are found, and where they are handed in.
const FILES: &str = "/ftp/";
/// Below it, transfers that are under way.
const UPLOADS: &str = "up/";
/// Requests of one account that carry files, at one time.
const AT_ONCE: usize = 8;
/// Accounts that are remembered though they have no request; beyond, those that are rested are forgotten.
const REMEMBERED_MAX: usize = 1024;
/// Blocks that are read from the disk at one time, for all.
const READS_MAX: usize = 16;
/// The chat may take so long for a step; a slow disk is a part of it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where files are handed over.
pub(crate) struct Depot {
    office: Arc<Office>,
    store: Arc<Disk>,
    files: Arc<Files>,
    file_max: u64,
    /// Whether limits per time hold.
    limited: bool,
    busy: Mutex<HashMap<Phone, Busy>>,
    reads: Semaphore,
}

/// What an account asks for.
#[derive(Default)]
struct Busy {
    open: usize,
    pace: Pace,
}

/// One of an account's requests; its place is free when it is dropped.
struct Place {
    depot: Arc<Depot>,
    phone: Phone,
}

impl Depot {
    pub(crate) fn new(
        office: Arc<Office>,
        store: Arc<Disk>,
        files: Arc<Files>,
        file_max: u64,
        limited: bool,
    ) -> Arc<Depot> {
        let reads = Semaphore::new(READS_MAX);
        Arc::new(Depot { office, store, files, file_max, limited, busy: Mutex::default(), reads })
    }

    /// Adds what it answers.
    pub(crate) fn open(self: Arc<Depot>, routes: &mut Routes) {
        let own = self.clone();
        routes.stream(Method::GET, FILES, move |asked| {
            let depot = own.clone();
            async move {
                match below(asked.uri.path()) {
                    Some(id) if asked.method == Method::HEAD => tus::head(&depot, &asked, id).await,
                    Some(_) => status(StatusCode::NOT_FOUND),
                    None => download::get(&depot, &asked).await,
                }
            }
        });
        for path in ["/ftp", FILES] {
            let own = self.clone();
            routes.stream(Method::POST, path, move |asked| {
                let depot = own.clone();
                async move { tus::create(&depot, asked).await }
            });
            let own = self.clone();
            routes.on(Method::OPTIONS, path, 0, move |_| {
                let said = tus::options(own.file_max);
                async move { said }
            });
        }
        let own = self.clone();
        routes.stream(Method::PATCH, FILES, move |asked| {
            let depot = own.clone();
            async move { tus::patch(&depot, asked).await }
        });
        routes.stream(Method::DELETE, FILES, move |asked| {
            let depot = self.clone();
            async move { tus::delete(&depot, &asked).await }
        });
    }

    /// FTP-7: who asks, by token or by bound certificate, when it is his turn. A token is not shown where others can read it.
    async fn enter(self: &Arc<Depot>, peer: &Peer, headers: &HeaderMap) -> Result<(Beside, Place), Box<Reply>> {
        let (beside, place) = self.admit(peer, headers)?;
        place.turn().await;
        Ok((beside, place))
    }

    fn admit(self: &Arc<Depot>, peer: &Peer, headers: &HeaderMap) -> Result<(Beside, Place), Box<Reply>> {
        let refused = |code| Err(Box::new(status(code)));
        if !peer.secure && !peer.address.is_loopback() {
            return refused(StatusCode::FORBIDDEN);
        }
        if self.office.is_tired_of(peer.source) {
            return refused(StatusCode::TOO_MANY_REQUESTS);
        }
        let Some(beside) = self.judge(peer, headers) else {
            self.office.has_failed(peer.source);
            let mut refused = status(StatusCode::UNAUTHORIZED);
            refused.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"files\""));
            return Err(Box::new(refused));
        };
        peer.known();
        match beside.phone().and_then(|phone| self.place(phone)) {
            Some(place) => Ok((beside, place)),
            None => {
                let mut refused = status(StatusCode::TOO_MANY_REQUESTS);
                refused.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
                Err(Box::new(refused))
            }
        }
    }

    fn judge(&self, peer: &Peer, headers: &HeaderMap) -> Option<Beside> {
        let registrar = &self.office.registrar;
        let (phone, device, shown) = match credentials(headers) {
            Some(Credentials::Bearer { client, token }) => {
                let ClientKind::Device(phone, device) = ClientId::parse(client.as_bytes()).ok()?.kind() else {
                    return None;
                };
                (registrar.account_by(&phone, &device, &token)?, device, Shown::Token(token))
            }
            Some(Credentials::Basic { .. }) => return None,
            None => {
                let shown = peer.certificate.clone().filter(|shown| !registrar.revocations.has(shown.print))?;
                let (phone, device) = registrar.bound_to(&shown.key)?;
                (phone, device, Shown::Certificate(shown))
            }
        };
        let (store, now) = (self.store.snapshot(), millis(SystemTime::now()));
        match Beside::enter(&self.office.handle, &*store, now, &phone, &device, &shown) {
            Ok(beside) => beside,
            Err(failure) => {
                tracing::error!(%failure, "cannot look up who wants a file");
                None
            }
        }
    }

    fn place(self: &Arc<Depot>, phone: &Phone) -> Option<Place> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if busy.len() >= REMEMBERED_MAX {
            let now = Instant::now();
            busy.retain(|_, one| one.open > 0 || !one.pace.is_rested(now));
        }
        let own = busy.entry(phone.clone()).or_default();
        if own.open >= AT_ONCE {
            return None;
        }
        own.open += 1;
        Some(Place { depot: self.clone(), phone: phone.clone() })
    }
}

impl Place {
    /// SEC-13: the account's next step is due when this is ready.
    async fn turn(&self) {
        if !self.depot.limited {
            return;
        }
        let now = Instant::now();
        let due = {
            let mut busy = self.depot.busy.lock().unwrap_or_else(PoisonError::into_inner);
            busy.get_mut(&self.phone).map_or(now, |own| own.pace.step(now))
        };
        if due > now {
            sleep_until(due).await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut busy = self.depot.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = busy.get_mut(&self.phone) {
            own.open -= 1;
            if own.open == 0 && own.pace.is_rested(Instant::now()) {
                busy.remove(&self.phone);
            }
        }
    }
}

/// The name of a transfer, where a path names one.
fn below(path: &str) -> Option<&str> {
    path.strip_prefix(FILES)?.strip_prefix(UPLOADS)
}

/// A step of FTP.
fn step(kind: &'static str, id: &str) -> Ftp {
    Ftp {
        id: Some(Bytes::copy_from_slice(id.as_bytes())),
        offset: Some(0),
        block: Some(0),
        status: Some(FtpStatus::Text(Bytes::from_static(kind.as_bytes()))),
        ..Ftp::default()
    }
}

/// Asks, and waits for the answer; what is refused is a status of HTTP (FTP-8).
async fn ask(beside: &mut Beside, ftp: Ftp) -> Result<Ftpack, StatusCode> {
    let number = beside.ask(ftp).map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    answer(beside, number).await
}

async fn answer(beside: &mut Beside, number: u64) -> Result<Ftpack, StatusCode> {
    let answered = tokio::time::timeout(PATIENCE, beside.answer(number)).await;
    let ack = answered.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?.ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
    match said(&ack, "error").and_then(Term::as_atom) {
        None => Ok(ack),
        Some("too_large") => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Some("not_found") => Err(StatusCode::NOT_FOUND),
        Some("invalid_data") => Err(StatusCode::BAD_REQUEST),
        Some("limit") => Err(StatusCode::INSUFFICIENT_STORAGE),
        Some("already_present") => Err(StatusCode::LOCKED),
        Some("permission_denied") => Err(StatusCode::FORBIDDEN),
        Some(_) => Err(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// The value of a pair among the options of an answer.
fn said<'a>(ack: &'a Ftpack, name: &str) -> Option<&'a Term> {
    let pairs = ack.options.as_list()?.iter().filter_map(Term::as_tuple);
    pairs.filter(|pair| pair.first().and_then(Term::as_atom) == Some(name)).find_map(|pair| pair.get(1))
}
