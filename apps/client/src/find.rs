//! A server found by its name alone: what its zone says of where it listens, and by which keys it is known.
//!
//! Of DNS nothing counts that is not proven (DNSSEC, from the anchors down): where a service is (SRV, HTTPS), its addresses, and the keys
//! of its listeners (TLSA). Who can tamper with answers can keep us from the server, but not lead us to another, and not make us speak in
//! the clear: ways without TLS are not looked for.

mod anchors;
mod ask;
mod known;

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use hickory_net::proto::rr::rdata::svcb::{SvcParamKey, SvcParamValue};
use hickory_net::proto::rr::{Name, RData, RecordType};

use crate::{Carrier, Error, Options, Url};
pub use anchors::Anchors;
use ask::{Asker, Doubt};
pub(crate) use known::Known;

/// How such a server is written.
pub(crate) const SCHEME: &str = "chat://";
/// Ways to a server that are tried, the best first; and addresses of each.
const WAYS_MAX: usize = 8;
const ADDRESSES_MAX: usize = 8;
/// For a target: the service is not offered.
const ROOT: &str = ".";

/// A server by its name: `chat://name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub name: String,
    /// Who answers questions of DNS; he is not trusted. Without it, who does so for this machine.
    pub resolver: Option<SocketAddr>,
    /// Whose signatures prove answers.
    pub anchors: Anchors,
}

/// A way to a server.
pub(crate) struct Way {
    pub(crate) url: Url,
    /// Proven; none: the host is looked up as the system does.
    pub(crate) addresses: Vec<SocketAddr>,
    /// Proven. `None`: its certificate comes from an authority that is trusted.
    pub(crate) known: Option<Arc<Known>>,
}

impl Named {
    /// Asks who answers for this machine, and trusts the keys of the root.
    pub fn new(name: impl Into<String>) -> Named {
        Named { name: name.into(), resolver: None, anchors: Anchors::Root }
    }

    /// Stands where a URL is wanted; nobody connects to it.
    pub fn url(&self) -> Url {
        Url { carrier: Carrier::Tls, host: self.name.clone(), port: 0 }
    }
}

impl Way {
    /// As it is given.
    pub(crate) fn to(url: &Url) -> Way {
        Way { url: url.clone(), addresses: Vec::new(), known: None }
    }
}

impl FromStr for Named {
    type Err = Error;

    fn from_str(text: &str) -> Result<Named, Error> {
        let name = text.strip_prefix(SCHEME).unwrap_or(text).trim_end_matches(['/', '.']);
        let is_name = !name.is_empty() && !name.contains(['/', ':', '@', ' ']) && name.parse::<IpAddr>().is_err();
        match Name::from_ascii(name) {
            Ok(parsed) if is_name && !parsed.is_root() => Ok(Named::new(name.to_ascii_lowercase())),
            Ok(_) | Err(_) => Err(Error::Unfound { name: text.to_owned(), why: "that is no name of a server".into() }),
        }
    }
}

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{SCHEME}{}", self.name)
    }
}

/// The ways to the server that `options` name, in the order in which they are tried.
pub(crate) async fn ways(options: &Options) -> Result<Vec<Way>, Error> {
    let Some(named) = &options.named else {
        let urls = [&options.url].into_iter().chain(&options.others);
        return Ok(urls.map(Way::to).collect());
    };
    let has_identity = options.tls.as_ref().is_some_and(|tls| tls.identity.is_some());
    let found = find(named, has_identity).await;
    found.map_err(|why| Error::Unfound { name: named.name.clone(), why: why.to_string() })
}

/// Where one service is: the smaller the number, the sooner it is tried.
struct Place {
    order: (u16, u8),
    weight: u16,
    carrier: Carrier,
    host: Name,
    port: u16,
}

async fn find(named: &Named, has_identity: bool) -> Result<Vec<Way>, Doubt> {
    let name = Name::from_ascii(format!("{}.", named.name)).map_err(|why| Doubt::Name(why.to_string()))?;
    let asker = Asker::new(named).await?;
    let (mut places, mut doubt) = (Vec::new(), None);
    // Listeners of MQTT want a certificate, which a device gets when it registers: until then it comes by the web.
    let services =
        if has_identity { &[Carrier::Tls, Carrier::Quic, Carrier::WebSocketTls][..] } else { &[Carrier::WebSocketTls] };
    for (rank, carrier) in (0..).zip(services) {
        match find_places(&asker, &name, *carrier, rank).await {
            Ok(found) => places.extend(found),
            Err(why) => doubt = Some(why),
        }
    }
    in_order(&mut places)?;
    let mut ways = Vec::new();
    for place in places.into_iter().take(WAYS_MAX) {
        match way(&asker, place).await {
            Ok(way) => ways.push(way),
            Err(why) => doubt = Some(why),
        }
    }
    match (ways.is_empty(), doubt) {
        (false, _) => Ok(ways),
        (true, Some(why)) => Err(why),
        (true, None) => Err(Doubt::Nothing),
    }
}

async fn find_places(asker: &Asker, name: &Name, carrier: Carrier, rank: u8) -> Result<Vec<Place>, Doubt> {
    let place = |priority, weight, host, port| Place { order: (priority, rank), weight, carrier, host, port };
    let service = match carrier {
        Carrier::Tls => "_mqtts._tcp",
        Carrier::Quic => "_mqtt._udp",
        Carrier::WebSocketTls => return find_web(asker, name, &place).await,
        // In the clear.
        Carrier::Tcp | Carrier::WebSocket => return Ok(Vec::new()),
    };
    let owner = below(service, name)?;
    let (_, found) = asker.proven(&owner, RecordType::SRV).await?;
    let found = found.into_iter().filter_map(|data| match data {
        RData::SRV(srv) if srv.target.to_ascii() != ROOT => Some(place(srv.priority, srv.weight, srv.target, srv.port)),
        _ => None,
    });
    Ok(found.collect())
}

/// WebSockets are where the web is (RFC 9460).
async fn find_web(
    asker: &Asker,
    name: &Name,
    place: &impl Fn(u16, u16, Name, u16) -> Place,
) -> Result<Vec<Place>, Doubt> {
    let mut places = Vec::new();
    let (owner, found) = asker.proven(name, RecordType::HTTPS).await?;
    for data in found {
        let RData::HTTPS(https) = data else { continue };
        let port = https.svc_params.iter().find_map(|(key, value)| match (key, value) {
            (SvcParamKey::Port, SvcParamValue::Port(port)) => Some(*port),
            _ => None,
        });
        // 0 is an alias, which a zone of our own has no need of.
        if https.svc_priority > 0 {
            let host = if https.target_name.is_root() { owner.clone() } else { https.target_name.clone() };
            // The first is 1; that of SRV is 0.
            places.push(place(https.svc_priority - 1, 0, host, port.unwrap_or(443)));
        }
    }
    Ok(places)
}

/// By priority; among those of the same, by chance that has regard to their weights (RFC 2782).
fn in_order(places: &mut [Place]) -> Result<(), Doubt> {
    let mut lots = Vec::with_capacity(places.len());
    for place in places.iter() {
        let mut random = [0; 4];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| Doubt::Name("the system gives no random numbers".into()))?;
        // The k-th root of a chance, for weight k, is the largest of all in proportion to k.
        let chance = (f64::from(u32::from_be_bytes(random)) + 0.5) / (f64::from(u32::MAX) + 1.0);
        lots.push(-chance.ln() / (f64::from(place.weight) + 0.01));
    }
    let mut lots = lots.into_iter();
    places.sort_by_cached_key(|place| {
        let lot = lots.next().unwrap_or_default();
        // Positive numbers are in the order of their bits.
        (place.order, lot.to_bits())
    });
    Ok(())
}

async fn way(asker: &Asker, place: Place) -> Result<Way, Doubt> {
    let Place { carrier, host, port, .. } = place;
    let (mut addresses, mut expanded) = (Vec::new(), host.clone());
    for kind in [RecordType::AAAA, RecordType::A] {
        let (at, found) = asker.proven(&host, kind).await?;
        expanded = at;
        addresses.extend(found.into_iter().filter_map(|data| match data {
            RData::A(address) => Some(SocketAddr::from((address.0, port))),
            RData::AAAA(address) => Some(SocketAddr::from((address.0, port))),
            _ => None,
        }));
    }
    if addresses.is_empty() {
        return Err(Doubt::Name(format!("{host} has no address")));
    }
    addresses.truncate(ADDRESSES_MAX);
    let transport = if carrier == Carrier::Quic { "_udp" } else { "_tcp" };
    let mut records = Vec::new();
    // Keys are told at the name that the host stands for, or else at its own (RFC 7671, section 7).
    for base in [&expanded, &host] {
        if records.is_empty() {
            let (_, found) = asker.proven(&below(&format!("_{port}.{transport}"), base)?, RecordType::TLSA).await?;
            records.extend(found.into_iter().filter_map(|data| match data {
                RData::TLSA(tlsa) => Some(tlsa),
                _ => None,
            }));
        }
    }
    let known = if records.is_empty() { None } else { Some(Arc::new(Known::by(&records).ok_or(Doubt::Keys)?)) };
    let host = host.to_ascii().trim_end_matches('.').to_ascii_lowercase();
    Ok(Way { url: Url { carrier, host, port }, addresses, known })
}

fn below(labels: &str, name: &Name) -> Result<Name, Doubt> {
    let whole = Name::from_ascii(labels).and_then(|labels| labels.append_domain(name));
    whole.map_err(|why| Doubt::Name(why.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(order: (u16, u8), weight: u16) -> Place {
        Place { order, weight, carrier: Carrier::Tls, host: Name::root(), port: 1 }
    }

    #[test]
    fn the_smallest_priority_comes_first_and_weight_decides_how_often() {
        let (mut first, rounds) = (0, 2000);
        for _ in 0..rounds {
            let mut places = vec![place((5, 0), 9), place((0, 0), 10), place((0, 1), 1), place((0, 0), 30)];
            in_order(&mut places).unwrap();
            let orders: Vec<_> = places.iter().map(|place| place.order).collect();
            assert_eq!(orders, [(0, 0), (0, 0), (0, 1), (5, 0)]);
            first += usize::from(places[0].weight == 30);
        }
        // Three quarters; that it is so far off has a chance of one in 10^40.
        assert!((1200..1800).contains(&first), "{first} of {rounds}");
    }

    #[test]
    fn a_name_is_no_address_and_no_url() {
        assert_eq!("chat://Chat.Example/".parse::<Named>().unwrap().to_string(), "chat://chat.example");
        assert_eq!("chat.example.".parse::<Named>().unwrap().name, "chat.example");
        for wrong in ["", ".", "127.0.0.1", "::1", "mqtts://chat.example", "chat.example:8883", "a b"] {
            assert!(wrong.parse::<Named>().is_err(), "{wrong}");
        }
    }
}
