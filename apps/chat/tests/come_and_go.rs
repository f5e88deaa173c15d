//! CON-3 and CON-8 when others come and go at the same moment: who is let in, and whom friends take for there.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

mod door;

use std::sync::Arc;

use bytes::Bytes;
use chat_core::door::{Bye, Denied, Gone, Out};
use chat_core::rows::{self, DEVICE, Device, RELATION, Relation, STANDING, Standing};
use chat_core::{Command, Directory, Group, Input, Job, Listed, Name, Output, Port, Settings, WorkResult};
use door::{SEEDS, connect, default_roster, device, device_called, device_of, heard};
use kvs::{Batch, Store, Table};
use proto::ids::Phone;
use proto::limits::TOKEN_EXPIRY_MS;
use proto::records::{Contact, ContactStatus, Online, PresenceStatus};
use scene::Simulated;

/// Longer than a friend takes to be told.
const TOLD_MS: u64 = 1000;
/// Steps of the server after which something comes between.
const MOMENTS: usize = 12;

/// A device of Ann's, and a friend who is there and hears of her.
struct Friends {
    stage: Simulated,
    ann: Phone,
    client: String,
    token: Bytes,
    friend: Arc<Port>,
}

impl Friends {
    fn new(seed: u64) -> Friends {
        Friends::on(Simulated::new(seed, false), seed)
    }

    fn on(mut stage: Simulated, seed: u64) -> Friends {
        // Her account and her session are on one thread or on two.
        let ann = format!("3800{}", seed % 10);
        let (client, token) = device_of(&mut stage, &ann);
        let (friend, friends_token) = device_of(&mut stage, "39001");
        let [own, other] = [&ann, "39001"].map(|phone| default_roster(&stage, phone));
        let related = rows::encode(&Relation { status: Some(ContactStatus::Friend), ..Relation::default() });
        put(&stage, RELATION, rows::pair_key(&own, other.as_str().as_bytes()), related.clone());
        put(&stage, RELATION, rows::pair_key(&other, own.as_str().as_bytes()), related);
        let friend = connect(&mut stage, &friend, &friends_token);
        stage.sim.run_until_quiet();
        stage.sim.take_outputs();
        Friends { stage, ann: ann.parse().unwrap(), client, token, friend }
    }

    fn connect(&mut self, token: &Bytes) -> Arc<Port> {
        connect(&mut self.stage, &self.client, token)
    }

    fn name(&self) -> Name {
        Name::Session(self.client.as_str().into())
    }

    fn tell(&mut self, input: Input) {
        assert!(self.stage.sim.tell(&self.name(), input).is_ok());
    }

    /// Whether the friend takes her for there, when all has been told.
    fn is_seen(&mut self) -> bool {
        self.stage.sim.advance(TOLD_MS);
        let told = self.stage.sim.outputs().iter().filter_map(|output| match output {
            Output::Port(to, Out::Item { payload, .. }) if to.number() == self.friend.number() => Some(payload),
            _ => None,
        });
        let last = told.filter_map(|payload| etf::decode::<Contact>(payload).ok()?.presence).last();
        last == Some(PresenceStatus::Is(Online::Online))
    }

    fn is_there(&self) -> bool {
        self.stage.sim.registry().group_size(&Group::Account(self.ann.clone())) == 1
    }
}

fn ann() -> Phone {
    "38001".parse().unwrap()
}

fn wrong() -> Bytes {
    Bytes::from_static(b"wrong")
}

fn put(stage: &Simulated, table: Table, key: Bytes, row: Bytes) {
    let mut batch = Batch::default();
    batch.put(table, key, row);
    stage.sim.store().apply(&batch).unwrap();
}

fn read(stage: &Simulated, key: &[u8]) -> Device {
    rows::decode(&stage.sim.store().get(DEVICE, key).unwrap().expect("there is the device")).unwrap()
}

#[test]
fn con_8_friends_do_not_take_for_there_who_went_before_it_was_let_in() {
    for (seed, is_behind) in (0..SEEDS).flat_map(|seed| [(seed, false), (seed, true)]) {
        let mut all = Friends::new(seed);
        let token = all.token.clone();
        let port = all.connect(&token);
        all.stage.sim.run(seed as usize % 4);
        all.tell(Input::Gone { connection: port.number(), how: Gone::Lost });
        if is_behind {
            all.connect(&wrong());
        }
        assert!(!all.is_seen(), "seed {seed}, another asks behind it: {is_behind}");
    }
}

#[test]
fn con_8_friends_do_not_take_for_there_whose_session_has_failed() {
    for (seed, moment) in (0..SEEDS).flat_map(|seed| (0..MOMENTS).map(move |moment| (seed, moment))) {
        for is_behind in [false, true] {
            let mut all = Friends::new(seed);
            let token = all.token.clone();
            all.connect(&token);
            all.stage.sim.run(moment);
            let name = all.name();
            all.stage.sim.kill(&name);
            if is_behind {
                all.connect(&wrong());
            }
            let is_seen = all.is_seen();
            assert_eq!(is_seen, all.is_there(), "seed {seed}, moment {moment}, another asks behind it: {is_behind}");
        }
    }
}

#[test]
fn con_8_friends_do_not_take_for_there_whose_session_fails_too_often_to_be_let_in() {
    for (seed, moment) in (0..SEEDS).flat_map(|seed| (0..MOMENTS).map(move |moment| (seed, moment))) {
        let mut all = Friends::new(seed);
        let token = all.token.clone();
        all.connect(&token);
        all.stage.sim.run(moment);
        let name = all.name();
        (0..=n2o::RESTARTS_MAX).for_each(|_| all.stage.sim.kill(&name));
        let is_seen = all.is_seen();
        assert_eq!(is_seen, all.is_there(), "seed {seed}, moment {moment}");
    }
}

#[test]
fn con_7_friends_take_for_there_who_takes_over_from_one_that_is_closed_meanwhile() {
    let end = || Input::End { bye: Bye::Ended, record: None, forget: false };
    let kick = || Input::Command(Box::new(Command::Kick));
    for (seed, moment) in (0..SEEDS).flat_map(|seed| (0..MOMENTS).map(move |moment| (seed, moment))) {
        for close in [end as fn() -> Input, kick] {
            let mut all = Friends::new(seed);
            let token = all.token.clone();
            let first = all.connect(&token);
            all.stage.sim.advance(2 * TOLD_MS);
            let second = all.connect(&token);
            all.stage.sim.run(moment);
            all.tell(close());
            let is_seen = all.is_seen();
            assert_eq!(is_seen, all.is_there(), "seed {seed}, moment {moment}");
            let outputs = all.stage.sim.take_outputs();
            assert!(heard(&outputs, &first).1.is_some(), "seed {seed}, moment {moment}");
            assert_eq!(heard(&outputs, &second).1.is_none(), is_seen, "seed {seed}, moment {moment}");
        }
    }
}

#[test]
fn presence_5_friends_take_for_there_whose_other_device_goes_while_one_comes() {
    for (seed, moment) in (0..SEEDS).flat_map(|seed| (0..MOMENTS).map(move |moment| (seed, moment))) {
        let mut all = Friends::new(seed);
        let (token, ann) = (all.token.clone(), all.ann.to_string());
        let (other, others_token) = device_called(&mut all.stage, &ann, "e");
        let port = connect(&mut all.stage, &other, &others_token);
        all.stage.sim.advance(2 * TOLD_MS);
        all.connect(&token);
        let gone = Input::Gone { connection: port.number(), how: Gone::Left };
        all.stage.sim.run(moment);
        assert!(all.stage.sim.tell(&Name::Session(other.as_str().into()), gone).is_ok());
        assert!(all.is_seen() && all.is_there(), "seed {seed}, moment {moment}");
    }
}

#[test]
fn con_8_friends_do_not_take_for_there_whose_place_one_has_that_registers() {
    for seed in 0..SEEDS {
        let stage = Simulated::with(seed, Settings { directory: Directory::Asked, ..Simulated::settings() });
        let mut all = Friends::on(stage, seed);
        let (token, key) = (all.token.clone(), rows::device_key(&all.ann, &"d".parse().unwrap()));
        put(&all.stage, STANDING, all.ann.to_bytes(), rows::encode(&Standing::default()));
        all.connect(&token);
        let jobs = asked(&mut all.stage);
        // Who asks while there is no such device comes as one that is to register.
        let row = read(&all.stage, &key);
        let mut batch = Batch::default();
        batch.delete(DEVICE, key.clone());
        all.stage.sim.store().apply(&batch).unwrap();
        let guest = all.connect(&Bytes::new());
        all.stage.sim.run_until_quiet();
        assert!(heard(&all.stage.sim.take_outputs(), &guest).0, "seed {seed}");
        put(&all.stage, DEVICE, key, rows::encode(&row));
        let result = WorkResult::Listed(Some(Arc::new(Listed::default())));
        assert!(all.stage.sim.tell(&jobs[0].from, Input::Worked { job: jobs[0].number, result }).is_ok());
        assert!(!all.is_seen() && !all.is_there(), "seed {seed}");
    }
}

/// A device of an account that the organisation's directory decides about.
fn listed(seed: u64) -> (Simulated, String, Bytes) {
    let mut stage = Simulated::with(seed, Settings { directory: Directory::Asked, ..Simulated::settings() });
    let (client, token) = device(&mut stage);
    put(&stage, STANDING, ann().to_bytes(), rows::encode(&Standing::default()));
    (stage, client, token)
}

/// What the directory is asked.
fn asked(stage: &mut Simulated) -> Vec<Job> {
    stage.sim.run_until_quiet();
    let jobs = stage.sim.take_outputs().into_iter();
    jobs.filter_map(|output| if let Output::Work(job) = output { Some(*job) } else { None }).collect()
}

/// It knows the person. What comes of that.
fn answer(stage: &mut Simulated, job: &Job) -> Vec<Output> {
    let result = WorkResult::Listed(Some(Arc::new(Listed::default())));
    assert!(stage.sim.tell(&job.from, Input::Worked { job: job.number, result }).is_ok());
    stage.sim.run_until_quiet();
    stage.sim.take_outputs()
}

#[test]
fn con_7_the_last_one_that_asked_stays_in_whatever_order_the_directory_answers_for_them() {
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for (seed, order) in (0..SEEDS / 4).flat_map(|seed| orders.map(|order| (seed, order))) {
        let (mut stage, client, token) = listed(seed);
        let ports = [0; 3].map(|_| connect(&mut stage, &client, &token));
        let jobs = asked(&mut stage);
        assert_eq!(jobs.len(), ports.len());
        let outputs: Vec<Output> = order.iter().flat_map(|at| answer(&mut stage, &jobs[*at])).collect();
        let taken_over = (true, Some(Bye::TakenOver));
        let all = [0, 1, 2].map(|at| heard(&outputs, &ports[at]));
        assert_eq!(all, [taken_over, taken_over, (true, None)], "seed {seed}, {order:?}");
    }
}

#[test]
fn con_3_who_is_no_device_any_more_when_the_directory_answers_is_not_let_in() {
    for seed in 0..SEEDS {
        let (mut stage, client, token) = listed(seed);
        let port = connect(&mut stage, &client, &token);
        let jobs = asked(&mut stage);
        let key = rows::device_key(&ann(), &"d".parse().unwrap());
        let row = read(&stage, &key);
        put(&stage, DEVICE, key, rows::encode(&Device { token: None, ..row }));
        let outputs = answer(&mut stage, &jobs[0]);
        let is_denied = outputs.iter().any(|output| {
            matches!(output, Output::Port(to, Out::Denied(Denied::BadCredentials)) if to.number() == port.number())
        });
        assert!(is_denied, "seed {seed}");
    }
}

#[test]
fn auth_5_the_token_of_a_device_that_is_there_is_not_over() {
    for is_there in [true, false] {
        let mut all = Friends::new(1);
        let (token, key) = (all.token.clone(), rows::device_key(&all.ann, &"d".parse().unwrap()));
        if is_there {
            all.connect(&token);
            all.stage.sim.run_until_quiet();
        }
        let row = read(&all.stage, &key);
        let used = row.last_online.saturating_sub(TOKEN_EXPIRY_MS);
        put(&all.stage, DEVICE, key.clone(), rows::encode(&Device { last_online: used, token_made: used, ..row }));
        let port = all.connect(&token);
        all.stage.sim.run_until_quiet();
        assert_eq!(heard(&all.stage.sim.take_outputs(), &port).0, is_there);
        assert_eq!(all.stage.sim.store().get(DEVICE, &key).unwrap().is_some(), is_there);
    }
}
