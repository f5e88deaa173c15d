//! What owners of state tell each other.

use bytes::Bytes;
use n2o::Time;
use proto::ids::{DevKey, FeedId, Nick, Phone, PhoneId, RoomId};
use proto::records::{Desc, Link, Roster, Star};

use super::Who;

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
    /// The number of the row by which the same is found when this letter is lost.
    pub due: u64,
}

/// Whose place in which room has changed; how, the store says.
#[derive(Debug, Clone)]
pub struct Seat {
    pub room: RoomId,
    pub roster: PhoneId,
}

/// What a device may not have had when its connection is over (PUSH-1).
#[derive(Debug, Clone)]
pub struct Missed {
    pub device: DevKey,
    /// When it came; what is older has waked it before.
    pub since: Time,
    /// Feeds of which it has not acknowledged something.
    pub feeds: Vec<FeedId>,
}

impl Missed {
    /// Of a device that has had nothing here.
    pub(crate) fn nothing(device: DevKey) -> Missed {
        Missed { device, since: Time(u64::MAX), feeds: Vec::new() }
    }
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
