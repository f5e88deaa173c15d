//! Requests and answers that were tampered with. The fuzz targets in `fuzz` go on from here.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

#[path = "hostile/mod.rs"]
mod hostile;

use bytes::BytesMut;
use hostile::{answered, taken};
use ldap::server::{Taken, take};
use ldap3_proto::LdapCodec;
use ldap3_proto::control::LdapControl;
use ldap3_proto::parse_ldap_filter_str;
use ldap3_proto::proto::*;
use tokio_util::codec::Encoder;

const ROUNDS: usize = 20_000;
/// Ends of contents, a sequence, lengths of each kind (BER).
const TELLING: [u8; 5] = [0, 0x30, 0x80, 0x84, 0xff];

fn good() -> Vec<Vec<u8>> {
    let search = |filter: &str| {
        LdapOp::SearchRequest(LdapSearchRequest {
            base: "ou=people,dc=chat,dc=example".into(),
            scope: LdapSearchScope::Subtree,
            aliases: LdapDerefAliases::Never,
            sizelimit: 1,
            timelimit: 0,
            typesonly: false,
            filter: parse_ldap_filter_str(filter).unwrap(),
            attrs: vec!["cn".into()],
        })
    };
    let attribute = || LdapPartialAttribute { atype: "cn".into(), vals: vec![b"x".to_vec()] };
    let ops = [
        search("(&(uid=ann)(!(cn=a*b*c))(|(sn>=a)(sn<=b)(sn~=c)(cn=*)(uid:dn:2.5.13.2:=x)))"),
        LdapOp::BindRequest(LdapBindRequest {
            version: 3,
            dn: "uid=ann".into(),
            cred: LdapBindCred::Simple("secret".into()),
        }),
        search(
            "(|(member=owner\\3downer\\3dcn\\3dx)(owner:dn:=uid\\3dann,dc\\3dx)(seeAlso~=member\\3dmember\\3dcn\\3dx))",
        ),
        LdapOp::DelRequest("uid=ann,dc=x".into()),
        LdapOp::CompareRequest(LdapCompareRequest {
            dn: "owner=owner=owner=owner=cn=x".into(),
            atype: "member".into(),
            val: b"owner=owner=owner=cn=x".to_vec(),
        }),
        LdapOp::AddRequest(LdapAddRequest { dn: "uid=x".into(), attributes: vec![attribute()] }),
        LdapOp::ModifyRequest(LdapModifyRequest {
            dn: "uid=x".into(),
            changes: vec![LdapModify { operation: LdapModifyType::Replace, modification: attribute() }],
        }),
        LdapOp::CompareRequest(LdapCompareRequest { dn: "uid=x".into(), atype: "cn".into(), val: b"y".to_vec() }),
        LdapOp::AbandonRequest(1),
        LdapOp::ExtendedRequest(LdapExtendedRequest { name: "1.2.3".into(), value: Some(vec![0, 255]) }),
        LdapOp::UnbindRequest,
    ];
    encoded(ops.into())
}

fn answers() -> Vec<Vec<u8>> {
    let result = || LdapResult {
        code: LdapResultCode::Success,
        matcheddn: String::new(),
        message: "well".into(),
        referral: vec!["ldap://other".into()],
    };
    let values = (0..200).map(|number: u8| vec![number; usize::from(number)]).collect();
    encoded(vec![
        LdapOp::BindResponse(LdapBindResponse { res: result(), saslcreds: Some(vec![1, 2]) }),
        LdapOp::SearchResultEntry(LdapSearchResultEntry {
            dn: "uid=ann".into(),
            attributes: vec![LdapPartialAttribute { atype: "cn".into(), vals: values }],
        }),
        LdapOp::SearchResultReference(LdapSearchResultReference { uris: vec!["ldap://other".into()] }),
        LdapOp::SearchResultDone(result()),
        LdapOp::ModifyResponse(result()),
        LdapOp::ExtendedResponse(LdapExtendedResponse { res: result(), name: None, value: None }),
    ])
}

fn encoded(ops: Vec<LdapOp>) -> Vec<Vec<u8>> {
    let page = LdapControl::SimplePagedResults { size: 10, cookie: vec![1, 2] };
    let encoded = ops.into_iter().map(|op| {
        let mut bytes = BytesMut::new();
        LdapCodec::default().encode(LdapMsg::new_with_ctrls(7, op, vec![page.clone()]), &mut bytes).unwrap();
        bytes.to_vec()
    });
    encoded.collect()
}

#[test]
fn whatever_comes_is_taken_or_refused() {
    let good = good();
    for bytes in &good {
        taken(bytes);
        assert!(matches!(take(&mut BytesMut::from(&bytes[..])), Some(Taken::Request(..))), "{bytes:x?}");
        // Byte by byte it is the same.
        for end in 0..bytes.len() {
            assert!(take(&mut BytesMut::from(&bytes[..end])).is_none());
        }
    }
    tamper::change(&good, &TELLING, ROUNDS, taken);
}

#[test]
fn whatever_is_answered_is_taken_whole_or_refused() {
    let good = answers();
    for bytes in &good {
        assert_eq!(answered(bytes), 1, "{bytes:x?}");
        assert!((0..bytes.len()).all(|end| answered(&bytes[..end]) == 0));
    }
    assert_eq!(answered(&good.concat()), good.len());
    tamper::change(&good, &TELLING, ROUNDS, |bytes| {
        answered(bytes);
    });
}
