//! One connection: requests in their order, and what has come and goes out.

mod bind;
mod entries;
mod answer;

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use ldap3_proto::proto::{LdapMsg, LdapOp};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use super::entry::Entry;
use super::frame::{self, MESSAGE_MAX, Taken};
use super::search::Page;
use super::{Backend, Bound, Code, Limits, Options, Refused, root};
use answer::ended;
pub(super) use answer::result;

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
