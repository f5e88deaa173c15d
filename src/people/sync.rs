//! Who has gone from the directory, or is locked there, is signed out within a minute; who has come back may register again.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use chat::{Chat, Input, Name};
use kvs::{Disk, Store};
use ldap::client::{Error, Listing, Person};
use n2o::Handle;
use proto::ids::Phone;

use super::groups::Groups;
use super::{People, spellings};

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
                let began = Instant::now();
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
                // Long looks come the closer together, so that two are within a minute, but leave the directory time for others.
                tokio::time::sleep(people.sync.saturating_sub(began.elapsed()).max(people.sync / 4)).await;
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
            let Listing { people: mut everybody, cut } = self.directory.everybody().await?;
            self.note_cut(cut.as_deref());
            if cut.is_some() {
                self.ask_for_the_rest(store, &mut everybody).await?;
            }
            if everybody.is_empty() {
                // More likely than that all have gone: it does not show them to us any more.
                return Err(Error::Refused("it has nobody that directory.people matches".into()));
            }
            let mut numbers = numbers_of(&everybody);
            // It is no person's.
            numbers.insert(self.owner.clone());
            self.read_groups(groups, &mut everybody, cut.is_some()).await?;
            drop(everybody);
            // Nobody has asked for those who register from now on.
            let is_to_be_asked = cut.is_some() && !self.groups.is_empty();
            if self.compare(store, handle, &numbers).await || is_to_be_asked {
                version = None;
            }
        }
        if let Err(failure) = self.tell_rooms(groups, store, handle) {
            tracing::error!(%failure, "cannot read who has an account");
        }
        self.note_contact();
        Ok(version)
    }

    /// Adds the people of all accounts that the directory decides about and has not listed: it lists only so many, but says of each whether
    /// it has him.
    async fn ask_for_the_rest(&self, store: &Disk, people: &mut Vec<Person>) -> Result<(), Error> {
        let listed = numbers_of(people);
        let mut after = None;
        loop {
            let part = chat::directed(&*store.snapshot(), self.decides, after.as_ref(), PART);
            let part = part.map_err(|why| Error::Away(format!("accounts cannot be read: {why}")))?;
            let rest: Vec<&Phone> =
                part.iter().map(|judged| &judged.number).filter(|number| !listed.contains(number)).collect();
            let values: Vec<String> = rest.into_iter().flat_map(spellings).collect();
            people.extend(self.directory.among(&values).await?);
            if part.len() < PART {
                self.directory.keep_only(people);
                return Ok(());
            }
            after = part.last().map(|judged| judged.account.clone());
        }
    }

    /// Says it when that begins and when it is over.
    fn note_cut(&self, cut: Option<&str>) {
        match (cut, self.is_cut.swap(cut.is_some(), Ordering::Relaxed)) {
            (Some(why), false) => tracing::error!(
                why,
                "the directory lists only some of its people to who asks (directory.bind_dn), so it is asked for accounts by their numbers, \
                 which takes longer; allow him all, with OpenLDAP by: limits dn.exact=\"…\" size.prtotal=unlimited"
            ),
            (None, true) => tracing::info!("the directory lists all of its people again"),
            (Some(_), true) | (None, false) => {}
        }
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

fn numbers_of(people: &[Person]) -> HashSet<Phone> {
    let keys = people.iter().flat_map(|person| &person.keys);
    keys.filter_map(|key| Phone::parse(key.as_bytes()).ok()).collect()
}
