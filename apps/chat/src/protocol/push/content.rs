//! PUSH-2: what a push says.

use bytes::Bytes;
use etf::Term;
use n2o::Failure;
use proto::ids::{FeedId, Phone, PhoneId};
use proto::limits::UNREAD;
use proto::records::{ContactStatus, Push};

use crate::protocol::contact;
use crate::protocol::history::Reach;
use crate::rows::{self, READER, RELATION, Reader, Relation, Wake};
use crate::{Chat, Cx};

/// Contacts of a roster that the badge counts.
const BADGE_CONTACTS: usize = 200;

/// The record, encoded.
pub(super) fn push(chat: &Chat, cx: &Cx<'_>, own: &Phone, wake: &Wake) -> Result<Bytes, Failure> {
    let parse = |id: &Bytes| PhoneId::parse(id).map_err(|_| Failure::new("a push without its parties"));
    let name = contact::name(cx, &parse(&wake.to)?, &parse(&wake.from)?)?;
    let push = Push {
        model: rows::decode::<Term>(&wake.model)?,
        r#type: Some(wake.kind.clone()),
        title: name.clone(),
        alert: name,
        badge: Some(badge(cx, own)?),
        sound: Some(Bytes::from_static(b"default")),
    };
    let push = etf::encode(&push);
    if chat.names.differ(cx.store)? { chat.names.payload(cx.store, &push) } else { Ok(push) }
}

/// What the account has not read.
fn badge(cx: &Cx<'_>, own: &Phone) -> Result<u64, Failure> {
    let mut unread = 0;
    for roster in rows::roster_ids(cx.store, own)? {
        let own = own.roster(roster);
        let prefix = rows::pair_key(&own, b"");
        for (key, row) in cx.store.scan(RELATION, &kvs::Span::prefix(prefix.clone()).limit(BADGE_CONTACTS))? {
            let relation: Relation = rows::decode(&row)?;
            if let (Some(ContactStatus::Friend | ContactStatus::Internal), Ok(peer)) =
                (relation.status, PhoneId::parse(&key.slice(prefix.len()..)))
            {
                unread += unread_of(cx, &own, peer)?;
            }
            if unread >= UNREAD {
                return Ok(UNREAD);
            }
        }
    }
    Ok(unread)
}

fn unread_of(cx: &Cx<'_>, own: &PhoneId, peer: PhoneId) -> Result<u64, Failure> {
    let feed = FeedId::p2p(own.clone(), peer);
    let mine: Reader = rows::read(cx.store, READER, &rows::reader_key(&feed, own))?.unwrap_or_default();
    Reach::all(&feed, own, mine).unread(cx, own, mine.reader)
}
