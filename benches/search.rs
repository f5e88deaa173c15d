//! What each search costs on a server with a million accounts (SPEC 6.14), and the whole Profile of somebody with ten thousand contacts
//! and a thousand rooms (PROFILE-1). `cargo bench --bench search` prints a line for each; `CHAT_ACCOUNTS=100000` takes fewer. Times are
//! from the request to its answer, as a transport sees them.

use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use chat::door::{Hello, Origin, Out, Session};
use chat::rows::{
    self, BOOK, CARD, Card, Entry, IN_ROOM, KEYS, Keys, MEMBER, MESSAGE, Membership, NICK, NICK_OF, Nicked, PROFILE,
    READ_BY, READER, RELATION, ROOM, ROSTER, Reader, Relation, RoomRow,
};
use chat::{Chat, Port};
use etf::Term;
use kvs::{Batch, Disk, Store, Table};
use n2o::Handle;
use proto::Record;
use proto::ids::{FeedId, Nick, Phone, PhoneId, RoomId};
use proto::records::{
    Auth, AuthAct, AuthPhone, AuthType, Code, ContactStatus, Desc, Fake, Feature, Feed, Io, Member, MemberStatus,
    Message, Profile, ProfileStatus, Room, Roster, RosterEntry, RosterStatus, Search, SearchStatus, SearchType,
    Service, ServiceStatus, ServiceType, Success,
};

/// As the server has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Telephone numbers begin here.
const FIRST: u64 = 380_000_000_000;
/// The asker's contacts: as many as a roster may have.
const CONTACTS: u64 = 10_000;
const ROOMS: u64 = 1_000;
/// Every so many accounts want to be found by nobody, in a row.
const HIDDEN: std::ops::Range<u64> = 20_000..30_000;
/// Changes since so long ago are asked for, milliseconds: none but what was made just now.
const PAST: u64 = 3_600_000;
/// Somebody who has logged in searches so much later at the earliest.
const AFTER: Duration = Duration::from_millis(100);
/// A store in which no file has changed for so long is at rest.
const SETTLED: Duration = Duration::from_secs(5);
/// A certificate, about as large as one with a P-256 key is.
const CERTIFICATE: usize = 700;

fn main() {
    let accounts = std::env::var("CHAT_ACCOUNTS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("store");
    let start = Instant::now();
    fill(&path, accounts);
    println!("{accounts} accounts written in {:?}", start.elapsed());

    let start = Instant::now();
    let store = open(&path);
    println!("opened in {:?}", start.elapsed());
    settle(&path);
    actix_rt::System::new().block_on(measure(store, accounts));
}

/// What was written in one go is still being merged, which no server that has grown to so many has to do at once: waits until it is done.
fn settle(path: &Path) {
    let mut before = Vec::new();
    loop {
        let files = files(path);
        if files == before {
            return;
        }
        before = files;
        std::thread::sleep(SETTLED);
    }
}

fn files(folder: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        match entry.metadata() {
            Ok(about) if about.is_dir() => found.extend(files(&entry.path())),
            Ok(about) => found.push((entry.path(), about.len())),
            // Merged meanwhile.
            Err(_) => {}
        }
    }
    found.sort();
    found
}

fn open(path: &Path) -> Arc<Disk> {
    let tables: Vec<Table> = rows::TABLES.iter().copied().chain([hosted::META]).collect();
    Arc::new(Disk::open(path, &tables).expect("the store opens"))
}

// --- what is there ---

fn phone(n: u64) -> Phone {
    Phone::parse((FIRST + n).to_string().as_bytes()).expect("a number")
}

/// Roster ids follow the accounts, leaving some for the asker.
fn roster(n: u64) -> PhoneId {
    phone(n).roster(n + 1_000)
}

fn nick(n: u64) -> Nick {
    Nick::parse(format!("Nick.{n:07}").as_bytes()).expect("a nick")
}

fn fill(path: &Path, accounts: u64) {
    let store = open(path);
    for first in (0..accounts).step_by(1_000) {
        let mut batch = Batch::default();
        (first..accounts.min(first + 1_000)).for_each(|n| account(&mut batch, n));
        store.apply(&batch).expect("applied");
    }
    store.flush().expect("flushed");
}

/// What an account of one device is, as far as a search reads it.
fn account(batch: &mut Batch, n: u64) {
    let (own, id) = (phone(n), roster(n));
    let searchable = Feature::new("PRIVACY", "SEARCHABLE", if HIDDEN.contains(&n) { "nobody" } else { "everyone" });
    let profile = Profile {
        phone: Some(own.to_bytes()),
        settings: vec![searchable],
        rosters: vec![RosterEntry::Id(id.roster())],
        ..Profile::default()
    };
    let face = Roster { names: Some(text("Anna")), surnames: Some(text(&format!("Bell {n}"))), ..Roster::default() };
    let certificate = Service {
        id: Some(text("d1")),
        r#type: Some(ServiceType::Synrc),
        data: Term::binary(&random(n, CERTIFICATE)),
        expiration: Some(u64::MAX >> 8),
        status: Some(ServiceStatus::Verified),
        ..Service::default()
    };
    let keys = Keys { update: 1, services: vec![certificate] };
    let nicked = Nicked { nick: Some(nick(n).to_bytes()), update: 1 };
    batch.put(PROFILE, own.to_bytes(), rows::encode(&profile));
    batch.put(ROSTER, id.to_bytes(), rows::encode(&face));
    batch.put(KEYS, own.to_bytes(), rows::encode(&keys));
    batch.put(NICK, nick(n).folded(), id.to_bytes());
    batch.put(NICK_OF, id.to_bytes(), rows::encode(&nicked));
    batch.put(CARD, own.to_bytes(), rows::encode(&Card::new(&profile, &id, face, nicked, keys)));
}

/// A certificate is mostly random.
fn random(mut n: u64, len: usize) -> Vec<u8> {
    let mut next = || {
        n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (n >> 33) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// One in ten from the phone book, the others friends who have written once.
fn contacts(store: &Disk, own: &PhoneId, accounts: u64) {
    let mut batch = Batch::default();
    for at in 0..CONTACTS.min(accounts) {
        let n = at * (accounts / CONTACTS.min(accounts));
        let key = rows::pair_key(own, roster(n).as_str().as_bytes());
        if at % 10 == 0 {
            batch.put(BOOK, key, rows::encode(&Entry { names: Some(text("Anna")), ..Entry::default() }));
            continue;
        }
        let relation = Relation { status: Some(ContactStatus::Friend), update: 1, ..Relation::default() };
        batch.put(RELATION, key, rows::encode(&relation));
        let feed = FeedId::p2p(own.clone(), roster(n));
        said(&mut batch, &feed, &roster(n), at + 1);
        for who in [own, &roster(n)] {
            batch.put(READER, rows::reader_key(&feed, who), rows::encode(&Reader { reader: at + 1, clear: 0 }));
        }
    }
    (0..ROOMS).for_each(|at| room(&mut batch, own, &roster(at), at));
    store.apply(&batch).expect("applied");
    store.flush().expect("flushed");
}

/// A message of the feed.
fn said(batch: &mut Batch, feed: &FeedId, from: &PhoneId, id: u64) {
    let message = Message {
        id: Some(id),
        feed_id: Some(Feed::from(feed)),
        msg_id: Some(text(&format!("m{id}"))),
        from: Some(from.to_bytes()),
        files: vec![Desc { id: Some(text("1")), payload: Some(text("Good morning to you all")), ..Desc::default() }],
        ..Message::default()
    };
    batch.put(MESSAGE, rows::numbered(&feed.key(), id), rows::encode(&message));
}

/// A room of two, with something said that the asker has read.
fn room(batch: &mut Batch, own: &PhoneId, owner: &PhoneId, at: u64) {
    let id = RoomId::parse(format!("bench-room-{at}").as_bytes()).expect("a room");
    let feed = FeedId::Room(id.clone());
    let shown = Room { id: Some(id.to_bytes()), name: Some(text("Tea")), update: Some(1), ..Room::default() };
    let first = 1_000_000 + 10 * at;
    let row = RoomRow { room: shown, members: 2, staff: vec![first + 1], ..RoomRow::default() };
    batch.put(ROOM, id.to_bytes(), rows::encode(&row));
    for (who, member, role) in [(owner, first + 1, MemberStatus::Owner), (own, first + 2, MemberStatus::Member)] {
        let row = Member { id: Some(member), phone_id: Some(who.to_bytes()), status: Some(role), ..Member::default() };
        batch.put(MEMBER, rows::numbered(&feed.key(), member), rows::encode(&row));
        let membership = Membership { id: member, role: Some(role), spans: vec![(first, 0)], update: 1 };
        batch.put(IN_ROOM, rows::in_room_key(who, &id), rows::encode(&membership));
        batch.put(READER, rows::reader_key(&feed, who), rows::encode(&Reader { reader: first + 3, clear: 0 }));
        batch.put(READ_BY, rows::numbered(&rows::numbered(&feed.key(), first + 3), member), who.to_bytes());
    }
    said(batch, &feed, owner, first + 3);
}

fn text(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

// --- who asks ---

async fn measure(store: Arc<Disk>, accounts: u64) {
    let handle = hosted::host(store.clone(), 1);
    let own = enrol(&handle, "reg_asker", None).await;
    let (client, token, id) = own;
    contacts(&store, &id, accounts);
    let mut asker = Asker::connect(&handle, &client, Some(token)).await;

    let names = format!("SEARCH-5, like, of {CONTACTS} contacts");
    // Nobody has read anything of them yet: what they are called is in no memory.
    asker.time(&format!("{names}, the very first"), 1, |_| named("zoe")).await;
    let spread = |at: u64| (at * 7_919) % accounts;
    let list =
        |phones: Vec<u64>| Term::list(phones.into_iter().map(|n| Term::binary(phone(n).as_str().as_bytes())).collect());
    asker.time("SEARCH-1, one number", 200, |at| by("phone", SearchType::Equal, list(vec![spread(at)]))).await;
    asker
        .time("SEARCH-1, 500 numbers", 100, |at| {
            by("phone", SearchType::Equal, list((0..500).map(|n| spread(at * 500 + n)).collect()))
        })
        .await;
    asker
        .time("SEARCH-1, 500 unknown numbers", 20, |at| {
            by("phone", SearchType::Equal, list((0..500).map(|n| accounts + at * 500 + n).collect()))
        })
        .await;
    asker.time("SEARCH-2, a nick", 200, |at| by("nick", SearchType::Equal, binary(nick(spread(at)).as_str()))).await;
    asker
        .time("SEARCH-4, a prefix of 1000 nicks", 100, |at| {
            by("nick", SearchType::Like, binary(&format!("nick.{:04}", at % (accounts / 1_000))))
        })
        .await;
    asker
        .time("SEARCH-4, a prefix of 10000 nicks that hide", 50, |_| by("nick", SearchType::Like, binary("nick.002")))
        .await;
    asker.first_searches("first after another call", 20, false).await;
    for (what, value) in [("found at once", "anna"), ("found nowhere", "zoe")] {
        asker.time(&format!("{names}, {what}"), 20, |_| named(value)).await;
    }
    asker.profiles("PROFILE-1, contacts and rooms", 20, None).await;
    asker.profiles("PROFILE-1, what has changed", 20, Some(PAST)).await;
    asker.first_searches("first after a Profile", 20, true).await;
    drop(asker);
    handle.shutdown(Duration::from_secs(1)).await;
}

fn by(field: &'static str, kind: SearchType, value: Term) -> Search {
    Search {
        r#ref: Some(text("r")),
        field: Some(text(field)),
        r#type: Some(kind),
        value,
        status: Some(SearchStatus::Contact),
        ..Search::default()
    }
}

/// Own contacts by a part of their names.
fn named(value: &str) -> Search {
    Search { status: Some(SearchStatus::Roster), ..by("names", SearchType::Like, binary(value)) }
}

fn binary(text: &str) -> Term {
    Term::binary(text.as_bytes())
}

/// Registers by a fake number: client id, token and roster.
async fn enrol(handle: &Handle<Chat>, client: &str, token: Option<Bytes>) -> (String, Bytes, PhoneId) {
    let mut new = Asker::connect(handle, client, token).await;
    let number = phone(999_999_999);
    let auth = Auth {
        dev_key: Some(text("d1")),
        phone: Some(AuthPhone::Fake(Fake { phone: number.to_bytes() })),
        r#type: Some(AuthType::Act(AuthAct::Reg)),
        ..Auth::default()
    };
    let answers = new.ask(auth.into()).await;
    let (mut named, mut id) = (None, None);
    for answer in answers {
        match etf::decode::<Record>(&answer) {
            Ok(Record::Io(io)) => named = pair(&io),
            Ok(Record::Profile(profile)) => {
                let rosters = profile.rosters.into_iter().filter_map(|entry| match entry {
                    RosterEntry::Roster(roster) => roster.id,
                    RosterEntry::Id(_) | RosterEntry::Name(_) => None,
                });
                id = rosters.last();
            }
            _ => {}
        }
    }
    let (client, token) = named.expect("a client id and a token");
    let Some(proto::records::RosterId::Number(roster)) = id else { panic!("no roster") };
    (String::from_utf8_lossy(&client).into_owned(), token, number.roster(roster))
}

fn pair(io: &Io) -> Option<(Bytes, Bytes)> {
    let Some(Code::Success(Success { src, .. })) = &io.code else { return None };
    let [client, token] = src.as_tuple()? else { return None };
    Some((client.as_binary()?.clone(), token.as_binary()?.clone()))
}

/// One connection that asks, and waits for each answer.
struct Asker {
    session: Session,
    port: Arc<Port>,
    next: u64,
}

impl Asker {
    async fn connect(handle: &Handle<Chat>, client: &str, password: Option<Bytes>) -> Asker {
        let port = Arc::new(Port::default());
        let hello = Hello {
            client_id: text(client),
            password,
            certificate: None,
            source: None,
            version: 101,
            window: 32,
            item_max: 1 << 20,
            acknowledges: true,
        };
        let session = Session::connect(handle.clone(), hello, port.clone()).expect("not busy");
        let mut asker = Asker { session, port, next: 0 };
        asker.wait(|out| matches!(out, Out::Welcome(..))).await;
        asker
    }

    /// The answers of one request.
    async fn ask(&mut self, record: Record) -> Vec<Bytes> {
        let call = self.next;
        self.next += 1;
        self.session.request(call, Origin::Events { token: None }, etf::encode(&record)).expect("not busy");
        self.wait(|out| matches!(out, Out::Done { call: done, .. } if *done == call)).await
    }

    async fn wait(&mut self, is_end: impl Fn(&Out) -> bool) -> Vec<Bytes> {
        let mut answers = Vec::new();
        loop {
            for out in poll_fn(|cx| self.port.poll_drain(cx)).await {
                if is_end(&out) {
                    return answers;
                }
                match out {
                    Out::Answer { payload, .. } => answers.push(payload),
                    Out::Denied(why) => panic!("denied: {why:?}"),
                    Out::Close(why) => panic!("closed: {why:?}"),
                    _ => {}
                }
            }
        }
    }

    /// `times` searches, one after another.
    async fn time(&mut self, what: &str, times: u64, search: impl Fn(u64) -> Search) {
        let (mut took, mut found) = (Vec::new(), 0);
        for at in 0..times {
            let start = Instant::now();
            let answers = self.ask(search(at).into()).await;
            took.push(start.elapsed());
            found = answers.iter().map(count).sum();
        }
        report(what, found, took);
    }

    /// A search after the roster was asked something else, or a Profile get has brought in what its contacts are called.
    async fn first_searches(&mut self, what: &str, times: usize, read: bool) {
        let (mut took, mut found) = (Vec::new(), 0);
        for _ in 0..times {
            let patch = Roster { status: Some(RosterStatus::Patch), ..Roster::default() };
            self.ask(patch.into()).await;
            if read {
                self.ask(Profile { status: Some(ProfileStatus::Get), ..Profile::default() }.into()).await;
                actix_rt::time::sleep(AFTER).await;
            }
            let start = Instant::now();
            let answers = self.ask(named("zoe").into()).await;
            took.push(start.elapsed());
            found = answers.iter().map(count).sum();
        }
        report(&format!("SEARCH-5, like, of {CONTACTS} contacts, {what}"), found, took);
    }

    /// The whole Profile, or what has changed since a time.
    async fn profiles(&mut self, what: &str, times: usize, since: Option<u64>) {
        let (mut took, mut found) = (Vec::new(), 0);
        let update = since.map(|past| now().saturating_sub(past));
        for _ in 0..times {
            let start = Instant::now();
            let get = Profile { status: Some(ProfileStatus::Get), update, ..Profile::default() };
            let answers = self.ask(get.into()).await;
            took.push(start.elapsed());
            let whole = answers.iter().filter_map(|answer| etf::decode::<Profile>(answer).ok());
            found = whole.flat_map(|profile| profile.rosters).map(|entry| listed(&entry)).sum();
        }
        report(what, found, took);
    }
}

fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_millis() as u64)
}

fn listed(entry: &RosterEntry) -> usize {
    match entry {
        RosterEntry::Roster(roster) => roster.userlist.len() + roster.roomlist.len(),
        RosterEntry::Id(_) | RosterEntry::Name(_) => 0,
    }
}

fn report(what: &str, found: usize, mut took: Vec<Duration>) {
    took.sort();
    let at = |share: usize| took.get(took.len() * share / 100).copied().unwrap_or_default();
    let slowest = took.last().copied().unwrap_or_default();
    println!("{what}: {found} found, median {:?}, 90 % {:?}, slowest {slowest:?}", at(50), at(90));
}

fn count(answer: &Bytes) -> usize {
    match etf::decode::<Io>(answer).expect("an answer").data {
        Some(proto::records::Data::Roster(roster)) => roster.userlist.len() + roster.roomlist.len(),
        other => panic!("not found but refused: {other:?}"),
    }
}
