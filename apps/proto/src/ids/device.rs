//! Devices and their MQTT client identifiers: ID-5, ID-6.
use std::sync::Arc;

use super::{BadId, Phone, ascii, text_id};
use crate::limits::{CLIENT_ID_BYTES, DEV_KEY_CHARS};

/// ID-5: what an installation calls itself, constant for its life.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DevKey {
    text: Arc<str>,
}

text_id!(DevKey);

impl DevKey {
    pub fn parse(input: &[u8]) -> Result<Self, BadId> {
        if !DEV_KEY_CHARS.contains(&input.len()) {
            return Err(BadId::Length);
        }
        let text = ascii(input, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':' | b'-'))?;
        Ok(Self { text: text.into() })
    }
}

/// ID-6: an MQTT client identifier. What it allows is decided by [`ClientId::kind`] and the session rows.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId {
    text: Arc<str>,
}

text_id!(ClientId);

/// Who a client identifier says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientKind {
    /// `reg_` or `emqttd_reg_`: a device that registers.
    Reg,
    /// `emqttd_<phone>_<dev_key>`: the device it names, or, without its session row, a guest.
    Device(Phone, DevKey),
    /// `emqttd_` and anything else: a guest.
    Guest,
    /// `sys_`: a trusted service.
    Sys,
    /// Any other, or empty: free topics only.
    Plain,
}

const REG: &str = "reg_";
const DEVICE: &str = "emqttd_";
const DEVICE_REG: &str = "emqttd_reg_";
const SYS: &str = "sys_";

impl ClientId {
    /// At most 256 bytes of UTF-8. An identifier of the protocol stands in reply topics (TOPIC-2), so that it
    /// may have no level separator, wildcard or control character.
    pub fn parse(input: &[u8]) -> Result<Self, BadId> {
        if input.len() > CLIENT_ID_BYTES {
            return Err(BadId::Length);
        }
        let text = std::str::from_utf8(input).map_err(|_| BadId::Character)?;
        let id = Self { text: text.into() };
        match id.is_plain() || !text.chars().any(|c| matches!(c, '/' | '+' | '#') || c.is_control()) {
            true => Ok(id),
            false => Err(BadId::Character),
        }
    }

    /// The client id of a verified device.
    pub fn device(phone: &Phone, dev_key: &DevKey) -> Self {
        Self { text: format!("{DEVICE}{phone}_{dev_key}").into() }
    }

    pub fn kind(&self) -> ClientKind {
        if self.is_reg() {
            ClientKind::Reg
        } else if let Some(rest) = self.text.strip_prefix(DEVICE) {
            named(rest).map_or(ClientKind::Guest, |(phone, dev_key)| ClientKind::Device(phone, dev_key))
        } else if self.text.starts_with(SYS) {
            ClientKind::Sys
        } else {
            ClientKind::Plain
        }
    }

    /// ID-5: the dev_key of a registration that carries none, the id less its prefix and a leading `<phone>_`.
    pub fn default_dev_key(&self, phone: &Phone) -> Result<DevKey, BadId> {
        let prefixes = [DEVICE_REG, REG, DEVICE];
        let rest = prefixes.iter().find_map(|prefix| self.text.strip_prefix(prefix)).ok_or(BadId::Form)?;
        let key = rest.strip_prefix(phone.as_str()).and_then(|rest| rest.strip_prefix('_')).unwrap_or(rest);
        DevKey::parse(key.as_bytes())
    }

    fn is_reg(&self) -> bool {
        self.text.starts_with(REG) || self.text.starts_with(DEVICE_REG)
    }

    fn is_plain(&self) -> bool {
        ![REG, DEVICE, SYS].iter().any(|prefix| self.text.starts_with(prefix))
    }
}

/// The account and device that `<phone>_<dev_key>` names; the phone must be written as it is kept.
fn named(rest: &str) -> Option<(Phone, DevKey)> {
    let (phone, dev_key) = rest.split_once('_')?;
    let key = Phone::parse(phone.as_bytes()).ok().filter(|key| key.as_str() == phone)?;
    Some((key, DevKey::parse(dev_key.as_bytes()).ok()?))
}
