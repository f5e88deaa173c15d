//! The supervisor tree as data, for the remote shell.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::PoisonError;

use crate::registry::{Entry, State};
use crate::{App, Registry};

/// A node of the tree. Figures of an inner one are sums over all that is under it, also what is not listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Branch {
    pub name: String,
    /// Empty where there is nothing to say.
    pub status: String,
    pub processes: usize,
    /// Inputs waiting.
    pub mailbox: usize,
    pub steps: u64,
    pub restarts: u64,
    pub under: Vec<Branch>,
}

impl Branch {
    fn named(name: impl Into<String>) -> Branch {
        Branch { name: name.into(), ..Branch::default() }
    }

    fn add(&mut self, other: &Branch) {
        self.processes += other.processes;
        self.mailbox += other.mailbox;
        self.steps += other.steps;
        self.restarts += other.restarts;
    }

    fn put(&mut self, branch: Branch) {
        self.add(&branch);
        self.under.push(branch);
    }

    /// The branch at a path, made where it is missing.
    fn at(&mut self, path: &str) -> &mut Branch {
        path.split('/').fold(self, |branch, name| {
            if !branch.under.iter().any(|b| b.name == name) {
                branch.under.push(Branch::named(name));
            }
            branch.under.iter_mut().find(|b| b.name == name).expect("it was put there if it was missing")
        })
    }
}

impl<A: App> Registry<A> {
    /// The tree under `root`: the parts, the ring threads, their kinds, and of each kind at most `limit` processes,
    /// the fullest mailboxes first, then the most restarts.
    pub fn tree(&self, root: &str, limit: usize) -> Branch {
        let mut rings: Vec<BTreeMap<&'static str, Vec<Branch>>> = vec![BTreeMap::new(); self.threads];
        for entry in &self.entries {
            if let Some(kinds) = rings.get_mut(entry.thread) {
                kinds.entry(A::kind(&entry.name)).or_default().push(leaf(&entry));
            }
        }

        let mut tree = Branch::named(root);
        for (path, status) in self.parts.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            tree.at(path).status.clone_from(status);
        }
        for (thread, kinds) in rings.into_iter().enumerate() {
            let mut ring = Branch::named(format!("ring {}", thread + 1));
            ring.status = self.nodes_on(thread);
            for (kind, processes) in kinds {
                ring.put(shorten(kind, processes, limit));
            }
            tree.put(ring);
        }
        tree
    }

    fn nodes_on(&self, thread: usize) -> String {
        let names: Vec<_> = self.ring.names().iter().skip(thread).step_by(self.threads).map(String::as_str).collect();
        names.join(" ")
    }
}

fn leaf<A: App>(entry: &Entry<A>) -> Branch {
    let status = match entry.state() {
        State::Down => "down",
        State::Alive => "alive",
        State::Barred => "barred",
    };
    Branch {
        name: entry.name.to_string(),
        status: status.to_owned(),
        processes: 1,
        mailbox: entry.waiting(),
        steps: entry.steps(),
        restarts: entry.restarts().into(),
        under: Vec::new(),
    }
}

fn shorten(kind: &str, mut processes: Vec<Branch>, limit: usize) -> Branch {
    let mut branch = Branch::named(kind);
    processes.iter().for_each(|process| branch.add(process));
    processes.sort_by(|a, b| {
        let rank = |p: &Branch| (Reverse(p.mailbox), Reverse(p.restarts));
        rank(a).cmp(&rank(b)).then_with(|| a.name.cmp(&b.name))
    });
    processes.truncate(limit);
    branch.under = processes;
    branch
}
