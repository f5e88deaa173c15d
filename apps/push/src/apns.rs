//! APNs: Apple's gateway, by its provider API over HTTP/2. We are known by tokens that we sign, or by a certificate.

use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use fetch::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use fetch::{Http, Reach, Reply, RootCertStore, Setup, Speaks, StatusCode, Uri};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};

use crate::clock::{Clock, seconds};
use crate::verdict::said;
use crate::{BODY_MAX, Error, PATIENCE, Push, Sender, Signer, Trying, Verdict, in_time};

/// Age at which a token is signed anew, seconds: Apple wants it no more often than every 20 minutes, and takes none older than an hour.
const RENEW: u64 = 40 * 60;
const RENEW_MIN: u64 = 20 * 60;
/// Bytes of a device's token: hexadecimal, of 32 bytes today.
const TOKEN_MAX: usize = 200;
/// Letters of a bundle id.
const BUNDLE_MAX: usize = 155;
/// A body for `calling` may be longer than others.
const VOIP_MAX: usize = 5120;

/// Who we are.
pub enum Credentials {
    /// The id of the key, and of the team that it belongs to.
    Token {
        key: Signer,
        key_id: String,
        team_id: String,
    },
    Certificate {
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    },
}

/// Where it is; a device says which of the two it wants, and no more.
#[derive(Debug, Clone)]
pub struct Gateways {
    pub live: Uri,
    pub sandbox: Uri,
}

#[derive(Debug)]
pub struct Apns {
    http: Http,
    gateways: Gateways,
    /// Ours; the first is that of devices that name none.
    bundles: Vec<String>,
    clock: Clock,
    /// Absent with a certificate.
    tokens: Option<Tokens>,
}

/// The token that is shown, and what the next is signed by.
#[derive(Debug)]
struct Tokens {
    key: Signer,
    key_id: String,
    team_id: String,
    last: Mutex<Option<Signed>>,
}

/// When, by our clock and as the token says by Apple's: what Apple's answers say of the time makes no token older.
#[derive(Debug)]
struct Signed {
    ours: u64,
    theirs: u64,
    token: HeaderValue,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    iat: u64,
}

/// What Apple says of a push that it does not take.
#[derive(Debug, Default, Deserialize)]
struct Reason {
    #[serde(default)]
    reason: String,
}

impl Apns {
    pub fn new(
        who: Credentials,
        gateways: Gateways,
        bundles: Vec<String>,
        roots: RootCertStore,
    ) -> Result<Apns, Error> {
        if bundles.is_empty() || !bundles.iter().all(|bundle| is_bundle(bundle)) {
            return Err(Error::Given("bundle ids are letters, digits, '.' and '-', and there is one at least".into()));
        }
        let (tokens, identity) = match who {
            Credentials::Token { key, key_id, team_id } => {
                (Some(Tokens { key, key_id, team_id, last: Mutex::default() }), None)
            }
            Credentials::Certificate { chain, key } => (None, Some((chain, key))),
        };
        let http = Http::new(Setup { roots, identity, reach: Reach::Any, speaks: Speaks::Two })?;
        Ok(Apns { http, gateways, bundles, clock: Clock::default(), tokens })
    }

    async fn try_it(&self, push: &Push) -> Verdict {
        let (url, bundle) = match (self.url(push), self.bundle(push)) {
            (Some(url), Some(bundle)) => (url, bundle),
            (None, _) => return Verdict::Dead("it is no token".into()),
            (_, None) => return Verdict::Refused("it is no app of ours".into()),
        };
        if push.body.len() > if push.is_call { VOIP_MAX } else { BODY_MAX } {
            return Verdict::Refused("too long".into());
        }
        let token = self.tokens.as_ref().map(|tokens| tokens.current(&self.clock));
        let answer = match self.post(&url, push, bundle, token.as_ref()).await {
            // A clock that differs is known now: one try by the gateway's own time.
            Ok(reply) if reply.status == StatusCode::FORBIDDEN => match self.renewed(&reply, token.as_ref()) {
                Some(token) => self.post(&url, push, bundle, Some(&token)).await,
                None => Ok(reply),
            },
            answer => answer,
        };
        if let Ok(reply) = &answer {
            self.clock.set(&reply.headers);
        }
        match answer {
            Ok(reply) => verdict(&reply),
            Err(error) => Verdict::failed(&error),
        }
    }

    fn url(&self, push: &Push) -> Option<Uri> {
        let token = std::str::from_utf8(&push.token).ok()?;
        let is_token = (1..=TOKEN_MAX).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_hexdigit());
        let gateway = if push.sandbox { &self.gateways.sandbox } else { &self.gateways.live };
        let url = format!("{}://{}/3/device/{token}", gateway.scheme_str()?, gateway.authority()?);
        is_token.then(|| url.parse().ok()).flatten()
    }

    /// One of ours: a client does not make us wake somebody else's app.
    fn bundle(&self, push: &Push) -> Option<&str> {
        match &push.bundle {
            None => self.bundles.first().map(String::as_str),
            Some(named) => self.bundles.iter().find(|bundle| *bundle == named).map(String::as_str),
        }
    }

    async fn post(
        &self,
        url: &Uri,
        push: &Push,
        bundle: &str,
        token: Option<&HeaderValue>,
    ) -> Result<Reply, fetch::Error> {
        let (topic, kind) = match push.is_call {
            true => (format!("{bundle}.voip"), "voip"),
            false => (bundle.to_owned(), "alert"),
        };
        let named = |name: &'static str, value: &str| {
            let value = HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static(""));
            (HeaderName::from_static(name), value)
        };
        let mut headers = vec![
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            named("apns-topic", &topic),
            named("apns-push-type", kind),
            named("apns-priority", "10"),
            named("apns-expiration", &self.clock.theirs(push.expires).to_string()),
            named("apns-id", &uuid(push.id)),
            // A push that is tried again, since its answer was lost, is shown once.
            named("apns-collapse-id", &format!("{:016x}", push.id)),
        ];
        headers.extend(token.map(|token| (AUTHORIZATION, token.clone())));
        self.http.post(url, &headers, push.body.clone(), PATIENCE).await
    }

    /// Another token, if the answer says that the one shown is too old and one may be signed, or has been signed meanwhile.
    fn renewed(&self, reply: &Reply, shown: Option<&HeaderValue>) -> Option<HeaderValue> {
        let (tokens, shown) = self.tokens.as_ref().zip(shown)?;
        let was_wrong = self.clock.set(&reply.headers);
        match reason(reply).as_str() {
            "ExpiredProviderToken" | "InvalidProviderToken" => tokens.renewed(&self.clock, shown, was_wrong),
            _ => None,
        }
    }
}

impl Sender for Apns {
    fn send<'a>(&'a self, push: &'a Push) -> Trying<'a> {
        Box::pin(in_time(self.try_it(push)))
    }
}

impl Tokens {
    fn current(&self, clock: &Clock) -> HeaderValue {
        let now = seconds(SystemTime::now());
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some(Signed { ours, token, .. }) if now.abs_diff(*ours) < RENEW => token.clone(),
            Some(_) | None => last.insert(self.sign(clock)).token.clone(),
        }
    }

    fn renewed(&self, clock: &Clock, shown: &HeaderValue, was_wrong: bool) -> Option<HeaderValue> {
        let now = clock.now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some(Signed { token, .. }) if token != shown => Some(token.clone()),
            Some(Signed { theirs, .. }) if !was_wrong && now.abs_diff(*theirs) < RENEW_MIN => None,
            Some(_) | None => Some(last.insert(self.sign(clock)).token.clone()),
        }
    }

    fn sign(&self, clock: &Clock) -> Signed {
        let (ours, theirs) = (seconds(SystemTime::now()), clock.now());
        let token = self.key.sign(Some(&self.key_id), &Claims { iss: &self.team_id, iat: theirs });
        let mut token = HeaderValue::try_from(format!("bearer {token}")).expect("a token is letters, digits and dots");
        token.set_sensitive(true);
        Signed { ours, theirs, token }
    }
}

/// Apple's words, with what they mean for the token and for another try.
fn verdict(reply: &Reply) -> Verdict {
    let reason = reason(reply);
    let why = said(reply.status, &reason);
    match (reply.status.as_u16(), reason.as_str()) {
        (410, _) | (400, "BadDeviceToken") => Verdict::Dead(why),
        // It is we who are not known; somebody will put that right, or the push expires.
        (403, _) => Verdict::Stranger(why),
        _ => Verdict::of(reply, &reason),
    }
}

fn reason(reply: &Reply) -> String {
    serde_json::from_slice::<Reason>(&reply.body).unwrap_or_default().reason
}

fn is_bundle(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    (1..=BUNDLE_MAX).contains(&text.len()) && text.bytes().all(is_letter)
}

/// The id as Apple writes ids.
fn uuid(id: u64) -> String {
    format!("{:08x}-{:04x}-4000-8000-{:012x}", id >> 32, id >> 16 & 0xffff, id & 0xffff)
}
