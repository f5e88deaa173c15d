//! PUSH-1 for a device that goes at the moment at which something comes for it.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod door;

use std::sync::Arc;

use bytes::Bytes;
use chat_core::door::{Gone, Origin};
use chat_core::rows::{self, RELATION, Relation};
use chat_core::{Input, Name, Output, Port};
use door::{SEEDS, connect, default_roster, device_of};
use kvs::{Batch, Store};
use proto::ids::PhoneId;
use proto::records::ContactStatus;
use scene::Simulated;

/// Steps of the server after which the device goes.
const MOMENTS: usize = 25;
/// Longer than further pushes of a feed are merged.
const MERGED_MS: u64 = 4000;

/// Ann, who is connected and can be woken, and somebody who has something for her.
struct Pair {
    stage: Simulated,
    ann: (Name, Arc<Port>),
    ben: (Name, Arc<Port>),
    rosters: [PhoneId; 2],
}

impl Pair {
    fn new(seed: u64, status: Option<ContactStatus>) -> Pair {
        let mut stage = Simulated::new(seed, false);
        // Their processes are on one thread or on several.
        let phones = [format!("3800{}", seed % 10), "39001".to_owned()];
        let links = phones.each_ref().map(|phone| {
            let (client, token) = device_of(&mut stage, phone);
            (Name::Session(client.as_str().into()), connect(&mut stage, &client, &token))
        });
        let rosters = phones.each_ref().map(|phone| default_roster(&stage, phone));
        let mut batch = Batch::default();
        for (own, other) in [(&rosters[0], &rosters[1]), (&rosters[1], &rosters[0])] {
            let relation = Relation { status, ..Relation::default() };
            let key = rows::pair_key(own, other.as_str().as_bytes());
            status.into_iter().for_each(|_| batch.put(RELATION, key.clone(), rows::encode(&relation)));
        }
        stage.sim.store().apply(&batch).unwrap();
        let [ann, ben] = links;
        let mut pair = Pair { stage, ann, ben, rosters };
        let (name, port) = pair.ann.clone();
        pair.asks(&name, port, r#"Auth{type=push push="token" os=android}"#);
        pair.stage.sim.run_until_quiet();
        pair.stage.sim.take_outputs();
        pair
    }

    fn asks(&mut self, name: &Name, port: Arc<Port>, record: &str) {
        let payload: Bytes = etf::encode(&etf::text::parse(record, &proto::catalogue()).unwrap());
        let request = Input::Request { port, call: 1, origin: Origin::Events { token: None }, payload };
        assert!(self.stage.sim.tell(name, request).is_ok());
    }

    /// Ben asks for this, and after so many steps Ann's connection ends. How often her device is woken.
    fn play(&mut self, record: &str, moment: usize) -> usize {
        let ((ann, port), (ben, bens)) = (self.ann.clone(), self.ben.clone());
        self.asks(&ben, bens, record);
        self.stage.sim.run(moment);
        let gone = Input::Gone { connection: port.number(), how: Gone::Lost };
        assert!(self.stage.sim.tell(&ann, gone).is_ok());
        self.stage.sim.advance(MERGED_MS);
        self.stage.sim.take_outputs().iter().filter(|output| matches!(output, Output::Push(_))).count()
    }
}

#[test]
fn push_1_a_message_that_comes_while_its_device_goes_wakes_it_once() {
    let mut silent = 0;
    for (seed, moment) in moments() {
        let mut pair = Pair::new(seed, Some(ContactStatus::Friend));
        let record = format!(r#"Message{{msg_id="m" to="{}" files=[Desc{{id="1" payload="hi"}}]}}"#, pair.rosters[0]);
        match pair.play(&record, moment) {
            // The conversation's step still saw the device, and what it told went out when that had left.
            0 => silent += 1,
            woken => assert_eq!(woken, 1, "seed {seed}, moment {moment}"),
        }
    }
    assert!(silent * 50 < moments().count(), "{silent} were missed");
}

#[test]
fn push_1_a_request_that_comes_while_its_device_goes_wakes_it_once() {
    for (seed, moment) in moments() {
        let mut pair = Pair::new(seed, None);
        let [ann, ben] = &pair.rosters;
        let record = format!(r#"Friend{{phone_id="{ben}" friend_id="{ann}" status=request}}"#);
        assert_eq!(pair.play(&record, moment), 1, "seed {seed}, moment {moment}");
    }
}

fn moments() -> impl Iterator<Item = (u64, usize)> {
    (0..SEEDS).flat_map(|seed| (0..MOMENTS).map(move |moment| (seed, moment)))
}
