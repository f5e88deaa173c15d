//! Certificates of the simulator: what one says follows from the name of its key.

use std::sync::Arc;

use bytes::Bytes;
use chat::door::Certificate;

const HOUR_MS: u64 = 3600 * 1000;

/// The certificate of an account key, as the deployment's own authority would issue it to a person. `phone:key+2` is another one of the
/// same key.
pub(super) fn certificate(key: &str, now: u64) -> Arc<Certificate> {
    let mut public = [0; 32];
    let same = key.split('+').next().unwrap_or(key);
    public.iter_mut().zip(same.bytes()).for_each(|(byte, letter)| *byte = letter);
    Arc::new(Certificate {
        der: Bytes::copy_from_slice(key.as_bytes()),
        key: public,
        names: vec![key.split(':').next().unwrap_or(key).to_owned()],
        own_authority: true,
        sys: key == "sys",
        personal: key != "sys",
        // One whose key is called `old` is of long ago.
        issued: if key.ends_with(":old") { 0 } else { now },
        // One whose key is called `brief` ends in an hour.
        not_after: if key.ends_with(":brief") { now + HOUR_MS } else { u64::MAX >> 1 },
        ..Certificate::default()
    })
}

/// The certificate that [`certificate`] shows as `phone:key`, with the device that it was issued to.
pub(super) fn issued(key: &[u8], phone: &str, device: &str) -> Arc<Certificate> {
    let shown = certificate(&format!("{phone}:{}", String::from_utf8_lossy(key)), 0);
    Arc::new(Certificate { device: Some((phone.to_owned(), device.to_owned())), ..(*shown).clone() })
}

/// What the certificate of [`certificate`] says, which is its own name.
pub(super) fn named(der: &[u8]) -> Option<Certificate> {
    let key = std::str::from_utf8(der).ok()?;
    Some((*certificate(key, 0)).clone())
}
