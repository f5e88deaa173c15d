//! What holds of any bytes that pretend to be CMS. Shared by the test of mutations and the fuzz target.

use std::sync::LazyLock;
use std::time::SystemTime;

use ca::Authority;
use ca::cms::{self, Identity, Trust};

pub(crate) const CONTENT: &[u8] = b"meet me at the bridge";

/// Somebody for whom things are sealed; made anew in each run.
pub(crate) struct Party {
    own: Identity,
    trust: Trust,
    now: SystemTime,
    /// Good structures: sealed, signed, a detached signature.
    pub(crate) good: [Vec<u8>; 3],
}

pub(crate) static PARTY: LazyLock<Party> = LazyLock::new(|| {
    let now = SystemTime::now();
    let authority = Authority::create("Test", now).expect("an authority");
    let issued = authority.client("380670000001", now).expect("a certificate");
    let own = Identity::from_pem(&issued.cert_pem, &issued.key_pem).expect("they fit");
    let trust = Trust::new(&[authority.certificate_der()], &[]).expect("a root");
    let good = [
        cms::seal(CONTENT, &[own.certificate()]).expect("sealed"),
        cms::sign(CONTENT, &own, now).expect("signed"),
        cms::sign_detached(CONTENT, &own, now).expect("signed"),
    ];
    Party { own, trust, now, good }
});

/// Nothing panics; whatever opens, verifies or counts as sealed is what was written.
pub(crate) fn judge(bytes: &[u8]) {
    let party = &*PARTY;
    let is_sealed = cms::is_sealed(bytes);
    if let Ok(content) = cms::open(bytes, &party.own) {
        assert!(is_sealed, "what opens is sealed");
        assert_eq!(content, CONTENT, "AES-GCM lets nothing else through");
    }
    if let Ok(signed) = cms::verify(bytes, &party.trust, party.now) {
        assert_eq!((&signed.content[..], &signed.certificate[..]), (CONTENT, party.own.certificate()));
        assert_eq!(cms::content(bytes).as_deref(), Some(CONTENT));
    }
    if let Ok(signed) = cms::verify_detached(bytes, CONTENT, &party.trust, party.now) {
        assert_eq!(signed.certificate, party.own.certificate());
    }
    assert!(cms::verify_detached(bytes, b"other words", &party.trust, party.now).is_err());
    let _ = cms::can_receive(bytes);
}

/// A good structure with bytes changed, cut out or put in, as `orders` say, four bytes each.
pub(crate) fn mutated(orders: &[u8]) -> Vec<u8> {
    let Some((which, orders)) = orders.split_first() else { return Vec::new() };
    let mut bytes = PARTY.good[usize::from(*which) % PARTY.good.len()].clone();
    for order in orders.chunks_exact(4) {
        let at = usize::from(u16::from_be_bytes([order[1], order[2]])) % bytes.len().max(1);
        match order[0] % 4 {
            _ if bytes.is_empty() => {}
            0 => bytes[at] ^= order[3],
            1 => bytes.insert(at, order[3]),
            2 => drop(bytes.drain(at..(at + usize::from(order[3])).min(bytes.len()))),
            _ => bytes.truncate(at),
        }
    }
    bytes
}
