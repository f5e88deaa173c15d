//! What goes wrong on the way: processes fail, the server loses power, time passes.

use bytes::Bytes;
use chat_core::Name;
use scene::{Hello, SERVICE_SECRET, Stage};

use crate::random_days;

use super::{DEVICES, MINUTE_MS, PEOPLE, SERVICE, World};

impl World {
    /// A process ends as by a panic, and is loaded afresh.
    pub(super) fn kill(&mut self) {
        let (one, other) = (self.below(PEOPLE), self.below(PEOPLE));
        let (one, other) = (self.default_of(one), self.default_of(other));
        let name = match self.below(10) {
            5 => Name::Nicks,
            6 => Name::Links,
            7 => Name::Stickers,
            8 => Name::Files(one.split('_').next().unwrap_or_default().parse().expect("a number")),
            at => random_days::process(at, &one, &other, ["den", "news"]),
        };
        // One that fails too often is barred for a while, and what it is asked is refused.
        let now = self.stage.sim.now();
        self.killed.retain(|(_, when)| now.since(*when) < n2o::RESTARTS_MS);
        if self.killed.iter().filter(|(killed, _)| *killed == name).count() >= n2o::RESTARTS_MAX {
            return;
        }
        self.log.line(format!("{name} fails"));
        self.stage.sim.kill(&name);
        self.killed.push((name, now));
    }

    pub(super) fn kill_session(&mut self, person: usize, device: usize) {
        let it = self.device(person, device);
        if let Some((client, _)) = it.given.clone().filter(|_| it.online) {
            it.missed = true;
            self.log.line(format!("the session of {client} fails"));
            self.stage.sim.kill(&Name::Session(client.as_str().into()));
        }
    }

    pub(super) fn pass(&mut self) {
        let time = [100, 1000, 5000, 6 * MINUTE_MS][self.below(4)];
        self.log.line(format!("{time} ms pass"));
        self.stage.advance(time).expect("works");
    }

    pub(super) fn crash(&mut self) {
        let lucky = self.below(2) == 0;
        random_days::crash(&mut self.stage, &self.log, lucky);
        for device in self.people.iter_mut().flat_map(|person| &mut person.devices) {
            // What came was seen or not.
            device.missed |= device.online;
            device.online = false;
            device.held.clear();
        }
        self.serve();
        for at in 0..PEOPLE * DEVICES {
            if self.below(4) > 0 {
                self.connect(at / DEVICES, at % DEVICES);
            }
        }
    }

    pub(super) fn serve(&mut self) {
        let hello = Hello {
            client_id: "sys_random".to_owned(),
            password: Some(Bytes::from_static(SERVICE_SECRET.as_bytes())),
            ..Hello::default()
        };
        assert_eq!(self.stage.connect(SERVICE, &hello), Ok(0), "the service is let in");
    }
}
