//! A request on its way to the owner of what it is about, and the answer.

use std::sync::Arc;

use bytes::Bytes;
use proto::Record;
use proto::ids::DevKey;
use proto::records::Ftp;

use super::Account;
use crate::door::{Bye, Certificate, Role, Source, Verdict};
use crate::port::Port;

/// Who asks: what the session adds to a request (SPEC section 9, `#cx{}`).
#[derive(Debug, Clone)]
pub struct Who {
    pub session: Arc<str>,
    pub connection: u64,
    pub call: u64,
    pub role: Role,
    /// Whose request it is: the connection's own account, or the one on behalf of which a service asks (ID-6). Absent while
    /// registering, and for a service's request that names none.
    pub account: Option<Arc<Account>>,
    /// The device of a verified connection.
    pub device: Option<DevKey>,
    pub certificate: Option<Arc<Certificate>>,
    /// Where the request comes from, if that is limited (section 11).
    pub source: Option<Source>,
    /// No session asks, but the device beside its connections, and is answered here.
    pub beside: Option<Arc<Port>>,
}

impl Who {
    /// Whether a trusted service asks: the calls marked *sys* are its own, in others it may do what the call says of services.
    pub fn is_service(&self) -> bool {
        self.role == Role::Service
    }
}

/// A request on its way to the owner.
#[derive(Debug, Clone)]
pub struct Call {
    pub who: Who,
    pub record: Record,
}

/// FTP from the web.
#[derive(Debug, Clone)]
pub struct Upload {
    pub who: Who,
    pub ftp: Ftp,
    pub step: Step,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// From this place on its pieces are taken, and nobody else's.
    Begin,
    /// FTP-2, and more follows: the answer need not wait for the disk.
    More,
    /// The transfer is given up.
    Drop,
}

/// An owner's answer, or a part of it.
#[derive(Clone)]
pub struct Answer {
    pub connection: u64,
    pub call: u64,
    pub records: Vec<Bytes>,
    /// Absent while more is to come.
    pub end: Option<Verdict>,
    pub also: Also,
}

proto::discreet!(Answer: connection, call, end);

/// What an answer means for the asking session besides its records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Also {
    #[default]
    Nothing,
    /// HISTORY-3: letters of the feed up to `id` that were sent on this connection count as acknowledged.
    Read { key: Bytes, id: u64 },
    /// AUTH-11, DLV-13: from here on the device acknowledges letters by PUBACK, or by the Ack record.
    Acknowledge { puback: bool },
    /// AUTH-6: close after the answer.
    Close(Bye),
}
