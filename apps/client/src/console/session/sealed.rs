//! What is sent is sealed for all who can receive it so, and what comes is judged (SEC-5, SEC-6, SEC-9).

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use proto::ids::PhoneId;
use proto::{AuthAct, Contact, Feed, Message, Profile, Record, Room, RoomType, Service};

use super::{Place, Session};
use crate::calls::text;
use crate::sealed::is_sealed;
use crate::{Client, Doubt, Error, News, Opened, Peer, People, Replays, Seals, fetch_list, list_url};

/// How old may be what the own other devices, and an author who is doubted, are known by.
const FRESH: Duration = Duration::from_secs(60);
/// How old may be what is known to be revoked; it is asked for at once when somebody's keys have changed.
const LIST_FRESH: Duration = Duration::from_secs(10 * 60);

/// Begins every note that a message goes out in the clear.
const NOT_SEALED: &str = "! not sealed: ";

/// What sealing needs to know.
pub(super) struct Sealing {
    seals: Seals,
    people: People,
    replays: Replays,
    /// The accounts in a room, until something there changes.
    rooms: BTreeMap<String, Vec<String>>,
    /// When the keys of an account were asked for last.
    asked: BTreeMap<String, Instant>,
    /// When the revocation list was asked for last.
    list_asked: Option<Instant>,
    /// It has been said that none is to be had that is not over.
    is_told: bool,
}

impl Session {
    /// A device without a certificate asks for one first (AUTH-17): others can seal for it then. Why there is none to be had.
    pub(super) async fn begin_sealing(&mut self, profile: &Profile) -> Result<Option<Error>, Error> {
        if self.home.seals()?.is_none()
            && let Err(error) = self.enrol().await
        {
            return Ok(Some(error));
        }
        let Some(seals) = self.home.seals()? else { return Ok(None) };
        let people = self.home.people()?;
        self.sealing = Some(Sealing {
            seals,
            people,
            replays: self.home.replays()?,
            rooms: BTreeMap::new(),
            asked: BTreeMap::new(),
            list_asked: None,
            is_told: false,
        });
        for list in self.home.revoked()? {
            // One that is of no use is replaced before anything is judged.
            let _ = self.know_revoked(&list);
        }
        for peer in Peer::all(profile) {
            self.note_contact(&peer.contact);
        }
        Ok(None)
    }

    /// Whether it is the person's wish: an authority is pinned, and plain text is not asked for.
    pub(super) fn expects_sealing(&self) -> Result<bool, Error> {
        Ok(!self.args.plain && super::tls(&self.args, &self.home)?.is_some())
    }

    /// Before something is sent. A server that gives no certificate reads nothing for that.
    async fn need_sealing(&mut self) -> Result<(), Error> {
        if self.sealing.is_some() || !self.expects_sealing()? {
            return Ok(());
        }
        let profile = self.client()?.profile().await?;
        match self.begin_sealing(&profile).await? {
            Some(why) => Err(Error::local(format!(
                "this device has no certificate: {why}; chat client --plain sends in the clear"
            ))),
            None => Ok(()),
        }
    }

    /// SEC-6: what the authority has taken back. Where it cannot be learnt, that is said once, and what is known holds.
    async fn learn_revoked(&mut self) {
        let Some(sealing) = &mut self.sealing else { return };
        if !sealing.seals.can_judge() || sealing.list_asked.is_some_and(|at| at.elapsed() < LIST_FRESH) {
            return;
        }
        sealing.list_asked = Some(Instant::now());
        let mut addresses = self.args.crl.clone();
        if let (true, Place::At(url)) = (addresses.is_empty(), &self.place) {
            addresses.push(list_url(url));
        }
        let (tls, mut failed) = (self.home.tls().ok().flatten(), None);
        for address in &addresses {
            let learnt = fetch_list(address, tls.as_ref()).await.and_then(|list| self.know_revoked(&list));
            failed = failed.or(learnt.err());
        }
        self.doubt_revoked(failed);
    }

    fn know_revoked(&mut self, list: &[u8]) -> Result<(), Error> {
        let Some(sealing) = &mut self.sealing else { return Ok(()) };
        match sealing.seals.know_revoked(list)? {
            true => {
                sealing.people.judge_again(&sealing.seals, SystemTime::now());
                self.home.save_revoked(&sealing.seals)
            }
            false => Ok(()),
        }
    }

    /// Whoever hides a new list may give an old one for ever: what counts is whether the latest that is known is over.
    fn doubt_revoked(&mut self, error: Option<Error>) {
        let Some(sealing) = &mut self.sealing else { return };
        let is_unknown = !sealing.seals.knows_revoked(SystemTime::now());
        if is_unknown && !sealing.is_told {
            let why =
                error.map_or("no list of each authority is given that is not over".into(), |error| error.to_string());
            self.notes.push_back(format!("! what the authority has taken back is not known: {why}"));
        }
        sealing.is_told = is_unknown;
    }

    async fn enrol(&self) -> Result<(), Error> {
        let own = phone_of(self.book.own.as_bytes()).unwrap_or_default();
        let (key, csr) = ca::request(&own).map_err(|error| Error::local(error.to_string()))?;
        let certificate = self.client()?.enrol(&csr).await?;
        self.home.save_certificate(&certificate, &key)
    }

    /// What a record says about keys.
    pub(super) fn note_keys(&mut self, record: &Record) {
        let Some(sealing) = &mut self.sealing else { return };
        match record {
            Record::Contact(contact) => self.note_contact(contact),
            Record::Room(room) => drop(sealing.rooms.remove(&text(&room.id))),
            // A device of one's own has come or gone.
            Record::Auth(auth) if matches!(auth.act(), Some(AuthAct::Verified | AuthAct::Deleted)) => {
                sealing.asked.clear();
            }
            _ => {}
        }
    }

    fn note_contact(&mut self, contact: &Contact) {
        if let Some(phone) = contact.phone_id.as_deref().and_then(phone_of).filter(|_| !contact.services.is_empty()) {
            self.note(&phone, &contact.services);
        }
    }

    /// Remembers the keys of an account; a change is said.
    fn note(&mut self, phone: &str, services: &[Service]) {
        let Some(sealing) = &mut self.sealing else { return };
        let knew = sealing.people.knows(phone);
        let before: Vec<[u8; 32]> = sealing.people.keys(phone).copied().collect();
        let news = sealing.people.note(&sealing.seals, phone, services, SystemTime::now());
        if knew && !sealing.people.keys(phone).eq(&before) {
            // One that is gone may have been taken back.
            sealing.list_asked = None;
        }
        let is_own = phone_of(self.book.own.as_bytes()).is_some_and(|own| own == phone);
        for News { key, .. } in &news {
            let who = if is_own { "this account".into() } else { self.book.person_of(phone) };
            self.notes
                .push_back(format!("! {who} has a new key, {}: a new device, or somebody in between", print(key)));
        }
        if (!news.is_empty() || knew != sealing.people.knows(phone))
            && let Err(error) = self.home.save_people(&sealing.people)
        {
            self.notes.push_back(format!("! the keys that were seen could not be kept: {error}"));
        }
    }

    /// The message sealed for everybody in its feed; in the clear, and that is said, where somebody has no key.
    pub(super) async fn sealed(&mut self, message: Message) -> Result<Message, Error> {
        self.need_sealing().await?;
        if self.args.plain {
            return Ok(message);
        }
        if !self.sealing.as_ref().is_some_and(|sealing| sealing.seals.can_judge()) {
            self.tell_no_authority();
            return Ok(message);
        }
        let own = phone_of(self.book.own.as_bytes()).unwrap_or_default();
        self.ask_keys(&own).await?;
        self.learn_revoked().await;
        let Some(parties) = self.parties(message.feed_id.as_ref()).await? else {
            self.notes.push_back(format!("{NOT_SEALED}who is in a channel is not known"));
            return Ok(message);
        };
        let Some(sealing) = &self.sealing else { return Ok(message) };
        let mut recipients: Vec<Bytes> = sealing.people.recipients(&own);
        for phone in parties.iter().filter(|phone| **phone != own) {
            let theirs = sealing.people.recipients(phone);
            let who = self.book.person_of(phone);
            match theirs.is_empty() {
                false => recipients.extend(theirs),
                true if sealing.people.knows(phone) => {
                    return Err(Error::local(format!(
                        "{who} had keys and is said to have none now; chat client --plain sends in the clear"
                    )));
                }
                true => {
                    self.notes.push_back(format!("{NOT_SEALED}{who} has no key"));
                    return Ok(message);
                }
            }
        }
        sealing.seals.seal_message(message, &recipients, SystemTime::now())
    }

    /// A server that is found by its name is known by its zone's keys, which say nothing of people's.
    fn tell_no_authority(&mut self) {
        if matches!(self.place, Place::Named(_)) && !std::mem::replace(&mut self.is_told_unsealed, true) {
            self.notes.push_back(format!("{NOT_SEALED}no authority is known; --ca names one"));
        }
    }

    /// Whether such a message would be sealed. Why it would not is said when it is sent.
    pub(super) async fn would_seal(&mut self, message: Message) -> Result<bool, Error> {
        let was_told = self.is_told_unsealed;
        let sealed = self.sealed(message).await?;
        self.notes.retain(|note| !note.starts_with(NOT_SEALED));
        self.is_told_unsealed = was_told;
        Ok(is_sealed(&sealed))
    }

    /// The accounts whose feed it is; nobody knows all of a channel.
    async fn parties(&mut self, feed: Option<&Feed>) -> Result<Option<Vec<String>>, Error> {
        match feed {
            Some(Feed::P2p(pair)) => {
                let both = [&pair.from, &pair.to].into_iter().flatten();
                Ok(Some(both.filter_map(|id| phone_of(id)).collect()))
            }
            Some(Feed::Muc(room)) => self.members(&text(&room.name)).await,
            None => Ok(None),
        }
    }

    /// The members of a room, whose keys are known then.
    async fn members(&mut self, id: &str) -> Result<Option<Vec<String>>, Error> {
        if let Some(known) = self.sealing.as_ref().and_then(|sealing| sealing.rooms.get(id)) {
            return Ok(Some(known.clone()));
        }
        let room: Room = self.client()?.room(id).await?;
        let mut phones = Vec::new();
        for member in room.admins.iter().chain(&room.members) {
            let Some(phone) = member.phone_id.as_deref().and_then(phone_of) else { continue };
            self.note(&phone, &member.services);
            phones.push(phone);
        }
        if room.r#type == Some(RoomType::Channel) {
            return Ok(None);
        }
        phones.sort();
        phones.dedup();
        if let Some(sealing) = &mut self.sealing {
            sealing.rooms.insert(id.to_owned(), phones.clone());
        }
        Ok(Some(phones))
    }

    /// SEARCH-1 tells the keys of an account, the own one's too.
    async fn ask_keys(&mut self, phone: &str) -> Result<(), Error> {
        let Some(sealing) = &mut self.sealing else { return Ok(()) };
        if sealing.asked.get(phone).is_some_and(|at| at.elapsed() < FRESH) {
            return Ok(());
        }
        sealing.asked.insert(phone.to_owned(), Instant::now());
        let client: Client = self.client()?.clone();
        for contact in client.find_phones(&[phone]).await? {
            self.note(phone, &contact.services);
        }
        Ok(())
    }

    /// An author whose key is not known may have a new one: it is asked for, in vain where there is no such key.
    pub(super) async fn look_up_author(&mut self, message: &Message) {
        let Some(phone) = message.from.as_deref().and_then(phone_of) else { return };
        if !is_sealed(message) {
            return;
        }
        self.learn_revoked().await;
        let Some(sealing) = &self.sealing else { return };
        if !matches!(sealing.open(message, &phone), Opened::Unverifiable(Doubt::NotAuthors, _)) {
            return;
        }
        // Should it fail, the message is shown as what it is then.
        let _ = self.ask_keys(&phone).await;
        if let (Some(Feed::Muc(room)), Some(sealing)) = (&message.feed_id, &self.sealing)
            && matches!(sealing.open(message, &phone), Opened::Unverifiable(Doubt::NotAuthors, _))
            && !sealing.rooms.contains_key(&text(&room.name))
        {
            let _ = self.members(&text(&room.name)).await;
        }
    }

    /// The message with its content, and what that is worth.
    pub(super) fn judged(&mut self, message: &Message) -> (Message, String) {
        let with = |content: Option<Message>| {
            let (files, link) = content.map(|content| (content.files, content.link)).unwrap_or_default();
            Message { files, link: link.or_else(|| message.link.clone()), ..message.clone() }
        };
        let unverifiable = |doubt: &dyn std::fmt::Display| format!(" (unverifiable: {doubt})");
        let Some(sealing) = &mut self.sealing else {
            return match is_sealed(message) {
                true => (with(None), unverifiable(&"this device has no certificate")),
                false => (message.clone(), String::new()),
            };
        };
        let phone = message.from.as_deref().and_then(phone_of).unwrap_or_default();
        let judged = match sealing.open(message, &phone) {
            Opened::Plain => (message.clone(), String::new()),
            Opened::Genuine(found) => match sealing.replays.note(message, &found) {
                Ok(()) => (with(Some(found.message)), " (sealed, verified)".into()),
                Err(doubt) => (with(None), unverifiable(&doubt)),
            },
            Opened::Unverifiable(doubt, content) => (with(content.map(|content| *content)), unverifiable(&doubt)),
        };
        if let Some(error) = sealing.replays.take_failure() {
            self.notes.push_back(format!("! that a message was seen could not be kept: {error}"));
        }
        judged
    }

    /// What two people compare to know that nobody is in between.
    pub(super) async fn keys(&mut self, who: &str) -> Result<Vec<String>, Error> {
        let id = self.book.find_person(who)?;
        let phone = phone_of(id.as_bytes()).unwrap_or(id);
        self.ask_keys(&phone).await?;
        let sealing = self.sealing.as_ref().ok_or_else(|| Error::local("this device has no certificate"))?;
        let keys: Vec<String> = sealing.people.keys(&phone).map(print).collect();
        match keys.is_empty() {
            true => super::said(format!("{} has no key", self.book.person_of(&phone))),
            false => Ok(keys),
        }
    }
}

impl Sealing {
    fn open(&self, message: &Message, phone: &str) -> Opened {
        self.seals.open_message(message, |key| self.people.has(phone, key), SystemTime::now())
    }
}

/// The account of an address, or the account key that it is.
fn phone_of(id: &[u8]) -> Option<String> {
    match PhoneId::parse(id) {
        Ok(id) => Some(id.phone().to_string()),
        Err(_) => proto::ids::Phone::parse(id).ok().map(|phone| phone.to_string()),
    }
}

/// A key in a form that can be read out: the first half of its SHA-256.
fn print(key: &[u8; 32]) -> String {
    let group = |pair: &[u8]| pair.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    key.chunks(2).take(8).map(group).collect::<Vec<_>>().join(" ")
}
