//! What must be so when the day is over.

use std::collections::BTreeMap;

use proto::Record;
use proto::records::{ContactStatus, HistoryItem, ProfileStatus};
use scene::{EVENTS, Stage};

use crate::random_days::{contents, record};
use crate::tallies;

use super::view::{Book, Contacted, View};
use super::{DEVICES, MINUTE_MS, PEOPLE, World, profile};

impl World {
    /// Everybody comes and takes everything; then each device knows what is so, and every row is of something that is there.
    pub(crate) fn end(&mut self) -> Result<(), String> {
        self.everyone(World::come);
        for _ in 0..3 {
            self.stage.advance(MINUTE_MS)?;
            self.look();
        }
        self.broken.take().map_or(Ok(()), Err)?;
        for at in 0..PEOPLE * DEVICES {
            self.knows_what_is_so(at / DEVICES, at % DEVICES)?;
        }
        // What is left of feeds that are no more goes when a device comes.
        self.everyone(World::leave);
        self.everyone(World::connect);
        self.no_orphans()?;
        tallies::agree(self.stage.store())
    }

    /// It is connected and confirms everything; who missed something asks.
    fn come(&mut self, person: usize, device: usize) {
        self.connect(person, device);
        let it = self.device(person, device);
        let (link, held) = (it.link.clone(), std::mem::take(&mut it.held));
        if std::mem::take(&mut it.holds) {
            self.stage.confirm(&link, true).expect("is connected");
            self.hear(person, device, &held);
        }
        self.look();
        if self.device(person, device).has_to_ask() {
            self.fetch(person, device, false);
        }
    }

    /// G-9: its view, made of what it received and fetched, is the server's state.
    fn knows_what_is_so(&mut self, person: usize, device: usize) -> Result<(), String> {
        let it = self.device(person, device);
        let (link, known) = (it.link.clone(), it.view.clone());
        let is = self.asks(&link, "Profile{status=get}")?;
        let mut book = Book::default();
        is.iter().filter_map(profile).for_each(|profile| {
            if profile.status == Some(ProfileStatus::Get) {
                book.fetched(&profile, true);
            }
        });
        if let Some(why) = differ(&known.now, &book.now) {
            return Err(format!("{link} knows otherwise than it is: {why}"));
        }
        self.shows_what_is_so(&link, &known)
    }

    /// MESSAGE-6, 7, 13, HISTORY-8: of each feed it shows what the history has.
    fn shows_what_is_so(&mut self, link: &str, known: &Book) -> Result<(), String> {
        let mut feeds: Vec<String> = known.shown.values().map(|shown| shown.feed.clone()).collect();
        feeds.sort();
        feeds.dedup();
        for feed in feeds {
            let mut there = BTreeMap::new();
            let ask = format!("History{{feed={feed} entity_id=0 status=last_loaded}}");
            let mut readable = false;
            for payload in self.asks(link, &ask)? {
                let Ok(Record::History(history)) = etf::decode::<Record>(&payload) else { continue };
                readable = true;
                for item in &history.data {
                    if let HistoryItem::Message(message) = item {
                        there.insert(message.id.unwrap_or_default(), contents(message));
                    }
                }
            }
            for (id, shown) in known.shown.iter().filter(|(_, shown)| readable && shown.feed == feed) {
                match there.get(id) {
                    Some(is) if *is == shown.contents => {}
                    // What was said before one came into a room again is not for those who come.
                    None if feed.starts_with("muc") => {}
                    is => return Err(format!("{link} shows {id} of {feed} as {shown:?}, and it is {is:?}")),
                }
            }
        }
        Ok(())
    }

    fn asks(&mut self, link: &str, text: &str) -> Result<Vec<bytes::Bytes>, String> {
        self.stage.publish(link, EVENTS, record(text))?;
        let mut came = self.gather();
        let own = came.remove(link).unwrap_or_default();
        self.take_in(came);
        Ok(own.into_iter().filter(|got| got.topic.starts_with("actions/")).map(|got| got.payload).collect())
    }
}

/// Where two views are not the same.
fn differ(known: &View, is: &View) -> Option<String> {
    for (id, face) in &is.rosters {
        let Some(own) = known.rosters.get(id) else { return Some(format!("roster {id} is there")) };
        for key in own.contacts.keys().chain(face.contacts.keys()) {
            let (own, is) = (own.contacts.get(key), face.contacts.get(key));
            // Names are told to friends (TOPIC-4); others ask.
            let same = |one: &Contacted, other: &Contacted| {
                one.0 == other.0 && (one.1 == other.1 || one.0 != Some(ContactStatus::Friend))
            };
            if !own.zip(is).map_or(own == is, |(own, is)| same(own, is)) {
                return Some(format!("contact {key} of {id} is\n{is:?}, and it knows\n{own:?}"));
            }
        }
        for key in own.rooms.keys().chain(face.rooms.keys()) {
            let (own, is) = (own.rooms.get(key), face.rooms.get(key));
            if own != is {
                return Some(format!("room {key} of {id} is\n{is:?}, and it knows\n{own:?}"));
            }
        }
        if (&own.called, &own.tags, &own.stars) != (&face.called, &face.tags, &face.stars) {
            return Some(format!("roster {id} is\n{face:?}, and it knows\n{own:?}"));
        }
    }
    let same = known.rosters.keys().eq(is.rosters.keys()) && known.settings == is.settings;
    (!same).then(|| format!("it is\n{is:?}, and it knows\n{known:?}"))
}
