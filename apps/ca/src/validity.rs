//! From when until when: times of the caller as times of a certificate, in whole seconds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use x509_parser::time::ASN1Time;

use crate::Error;

/// The root: replaced by hand, so rarely.
pub(crate) const ROOT: Duration = days(20 * 365);
/// An authority below the root.
pub(crate) const ISSUING: Duration = days(10 * 365);
/// Everything below it (SEC-4).
pub(crate) const LEAF: Duration = days(397);
/// A revocation list; a verifier that finds it older lets nobody in, so it is issued anew long before.
pub(crate) const CRL: Duration = days(7);
/// How far before now a validity begins, for holders whose clock is slow.
pub(crate) const SKEW: Duration = Duration::from_secs(5 * 60);

const fn days(n: u64) -> Duration {
    Duration::from_secs(n * 24 * 60 * 60)
}

/// The first and the last second of what is issued `now` for `length`.
pub(crate) fn window(now: SystemTime, length: Duration) -> Result<(ASN1Time, ASN1Time), Error> {
    let from = now.checked_sub(SKEW).ok_or(Error::Time)?;
    let until = now.checked_add(length).ok_or(Error::Time)?;
    Ok((asn1(from)?, asn1(until)?))
}

/// Fractions of a second are dropped.
pub(crate) fn asn1(time: SystemTime) -> Result<ASN1Time, Error> {
    let since = time.duration_since(UNIX_EPOCH).map_err(|_| Error::Time)?;
    let seconds = i64::try_from(since.as_secs()).map_err(|_| Error::Time)?;
    ASN1Time::from_timestamp(seconds).map_err(|_| Error::Time)
}

/// Times before 1970 become 1970.
pub(crate) fn system(time: ASN1Time) -> SystemTime {
    let seconds = u64::try_from(time.timestamp()).unwrap_or(0);
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH)
}
