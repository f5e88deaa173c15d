//! Why something the caller asked for did not happen.

use crate::mqtt::Malformed;

/// Everything that can go wrong; [`Error::Refused`] is the server's answer, the rest is about reaching it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server turned the request down: an error atom of SPEC appendix C, with its detail.
    #[error("{}", refusal(code, .detail.as_deref()))]
    Refused { code: String, detail: Option<String> },
    /// CONNECT was not accepted (CON-3): reason (5.0) or return code (3.1.1).
    #[error("connection refused: {}", connect_reason(*.0))]
    NotAccepted(u8),
    /// The PUBLISH was acknowledged with this reason (TOPIC-8): nothing happened.
    #[error("publish refused: {}", publish_reason(*.0))]
    NotPublished(u8),
    /// The subscription was refused (TOPIC-9).
    #[error("subscription refused: {}", publish_reason(*.0))]
    NotSubscribed(u8),
    /// The server closed the connection and said why.
    #[error("closed by the server: {}", close_reason(*.0))]
    Closed(u8),
    /// The connection broke before the answer came: the request may have happened or not.
    #[error("the connection is gone")]
    Disconnected,
    /// No answer in time: the request may have happened or not.
    #[error("no answer in time")]
    TimedOut,
    /// Something else came than the call answers with.
    #[error("unexpected answer: {0}")]
    Unexpected(String),
    /// More than [`crate::CALLS_MAX`] calls are unanswered.
    #[error("too many calls at once")]
    Busy,
    #[error("{0} is no address of a server; say mqtt://host:port, mqtts://, ws://, wss:// or quic://")]
    Url(String),
    /// Nothing that can be trusted says where it is.
    #[error("{name} cannot be found: {why}")]
    Unfound { name: String, why: String },
    /// What answered opens no WebSocket for MQTT.
    #[error("no WebSocket there: {0}")]
    NoWebSocket(String),
    #[error("TLS: {0}")]
    Tls(String),
    /// By HTTP, where a file was to be handed over.
    #[error("the server answers {0}")]
    Answered(u16),
    /// Their SHA-256 is not the one that names the file (FTP-3).
    #[error("what came is not the file that was meant; it is not kept")]
    OtherBytes,
    /// Content could not be sealed, opened or trusted (SEC-5, SEC-6).
    #[error("sealed content: {0}")]
    Sealed(#[from] ca::cms::Fault),
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("record: {0}")]
    Record(String),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// What the person typed, or a file on this side, is not usable.
    #[error("{0}")]
    Local(String),
}

impl Error {
    pub(crate) fn tls(error: impl std::fmt::Display) -> Error {
        Error::Tls(error.to_string())
    }

    pub(crate) fn local(text: impl Into<String>) -> Error {
        Error::Local(text.into())
    }

    /// Whether connecting again could help.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Error::NotAccepted(code) => matches!(code, 3 | 0x88 | 0x89 | 0x97 | 0x9f),
            // Taken over, ended or expired elsewhere: coming back would fight for the place (CON-7, AUTH-13, AUTH-14).
            Error::Closed(reason) => !matches!(reason, 0x8e | 0x98 | 0x87 | 0x00),
            Error::Disconnected | Error::TimedOut | Error::Io(_) => true,
            // Somebody else wrote there, too many at once, or a fault of its own: it may be otherwise the next time.
            Error::Answered(code) => matches!(code, 408 | 409 | 423 | 429 | 500..),
            Error::Tls(_) | Error::Unfound { .. } | Error::NoWebSocket(_) | Error::Malformed(_) => true,
            Error::Refused { .. } | Error::NotPublished(_) | Error::NotSubscribed(_) | Error::Unexpected(_) => false,
            Error::OtherBytes => false,
            Error::Busy | Error::Url(_) | Error::Record(_) | Error::Local(_) | Error::Sealed(_) => false,
        }
    }
}

/// A refusal in words; the code stays, for whoever looks it up.
fn refusal(code: &str, detail: Option<&str>) -> String {
    let words = match code {
        "permission_denied" => "you may not do that",
        "contact_not_found" | "contacts_not_found" => "nobody has this address",
        "room_not_found" => "there is no such room, or you are not in it",
        "member_not_found" => "nobody like that is in the room, or may be added",
        "message_not_found" => "there is no such message",
        "link_not_found" => "there is no such link",
        "link_invalid" => "a link has 2 to 48 letters, digits or _",
        "link_not_available" | "nick" => "somebody else has this name",
        "invalid_nick" => "that cannot be a nick",
        "banned" => "you are blocked there",
        "limit" => "there are as many as there may be",
        "too_large" => "that is larger than this server takes",
        "not_found" => "there is no such thing, or not for you",
        "not_supported" => "this server does not offer that",
        "invalid_data" => "the server cannot make sense of that",
        "session_not_found" => "there is no such device",
        "not_encrypted" => "content must be sealed here",
        "invalid_signature" => "a signature in it is not good",
        "number_not_allowed" => "this number may not register here",
        "invalid_sms_code" => "that is not the code",
        "attempts_expired" => "too many tries; wait a quarter of an hour",
        _ => "the server refuses",
    };
    match detail {
        Some(detail) => format!("{words} ({code}: {detail})"),
        None => format!("{words} ({code})"),
    }
}

fn connect_reason(code: u8) -> String {
    let text = match code {
        1 | 0x84 => "the server does not speak this MQTT version",
        2 | 0x85 => "the client id is not taken",
        3 | 0x88 => "the server is not available",
        4 | 0x86 => "unknown device, or wrong or expired token",
        5 | 0x87 => "not allowed with this certificate or token",
        0x8a => "the account or certificate is blocked",
        0x97 | 0x9f => "too many connections",
        _ => "",
    };
    with_code(text, code)
}

fn publish_reason(code: u8) -> String {
    let text = match code {
        0x87 | 0x80 => "no right to this topic",
        0x99 => "not a payload that clients may send there",
        0x97 => "too much",
        _ => "",
    };
    with_code(text, code)
}

fn close_reason(code: u8) -> String {
    let text = match code {
        0x00 => "as asked",
        0x8b => "it is going down",
        0x8d => "it heard nothing from us for too long",
        0x8e => "another connection took this one's place",
        0x87 => "the session has expired",
        0x98 => "the session was ended from elsewhere",
        0xa0 => "registration took too long",
        _ => "",
    };
    with_code(text, code)
}

fn with_code(text: &str, code: u8) -> String {
    if text.is_empty() { format!("0x{code:02x}") } else { format!("{text} (0x{code:02x})") }
}
