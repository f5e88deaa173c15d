//! The thread that looks after revocation: keys that the chat has ended, times that have come, and the list, which is signed anew.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use ca::Reason;
use chat::rows::{self, BINDING, Binding, LAPSED, Lapsed, Why};
use chat::{Chat, Input, Invitation, Name, Vault};
use kvs::{Batch, Span, Store};
use n2o::Handle;
use proto::ids::{DevKey, Phone};

use super::{Registrar, millis};
use crate::failure::Failure;

/// SEC-2: how often it looks though nobody rings.
const HOUR: Duration = Duration::from_secs(60 * 60);
/// When it tries again what has failed.
const SOON: Duration = Duration::from_secs(10);
/// Bytes of a SHA-256.
const KEY: usize = 32;
/// Lapsed keys of one batch.
const BATCH: usize = 500;

/// The running thread; it ends when this is dropped.
pub(crate) struct Keeper {
    registrar: Arc<Registrar>,
}

impl Keeper {
    /// `end_revoked` closes live connections whose certificate has been revoked.
    pub(crate) fn start(
        registrar: Arc<Registrar>,
        handle: Handle<Chat>,
        end_revoked: impl Fn() + Send + 'static,
    ) -> Result<Keeper, Failure> {
        let own = registrar.clone();
        let work = move || {
            let mut is_reminded = false;
            loop {
                if !is_reminded {
                    let done = own.remind(&handle);
                    is_reminded = done.is_ok();
                    told(&done, "cannot look at what is revoked");
                }
                let done = own.look(&end_revoked);
                told(&done, "cannot revoke, or issue the revocation list");
                let most = if done.is_ok() && is_reminded { HOUR } else { SOON };
                if !own.keeper.wait(most) {
                    return;
                }
            }
        };
        let spawned = std::thread::Builder::new().name("authority".into()).spawn(work);
        spawned.map(|_| Keeper { registrar }).map_err(|error| Failure::Start(n2o::Failure::new(error)))
    }
}

fn told(done: &Result<(), Failure>, what: &str) {
    if let Err(failure) = done {
        tracing::error!(%failure, "{what}");
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.registrar.keeper.end();
    }
}

impl Registrar {
    /// There may be keys that the chat has ended, or lists of others that say more than before.
    pub(crate) fn look_again(&self) {
        self.keeper.ring();
    }

    /// The operator takes a certificate back; the chat hears of it (ID-10). Absent: none was issued under this number.
    pub(crate) fn take_back(
        &self,
        serial: &[u8],
        reason: Reason,
        handle: &Handle<Chat>,
    ) -> Result<Option<super::Issuance>, Failure> {
        let issued = self.revoke(serial, reason, millis(SystemTime::now()))?;
        self.store.flush().map_err(super::failed)?;
        if let Some(issued) = &issued {
            self.tell(&issued.key, handle)?;
        }
        Ok(issued)
    }

    /// A further certificate of a device that it has not taken. The one before goes on, so its account hears nothing.
    pub(crate) fn withdraw(&self, serial: &[u8]) -> Result<(), Failure> {
        self.revoke(serial, Reason::Superseded, millis(SystemTime::now()))?;
        self.store.flush().map_err(super::failed)?;
        Ok(())
    }

    /// A key that was revoked may still open something: its account ends that.
    fn tell(&self, key: &Bytes, handle: &Handle<Chat>) -> Result<(), Failure> {
        let binding: Option<Binding> = self.row(BINDING, key)?;
        let Some(binding) = binding.filter(|binding| binding.ended == 0) else { return Ok(()) };
        if let Ok(phone) = Phone::parse(&binding.phone) {
            handle.tell_always(&Name::Profile(phone), Input::Revoked { key: key.clone() });
        }
        Ok(())
    }

    /// The device that a key opens (ID-9 rule 1).
    pub(crate) fn bound_to(&self, key: &[u8]) -> Option<(Phone, DevKey)> {
        let binding: Binding = self.row(BINDING, key).ok()??;
        Some((Phone::parse(&binding.phone).ok()?, DevKey::parse(&binding.dev_key).ok()?))
    }

    /// A key that opens another device, or nothing any more: this one of the account with this key cannot have it, so nothing is issued for
    /// it (SEC-4).
    pub(crate) fn is_taken(&self, key: &[u8], account: &Phone, device: &DevKey) -> Result<bool, Failure> {
        let Some(binding) = self.row::<Binding>(BINDING, key)? else { return Ok(false) };
        let is_over = binding.ended != 0 && binding.ended <= millis(SystemTime::now());
        let is_own = account.as_str().as_bytes() == binding.phone && device.as_str().as_bytes() == binding.dev_key;
        Ok(is_over || !is_own)
    }

    /// Whether the account has this number now (PROFILE-11).
    pub(crate) fn is_called(&self, account: &Phone, number: &Phone) -> Result<bool, n2o::Failure> {
        chat::is_called(&*self.store.snapshot(), account, number)
    }

    /// The account of the device that shows this token (PROFILE-11).
    pub(crate) fn account_by(&self, phone: &Phone, device: &DevKey, token: &Bytes) -> Option<Phone> {
        chat::account_by(&*self.store.snapshot(), millis(SystemTime::now()), phone, device, token).ok()?
    }

    /// Whether this code is an invite for the account key. The account itself judges; this is so that what is none costs nothing.
    pub(crate) fn is_invited(&self, phone: &Phone, code: &[u8]) -> bool {
        chat::is_invited(&*self.store.snapshot(), phone, code, millis(SystemTime::now())).unwrap_or(false)
    }

    /// The invites of an account key, for who proves that he knows one without saying it.
    pub(crate) fn invites(&self, vault: &Vault, phone: &Phone) -> Result<Vec<Invitation>, Failure> {
        chat::invites(vault, &*self.store.snapshot(), phone, millis(SystemTime::now())).map_err(super::broken)
    }

    /// A crash may have come between a revocation and the chat's word.
    fn remind(&self, handle: &Handle<Chat>) -> Result<(), Failure> {
        let now = millis(SystemTime::now());
        let mut keys = Vec::new();
        let mut serials = Vec::new();
        self.each_revoked(|serial, row| {
            if row.at <= now && row.until > now && row.reason() != Reason::Superseded {
                serials.push(serial.to_vec());
            }
        })?;
        for serial in serials {
            keys.extend(self.issued(&serial)?.map(|issued| issued.key));
        }
        keys.iter().try_for_each(|key| self.tell(key, handle))
    }

    /// One round. What fails holds up nothing else, and is done in the next.
    pub(super) fn look(&self, end_revoked: &dyn Fn()) -> Result<(), Failure> {
        let lapsed = self.revoke_lapsed();
        let recalled = self.recall();
        end_revoked();
        if matches!(recalled, Ok(true)) || self.is_list_old() {
            self.changed.store(true, Ordering::Release);
        }
        // Before it is made: what is revoked meanwhile needs another.
        if self.changed.swap(false, Ordering::AcqRel) {
            self.issue_list().inspect_err(|_| self.changed.store(true, Ordering::Release))?;
            tracing::debug!("issued a revocation list");
        }
        lapsed.and(recalled.map(drop))
    }

    /// Keys that the chat has ended, or will at some time.
    fn revoke_lapsed(&self) -> Result<(), Failure> {
        let failed = super::failed;
        loop {
            let found = self.store.scan(LAPSED, &Span::prefix("").limit(BATCH)).map_err(failed)?;
            let now = millis(SystemTime::now());
            let mut done = Batch::default();
            for (key, row) in &found {
                let Lapsed { at, why } = rows::decode(row).map_err(super::broken)?;
                let reason = match why {
                    Why::Ended => Reason::CessationOfOperation,
                    Why::Superseded => Reason::Superseded,
                };
                self.each_serial(key.get(..KEY).unwrap_or_default(), |serial| {
                    self.revoke(serial, reason, if at <= now { now } else { at }).map(drop)
                })?;
                done.delete(LAPSED, key.clone());
            }
            let count = found.len();
            if count > 0 {
                self.store.apply(&done).map_err(failed)?;
            }
            if count < BATCH {
                return Ok(());
            }
        }
    }
}
