//! The simulator as a stage: the chat without sockets, with a seed, a clock that is moved and crashes on demand.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use chat::door::{self, Bye, Certificate, Denied, Gone, Hello as Door, Origin, Out, Role, Source, Verdict};
use chat::rows::{self, OUTGOING, TABLES};
use chat::{
    Asked, Caller, Chat, Follow, Gateway, Input, Job, KEY_BYTES, Listed, Name, Output, Port, Push, Said, Settings,
    Vault, Work, WorkError, WorkResult,
};
use kvs::{Batch, Memory, Sequence, Span, Store, Table};
use n2o::Sim;
use proto::Refusal;
use proto::ids::{ClientId, ClientKind, FeedId, Phone, PhoneId, User};
use proto::mail::MailRecord;
use proto::records::Io;
use proto::topic::{Filter, ReplyForm, Topic};

use crate::files::Files;
use crate::stage::{Codes, Entry, Got, Hello, LOGGED, Opening, Pushed, RECORD, Row, SERVICE_HASH, Stage, TEXT, Victim};

/// Where the simulated server keeps its roster ids, and the ids of letters.
const ROSTERS: Table = Table("sim_rosters");
/// Threads of the simulated server.
const NODES: usize = 3;
/// Our own Receive Maximum (SPEC section 11).
const WINDOW: u16 = 32;
const SECOND: u64 = 1000;
/// Who owns the rooms of the directory's groups.
const OWNER: &str = "directory";
/// The simulated server's storage key.
const STORAGE_KEY: [u8; KEY_BYTES] = [7; KEY_BYTES];
/// What does not come within so many seconds does not come.
const PATIENCE: u32 = 4;

/// A simulated server and its connections.
pub struct Simulated {
    seed: u64,
    pub sim: Sim<Chat>,
    links: HashMap<String, Link>,
    codes: HashMap<String, Bytes>,
    pushes: HashMap<String, Vec<Pushed>>,
    /// Slow work that does not end, while it sleeps.
    asleep: Option<Vec<Job>>,
    /// The organisation's directory: names and password by number; and what it says instead where it cannot be asked.
    people: HashMap<String, (Arc<Listed>, String)>,
    instead: Option<WorkResult>,
    files: Files,
}

/// What a transport knows of one connection.
struct Link {
    port: Arc<Port>,
    name: Name,
    client: String,
    open: bool,
    connack: Option<u8>,
    role: Option<Role>,
    next_call: u64,
    /// Reply topics of calls that have not ended, the newest last.
    asked: VecDeque<(u64, String)>,
    reply: String,
    pubacks: Vec<u8>,
    right: Option<bool>,
    came: Vec<Got>,
    closed: Option<u8>,
    at_once: bool,
    held: Vec<u64>,
    /// It is a WebSocket.
    terminal: Option<Terminal>,
}

/// What a transport knows of one that speaks to mailboxes.
struct Terminal {
    caller: Arc<Caller>,
    account: Option<Phone>,
    speaks_records: bool,
}

impl Simulated {
    /// As the `dev` profile has it, but for the limits per time if they are asked for.
    pub fn new(seed: u64, limits: bool) -> Simulated {
        Simulated::with(seed, Settings { limits, ..Simulated::settings() })
    }

    /// The `dev` profile, and the secret of services.
    pub fn settings() -> Settings {
        Settings { sys_secret: Some(SERVICE_HASH), ..Settings::dev() }
    }

    pub fn with(seed: u64, settings: Settings) -> Simulated {
        let store = Arc::new(Memory::new(&[ROSTERS]));
        let rosters = Sequence::open(store.clone(), ROSTERS, b"last").expect("memory does not fail");
        let moments = Sequence::open_in_time(store, ROSTERS, b"moment").expect("memory does not fail");
        let chat = Chat {
            settings,
            rosters: Arc::new(rosters),
            moments: Arc::new(moments),
            vault: Vault::new(&STORAGE_KEY),
            identify: Arc::new(named),
            is_sealed: ca::cms::is_sealed,
            names: Default::default(),
        };
        let sim = Sim::new(chat, TABLES, seed, NODES);
        let mut simulated = Simulated {
            seed,
            sim,
            links: HashMap::new(),
            codes: HashMap::new(),
            pushes: HashMap::new(),
            asleep: None,
            people: HashMap::new(),
            instead: None,
            files: Files::default(),
        };
        simulated.begin();
        simulated
    }

    /// What is kept, to be spoiled.
    pub fn store(&self) -> &Memory {
        self.sim.store()
    }

    /// What a server that starts is told.
    fn begin(&mut self) {
        let (name, input) = Chat::begin();
        self.tell(&name, input);
    }

    /// Lets the server and the transports work until nobody has anything to do.
    fn run(&mut self) {
        loop {
            self.sim.run_until_quiet();
            let outputs = self.sim.take_outputs();
            if outputs.is_empty() {
                return;
            }
            for output in outputs {
                match output {
                    Output::Port(port, out) => self.carry(&port, out),
                    Output::Work(job) => self.work(job),
                    Output::Push(push) => self.push(*push),
                    // There is no authority here; its rows stay.
                    Output::Lapsed | Output::Published => {}
                }
            }
        }
    }

    fn carry(&mut self, port: &Arc<Port>, out: Out) {
        let Some(link) = self.links.values_mut().find(|link| link.port.number() == port.number()) else { return };
        if link.open
            && let Some(input) = link.take(out)
        {
            let name = link.name.clone();
            self.tell(&name, input);
        }
    }

    fn tell(&mut self, name: &Name, input: Input) {
        if self.sim.tell(name, input).is_err() {
            panic!("the mailbox of {name} is full");
        }
    }

    fn work(&mut self, job: Job) {
        if let Some(asleep) = &mut self.asleep {
            return asleep.push(job);
        }
        self.perform(job);
    }

    /// Codes are kept; a request for a certificate is `key:` and the name of a key.
    fn perform(&mut self, job: Job) {
        let result = match job.work {
            Work::SendCode { phone, code, .. } => {
                self.codes.insert(phone.to_string(), code);
                WorkResult::Sent
            }
            Work::MailCode { address, code, language: _ } => {
                self.codes.insert(String::from_utf8_lossy(&address).into_owned(), code);
                WorkResult::Sent
            }
            Work::Look { phone } => match &self.instead {
                Some(instead) => instead.clone(),
                None => WorkResult::Listed(self.people.get(phone.as_str()).map(|(person, _)| person.clone())),
            },
            Work::Password { .. } if self.instead.is_some() => WorkResult::Failed(WorkError::Broken),
            Work::Password { phone, password } => match self.people.get(phone.as_str()) {
                Some((person, own)) if own.as_bytes() == password => WorkResult::Listed(Some(person.clone())),
                Some(_) | None => WorkResult::Failed(WorkError::Invalid),
            },
            Work::File(work) => self.files.work(work),
            Work::Verify(signatures) => crate::cms::verify(&signatures),
            Work::Issue { request, phone, account: _, device } => match request.strip_prefix(b"key:") {
                Some(key) => WorkResult::Issued(issued(key, phone.as_str(), device.as_str())),
                None => WorkResult::Failed(WorkError::Invalid),
            },
        };
        self.tell(&job.from, Input::Worked { job: job.number, result });
    }

    /// The gateways: one that does not know the token any more is what PUSH-7 is about.
    fn push(&mut self, push: Push) {
        let client = String::from_utf8_lossy(&push.client_id).into_owned();
        self.pushes.entry(client).or_default().push(Pushed { record: push.push.clone(), body: push.body(LOGGED) });
        let mut done = Batch::default();
        done.delete(OUTGOING, rows::numbered(push.gateway.text().as_bytes(), push.number));
        self.sim.store().apply(&done).expect("memory does not fail");
        if push.token.starts_with(b"dead") {
            self.tell(&Name::Profile(push.phone), Input::PushDead { device: push.device, print: push.print });
        }
    }

    /// What a server does when it starts: unfinished work goes on, and pushes that wait.
    pub fn resume(&mut self) {
        for gateway in Gateway::ALL {
            let store = self.sim.store().snapshot();
            let waiting = chat::waiting(&Vault::new(&STORAGE_KEY), &*store, gateway, 0, usize::MAX);
            let waiting = waiting.expect("memory does not fail");
            waiting.into_iter().filter_map(|waiting| waiting.push).for_each(|push| self.push(*push));
        }
        let unfinished = chat::unfinished(&*self.sim.store().snapshot()).expect("memory does not fail");
        unfinished.iter().for_each(|home| self.tell(home, Input::Resume));
    }

    fn link(&mut self, name: &str) -> Result<&mut Link, String> {
        self.links.get_mut(name).ok_or_else(|| format!("{name} has no connection"))
    }

    fn hand(&mut self, link: &str, input: Input) -> Result<(), String> {
        let name = self.link(link)?.name.clone();
        self.tell(&name, input);
        Ok(())
    }

    /// A command for the mailboxes, as one of those that `web` hands in.
    fn ask(&mut self, name: &str, asked: Asked) -> Result<(), String> {
        let link = self.link(name)?;
        let call = link.next_call;
        let terminal = link.terminal.as_mut().ok_or_else(|| format!("{name} has no WebSocket"))?;
        if !link.open {
            return Err(format!("{name} is not connected"));
        }
        terminal.speaks_records = matches!(asked, Asked::Record(_));
        link.next_call += 1;
        link.asked.push_back((call, String::new()));
        let (caller, account) = (terminal.caller.clone(), terminal.account.clone());
        let said = Said { port: link.port.clone(), caller, account, call, asked };
        self.hand(name, Input::Said(Box::new(said)))
    }
}

impl Link {
    fn new(hello: &Hello) -> Link {
        Link {
            port: Arc::new(Port::default()),
            name: Name::session(&Bytes::copy_from_slice(hello.client_id.as_bytes())),
            client: hello.client_id.clone(),
            open: true,
            connack: None,
            role: None,
            next_call: 0,
            asked: VecDeque::new(),
            reply: ReplyForm::default().topic(&hello.client_id),
            pubacks: Vec::new(),
            right: None,
            came: Vec::new(),
            closed: None,
            at_once: !hello.holding,
            held: Vec::new(),
            terminal: None,
        }
    }

    fn over_websocket(opening: &Opening, account: Option<Phone>, now: u64) -> Link {
        let certificate = opening.certified.as_deref().map(|key| certificate(key, now));
        let caller = Arc::new(Caller { certificate, open: !opening.strict });
        let link = Link::new(&Hello::default());
        let name = Name::Terminal(link.port.number());
        Link { name, terminal: Some(Terminal { caller, account, speaks_records: false }), ..link }
    }

    /// What the transport does about one out, and what it tells the chat of it.
    fn take(&mut self, out: Out) -> Option<Input> {
        match out {
            Out::Welcome(role, _) => (self.connack, self.role) = (Some(0), Some(role)),
            Out::Denied(denied) => (self.connack, self.open) = (Some(connack(denied)), false),
            Out::Answer { call, payload } => {
                let asked = self.asked.iter().find(|(asked, _)| *asked == call);
                let topic = asked.map_or_else(|| self.reply.clone(), |(_, reply)| reply.clone());
                self.came.push(Got { topic, payload, qos: 1 });
            }
            Out::Done { call, verdict } => {
                let first = self.asked.pop_front().map(|(first, _)| first);
                assert_eq!(first, Some(call), "calls end in the order they came (G-5)");
                self.pubacks.push(puback(verdict));
            }
            Out::Notice { payload } => self.came.push(Got { topic: self.reply.clone(), payload, qos: 0 }),
            Out::Item { topic, payload, delivery } => {
                self.came.push(Got { topic: topic.to_string(), payload, qos: u8::from(delivery.is_some()) });
                match delivery {
                    Some(delivery) if self.at_once => return Some(self.confirmed(delivery)),
                    Some(delivery) => self.held.push(delivery),
                    None => {}
                }
            }
            Out::Right { granted, .. } => self.right = Some(granted),
            Out::Mail { frame, number } => {
                let speaks_records = self.terminal.as_ref().is_some_and(|terminal| terminal.speaks_records);
                let (topic, payload) = match frame {
                    door::Frame::Text(text) => (TEXT, text),
                    door::Frame::Record(record) => (RECORD, record),
                    door::Frame::Letter(letter) if speaks_records => (RECORD, letter.record.clone()),
                    door::Frame::Letter(letter) => (TEXT, letter.text.clone()),
                };
                self.came.push(Got { topic: topic.to_owned(), payload, qos: 0 });
                match self.at_once {
                    true => return Some(self.confirmed(number)),
                    false => self.held.push(number),
                }
            }
            Out::Close(bye) => (self.closed, self.open) = (Some(disconnect(bye)), false),
        }
        None
    }

    fn confirmed(&self, delivery: u64) -> Input {
        Input::Confirmed { connection: self.port.number(), delivery }
    }

    /// As the transports do (TOPIC-1, TOPIC-8, TOPIC-10): a request, or the code it is turned down with.
    fn origin(&mut self, name: &str) -> Result<Origin, u8> {
        match Topic::parse(name) {
            Topic::Events(events) if events.client.as_ref().is_some_and(|client| **client != *self.client) => Err(0x87),
            Topic::Events(events) => {
                self.reply = events.reply.topic(&self.client);
                if !events.version_ok {
                    let payload = etf::encode(&Io::error(Refusal::InvalidVersion));
                    self.came.push(Got { topic: self.reply.clone(), payload, qos: 1 });
                    return Err(0);
                }
                Ok(Origin::Events { token: events.token.map(|token| Bytes::copy_from_slice(token.as_bytes())) })
            }
            topic @ (Topic::Devices(_) | Topic::Contacts(_) | Topic::Private(_) | Topic::Room(_)) => {
                Ok(Origin::Broadcast(topic))
            }
            Topic::Actions(..)
            | Topic::Ses(_)
            | Topic::Ac(_)
            | Topic::Muc(_)
            | Topic::P2p(_)
            | Topic::Version(_)
            | Topic::Free
            | Topic::Unknown => Err(0x87),
        }
    }
}

impl Stage for Simulated {
    fn course(&self) -> String {
        format!("in the simulator; again: CHAT_SEED={}", self.seed)
    }

    fn codes(&self) -> Codes {
        Codes::All
    }

    fn connect(&mut self, name: &str, hello: &Hello) -> Result<u8, String> {
        let link = Link::new(hello);
        let (port, process) = (link.port.clone(), link.name.clone());
        // A connection that is taken over stays, under a name of its own, until it is closed.
        if let Some(earlier) = self.links.insert(name.to_owned(), link) {
            self.links.insert(format!("{name} before {}", port.number()), earlier);
        }
        let door = Door {
            client_id: Bytes::copy_from_slice(hello.client_id.as_bytes()),
            password: hello.password.clone(),
            certificate: hello.certified.as_deref().map(|key| certificate(key, self.sim.now().0)),
            source: hello.from.map(source),
            version: hello.version.unwrap_or(101),
            window: hello.window.unwrap_or(WINDOW).min(WINDOW),
            item_max: hello.takes.map_or(1 << 20, |takes| takes as usize),
            acknowledges: true,
        };
        self.tell(&process, Input::Connect { hello: Box::new(door), port });
        self.run();
        self.link(name)?.connack.ok_or_else(|| "CONNECT was not answered".to_owned())
    }

    fn open(&mut self, name: &str, opening: &Opening) -> Result<(), String> {
        let now = self.sim.now().0;
        let account = opening.device.as_ref().and_then(|(client, token)| {
            let ClientKind::Device(phone, device) = ClientId::parse(client.as_bytes()).ok()?.kind() else {
                return None;
            };
            chat::account_by(&*self.sim.store().snapshot(), now, &phone, &device, token).ok()?
        });
        let link = Link::over_websocket(opening, account, now);
        if let Some(earlier) = self.links.insert(name.to_owned(), link) {
            self.links.insert(format!("{name} before {}", earlier.port.number()), earlier);
        }
        Ok(())
    }

    fn say(&mut self, name: &str, text: &str) -> Result<(), String> {
        self.ask(name, Asked::text(text))
    }

    fn disconnect(&mut self, name: &str, politely: bool) -> Result<(), String> {
        let link = self.link(name)?;
        if !std::mem::replace(&mut link.open, false) {
            return Ok(());
        }
        let how = if politely { Gone::Left } else { Gone::Lost };
        let gone = Input::Gone { connection: link.port.number(), how };
        self.hand(name, gone)?;
        self.run();
        Ok(())
    }

    fn publish(&mut self, name: &str, topic: &str, payload: Bytes) -> Result<(), String> {
        let link = self.link(name)?;
        if !link.open {
            return Err(format!("{name} is not connected"));
        }
        if link.terminal.is_some() {
            return match etf::decode::<MailRecord>(&payload) {
                Ok(record) => self.ask(name, Asked::Record(record)),
                Err(_) => {
                    Err("other records than those of the mailboxes are not for this stage: mark it [live]".into())
                }
            };
        }
        let origin = match link.origin(topic) {
            Ok(origin) => origin,
            Err(code) => {
                link.pubacks.push(code);
                return Ok(());
            }
        };
        let call = link.next_call;
        link.next_call += 1;
        link.asked.push_back((call, link.reply.clone()));
        let request = Input::Request { port: link.port.clone(), call, origin, payload };
        self.hand(name, request)
    }

    fn acknowledged(&mut self, name: &str) -> Result<Vec<u8>, String> {
        self.run();
        Ok(std::mem::take(&mut self.link(name)?.pubacks))
    }

    fn subscribe(&mut self, name: &str, filter: &str) -> Result<u8, String> {
        let link = self.link(name)?;
        let topic = match Filter::parse(filter) {
            Ok(Filter::OwnActions) => return Ok(1),
            Ok(Filter::Shared { .. }) => return Ok(0x9e),
            Ok(Filter::Topic(Topic::Actions(_, client))) => return Ok(if *client == *link.client { 1 } else { 0x87 }),
            Ok(Filter::Free | Filter::Wildcard | Filter::Topic(Topic::Free)) => {
                return Ok(if link.role == Some(Role::Service) { 1 } else { 0x87 });
            }
            Ok(Filter::Topic(topic)) => topic,
            Err(_) => return Ok(0x8f),
        };
        link.right = None;
        let ask = Input::MayReceive { connection: link.port.number(), ask: 1, topic };
        self.hand(name, ask)?;
        self.run();
        let granted = self.link(name)?.right.ok_or("SUBSCRIBE was not answered")?;
        Ok(if granted { 1 } else { 0x87 })
    }

    fn take(&mut self, name: &str) -> Result<Vec<Got>, String> {
        self.run();
        Ok(std::mem::take(&mut self.link(name)?.came))
    }

    fn wait(&mut self, name: &str) -> Result<bool, String> {
        for _ in 0..PATIENCE {
            self.run();
            if !self.link(name)?.came.is_empty() {
                return Ok(true);
            }
            self.sim.advance(SECOND);
        }
        Ok(false)
    }

    fn settle(&mut self) -> Result<(), String> {
        self.run();
        Ok(())
    }

    fn closed(&mut self, name: &str) -> Result<Option<u8>, String> {
        self.run();
        Ok(self.link(name)?.closed)
    }

    fn confirm(&mut self, name: &str, at_once: bool) -> Result<(), String> {
        let link = self.link(name)?;
        link.at_once = at_once;
        if at_once {
            let held = std::mem::take(&mut link.held);
            let inputs: Vec<Input> = held.into_iter().map(|delivery| link.confirmed(delivery)).collect();
            inputs.into_iter().try_for_each(|input| self.hand(name, input))?;
        }
        Ok(())
    }

    fn pushes(&mut self, client: &str) -> Result<Vec<Pushed>, String> {
        self.run();
        Ok(self.pushes.remove(client).unwrap_or_default())
    }

    fn pass(&mut self) -> Result<(), String> {
        self.advance(SECOND)
    }

    fn code(&mut self, phone: &str) -> Result<Option<Bytes>, String> {
        self.run();
        Ok(self.codes.get(phone).cloned())
    }

    fn files(&mut self) -> Result<usize, String> {
        self.run();
        Ok(self.files.count())
    }

    fn crash(&mut self) -> Result<(), String> {
        self.sim.crash();
        self.files.crash();
        self.resume();
        self.links.values_mut().for_each(|link| link.open = false);
        self.begin();
        Ok(())
    }

    fn kept(&mut self) -> Option<BTreeMap<Row, Bytes>> {
        self.run();
        let store = self.sim.store();
        let rows = |table: &Table| {
            let rows = store.scan(*table, &Span::prefix(Bytes::new()).limit(usize::MAX)).expect("memory does not fail");
            let name = table.0;
            rows.into_iter().map(move |(key, row)| ((name, key), row))
        };
        Some(TABLES.iter().flat_map(rows).collect())
    }

    fn advance(&mut self, milliseconds: u64) -> Result<(), String> {
        self.run();
        self.sim.advance(milliseconds);
        self.run();
        Ok(())
    }

    fn fail(&mut self, victim: &Victim) -> Result<(), String> {
        self.run();
        let name = match victim {
            Victim::Session(client) => Name::Session(client.as_str().into()),
            Victim::Terminal(link) => self.link(link)?.name.clone(),
            Victim::Mailbox(user) => Name::Mailbox(user_of(user)?),
            Victim::Circle(name) => Name::Circle(user_of(name)?),
            Victim::Profile(phone) => Name::Profile(phone.parse().map_err(|_| format!("no phone: {phone}"))?),
        };
        self.sim.kill(&name);
        Ok(())
    }

    fn revoke(&mut self, name: &str, phone: &str) -> Result<(), String> {
        self.run();
        let phone = phone.parse().map_err(|_| format!("no phone: {phone}"))?;
        let key = Bytes::copy_from_slice(&certificate(name, 0).key);
        self.tell(&Name::Profile(phone), Input::Revoked { key });
        Ok(())
    }

    fn directory(&mut self, change: Entry) -> Result<(), String> {
        self.run();
        match change {
            Entry::Has { phone, given, surname, password } => {
                let person = Listed { given: Some(given), surname: Some(surname) };
                self.people.insert(phone, (Arc::new(person), password));
            }
            Entry::Loses { phone } => {
                self.people.remove(&phone);
            }
            Entry::Told { phone } => {
                let is_listed = self.people.contains_key(&phone);
                let phone = phone.parse().map_err(|_| format!("no phone: {phone}"))?;
                self.tell(&Name::Profile(phone), Input::Standing { is_listed });
            }
            Entry::Gathers { room, members } => {
                let parsed = |id: &String| id.parse::<PhoneId>().map_err(|_| format!("no phone_id: {id}"));
                let members = members.iter().map(parsed).collect::<Result<_, _>>()?;
                let owner: Phone = OWNER.parse().map_err(|_| "no account key".to_owned())?;
                self.tell(&Name::Profile(owner.clone()), Input::Exist);
                self.run();
                let owner = chat::default_roster(&*self.sim.store().snapshot(), &owner).expect("memory does not fail");
                let owner = owner.ok_or("the owner of rooms is not there")?;
                let name = Bytes::copy_from_slice(room.as_bytes());
                let room = room.parse().map_err(|_| format!("no room: {room}"))?;
                let follow = Follow { owner, name, members };
                self.tell(&Name::Conversation(FeedId::Room(room)), Input::Follow(Box::new(follow)));
            }
            Entry::Left => self.instead = Some(WorkResult::AsBefore(None)),
            Entry::Failed => self.instead = Some(WorkResult::Failed(WorkError::Broken)),
            Entry::Back => self.instead = None,
        }
        Ok(())
    }

    fn work_sleeps(&mut self, sleeps: bool) -> Result<(), String> {
        self.run();
        let waiting = std::mem::replace(&mut self.asleep, sleeps.then(Vec::new));
        waiting.into_iter().flatten().for_each(|job| self.work(job));
        Ok(())
    }

    fn work_ends(&mut self, well: bool) -> Result<(), String> {
        self.run();
        let waiting = self.asleep.as_mut().filter(|waiting| !waiting.is_empty());
        let first = waiting.ok_or("no slow work waits")?.remove(0);
        match well {
            true => self.perform(first),
            false => {
                let result = WorkResult::Failed(WorkError::Broken);
                self.tell(&first.from, Input::Worked { job: first.number, result });
            }
        }
        self.run();
        Ok(())
    }
}

fn user_of(name: &str) -> Result<User, String> {
    User::parse(name.as_bytes()).map_err(|_| format!("no user: {name}"))
}

fn source(from: IpAddr) -> Source {
    match from {
        IpAddr::V4(address) => Source(address.to_ipv6_mapped().octets()),
        IpAddr::V6(address) => Source(address.octets()),
    }
}

/// The certificate of an account key, as the deployment's own authority would issue it to a person.
fn certificate(key: &str, now: u64) -> Arc<Certificate> {
    let mut public = [0; 32];
    public.iter_mut().zip(key.bytes()).for_each(|(byte, letter)| *byte = letter);
    Arc::new(Certificate {
        der: Bytes::copy_from_slice(key.as_bytes()),
        key: public,
        names: vec![key.split(':').next().unwrap_or(key).to_owned()],
        own_authority: true,
        sys: key == "sys",
        personal: key != "sys",
        // One whose key is called `old` is of long ago.
        issued: if key.ends_with(":old") { 0 } else { now },
        // One whose key is called `brief` ends in an hour.
        not_after: if key.ends_with(":brief") { now + 3600 * SECOND } else { u64::MAX >> 1 },
        ..Certificate::default()
    })
}

/// The certificate that [`certificate`] shows as `phone:key`, with the device that it was issued to.
fn issued(key: &[u8], phone: &str, device: &str) -> Arc<Certificate> {
    let shown = certificate(&format!("{phone}:{}", String::from_utf8_lossy(key)), 0);
    Arc::new(Certificate { device: Some((phone.to_owned(), device.to_owned())), ..(*shown).clone() })
}

/// CON-3.
fn connack(denied: Denied) -> u8 {
    match denied {
        Denied::BadCredentials => 0x86,
        Denied::NotAuthorized => 0x87,
        Denied::BadClientId => 0x85,
        Denied::Banned => 0x8a,
        Denied::TooMany => 0x97,
        Denied::Unavailable => 0x88,
    }
}

/// TOPIC-8, TOPIC-10.
fn puback(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Done => 0,
        Verdict::NoRight => 0x87,
        Verdict::BadPayload => 0x99,
        Verdict::TooMuch => 0x97,
    }
}

fn disconnect(bye: Bye) -> u8 {
    match bye {
        Bye::Done => 0,
        Bye::TakenOver => 0x8e,
        Bye::Expired => 0x87,
        Bye::Ended => 0x98,
        Bye::TimeUp => 0xa0,
        Bye::TooOften => 0x96,
        Bye::ShuttingDown => 0x8b,
        Bye::Fault => 0x83,
    }
}

/// What the certificate of [`certificate`] says, which is its own name.
fn named(der: &[u8]) -> Option<Certificate> {
    let key = std::str::from_utf8(der).ok()?;
    Some((*certificate(key, 0)).clone())
}
