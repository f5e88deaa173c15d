//! What an account has to tell its friends goes out at a pace that nobody else notices (PRESENCE-5): a slice, then other mail for some
//! milliseconds, then the next slice. So 10,000 friends take a second, three where all of them are there, and a dozen no time at all.

use std::collections::VecDeque;

use n2o::{Bounce, Failure};
use proto::ids::Phone;
use proto::limits::DEVICES;

use super::telling::Telling;
use crate::{Chat, Cx, Fx, Input, Name, Tick};

/// Milliseconds between two slices of one account.
pub(super) const PACE_MS: u64 = 4;

/// What an account's profile is telling, each a slice in turn.
#[derive(Default)]
pub(crate) struct Tellings {
    turns: VecDeque<Telling>,
    /// The timer is set that will tell the next slice.
    is_due: bool,
    /// When the latest change of presence began to be told.
    latest: u64,
}

impl Tellings {
    /// Some are told at once. What is under way about the same takes over what is newer.
    pub(crate) fn begin(&mut self, cx: &Cx<'_>, fx: &mut Fx, mut telling: Box<Telling>) -> Result<(), Failure> {
        if telling.is_relayed() {
            // As often as a device says something: each goes round by itself, as soon as others have had their turn.
            if telling.step(cx, fx)? {
                fx.tell(cx.name.clone(), Input::Telling(telling));
            }
            return Ok(());
        }
        if telling.is_presence() {
            // What an earlier life of the profile has left comes behind what was said since.
            if telling.born() < self.latest {
                return Ok(());
            }
            self.latest = telling.born();
        }
        if let Some(earlier) = self
            .turns
            .iter_mut()
            .filter(|earlier| earlier.is_replaced_by(&telling))
            .max_by_key(|earlier| earlier.born())
        {
            if earlier.born() > telling.born() {
                return Ok(());
            }
            match earlier.replace_by(*telling) {
                Some(left) => *telling = left,
                None => return Ok(()),
            }
        }
        // More sessions than an account has devices: some have gone, and tell so when their turn comes.
        let devices = self.turns.iter().filter(|telling| telling.is_for_a_device()).count();
        if devices >= 2 * DEVICES
            && telling.is_for_a_device()
            && let Some(first) = self.turns.iter().position(Telling::is_for_a_device)
        {
            self.turns.remove(first);
        }
        if telling.step(cx, fx)? {
            self.turns.push_back(*telling);
        }
        self.set_timer(cx, fx);
        Ok(())
    }

    /// The next slice.
    pub(crate) fn go_on(&mut self, cx: &Cx<'_>, fx: &mut Fx) -> Result<(), Failure> {
        self.is_due = false;
        if let Some(telling) = self.turns.front() {
            // It stays as it is while this may fail: so it is among the last words.
            let mut next = telling.clone();
            let goes_on = next.step(cx, fx)?;
            self.turns.pop_front();
            self.turns.extend(goes_on.then_some(next));
        }
        self.set_timer(cx, fx);
        Ok(())
    }

    fn set_timer(&mut self, cx: &Cx<'_>, fx: &mut Fx) {
        if !self.turns.is_empty() && !self.is_due {
            self.is_due = true;
            fx.timer(cx.now + PACE_MS, Input::Tick(Tick::TellDue));
        }
    }

    /// The profile has failed: its next life goes on with them, the newer behind the older, which would not count behind it.
    pub(crate) fn last_words(&self, own: &Phone) -> impl Iterator<Item = Bounce<Chat>> {
        let left = |telling: &Telling| Input::Telling(Box::new(telling.clone()));
        let mut turns: Vec<&Telling> = self.turns.iter().collect();
        turns.sort_by_key(|telling| telling.born());
        turns.into_iter().map(move |telling| Bounce::Tell(Name::Profile(own.clone()), left(telling)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presence_4_what_a_profile_leaves_comes_in_the_order_in_which_it_was_born() {
        let own: Phone = "38001".parse().unwrap();
        let telling = |born| Telling::there(vec![own.roster(1)], &"emqttd_38001_d".into(), born);
        let tellings = Tellings { turns: [2, 3, 1].map(telling).into(), ..Tellings::default() };
        let born = tellings.last_words(&own).map(|word| match word {
            Bounce::Tell(_, Input::Telling(telling)) => telling.born(),
            _ => 0,
        });
        assert_eq!(born.collect::<Vec<u64>>(), [1, 2, 3]);
    }
}
