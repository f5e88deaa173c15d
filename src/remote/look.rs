//! One device's queue: how far it has acknowledged each stream, and what is still due to it (DLV-1), from the store.

use std::collections::BTreeMap;
use std::fmt::Write;

use bytes::Bytes;
use chat::rows::{self, CHANGE, CURSOR, DEVICE, Device, MESSAGE, NOTICE, NOTICES, RELATION};
use kvs::{Span, Store, Table, View};
use mail::Cursor;
use n2o::Failure;
use proto::ids::{ClientId, ClientKind, FeedId, PhoneId};

/// Entries counted in a stream; beyond, it says "or more".
const DUE_MAX: usize = 10_000;
/// Streams looked at.
const STREAMS_MAX: usize = 10_000;
/// Numbers shown of a stream.
const SHOWN: usize = 5;

/// The cursors of the device `client`, and what lies beyond them.
pub(super) fn queue(store: &impl Store, client: &str) -> Result<String, String> {
    let ClientKind::Device(phone, dev_key) = ClientId::parse(client.as_bytes()).map_err(|why| why.to_string())?.kind()
    else {
        return Err("a device's client id is emqttd_<phone>_<dev_key>".into());
    };
    let store = store.snapshot();
    let key = rows::device_key(&phone, &dev_key);
    let device: Device =
        rows::read(&*store, DEVICE, &key).map_err(|error| error.to_string())?.ok_or("no such device")?;
    let mut out = format!("born at {}", device.birth);
    let mut all = 0;
    for (stream, cursor) in streams(&*store, client, &phone).map_err(|error| error.to_string())? {
        let due =
            due(&*store, &stream, phone.as_str(), cursor.as_ref(), device.birth).map_err(|error| error.to_string())?;
        all += due.len();
        // A String takes everything.
        let _ = write!(out, "\n{}: {}", name(&stream), line(cursor.as_ref(), &due));
    }
    let _ = write!(out, "\n{all} due");
    Ok(out)
}

fn name(stream: &[u8]) -> String {
    if stream == NOTICES { "notices".into() } else { String::from_utf8_lossy(stream).into_owned() }
}

fn line(cursor: Option<&Cursor>, due: &[u64]) -> String {
    let mut out = match cursor {
        Some(cursor) => format!("up to {}", cursor.upto),
        None => "nothing acknowledged".into(),
    };
    for (first, last) in cursor.iter().flat_map(|cursor| &cursor.beyond) {
        let _ = write!(out, ", {first}-{last}");
    }
    let more = if due.len() >= DUE_MAX { " or more" } else { "" };
    let _ = write!(out, "; {}{more} due", due.len());
    let shown: Vec<String> = due.iter().take(SHOWN).map(u64::to_string).collect();
    if !shown.is_empty() {
        let _ = write!(out, ": {}{}", shown.join(" "), if due.len() > SHOWN { " …" } else { "" });
    }
    out
}

/// The account's streams with the device's cursors: notices, and the feeds of its rosters.
fn streams(
    store: &dyn View,
    client: &str,
    phone: &proto::ids::Phone,
) -> Result<BTreeMap<Bytes, Option<Cursor>>, Failure> {
    let mut streams = BTreeMap::from([(Bytes::from_static(NOTICES), None)]);
    for id in rows::roster_ids(store, phone)? {
        let own = phone.roster(id);
        let prefix = rows::pair_key(&own, b"");
        for (key, _) in store.scan(RELATION, &Span::prefix(prefix.clone()).limit(STREAMS_MAX))? {
            if let Ok(peer) = PhoneId::parse(key.get(prefix.len()..).unwrap_or_default()) {
                streams.insert(FeedId::p2p(own.clone(), peer).key(), None);
            }
        }
        streams.insert(FeedId::p2p(own.clone(), own).key(), None);
    }
    let prefix = rows::cursor_key(client, b"");
    for (key, row) in store.scan(CURSOR, &Span::prefix(prefix.clone()).limit(STREAMS_MAX))? {
        let stream = Bytes::copy_from_slice(key.get(prefix.len()..).unwrap_or_default());
        streams.insert(stream, Some(rows::decode(&row)?));
    }
    Ok(streams)
}

/// Numbers of the entries that the cursor does not cover.
fn due(store: &dyn View, stream: &[u8], phone: &str, cursor: Option<&Cursor>, birth: u64) -> Result<Vec<u64>, Failure> {
    let born = Cursor::at(birth);
    let cursor = cursor.unwrap_or(&born);
    let tables: &[(Table, &[u8])] = match stream == NOTICES {
        true => &[(NOTICE, phone.as_bytes())],
        false => &[(MESSAGE, stream), (CHANGE, stream)],
    };
    let mut due = Vec::new();
    for (table, owner) in tables {
        let rows = store.scan(*table, &rows::numbers(owner, cursor.upto.saturating_add(1), u64::MAX).limit(DUE_MAX))?;
        due.extend(rows.iter().filter_map(|(key, _)| rows::number(key)).filter(|seq| !cursor.covers(*seq)));
    }
    due.sort_unstable();
    due.truncate(DUE_MAX);
    Ok(due)
}
