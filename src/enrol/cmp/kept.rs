//! Transactions on the disk: a restart forgets neither what waits to be confirmed, nor what was asked and must not be done twice.

use bytes::Bytes;
use chat::{Invitation, Vault, rows};
use etf::Record;
use kvs::{Batch, Disk, Store, Table};
use proto::ids::Phone;

use super::transactions::{Grant, Open, Party};
use crate::failure::Failure;

/// The number that the client has drawn → [`Transaction`]. Writer: the desk of CMP.
pub(crate) const TRANSACTIONS: Table = Table("transactions");
pub(crate) const TABLES: &[Table] = &[TRANSACTIONS];

/// A transaction, as `Open` has it. An invite is kept as what its code follows from, not by its code (SEC-12).
#[derive(Debug, Clone, PartialEq, Eq, Default, Record)]
pub(crate) struct Transaction {
    pub(crate) at: u64,
    pub(crate) invited: Option<Bytes>,
    pub(crate) expires: u64,
    pub(crate) key: Option<Bytes>,
    pub(crate) asked: Option<Bytes>,
    pub(crate) heard: Bytes,
    pub(crate) answer: Option<Bytes>,
    pub(crate) grant: Option<Granted>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Record)]
pub(crate) struct Granted {
    pub(crate) certificate: Bytes,
    pub(crate) serial: Bytes,
    pub(crate) id: i64,
    pub(crate) nonce: Bytes,
    pub(crate) first: u64,
}

/// It lies in the journal when this returns; on the disk with the next flush.
pub(super) fn put(store: &Disk, id: &[u8], open: &Open, forgotten: &[Vec<u8>]) -> Result<(), Failure> {
    let mut batch = Batch::default();
    for id in forgotten {
        batch.delete(TRANSACTIONS, Bytes::copy_from_slice(id));
    }
    batch.put(TRANSACTIONS, Bytes::copy_from_slice(id), etf::encode(&row(open)));
    store.apply(&batch).map(drop).map_err(failed)
}

pub(super) fn remove(store: &Disk, id: &[u8]) -> Result<(), Failure> {
    let mut batch = Batch::default();
    batch.delete(TRANSACTIONS, Bytes::copy_from_slice(id));
    store.apply(&batch).map(drop).map_err(failed)
}

pub(super) fn flush(store: &Disk) -> Result<(), Failure> {
    store.flush().map(drop).map_err(failed)
}

/// All of them, by their numbers.
pub(super) fn all(store: &Disk, vault: &Vault) -> Result<Vec<(Vec<u8>, Open)>, Failure> {
    let mut found = Vec::new();
    let read = rows::each(&*store.snapshot(), TRANSACTIONS, b"", |id, row| {
        let open =
            open(vault, rows::decode(row)?).ok_or_else(|| n2o::Failure::new("a transaction of CMP is damaged"))?;
        found.push((id.to_vec(), open));
        Ok(())
    });
    read.map_err(|failure| Failure::Refused(format!("the desk of CMP: {failure}")))?;
    Ok(found)
}

fn row(open: &Open) -> Transaction {
    let (invited, expires, key) = match &open.party {
        Party::Secret(invite) => (Some(invite.account.to_bytes()), invite.expires, None),
        Party::Key(key) => (None, 0, Some(Bytes::copy_from_slice(key))),
    };
    let granted = |grant: &Grant| Granted {
        certificate: grant.certificate.clone().into(),
        serial: grant.serial.clone().into(),
        id: grant.id,
        nonce: Bytes::copy_from_slice(&grant.nonce),
        first: grant.is_first.into(),
    };
    Transaction {
        at: open.at,
        invited,
        expires,
        key,
        asked: open.asked.map(|key| Bytes::copy_from_slice(&key)),
        heard: Bytes::copy_from_slice(&open.heard),
        answer: open.answer.clone(),
        grant: open.grant.as_ref().map(granted),
    }
}

fn open(vault: &Vault, row: Transaction) -> Option<Open> {
    let party = match row.invited {
        Some(account) => {
            let account = Phone::parse(&account).ok()?;
            Party::Secret(Box::new(Invitation::again(vault, account, row.expires)))
        }
        None => Party::Key(array(&row.key?)?),
    };
    let granted = |granted: Granted| {
        Some(Grant {
            certificate: granted.certificate.to_vec(),
            serial: granted.serial.to_vec(),
            id: granted.id,
            nonce: array(&granted.nonce)?,
            is_first: granted.first != 0,
        })
    };
    let asked = match row.asked {
        Some(key) => Some(array(&key)?),
        None => None,
    };
    let grant = match row.grant {
        Some(kept) => Some(granted(kept)?),
        None => None,
    };
    Some(Open { at: row.at, party, asked, heard: array(&row.heard)?, answer: row.answer, grant })
}

fn array<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}

fn failed(source: kvs::Error) -> Failure {
    Failure::Refused(format!("the desk of CMP: {source}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sec_12_what_is_kept_gives_back_the_transaction_and_holds_no_code() {
        let vault = Vault::new(&[7; chat::KEY_BYTES]);
        let invite = Invitation::again(&vault, Phone::parse(b"380670000001").unwrap(), 1234);
        let grant = Grant { certificate: vec![1], serial: vec![2], id: -1, nonce: [3; 16], is_first: true };
        let secret = Open {
            at: 9,
            party: Party::Secret(Box::new(invite.clone())),
            asked: Some([4; 32]),
            heard: [5; 32],
            answer: Some(Bytes::from_static(b"here")),
            grant: Some(grant),
        };
        let bare = Open { party: Party::Key([6; 32]), asked: None, answer: None, grant: None, ..secret.clone() };
        for open in [secret, bare] {
            let kept = etf::encode(&row(&open));
            assert!(!kept.windows(invite.code.len()).any(|part| part == invite.code));
            let again = super::open(&vault, etf::decode(&kept).unwrap()).unwrap();
            assert!(again.party.is(&open.party));
            assert_eq!(row(&again), row(&open));
        }
    }
}
