//! What the chat's processes are told: by transports, by each other, by slow work that has ended, by the clock.

mod admission;
mod call;
mod command;
mod news;
mod shown;
mod work;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use proto::ids::{DevKey, Phone, PhoneId, RoomId};
use proto::topic::Topic;

use crate::door::{Bye, Denied, Gone, Hello, Origin};
use crate::output::Job;
use crate::port::Port;
use crate::post::{Delivered, Post, Posted, Said};
use crate::protocol::message::seek::Seek;
use crate::protocol::presence::Telling;
use crate::protocol::reading::Reading;
use crate::protocol::search::Search;
use crate::protocol::work::Errand;
pub(crate) use admission::Forgetting;
pub use admission::{Account, Admit, Admitted};
pub use call::{Also, Answer, Call, Step, Upload, Who};
pub use command::{Command, Enrol};
pub use news::{CallEnded, Confirming, Follow, Founding, Friendship, Refresh, Seat, Starred};
pub(crate) use news::{LinkNews, Missed};
pub use shown::{Letter, Notice, Transient};
pub use work::{Listed, WorkError, WorkResult};

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
    Left(Box<Missed>),
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
    /// A roster of the account has hidden or cleared something of the feed with this key (MESSAGE-7, HISTORY-5).
    Hidden {
        feed: Bytes,
    },
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
    /// The server has started, or the process: what is left of its work goes on. To profiles, files, and rosters.
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
    /// More of a device's queue is to be forgotten (DLV-12). To its session, from itself.
    Forget(Box<Forgetting>),
    /// Cursors of the device beyond this stream are looked at: those of feeds that are no more go. To its session, from itself.
    Outlived {
        connection: u64,
        beyond: Bytes,
    },
    /// The next part of a room that has ended is to be erased (ROOM-8). To the conversation.
    Erase,
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
    /// Changes of the number of contacts up to the number `upto`, all of which are in the store, are to be added up, and with `recount` what is in
    /// two tables is to be counted. To the roster.
    AddUp {
        upto: u64,
        recount: bool,
    },
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
    /// A letter came for a device whose connection had just ended (PUSH-1). To the profile.
    Missed(Box<Missed>),
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

/// Without what it carries (SEC-10).
impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Input(..)")
    }
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
