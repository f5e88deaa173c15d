//! OCSP over HTTP (RFC 6960 appendix A): POST, and GET with the request in the path.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ca::ocsp::{GOOD_FOR, REQUEST_MAX, respond};
use web::{Asked, Reply, Routes, StatusCode, reply, status};

use super::{Office, kept_for, unarmoured};

const PATH: &str = "/ocsp/";
/// What is between a client and here may keep an answer for half of the time it is good (RFC 5019 section 6.2).
const ANSWER_KEPT: Duration = Duration::from_secs(GOOD_FOR.as_secs() / 2);

pub(super) fn open(office: Arc<Office>, routes: &mut Routes) {
    for path in ["/ocsp", PATH] {
        let own = office.clone();
        routes.post(path, REQUEST_MAX, move |asked| {
            let answer = own.answer(&asked, Some(&asked.body));
            async move { answer }
        });
    }
    routes.get(PATH, move |asked| {
        let answer = office.answer(&asked, in_path(asked.uri.path()).as_deref());
        async move { answer }
    });
}

impl Office {
    fn answer(&self, asked: &Asked, request: Option<&[u8]>) -> Reply {
        if !self.may_ask(asked.peer.source) {
            return status(StatusCode::TOO_MANY_REQUESTS);
        }
        let Some(request) = request else { return status(StatusCode::BAD_REQUEST) };
        let registrar = &self.registrar;
        let known = |serial: &[u8]| {
            registrar.status(serial).map_err(|failure| {
                tracing::error!(%failure, "cannot say what became of a certificate");
                ca::Error::Certificate("the books cannot be read")
            })
        };
        let answer = respond(&registrar.authority, request, SystemTime::now(), known);
        kept_for(ANSWER_KEPT, reply(StatusCode::OK, "application/ocsp-response", answer))
    }
}

/// Base64, in which `+`, `/` and `=` may be written with percent signs.
fn in_path(path: &str) -> Option<Vec<u8>> {
    let text = path.strip_prefix(PATH)?;
    if text.len() > 2 * REQUEST_MAX {
        return None;
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let pair = [bytes.next()?, bytes.next()?];
                plain.push(u8::from_str_radix(std::str::from_utf8(&pair).ok()?, 16).ok()?);
            }
            _ => plain.push(byte),
        }
    }
    unarmoured(&plain).map(Vec::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_stands_in_the_path_in_base64() {
        assert_eq!(in_path("/ocsp/aGk%2B"), Some(b"hi>".to_vec()));
        assert_eq!(in_path("/ocsp/aGk="), Some(b"hi".to_vec()));
        assert_eq!(in_path("/ocsp/aGk%3d"), Some(b"hi".to_vec()));
        for bad in ["/ocsp/aGk%", "/ocsp/aGk%zz", "/ocsp/!", "/other"] {
            assert_eq!(in_path(bad), None, "{bad}");
        }
        assert_eq!(in_path(&format!("/ocsp/{}", "A".repeat(2 * REQUEST_MAX + 1))), None);
    }
}
