//! What an application tells the process model about itself, and how it fails.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::{self, Debug, Display};
use std::hash::Hash;

use crate::{Cx, Effects};

/// The kinds of process of one program, as one state machine.
///
/// Nothing here touches a clock, socket, thread or random source: all of it comes in by [`Cx`], and what should
/// happen goes out by [`Effects`].
pub trait App: Sized + Send + Sync + 'static {
    /// Names one process. Cloned with every tell: keep it small.
    type Name: Clone + Eq + Hash + Ord + Debug + Display + Send + Sync + 'static;
    /// Names a set of processes that hear the same news.
    type Group: Clone + Eq + Hash + Ord + Debug + Display + Send + Sync + 'static;
    /// What a process hears. Moved a few times on its way: box what is large.
    type Input: Send + 'static;
    /// What leaves the server: to a client's transport, to slow outside work.
    type Output: Send + 'static;
    /// The state of a process; it never leaves its thread. One enum of few kinds.
    type Process: 'static;

    /// The ring key (PM-2): processes with one key live on one node.
    fn key(name: &Self::Name) -> Cow<'_, [u8]>;

    /// The branch of the supervisor tree the process is shown under.
    fn kind(name: &Self::Name) -> &'static str;

    /// Whether the process may end when nothing reached it for [`crate::IDLE_MS`] (PM-8). One with a timer running
    /// never does.
    fn may_idle(_name: &Self::Name) -> bool {
        true
    }

    /// Loads the process from the store, at its first input or at the first one after it ended. Effects count as
    /// those of the step that follows.
    ///
    /// With `fx.stop()` there is nothing to run under this name: all effects are dropped, the input is bounced,
    /// nothing is logged.
    fn start(&self, cx: &Cx<'_, Self>, name: &Self::Name, fx: &mut Effects<Self>) -> Result<Self::Process, Failure>;

    /// Answers one input. On `Err` or panic everything the step did is dropped and the process ends.
    fn step(
        &self,
        process: &mut Self::Process,
        cx: &Cx<'_, Self>,
        fx: &mut Effects<Self>,
        input: Self::Input,
    ) -> Result<(), Failure>;

    /// What to do instead if this step fails, e.g. answer `err(internal)` to the caller. Asked before every step,
    /// so it must be cheap. What is itself a bounce is not bounced again.
    fn bounce(&self, name: &Self::Name, input: &Self::Input) -> Option<Bounce<Self>>;

    /// What a process that fails owes to others besides the input it failed at: whoever waits for it and would wait for ever. Asked
    /// once, when the process is dropped; its state may be half-changed by the step that failed.
    fn last_words(&self, _name: &Self::Name, _process: &Self::Process) -> Vec<Bounce<Self>> {
        Vec::new()
    }
}

/// What happens instead of a step that failed.
pub enum Bounce<A: App> {
    Tell(A::Name, A::Input),
    Emit(A::Output),
}

/// A fault of ours, as opposed to a refusal, which is an answer. It climbs to the host, which logs it once.
///
/// Its text must not contain what users wrote.
pub struct Failure(Box<dyn Error + Send + Sync>);

impl Failure {
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

impl From<kvs::Error> for Failure {
    fn from(cause: kvs::Error) -> Self {
        Self(Box::new(cause))
    }
}

impl From<&str> for Failure {
    fn from(cause: &str) -> Self {
        Self(cause.into())
    }
}

impl From<String> for Failure {
    fn from(cause: String) -> Self {
        Self(cause.into())
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.0, f)
    }
}

impl Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Debug::fmt(&self.0, f)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}
