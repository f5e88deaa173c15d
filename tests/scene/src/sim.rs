//! The simulator as a stage: the chat without sockets, with a seed, a clock that is moved and crashes on demand.

mod certificates;
mod link;
mod outside;
mod stage;

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use chat::door::Out;
use chat::rows::TABLES;
use chat::{
    Asked, Chat, Gateway, Input, Job, KEY_BYTES, Listed, Name, Output, Port, Said, Settings, Vault, WorkResult,
};
use kvs::{Memory, Sequence, Store, Table};
use n2o::Sim;

use crate::files::Files;
use crate::stage::{Pushed, SERVICE_HASH};
use certificates::named;
use link::Link;

/// Where the simulated server keeps its roster ids, and the ids of letters.
const ROSTERS: Table = Table("sim_rosters");
/// Threads of the simulated server.
const NODES: usize = 3;
/// The simulated server's storage key.
const STORAGE_KEY: [u8; KEY_BYTES] = [7; KEY_BYTES];

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
                    Output::Work(job) => self.work(*job),
                    Output::Push(push) => self.push(*push),
                    // There is no authority here; its rows stay.
                    Output::Lapsed | Output::Bound | Output::Published => {}
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
