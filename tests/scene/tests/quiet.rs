//! The search for the fewest steps of a day is silent, and nobody else is silenced by it. Alone in its program: it listens to all panics.

use std::panic::{catch_unwind, set_hook, take_hook};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

#[test]
fn while_fewer_steps_are_looked_for_panics_of_other_threads_are_told() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (hears, before) = (heard.clone(), take_hook());
    set_hook(Box::new(move |panic| {
        let text = panic.payload().downcast_ref::<&str>().copied().unwrap_or_default().to_owned();
        hears.lock().unwrap_or_else(PoisonError::into_inner).push(text);
        before(panic);
    }));
    let plays = AtomicUsize::new(0);
    let day = std::panic::AssertUnwindSafe(|| {
        scene::days("scene --test quiet", 4, |seed, _, _| -> Result<(), String> {
            if seed != 7 {
                return Ok(());
            }
            plays.fetch_add(1, Relaxed);
            assert!(thread::spawn(|| panic!("of another")).join().is_err());
            panic!("of the day")
        })
    });
    assert!(catch_unwind(day).is_err());
    let heard = heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let count = |text| heard.iter().filter(|heard| *heard == text).count();
    let plays = plays.into_inner();
    assert!(plays > 2, "no fewer steps were tried");
    assert_eq!(count("of another"), plays);
    assert_eq!(count("of the day"), 2, "the first play and the last are told");
}
