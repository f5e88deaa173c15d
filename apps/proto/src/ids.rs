//! Identities (SPEC section 2), parsed once at the edge. All are cheap to clone and compare by their text.
mod device;
mod feed;
mod nick;
mod phone;
mod room;
mod user;

pub use device::{ClientId, ClientKind, DevKey};
pub use feed::FeedId;
pub use nick::Nick;
pub use phone::{Address, Phone, PhoneId};
pub use room::RoomId;
pub use user::User;

/// Why a text is not the identity asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadId {
    #[error("wrong length")]
    Length,
    #[error("a character that may not occur")]
    Character,
    #[error("a reserved name")]
    Reserved,
    #[error("not of this form")]
    Form,
}

/// Accessors and conversions of an identity kept as `text: Arc<str>`.
macro_rules! text_id {
    ($name:ident $(, $parts:ident)?) => {
        impl $name {
            pub fn as_str(&self) -> &str {
                &self$(.$parts)?.text
            }

            /// A copy for a record's field.
            pub fn to_bytes(&self) -> bytes::Bytes {
                bytes::Bytes::copy_from_slice(self.as_str().as_bytes())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::ids::BadId;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text.as_bytes())
            }
        }

        impl From<&$name> for bytes::Bytes {
            fn from(id: &$name) -> Self {
                id.to_bytes()
            }
        }
    };
}
use text_id;

/// `bytes` as text, when all of it is of the ASCII characters that `allowed` takes.
fn ascii(bytes: &[u8], allowed: impl Fn(u8) -> bool) -> Result<&str, BadId> {
    match bytes.iter().all(|&byte| byte.is_ascii() && allowed(byte)) {
        true => std::str::from_utf8(bytes).map_err(|_| BadId::Character),
        false => Err(BadId::Character),
    }
}
