//! A word to one connection from elsewhere: leave, for a younger one has come, the certificate was revoked, or the server goes down.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Waker;

const TAKEN_OVER: u8 = 1;
const SHUTTING_DOWN: u8 = 2;
const REVOKED: u8 = 4;

/// Why a connection has to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
    TakenOver,
    Revoked,
    ShuttingDown,
}

#[derive(Debug, Default)]
pub(crate) struct Signal {
    said: AtomicU8,
    waker: Mutex<Option<Waker>>,
}

impl Signal {
    pub(crate) fn take_over(&self) {
        self.say(TAKEN_OVER);
    }

    pub(crate) fn shut_down(&self) {
        self.say(SHUTTING_DOWN);
    }

    pub(crate) fn revoke(&self) {
        self.say(REVOKED);
    }

    fn say(&self, word: u8) {
        self.said.fetch_or(word, Ordering::AcqRel);
        if let Some(waker) = self.lock().take() {
            waker.wake();
        }
    }

    /// Registers who is to be woken; what is said before or after is seen by [`Signal::heard`] then.
    pub(crate) fn listen(&self, waker: &Waker) {
        match &mut *self.lock() {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    pub(crate) fn heard(&self) -> Option<Leave> {
        match self.said.load(Ordering::Acquire) {
            0 => None,
            TAKEN_OVER => Some(Leave::TakenOver),
            said if said & REVOKED != 0 => Some(Leave::Revoked),
            _ => Some(Leave::ShuttingDown),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Waker>> {
        self.waker.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}
