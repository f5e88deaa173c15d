//! Files over HTTPS: up by tus 1.0, down by ranges, and on from where it was after a break.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_RANGE, CONTENT_TYPE, HOST, HeaderMap, IF_RANGE, LOCATION, RANGE};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use super::sink::Sink;
use super::source::Source;
use super::{BLOCK, Place, Progress, TRIES};
use crate::options::Carrier;
use crate::{BACKOFF_MIN, Error, Options, Url, tls};

/// Bytes that are read from the socket at once.
const READ_MAX: usize = 512 << 10;
/// Blocks that wait to be sent.
const AHEAD: usize = 2;
/// A server that is silent for so long is not there.
const SILENCE: Duration = Duration::from_secs(60);

type Sent = BoxBody<Bytes, io::Error>;

/// Where a server's files are, and as whom we come.
#[derive(Debug)]
pub(crate) struct Web {
    url: Url,
    options: Options,
}

impl Web {
    /// None where no address for files is known.
    pub(crate) fn of(options: &Options) -> Option<Web> {
        let known = [&options.url].into_iter().chain(&options.others).find(|url| url.carrier == Carrier::WebSocketTls);
        let url = options.files.clone().or_else(|| known.cloned())?;
        Some(Web { url, options: options.clone() })
    }

    /// Hands a file over; its reference.
    pub(crate) async fn upload(
        &self,
        source: &Arc<Source>,
        name: &str,
        place: &mut Place,
        progress: &Progress,
    ) -> Result<String, Error> {
        let (mut at, mut tries) = (0, 0);
        loop {
            let before = at;
            let error = match self.try_upload(source, name, place, &mut at, progress).await {
                Ok(reference) => return Ok(reference),
                Err(error) if error.is_passing() && !source.has_changed() => error,
                Err(error) => return Err(error),
            };
            tries = if at > before { 0 } else { tries + 1 };
            if tries >= TRIES {
                return Err(error);
            }
            sleep(BACKOFF_MIN * 2_u32.pow(tries)).await;
        }
    }

    async fn try_upload(
        &self,
        source: &Arc<Source>,
        name: &str,
        place: &mut Place,
        at: &mut u64,
        progress: &Progress,
    ) -> Result<String, Error> {
        let mut http = self.open().await?;
        let path = match place.name() {
            Some(path) => {
                let path = path.to_owned();
                let asked = self.request(Method::HEAD, &path)?.body(nothing()).map_err(broken)?;
                let answer = ask(&mut http, asked).await?;
                if let Some(reference) = header(answer.headers(), "upload-reference") {
                    return Ok(reference);
                }
                *at = header(answer.headers(), "upload-offset").and_then(|at| at.parse().ok()).unwrap_or(0);
                path
            }
            None => {
                let asked = self.request(Method::POST, "/ftp/")?;
                let asked = asked.header("upload-length", source.size()).header("upload-metadata", metadata(name));
                let answer = ask(&mut http, asked.body(nothing()).map_err(broken)?).await?;
                let path = header(answer.headers(), LOCATION.as_str());
                let path = path.ok_or_else(|| Error::Unexpected("an upload without a place".into()))?;
                place.is_at(path.clone())?;
                path
            }
        };
        let asked = self.request(Method::PATCH, &path)?.header("upload-offset", *at);
        let asked = asked.header(CONTENT_TYPE, "application/offset+octet-stream");
        let body = BoxBody::new(Feed::begin(source.clone(), *at, progress.clone()));
        let answer = ask(&mut http, asked.body(body).map_err(broken)?).await?;
        *at = header(answer.headers(), "upload-offset").and_then(|at| at.parse().ok()).unwrap_or(*at);
        header(answer.headers(), "upload-reference").ok_or(Error::Disconnected)
    }

    /// Takes a file, as far as the sink does not have it.
    pub(crate) async fn download(&self, reference: &str, sink: &mut Sink, progress: &Progress) -> Result<(), Error> {
        let mut tries = 0;
        loop {
            let before = sink.at();
            let error = match self.try_download(reference, sink, progress).await {
                Ok(()) => return Ok(()),
                Err(error) if error.is_passing() => error,
                Err(error) => return Err(error),
            };
            tries = if sink.at() > before { 0 } else { tries + 1 };
            if tries >= TRIES {
                return Err(error);
            }
            sleep(BACKOFF_MIN * 2_u32.pow(tries)).await;
        }
    }

    async fn try_download(&self, reference: &str, sink: &mut Sink, progress: &Progress) -> Result<(), Error> {
        let mut http = self.open().await?;
        let mut asked = self.request(Method::GET, &format!("/ftp/{reference}"))?;
        if sink.at() > 0 {
            let tag = reference.rsplit('/').next().unwrap_or_default();
            asked = asked.header(RANGE, format!("bytes={}-", sink.at())).header(IF_RANGE, format!("\"{tag}\""));
        }
        let answer = match ask(&mut http, asked.body(nothing()).map_err(broken)?).await {
            // All of it is there already.
            Err(Error::Answered(416)) => return sink.end(),
            answer => answer?,
        };
        let size = match answer.status() {
            StatusCode::PARTIAL_CONTENT => {
                let range = header(answer.headers(), CONTENT_RANGE.as_str()).unwrap_or_default();
                range.rsplit('/').next().and_then(|size| size.parse().ok()).unwrap_or(0)
            }
            _ => {
                sink.rewind()?;
                Body::size_hint(answer.body()).exact().unwrap_or(0)
            }
        };
        let mut body = answer.into_body();
        while let Some(frame) = timeout(SILENCE, body.frame()).await.map_err(|_| Error::TimedOut)? {
            if let Ok(data) = frame.map_err(lost)?.into_data() {
                sink.write(&data, size)?;
                progress(sink.at(), size);
            }
        }
        if sink.at() < size { Err(Error::Disconnected) } else { sink.end() }
    }

    async fn open(&self) -> Result<SendRequest<Sent>, Error> {
        let opened = timeout(self.options.connect_timeout, self.dial());
        opened.await.map_err(|_| Error::TimedOut)?
    }

    async fn dial(&self) -> Result<SendRequest<Sent>, Error> {
        let socket = TcpStream::connect((self.url.host.as_str(), self.url.port)).await?;
        socket.set_nodelay(true)?;
        let mut builder = Builder::new();
        builder.max_buf_size(READ_MAX);
        if !self.url.carrier.is_secure() {
            return over(builder.handshake(TokioIo::new(socket)).await);
        }
        let tls = self.options.tls.as_ref().ok_or_else(|| Error::Tls("no authority to trust is given".into()))?;
        let connector = TlsConnector::from(tls::config(tls, Carrier::WebSocketTls)?);
        let stream = connector.connect(tls::server_name(&self.url)?, socket).await?;
        over(builder.handshake(TokioIo::new(stream)).await)
    }

    fn request(&self, method: Method, path: &str) -> Result<hyper::http::request::Builder, Error> {
        let path: Uri = path.parse().map_err(broken)?;
        let host = if self.url.host.contains(':') { format!("[{}]", self.url.host) } else { self.url.host.clone() };
        let request = Request::builder().method(method).uri(path).header("tus-resumable", "1.0.0");
        let request = request.header(HOST, format!("{host}:{}", self.url.port));
        Ok(match &self.options.token {
            Some(token) => request.header(AUTHORIZATION, format!("Bearer {}:{token}", self.options.client_id)),
            None => request,
        })
    }
}

type Opened<C> = Result<(SendRequest<Sent>, C), hyper::Error>;

/// The connection works in a task of its own until the request's end.
fn over<C>(opened: Opened<C>) -> Result<SendRequest<Sent>, Error>
where
    C: Future<Output = Result<(), hyper::Error>> + Send + 'static,
{
    let (http, connection) = opened.map_err(lost)?;
    tokio::spawn(connection);
    Ok(http)
}

/// One request; what is refused is an error.
async fn ask(http: &mut SendRequest<Sent>, asked: Request<Sent>) -> Result<Response<Incoming>, Error> {
    let answer = http.send_request(asked).await.map_err(lost)?;
    let refused = |code: &str| Err(Error::Refused { code: code.into(), detail: None });
    match answer.status() {
        code if code.is_success() => Ok(answer),
        StatusCode::UNAUTHORIZED => Err(Error::NotAccepted(0x86)),
        // An earlier connection's bytes are still coming in: it asks again where the transfer is.
        StatusCode::CONFLICT => Err(Error::Disconnected),
        StatusCode::NOT_FOUND => refused("not_found"),
        StatusCode::PAYLOAD_TOO_LARGE => refused("too_large"),
        StatusCode::INSUFFICIENT_STORAGE => refused("limit"),
        StatusCode::BAD_REQUEST => refused("invalid_data"),
        code => Err(Error::Answered(code.as_u16())),
    }
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn nothing() -> Sent {
    Empty::new().map_err(|never| match never {}).boxed()
}

fn lost(error: hyper::Error) -> Error {
    Error::Io(io::Error::new(io::ErrorKind::ConnectionAborted, error))
}

fn broken(error: impl std::fmt::Display) -> Error {
    Error::local(error.to_string())
}

/// `filename` and its value in base64 (tus, `Upload-Metadata`).
fn metadata(name: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::from("filename ");
    for three in name.as_bytes().chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let digit = DIGITS.get((bits >> (18 - 6 * place)) as usize & 63).copied().unwrap_or(b'=');
            text.push(if place <= three.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

/// A file as the body of a request, from some byte on. It is read in a thread of its own, a few blocks ahead.
struct Feed {
    blocks: mpsc::Receiver<io::Result<Bytes>>,
    at: u64,
    size: u64,
    progress: Progress,
}

impl Feed {
    fn begin(source: Arc<Source>, at: u64, progress: Progress) -> Feed {
        let (into, blocks) = mpsc::channel(AHEAD);
        let size = source.size();
        tokio::task::spawn_blocking(move || {
            let mut at = at;
            while at < source.size() {
                let block = source.read(at, BLOCK);
                at += block.as_ref().map_or(0, |block| block.len() as u64);
                let is_end = block.is_err();
                if into.blocking_send(block).is_err() || is_end {
                    return;
                }
            }
        });
        Feed { blocks, at, size, progress }
    }
}

impl Body for Feed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.blocks.poll_recv(cx).map(|block| {
            Some(block?.map(|block| {
                self.at += block.len() as u64;
                (self.progress)(self.at, self.size);
                Frame::data(block)
            }))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.at >= self.size
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.size - self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_travels_in_base64() {
        let rows = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (name, text) in rows {
            assert_eq!(metadata(name), format!("filename {text}"));
        }
    }
}
