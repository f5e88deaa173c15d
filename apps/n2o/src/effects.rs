//! What a step wants to happen: collected here, performed by the node once the step has succeeded.

use bytes::Bytes;
use kvs::{Batch, Op, Table};

use crate::{App, Bounce, Time};

/// Timers one process may have running; a step that would exceed it fails.
pub const TIMERS_MAX: usize = 1024;
/// Groups one process may be in; a step that would exceed it fails.
pub const GROUPS_MAX: usize = 8192;

/// Writes and sends of a step, in the order they were asked for.
pub struct Effects<A: App> {
    /// This step's writes.
    pub(crate) writes: Batch,
    /// Sends of all steps since the last commit, this step's at the end: nothing is moved when a step succeeds.
    pub(crate) posts: Vec<Post<A>>,
    pub(crate) timers: Vec<(Time, A::Input)>,
    pub(crate) groups: Vec<(A::Group, Membership)>,
    pub(crate) stop: bool,
}

/// Something sent, on its way.
pub(crate) enum Post<A: App> {
    Tell { name: A::Name, letter: Letter<A::Input> },
    Publish { group: A::Group, input: A::Input, copy: fn(&A::Input) -> A::Input },
    Emit { output: A::Output, patient: bool },
}

/// An input in a mailbox.
pub(crate) struct Letter<I> {
    pub(crate) input: I,
    /// It is what became of a failed step, so a second failure ends the matter.
    pub(crate) bounced: bool,
}

impl<I> Letter<I> {
    pub(crate) fn new(input: I) -> Self {
        Self { input, bounced: false }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Membership {
    Join,
    Leave,
}

impl<A: App> Effects<A> {
    /// Writes a row; it is in the store before any send of this step goes anywhere.
    pub fn put(&mut self, table: Table, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.writes.put(table, key, value);
    }

    pub fn delete(&mut self, table: Table, key: impl Into<Bytes>) {
        self.writes.delete(table, key);
    }

    /// What this step has written so far, in order.
    pub fn written(&self) -> impl DoubleEndedIterator<Item = &Op> {
        self.writes.ops()
    }

    /// Puts an input into the mailbox of a process, which is loaded if it is not there.
    pub fn tell(&mut self, name: A::Name, input: A::Input) {
        self.posts.push(Post::Tell { name, letter: Letter::new(input) });
    }

    /// Tells every member the group has when this arrives at its node. One hand-over per node, not per member.
    pub fn publish(&mut self, group: A::Group, input: A::Input)
    where
        A::Input: Clone,
    {
        self.posts.push(Post::Publish { group, input, copy: A::Input::clone });
    }

    /// Sends out of the server, once everything applied so far is durable.
    pub fn emit(&mut self, output: A::Output) {
        self.posts.push(Post::Emit { output, patient: false });
    }

    /// The same for what nobody waits for: it leaves with the next flush that others ask for, or asks for one itself after
    /// [`crate::PATIENCE_MS`].
    pub fn emit_patiently(&mut self, output: A::Output) {
        self.posts.push(Post::Emit { output, patient: true });
    }

    /// Where the next send will stand, for [`Effects::outputs`].
    pub fn mark(&self) -> usize {
        self.posts.len()
    }

    /// What was emitted since a mark of this step, to be changed before it goes.
    pub fn outputs(&mut self, mark: usize) -> impl Iterator<Item = &mut A::Output> {
        self.posts.iter_mut().skip(mark).filter_map(|post| match post {
            Post::Emit { output, .. } => Some(output),
            Post::Tell { .. } | Post::Publish { .. } => None,
        })
    }

    /// Tells this process itself at a time, not before. Not kept in the store: gone when the process ends, so
    /// `start` sets it anew. It cannot be taken back: a process ignores what it no longer waits for.
    pub fn timer(&mut self, at: Time, input: A::Input) {
        self.timers.push((at, input));
    }

    /// Makes this process a member of the group until it leaves or ends. Joining twice is joining once.
    pub fn join(&mut self, group: A::Group) {
        self.groups.push((group, Membership::Join));
    }

    pub fn leave(&mut self, group: A::Group) {
        self.groups.push((group, Membership::Leave));
    }

    /// Ends this process normally after this step. Inputs still in its mailbox load it afresh.
    pub fn stop(&mut self) {
        self.stop = true;
    }

    pub(crate) fn bounce(&mut self, bounce: Bounce<A>) {
        self.posts.push(match bounce {
            Bounce::Tell(name, input) => Post::Tell { name, letter: Letter { input, bounced: true } },
            Bounce::Emit(output) => Post::Emit { output, patient: false },
        });
    }

    /// Forgets what the current step asked for; sends of earlier steps, those before `mark`, stay.
    pub(crate) fn drop_step(&mut self, mark: usize) {
        self.writes.clear();
        self.posts.truncate(mark);
        self.timers.clear();
        self.groups.clear();
        self.stop = false;
    }
}

impl<A: App> Default for Effects<A> {
    fn default() -> Self {
        Self { writes: Batch::default(), posts: Vec::new(), timers: Vec::new(), groups: Vec::new(), stop: false }
    }
}
