//! Devices register, come, ask what is so, and go.

use proto::Record;
use proto::records::ProfileStatus;
use scene::{EVENTS, Hello, Stage};

use crate::random_days::{self, Registered, record};

use super::{Device, World};

impl World {
    pub(super) fn connect(&mut self, person: usize, device: usize) {
        if self.device(person, device).online {
            return;
        }
        if self.device(person, device).given.is_none() {
            self.register(person, device);
        }
        let holds = self.below(4) == 0;
        let it = self.device(person, device);
        let link = it.link.clone();
        let (client_id, token) = it.given.clone().expect("is registered");
        let hello = Hello { client_id, password: Some(token), holding: holds, ..Hello::default() };
        self.log.line(format!("{link} connects{}", if holds { ", holding" } else { "" }));
        let code = self.stage.connect(&link, &hello).expect("is answered");
        let it = self.device(person, device);
        if code != 0 {
            // It was ended while it was away.
            it.given = None;
            return self.connect(person, device);
        }
        (it.online, it.holds) = (true, holds);
        it.held.clear();
        self.look();
        let asks = self.device(person, device).has_to_ask() || self.below(2) == 0;
        if asks && self.device(person, device).online && !holds {
            let all = self.below(2) == 0;
            self.fetch(person, device, all);
        }
    }

    /// AUTH-1 by a fake number.
    pub(super) fn register(&mut self, person: usize, device: usize) {
        let phone = self.people[person].phone.clone();
        let it = self.device(person, device);
        let (link, key) = (it.link.clone(), it.key.clone());
        *it = Device { link: link.clone(), key: key.clone(), missed: true, ..Device::default() };
        self.log.line(format!("{link} registers"));
        let Registered { client, token, profile } = random_days::register(&mut self.stage, &link, &phone, &key);
        let it = self.device(person, device);
        // Full, as to `get` (AUTH-4).
        it.view.fetched(&profile, true);
        it.missed = false;
        it.given = Some((client, token));
    }

    /// PROFILE-1, as clients do: all, or what has changed.
    pub(super) fn fetch(&mut self, person: usize, device: usize, all: bool) {
        self.look();
        let it = self.device(person, device);
        let (link, since) = (it.link.clone(), it.view.update.filter(|_| !all));
        let since = since.map(|since| format!("update={since} ")).unwrap_or_default();
        self.log.line(format!("{link} fetches {since}"));
        self.stage.publish(&link, EVENTS, record(&format!("Profile{{{since}status=get}}"))).expect("is connected");
        let mut came = self.gather();
        for got in came.remove(&link).unwrap_or_default() {
            match etf::decode::<Record>(&got.payload) {
                Ok(Record::Profile(profile)) if profile.status == Some(ProfileStatus::Get) => {
                    let it = self.device(person, device);
                    if std::mem::take(&mut it.missed) {
                        // An answer that was lost may have told of messages.
                        it.view.shown.clear();
                    }
                    it.view.fetched(&profile, since.is_empty());
                }
                _ => drop(self.hear(person, device, &[got])),
            }
        }
        self.take_in(came);
    }

    pub(super) fn leave(&mut self, person: usize, device: usize) {
        let it = self.device(person, device);
        if !it.online {
            return;
        }
        let link = it.link.clone();
        let (politely, how) = (self.below(2) == 0, self.below(3));
        let it = self.device(person, device);
        let held = std::mem::take(&mut it.held);
        // What it has not confirmed it has seen or not; answers do not come again.
        if it.holds && how == 0 {
            self.stage.confirm(&link, true).expect("is connected");
        }
        match how {
            2 => self.device(person, device).missed |= !held.is_empty(),
            _ => drop(self.hear(person, device, &held)),
        }
        self.look();
        let it = self.device(person, device);
        it.online = false;
        self.log.line(format!("{link} {}", if politely { "leaves" } else { "vanishes" }));
        self.stage.disconnect(&link, politely).expect("has a connection");
    }
}
