//! Where scenes are played: the simulator, or a running server.

use std::net::IpAddr;

use std::collections::BTreeMap;

use bytes::Bytes;

/// What a CONNECT says.
#[derive(Debug, Clone, Default)]
pub struct Hello {
    pub client_id: String,
    pub password: Option<Bytes>,
    /// Client version (CON-6).
    pub version: Option<u32>,
    /// Receive Maximum.
    pub window: Option<u16>,
    /// Maximum Packet Size.
    pub takes: Option<u32>,
    /// Items are not confirmed as they come.
    pub holding: bool,
    /// The address that it comes from, if not loopback.
    pub from: Option<IpAddr>,
    /// The account key that the certificate presented names.
    pub certified: Option<String>,
}

/// The password of services wherever scenes are played (CON-3), and what a server's configuration has of it.
pub const SERVICE_SECRET: &str = "scenes: 5fd1c3c2b7";
pub const SERVICE_HASH: [u8; 32] = [
    0xef, 0xfb, 0x30, 0xc4, 0xd1, 0x7f, 0x13, 0xdc, 0x2c, 0x03, 0x72, 0x93, 0xe3, 0x88, 0x54, 0x6c, 0x2d, 0x54, 0xfd,
    0x26, 0x87, 0xe3, 0x68, 0xdd, 0x0d, 0x56, 0xa6, 0x4d, 0x4b, 0x81, 0xf5, 0x12,
];

/// A WebSocket on `/ws` that is opened.
#[derive(Debug, Clone, Default)]
pub struct Opening {
    /// Who speaks to mailboxes has to prove who he is (`mail.auth=identity`).
    pub strict: bool,
    /// The account key that the certificate presented names.
    pub certified: Option<String>,
    /// The device that it is let in as, and its token.
    pub device: Option<(String, Bytes)>,
}

/// Topics of [`Got`] that stand for the frames of a WebSocket.
pub(crate) const TEXT: &str = "text";
pub(crate) const RECORD: &str = "record";

/// A process that is made to fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Victim {
    /// Of this client id.
    Session(String),
    /// Of this connection on `/ws`.
    Terminal(String),
    /// Of this user.
    Mailbox(String),
    /// Of this group box.
    Circle(String),
    /// Of this account key.
    Profile(String),
}

/// One thing that came to a connection.
#[derive(Debug, Clone, PartialEq)]
pub struct Got {
    pub topic: String,
    pub payload: Bytes,
    pub qos: u8,
}

/// A table and a key in it.
pub type Row = (&'static str, Bytes);

/// How much of a reason the transport tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codes {
    /// All, as MQTT 5 does.
    All,
    /// As MQTT 3.1.1: 4, 5, 2 at CONNECT, 0x80 at SUBSCRIBE, none elsewhere.
    Few,
}

impl Codes {
    /// The code of CONNACK that a reason of 5.0 is told by (CON-3).
    pub(crate) fn connack(self, code: u8) -> u8 {
        match (self, code) {
            (Codes::All, code) => code,
            (Codes::Few, 0x86) => 4,
            (Codes::Few, 0x87 | 0x8a) => 5,
            (Codes::Few, 0x85) => 2,
            (Codes::Few, 0x88 | 0x97) => 3,
            (Codes::Few, code) => code,
        }
    }

    /// TOPIC-8: PUBACK.
    pub(crate) fn puback(self, code: u8) -> u8 {
        if self == Codes::All { code } else { 0 }
    }

    /// TOPIC-9: SUBACK.
    pub(crate) fn suback(self, code: u8) -> u8 {
        if self == Codes::Few && code >= 0x80 { 0x80 } else { code }
    }
}

/// What stands for push tokens where pushes are logged.
pub const LOGGED: &str = "(token)";

/// What was handed to a push gateway, or would have been.
#[derive(Debug, Clone)]
pub struct Pushed {
    /// The record `push` (PUSH-2), encoded.
    pub record: Bytes,
    /// What the gateway is given (PUSH-3, PUSH-4).
    pub body: Bytes,
}

/// A server and connections to it, each named by the scene. `Err` is a fault of the stage, not of the server.
/// What becomes of the organisation's directory.
pub enum Entry {
    Has {
        phone: String,
        given: String,
        surname: String,
        password: String,
    },
    Loses {
        phone: String,
    },
    /// Its state is told to the account, as is done from time to time.
    Told {
        phone: String,
    },
    /// A group of it is this room, and has these members, named by their phone_ids.
    Gathers {
        room: String,
        members: Vec<String>,
    },
    /// It cannot be asked from now on, and what was known holds.
    Left,
    /// It cannot be asked, and nothing holds.
    Failed,
    Back,
}

pub trait Stage {
    /// Which course of events this is, to play it again.
    fn course(&self) -> String;

    fn codes(&self) -> Codes;

    /// Whether what comes says on which topic.
    fn has_topics(&self) -> bool {
        true
    }

    /// Opens a connection; the code of CONNACK.
    fn connect(&mut self, link: &str, hello: &Hello) -> Result<u8, String>;

    /// Opens a WebSocket on `/ws`; what is published there is a binary frame.
    fn open(&mut self, link: &str, opening: &Opening) -> Result<(), String>;

    /// Sends a text frame on it.
    fn say(&mut self, link: &str, text: &str) -> Result<(), String>;

    /// Closes it, with a good-bye or without.
    fn disconnect(&mut self, link: &str, politely: bool) -> Result<(), String>;

    /// Publishes at QoS 1.
    fn publish(&mut self, link: &str, topic: &str, payload: Bytes) -> Result<(), String>;

    /// Waits until all that was published is acknowledged; the codes, in order, since the last time.
    fn acknowledged(&mut self, link: &str) -> Result<Vec<u8>, String>;

    /// Asks for a topic; the code of SUBACK.
    fn subscribe(&mut self, link: &str, filter: &str) -> Result<u8, String>;

    /// What has come since the last time.
    fn take(&mut self, link: &str) -> Result<Vec<Got>, String>;

    /// Waits for something more to come; false if nothing will.
    fn wait(&mut self, link: &str) -> Result<bool, String>;

    /// Lets everything that was begun come to its end.
    fn settle(&mut self) -> Result<(), String>;

    /// The reason with which the server closed the connection, if it did.
    fn closed(&mut self, link: &str) -> Result<Option<u8>, String>;

    /// Whether items are confirmed (PUBACK) as they come; if again, those held back are now.
    fn confirm(&mut self, link: &str, at_once: bool) -> Result<(), String>;

    /// The pushes to a device since the last time.
    fn pushes(&mut self, client: &str) -> Result<Vec<Pushed>, String>;

    /// A little time passes, for what no connection hears of.
    fn pass(&mut self) -> Result<(), String>;

    /// The latest code that the provider sent to a number.
    fn code(&mut self, phone: &str) -> Result<Option<Bytes>, String>;

    /// The server loses power and starts again.
    fn crash(&mut self) -> Result<(), String>;

    /// All that the server keeps, where that can be seen.
    fn kept(&mut self) -> Option<BTreeMap<Row, Bytes>> {
        None
    }

    /// How many files of people lie on the server's disk, those on their way included.
    fn files(&mut self) -> Result<usize, String> {
        Err("files are counted in the simulator only: mark the scene [sim]".to_owned())
    }

    /// Time passes.
    fn advance(&mut self, milliseconds: u64) -> Result<(), String>;

    /// A process ends as by a panic.
    fn fail(&mut self, victim: &Victim) -> Result<(), String>;

    /// The operator takes back the certificate that is named so (ID-10); what hears of it is the account `phone`.
    fn revoke(&mut self, name: &str, phone: &str) -> Result<(), String>;

    /// The organisation's directory changes.
    fn directory(&mut self, change: Entry) -> Result<(), String>;

    /// Whether slow work goes on without an end from now on; if not, what has waited ends now.
    fn work_sleeps(&mut self, sleeps: bool) -> Result<(), String>;

    /// While it sleeps: what was begun first of the slow work ends, well or not.
    fn work_ends(&mut self, well: bool) -> Result<(), String> {
        let end = if well { "works" } else { "fails" };
        Err(format!("slow work {end} step by step in the simulator only: mark the scene [sim]"))
    }
}
