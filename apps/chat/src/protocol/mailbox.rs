//! Mailboxes: MAIL-2 to MAIL-7, MAIL-9, MAILR-2, MAILR-4. What is in a box is in the store; here is how much of it there is.
//!
//! A step sees what earlier steps wrote, not what it writes itself: each of these functions is called once a step.

use std::sync::Arc;

use bytes::Bytes;
use mail::{Run, line};
use n2o::Failure;
use proto::ids::{Phone, User};
use proto::limits::{LETTERS, PACKET_BYTES};
use proto::mail::{Adr, Dst, GroupName, Pub, ToGroup, ToUser, UserName};

use super::keys::Keys;
use crate::post::{Came, Delivered, Mail};
use crate::rows::{self, LETTER, Letter, MAILBOX};
use crate::{Chat, Cx, Fx, Group, Input};

/// Letters that one step lists or erases.
pub(crate) const STEP_LETTERS: usize = 256;
/// Ids have 19 digits, whatever the clock says.
const ID_DIGITS: usize = 19;
const ID_MIN: u64 = 1_000_000_000_000_000_000;
const NS_PER_MS: u64 = 1_000_000;
/// Of a list; also where packets may be greater. A terminal closes a connection for which four times as much waits.
const LIST_BYTES: usize = PACKET_BYTES;

/// A box.
pub(crate) struct Shelf {
    user: User,
    /// Absent while nobody has opened it.
    row: Option<rows::Mailbox>,
    run: Run,
    keys: Keys,
}

/// A list that is being made (MAIL-6).
pub(crate) struct Listing {
    text: Vec<u8>,
    /// The next id to be looked at, and the last.
    next: u64,
    last: u64,
}

impl Shelf {
    pub(crate) fn load(cx: &Cx<'_>, user: &User) -> Result<Shelf, Failure> {
        let row: Option<rows::Mailbox> = rows::read(cx.store, MAILBOX, user.as_str().as_bytes())?;
        let all = span(user, row.as_ref().map_or(0, |row| row.cut) + 1, u64::MAX).limit(1);
        let end = |span| Ok::<_, Failure>(cx.store.scan(LETTER, &span)?.into_iter().next().map(|(_, row)| row));
        let place =
            |row: Option<Bytes>| row.map(|row| Ok::<_, Failure>(rows::decode::<Letter>(&row)?.place)).transpose();
        let run = Run::resume(place(end(all.clone())?)?, place(end(all.backward())?)?);
        Ok(Shelf { user: user.clone(), row, run, keys: Keys::load(cx, user.to_bytes())? })
    }

    /// Somebody has opened it.
    pub(crate) fn is_there(&self) -> bool {
        self.row.is_some()
    }

    /// MAIL-2: the box is there from now on. An account that has proved to be its user keeps it: neither a nick that another takes later nor
    /// a name that nobody has to prove opens what was sent to the first.
    pub(crate) fn open(&mut self, fx: &mut Fx, account: Option<Phone>) -> Came {
        let before = self.row.clone().unwrap_or_default();
        let account = account.map(|account| account.to_bytes());
        if before.account.is_some() && account != before.account {
            return Came::NotYours;
        }
        let row = rows::Mailbox { account, ..before };
        if self.row.as_ref() != Some(&row) {
            fx.put(MAILBOX, self.user.to_bytes(), rows::encode(&row));
            self.row = Some(row);
        }
        Came::Opened
    }

    /// MAIL-3, MAILR-2: kept once, shown to all who are registered (MAIL-4).
    pub(crate) fn put(&mut self, chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, mail: &Mail) -> Result<Came, Failure> {
        if self.row.is_none() {
            return Ok(Came::Nobody);
        }
        if let Some(key) = &mail.key
            && self.keys.has(cx, key, &mail.scope)?
        {
            return Ok(Came::Again);
        }
        let Some(place) = self.run.put(LETTERS) else { return Ok(Came::Full) };

        let id = moment(chat, cx)?;
        let (from, to) = (mail.from.to_bytes(), mail.to.to_bytes());
        let letter =
            Letter { place, from, to, key: mail.key.clone(), tag: mail.tag.clone(), content: mail.content.clone() };
        fx.put(LETTER, rows::numbered(self.user.as_str().as_bytes(), id), rows::encode(&letter));
        if let Some(key) = &mail.key {
            self.keys.note(cx, fx, id, key, &mail.scope)?;
        }
        let hearing = Group::Mailbox(self.user.clone());
        if cx.group_size(&hearing) > 0 {
            fx.publish(hearing, Input::Delivered(Arc::new(delivered(&self.user, mail, id))));
        }
        Ok(Came::Kept { id })
    }

    /// MAIL-6: begins with what is there now.
    pub(crate) fn list(&self) -> Listing {
        let first = self.row.as_ref().map_or(0, |row| row.cut) + 1;
        Listing { text: line::LIST.into(), next: first, last: u64::MAX }
    }

    /// The next part of a list; its whole when it is complete, or has as many letters, the oldest, as a frame has room for.
    pub(crate) fn list_on(&self, chat: &Chat, cx: &Cx<'_>, listing: &mut Listing) -> Result<Option<Bytes>, Failure> {
        let found = cx.store.scan(LETTER, &span(&self.user, listing.next, listing.last).limit(STEP_LETTERS))?;
        for (key, row) in &found {
            let (id, letter) = (rows::number(key).unwrap_or_default(), rows::decode::<Letter>(row)?);
            let (from, to) = (String::from_utf8_lossy(&letter.from), String::from_utf8_lossy(&letter.to));
            let line = line::letter(&from, &to, id, &letter.content);
            if listing.text.len() + 1 + line.len() > chat.settings.packet_max.min(LIST_BYTES) {
                return Ok(Some(std::mem::take(&mut listing.text).into()));
            }
            if listing.text.len() > line::LIST.len() {
                listing.text.push(b'\n');
            }
            listing.text.extend_from_slice(line.as_bytes());
            listing.next = id + 1;
        }
        Ok((found.len() < STEP_LETTERS).then(|| std::mem::take(&mut listing.text).into()))
    }

    /// MAIL-7, MAILR-4: from now on all up to the letter are gone; [`Shelf::erase`] takes them off the disk. Of several letters with one Key
    /// the oldest is meant.
    pub(crate) fn cut(&mut self, cx: &Cx<'_>, fx: &mut Fx, what: &[u8]) -> Result<Came, Failure> {
        let Some(row) = &self.row else { return Ok(Came::NotFound) };
        let by_id = std::str::from_utf8(what).ok().filter(|id| id.len() == ID_DIGITS).and_then(|id| id.parse().ok());
        let mut known = self.keys.ids(cx, what)?;
        known.sort_unstable();
        for id in by_id.into_iter().chain(known).filter(|id| *id > row.cut) {
            let at = rows::numbered(self.user.as_str().as_bytes(), id);
            if let Some(letter) = rows::read::<Letter>(cx.store, LETTER, &at)? {
                let row = rows::Mailbox { cut: id, ..row.clone() };
                fx.put(MAILBOX, self.user.to_bytes(), rows::encode(&row));
                self.row = Some(row);
                return Ok(Came::Erased(self.run.cut(letter.place)));
            }
        }
        Ok(Came::NotFound)
    }

    /// Erases some of what is cut; true when all is gone.
    pub(crate) fn erase(&self, cx: &Cx<'_>, fx: &mut Fx) -> Result<bool, Failure> {
        let cut = self.row.as_ref().map_or(0, |row| row.cut);
        let found = cx.store.scan(LETTER, &span(&self.user, 0, cut).limit(STEP_LETTERS))?;
        let done = found.len() < STEP_LETTERS;
        found.into_iter().for_each(|(key, _)| fx.delete(LETTER, key));
        Ok(done)
    }
}

/// A new id: nanoseconds since 1970, and greater than any before on the whole server.
pub(crate) fn moment(chat: &Chat, cx: &Cx<'_>) -> Result<u64, Failure> {
    Ok(chat.moments.from(cx.now.0.saturating_mul(NS_PER_MS).max(ID_MIN))?)
}

fn span(user: &User, from: u64, to: u64) -> kvs::Span {
    rows::numbers(user.as_str().as_bytes(), from, to)
}

/// MAIL-4, MAILR-5: a letter as it comes to those who are registered for a box. One without a Key has its id instead.
fn delivered(user: &User, mail: &Mail, id: u64) -> Delivered {
    let text = line::notify(&line::letter(mail.from.as_str(), mail.to.as_str(), id, &mail.content));
    let dst = Some(mail.to.to_bytes());
    let dst = match mail.to == *user {
        true => Dst::User(ToUser { user: UserName { dst } }),
        false => Dst::Group(ToGroup { group: GroupName { dst } }),
    };
    let adr = Adr { src: etf::Term::binary(mail.from.as_str().as_bytes()), dst: Some(dst) };
    let key = mail.key.clone().unwrap_or_else(|| id.to_string().into());
    let record = Pub { key: Some(key), adr, tag: Some(mail.tag.clone()), bin: Some(mail.content.clone()) };
    Delivered { text, record: etf::encode(&record) }
}
