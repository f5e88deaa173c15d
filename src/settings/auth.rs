//! The section `auth`: how people and services prove who they are.

use std::collections::BTreeMap;

use bytes::Bytes;
use chat::Issuer;
use proto::ids::Phone;
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;

use crate::failure::Failure;
use crate::home::Home;

/// Characters of a fixed code.
const STATIC_CODE: std::ops::RangeInclusive<usize> = 4..=64;
const ISSUERS_MAX: usize = 16;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Auth {
    pub(crate) providers: Vec<Provider>,
    pub(crate) static_codes: BTreeMap<String, String>,
    pub(crate) fake_numbers: bool,
    pub(crate) min_version: u32,
    pub(crate) sys_secret: String,
    pub(crate) webhook: Webhook,
    pub(crate) jwt: Jwt,
}

/// ID-11.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Provider {
    Invite,
    Log,
    Static,
    Webhook,
    Ldap,
    /// Known, and not there yet.
    Mail,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Webhook {
    pub(crate) url: String,
    pub(crate) token_file: String,
    pub(crate) voice: bool,
}

/// ID-12.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Jwt {
    pub(crate) issuers: Vec<Endorser>,
    pub(crate) self_issue: bool,
}

/// An identity provider.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Endorser {
    pub(crate) name: String,
    pub(crate) algorithm: String,
    pub(crate) key: String,
}

impl Default for Auth {
    fn default() -> Auth {
        Auth {
            providers: vec![Provider::Invite, Provider::Log],
            static_codes: BTreeMap::new(),
            fake_numbers: false,
            min_version: 0,
            sys_secret: String::new(),
            webhook: Webhook::default(),
            jwt: Jwt::default(),
        }
    }
}

impl Auth {
    /// What cannot be meant.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.providers.contains(&Provider::Mail) {
            return Err("auth.providers: \"mail\": codes are not put into mailboxes yet".into());
        }
        if self.providers.contains(&Provider::Webhook) && self.webhook.url.is_empty() {
            return Err("auth.providers: \"webhook\" needs auth.webhook.url".into());
        }
        self.webhook.check()?;
        if !self.sys_secret.is_empty() && sha256(&self.sys_secret).is_none() {
            return Err("auth.sys_secret is a SHA-256 in hexadecimal, not the secret itself".into());
        }
        if self.jwt.issuers.len() > ISSUERS_MAX {
            return Err(format!("auth.jwt.issuers: at most {ISSUERS_MAX}"));
        }
        self.static_codes().map(drop)
    }

    /// Numbers and their fixed codes.
    pub(super) fn static_codes(&self) -> Result<BTreeMap<Phone, Bytes>, String> {
        let pair = |(number, code): (&String, &String)| {
            let wrong = |what: &str| format!("auth.static_codes: {number}: {what}");
            let phone = Phone::parse(number.as_bytes()).map_err(|_| wrong("is no account key"))?;
            match STATIC_CODE.contains(&code.len()) {
                true => Ok((phone, Bytes::copy_from_slice(code.as_bytes()))),
                false => Err(wrong("a code has 4 to 64 characters")),
            }
        };
        self.static_codes.iter().map(pair).collect()
    }
}

impl Webhook {
    /// Codes do not cross a network in the clear.
    fn check(&self) -> Result<(), String> {
        if self.url.is_empty() {
            return Ok(());
        }
        let wrong = |what: &str| Err(format!("auth.webhook.url: {what}"));
        let Ok(url) = self.url.parse::<hyper::Uri>() else { return wrong("is no URL") };
        match url.scheme_str() {
            Some("https") if url.host().is_some_and(|host| !host.is_empty()) => Ok(()),
            Some("http") if is_here(&url) => Ok(()),
            Some("http") => wrong("without TLS on loopback only"),
            Some(_) | None => wrong("is no URL of https"),
        }
    }
}

impl Jwt {
    /// The issuers with their keys, from files in the server's folder or by absolute paths.
    pub(super) fn chat(&self, home: &Home) -> Result<chat::Jwt, Failure> {
        let issuer = |endorser: &Endorser| {
            let wrong = |why: String| Failure::Refused(format!("auth.jwt.issuers: {}: {why}", endorser.name));
            let path = home.path().join(&endorser.key);
            let key = SubjectPublicKeyInfoDer::from_pem_file(&path)
                .map_err(|why| wrong(format!("no public key in {}: {why}", path.display())))?;
            Issuer::new(&endorser.name, &endorser.algorithm, &key)
                .map_err(|why| wrong(format!("{} {why}", endorser.algorithm)))
        };
        let issuers = self.issuers.iter().map(issuer).collect::<Result<_, _>>()?;
        Ok(chat::Jwt { issuers, self_issue: self.self_issue })
    }
}

/// Whether a URL means this machine.
pub(super) fn is_here(url: &hyper::Uri) -> bool {
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

/// The 32 bytes of a hash in hexadecimal.
pub(super) fn sha256(text: &str) -> Option<[u8; 32]> {
    let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    let bytes: Vec<u8> = (0..text.len()).step_by(2).map(byte).collect::<Option<_>>()?;
    bytes.try_into().ok()
}

impl Provider {
    pub(super) fn chat(self) -> Option<chat::Provider> {
        match self {
            Provider::Invite => Some(chat::Provider::Invite),
            Provider::Log => Some(chat::Provider::Log),
            Provider::Static => Some(chat::Provider::Static),
            Provider::Webhook => Some(chat::Provider::Webhook),
            Provider::Ldap => Some(chat::Provider::Directory),
            Provider::Mail => None,
        }
    }
}
