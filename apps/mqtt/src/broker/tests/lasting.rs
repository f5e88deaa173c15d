//! What outlives the server (CON-11): a broker is opened on the store that another has left.

use chat::door::Certificate;
use kvs::{Batch, Memory, Span, Store, VALUE_MAX};

use super::*;
use crate::broker::places::EACH_MAX;
use crate::broker::rows;
use crate::holder::Holder;
use crate::packet::{Connect, Incoming, Publish, Version};
use crate::session::greet::greet;
use crate::session::{Ask, Session, Todo};
use crate::settings::{Plain, Settings};
use refusing::Refusing;

#[path = "../../../tests/support/refusing.rs"]
mod refusing;

/// A server on `store`; nothing that it drops is an end.
struct Run {
    broker: Arc<Broker>,
}

impl Run {
    fn on<S: Store>(store: &Arc<S>) -> Run {
        let store: Arc<dyn Store> = store.clone();
        Run { broker: Broker::open(Book::new(store, Box::new(|_| {}), Arc::default())).unwrap() }
    }

    /// What is noted gets to the disk, and the power goes.
    fn dies(self) {
        self.broker.retained().settle();
        self.broker.book.close();
    }

    fn claim(&self, id: &str, clean: bool, expiry: u32) -> clients::Claim {
        self.claim_of("", id, clean, expiry).unwrap_or_else(|_| panic!("{id} is another's"))
    }

    fn claim_of(&self, owner: &str, id: &str, clean: bool, expiry: u32) -> Result<clients::Claim, clients::Anothers> {
        self.claim_from(None, owner, id, clean, expiry)
    }

    fn claim_from(
        &self,
        bucket: Option<u8>,
        owner: &str,
        id: &str,
        clean: bool,
        expiry: u32,
    ) -> Result<clients::Claim, clients::Anothers> {
        let mut cx = Context::from_waker(Waker::noop());
        let claimant = clients::Claimant { id: &id.into(), owner: &owner.into(), bucket, clean, expiry };
        match self.broker.poll_claim(&claimant, &Arc::new(Signal::default()), &mut cx) {
            Poll::Ready(claim) => claim,
            Poll::Pending => panic!("{id} is taken"),
        }
    }

    /// A client of a minute's session that has just subscribed.
    fn client(&self, id: &str, filter: &str, options: Options) -> (Arc<Shelf>, Link) {
        let shelf = self.claim(id, false, 60).shelf;
        let mut link = Link::open(self.broker.clone(), shelf.clone());
        link.subscribe(&filter.into(), options, false);
        (shelf, link)
    }

    /// Its link after a restart.
    fn back(&self, id: &str) -> Link {
        let link = self.claim(id, false, 60).resumed.expect("a session").link.expect("its link");
        link.connect();
        link
    }

    fn publish(&self, message: Message) -> bool {
        self.broker.publish(message, NOBODY, Instant::now())
    }
}

fn store() -> Arc<Memory> {
    Arc::new(Memory::new(rows::TABLES))
}

fn is_empty(store: &Memory) -> bool {
    rows::TABLES.iter().all(|table| store.scan(*table, &Span::prefix("")).unwrap().is_empty())
}

#[test]
fn con_7_con_11_a_session_is_of_whose_certificate_has_opened_it_after_a_restart_too() {
    let store = store();
    let run = Run::on(&store);
    let shelf = run.claim_of("alice", "door", false, 60).expect("nobody's before").shelf;
    let mut link = Link::open(run.broker.clone(), shelf.clone());
    link.subscribe(&"a".into(), options(Qos::One), false);
    let is_refused = |run: &Run| {
        let others = ["bob", ""].into_iter().flat_map(|owner| [(owner, false), (owner, true)]);
        others.into_iter().all(|(owner, clean)| run.claim_of(owner, "door", clean, 60).is_err())
    };
    assert!(is_refused(&run), "while it is there");
    run.dies();
    let run = Run::on(&store);
    assert!(is_refused(&run), "while it is away");
    assert!(run.claim_of("alice", "door", false, 60).expect("her own").resumed.is_some());
}

#[test]
fn con_11_profile_11_a_session_is_not_for_whoever_has_a_number_after_its_owner() {
    use chat::rows::{ALIAS, TABLES, encode, path};

    let (store, names) = (store(), Arc::new(Memory::new(TABLES)));
    let owner = |issued| {
        let certificate = Certificate { names: vec!["38001".to_owned()], issued, ..Certificate::default() };
        Holder::new(Arc::new(certificate), names.clone(), Arc::default()).owner()
    };
    let run = Run::on(&store);
    run.claim_of(&owner(1000), "lamp1", false, 60).expect("nobody's before");
    run.dies();
    let mut batch = Batch::default();
    batch.put(ALIAS, path(&[b"38001", b"*"]), encode(&1500_u64));
    names.apply(&batch).unwrap();

    let run = Run::on(&store);
    for (clean, issued) in [(false, 2000), (true, 2000), (false, 1000)] {
        assert!(run.claim_of(&owner(issued), "lamp1", clean, 60).is_err(), "{clean} {issued}");
    }
    run.claim_of(&owner(2000), "lamp2", false, 60).expect("nobody's before");
    run.dies();
    assert!(Run::on(&store).claim_of(&owner(3000), "lamp2", false, 60).expect("her own").resumed.is_some());
}

#[test]
fn con_11_a_session_that_is_over_is_ended_and_not_resumed_whoever_has_its_id_next() {
    for heir in ["alice", "bob"] {
        let store = store();
        let run = Run::on(&store);
        let mut watch = Link::open(run.broker.clone(), run.broker.shelf(100));
        watch.subscribe(&"will".into(), options(Qos::One), true);
        let shelf = run.claim_of("alice", "door", false, 60).expect("nobody's before").shelf;
        let mut link = Link::open(run.broker.clone(), shelf.clone());
        link.subscribe(&"a".into(), options(Qos::One), false);
        run.publish(message("a", "for alice", Qos::One));
        let unreleased = run.broker.unreleased(shelf.clone());
        let session = Box::new(Resumable { kept: Kept::default(), link: Some(link), unreleased, shelf: shelf.clone() });
        // No sweep has seen that its time is up.
        let now = Instant::now();
        let will = (message("will", "alice is gone", Qos::One), now + Duration::from_secs(600));
        run.broker.clients.found("door".into(), *session, None, now, Some(will));

        let claim = run.claim_of(heir, "door", false, 60).expect("nobody's after");
        assert!(claim.resumed.is_none(), "{heir}");
        assert_eq!(payloads(&watch), ["alice is gone"]);
        assert_eq!((&*claim.shelf.owner, claim.shelf.number == shelf.number), (heir, false));
        assert!(!run.publish(message("a", "for nobody", Qos::One)), "its subscription has gone with it");
        drop((watch, shelf));
        run.dies();
        let run = Run::on(&store);
        let resumed = run.claim_of(heir, "door", false, 60).expect("the heir's").resumed.expect("the new session");
        assert!(resumed.link.is_none_or(|link| payloads(&link).is_empty()));
    }
}

#[test]
fn con_11_a_session_and_what_waits_for_it_outlive_the_server() {
    let store = store();
    let run = Run::on(&store);
    let wanted = Options { id: Some(7), as_published: true, ..options(Qos::One) };
    let (shelf, link) = run.client("away", "a/+", wanted);
    assert!(shelf.has_to_wait(), "it is not told of its subscription before that is kept");
    assert!(run.publish(brief(60, retained("a/b", "one"))), "nor a publisher of what waits");
    run.publish(message("a/c", "two", Qos::Two));
    run.publish(message("a/c", "acknowledged", Qos::One));
    run.publish(message("a/c", "zero", Qos::Zero));
    let mut taken = all(&link);
    assert_eq!(taken.len(), 4);
    taken.remove(2);
    run.dies();
    drop((taken, link));

    let run = Run::on(&store);
    run.publish(message("a/d", "three", Qos::One));
    let link = run.back("away");
    let copies = all(&link);
    let seen: Vec<_> = copies.iter().map(|copy| (&*copy.message.topic, &copy.message.payload[..], copy.qos)).collect();
    assert_eq!(
        seen,
        [("a/b", &b"one"[..], Qos::One), ("a/c", b"two", Qos::One), ("a/d", b"three", Qos::One)],
        "in order; neither what was acknowledged nor QoS 0"
    );
    assert!(copies.iter().all(|copy| copy.ids == [7]) && copies[0].retain && !copies[1].retain);
    assert!(copies[0].left.is_some_and(|left| (1..=60).contains(&left)) && copies[1].left.is_none());
    run.dies();
    drop((copies, link));

    // All is acknowledged, the session is ended: nothing is left of it.
    let run = Run::on(&store);
    let resumed = run.claim("away", false, 60).resumed.unwrap();
    assert_eq!(all(resumed.link.as_ref().unwrap()).len(), 3);
    run.publish(retained("a/b", ""));
    run.broker.release(&"away".into(), Some(resumed), 0, None);
    run.dies();
    assert!(is_empty(&store));
}

#[test]
fn con_11_what_no_lasting_session_needs_is_not_written() {
    let store = store();
    let run = Run::on(&store);
    let claim = run.claim("here", true, 0);
    let mut link = Link::open(run.broker.clone(), claim.shelf.clone());
    link.subscribe(&"#".into(), options(Qos::Two), true);
    assert!(!run.publish(message("a", "x", Qos::One)) && !claim.shelf.has_to_wait());
    let (_, lasting) = run.client("away", "b", options(Qos::Two));
    assert!(!run.publish(message("b", "x", Qos::Zero)), "QoS 0 waits for no disk");
    assert_eq!((all(&link).len(), all(&lasting).len()), (2, 1));
    run.broker.book.settle();
    assert!(store.scan(rows::LETTER, &Span::prefix("")).unwrap().is_empty());
    assert!(store.scan(rows::WAITING, &Span::prefix("")).unwrap().is_empty());
    run.dies();
}

#[test]
fn con_10_what_is_retained_outlives_the_server_and_what_was_taken_away_does_not_come_back() {
    let store = store();
    let run = Run::on(&store);
    assert!(run.publish(retained("a", "first")) && run.publish(retained("a", "last")));
    assert!(run.publish(retained("gone", "x")) && run.publish(retained("gone", "")));
    assert!(!run.publish(Message { qos: Qos::Zero, ..retained("zero", "kept with the next sweep") }));
    assert!(run.publish(brief(0, retained("short", "over"))));
    run.dies();

    let run = Run::on(&store);
    let shelf = run.broker.shelf(99);
    let mut link = Link::open(run.broker.clone(), shelf);
    link.subscribe(&"#".into(), options(Qos::One), true);
    assert_eq!(payloads(&link), ["last", "kept with the next sweep"]);
    for topic in ["a", "zero", "short"] {
        run.publish(retained(topic, ""));
    }
    run.dies();
    assert!(is_empty(&store));
}

#[test]
fn con_8_con_11_sessions_and_wills_end_when_they_would_have() {
    let store = store();
    let run = Run::on(&store);
    for (id, expiry) in [("long", 3600), ("short", 30)] {
        let claim = run.claim(id, false, expiry);
        let will = Will { message: message("will", id, Qos::One), delay: 600 };
        let unreleased = run.broker.unreleased(claim.shelf.clone());
        let session = Resumable { kept: Kept::default(), link: None, unreleased, shelf: claim.shelf };
        run.broker.release(&id.into(), Some(Box::new(session)), expiry, Some(will));
    }
    // Its connection ends with the server.
    let here = run.claim("here", false, 3600);
    run.dies();
    drop(here);

    let run = Run::on(&store);
    let mut watch = Link::open(run.broker.clone(), run.broker.shelf(99));
    watch.subscribe(&"will".into(), options(Qos::One), false);
    let now = Instant::now();
    run.broker.sweep(now + Duration::from_secs(31));
    assert_eq!(payloads(&watch), ["short"]);
    run.broker.sweep(now + Duration::from_secs(601));
    assert_eq!(payloads(&watch), ["long"]);
    assert!(run.claim("short", false, 0).resumed.is_none());
    assert!(run.claim("long", false, 0).resumed.is_some() && run.claim("here", false, 0).resumed.is_some());
    run.dies();
    assert!(is_empty(&store));
}

fn session() -> Session {
    let connect = Connect {
        version: Version::V4,
        client_id: "x".into(),
        clean_start: false,
        keep_alive: 60,
        properties: None,
        will: None,
        password: None,
    };
    let settings = Settings { plain: Plain::Any, ..Settings::default() };
    Session::new(&greet(connect, None, &settings, String::new).unwrap(), 32)
}

fn feed(session: &mut Session, packet: Incoming) -> Todo {
    let mut todo = Todo::default();
    let _ = session.packet(packet, &mut todo);
    todo
}

#[test]
fn con_11_qos_2_on_its_way_to_a_client_goes_on_with_the_same_packet_identifiers() {
    let store = store();
    let run = Run::on(&store);
    let (shelf, link) = run.client("x", "t", options(Qos::Two));
    let mut before = session();
    for payload in ["a", "b", "c", "d"] {
        run.publish(message("t", payload, Qos::Two));
    }
    let _ = shelf.has_to_wait();
    for _ in 0..3 {
        before.deliver(next(&link, Instant::now()).unwrap(), &mut Todo::default());
    }
    assert!(shelf.has_to_wait(), "the identifiers are kept before they are told");
    feed(&mut before, Incoming::PubRec { id: 2, reason: 0 });
    assert!(shelf.has_to_wait());
    feed(&mut before, Incoming::PubRec { id: 3, reason: 0 });
    feed(&mut before, Incoming::PubComp { id: 3 });
    run.dies();
    drop((before, link));

    let run = Run::on(&store);
    let resumed = run.claim("x", false, 60).resumed.unwrap();
    let mut after = session();
    let mut todo = Todo::default();
    after.resume(resumed.kept, Instant::now(), &mut todo);
    assert_eq!(&todo.bytes[..], [0x3C, 6, 0, 1, b't', 0, 1, b'a', 0x62, 2, 0, 2]);
    assert_eq!(payloads(&resumed.link.unwrap()), ["d"]);
    run.dies();
}

#[test]
fn con_11_qos_2_from_a_client_that_is_not_released_is_published_once_after_a_restart() {
    let store = store();
    let run = Run::on(&store);
    let claim = run.claim("x", false, 60);
    let mut unreleased = run.broker.unreleased(claim.shelf.clone());
    let _ = claim.shelf.has_to_wait();
    let publish = |id| Publish {
        id,
        qos: Qos::Two,
        retain: false,
        topic: Bytes::from_static(b"t"),
        payload: Bytes::from_static(b"m"),
        properties: None,
    };
    let mut before = session();
    for id in [5, 6] {
        for ask in feed(&mut before, Incoming::Publish(publish(id))).asks {
            let Ask::Hold { id, message } = ask else { panic!("{ask:?}") };
            unreleased.keep(id, message).unwrap();
        }
    }
    assert!(claim.shelf.has_to_wait(), "PUBREC waits for the disk");
    drop(unreleased.take(6));
    assert!(claim.shelf.has_to_wait(), "and so does PUBCOMP");
    run.dies();
    drop(unreleased);

    let run = Run::on(&store);
    let mut resumed = run.claim("x", false, 60).resumed.unwrap();
    let mut after = session();
    after.resume(resumed.kept, Instant::now(), &mut Todo::default());
    // The client says it again: it is known.
    let again = feed(&mut after, Incoming::Publish(publish(5)));
    assert!(again.asks.is_empty() && again.bytes[..] == [0x50, 2, 0, 5]);
    assert!(matches!(feed(&mut after, Incoming::PubRel { id: 5 }).asks[0], Ask::Release(5)));
    let (message, row) = resumed.unreleased.take(5).unwrap().into_parts();
    assert_eq!((&*message.topic, &message.payload[..], message.qos), ("t", &b"m"[..], Qos::Two));
    drop(row);
    assert!(resumed.unreleased.take(6).is_none());
    run.dies();
    assert!(store.scan(rows::UNRELEASED, &Span::prefix("")).unwrap().is_empty());
}

#[test]
fn con_11_a_member_of_a_group_that_does_not_come_back_leaves_its_share_to_the_others() {
    let store = store();
    let run = Run::on(&store);
    let (_, link) = run.client("x", "$share/g/t", options(Qos::One));
    run.publish(message("t", "shared", Qos::One));
    run.dies();
    drop(link);

    let run = Run::on(&store);
    let (_, other) = run.client("y", "$share/g/t", options(Qos::One));
    run.broker.sweep(Instant::now() + Duration::from_secs(61));
    assert_eq!(payloads(&other), ["shared"]);
    run.dies();
}

#[test]
fn con_11_whose_rows_were_in_a_batch_that_the_store_refused_is_told_so_whoever_wrote_it() {
    let store = Arc::new(Refusing::new(Memory::new(rows::TABLES)));
    let run = Run::on(&store);
    assert!(run.publish(retained("kept", "x")) && run.broker.book.write().is_ok());
    assert!(run.publish(retained("a", "one client's")) && run.publish(retained("b", "another's")));
    store.refuse();
    assert!(run.broker.book.write().is_err(), "the one wrote both");
    assert!(run.broker.book.write().is_err(), "the other's is not kept either");
    assert!(run.publish(retained("a", "later")));
    assert!(run.broker.book.write().is_err(), "and nothing is that comes behind them");
    run.dies();

    let run = Run::on(&store);
    let mut link = Link::open(run.broker.clone(), run.broker.shelf(99));
    link.subscribe(&"#".into(), options(Qos::One), true);
    assert_eq!(payloads(&link), ["x"]);
    run.dies();
}

#[test]
fn con_11_nobody_is_told_that_something_is_kept_after_the_broker_has_closed() {
    let store = store();
    let run = Run::on(&store);
    run.broker.close();
    assert!(run.publish(retained("a", "late")));
    assert!(run.broker.book.write().is_err());
    assert!(is_empty(&store));
}

#[test]
fn con_10_an_older_message_does_not_come_back_in_the_place_of_one_too_large_to_be_kept() {
    let store = store();
    let run = Run::on(&store);
    let large = "x".repeat(VALUE_MAX);
    for qos in [Qos::Zero, Qos::One] {
        run.publish(retained("t", "old"));
        assert!(run.broker.book.write().is_ok() && !is_empty(&store));
        run.publish(Message { qos, ..retained("t", &large) });
        run.broker.sweep(Instant::now());
        assert!(is_empty(&store), "{qos:?}");
    }
    run.publish(retained("t", "new"));
    run.dies();
    assert!(!is_empty(&store));
}

#[test]
fn con_11_a_session_outlives_the_server_without_a_will_that_is_too_large() {
    let store = store();
    let run = Run::on(&store);
    let claim = run.claim("x", false, 60);
    let unreleased = run.broker.unreleased(claim.shelf.clone());
    let session = Resumable { kept: Kept::default(), link: None, unreleased, shelf: claim.shelf };
    let will = Will { message: message("will", &"x".repeat(VALUE_MAX), Qos::One), delay: 30 };
    run.broker.release(&"x".into(), Some(Box::new(session)), 60, Some(will));
    run.dies();

    let run = Run::on(&store);
    assert!(run.claim("x", false, 60).resumed.is_some());
    run.dies();
}

#[test]
fn con_11_nobody_has_all_the_sessions_that_are_kept() {
    let run = Run::on(&store());
    let (ann, ben) = (Some(1), Some(2));
    let granted = |bucket, owner: &str, id: &str| {
        run.claim_from(bucket, owner, id, false, 60).unwrap_or_else(|_| panic!("{id} is another's")).expiry
    };
    let leaves = |id: &str, expiry| {
        let shelf = run.broker.visitor();
        let unreleased = run.broker.unreleased(shelf.clone());
        let session = Resumable { kept: Kept::default(), link: None, unreleased, shelf };
        run.broker.release(&id.into(), Some(Box::new(session)), expiry, None);
    };
    // By the certificate, else by the address; some are connected, some are not.
    for (bucket, owner) in [(ann, "lamp"), (ann, "")] {
        for number in 0..EACH_MAX {
            let id = format!("{owner}-{number}");
            assert_eq!(granted(bucket, owner, &id), 60);
            if number % 2 == 0 {
                leaves(&id, 60);
            }
        }
        assert_eq!(granted(bucket, owner, &format!("{owner}-more")), 0, "it is told that its session is not kept");
        assert_eq!(granted(ben, &format!("{owner}2"), &format!("{owner}-other")), 60);
    }
    assert_eq!(granted(None, "", "from here"), 60, "loopback is not counted");
    // One that ends makes room.
    leaves("lamp-1", 0);
    assert_eq!(granted(ben, "lamp", "lamp-1"), 60);
    assert_eq!(granted(ben, "lamp", "lamp-again"), 0);
}

#[test]
fn con_11_after_a_restart_sessions_still_count_for_the_address_that_had_them() {
    let store = store();
    let run = Run::on(&store);
    let (ann, ben) = (Some(1), Some(2));
    let claim =
        |run: &Run, bucket, id: &str| run.claim_from(bucket, "", id, false, 60).unwrap_or_else(|_| panic!("{id}"));
    for number in 0..EACH_MAX {
        let id = format!("ann-{number}");
        let shelf = claim(&run, ann, &id).shelf;
        if number % 2 == 0 {
            let unreleased = run.broker.unreleased(shelf.clone());
            let session = Resumable { kept: Kept::default(), link: None, unreleased, shelf };
            run.broker.release(&id.as_str().into(), Some(Box::new(session)), 60, None);
        }
    }
    run.dies();

    let run = Run::on(&store);
    assert_eq!(claim(&run, ann, "more").expiry, 0);
    assert_eq!(claim(&run, ben, "other").expiry, 60);
    // One that is resumed from elsewhere counts there.
    assert!(claim(&run, ben, "ann-0").resumed.is_some() && claim(&run, ben, "ann-1").resumed.is_some());
    assert_eq!([claim(&run, ann, "more-1").expiry, claim(&run, ann, "more-2").expiry], [60, 60]);
    assert_eq!(claim(&run, ann, "more-3").expiry, 0);
    run.dies();
}

#[test]
fn con_11_sessions_beyond_the_limit_that_are_found_after_a_restart_count_for_their_address_and_go_on_so() {
    let store = store();
    let mut batch = Batch::default();
    let clock = rows::Clock::now();
    let until = clock.time(clock.instant_now() + Duration::from_secs(60));
    for number in 0..=EACH_MAX as u64 {
        let will = Some(rows::Letter::of(&message("will", "that is due", Qos::Zero), clock));
        let row = rows::Session { number, until: Some(until), bucket: Some(1), will, ..rows::Session::default() };
        batch.put(rows::SESSION, format!("ann-{number}"), etf::encode(&row));
    }
    store.apply(&batch).unwrap();
    let run = Run::on(&store);
    let claim = |bucket, id: &str| run.claim_from(bucket, "", id, false, 60).unwrap_or_else(|_| panic!("{id}"));
    assert_eq!(claim(Some(1), "more").expiry, 0);
    assert!(claim(Some(2), "ann-0").resumed.is_some());
    assert_eq!(claim(Some(1), "more-1").expiry, 0, "without that one there are as many as there may be");
    assert!(claim(Some(2), "ann-1").resumed.is_some());
    assert_eq!([claim(Some(1), "more-2").expiry, claim(Some(1), "more-3").expiry], [60, 0]);
    run.dies();

    let wills = |row: &rows::Session| row.will.is_some();
    let rows = store.scan(rows::SESSION, &Span::prefix("ann-")).unwrap();
    let rows: Vec<_> = rows.iter().map(|(_, row)| etf::decode::<rows::Session>(row).unwrap()).collect();
    assert!(!rows.is_empty() && !rows.iter().any(wills), "they have been written anew");
    assert_eq!(rows.iter().filter(|row| row.bucket != Some(1)).count(), 2, "those that are counted elsewhere now");
}
