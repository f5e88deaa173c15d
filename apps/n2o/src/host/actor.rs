//! The actix actor that owns a node: it is woken, drains, and performs what may leave.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, SpawnHandle, WrapFuture};

use super::Shared;
use crate::node::{DRAIN_INPUTS, Limits, Node};
use crate::{App, Time};

/// All that came in, but no more steps at once than let the sockets of the thread have their turn.
const LIMITS: Limits = Limits { items: usize::MAX, inputs: DRAIN_INPUTS };

/// There is something to look at.
pub(super) struct Wake;

impl Message for Wake {
    type Result = ();
}

pub(super) struct NodeActor<A: App> {
    node: Node<A>,
    shared: Arc<Shared<A>>,
    outputs: Vec<A::Output>,
    /// The next drain is arranged: it comes after the other tasks of this thread.
    goes_on: bool,
    /// The next look at the clock that is arranged.
    alarm: Option<(Time, SpawnHandle)>,
}

/// Nothing in it is pinned: actix moves it before it runs, and polls no future inside.
impl<A: App> Unpin for NodeActor<A> {}

impl<A: App> Actor for NodeActor<A> {
    type Context = Context<Self>;

    /// Looks once: what came before the node was there woke nobody.
    fn started(&mut self, ctx: &mut Self::Context) {
        self.run(ctx);
    }
}

impl<A: App> Handler<Wake> for NodeActor<A> {
    type Result = ();

    fn handle(&mut self, _: Wake, ctx: &mut Self::Context) {
        self.run(ctx);
    }
}

impl<A: App> NodeActor<A> {
    pub(super) fn new(node: Node<A>, shared: Arc<Shared<A>>) -> Self {
        Self { node, shared, outputs: Vec::new(), goes_on: false, alarm: None }
    }

    fn run(&mut self, ctx: &mut Context<Self>) {
        self.node.drain(wall_clock(), LIMITS);
        self.release();
        if self.node.has_work() && !self.node.is_blocked() && !self.goes_on {
            self.goes_on = true;
            ctx.spawn(tokio::task::yield_now().into_actor(self).map(|_, actor, ctx| {
                actor.goes_on = false;
                actor.run(ctx);
            }));
        }
        self.set_alarm(ctx);
        if self.shared.net.closed.load(Ordering::Acquire) {
            self.shared.rested.notify_one();
        }
    }

    /// Performs what may leave now, and asks the disk for the rest.
    fn release(&mut self) {
        loop {
            self.node.release(self.shared.flusher.durable(), &mut self.outputs);
            if !self.outputs.is_empty() {
                self.shared.performer.perform(self.node.index, &mut self.outputs);
                self.outputs.clear();
            }
            if !self.is_more_durable() {
                return;
            }
        }
    }

    /// Asks the disk for what is wanted and arranges to be woken when it has more; true when it has enough already.
    fn is_more_durable(&self) -> bool {
        let (wanted, awaited) = (self.node.wanted(), self.node.awaited());
        let Some(next) = wanted.or(awaited) else { return false };
        let waiting: Option<&AtomicBool> = self.shared.waiting.get(self.node.index);
        waiting.inspect(|waits| waits.store(true, Ordering::Release));
        fence(Ordering::SeqCst);
        if let Some(ticket) = wanted {
            self.shared.flusher.request(ticket);
        }
        self.shared.flusher.durable() >= next
    }

    fn set_alarm(&mut self, ctx: &mut Context<Self>) {
        let due = self.node.next_due().into_iter().chain(self.node.flush_due()).min();
        let Some(due) = due else { return };
        if let Some((at, handle)) = self.alarm.take() {
            if at <= due {
                self.alarm = Some((at, handle));
                return;
            }
            ctx.cancel_future(handle);
        }
        let wait = Duration::from_millis(due.since(self.node.now).max(1));
        let handle = ctx.run_later(wait, |actor, ctx| {
            actor.alarm = None;
            actor.run(ctx);
        });
        self.alarm = Some((due, handle));
    }
}

/// A node never goes back, whatever is done to the clock.
fn wall_clock() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
