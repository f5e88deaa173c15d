//! CONNECT: who it is, as far as the transport can see, and what it is told (CON-3, CON-4, CON-6, CON-8, CON-11, HEART-3).

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use chat::door::Hello;
use proto::ids::{BadId, ClientId, ClientKind};
use proto::topic::Topic;
use rumqttd::protocol::ConnAckProperties;

use super::outflow::Limits;
use crate::broker::filter::is_servers;
use crate::holder::Holder;
use crate::message::Will;
use crate::packet::{Connect, Version, reason, write};
use crate::rights::{Act, Rights};
use crate::settings::{Plain, Settings};

/// A client that says no version (CON-6).
const VERSION_UNSAID: u32 = 101;
/// Of a packet that carries an item: everything but the payload. The longest topic has two phone_ids.
const ITEM_OVERHEAD: usize = 320;
/// Packets without acknowledgement to a 3.1.1 client, which cannot say: answers never wait for items.
const WINDOW_V4: u16 = 1000;
/// A client that takes less is told no reasons in words.
const EXPLAINED_MIN: u32 = 1024;
/// Life of a plain client's session after its connection, seconds (CON-11).
pub(crate) const SESSION_EXPIRY_MAX: u32 = (proto::limits::MQTT_SESSION_MS / 1000) as u32;
/// Topic aliases that a client may set, and that one is given at most.
pub(crate) const ALIAS_MAX: u16 = 16;

/// Which topics a client may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `reg_`, `emqttd_`: the protocol's topics.
    Client,
    /// `sys_`: those and the free ones.
    Service,
    /// Any other: free topics only.
    Plain,
}

/// What a good CONNECT leads to.
#[derive(Debug)]
pub(crate) struct Greeting {
    pub(crate) kind: Kind,
    pub(crate) client_id: Arc<str>,
    pub(crate) assigned: bool,
    pub(crate) limits: Limits,
    /// For the chat; plain clients have none.
    pub(crate) hello: Option<Hello>,
    /// Whose the session is, of a plain client: what its certificate is called, the same when it has been renewed.
    pub(crate) owner: Arc<str>,
    pub(crate) clean_start: bool,
    /// Seconds that a plain client's or service's session outlives its connection.
    pub(crate) expiry: u32,
    pub(crate) expiry_asked: u32,
    /// Seconds, within bounds.
    pub(crate) keep_alive: u16,
    pub(crate) keep_alive_asked: u16,
    pub(crate) will: Option<Box<Will>>,
    /// Where there are rules on free topics.
    pub(crate) rights: Option<Box<Rights>>,
    /// It may use free topics, some or all.
    pub(crate) free: bool,
    /// It asks where it may be answered (Request Response Information).
    asks_response: bool,
}

/// Looks at a CONNECT. Err: the reason of 5.0 to turn it down with. `random` serves an empty client id.
pub(crate) fn greet(
    connect: Connect,
    holder: Option<Holder>,
    settings: &Settings,
    random: impl FnOnce() -> String,
) -> Result<Greeting, u8> {
    if connect.properties.as_ref().is_some_and(|known| known.authentication_method.is_some()) {
        return Err(reason::BAD_AUTHENTICATION_METHOD);
    }
    let assigned = connect.client_id.is_empty();
    if assigned && connect.version == Version::V4 && !connect.clean_start {
        return Err(reason::BAD_CLIENT_ID);
    }
    let kind = kind(&connect.client_id)?;
    if kind == Kind::Plain {
        may_be_plain(settings.plain, holder.is_some())?;
    }
    let client_id: Arc<str> =
        if assigned { format!("plain-{}", random()).into() } else { connect.client_id.as_str().into() };

    let known = connect.properties.as_ref();
    let limits = limits(&connect, settings);
    let expiry_asked = match connect.version {
        Version::V4 if connect.clean_start => 0,
        Version::V4 => SESSION_EXPIRY_MAX,
        Version::V5 => known.and_then(|known| known.session_expiry_interval).unwrap_or(0),
    };
    let rights = Rights::new(&settings.rules, holder.as_ref());
    let may_write = |topic: &str| may(rights.as_deref(), kind, Act::Write, topic);
    let will = will(&connect, may_write);
    let free = kind != Kind::Client || rights.as_ref().is_some_and(|rights| rights.names_it());
    let asks_response = known.and_then(|known| known.request_response_info) == Some(1);
    if kind == Kind::Client && will_is_retained(&connect) {
        return Err(reason::RETAIN_NOT_SUPPORTED);
    }
    let owner = holder.as_ref().filter(|_| kind == Kind::Plain).map_or_else(String::new, Holder::owner);
    let hello = (kind != Kind::Plain).then(|| Hello {
        client_id: Bytes::copy_from_slice(client_id.as_bytes()),
        password: connect.password.clone().filter(|password| !password.is_empty()),
        certificate: holder.map(|holder| holder.certificate),
        source: None,
        version: version(&connect),
        window: limits.window.min(settings.receive_max),
        item_max: (limits.packet_max as usize).min(settings.packet_max).saturating_sub(ITEM_OVERHEAD),
        acknowledges: true,
    });
    Ok(Greeting {
        kind,
        client_id,
        assigned,
        limits,
        hello,
        owner: owner.into(),
        clean_start: connect.clean_start || kind == Kind::Client,
        expiry: if kind == Kind::Client { 0 } else { expiry_asked.min(SESSION_EXPIRY_MAX) },
        expiry_asked,
        keep_alive: clamped(connect.keep_alive, settings),
        keep_alive_asked: connect.keep_alive,
        will: will.map(Box::new),
        rights,
        free,
        asks_response,
    })
}

fn kind(client_id: &str) -> Result<Kind, u8> {
    let parsed = ClientId::parse(client_id.as_bytes()).map_err(|bad| match bad {
        BadId::Length | BadId::Character | BadId::Reserved | BadId::Form => reason::BAD_CLIENT_ID,
    })?;
    Ok(match parsed.kind() {
        ClientKind::Reg | ClientKind::Device(..) | ClientKind::Guest => Kind::Client,
        ClientKind::Sys => Kind::Service,
        ClientKind::Plain => Kind::Plain,
    })
}

/// CON-3, the row "other or empty".
fn may_be_plain(plain: Plain, certified: bool) -> Result<(), u8> {
    match plain {
        Plain::Any => Ok(()),
        Plain::Cert if certified => Ok(()),
        Plain::Cert | Plain::Off => Err(reason::NOT_AUTHORIZED),
    }
}

fn limits(connect: &Connect, settings: &Settings) -> Limits {
    let known = connect.properties.as_ref();
    let window = match connect.version {
        Version::V4 => WINDOW_V4,
        Version::V5 => known.and_then(|known| known.receive_maximum).unwrap_or(u16::MAX).min(WINDOW_V4),
    };
    let ours = u32::try_from(proto::limits::PACKET_MAX_BYTES.max(settings.packet_max)).unwrap_or(u32::MAX);
    let packet_max = known.and_then(|known| known.max_packet_size).unwrap_or(ours).min(ours);
    let alias_max = known.and_then(|known| known.topic_alias_max).unwrap_or(0).min(ALIAS_MAX);
    // It may be sent reasons unless it says no; only those who say yes are: the codes tell the same.
    let explain = known.and_then(|known| known.request_problem_info) == Some(1) && packet_max >= EXPLAINED_MIN;
    Limits { version: connect.version, window, packet_max, alias_max, explain }
}

/// HEART-3: the nearest bound; none asked for is the highest.
fn clamped(asked: u16, settings: &Settings) -> u16 {
    let (least, most) = (*settings.keep_alive.start(), *settings.keep_alive.end());
    if asked == 0 { most } else { asked.max(least).min(most) }
}

/// CON-6: from the will's topic or the user property.
fn version(connect: &Connect) -> u32 {
    let by_will =
        connect.will.as_ref().and_then(|(will, _)| match Topic::parse(std::str::from_utf8(&will.topic).ok()?) {
            Topic::Version(version) => Some(version),
            _ => None,
        });
    let by_property = || {
        let known = connect.properties.as_ref()?;
        let (_, value) = known.user_properties.iter().find(|(key, _)| key == "version")?;
        value.parse().ok()
    };
    by_will.or_else(by_property).unwrap_or(VERSION_UNSAID)
}

/// Whether a client may do that to the free topics that `filter` names. Where servers speak of themselves no client writes: who reads it
/// there takes it for the server's own word (MQTT 5.0 section 4.7.2).
pub(super) fn may(rights: Option<&Rights>, kind: Kind, act: Act, filter: &str) -> bool {
    if act == Act::Write && is_servers(filter) {
        return false;
    }
    rights.map_or(kind != Kind::Client, |rights| rights.allow(kind, act, filter))
}

/// CON-8: kept only if the client could have published it itself; a `version/` one never is.
fn will(connect: &Connect, may_write: impl FnOnce(&str) -> bool) -> Option<Will> {
    let (will, known) = connect.will.clone()?;
    let will = Will::of(will, known)?;
    let free = matches!(Topic::parse(&will.message.topic), Topic::Free);
    Some(will).filter(|will| free && may_write(&will.message.topic))
}

/// Retain Available is 0 (CON-4): 5.0 may not ask for it in a will either ([MQTT-3.2.2-13]).
fn will_is_retained(connect: &Connect) -> bool {
    connect.version == Version::V5 && connect.will.as_ref().is_some_and(|(will, _)| will.retain)
}

impl Greeting {
    /// A topic that the client may have answers sent to (section 4.10), if its name can be part of one.
    fn response_topic(&self) -> Option<String> {
        let id = Some(&self.client_id)
            .filter(|id| self.asks_response && self.kind != Kind::Client && !id.contains(['/', '+', '#']));
        id.map(|id| format!("response/{id}"))
    }

    /// CONNACK of who is let in. `None`: it is larger than the client takes ([MQTT-3.1.2-24]).
    pub(crate) fn welcome(&self, settings: &Settings, present: bool) -> Option<BytesMut> {
        let known = self.properties(settings);
        let brief = ConnAckProperties {
            retain_available: known.retain_available.filter(|said| *said == 0),
            wildcard_subscription_available: None,
            shared_subscription_available: known.shared_subscription_available.filter(|said| *said == 0),
            response_information: None,
            ..known.clone()
        };
        // Left out they mean that it is available.
        [known, brief].into_iter().find_map(|known| {
            let mut out = BytesMut::new();
            write::connack(&mut out, self.limits.version, present, reason::SUCCESS, Some(known));
            (out.len() <= self.limits.packet_max as usize).then_some(out)
        })
    }

    /// CON-4: what a 5.0 client is told.
    pub(crate) fn properties(&self, settings: &Settings) -> ConnAckProperties {
        let free = u8::from(self.kind != Kind::Client);
        let expiry_changed = self.kind == Kind::Client || self.expiry != self.expiry_asked;
        ConnAckProperties {
            session_expiry_interval: expiry_changed.then_some(self.expiry),
            receive_max: Some(settings.receive_max),
            retain_available: Some(free),
            max_packet_size: u32::try_from(settings.packet_max).ok(),
            assigned_client_identifier: self.assigned.then(|| self.client_id.to_string()),
            topic_alias_max: Some(ALIAS_MAX),
            wildcard_subscription_available: Some(1),
            shared_subscription_available: Some(free),
            response_information: self.response_topic(),
            server_keep_alive: (self.keep_alive != self.keep_alive_asked).then_some(self.keep_alive),
            ..ConnAckProperties::default()
        }
    }
}
