//! What must hold whatever bytes come: the checks of the fuzz targets, and of the tests beside this folder.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ca::Authority;
use ca::ocsp::{self, Status};

static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| Authority::create("Fuzz", now()).expect("an authority"));

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// SEC-4: refused, or a device's certificate for the very key of the request.
pub(crate) fn request(bytes: &[u8]) {
    let Ok(issued) = AUTHORITY.device(bytes, "380670000001", "d1", now()) else { return };
    let holder = ca::subject(&issued.der).expect("what we issue reads");
    assert_eq!(ca::key_of_request(bytes).expect("it was good"), holder.spki_sha256);
    assert!(!holder.is_ca && holder.client_auth && !holder.server_auth && AUTHORITY.issued(&issued.der));
    assert_eq!(holder.device, Some(("380670000001".into(), "d1".into())));
}

/// Always answered, within bounds.
pub(crate) fn question(bytes: &[u8]) {
    let answer = ocsp::respond(&AUTHORITY, bytes, now(), |_| Ok(Status::Good));
    assert!(answer.starts_with(&[0x30]) && answer.len() < 64 * 1024);
}
