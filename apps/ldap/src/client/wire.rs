//! Between a server and the library that speaks with it. TLS ends here, and each answer is looked at before the library takes it apart: it
//! would keep whatever length is announced, and one nested deeply enough would overflow the stack and end the program.

use std::io::{self, ErrorKind};
use std::os::unix::net::UnixStream as Pair;

use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, StdStream};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{Error, Setup};

/// Bytes of an answer: an entry, with all that was asked for of it. A longer one ends the connection.
pub const ANSWER_MAX: usize = 16 << 20;
/// Elements of an answer, each of which the library keeps by itself.
const ELEMENTS_MAX: usize = 400_000;
/// Elements within elements: values of an attribute are six deep, what controls have inside no deeper.
const DEPTH_MAX: usize = 16;
/// Bytes of the answer to the request for TLS, which anybody on the way may have written.
const GREETING_MAX: usize = 4 * 1024;
/// Message 1, an extended request (RFC 4511, 4.14.1).
const START_TLS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";

/// A connection, over TLS as `setup` says. The caller sees to the time that it takes.
pub(super) async fn connect(server: &str, setup: &Setup) -> Result<Ldap, Error> {
    let away = |failure: io::Error| Error::Away(failure.to_string());
    let address = Address::of(server).ok_or_else(|| Error::Away(format!("{server} is no address")))?;
    let mut stream = TcpStream::connect((address.host, address.port)).await.map_err(away)?;
    stream.set_nodelay(true).map_err(away)?;
    let (inside, library) = Pair::pair().map_err(away)?;
    inside.set_nonblocking(true).map_err(away)?;
    let inside = UnixStream::from_std(inside).map_err(away)?;
    let patience = setup.timeout;
    if address.is_secure || setup.start_tls {
        let name = ServerName::try_from(address.host.to_owned()).map_err(|why| Error::Away(why.to_string()))?;
        if !address.is_secure {
            start_tls(&mut stream).await.map_err(away)?;
        }
        let stream = TlsConnector::from(setup.tls.clone()).connect(name, stream).await.map_err(away)?;
        tokio::spawn(relay(server.to_owned(), stream, inside, patience));
    } else {
        tokio::spawn(relay(server.to_owned(), stream, inside, patience));
    }
    let settings = LdapConnSettings::new().set_std_stream(StdStream::Unix(library));
    let (connection, ldap) = LdapConnAsync::with_settings(settings, "ldapi://relay").await?;
    let server = server.to_owned();
    // A task of its own: where the library panics, the connection has ended.
    tokio::spawn(async move {
        if let Err(failure) = connection.drive().await {
            tracing::debug!(server, %failure, "a connection to the directory has ended");
        }
    });
    Ok(ldap)
}

struct Address<'a> {
    host: &'a str,
    port: u16,
    is_secure: bool,
}

impl Address<'_> {
    fn of(url: &str) -> Option<Address<'_>> {
        let (scheme, rest) = url.split_once("://")?;
        let (is_secure, usual) = match scheme {
            "ldap" => (false, 389),
            "ldaps" => (true, 636),
            _ => return None,
        };
        let rest = rest.split('/').next()?;
        match rest.rsplit_once(':') {
            Some((host, port)) => Some(Address { host, port: port.parse().ok()?, is_secure }),
            None => Some(Address { host: rest, port: usual, is_secure }),
        }
    }
}

/// Nothing but the one answer is read without TLS: whatever somebody has put behind it has to be TLS.
async fn start_tls(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(START_TLS).await?;
    let mut answer = Vec::new();
    if !take(stream, GREETING_MAX, &mut answer).await? {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    match is_granted(&answer) {
        Some(true) => Ok(()),
        Some(false) | None => Err(wrong("it does not begin TLS")),
    }
}

/// Whether it is an extended response to message 1 with the result 0.
fn is_granted(answer: &[u8]) -> Option<bool> {
    let (_, message, _) = element(answer).ok()??;
    let (id, number, rest) = element(message).ok()??;
    let (response, body, _) = element(rest).ok()??;
    let (code, value, _) = element(body).ok()??;
    Some((id, number, response, code, value) == (0x02, &[1][..], 0x78, 0x0a, &[0][..]))
}

/// Until either side has ended: both end then.
async fn relay(
    server: String,
    outside: impl AsyncRead + AsyncWrite,
    inside: UnixStream,
    patience: std::time::Duration,
) {
    let (answers, mut asks) = tokio::io::split(outside);
    let (mut asked, mut told) = inside.into_split();
    let out = async {
        tokio::io::copy(&mut asked, &mut asks).await?;
        timeout(patience, asks.shutdown()).await?
    };
    let back = async {
        let (mut answers, mut answer) = (BufReader::new(answers), Vec::new());
        while take_answer(&mut answers, &mut answer).await? {
            told.write_all(&answer).await?;
            // One long answer is not paid for by every connection that stays.
            answer.shrink_to(GREETING_MAX);
        }
        io::Result::Ok(())
    };
    let ended = tokio::select! {
        ended = out => ended,
        ended = back => ended,
    };
    match ended {
        Err(failure) if failure.kind() == ErrorKind::InvalidData => {
            tracing::warn!(server, %failure, "a directory server says what is no answer");
        }
        Err(failure) => tracing::debug!(server, %failure, "a connection to the directory has ended"),
        Ok(()) => {}
    }
}

/// Reads one answer, which the library can take apart; false: there are no more.
///
/// # Errors
/// What comes is no answer, longer than [`ANSWER_MAX`], or not all of it.
pub async fn take_answer(from: &mut (impl AsyncRead + Unpin), answer: &mut Vec<u8>) -> io::Result<bool> {
    take(from, ANSWER_MAX, answer).await
}

/// Reads one of at most so many bytes. Memory is taken as its bytes come, not as they are announced.
async fn take(from: &mut (impl AsyncRead + Unpin), most: usize, answer: &mut Vec<u8>) -> io::Result<bool> {
    answer.clear();
    let length = loop {
        if answer.len() > most.min(HEAD_MAX) {
            return Err(wrong("a length of too many digits"));
        }
        let mut one = [0];
        if from.read(&mut one).await? == 0 {
            return if answer.is_empty() { Ok(false) } else { Err(ErrorKind::UnexpectedEof.into()) };
        }
        answer.extend_from_slice(&one);
        if answer.first() != Some(&0x30) {
            return Err(wrong("no sequence"));
        }
        if let Some((_, length)) = head(answer)? {
            break length;
        }
    };
    if length > most.saturating_sub(answer.len()) {
        return Err(wrong("longer than answers are"));
    }
    let all = answer.len() + length;
    from.take(length as u64).read_to_end(answer).await?;
    if answer.len() < all {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    check(answer)?;
    Ok(true)
}

/// Bytes of tag and length.
const HEAD_MAX: usize = 6;

/// How long tag and length are, and what follows; `None` while they are not all there.
fn head(bytes: &[u8]) -> io::Result<Option<(usize, usize)>> {
    let [tag, first, rest @ ..] = bytes else { return Ok(None) };
    if tag & 0x1f == 0x1f {
        return Err(wrong("a tag that LDAP has not"));
    }
    if *first < 0x80 {
        return Ok(Some((2, usize::from(*first))));
    }
    let count = usize::from(*first & 0x7f);
    if count == 0 || count > HEAD_MAX - 2 {
        return Err(wrong("a length that LDAP has not"));
    }
    let Some(digits) = rest.get(..count) else { return Ok(None) };
    Ok(Some((2 + count, digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)))))
}

/// Tag, content, and what follows.
type Element<'a> = (u8, &'a [u8], &'a [u8]);

/// The first element; `None`: there is none.
fn element(bytes: &[u8]) -> io::Result<Option<Element<'_>>> {
    let Some(tag) = bytes.first() else { return Ok(None) };
    let (head, length) = head(bytes)?.ok_or_else(|| wrong("an element without an end"))?;
    let body = bytes.get(head..).and_then(|body| body.split_at_checked(length));
    let (content, rest) = body.ok_or_else(|| wrong("an element that is longer than what it is in"))?;
    Ok(Some((*tag, content, rest)))
}

/// Whether the library can take it apart: each element fills what it is in, none is too deep, and they are not too many.
fn check(answer: &[u8]) -> io::Result<()> {
    // What is still to be looked at, of each element that is open.
    let mut open = vec![answer];
    let mut count = 0_usize;
    while let Some(rest) = open.last_mut() {
        let Some((tag, content, after)) = element(rest)? else {
            open.pop();
            continue;
        };
        *rest = after;
        count += 1;
        if count > ELEMENTS_MAX {
            return Err(wrong("too many elements"));
        }
        if tag & 0x20 != 0 {
            if open.len() > DEPTH_MAX {
                return Err(wrong("nested too deeply"));
            }
            open.push(content);
        }
    }
    Ok(())
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(depth: usize) -> Vec<u8> {
        (0..depth).fold(Vec::new(), |inside, _| {
            let length = u32::try_from(inside.len()).unwrap().to_be_bytes();
            [&[0x30, 0x84], &length[..], &inside[..]].concat()
        })
    }

    #[test]
    fn what_is_too_deep_too_long_or_too_many_is_no_answer() {
        assert!(check(&nested(DEPTH_MAX)).is_ok());
        assert!(check(&nested(DEPTH_MAX + 2)).is_err());
        assert!(check(&nested(20_000)).is_err());
        for good in [&b"\x30\x05\x02\x01\x01\x65\x00"[..], b"\x30\x00", b"\x30\x81\x03\x02\x01\x01"] {
            assert!(check(good).is_ok(), "{good:x?}");
        }
        for bad in [
            &b"\x30\x03\x02\x02\x01"[..],
            b"\x30\x02\x30\x01",
            b"\x30\x80\x00\x00",
            b"\x30\x02\x1f\x01",
            b"\x30\x85\x00\x00\x00\x00\x00",
            b"\x30\x01\x02",
        ] {
            assert!(check(bad).is_err(), "{bad:x?}");
        }
        let many = [&[0x30, 0x83, 0x0f, 0x42, 0x40][..], &[4, 0].repeat(500_000)].concat();
        assert!(check(&many).is_err());
    }

    #[tokio::test]
    async fn what_is_announced_takes_no_memory() {
        let mut answer = Vec::new();
        for bad in [&b"\x30\x84\xff\xff\xff\xff"[..], b"\x30\x88\x00", b"HTTP/1.1 400 Bad Request"] {
            let failure = take(&mut &bad[..], ANSWER_MAX, &mut answer).await.unwrap_err();
            assert_eq!((failure.kind(), answer.capacity() < 64), (ErrorKind::InvalidData, true), "{bad:x?}");
        }
        let cut = take(&mut &b"\x30\x83\xff\x00\x00\x02"[..], ANSWER_MAX, &mut answer).await.unwrap_err();
        assert_eq!((cut.kind(), answer.capacity() < 1024), (ErrorKind::UnexpectedEof, true));
        let mut two = &b"\x30\x03\x02\x01\x01\x30\x00"[..];
        assert!(take(&mut two, ANSWER_MAX, &mut answer).await.unwrap());
        assert_eq!((&answer[..], two), (&b"\x30\x03\x02\x01\x01"[..], &b"\x30\x00"[..]));
    }

    #[test]
    fn tls_begins_when_the_server_says_so_and_not_else() {
        assert_eq!(START_TLS.len(), 31);
        assert_eq!(is_granted(b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"), Some(true));
        for other in [
            &b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x02\x04\x00\x04\x00"[..],
            b"\x30\x0c\x02\x01\x02\x78\x07\x0a\x01\x00\x04\x00\x04\x00",
            b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00",
            b"\x30\x00",
        ] {
            assert_ne!(is_granted(other), Some(true), "{other:x?}");
        }
    }
}
