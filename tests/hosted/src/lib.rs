//! The real chat on ring threads, with nothing around it: no files, no authority, no gateways. For tests of transports, and for benches.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use chat::door::Source;
use chat::{Chat, Output, Vault};
use kvs::{Memory, Sequence, Store, Table};
use listen::{Doorman, Gate, Limits};
use n2o::{Handle, Host, Options, Performer, Ring};

/// Where its sequences are kept, beside the chat's own tables.
pub const META: Table = Table("meta");
/// What it shall have done when it ends takes no longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// An empty store with the chat's tables and these.
pub fn store(more: &[Table]) -> Memory {
    let tables: Vec<Table> = chat::rows::TABLES.iter().chain(more).copied().chain([META]).collect();
    Memory::new(&tables)
}

/// A chat with the settings of the `dev` profile, on so many threads of the actix system that runs here.
///
/// # Panics
/// When the store fails, or the system gives no threads.
pub fn host(store: Arc<dyn Store>, threads: usize) -> Handle<Chat> {
    let sequence = |key: &[u8]| Arc::new(Sequence::open(store.clone(), META, key).unwrap());
    let chat = Chat {
        settings: chat::Settings::dev(),
        rosters: sequence(b"rosters"),
        moments: sequence(b"moments"),
        vault: Vault::new(&[7; chat::KEY_BYTES]),
        identify: Arc::new(|_: &[u8]| None),
        is_sealed: |_| false,
        names: Default::default(),
    };
    let ring = Ring::new(4, "/mqtt/chat/");
    let options = Options { threads, ring, on_disk_failure: Box::new(|failure| panic!("{failure}")) };
    Host::start(Arc::new(chat), store.clone(), sequence(b"ids"), options, Arc::new(Ports)).unwrap()
}

/// Hands connections what is for them. Nobody does slow work or pushes.
struct Ports;

impl Performer<Chat> for Ports {
    fn perform(&self, _thread: usize, outputs: &mut Vec<Output>) {
        for output in outputs.drain(..) {
            if let Output::Port(port, out) = output {
                port.push(out);
            }
        }
    }
}

/// Lets everybody in who says in this time who he is.
pub fn doorman(handle: Handle<Chat>, patience: Duration) -> Arc<Doorman> {
    let (identify, is_revoked) = (Arc::new(|_: &[u8]| None), Arc::new(|_| false));
    let bucket = Arc::new(|_: &Source| 0);
    Arc::new(Doorman { handle, identify, is_revoked, bucket, gate: Gate::new(Limits::default()), patience })
}

/// A chat with a front, on a thread of its own; it ends with the value.
pub struct Server<T> {
    pub address: SocketAddr,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<T>>,
}

impl<T: Send + 'static> Server<T> {
    /// `open` opens the front: where it serves, and what ends it.
    ///
    /// # Panics
    /// When it cannot be opened.
    pub fn start<E: AsyncFnOnce() -> T>(
        store: Arc<dyn Store>,
        open: impl FnOnce(Handle<Chat>) -> (SocketAddr, E) + Send + 'static,
    ) -> Server<T> {
        let (ready, readied) = channel();
        let (stop, stopped) = channel::<()>();
        let thread = std::thread::spawn(move || {
            actix_rt::System::new().block_on(async move {
                let handle = host(store, 2);
                let (address, end) = open(handle.clone());
                ready.send(address).unwrap();
                // The value is dropped, or asked for what its front says in the end.
                let _ = actix_rt::task::spawn_blocking(move || stopped.recv()).await;
                let said = end().await;
                handle.shutdown(PATIENCE).await;
                said
            })
        });
        Server { address: readied.recv().unwrap(), stop: Some(stop), thread: Some(thread) }
    }

    /// Ends it; what its front says then.
    ///
    /// # Panics
    /// When it has failed.
    pub fn stop(mut self) -> T {
        self.stop = None;
        self.thread.take().unwrap().join().unwrap()
    }
}

impl<T> Drop for Server<T> {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
