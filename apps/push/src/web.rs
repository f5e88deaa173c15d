//! Web Push and UnifiedPush: any push service, at the address that the device gives (RFC 8030). What it carries is sealed for the device
//! (RFC 8291); it knows us by a key of ours (RFC 8292).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD as BASE64};
use bytes::Bytes;
use fetch::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use fetch::{Http, Reach, RootCertStore, Setup, Speaks, Uri};
use serde::{Deserialize, Serialize};

use crate::clock::{Clock, seconds};
use crate::sealed::{AUTH, Fault, POINT, seal};
use crate::verdict::said;
use crate::{Error, PATIENCE, Push, Sender, Signer, Trying, Verdict, in_time};

/// How long a token of ours is good, and when it is signed anew, seconds; a day is the most. A clock that is wrong by hours does not matter.
const SIGNED: u64 = 12 * 3600;
const RENEW: u64 = 4 * 3600;
/// Push services whose tokens and clocks are kept; beyond, all are signed anew.
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
    /// Origin → what is shown there.
    shown: Mutex<HashMap<String, Shown>>,
    /// Host → pushes under way.
    busy: Mutex<HashMap<String, usize>>,
}

/// A token, and when it was signed by whose clock. A device names any push service it likes: what one says of the time is for itself.
struct Shown {
    clock: Clock,
    signed: u64,
    token: HeaderValue,
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
    /// By which it is held to what one may have under way: all ports, however its letters are written.
    host: String,
    theirs: [u8; POINT],
    auth: [u8; AUTH],
}

impl Subscription {
    fn place(token: &[u8], reach: Reach) -> Option<Place> {
        let Subscription { endpoint, keys } = serde_json::from_slice(token).ok()?;
        let url: Uri = endpoint.parse().ok().filter(|_| endpoint.len() <= ENDPOINT_MAX)?;
        let is_http = match url.scheme_str()? {
            "https" => true,
            "http" => reach == Reach::Any,
            _ => false,
        };
        // A name and a password in it would be sent to nobody, and mislead whoever reads the ledger.
        let authority = url.authority().filter(|authority| is_http && !authority.as_str().contains('@'))?;
        let host = authority.host().trim_end_matches('.').to_ascii_lowercase();
        let origin = origin(&url)?;
        Some(Place { origin, host, theirs: decoded(&keys.p256dh)?, auth: decoded(&keys.auth)?, url })
    }
}

/// As it is compared (RFC 6454 section 6.2): a port that goes without saying is not said.
fn origin(url: &Uri) -> Option<String> {
    let (scheme, host) = (url.scheme_str()?, url.host()?.to_ascii_lowercase());
    let usual = if scheme == "https" { 443 } else { 80 };
    Some(match url.port_u16().filter(|port| *port != usual) {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    })
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
        Ok(Web { http, key, subject: subject.to_owned(), reach, shown: Mutex::default(), busy: Mutex::default() })
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
        let Some(_turn) = Turn::take(&self.busy, &place.host) else {
            return Verdict::Busy;
        };
        let token = self.token(&place.origin);
        let headers = headers(push, token.clone());
        match self.http.post(&place.url, &headers, record, PATIENCE).await {
            Ok(reply) => match reply.status.as_u16() {
                404 | 410 => Verdict::Dead(said(reply.status, "")),
                // Perhaps its clock is far from ours.
                401 | 403 if self.renews(&place.origin, &token, &reply.headers) => {
                    Verdict::later(said(reply.status, "clocks differ"))
                }
                _ => Verdict::of(&reply, ""),
            },
            Err(error) => Verdict::failed(&error),
        }
    }

    fn token(&self, origin: &str) -> HeaderValue {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if shown.len() >= ORIGINS_MAX && !shown.contains_key(origin) {
            shown.clear();
        }
        let clock = match shown.get(origin) {
            Some(it) if it.clock.now().abs_diff(it.signed) < RENEW => return it.token.clone(),
            Some(it) => it.clock.clone(),
            None => Clock::default(),
        };
        let (signed, token) = self.sign(origin, &clock);
        shown.insert(origin.to_owned(), Shown { clock, signed, token: token.clone() });
        token
    }

    /// After a token was refused: whether there is another by now, signed by the push service's own time if that was the fault.
    fn renews(&self, origin: &str, refused: &HeaderValue, answer: &HeaderMap) -> bool {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(it) = shown.get_mut(origin).filter(|it| it.token == *refused) else { return true };
        let differs = it.clock.set(answer);
        if differs {
            (it.signed, it.token) = self.sign(origin, &it.clock);
        }
        differs
    }

    fn sign(&self, origin: &str, clock: &Clock) -> (u64, HeaderValue) {
        let now = clock.now();
        let claims = Claims { aud: origin, exp: now + SIGNED, sub: &self.subject };
        let token = format!("vapid t={}, k={}", self.key.sign(None, &claims), self.public_key());
        let mut token = HeaderValue::try_from(token).expect("a token is letters, digits and dots");
        token.set_sensitive(true);
        (now, token)
    }
}

fn headers(push: &Push, token: HeaderValue) -> [(HeaderName, HeaderValue); 6] {
    let life = push.expires.saturating_sub(seconds(std::time::SystemTime::now()));
    [
        (CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (CONTENT_ENCODING, HeaderValue::from_static("aes128gcm")),
        (AUTHORIZATION, token),
        (HeaderName::from_static("ttl"), HeaderValue::from(life)),
        (HeaderName::from_static("urgency"), HeaderValue::from_static("high")),
        // One that waits there and is tried again takes its own place.
        (HeaderName::from_static("topic"), HeaderValue::from(push.id)),
    ]
}

impl Sender for Web {
    fn send<'a>(&'a self, push: &'a Push) -> Trying<'a> {
        Box::pin(in_time(self.try_it(push)))
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
    host: &'a str,
}

impl<'a> Turn<'a> {
    fn take(busy: &'a Mutex<HashMap<String, usize>>, host: &'a str) -> Option<Turn<'a>> {
        let mut counts = busy.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(host.to_owned()).or_default();
        if *count >= HOST_MAX {
            return None;
        }
        *count += 1;
        Some(Turn { busy, host })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut counts = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(self.host) {
            *count -= 1;
            if *count == 0 {
                counts.remove(self.host);
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
    }

    fn of(endpoint: &str) -> Place {
        let keys = format!(r#"{{"p256dh":"{KEY}","auth":"BTBZMqHH6r4Tts7J_aSIgg"}}"#);
        Subscription::place(format!(r#"{{"endpoint":"{endpoint}","keys":{keys}}}"#).as_bytes(), Reach::Outside).unwrap()
    }

    #[test]
    fn a_host_is_one_whatever_its_port_and_its_letters() {
        let hosts = ["https://Push.example.org:1/a", "https://push.EXAMPLE.org:2/b", "https://push.example.org./c"];
        assert!(hosts.iter().all(|endpoint| of(endpoint).host == "push.example.org"));
        assert_eq!(of("HTTPS://Push.example.org:8443/A").origin, "https://push.example.org:8443");
        assert_eq!(of("https://Push.example.org:443/a").origin, "https://push.example.org");
        assert_eq!(of("https://[2001:db8::1]:443/a").origin, "https://[2001:db8::1]");
        assert_eq!(of("https://push.example.org:80/a").origin, "https://push.example.org:80");
        let (busy, host) = (Mutex::default(), "push.example.org");
        let turns: Vec<_> = (0..HOST_MAX).map(|_| Turn::take(&busy, host).unwrap()).collect();
        assert!(Turn::take(&busy, host).is_none() && Turn::take(&busy, "other.example.org").is_some());
        drop(turns);
        assert!(busy.into_inner().unwrap().is_empty());
    }

    #[test]
    fn what_a_push_service_says_of_the_time_is_for_itself() {
        let key = Signer::es256(Signer::generate().unwrap().as_bytes()).unwrap();
        let web = Web::new(key, "mailto:admin@example.org", Reach::Outside, RootCertStore::empty()).unwrap();
        let (evil, good) = ("https://evil.example", "https://good.example");
        let answer = |date| HeaderMap::from_iter([(fetch::header::DATE, HeaderValue::from_static(date))]);
        let (later, nothing) = (answer("Sun, 01 Jan 2040 00:00:00 GMT"), HeaderMap::new());
        let (shown, theirs) = (web.token(good), web.token(evil));
        assert!(web.renews(evil, &theirs, &later), "signed by its own clock");
        assert!(web.renews(evil, &theirs, &nothing), "another try was under way with the token before");
        assert!(!web.renews(evil, &web.token(evil), &later), "it has its own time, and refuses it");
        assert!(web.token(evil) != theirs && web.token(good) == shown);
        assert!(!web.renews(good, &shown, &nothing));
    }
}
