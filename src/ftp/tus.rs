//! Uploads by tus 1.0 (core, creation, creation-with-upload, expiration, termination): FTP-1 to FTP-4 in the words of HTTP.
//!
//! The reference of a file that is whole is in the header `Upload-Reference`, its address in `Content-Location`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use chat::Step;
use chat::beside::Beside;
use etf::Term;
use proto::limits::FTP_CHUNK_BYTES;
use proto::records::{Ftp, Ftpack};
use tokio::time::{Instant, timeout_at};
use web::header::{CONTENT_LOCATION, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use web::{Arriving, Coming, HeaderMap, Reply, StatusCode, status};

use super::{Depot, FILES, Place, UPLOADS, answer, ask, below, said, step};

const VERSION: &str = "1.0.0";
const EXTENSIONS: &str = "creation,creation-with-upload,expiration,termination";
const PIECE: &str = "application/offset+octet-stream";

const RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const LENGTH: HeaderName = HeaderName::from_static("upload-length");
const METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
const REFERENCE: HeaderName = HeaderName::from_static("upload-reference");

/// A piece has to come in this time: who sends slower than 4 KiB a second goes on later, from where it was.
const PIECE_TIME: Duration = Duration::from_secs(60);
/// Pieces that are on their way to the disk while the next is read.
const AHEAD: usize = 2;

/// Where a transfer is.
struct Transfer {
    have: u64,
    size: u64,
    name: Bytes,
    /// Milliseconds since 1970.
    expires: Option<u64>,
    reference: Option<String>,
}

/// What a server can do; asked by anybody.
pub(super) fn options(file_max: u64) -> Reply {
    let mut reply = empty(StatusCode::NO_CONTENT);
    set(&mut reply, HeaderName::from_static("tus-version"), VERSION);
    set(&mut reply, HeaderName::from_static("tus-max-size"), &file_max.to_string());
    set(&mut reply, HeaderName::from_static("tus-extension"), EXTENSIONS);
    reply
}

/// Creation: `POST /ftp/` with the length, perhaps the first bytes.
pub(super) async fn create(depot: &Arc<Depot>, mut asked: Arriving) -> Reply {
    let reply = creating(depot, &mut asked).await;
    heard_out(asked, reply).await
}

async fn creating(depot: &Arc<Depot>, asked: &mut Arriving) -> Reply {
    let (mut beside, place) = match begin(depot, asked).await {
        Ok(begun) => begun,
        Err(refused) => return *refused,
    };
    let Some(size) = number(&asked.headers, LENGTH) else { return refused(StatusCode::BAD_REQUEST) };
    let Some(name) = file_name(&asked.headers) else { return refused(StatusCode::BAD_REQUEST) };
    let mut bytes = [0; 16];
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        return refused(StatusCode::INTERNAL_SERVER_ERROR);
    }
    let id: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut init = step("init", &id);
    (init.size, init.block, init.filename) = (Some(size), Some(1), Some(name));
    let begun = match ask(&mut beside, init).await {
        Ok(ack) => ack,
        Err(code) => return refused(code),
    };
    let mut reply = match is_piece(&asked.headers) {
        true => {
            let taken = Upload { beside: &mut beside, place: &place, id: &id, at: 0, size, has_begun: false }
                .run(&mut asked.body)
                .await;
            // It has been made, whatever has come of its bytes.
            let transfer = match taken {
                Ok(transfer) => transfer,
                Err(_) => look(&mut beside, &id).await.unwrap_or_else(|_| Transfer::of(&begun)),
            };
            told(StatusCode::CREATED, &transfer)
        }
        false => {
            let mut reply = told(StatusCode::CREATED, &Transfer::of(&begun));
            reply.headers_mut().remove(OFFSET);
            reply
        }
    };
    set(&mut reply, LOCATION, &format!("{FILES}{UPLOADS}{id}"));
    reply
}

/// How far a transfer is.
pub(super) async fn head(depot: &Arc<Depot>, asked: &Arriving, id: &str) -> Reply {
    let (mut beside, _place) = match begin(depot, asked).await {
        Ok(begun) => begun,
        Err(refused) => return *refused,
    };
    match look(&mut beside, id).await {
        Ok(transfer) => {
            let mut reply = told(StatusCode::OK, &transfer);
            set(&mut reply, LENGTH, &transfer.size.to_string());
            if !transfer.name.is_empty() {
                set(&mut reply, METADATA, &format!("filename {}", STANDARD.encode(&transfer.name)));
            }
            reply
        }
        Err(code) => refused(code),
    }
}

/// The next bytes.
pub(super) async fn patch(depot: &Arc<Depot>, mut asked: Arriving) -> Reply {
    let reply = patching(depot, &mut asked).await;
    heard_out(asked, reply).await
}

async fn heard_out(asked: Arriving, reply: Reply) -> Reply {
    if !reply.status().is_success() {
        asked.body.hear_out().await;
    }
    reply
}

async fn patching(depot: &Arc<Depot>, asked: &mut Arriving) -> Reply {
    let (mut beside, place) = match begin(depot, asked).await {
        Ok(begun) => begun,
        Err(refused) => return *refused,
    };
    let path = asked.uri.path().to_owned();
    let Some(id) = below(&path) else { return refused(StatusCode::NOT_FOUND) };
    if !is_piece(&asked.headers) {
        return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let Some(offset) = number(&asked.headers, OFFSET) else { return refused(StatusCode::BAD_REQUEST) };
    let transfer = match look(&mut beside, id).await {
        Ok(transfer) => transfer,
        Err(code) => return refused(code),
    };
    if offset != transfer.have {
        return refused(StatusCode::CONFLICT);
    }
    if asked.body.length().is_some_and(|length| length > transfer.size - transfer.have) {
        return refused(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let upload = Upload { beside: &mut beside, place: &place, id, at: offset, size: transfer.size, has_begun: false };
    match upload.run(&mut asked.body).await {
        Ok(transfer) => told(StatusCode::NO_CONTENT, &transfer),
        Err(code) => refused(code),
    }
}

/// Termination: what has come is thrown away; a file that is whole stays as long as it is needed.
pub(super) async fn delete(depot: &Arc<Depot>, asked: &Arriving) -> Reply {
    let (mut beside, _place) = match begin(depot, asked).await {
        Ok(begun) => begun,
        Err(refused) => return *refused,
    };
    let Some(id) = below(asked.uri.path()) else { return refused(StatusCode::NOT_FOUND) };
    let Ok(number) = beside.step(step("send", id), Step::Drop) else {
        return refused(StatusCode::SERVICE_UNAVAILABLE);
    };
    match answer(&mut beside, number).await {
        Ok(_) => empty(StatusCode::NO_CONTENT),
        Err(code) => refused(code),
    }
}

/// Who asks, in which version.
async fn begin(depot: &Arc<Depot>, asked: &Arriving) -> Result<(Beside, Place), Box<Reply>> {
    if asked.headers.get(RESUMABLE).is_none_or(|said| said != VERSION) {
        let mut refused = refused(StatusCode::PRECONDITION_FAILED);
        set(&mut refused, HeaderName::from_static("tus-version"), VERSION);
        return Err(Box::new(refused));
    }
    depot.enter(&asked.peer, &asked.headers).await.map_err(|mut refused| {
        set(&mut refused, RESUMABLE, VERSION);
        refused
    })
}

/// Where a transfer is, and that is on the disk.
async fn look(beside: &mut Beside, id: &str) -> Result<Transfer, StatusCode> {
    let ack = ask(beside, step("init", id)).await?;
    let transfer = Transfer::of(&ack);
    // What nobody has begun nobody says the end of.
    if transfer.expires.is_some() { Ok(transfer) } else { Err(StatusCode::NOT_FOUND) }
}

impl Transfer {
    fn of(ack: &Ftpack) -> Transfer {
        let name = ack.filename.clone().unwrap_or_default();
        let (have, size) = (ack.offset.unwrap_or(0), ack.size.unwrap_or(0));
        let expires = said(ack, "expires").and_then(Term::as_int).and_then(|at| u64::try_from(at).ok());
        match said(ack, "state").is_some() {
            true => {
                Transfer { have, size, name: Bytes::new(), expires, reference: String::from_utf8(name.into()).ok() }
            }
            false => Transfer { have, size, name, expires, reference: None },
        }
    }
}

/// A body on its way into a transfer.
struct Upload<'a> {
    beside: &'a mut Beside,
    place: &'a Place,
    id: &'a str,
    at: u64,
    size: u64,
    /// The transfer takes its pieces alone.
    has_begun: bool,
}

impl Upload<'_> {
    /// Takes all that comes; what has come of it in the end, also where the sender broke off.
    async fn run(mut self, body: &mut Coming) -> Result<Transfer, StatusCode> {
        let mut waiting = VecDeque::new();
        let mut piece = BytesMut::with_capacity(FTP_CHUNK_BYTES);
        let mut until = Instant::now() + PIECE_TIME;
        let ended = loop {
            let mut data = match timeout_at(until, body.next()).await {
                Ok(Ok(Some(data))) => data,
                Ok(Ok(None)) => break None,
                Ok(Err(_)) => break Some(StatusCode::BAD_REQUEST),
                Err(_) => break Some(StatusCode::REQUEST_TIMEOUT),
            };
            if data.len() as u64 > self.size - self.at - piece.len() as u64 {
                break Some(StatusCode::PAYLOAD_TOO_LARGE);
            }
            while !data.is_empty() {
                let room = FTP_CHUNK_BYTES - piece.len();
                piece.extend_from_slice(&data.split_to(room.min(data.len())));
                if piece.len() == FTP_CHUNK_BYTES {
                    self.send(&mut waiting, piece.split().freeze()).await?;
                    piece.reserve(FTP_CHUNK_BYTES);
                    until = Instant::now() + PIECE_TIME;
                }
            }
        };
        if !piece.is_empty() {
            self.send(&mut waiting, piece.freeze()).await?;
        }
        while let Some((number, end)) = waiting.pop_front() {
            self.taken(number, end).await?;
        }
        let transfer = look(self.beside, self.id).await?;
        match ended {
            None => Ok(transfer),
            Some(code) => Err(code),
        }
    }

    async fn send(&mut self, waiting: &mut VecDeque<(u64, u64)>, data: Bytes) -> Result<(), StatusCode> {
        if waiting.len() >= AHEAD
            && let Some((number, end)) = waiting.pop_front()
        {
            self.taken(number, end).await?;
        }
        self.place.turn().await;
        if !self.has_begun {
            let begin = Ftp { offset: Some(self.at), ..step("send", self.id) };
            let number = self.beside.step(begin, Step::Begin).map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
            self.hear(number).await?;
            self.has_begun = true;
        }
        let mut send = step("send", self.id);
        (send.offset, send.block) = (Some(self.at), Some(data.len() as u64));
        self.at += data.len() as u64;
        send.data = Some(data);
        let number = self.beside.step(send, Step::More).map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
        waiting.push_back((number, self.at));
        Ok(())
    }

    async fn taken(&mut self, number: u64, end: u64) -> Result<(), StatusCode> {
        let ack = self.hear(number).await?;
        if ack.offset == Some(end) { Ok(()) } else { Err(StatusCode::CONFLICT) }
    }

    /// Whoever is not at the transfer's place, or alone there, has met another sender.
    async fn hear(&mut self, number: u64) -> Result<Ftpack, StatusCode> {
        answer(self.beside, number).await.map_err(|code| match code {
            StatusCode::LOCKED => StatusCode::CONFLICT,
            other => other,
        })
    }
}

fn told(code: StatusCode, transfer: &Transfer) -> Reply {
    let mut reply = empty(code);
    set(&mut reply, OFFSET, &transfer.have.to_string());
    match (&transfer.reference, transfer.expires) {
        (Some(reference), _) => {
            set(&mut reply, REFERENCE, reference);
            set(&mut reply, CONTENT_LOCATION, &format!("{FILES}{reference}"));
        }
        (None, Some(at)) => {
            set(&mut reply, EXPIRES, &httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(at)));
        }
        (None, None) => {}
    }
    reply
}

fn empty(code: StatusCode) -> Reply {
    let mut reply = web::bare(code);
    set(&mut reply, RESUMABLE, VERSION);
    reply
}

fn refused(code: StatusCode) -> Reply {
    let mut reply = status(code);
    set(&mut reply, RESUMABLE, VERSION);
    reply
}

fn set(reply: &mut Reply, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        reply.headers_mut().insert(name, value);
    }
}

fn is_piece(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|said| said == PIECE)
}

/// Digits: no sign, no more than fits.
fn number(headers: &HeaderMap, name: HeaderName) -> Option<u64> {
    let text = headers.get(name)?.to_str().ok()?;
    text.bytes().all(|digit| digit.is_ascii_digit()).then(|| text.parse().ok())?
}

/// The file's name in `Upload-Metadata`; an empty one where none is said, none where that is no metadata.
fn file_name(headers: &HeaderMap) -> Option<Bytes> {
    let Some(said) = headers.get(METADATA) else { return Some(Bytes::new()) };
    let mut name = Bytes::new();
    for pair in said.to_str().ok()?.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
        let value = STANDARD.decode(value.trim()).ok()?;
        if matches!(key, "filename" | "name") {
            name = value.into();
        }
    }
    Some(name)
}
