//! Numbers of SPEC section 11, and those given with their rules. Names end in their unit where it is not a count.
use std::ops::RangeInclusive;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const SECOND_MS: u64 = 1000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
const HOUR_MS: u64 = 60 * MINUTE_MS;
/// A day.
pub const DAY_MS: u64 = 24 * HOUR_MS;

/// Packet on MQTT and `/ws` unless configured.
pub const PACKET_BYTES: usize = MIB;
/// The most a deployment may set [`PACKET_BYTES`] to.
pub const PACKET_MAX_BYTES: usize = 24 * MIB;
/// Of a packet, kept back for what is not message content.
pub const PACKET_OVERHEAD_BYTES: usize = 16 * KIB;
/// Packets in flight, told in CONNACK; to a client at most its own.
pub const RECEIVE_MAX: u16 = 32;
/// Keep-alive accepted, seconds; others are moved to the nearer end.
pub const KEEP_ALIVE_S: RangeInclusive<u16> = 5..=1200;
/// Devices connected for one account.
pub const DEVICES: usize = 20;
/// Calls of a connection in a second.
pub const CALLS_PER_S: u32 = 100;
/// Calls of a connection at once.
pub const CALLS_BURST: u32 = 500;
/// Message, Ack, Typing and cursor calls of a connection in a second.
pub const MESSAGES_PER_S: u32 = 2000;
/// The same at once.
pub const MESSAGES_BURST: u32 = 10_000;
/// Unauthenticated connections.
pub const STRANGERS: usize = 1000;
/// Unauthenticated connections of one address.
pub const STRANGERS_PER_ADDRESS: usize = 20;
/// Codes asked from one address in an hour.
pub const CODES_PER_ADDRESS_HOUR: u32 = 20;
/// Window of [`CODES_PER_ADDRESS_HOUR`].
pub const CODES_PER_ADDRESS_MS: u64 = HOUR_MS;
/// Codes for one account key in [`CODE_WINDOW_MS`].
pub const CODES_PER_PHONE: u32 = 3;
/// Window of [`CODES_PER_PHONE`].
pub const CODE_WINDOW_MS: u64 = 15 * MINUTE_MS;
/// Digits of a code (section 6.2).
pub const CODE_DIGITS: usize = 6;
/// Wrong codes before a registration dies.
pub const WRONG_CODES: u64 = 5;
/// Resends of one code.
pub const RESENDS: u64 = 3;
/// Life of a pending registration, and of a `reg_` connection (CON-9).
pub const REGISTRATION_MS: u64 = 15 * MINUTE_MS;
/// Characters of an invite (ID-11).
pub const INVITE_CHARS: usize = 26;
/// Life of an invite (ID-11).
pub const INVITE_MS: u64 = 7 * DAY_MS;
/// Age at which a token is renewed at login (AUTH-5).
pub const TOKEN_RENEW_MS: u64 = DAY_MS;
/// How long a renewed token's predecessor stays valid when the new one is not used (AUTH-5).
pub const TOKEN_OLD_MS: u64 = 30 * DAY_MS;
/// Age at which an unused token dies (AUTH-5).
pub const TOKEN_EXPIRY_MS: u64 = 365 * DAY_MS;
/// PROFILE-11: an account is found by a number that it has left.
pub const ALIAS_MS: u64 = 365 * DAY_MS;
/// Bits of a token (ID-7).
pub const TOKEN_BITS: usize = 256;
/// A call is answered within this, whatever it waits for (section 9).
pub const CALL_MS: u64 = 5 * SECOND_MS;
/// Life of an N2O session (INIT-2).
pub const SESSION_MS: u64 = 15 * MINUTE_MS;
/// A connection without a complete CONNECT is closed after this (CON-12).
pub const CONNECT_MS: u64 = 10 * SECOND_MS;
/// Life of a plain client's MQTT session at most (CON-11).
pub const MQTT_SESSION_MS: u64 = 2 * HOUR_MS;

/// Items of one device's queue.
pub const QUEUE_ITEMS: usize = 10_000;
/// Age of an item of a queue.
pub const QUEUE_MS: u64 = 30 * DAY_MS;
/// A device that was away for so long has lost its queue (DLV-12).
pub const GONE_MS: u64 = 90 * DAY_MS;
/// A device that stays connected is noted as seen this often.
pub const SEEN_MS: u64 = DAY_MS;
/// Messages asked for in one History.
pub const HISTORY_REQUEST: usize = 1000;
/// Messages given in one answer.
pub const HISTORY_ANSWER: usize = 100;
/// Desc records of one message.
pub const DESCS: usize = 64;
/// Ids kept in `repliedby` and `mentioned`, the latest (section 5).
pub const MESSAGE_IDS: usize = 100;
/// A `last_msg` beyond this is given without files (section 5).
pub const LAST_MSG_BYTES: usize = 4 * KIB;
/// Where unread counts stop counting (section 5).
pub const UNREAD: u64 = 999;
/// A client's own message id.
pub const MSG_ID_BYTES: RangeInclusive<usize> = 1..=128;
/// Ids stay below this, so that browser clients read them exactly (C-11).
pub const ID_END: u64 = 1 << 53;
/// Raw bytes on a broadcast topic (TOPIC-10).
pub const RELAY_BYTES: usize = 64 * KIB;

/// Characters of a room's name.
pub const ROOM_NAME: RangeInclusive<usize> = 1..=32;
/// Characters of a roster's names.
pub const NAMES: RangeInclusive<usize> = 2..=32;
/// Characters of a roster's surnames.
pub const SURNAMES: RangeInclusive<usize> = 1..=32;
/// Characters of a member's alias.
pub const ALIAS: RangeInclusive<usize> = 1..=32;
/// Characters of a nick (ID-17).
pub const NICK: RangeInclusive<usize> = 2..=32;
/// Characters of a presence in words (section 5).
pub const PRESENCE_CHARS: usize = 64;
/// Characters of a link's name.
pub const LINK_NAME: RangeInclusive<usize> = 2..=48;
/// Links of a room.
pub const LINKS_PER_ROOM: usize = 3;
/// Features of a list (FEATURE-1).
pub const FEATURES: usize = 64;
/// Characters of a Feature's key and of its group (FEATURE-1).
pub const FEATURE_KEY_CHARS: usize = 64;
/// A Feature's value (FEATURE-1).
pub const FEATURE_VALUE_BYTES: usize = KIB;
/// A Feature's value that is a certificate or CSR (FEATURE-1).
pub const FEATURE_DER_BYTES: usize = 8 * KIB;

/// Rosters of a profile.
pub const ROSTERS: usize = 5;
/// Contacts of a roster.
pub const CONTACTS: usize = 10_000;
/// Strangers an account may look up in a day.
pub const LOOKUPS_PER_DAY: u32 = 20_000;
/// Friend requests to strangers an account may make in an hour.
pub const REQUESTS_PER_HOUR: u32 = 100;
/// Window of [`REQUESTS_PER_HOUR`].
pub const REQUESTS_MS: u64 = HOUR_MS;
/// Members of a group.
pub const GROUP_MEMBERS: usize = 1000;
/// Members of a call.
pub const CALL_MEMBERS: usize = 50;
/// Members listed in a notice.
pub const NOTICE_MEMBERS: usize = 100;
/// Results of a search.
pub const SEARCH_RESULTS: usize = 50;
/// Results of a search for phones.
pub const SEARCH_PHONES: usize = 500;
/// Stars of a roster.
pub const STARS: usize = 1000;
/// Characters of a tag's name (FAV-1).
pub const TAG_NAME: RangeInclusive<usize> = 1..=32;
/// Tags of a roster.
pub const TAGS: usize = 100;
/// A chunk of a file.
pub const FTP_CHUNK_BYTES: usize = 256 * KIB;
/// A file.
pub const FTP_FILE_BYTES: u64 = 100 << 20;
/// Files of an account.
pub const FTP_QUOTA_BYTES: u64 = 5 << 30;

/// Client identifier (ID-6).
pub const CLIENT_ID_BYTES: usize = 256;
/// Digits of a telephone number (ID-1).
pub const PHONE_DIGITS: RangeInclusive<usize> = 5..=15;
/// Characters of a handle (ID-1).
pub const HANDLE_CHARS: RangeInclusive<usize> = 2..=64;
/// Characters of a dev_key (ID-5).
pub const DEV_KEY_CHARS: RangeInclusive<usize> = 1..=128;
/// Characters of a room id (ID-16).
pub const ROOM_ID_CHARS: RangeInclusive<usize> = 1..=64;
/// A topic name (MQTT 3.1.1 section 1.5.3).
pub const TOPIC_BYTES: usize = 65_535;
/// Events nodes unless configured (INIT-1).
pub const RING_NODES: u64 = 4;
/// Client version when none is given (CON-6).
pub const CLIENT_VERSION: u32 = 101;
/// The module level of a request topic, which is repeated in the answer's (TOPIC-2); longer is an unknown topic.
pub const MODULE_BYTES: usize = 256;
/// Characters of a name of a mailbox (section 7).
pub const USER_CHARS: RangeInclusive<usize> = 1..=64;
/// Text of a letter in a mailbox (MAIL-3).
pub const LETTER_BYTES: usize = 4 * KIB;
/// Letters in a mailbox (MAIL-3).
pub const LETTERS: u64 = 10_000;
/// The Key of a letter (MAILR-2).
pub const KEY_BYTES: usize = 128;
/// The Tag of a letter (MAILR-2).
pub const TAG_BYTES: usize = 256;
