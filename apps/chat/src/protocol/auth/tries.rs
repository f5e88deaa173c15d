//! What a number has had of codes and wrong codes (AUTH-1, AUTH-15), and which registrations wait for it.

use bytes::Bytes;
use proto::Refusal;
use proto::limits::{CODE_WINDOW_MS, CODES_PER_PHONE, REGISTRATION_MS, WRONG_CODES};

use crate::rows::Tries;

/// Registrations that may wait for one number; a further one puts the oldest to an end.
const WAITING_MAX: usize = 16;

/// What a wrong code leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// `invalid_sms_code` with the attempts that are left.
    Left(u64),
    /// `attempts_expired`: the registrations of this number have ended.
    Over,
}

/// AUTH-1, AUTH-15: whether the number may get one more code, which is then counted. Holds in the `dev` profile too: this is no
/// limit per second, hour, day or address (section 11).
pub(super) fn take_code(tries: &mut Tries, now: u64) -> Result<(), Refusal> {
    check_lock(tries, now)?;
    tries.codes.retain(|at| at.saturating_add(CODE_WINDOW_MS) > now);
    if tries.codes.len() >= CODES_PER_PHONE as usize {
        return Err(Refusal::AttemptsExpired);
    }
    tries.codes.push(now);
    Ok(())
}

/// AUTH-15: five wrong codes shut the number for 15 minutes.
pub(super) fn check_lock(tries: &Tries, now: u64) -> Result<(), Refusal> {
    if now < tries.locked_until { Err(Refusal::AttemptsExpired) } else { Ok(()) }
}

/// AUTH-15: counts a wrong code, over all registrations of the number together.
pub(super) fn count_wrong(tries: &mut Tries, now: u64) -> Wrong {
    tries.wrong += 1;
    match WRONG_CODES.checked_sub(tries.wrong).filter(|left| *left > 0) {
        Some(left) => Wrong::Left(left),
        None => {
            tries.wrong = 0;
            tries.locked_until = now.saturating_add(REGISTRATION_MS);
            Wrong::Over
        }
    }
}

/// Notes that a client's registration waits; gives back the client whose registration has to go for it.
pub(super) fn wait(tries: &mut Tries, client: Bytes) -> Option<Bytes> {
    // A registration that replaces its client's own has had the same wrong codes (AUTH-15).
    tries.waiting.retain(|waiting| *waiting != client);
    tries.waiting.push(client);
    (tries.waiting.len() > WAITING_MAX).then(|| tries.waiting.remove(0))
}

/// A client's registration has ended. With the last one the wrong codes are forgotten.
pub(super) fn stop_waiting(tries: &mut Tries, client: &[u8]) {
    tries.waiting.retain(|waiting| waiting != client);
    if tries.waiting.is_empty() {
        tries.wrong = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auth_1_three_codes_in_15_minutes() {
        let mut tries = Tries::default();
        for now in [0, 1, 2] {
            assert_eq!(take_code(&mut tries, now), Ok(()));
        }
        assert_eq!(take_code(&mut tries, 3), Err(Refusal::AttemptsExpired));
        assert_eq!(take_code(&mut tries, CODE_WINDOW_MS + 3), Ok(()));
        assert!(tries.codes.len() <= CODES_PER_PHONE as usize);
    }

    #[test]
    fn auth_15_the_fifth_wrong_code_shuts_the_number_for_15_minutes() {
        let mut tries = Tries { waiting: vec![Bytes::from_static(b"reg_1")], ..Tries::default() };
        let wrong: Vec<Wrong> = (0..5).map(|_| count_wrong(&mut tries, 100)).collect();
        assert_eq!(wrong, [Wrong::Left(4), Wrong::Left(3), Wrong::Left(2), Wrong::Left(1), Wrong::Over]);
        assert_eq!(take_code(&mut tries, 101), Err(Refusal::AttemptsExpired));
        assert_eq!(check_lock(&tries, 100 + REGISTRATION_MS), Ok(()));
    }

    #[test]
    fn auth_15_wrong_codes_count_over_all_registrations_of_a_number() {
        let mut tries = Tries::default();
        assert_eq!(wait(&mut tries, Bytes::from_static(b"reg_1")), None);
        assert_eq!(wait(&mut tries, Bytes::from_static(b"reg_2")), None);
        assert_eq!(count_wrong(&mut tries, 0), Wrong::Left(4));
        stop_waiting(&mut tries, b"reg_1");
        assert_eq!(tries.wrong, 1);
        stop_waiting(&mut tries, b"reg_2");
        assert_eq!(tries.wrong, 0);
    }

    #[test]
    fn auth_15_asking_for_another_code_forgets_no_wrong_one() {
        let mut tries = Tries::default();
        assert_eq!(wait(&mut tries, Bytes::from_static(b"reg_1")), None);
        assert_eq!(count_wrong(&mut tries, 0), Wrong::Left(4));
        assert_eq!(wait(&mut tries, Bytes::from_static(b"reg_1")), None);
        assert_eq!((tries.wrong, tries.waiting.len()), (1, 1));
    }

    #[test]
    fn auth_1_registrations_that_wait_are_bounded() {
        let mut tries = Tries::default();
        let gone: Vec<Option<Bytes>> = (0..=WAITING_MAX).map(|n| wait(&mut tries, n.to_string().into())).collect();
        assert_eq!(gone.last(), Some(&Some(Bytes::from_static(b"0"))));
        assert_eq!(tries.waiting.len(), WAITING_MAX);
    }
}
