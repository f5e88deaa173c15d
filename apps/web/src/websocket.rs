//! WebSocket (RFC 6455): who may open one, and the handshake.

use bytes::Bytes;
use hyper::header::{
    CONNECTION, HOST, HeaderName, HeaderValue, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::upgrade::Upgraded;
use hyper::{HeaderMap, StatusCode};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use websocket::{Followed, VERSION};

use crate::reply::{Reply, status, whole};

/// After its handshake.
pub type Socket = WebSocketStream<Followed<TokioIo<Upgraded>>>;

/// Whose pages may open a WebSocket. What is no browser sends no Origin, and is not asked.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    /// As a browser writes them, `https://chat.example.org`; `*` is all.
    pub others: Vec<String>,
    /// Names of this server, by which its own pages come.
    pub names: Vec<String>,
}

impl Origins {
    fn admit(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(ORIGIN) else { return true };
        let Ok(origin) = origin.to_str() else { return false };
        self.others.iter().any(|other| other == "*" || other == origin) || self.is_own(origin, headers)
    }

    /// The page's host is the one asked for, and a name of ours: a foreign name that was made to point here is none.
    fn is_own(&self, origin: &str, headers: &HeaderMap) -> bool {
        let Some((_, authority)) = origin.split_once("://") else { return false };
        let host = authority.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
        let host = host.map_or(authority, |(host, _)| host).trim_matches(['[', ']']);
        headers.get(HOST).is_some_and(|asked| asked.as_bytes() == authority.as_bytes())
            && (host.parse::<std::net::IpAddr>().is_ok() || self.names.iter().any(|name| name == host))
    }
}

/// A request for another protocol on its connection.
pub(crate) fn is_asked(headers: &HeaderMap) -> bool {
    headers.get(UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Whether the client offers this sub-protocol.
pub(crate) fn offers(headers: &HeaderMap, protocol: &str) -> bool {
    tokens(headers, &SEC_WEBSOCKET_PROTOCOL).any(|offered| offered == protocol)
}

fn tokens<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

/// The answer that opens the socket, or the one that refuses it.
pub(crate) fn handshake(headers: &HeaderMap, origins: &Origins, protocol: Option<&'static str>) -> (bool, Reply) {
    let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes);
    let key = key.filter(|key| websocket::is_key(key));
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != VERSION) {
        let mut refused = status(StatusCode::UPGRADE_REQUIRED);
        refused.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
        return (false, refused);
    }
    let Some(key) = key.filter(|_| tokens(headers, &CONNECTION).any(|word| word.eq_ignore_ascii_case("upgrade")))
    else {
        return (false, status(StatusCode::BAD_REQUEST));
    };
    if !origins.admit(headers) {
        return (false, status(StatusCode::FORBIDDEN));
    }
    let mut reply = Reply::new(whole(Bytes::new()));
    *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let answer = reply.headers_mut();
    answer.insert(UPGRADE, HeaderValue::from_static("websocket"));
    answer.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    answer.extend(HeaderValue::from_str(&websocket::proof(key)).map(|proof| (SEC_WEBSOCKET_ACCEPT, proof)));
    answer.extend(protocol.map(|name| (SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(name))));
    (true, reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(origins: &Origins, origin: &'static str, host: &'static str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(ORIGIN, HeaderValue::from_static(origin));
        headers.insert(HOST, HeaderValue::from_static(host));
        origins.admit(&headers)
    }

    #[test]
    fn con_2_pages_of_this_server_and_of_those_named_may_open_a_socket() {
        let own = Origins { others: vec!["https://app.example".into()], names: vec!["chat.example".into()] };
        assert!(own.admit(&HeaderMap::new()));
        assert!(admits(&own, "https://chat.example:8084", "chat.example:8084"));
        assert!(admits(&own, "http://127.0.0.1:8083", "127.0.0.1:8083") && admits(&own, "http://[::1]", "[::1]"));
        assert!(admits(&own, "https://app.example", "chat.example:8084"));
        assert!(!admits(&own, "https://evil.example", "chat.example:8084"));
        assert!(!admits(&own, "null", "chat.example:8084"));
        let rebound = admits(&own, "http://evil.example:8083", "evil.example:8083");
        assert!(!rebound, "a foreign name that points here");
        assert!(admits(&Origins { others: vec!["*".into()], names: Vec::new() }, "null", "x"));
    }

    #[test]
    fn con_2_the_handshake_is_that_of_rfc_6455() {
        let mut headers = HeaderMap::new();
        headers.insert(CONNECTION, HeaderValue::from_static("keep-alive, Upgrade"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="));
        let (opened, reply) = handshake(&headers, &Origins::default(), Some("mqtt"));
        assert!(opened && reply.status() == 101);
        assert_eq!(reply.headers()[SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(reply.headers()[SEC_WEBSOCKET_PROTOCOL], "mqtt");

        headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_static("c2hvcnQ="));
        assert_eq!(handshake(&headers, &Origins::default(), None).1.status(), 400);
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("8"));
        assert_eq!(handshake(&headers, &Origins::default(), None).1.status(), 426);
    }
}
