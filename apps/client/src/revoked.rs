//! What the authority has taken back (SEC-6): its list, from where it is published (SEC-4). It is signed, so it may come by any way.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::{Carrier, Error, Tls, Url, link};

/// Where a server of ours has it.
const PATH: &str = "/ca.crl";
/// Bytes of a list with its head: a hundred thousand certificates are four mebibytes.
const LIST_MAX: u64 = 16 << 20;
/// The whole way there and back.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the list of a server lies that is reached by `url`: beside its WebSockets, else on the port that such servers have.
pub fn list_url(url: &Url) -> String {
    let host = if url.host.contains(':') { format!("[{}]", url.host) } else { url.host.clone() };
    match url.carrier {
        Carrier::WebSocket => format!("http://{host}:{}{PATH}", url.port),
        Carrier::WebSocketTls => format!("https://{host}:{}{PATH}", url.port),
        Carrier::Tcp => format!("http://{host}:8083{PATH}"),
        Carrier::Tls | Carrier::Quic => format!("https://{host}:8084{PATH}"),
    }
}

/// The list (DER) at an address, `http://…` or `https://…`, the latter at a server that `tls` trusts.
pub async fn fetch_list(address: &str, tls: Option<&Tls>) -> Result<Vec<u8>, Error> {
    timeout(PATIENCE, get(address, tls)).await.map_err(|_| Error::TimedOut)?
}

async fn get(address: &str, tls: Option<&Tls>) -> Result<Vec<u8>, Error> {
    let bad = || Error::local(format!("{address} is no address of a revocation list; say http:// or https://"));
    let (scheme, rest) = address.split_once("://").ok_or_else(bad)?;
    let (server, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (carrier, port) = match scheme {
        "http" => ("ws", 80),
        "https" => ("wss", 443),
        _ => return Err(bad()),
    };
    let says_port = server.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let mut url: Url = format!("{carrier}://{server}").parse()?;
    if !says_port {
        url.port = port;
    }

    let mut stream = link::web(&url, tls).await?;
    // 1.0: the answer comes in one piece, and ends with the connection.
    let path = if path.is_empty() { "/" } else { path };
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {server}\r\n\r\n").as_bytes()).await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    match stream.take(LIST_MAX).read_to_end(&mut answer).await {
        Ok(_) => {}
        // Some end TLS without a word; whether the list is whole its signature says.
        Err(why) if why.kind() == std::io::ErrorKind::UnexpectedEof => {}
        Err(why) => return Err(why.into()),
    }
    let end =
        answer.windows(4).position(|four| four == b"\r\n\r\n").ok_or_else(|| Error::Unexpected("no HTTP".into()))?;
    let head = String::from_utf8_lossy(answer.get(..end).unwrap_or_default());
    let status = head.lines().next().unwrap_or_default();
    match status.split(' ').nth(1) {
        Some("200") => Ok(answer.split_off(end + 4)),
        _ => Err(Error::Unexpected(status.to_owned())),
    }
}
