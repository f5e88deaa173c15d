//! The two directions of a stream as one, and the connection that ends with it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use quinn::{Connection, RecvStream, SendStream, VarInt};
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes in both directions. Dropped, it ends the connection with all that the peer has not taken; shut down before, with nothing.
pub struct Stream {
    send: SendStream,
    receive: RecvStream,
    /// Ready when the peer has all that was written.
    finishing: Option<Finishing>,
    connection: Connection,
}

type Finishing = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

impl Stream {
    pub(crate) fn new(connection: Connection, send: SendStream, receive: RecvStream) -> Stream {
        Stream { send, receive, finishing: None, connection }
    }

    /// The peer's certificate, verified; those that lead from it to an authority are left out.
    pub fn certificate(&self) -> Option<CertificateDer<'static>> {
        let shown = self.connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
        shown.into_iter().next()
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        AsyncRead::poll_read(Pin::new(&mut self.receive), cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(Pin::new(&mut self.send), cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(Pin::new(&mut self.send), cx)
    }

    /// Ready when the peer has taken everything: the connection may be dropped then.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.finishing.is_none() {
            self.send.finish().map_err(io::Error::from)?;
            let stopped = self.send.stopped();
            self.finishing = Some(Box::pin(async { drop(stopped.await) }));
        }
        if let Some(finishing) = &mut self.finishing {
            ready!(finishing.as_mut().poll(cx));
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.connection.close(VarInt::from_u32(0), b"");
    }
}
