//! What an operator, or a device beside its connections, asks of a process.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use proto::ids::{DevKey, Phone};

use crate::door::Certificate;
use crate::port::Port;

/// What an operator may ask of a process; the reply goes through a port.
#[derive(Debug, Clone)]
pub enum Command {
    /// Make an invite for an account key (ID-11); answered by its code.
    Invite { phone: Phone, reply: Arc<Port> },
    /// Close a client's connection.
    Kick,
    /// A certificate for a device that proves itself beside its connections (SEC-4). The reply has what AUTH-17 answers, as
    /// [`Out::Answer`](crate::door::Out::Answer).
    Enrol(Box<Enrol>),
}

/// What such a device shows: its token, or a certificate that TLS has verified.
#[derive(Clone)]
pub struct Enrol {
    pub device: DevKey,
    pub token: Option<Bytes>,
    pub certificate: Option<Arc<Certificate>>,
    pub request: Bytes,
    pub reply: Arc<Port>,
}

/// Without the token (SEC-10).
impl fmt::Debug for Enrol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enrol").field("device", &self.device).finish_non_exhaustive()
    }
}
