//! What all connections of a front know.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use listen::{Arrival, Closing, Doorman, Serve, Stream};

use crate::broker::filter::is_servers;
use crate::broker::{Book, Broker, Durable};
use crate::connection;
use crate::settings::Settings;
use crate::signal::Signal;
use crate::status::{Clients, Status};

pub(crate) struct Shared {
    pub(crate) doorman: Arc<Doorman>,
    pub(crate) settings: Settings,
    pub(crate) broker: Arc<Broker>,
    seats: Mutex<HashMap<u64, Held>>,
    /// As many as there were at once.
    most: AtomicUsize,
    pub(crate) status: Status,
    last: AtomicU64,
    pub(crate) closing: Closing,
}

/// What all know of one connection.
struct Held {
    signal: Arc<Signal>,
    /// Of its certificate.
    print: Option<u128>,
}

/// An accepted connection's place among all; dropped with it.
pub(crate) struct Seat {
    shared: Arc<Shared>,
    number: u64,
    pub(crate) signal: Arc<Signal>,
}

impl Shared {
    pub(crate) fn new(doorman: Arc<Doorman>, settings: Settings) -> Result<Arc<Shared>, kvs::Error> {
        let durable = Arc::new(Durable::default());
        let (handle, told) = (doorman.handle.clone(), durable.clone());
        handle.flusher().subscribe(Box::new(move |ticket| told.reach(ticket)));
        let asking = handle.clone();
        let request = Box::new(move |ticket| asking.flusher().request(ticket));
        let broker = Broker::open(Book::new(handle.store().clone(), request, durable))?;
        Ok(Arc::new(Shared {
            doorman,
            settings,
            broker,
            seats: Mutex::default(),
            most: AtomicUsize::new(0),
            status: Status::new(Instant::now()),
            last: AtomicU64::new(0),
            closing: Closing::default(),
        }))
    }

    /// `print`: of the certificate shown.
    pub(crate) fn seat(self: &Arc<Shared>, print: Option<u128>) -> Seat {
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let signal = Arc::new(Signal::default());
        let count = {
            let mut seats = self.lock();
            seats.insert(number, Held { signal: signal.clone(), print });
            seats.len()
        };
        self.most.fetch_max(count, Ordering::Relaxed);
        if self.closing.has_begun() {
            signal.shut_down();
        }
        // What was revoked before it had its place, nobody has told it.
        if self.is_revoked(print) {
            signal.revoke();
        }
        Seat { shared: self.clone(), number, signal }
    }

    fn is_revoked(&self, print: Option<u128>) -> bool {
        print.is_some_and(|print| (self.doorman.is_revoked)(print))
    }

    /// SEC-2: the revocation list has changed.
    pub(crate) fn end_revoked(&self) {
        let revoked: Vec<_> = {
            let seats = self.lock();
            seats.values().filter(|held| self.is_revoked(held.print)).map(|held| held.signal.clone()).collect()
        };
        revoked.iter().for_each(|signal| signal.revoke());
    }

    pub(crate) fn connections(&self) -> usize {
        self.lock().len()
    }

    /// What is told below `$SYS/broker` is to be of now, for who subscribes to this filter.
    pub(crate) fn refresh_status(&self, filter: &str) {
        if is_servers(filter) {
            self.tell_status(Instant::now());
        }
    }

    /// Publishes what has changed there, if it is time to.
    pub(crate) fn tell_status(&self, now: Instant) {
        let clients = Clients { connected: self.connections(), most: self.most.load(Ordering::Relaxed) };
        self.status.tell(&self.broker, self.settings.sys_interval, clients, now);
    }

    pub(crate) fn stop(&self) {
        self.closing.begin();
        let signals: Vec<_> = self.lock().values().map(|held| held.signal.clone()).collect();
        for signal in signals {
            signal.shut_down();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Held>> {
        self.seats.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

impl Serve for Shared {
    async fn serve(self: Arc<Shared>, arrival: Arrival) {
        let Arrival { stream, certificate, ticket, .. } = arrival;
        match stream {
            Stream::Plain(stream) => connection::serve(stream, self, certificate, ticket).await,
            Stream::Tls(stream) => connection::serve(stream, self, certificate, ticket).await,
            Stream::Quic(stream) => connection::serve(stream, self, certificate, ticket).await,
        }
    }

    async fn stopped(&self) {
        self.closing.begun().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.shared.lock();
        seats.remove(&self.number);
        if seats.is_empty() {
            self.shared.closing.is_empty_now();
        }
    }
}
