//! Asking the chat on behalf of who enrols over the web.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chat::door::{Certificate, Hello, Origin, Out, Session, Source};
use chat::{Command, Enrol, Input, Name, Port};
use proto::Refusal;
use proto::ids::{DevKey, Phone};
use proto::records::{Auth, AuthAct, AuthPhone, AuthSettings, Code, Data, Feature, Io, Value};

use super::Office;

/// The chat may take so long for a step.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of an answer that are taken.
const ITEM_MAX: usize = 1 << 20;
/// A client that says no version (CON-6).
const VERSION: u32 = 101;

/// Why there is no certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// Nothing shows who asks.
    Unproved,
    /// Not over TLS.
    Insecure,
    TooOften,
    /// The chat does not answer.
    Late,
    By(Refusal),
}

impl Office {
    /// For the device that a certificate opens.
    pub(super) async fn by_certificate(
        &self,
        shown: Option<Arc<Certificate>>,
        request: Bytes,
    ) -> Result<Vec<u8>, Refused> {
        let shown = shown.filter(|shown| !self.registrar.revocations.has(shown.print)).ok_or(Refused::Unproved)?;
        let (phone, device) = self.registrar.bound_to(&shown.key).ok_or(Refused::Unproved)?;
        beside(self, phone, device, None, Some(shown), request).await
    }

    /// For a new device of who is invited; `by` is how its name begins.
    pub(super) async fn by_invite(
        &self,
        source: Option<Source>,
        phone: &Phone,
        code: Bytes,
        request: Bytes,
        by: &str,
    ) -> Result<Vec<u8>, Refused> {
        if !self.registrar.is_invited(phone, &code) {
            return Err(Refused::Unproved);
        }
        anew(self, source, phone, code, request, by).await
    }
}

/// For a device that has a session row (AUTH-17).
pub(super) async fn beside(
    office: &Office,
    phone: Phone,
    device: DevKey,
    token: Option<Bytes>,
    certificate: Option<Arc<Certificate>>,
    request: Bytes,
) -> Result<Vec<u8>, Refused> {
    if !office.may_issue(&phone) {
        return Err(Refused::TooOften);
    }
    let reply = Arc::new(Port::default());
    let asked = Enrol { device, token, certificate, request, reply: reply.clone() };
    let command = Input::Command(Box::new(Command::Enrol(Box::new(asked))));
    office.handle.tell(&Name::Profile(phone.clone()), command).map_err(|_| Refused::Late)?;
    let done = answered(&reply).await;
    if matches!(done, Err(Refused::Unproved)) {
        office.was_stranger(&phone);
    }
    done
}

async fn answered(reply: &Port) -> Result<Vec<u8>, Refused> {
    loop {
        for out in outs(reply).await? {
            if let Out::Answer { payload, .. } = out {
                return certificate_in(&payload);
            }
        }
    }
}

/// For a device that registers with an invite (AUTH-1, AUTH-4). It is named by its key, so that trying again is no second device.
async fn anew(
    office: &Office,
    source: Option<Source>,
    phone: &Phone,
    invite: Bytes,
    request: Bytes,
    by: &str,
) -> Result<Vec<u8>, Refused> {
    let key = ca::key_of_request(&request).map_err(|_| Refused::By(Refusal::InvalidData))?;
    let name: String = key.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    if !office.may_issue(phone) {
        return Err(Refused::TooOften);
    }
    let port = Arc::new(Port::default());
    let hello = Hello {
        client_id: format!("reg_{phone}_{by}-{name}").into(),
        password: None,
        certificate: None,
        source,
        version: VERSION,
        window: 1,
        item_max: ITEM_MAX,
        acknowledges: true,
    };
    let session = Session::connect(office.handle.clone(), hello, port.clone()).map_err(|_| Refused::Late)?;
    let begin = Auth {
        phone: Some(AuthPhone::Number(phone.to_bytes())),
        dev_key: Some(format!("{by}-{name}").into()),
        r#type: Some(AuthAct::Reg.into()),
        ..Auth::default()
    };
    call(&session, &port, 0, &begin).await?;
    let csr = Feature {
        id: None,
        key: Some(Bytes::from_static(b"CSR")),
        value: Some(Value::Text(request)),
        group: Some(Bytes::from_static(b"AUTH_DATA")),
    };
    let finish = Auth {
        sms_code: Some(invite),
        settings: Some(AuthSettings::Features(vec![csr])),
        r#type: Some(AuthAct::Verify.into()),
        ..Auth::default()
    };
    certificate_in(&call(&session, &port, 1, &finish).await?)
}

/// The first record that answers a call; a refusal is none.
async fn call(session: &Session, port: &Port, number: u64, auth: &Auth) -> Result<Bytes, Refused> {
    let origin = Origin::Events { token: None };
    session.request(number, origin, etf::encode(auth)).map_err(|_| Refused::Late)?;
    loop {
        for out in outs(port).await? {
            match out {
                Out::Answer { call, payload } if call == number => return checked(payload),
                Out::Denied(_) | Out::Close(_) => return Err(Refused::Late),
                // Welcome, the size of the ring, the end of the call before, the Profile behind its answer.
                Out::Welcome(..)
                | Out::Answer { .. }
                | Out::Done { .. }
                | Out::Notice { .. }
                | Out::Item { .. }
                | Out::Right { .. }
                | Out::Mail { .. } => {}
            }
        }
    }
}

async fn outs(port: &Port) -> Result<VecDeque<Out>, Refused> {
    tokio::time::timeout(PATIENCE, poll_fn(|cx| port.poll_drain(cx))).await.map_err(|_| Refused::Late)
}

fn certificate_in(payload: &Bytes) -> Result<Vec<u8>, Refused> {
    checked(payload.clone())?;
    match etf::decode::<Io>(payload).ok().and_then(|io| io.data) {
        Some(Data::Cert(cert)) => cert.der.map(Vec::from).ok_or(Refused::By(Refusal::Internal)),
        Some(_) | None => Err(Refused::By(Refusal::Internal)),
    }
}

fn checked(payload: Bytes) -> Result<Bytes, Refused> {
    let io: Io = etf::decode(&payload).map_err(|_| Refused::By(Refusal::Internal))?;
    match io.code {
        Some(Code::Failure(failure)) => match failure.refusal() {
            Some(Refusal::SessionNotFound | Refusal::InvalidSmsCode | Refusal::NumberNotAllowed) => {
                Err(Refused::Unproved)
            }
            Some(other) => Err(Refused::By(other)),
            None => Err(Refused::By(Refusal::Internal)),
        },
        Some(_) | None => Ok(payload),
    }
}
