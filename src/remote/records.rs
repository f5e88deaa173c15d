//! Rows of the store as text: every record by its name, without secrets.

use bytes::Bytes;
use chat::rows::{self, Device, Invite, Pending};
use etf::text::Entry;
use etf::{Decode, Term};
use kvs::{Span, Store, Table};

use super::notation;
use crate::courier;
use crate::enrol::{Granted, Transaction};
use crate::people::Unpublished;
use crate::registrar::{Issuance, Revocation};
use crate::store;

/// Rows that `list` shows when no number is given, and at most.
const LIST_DEFAULT: usize = 20;
const LIST_MAX: usize = 10_000;
const HIDDEN: &[u8] = b"(hidden)";

/// The row `key` of `table`.
pub(super) fn get(store: &impl Store, table: &str, key: &str) -> Result<String, String> {
    let table = find(table)?;
    let row = store.get(table, &notation::parse(key)?).map_err(|error| error.to_string())?;
    row.map(|row| show(table, &row, &catalogue())).ok_or_else(|| "no such row".into())
}

/// The first rows of `table` whose keys begin with `prefix`, `key = row` each.
pub(super) fn list(store: &impl Store, table: &str, prefix: &str, limit: &str) -> Result<String, String> {
    let table = find(table)?;
    let limit = match limit {
        "" => LIST_DEFAULT,
        text => text.parse::<usize>().map_err(|_| format!("not a number: {text}"))?.min(LIST_MAX),
    };
    let span = Span::prefix(notation::parse(prefix)?).limit(limit);
    let catalogue = catalogue();
    let rows = store.snapshot().scan(table, &span).map_err(|error| error.to_string())?;
    let line = |(key, row): &(Bytes, Bytes)| format!("{} = {}", notation::print(key), show(table, row, &catalogue));
    Ok(rows.iter().map(line).collect::<Vec<_>>().join("\n"))
}

/// The names of all tables.
pub(super) fn tables() -> String {
    all().map(|table| table.0).collect::<Vec<_>>().join(" ")
}

fn all() -> impl Iterator<Item = Table> {
    store::tables()
}

fn find(name: &str) -> Result<Table, String> {
    all().find(|table| table.0 == name).ok_or_else(|| format!("no table {name:?}; there are: {}", tables()))
}

/// The records of the wire, and the rows that are kept beside them.
fn catalogue() -> Vec<Entry> {
    let rows = [
        Entry::of::<Device>(),
        Entry::of::<Unpublished>(),
        Entry::of::<rows::Binding>(),
        Entry::of::<Pending>(),
        Entry::of::<rows::Tries>(),
        Entry::of::<Invite>(),
        Entry::of::<rows::Entry>(),
        Entry::of::<rows::Relation>(),
        Entry::of::<rows::Change>(),
        Entry::of::<rows::Later>(),
        Entry::of::<rows::Sent>(),
        Entry::of::<rows::Reader>(),
        Entry::of::<rows::Kept>(),
        Entry::of::<mail::Cursor>(),
        Entry::of::<rows::Lapsed>(),
        Entry::of::<Issuance>(),
        Entry::of::<Revocation>(),
        Entry::of::<Transaction>(),
        Entry::of::<Granted>(),
        Entry::of::<rows::Wake>(),
        Entry::of::<rows::Outgoing>(),
        Entry::of::<courier::Entry>(),
    ];
    proto::catalogue().into_iter().chain(rows.into_iter().flatten()).collect()
}

fn show(table: Table, row: &[u8], catalogue: &Vec<Entry>) -> String {
    match term(table, row) {
        Some(term) => etf::text::print(&term, catalogue),
        // Not a term: text, or a number.
        None => match <[u8; 8]>::try_from(row) {
            Ok(number) => u64::from_be_bytes(number).to_string(),
            Err(_) => etf::text::print(&Term::binary(row), catalogue),
        },
    }
}

/// The row as a term, its secrets replaced (SEC-10, SEC-12).
fn term(table: Table, row: &[u8]) -> Option<Term> {
    if table == rows::DEVICE {
        return hide(row, |device: &mut Device| vec![&mut device.token, &mut device.token_before, &mut device.push]);
    }
    if table == rows::PENDING {
        return hide(row, |pending: &mut Pending| vec![&mut pending.code, &mut pending.push]);
    }
    etf::decode(row).ok()
}

fn hide<T: Decode + etf::Encode>(row: &[u8], secrets: impl Fn(&mut T) -> Vec<&mut Option<Bytes>>) -> Option<Term> {
    let mut row: T = etf::decode(row).ok()?;
    for secret in secrets(&mut row).into_iter().flatten() {
        *secret = Bytes::from_static(HIDDEN);
    }
    Term::of(&row).ok()
}

#[cfg(test)]
mod tests {
    use kvs::{Batch, Memory};

    use super::*;
    use crate::store::META;

    #[test]
    fn sec_12_a_row_is_shown_by_its_fields_and_without_secrets() {
        let store = Memory::new(&all().collect::<Vec<_>>());
        let device = Device {
            phone: "380".into(),
            token: Some("secrethash".into()),
            push: Some("pushsecret".into()),
            ..Device::default()
        };
        let pending = Pending { phone: "380".into(), code: Some("codehash".into()), ..Pending::default() };
        let mut batch = Batch::default();
        batch.put(rows::DEVICE, "380/a", rows::encode(&device));
        batch.put(rows::PENDING, "reg_a", rows::encode(&pending));
        batch.put(META, "schema", "1");
        batch.put(META, "ids", 65_536u64.to_be_bytes().to_vec());
        store.apply(&batch).unwrap();

        assert_eq!(get(&store, "device", "380/a").unwrap(), r#"Device{phone="380" push="(hidden)" token="(hidden)"}"#);
        assert_eq!(list(&store, "pending", "reg", "").unwrap(), r#"reg_a = Pending{phone="380" code="(hidden)"}"#);
        assert_eq!(get(&store, "meta", "ids").unwrap(), "65536");
        assert_eq!(get(&store, "meta", "schema").unwrap(), r#""1""#);
        assert!(get(&store, "device", "none").is_err());
        assert!(get(&store, "nothing", "x").unwrap_err().contains("profile"));
    }
}
