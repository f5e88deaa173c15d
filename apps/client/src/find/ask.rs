//! Questions of DNS, and answers that are proven.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::{Stream, stream};
use hickory_net::dnssec::DnssecDnsHandle;
use hickory_net::proto::dnssec::rdata::{DNSKEY, RRSIG};
use hickory_net::proto::dnssec::{PublicKey, TrustAnchors, Verifier};
use hickory_net::proto::op::{DnsRequest, DnsRequestOptions, DnsResponse, Query, ResponseCode};
use hickory_net::proto::rr::{DNSClass, Name, RData, Record, RecordType, SerialNumber};
use hickory_net::runtime::TokioRuntimeProvider;
use hickory_net::tcp::TcpClientStream;
use hickory_net::udp::UdpClientStream;
use hickory_net::xfer::{DnsExchange, DnsHandle, FirstAnswer};
use hickory_net::{DnsError, NetError};

use super::Named;
use super::anchors::{Anchors, Key};

/// Who answers for this machine.
const RESOLVERS: &str = "/etc/resolv.conf";
const PORT: u16 = 53;
/// Names that stand for others, one after the other.
const ALIASES_MAX: usize = 8;
/// For one question, by UDP with its repetitions or by TCP.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why something is not known.
#[derive(Debug, thiserror::Error)]
pub(super) enum Doubt {
    #[error("{0}")]
    Name(String),
    #[error("its zone names no service that this client speaks")]
    Nothing,
    #[error("the answer about {0} is not signed, or not by whom the anchor trusts: it is not believed")]
    Unproven(Name),
    #[error("the signatures about {0} are wrong, or somebody changes answers: it is not believed")]
    Forged(Name),
    #[error("the resolver has no answer about {0}: {1}")]
    Resolver(Name, String),
    #[error("{0} stands for another name, and that for others without end")]
    Alias(Name),
    #[error("the zone {0} is not signed by the key of its anchor")]
    Anchor(Name),
    #[error("its keys are told in a way that this client does not understand")]
    Keys,
}

pub(super) struct Asker {
    proven: DnssecDnsHandle<Plain>,
}

impl Asker {
    pub(super) async fn new(named: &Named) -> Result<Asker, Doubt> {
        let plain = Plain::new(named.resolver.unwrap_or_else(of_this_machine));
        let anchors = match &named.anchors {
            Anchors::Root => TrustAnchors::default(),
            Anchors::Given(anchors) => {
                let mut trusted = TrustAnchors::empty();
                for anchor in anchors {
                    for key in plain.keys(&anchor.zone, &anchor.key).await? {
                        trusted.insert_with_name(key.public_key(), (&anchor.zone).into());
                    }
                }
                trusted
            }
        };
        Ok(Asker { proven: DnssecDnsHandle::with_trust_anchor(plain, Arc::new(anchors)) })
    }

    /// What `name` has of this type, and under which name: if it stands for another (CNAME), what that has, and so on; each step is asked for
    /// and proven by itself. Nothing, if it is proven that it has nothing.
    pub(super) async fn proven(&self, name: &Name, kind: RecordType) -> Result<(Name, Vec<RData>), Doubt> {
        let mut at = name.clone();
        for _ in 0..=ALIASES_MAX {
            let doubt = match self.ask(&at, kind).await {
                Ok(found) => return Ok((at, found)),
                Err(doubt) => doubt,
            };
            if !matches!(doubt, Doubt::Alias(_) | Doubt::Forged(_)) {
                return Err(doubt);
            }
            // What a resolver says of all names at once is not always proven together; the alias alone is.
            match self.ask(&at, RecordType::CNAME).await?.as_slice() {
                [RData::CNAME(alias)] => at = alias.0.clone(),
                _ => return Err(doubt),
            }
        }
        Err(Doubt::Alias(name.clone()))
    }

    async fn ask(&self, name: &Name, kind: RecordType) -> Result<Vec<RData>, Doubt> {
        let query = Query::query(name.clone(), kind);
        let answer = match self.proven.lookup(query, DnsRequestOptions::default()).first_answer().await {
            Ok(answer) => answer,
            Err(NetError::Dns(DnsError::Nsec { proof, .. })) if proof.is_insecure() => {
                return Err(Doubt::Unproven(name.clone()));
            }
            Err(NetError::Dns(DnsError::Nsec { .. } | DnsError::DnssecBogus)) => {
                return Err(Doubt::Forged(name.clone()));
            }
            Err(why) => return Err(Doubt::Resolver(name.clone(), why.to_string())),
        };
        let code = answer.metadata.response_code;
        if !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain) {
            return Err(Doubt::Resolver(name.clone(), code.to_string()));
        }
        said(name, kind, &answer.answers, &answer.authorities)
    }
}

/// What an answer proves that `name` has of this type.
fn said(name: &Name, kind: RecordType, answers: &[Record], authorities: &[Record]) -> Result<Vec<RData>, Doubt> {
    let is_meant = |record: &&Record| record.record_type() == kind && record.name == *name;
    let found: Vec<&Record> = answers.iter().filter(is_meant).collect();
    let is_alias = |record: &Record| matches!(record.record_type(), RecordType::CNAME | RecordType::DNAME);
    if found.is_empty() && answers.iter().any(is_alias) {
        // What the other name has, or has not, proves nothing of this one.
        return Err(Doubt::Alias(name.clone()));
    }
    // That there is nothing is said by records as well.
    let said = if found.is_empty() { authorities.iter().collect() } else { found.clone() };
    let said: Vec<&Record> = said.into_iter().filter(|record| record.record_type() != RecordType::RRSIG).collect();
    if said.iter().any(|record| record.proof.is_bogus()) {
        return Err(Doubt::Forged(name.clone()));
    }
    let denies = |record: &&Record| matches!(record.record_type(), RecordType::NSEC | RecordType::NSEC3);
    let is_said = !found.is_empty() || said.iter().any(denies);
    if !is_said || !said.iter().all(|record| record.proof.is_secure()) {
        return Err(Doubt::Unproven(name.clone()));
    }
    Ok(found.into_iter().map(|record| record.data.clone()).collect())
}

/// The first that is named there; a machine without such a file has one of its own.
fn of_this_machine() -> SocketAddr {
    let text = fs::read_to_string(RESOLVERS).unwrap_or_default();
    let named = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    let first = named.filter_map(|rest| rest.trim().parse().ok()).next();
    SocketAddr::new(first.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), PORT)
}

/// By UDP, and by TCP what is too long for that. Nothing is proven.
#[derive(Clone)]
struct Plain {
    resolver: SocketAddr,
    udp: DnsExchange<TokioRuntimeProvider>,
    /// The tasks of all connections run in it, and end with it.
    runtime: TokioRuntimeProvider,
}

impl Plain {
    fn new(resolver: SocketAddr) -> Plain {
        let runtime = TokioRuntimeProvider::new();
        let udp = UdpClientStream::builder(resolver, runtime.clone());
        Plain { resolver, udp: udp.with_timeout(Some(PATIENCE)).exchange(), runtime }
    }

    async fn ask(self, request: DnsRequest) -> Result<DnsResponse, NetError> {
        let answer = self.udp.send(request.clone()).first_answer().await?;
        if !answer.metadata.truncation {
            return Ok(answer);
        }
        let tcp = TcpClientStream::exchange(self.resolver, None, PATIENCE, None, self.runtime.clone()).await?;
        tcp.send(request).first_answer().await
    }

    /// The keys of a zone that has an anchor: all that the anchor's key has signed, since around a rollover there are two.
    async fn keys(&self, zone: &Name, anchor: &Key) -> Result<Vec<DNSKEY>, Doubt> {
        let mut options = DnsRequestOptions::default();
        options.edns_set_dnssec_ok = true;
        let query = Query::query(zone.clone(), RecordType::DNSKEY);
        let answer = self.lookup(query, options).first_answer().await;
        let answer = answer.map_err(|why| Doubt::Resolver(zone.clone(), why.to_string()))?;
        let of_zone = |record: &&Record| record.record_type() == RecordType::DNSKEY && record.name == *zone;
        let records: Vec<&Record> = answer.answers.iter().filter(of_zone).collect();
        let keys = records.iter().filter_map(|record| record.try_borrow::<DNSKEY>());
        let keys: Vec<DNSKEY> = keys.map(|key| key.data().clone()).collect();
        let signatures = answer.answers.iter().filter_map(|record| record.try_borrow::<RRSIG>());
        let signatures: Vec<RRSIG> = signatures.map(|signature| signature.data().clone()).collect();
        let signs = |key: &DNSKEY| signatures.iter().any(|signature| is_signed(zone, &records, key, signature));
        match keys.iter().any(|key| anchor.is(zone, key) && signs(key)) {
            true => Ok(keys),
            false => Err(Doubt::Anchor(zone.clone())),
        }
    }
}

impl Key {
    fn is(&self, zone: &Name, key: &DNSKEY) -> bool {
        let is_own = match self {
            Key::Whole(own) => own.public_key() == key.public_key(),
            Key::Digest(own) => own.covers(zone, key).unwrap_or(false),
        };
        is_own && key.zone_key() && !key.revoke()
    }
}

/// Whether a signature of the list of a zone's keys is this key's, and holds now.
fn is_signed(zone: &Name, records: &[&Record], key: &DNSKEY, signature: &RRSIG) -> bool {
    let input = signature.input();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let now = SerialNumber::new((now & u64::from(u32::MAX)) as u32);
    input.type_covered == RecordType::DNSKEY
        && input.signer_name == *zone
        && key.calculate_key_tag().is_ok_and(|tag| tag == input.key_tag)
        && key.public_key().algorithm() == input.algorithm
        && input.sig_inception <= now
        && now < input.sig_expiration
        && key.verify_rrsig(zone, DNSClass::IN, signature, records.iter().copied()).is_ok()
}

impl DnsHandle for Plain {
    type Response = Pin<Box<dyn Stream<Item = Result<DnsResponse, NetError>> + Send>>;
    type Runtime = TokioRuntimeProvider;

    fn send(&self, request: DnsRequest) -> Self::Response {
        Box::pin(stream::once(self.clone().ask(request)))
    }
}

#[cfg(test)]
mod tests {
    use hickory_net::proto::dnssec::Proof;
    use hickory_net::proto::dnssec::rdata::{DNSSECRData, NSEC};
    use hickory_net::proto::rr::rdata::{A, CNAME, NS};

    use super::*;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    fn record(owner: &str, data: RData, proof: Proof) -> Record {
        let mut record = Record::from_rdata(name(owner), 60, data);
        record.proof = proof;
        record
    }

    #[test]
    fn only_a_proven_denial_says_that_there_is_nothing_and_an_alias_says_nothing() {
        let own = "_443._tcp.chat.example.";
        let ask = |answers: &[Record], authorities: &[Record]| {
            said(&name(own), RecordType::A, answers, authorities).map(|found| found.len())
        };
        let a = |owner, proof| record(owner, RData::A(A(Ipv4Addr::LOCALHOST)), proof);
        let zone = record("chat.example.", RData::NS(NS(name("ns.chat.example."))), Proof::Secure);
        let nsec = || RData::DNSSEC(DNSSECRData::NSEC(NSEC::new(name("a."), [RecordType::TXT])));
        let denial = |proof| record(own, nsec(), proof);
        let alias = record(own, RData::CNAME(CNAME(name("other.example."))), Proof::Secure);

        assert!(matches!(ask(&[a(own, Proof::Secure)], &[]), Ok(1)));
        assert!(matches!(ask(&[], &[zone.clone(), denial(Proof::Secure)]), Ok(0)));

        let aliased = [alias, a("other.example.", Proof::Secure)];
        for authorities in [&[zone.clone()][..], &[], &[denial(Proof::Secure)]] {
            assert!(matches!(ask(&aliased, authorities), Err(Doubt::Alias(_))));
        }
        assert!(matches!(ask(&[], &[zone]), Err(Doubt::Unproven(_))), "nobody denies it");
        assert!(matches!(ask(&[], &[]), Err(Doubt::Unproven(_))));
        assert!(matches!(ask(&[], &[denial(Proof::Insecure)]), Err(Doubt::Unproven(_))));
        assert!(matches!(ask(&[], &[denial(Proof::Bogus)]), Err(Doubt::Forged(_))));
        assert!(matches!(ask(&[a(own, Proof::Insecure)], &[]), Err(Doubt::Unproven(_))));
    }
}
