//! How long a client may say nothing (HEART, CON-12), as a value: moments go in, what is due comes out.

use tokio::time::{Duration, Instant};

/// How long is waited for what.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// One who says nothing for so long is asked whether he lives.
    pub silence: Duration,
    /// He has so long to say so.
    pub alive: Duration,
    /// One who was never anything but alive is not waited for any longer: his first message has to have come by then.
    pub first_words: Duration,
    /// A message that has been begun has to be there in this time.
    pub message: Duration,
}

impl Default for Times {
    /// A piece of a file, 256 KiB, comes at 4 KiB a second or faster.
    fn default() -> Times {
        let [silence, alive, minute] = [40, 20, 60].map(Duration::from_secs);
        Times { silence, alive, first_words: minute, message: minute }
    }
}

#[derive(Debug)]
pub(super) struct Vigil {
    times: Times,
    opened: Instant,
    has_spoken: bool,
    /// When anything came last.
    heard: Instant,
    /// When he was asked, since.
    asked: Option<Instant>,
    /// Since when the message is unfinished that he is about to say.
    begun: Option<Instant>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Not before this moment.
    Later(Instant),
    Ask,
    /// He is gone, or as good as that.
    End,
}

impl Vigil {
    pub(super) fn begin(now: Instant, times: Times) -> Vigil {
        Vigil { times, opened: now, has_spoken: false, heard: now, asked: None, begun: None }
    }

    /// A message has come.
    pub(super) fn has_spoken(&mut self, now: Instant) {
        self.has_spoken = true;
        self.begun = None;
        self.lives(now);
    }

    /// A sign of life: a ping, or the answer to one.
    pub(super) fn lives(&mut self, now: Instant) {
        self.heard = now;
        self.asked = None;
    }

    /// More has to come, of a message that has been begun or of a new one.
    pub(super) fn waits(&mut self, now: Instant, is_unfinished: bool) {
        self.begun = is_unfinished.then(|| self.begun.unwrap_or(now));
    }

    /// It is we who do not listen: nobody is to blame for that time.
    pub(super) fn rests(&mut self, now: Instant) {
        self.lives(now);
        self.begun = None;
    }

    pub(super) fn look(&mut self, now: Instant) -> Due {
        let Times { silence, alive, first_words, message } = self.times;
        let silent = self.asked.map_or(self.heard + silence, |asked| asked + alive);
        let first = (!self.has_spoken).then(|| self.opened + first_words);
        let whole = self.begun.map(|begun| begun + message);
        let ends = [first, whole].into_iter().flatten();
        match ends.min() {
            Some(end) if end <= now => Due::End,
            end if silent > now => Due::Later(end.map_or(silent, |end| end.min(silent))),
            _ if self.asked.is_some() => Due::End,
            _ => {
                self.asked = Some(now);
                Due::Ask
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Looks whenever that is due, for so long; when he was asked and when it ended, in seconds.
    fn course(
        vigil: &mut Vigil,
        from: Instant,
        seconds: u32,
        mut each: impl FnMut(&mut Vigil, Instant),
    ) -> Vec<(u32, Due)> {
        let mut due = Vec::new();
        for second in 1..=seconds {
            let now = from + SECOND * second;
            each(vigil, now);
            match vigil.look(now) {
                Due::Later(at) => assert!(at > now),
                what => due.push((second, what)),
            }
            if due.last().is_some_and(|(_, what)| *what == Due::End) {
                break;
            }
        }
        due
    }

    #[test]
    fn heart_3_who_is_silent_is_asked_and_then_left() {
        let from = Instant::now();
        let mut vigil = Vigil::begin(from, Times::default());
        vigil.has_spoken(from);
        assert_eq!(vigil.look(from), Due::Later(from + 40 * SECOND));
        assert_eq!(course(&mut vigil, from, 100, |_, _| {}), [(40, Due::Ask), (60, Due::End)]);
    }

    #[test]
    fn heart_1_who_says_that_he_lives_stays_once_he_has_said_something() {
        let from = Instant::now();
        let mut vigil = Vigil::begin(from, Times::default());
        let each = |vigil: &mut Vigil, now| {
            if vigil.asked.is_some() {
                vigil.lives(now)
            }
        };
        vigil.has_spoken(from);
        let asked = course(&mut vigil, from, 1000, each);
        assert!(asked.len() > 20 && asked.iter().all(|(_, due)| *due == Due::Ask), "{asked:?}");

        let mut mute = Vigil::begin(from, Times::default());
        assert_eq!(course(&mut mute, from, 1000, each), [(40, Due::Ask), (60, Due::End)]);
        let mut pinging = Vigil::begin(from, Times::default());
        assert_eq!(course(&mut pinging, from, 1000, Vigil::lives), [(60, Due::End)]);
    }

    #[test]
    fn con_12_a_message_that_was_begun_has_its_time_whatever_comes_between_its_frames() {
        let from = Instant::now();
        let mut vigil = Vigil::begin(from, Times::default());
        vigil.has_spoken(from);
        let each = |vigil: &mut Vigil, now| {
            vigil.lives(now);
            vigil.waits(now, true);
        };
        assert_eq!(course(&mut vigil, from, 1000, each), [(61, Due::End)]);
        // One after the other, each in its time.
        let mut vigil = Vigil::begin(from, Times::default());
        let each = |vigil: &mut Vigil, now: Instant| match (now - from).as_secs() % 50 {
            0 => vigil.has_spoken(now),
            _ => vigil.waits(now, true),
        };
        assert!(!course(&mut vigil, from, 1000, each).iter().any(|(_, due)| *due == Due::End));
    }

    #[test]
    fn heart_3_nobody_is_left_because_we_did_not_listen() {
        let from = Instant::now();
        let mut vigil = Vigil::begin(from, Times::default());
        vigil.has_spoken(from);
        vigil.waits(from, true);
        assert_eq!(course(&mut vigil, from, 1000, Vigil::rests), []);
    }
}
