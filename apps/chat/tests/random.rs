//! Random days in the simulator (DLV-1 to DLV-9, MESSAGE-1 to 7): people write, edit, delete, acknowledge, come and go, while processes
//! are killed and the server loses power. Afterwards every acknowledged message is where it must be, once.

mod random_world;

use random_world::World;

/// Seeds that are played; `CHAT_SEEDS` asks for more, `CHAT_SEED` for one alone.
const SEEDS: u64 = 50;
/// What happens in one course of events.
const STEPS: usize = 400;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Plays a day under every seed; the number of messages that were acknowledged in all of them.
fn days(transient: bool, end: fn(&mut World) -> Result<usize, String>) -> usize {
    let seeds = match number("CHAT_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("CHAT_SEEDS").unwrap_or(SEEDS),
    };
    let (mut total, mut moves) = (0, 0);
    for seed in seeds {
        let mut world = World::new(seed, transient);
        (0..STEPS).for_each(|_| world.step());
        match end(&mut world) {
            Ok(messages) => total += messages,
            Err(why) => panic!("{why}\n(again: CHAT_SEED={seed} cargo test -p chat-core --test random)"),
        }
        moves += world.moves;
    }
    // One day alone may be without.
    assert!(moves > 0 || number("CHAT_SEED").is_some(), "nobody ever moved to another number");
    total
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
