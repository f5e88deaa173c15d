//! A box as arithmetic: its letters are numbered one by one, new ones are put behind the last, and only the oldest go. So a box is a run
//! of places without gaps, and how many there are, or go, follows from two numbers.

/// The places of what is there: `first..next`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Run {
    first: u64,
    next: u64,
}

impl Run {
    /// From the places of the oldest and of the latest, if there are any.
    pub fn resume(oldest: Option<u64>, latest: Option<u64>) -> Run {
        match (oldest, latest) {
            (Some(first), Some(last)) => Run { first, next: last.saturating_add(1).max(first) },
            (None, _) | (_, None) => Run::default(),
        }
    }

    pub fn len(&self) -> u64 {
        self.next - self.first
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The place of a new one, unless there are `most`.
    pub fn put(&mut self, most: u64) -> Option<u64> {
        let place = (self.len() < most).then_some(self.next)?;
        self.next += 1;
        Some(place)
    }

    /// All up to this place go; how many these are.
    pub fn cut(&mut self, place: u64) -> u64 {
        let first = place.saturating_add(1).clamp(self.first, self.next);
        let gone = first - self.first;
        self.first = first;
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    proptest! {
        #[test]
        fn mail_3_mail_7_a_run_counts_as_a_queue_does(acts in proptest::collection::vec((any::<bool>(), 0_u64..12), 0..200)) {
            let (mut run, mut queue, mut drawn) = (Run::default(), VecDeque::new(), 0);
            for (put, at) in acts {
                if put {
                    let place = run.put(7);
                    prop_assert_eq!(place.is_some(), queue.len() < 7);
                    if let Some(place) = place {
                        prop_assert_eq!(place, drawn);
                        drawn += 1;
                        queue.push_back(place);
                    }
                } else if let Some(place) = queue.get(usize::try_from(at).unwrap()).copied() {
                    prop_assert_eq!(run.cut(place), at + 1);
                    queue.drain(..=usize::try_from(at).unwrap());
                    prop_assert_eq!(run.cut(place), 0, "it has gone");
                }
                prop_assert_eq!(run.len(), queue.len() as u64);
                let ends = (queue.front().copied(), queue.back().copied());
                if !queue.is_empty() {
                    prop_assert_eq!(Run::resume(ends.0, ends.1), run);
                }
            }
        }
    }
}
