//! Every row is of something that is there.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use chat_core::rows::{self, Claim, Holder, TABLES};
use kvs::Table;
use proto::ids::PhoneId;

use crate::tallies;

use super::World;

/// What is there, by its name in keys.
struct There {
    accounts: BTreeSet<Bytes>,
    rosters: BTreeSet<Bytes>,
    devices: BTreeSet<Bytes>,
    /// Client ids of devices, and their accounts.
    clients: BTreeMap<Bytes, Bytes>,
    rooms: BTreeSet<Bytes>,
    /// Roster and room, of those who are or were in one.
    stays: BTreeSet<Bytes>,
    /// Numbers of those who are members.
    members: BTreeSet<u64>,
    /// Feed NUL number.
    messages: BTreeSet<Bytes>,
    packs: BTreeSet<Bytes>,
    /// What stars keep, and what there are stars for.
    copies: BTreeSet<Bytes>,
    stars: BTreeSet<Bytes>,
    files: BTreeSet<Bytes>,
    /// Those of them that messages refer to, or that are to be looked at.
    needed: BTreeSet<Bytes>,
    /// What the agenda has to come.
    agenda: BTreeSet<Bytes>,
    now: u64,
}

impl World {
    pub(super) fn no_orphans(&self) -> Result<(), String> {
        let keys = |table| Ok::<BTreeSet<Bytes>, String>(self.rows(table)?.into_iter().map(|(key, _)| key).collect());
        let clients = self.rows(rows::DEVICE)?.into_iter().filter_map(|(_, row)| {
            let device: rows::Device = etf::decode(&row).ok()?;
            Some((device.client_id, device.phone))
        });
        let unused: Vec<Bytes> = keys(rows::UNUSED)?.iter().map(|key| Bytes::copy_from_slice(behind(key, 0))).collect();
        let there = There {
            accounts: keys(rows::PROFILE)?,
            rosters: keys(rows::ROSTER)?,
            devices: keys(rows::DEVICE)?,
            clients: clients.collect(),
            rooms: keys(rows::ROOM)?,
            stays: keys(rows::IN_ROOM)?,
            members: keys(rows::MEMBER)?.iter().filter_map(|key| rows::number(key)).collect(),
            messages: keys(rows::MESSAGE)?,
            packs: keys(rows::STICKERS)?,
            copies: keys(rows::STARRED)?,
            stars: self.rows(rows::STAR)?.iter().filter_map(|(key, row)| copy(before(key, 0), row)).collect(),
            files: keys(rows::STORED)?,
            needed: keys(rows::REFERS)?
                .iter()
                .map(|key| Bytes::copy_from_slice(before(key, 0)))
                .chain(unused)
                .collect(),
            agenda: keys(rows::AGENDA)?,
            now: self.stage.sim.now().0,
        };
        for table in TABLES {
            for (key, row) in self.rows(*table)? {
                if !there.has(*table, &key, &row) {
                    return Err(format!("{} {:?} is of nothing", table.0, String::from_utf8_lossy(&key)));
                }
            }
        }
        Ok(())
    }

    fn rows(&self, table: Table) -> Result<Vec<kvs::Entry>, String> {
        tallies::rows(self.stage.store(), table)
    }
}

impl There {
    /// Whether what a row is of is there. A table that is new has to be added here.
    fn has(&self, table: Table, key: &[u8], row: &[u8]) -> bool {
        let (owner, path) = (before(key, 0), before(key, b'/'));
        match table {
            rows::PROFILE | rows::KEYS | rows::CARD | rows::WAKEABLE | rows::PERSON | rows::STANDING => {
                self.accounts.contains(key)
            }
            rows::PROOF | rows::TRIES => self.accounts.contains(key),
            rows::NOTICE | rows::ENDED | rows::TRANSFER | rows::UNUSED | rows::STORED_OF => {
                self.accounts.contains(owner)
            }
            rows::INVITE => self.accounts.contains(path),
            rows::LOOKUPS => self.accounts.contains(path) && self.rosters.contains(behind(key, b'/')),
            rows::DEVICE => self.accounts.contains(path),
            rows::CURSOR => {
                let stream = key.get(owner.len() + 1..).unwrap_or_default();
                self.clients
                    .get(owner)
                    .is_some_and(|account| stream == rows::NOTICES || self.is_of_account(stream, account))
            }
            rows::BINDING | rows::LAPSED | rows::PUBLISHER => self.accounts.contains(key),
            rows::HOLDER => etf::decode::<Holder>(row)
                .is_ok_and(|of| self.devices.contains([&of.phone[..], b"/", &of.dev_key].concat().as_slice())),
            rows::EMAIL => self.accounts.contains(row),
            // Nobody here takes another number.
            rows::NUMBER | rows::CALLED => false,
            rows::ALIAS => self.accounts.contains(behind(key, b'/')) || behind(key, b'/') == b"*",
            rows::ROSTER => self.accounts.contains(before(key, b'_')),
            rows::NICK_OF => self.rosters.contains(key),
            rows::NICK => self.rosters.contains(row),
            rows::BOOK | rows::GONE | rows::RELATION | rows::TALLY | rows::TAG => self.rosters.contains(path),
            rows::STAR => copy(owner, row).is_some_and(|copy| self.copies.contains(&copy)),
            rows::STAR_OF => self.rosters.contains(owner),
            rows::WANTED => self.rosters.contains(behind(key, b'/')),
            rows::ROOM => etf::decode::<rows::RoomRow>(row).is_ok_and(|room| room.ended == 0 && room.members > 0),
            // That it was in a room is remembered for who asks what has changed.
            rows::IN_ROOM => self.rosters.contains(path),
            rows::ROOM_NAME => self.rooms.contains(behind(key, 0)),
            rows::LINK => etf::decode::<Claim>(row).is_ok_and(|claim| self.rooms.contains(&claim.room)),
            rows::ROUND => self.has_feed(key),
            rows::MEMBER => self.has_feed(owner),
            rows::MEMBER_AT => rows::number(key).is_some_and(|id| self.members.contains(&id)),
            rows::READ_BY => self.has_feed(owner) && rows::number(key).is_some_and(|id| self.members.contains(&id)),
            rows::MESSAGE | rows::BANNED | rows::NEWS | rows::CHANGE => self.has_feed(owner),
            // Of the one that goes nothing stays, though the other reads what was said.
            rows::READER => self.has_feed(owner) && self.rosters.contains(behind(key, 0)),
            // It is done when the agenda says so.
            rows::LATER => {
                let when = key.get(owner.len() + 1..).and_then(|rest| rest.first_chunk::<8>());
                let entry = when.map(|when| [&when[..], owner].concat());
                self.has_feed(owner) && entry.is_some_and(|entry| self.agenda.contains(entry.as_slice()))
            }
            // What need not be done any more is looked for when its time comes; then it is over.
            rows::AGENDA => key.first_chunk().is_some_and(|when| u64::from_be_bytes(*when) > self.now),
            rows::STARRED => {
                self.stars.contains(key) && self.messages.contains(key.get(..owner.len() + 9).unwrap_or_default())
            }
            rows::CHANGED | rows::REPLY | rows::UNSTAR | rows::FLEETING => {
                self.has_feed(owner) && self.messages.contains(key.get(..owner.len() + 9).unwrap_or_default())
            }
            rows::HIDDEN | rows::MENTION => {
                let who = before(key.get(owner.len() + 1..).unwrap_or_default(), 0);
                self.has_message(owner, key) && self.rosters.contains(who)
            }
            rows::KIND => self.has_message(owner, key),
            rows::DUPLICATE => {
                etf::decode::<rows::Sent>(row).is_ok_and(|sent| self.messages.contains(&rows::numbered(owner, sent.id)))
            }
            rows::REFERS => {
                self.files.contains(owner) && self.messages.contains(key.get(owner.len() + 1..).unwrap_or_default())
            }
            rows::STORED => self.needed.iter().any(|needed| needed == key),
            rows::STICKERS => true,
            rows::DOWNLOADED => self.packs.contains(key),
            rows::STICKER_WORD => key.last_chunk::<8>().is_some_and(|id| self.packs.contains(&id[..])),
            // There is nothing left to do, and nobody here registers or speaks to mailboxes.
            rows::WORK | rows::STAR_DUE | rows::WAKE | rows::ASKED | rows::OUTGOING | rows::PENDING => false,
            rows::MAILBOX | rows::LETTER | rows::KEY | rows::KEYED | rows::CIRCLE | rows::CIRCLE_DUE => false,
            _ => false,
        }
    }

    /// The message whose number ends the key.
    fn has_message(&self, feed: &[u8], key: &[u8]) -> bool {
        let message = rows::number(key).map(|id| rows::numbered(feed, id));
        self.has_feed(feed) && message.is_some_and(|message| self.messages.contains(&message))
    }

    /// One of the account's rosters is a party of the feed, or was in the room.
    fn is_of_account(&self, feed: &[u8], account: &[u8]) -> bool {
        let mut own = self.rosters.iter().filter(|roster| before(roster, b'_') == account);
        let is_side = |own: &Bytes| {
            feed.starts_with(b"p/") && feed.split(|byte| *byte == b'/').any(|side| side == own)
                || feed.strip_prefix(b"r/").is_some_and(|room| self.stays.contains(&[own, room].join(&b'/')[..]))
        };
        self.has_feed(feed) && own.any(is_side)
    }

    /// Of a room that is there, or of two rosters of whom one is.
    fn has_feed(&self, feed: &[u8]) -> bool {
        match (feed.strip_prefix(b"r/"), feed.strip_prefix(b"p/")) {
            (Some(room), _) => self.rooms.contains(room),
            (_, Some(pair)) => pair.split(|byte| *byte == b'/').any(|roster| self.rosters.contains(roster)),
            _ => false,
        }
    }
}

/// The key of the copy that a star of this roster keeps.
fn copy(roster: &[u8], star: &[u8]) -> Option<Bytes> {
    let (own, kept) = (PhoneId::parse(roster).ok()?, etf::decode::<rows::Favorite>(star).ok()?);
    Some(rows::starred_key(&kept.feed, kept.message, &own))
}

fn before(key: &[u8], mark: u8) -> &[u8] {
    key.split(|byte| *byte == mark).next().unwrap_or_default()
}

fn behind(key: &[u8], mark: u8) -> &[u8] {
    key.rsplit(|byte| *byte == mark).next().unwrap_or_default()
}
