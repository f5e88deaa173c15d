//! SEC-5, SEC-6, SEC-9, SEC-11: what is sealed is genuine in the one place that it was written for, and nothing else is.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod again;
mod believed;
mod recipients;

use std::time::{Duration, SystemTime};

use ::cms::authenveloped_data::AuthEnvelopedData;
use ::cms::content_info::ContentInfo;
use ::cms::enveloped_data::RecipientInfo;
use ::cms::signed_data::SignedData;
use bytes::Bytes;
use ca::Authority;
use ca::cms::{self, Fault};
use client::{Doubt, Found, Opened, People, Replays, Seals, file_key, file_part, private};
use der::{Any, Decode, Encode};
use etf::Term;
use proto::{Desc, Feature, Mark, Message, MessageLink, Service, ServiceType, Several};

const ANN: &str = "38001";
const BEN: &str = "38002";

fn authority() -> Authority {
    Authority::create("Example", SystemTime::now()).unwrap()
}

/// A device of an account, under this authority.
fn device(authority: &Authority, phone: &str, name: &str) -> Seals {
    let (key, csr) = ca::request("device").unwrap();
    let certificate = authority.device(&csr, phone, name, SystemTime::now()).unwrap();
    Seals::new(&ca::pem(&certificate.der), &key, Some(authority.certificate_pem())).unwrap()
}

fn key(seals: &Seals) -> [u8; 32] {
    ca::subject(seals.certificate()).unwrap().spki_sha256
}

fn recipients(all: &[&Seals]) -> Vec<Bytes> {
    all.iter().map(|seals| Bytes::copy_from_slice(seals.certificate())).collect()
}

fn address(phone: &str) -> String {
    format!("{phone}_{}", phone.trim_start_matches("3800"))
}

/// What ann writes to ben, as the server shows it.
fn message(msg_id: &'static str, text: &str) -> Message {
    Message {
        msg_id: Some(Bytes::from_static(msg_id.as_bytes())),
        feed_id: Some(private(&address(ANN), &address(BEN)).unwrap()),
        from: Some(address(ANN).into()),
        to: Some(address(BEN).into()),
        files: vec![Desc::text(text.as_bytes().to_vec())],
        ..Message::default()
    }
}

fn sealed(by: &Seals, message: Message, to: &[&Seals]) -> Message {
    let outer = by.seal_message(message, &recipients(to), SystemTime::now()).unwrap();
    Message { id: Some(12), created: Some(now_ms().into()), ..outer }
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as u64
}

/// As `who` sees it, who knows these keys for ann's.
fn opened(who: &Seals, outer: &Message, anns: &[&Seals]) -> Opened {
    who.open_message(outer, |signer| anns.iter().any(|ann| key(ann) == *signer), SystemTime::now())
}

fn doubt(opened: Opened) -> Doubt {
    match opened {
        Opened::Unverifiable(doubt, None) => doubt,
        other => panic!("{other:?}"),
    }
}

fn payload(outer: &Message) -> Vec<u8> {
    outer.files[0].payload.clone().unwrap().to_vec()
}

fn with_payload(outer: &Message, payload: Vec<u8>) -> Message {
    let files = vec![Desc { payload: Some(payload.into()), ..outer.files[0].clone() }];
    Message { files, ..outer.clone() }
}

fn is_unverifiable(opened: &Opened) -> bool {
    matches!(opened, Opened::Unverifiable(..))
}

fn enveloped(outer: &Message) -> AuthEnvelopedData {
    ContentInfo::from_der(&payload(outer)).unwrap().content.decode_as().unwrap()
}

fn recipient_infos(outer: &Message) -> Vec<RecipientInfo> {
    enveloped(outer).recip_infos.0.into_vec()
}

/// The same content, tag included, for these.
fn with_recipients(outer: &Message, infos: Vec<RecipientInfo>) -> Message {
    let data = AuthEnvelopedData { recip_infos: infos.try_into().unwrap(), ..enveloped(outer) };
    let info = ContentInfo::from_der(&payload(outer)).unwrap();
    let changed = ContentInfo { content: Any::encode_from(&data).unwrap(), ..info };
    with_payload(outer, changed.to_der().unwrap())
}

fn signed_data(signed: &[u8]) -> SignedData {
    ContentInfo::from_der(signed).unwrap().content.decode_as().unwrap()
}

fn content_info(data: &SignedData) -> Vec<u8> {
    let content_type = "1.2.840.113549.1.7.2".parse().unwrap();
    ContentInfo { content_type, content: Any::encode_from(data).unwrap() }.to_der().unwrap()
}

#[test]
fn without_an_authority_nothing_is_believed_and_nothing_is_told_of_keys() {
    let authority = authority();
    let (ann, ben) = (device(&authority, ANN, "d1"), device(&authority, BEN, "d1"));
    let (pem, csr) = ca::request("device").unwrap();
    let certificate = authority.device(&csr, BEN, "d2", SystemTime::now()).unwrap();
    let lost = Seals::new(&ca::pem(&certificate.der), &pem, None).unwrap();
    let outer = sealed(&ann, message("m1", "at nine"), &[&ben, &lost]);
    let Opened::Unverifiable(Doubt::NoAuthority, Some(content)) = opened(&lost, &outer, &[&ann]) else {
        panic!("without an authority nothing can be judged")
    };
    assert_eq!(content.files, message("m1", "at nine").files);
    let mut people = People::default();
    people.note(&lost, ANN, &[service(ann.certificate())], SystemTime::now());
    assert!(!people.knows(ANN));
}

fn service(der: &[u8]) -> Service {
    Service { r#type: Some(ServiceType::Synrc), data: Term::binary(der), ..Service::default() }
}

#[test]
fn sec_9_new_keys_of_known_people_are_news_and_foreign_ones_are_none() {
    let authority = authority();
    let ben = device(&authority, BEN, "d1");
    let [ann1, ann2] = ["d1", "d2"].map(|name| device(&authority, ANN, name));
    let foreign = [device(&authority, "38009", "d1"), device(&self::authority(), ANN, "d9")];
    let now = SystemTime::now();
    let mut people = People::default();
    assert_eq!(people.note(&ben, ANN, &[], now), []);
    assert!(!people.knows(ANN));
    assert_eq!(people.note(&ben, ANN, &[service(ann1.certificate())], now), [], "the first is no change");
    for other in &foreign {
        assert_eq!(people.note(&ben, ANN, &[service(ann1.certificate()), service(other.certificate())], now), []);
        assert_eq!(people.recipients(ANN), recipients(&[&ann1]), "nothing is sealed for it");
        assert!(!people.has(ANN, &key(other)));
    }
    let news = people.note(&ben, ANN, &[service(ann2.certificate())], now);
    assert_eq!(news.iter().map(|news| news.key).collect::<Vec<_>>(), [key(&ann2)]);
    assert_eq!(people.recipients(ANN), recipients(&[&ann2]));
    assert!(people.has(ANN, &key(&ann1)), "what it signed before is still its own");

    let later = People::remembered(people.to_remember());
    assert!(later.has(ANN, &key(&ann1)) && later.has(ANN, &key(&ann2)) && later.recipients(ANN).is_empty());
}

#[test]
fn sec_6_a_file_opens_by_the_key_in_the_part_that_names_it() {
    let authority = authority();
    let (ann, ben) = (device(&authority, ANN, "d1"), device(&authority, BEN, "d1"));
    let (part, stored) = file_part("image/png", "cake.png", b"a picture of a cake").unwrap();
    assert!(!stored.windows(4).any(|part| part == b"cake"));
    let part = Desc { payload: Some("hash/sum".into()), ..part };
    let (other, _) = file_part("audio", "song", b"la").unwrap();
    let other = Desc { payload: Some("hash/other".into()), ..other };
    let files = vec![Desc::text("look"), part, other];
    let outer = sealed(&ann, Message { files, ..message("m1", "") }, &[&ben]);
    let named = Feature::new("FILE_DATA", "FILE", "hash/sum hash/other");
    assert_eq!(outer.files[0].data, [named], "by which the server knows who may fetch them");

    let Opened::Genuine(found) = opened(&ben, &outer, &[&ann]) else { panic!("not genuine") };
    let own = file_key(&found.message.files[1]).unwrap();
    assert_eq!(cms::open_file(&stored, &own).unwrap(), b"a picture of a cake");
    let mut changed = stored.clone();
    changed[3] ^= 1;
    assert_eq!(cms::open_file(&changed, &own).unwrap_err(), Fault::Unreadable);
    assert_eq!(cms::open_file(&stored[..stored.len() - 1], &own).unwrap_err(), Fault::Unreadable);
    assert_eq!(cms::open_file(&stored, &file_key(&found.message.files[2]).unwrap()).unwrap_err(), Fault::Unreadable);
    assert_eq!(file_key(&Desc::text("none")), None);
}
