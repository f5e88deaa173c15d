//! What became of a try.

use std::time::{Duration, SystemTime};

use fetch::header::{HeaderMap, RETRY_AFTER};
use fetch::{Error, Reply, StatusCode};

/// No gateway is obeyed that wants to be left alone for longer.
const AFTER_MAX: Duration = Duration::from_secs(60 * 60);
/// Bytes of another's words that are kept.
const WORDS_MAX: usize = 80;

/// What a gateway says of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is the gateway's from now on.
    Accepted,
    /// The device has no such token any more, or never had.
    Dead(String),
    /// It will not be taken, however often it is tried.
    Refused(String),
    /// It was not tried: too many others are under way to the same place.
    Busy,
    /// It does not take us for who we are: the operator has something to mend, and the push waits for it.
    Stranger(String),
    /// Not now; perhaps after a while, which the gateway may name.
    Later { why: String, after: Option<Duration> },
}

impl Verdict {
    pub(crate) fn later(why: impl Into<String>) -> Verdict {
        Verdict::Later { why: why.into(), after: None }
    }

    /// What all gateways mean by a status, where they say no more: `why` are its own words.
    pub(crate) fn of(reply: &Reply, why: &str) -> Verdict {
        let why = said(reply.status, why);
        match reply.status {
            status if status.is_success() => Verdict::Accepted,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => later_by(reply, why),
            status if status.is_server_error() => later_by(reply, why),
            // Redirects among them, which are not followed.
            _ => Verdict::Refused(why),
        }
    }

    /// There was no answer.
    pub(crate) fn failed(error: &Error) -> Verdict {
        match error {
            Error::Internal => Verdict::Refused(plain(&error.to_string())),
            Error::Late(_) | Error::Broken(_) | Error::Roots(_) => Verdict::later(plain(&error.to_string())),
        }
    }
}

/// Status and words.
pub(crate) fn said(status: StatusCode, why: &str) -> String {
    format!("{} {}", status.as_str(), plain(why)).trim_end().to_owned()
}

/// Words, of which only letters of ASCII and so many are taken over: they come from outside, as the names in a certificate do.
pub(crate) fn plain(why: &str) -> String {
    let is_plain = |letter: &char| letter.is_ascii_graphic() || *letter == ' ';
    why.chars().filter(is_plain).take(WORDS_MAX).collect()
}

pub(crate) fn later_by(reply: &Reply, why: String) -> Verdict {
    Verdict::Later { why, after: retry_after(&reply.headers, SystemTime::now()) }
}

/// Seconds, or the time itself.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let after = match text.parse().map(Duration::from_secs) {
        Ok(after) => after,
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default(),
    };
    Some(after.min(AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, header: Option<&'static str>) -> Reply {
        let mut headers = HeaderMap::new();
        header.map(|value| headers.insert(RETRY_AFTER, value.parse().unwrap()));
        Reply { status: StatusCode::from_u16(status).unwrap(), headers, body: Default::default() }
    }

    #[test]
    fn a_status_alone_says_whether_another_try_is_worth_while() {
        assert_eq!(Verdict::of(&reply(201, None), ""), Verdict::Accepted);
        assert_eq!(Verdict::of(&reply(301, None), ""), Verdict::Refused("301".into()));
        assert_eq!(Verdict::of(&reply(413, None), "too\u{1b}[1m large\n"), Verdict::Refused("413 too[1m large".into()));
        let long = Error::Broken(format!("for \u{1b}{}", "x".repeat(1000)));
        assert_eq!(Verdict::failed(&long), Verdict::later(format!("for {}", "x".repeat(WORDS_MAX - 4))));
        let after = |seconds| Some(Duration::from_secs(seconds));
        let later = |status, header, after| {
            assert_eq!(Verdict::of(&reply(status, header), ""), Verdict::Later { why: status.to_string(), after });
        };
        later(500, None, None);
        later(408, None, None);
        later(429, Some("120"), after(120));
        later(503, Some("999999"), after(3600));
        later(503, Some("soon"), None);
        later(503, Some("Sun, 06 Nov 1994 08:49:37 GMT"), after(0));
    }
}
