//! What all connections of a front know.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use chat::Chat;
use listen::{Arrival, Serve, Stream};

use crate::broker::Broker;
use crate::connection;
use crate::settings::Settings;
use crate::signal::Signal;

pub(crate) struct Shared {
    pub(crate) handle: n2o::Handle<Chat>,
    pub(crate) settings: Settings,
    pub(crate) broker: Arc<Broker>,
    signals: Mutex<HashMap<u64, Arc<Signal>>>,
    last: AtomicU64,
    stopping: AtomicBool,
    stop: tokio::sync::Notify,
    /// Told when the last connection has gone.
    pub(crate) empty: tokio::sync::Notify,
}

/// An accepted connection's place among all; dropped with it.
pub(crate) struct Seat {
    shared: Arc<Shared>,
    number: u64,
    pub(crate) signal: Arc<Signal>,
}

impl Shared {
    pub(crate) fn new(handle: n2o::Handle<Chat>, settings: Settings) -> Arc<Shared> {
        Arc::new(Shared {
            handle,
            settings,
            broker: Arc::default(),
            signals: Mutex::default(),
            last: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            stop: tokio::sync::Notify::new(),
            empty: tokio::sync::Notify::new(),
        })
    }

    pub(crate) fn seat(self: &Arc<Shared>) -> Seat {
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let signal = Arc::new(Signal::default());
        self.lock().insert(number, signal.clone());
        if self.is_stopping() {
            signal.shut_down();
        }
        Seat { shared: self.clone(), number, signal }
    }

    pub(crate) fn connections(&self) -> usize {
        self.lock().len()
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.stop.notify_waiters();
        let signals: Vec<_> = self.lock().values().cloned().collect();
        for signal in signals {
            signal.shut_down();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Signal>>> {
        self.signals.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

impl Serve for Shared {
    async fn serve(self: Arc<Shared>, arrival: Arrival) {
        let Arrival { stream, certificate, ticket, .. } = arrival;
        match stream {
            Stream::Plain(stream) => connection::serve(stream, self, certificate, ticket).await,
            Stream::Tls(stream) => connection::serve(stream, self, certificate, ticket).await,
        }
    }

    async fn stopped(&self) {
        let told = self.stop.notified();
        if !self.is_stopping() {
            told.await;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut signals = self.shared.lock();
        signals.remove(&self.number);
        if signals.is_empty() {
            self.shared.empty.notify_waiters();
        }
    }
}
