//! The provider `webhook` (ID-11): codes are posted to a service of the operator's, which sends them or reads them out.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chat::{Channel, WorkError, WorkResult};
use fetch::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use fetch::{Http, Reach, Setup, Speaks, StatusCode, Uri};
use proto::ids::Phone;
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::failure::Failure;
use crate::home::Home;
use crate::settings::Settings;

/// A post that failed is tried once more, after a while. Both together end before the caller gives up.
const TRIES: u32 = 2;
const PAUSE: Duration = Duration::from_millis(300);
/// A post that has not been answered in this time has failed; callers of the chat wait five seconds in all.
const ATTEMPT: Duration = Duration::from_secs(2);
/// Posts under way; a further one fails at once.
const POSTS_MAX: usize = 256;

/// Where codes are posted.
pub(crate) struct Webhook {
    http: Http,
    url: Uri,
    headers: Vec<(HeaderName, HeaderValue)>,
    places: Arc<Semaphore>,
}

/// What is posted.
#[derive(Serialize)]
struct Post<'a> {
    phone: &'a str,
    code: &'a str,
    language: Option<&'a str>,
    channel: &'static str,
}

impl Webhook {
    /// `None` when the configuration names none.
    pub(crate) fn new(home: &Home, settings: &Settings) -> Result<Option<Arc<Webhook>>, Failure> {
        let hook = &settings.auth.webhook;
        if hook.url.is_empty() {
            return Ok(None);
        }
        let refused = |why: &str| Failure::Refused(format!("auth.webhook: {why}"));
        let url = hook.url.parse().map_err(|_| refused("the url is none"))?;
        let mut headers = vec![(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        if !hook.token_file.is_empty() {
            let token = ca::files::read_secret(home.path().join(&hook.token_file))?;
            let token = std::str::from_utf8(&token).map_err(|_| refused("the token is no text"))?.trim();
            let mut value =
                HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| refused("the token is none"))?;
            value.set_sensitive(true);
            headers.push((AUTHORIZATION, value));
        }
        let roots = settings.http.trusted()?;
        let http = Http::new(Setup { roots, identity: None, reach: Reach::Any, speaks: Speaks::Either })?;
        Ok(Some(Arc::new(Webhook { http, url, headers, places: Arc::new(Semaphore::new(POSTS_MAX)) })))
    }

    /// Posts a code; the service has it when this says so.
    pub(crate) async fn send(
        &self,
        phone: &Phone,
        code: &[u8],
        language: Option<&[u8]>,
        channel: Channel,
    ) -> WorkResult {
        let Ok(_place) = self.places.try_acquire() else {
            tracing::warn!("too many posts to the webhook are under way");
            return WorkResult::Failed(WorkError::Broken);
        };
        let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
        let channel = match channel {
            Channel::Sms => "sms",
            Channel::Voice => "voice",
        };
        let post = Post { phone: phone.as_str(), code: text(code), language: language.map(text), channel };
        let json: Bytes = proto::erased(serde_json::to_vec(&post).unwrap_or_default());
        for attempt in 1..=TRIES {
            match self.http.post(&self.url, &self.headers, json.clone(), ATTEMPT).await.map(|reply| reply.status) {
                Ok(status) if status.is_success() => return WorkResult::Sent,
                Ok(status) => {
                    tracing::warn!(%status, attempt, "the webhook did not take a code");
                    if !is_passing(status) {
                        break;
                    }
                }
                Err(failure) => tracing::warn!(%failure, attempt, "the webhook cannot be reached"),
            }
            if attempt < TRIES {
                tokio::time::sleep(PAUSE).await;
            }
        }
        WorkResult::Failed(WorkError::Broken)
    }
}

/// Worth another try.
fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    /// A service on a free port that gives these answers, a connection each, and tells what it was posted.
    fn service(answers: &'static [&'static str]) -> (String, Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/codes", listener.local_addr().unwrap());
        let (tell, told) = channel();
        std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut asked = Vec::new();
                let mut chunk = [0; 4096];
                while !asked.ends_with(b"}") {
                    let count = stream.read(&mut chunk).unwrap();
                    asked.extend_from_slice(&chunk[..count]);
                }
                tell.send(String::from_utf8(asked).unwrap()).unwrap();
                write!(stream, "HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
            }
        });
        (url, told)
    }

    fn hook(url: &str, token: Option<&str>) -> (tempfile::TempDir, Arc<Webhook>) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::find(Some(folder.path().into())).unwrap();
        let mut settings = Settings::default();
        settings.auth.webhook.url = url.to_owned();
        if let Some(token) = token {
            ca::files::write_secret(folder.path().join("hook.token"), token).unwrap();
            settings.auth.webhook.token_file = "hook.token".into();
        }
        let hook = Webhook::new(&home, &settings).unwrap().unwrap();
        (folder, hook)
    }

    fn send(hook: &Webhook, channel: Channel) -> bool {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let phone = Phone::parse(b"380670000001").unwrap();
        matches!(runtime.block_on(hook.send(&phone, b"123456", Some(b"uk"), channel)), WorkResult::Sent)
    }

    #[test]
    fn id_11_a_code_is_posted_with_number_language_and_channel() {
        let (url, told) = service(&["200 OK", "204 No Content"]);
        let (_folder, hook) = hook(&url, Some("secret\n"));
        assert!(send(&hook, Channel::Sms));
        let asked = told.recv().unwrap();
        assert!(asked.starts_with("POST /codes HTTP/1.1\r\n") && asked.contains("authorization: Bearer secret\r\n"));
        assert!(asked.ends_with(r#"{"phone":"380670000001","code":"123456","language":"uk","channel":"sms"}"#));
        assert!(send(&hook, Channel::Voice));
        assert!(told.recv().unwrap().contains(r#""channel":"voice""#));
    }

    #[test]
    fn id_11_a_failure_of_the_service_is_tried_once_more_a_refusal_is_not() {
        let (url, told) = service(&["503 Service Unavailable", "200 OK"]);
        assert!(send(&hook(&url, None).1, Channel::Sms));
        assert_eq!(told.iter().count(), 2);

        let (url, told) = service(&["503 Service Unavailable", "500 Internal Server Error"]);
        assert!(!send(&hook(&url, None).1, Channel::Sms));
        assert_eq!(told.iter().count(), 2);

        let (url, told) = service(&["422 Unprocessable Content"]);
        assert!(!send(&hook(&url, None).1, Channel::Sms));
        assert_eq!(told.iter().count(), 1);
    }

    #[test]
    fn id_11_nobody_there_is_a_failure() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        drop(listener);
        assert!(!send(&hook(&url, None).1, Channel::Sms));
    }
}
