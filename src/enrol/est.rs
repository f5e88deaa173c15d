//! EST (RFC 7030): a device enrols with a standard client in one step.

use std::sync::Arc;

use proto::Refusal;
use proto::ids::{ClientId, ClientKind, Phone};
use web::{Asked, Reply, Routes, StatusCode, reply, status};

use super::device::{self, Refused};
use super::{Credentials, Office, REQUEST_MAX, armoured, credentials, unarmoured, who_are_you, with};

/// CsrAttrs (RFC 7030 section 4.5): a key on P-256, a signature by ECDSA with SHA-256.
const ATTRIBUTES: &[u8] = &[
    0x30, 0x21, 0x30, 0x15, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x31, 0x0a, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02,
];

/// How devices are called that enrol so.
const DEVICE: &str = "est";

pub(super) fn open(office: Arc<Office>, routes: &mut Routes) {
    let own = office.clone();
    routes.get("/.well-known/est/cacerts", move |_| {
        let answer = bundle(&own.registrar.authority.chain());
        async move { answer }
    });
    routes.get("/.well-known/est/csrattrs", |_| async { in_base64("application/csrattrs", ATTRIBUTES) });
    let own = office.clone();
    routes.post("/.well-known/est/simpleenroll", REQUEST_MAX, move |asked| {
        let office = own.clone();
        async move { answered(office.enrol(&asked).await) }
    });
    routes.post("/.well-known/est/simplereenroll", REQUEST_MAX, move |asked| {
        let office = office.clone();
        async move { answered(office.reenrol(&asked).await) }
    });
}

type Answer = Result<Vec<u8>, Refused>;

impl Office {
    /// By token, by invite, or by a certificate that is bound already.
    async fn enrol(&self, asked: &Asked) -> Answer {
        let request = self.request(asked)?;
        let done = match credentials(&asked.headers) {
            Some(Credentials::Bearer { client, token }) => self.by_token(&client, token, request).await,
            Some(Credentials::Basic { user, password }) => match ClientId::parse(user.as_bytes()).map(|id| id.kind()) {
                Ok(ClientKind::Device(..)) => self.by_token(&user, password, request).await,
                Ok(ClientKind::Reg | ClientKind::Guest | ClientKind::Sys | ClientKind::Plain) | Err(_) => {
                    let phone = Phone::parse(user.as_bytes()).map_err(|_| Refused::Unproved)?;
                    self.by_invite(asked.peer.source, &phone, password, request, DEVICE).await
                }
            },
            None => self.by_certificate(asked.peer.certificate.clone(), request).await,
        };
        self.judge(asked, done)
    }

    /// RFC 7030 section 4.2.2: by the certificate that is to be renewed.
    async fn reenrol(&self, asked: &Asked) -> Answer {
        let request = self.request(asked)?;
        let done = self.by_certificate(asked.peer.certificate.clone(), request).await;
        self.judge(asked, done)
    }

    fn request(&self, asked: &Asked) -> Result<bytes::Bytes, Refused> {
        if !asked.peer.secure {
            return Err(Refused::Insecure);
        }
        if self.is_tired_of(asked.peer.source) {
            return Err(Refused::TooOften);
        }
        // Before anybody is asked: what would be turned down uses up no invite.
        let request = unarmoured(&asked.body).ok_or(Refused::By(Refusal::InvalidData))?;
        ca::key_of_request(&request).map_err(|_| Refused::By(Refusal::InvalidData))?;
        Ok(request)
    }

    /// What failed for want of proof counts against the address; who has proved himself is no stranger.
    fn judge(&self, asked: &Asked, done: Answer) -> Answer {
        match &done {
            Err(Refused::Unproved) => self.has_failed(asked.peer.source),
            Ok(_) => asked.peer.known(),
            Err(Refused::By(_) | Refused::Insecure | Refused::TooOften | Refused::Late) => {}
        }
        done
    }

    async fn by_token(&self, client: &str, token: bytes::Bytes, request: bytes::Bytes) -> Answer {
        let Ok(ClientKind::Device(phone, device)) = ClientId::parse(client.as_bytes()).map(|id| id.kind()) else {
            return Err(Refused::Unproved);
        };
        let account = self.registrar.account_by(&phone, &device, &token).ok_or(Refused::Unproved)?;
        device::beside(self, account, device, Some(token), None, request).await
    }
}

fn answered(done: Answer) -> Reply {
    match done {
        Ok(certificate) => bundle(&[&certificate]),
        Err(Refused::Unproved) => who_are_you(),
        Err(Refused::Insecure) => status(StatusCode::FORBIDDEN),
        Err(Refused::TooOften) => status(StatusCode::TOO_MANY_REQUESTS),
        Err(Refused::Late) => status(StatusCode::SERVICE_UNAVAILABLE),
        Err(Refused::By(Refusal::InvalidData | Refusal::MismatchUserData)) => status(StatusCode::BAD_REQUEST),
        Err(Refused::By(Refusal::AttemptsExpired | Refusal::Limit)) => status(StatusCode::TOO_MANY_REQUESTS),
        Err(Refused::By(Refusal::Internal)) => status(StatusCode::INTERNAL_SERVER_ERROR),
        Err(Refused::By(_)) => status(StatusCode::FORBIDDEN),
    }
}

/// Certificates, and nothing else, in PKCS#7.
fn bundle(certificates: &[&[u8]]) -> Reply {
    match ca::certs_only(certificates) {
        Ok(message) => in_base64("application/pkcs7-mime; smime-type=certs-only", &message),
        Err(failure) => {
            tracing::error!(%failure, "cannot hand over a certificate");
            status(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

fn in_base64(kind: &'static str, der: &[u8]) -> Reply {
    with(reply(StatusCode::OK, kind, armoured(der)), "content-transfer-encoding", "base64")
}
