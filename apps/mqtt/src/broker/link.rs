//! One client's way to its subscriptions: about 34 KB in the router, so it is made when the client first subscribes.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use rumqttd::Notification;
use rumqttd::local::LinkRx;
use tokio::sync::oneshot;

use super::feed::Feed;
use super::router::Command;
use super::{Broker, Busy, envelope, spelling};
use crate::session::Delivered;

pub(crate) struct Link {
    broker: Arc<Broker>,
    /// The client's number, by which it knows its own messages.
    number: u64,
    feed: Arc<Feed>,
}

impl Link {
    /// Must be called on a thread with a local task set; the pump lives there until the link is dropped.
    pub(crate) fn open(broker: Arc<Broker>, number: u64) -> Result<Link, Busy> {
        let feed = Arc::new(Feed::default());
        let (opened, opening) = oneshot::channel();
        broker.tell(Command::Open { link: number, opened })?;
        actix_rt::spawn(pump(opening, feed.clone(), number));
        Ok(Link { broker, number, feed })
    }

    /// Subscribes at the router if `new`, and lines up what is kept there if `retained`.
    pub(crate) fn subscribe(&self, number: usize, filter: &str, new: bool, retained: bool) -> Result<(), Busy> {
        if new {
            let path = spelling::filter(filter);
            self.broker.tell(Command::Subscribe { link: self.number, number, path })?;
        }
        if retained {
            for message in self.broker.retained(filter) {
                self.feed.push(Delivered { number, message, retained: true, own: false });
            }
        }
        Ok(())
    }

    pub(crate) fn unsubscribe(&self, filter: &str) -> Result<(), Busy> {
        self.broker.tell(Command::Unsubscribe { link: self.number, path: spelling::filter(filter) })
    }

    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Delivered> {
        self.feed.poll_next(cx)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.feed.close();
        self.broker.tell_always(Command::Close { link: self.number });
    }
}

/// Carries what the router has for the client into its feed, until the router lets go of the link.
async fn pump(opening: oneshot::Receiver<LinkRx>, feed: Arc<Feed>, reader: u64) {
    let Ok(mut link) = opening.await else {
        return;
    };
    while let Ok(notification) = link.next().await {
        match notification {
            Some(Notification::Forward(forward)) => {
                if !poll_fn(|cx| feed.poll_place(cx)).await {
                    return;
                }
                if let Some(delivered) = envelope::open(forward, reader) {
                    feed.push(delivered);
                }
            }
            // The link's buffer was full: say that it is empty now.
            Some(Notification::Unschedule) => {
                if link.wake().await.is_err() {
                    return;
                }
            }
            Some(Notification::Disconnect(..)) => return,
            // Acknowledgements of what the router was told: clients have theirs from the session.
            Some(_) | None => (),
        }
    }
}
