//! FCM: Google's gateway, by its HTTP v1 API. We are known by access tokens, which a service account's signature gets us (RFC 7523).

use std::fmt;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fetch::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use fetch::{Http, Reach, Reply, RootCertStore, Setup, Speaks, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::verdict::{plain, said};
use crate::{BODY_MAX, Error, PATIENCE, Push, Sender, Signer, Trying, Verdict, in_time};

const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
const GRANT: &str = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
/// How long what we sign is good, seconds; Google takes an hour at most.
const SIGNED: u64 = 3600;
/// An access token is renewed so long before its end; one that is shorter, at half its time.
const MARGIN: Duration = Duration::from_secs(5 * 60);
/// After a failure nobody asks for an access token for so long.
const PAUSE: Duration = Duration::from_secs(5);
/// Bytes that a message has besides its data: the API counts the data alone.
const ENVELOPE: usize = 1024;

/// Who we are: what of Google's file of a service account is needed.
#[derive(Deserialize)]
pub struct Account {
    project_id: String,
    client_email: String,
    private_key_id: Option<String>,
    private_key: String,
    token_uri: String,
}

pub struct Fcm {
    http: Http,
    url: Uri,
    token_url: Uri,
    account: Account,
    key: Signer,
    clock: Clock,
    access: Mutex<Access>,
}

/// The access token, or when the last attempt to get one failed.
#[derive(Default)]
enum Access {
    #[default]
    None,
    Good {
        token: HeaderValue,
        until: Instant,
    },
    Failed {
        verdict: Verdict,
        at: Instant,
    },
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'static str,
    aud: &'a str,
    iat: u64,
    exp: u64,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: u64,
}

/// What Google says of a push that it does not take.
#[derive(Debug, Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    error: Status,
}

#[derive(Debug, Default, Deserialize)]
struct Status {
    #[serde(default)]
    status: String,
    #[serde(default)]
    details: Vec<Detail>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    #[serde(default)]
    error_code: String,
    #[serde(default)]
    field_violations: Vec<Violation>,
}

#[derive(Debug, Default, Deserialize)]
struct Violation {
    #[serde(default)]
    field: String,
}

impl Account {
    pub fn parse(json: &[u8]) -> Result<Account, Error> {
        // The error would quote the file.
        let account: Account =
            serde_json::from_slice(json).map_err(|_| Error::Given("it is no key of a service account, JSON".into()))?;
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':');
        match !account.project_id.is_empty() && account.project_id.bytes().all(is_letter) {
            true => Ok(account),
            false => Err(Error::Given("its project_id is none".into())),
        }
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Account").field(&self.client_email).finish()
    }
}

impl Fcm {
    /// `gateway`: where it is, without a path.
    pub fn new(account: Account, gateway: &Uri, roots: RootCertStore) -> Result<Fcm, Error> {
        let key = Signer::rs256(account.private_key.as_bytes())?;
        let url = |text: &str| text.parse().map_err(|_| Error::Given(format!("{text} is no URL")));
        let token_url = url(&account.token_uri)?;
        let gateway = gateway.to_string();
        let url = url(&format!("{}/v1/projects/{}/messages:send", gateway.trim_end_matches('/'), account.project_id))?;
        let http = Http::new(Setup { roots, identity: None, reach: Reach::Any, speaks: Speaks::Two })?;
        Ok(Fcm { http, url, token_url, account, key, clock: Clock::default(), access: Mutex::default() })
    }

    async fn try_it(&self, push: &Push) -> Verdict {
        if push.body.len() > BODY_MAX + ENVELOPE {
            return Verdict::Refused("too long".into());
        }
        let token = match self.token().await {
            Ok(token) => token,
            Err(verdict) => return verdict,
        };
        match self.post(push, token.clone()).await {
            Ok(reply) if reply.status == StatusCode::UNAUTHORIZED => {
                self.forget(&token).await;
                match self.token().await {
                    Ok(token) => self.judged(self.post(push, token).await),
                    Err(verdict) => verdict,
                }
            }
            answer => self.judged(answer),
        }
    }

    async fn post(&self, push: &Push, token: HeaderValue) -> Result<Reply, fetch::Error> {
        let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/json")), (AUTHORIZATION, token)];
        self.http.post(&self.url, &headers, push.body.clone(), PATIENCE).await
    }

    fn judged(&self, answer: Result<Reply, fetch::Error>) -> Verdict {
        match answer {
            Ok(reply) => verdict(&reply),
            Err(error) => Verdict::failed(&error),
        }
    }

    /// The access token, which one gets for all who wait.
    async fn token(&self) -> Result<HeaderValue, Verdict> {
        let mut access = self.access.lock().await;
        match &*access {
            Access::Good { token, until } if Instant::now() < *until => return Ok(token.clone()),
            Access::Failed { verdict, at } if at.elapsed() < PAUSE => return Err(verdict.clone()),
            Access::Good { .. } | Access::Failed { .. } | Access::None => {}
        }
        match self.ask().await {
            Ok((token, until)) => {
                *access = Access::Good { token: token.clone(), until };
                Ok(token)
            }
            Err(verdict) => {
                *access = Access::Failed { verdict: verdict.clone(), at: Instant::now() };
                Err(verdict)
            }
        }
    }

    /// The gateway does not take it any more; another may be there already.
    async fn forget(&self, refused: &HeaderValue) {
        let mut access = self.access.lock().await;
        if matches!(&*access, Access::Good { token, .. } if token == refused) {
            *access = Access::None;
        }
    }

    /// Asks, once more if our clock was wrong.
    async fn ask(&self) -> Result<(HeaderValue, Instant), Verdict> {
        let mut reply = self.grant().await?;
        if reply.status.is_client_error() && self.clock.set(&reply.headers) {
            reply = self.grant().await?;
        }
        let refused = || {
            let why = format!("no access token: {}", said(reply.status, ""));
            match reply.status {
                StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Verdict::later(why),
                status if status.is_client_error() => Verdict::Stranger(why),
                _ => Verdict::later(why),
            }
        };
        if !reply.status.is_success() {
            return Err(refused());
        }
        let granted: Granted = serde_json::from_slice(&reply.body).map_err(|_| refused())?;
        let mut token = HeaderValue::try_from(format!("Bearer {}", granted.access_token)).map_err(|_| refused())?;
        token.set_sensitive(true);
        let life = Duration::from_secs(granted.expires_in.min(SIGNED));
        let life = life.checked_sub(MARGIN).unwrap_or_default().max(life / 2);
        Ok((token, Instant::now() + life))
    }

    async fn grant(&self) -> Result<Reply, Verdict> {
        let now = self.clock.now();
        let Account { client_email, private_key_id, token_uri, .. } = &self.account;
        let claims = Claims { iss: client_email, scope: SCOPE, aud: token_uri, iat: now, exp: now + SIGNED };
        let assertion = self.key.sign(private_key_id.as_deref(), &claims);
        let form = Bytes::from(format!("grant_type={GRANT}&assertion={assertion}"));
        let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))];
        let reply = self.http.post(&self.token_url, &headers, form, PATIENCE / 2).await;
        reply.map_err(|error| Verdict::later(format!("no access token: {}", plain(&error.to_string()))))
    }
}

impl Sender for Fcm {
    fn send<'a>(&'a self, push: &'a Push) -> Trying<'a> {
        Box::pin(in_time(self.try_it(push)))
    }
}

/// Google's words, with what they mean for the token and for another try.
fn verdict(reply: &Reply) -> Verdict {
    let Status { status, details } = serde_json::from_slice::<Refusal>(&reply.body).unwrap_or_default().error;
    let code = details.iter().map(|detail| detail.error_code.as_str()).find(|code| !code.is_empty());
    let mut violations = details.iter().flat_map(|detail| &detail.field_violations);
    let why = code.unwrap_or(&status);
    match (reply.status.as_u16(), why) {
        (_, "UNREGISTERED") => Verdict::Dead(said(reply.status, why)),
        (400, _) if violations.any(|violation| violation.field == "message.token") => {
            Verdict::Dead(said(reply.status, why))
        }
        // It is we who are not known, or have asked in the wrong place; somebody will put that right, or the push expires.
        (401 | 404, _) | (403, "PERMISSION_DENIED") => Verdict::Stranger(said(reply.status, why)),
        _ => Verdict::of(reply, why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_dead_if_google_says_so_and_not_for_a_wrong_address_of_ours() {
        let of = |status, body: &'static str| {
            let (status, body) = (StatusCode::from_u16(status).unwrap(), Bytes::from_static(body.as_bytes()));
            verdict(&Reply { status, headers: Default::default(), body })
        };
        let unregistered = r#"{"error":{"status":"NOT_FOUND","details":[{"errorCode":"UNREGISTERED"}]}}"#;
        assert_eq!(of(404, unregistered), Verdict::Dead("404 UNREGISTERED".into()));
        assert_eq!(of(404, "<html>"), Verdict::Stranger("404".into()));
        assert_eq!(of(404, r#"{"error":{"status":"NOT_FOUND"}}"#), Verdict::Stranger("404 NOT_FOUND".into()));
        let violation =
            r#"{"error":{"status":"INVALID_ARGUMENT","details":[{"fieldViolations":[{"field":"message.token"}]}]}}"#;
        assert_eq!(of(400, violation), Verdict::Dead("400 INVALID_ARGUMENT".into()));
    }
}
