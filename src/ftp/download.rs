//! `GET /ftp/R` (FTP-7): a file, or a part of it, a block at a time.

use std::fs::File;
use std::io::{Error, ErrorKind};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use proto::limits::FTP_CHUNK_BYTES;
use web::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, HeaderValue,
    IF_NONE_MATCH, IF_RANGE, RANGE,
};
use web::{Arriving, HeaderMap, Method, Reply, StatusCode, bare, parts, status};

use super::range::{self, Part};
use super::{Depot, FILES, Place, ask, step};

/// Bytes that are read at once, and wait for the peer.
const BLOCK: u64 = 64 << 10;
/// Bytes that count as one step (SEC-13): as many as a piece of an upload has.
const STEP: u64 = FTP_CHUNK_BYTES as u64;
/// What a name never changes is never asked for again.
const FOREVER: &str = "private, max-age=31536000, immutable";
/// Characters of a name that is asked for.
const NAME_CHARS: usize = 128;

pub(super) async fn get(depot: &Arc<Depot>, asked: &Arriving) -> Reply {
    let (mut beside, place) = match depot.enter(&asked.peer, &asked.headers).await {
        Ok(entered) => entered,
        Err(refused) => return *refused,
    };
    let reference = asked.uri.path().strip_prefix(FILES).unwrap_or_default().to_owned();
    // FTP-6 knows who may have it; nothing of it is asked for.
    let mut question = step("recv", "");
    question.filename = Some(Bytes::copy_from_slice(reference.as_bytes()));
    let size = match ask(&mut beside, question).await {
        Ok(ack) => ack.size.unwrap_or(0),
        Err(code) => return status(code),
    };
    let tag = format!("\"{}\"", reference.rsplit('/').next().unwrap_or_default());
    if text(&asked.headers, IF_NONE_MATCH).is_some_and(|said| matches(said, &tag)) {
        return described(bare(StatusCode::NOT_MODIFIED), &tag);
    }
    let (first, last, code) = match wanted(asked, &tag, size) {
        Part::Whole => (0, size.saturating_sub(1), StatusCode::OK),
        Part::Bytes(first, last) => (first, last, StatusCode::PARTIAL_CONTENT),
        Part::Nothing => {
            let mut refused = status(StatusCode::RANGE_NOT_SATISFIABLE);
            refused.headers_mut().extend(header(CONTENT_RANGE, &format!("bytes */{size}")));
            return refused;
        }
    };
    let file = match open(depot.clone(), reference).await {
        Ok(file) => Arc::new(file),
        Err(error) if error.kind() == ErrorKind::NotFound => return status(StatusCode::NOT_FOUND),
        Err(failure) => {
            tracing::error!(%failure, "a file cannot be opened");
            return status(StatusCode::INTERNAL_SERVER_ERROR);
        }
    };
    // As long as anything is to come the place is taken.
    let (mut at, place) = (first, Arc::new(place));
    let mut reply = parts(code, last + 1 - first, move || {
        let (from, count) = (at, BLOCK.min(last + 1 - at));
        at += count;
        let is_step = (from - first).is_multiple_of(STEP);
        block(place.clone(), file.clone(), from, count as usize, is_step)
    });
    if code == StatusCode::PARTIAL_CONTENT {
        reply.headers_mut().extend(header(CONTENT_RANGE, &format!("bytes {first}-{last}/{size}")));
    }
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    let name = asked.uri.query().and_then(name).unwrap_or_else(|| tag.trim_matches('"').into());
    let disposition = format!("attachment; filename*=UTF-8''{}", escaped(&name));
    reply.headers_mut().extend(header(CONTENT_DISPOSITION, &disposition));
    described(reply, &tag)
}

/// A range counts for GET, and where `If-Range` says a version, for this one (RFC 9110 section 13.1.5).
fn wanted(asked: &Arriving, tag: &str, size: u64) -> Part {
    let is_this = text(&asked.headers, IF_RANGE).is_none_or(|said| said.trim() == tag);
    match text(&asked.headers, RANGE) {
        Some(said) if is_this && asked.method == Method::GET => range::part(said, size),
        Some(_) | None => Part::Whole,
    }
}

/// `*`, or this tag among others, weak or strong (section 13.1.2).
fn matches(said: &str, tag: &str) -> bool {
    said.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

fn described(mut reply: Reply, tag: &str) -> Reply {
    let headers = reply.headers_mut();
    headers.extend(header(ETAG, tag));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(FOREVER));
    reply
}

async fn open(depot: Arc<Depot>, reference: String) -> std::io::Result<File> {
    let opening = move || depot.files.open(reference.as_bytes());
    tokio::task::spawn_blocking(opening).await.map_err(Error::other)?
}

async fn block(place: Arc<Place>, file: Arc<File>, from: u64, count: usize, is_step: bool) -> std::io::Result<Bytes> {
    if is_step {
        place.turn().await;
    }
    let _turn = place.depot.reads.acquire().await.map_err(Error::other)?;
    // Made here: each thread that waits for the disk would keep room of its own.
    let mut block = vec![0; count];
    let read = move || file.read_exact_at(&mut block, from).map(|()| Bytes::from(block));
    let read = tokio::task::spawn_blocking(read).await.map_err(Error::other)?;
    read.inspect_err(|failure| tracing::error!(%failure, "a file cannot be read"))
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn header(name: HeaderName, value: &str) -> Option<(HeaderName, HeaderValue)> {
    HeaderValue::from_str(value).ok().map(|value| (name, value))
}

/// `name=` of a query: what the file shall be called where it arrives. A label only: no path, nothing that moves a cursor.
fn name(query: &str) -> Option<String> {
    let said = query.split('&').find_map(|pair| pair.strip_prefix("name="))?;
    let plain = String::from_utf8_lossy(&unescaped(said)).into_owned();
    let kept = plain.chars().filter(|letter| !letter.is_control() && !matches!(letter, '/' | '\\'));
    let name: String = kept.take(NAME_CHARS).collect();
    let name = name.trim_start_matches('.').trim().to_owned();
    (!name.is_empty()).then_some(name)
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        let pair = after.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match (byte, pair.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'%', Some(value)) => {
                plain.push(value);
                rest = after.get(2..).unwrap_or_default();
            }
            (b'+', _) => {
                plain.push(b' ');
                rest = after;
            }
            _ => {
                plain.push(*byte);
                rest = after;
            }
        }
    }
    plain
}

/// As RFC 8187 writes it.
fn escaped(name: &str) -> String {
    let letter = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    name.bytes().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ftp_8_the_name_of_a_download_is_a_label() {
        assert_eq!(name("name=a%20cake.png"), Some("a cake.png".into()));
        assert_eq!(name("x=1&name=..%2F..%5Cetc%0d%0apasswd"), Some("etcpasswd".into()));
        assert_eq!(name("name="), None);
        assert_eq!(name("name=%"), Some("%".into()));
        assert_eq!(escaped("a \"ü\".png"), "a%20%22%C3%BC%22.png");
    }

    #[test]
    fn ftp_7_a_tag_is_compared_as_rfc_9110_says() {
        assert!(matches("\"a\", W/\"b\"", "\"b\"") && matches("*", "\"b\"") && !matches("\"bb\"", "\"b\""));
    }
}
