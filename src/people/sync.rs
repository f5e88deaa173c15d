//! Who has gone from the directory, or is locked there, is signed out within a minute; who has come back may register again.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chat::{Chat, Input, Name};
use kvs::{Disk, Store};
use ldap::client::Error;
use n2o::Handle;
use proto::ids::Phone;

use super::People;
use super::groups::Groups;

/// Accounts that are compared at once, and the rest between, so that nobody else waits for it.
const PART: usize = 1_000;
const REST: Duration = Duration::from_millis(20);

impl People {
    /// Looks for as long as the server runs.
    pub(crate) fn watch(self: &Arc<People>, store: Arc<Disk>, handle: Handle<Chat>) {
        self.publish_all();
        let people = self.clone();
        self.runtime.spawn(async move {
            let (mut version, mut groups) = (None, Groups::default());
            loop {
                // By itself, so that what nobody foresaw ends one round, not all that follow.
                let (own, store, handle) = (people.clone(), store.clone(), handle.clone());
                let (before, mut now) = (version.take(), std::mem::take(&mut groups));
                let round = people.runtime.spawn(async move {
                    let done = own.round(&store, &handle, before, &mut now).await;
                    (done, now)
                });
                match round.await {
                    Ok((Ok(now), kept)) => (version, groups) = (now, kept),
                    Ok((Err(failure), kept)) => {
                        groups = kept;
                        tracing::warn!(%failure, "cannot read the directory; what was known holds");
                    }
                    Err(failure) => tracing::error!(%failure, "reading the directory has failed"),
                }
                tokio::time::sleep(people.sync).await;
            }
        });
    }

    /// Compares all accounts with all people, unless nothing has changed since `before`. Gives back what the directory was then like,
    /// if another round has not to see to it that this one had its effect.
    async fn round(
        &self,
        store: &Disk,
        handle: &Handle<Chat>,
        before: Option<String>,
        groups: &mut Groups,
    ) -> Result<Option<String>, Error> {
        let mut version = self.directory.version().await?;
        if version.is_none() || version != before {
            let everybody = self.directory.everybody().await?;
            if everybody.is_empty() {
                // More likely than that all have gone: it does not show them to us any more.
                return Err(Error::Refused("it has nobody that directory.people matches".into()));
            }
            let keys = everybody.iter().flat_map(|person| &person.keys);
            let mut numbers: HashSet<Phone> = keys.filter_map(|key| Phone::parse(key.as_bytes()).ok()).collect();
            // It is no person's.
            numbers.insert(self.owner.clone());
            self.read_groups(groups, &everybody).await?;
            drop(everybody);
            if self.compare(store, handle, &numbers).await {
                version = None;
            }
        }
        if let Err(failure) = self.tell_rooms(groups, store, handle) {
            tracing::error!(%failure, "cannot read who has an account");
        }
        self.note_contact();
        Ok(version)
    }

    /// Tells accounts whose person has gone or come back; whether there were any.
    async fn compare(&self, store: &Disk, handle: &Handle<Chat>, numbers: &HashSet<Phone>) -> bool {
        let (mut after, mut has_told) = (None, false);
        loop {
            let part = match chat::directed(&*store.snapshot(), self.decides, after.as_ref(), PART) {
                Ok(part) => part,
                Err(failure) => {
                    tracing::error!(%failure, "cannot read accounts");
                    return true;
                }
            };
            for judged in &part {
                let is_listed = numbers.contains(&judged.number);
                if is_listed != judged.is_barred {
                    continue;
                }
                // Who was added meanwhile, and has registered, is asked for once more.
                let is_sure = is_listed || matches!(self.find(&judged.number).await, Ok(None));
                if is_sure {
                    tracing::info!(is_listed, "an account's person has gone from the directory, or come back");
                    handle.tell_always(&Name::Profile(judged.account.clone()), Input::Standing { is_listed });
                }
                has_told = true;
            }
            if part.len() < PART {
                return has_told;
            }
            after = part.last().map(|judged| judged.account.clone());
            tokio::time::sleep(REST).await;
        }
    }

    fn note_contact(&self) {
        if let Err(failure) = std::fs::write(&self.seen, b"") {
            tracing::warn!(%failure, "cannot note that the directory was read");
        }
    }
}
