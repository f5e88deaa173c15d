//! Addresses that strangers may make us ask: a server that posts wherever it is told to must not be a way into its own network.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::Uri;
use hyper_util::client::legacy::connect::dns::Name;
use tokio::sync::Semaphore;
use tower_service::Service;

use crate::Reach;

/// Blocks of IPv4 that are nobody's on the Internet: this network, private, shared by a provider's customers, loopback, link-local
/// (clouds answer for their machines' secrets there), for protocols, documentation, relays, measurements, multicast, reserved.
const INTERNAL: &[([u8; 4], u32)] = &[
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 3),
];

/// Names that a client has looked up at a time; others wait. Each has a thread until the system has given up on it, whoever still waits.
const LOOKUPS_MAX: usize = 64;
/// Nobody has them (RFC 5737, RFC 3849).
const NOBODYS: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))];

/// Whether a stranger may have us ask it.
fn may_be_asked(address: IpAddr) -> bool {
    is_outside(address) && !is_own(address)
}

/// One of this machine's: it may have one of the Internet. Where the system lets everybody bind what is nobody's (`ip_nonlocal_bind`),
/// that is not known.
fn is_own(address: IpAddr) -> bool {
    let address = match address {
        IpAddr::V6(six) => inner(six).map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    };
    let binds = |address| UdpSocket::bind((address, 0)).is_ok();
    binds(address) && !NOBODYS.into_iter().any(binds)
}

/// Whether an address is one of the Internet.
pub fn is_outside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !INTERNAL.iter().any(|(block, bits)| has_prefix(address, *block, *bits)),
        IpAddr::V6(address) => match inner(address) {
            Some(inner) => is_outside(IpAddr::V4(inner)),
            None => is_global(address),
        },
    }
}

fn has_prefix(address: Ipv4Addr, block: [u8; 4], bits: u32) -> bool {
    (u32::from(address) ^ u32::from_be_bytes(block)) >> (32 - bits) == 0
}

/// The address of IPv4 that is reached by it: mapped, by NAT64, by 6to4.
fn inner(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let of = |high: u16, low: u16| Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0] => of(g, h),
        [0x2002, ..] => of(b, c),
        _ => None,
    }
}

/// 2000::/3 without what is set aside there for protocols (2001::/23, Teredo among them) and documentation.
fn is_global(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let is_special = a == 0x2001 && (b < 0x200 || b == 0xdb8) || a == 0x3fff && b < 0x1000;
    a & 0xe000 == 0x2000 && !is_special
}

/// An address in place of a name, and none of the Internet. What is no name either is refused as well.
pub(crate) fn is_internal_literal(url: &Uri) -> bool {
    let Some(host) = url.host() else { return true };
    host.trim_matches(['[', ']']).parse().is_ok_and(|address: IpAddr| !may_be_asked(address))
}

/// A name that leads inside.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Internal;

impl fmt::Display for Internal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an internal address")
    }
}

impl std::error::Error for Internal {}

/// Asks the system, and hands on nothing that may not be reached.
#[derive(Debug, Clone)]
pub(crate) struct Resolver {
    turns: Arc<Semaphore>,
    reach: Reach,
}

impl Resolver {
    pub(crate) fn new(reach: Reach) -> Resolver {
        Resolver { turns: Arc::new(Semaphore::new(LOOKUPS_MAX)), reach }
    }
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (turns, reach) = (self.turns.clone(), self.reach);
        Box::pin(async move {
            let turn = turns.acquire_owned().await.map_err(io::Error::other)?;
            let look_up = move || {
                let found = (name.as_str(), 0).to_socket_addrs();
                drop(turn);
                found
            };
            let found: Vec<SocketAddr> =
                tokio::task::spawn_blocking(look_up).await.map_err(io::Error::other)??.collect();
            match reach {
                Reach::Any => Ok(found.into_iter()),
                // One that leads inside as well as outside is nobody's honest name.
                Reach::Outside if found.iter().all(|address| may_be_asked(address.ip())) => Ok(found.into_iter()),
                Reach::Outside => Err(io::Error::other(Internal)),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_one_s_on_the_internet_is_inside() {
        let inside = [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.170",
            "192.168.1.1",
            "198.19.255.255",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:c0a8:101::1",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ];
        for address in inside {
            assert!(!is_outside(address.parse().unwrap()), "{address}");
        }
        let outside = [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.167.0.1",
            "198.17.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
        ];
        for address in outside {
            assert!(is_outside(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn an_address_of_this_machine_is_its_own_whatever_it_is() {
        let is_own = |address: &str| is_own(address.parse().unwrap());
        assert!(is_own("127.0.0.1") && is_own("::ffff:127.0.0.1") && is_own("64:ff9b::127.0.0.1"));
        assert!(!is_own("1.1.1.1") && !is_own("2606:4700::1111") && !is_own("192.0.2.1"));
        assert!(may_be_asked("1.1.1.1".parse().unwrap()) && !may_be_asked("127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn addresses_in_place_of_names_are_judged_without_asking() {
        let is_internal = |url: &str| is_internal_literal(&url.parse().unwrap());
        assert!(is_internal("https://127.0.0.1/x") && is_internal("https://[::1]:8443/x"));
        assert!(is_internal("https://[::ffff:192.168.0.1]/") && is_internal("/no/host"));
        assert!(!is_internal("https://8.8.8.8/x") && !is_internal("https://push.example.org/"));
    }
}
