//! Groups of the directory are rooms, whose members follow them.

use std::collections::HashMap;

use chat::{Chat, Follow, Input, Name};
use kvs::{Disk, Store};
use ldap::client::{Error, Person};
use n2o::Handle;
use proto::ids::{FeedId, Phone, PhoneId, RoomId};

use super::People;

/// Rooms are told again at the latest after so many looks, should one have missed it.
const AGAIN: u32 = 20;

/// A group that is a room.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) room: RoomId,
    pub(super) dn: String,
}

/// The groups, as they were when the directory was last read, and what their rooms have been told.
#[derive(Debug, Default)]
pub(super) struct Groups {
    numbers: HashMap<RoomId, Vec<Phone>>,
    told: HashMap<RoomId, Vec<PhoneId>>,
    looks: u32,
}

impl People {
    /// Reads who is in the groups; `everybody` is the directory's people.
    pub(super) async fn read_groups(&self, groups: &mut Groups, everybody: &[Person]) -> Result<(), Error> {
        if self.groups.is_empty() {
            return Ok(());
        }
        let by_dn: HashMap<String, &Person> = everybody.iter().map(|person| (folded(&person.dn), person)).collect();
        // Groups may have their members by a key (memberUid of posixGroup) instead of by name.
        let keys = everybody.iter().flat_map(|person| person.keys.iter().map(move |key| (&key[..], person)));
        let by_key: HashMap<&str, &Person> = keys.collect();
        for group in &self.groups {
            let Some(members) = self.directory.members(&group.dn).await? else {
                // It may be that we may not see it any more: its room stays as it is.
                tracing::warn!(group = group.dn, "a group is not in the directory");
                groups.numbers.remove(&group.room);
                continue;
            };
            let people =
                members.iter().filter_map(|value| by_dn.get(&folded(value)).or_else(|| by_key.get(&value[..])));
            let keys = people.flat_map(|person| &person.keys);
            let numbers = keys.filter_map(|key| Phone::parse(key.as_bytes()).ok()).collect();
            groups.numbers.insert(group.room.clone(), numbers);
        }
        Ok(())
    }

    /// Tells rooms whose groups have others in them now: somebody was added or removed, or has registered meanwhile.
    pub(super) fn tell_rooms(
        &self,
        groups: &mut Groups,
        store: &Disk,
        handle: &Handle<Chat>,
    ) -> Result<(), n2o::Failure> {
        if self.groups.is_empty() {
            return Ok(());
        }
        groups.looks += 1;
        if groups.looks.is_multiple_of(AGAIN) {
            groups.told.clear();
        }
        let view = store.snapshot();
        let Some(owner) = chat::default_roster(&*view, &self.owner)? else {
            // It is there when this is looked at next.
            handle.tell_always(&Name::Profile(self.owner.clone()), Input::Exist);
            return Ok(());
        };
        for (room, numbers) in &groups.numbers {
            let mut members = Vec::new();
            for number in numbers {
                members.extend(chat::default_roster(&*view, number)?.filter(|roster| *roster != owner));
            }
            members.sort();
            members.dedup();
            if groups.told.get(room) != Some(&members) {
                let name = room.to_bytes();
                let follow = Follow { owner: owner.clone(), name, members: members.clone() };
                let conversation = Name::Conversation(FeedId::Room(room.clone()));
                handle.tell_always(&conversation, Input::Follow(Box::new(follow)));
                groups.told.insert(room.clone(), members);
            }
        }
        Ok(())
    }
}

/// The same name of an entry, however its server writes capitals and blanks (most names have neither).
fn folded(dn: &str) -> String {
    dn.split(',').map(|part| part.trim().to_lowercase()).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_the_same_in_capitals_and_with_blanks() {
        assert_eq!(folded("UID=Ann, ou=People,dc=example"), folded("uid=ann,OU=people,dc=Example"));
        assert_ne!(folded("uid=ann,dc=example"), folded("uid=ann,ou=people,dc=example"));
    }
}
