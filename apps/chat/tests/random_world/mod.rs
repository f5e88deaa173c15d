//! People, their devices, what they did and what they saw.

mod check;
mod come;
mod moves;
mod rooms;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use bytes::Bytes;
use chat_core::Settings;
use proto::Record;
use proto::records::{Ack, Message, MessageStatus};
use scene::{EVENTS, Log, Random, Simulated, Stage};

use crate::random_days::{contents, record, text_of};

/// Everybody is everybody's friend.
const PEOPLE: usize = 3;
/// Devices of each.
const DEVICES: usize = 2;
/// A room that stays, and one that comes and goes; what is said in the latter has msg_ids that begin with `x`.
const DEN: &str = "den";
const ATTIC: &str = "attic";

pub(crate) struct World {
    pub(crate) stage: Simulated,
    random: Random,
    seed: u64,
    log: Log,
    pub(crate) people: Vec<Person>,
    written: usize,
    /// Accepted messages by (from, msg_id).
    pub(crate) accepted: BTreeSet<(String, String)>,
    /// Messages that were asked to be deleted: they may have been seen or not.
    pub(crate) deleted: HashSet<u64>,
    /// Who wrote what, as far as the echo told.
    pub(crate) known: BTreeMap<u64, Written>,
    /// Messages of the den that reached each device, over all its connections.
    pub(crate) heard: BTreeSet<(String, u64)>,
    has_rooms: bool,
    /// How many numbers were asked for (PROFILE-10).
    numbers: usize,
    /// How often a person was told of a new one (PROFILE-11).
    pub(crate) moves: usize,
    /// A rule that was broken on the way.
    broken: Option<String>,
}

pub(crate) struct Person {
    /// Its phone_id by its first number.
    pub(crate) id: String,
    /// What it has been told that its number is (PROFILE-11).
    number: String,
    pub(crate) devices: Vec<Device>,
}

#[derive(Default)]
pub(crate) struct Device {
    pub(crate) link: String,
    client: String,
    token: Bytes,
    pub(crate) online: bool,
    /// Messages seen on this connection, newest number of each feed, and on any connection.
    seen_now: BTreeSet<u64>,
    newest: BTreeMap<String, u64>,
    /// Messages of which it saw the announcement: if it has taken that, on whatever connection, the whole comes later.
    announced: BTreeSet<u64>,
    /// What each message was when it was seen last; no removed ones.
    pub(crate) shown: BTreeMap<u64, String>,
    pub(crate) seen: BTreeSet<(String, String)>,
    /// Authors and msg_ids that it has to acknowledge; it keeps nothing before.
    unacknowledged: Vec<(String, Bytes)>,
}

#[derive(Clone)]
pub(crate) struct Written {
    pub(crate) from: String,
    pub(crate) to: String,
}

impl World {
    /// With `transient`, what everybody has goes (DLV-6).
    pub(crate) fn new(seed: u64, transient: bool, log: &Log) -> World {
        let settings = Settings { transient, limits: false, ..Simulated::settings() };
        let mut world = World {
            stage: Simulated::with(seed, settings),
            random: Random::new(seed, usize::MAX),
            seed,
            log: log.clone(),
            people: Vec::new(),
            written: 0,
            accepted: BTreeSet::new(),
            deleted: HashSet::new(),
            known: BTreeMap::new(),
            heard: BTreeSet::new(),
            // What the server says in a room does not go.
            has_rooms: !transient,
            numbers: 0,
            moves: 0,
            broken: None,
        };
        (0..PEOPLE).for_each(|person| world.enrol(person));
        world.befriend();
        if world.has_rooms {
            world.found();
        }
        world
    }

    /// One thing that happens.
    pub(crate) fn step(&mut self, step: usize) {
        self.random = Random::new(self.seed, step);
        let (person, device) = (self.below(PEOPLE), self.below(DEVICES));
        match self.below(100) {
            0..22 => self.write(person, device),
            22..34 if self.has_rooms => self.write_in_den(person, device),
            34..40 if self.has_rooms => self.change_rooms(person, device),
            22..40 => self.write(person, device),
            40..44 => self.edit(person, device),
            44..47 => self.add(person, device),
            47..50 => self.delete(person, device),
            50..65 => self.look(person, device),
            65..75 => self.acknowledge(person, device),
            75..83 => self.leave(person, device),
            83..93 => self.connect(person, device),
            93..96 => self.kill(person),
            96 => self.kill_session(person, device),
            97 => self.move_away(person, device),
            98 => self.stage.settle().expect("works"),
            _ => self.crash(),
        }
    }

    fn write(&mut self, person: usize, device: usize) {
        let to = (person + 1 + self.below(PEOPLE - 1)) % PEOPLE;
        let (from, to) = (self.id(person), self.id(to));
        let (own, other) = (self.called(person), self.called_as(&to));
        self.written += 1;
        let number = self.written;
        let more = match self.below(6) {
            0 => "status=async".to_owned(),
            1 => self.about(&from, &to),
            _ => String::new(),
        };
        let announced = more == "status=async";
        let text = |more: &str| {
            format!(
                "Message{{msg_id=\"m{number}\" feed_id=p2p{{from=\"{own}\" to=\"{other}\"}} files=[Desc{{id=\"1\" payload=\"{number}\"}}] {more}}}"
            )
        };
        self.ask(person, device, &text(&more));
        if announced && self.below(4) > 0 {
            if self.below(2) == 0 {
                self.look(person, device);
            }
            self.ask(person, device, &text("status=complete"));
        }
        if self.below(2) == 0 {
            self.look(person, device);
        }
    }

    /// A reply to a message of the feed, or a forward of any.
    fn about(&mut self, from: &str, to: &str) -> String {
        let pair = [from, to];
        let here = |written: &Written| pair.contains(&written.from.as_str()) && pair.contains(&written.to.as_str());
        let numbers: Vec<u64> =
            self.known.iter().filter(|(_, written)| here(written)).map(|(number, _)| *number).collect();
        let at = self.below(numbers.len().max(1));
        match numbers.get(at) {
            Some(number) if self.below(2) == 0 => format!("type=[reply] link={number}"),
            Some(number) => format!("type=[forward] link={number}"),
            None => String::new(),
        }
    }

    /// Something is added to a message (MESSAGE-13).
    fn add(&mut self, person: usize, device: usize) {
        if let Some((number, Written { from, to })) = self.own_message(person) {
            let text = self.below(1000);
            let part = format!("Desc{{id=\"2\" parentid=\"1\" payload=\"{text}\"}}");
            let feed = feed(&from, &to);
            self.ask(person, device, &format!("Message{{id={number} feed_id={feed} files=[{part}] status=update}}"));
        }
    }

    /// One of the person's own messages that it knows the number of.
    fn own_message(&mut self, person: usize) -> Option<(u64, Written)> {
        let id = self.id(person);
        let own: Vec<(u64, Written)> = self
            .known
            .iter()
            .filter(|(_, written)| written.from == id)
            .map(|(number, written)| (*number, written.clone()))
            .collect();
        let at = self.below(own.len().max(1));
        own.get(at).cloned()
    }

    fn edit(&mut self, person: usize, device: usize) {
        if let Some((number, Written { from, to })) = self.own_message(person) {
            let text = self.below(1000);
            let feed = feed(&from, &to);
            self.ask(
                person,
                device,
                &format!(
                    "Message{{id={number} feed_id={feed} files=[Desc{{id=\"1\" payload=\"{text}\"}}] status=edit}}"
                ),
            );
        }
    }

    fn delete(&mut self, person: usize, device: usize) {
        if let Some((number, Written { from, to })) = self.own_message(person) {
            self.deleted.insert(number);
            self.ask(person, device, &format!("Message{{id={number} feed_id={} status=delete}}", feed(&from, &to)));
        }
    }

    /// The device reads what has come.
    pub(crate) fn look(&mut self, person: usize, device: usize) {
        let own = self.id(person);
        let link = self.device(person, device).link.clone();
        for got in self.stage.take(&link).expect("has a connection") {
            let is_answer = got.topic.starts_with("actions/");
            match etf::decode::<Record>(&got.payload) {
                Ok(Record::Ack(ack)) if is_answer => {
                    self.accepted.insert((own.clone(), text_of(&ack.id)));
                }
                Ok(Record::Message(message)) if !is_answer => self.saw(person, device, &got.topic, &message),
                Ok(Record::Io(io)) if is_answer => self.learns(person, device, &io),
                Ok(Record::Profile(profile)) => self.is_called(person, &profile),
                _ => {}
            }
        }
    }

    /// DLV-5, DLV-8: on one connection a message comes once, and those of a feed in rising order.
    fn saw(&mut self, person: usize, device: usize, topic: &str, message: &Message) {
        if message.msg_id.is_none() {
            // It tells which replies there are (MESSAGE-8).
            return;
        }
        let number = message.id.unwrap_or_default();
        let (from, msg_id) = (self.at_first(text_of(&message.from)), text_of(&message.msg_id));
        if message.status.is_none() {
            let to = self.at_first(text_of(&message.to));
            self.known.insert(number, Written { from: from.clone(), to });
        }
        let own = self.id(person);
        let stream = self.at_first(topic.to_owned());
        let device_at = device;
        let device = self.device(person, device);
        match message.status {
            Some(MessageStatus::Delete) => device.shown.remove(&number),
            _ => device.shown.insert(number, contents(message)),
        };
        if message.status == Some(MessageStatus::Async) {
            device.announced.insert(number);
            // The echo leaves on PUBACK (DLV-3).
            device.seen.extend(Some((from.clone(), msg_id.clone())).filter(|_| from == own));
        }
        device.unacknowledged.extend(message.msg_id.clone().map(|id| (from.clone(), id)));
        if message.status.is_none() && topic == "room/den" {
            let link = device.link.clone();
            self.heard.insert((link, number));
        }
        let device = self.device(person, device_at);
        // What was announced comes again, complete, out of its place.
        if message.status.is_none() && device.announced.contains(&number) && from == own {
            device.seen.insert((from, msg_id));
        } else if message.status.is_none() && !device.announced.contains(&number) {
            let fresh = device.seen_now.insert(number);
            let newest = device.newest.entry(stream).or_default();
            let rising = *newest < number;
            *newest = number.max(*newest);
            // The echo leaves on PUBACK (DLV-3).
            if from == own {
                device.seen.insert((from, msg_id));
            }
            if !fresh || !rising {
                let why = format!(
                    "{} saw message {number} {}",
                    device.link,
                    if fresh { "out of order" } else { "twice on one connection" }
                );
                self.broken.get_or_insert(why);
            }
        }
    }

    pub(crate) fn acknowledge(&mut self, person: usize, device: usize) {
        self.look(person, device);
        let at = self.device(person, device);
        let ids = std::mem::take(&mut at.unacknowledged);
        if !at.online {
            return;
        }
        at.seen.extend(ids.iter().map(|(from, id)| (from.clone(), String::from_utf8_lossy(id).into_owned())));
        let link = at.link.clone();
        self.log.line(format!("{link} acknowledges {}", ids.len()));
        for (_, id) in ids {
            self.stage
                .publish(&link, EVENTS, etf::encode(&Ack { id: Some(id), ..Ack::default() }))
                .expect("is connected");
        }
        self.finish_calls(person, device);
    }

    pub(crate) fn everyone(&mut self, act: fn(&mut World, usize, usize)) {
        for person in 0..PEOPLE {
            (0..DEVICES).for_each(|device| act(self, person, device));
        }
    }

    fn ask(&mut self, person: usize, device: usize, text: &str) {
        if self.device(person, device).online {
            let link = self.device(person, device).link.clone();
            self.log.line(format!("{link} > {text}"));
            self.stage.publish(&link, EVENTS, record(text)).expect("is connected");
            // Some requests of a device are under way at once (G-5).
            if self.below(3) > 0 {
                self.finish_calls(person, device);
            }
        }
    }

    fn finish_calls(&mut self, person: usize, device: usize) {
        let link = self.device(person, device).link.clone();
        self.stage.acknowledged(&link).expect("has a connection");
    }

    fn say(&mut self, link: &str, text: &str) {
        self.stage.publish(link, EVENTS, record(text)).expect("is connected");
        self.stage.acknowledged(link).expect("has a connection");
    }

    pub(crate) fn device(&mut self, person: usize, device: usize) -> &mut Device {
        self.people.get_mut(person).and_then(|person| person.devices.get_mut(device)).expect("there is one")
    }

    pub(crate) fn id(&self, person: usize) -> String {
        self.people.get(person).map(|person| person.id.clone()).unwrap_or_default()
    }

    fn below(&mut self, bound: usize) -> usize {
        self.random.below(bound)
    }
}

/// A feed as it is written: of a room, or of two.
fn feed(from: &str, to: &str) -> String {
    match to.contains('_') {
        true => format!("p2p{{from=\"{from}\" to=\"{to}\"}}"),
        false => format!("muc{{name=\"{to}\"}}"),
    }
}
