//! Groups of the directory are rooms, whose members follow them.

use std::collections::{HashMap, HashSet};

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
    /// Reads who is in the groups; `everybody` is the directory's people, or where these are cut short those who have been found. Then
    /// whoever has a key by which a group names a member is added to them.
    pub(super) async fn read_groups(
        &self,
        groups: &mut Groups,
        everybody: &mut Vec<Person>,
        is_cut: bool,
    ) -> Result<(), Error> {
        if self.groups.is_empty() {
            return Ok(());
        }
        let mut read = Vec::with_capacity(self.groups.len());
        for group in &self.groups {
            read.push((group, self.directory.members(&group.dn).await?));
        }
        if is_cut {
            let members = read.iter().filter_map(|(_, members)| members.as_ref()).flatten();
            // Names of entries are no keys: each begins with an attribute.
            let keys: HashSet<&String> = members.filter(|value| !value.contains('=')).collect();
            let keys: Vec<String> = keys.into_iter().cloned().collect();
            everybody.extend(self.directory.among(&keys).await?);
        }
        let by_dn: HashMap<String, &Person> = everybody.iter().map(|person| (folded(&person.dn), person)).collect();
        // Groups may have their members by a key (memberUid of posixGroup) instead of by name.
        let by_key = by_key(everybody);
        for (group, members) in read {
            let Some(members) = members else {
                // It may be that we may not see it any more: its room stays as it is.
                tracing::warn!(group = group.dn, "a group is not in the directory");
                groups.numbers.remove(&group.room);
                continue;
            };
            let people = members.iter().filter_map(|value| match by_dn.get(&folded(value)) {
                Some(person) => Some(*person),
                None => {
                    let person = by_key.get(&value[..])?;
                    if person.is_none() {
                        tracing::warn!(
                            group = group.dn,
                            value,
                            "several people have a member's key: none of them is it"
                        );
                    }
                    *person
                }
            });
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

/// Whose each key is. People may edit some of their attributes: a key that two have is nobody's, so that nobody comes in by another's.
fn by_key(everybody: &[Person]) -> HashMap<&str, Option<&Person>> {
    let mut by_key: HashMap<&str, Option<&Person>> = HashMap::new();
    for person in everybody {
        for key in &person.keys {
            let own = by_key.entry(key).or_insert(Some(person));
            // The same person may have it by two attributes.
            *own = own.filter(|other| other.dn == person.dn);
        }
    }
    by_key
}

/// The same name of an entry, however its server writes capitals and blanks (most names have neither).
fn folded(dn: &str) -> String {
    dn.split(',').map(|part| part.trim().to_lowercase()).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_two_people_have_is_nobody_s() {
        let person = |dn: &str, keys: &[&str]| {
            let keys = keys.iter().map(|key| (*key).to_owned()).collect();
            Person { dn: dn.into(), keys, given: None, surname: None }
        };
        let alice = person("uid=alice", &["alice", "380670000001", "alice"]);
        let mallory = person("uid=mallory", &["mallory", "alice"]);
        let third = person("uid=third", &["third", "alice"]);
        for everybody in [[alice.clone(), mallory.clone(), third.clone()], [third, mallory, alice]] {
            let by_key = by_key(&everybody);
            let whose = |key: &str| by_key.get(key).map(|person| person.map(|person| &person.dn[..]));
            assert_eq!(whose("alice"), Some(None));
            assert_eq!(whose("380670000001"), Some(Some("uid=alice")));
            assert_eq!((whose("mallory"), whose("nobody")), (Some(Some("uid=mallory")), None));
        }
        let alone = [person("uid=alice", &["alice", "alice"])];
        assert!(by_key(&alone).get("alice").is_some_and(Option::is_some));
    }

    #[test]
    fn an_entry_is_the_same_in_capitals_and_with_blanks() {
        assert_eq!(folded("UID=Ann, ou=People,dc=example"), folded("uid=ann,OU=people,dc=Example"));
        assert_ne!(folded("uid=ann,dc=example"), folded("uid=ann,ou=people,dc=example"));
    }
}
