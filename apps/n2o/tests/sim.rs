//! What holds for processes, in the simulator under many seeds.

mod ledger;

use kvs::Store;
use ledger::{Input, Ledger, SUMS, name, number};
use n2o::{MAILBOX_MAX, RESTARTS_MAX, Sim, TURN_INPUTS};

const SEEDS: u64 = 50;

fn sims(nodes: usize) -> impl Iterator<Item = Sim<Ledger>> {
    (0..SEEDS).map(move |seed| Sim::new(Ledger, &[SUMS], seed, nodes))
}

fn tell(sim: &mut Sim<Ledger>, to: &str, input: Input) {
    sim.tell(&name(to), input).expect("room");
}

/// Runs, and takes what was said since the last time.
fn said(sim: &mut Sim<Ledger>) -> Vec<String> {
    sim.run_until_quiet();
    sim.take_outputs().into_iter().map(|(who, what)| format!("{who}: {what}")).collect()
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

fn one_ends_alone(fault: Input) {
    for mut sim in sims(3) {
        for who in ["anna", "ben"] {
            tell(&mut sim, who, Input::Add(5));
            tell(&mut sim, who, Input::Add(2));
        }
        said(&mut sim);

        tell(&mut sim, "anna", fault.clone());
        assert_eq!(said(&mut sim), ["anna: bounced"]);

        tell(&mut sim, "anna", Input::Lives);
        tell(&mut sim, "ben", Input::Lives);
        assert_eq!(sorted(said(&mut sim)), ["anna: inputs 1 sum 7", "ben: inputs 3 sum 7"]);
    }
}

#[test]
fn pm_4_a_panic_restarts_one_process_from_the_store_and_leaves_the_others() {
    one_ends_alone(Input::Panic);
}

#[test]
fn pm_4_an_error_restarts_one_process_from_the_store_and_leaves_the_others() {
    one_ends_alone(Input::Fail);
}

#[test]
fn a_write_the_store_refuses_voids_its_step_and_no_other() {
    one_ends_alone(Input::BadWrite);
    for mut sim in sims(1) {
        tell(&mut sim, "ben", Input::Add(5));
        tell(&mut sim, "anna", Input::Add(1));
        tell(&mut sim, "anna", Input::BadWrite);
        tell(&mut sim, "anna", Input::Say(8));
        tell(&mut sim, "ben", Input::Add(2));
        tell(&mut sim, "cleo", Input::Look(name("ben")));
        let lines = said(&mut sim);
        let of = |who: &str| lines.iter().filter(|line| line.starts_with(who)).cloned().collect::<Vec<_>>();
        assert_eq!(of("ben"), ["ben: sum 5", "ben: sum 7"]);
        assert_eq!(of("anna")[..2], ["anna: sum 1", "anna: bounced"]);
        assert!(["anna: 8", "anna: bounced"].contains(&of("anna")[2].as_str()), "{lines:?}");
        assert!(!lines.contains(&name("anna: never")));
    }
}

#[test]
fn a_step_may_write_the_same_row_more_often_than_a_batch_has_changes() {
    for mut sim in sims(1).take(3) {
        tell(&mut sim, "anna", Input::Often);
        assert_eq!(said(&mut sim), ["anna: sum 65537"]);
        tell(&mut sim, "ben", Input::Look(name("anna")));
        assert_eq!(said(&mut sim), ["ben: anna has 65537"]);
    }
}

#[test]
fn a_killed_process_is_loaded_from_the_store() {
    for mut sim in sims(2) {
        tell(&mut sim, "anna", Input::Add(5));
        said(&mut sim);
        sim.kill(&name("anna"));
        tell(&mut sim, "anna", Input::Lives);
        assert_eq!(said(&mut sim), ["anna: inputs 1 sum 5"]);
    }
}

#[test]
fn what_a_step_writes_is_in_the_store_before_what_it_sends_arrives() {
    for mut sim in sims(4) {
        for n in 0..40 {
            let look = Box::new(Input::Look(format!("a{n}")));
            tell(&mut sim, &format!("a{n}"), Input::AddTell(n + 1, format!("b{}", n % 7), look));
        }
        let lines = said(&mut sim);
        let expected = (0..40).map(|n| format!("b{}: a{n} has {}", n % 7, n + 1)).collect();
        assert_eq!(sorted(lines), sorted(expected));
    }
}

#[test]
fn nothing_leaves_before_it_is_durable() {
    for mut sim in sims(3) {
        sim.hold_flush(true);
        tell(&mut sim, "anna", Input::Add(5));
        tell(&mut sim, "anna", Input::AddTell(1, name("ben"), Box::new(Input::Look(name("anna")))));
        assert!(said(&mut sim).is_empty(), "inside it has happened, outside nobody knows");
        sim.crash();
        sim.hold_flush(false);
        tell(&mut sim, "anna", Input::Lives);
        assert_eq!(said(&mut sim), ["anna: inputs 1 sum 0"]);
    }
}

#[test]
fn after_a_crash_what_was_said_is_there() {
    for (seed, mut sim) in sims(3).enumerate() {
        for round in 0..10 {
            for n in 0..30 {
                tell(&mut sim, &format!("a{}", n % 7), Input::Add(1));
            }
            sim.hold_flush((seed + round) % 3 == 0);
            sim.run_until_quiet();
            if seed % 2 == 0 {
                sim.crash()
            } else {
                sim.crash_lucky()
            }
            for (who, what) in sim.outputs() {
                let sum: u64 = what.trim_start_matches("sum ").parse().expect("a sum");
                let row = sim.store().get(SUMS, who.as_bytes()).expect("the table is there");
                assert!(row.is_some_and(|row| number(&row) >= sum), "{who}: {what}");
            }
        }
    }
}

#[test]
fn one_with_much_to_do_does_not_keep_the_others_waiting() {
    for mut sim in sims(1) {
        (0..1000).for_each(|n| tell(&mut sim, "anna", Input::Say(n)));
        tell(&mut sim, "ben", Input::Say(0));
        let lines = said(&mut sim);
        let place = lines.iter().position(|line| line == "ben: 0").expect("ben had a turn");
        // The simulator may take few inputs at a time, so ben's can be taken in last.
        assert!(place <= 1000);
        assert_eq!(lines.len(), 1001);
    }
    let mut sim = Sim::new(Ledger, &[SUMS], 1, 1);
    let both = |input: Input| Input::Publish(name("all"), Box::new(input));
    tell(&mut sim, "ben", Input::Join(name("all")));
    tell(&mut sim, "anna", Input::Join(name("all")));
    said(&mut sim);
    (0..1000).for_each(|n| tell(&mut sim, "cleo", both(Input::Say(n))));
    let lines = said(&mut sim);
    let lead = lines.iter().fold((0i64, 0i64), |(now, most), line| {
        let now = if line.starts_with("anna") { now + 1 } else { now - 1 };
        (now, most.max(now.abs()))
    });
    assert!(lead.1 <= 2 * TURN_INPUTS as i64, "one was {} ahead", lead.1);
}

#[test]
fn who_goes_on_by_letters_to_itself_lets_others_in_between() {
    for mut sim in sims(1) {
        let again = |then: Input| Input::Tell(name("anna"), Box::new(then));
        tell(&mut sim, "anna", (0..20).fold(Input::Say(20), |then, _| again(then)));
        sim.run(1);
        tell(&mut sim, "ben", Input::Say(0));
        assert_eq!(said(&mut sim), ["ben: 0", "anna: 20"]);
    }
}

#[test]
fn inputs_from_one_to_another_keep_their_order() {
    for mut sim in sims(4) {
        for n in 0..300 {
            let from = format!("from{}", n % 3);
            let input = if n % 5 == 0 {
                Input::AddTell(1, name("to"), Box::new(Input::Say(n)))
            } else {
                Input::Tell(name("to"), Box::new(Input::Say(n)))
            };
            tell(&mut sim, &from, input);
        }
        let lines = said(&mut sim);
        for from in 0..3u64 {
            let told = lines.iter().map(|line| line["to: ".len()..].parse::<u64>().expect("a number"));
            let told: Vec<_> = told.filter(|n| n % 3 == from).collect();
            assert_eq!(told.len(), 100);
            assert!(told.is_sorted());
        }
    }
}

#[test]
fn a_full_mailbox_takes_no_more_from_outside() {
    let mut sim = Sim::new(Ledger, &[SUMS], 0, 2);
    (0..MAILBOX_MAX).for_each(|_| tell(&mut sim, "anna", Input::Add(1)));
    let refused = sim.tell(&name("anna"), Input::Add(7)).expect_err("it is full");
    assert_eq!(refused.0, Input::Add(7));
    assert!(sim.tell(&name("ben"), Input::Add(1)).is_ok(), "others have room");
    sim.run_until_quiet();
    assert!(sim.tell(&name("anna"), Input::Add(1)).is_ok(), "there is room again");
}

#[test]
fn pm_8_an_idle_process_ends_and_is_loaded_when_it_is_needed() {
    for mut sim in sims(2) {
        tell(&mut sim, "anna", Input::Add(5));
        tell(&mut sim, "busy", Input::Add(5));
        tell(&mut sim, "timed", Input::Timer(900_000, Box::new(Input::Say(1))));
        said(&mut sim);
        sim.advance(n2o::IDLE_MS - 1000);
        assert!(sim.registry().is_alive(&name("anna")));
        sim.advance(n2o::IDLE_MS);
        assert!(!sim.registry().is_alive(&name("anna")), "nothing reached it for long");
        assert!(sim.registry().is_alive(&name("busy")), "its kind does not end");
        assert!(sim.registry().is_alive(&name("timed")), "it has a timer running");
        assert_eq!(sim.registry().len(), 2);
        tell(&mut sim, "anna", Input::Lives);
        assert_eq!(said(&mut sim), ["anna: inputs 1 sum 5"]);
    }
}

#[test]
fn who_has_asked_to_end_is_there_for_nobody_any_more() {
    for mut sim in sims(1) {
        tell(&mut sim, "anna", Input::Join(name("room")));
        tell(&mut sim, "ben", Input::Alive(name("anna")));
        assert_eq!(said(&mut sim), ["ben: anna true"]);
        tell(&mut sim, "anna", Input::Stop);
        tell(&mut sim, "ben", Input::Alive(name("anna")));
        tell(&mut sim, "anna", Input::Stop);
        tell(&mut sim, "ben", Input::Alive(name("anna")));
        assert_eq!(said(&mut sim), ["ben: anna false", "ben: anna false"], "loaded again, it has asked at once");
    }
}

#[test]
fn timers_fire_in_order_and_end_with_their_process() {
    for mut sim in sims(3) {
        for (after, n) in [(30, 3), (10, 1), (20, 2), (50, 5)] {
            tell(&mut sim, &format!("t{n}"), Input::Timer(after, Box::new(Input::Say(n))));
        }
        tell(&mut sim, "gone", Input::Timer(15, Box::new(Input::Say(9))));
        said(&mut sim);
        tell(&mut sim, "gone", Input::Panic);
        assert_eq!(said(&mut sim), ["gone: bounced"]);
        tell(&mut sim, "gone", Input::Say(0));
        assert_eq!(said(&mut sim), ["gone: 0"]);
        sim.advance(30);
        assert_eq!(said(&mut sim), ["t1: 1", "t2: 2", "t3: 3"]);
        sim.advance(20);
        assert_eq!(said(&mut sim), ["t5: 5"]);
    }
}

#[test]
fn news_of_a_group_reaches_all_members_on_all_nodes() {
    for mut sim in sims(4) {
        for n in 0..12 {
            tell(&mut sim, &format!("m{n}"), Input::Join(name("room")));
            tell(&mut sim, &format!("m{n}"), Input::Join(name("room")));
        }
        said(&mut sim);
        assert_eq!(sim.registry().group_size(&name("room")), 12);
        tell(&mut sim, "m3", Input::Leave(name("room")));
        tell(&mut sim, "m4", Input::Stop);
        tell(&mut sim, "m5", Input::Fail);
        assert_eq!(said(&mut sim), ["m5: bounced"]);

        tell(&mut sim, "anna", Input::Publish(name("room"), Box::new(Input::Say(7))));
        let expected = [0, 1, 2, 6, 7, 8, 9, 10, 11].map(|n| format!("m{n}: 7")).to_vec();
        assert_eq!(sorted(said(&mut sim)), sorted(expected));
        tell(&mut sim, "anna", Input::Size(name("room")));
        assert_eq!(said(&mut sim), ["anna: size 9"]);
    }
}

#[test]
fn a_process_that_fails_again_and_again_is_barred_for_a_while() {
    for mut sim in sims(2) {
        for _ in 0..RESTARTS_MAX {
            tell(&mut sim, "anna", Input::Fail);
            assert_eq!(said(&mut sim), ["anna: bounced"]);
        }
        tell(&mut sim, "anna", Input::Say(1));
        assert_eq!(said(&mut sim), ["anna: 1"], "so many are borne");
        tell(&mut sim, "anna", Input::Fail);
        tell(&mut sim, "anna", Input::Say(2));
        tell(&mut sim, "ben", Input::Say(3));
        assert_eq!(sorted(said(&mut sim)), ["anna: bounced", "anna: bounced", "ben: 3"]);
        let tree = sim.registry().tree("chat", 10);
        assert_eq!(tree.restarts, RESTARTS_MAX as u64 + 1);
        assert!(format!("{tree:?}").contains("barred"));

        sim.advance(n2o::BARRED_MS);
        tell(&mut sim, "anna", Input::Say(4));
        assert_eq!(said(&mut sim), ["anna: 4"]);
    }
}

#[test]
fn who_waits_for_a_process_that_fails_is_told_behind_all_that_it_had_said() {
    for fault in [Input::Panic, Input::Fail, Input::BadWrite] {
        for mut sim in sims(2) {
            tell(&mut sim, "anna", Input::Heir(name("ben")));
            tell(&mut sim, "anna", Input::Add(1));
            tell(&mut sim, "anna", fault.clone());
            let lines = said(&mut sim);
            let of = |who: &str| lines.iter().filter(|line| line.starts_with(who)).cloned().collect::<Vec<_>>();
            assert_eq!(of("anna"), ["anna: sum 1", "anna: bounced", "anna: farewell"]);
            assert_eq!(of("ben"), ["ben: 3"]);
        }
    }
}

#[test]
fn a_killed_process_says_its_last_words_without_any_input() {
    for mut sim in sims(2) {
        tell(&mut sim, "anna", Input::Heir(name("ben")));
        said(&mut sim);
        sim.kill(&name("anna"));
        assert_eq!(sorted(said(&mut sim)), ["anna: farewell", "ben: 1"]);
    }
}

#[test]
fn failures_far_apart_do_not_bar() {
    let mut sim = Sim::new(Ledger, &[SUMS], 0, 1);
    for _ in 0..20 {
        tell(&mut sim, "anna", Input::Fail);
        said(&mut sim);
        sim.advance(n2o::RESTARTS_MS / RESTARTS_MAX as u64);
    }
    tell(&mut sim, "anna", Input::Say(1));
    assert_eq!(said(&mut sim), ["anna: 1"]);
}

#[test]
fn where_nobody_is_to_run_the_input_bounces_and_no_trace_stays() {
    let mut sim = Sim::new(Ledger, &[SUMS], 0, 2);
    (0..20).for_each(|_| tell(&mut sim, "nobody", Input::Say(1)));
    assert_eq!(said(&mut sim), vec!["nobody: bounced"; 20]);
    assert_eq!(sim.registry().len(), 0);
    tell(&mut sim, "broken", Input::Say(1));
    assert_eq!(said(&mut sim), ["broken: bounced"]);
}

#[test]
fn what_bounced_does_not_bounce_again() {
    let mut sim = Sim::new(Ledger, &[SUMS], 0, 2);
    // It never starts, so the tell bounces to anna as a panic, whose own bounce would be an output.
    tell(&mut sim, "broken", Input::Tell(name("anna"), Box::new(Input::Say(1))));
    assert!(said(&mut sim).is_empty());
    assert_eq!(sim.registry().tree("chat", 1).restarts, 2);
}

#[test]
fn ids_rise_and_are_not_given_again_after_a_crash() {
    for mut sim in sims(3) {
        let mut last = 0;
        for round in 0..5 {
            (0..10).for_each(|n| tell(&mut sim, &format!("a{n}"), Input::AddTell(1, name("ids"), Box::new(Input::Id))));
            for line in said(&mut sim) {
                let id: u64 = line.rsplit(' ').next().expect("words").parse().expect("an id");
                assert!(id > last, "{id} after {last} in round {round}");
                last = id;
            }
            sim.crash();
        }
    }
}

#[test]
fn work_is_behind_an_id_when_every_round_that_may_have_drawn_it_is_in_the_store() {
    for mut sim in sims(3) {
        let mut before = 0;
        for _ in 0..5 {
            (0..10).for_each(|n| tell(&mut sim, &format!("a{}", n % 3), Input::Settled));
            let lines = said(&mut sim);
            let mut drawn: Vec<[u64; 2]> = lines.iter().map(|line| last_two(line)).collect();
            drawn.sort_by_key(|[_, id]| *id);
            assert_eq!(drawn[0], [before, before + 1], "nothing is under way but this round");
            for [settled, id] in drawn {
                assert!((before..id).contains(&settled), "{settled} is settled though {id} is not written yet");
                before = before.max(settled);
            }
            tell(&mut sim, "a0", Input::Id);
            before = said(&mut sim).iter().map(|line| last_two(line)[0]).sum();
        }
    }
}

/// The last number of a line, and what is before it, if that is one.
fn last_two(line: &str) -> [u64; 2] {
    let mut words = line.rsplit(' ').map(|word| word.parse().unwrap_or_default());
    [words.next().unwrap_or_default(), words.next().unwrap_or_default()]
}

fn trace(seed: u64) -> Vec<String> {
    let mut sim = Sim::new(Ledger, &[SUMS], seed, 4);
    for n in 0..200 {
        let to = format!("a{}", n % 13);
        tell(&mut sim, &format!("a{}", n % 17), Input::AddTell(1, to.clone(), Box::new(Input::Add(n))));
        tell(&mut sim, &to, Input::Timer(n % 11, Box::new(Input::Random)));
        if n % 50 == 0 {
            sim.crash_lucky();
        }
    }
    sim.advance(20);
    said(&mut sim)
}

#[test]
fn one_seed_gives_one_course_of_events() {
    for seed in 0..5 {
        assert_eq!(trace(seed), trace(seed));
    }
    assert_ne!(trace(1), trace(2));
}

#[test]
fn the_tree_shows_parts_rings_kinds_and_processes() {
    let mut sim = Sim::new(Ledger, &[SUMS], 0, 2);
    let listeners = sim.registry().part("listeners/tcp", "127.0.0.1:1883");
    (0..10).for_each(|n| tell(&mut sim, &format!("a{n}"), Input::Say(n)));
    sim.run_until_quiet();

    let tree = sim.registry().tree("chat", 3);
    let names: Vec<_> = tree.under.iter().map(|branch| branch.name.as_str()).collect();
    assert_eq!(names, ["listeners", "ring 1", "ring 2"]);
    assert_eq!(tree.under[0].under[0].status, "127.0.0.1:1883");
    assert_eq!((tree.processes, tree.steps, tree.mailbox), (10, 10, 0));
    assert!(tree.under[1..].iter().flat_map(|ring| &ring.under).all(|kind| kind.under.len() <= 3));
    drop(listeners);
    assert_eq!(sim.registry().tree("chat", 3).under.len(), 2);
}
