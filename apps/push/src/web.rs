//! Web Push and UnifiedPush: any push service, at the address that the device gives (RFC 8030). What it carries is sealed for the device
//! (RFC 8291); it knows us by a key of ours (RFC 8292).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD as BASE64};
use bytes::Bytes;
use fetch::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use fetch::{Http, Reach, RootCertStore, Setup, Speaks, Uri};
use serde::{Deserialize, Serialize};

use crate::clock::{Clock, seconds};
use crate::sealed::{AUTH, Fault, POINT, seal};
use crate::verdict::said;
use crate::{Error, PATIENCE, Push, Sender, Signer, Trying, Verdict};

/// How long a token of ours is good, and when it is signed anew, seconds; a day is the most. A clock that is wrong by hours does not matter.
const SIGNED: u64 = 12 * 3600;
const RENEW: u64 = 4 * 3600;
/// Push services whose tokens are kept; beyond, all are signed anew.
const ORIGINS_MAX: usize = 1024;
/// Bytes of an address.
const ENDPOINT_MAX: usize = 2048;
/// Pushes under way to one push service; further ones wait for another try. A slow one holds up itself.
const HOST_MAX: usize = 64;

/// Where a device is reached: what a browser's `PushSubscription.toJSON()` gives, or an app has from its UnifiedPush distributor.
#[derive(Deserialize)]
pub struct Subscription {
    endpoint: String,
    keys: Keys,
}

#[derive(Deserialize)]
struct Keys {
    p256dh: String,
    auth: String,
}

pub struct Web {
    http: Http,
    key: Signer,
    /// Whom a push service's operator writes to, `mailto:` or `https:`.
    subject: String,
    reach: Reach,
    clock: Clock,
    /// Origin → when it was signed, and what is shown there.
    tokens: Mutex<HashMap<String, (u64, HeaderValue)>>,
    /// Authority → pushes under way.
    busy: Mutex<HashMap<String, usize>>,
}

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    exp: u64,
    sub: &'a str,
}

/// A subscription that can be used.
struct Place {
    url: Uri,
    origin: String,
    authority: String,
    theirs: [u8; POINT],
    auth: [u8; AUTH],
}

impl Subscription {
    /// Whether a push token is one, and not one of another kind of gateway's: those are no JSON.
    pub fn is_one(token: &[u8]) -> bool {
        token.trim_ascii_start().starts_with(b"{")
    }

    fn place(token: &[u8], reach: Reach) -> Option<Place> {
        let Subscription { endpoint, keys } = serde_json::from_slice(token).ok()?;
        let url: Uri = endpoint.parse().ok().filter(|_| endpoint.len() <= ENDPOINT_MAX)?;
        let is_http = match url.scheme_str()? {
            "https" => true,
            "http" => reach == Reach::Any,
            _ => false,
        };
        // A name and a password in it would be sent to nobody, and mislead whoever reads the ledger.
        let authority = url.authority().filter(|authority| is_http && !authority.as_str().contains('@'))?.to_string();
        let origin = format!("{}://{authority}", url.scheme_str()?);
        Some(Place { origin, authority, theirs: decoded(&keys.p256dh)?, auth: decoded(&keys.auth)?, url })
    }
}

/// Both alphabets are in use, with padding and without.
fn decoded<const N: usize>(text: &str) -> Option<[u8; N]> {
    let text = text.trim_end_matches('=');
    BASE64.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).ok()?.try_into().ok()
}

impl Web {
    /// `reach` is [`Reach::Any`] where push services inside may be reached: in tests, or if the operator has one.
    pub fn new(key: Signer, subject: &str, reach: Reach, roots: RootCertStore) -> Result<Web, Error> {
        if !(subject.starts_with("mailto:") || subject.starts_with("https:")) {
            return Err(Error::Given("a subject begins with mailto: or https:".into()));
        }
        let http = Http::new(Setup { roots, identity: None, reach, speaks: Speaks::Either })?;
        Ok(Web {
            http,
            key,
            subject: subject.to_owned(),
            reach,
            clock: Clock::default(),
            tokens: Mutex::default(),
            busy: Mutex::default(),
        })
    }

    /// What apps subscribe with, `applicationServerKey`.
    pub fn public_key(&self) -> String {
        BASE64.encode(self.key.public())
    }

    async fn try_it(&self, push: &Push) -> Verdict {
        let Some(place) = Subscription::place(&push.token, self.reach) else {
            return Verdict::Dead("it is no subscription".into());
        };
        let record = match seal(&push.body, &place.theirs, &place.auth) {
            Ok(record) => Bytes::from(record),
            Err(fault @ Fault::Key) => return Verdict::Dead(fault.to_string()),
            Err(fault @ Fault::Long) => return Verdict::Refused(fault.to_string()),
        };
        let Some(_turn) = Turn::take(&self.busy, &place.authority) else {
            return Verdict::later("its push service is busy with others");
        };
        let (headers, now) = self.headers(push, &place);
        match self.http.post(&place.url, &headers, record, PATIENCE).await {
            Ok(reply) => match reply.status.as_u16() {
                404 | 410 => Verdict::Dead(said(reply.status, "")),
                // Perhaps its clock is far from ours: the next token goes by it.
                401 | 403 if self.clock.set(&reply.headers) => {
                    self.forget(&place.origin, now);
                    Verdict::later(said(reply.status, "clocks differ"))
                }
                _ => Verdict::of(&reply, ""),
            },
            Err(error) => Verdict::failed(&error),
        }
    }

    fn headers(&self, push: &Push, place: &Place) -> (Vec<(HeaderName, HeaderValue)>, u64) {
        let life = push.expires.saturating_sub(seconds(std::time::SystemTime::now()));
        let (token, signed) = self.token(&place.origin);
        let headers = vec![
            (CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
            (CONTENT_ENCODING, HeaderValue::from_static("aes128gcm")),
            (AUTHORIZATION, token),
            (HeaderName::from_static("ttl"), HeaderValue::from(life)),
            (HeaderName::from_static("urgency"), HeaderValue::from_static("high")),
            // One that waits there and is tried again takes its own place.
            (HeaderName::from_static("topic"), HeaderValue::from(push.id)),
        ];
        (headers, signed)
    }

    fn token(&self, origin: &str) -> (HeaderValue, u64) {
        let now = self.clock.now();
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((signed, token)) = tokens.get(origin)
            && now.abs_diff(*signed) < RENEW
        {
            return (token.clone(), *signed);
        }
        if tokens.len() >= ORIGINS_MAX {
            tokens.clear();
        }
        let claims = Claims { aud: origin, exp: now + SIGNED, sub: &self.subject };
        let token = format!("vapid t={}, k={}", self.key.sign(None, &claims), self.public_key());
        let mut token = HeaderValue::try_from(token).expect("a token is letters, digits and dots");
        token.set_sensitive(true);
        tokens.insert(origin.to_owned(), (now, token.clone()));
        (token, now)
    }

    fn forget(&self, origin: &str, signed: u64) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.get(origin).is_some_and(|(at, _)| *at == signed) {
            tokens.remove(origin);
        }
    }
}

impl Sender for Web {
    fn send<'a>(&'a self, push: &'a Push) -> Trying<'a> {
        Box::pin(self.try_it(push))
    }
}

impl fmt::Debug for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Web").field(&self.subject).finish()
    }
}

/// A place among those under way to one push service; given back when it is dropped.
struct Turn<'a> {
    busy: &'a Mutex<HashMap<String, usize>>,
    authority: &'a str,
}

impl<'a> Turn<'a> {
    fn take(busy: &'a Mutex<HashMap<String, usize>>, authority: &'a str) -> Option<Turn<'a>> {
        let mut counts = busy.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(authority.to_owned()).or_default();
        if *count >= HOST_MAX {
            return None;
        }
        *count += 1;
        Some(Turn { busy, authority })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut counts = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(self.authority) {
            *count -= 1;
            if *count == 0 {
                counts.remove(self.authority);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";

    fn place(endpoint: &str, key: &str, auth: &str, reach: Reach) -> bool {
        let token =
            format!(r#"{{"endpoint":"{endpoint}","expirationTime":null,"keys":{{"p256dh":"{key}","auth":"{auth}"}}}}"#);
        assert!(Subscription::is_one(token.as_bytes()));
        Subscription::place(token.as_bytes(), reach).is_some()
    }

    #[test]
    fn a_subscription_is_an_address_of_https_with_keys() {
        let auth = "BTBZMqHH6r4Tts7J_aSIgg";
        let good = |endpoint| place(endpoint, KEY, auth, Reach::Outside);
        assert!(good("https://push.example.org/a?b=c") && good("https://push.example.org:8443/a"));
        assert!(place("https://p.example/", &format!("{KEY}="), "BTBZMqHH6r4Tts7J/aSIgg==", Reach::Outside));
        assert!(!good("http://push.example.org/a") && place("http://127.0.0.1:1/", KEY, auth, Reach::Any));
        assert!(!good("ftp://push.example.org/a") && !good("/a") && !good("https://u:p@push.example.org/"));
        assert!(!good(&format!("https://push.example.org/{}", "a".repeat(ENDPOINT_MAX))));
        assert!(!place("https://p.example/", "BCVx", auth, Reach::Outside));
        assert!(!place("https://p.example/", KEY, "short", Reach::Outside));
        assert!(Subscription::place(b"{}", Reach::Any).is_none() && Subscription::place(b"{", Reach::Any).is_none());
        assert!(!Subscription::is_one(b"e9b1"));
    }
}
