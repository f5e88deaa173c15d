//! The property the fuzz target looks for a breach of, shared with the tests.

use etf::{Limits, Reader, Term, check, decode, encode, text};

/// Whatever the bytes: no panic; and what decodes, encodes to bytes that decode to the same value and stay the same,
/// and prints as text that parses to it.
pub fn agree(bytes: &[u8]) {
    let Ok(checked) = check(bytes, &Limits::default()) else {
        return;
    };
    total(checked.reader());
    let Ok(term) = decode::<Term>(bytes) else {
        panic!("checked and yet not decoded");
    };
    let again = encode(&term);
    // Text floats and padded or compressed terms may grow beyond what a limit on bytes lets in.
    if again.len() <= Limits::default().bytes {
        let same = decode::<Term>(&again).expect("what we encode, we decode");
        assert_eq!(same, term);
        assert_eq!(encode(&same), again);
    }
    if bytes.len() < 4096 {
        assert_eq!(text::parse(&text::print(&term, &()), &()).as_ref(), Ok(&term));
    }
}

/// Every reading of a sound term ends, and `skip` passes exactly over it.
fn total(reader: Reader<'_>) {
    let mut skipped = reader.clone();
    skipped.skip().expect("a checked term can be skipped");
    skipped.end().expect("and nothing is left");
    let _ = reader.head();
    let mut r = reader;
    while r.peek().is_some() {
        let _ = (r.clone().atom(), r.clone().binary(), r.clone().float(), r.clone().map(), r.clone().absent());
        let _ = (r.clone().integer::<i64>("i"), r.clone().list(|r| r.skip()), r.clone().tuple());
        if r.tuple().is_err() && r.skip().is_err() {
            return;
        }
    }
}
