//! What the chat's processes are told: by transports, by each other, by slow work that has ended, by the clock.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use proto::Record;
use proto::ids::{Address, DevKey, FeedId, Nick, Phone, PhoneId, RoomId};
use proto::records::{Desc, Ftp, Link, Roster, Star};
use proto::topic::Topic;

use crate::door::{Bye, Certificate, Denied, Gone, Hello, Origin, Role, Source, Verdict};
use crate::output::Job;
use crate::port::Port;
use crate::post::{Delivered, Post, Posted, Said};
use crate::protocol::message::seek::Seek;
use crate::protocol::presence::Telling;
use crate::protocol::reading::Reading;
use crate::protocol::search::Search;
use crate::protocol::work::Errand;

/// One letter in a process's mailbox.
#[derive(Clone)]
pub enum Input {
    // --- to a session, from its transport (door.rs) ---
    Connect {
        hello: Box<Hello>,
        port: Arc<Port>,
    },
    Request {
        port: Arc<Port>,
        call: u64,
        origin: Origin,
        payload: Bytes,
    },
    Confirmed {
        connection: u64,
        delivery: u64,
    },
    MayReceive {
        connection: u64,
        ask: u64,
        topic: Topic,
    },
    Gone {
        connection: u64,
        how: Gone,
    },

    // --- of terminals and mailboxes (post.rs) ---
    /// A command for the mailboxes. To a terminal, from its transport.
    Said(Box<Said>),
    /// Something to be done with a box. To a mailbox or circle.
    Post(Box<Post>),
    /// What became of it. To whoever asked.
    Posted(Box<Posted>),
    /// A letter has come. To every terminal that is registered for the box.
    Delivered(Arc<Delivered>),

    // --- between a session and the owners ---
    /// A connection asks its account to let it in (CON-3). To the profile.
    Admit(Box<Admit>),
    /// It may come in, or not. To the session.
    Admitted(Box<Admitted>),
    Refused {
        connection: u64,
        denied: Denied,
    },
    /// The session is in its account's group now: what is due can be read without missing what comes.
    Begin {
        connection: u64,
    },
    /// It is in the groups of the account's rooms as well.
    Begun {
        connection: u64,
    },
    /// It hears a room that a roster of its account has come into. To the session.
    Opened {
        connection: u64,
        room: RoomId,
    },
    /// The device's connection has ended (CON-8). To the profile.
    Left {
        device: DevKey,
        how: Gone,
    },
    /// A request, to the owner of the state it is about.
    Call(Box<Call>),
    /// A step of a transfer that no record says, by a device beside its connections. To the files of its account.
    Upload(Box<Upload>),
    /// What the owner answers. To the session.
    Answer(Box<Answer>),
    /// A part of the account's Profile for a connection that is sent it without asking (CON-5). To the session.
    Shown {
        connection: u64,
        records: Vec<Bytes>,
        done: bool,
    },
    /// The owner has failed at it (G-2, `internal`). To the session.
    Failed {
        connection: u64,
        call: u64,
    },

    // --- to every session of an account ---
    /// A message of a feed, or its edit or removal (`[D]`).
    Letter(Arc<Letter>),
    /// A durable notice (`[D]`), already kept under its number.
    Notice(Arc<Notice>),
    /// For those who are connected now (`[T]`).
    Transient(Arc<Transient>),
    /// A device of the other party has a message (MESSAGE-12).
    Receipt {
        topic: Arc<str>,
        payload: Bytes,
    },
    /// The account has changed: rosters or the number of devices.
    Account(Arc<Account>),
    /// The session has been ended from elsewhere (AUTH-9, 10, 14); `record` is its last notice. A device without connection just
    /// forgets what it had still to take (DLV-12).
    End {
        bye: Bye,
        record: Option<Bytes>,
        forget: bool,
    },

    /// A roster of the account has come into a room or gone out of it (TOPIC-4).
    Seat(Arc<Seat>),

    // --- to owners, from others ---
    /// A connection is to be sent its account's Profile (CON-5). To the profile.
    Show {
        session: Arc<str>,
        connection: u64,
    },
    /// A round of durable work (PM-6). To the owners on its way.
    Errand(Box<Errand>),
    /// Work of this account begins, or its round is over. To the profile.
    Work {
        work: u64,
        who: Option<Box<Who>>,
    },
    /// An owner has failed at its part of a round. To the profile.
    Stuck {
        who: Option<Box<Who>>,
        work: u64,
    },
    /// The server has started, or the profile: what is left of its work goes on.
    Resume,
    /// A roster is to be founded with this nick (ROSTER-2). To the nicks.
    Found(Box<Founding>),
    /// An e-mail address is proved (PROFILE-6). To the index of names.
    Confirm(Box<Confirming>),
    /// A long answer goes on. To itself.
    Reading(Box<Reading>),
    /// Friends are to be told something (PRESENCE-5, LOC-1, TOPIC-10). To the profile.
    Telling(Box<Telling>),
    /// PROFILE-2: the friends are told again what the roster looks like. To each roster of the account in turn.
    Refresh(Box<Refresh>),
    /// The next part of a room that has ended is to be erased (ROOM-8); `asked` is the connection that ended it. To the conversation.
    Erase {
        asked: Option<u64>,
    },
    /// A call has ended whose record belongs into this feed (CDR-2). To the conversation.
    CallEnded(Box<CallEnded>),
    /// Notices up to here were taken by one more device. To the mail process.
    Trim,
    /// A notice was kept for the account. To the mail process.
    Noticed {
        seq: u64,
    },
    /// The device is still connected. To the profile.
    Here {
        device: DevKey,
    },
    /// An account came into being for a phone that this roster has in its book (AUTH-4). To the roster.
    Registered {
        phone: Phone,
        roster: PhoneId,
    },
    /// Somebody is something else to the roster. To a roster that remembers what its contacts are called.
    Called {
        address: Bytes,
    },
    /// Somebody has other names. To all rosters that remember what their contacts are called.
    Renamed {
        address: Bytes,
    },
    /// It is long, has been read as a whole, and is likely to be searched for names soon. To the roster, also from itself.
    Expect,
    /// Changes of the number of contacts are to be added up. To the roster.
    AddUp,
    /// The copy of a message that a star keeps was made or taken away (FAV-4 to 6). To the roster.
    Starred(Box<Starred>),
    /// Copies of a message that is deleted for everyone are still to be taken away (FAV-6). To the conversation, from itself.
    Unstar {
        id: u64,
    },
    /// A room asks for the name of a link (LINK-3, 6). To the index of links.
    Claim(Box<LinkNews>),
    /// The room has it. To the conversation.
    Claimed(Box<LinkNews>),
    /// A room gives names of links back. To the index of links.
    Unclaim {
        room: RoomId,
        names: Vec<Bytes>,
    },
    /// A message that is forwarded from another feed is looked for further (MESSAGE-9). To the roster, from itself.
    Seek(Box<Seek>),
    /// A search goes on (PM-5). To the roster, from itself.
    Search(Box<Search>),
    /// A friendship began or ended: presence of each to the other (FRIEND-2, 3, 4). To the profile.
    Friends(Box<Friendship>),
    /// The agenda has this conversation, or account, at that time, which has come.
    Due {
        when: u64,
    },
    /// One more device has acknowledged something of a `transient` feed (DLV-6). To its conversation.
    Taken,
    /// Something was entered for that time. To the agenda.
    Agenda {
        when: u64,
    },
    /// The next part of long work that this process does in steps.
    GoOn,
    /// Slow work for a client of a source address, which decides whether it is done (section 11). To the source.
    Pass(Box<Job>),
    /// Something of this feed was queued for the account, and a device may be away (PUSH-1). To the profile.
    Wake {
        feed: Bytes,
    },
    /// A service pushes something to every device that has a push token (PUSH-5); rows say what. To the profile.
    Push,
    /// A gateway says that this push token of a device is dead (PUSH-7). To the profile.
    PushDead {
        device: DevKey,
        print: Bytes,
    },
    /// PUSH-1 looks at the next members of this room. To its conversation.
    WakeMembers,
    /// The device's push token is another's now (AUTH-7). To the profile.
    PushTaken {
        device: DevKey,
        print: Bytes,
    },
    /// The operator has revoked a certificate of this key (ID-10). To the profile that it is bound to.
    Revoked {
        key: Bytes,
    },
    /// Whether the organisation's directory has the account's person now, as one who may come in. To the profile.
    Standing {
        is_listed: bool,
    },
    /// The account is to be there, though nobody has registered it. To the profile.
    Exist,
    /// A group of the organisation's directory is this room. To its conversation, which tells itself while there is more to do.
    Follow(Box<Follow>),
    /// Slow work that this process asked for has ended.
    Worked {
        job: u64,
        result: WorkResult,
    },
    /// A timer of this process.
    Tick(Tick),
    /// The operator's commands (the remote shell).
    Command(Box<Command>),
}

/// ROSTER-2 on its way to the index of nicks.
#[derive(Debug, Clone)]
pub struct Founding {
    pub who: Who,
    pub own: PhoneId,
    pub row: Roster,
    pub nick: Nick,
}

/// PROFILE-6 on its way to the index of addresses.
#[derive(Debug, Clone)]
pub struct Confirming {
    pub who: Who,
    pub phone: Phone,
    pub address: Bytes,
}

/// PROFILE-2 on its way through the rosters of an account; the last one answers.
#[derive(Debug, Clone)]
pub struct Refresh {
    pub who: Who,
    /// The rosters that come after this one, the next one last.
    pub left: Vec<PhoneId>,
    pub answer: Bytes,
}

/// What became of two rosters, for the profile of `own` to tell the other side of its presence.
#[derive(Debug, Clone)]
pub struct Friendship {
    pub own: PhoneId,
    pub other: PhoneId,
    /// Shown as it is, or offline from now on.
    pub visible: bool,
}

/// Who is in a group of the organisation's directory, and so in the room.
#[derive(Debug, Clone)]
pub struct Follow {
    /// Brings them and removes them. Nobody uses this account.
    pub owner: PhoneId,
    pub name: Bytes,
    pub members: Vec<PhoneId>,
}

/// What became of a copy: `star.status` says it, `star.message` is the copy or names it. Without `who` nobody asked for it.
#[derive(Debug, Clone)]
pub struct Starred {
    pub who: Option<Who>,
    pub star: Star,
}

/// Whose place in which room has changed; how, the store says.
#[derive(Debug, Clone)]
pub struct Seat {
    pub room: RoomId,
    pub roster: PhoneId,
}

/// CDR-2: what is to be noted of a call, in its owner's name.
#[derive(Debug, Clone)]
pub struct CallEnded {
    pub owner: PhoneId,
    pub part: Desc,
}

/// A link that a room is to have, and who asked for it.
#[derive(Debug, Clone)]
pub struct LinkNews {
    pub who: Who,
    pub room: RoomId,
    pub link: Link,
}

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tick {
    /// CON-9: a registration connection has had its time.
    RegistrationOver { connection: u64 },
    /// AUTH-13: the certificate that opened a connection ends.
    SessionOver { connection: u64 },
    /// AUTH-4: a pending registration dies.
    PendingOver,
    /// Work that was stuck is tried again.
    WorkDue,
    /// PRESENCE-5: the second is over, tell the latest.
    PresenceDue,
    /// The same: the next friends are told.
    TellDue,
    /// PUSH-1: the time is over in which pushes of a feed are merged.
    WakeDue,
    /// The same of a room, whose members are looked at again.
    RoundDue,
    /// Slow work has had its time (SPEC section 9).
    WorkOver,
    /// The same of a session that has signatures verified.
    VerifyOver { connection: u64 },
    /// Transfers and files that nobody needs are looked for (FTP-4).
    FilesDue,
    /// The agenda's next time has come.
    AgendaDue,
    /// DLV-6: devices have acknowledged since the last look.
    SweepDue,
    /// The device has been connected for another day (DLV-12).
    StillHere { connection: u64 },
    /// SEC-13: a request that came too early is due.
    GoOn { connection: u64 },
    /// A letter that a box failed to take is handed to it again (MAILR-3).
    HandOut,
    /// The hour in which codes of a source address count (section 11).
    SourceOver,
    /// The hour in which an account's requests to strangers count (section 11).
    RequestsOver,
    /// HISTORY-4: the second is over, tell who has read farthest.
    ReaderDue,
}

/// What an account's own connection has proved, for the profile to judge (CON-3, ID-9, ID-10).
#[derive(Clone)]
pub struct Admit {
    pub session: Arc<str>,
    pub connection: u64,
    pub device: DevKey,
    pub password: Option<Bytes>,
    pub certificate: Option<Arc<Certificate>>,
    /// The client id that it came by.
    pub called: Bytes,
    /// The device is connected: its session is in use.
    pub in_use: bool,
}

/// Without the password (SEC-10).
impl fmt::Debug for Admit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admit").field("session", &self.session).finish_non_exhaustive()
    }
}

/// Without what it carries (SEC-10).
impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Input(..)")
    }
}

/// The profile's yes.
#[derive(Clone)]
pub struct Admitted {
    pub connection: u64,
    pub role: Role,
    /// Absent for a guest.
    pub account: Option<Arc<Account>>,
    /// The device's birth number: what is older is not due (AUTH-4, DLV-11).
    pub birth: u64,
    /// AUTH-5: the record that hands out a renewed token, encoded.
    pub renewed: Option<Bytes>,
    /// DLV-12: it was away for too long; what was due to it is forgotten.
    pub fresh: bool,
    /// DLV-13: it acknowledges by PUBACK instead of the Ack record.
    pub puback: bool,
    /// When the certificate that opened it ends (AUTH-13).
    pub until: Option<u64>,
}

/// Without the token (SEC-10).
impl fmt::Debug for Admitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admitted").field("connection", &self.connection).finish_non_exhaustive()
    }
}

/// Facts about an account that its sessions hold while connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub phone: Phone,
    /// Ascending; the first is the default roster (ID-3).
    pub rosters: Vec<u64>,
    /// Device keys of all session rows.
    pub devices: Vec<DevKey>,
}

impl Account {
    /// The phone_id that stands for `[]` (G-4).
    pub fn default_roster(&self) -> Option<PhoneId> {
        self.rosters.first().map(|roster| self.phone.roster(*roster))
    }

    /// An own roster by whatever name it has: in full, by its number, or by the account's phone the default one (ID-4).
    pub fn roster(&self, name: &[u8]) -> Option<PhoneId> {
        let roster = match Address::parse_own(name, &self.phone).ok()? {
            Address::Full(id) => Some(id),
            Address::Roster(id) => Some(self.phone.roster(id)),
            Address::Phone(phone) => self.default_roster().filter(|_| phone == self.phone),
        };
        roster.filter(|roster| self.owns(roster))
    }

    pub fn owns(&self, roster: &PhoneId) -> bool {
        *roster.phone() == self.phone && self.rosters.contains(&roster.roster())
    }
}

/// Who asks: what the session adds to a request (SPEC section 9, `#cx{}`).
#[derive(Debug, Clone)]
pub struct Who {
    pub session: Arc<str>,
    pub connection: u64,
    pub call: u64,
    pub role: Role,
    /// Whose request it is: the connection's own account, or the one on behalf of which a service asks (ID-6). Absent while
    /// registering, and for a service's request that names none.
    pub account: Option<Arc<Account>>,
    /// The device of a verified connection.
    pub device: Option<DevKey>,
    pub certificate: Option<Arc<Certificate>>,
    /// Where the request comes from, if that is limited (section 11).
    pub source: Option<Source>,
    /// No session asks, but the device beside its connections, and is answered here.
    pub beside: Option<Arc<Port>>,
}

impl Who {
    /// Whether a trusted service asks: the calls marked *sys* are its own, in others it may do what the call says of services.
    pub fn is_service(&self) -> bool {
        self.role == Role::Service
    }
}

/// A request on its way to the owner.
#[derive(Debug, Clone)]
pub struct Call {
    pub who: Who,
    pub record: Record,
}

/// FTP from the web.
#[derive(Debug, Clone)]
pub struct Upload {
    pub who: Who,
    pub ftp: Ftp,
    pub step: Step,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// From this place on its pieces are taken, and nobody else's.
    Begin,
    /// FTP-2, and more follows: the answer need not wait for the disk.
    More,
    /// The transfer is given up.
    Drop,
}

/// An owner's answer, or a part of it.
#[derive(Clone)]
pub struct Answer {
    pub connection: u64,
    pub call: u64,
    pub records: Vec<Bytes>,
    /// Absent while more is to come.
    pub end: Option<Verdict>,
    pub also: Also,
}

proto::discreet!(Answer: connection, call, end);

/// What an answer means for the asking session besides its records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Also {
    #[default]
    Nothing,
    /// HISTORY-3: letters of the feed up to `id` that were sent on this connection count as acknowledged.
    Read { key: Bytes, id: u64 },
    /// AUTH-11, DLV-13: from here on the device acknowledges letters by PUBACK, or by the Ack record.
    Acknowledge { puback: bool },
    /// AUTH-6: close after the answer.
    Close(Bye),
}

/// An entry of a feed, a message item or a notice to all members of a room: encoded once, shared by every receiving session.
#[derive(Clone)]
pub struct Letter {
    pub feed: FeedId,
    /// Storage key of the feed.
    pub key: Bytes,
    pub topic: Arc<str>,
    pub author: Option<PhoneId>,
    /// Number of the entry in the feed's log.
    pub seq: u64,
    /// Number of the message; equal to `seq` for a new one.
    pub id: u64,
    /// The message itself, whose arrival its author is told of (MESSAGE-12); not its announcement or a change.
    pub whole: bool,
    /// The conversation is told when it is acknowledged (DLV-6).
    pub fleeting: bool,
    /// [`rows::fingerprint`](crate::rows::fingerprint) of msg_id, by which an Ack record finds it; without it, the transport's
    /// confirmation is its acknowledgement (DLV-3).
    pub print: Option<u64>,
    /// It is what a client sent: to that one it is an echo, which leaves on PUBACK (DLV-3).
    pub echo: bool,
    pub payload: Bytes,
    /// Connection and call that caused it, which sees the answer first.
    pub origin: Option<(u64, u64)>,
    /// Connection that caused it and has had it as its answer (G-8).
    pub except: Option<u64>,
}

proto::discreet!(Letter: feed, seq, id);

/// A durable notice as it is shown to a device.
#[derive(Clone)]
pub struct Notice {
    pub seq: u64,
    pub topic: Arc<str>,
    pub payload: Bytes,
    /// Connection that caused it and has had it as its answer (G-8).
    pub except: Option<u64>,
    /// Like `except`, but the connection gets it on the topic as the end of its call (G-8: "answered by its first notification").
    pub origin: Option<(u64, u64)>,
    /// As [`Transient::event`].
    pub event: u64,
}

proto::discreet!(Notice: seq, topic);

/// Something that is not kept.
#[derive(Clone)]
pub struct Transient {
    pub topic: Arc<str>,
    pub payload: Bytes,
    pub except: Option<u64>,
    /// Connection and call that caused it: its sender sees the answer first.
    pub origin: Option<(u64, u64)>,
    /// Copies of one event by several topics have one number, and a device gets the first of them (G-8); 0 = there is one copy.
    pub event: u64,
    /// Whose own devices hear it otherwise.
    pub of: Option<Phone>,
}

proto::discreet!(Transient: topic);

impl Transient {
    pub fn new(topic: Arc<str>, payload: Bytes, except: Option<u64>) -> Transient {
        Transient { topic, payload, except, origin: None, event: 0, of: None }
    }
}

/// How slow work ended.
#[derive(Clone)]
pub enum WorkResult {
    /// The code is on its way (ID-11); what was to be done with a file is done.
    Sent,
    /// What was asked for of a file (FTP).
    Read(Bytes),
    /// All signatures are good (SEC-8).
    Verified,
    /// The authority issued a certificate (ID-14).
    Issued(Arc<Certificate>),
    /// Whom the directory has under a number (ID-11).
    Listed(Option<Arc<Listed>>),
    /// The directory cannot be asked; what was known of an account still holds. Whom it had under the number, if that is remembered.
    AsBefore(Option<Arc<Listed>>),
    Failed(WorkError),
}

/// Without the content of files (SEC-10).
impl fmt::Debug for WorkResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WorkResult::Failed(why) => write!(f, "Failed({why:?})"),
            WorkResult::Sent
            | WorkResult::Read(_)
            | WorkResult::Verified
            | WorkResult::Issued(_)
            | WorkResult::Listed(_)
            | WorkResult::AsBefore(_) => f.write_str("WorkResult(..)"),
        }
    }
}

/// Somebody whom the organisation's directory has, as far as an account takes it from there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listed {
    pub given: Option<String>,
    pub surname: Option<String>,
}

/// Why slow work failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkError {
    /// What it was given is no good: a bad certificate request, a bad signature.
    Invalid,
    /// There is nobody to do it: no provider, no authority.
    Unsupported,
    /// It was tried and failed.
    Broken,
    /// It was asked for too often from one address.
    TooOften,
}

/// What an operator may ask of a process; the reply goes through a port.
#[derive(Debug, Clone)]
pub enum Command {
    /// Make an invite for an account key (ID-11); answered by its code.
    Invite { phone: Phone, reply: Arc<Port> },
    /// Close a client's connection.
    Kick,
    /// A certificate for a device that proves itself beside its connections (SEC-4). The reply has what AUTH-17 answers, as
    /// [`Out::Answer`](crate::door::Out::Answer).
    Enrol(Box<Enrol>),
}

/// What such a device shows: its token, or a certificate that TLS has verified.
#[derive(Clone)]
pub struct Enrol {
    pub device: DevKey,
    pub token: Option<Bytes>,
    pub certificate: Option<Arc<Certificate>>,
    pub request: Bytes,
    pub reply: Arc<Port>,
}

/// Without the token (SEC-10).
impl fmt::Debug for Enrol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enrol").field("device", &self.device).finish_non_exhaustive()
    }
}
