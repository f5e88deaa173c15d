//! The end of a round: writes first, then what was sent.

use std::ops::Range;

use kvs::Ticket;

use crate::effects::Post;
use crate::net::Item;
use crate::node::Node;
use crate::{App, Bounce};

/// A step since the last commit that did not fail.
pub(crate) struct Step<A: App> {
    pub(crate) slot: u32,
    pub(crate) bounce: Option<Bounce<A>>,
    /// Behind its last post.
    pub(crate) end: usize,
}

/// The slot of a bounce, which stands whatever becomes of the process.
pub(crate) const NOBODY: u32 = u32::MAX;

/// Steps of one process that count for nothing: the first one's writes were refused by the store.
pub(crate) struct Void {
    pub(crate) slot: u32,
    pub(crate) steps: Range<usize>,
}

impl<A: App> Node<A> {
    /// Applies what the round wrote, then lets go what it sent, then ends what asked to end.
    pub(crate) fn commit(&mut self) {
        self.ahead.apply();
        self.net.registry.end_round(self.index);
        self.heed_lost(NOBODY);
        if !self.voids.is_empty() {
            self.drop_void();
        }
        self.steps.clear();
        for words in self.last_words.drain(..) {
            self.fx.bounce(words);
        }

        let ticket = self.ahead.store().applied();
        if self.ahead.has_applied() && self.unflushed.is_none() {
            self.unflushed = Some((ticket, self.now));
        }
        let mut posts = std::mem::take(&mut self.fx.posts);
        for post in posts.drain(..) {
            self.send(post, ticket);
        }
        self.fx.posts = posts;

        while let Some(id) = self.stops.pop() {
            self.end(id);
        }
    }

    /// Drops what void steps sent and bounces their inputs. Everything else stands.
    fn drop_void(&mut self) {
        let voids = std::mem::take(&mut self.voids);
        let mut posts = std::mem::take(&mut self.fx.posts).into_iter();
        let mut begin = 0;
        for (number, step) in std::mem::take(&mut self.steps).into_iter().enumerate() {
            let own = posts.by_ref().take(step.end - begin);
            begin = step.end;
            if voids.iter().any(|void| void.slot == step.slot && void.steps.contains(&number)) {
                own.for_each(drop);
                step.bounce.into_iter().for_each(|bounce| self.fx.bounce(bounce));
            } else {
                self.fx.posts.extend(own);
            }
        }
    }

    fn send(&mut self, post: Post<A>, ticket: Ticket) {
        match post {
            Post::Emit { output, patient } => self.gate.push(ticket, output, patient.then_some(self.now)),
            Post::Tell { name, letter } => {
                let Some(entry) = self.net.registry.admit(&name, usize::MAX) else {
                    return;
                };
                if entry.thread == self.index {
                    self.deliver(&entry, letter);
                } else if let Some(items) = self.outgoing.get_mut(entry.thread) {
                    items.push(Item::Tell(entry, letter));
                }
            }
            Post::Publish { group, input, copy } => self.publish(group, input, copy),
        }
    }

    fn publish(&mut self, group: A::Group, input: A::Input, copy: fn(&A::Input) -> A::Input) {
        let mut threads = Vec::new();
        self.net.registry.threads_of(&group, &mut threads);
        for thread in threads {
            if thread == self.index {
                self.spread(&group, copy(&input), copy);
            } else if let Some(items) = self.outgoing.get_mut(thread) {
                items.push(Item::Publish { group: group.clone(), input: copy(&input), copy });
            }
        }
    }
}
