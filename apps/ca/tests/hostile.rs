//! Bytes that nobody sane sends: the seeds of the fuzz targets, cut and changed everywhere.

#[path = "hostile/mod.rs"]
mod checks;

fn each(kind: &str, check: fn(&[u8])) {
    for seed in tamper::seeds(env!("CARGO_MANIFEST_DIR"), kind) {
        check(&seed);
        for at in 0..seed.len() {
            check(seed.get(..at).unwrap_or_default());
            for value in [0x00, 0x01, 0x30, 0x7f, 0x80, 0x84, 0xff] {
                let mut changed = seed.clone();
                changed.splice(at..=at, [value]);
                check(&changed);
            }
            let mut longer = seed.clone();
            longer.insert(at, 0x30);
            check(&longer);
        }
    }
}

#[test]
fn requests() {
    each("csr", checks::request);
}

#[test]
fn questions() {
    each("ocsp", checks::question);
}

#[test]
fn messages() {
    each("cmp", checks::message);
}
