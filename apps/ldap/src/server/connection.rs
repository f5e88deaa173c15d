//! One connection: requests in their order, who is asking, and the answers.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use ldap3_proto::LdapCodec;
use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::{
    LdapAddRequest, LdapBindCred, LdapBindRequest, LdapBindResponse, LdapCompareRequest, LdapExtendedRequest,
    LdapExtendedResponse, LdapMsg, LdapOp, LdapResult,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::codec::Encoder;
use zeroize::Zeroize;

use super::dn::Dn;
use super::entry::Entry;
use super::frame::{self, MESSAGE_MAX, Taken};
use super::search::Page;
use super::{Attribute, Backend, Bound, Code, Limits, Options, Refused, Shown, kind, root};

/// Requests that wait while another is answered; with so many, no more are read.
const WAITING_MAX: usize = 32;
/// Bytes of them, as they came: what is understood may take many times as much. One more request may go beyond.
const WAITING_BYTES: usize = 2 * MESSAGE_MAX;
/// Answers are sent when there are so many bytes of them.
const OUT_BYTES: usize = 32 * 1024;
/// For answers to be taken.
const TAKE: Duration = Duration::from_secs(30);
/// Nobody in particular keeps a connection for so long: until he says who he is, or where nobody must, until his next request.
const NOBODY: Duration = Duration::from_secs(60);
/// Binds that prove nothing, and requests that do not decode; then the connection is closed.
const FAILED_MAX: u32 = 5;
/// Attributes of an entry that is added, and changes of one.
const CHANGES_MAX: usize = 100;
/// Unsolicited: the connection is about to end (RFC 4511 section 4.4.1).
const NOTICE: &str = "1.3.6.1.4.1.1466.20036";

/// What a connection runs on.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

/// How serving it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Closed,
    /// What follows is TLS.
    StartTls,
}

/// What all connections have in common.
pub(super) struct Shared<B> {
    pub(super) backend: B,
    pub(super) options: Options,
    pub(super) offers_tls: bool,
}

pub(super) struct Connection<B: Backend> {
    shared: Arc<Shared<B>>,
    from: IpAddr,
    /// Over TLS; the client's certificate, if it has shown one.
    tls: Option<Option<Vec<u8>>>,
    bound: Option<Bound<B::Who>>,
    /// Since when nobody in particular is asking, if so.
    nobody_since: Instant,
    failed: u32,
    bytes: BytesMut,
    waiting: VecDeque<Bytes>,
    out: BytesMut,
    pages: VecDeque<Page>,
    number: u64,
}

impl<B: Backend> Connection<B> {
    pub(super) fn new(shared: Arc<Shared<B>>, from: IpAddr) -> Connection<B> {
        Connection {
            shared,
            from,
            tls: None,
            bound: None,
            nobody_since: Instant::now(),
            failed: 0,
            bytes: BytesMut::new(),
            waiting: VecDeque::new(),
            out: BytesMut::new(),
            pages: VecDeque::new(),
            number: 0,
        }
    }

    /// TLS has begun. What was known before counts no more: anybody might have said it (RFC 4513 section 3.1.2).
    pub(super) fn is_secure(&mut self, certificate: Option<Vec<u8>>) {
        self.tls = Some(certificate);
        self.is_nobody();
    }

    /// Nobody in particular is asking, from now on if somebody was.
    fn is_nobody(&mut self) {
        if self.bound.take().is_some() {
            self.nobody_since = Instant::now();
        }
        self.pages.clear();
    }

    /// Until when the next request has to be there, all of it, however many pieces it comes in.
    fn deadline(&self) -> Instant {
        let Options { idle, anonymous, .. } = self.shared.options;
        let now = Instant::now();
        match &self.bound {
            Some(_) => now + idle,
            None if anonymous => now + idle.min(NOBODY),
            None => self.nobody_since + idle.min(NOBODY),
        }
    }

    /// Answers until the client leaves, or TLS begins.
    pub(super) async fn run(&mut self, stream: &mut impl Duplex) -> io::Result<Ended> {
        loop {
            let Some(taken) = self.next(stream).await? else { return Ok(Ended::Closed) };
            let ended = match taken {
                Taken::Broken => self.notice(Code::ProtocolError, "no request of LDAP")?,
                Taken::Flawed { id, tag } => self.flawed(id, tag)?,
                Taken::Request(message, insists) => self.request(stream, *message, insists).await?,
            };
            self.flush(stream).await?;
            if let Some(ended) = ended {
                return Ok(ended);
            }
        }
    }

    async fn next(&mut self, stream: &mut impl Duplex) -> io::Result<Option<Taken>> {
        if let Some(waiting) = self.waiting.pop_front() {
            return Ok(Some(frame::understood(&waiting)));
        }
        let deadline = self.deadline();
        loop {
            if let Some(taken) = frame::take(&mut self.bytes) {
                return Ok(Some(taken));
            }
            match timeout_at(deadline, stream.read_buf(&mut self.bytes)).await {
                Ok(Ok(0)) => return Ok(None),
                Ok(Ok(_)) => {}
                Ok(Err(failure)) => return Err(failure),
                Err(_) => {
                    self.notice(Code::Unavailable, "idle for too long")?;
                    self.flush(stream).await?;
                    return Ok(None);
                }
            }
        }
    }

    async fn request(
        &mut self,
        stream: &mut impl Duplex,
        message: LdapMsg,
        insists: bool,
    ) -> io::Result<Option<Ended>> {
        let LdapMsg { msgid: id, op, ctrl } = message;
        if let Some(bound) = &self.bound
            && !self.shared.backend.holds(&bound.who)
        {
            self.is_nobody();
        }
        if insists {
            let refused = Refused::new(Code::UnavailableCriticalExtension, "a control that we do not have");
            self.refuse(id, &op, refused)?;
            return Ok(None);
        }
        match op {
            LdapOp::BindRequest(asked) => return self.bind(id, asked).await,
            LdapOp::UnbindRequest => return Ok(Some(Ended::Closed)),
            // What it is about has been answered: requests are, one after the other.
            LdapOp::AbandonRequest(_) => {}
            LdapOp::SearchRequest(asked) => self.search(stream, id, asked, &ctrl).await?,
            LdapOp::CompareRequest(asked) => {
                let outcome = self.compare(&asked);
                let (code, why) = match outcome {
                    Ok(true) => (Code::CompareTrue, String::new()),
                    Ok(false) => (Code::CompareFalse, String::new()),
                    Err(Refused { code, why }) => (code, why),
                };
                let matched = if code == Code::NoSuchObject { self.nearest(&asked.dn) } else { None };
                self.say(id, LdapOp::CompareResult(result(code, why, matched)), Vec::new())?;
            }
            LdapOp::AddRequest(asked) => {
                let done = self.add(asked).await;
                self.say(id, LdapOp::AddResponse(ended(done)), Vec::new())?;
            }
            LdapOp::ModifyRequest(asked) => {
                let done = self.modify(&asked.dn, asked.changes).await;
                self.say(id, LdapOp::ModifyResponse(ended(done)), Vec::new())?;
            }
            LdapOp::DelRequest(name) => {
                let done = self.remove(&name).await;
                self.say(id, LdapOp::DelResponse(ended(done)), Vec::new())?;
            }
            LdapOp::ModifyDNRequest(_) => {
                let done = self.writer().map(drop);
                let why = Refused::new(Code::UnwillingToPerform, "entries keep their names");
                self.say(id, LdapOp::ModifyDNResponse(ended(done.and(Err(why)))), Vec::new())?;
            }
            LdapOp::ExtendedRequest(asked) => return self.extended(id, &asked),
            // No client says these.
            LdapOp::BindResponse(_)
            | LdapOp::SearchResultEntry(_)
            | LdapOp::SearchResultDone(_)
            | LdapOp::SearchResultReference(_)
            | LdapOp::ModifyResponse(_)
            | LdapOp::AddResponse(_)
            | LdapOp::DelResponse(_)
            | LdapOp::ModifyDNResponse(_)
            | LdapOp::CompareResult(_)
            | LdapOp::ExtendedResponse(_)
            | LdapOp::IntermediateResponse(_) => return self.notice(Code::ProtocolError, "an answer"),
        }
        Ok(None)
    }

    /// RFC 4513. Whatever comes of it, who was bound before is so no more.
    async fn bind(&mut self, id: i32, mut asked: LdapBindRequest) -> io::Result<Option<Ended>> {
        self.is_nobody();
        let outcome = self.judge(&asked).await;
        if let LdapBindCred::Simple(password) = &mut asked.cred {
            password.zeroize();
        }
        let failed = matches!(&outcome, Err(Refused { code: Code::InvalidCredentials, .. }));
        self.failed += u32::from(failed);
        let done = outcome.map(|bound| self.bound = bound);
        let answer = LdapBindResponse { res: ended(done), saslcreds: None };
        self.say(id, LdapOp::BindResponse(answer), Vec::new())?;
        Ok((self.failed >= FAILED_MAX).then_some(Ended::Closed))
    }

    /// `None`: nobody in particular.
    async fn judge(&self, asked: &LdapBindRequest) -> Result<Option<Bound<B::Who>>, Refused> {
        if asked.version != 3 {
            return Err(Refused::new(Code::ProtocolError, "version 3 only"));
        }
        match &asked.cred {
            LdapBindCred::Simple(password) if password.is_empty() && asked.dn.is_empty() => Ok(None),
            // A program that forgot to ask for the password would think that it was right (RFC 4513 section 5.1.2).
            LdapBindCred::Simple(password) if password.is_empty() => {
                Err(Refused::new(Code::UnwillingToPerform, "without a password"))
            }
            LdapBindCred::Simple(_) if self.tls.is_none() => {
                Err(Refused::new(Code::ConfidentialityRequired, "passwords over TLS only"))
            }
            LdapBindCred::Simple(password) => {
                let name = Dn::parse(&asked.dn).map_err(|why| Refused::new(Code::InvalidDNSyntax, why.to_string()))?;
                let shown = Shown::Password { name: &name, password };
                self.shared.backend.bind(shown, self.from).await.map(Some)
            }
            LdapBindCred::SASL(asked) if asked.mechanism == "EXTERNAL" => {
                let certificate = self.tls.as_ref().and_then(Option::as_ref);
                let certificate = certificate.ok_or_else(|| {
                    Refused::new(Code::InappropriateAuthentication, "the client has shown no certificate")
                })?;
                let bound = self.shared.backend.bind(Shown::Certificate(certificate), self.from).await?;
                match is_himself(&asked.credentials, &bound.name) {
                    true => Ok(Some(bound)),
                    false => Err(Refused::new(Code::InvalidCredentials, "nobody speaks for another")),
                }
            }
            LdapBindCred::SASL(_) | LdapBindCred::Unsupported => {
                Err(Refused::new(Code::AuthMethodNotSupported, "simple, or SASL EXTERNAL"))
            }
        }
    }

    fn compare(&self, asked: &LdapCompareRequest) -> Result<bool, Refused> {
        let name = Dn::parse(&asked.dn).map_err(|why| Refused::new(Code::InvalidDNSyntax, why.to_string()))?;
        let unknown = || Refused::new(Code::UndefinedAttributeType, asked.atype.clone());
        let kind = kind(&asked.atype).ok_or_else(unknown)?;
        let entry = if name.depth() == 0 {
            self.root()
        } else if name == root::subschema_name() {
            root::subschema()
        } else {
            self.may_read()?;
            let found = self.shared.backend.entry(self.who(), &name)?;
            found.ok_or_else(|| Refused::new(Code::NoSuchObject, ""))?
        };
        let mut values = entry.values(kind).peekable();
        if values.peek().is_none() {
            return Err(Refused::new(Code::NoSuchAttribute, ""));
        }
        let wanted = kind.rule.normal(&asked.val);
        let wanted = wanted.ok_or_else(|| Refused::new(Code::InvalidAttributeSyntax, ""))?;
        Ok(values.any(|(own, value)| own.rule.normal(value).as_ref() == Some(&wanted)))
    }

    async fn add(&self, asked: LdapAddRequest) -> Result<(), Refused> {
        let who = self.writer()?;
        let name = Dn::parse(&asked.dn).map_err(|why| Refused::new(Code::InvalidDNSyntax, why.to_string()))?;
        if asked.attributes.len() > CHANGES_MAX {
            return Err(Refused::new(Code::AdminLimitExceeded, "too many attributes"));
        }
        let mut entry = Entry { dn: name, attributes: Vec::new() };
        for own in asked.attributes {
            let kind = kind(&own.atype).ok_or_else(|| Refused::new(Code::UndefinedAttributeType, own.atype.clone()))?;
            check_values(kind, &own.vals)?;
            if own.vals.is_empty() {
                return Err(Refused::new(Code::InvalidAttributeSyntax, own.atype));
            }
            entry.attributes.push(Attribute { kind, values: own.vals });
        }
        self.shared.backend.add(who, entry).await
    }

    async fn modify(&self, name: &str, changes: Vec<super::Change>) -> Result<(), Refused> {
        let who = self.writer()?;
        let name = Dn::parse(name).map_err(|why| Refused::new(Code::InvalidDNSyntax, why.to_string()))?;
        if changes.len() > CHANGES_MAX {
            return Err(Refused::new(Code::AdminLimitExceeded, "too many changes"));
        }
        for change in &changes {
            let named = &change.modification.atype;
            let kind = kind(named).ok_or_else(|| Refused::new(Code::UndefinedAttributeType, named.clone()))?;
            check_values(kind, &change.modification.vals)?;
        }
        self.shared.backend.modify(who, &name, changes).await
    }

    async fn remove(&self, name: &str) -> Result<(), Refused> {
        let who = self.writer()?;
        let name = Dn::parse(name).map_err(|why| Refused::new(Code::InvalidDNSyntax, why.to_string()))?;
        self.shared.backend.remove(who, &name).await
    }

    fn extended(&mut self, id: i32, asked: &LdapExtendedRequest) -> io::Result<Option<Ended>> {
        let mut answer =
            LdapExtendedResponse { res: result(Code::Success, String::new(), None), name: None, value: None };
        let mut ended = None;
        match &asked.name[..] {
            root::WHO_AM_I => {
                let name = self.bound.as_ref().map(|bound| format!("dn:{}", bound.name)).unwrap_or_default();
                answer.value = Some(name.into_bytes());
            }
            root::START_TLS => {
                answer.name = Some(root::START_TLS.to_owned());
                if self.tls.is_some() {
                    answer.res = result(Code::OperationsError, "TLS is there already".into(), None);
                } else if !self.shared.offers_tls {
                    answer.res = result(Code::ProtocolError, "there is no TLS here".into(), None);
                } else if !self.waiting.is_empty() || !self.bytes.is_empty() {
                    // Somebody on the way might have put them there, to be read as if they had come by TLS.
                    answer.res =
                        result(Code::OperationsError, "something came behind the request for TLS".into(), None);
                    ended = Some(Ended::Closed);
                } else {
                    ended = Some(Ended::StartTls);
                }
            }
            _ => answer.res = result(Code::ProtocolError, "no such request".into(), None),
        }
        self.say(id, LdapOp::ExtendedResponse(answer), Vec::new())?;
        Ok(ended)
    }

    /// A request that does not decode is answered by its kind, where that is known.
    fn flawed(&mut self, id: i32, tag: u8) -> io::Result<Option<Ended>> {
        let flaw = result(Code::ProtocolError, "the request does not decode".into(), None);
        let answer = match tag {
            0x60 => LdapOp::BindResponse(LdapBindResponse { res: flaw, saslcreds: None }),
            0x63 => LdapOp::SearchResultDone(flaw),
            0x66 => LdapOp::ModifyResponse(flaw),
            0x68 => LdapOp::AddResponse(flaw),
            0x4a => LdapOp::DelResponse(flaw),
            0x6c => LdapOp::ModifyDNResponse(flaw),
            0x6e => LdapOp::CompareResult(flaw),
            0x77 => LdapOp::ExtendedResponse(LdapExtendedResponse { res: flaw, name: None, value: None }),
            _ => return self.notice(Code::ProtocolError, "no request of LDAP"),
        };
        if tag == 0x60 {
            self.is_nobody();
        }
        self.failed += 1;
        self.say(id, answer, Vec::new())?;
        Ok((self.failed >= FAILED_MAX).then_some(Ended::Closed))
    }

    fn refuse(&mut self, id: i32, op: &LdapOp, refused: Refused) -> io::Result<()> {
        let why = result(refused.code, refused.why, None);
        let answer = match op {
            LdapOp::BindRequest(_) => {
                self.is_nobody();
                LdapOp::BindResponse(LdapBindResponse { res: why, saslcreds: None })
            }
            LdapOp::SearchRequest(_) => LdapOp::SearchResultDone(why),
            LdapOp::ModifyRequest(_) => LdapOp::ModifyResponse(why),
            LdapOp::AddRequest(_) => LdapOp::AddResponse(why),
            LdapOp::DelRequest(_) => LdapOp::DelResponse(why),
            LdapOp::ModifyDNRequest(_) => LdapOp::ModifyDNResponse(why),
            LdapOp::CompareRequest(_) => LdapOp::CompareResult(why),
            _ => LdapOp::ExtendedResponse(LdapExtendedResponse { res: why, name: None, value: None }),
        };
        self.say(id, answer, Vec::new())
    }

    /// The last that is said.
    fn notice(&mut self, code: Code, why: &str) -> io::Result<Option<Ended>> {
        let res = result(code, why.to_owned(), None);
        let notice = LdapExtendedResponse { res, name: Some(NOTICE.to_owned()), value: None };
        self.say(0, LdapOp::ExtendedResponse(notice), Vec::new())?;
        Ok(Some(Ended::Closed))
    }

    pub(super) fn say(&mut self, id: i32, op: LdapOp, controls: Vec<LdapControl>) -> io::Result<()> {
        LdapCodec::default().encode(LdapMsg::new_with_ctrls(id, op, controls), &mut self.out)
    }

    async fn flush(&mut self, stream: &mut impl Duplex) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        timeout(TAKE, async {
            stream.write_all(&self.out).await?;
            stream.flush().await
        })
        .await??;
        self.out.clear();
        Ok(())
    }

    pub(super) async fn flush_if_full(&mut self, stream: &mut impl Duplex) -> io::Result<()> {
        match self.out.len() >= OUT_BYTES {
            true => self.flush(stream).await,
            false => Ok(()),
        }
    }

    /// Reads what has come meanwhile; whether the client wants to know no more of this request, or has gone.
    pub(super) async fn is_abandoned(&mut self, stream: &mut impl Duplex, id: i32) -> io::Result<bool> {
        let mut weight: usize = self.waiting.iter().map(Bytes::len).sum();
        while self.waiting.len() < WAITING_MAX && weight < WAITING_BYTES {
            match frame::frame(&mut self.bytes) {
                Some(came) => {
                    let ends = match frame::understood(&came) {
                        Taken::Request(message, _) => match &message.op {
                            LdapOp::AbandonRequest(other) if *other == id => return Ok(true),
                            op => matches!(op, LdapOp::UnbindRequest),
                        },
                        Taken::Flawed { .. } | Taken::Broken => false,
                    };
                    weight += came.len();
                    self.waiting.push_back(Bytes::copy_from_slice(&came));
                    if ends {
                        return Ok(true);
                    }
                }
                None => match stream.read_buf(&mut self.bytes).now_or_never() {
                    None => break,
                    Some(Ok(0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Some(Ok(_)) => {}
                    Some(Err(failure)) => return Err(failure),
                },
            }
        }
        Ok(false)
    }

    pub(super) fn backend(&self) -> &B {
        &self.shared.backend
    }

    pub(super) fn who(&self) -> Option<&B::Who> {
        self.bound.as_ref().map(|bound| &bound.who)
    }

    pub(super) fn root(&self) -> Entry {
        let has_certificate = matches!(&self.tls, Some(Some(_)));
        root::root(self.shared.backend.base(), self.shared.offers_tls && self.tls.is_none(), has_certificate)
    }

    pub(super) fn may_read(&self) -> Result<(), Refused> {
        match self.bound.is_some() || self.shared.options.anonymous {
            true => Ok(()),
            false => Err(Refused::new(Code::StrongerAuthRequired, "say who you are")),
        }
    }

    fn writer(&self) -> Result<&B::Who, Refused> {
        let bound = self.bound.as_ref().ok_or_else(|| Refused::new(Code::StrongerAuthRequired, "say who you are"))?;
        match bound.is_admin {
            true => Ok(&bound.who),
            false => Err(Refused::new(Code::InsufficentAccessRights, "administrators only")),
        }
    }

    pub(super) fn own_limits(&self) -> Limits {
        match self.bound.as_ref().is_some_and(|bound| bound.is_admin) {
            true => self.shared.options.own_limits,
            false => self.shared.options.limits,
        }
    }

    pub(super) fn pages(&mut self) -> &mut VecDeque<Page> {
        &mut self.pages
    }

    pub(super) fn number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }
}

/// An authorization identity (RFC 4513 section 5.2.1.8) that is empty or one's own.
fn is_himself(asked: &[u8], own: &Dn) -> bool {
    match std::str::from_utf8(asked) {
        Ok("") => true,
        Ok(text) => text.strip_prefix("dn:").and_then(|name| Dn::parse(name).ok()).as_ref() == Some(own),
        Err(_) => false,
    }
}

fn check_values(kind: &super::Kind, values: &[Vec<u8>]) -> Result<(), Refused> {
    if kind.operational {
        return Err(Refused::new(Code::ConstraintViolation, format!("{} is the server's", kind.name)));
    }
    match values.iter().all(|value| kind.rule.normal(value).is_some_and(|value| !value.is_empty())) {
        true => Ok(()),
        false => Err(Refused::new(Code::InvalidAttributeSyntax, kind.name)),
    }
}

fn ended(done: Result<(), Refused>) -> LdapResult {
    match done {
        Ok(()) => result(Code::Success, String::new(), None),
        Err(Refused { code, why }) => result(code, why, None),
    }
}

pub(super) fn result(code: Code, message: String, matched: Option<Dn>) -> LdapResult {
    let matcheddn = matched.map(|name| name.to_string()).unwrap_or_default();
    LdapResult { code, matcheddn, message, referral: Vec::new() }
}
