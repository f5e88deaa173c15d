//! The authority on the web: enrolment (EST, RFC 7030; CMP, RFC 9810), the revocation list, the responder (SEC-4).
//!
//! What is asked is judged where it always is: an invite by AUTH-1 and AUTH-4, as over MQTT, a token or certificate by AUTH-17.

mod cmp;
mod device;
mod est;
mod ocsp;

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chat::door::Source;
use chat::{Chat, Vault};
use n2o::Handle;
use proto::ids::Phone;
use web::header::{CACHE_CONTROL, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use web::{HeaderMap, Reply, Routes, StatusCode, reply, status};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::meter::Meter;
use crate::registrar::Registrar;
pub(crate) use cmp::{Granted, TABLES, Transaction};

/// Bytes of a request as sent: 8 KiB of DER in base64, with line breaks.
const REQUEST_MAX: usize = 12 * 1024;
const HOUR: Duration = Duration::from_secs(60 * 60);
const MINUTE: Duration = Duration::from_secs(60);
/// Attempts that prove nothing, of one address in an hour.
const FAILED_MAX: u32 = 20;
/// Certificates of one account in an hour.
const ISSUED_MAX: u32 = 60;
/// Questions to the responder, of one address in a minute.
const ASKED_MAX: u32 = 600;
/// How long a proxy may keep the revocation list.
const LIST_KEPT: Duration = Duration::from_secs(5 * 60);

pub(crate) struct Office {
    pub(crate) registrar: Arc<Registrar>,
    pub(crate) handle: Handle<Chat>,
    limits: bool,
    failed: Meter<Source>,
    issued: Meter<Phone>,
    asked: Meter<Source>,
}

/// An answer that is the same for everybody for this long.
fn kept_for(time: Duration, mut reply: Reply) -> Reply {
    let kept = HeaderValue::from_str(&format!("public, max-age={}", time.as_secs()));
    reply.headers_mut().extend(kept.map(|kept| (CACHE_CONTROL, kept)));
    reply
}

impl Office {
    pub(crate) fn new(registrar: Arc<Registrar>, handle: Handle<Chat>, limits: bool) -> Arc<Office> {
        Arc::new(Office {
            registrar,
            handle,
            limits,
            failed: Meter::new(FAILED_MAX, HOUR),
            issued: Meter::new(ISSUED_MAX, HOUR),
            asked: Meter::new(ASKED_MAX, MINUTE),
        })
    }

    /// Adds what it answers. From `vault` come the invites by which others prove themselves.
    pub(crate) fn open(self: Arc<Office>, vault: Vault, routes: &mut Routes) -> Result<(), Failure> {
        let office = || self.clone();
        let own = office();
        routes.get("/ca.crl", move |_| {
            let list = own.registrar.list();
            async move { kept_for(LIST_KEPT, reply(StatusCode::OK, "application/pkix-crl", list)) }
        });
        let own = office();
        routes.get("/ca.crt", move |_| {
            let root = Bytes::copy_from_slice(own.registrar.authority.certificate_der());
            async move { reply(StatusCode::OK, "application/pkix-cert", root) }
        });
        ocsp::open(office(), routes);
        est::open(office(), routes);
        cmp::open(office(), vault, routes)
    }

    /// An address from which too much has failed is not listened to.
    pub(crate) fn is_tired_of(&self, source: Option<Source>) -> bool {
        self.limits && source.is_some_and(|source| !self.failed.has_room(&source, Instant::now()))
    }

    pub(crate) fn has_failed(&self, source: Option<Source>) {
        if let Some(source) = source.filter(|_| self.limits) {
            self.failed.count(source, Instant::now());
        }
    }

    fn may_issue(&self, phone: &Phone) -> bool {
        !self.limits || self.issued.count(phone.clone(), Instant::now())
    }

    /// Who asked could not prove to be of the account, so it does not count as the account's.
    fn was_stranger(&self, phone: &Phone) {
        if self.limits {
            self.issued.discount(phone);
        }
    }

    fn may_ask(&self, source: Option<Source>) -> bool {
        !self.limits || source.is_none_or(|source| self.asked.count(source, Instant::now()))
    }
}

/// Base64 with line breaks, as EST and OCSP have it.
fn unarmoured(text: &[u8]) -> Option<Bytes> {
    let packed: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    STANDARD.decode(packed).ok().map(Bytes::from)
}

/// The same the other way, 64 characters a line.
fn armoured(bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes);
    let lines: Vec<&str> = text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    lines.join("\n") + "\n"
}

/// 401, and by what to prove who asks.
fn who_are_you() -> Reply {
    let mut refused = status(StatusCode::UNAUTHORIZED);
    refused.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"est\", charset=\"UTF-8\""));
    refused
}

fn with(mut reply: Reply, name: &'static str, value: &'static str) -> Reply {
    reply.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    reply
}

/// What an `Authorization` header says.
pub(crate) enum Credentials {
    Basic {
        user: String,
        password: Bytes,
    },
    /// FTP-7: `<client_id>:<token>`.
    Bearer {
        client: String,
        token: Bytes,
    },
}

pub(crate) fn credentials(headers: &HeaderMap) -> Option<Credentials> {
    let value = headers.get(web::header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        let (client, token) = rest.trim().rsplit_once(':')?;
        return Some(Credentials::Bearer { client: client.into(), token: proto::erased(token) });
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(STANDARD.decode(rest.trim()).ok()?);
    let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some(Credentials::Basic { user: user.into(), password: proto::erased(password) })
}
