//! What two deployments may want different in this front (SPEC section 11, CON-3).

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use crate::rights::Rule;

/// Whether a client whose id has no prefix of the protocol gets in (CON-3, `mqtt.plain`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Plain {
    /// With a verified client certificate.
    #[default]
    Cert,
    /// Without proof.
    Any,
    /// Never.
    Off,
}

#[derive(Debug, Clone)]
pub struct Settings {
    /// Bytes of a packet from a client.
    pub packet_max: usize,
    /// QoS 1 and 2 packets without acknowledgement, from a client and of durable items to it.
    pub receive_max: u16,
    /// Seconds.
    pub keep_alive: RangeInclusive<u16>,
    pub plain: Plain,
    /// Rights on free topics (TOPIC-13); none: they are for plain clients and services, all of them.
    pub rules: Arc<[Rule]>,
    /// How often the values below `$SYS/broker` are published while somebody listens; zero: there are none.
    pub sys_interval: Duration,
    /// From the accepted connection to its complete CONNECT.
    pub connect_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            packet_max: proto::limits::PACKET_BYTES,
            receive_max: proto::limits::RECEIVE_MAX,
            keep_alive: proto::limits::KEEP_ALIVE_S,
            plain: Plain::Cert,
            rules: Arc::default(),
            sys_interval: Duration::from_secs(10),
            connect_timeout: Duration::from_millis(proto::limits::CONNECT_MS),
        }
    }
}
