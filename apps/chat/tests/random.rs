//! Random days in the simulator (DLV-1 to DLV-9, MESSAGE-1 to 7): people write, edit, delete, acknowledge, come and go, while processes
//! are killed and the server loses power. Afterwards every acknowledged message is where it must be, once.

mod random_days;
mod random_world;
mod tallies;

use random_world::World;

/// What happens in one course of events.
const STEPS: usize = 400;

/// Plays a day under every seed; the number of messages that were acknowledged in all of them.
fn days(transient: bool, end: fn(&mut World) -> Result<usize, String>) -> usize {
    let days = scene::days("chat-core --test random", STEPS, |seed, steps, log| {
        let mut world = World::new(seed, transient, log);
        steps.iter().for_each(|step| world.step(*step));
        let messages = end(&mut world)?;
        Ok((messages, world.moves))
    });
    // One day alone may be without.
    let moves: usize = days.iter().map(|(_, moves)| moves).sum();
    assert!(moves > 0 || days.len() < 2, "nobody ever moved to another number");
    days.iter().map(|(messages, _)| messages).sum()
}

#[test]
fn dlv_4_dlv_5_whatever_happens_every_acknowledged_message_arrives_once_and_in_order() {
    let total = days(false, World::finish);
    println!("{total} acknowledged messages, all where they must be");
    assert!(total > 0);
}

#[test]
fn dlv_6_whatever_happens_a_message_goes_when_everybody_has_had_it_and_not_before() {
    let total = days(true, World::vanish);
    println!("{total} acknowledged messages, and nothing left of them");
    assert!(total > 0);
}
