//! How many strangers an account looks up in a day (SPEC section 11): SEARCH, and ROSTER-4.

use n2o::Failure;
use proto::Refusal;
use proto::ids::PhoneId;
use proto::limits::{DAY_MS, LOOKUPS_PER_DAY};

use crate::protocol::Halt;
use crate::rows::{self, LOOKUPS, Lookups};
use crate::{Chat, Cx, Fx};

/// Counts `strangers` more for the account of `own`, or refuses. Each roster counts its own in a row of its own, and what counts is the
/// sum: two that ask at the very same time may exceed it by one request.
pub(crate) fn charge(chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, strangers: u64) -> Result<(), Halt> {
    if !chat.settings.limits || strangers == 0 {
        return Ok(());
    }
    let (mut mine, mut others) = (Lookups::default(), 0);
    for (key, lookups) in today(cx, own)? {
        match key == key_of(own) {
            true => mine = lookups,
            false => others += lookups.count,
        }
    }
    let count = mine.count + strangers;
    if count + others > u64::from(LOOKUPS_PER_DAY) {
        return Err(Refusal::Limit.into());
    }
    let since = if mine.count == 0 { cx.now.0 } else { mine.since };
    fx.put(LOOKUPS, key_of(own), rows::encode(&Lookups { since, count }));
    Ok(())
}

/// What the account's rosters have counted in a day that is not over.
fn today(cx: &Cx<'_>, own: &PhoneId) -> Result<Vec<(bytes::Bytes, Lookups)>, Failure> {
    let prefix = rows::path(&[own.phone().as_str().as_bytes(), b""]);
    let mut counted = Vec::new();
    for (key, row) in cx.store.scan(LOOKUPS, &kvs::Span::prefix(prefix))? {
        let lookups: Lookups = rows::decode(&row)?;
        if cx.now.0 < lookups.since.saturating_add(DAY_MS) {
            counted.push((key, lookups));
        }
    }
    Ok(counted)
}

fn key_of(own: &PhoneId) -> bytes::Bytes {
    rows::path(&[own.phone().as_str().as_bytes(), own.as_str().as_bytes()])
}
