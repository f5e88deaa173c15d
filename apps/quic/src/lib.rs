//! QUIC, as far as both ends of MQTT need it (CON-1): ALPN `mqtt`, and one stream in both directions, opened by the client, whose bytes
//! are those that TCP would carry.
//!
//! # Decisions
//!
//! - **One stream.** A client that opens more is told that there are no more. Streams for single topics would let answers overtake each
//!   other, and sessions promise their order (SPEC G-5).
//! - **No early data** (0-RTT). Others could repeat it, and of MQTT nothing is safe to repeat before the client is known: CONNECT takes a
//!   session over, PUBLISH changes the world. Sessions of TLS are resumed all the same.
//! - **MQTT's keep-alive decides who is silent.** QUIC's own time is that of the longest keep-alive, and the server sends nothing to keep a
//!   connection open: a phone is not woken for that. Clients ping, so that routers between do not forget them.
//! - **A connection may wander** from one address to another, and stays with its thread: one socket reads for all of a port.
//! - **A server that begins anew says so.** It cannot know the connections of its life before, but it knows by its key that it had them:
//!   whoever goes on talking is told at once to come again, and need not wait until the silence is long enough.
//! - **What waits between the port's loop and a connection** quinn does not bound: datagrams that have been read and whose connection's thread
//!   has not run since. From outside it is bounded by what a peer may send unread (half a mebibyte, and a connection that is not acknowledged
//!   sends less and less), by the number of connections, and by how long a ring thread may take for a step: no step waits for anything.
//! - **Addresses prove themselves.** Up to [`UNPROVEN_MAX`] handshakes may be under way with addresses that have not shown that they hear
//!   us; beyond, clients are asked to come again with a token (Retry). Nothing is counted against an address before it has.

mod bounds;
mod listener;
mod dial;
mod polled;
mod stream;

pub use dial::{Settings, dial};
pub use listener::{Knock, Listener, RESETS_BYTES, UNPROVEN_MAX};
pub use polled::Polled;
pub use stream::Stream;
