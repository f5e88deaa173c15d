//! What was found, for the time in which no server can be asked.

use std::collections::{HashMap, HashSet};
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

    /// What the directory has just said of who has one of these keys; the first is what it is remembered by.
    pub(super) fn keep(&self, keys: &[&str], person: Option<&Person>) {
        let Some(key) = keys.first().copied() else { return };
        let mut people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(person) = person else {
            // Whoever that was is remembered by none of his keys.
            let gone = people.remove(key).map(|(_, person)| person.dn);
            let is_key = |own: &String| keys.iter().any(|key| own.eq_ignore_ascii_case(key));
            people.retain(|_, (_, own)| gone.as_ref() != Some(&own.dn) && !own.keys.iter().any(is_key));
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

    /// Forgets all others.
    pub(super) fn keep_only(&self, those: &[Person]) {
        let there: HashSet<&str> = those.iter().map(|person| person.dn.as_str()).collect();
        let mut people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
        people.retain(|_, (_, person)| there.contains(person.dn.as_str()));
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
            memory.keep(&[&n.to_string()], Some(&person));
        }
        assert!(memory.people.lock().unwrap().len() <= PEOPLE_MAX);
        let last = PEOPLE_MAX.to_string();
        assert_eq!(memory.recall(&last), Some(person.clone()));
        memory.keep(&[&last], None);
        assert_eq!(memory.recall(&last), None);
        memory.keep(&[&last], Some(&person));
        memory.keep_only(&[]);
        assert_eq!(memory.recall(&last), None);

        let brief = Memory::new(Duration::ZERO);
        brief.keep(&["ann"], Some(&person));
        assert_eq!(brief.recall("ann"), None);
    }

    #[test]
    fn who_has_gone_is_remembered_by_no_key() {
        let memory = Memory::new(Duration::from_secs(3600));
        let person =
            |name: &str| Person { dn: format!("uid={name}"), keys: vec![name.to_owned()], ..Person::default() };
        let (ann, ben) = (person("ann"), person("ben"));
        for (keys, person) in [(["ann"], &ann), (["ann@chat.example"], &ann), (["ben"], &ben)] {
            memory.keep(&keys, Some(person));
        }
        // By a key under which nobody was looked for before.
        memory.keep(&["+1", "ANN"], None);
        assert_eq!((memory.recall("ann"), memory.recall("ann@chat.example")), (None, None));

        memory.keep(&["ben@chat.example"], Some(&ben));
        memory.keep(&["ben@chat.example"], None);
        assert_eq!(memory.recall("ben"), None);
    }
}
