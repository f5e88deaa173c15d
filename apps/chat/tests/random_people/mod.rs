//! People with several rosters and devices, who say whatever the protocol has, and what becomes of them.

mod ask;
mod calls;
mod come;
mod end;
mod fail;
mod orphans;
mod view;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use chat_core::Name;
use n2o::Time;
use proto::Record;
use proto::records::{Profile, Room};
use scene::{EVENTS, Got, Log, Random, Simulated, Stage};

use crate::random_days::record;

pub(crate) use calls::CALLS;
use calls::Call;
use view::Book;

pub(crate) const PEOPLE: usize = 4;
const DEVICES: usize = 2;
/// Sub-protocols that are spoken often on a day: each day has others, so that it goes deep.
const OFTEN: usize = 2;
/// More than a roster leaves for long without adding them up.
const CHANGES: usize = 60;
const SERVICE: &str = "service";
const MINUTE_MS: u64 = 60_000;

pub(crate) struct World {
    stage: Simulated,
    seed: u64,
    random: Random,
    log: Log,
    people: Vec<Person>,
    written: usize,
    /// What is said often today.
    often: Vec<usize>,
    /// Ids of members that were seen.
    members: BTreeSet<u64>,
    /// References of files (FTP-3).
    files: BTreeSet<String>,
    /// Who was banned from a room last; the room that was named last, and the roster of the star that was.
    outcast: String,
    outcast_of: String,
    room: String,
    star_of: u64,
    /// The e-mail address that was named last.
    address: String,
    /// Processes that were ended lately, and when.
    killed: Vec<(Name, Time)>,
    /// How often each call ended how.
    pub(crate) outcomes: BTreeMap<(&'static str, String), usize>,
    /// A rule that was broken.
    broken: Option<String>,
}

struct Person {
    /// The number that it registered.
    phone: String,
    devices: Vec<Device>,
}

#[derive(Default)]
struct Device {
    link: String,
    /// Its own name, and what it was given when it registered; nothing if that has ended.
    key: String,
    given: Option<(String, Bytes)>,
    online: bool,
    /// It does not confirm what comes (PUBACK); this is what came so.
    holds: bool,
    held: Vec<Got>,
    /// An answer was lost: it has to ask what is so.
    missed: bool,
    view: Book,
}

impl Device {
    fn has_to_ask(&self) -> bool {
        self.missed || self.view.update.is_none()
    }
}

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asker {
    Device(usize, usize),
    Service,
}

impl World {
    pub(crate) fn new(seed: u64, log: &Log) -> World {
        let settings = chat_core::Settings { limits: false, ..Simulated::settings() };
        let device = |person: usize, device: usize| Device {
            link: format!("{} {device}", 380_200_000 + person),
            key: format!("d{device}"),
            ..Device::default()
        };
        let person = |person: usize| Person {
            phone: (380_200_000 + person).to_string(),
            devices: (0..DEVICES).map(|at| device(person, at)).collect(),
        };
        let mut world = World {
            stage: Simulated::with(seed, settings),
            seed,
            random: Random::new(seed, usize::MAX),
            log: log.clone(),
            people: (0..PEOPLE).map(person).collect(),
            written: 0,
            often: Vec::new(),
            members: BTreeSet::new(),
            files: BTreeSet::new(),
            outcast: String::new(),
            outcast_of: String::new(),
            room: String::new(),
            star_of: 1,
            address: String::new(),
            killed: Vec::new(),
            outcomes: BTreeMap::new(),
            broken: None,
        };
        world.serve();
        world.everyone(World::connect);
        world.befriend();
        world.found();
        for _ in 0..OFTEN {
            let subject = |call: &Call| call.name.split('-').next();
            let one = subject(&CALLS[0][world.below(CALLS[0].len())]);
            world.often.extend((0..CALLS[0].len()).filter(|at| subject(&CALLS[0][*at]) == one));
        }
        world
    }

    /// Everybody but the last is everybody's friend; the first two have two rosters.
    fn befriend(&mut self) {
        for person in 0..2 {
            self.say(person, "Roster{names=\"Work\" surnames=\"Face\" status=create}");
        }
        for one in 0..PEOPLE - 1 {
            for other in one + 1..PEOPLE - 1 {
                let (from, to) = (self.default_of(one), self.default_of(other));
                self.say(one, &format!("Friend{{phone_id=\"{from}\" friend_id=\"{to}\" status=request}}"));
                self.say(other, &format!("Friend{{phone_id=\"{to}\" friend_id=\"{from}\" status=confirm}}"));
            }
        }
    }

    /// A group of all friends, a channel, and something to read.
    fn found(&mut self) {
        let others: Vec<String> =
            (1..PEOPLE - 1).map(|person| format!("Member{{phone_id=\"{}\"}}", self.default_of(person))).collect();
        let others = others.join(" ");
        self.say(0, &format!("Room{{id=\"den\" name=\"Den\" members=[{others}] status=create}}"));
        self.say(1, "Room{id=\"news\" name=\"News\" type=channel status=create}");
        for person in 0..PEOPLE - 1 {
            let (from, to) = (self.default_of(person), self.default_of((person + 1) % (PEOPLE - 1)));
            for feed in [format!("p2p{{from=\"{from}\" to=\"{to}\"}}"), "muc{name=\"den\"}".to_owned()] {
                self.written += 1;
                let msg_id = format!("m{}", self.written);
                self.say(
                    person,
                    &format!("Message{{msg_id=\"{msg_id}\" feed_id={feed} files=[Desc{{id=\"1\" payload=\"tea\"}}]}}"),
                );
            }
        }
    }

    fn say(&mut self, person: usize, text: &str) {
        let link = self.device(person, 0).link.clone();
        self.stage.publish(&link, EVENTS, record(text)).expect("is connected");
        self.look();
    }

    /// One thing that happens. `Err` is a rule that was broken.
    pub(crate) fn step(&mut self, step: usize) -> Result<(), String> {
        self.random = Random::new(self.seed, step);
        // The first two, who own rooms, more often.
        let people = if self.below(3) == 0 { 2 } else { PEOPLE };
        let (person, device) = (self.below(people), self.below(DEVICES));
        match self.below(100) {
            0..3 => self.ask_by_name(person, device, "ROOM-1"),
            3..6 => self.ask_by_name(person, device, "FRIEND-1"),
            6..55 => self.ask_one(Asker::Device(person, device)),
            55..58 => self.ask_one(Asker::Service),
            58..69 => self.burst(),
            69 => self.turn_over(person, device),
            70..75 => self.leave(person, device),
            75..90 => self.connect(person, device),
            90..94 => self.kill(),
            94 => self.kill_session(person, device),
            95..99 => self.pass(),
            _ => self.crash(),
        }
        self.look();
        self.broken.take().map_or(Ok(()), Err)
    }

    /// Several at once, and something that comes between.
    fn burst(&mut self) {
        for _ in 0..2 + self.below(5) {
            let (person, device) = (self.below(PEOPLE), self.below(DEVICES));
            let asker = Asker::Device(person, device);
            let call = self.some_call();
            if !self.is_online(asker) {
                continue;
            }
            let text = self.words_of(asker, call);
            let link = self.link(asker);
            self.log.line(format!("{link} >> {text}"));
            self.stage.publish(&link, EVENTS, record(&text)).expect("is connected");
            // Nobody looks at its answers one by one.
            self.device(person, device).missed = true;
        }
        let turns = self.below(40);
        self.stage.sim.run(turns);
        match self.below(8) {
            0 => self.crash(),
            1 | 2 => self.kill(),
            3 => {
                let (person, device) = (self.below(PEOPLE), self.below(DEVICES));
                self.kill_session(person, device);
            }
            _ => {}
        }
    }

    /// So many changes of its phone book that they are added up, and something that comes between.
    fn turn_over(&mut self, person: usize, device: usize) {
        // One that holds would hear nothing more for so many notices.
        let holds = self.people[person].devices.iter().any(|device| device.holds);
        if holds || !self.is_online(Asker::Device(person, device)) {
            return;
        }
        let (link, own) = (self.device(person, device).link.clone(), self.default_of(person));
        self.log.line(format!("{link} turns over the phone book of {own}"));
        for change in 0..CHANGES {
            let (status, number) = (["add", "del"][change % 2], 380_999_000_000 + change / 2 % 5);
            let text = format!(
                "Roster{{id=\"{own}\" userlist=[Contact{{phone_id=\"{number}\" names=\"Tea\"}}] status={status}}}"
            );
            self.stage.publish(&link, EVENTS, record(&text)).expect("is connected");
        }
        self.device(person, device).missed = true;
        let turns = self.below(400);
        self.stage.sim.run(turns);
        match self.below(3) {
            0 => self.crash(),
            1 => self.kill(),
            _ => {}
        }
    }

    /// What has come is taken; devices that hold keep it until they confirm.
    fn look(&mut self) {
        loop {
            let came = self.gather();
            if !self.take_in(came) {
                return;
            }
        }
    }

    fn gather(&mut self) -> BTreeMap<String, Vec<Got>> {
        let links = self.people.iter().flat_map(|person| &person.devices).filter(|device| device.online);
        let mut links: Vec<String> = links.map(|device| device.link.clone()).collect();
        links.push(SERVICE.to_owned());
        self.stage.settle().expect("works");
        links.into_iter().map(|link| (link.clone(), self.stage.take(&link).expect("has a connection"))).collect()
    }

    /// Whether something was acknowledged, of which others may hear.
    fn take_in(&mut self, mut came: BTreeMap<String, Vec<Got>>) -> bool {
        let mut has_acknowledged = false;
        for at in 0..PEOPLE * DEVICES {
            let (person, device) = (at / DEVICES, at % DEVICES);
            let it = self.device(person, device);
            let Some(got) = came.remove(&it.link) else { continue };
            let acks: Vec<Bytes> = match it.holds {
                true => {
                    it.held.extend(got);
                    Vec::new()
                }
                false => self.hear(person, device, &got),
            };
            let link = self.device(person, device).link.clone();
            if let Some(code) = self.stage.closed(&link).expect("has a connection")
                && self.device(person, device).online
            {
                self.log.line(format!("{link} is closed, {code:#04x}"));
                let it = self.device(person, device);
                (it.online, it.missed) = (false, true);
                it.held.clear();
            } else if self.device(person, device).online && self.below(2) == 0 {
                has_acknowledged |= !acks.is_empty();
                for ack in acks {
                    let ack = proto::records::Ack { id: Some(ack), ..Default::default() };
                    self.stage.publish(&link, EVENTS, etf::encode(&ack)).expect("is connected");
                }
            }
        }
        has_acknowledged
    }

    /// The device takes what has come; the msg_ids that it has to acknowledge.
    fn hear(&mut self, person: usize, device: usize, got: &[Got]) -> Vec<Bytes> {
        let own = self.number_of(person);
        let mut acks = Vec::new();
        for got in got {
            if self.log.is_whole {
                let link = self.device(person, device).link.clone();
                self.log.line(format!("    {link} < {}", ask::printed(std::slice::from_ref(got)).trim_end()));
            }
            self.device(person, device).view.hears(&own, &got.topic, &got.payload);
            match etf::decode::<Record>(&got.payload) {
                Ok(Record::Message(message)) if got.qos > 0 && !got.topic.starts_with("actions/") => {
                    acks.extend(message.msg_id.clone());
                }
                Ok(Record::Ftpack(step)) if step.block == Some(0) && step.offset == step.size => {
                    self.files.extend(step.filename.map(|name| String::from_utf8_lossy(&name).into_owned()));
                }
                Ok(Record::Room(room)) => self.members.extend(member_ids(&room)),
                _ => {}
            }
        }
        acks
    }

    fn everyone(&mut self, act: fn(&mut World, usize, usize)) {
        for person in 0..PEOPLE {
            (0..DEVICES).for_each(|device| act(self, person, device));
        }
    }

    fn device(&mut self, person: usize, device: usize) -> &mut Device {
        &mut self.people[person].devices[device]
    }

    fn link(&self, asker: Asker) -> String {
        match asker {
            Asker::Device(person, device) => self.people[person].devices[device].link.clone(),
            Asker::Service => SERVICE.to_owned(),
        }
    }

    fn is_online(&self, asker: Asker) -> bool {
        match asker {
            Asker::Device(person, device) => self.people[person].devices[device].online,
            Asker::Service => true,
        }
    }

    fn holds(&self, asker: Asker) -> bool {
        match asker {
            Asker::Device(person, device) => self.people[person].devices[device].holds,
            Asker::Service => false,
        }
    }

    fn number_of(&self, person: usize) -> String {
        self.people[person].phone.clone()
    }

    /// Of which its devices know.
    fn rosters(&self, person: usize) -> Vec<u64> {
        let devices = self.people[person].devices.iter();
        let all: BTreeSet<u64> = devices.flat_map(|device| device.view.now.rosters.keys().copied()).collect();
        all.into_iter().collect()
    }

    fn default_of(&self, person: usize) -> String {
        format!("{}_{}", self.number_of(person), self.rosters(person).first().copied().unwrap_or_default())
    }

    fn below(&mut self, bound: usize) -> usize {
        self.random.below(bound)
    }
}

fn member_ids(room: &Room) -> impl Iterator<Item = u64> + '_ {
    room.admins.iter().chain(&room.members).filter_map(|member| member.id)
}

fn profile(payload: &Bytes) -> Option<Box<Profile>> {
    match etf::decode::<Record>(payload) {
        Ok(Record::Profile(profile)) => Some(profile),
        _ => None,
    }
}
