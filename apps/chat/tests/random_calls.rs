//! Random days of people who say whatever the protocol has (`random_people/calls.txt`), alone and at once, with several rosters and devices,
//! while connections and acknowledgements are lost, processes are killed and the server loses power. What is refused changes nothing (G-1,
//! G-2); what is repeated has no second effect (G-7); in the end every device knows what is so (G-9), and no row is left of what is not there.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod random_days;
mod random_people;
mod tallies;

use std::collections::BTreeMap;

use random_people::{CALLS, World};

/// What happens in one course of events.
const STEPS: usize = 300;

#[test]
fn g_1_g_2_g_7_g_9_whatever_is_said_refusals_change_nothing_repeats_are_safe_and_devices_agree() {
    let days = scene::days("chat-core --test random_calls", STEPS, |seed, steps, log| {
        let mut world = World::new(seed, log);
        steps.iter().try_for_each(|step| world.step(*step))?;
        world.end()?;
        Ok(world.outcomes)
    });
    let mut outcomes = BTreeMap::<(&str, String), usize>::new();
    for (call, count) in days.iter().flatten() {
        *outcomes.entry(call.clone()).or_default() += count;
    }
    println!("{}", table(&outcomes));
    // Fewer days may be without the one or the other.
    if days.len() >= 200 {
        let never: Vec<&str> = CALLS
            .iter()
            .flatten()
            .map(|call| call.name)
            .filter(|name| !outcomes.contains_key(&(*name, "done".to_owned())))
            .filter(|name| !REFUSED.contains(name))
            .collect();
        assert!(never.is_empty(), "these never did anything: {never:?}");
    }
}

/// What is always refused: there is no storage to lend, no such call.
const REFUSED: &[&str] = &["PROFILE-7", "ROSTER-12", "FRIEND-11", "ROOM-19", "IO-3"];

/// A line for each call: how often it ended how.
fn table(outcomes: &BTreeMap<(&str, String), usize>) -> String {
    let mut lines = BTreeMap::<&str, String>::new();
    for ((call, outcome), count) in outcomes {
        lines.entry(call).or_default().push_str(&format!(" {outcome} {count}"));
    }
    lines.iter().map(|(call, line)| format!("{call}:{line}\n")).collect()
}
