//! People register and make friends; their devices come and go, processes fail, the server loses power.

use chat_core::Name;
use scene::{Hello, Stage};

use crate::random_days::{self, number};

use super::{ATTIC, DEN, DEVICES, Device, PEOPLE, Person, World};

impl World {
    pub(super) fn enrol(&mut self, person: usize) {
        let phone = 380_200_000 + person;
        let mut devices = Vec::new();
        let mut id = String::new();
        for device in 0..DEVICES {
            let link = format!("{phone} {device}");
            let key = format!("d{device}");
            let registered = random_days::register(&mut self.stage, &link, &phone.to_string(), &key);
            let roster = registered.profile.rosters.first().and_then(number).expect("a roster");
            id = format!("{phone}_{roster}");
            let (client, token) = (registered.client, registered.token);
            devices.push(Device { link, client, token, ..Device::default() });
        }
        self.people.push(Person { id, number: phone.to_string(), devices });
        (0..DEVICES).for_each(|device| self.connect(person, device));
    }

    pub(super) fn befriend(&mut self) {
        let ids: Vec<(String, String)> = self
            .people
            .iter()
            .map(|person| (person.id.clone(), person.devices.first().expect("a device").link.clone()))
            .collect();
        for (at, (one, one_link)) in ids.iter().enumerate() {
            for (other, other_link) in ids.iter().skip(at + 1) {
                self.say(one_link, &format!("Friend{{phone_id=\"{one}\" friend_id=\"{other}\" status=request}}"));
                self.say(other_link, &format!("Friend{{phone_id=\"{other}\" friend_id=\"{one}\" status=confirm}}"));
            }
        }
    }

    pub(super) fn connect(&mut self, person: usize, device: usize) {
        let device = self.device(person, device);
        if device.online {
            return;
        }
        device.online = true;
        device.seen_now.clear();
        device.newest.clear();
        device.unacknowledged.clear();
        let link = device.link.clone();
        let hello =
            Hello { client_id: device.client.clone(), password: Some(device.token.clone()), ..Hello::default() };
        self.log.line(format!("{link} connects"));
        let code = self.stage.connect(&link, &hello).expect("is answered");
        assert_eq!(code, 0, "{link} is let in");
    }

    pub(super) fn leave(&mut self, person: usize, device: usize) {
        self.look(person, device);
        let politely = self.below(2) == 0;
        let device = self.device(person, device);
        device.online = false;
        let link = device.link.clone();
        self.log.line(format!("{link} {}", if politely { "leaves" } else { "vanishes" }));
        self.stage.disconnect(&link, politely).expect("has a connection");
    }

    /// A process ends as by a panic, and is loaded afresh.
    pub(super) fn kill(&mut self, person: usize) {
        let other = (person + 1) % PEOPLE;
        let (one, other) = (self.id(person), self.id(other));
        let name = random_days::process(self.below(6), &one, &other, [DEN, ATTIC]);
        self.log.line(format!("{name} fails"));
        self.stage.sim.kill(&name);
    }

    /// A session ends as by a panic: its connection is closed, so that the client comes again.
    pub(super) fn kill_session(&mut self, person: usize, device: usize) {
        self.stage.sim.kill(&Name::Session(self.session(person, device).into()));
        self.look(person, device);
        let link = self.device(person, device).link.clone();
        self.log.line(format!("the session of {link} fails"));
        if self.device(person, device).online && self.stage.closed(&link).expect("has a connection").is_none() {
            self.broken.get_or_insert(format!("{link} was left open by a session that failed"));
        }
        self.device(person, device).online = false;
    }

    pub(super) fn crash(&mut self) {
        let lucky = self.below(2) == 0;
        // What has reached a device before has been seen.
        self.everyone(World::look);
        random_days::crash(&mut self.stage, &self.log, lucky);
        for person in &mut self.people {
            for device in &mut person.devices {
                device.online = false;
            }
        }
    }
}
