//! Random days: a seed says what happens in each of many steps. A day that goes wrong is played again with fewer steps, as long as it
//! still goes wrong: what is left is told.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::num::NonZero;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Seeds that are played; `CHAT_SEEDS` asks for more (the nightly form: 1000), `CHAT_SEED` for one alone, `CHAT_STEPS` for some of its steps.
const SEEDS: u64 = 50;
/// Days that the search for fewer steps may take.
const PLAYS_MAX: usize = 400;

/// What was done on a day, line by line.
#[derive(Debug, Clone, Default)]
pub struct Log {
    lines: Rc<RefCell<Vec<String>>>,
    /// Some steps are played again: what comes is told too.
    pub is_whole: bool,
}

impl Log {
    pub fn line(&self, text: impl Into<String>) {
        self.lines.borrow_mut().push(text.into());
    }

    fn text(&self) -> String {
        self.lines.borrow().iter().fold(String::new(), |mut text, line| {
            let _ = writeln!(text, "  {line}");
            text
        })
    }
}

/// SplitMix64. Each step of a day has numbers of its own, so that the others are what they were without it.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64, step: usize) -> Random {
        let mut random = Random(seed);
        Random(random.next() ^ (step as u64).wrapping_mul(0xd134_2543_de82_ef95))
    }

    /// A number below `bound`; 0 if there is none.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % (bound.max(1) as u64)).unwrap_or(0)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Plays a day of `steps` under every seed; what each gave. `test` is how cargo finds it.
///
/// # Panics
/// With the first day that goes wrong, its fewest steps, and how to play them again.
pub fn days<T: Send>(
    test: &str,
    steps: usize,
    play: impl Fn(u64, &[usize], &Log) -> Result<T, String> + Sync,
) -> Vec<T> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("CHAT_SEED") {
        Some(seed) => seed..seed.saturating_add(1),
        None => 0..number("CHAT_SEEDS").unwrap_or(SEEDS),
    };
    let chosen = std::env::var("CHAT_STEPS").ok();
    let steps: Vec<usize> = match &chosen {
        Some(list) => list.split(',').filter_map(|step| step.trim().parse().ok()).collect(),
        None => (0..steps).collect(),
    };
    let day = |seed, steps: &[usize]| {
        let log = Log { is_whole: chosen.is_some(), ..Log::default() };
        let played = catch_unwind(AssertUnwindSafe(|| play(seed, steps, &log)));
        let played = played.unwrap_or_else(|panic| Err(said(&*panic)));
        played.map_err(|why| (why, log))
    };
    let played = side_by_side(seeds, |seed| day(seed, &steps).map_err(|_| seed));
    let Some(seed) = played.iter().filter_map(|gave| gave.as_ref().err().copied()).min() else {
        return played.into_iter().filter_map(Result::ok).collect();
    };
    let few = quietly(|| least(&steps, |steps| day(seed, steps).is_err()));
    let Err((why, log)) = day(seed, &few) else { panic!("seed {seed} goes wrong only at times") };
    let list: Vec<String> = few.iter().map(usize::to_string).collect();
    panic!(
        "{why}\nthe fewest steps with which it goes so, or otherwise, wrong:\n{}(again: CHAT_SEED={seed} CHAT_STEPS={} cargo test -p {test})",
        log.text(),
        list.join(",")
    )
}

/// What every seed gives, in no order: on each core one is played. After one that goes wrong no more are begun.
fn side_by_side<T: Send>(seeds: Range<u64>, play: impl Fn(u64) -> Result<T, u64> + Sync) -> Vec<Result<T, u64>> {
    let (next, is_over) = (AtomicU64::new(seeds.start), AtomicBool::new(false));
    let player = || {
        let mut given = Vec::new();
        while !is_over.load(Relaxed) {
            let seed = next.fetch_add(1, Relaxed);
            if seed >= seeds.end {
                break;
            }
            let gave = play(seed);
            is_over.fetch_or(gave.is_err(), Relaxed);
            given.push(gave);
        }
        given
    };
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        let players: Vec<_> = (0..threads).map(|_| scope.spawn(player)).collect();
        players.into_iter().flat_map(|player| player.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

/// What is left of `steps` when nothing more can be left out, in larger pieces first.
fn least(steps: &[usize], goes_wrong: impl Fn(&[usize]) -> bool) -> Vec<usize> {
    let mut left = steps.to_vec();
    let mut plays = 0;
    let mut piece = left.len();
    while piece > 0 {
        let mut at = 0;
        while at < left.len() && plays < PLAYS_MAX {
            let end = left.len().min(at + piece);
            let fewer: Vec<usize> = left.iter().take(at).chain(left.iter().skip(end)).copied().collect();
            plays += 1;
            match goes_wrong(&fewer) {
                true => left = fewer,
                false => at = end,
            }
        }
        piece /= 2;
    }
    left
}

thread_local! {
    /// This thread's panics are expected, and not told.
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Does this without a word of the panics that are caught in it. Those of other threads, which may be other tests, are told as ever.
fn quietly<T>(act: impl FnOnce() -> T) -> T {
    static FILTER: Once = Once::new();
    FILTER.call_once(|| {
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !IS_QUIET.get() {
                tell(panic);
            }
        }));
    });
    IS_QUIET.set(true);
    let done = act();
    IS_QUIET.set(false);
    done
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_matter_is_left_out() {
        let steps: Vec<usize> = (0..100).collect();
        assert_eq!(least(&steps, |steps| steps.contains(&17) && steps.contains(&62)), [17, 62]);
        assert_eq!(least(&steps, |_| true), [0; 0]);
    }

    #[test]
    fn a_step_has_the_same_numbers_whatever_was_before() {
        let numbers = |step| (0..4).map(|_| Random::new(7, step).below(1000)).collect::<Vec<_>>();
        assert_eq!(numbers(3), numbers(3));
        assert_ne!(numbers(3), numbers(4));
    }

    #[test]
    fn each_seed_is_played_once() {
        let mut played = side_by_side(3..200, Ok);
        played.sort_unstable();
        assert_eq!(played, (3..200).map(Ok).collect::<Vec<_>>());
    }

    #[test]
    #[should_panic(expected = "CHAT_SEED=0 CHAT_STEPS=4,9 cargo test")]
    fn a_day_that_goes_wrong_tells_its_fewest_steps() {
        days("scene", 20, |_, steps, log| {
            steps.iter().for_each(|step| log.line(step.to_string()));
            if steps.contains(&4) && steps.contains(&9) { Err("wrong".to_owned()) } else { Ok(()) }
        });
    }
}
