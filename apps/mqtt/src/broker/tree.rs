//! Subscriptions by their filters, level by level: a topic meets those that match it and no others.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::filter;
use super::mailbox::Mailbox;
use crate::message::Message;
use crate::packet::Qos;

/// Levels of a filter; one with more is refused. A topic may have more: no walk is deeper than the filters are.
pub(crate) const LEVELS_MAX: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Tree {
    root: Node,
}

/// A level; wildcards are levels by their own names, which no topic has.
#[derive(Debug, Default)]
struct Node {
    children: HashMap<Box<str>, Node>,
    /// Of the filter that ends here.
    here: Subscribers,
}

#[derive(Debug, Default)]
pub(super) struct Subscribers {
    /// By the client's number.
    pub(super) each: HashMap<u64, Subscriber>,
    /// By their name, in whose order a client of several is shown what comes.
    pub(super) groups: BTreeMap<Box<str>, Group>,
}

/// Clients that divide what comes among them (section 4.8.2).
#[derive(Debug)]
pub(super) struct Group {
    /// The whole of it, `$share/…`.
    pub(super) filter: Arc<str>,
    members: Vec<(u64, Subscriber)>,
    turn: AtomicUsize,
}

#[derive(Debug)]
pub(super) struct Subscriber {
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) options: Options,
}

/// How a client wants what it subscribes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) qos: Qos,
    pub(crate) no_local: bool,
    pub(crate) as_published: bool,
    /// The client's own number for the subscription, told with each message.
    pub(crate) id: Option<usize>,
}

impl Tree {
    /// Adds a subscription of client `number`, or changes its options.
    pub(super) fn insert(&mut self, filter: &Arc<str>, number: u64, subscriber: Subscriber) {
        let (group, path) = filter::shared(filter).map_or((None, &**filter), |(group, path)| (Some(group), path));
        let mut node = &mut self.root;
        for level in path.split('/') {
            if !node.children.contains_key(level) {
                node.children.insert(level.into(), Node::default());
            }
            let Some(child) = node.children.get_mut(level) else { return };
            node = child;
        }
        let Some(group) = group else {
            node.here.each.insert(number, subscriber);
            return;
        };
        let fresh = || Group { filter: filter.clone(), members: Vec::new(), turn: AtomicUsize::new(0) };
        node.here.groups.entry(group.into()).or_insert_with(fresh).join(number, subscriber);
    }

    /// Takes it away, and every level that nobody needs any more.
    pub(super) fn remove(&mut self, filter: &str, number: u64) {
        let (group, path) = filter::shared(filter).map_or((None, filter), |(group, path)| (Some(group), path));
        self.root.remove(Some(path), group, number);
    }

    /// Shows the subscribers of each filter that names `topic`.
    pub(super) fn matching(&self, topic: &str, seen: &mut impl FnMut(&Subscribers)) {
        // No wildcard in the first level sees a topic that begins with `$` ([MQTT-4.7.2-1]).
        self.root.matching(Some(topic), !topic.starts_with('$'), seen);
    }

    /// Whether a filter begins with this level.
    pub(super) fn has(&self, level: &str) -> bool {
        self.root.children.contains_key(level)
    }

    /// The group of a shared filter.
    pub(super) fn group(&self, filter: &str) -> Option<&Group> {
        let (group, path) = filter::shared(filter)?;
        let mut node = &self.root;
        for level in path.split('/') {
            node = node.children.get(level)?;
        }
        node.here.groups.get(group)
    }

    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.root.is_empty()
    }
}

impl Node {
    /// `rest`: the levels below this one; `None` when it is the last.
    fn matching(&self, rest: Option<&str>, wild: bool, seen: &mut impl FnMut(&Subscribers)) {
        // `sport/#` names `sport` as well.
        if let Some(all) = self.children.get("#").filter(|_| wild) {
            seen(&all.here);
        }
        let Some(rest) = rest else {
            return seen(&self.here);
        };
        let (level, rest) = cut(rest);
        if let Some(child) = self.children.get(level) {
            child.matching(rest, true, seen);
        }
        if let Some(child) = self.children.get("+").filter(|_| wild) {
            child.matching(rest, true, seen);
        }
    }

    fn remove(&mut self, rest: Option<&str>, group: Option<&str>, number: u64) {
        let Some(rest) = rest else {
            return self.here.remove(group, number);
        };
        let (level, rest) = cut(rest);
        let Some(child) = self.children.get_mut(level) else {
            return;
        };
        child.remove(rest, group, number);
        if child.is_empty() {
            self.children.remove(level);
            shrink(&mut self.children);
        }
    }

    fn is_empty(&self) -> bool {
        self.children.is_empty() && self.here.each.is_empty() && self.here.groups.is_empty()
    }
}

fn cut(levels: &str) -> (&str, Option<&str>) {
    levels.split_once('/').map_or((levels, None), |(level, rest)| (level, Some(rest)))
}

/// Gives back what a table was once large for.
fn shrink<K: Eq + std::hash::Hash, V>(table: &mut HashMap<K, V>) {
    if table.len() * 4 < table.capacity() {
        table.shrink_to_fit();
    }
}

impl Subscribers {
    fn remove(&mut self, group: Option<&str>, number: u64) {
        let Some(name) = group else {
            self.each.remove(&number);
            return shrink(&mut self.each);
        };
        if let Some(group) = self.groups.get_mut(name) {
            group.members.retain(|(member, _)| *member != number);
            if group.members.is_empty() {
                self.groups.remove(name);
            }
        }
    }
}

impl Group {
    fn join(&mut self, number: u64, subscriber: Subscriber) {
        match self.members.iter_mut().find(|(member, _)| *member == number) {
            Some((_, known)) => *known = subscriber,
            None => self.members.push((number, subscriber)),
        }
    }

    /// Whose turn it is: of those who are connected and not behind, else of those who are not behind, else of all.
    pub(super) fn choose(&self, message: &Message) -> Option<&Subscriber> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let from = turn.checked_rem(self.members.len())?;
        let around = || {
            let (before, behind) = self.members.split_at(from);
            behind.iter().chain(before).map(|(_, member)| member)
        };
        around()
            .find(|member| member.mailbox.is_connected() && member.mailbox.has_room(message))
            .or_else(|| around().find(|member| member.mailbox.has_room(message)))
            .or_else(|| around().next())
    }
}

#[cfg(test)]
mod tests;
