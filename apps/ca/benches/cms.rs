//! Microseconds to seal and open 1 KiB for one recipient, with and without its signature: `cargo bench -p ca`. The goal is a millisecond
//! for sealing and opening.

use std::hint::black_box;
use std::time::{Instant, SystemTime};

use ca::Authority;
use ca::cms::{self, Identity, Trust};

const CONTENT: [u8; 1024] = [b'x'; 1024];
const BATCH: u32 = 200;

fn main() {
    let now = SystemTime::now();
    let authority = Authority::create("Bench", now).expect("an authority");
    let issued = authority.client("380670000001", now).expect("a certificate");
    let own = Identity::from_pem(&issued.cert_pem, &issued.key_pem).expect("they fit");
    let trust = Trust::new(&[authority.certificate_der()], &[]).expect("a root");
    let seal = |content: &[u8]| cms::seal(content, &[own.certificate()]).expect("an EC key receives");
    let open = |sealed: &[u8]| cms::open(sealed, &own).expect("it was sealed for us");

    let sealed = seal(&CONTENT);
    assert_eq!(open(&sealed), CONTENT);
    println!("1 KiB for one recipient, {} bytes sealed", sealed.len());
    let goal = time("seal and open", || drop(black_box(open(&seal(black_box(&CONTENT))))));
    time("seal", || drop(black_box(seal(black_box(&CONTENT)))));
    time("open", || drop(black_box(open(black_box(&sealed)))));
    let signed = cms::sign(&CONTENT, &own, now).expect("an EC key signs");
    time("sign", || drop(black_box(cms::sign(black_box(&CONTENT), &own, now))));
    time("verify", || drop(black_box(cms::verify(black_box(&signed), &trust, now))));
    time("is_sealed", || assert!(cms::is_sealed(black_box(&sealed))));
    println!("{}", if goal <= 1000 { "within a millisecond" } else { "more than a millisecond" });
}

/// Of ten batches the fastest, since others use the machine too.
fn time(what: &str, mut work: impl FnMut()) -> u128 {
    let batch = |_| {
        let start = Instant::now();
        (0..BATCH).for_each(|_| work());
        start.elapsed()
    };
    let best = (0..10).map(batch).min().unwrap_or_default().as_micros() / u128::from(BATCH);
    println!("{what:>16} {best:>6} µs");
    best
}
