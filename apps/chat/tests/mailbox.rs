//! Boxes against a model: random commands from several connections, crashes between them, under many seeds (MAIL, MAILR).

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use etf::Term;
use kvs::{Batch, Store, Table};
use scene::{Opening, Simulated, Stage, Victim};

const USERS: [&str; 3] = ["ann", "ben", "carl"];
const SEEDS: u64 = 40;
const ACTS: usize = 150;

/// What the boxes should be: lines without their ids, and the ids.
#[derive(Default)]
struct Model {
    boxes: BTreeMap<usize, Vec<(u64, String)>>,
    keys: BTreeSet<(usize, usize, u64)>,
    joined: BTreeSet<usize>,
    group_keys: BTreeSet<(usize, u64)>,
    last: u64,
}

struct World {
    stage: Simulated,
    model: Model,
    dice: u64,
}

impl World {
    fn new(seed: u64) -> World {
        let dice = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut world = World { stage: Simulated::new(seed, false), model: Model::default(), dice };
        world.open();
        world
    }

    /// The row of a box, read anew by its process.
    fn change(&mut self, user: usize, row: Bytes) {
        let mut batch = Batch::default();
        batch.put(Table("mailbox"), USERS[user], row);
        self.stage.store().apply(&batch).unwrap();
        self.stage.fail(&Victim::Mailbox(USERS[user].into())).unwrap();
    }

    /// Xorshift.
    fn roll(&mut self, sides: u64) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice % sides
    }

    fn open(&mut self) {
        for (user, name) in USERS.iter().enumerate() {
            self.stage.open(name, &Opening::default()).unwrap();
            assert_eq!(self.ask(user, &format!("AUTH {name}")), format!("USER {name}"));
        }
    }

    /// The answer to a command; letters that come beside it are passed over.
    fn ask(&mut self, user: usize, text: &str) -> String {
        self.stage.take(USERS[user]).unwrap();
        self.stage.say(USERS[user], text).unwrap();
        let came = self.stage.take(USERS[user]).unwrap();
        let texts = came.iter().map(|got| String::from_utf8(got.payload.to_vec()).unwrap());
        let mut answers = texts.filter(|text| !text.starts_with("NOTIFY "));
        let answer = answers.next().unwrap();
        assert_eq!(answers.next(), None, "one answer to {text}");
        answer
    }

    /// The same for a record: whether it is acknowledged.
    fn say(&mut self, user: usize, record: &str) -> bool {
        self.stage.take(USERS[user]).unwrap();
        let bytes = etf::encode(&etf::text::parse(record, &()).unwrap());
        self.stage.publish(USERS[user], "", bytes).unwrap();
        let came = self.stage.take(USERS[user]).unwrap();
        let is = |payload: &Bytes, name| {
            etf::decode::<Term>(payload).unwrap().head().is_some_and(|(atom, arity)| (atom, arity) == (name, 2))
        };
        let acks = came.iter().filter(|got| is(&got.payload, "Ack")).count();
        let naks = came.iter().filter(|got| is(&got.payload, "Nak")).count();
        assert_eq!(acks + naks, 1, "one answer to {record}");
        acks == 1
    }

    /// What BOX shows, without looking at the model.
    fn list(&mut self, user: usize) -> Vec<(u64, String)> {
        let list = self.ask(user, "BOX");
        let lines = list.strip_prefix("LIST\n").unwrap().lines();
        let parted = lines.map(|line| {
            let parts: Vec<&str> = line.splitn(4, ':').collect();
            (parts[2].parse().unwrap(), format!("{}:{}:{}", parts[0], parts[1], parts[3]))
        });
        parted.collect()
    }

    /// A letter has been kept: it is the last, and its id is greater than any before on the server.
    fn kept(&mut self, to: usize, line: String) {
        let id = self.list(to).last().unwrap().0;
        assert!(id > self.model.last && id.to_string().len() == 19);
        self.model.last = id;
        self.model.boxes.entry(to).or_default().push((id, line));
    }

    fn act(&mut self, step: usize) {
        let (user, to) = (self.roll(3) as usize, self.roll(3) as usize);
        let key = self.roll(6);
        match self.roll(16) {
            0..=4 => {
                let answer = self.ask(user, &format!("SEND {} text {step}", USERS[to]));
                assert!(answer.starts_with("ACK \""), "{answer}");
                self.kept(to, format!("{}:{}:text {step}", USERS[user], USERS[to]));
            }
            5..=7 => {
                let record = format!(
                    "{{'Pub',\"k{key}\",{{'Adr',[],{{p2p,{{'P2P',\"{}\"}}}}}},\"\",\"bin {step}\"}}",
                    USERS[to]
                );
                assert!(self.say(user, &record));
                if self.model.keys.insert((user, to, key)) {
                    self.kept(to, format!("{}:{}:bin {step}", USERS[user], USERS[to]));
                }
            }
            8 => {
                assert!(self.say(user, "{'Sub',\"s\",{'Adr',[],{muc,{'MUC',\"tea\"}}}}"));
                self.model.joined.insert(user);
            }
            9 | 10 => {
                let record = format!("{{'Pub',\"k{key}\",{{'Adr',[],{{muc,{{'MUC',\"tea\"}}}}}},\"\",\"all {step}\"}}");
                let is_member = self.model.joined.contains(&user);
                assert_eq!(self.say(user, &record), is_member);
                if is_member && self.model.group_keys.insert((user, key)) {
                    let mut ids = Vec::new();
                    for to in self.model.joined.clone() {
                        let id = self.list(to).last().unwrap().0;
                        assert!(id > self.model.last);
                        ids.push(id);
                        self.model.boxes.entry(to).or_default().push((id, format!("{}:tea:all {step}", USERS[user])));
                    }
                    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "each copy has an id of its own");
                    self.model.last = ids.into_iter().max().unwrap();
                }
            }
            11..=13 => {
                let owned = self.model.boxes.entry(user).or_default();
                let at = key as usize;
                let Some(id) = owned.get(at).map(|(id, _)| *id) else {
                    assert_eq!(self.ask(user, "CUT 1000000000000000001"), "NOT FOUND ");
                    return;
                };
                owned.drain(..=at);
                assert_eq!(self.ask(user, &format!("CUT {id}")), format!("ERASED {}", at + 1));
                assert_eq!(self.ask(user, &format!("CUT {id}")), "NOT FOUND ");
            }
            14 => {
                self.stage.crash().unwrap();
                self.open();
            }
            _ => self.stage.advance(400_000).unwrap(),
        }
    }

    fn compare(&mut self) {
        for (user, name) in USERS.iter().enumerate() {
            let wanted = self.model.boxes.get(&user).cloned().unwrap_or_default();
            assert_eq!(self.list(user), wanted, "the box of {name}");
        }
    }
}

#[test]
fn mail_3_mail_6_mail_7_mail_9_mailr_2_mailr_3_boxes_are_what_was_acknowledged() {
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        for step in 0..ACTS {
            world.act(step);
            if step % 10 == 0 {
                world.compare();
            }
        }
        world.compare();
    }
}

/// It gets what it missed when it is whole again.
#[test]
fn mailr_3_a_member_whose_box_is_broken_holds_up_no_group() {
    let mut world = World::new(1);
    for user in 0..USERS.len() {
        assert!(world.say(user, "{'Sub',\"s\",{'Adr',[],{muc,{'MUC',\"tea\"}}}}"));
    }
    let row = world.stage.kept().unwrap()[&("mailbox", Bytes::from("ann"))].clone();
    world.change(0, Bytes::from_static(b"\xff"));
    for letter in 1..=5 {
        let record = format!("{{'Pub',\"k{letter}\",{{'Adr',[],{{muc,{{'MUC',\"tea\"}}}}}},\"\",\"all {letter}\"}}");
        world.stage.publish("ben", "", etf::encode(&etf::text::parse(&record, &()).unwrap())).unwrap();
    }
    for _ in 0..10 {
        world.stage.advance(1000).unwrap();
    }
    let texts = |list: Vec<(u64, String)>| list.into_iter().map(|(_, line)| line).collect::<Vec<_>>();
    let all: Vec<_> = (1..=5).map(|letter| format!("ben:tea:all {letter}")).collect();
    assert_eq!(texts(world.list(1)), all);
    assert_eq!(texts(world.list(2)), all);

    world.change(0, row);
    world.stage.advance(61_000).unwrap();
    assert_eq!(texts(world.list(0)), all);
    assert_eq!(texts(world.list(1)), all, "nobody has a letter twice");
}

#[test]
fn mail_2_a_connection_of_as_many_users_as_it_may_be_goes_back_to_any_of_them() {
    let mut world = World::new(2);
    for user in 1..64 {
        assert_eq!(world.ask(0, &format!("AUTH u{user}")), format!("USER u{user}"));
    }
    assert_eq!(world.ask(0, "AUTH u64"), "ERROR in request.");
    assert!(!world.say(0, "{'N2O',\"u64\"}"));
    assert_eq!(world.ask(0, "AUTH ann"), "USER ann");
    assert!(world.say(0, "{'N2O',\"u5\"}"));
    assert!(world.ask(0, "SEND u5 hi").starts_with("ACK "));
    assert_eq!(world.list(0).len(), 1);
}

#[test]
fn mail_6_a_list_is_what_a_frame_has_room_for_and_the_next_comes_after_cut() {
    const LETTERS: usize = 300;
    let (mut world, text) = (World::new(1), "x".repeat(4096));
    for _ in 0..LETTERS {
        assert!(world.ask(0, &format!("SEND carl {text}")).starts_with("ACK \""));
    }
    assert!(world.ask(2, "BOX").len() <= 1 << 20);
    let shown = world.list(2);
    assert!((200..LETTERS).contains(&shown.len()), "{}", shown.len());
    let cut = world.ask(2, &format!("CUT {}", shown.last().unwrap().0));
    assert_eq!(cut, format!("ERASED {}", shown.len()));
    assert_eq!(world.list(2).len(), LETTERS - shown.len());
}

#[test]
fn mailr_3_a_group_has_as_many_members_as_one_of_the_chat() {
    let mut stage = Simulated::new(1, false);
    let sub = etf::encode(&etf::text::parse("{'Sub',\"s\",{'Adr',[],{muc,{'MUC',\"tea\"}}}}", &()).unwrap());
    let mut joins = |number: usize| {
        let line = format!("line {}", number / 50);
        if number.is_multiple_of(50) {
            stage.open(&line, &Opening::default()).unwrap();
        }
        stage.say(&line, &format!("AUTH user{number}")).unwrap();
        stage.publish(&line, "", sub.clone()).unwrap();
        let came = stage.take(&line).unwrap();
        let answer: Term = etf::decode(&came.last().unwrap().payload).unwrap();
        answer.head() == Some(("Ack", 2))
    };
    assert!((0..proto::limits::GROUP_MEMBERS).all(&mut joins));
    assert!(!joins(proto::limits::GROUP_MEMBERS));
}
