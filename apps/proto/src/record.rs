//! Any record of the protocol, recognised by its atom and arity (C-6).
use etf::text::Entry;
use etf::{Decode, Encode, Error, Reader, Shape};

use crate::records::*;

/// Declares the variants with the (atom, arity) pairs each is read from; the first pair of each is the one written.
macro_rules! records {
    ($($(#[$doc:meta])* $name:ident = $atom:literal / $($arity:literal)|+ => $variant:ident,)+) => {
        /// Any record. Boxed, so that the variants are of one small size.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Record {
            $($(#[$doc])* $variant(Box<$name>),)+
        }

        impl Decode for Record {
            /// The record whose pair the next tuple has; a term that is none is an error (C-9).
            fn decode(r: &mut Reader<'_>) -> Result<Self, Error> {
                let head = r.head();
                match head.as_ref().map(|(atom, arity)| (atom.as_ref(), *arity)) {
                    $($(Some(($atom, $arity)))|+ => Decode::decode(r).map(Self::$variant),)+
                    Some(_) | None => Err(r.expected("a record of the protocol")),
                }
            }
        }

        impl Encode for Record {
            fn encode(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$variant(record) => record.encode(out),)+
                }
            }
        }

        impl Record {
            /// Its tag atom.
            pub fn atom(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => <$name as Shape>::ATOM,)+
                }
            }
        }

        $(impl From<$name> for Record {
            fn from(record: $name) -> Self {
                Self::$variant(Box::new(record))
            }
        })+

        /// The records as the text notation knows them: names, fields, defaults. Current shapes before old ones.
        pub fn catalogue() -> Vec<Entry> {
            [$(Entry::of::<$name>()),+].into_iter().flatten().collect()
        }
    };
}

records! {
    Io = "io" / 3 => Io,
    Success = "ok" / 3 | 2 => Success,
    Failure = "error" / 3 | 2 => Failure,
    Errors = "errors" / 3 => Errors,
    Auth = "Auth" / 15 | 14 => Auth,
    Feature = "Feature" / 5 => Feature,
    Service = "Service" / 8 => Service,
    Profile = "Profile" / 10 | 9 | 8 => Profile,
    Roster = "Roster" / 14 => Roster,
    Contact = "Contact" / 15 => Contact,
    Friend = "Friend" / 5 | 4 => Friend,
    Presence = "Presence" / 3 => Presence,
    Typing = "Typing" / 3 => Typing,
    P2p = "p2p" / 3 => P2p,
    Muc = "muc" / 2 => Muc,
    Act = "act" / 3 => Act,
    Message = "Message" / 17 | 15 => Message,
    Desc = "Desc" / 6 | 7 => Desc,
    Ack = "Ack" / 3 => Ack,
    History = "History" / 7 => History,
    Room = "Room" / 19 | 16 => Room,
    Member = "Member" / 18 | 19 => Member,
    Link = "Link" / 7 => Link,
    Search = "Search" / 7 => Search,
    Tag = "Tag" / 5 | 6 => Tag,
    Star = "Star" / 7 | 5 => Star,
    RoomStar = "RoomStar" / 3 => RoomStar,
    StickerPack = "StickerPack" / 10 => StickerPack,
    Ftp = "ftp" / 11 => Ftp,
    Ftpack = "ftpack" / 11 => Ftpack,
    Ftp10 = "ftp" / 10 => Ftp10,
    Ftpack10 = "ftpack" / 10 => Ftpack10,
    Push = "push" / 7 => Push,
    PushService = "pushService" / 7 => PushService,
    PublishService = "publishService" / 4 => PublishService,
    Init = "init" / 2 => Init,
    VnodeMax = "vnode_max" / 2 => VnodeMax,
    Token = "Token" / 2 => Token,
    AuthToken = "Auth" / 2 => AuthToken,
    Client = "Client" / 2 => Client,
    Ok2 = "ok2" / 3 => Ok2,
    Error2 = "error2" / 3 => Error2,
    Group = "group" / 2 => Group,
    Loc = "Loc" / 4 => Loc,
    Person = "Person" / 19 => Person,
    KvsReader = "reader" / 9 => KvsReader,
    KvsWriter = "writer" / 6 => KvsWriter,
    Index = "Index" / 3 => Index,
}
