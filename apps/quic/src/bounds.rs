//! What a connection may cost, and when it has ended.

use std::time::Duration;

use quinn::{TransportConfig, VarInt};

/// Bytes that a peer may send ahead of what is read here: a chunk of a file fits.
const WINDOW: u32 = 512 << 10;
/// Bytes that wait for a peer who does not take them; beyond, the writer waits.
const UNSENT_MAX: u64 = 256 << 10;

/// Of both ends; a connection from which nothing has come for `silence` has ended.
pub(crate) fn transport(silence: Duration) -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .max_idle_timeout(silence.try_into().ok())
        .stream_receive_window(VarInt::from_u32(WINDOW))
        .receive_window(VarInt::from_u32(WINDOW))
        .send_window(UNSENT_MAX)
        .datagram_receive_buffer_size(None);
    transport
}

/// All connections of a port share one socket: what many send at once has to fit.
pub(crate) fn widen(socket: &std::net::UdpSocket) {
    const SOCKET_BYTES: usize = 4 << 20;
    // As much as it may be; less is slower, not wrong.
    let _ = rustix::net::sockopt::set_socket_recv_buffer_size(socket, SOCKET_BYTES);
    let _ = rustix::net::sockopt::set_socket_send_buffer_size(socket, SOCKET_BYTES);
}
