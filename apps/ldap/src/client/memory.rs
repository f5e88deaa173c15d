//! What was found, for the time in which no server can be asked.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Person;

/// People that are remembered; beyond, those found first are forgotten.
const PEOPLE_MAX: usize = 10_000;

pub(super) struct Memory {
    keep: Duration,
    people: Mutex<HashMap<String, (Instant, Person)>>,
}

impl Memory {
    pub(super) fn new(keep: Duration) -> Memory {
        Memory { keep, people: Mutex::default() }
    }

    /// What the directory has just said.
    pub(super) fn keep(&self, key: &str, person: Option<&Person>) {
        let mut people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(person) = person else {
            people.remove(key);
            return;
        };
        if people.len() >= PEOPLE_MAX && !people.contains_key(key) {
            let mut times: Vec<Instant> = people.values().map(|(at, _)| *at).collect();
            let (_, middle, _) = times.select_nth_unstable(PEOPLE_MAX / 2);
            let middle = *middle;
            people.retain(|_, (at, _)| *at > middle);
        }
        people.insert(key.to_owned(), (Instant::now(), person.clone()));
    }

    /// What it said last, unless that is too long ago.
    pub(super) fn recall(&self, key: &str) -> Option<Person> {
        let people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
        people.get(key).filter(|(at, _)| at.elapsed() < self.keep).map(|(_, person)| person.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_bounded_ends_and_is_replaced() {
        let (memory, person) = (Memory::new(Duration::from_secs(3600)), Person::default());
        for n in 0..=PEOPLE_MAX {
            memory.keep(&n.to_string(), Some(&person));
        }
        assert!(memory.people.lock().unwrap().len() <= PEOPLE_MAX);
        let last = PEOPLE_MAX.to_string();
        assert_eq!(memory.recall(&last), Some(person.clone()));
        memory.keep(&last, None);
        assert_eq!(memory.recall(&last), None);

        let brief = Memory::new(Duration::ZERO);
        brief.keep("ann", Some(&person));
        assert_eq!(brief.recall("ann"), None);
    }
}
