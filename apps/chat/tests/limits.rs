//! Limits that a scene would have to spell out thousands of times (SPEC section 11), and what a crash leaves between two owners.

use bytes::Bytes;
use chat_core::rows::{
    self, BOOK, Entry, Favorite, IN_ROOM, Membership, RELATION, ROOM, Relation, RoomRow, STAR, STAR_OF, STARRED, TALLY,
    Tally,
};
use etf::Term;
use etf::text::parse;
use kvs::{Batch, Span, Store};
use proto::Record;
use proto::ids::{FeedId, Phone, PhoneId, RoomId};
use proto::limits::{CALL_MEMBERS, CONTACTS, GROUP_MEMBERS, LOOKUPS_PER_DAY, SEARCH_PHONES, STARS};
use proto::records::{ContactStatus, MemberStatus, Message, RosterEntry, RosterId, UserEntry};
use scene::{EVENTS, Hello, Simulated, Stage};

/// Numbers that the server does not reach.
const FAR: u64 = 1_000_000;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Somebody connected to a simulated server.
struct Person {
    stage: Simulated,
    id: PhoneId,
    hello: Hello,
}

impl Person {
    fn new(limits: bool) -> Person {
        let phone = Phone::parse(b"380300001").expect("a number");
        let mut stage = Simulated::new(7, limits);
        let hello = Hello { client_id: "reg_1".to_owned(), ..Hello::default() };
        stage.connect("x", &hello).expect("connects");
        let mut person = Person { stage, id: phone.roster(1), hello };
        for record in person.ask(r#"Auth{type=reg dev_key="d1" phone={fake,"380300001"}}"#) {
            match record {
                Record::Io(io) => {
                    let (_, src) = io.success().expect("it succeeds");
                    let [client, token] = src.as_tuple().expect("a pair") else { panic!("two of them") };
                    let text = |term: &Term| term.as_binary().cloned().expect("a text");
                    let client_id = String::from_utf8(text(client).to_vec()).expect("a client id");
                    person.hello = Hello { client_id, password: Some(text(token)), ..Hello::default() };
                }
                Record::Profile(profile) => {
                    if let Some(RosterEntry::Roster(roster)) = profile.rosters.first()
                        && let Some(RosterId::Number(roster)) = roster.id
                    {
                        person.id = phone.roster(roster);
                    }
                }
                _ => {}
            }
        }
        person.stage.disconnect("x", true).expect("closes");
        person.again();
        person
    }

    /// Connects once more; what is due comes with the next answer.
    fn again(&mut self) {
        self.stage.connect("x", &self.hello.clone()).expect("connects");
    }

    fn ask(&mut self, request: &str) -> Vec<Record> {
        let term = parse(request, &proto::catalogue()).unwrap_or_else(|why| panic!("{request}: {why}"));
        self.stage.publish("x", EVENTS, etf::encode(&term)).expect("is sent");
        let came = self.stage.take("x").expect("is connected");
        came.iter().filter_map(|got| etf::decode(&got.payload).ok()).collect()
    }

    /// The code of the answer's `error`, if it is one.
    fn refusal(&mut self, request: &str) -> Option<String> {
        self.ask(request).iter().find_map(|record| match record {
            Record::Io(io) => io.failure().map(|(code, _)| code.to_owned()),
            _ => None,
        })
    }

    /// SEARCH-1 of so many numbers that nobody has.
    fn look_up(&mut self, count: usize) -> Option<String> {
        let phones: Vec<String> = (0..count).map(|at| format!("\"38099{at:07}\"")).collect();
        let phones = phones.join(" ");
        self.refusal(&format!(r#"Search{{ref="r" field="phone" type='==' value=[{phones}] status=contact}}"#))
    }

    /// Stars of messages that the person wrote to itself, as their owners would have kept them.
    fn star(&mut self, count: usize) {
        let feed = FeedId::p2p(self.id.clone(), self.id.clone());
        let (mut batch, owner) = (Batch::default(), self.id.as_str().as_bytes());
        for at in (FAR..).take(count) {
            let kept = Favorite { feed: feed.key(), message: at, ..Favorite::default() };
            batch.put(STAR, rows::numbered(owner, at), rows::encode(&kept));
            batch.put(STAR_OF, rows::numbered(owner, at), rows::encode(&at));
            let copy = Message { id: Some(at), ..Message::default() };
            batch.put(STARRED, rows::starred_key(&feed.key(), at, &self.id), rows::encode(&copy));
        }
        self.stage.sim.store().apply(&batch).expect("memory does not fail");
    }

    /// Writes to itself: the message's number.
    fn note(&mut self, msg_id: &str) -> u64 {
        let id = self.id.clone();
        let came = self.ask(&format!(r#"Message{{msg_id="{msg_id}" to="{id}" files=[Desc{{id="1" payload="x"}}]}}"#));
        let number = came.iter().find_map(|record| match record {
            Record::Message(message) => message.id,
            _ => None,
        });
        number.expect("its own message comes back")
    }

    fn add_star(&mut self, message: u64) -> Option<String> {
        let id = self.id.clone();
        self.refusal(&format!(
            r#"Star{{message=Message{{id={message} feed_id=p2p{{from="{id}" to="{id}"}}}} status=add}}"#
        ))
    }
}

impl Person {
    /// Another roster of its own: its phone_id.
    fn roster(&mut self) -> PhoneId {
        let came = self.ask(r#"Roster{names="Other" status=create}"#);
        let made = came.iter().find_map(|record| match record {
            Record::Roster(roster) => roster.id.clone(),
            _ => None,
        });
        let Some(RosterId::Number(roster)) = made else { panic!("no roster: {came:?}") };
        self.id.phone().roster(roster)
    }

    /// A room of its own that says it has so many members, when the server has started again.
    fn room(&mut self, kind: &str, members: usize) -> RoomId {
        let id = RoomId::parse(format!("hall-of-{members}").as_bytes()).expect("a room id");
        assert_eq!(self.refusal(&format!(r#"Room{{id="{id}" name="Hall" type={kind} status=create}}"#)), None);
        let store = self.stage.sim.store();
        let row = store.get(ROOM, id.as_str().as_bytes()).expect("memory does not fail").expect("it is there");
        let row = RoomRow { members: members as u64, ..etf::decode(&row).expect("a room") };
        let mut batch = Batch::default();
        batch.put(ROOM, id.to_bytes(), rows::encode(&row));
        store.apply(&batch).expect("memory does not fail");
        store.flush().expect("memory does not fail");
        self.stage.crash().expect("starts again");
        self.again();
        id
    }

    fn bring(&mut self, room: &RoomId, roster: &PhoneId) -> Option<String> {
        self.refusal(&format!(r#"Room{{id="{room}" members=[Member{{phone_id="{roster}"}}] status=add}}"#))
    }

    /// ROOM-1 with so many members whom the server does not know.
    fn invite(&mut self, kind: &str, count: usize) -> Option<String> {
        let members: Vec<String> = (0..count).map(|at| format!(r#"Member{{phone_id="38099{at:07}_1"}}"#)).collect();
        self.refusal(&format!(r#"Room{{name="Hall" type={kind} members=[{}] status=create}}"#, members.join(" ")))
    }
}

impl Person {
    /// So many contacts, of whom the phone book has some and is related to others; addresses in order.
    fn contacts(&mut self, count: u64, place: fn(u64) -> (bool, bool)) -> Vec<Bytes> {
        let (mut batch, mut addresses) = (Batch::default(), Vec::new());
        for at in 0..count {
            let address = Bytes::from(format!("38099{at:07}_1"));
            let key = rows::pair_key(&self.id, &address);
            let (is_booked, is_related) = place(at);
            if is_booked {
                let names = Some(Bytes::from(format!("Zoe {at}")));
                batch.put(BOOK, key.clone(), rows::encode(&Entry { names, ..Entry::default() }));
            }
            if is_related {
                let relation = Relation { status: Some(ContactStatus::Friend), ..Relation::default() };
                batch.put(RELATION, key, rows::encode(&relation));
            }
            addresses.extend((is_booked || is_related).then_some(address));
        }
        self.stage.sim.store().apply(&batch).expect("memory does not fail");
        addresses
    }

    /// PROFILE-1: all contacts, in the order in which they come.
    fn listed(&mut self) -> Vec<Bytes> {
        let rosters = self.ask("Profile{status=get}").into_iter().flat_map(|record| match record {
            Record::Profile(profile) => profile.rosters,
            _ => Vec::new(),
        });
        let contacts = rosters.flat_map(|roster| match roster {
            RosterEntry::Roster(roster) => roster.userlist,
            RosterEntry::Id(_) | RosterEntry::Name(_) => Vec::new(),
        });
        let address = |entry| match entry {
            UserEntry::Contact(contact) => contact.phone_id,
            UserEntry::Id(_) => None,
        };
        contacts.filter_map(address).collect()
    }

    /// SEARCH-5: how many contacts have this name.
    fn named(&mut self, name: &str) -> usize {
        let came =
            self.ask(&format!(r#"Search{{ref="r" field="names" type='==' value="{name}" status=roster}}"#)).into_iter();
        let found = came.filter_map(|record| match record {
            Record::Io(io) => io.data,
            _ => None,
        });
        found
            .map(|data| match data {
                proto::records::Data::Roster(roster) => roster.userlist.len(),
                other => panic!("{other:?}"),
            })
            .sum()
    }
}

fn code(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn search_1_roster_4_strangers_looked_up_in_a_day_are_counted_also_over_a_crash() {
    let mut ann = Person::new(true);
    for _ in 0..LOOKUPS_PER_DAY as usize / SEARCH_PHONES - 1 {
        assert_eq!(ann.look_up(SEARCH_PHONES), None);
    }
    assert_eq!(ann.look_up(SEARCH_PHONES - 1), None);
    ann.stage.crash().expect("starts again");
    ann.again();
    let add = |number: &str| format!(r#"Roster{{userlist=[Contact{{phone_id="{number}"}}] status=add}}"#);
    assert_eq!(ann.refusal(&add("380980000001")), None, "the last one");
    assert_eq!(ann.refusal(&add("380980000002")), code("limit"));
    assert_eq!(ann.look_up(1), code("limit"));
    assert_eq!(ann.refusal(r#"Search{ref="r" field="nick" type='==' value="Nobody" status=contact}"#), code("limit"));
    assert_eq!(ann.refusal(&add("380980000001")), None, "whom one knows one does not look up");
    ann.stage.advance(DAY_MS).expect("a day passes");
    assert_eq!(ann.look_up(SEARCH_PHONES), None);
}

#[test]
fn search_1_without_limits_nothing_is_counted() {
    let mut ann = Person::new(false);
    for _ in 0..LOOKUPS_PER_DAY as usize / SEARCH_PHONES + 1 {
        assert_eq!(ann.look_up(SEARCH_PHONES), None);
    }
    assert_eq!(ann.look_up(SEARCH_PHONES + 1), code("invalid_data"));
}

#[test]
fn fav_4_a_thousand_stars_are_the_most() {
    let mut ann = Person::new(false);
    let message = ann.note("m");
    ann.star(STARS - 1);
    assert_eq!(ann.add_star(message), None);
    assert_eq!(ann.add_star(message), None, "the same again is no other");
    assert_eq!(ann.refusal(&format!("Star{{message=Message{{id={FAR}}} status=remove}}")), None);
    ann.star(1);
    let other = message + 1;
    assert_eq!(ann.add_star(other), code("limit"), "checked before the message is looked for");
}

#[test]
fn room_1_room_4_a_group_has_a_thousand_members_a_call_fifty_a_channel_any_number() {
    let mut ann = Person::new(false);
    let (second, third) = (ann.roster(), ann.roster());
    for (kind, most) in [("group", GROUP_MEMBERS), ("call", CALL_MEMBERS)] {
        let room = ann.room(kind, most - 1);
        assert_eq!(ann.bring(&room, &second), None, "{kind}: the last one");
        assert_eq!(ann.bring(&room, &third), code("limit"), "{kind}");
        assert_eq!(ann.bring(&room, &second), None, "{kind}: who is in it already is no further one");
        let leave = format!(r#"Room{{id="{room}" members=[Member{{phone_id="{second}"}}] status=remove}}"#);
        assert_eq!(ann.refusal(&leave), None);
        assert_eq!(ann.bring(&room, &third), None, "{kind}: there is room again");
        assert_eq!(ann.invite(kind, most - 1), None, "{kind}");
        assert_eq!(ann.invite(kind, most), code("limit"), "{kind}: the owner counts");
    }
    let channel = ann.room("channel", 1_000_000);
    assert_eq!(ann.bring(&channel, &second), None);
}

#[test]
fn room_1_room_6_a_roster_is_in_a_thousand_rooms_at_most() {
    let mut ann = Person::new(false);
    let mut batch = Batch::default();
    for at in 0..999 {
        let room = RoomId::parse(format!("far-{at}").as_bytes()).expect("a room id");
        let part = Membership { role: Some(MemberStatus::Member), spans: vec![(1, 0)], ..Membership::default() };
        batch.put(IN_ROOM, rows::in_room_key(&ann.id, &room), rows::encode(&part));
    }
    ann.stage.sim.store().apply(&batch).expect("memory does not fail");
    assert_eq!(ann.refusal(r#"Room{id="last" name="Tea" status=create}"#), None);
    assert_eq!(ann.refusal(r#"Room{name="Milk" status=create}"#), code("limit"));
    assert_eq!(ann.refusal(r#"Room{id="last" status=leave}"#), None);
    assert_eq!(ann.refusal(r#"Room{name="Milk" status=create}"#), None);
}

#[test]
fn profile_1_search_5_a_long_roster_is_read_once_wherever_its_phone_book_and_its_relations_lie() {
    let places: [fn(u64) -> (bool, bool); 5] = [
        |at| (at % 10 == 0, at % 10 != 0),
        |at| (at % 10 != 0, at % 10 == 0),
        |at| (at < 200, at >= 150),
        |at| (at >= 128, at < 128),
        |at| (true, (100..300).contains(&at)),
    ];
    for place in places {
        let mut ann = Person::new(false);
        let wanted = ann.contacts(400, place);
        assert_eq!(ann.listed(), wanted);
        for at in [0, 127, 128, 129, 256, 399] {
            let (is_booked, _) = place(at);
            assert_eq!(ann.named(&format!("zoe {at}")), usize::from(is_booked), "{at}");
        }
    }
}

#[test]
fn section_11_how_many_contacts_there_are_is_known_by_few_rows_however_they_came() {
    let mut ann = Person::new(false);
    let mut most = 0;
    for at in 1..=150_u64 {
        let add = format!(r#"Roster{{userlist=[Contact{{phone_id="38099{at:07}"}}] status=add}}"#);
        assert_eq!(ann.refusal(&add), None);
        let tally = Span::prefix(rows::pair_key(&ann.id, b""));
        let rows = ann.stage.sim.store().scan(TALLY, &tally).expect("memory does not fail");
        let rows = rows.iter().map(|(key, row)| (rows::number(key), etf::decode::<Tally>(row).expect("a tally")));
        let (sum, rest): (Vec<_>, Vec<_>) = rows.partition(|(number, _)| *number == Some(0));
        let sum = sum.first().map_or(Tally::default(), |(_, sum)| *sum);
        assert!(rest.iter().all(|(number, _)| *number > Some(sum.upto)), "one is passed: {sum:?}, {rest:?}");
        assert_eq!(rest.iter().fold(sum, |sum, (_, more)| sum.with(*more)).book, at as i64);
        most = most.max(rest.len());
    }
    assert!(most < 40, "{most} rows");
}

#[test]
fn section_11_who_is_in_the_phone_book_and_a_friend_is_one_contact_and_is_counted_once() {
    let mut ann = Person::new(false);
    let half = CONTACTS as u64 / 2 + 100;
    ann.contacts(half, |_| (true, true));
    let key = rows::pair_key(&ann.id, &0_u64.to_be_bytes());
    let put = |ann: &Person, sum: Tally| {
        let mut batch = Batch::default();
        batch.put(TALLY, key.clone(), rows::encode(&sum));
        ann.stage.sim.store().apply(&batch).expect("memory does not fail");
    };
    let count = half as i64;
    let sum = Tally { book: count, related: count, ..Tally::default() };
    put(&ann, sum);
    let add = |at| format!(r#"Roster{{userlist=[Contact{{phone_id="38098{at:07}"}}] status=add}}"#);
    assert_eq!(ann.refusal(&add(1)), None);
    let known = ann.stage.sim.store().get(TALLY, &key).expect("memory does not fail").expect("the sum");
    assert_eq!(etf::decode::<Tally>(&known).map(|sum| sum.both), Ok(count));
    // What is known is not counted again: here it would be found otherwise.
    let other = Tally { book: 9000, related: 9000, ..sum };
    put(&ann, other);
    assert_eq!(ann.refusal(&add(2)), code("limit"));
    put(&ann, Tally { both: 9000, ..other });
    assert_eq!(ann.refusal(&add(2)), None);
}

#[test]
fn pm_7_the_last_message_follows_what_is_left_however_many_before_it_go_in_whatever_order() {
    let mut ann = Person::new(false);
    let notes: Vec<u64> = (0..60).map(|at| ann.note(&format!("m{at}"))).collect();
    let (feed, [first, between @ .., last]) = (FeedId::p2p(ann.id.clone(), ann.id.clone()).key(), &notes[..]) else {
        panic!("many notes");
    };
    for id in between.iter().rev() {
        let own = ann.id.clone();
        assert_eq!(ann.refusal(&format!(r#"Message{{id={id} to="{own}" status=delete}}"#)), None);
    }
    let stored = rows::message(&*ann.stage.sim.store().snapshot(), &feed, *last).expect("memory does not fail");
    assert_eq!(stored.and_then(|stored| stored.prev), Some(*first));
}
