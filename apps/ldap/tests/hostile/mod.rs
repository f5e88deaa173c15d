//! What holds for any bytes, whatever is in them.

use std::sync::LazyLock;

use bytes::BytesMut;
use ldap::client::{ANSWER_MAX, take_answer};
use ldap::server::{Dn, Entry, Filter, MESSAGE_MAX, Taken, kind, take};
use ldap3_proto::proto::LdapOp;

static ENTRY: LazyLock<Entry> = LazyLock::new(|| {
    let mut entry = Entry::new(Dn::parse("uid=ann,ou=people,dc=chat,dc=example").expect("a name"), &["inetOrgPerson"]);
    entry.put("uid", &["ann"]);
    entry.put("cn", &["Ann Black"]);
    entry.put("owner", &["uid=ann,ou=people,dc=chat,dc=example", "owner=member=cn=x"]);
    entry.put("telephoneNumber", &["+380670000001"]);
    entry
});

/// Requests are taken one after the other; each is understood or refused, and none takes more than there is.
#[allow(dead_code, reason = "a fuzz target needs one of both")]
pub(crate) fn taken(bytes: &[u8]) {
    let mut rest = BytesMut::from(bytes);
    loop {
        let before = rest.len();
        match take(&mut rest) {
            // Until more comes, and not for ever: what is waited for has a bound.
            None => return assert!(rest.len() == before && rest.len() <= MESSAGE_MAX),
            Some(Taken::Broken) => return,
            Some(Taken::Flawed { id, .. }) => assert!(id > 0 && rest.len() < before),
            Some(Taken::Request(message, _)) => {
                assert!(message.msgid > 0 && rest.len() < before);
                understood(&message.op);
            }
        }
    }
}

/// Answers are taken one after the other, whole, until one is none; what was taken the library takes apart to its end.
#[allow(dead_code, reason = "a fuzz target needs one of both")]
pub(crate) fn answered(bytes: &[u8]) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let (mut rest, mut answer, mut count) = (bytes, Vec::new(), 0);
    loop {
        let before = rest;
        // Nothing is waited for: all that there will ever be is there.
        if !runtime.block_on(take_answer(&mut rest, &mut answer)).unwrap_or(false) {
            assert!(answer.capacity() <= 4 * bytes.len() + 1024, "memory is taken for what has come");
            return count;
        }
        assert!(!answer.is_empty() && answer.len() <= ANSWER_MAX && before == [&answer[..], rest].concat());
        match lber::Parser::new().parse(&answer) {
            Ok((beyond, _)) => assert!(beyond.is_empty()),
            Err(failure) => panic!("{failure:?}"),
        }
        count += 1;
    }
}

fn understood(op: &LdapOp) {
    match op {
        LdapOp::SearchRequest(asked) => {
            if let Ok(name) = Dn::parse(&asked.base) {
                assert_eq!(Dn::parse(&name.to_string()).as_ref(), Ok(&name));
            }
            if let Ok(filter) = Filter::new(&asked.filter) {
                filter.fits(&ENTRY);
                filter.keys(&|kind| kind.name == "uid");
            }
        }
        LdapOp::CompareRequest(asked) => {
            // As a connection does before it knows who asks.
            drop(Dn::parse(&asked.dn));
            drop(kind(&asked.atype).and_then(|kind| kind.rule.normal(&asked.val)));
        }
        LdapOp::DelRequest(name) => drop(Dn::parse(name)),
        _ => {}
    }
}
