//! What holds for the answer to any packet, whatever is in it.

use std::sync::LazyLock;

use hickory_proto::op::Message;
use ns::record::Name;
use ns::{Algorithm, Contents, Keys, Outcome, Via, Zone, compile, import, respond};

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

static ZONE: LazyLock<Zone> = LazyLock::new(|| {
    let origin = Name::from_ascii("chat.example.").expect("a name");
    let records = import(RECORDS, std::path::Path::new("/zone"), &origin).expect("records");
    let keys = Keys::create(Algorithm::Ed25519, 1_000_000_000).expect("a key");
    compile(&Contents { origin, records }, &keys, 1, 1_000_000_000, None).expect("a zone").expect("a zone")
});

/// An answer is one: to this question, no longer than it may be, and others can read it.
pub(crate) fn answered(packet: &[u8]) {
    let mut out = vec![1, 2, 3];
    for (via, longest) in [(Via::Udp, 1232), (Via::UdpTooOften, 300), (Via::Tcp, 65535)] {
        match respond(&ZONE, packet, via, &mut out) {
            Outcome::Silence | Outcome::Transfer => assert!(out.is_empty()),
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
