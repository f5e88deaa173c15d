//! Requests out of bytes. Their length is looked at before anything is kept for them.

use bytes::{Bytes, BytesMut};
use ldap3_proto::LdapCodec;
use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::{LdapMsg, LdapOp};
use tokio_util::codec::Decoder;

/// Bytes of a request; a longer one ends the connection.
pub const MESSAGE_MAX: usize = 64 * 1024;
/// Elements within elements.
const DEPTH_MAX: usize = 64;
/// Bytes of tag and length.
const HEAD_MAX: usize = 6;

/// What was in the bytes.
#[derive(Debug)]
pub enum Taken {
    /// A request; whether it insists on a control that we do not have.
    Request(Box<LdapMsg>, bool),
    /// One that is none of the protocol's, with its number and the tag of what it should have been.
    Flawed { id: i32, tag: u8 },
    /// Where a request begins nobody can know any more.
    Broken,
}

/// Takes the first request off the bytes; `None` while it is not all there.
pub fn take(bytes: &mut BytesMut) -> Option<Taken> {
    frame(bytes).map(|frame| understood(&frame))
}

/// The bytes of the first request; none of it where nobody can know how many they are.
pub(super) fn frame(bytes: &mut BytesMut) -> Option<Bytes> {
    match length(bytes) {
        Ok(Some((head, length))) if head + length > MESSAGE_MAX => Some(Bytes::new()),
        Ok(Some((head, length))) if bytes.len() >= head + length => Some(bytes.split_to(head + length).freeze()),
        Ok(_) => None,
        Err(()) => Some(Bytes::new()),
    }
}

/// What is in the bytes of one request.
pub(super) fn understood(frame: &Bytes) -> Taken {
    let Ok(Some((head, _))) = length(frame) else { return Taken::Broken };
    let mut rest = BytesMut::from(&frame[..]);
    match LdapCodec::new(Some(MESSAGE_MAX), Some(DEPTH_MAX)).decode(&mut rest) {
        Ok(Some(message)) if rest.is_empty() && message.msgid > 0 => {
            let insists = insists(&message, frame);
            Taken::Request(Box::new(message), insists)
        }
        Ok(_) | Err(_) => flawed(frame.get(head..).unwrap_or_default()),
    }
}

/// Bytes of the head, and those that follow.
fn length(bytes: &[u8]) -> Result<Option<(usize, usize)>, ()> {
    let (tag, first) = match bytes {
        [] => return Ok(None),
        [0x30] => return Ok(None),
        [tag, first, ..] => (*tag, *first),
        [_] => return Err(()),
    };
    if tag != 0x30 {
        return Err(());
    }
    if first < 0x80 {
        return Ok(Some((2, first.into())));
    }
    let count = usize::from(first & 0x7f);
    // An indefinite length is none of LDAP's, and four bytes say more than we take.
    if count == 0 || 2 + count > HEAD_MAX {
        return Err(());
    }
    let Some(digits) = bytes.get(2..2 + count) else { return Ok(None) };
    let length = digits.iter().fold(0_usize, |length, digit| length << 8 | usize::from(*digit));
    Ok(Some((2 + count, length)))
}

/// What can be told of a request that does not decode.
fn flawed(body: &[u8]) -> Taken {
    let parted = match body {
        [0x02, 1, a, rest @ ..] => Some((i32::from(*a), rest)),
        [0x02, 2, a, b, rest @ ..] => Some((i32::from_be_bytes([0, 0, *a, *b]), rest)),
        [0x02, 3, a, b, c, rest @ ..] => Some((i32::from_be_bytes([0, *a, *b, *c]), rest)),
        [0x02, 4, a, b, c, d, rest @ ..] => Some((i32::from_be_bytes([*a, *b, *c, *d]), rest)),
        _ => None,
    };
    match parted {
        Some((id, [tag, ..])) if id > 0 => Taken::Flawed { id, tag: *tag },
        Some(_) | None => Taken::Broken,
    }
}

/// Whether the client wants it only with a control that we do not have.
fn insists(message: &LdapMsg, frame: &[u8]) -> bool {
    let is_search = matches!(message.op, LdapOp::SearchRequest(_));
    // An abandoned or ended request has no answer that could say so.
    if matches!(message.op, LdapOp::AbandonRequest(_) | LdapOp::UnbindRequest) {
        return false;
    }
    message.ctrl.iter().any(|control| match control {
        LdapControl::SimplePagedResults { .. } => !is_search && is_critical(frame, "1.2.840.113556.1.4.319"),
        LdapControl::ServerSort { .. } => is_critical(frame, "1.2.840.113556.1.4.473"),
        LdapControl::AdDirsync { .. } => is_critical(frame, "1.2.840.113556.1.4.841"),
        // There are no references here to be managed: it changes nothing.
        LdapControl::ManageDsaIT { .. } => false,
        LdapControl::SyncRequest { criticality, .. }
        | LdapControl::PasswordPolicyRequest { criticality }
        | LdapControl::SearchOptions { criticality, .. }
        | LdapControl::ShowDeleted { criticality }
        | LdapControl::SdFlags { criticality, .. }
        | LdapControl::ExtendedDn { criticality, .. }
        | LdapControl::Unknown { criticality, .. } => *criticality,
        LdapControl::SyncState { .. } | LdapControl::SyncDone { .. } | LdapControl::ServerSortResult { .. } => false,
    })
}

/// The decoder does not say of all controls whether they are critical: TRUE behind the name.
fn is_critical(frame: &[u8], oid: &str) -> bool {
    let wanted = [oid.as_bytes(), &[1, 1]].concat();
    let at = frame.windows(wanted.len()).position(|window| window == wanted);
    at.and_then(|at| frame.get(at + wanted.len())).is_some_and(|value| *value != 0)
}
