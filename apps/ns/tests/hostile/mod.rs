//! What holds for the answer to any packet, whatever is in it.

use std::sync::{Arc, LazyLock};

use hickory_proto::op::Message;
use ns::record::Name;
use ns::{Algorithm, Contents, Keys, Known, Outcome, Secret, Secrets, Via, Zone, compile, import, respond};

const RECORDS: &str = "\
$TTL 300
@ SOA ns host 1 3600 600 86400 300
@ NS ns
ns A 192.0.2.1
alias CNAME www
www A 192.0.2.2
*.wild TXT \"any\"
a.b.c A 192.0.2.3
sub NS ns.sub
ns.sub A 192.0.2.4
loop CNAME loop
big TXT \"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\"
";

/// The time of it all.
pub(crate) const NOW: u64 = 1_000_000_000;

static SECRETS: LazyLock<Secrets> = LazyLock::new(secrets);

/// The first is by which questions are signed.
pub(crate) fn secrets() -> Secrets {
    Secrets::parse("key hmac-sha256 MDEyMzQ1Njc4OWFiY2RlZg==\nother hmac-sha512 MDEyMzQ1Njc4OWFiY2RlZg==")
        .expect("keys")
}

pub(crate) fn secret<'s>(secrets: &'s Secrets, name: &str) -> &'s Arc<Secret> {
    secrets.get(&Name::from_ascii(name).expect("a name")).expect("a key")
}

pub(crate) fn known(secrets: &Secrets) -> Known<'_> {
    Known { secrets, now: NOW }
}

/// Signed behind whatever it is, by a key that is known.
pub(crate) fn truly_signed(mut packet: Vec<u8>) -> Vec<u8> {
    secret(&SECRETS, "key").seal().close(&mut packet, NOW);
    packet
}

static ZONE: LazyLock<Zone> = LazyLock::new(|| {
    let origin = Name::from_ascii("chat.example.").expect("a name");
    let records = import(RECORDS, &origin).expect("records");
    let keys = Keys::create(Algorithm::Ed25519, 1_000_000_000).expect("a key");
    compile(&Contents { origin, records }, &keys, 1, 1_000_000_000, None).expect("a zone").expect("a zone")
});

/// An answer is one: to this question, no longer than it may be, and others can read it.
pub(crate) fn answered(packet: &[u8]) {
    let mut out = vec![1, 2, 3];
    for (via, longest) in [(Via::Udp, 1232), (Via::UdpTooOften, 512), (Via::Tcp, 65535)] {
        match respond(&ZONE, known(&SECRETS), packet, via, &mut out) {
            Outcome::Silence | Outcome::Transfer(_) => assert!(out.is_empty()),
            Outcome::Reply { .. } => {
                assert!(out.len() <= longest, "{via:?}: {} bytes", out.len());
                assert_eq!(out.get(..2), packet.get(..2), "its number");
                assert!(out.get(2).is_some_and(|flags| flags & 0x80 != 0), "an answer");
                let read = Message::from_vec(&out).unwrap_or_else(|why| panic!("{why}: {out:02x?} to {packet:02x?}"));
                assert!(!read.metadata.recursion_available && !read.metadata.authentic_data);
            }
        }
    }
}
