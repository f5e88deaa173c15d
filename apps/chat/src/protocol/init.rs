//! INIT-2: N2O session tokens. One holds a session id and the end of its life, which only this server can read; it opens nothing.

use bytes::Bytes;
use n2o::Time;
use proto::records::{Io, Token};

use crate::vault::{Purpose, Vault};
use crate::{Chat, Cx};

/// Life of an N2O session (section 11).
const SESSION_MS: u64 = 15 * 60 * 1000;
/// Bytes of a session id.
const ID_BYTES: usize = 16;
/// Longest token that is looked at; ours have 104 characters.
const TOKEN_MAX: usize = 256;

/// Its id, and when it ends.
struct N2oSession {
    id: [u8; ID_BYTES],
    until: u64,
}

/// INIT-2: the token given, while it is valid, else a new one. With `session.prolong` a valid one in the second half of its life is
/// exchanged for one of the same session that lives longer.
pub(crate) fn init(chat: &Chat, cx: &Cx<'_>, given: Option<&Bytes>) -> Bytes {
    let known = given.and_then(|token| read(&chat.vault, cx.now, token).map(|session| (token, session)));
    let token = match known {
        Some((_, session)) if chat.settings.session_prolong && session.until < cx.now.0 + SESSION_MS / 2 => {
            write(&chat.vault, cx, session.id)
        }
        Some((token, _)) => token.clone(),
        None => write(&chat.vault, cx, cx.random()),
    };
    etf::encode(&Io::empty().with(Token { token: Some(token) }))
}

/// CON-3: whether a guest may show it as a password.
pub(crate) fn is_session(vault: &Vault, now: Time, token: &[u8]) -> bool {
    read(vault, now, token).is_some()
}

fn write(vault: &Vault, cx: &Cx<'_>, id: [u8; ID_BYTES]) -> Bytes {
    let until = cx.now.0.saturating_add(SESSION_MS);
    let sealed = vault.seal(Purpose::Session, cx.random(), b"", &[&id[..], &until.to_be_bytes()].concat());
    sealed.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

fn read(vault: &Vault, now: Time, token: &[u8]) -> Option<N2oSession> {
    let opened = vault.open(Purpose::Session, b"", &unhex(token)?)?;
    let (id, until) = opened.split_first_chunk()?;
    let session = N2oSession { id: *id, until: u64::from_be_bytes(until.try_into().ok()?) };
    (session.until > now.0).then_some(session)
}

/// Lower case only, so that a session has one token.
fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: &u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    if text.len() > TOKEN_MAX {
        return None;
    }
    let (pairs, rest) = text.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect())?
}
