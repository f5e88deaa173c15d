//! One step of one process, its success and its failure.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tracing::{debug, error};

use crate::commit::{NOBODY, Step, Void};
use crate::effects::{GROUPS_MAX, Letter, Membership, Post, TIMERS_MAX};
use crate::node::Node;
use crate::registry::State;
use crate::slots::Slot;
use crate::{App, Bounce, Cx, Effects, Failure};

/// How a step went that did not fail.
enum Done {
    Well,
    /// There is nothing to run under this name.
    Nobody,
}

impl<A: App> Node<A> {
    pub(crate) fn step(&mut self, id: u32, letter: Letter<A::Input>) {
        let mark = self.fx.posts.len();
        let Some(slot) = self.slots.get_mut(id) else { return };
        let Letter { input, bounced } = letter;
        let entry = &slot.entry;
        let bounce = if bounced { None } else { self.app.bounce(&entry.name, &input) };
        if slot.restarts.is_barred(self.now) {
            return self.send_bounce(bounce);
        }

        let cx = Cx {
            now: self.now,
            name: &entry.name,
            store: &self.ahead,
            ids: &self.ids,
            random: &*self.random,
            registry: &self.net.registry,
        };
        let loaded = slot.process.is_some();
        let done = catch_unwind(AssertUnwindSafe(|| play(&*self.app, &cx, &mut self.fx, &mut slot.process, input)));
        if !loaded && slot.process.is_some() && !self.fx.stop {
            entry.set_state(State::Alive);
        }
        self.ahead.look_up();
        if self.heed_lost(id) {
            self.fx.drop_step(mark);
            return self.send_bounce(bounce);
        }
        match done {
            Ok(Ok(Done::Well)) => self.accept(id, mark, bounce),
            Ok(Ok(Done::Nobody)) => self.decline(id, mark, bounce),
            Ok(Err(failure)) => self.refuse(id, mark, bounce, failure),
            Err(_) => self.refuse(id, mark, bounce, "it panicked".into()),
        }
    }

    /// Ends the processes of earlier steps whose writes the store has refused meanwhile; true when `id` is one.
    pub(crate) fn heed_lost(&mut self, id: u32) -> bool {
        let mut own = false;
        for lost in self.ahead.lost() {
            own |= lost.slot == id;
            self.fail(lost.slot, &lost.failure);
            self.voids.push(Void { slot: lost.slot, steps: lost.step..self.steps.len() });
        }
        own
    }

    fn accept(&mut self, id: u32, mark: usize, bounce: Option<Bounce<A>>) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        if let Err(failure) = check(slot, &self.fx) {
            return self.refuse(id, mark, bounce, failure);
        }

        if !self.fx.writes.is_empty() {
            self.ahead.write(self.steps.len(), id, &mut self.fx.writes);
        }
        let own = |post: &Post<A>| matches!(post, Post::Tell { name, .. } if *name == slot.entry.name);
        slot.goes_on |= self.fx.posts.iter().skip(mark).any(own);
        slot.timers += self.fx.timers.len();
        for (at, input) in self.fx.timers.drain(..) {
            self.timers.set(at, id, slot.life, input);
        }
        if std::mem::take(&mut self.fx.stop) {
            slot.stopping = true;
            self.stops.push(id);
            // Before it leaves its groups: others are not to find it in none, and there.
            slot.entry.set_state(State::Down);
        }
        if !self.fx.groups.is_empty() {
            self.change_groups(id);
        }
        self.steps.push(Step { slot: id, bounce, end: self.fx.posts.len() });
    }

    fn change_groups(&mut self, id: u32) {
        let mut changes = std::mem::take(&mut self.fx.groups);
        for (group, change) in changes.drain(..) {
            let Some(slot) = self.slots.get_mut(id) else { break };
            match change {
                Membership::Join if slot.groups.insert(group.clone()) => {
                    self.net.registry.join(&group, self.index);
                    self.members.entry(group).or_default().insert(id);
                }
                Membership::Leave if slot.groups.remove(&group) => self.quit(&group, id),
                // It is so already.
                Membership::Join | Membership::Leave => {}
            }
        }
        self.fx.groups = changes;
    }

    /// `start` said that nobody is to run under this name.
    fn decline(&mut self, id: u32, mark: usize, bounce: Option<Bounce<A>>) {
        self.fx.drop_step(mark);
        self.stops.push(id);
        self.send_bounce(bounce);
    }

    /// Drops what the step did and its process, which the next input loads afresh.
    fn refuse(&mut self, id: u32, mark: usize, bounce: Option<Bounce<A>>, failure: Failure) {
        self.fx.drop_step(mark);
        self.fail(id, &failure);
        self.send_bounce(bounce);
    }

    fn send_bounce(&mut self, bounce: Option<Bounce<A>>) {
        if let Some(bounce) = bounce {
            self.fx.bounce(bounce);
            self.steps.push(Step { slot: NOBODY, bounce: None, end: self.fx.posts.len() });
        }
    }

    /// Ends a process that failed, and bars it when it does so too often.
    pub(crate) fn fail(&mut self, id: u32, failure: &Failure) {
        self.hear_last_words(id);
        self.unload(id, State::Down);
        let now = self.now;
        let Some(slot) = self.slots.get_mut(id) else { return };
        slot.entry.failed();
        // Names are of people: not for everybody who reads a log.
        let (name, kind) = (&slot.entry.name, A::kind(&slot.entry.name));
        if slot.restarts.note(now) {
            slot.entry.set_state(State::Barred);
            error!(kind, %failure, "process failed too often; its inputs are bounced for a while");
        } else {
            error!(kind, %failure, "process failed; the next input loads it afresh");
        }
        debug!(%name, "it was this one");
    }

    fn hear_last_words(&mut self, id: u32) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        if let Some(process) = &slot.process {
            let words = catch_unwind(AssertUnwindSafe(|| self.app.last_words(&slot.entry.name, process)));
            self.last_words.extend(words.unwrap_or_default());
        }
    }
}

/// Loads the process if it is not there, and steps it.
fn play<A: App>(
    app: &A,
    cx: &Cx<'_, A>,
    fx: &mut Effects<A>,
    process: &mut Option<A::Process>,
    input: A::Input,
) -> Result<Done, Failure> {
    let loaded = match process {
        Some(loaded) => loaded,
        None => {
            let fresh = app.start(cx, cx.name, fx)?;
            if fx.stop {
                return Ok(Done::Nobody);
            }
            process.insert(fresh)
        }
    };
    app.step(loaded, cx, fx, input)?;
    Ok(Done::Well)
}

fn check<A: App>(slot: &Slot<A>, fx: &Effects<A>) -> Result<(), Failure> {
    if slot.timers + fx.timers.len() > TIMERS_MAX {
        return Err("it set more timers than a process may have".into());
    }
    if slot.groups.len() + fx.groups.len() > GROUPS_MAX {
        return Err("it joined more groups than a process may be in".into());
    }
    Ok(())
}
