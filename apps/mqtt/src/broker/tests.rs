//! The broker without connections: links take the place of clients.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use rumqttd::protocol::PublishProperties;

use super::*;
use crate::message::Will;
use crate::packet::Qos;
use crate::session::Kept;
use crate::signal::Signal;

mod lasting;

fn options(qos: Qos) -> Options {
    Options { qos, no_local: false, as_published: false, id: None }
}

fn message(topic: &str, payload: &str, qos: Qos) -> Message {
    Message::plain(topic, payload.to_owned(), qos)
}

fn retained(topic: &str, payload: &str) -> Message {
    Message { retain: true, ..message(topic, payload, Qos::One) }
}

fn brief(seconds: u32, message: Message) -> Message {
    let known = PublishProperties { message_expiry_interval: Some(seconds), ..PublishProperties::default() };
    Message { properties: Some(Box::new(known)), ..message }
}

fn next(link: &Link, now: Instant) -> Option<Delivered> {
    let mut cx = Context::from_waker(Waker::noop());
    match link.poll_next(now, &mut cx) {
        Poll::Ready(next) => Some(next.unwrap()),
        Poll::Pending => None,
    }
}

fn all(link: &Link) -> Vec<Delivered> {
    std::iter::from_fn(|| next(link, Instant::now())).collect()
}

fn payloads(link: &Link) -> Vec<String> {
    all(link).iter().map(|delivered| String::from_utf8(delivered.message.payload.to_vec()).unwrap()).collect()
}

#[derive(Default)]
struct World {
    broker: Arc<Broker>,
}

impl World {
    fn link(&self, number: u64, filters: &[&str]) -> Link {
        let mut link = Link::open(self.broker.clone(), self.broker.shelf(number));
        for filter in filters {
            link.subscribe(&(*filter).into(), options(Qos::Two), true);
        }
        link
    }

    fn publish(&self, message: Message) {
        self.broker.publish(message, NOBODY, Instant::now());
    }

    /// Whether all that was once waited for or subscribed to is gone.
    fn is_empty(&self) -> bool {
        format!("{:?} {:?}", self.broker.tree, self.broker.budget)
            == format!("{:?} {:?}", RwLock::new(Tree::default()), Budget::default())
    }
}

#[test]
fn topic_13_overlapping_subscriptions_bring_one_copy_with_the_highest_qos_and_all_identifiers() {
    let world = World::default();
    let mut link = world.link(1, &[]);
    link.subscribe(&"a/#".into(), Options { id: Some(7), ..options(Qos::Zero) }, true);
    link.subscribe(&"a/+".into(), Options { id: Some(8), as_published: true, ..options(Qos::Two) }, true);
    link.subscribe(&"+/b".into(), options(Qos::One), true);
    let other = world.link(2, &["#"]);
    world.publish(retained("a/b", "x"));
    let mut copies = all(&link);
    assert_eq!((copies.len(), all(&other).len()), (1, 1));
    let copy = copies.pop().unwrap();
    let mut ids = copy.ids;
    ids.sort_unstable();
    assert_eq!((copy.qos, copy.retain, ids), (Qos::One, true, vec![7, 8]));
}

#[test]
fn topic_13_no_local_keeps_a_clients_own_messages_from_it_by_that_subscription() {
    let world = World::default();
    let mut link = world.link(1, &[]);
    link.subscribe(&"a".into(), Options { no_local: true, ..options(Qos::One) }, true);
    world.broker.publish(message("a", "own", Qos::One), 1, Instant::now());
    world.broker.publish(message("a", "other", Qos::One), 2, Instant::now());
    assert_eq!(payloads(&link), ["other"]);
    link.subscribe(&"#".into(), options(Qos::One), true);
    world.broker.publish(message("a", "own", Qos::One), 1, Instant::now());
    assert_eq!(payloads(&link), ["own"]);
}

#[test]
fn con_10_what_is_retained_comes_first_and_marked_then_what_is_published_unmarked() {
    let world = World::default();
    for number in 0..300 {
        world.publish(retained(&format!("t/{number}"), "old"));
    }
    let mut link = world.link(1, &["t/#"]);
    world.publish(retained("t/7", "new"));
    let copies = all(&link);
    assert_eq!(copies.len(), 300, "299 old ones and a new one");
    assert!(copies[..299].iter().all(|copy| copy.retain) && !copies[299].retain);
    // An empty one is a message like others; it clears what is kept.
    world.publish(retained("t/7", ""));
    assert_eq!(payloads(&link), [""]);
    link.subscribe(&"t/7".into(), options(Qos::One), true);
    assert!(all(&link).is_empty());
    // Without the wish for it, nothing retained.
    link.subscribe(&"t/8".into(), options(Qos::One), false);
    assert!(all(&link).is_empty());
}

#[test]
fn message_expiry_counts_down_while_a_message_waits_or_is_retained() {
    let world = World::default();
    let link = world.link(1, &["t"]);
    world.publish(brief(10, retained("t", "long")));
    world.publish(brief(2, message("t", "short", Qos::One)));
    let later = Instant::now() + Duration::from_secs(4);
    let copy = next(&link, later).unwrap();
    assert_eq!((copy.left, next(&link, later).is_some()), (Some(6), false));
    let late = world.link(2, &["t"]);
    assert_eq!(next(&late, later).unwrap().left, Some(6));
    let over = world.link(3, &["t"]);
    assert!(next(&over, later + Duration::from_secs(7)).is_none());
}

#[test]
fn topic_13_a_group_divides_what_its_filter_names_and_is_shown_nothing_retained() {
    let world = World::default();
    world.publish(retained("w/x", "kept"));
    let mut links: Vec<Link> = (1..4).map(|number| world.link(number, &[])).collect();
    for link in &mut links {
        link.subscribe(&"$share/g/w/#".into(), options(Qos::One), false);
    }
    let alone = world.link(9, &["$share/g/w/x"]);
    let own = world.link(10, &["w/#", "$share/h/w/#"]);
    let _ = payloads(&own);
    for number in 0..9 {
        world.publish(message("w/x", &number.to_string(), Qos::One));
    }
    assert_eq!(links.iter().map(|link| all(link).len()).collect::<Vec<_>>(), [3, 3, 3]);
    assert_eq!((all(&alone).len(), all(&own).len()), (9, 18));
}

#[test]
fn topic_13_what_a_leaving_member_of_a_group_has_not_acknowledged_goes_to_another() {
    let world = World::default();
    let first = world.link(1, &["$share/g/t"]);
    for payload in ["sent", "waits"] {
        world.publish(message("t", payload, Qos::One));
    }
    let sent = next(&first, Instant::now()).unwrap();
    let second = world.link(2, &["$share/g/t"]);
    // The connection breaks: what has not been sent need not wait.
    first.disconnect();
    assert_eq!(payloads(&second), ["waits"]);
    world.publish(message("t", "later", Qos::One));
    assert_eq!(payloads(&second), ["later"], "whoever is away has no turn");
    // The session ends.
    first.give_up(vec![sent]);
    assert_eq!(payloads(&second), ["sent"]);
    let mut third = world.link(3, &["$share/g/t"]);
    drop(second);
    world.publish(message("t", "alone", Qos::One));
    third.unsubscribe("$share/g/t");
    assert!(all(&third).is_empty());
    drop(third);
    assert!(world.is_empty());
}

#[test]
fn a_link_that_goes_leaves_nothing_behind() {
    let world = World::default();
    let links: Vec<Link> = (1..50).map(|number| world.link(number, &["a/+/c", "a/#", "$share/g/a/b/c"])).collect();
    world.publish(message("a/b/c", "x", Qos::One));
    assert!(!world.is_empty());
    drop(links);
    assert!(world.is_empty());
}

fn claim(world: &World, id: &str, clean: bool) -> clients::Claim {
    let mut cx = Context::from_waker(Waker::noop());
    let claimant = clients::Claimant { id: &id.into(), owner: &"".into(), bucket: None, clean, expiry: 0 };
    match world.broker.poll_claim(&claimant, &Arc::new(Signal::default()), &mut cx) {
        Poll::Ready(claim) => claim.unwrap_or_else(|_| panic!("{id} is another's")),
        Poll::Pending => panic!("{id} is taken"),
    }
}

fn release(world: &World, id: &str, link: Option<Link>, expiry: u32, will: Option<u32>) {
    let shelf = world.broker.shelf(1);
    let session =
        Box::new(Resumable { kept: Kept::default(), link, unreleased: world.broker.unreleased(shelf.clone()), shelf });
    let will = will.map(|delay| Will { message: message("will", id, Qos::One), delay });
    world.broker.release(&id.into(), Some(session), expiry, will);
}

#[test]
fn con_8_con_11_a_will_waits_for_its_delay_or_the_end_of_the_session_and_not_for_a_client_that_is_back() {
    let world = World::default();
    let watch = world.link(100, &["will"]);
    let now = Instant::now();
    let after = |seconds| world.broker.sweep(now + Duration::from_secs(seconds));
    for (id, expiry, delay) in
        [("now", 60, 0), ("no session", 0, 30), ("later", 60, 5), ("short", 3, 9), ("back", 60, 5)]
    {
        claim(&world, id, false);
        release(&world, id, None, expiry, Some(delay));
    }
    assert_eq!(payloads(&watch), ["now", "no session"]);
    assert!(claim(&world, "back", false).resumed.is_some());
    after(4);
    assert_eq!(payloads(&watch), ["short"]);
    after(6);
    assert_eq!(payloads(&watch), ["later"]);
    assert!(claim(&world, "short", false).resumed.is_none() && claim(&world, "later", false).resumed.is_some());
    // A clean start ends the session, and a will that waits is due.
    release(&world, "later", None, 60, Some(5));
    assert!(claim(&world, "later", true).resumed.is_none());
    assert_eq!(payloads(&watch), ["later"]);
}

#[test]
fn con_11_a_session_is_resumed_with_what_came_meanwhile_unless_that_was_too_much() {
    let world = World::default();
    claim(&world, "x", false);
    release(&world, "x", Some(world.link(1, &["t"])), 60, None);
    world.publish(message("t", "zero", Qos::Zero));
    world.publish(message("t", "one", Qos::One));
    let link = claim(&world, "x", false).resumed.unwrap().link.unwrap();
    link.connect();
    world.publish(message("t", "zero", Qos::Zero));
    assert_eq!(payloads(&link), ["one", "zero"]);

    release(&world, "x", Some(link), 60, None);
    for _ in 0..17 {
        world.publish(message("t", &"x".repeat(1 << 20), Qos::One));
    }
    assert!(claim(&world, "x", false).resumed.is_none(), "its client learns that something is missing");
    release(&world, "x", None, 0, None);
    assert!(world.is_empty());
}

#[test]
fn con_11_a_session_without_time_left_hands_its_shared_messages_on() {
    let world = World::default();
    claim(&world, "x", false);
    let first = world.link(1, &["$share/g/t"]);
    let second = world.link(2, &["$share/g/t"]);
    for payload in ["a", "b", "c", "d"] {
        world.publish(message("t", payload, Qos::Two));
    }
    release(&world, "x", Some(first), 0, None);
    let mut got = payloads(&second);
    got.sort();
    assert_eq!(got, ["a", "b", "c", "d"]);
}
