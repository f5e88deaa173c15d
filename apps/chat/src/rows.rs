//! What is kept: the tables, their keys, and the rows that are not wire records themselves.
//!
//! An account is kept under the key it was made with, whatever its number is now (`names.rs`); "phone" and "phone_id" below are of that
//! key. Every row has one writer, named beside its table (but a [`CARD`], which says again what other rows say). Rows are ETF, readable by
//! Erlang's `binary_to_term`; keys are order-preserving bytes: text parts separated by `/` (which no part contains) or NUL, numbers as eight
//! bytes, big end first.

use std::collections::BTreeMap;

use bytes::Bytes;
use etf::{AtomEnum, Choice, Decode, Encode, Record};
use kvs::{Span, Table, View};
use n2o::Failure;
use proto::ids::{DevKey, FeedId, Phone, PhoneId, RoomId};
use proto::limits::{GONE_MS, QUEUE_MS};
use proto::records::{
    Contact, ContactStatus, Feature, MemberStatus, Message, MessageStatus, Os, Profile, Room, Roster, RosterEntry,
    Service, Tag,
};

/// phone → `Profile`, rosters as ids. Writer: profile.
pub const PROFILE: Table = Table("profile");
/// number → account key, where the two differ; empty: a key that is no number. `*`: there are such. Writer: the profile of the account
/// that has the number, or would have it.
pub const NUMBER: Table = Table("number");
/// account key → [`Called`]: the numbers it has had, where they differ from the key. Writer: profile.
pub const CALLED: Table = Table("called");
/// number/account key → until when the account is found by a number that it has left. Writer: profile.
pub const ALIAS: Table = Table("alias");
/// phone/dev_key → [`Device`]. Writer: profile.
pub const DEVICE: Table = Table("device");
/// phone → [`Keys`]: the certificates of its devices, in one place for all who show them. Writer: profile.
pub const KEYS: Table = Table("keys");
/// phone → [`Card`]: what a search shows of the account, made of [`PROFILE`], [`KEYS`], and [`ROSTER`] and [`NICK_OF`] of its default roster.
/// Writer: profile and roster, which live on one thread; nicks delete it.
pub const CARD: Table = Table("card");
/// phone → empty: the account lets the world have its devices' certificates (PRIVACY, CERTIFICATES). Writer: profile. `*`: all that do are
/// here; the program writes it, before any profile runs.
pub const PUBLISHER: Table = Table("publisher");
/// SHA-256 of a public key → [`Binding`] (ID-9). Writer: the profile of the account it names.
pub const BINDING: Table = Table("binding");
/// SHA-256 of a public key, when → [`Lapsed`]: its certificates are to be revoked (ID-9). Writer: the profile that ends its binding; remover:
/// the authority, which knows them.
pub const LAPSED: Table = Table("lapsed");
/// phone NUL until, SHA-256 of a public key → empty: its binding was ended, and is forgotten when its certificate is over. Writer: profile.
pub const ENDED: Table = Table("ended");
/// SHA-256 of a push token → [`Holder`] (AUTH-7). Writer: the profile of the account it names.
pub const HOLDER: Table = Table("holder");
/// phone → [`Wakeable`], while one of its devices has a push token (PUSH-1). Writer: profile.
pub const WAKEABLE: Table = Table("wakeable");
/// phone NUL feed NUL number → [`Wake`]: what to tell those who are away, of which the latest will do. Writer: whoever queues it (keys
/// cannot meet); remover: profile.
pub const WAKE: Table = Table("wake");
/// feed of a room → number of the first message that its members who are away are still to be told of. Writer: conversation.
pub const ROUND: Table = Table("round");
/// phone NUL number → [`Asked`]: what services push (PUSH-5). Writer: the session of the service (keys cannot meet); remover: profile.
pub const ASKED: Table = Table("asked");
/// gateway NUL number → [`Outgoing`] push. Writer: profile; remover: whoever hands it to its gateway.
pub const OUTGOING: Table = Table("outgoing");
/// client id → [`Pending`] registration. Writer: the profile of the phone it names.
pub const PENDING: Table = Table("pending");
/// phone → [`Tries`]: codes sent and wrong codes (AUTH-1, AUTH-15). Writer: profile.
pub const TRIES: Table = Table("tries");
/// phone/SHA-256 of a code → [`Invite`] (ID-11). Writer: the profile of the phone it names.
pub const INVITE: Table = Table("invite");
/// phone → [`Standing`]: the account is, or was, of somebody whom the organisation's directory has (ID-11). Writer: profile.
pub const STANDING: Table = Table("standing");
/// phone → [`Proof`]: the code that an e-mail address is waiting for (PROFILE-5). Writer: profile.
pub const PROOF: Table = Table("proof");
/// verified e-mail address, in small letters → phone (SEARCH-8). Writer: nicks.
pub const EMAIL: Table = Table("email");
/// phone → `Person`, what an old client keeps there (PERSON-2). Writer: profile.
pub const PERSON: Table = Table("person");
/// phone_id → `Roster`, without lists and nick. Writer: roster (profile creates the default one).
pub const ROSTER: Table = Table("roster");
/// folded nick → phone_id, and phone_id → [`Nicked`] (ID-17). Writer: nicks.
pub const NICK: Table = Table("nick");
pub const NICK_OF: Table = Table("nick_of");
/// phone_id/address → [`Entry`] of the phone book (ROSTER-4). Writer: roster.
pub const BOOK: Table = Table("book");
/// phone_id/time, address → empty: what has gone from the phone book, and when, for PROFILE-1. Writer: roster.
pub const GONE: Table = Table("gone");
/// bare phone/phone_id of the holder → empty: who has a number, or a roster of it, in the phone book. Writer: roster of the holder.
pub const WANTED: Table = Table("wanted");
/// phone_id/peer → [`Relation`] (FRIEND-10). Writer: conversation of the two.
pub const RELATION: Table = Table("relation");
/// phone_id/number → [`Tally`]: by how much the contacts became more or fewer, added up under 0. Writer: whoever changes them (the numbers
/// are of the server's sequence); remover, and writer of the sum: roster.
pub const TALLY: Table = Table("tally");
/// feed NUL id → `Message`; a deleted one keeps its keys only. Writer: conversation.
pub const MESSAGE: Table = Table("message");
/// feed NUL seq → [`Change`] of a message; at most one per message, the latest. Writer: conversation.
pub const CHANGE: Table = Table("change");
/// feed NUL id → seq of its entry in [`CHANGE`]. Writer: conversation.
pub const CHANGED: Table = Table("changed");
/// feed NUL from NUL msg_id → [`Sent`] (DLV-5). Writer: conversation.
pub const DUPLICATE: Table = Table("duplicate");
/// feed NUL phone_id → [`Reader`]. Writer: conversation.
pub const READER: Table = Table("reader");
/// feed NUL phone_id NUL id → empty: hidden for this roster (MESSAGE-7). Writer: conversation.
pub const HIDDEN: Table = Table("hidden");
/// room id → [`RoomRow`]. Writer: conversation of the room; so are the writers of all below that begin with a room or name one.
pub const ROOM: Table = Table("room");
/// feed NUL member id → `Member`, of those who are members now, in joining order.
pub const MEMBER: Table = Table("member");
/// member id → room id, of those who are members now.
pub const MEMBER_AT: Table = Table("member_at");
/// phone_id/room id → [`Membership`], also when it has ended: the rooms of a roster are one range.
pub const IN_ROOM: Table = Table("in_room");
/// feed NUL phone_id → empty: banned from the room (ROOM-11).
pub const BANNED: Table = Table("banned");
/// feed NUL seq → [`News`] of a room: what its members' devices are told besides messages, once for all.
pub const NEWS: Table = Table("news");
/// feed NUL reader NUL member id → phone_id: who has read a room how far, in the order of that.
pub const READ_BY: Table = Table("read_by");
/// feed NUL phone_id NUL id → empty: an unread message that mentions a member (MESSAGE-10).
pub const MENTION: Table = Table("mention");
/// feed NUL id, reply's id → empty: which messages reply to one (MESSAGE-8). Writer: conversation.
pub const REPLY: Table = Table("reply");
/// feed NUL kind NUL id → empty: messages of a kind other than text (HISTORY-10). Writer: conversation.
pub const KIND: Table = Table("kind");
/// feed NUL id → when the content was erased, 0 while it is there: messages of `transient` feeds (DLV-6). Writer: conversation.
pub const FLEETING: Table = Table("fleeting");
/// feed NUL time, id, chore → [`Later`]: what is to be done to a message, and when. Writer: conversation.
pub const LATER: Table = Table("later");
/// time, feed → empty: when a conversation has something in [`LATER`]; time, `a/`, phone → empty: when an account has something in [`ENDED`].
/// Writer: conversation, profile; the agenda reads it.
pub const AGENDA: Table = Table("agenda");
/// phone_id/name → `Tag` (FAV-1). Writer: roster.
pub const TAG: Table = Table("tag");
/// phone_id NUL star id → [`Favorite`] (FAV-4), and phone_id NUL message id → star id. Writer: roster.
pub const STAR: Table = Table("star");
pub const STAR_OF: Table = Table("star_of");
/// feed NUL message id, phone_id → `Message`: the copy that the roster's star keeps. Writer: conversation.
pub const STARRED: Table = Table("starred");
/// feed NUL message id → empty: deleted for everyone, and some copies of it remain (FAV-6). Writer: conversation.
pub const UNSTAR: Table = Table("unstar");
/// phone/phone_id → [`Lookups`]: strangers that this roster has looked up (section 11). Writer: roster.
pub const LOOKUPS: Table = Table("lookups");
/// folded name of a link → [`Claim`], void unless the room lists it (LINK-3). Writer: links.
pub const LINK: Table = Table("link");
/// folded name of a PUBLIC room from any of its words on, NUL room id → whether that is all of it (SEARCH-6). Writer: the room.
pub const ROOM_NAME: Table = Table("room_name");
/// id → `StickerPack`; kind, folded text NUL id → empty: its name, its keywords; id → how often it was asked for. Writer: stickers.
pub const STICKERS: Table = Table("stickers");
pub const STICKER_WORD: Table = Table("sticker_word");
pub const DOWNLOADED: Table = Table("downloaded");
/// client id NUL stream → [`mail::Cursor`](mail::cursor::Cursor). Writer: session.
pub const CURSOR: Table = Table("cursor");
/// phone NUL seq → [`Kept`] notice. Writer: whoever causes it (keys cannot meet); remover: mail.
pub const NOTICE: Table = Table("notice");
/// phone NUL id → [`Transfer`] of a file (FTP-1). Writer: files.
pub const TRANSFER: Table = Table("transfer");
/// reference → [`Stored`] file (FTP-3), and phone NUL reference → [`Held`]. Writer: the files of its owner.
pub const STORED: Table = Table("stored");
pub const STORED_OF: Table = Table("stored_of");
/// reference NUL feed NUL id → empty: which messages refer to a file (FTP-7). Writer: conversation.
pub const REFERS: Table = Table("refers");
/// phone NUL reference → since when a file may be needed by nobody. Writer: whoever finds that (the latest counts); remover: files.
pub const UNUSED: Table = Table("unused");
/// phone NUL seq → [`Work`] that touches several owners (PM-6). Writer: whoever begins it (keys cannot meet); remover: profile.
pub const WORK: Table = Table("work");

/// user → [`Mailbox`]: there is a mailbox of that name (MAIL-2). Writer: mailbox.
pub const MAILBOX: Table = Table("mailbox");
/// user NUL id → [`Letter`] in the box; those up to the box's `cut` are erased. Writer: mailbox.
pub const LETTER: Table = Table("letter");
/// user, or `*` and the name of a circle, NUL length of a Key, Key, scope → id (MAILR-2). Writer: mailbox, circle.
pub const KEY: Table = Table("key");
/// The same NUL id → [`Keyed`]: which of its Keys is the oldest. Writer: mailbox, circle.
pub const KEYED: Table = Table("keyed");
/// circle NUL user → empty: who has joined (MAILR-3). Writer: circle.
pub const CIRCLE: Table = Table("circle");
/// circle NUL seq → [`Letter`] that is yet to be put into boxes. Writer: circle.
pub const CIRCLE_DUE: Table = Table("circle_due");

/// The stream of an account's notices, where others are feeds.
pub const NOTICES: &[u8] = b"n";

/// Every table that the chat uses.
pub const TABLES: &[Table] = &[
    PROFILE,
    NUMBER,
    CALLED,
    ALIAS,
    WAKEABLE,
    WAKE,
    ROUND,
    ASKED,
    OUTGOING,
    DEVICE,
    KEYS,
    CARD,
    PUBLISHER,
    BINDING,
    LAPSED,
    ENDED,
    PENDING,
    TRIES,
    INVITE,
    STANDING,
    PROOF,
    EMAIL,
    PERSON,
    ROSTER,
    NICK,
    NICK_OF,
    BOOK,
    GONE,
    WANTED,
    RELATION,
    TALLY,
    MESSAGE,
    CHANGE,
    CHANGED,
    DUPLICATE,
    READER,
    HIDDEN,
    ROOM,
    MEMBER,
    MEMBER_AT,
    IN_ROOM,
    BANNED,
    NEWS,
    READ_BY,
    MENTION,
    REPLY,
    KIND,
    FLEETING,
    LATER,
    AGENDA,
    TAG,
    STAR,
    STAR_OF,
    STARRED,
    UNSTAR,
    LOOKUPS,
    LINK,
    ROOM_NAME,
    STICKERS,
    STICKER_WORD,
    DOWNLOADED,
    CURSOR,
    NOTICE,
    TRANSFER,
    STORED,
    STORED_OF,
    REFERS,
    UNUSED,
    HOLDER,
    WORK,
    MAILBOX,
    LETTER,
    KEY,
    KEYED,
    CIRCLE,
    CIRCLE_DUE,
];

/// Those of them whose rows are read once or twice and deleted soon.
pub const BRIEF: &[Table] = &[WAKE, ASKED, OUTGOING];

/// What an account has been called, the present number last, each since a number of the server's sequence.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Called {
    pub numbers: Vec<(Bytes, u64)>,
}

/// A mailbox (MAIL-2).
#[derive(Debug, Clone, PartialEq, Eq, Default, Record)]
pub struct Mailbox {
    /// Key of the account that has proved to be its user, if one had to.
    pub account: Option<Bytes>,
    /// Letters up to this one are erased, or about to be (MAIL-7).
    pub cut: u64,
}

/// A letter in a box (MAIL-3).
#[derive(Debug, Clone, PartialEq, Eq, Default, Record)]
pub struct Letter {
    /// Letters of a box are numbered one by one, in the order of their ids.
    pub place: u64,
    pub from: Bytes,
    pub to: Bytes,
    pub key: Option<Bytes>,
    pub tag: Bytes,
    pub content: Bytes,
}

/// A Key that is remembered (MAILR-2); numbered as letters are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Record)]
pub struct Keyed {
    pub place: u64,
    pub key: Bytes,
    pub scope: Bytes,
}

/// A file on its way (FTP-1).
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Transfer {
    /// As its sender calls it.
    pub name: Bytes,
    pub size: u64,
    /// Bytes that are there.
    pub have: u64,
    /// What they are called meanwhile.
    pub temp: Bytes,
    /// Milliseconds since 1970.
    pub began: u64,
    /// SHA-256, once all are there.
    pub digest: Option<Bytes>,
    /// What the file is called, once it is one.
    pub reference: Option<Bytes>,
    /// Of the server's sequence: an account that has the key later has later ones.
    pub number: u64,
    /// Client id of the device that has said `init` last, by record: its pieces are taken (FTP-2). Empty when the web has taken over since.
    pub writer: Option<Bytes>,
}

/// What an account has of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Record)]
pub struct Held {
    pub size: u64,
    /// Of the transfer by which it came last.
    pub number: u64,
}

/// A file (FTP-3).
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Stored {
    /// Account key of who uploaded it.
    pub owner: Bytes,
    pub size: u64,
    /// Since when it is about to be removed, 0 if it is not.
    pub going: u64,
}

/// A device's session row (ID-8).
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Device {
    pub phone: Bytes,
    pub dev_key: Bytes,
    pub client_id: Bytes,
    pub os: Option<Os>,
    /// Its push token, sealed, and the SHA-256 by which [`Holder`] knows it (AUTH-7).
    pub push: Option<Bytes>,
    pub push_print: Option<Bytes>,
    pub settings: Vec<Feature>,
    pub created: u64,
    pub last_online: u64,
    /// SHA-256 of the token (ID-7), and when it was made.
    pub token: Option<Bytes>,
    pub token_made: u64,
    /// The token before, valid until the new one has been used (AUTH-5).
    pub token_before: Option<Bytes>,
    pub before_until: u64,
    /// Birth number: what has a smaller one is not due to this device (AUTH-4).
    pub birth: u64,
    /// SHA-256 of the bound public key (ID-9), and the end of its certificate.
    pub key: Option<Bytes>,
    pub key_until: u64,
    /// The key before, which opens it until the present one has been used, or for its time (AUTH-17).
    pub key_before: Option<Bytes>,
    /// DER of the bound certificate, as fellow people see it (SEC-9).
    pub certificate: Option<Bytes>,
}

impl Device {
    /// DLV-12: away for so long that its queue is erased. One that is connected is seen every day.
    pub fn is_gone(&self, now: u64) -> bool {
        now.saturating_sub(self.last_online) >= GONE_MS
    }
}

/// What an account's devices show of their keys (SEC-9), as their rows have it.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Keys {
    /// When these, or those of its services, have changed last: a LastSync asks (PROFILE-1). 0 = never.
    pub update: u64,
    pub services: Vec<Service>,
}

/// An account as a search shows it to those who have nothing to do with it.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Card {
    /// Who may find it.
    pub searchable: Audience,
    /// Its rosters, ascending: the first is shown.
    pub rosters: Vec<u64>,
    /// What strangers are shown, a `Contact`, encoded; empty where it is nothing.
    pub contact: Bytes,
}

/// Whom a setting of PRIVACY lets see or do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, AtomEnum)]
pub enum Audience {
    #[default]
    Everyone,
    Friends,
    Nobody,
}

/// What nick a roster has; the row stays when the nick is given back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Record)]
pub struct Nicked {
    /// As it is shown.
    pub nick: Option<Bytes>,
    /// When it has changed last: a LastSync asks (PROFILE-1).
    pub update: u64,
}

/// Which device a public key opens (ID-9). Ended ones stay until their certificate expires, and are refused.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Binding {
    pub phone: Bytes,
    pub dev_key: Bytes,
    pub until: u64,
    /// Since when it has been ended, or will be (AUTH-17), milliseconds; 0 while nothing ends it.
    pub ended: u64,
}

/// A key that opens nothing more, or will not from some time on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Record)]
pub struct Lapsed {
    /// Milliseconds.
    pub at: u64,
    pub why: Why,
}

/// Why it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, AtomEnum)]
pub enum Why {
    /// AUTH-9, AUTH-10, PROFILE-8, SERVICE-2: the account has ended it.
    #[default]
    Ended,
    /// AUTH-17: another has taken its place.
    Superseded,
}

/// The one device that has a push token.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Holder {
    pub phone: Bytes,
    pub dev_key: Bytes,
}

/// An account that can be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Record)]
pub struct Wakeable {
    /// All its devices: when as many are connected, nobody is away.
    pub devices: u64,
}

/// What is to be told of a feed (PUSH-2).
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Wake {
    /// phone_ids of who is told, and who caused it.
    pub to: Bytes,
    pub from: Bytes,
    /// The push's type, and the record that it is about.
    pub kind: Bytes,
    pub model: Bytes,
}

/// What a service pushes to an account (PUSH-5): the record, and how long it is tried, seconds; 0: as long as others.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Asked {
    pub push: Bytes,
    pub ttl: u64,
}

/// A push that has been decided, for one device. Its token is where the device keeps it.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Outgoing {
    pub phone: Bytes,
    pub dev_key: Bytes,
    /// SHA-256 of the push token that it is for.
    pub print: Bytes,
    /// Of which it tells; empty: of none, and the device wants it though it has been here since.
    pub feed: Bytes,
    /// The record `push`, encoded.
    pub push: Bytes,
    pub created: u64,
    pub expires: u64,
}

/// A registration that waits for its code (SPEC 6.2).
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Pending {
    pub phone: Bytes,
    pub dev_key: Bytes,
    /// SHA-256 of the code; absent while an invite or a token is the proof; empty while a password of the directory is.
    pub code: Option<Bytes>,
    /// What the endorsement of its challenge says (ID-12).
    pub nonce: Option<Bytes>,
    pub resends: u64,
    pub expires: u64,
    pub os: Option<Os>,
    /// The push token that came with it, sealed by the number.
    pub push: Option<Bytes>,
    pub settings: Vec<Feature>,
    pub csr: Option<Bytes>,
}

impl Pending {
    /// The directory is asked whether what is shown is the person's password.
    pub(crate) fn is_by_password(&self) -> bool {
        self.code.as_ref().is_some_and(Bytes::is_empty)
    }
}

/// Where an account stands with the directory.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Standing {
    /// Since when nobody may come in, milliseconds; 0: the person may.
    pub barred: u64,
}

/// Codes and wrong codes of a number: the times they happened, milliseconds, at most a handful (AUTH-1, AUTH-15).
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Tries {
    pub codes: Vec<u64>,
    pub wrong: u64,
    pub locked_until: u64,
    /// Client ids whose registration waits for its code.
    pub waiting: Vec<Bytes>,
    /// 1 when the account was made by a fake number, which opens no other (ID-15).
    pub fake: u64,
}

/// A code that was sent for something else than a registration.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Proof {
    /// What it proves.
    pub to: Bytes,
    /// SHA-256 of the code.
    pub code: Bytes,
    pub wrong: u64,
    pub expires: u64,
}

/// A code issued beforehand (ID-11).
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Invite {
    pub phone: Bytes,
    pub expires: u64,
}

/// A number in a phone book (ROSTER-4); who it is to us is in [`Relation`].
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Entry {
    pub names: Option<Bytes>,
    pub surnames: Option<Bytes>,
    pub created: u64,
    pub update: u64,
}

/// What one roster is to another (FRIEND-10). `status` absent = nothing any more; the row stays for PROFILE-1's delta and the feed.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Relation {
    pub status: Option<ContactStatus>,
    /// State before a ban (FRIEND-4); `internal`: of another state, what it falls back to (FRIEND-10).
    pub before: Option<ContactStatus>,
    pub settings: Vec<Feature>,
    pub created: u64,
    pub update: u64,
}

/// How much more there is in the phone book, in relations, and of requests that were not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Record)]
pub struct Tally {
    pub book: i64,
    pub related: i64,
    pub unanswered: i64,
}

impl Tally {
    pub fn with(self, more: Tally) -> Tally {
        Tally {
            book: self.book + more.book,
            related: self.related + more.related,
            unanswered: self.unanswered + more.unanswered,
        }
    }
}

/// What became of a message after it was sent: the status it is shown with to devices that have had it; none when it was completed
/// (MESSAGE-5).
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Change {
    pub id: u64,
    pub status: Option<MessageStatus>,
}

/// Something to be done to a message at a later time.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Later {
    pub chore: Chore,
    /// Keys of [`DUPLICATE`] that it is about.
    pub keys: Vec<Bytes>,
}

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, AtomEnum)]
pub enum Chore {
    /// MESSAGE-4: an announced message was not completed.
    Withdraw,
    /// DLV-6: look whether all devices have acknowledged it.
    #[default]
    Sweep,
    /// DLV-6: what is left of an erased message goes.
    Vanish,
    /// DLV-5: duplicates of it are no longer known.
    Forget,
}

/// A message that was accepted: its number, and the client it came from.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Sent {
    pub id: u64,
    pub client: Bytes,
}

/// How far a roster has read and cleared a feed (HISTORY-3, 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Record)]
pub struct Reader {
    pub reader: u64,
    pub clear: u64,
}

/// A room, without lists of members.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct RoomRow {
    /// What it shows of itself; links too. Personal fields and lists are empty.
    pub room: Room,
    /// How many are in it, owner and admins included.
    pub members: u64,
    /// Member ids of the owner, first, and of the admins.
    pub staff: Vec<u64>,
    /// How many rows of [`NEWS`] and [`BANNED`] it has.
    pub news: u64,
    pub banned: u64,
    /// When it ended, while it is being erased (ROOM-8): for everybody it is gone already. 0 = it is there.
    pub ended: u64,
    /// The name by which [`ROOM_NAME`] has it, while it is PUBLIC.
    pub listed: Option<Bytes>,
}

/// Which room has asked for a link's name, and when. That it has the link, the room's own row says.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Claim {
    pub room: Bytes,
    pub since: u64,
}

/// A roster's part in a room.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Membership {
    /// Its present `Member`, or the last one.
    pub id: u64,
    /// Owner, admin, member, or removed.
    pub role: Option<MemberStatus>,
    /// When it was in the room, by numbers of the feed: behind the first, up to the second; 0 = still. The latest last.
    pub spans: Vec<(u64, u64)>,
    /// Time of the last change, for the delta of PROFILE-1.
    pub update: u64,
}

impl Membership {
    pub fn is_present(&self) -> bool {
        matches!(self.role, Some(MemberStatus::Owner | MemberStatus::Admin | MemberStatus::Member))
    }
}

/// A durable notice to all members of a room (DLV-1), as an entry of its feed.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct News {
    /// Milliseconds: it is kept for so long (DLV-10).
    pub created: u64,
    pub payload: Bytes,
    /// Newer ones with the same key replace older unsent ones (DLV-9).
    pub merge: Option<Bytes>,
}

/// What a roster says of a star; the message itself is in [`STARRED`], and without it there is no star.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Favorite {
    pub client_id: Option<Bytes>,
    /// Key of the feed that the message is of.
    pub feed: Bytes,
    pub message: u64,
    pub tags: Vec<Tag>,
}

/// Strangers that a roster has looked up in the day that began at `since`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Record)]
pub struct Lookups {
    pub since: u64,
    pub count: u64,
}

/// A durable notice of an account (DLV-1).
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Kept {
    pub topic: Bytes,
    pub payload: Bytes,
    /// Newer ones with the same key replace older unsent ones (DLV-9).
    pub merge: Option<Bytes>,
    /// Milliseconds: it is kept for so long (DLV-10).
    pub created: u64,
}

impl Kept {
    /// DLV-10: it has waited for too long to be shown to anybody.
    pub fn is_over(&self, now: u64) -> bool {
        now.saturating_sub(self.created) > QUEUE_MS
    }
}

/// Work that touches several owners (PM-6): what is to be done, and how far it is where the store does not show that.
#[derive(Debug, Clone, PartialEq, Choice)]
pub enum Work {
    Forget(Forget),
    Leave(Leave),
    Found(Found),
    Confirm(Confirm),
    Persona(Persona),
    Face(Face),
    Move(Move),
    Renicked(Renicked),
}

/// ROSTER-5: a roster removes contacts.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Forget {
    pub roster: Bytes,
    pub list: Vec<Bytes>,
}

/// ROSTER-8, PROFILE-8: a roster is no more.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Leave {
    pub roster: Bytes,
    /// 1 when it goes with its account.
    pub account: u64,
    /// Client ids whose queues go with it, and e-mail addresses.
    pub clients: Vec<Bytes>,
    pub emails: Vec<Bytes>,
    /// Holders of the number up to this one have been told.
    pub told: Bytes,
}

/// ROSTER-2: a roster that has its nick comes into being.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Found {
    pub roster: u64,
    pub row: Roster,
}

/// PROFILE-6: an address is the account's.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Confirm {
    pub address: Bytes,
}

/// PERSON-2: what an old client says of the default roster, and whom it blocks.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Persona {
    pub roster: Bytes,
    pub face: Roster,
    pub block: Vec<Bytes>,
}

/// PRESENCE-3, 4: a change on its way round the friends of a roster, who are too many for one step.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Face {
    pub roster: Bytes,
    pub face: Contact,
    /// Friends up to this one have been told, and of them this account last.
    pub at: Bytes,
    pub told: Bytes,
    /// Those up to here have had something older, before this took its place: they come again, behind the others.
    pub again: Bytes,
    /// Those beyond have had this already, unless it is empty.
    pub until: Bytes,
    /// Number of the event, by which a device knows its second copy (G-8).
    pub event: u64,
}

/// ROSTER-7: what strangers see of the account (SEARCH-1) is to have the nick that this roster has now.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Renicked {
    pub roster: Bytes,
}

/// PROFILE-11: the account is called by another number.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Move {
    pub number: Bytes,
    /// The key of whoever would have registered that number.
    pub seat: Bytes,
    /// Once it is called so: the number it had, and the key of whoever registers that one.
    pub left: Option<(Bytes, Bytes)>,
    /// Numbers of the two events that others learn, by which a device knows their second copies (G-8).
    pub events: (u64, u64),
    /// Contacts of this roster up to this address have been told; beyond the last roster, holders of the numbers.
    pub at: u64,
    pub told: Bytes,
}

/// `parts` with `/` between.
pub fn path(parts: &[&[u8]]) -> Bytes {
    parts.join(&b'/').into()
}

/// `owner` NUL `number`: rows of an owner in order.
pub fn numbered(owner: &[u8], number: u64) -> Bytes {
    [owner, b"\0", &number.to_be_bytes()].concat().into()
}

/// `phone` NUL `rest`: rows of an account by a name.
pub fn owned(phone: &Phone, rest: &[u8]) -> Bytes {
    [phone.as_str().as_bytes(), b"\0", rest].concat().into()
}

/// Every row of `owner` with a number in `from..=to`.
pub fn numbers(owner: &[u8], from: u64, to: u64) -> Span {
    let end = to.checked_add(1).map_or_else(|| Bytes::from([owner, b"\x01"].concat()), |end| numbered(owner, end));
    Span::range(numbered(owner, from), end)
}

/// The number that ends a key made by [`numbered`].
pub fn number(key: &[u8]) -> Option<u64> {
    key.last_chunk().map(|last| u64::from_be_bytes(*last))
}

pub fn device_key(phone: &Phone, device: &DevKey) -> Bytes {
    path(&[phone.as_str().as_bytes(), device.as_str().as_bytes()])
}

pub fn pair_key(own: &PhoneId, other: &[u8]) -> Bytes {
    path(&[own.as_str().as_bytes(), other])
}

pub fn in_room_key(who: &PhoneId, room: &RoomId) -> Bytes {
    path(&[who.as_str().as_bytes(), room.as_str().as_bytes()])
}

pub fn reader_key(feed: &FeedId, who: &PhoneId) -> Bytes {
    reader_at(&feed.key(), who)
}

/// The same, of the feed that has this key.
pub fn reader_at(feed: &[u8], who: &PhoneId) -> Bytes {
    [feed, who.as_str().as_bytes()].join(&0).into()
}

pub fn duplicate_key(feed: &[u8], from: &[u8], msg_id: &[u8]) -> Bytes {
    [feed, from, msg_id].join(&0).into()
}

pub fn hidden_key(feed: &FeedId, who: &PhoneId, id: u64) -> Bytes {
    numbered(&reader_key(feed, who), id)
}

/// The copies of a message, one for each roster that keeps it, begin with [`numbered`] of its feed and number.
pub fn starred_key(feed: &[u8], message: u64, holder: &PhoneId) -> Bytes {
    [&numbered(feed, message), holder.as_str().as_bytes()].concat().into()
}

pub fn cursor_key(client_id: &str, stream: &[u8]) -> Bytes {
    [client_id.as_bytes(), stream].join(&0).into()
}

/// How far a device with this birth number has acknowledged a stream: nowhere means from its birth on (AUTH-4). What an earlier life of it
/// has left counts for nothing (DLV-12).
///
/// # Errors
/// The store cannot be read.
pub fn cursor(store: &dyn View, client_id: &str, stream: &[u8], birth: u64) -> Result<mail::Cursor, Failure> {
    let kept: Option<mail::Cursor> = read(store, CURSOR, &cursor_key(client_id, stream))?;
    Ok(kept.filter(|kept| kept.upto >= birth).unwrap_or(mail::Cursor::at(birth)))
}

/// The rows below `prefix` whose keys end with something greater than `last`, in order.
pub fn beyond(prefix: &[u8], last: &[u8]) -> Span {
    let all = Span::prefix(Bytes::copy_from_slice(prefix));
    if last.is_empty() { all } else { all.after(&[prefix, last].concat()) }
}

/// Gives every row below `prefix` to `act`, in order.
pub fn each(
    store: &dyn View,
    table: Table,
    prefix: &[u8],
    mut act: impl FnMut(&Bytes, &Bytes) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut last = Bytes::new();
    loop {
        let rows = store.scan(table, &beyond(prefix, &last))?;
        for (key, row) in &rows {
            act(key, row)?;
        }
        match rows.last() {
            Some((key, _)) if rows.len() == kvs::SCAN_DEFAULT => last = key.slice(prefix.len()..),
            Some(_) | None => return Ok(()),
        }
    }
}

/// Reads one row. A row that does not decode is a failure of ours: the store is damaged.
pub fn read<T: Decode>(store: &dyn View, table: Table, key: &[u8]) -> Result<Option<T>, Failure> {
    match store.get(table, key)? {
        None => Ok(None),
        Some(row) => decode(&row).map(Some),
    }
}

pub fn decode<T: Decode>(row: &[u8]) -> Result<T, Failure> {
    etf::decode_own(row).map_err(|why| Failure::new(format!("a stored row does not decode: {why}")))
}

pub fn encode<T: Encode>(row: &T) -> Bytes {
    etf::encode(row)
}

/// A stored message by its number; deleted ones are `None`.
pub fn message(store: &dyn View, feed: &[u8], id: u64) -> Result<Option<Message>, Failure> {
    let row: Option<Message> = read(store, MESSAGE, &numbered(feed, id))?;
    Ok(row.filter(is_kept))
}

/// Whether a stored message is one still: not deleted. It may be pending (MESSAGE-4).
pub fn is_kept(message: &Message) -> bool {
    message.status != Some(MessageStatus::Delete)
}

/// Whether it is announced only (MESSAGE-4).
pub fn is_pending(message: &Message) -> bool {
    message.status == Some(MessageStatus::Async)
}

/// Whether its content was erased (DLV-6): every message has a msg_id, what is left of one has none.
pub fn is_skeleton(message: &Message) -> bool {
    message.msg_id.is_none()
}

/// 64 bits by which an Ack record finds its item among those sent on a connection; two that meet only swap their acknowledgement.
pub fn fingerprint(msg_id: &[u8]) -> u64 {
    use std::hash::{DefaultHasher, Hasher};
    let mut hasher = DefaultHasher::new();
    hasher.write(msg_id);
    hasher.finish()
}

/// Roster ids of an account, ascending (ID-3).
pub fn roster_ids(store: &dyn View, phone: &Phone) -> Result<Vec<u64>, Failure> {
    let profile: Option<Profile> = read(store, PROFILE, phone.as_str().as_bytes())?;
    Ok(profile.iter().flat_map(roster_ids_of).collect())
}

/// The same by the account's row.
pub fn roster_ids_of(profile: &Profile) -> impl Iterator<Item = u64> {
    profile.rosters.iter().filter_map(|entry| match entry {
        RosterEntry::Id(id) => Some(*id),
        RosterEntry::Roster(_) | RosterEntry::Name(_) => None,
    })
}

/// The nick of a roster, as it is shown.
pub fn nick(store: &dyn View, roster: &[u8]) -> Result<Option<Bytes>, Failure> {
    Ok(read::<Nicked>(store, NICK_OF, roster)?.and_then(|row| row.nick))
}

/// The default roster of an account (ID-3), if there is one.
pub fn default_roster(store: &dyn View, phone: &Phone) -> Result<Option<PhoneId>, Failure> {
    Ok(roster_ids(store, phone)?.first().map(|roster| phone.roster(*roster)))
}

/// Rooms that a roster is in or was in: who has so many comes into no other.
pub const ROOMS_EVER: usize = 4096;

/// The rooms that a roster is in, or was.
pub fn rooms(store: &dyn View, roster: &PhoneId) -> Result<BTreeMap<RoomId, Membership>, Failure> {
    let prefix = path(&[roster.as_str().as_bytes(), b""]);
    let mut rooms = BTreeMap::new();
    for (key, row) in store.scan(IN_ROOM, &Span::prefix(prefix.clone()).limit(ROOMS_EVER))? {
        if let Ok(room) = RoomId::parse(key.get(prefix.len()..).unwrap_or_default()) {
            rooms.insert(room, decode(&row)?);
        }
    }
    Ok(rooms)
}

/// Whether this is its account's default roster (ID-3).
pub fn is_default(store: &dyn View, roster: &PhoneId) -> Result<bool, Failure> {
    Ok(default_roster(store, roster.phone())?.as_ref() == Some(roster))
}

#[cfg(test)]
mod tests {
    use kvs::{Batch, Memory, Store};

    use super::*;

    #[test]
    fn each_row_is_found_whatever_bytes_its_key_has() {
        let store = Memory::new(&[PROFILE]);
        let mut batch = Batch::default();
        let keys: Vec<Bytes> = (0..=u8::MAX).map(|byte| Bytes::copy_from_slice(&[byte; 3])).collect();
        keys.iter().for_each(|key| batch.put(PROFILE, key.clone(), ""));
        store.apply(&batch).unwrap();
        let found = |prefix: &[u8]| {
            let mut found = Vec::new();
            let read = each(&*store.snapshot(), PROFILE, prefix, |key, _| {
                found.push(key.clone());
                Ok(())
            });
            read.unwrap();
            found
        };
        assert_eq!(found(b""), keys);
        assert!(keys.iter().all(|key| found(&key[..2]) == [key.clone()]));
    }
}
