//! A running server as a stage, over TCP or whatever else carries MQTT.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::mqtt::{self, Packet, Version};
use crate::socket::{Frames, Socket};
use crate::stage::{Codes, Entry, Got, Hello, Opening, Pushed, Stage, Victim};

/// What does not come within this time does not come.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait for what the server writes to a file.
const MOMENT: Duration = Duration::from_millis(250);
/// A topic that nobody may receive; the server's session is asked about it, so its answer comes behind all that the session
/// had to send before.
const FENCE: &str = "ses/00000";

/// A connection that carries MQTT; reading gives up after [`PATIENCE`].
pub trait Wire: Read + Write {
    /// Nothing more will be written; what still comes can be read.
    fn finish(&mut self) -> std::io::Result<()>;
}

impl Wire for TcpStream {
    fn finish(&mut self) -> std::io::Result<()> {
        self.shutdown(std::net::Shutdown::Write)
    }
}

/// The server's process.
pub trait Daemon {
    /// Where it listens for MQTT over TCP.
    fn address(&self) -> SocketAddr;

    /// Opens a connection; by TCP where nothing else is said.
    fn open(&self) -> std::io::Result<Box<dyn Wire>> {
        let stream = TcpStream::connect(self.address())?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Box::new(stream))
    }

    /// Opens a WebSocket on `/ws`.
    fn join(&self) -> std::io::Result<Box<dyn Frames>> {
        Err(std::io::Error::other("there is no WebSocket"))
    }

    /// Kills it (SIGKILL) and starts it again on the same data.
    fn crash(&mut self) -> Result<(), String>;

    /// All pushes that it handed to the `log` sender for a device: the record in hexadecimal, a blank, the body (PUSH-7).
    fn pushes(&self, client: &str) -> Vec<String>;

    /// The latest code that it handed to the `log` provider for a number (ID-11).
    fn code(&self, phone: &str) -> Option<String>;
}

/// A server and its connections.
pub struct Live<'d> {
    daemon: &'d mut dyn Daemon,
    version: Version,
    /// Connections are WebSockets on `/ws`.
    records: bool,
    links: HashMap<String, Link>,
    sockets: HashMap<String, Socket>,
    /// How many pushes of a device the scene has seen.
    pushed: HashMap<String, usize>,
}

struct Link {
    version: Version,
    stream: Box<dyn Wire>,
    buffer: BytesMut,
    next_id: u16,
    /// Publishes that are not acknowledged.
    open: usize,
    pubacks: Vec<u8>,
    connack: Option<u8>,
    suback: Option<u8>,
    came: Vec<Got>,
    closed: Option<u8>,
    at_once: bool,
    held: Vec<u16>,
}

impl Live<'_> {
    pub fn new(daemon: &mut dyn Daemon, version: Version) -> Live<'_> {
        let (links, sockets, pushed) = (HashMap::new(), HashMap::new(), HashMap::new());
        Live { daemon, version, records: false, links, sockets, pushed }
    }

    /// Everybody comes by `/ws`, and says by a token who he is (INIT-3).
    pub fn of_records(daemon: &mut dyn Daemon) -> Live<'_> {
        Live { records: true, ..Live::new(daemon, Version::V5) }
    }

    /// What CONNECT would be answered.
    fn enter(&mut self, name: &str, hello: &Hello) -> Result<u8, String> {
        if hello.holding || hello.version.is_some() || hello.window.is_some() || hello.takes.is_some() {
            return Err("only MQTT can say that: mark the scene [mqtt]".to_owned());
        }
        let mut socket = Socket::over(self.daemon.join().map_err(|why| why.to_string())?);
        let code = if socket.enter(&hello.client_id, hello.password.as_deref()) { 0 } else { 0x86 };
        self.sockets.insert(name.to_owned(), socket);
        Ok(code)
    }

    fn link(&mut self, name: &str) -> Result<&mut Link, String> {
        self.links.get_mut(name).ok_or_else(|| format!("{name} has no connection"))
    }
}

impl Link {
    fn over(stream: Box<dyn Wire>, version: Version) -> Link {
        Link {
            version,
            stream,
            buffer: BytesMut::new(),
            next_id: 0,
            open: 0,
            pubacks: Vec::new(),
            connack: None,
            suback: None,
            came: Vec::new(),
            closed: None,
            at_once: true,
            held: Vec::new(),
        }
    }

    fn id(&mut self) -> u16 {
        self.next_id = self.next_id.checked_add(1).unwrap_or(1);
        self.next_id
    }

    /// A connection that is closed is found out by reading.
    fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).and_then(|()| self.stream.flush());
    }

    /// Reads until `done`, or until nothing more comes; whether it is.
    fn until(&mut self, done: impl Fn(&Link) -> bool) -> bool {
        loop {
            while let Some(packet) = mqtt::decode(self.version, &mut self.buffer) {
                self.take(packet);
            }
            if done(self) {
                return true;
            }
            if self.closed.is_some() || !self.read() {
                return false;
            }
        }
    }

    /// Reads once; false if nothing came in time.
    fn read(&mut self) -> bool {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => self.closed = Some(0),
            Ok(count) => self.buffer.extend_from_slice(chunk.get(..count).unwrap_or_default()),
            Err(why) if matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return false,
            Err(_) => self.closed = Some(0),
        }
        true
    }

    fn take(&mut self, packet: Packet) {
        match packet {
            Packet::ConnAck(code) => self.connack = Some(code),
            Packet::Publish { topic, payload, qos, id } => {
                let hold = !self.at_once && !topic.contains("actions/");
                match qos {
                    0 => {}
                    _ if hold => self.held.push(id),
                    _ => self.send(&mqtt::puback(id)),
                }
                self.came.push(Got { topic, payload, qos });
            }
            Packet::PubAck { id: _, code } => {
                self.open -= 1;
                self.pubacks.push(code);
            }
            Packet::SubAck { code } => self.suback = Some(code),
            Packet::Disconnect(code) => self.closed = Some(code),
            Packet::Other => {}
        }
    }

    fn subscribe(&mut self, filter: &str) -> Option<u8> {
        self.suback = None;
        let id = self.id();
        self.send(&mqtt::subscribe(self.version, id, filter));
        self.until(|link| link.suback.is_some());
        self.suback
    }
}

impl Stage for Live<'_> {
    fn course(&self) -> String {
        if self.records {
            return "on /ws".to_owned();
        }
        format!("over MQTT {}", if self.version == Version::V5 { "5.0" } else { "3.1.1" })
    }

    fn codes(&self) -> Codes {
        if self.version == Version::V5 { Codes::All } else { Codes::Few }
    }

    fn has_topics(&self) -> bool {
        !self.records
    }

    fn connect(&mut self, name: &str, hello: &Hello) -> Result<u8, String> {
        if hello.from.is_some() {
            return Err("everybody comes from loopback here: mark the scene [sim]".to_owned());
        }
        if hello.certified.is_some() {
            return Err("certificates are shown over TLS only: mark the scene [sim]".to_owned());
        }
        if self.records {
            return self.enter(name, hello);
        }
        let mut link = Link::over(self.daemon.open().map_err(|why| why.to_string())?, self.version);
        link.at_once = !hello.holding;
        link.send(&mqtt::connect(self.version, hello));
        link.until(|link| link.connack.is_some());
        let code = link.connack.ok_or("CONNECT was not answered")?;
        self.links.insert(name.to_owned(), link);
        Ok(code)
    }

    fn open(&mut self, name: &str, opening: &Opening) -> Result<(), String> {
        if opening.strict || opening.certified.is_some() {
            return Err("everybody is who he says here: mark the scene [sim]".to_owned());
        }
        let mut socket = Socket::over(self.daemon.join().map_err(|why| why.to_string())?);
        if let Some((client, token)) = &opening.device {
            socket.say(&format!("N2O,{client}:{}", String::from_utf8_lossy(token)));
        }
        self.sockets.insert(name.to_owned(), socket);
        Ok(())
    }

    fn say(&mut self, name: &str, text: &str) -> Result<(), String> {
        let socket = self.sockets.get_mut(name).ok_or_else(|| format!("{name} has no WebSocket"))?;
        socket.say(text);
        Ok(())
    }

    fn disconnect(&mut self, name: &str, politely: bool) -> Result<(), String> {
        if let Some(socket) = self.sockets.get_mut(name) {
            socket.leave();
            return Ok(());
        }
        let link = self.link(name)?;
        if link.closed.is_some() {
            return Ok(());
        }
        if politely {
            link.send(&mqtt::disconnect());
        }
        let _ = link.stream.finish();
        // The server closes its side when it has taken leave.
        link.until(|_| false);
        link.closed.get_or_insert(0);
        Ok(())
    }

    fn publish(&mut self, name: &str, topic: &str, payload: Bytes) -> Result<(), String> {
        if let Some(socket) = self.sockets.get_mut(name) {
            socket.publish(payload);
            return Ok(());
        }
        let link = self.link(name)?;
        let id = link.id();
        link.open += 1;
        link.send(&mqtt::publish(link.version, id, topic, &payload));
        Ok(())
    }

    fn acknowledged(&mut self, name: &str) -> Result<Vec<u8>, String> {
        if self.sockets.contains_key(name) {
            // Nothing acknowledges a frame but what answers it.
            return Ok(vec![0]);
        }
        let link = self.link(name)?;
        link.until(|link| link.open == 0);
        Ok(std::mem::take(&mut link.pubacks))
    }

    fn subscribe(&mut self, name: &str, filter: &str) -> Result<u8, String> {
        self.link(name)?.subscribe(filter).ok_or_else(|| "SUBSCRIBE was not answered".to_owned())
    }

    fn take(&mut self, name: &str) -> Result<Vec<Got>, String> {
        if let Some(socket) = self.sockets.get_mut(name) {
            return Ok(std::mem::take(&mut socket.came));
        }
        // Of one that went with a server there is nothing more.
        Ok(self.links.get_mut(name).map(|link| std::mem::take(&mut link.came)).unwrap_or_default())
    }

    fn wait(&mut self, name: &str) -> Result<bool, String> {
        if let Some(socket) = self.sockets.get_mut(name) {
            return Ok(socket.until(|socket| !socket.came.is_empty()));
        }
        Ok(self.link(name)?.until(|link| !link.came.is_empty()))
    }

    /// What a connection has caused has reached the sessions concerned when its answer is here; so two rounds of fences.
    fn settle(&mut self) -> Result<(), String> {
        for _ in 0..2 {
            for link in self.links.values_mut().filter(|link| link.closed.is_none()) {
                link.subscribe(FENCE);
            }
            for socket in self.sockets.values_mut().filter(|socket| socket.closed.is_none()) {
                socket.fence();
            }
        }
        Ok(())
    }

    fn closed(&mut self, name: &str) -> Result<Option<u8>, String> {
        if let Some(socket) = self.sockets.get(name) {
            return Ok(socket.closed);
        }
        Ok(self.link(name)?.closed)
    }

    fn confirm(&mut self, name: &str, at_once: bool) -> Result<(), String> {
        let link = self.link(name)?;
        link.at_once = at_once;
        if at_once {
            for id in std::mem::take(&mut link.held) {
                link.send(&mqtt::puback(id));
            }
        }
        Ok(())
    }

    fn pushes(&mut self, client: &str) -> Result<Vec<Pushed>, String> {
        let all = self.daemon.pushes(client);
        let seen = self.pushed.entry(client.to_owned()).or_default();
        let fresh = all.get(*seen..).unwrap_or_default().iter().map(|line| pushed(line)).collect();
        *seen = all.len();
        fresh
    }

    fn pass(&mut self) -> Result<(), String> {
        std::thread::sleep(MOMENT);
        self.settle()
    }

    fn code(&mut self, phone: &str) -> Result<Option<Bytes>, String> {
        Ok(self.daemon.code(phone).map(Bytes::from))
    }

    fn crash(&mut self) -> Result<(), String> {
        self.links.clear();
        self.sockets.clear();
        self.daemon.crash()
    }

    fn advance(&mut self, _milliseconds: u64) -> Result<(), String> {
        Err("time passes in the simulator only: mark the scene [sim]".to_owned())
    }

    fn fail(&mut self, _victim: &Victim) -> Result<(), String> {
        Err("processes are made to fail in the simulator only: mark the scene [sim]".to_owned())
    }

    fn revoke(&mut self, _name: &str, _phone: &str) -> Result<(), String> {
        Err("certificates are named in the simulator only: mark the scene [sim]".to_owned())
    }

    fn directory(&mut self, _change: Entry) -> Result<(), String> {
        Err("a directory is there in the simulator only: mark the scene [directory]".to_owned())
    }

    fn work_sleeps(&mut self, _sleeps: bool) -> Result<(), String> {
        Err("slow work is held up in the simulator only: mark the scene [sim]".to_owned())
    }
}

fn pushed(line: &str) -> Result<Pushed, String> {
    let (record, body) = line.split_once(' ').unwrap_or((line, ""));
    Ok(Pushed { record: unhex(record)?, body: Bytes::copy_from_slice(body.as_bytes()) })
}

fn unhex(text: &str) -> Result<Bytes, String> {
    let byte = |at| text.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
    (0..text.len()).step_by(2).map(byte).collect::<Option<_>>().ok_or_else(|| format!("no bytes: {text}"))
}
