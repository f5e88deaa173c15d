//! What two deployments need to differ in, as far as the chat is concerned (SPEC section 11).

use proto::limits;

/// Read once at start and handed down as a value.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `auth.fake_numbers` (ID-15): tests only, loopback only.
    pub fake_numbers: bool,
    /// `auth.providers` (ID-11), in order of preference.
    pub providers: Vec<Provider>,
    /// `auth.min_version` (AUTH-1).
    pub min_version: u64,
    /// `x509.auto_bind` (ID-9 rule 2).
    pub auto_bind: bool,
    /// `auth.sys_secret` (CON-3): SHA-256 of the password by which services come in without a certificate.
    pub sys_secret: Option<[u8; 32]>,
    /// `ring.nodes` (INIT-1).
    pub ring_nodes: u64,
    /// Limits per second, hour, day and address hold (SEC-13); off in the `dev` profile.
    pub limits: bool,
    /// `queue.ack=puback` for all devices (DLV-13).
    pub puback: bool,
    /// `history.mode=transient` (DLV-6): what all devices have acknowledged goes, unless a room says otherwise.
    pub transient: bool,
    /// Largest record, in bytes.
    pub packet_max: usize,
}

/// A way to prove a number (ID-11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// Codes issued beforehand.
    Invite,
    /// The code goes to an outbox file that only the operator can read.
    Log,
}

impl Default for Settings {
    /// The `embedded` profile.
    fn default() -> Settings {
        Settings {
            fake_numbers: false,
            providers: vec![Provider::Invite, Provider::Log],
            min_version: 0,
            auto_bind: true,
            sys_secret: None,
            ring_nodes: 4,
            limits: true,
            puback: false,
            transient: false,
            packet_max: limits::PACKET_BYTES,
        }
    }
}

impl Settings {
    /// The `dev` profile: loopback, fake numbers, no limits per time.
    pub fn dev() -> Settings {
        Settings { fake_numbers: true, limits: false, ..Settings::default() }
    }
}
