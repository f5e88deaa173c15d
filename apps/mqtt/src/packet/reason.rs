//! Reason codes of MQTT 5.0 (section 2.4) that this server says or reads.

pub(crate) const SUCCESS: u8 = 0x00;
pub(crate) const NO_SUBSCRIPTION: u8 = 0x11;
pub(crate) const UNSPECIFIED: u8 = 0x80;
pub(crate) const MALFORMED: u8 = 0x81;
pub(crate) const PROTOCOL_ERROR: u8 = 0x82;
pub(crate) const IMPLEMENTATION: u8 = 0x83;
pub(crate) const UNSUPPORTED_VERSION: u8 = 0x84;
pub(crate) const BAD_CLIENT_ID: u8 = 0x85;
pub(crate) const BAD_CREDENTIALS: u8 = 0x86;
pub(crate) const NOT_AUTHORIZED: u8 = 0x87;
pub(crate) const UNAVAILABLE: u8 = 0x88;
pub(crate) const BANNED: u8 = 0x8A;
pub(crate) const SHUTTING_DOWN: u8 = 0x8B;
pub(crate) const BAD_AUTHENTICATION_METHOD: u8 = 0x8C;
pub(crate) const KEEP_ALIVE_TIMEOUT: u8 = 0x8D;
pub(crate) const TAKEN_OVER: u8 = 0x8E;
pub(crate) const FILTER_INVALID: u8 = 0x8F;
pub(crate) const ID_NOT_FOUND: u8 = 0x92;
pub(crate) const RECEIVE_MAXIMUM_EXCEEDED: u8 = 0x93;
pub(crate) const ALIAS_INVALID: u8 = 0x94;
pub(crate) const PACKET_TOO_LARGE: u8 = 0x95;
pub(crate) const RATE_TOO_HIGH: u8 = 0x96;
pub(crate) const QUOTA_EXCEEDED: u8 = 0x97;
pub(crate) const ADMINISTRATIVE: u8 = 0x98;
pub(crate) const PAYLOAD_INVALID: u8 = 0x99;
pub(crate) const RETAIN_NOT_SUPPORTED: u8 = 0x9A;
pub(crate) const SHARED_NOT_SUPPORTED: u8 = 0x9E;
pub(crate) const RATE_EXCEEDED: u8 = 0x9F;
pub(crate) const TOO_LONG_CONNECTED: u8 = 0xA0;

/// What a client may say in PUBACK and PUBREC.
pub(crate) const OF_PUBLISH: [u8; 9] = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
/// In PUBREL and PUBCOMP.
pub(crate) const OF_RELEASE: [u8; 2] = [SUCCESS, ID_NOT_FOUND];
/// In DISCONNECT (section 3.14.2.1); also those that only servers have a use for.
pub(crate) const OF_DISCONNECT: [u8; 29] = [
    0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98,
    0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2,
];

/// The reason in words, for whoever looks at the client's log (Reason String).
pub(crate) fn text(code: u8) -> &'static str {
    match code {
        MALFORMED => "not a packet of MQTT",
        PROTOCOL_ERROR => "a packet that may not come here, or says what it may not",
        UNSUPPORTED_VERSION => "MQTT 3.1.1 and 5.0 are spoken here",
        BAD_CLIENT_ID => "no such client id: 256 bytes at most; 3.1.1 needs one unless it starts clean",
        BAD_CREDENTIALS => "not the password of this client id",
        NOT_AUTHORIZED => "no right to this",
        UNAVAILABLE => "not now; try again later",
        BANNED => "blocked, revoked or expired",
        SHUTTING_DOWN => "the server goes down",
        BAD_AUTHENTICATION_METHOD => "no authentication method is known here",
        KEEP_ALIVE_TIMEOUT => "silent for one and a half times the keep-alive",
        FILTER_INVALID => "not a topic filter",
        TAKEN_OVER => "another connection has this client id now",
        RECEIVE_MAXIMUM_EXCEEDED => "more without acknowledgement than Receive Maximum",
        ALIAS_INVALID => "a topic alias of 0 or above Topic Alias Maximum",
        PACKET_TOO_LARGE => "a packet larger than Maximum Packet Size",
        RATE_TOO_HIGH => "too many calls",
        QUOTA_EXCEEDED => "more than there may be of this",
        ADMINISTRATIVE => "ended by its owner or an administrator",
        PAYLOAD_INVALID => "a payload that may not be sent here",
        RETAIN_NOT_SUPPORTED => "nothing is retained on this topic",
        SHARED_NOT_SUPPORTED => "this topic is not for shared subscriptions",
        RATE_EXCEEDED => "too many connections",
        TOO_LONG_CONNECTED => "longer connected than is allowed for registering",
        _ => "refused",
    }
}
