//! What a process may know while it steps: the time, the store, fresh ids, randomness, who is there.

use std::fmt;
use std::ops::Add;

use kvs::{Sequence, View};

use crate::registry::Registry;
use crate::{App, Failure};

/// Milliseconds since 1970-01-01 UTC. Never goes backwards within a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

impl Time {
    /// Milliseconds from `earlier` to here, 0 if that is later.
    pub fn since(self, earlier: Time) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<u64> for Time {
    type Output = Time;

    fn add(self, milliseconds: u64) -> Time {
        Time(self.0.saturating_add(milliseconds))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The world as one step sees it.
pub struct Cx<'a, A: App> {
    pub now: Time,
    pub name: &'a A::Name,
    /// The store with everything in it that earlier steps wrote. What this step writes is not in it yet.
    pub store: &'a dyn View,
    pub(crate) ids: &'a Sequence,
    pub(crate) random: &'a dyn Random,
    pub(crate) registry: &'a Registry<A>,
}

impl<A: App> Cx<'_, A> {
    /// A number greater than any given before, on the whole server, also before a restart. Below 2^53.
    pub fn id(&self) -> Result<u64, Failure> {
        Ok(self.ids.next()?)
    }

    /// The id up to which nothing is still to be written: no step whose writes are not applied yet has drawn this one or an earlier. So
    /// whoever is told of it by a letter finds every row that is kept under such an id, unless it was removed.
    pub fn settled(&self) -> u64 {
        self.registry.settled(self.ids.last())
    }

    /// Bytes nobody can guess in production, repeatable ones in the simulator.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes);
        bytes
    }

    /// The same world, whose store is looked at in this way.
    pub fn by<'b>(&'b self, store: &'b dyn View) -> Cx<'b, A> {
        Cx { store, ..*self }
    }

    /// How many processes are in the group now.
    pub fn group_size(&self, group: &A::Group) -> usize {
        self.registry.group_size(group)
    }

    /// Whether the process is loaded now, and has not asked to end. It may do so a moment later.
    pub fn is_alive(&self, name: &A::Name) -> bool {
        self.registry.is_alive(name)
    }
}

/// A source of random bytes: the operating system's or a seed's.
pub(crate) trait Random {
    fn fill(&self, bytes: &mut [u8]);
}
