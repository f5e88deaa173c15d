//! Scenes played in the simulator.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bytes::Bytes;
use chat::door::{Gone, Hello as Door, Role, Source};
use chat::rows::TABLES;
use chat::{Asked, Input, Name, WorkError, WorkResult};
use kvs::{Span, Store, Table};
use proto::ids::{ClientId, ClientKind, User};
use proto::mail::MailRecord;
use proto::topic::{Filter, Topic};

use super::Simulated;
use super::certificates::certificate;
use super::link::Link;
use crate::stage::{Codes, Entry, Got, Hello, Opening, Pushed, Row, Stage, Victim};

/// Our own Receive Maximum (SPEC section 11).
const WINDOW: u16 = 32;
const SECOND: u64 = 1000;
/// What does not come within so many seconds does not come.
const PATIENCE: u32 = 4;

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
        self.change_directory(change)
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
