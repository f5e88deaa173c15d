//! The web front: one HTTP server, which others give routes to.
//!
//! Follow one request: a listener (crate `listen`) brings the connection to a ring thread, `connection` reads HTTP/1.1 or, where
//! TLS has agreed on it, HTTP/2, and bounds what a connection may cost; `route` finds who answers, reads the body up to what that
//! route takes, and hands over an [`Asked`] with the [`Peer`] that asks.
//!
//! A WebSocket is a route as well: `websocket` has the handshake and a socket as a stream of bytes, in which MQTT is carried; `talk` is
//! the framing of N2O (CON-2), a front door of the chat beside MQTT's.
//!
//! # Bounds
//!
//! Connections of strangers are counted by the doorman, as everywhere. The head of a request
//! has 16 KiB and 10 seconds, which is also how long a connection may idle over HTTP/1.1; a body has what its route says and 30
//! seconds; a peer that does not read has 30 seconds. What is beyond is answered 431, 413, 408, or closed where no answer helps.

mod front;
mod route;
mod reply;
mod connection;
mod stall;
mod websocket;
mod talk;
#[cfg(any(test, feature = "hostile"))]
#[allow(clippy::indexing_slicing, reason = "it may fail")]
pub mod hostile;

pub use self::websocket::{Origins, Socket};
pub use front::{Front, Leave};
pub use hyper::{HeaderMap, Method, StatusCode, Uri, header};
pub use reply::{Body, Reply, bare, parts, reply, status, text};
pub use route::{Arriving, Asked, Coming, Joined, Peer, Routes};
pub use talk::{House, MailAuth, Times, talk};
