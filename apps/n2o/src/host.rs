//! The host in production: an actix arbiter per ring thread, one actor on each that owns the node.

mod actor;
mod handle;

use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Mutex};

use actix::Actor;
use actix_rt::Arbiter;
use kvs::{Flusher, Sequence, Store};
use tokio::sync::Notify;

use crate::cx::Random;
use crate::net::Net;
use crate::node::Node;
use crate::{App, Failure, Registry, Ring};
use actor::NodeActor;
pub use handle::Handle;

/// What differs between deployments.
pub struct Options {
    /// Threads that run nodes of the ring; at least one is started.
    pub threads: usize,
    /// Node i of it runs on thread i modulo `threads`.
    pub ring: Ring,
    /// Called once when the disk failed. What is kept is not known then, so the program must end.
    pub on_disk_failure: Box<dyn Fn(kvs::Error) + Send>,
}

/// Does what outputs say.
pub trait Performer<A: App>: Send + Sync + 'static {
    /// Takes all of `outputs`, in order. Called on ring thread `thread`, so it must not block.
    fn perform(&self, thread: usize, outputs: &mut Vec<A::Output>);
}

/// Starts nodes on threads.
pub struct Host;

/// What the actors and the handle share.
struct Shared<A: App> {
    app: Arc<A>,
    net: Arc<Net<A>>,
    store: Arc<dyn Store>,
    ids: Arc<Sequence>,
    flusher: Flusher,
    performer: Arc<dyn Performer<A>>,
    /// Per thread: outputs or writes wait for the disk.
    waiting: Arc<[AtomicBool]>,
    /// A node has nothing to do; told only while stopping.
    rested: Notify,
}

impl Host {
    /// Starts the threads, on an actix system that runs on the calling thread.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub fn start<A: App>(
        app: Arc<A>,
        store: Arc<dyn Store>,
        ids: Arc<Sequence>,
        options: Options,
        performer: Arc<dyn Performer<A>>,
    ) -> Result<Handle<A>, Failure> {
        let net = Arc::new(Net::new(Registry::new(options.ring, options.threads)));
        let flusher = Flusher::start(Arc::clone(&store), options.on_disk_failure)?;
        let waiting: Arc<[AtomicBool]> = net.inboxes.iter().map(|_| AtomicBool::new(false)).collect();
        flusher.subscribe(wake_waiting(Arc::clone(&net), Arc::clone(&waiting)));

        let rested = Notify::new();
        let shared = Arc::new(Shared { app, net, store, ids, flusher, performer, waiting, rested });
        let arbiters =
            (0..shared.net.inboxes.len()).map(|index| start_node(&shared, index)).collect::<Result<_, _>>()?;
        Ok(Handle::new(shared, arbiters))
    }
}

/// Wakes the nodes that wait for the disk when more is durable.
fn wake_waiting<A: App>(net: Arc<Net<A>>, waiting: Arc<[AtomicBool]>) -> Box<dyn Fn(kvs::Ticket) + Send + Sync> {
    Box::new(move |_| {
        // Pairs with the fence of a node between saying that it waits and looking how much is durable.
        fence(Ordering::SeqCst);
        for (inbox, waits) in net.inboxes.iter().zip(waiting.iter()) {
            if waits.swap(false, Ordering::AcqRel) {
                inbox.wake();
            }
        }
    })
}

fn start_node<A: App>(shared: &Arc<Shared<A>>, index: usize) -> Result<Arbiter, Failure> {
    let arbiter = Arbiter::try_new().map_err(Failure::new)?;
    let own = Arc::clone(shared);
    let address = NodeActor::start_in_arbiter(&arbiter.handle(), move |_| {
        let Shared { app, net, store, ids, .. } = &*own;
        let node = Node::new(index, app.clone(), net.clone(), store.clone(), ids.clone(), Box::new(System));
        NodeActor::new(node, own)
    });
    if let Some(inbox) = shared.net.inboxes.get(index) {
        inbox.on_wake(Box::new(move || address.do_send(actor::Wake)));
    }
    Ok(arbiter)
}

/// Randomness of the operating system.
struct System;

impl Random for System {
    fn fill(&self, bytes: &mut [u8]) {
        aws_lc_rs::rand::fill(bytes).expect("aws-lc seeds itself at the start and does not fail later");
    }
}

type Arbiters = Mutex<Vec<Arbiter>>;
