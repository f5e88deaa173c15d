//! SEC-5, SEC-6, SEC-9, SEC-11: what is sealed is genuine in the one place that it was written for, and nothing else is.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

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

#[test]
fn sec_5_every_device_of_every_party_opens_it_the_sender_s_too_and_nobody_else() {
    let authority = authority();
    let [ann1, ann2] = ["d1", "d2"].map(|name| device(&authority, ANN, name));
    let [ben1, ben2] = ["d1", "d2"].map(|name| device(&authority, BEN, name));
    let mallory = device(&authority, "38009", "d1");
    let written = Message { mentioned: vec![7], ..message("m1", "at nine") };
    let outer = sealed(&ann1, written.clone(), &[&ann2, &ben1, &ben2]);
    assert_eq!((outer.files.len(), outer.files[0].mime.as_deref()), (1, Some(&b"application/cms"[..])));
    assert!(cms::is_sealed(&payload(&outer)));
    assert!(!etf::encode(&outer).windows(7).any(|part| part == b"at nine"));

    for who in [&ann1, &ann2, &ben1, &ben2] {
        let Opened::Genuine(found) = opened(who, &outer, &[&ann1, &ann2]) else { panic!("not genuine") };
        assert_eq!((found.message, found.key), (written.clone(), key(&ann1)));
        assert!(found.time.unwrap().elapsed().unwrap() < Duration::from_secs(60));
    }
    assert_eq!(doubt(opened(&mallory, &outer, &[&ann1])), Doubt::Fault(Fault::NotForUs));
}

#[test]
fn sec_5_sec_6_who_is_struck_from_the_recipients_is_told_that_it_is_not_for_him_and_the_others_open_it() {
    let authority = authority();
    let ann = device(&authority, ANN, "d1");
    let [ben1, ben2] = ["d1", "d2"].map(|name| device(&authority, BEN, name));
    let all = [&ann, &ben1, &ben2];
    let outer = sealed(&ann, message("m1", "at nine"), &[&ben1, &ben2]);
    let infos = recipient_infos(&outer);
    assert_eq!(infos.len(), all.len());

    let mut struck = Vec::new();
    for place in 0..infos.len() {
        let mut left = infos.clone();
        left.remove(place);
        let cut = with_recipients(&outer, left);
        let (can, cannot): (Vec<_>, Vec<_>) =
            all.iter().map(|who| (key(who), opened(who, &cut, &[&ann]))).partition(|(_, it)| !is_unverifiable(it));
        for (_, it) in can {
            let Opened::Genuine(found) = it else { panic!("not genuine: {it:?}") };
            assert_eq!(found.message, message("m1", "at nine"));
        }
        let [(who, it)] = &cannot[..] else { panic!("{cannot:?}") };
        assert_eq!(doubt(it.clone()), Doubt::Fault(Fault::NotForUs));
        assert_eq!(doubt(it.clone()).to_string(), "not sealed for this key");
        struck.push(*who);
    }
    // Each of them once: none has two ways in.
    let mut keys = all.map(key).to_vec();
    keys.sort();
    struck.sort();
    assert_eq!(struck, keys);

    let none = with_recipients(&outer, Vec::new());
    assert!(!cms::is_sealed(&payload(&none)));
    assert!(all.iter().all(|who| doubt(opened(who, &none, &[&ann])) == Doubt::Fault(Fault::NotForUs)));
}

#[test]
fn sec_6_the_recipients_of_another_message_open_nothing() {
    let authority = authority();
    let (ann, ben) = (device(&authority, ANN, "d1"), device(&authority, BEN, "d1"));
    let [outer, other] = ["at nine", "at ten"].map(|text| sealed(&ann, message("m1", text), &[&ben]));
    let changed = with_recipients(&outer, recipient_infos(&other));
    for who in [&ann, &ben] {
        assert_eq!(doubt(opened(who, &changed, &[&ann])), Doubt::Fault(Fault::Unreadable));
    }
    // Beside the right ones they do no harm to whom they do not name.
    let carl = device(&authority, "38003", "d1");
    let for_carl = recipient_infos(&with_payload(&outer, carl.seal(b"at ten", &[]).unwrap()));
    let more = with_recipients(&outer, [recipient_infos(&outer), for_carl].concat());
    assert!(matches!(opened(&ben, &more, &[&ann]), Opened::Genuine(_)));
    assert_eq!(doubt(opened(&carl, &more, &[&ann])), Doubt::Fault(Fault::Unreadable));
}

#[test]
fn sec_6_a_party_who_takes_off_the_signature_or_signs_beside_it_is_not_believed() {
    let authority = authority();
    let [ann, ben, carl] = [ANN, BEN, "38003"].map(|phone| device(&authority, phone, "d1"));
    let inner = etf::encode(&message("m1", "at nine"));
    let now = SystemTime::now();
    let [anns, bens] = [&ann, &ben].map(|who| signed_data(&who.sign(&inner, now).unwrap()));
    let outer = sealed(&ann, message("m1", "at nine"), &[&ben]);
    // Ben has opened it and seals it again.
    let again =
        |signed: &SignedData| with_payload(&outer, ben.seal(&content_info(signed), &recipients(&[&carl])).unwrap());
    assert!(matches!(opened(&carl, &again(&anns), &[&ann]), Opened::Genuine(_)), "it is still what ann wrote");

    let signers = |infos: Vec<_>| SignedData { signer_infos: infos.try_into().unwrap(), ..anns.clone() };
    let own = anns.signer_infos.0.as_slice();
    let both = [own, bens.signer_infos.0.as_slice()].concat();
    let nameless = SignedData { certificates: None, ..anns.clone() };
    let of_another = SignedData { certificates: bens.certificates.clone(), ..anns.clone() };
    for (what, signed, fault) in [
        ("no signature", signers(Vec::new()), Fault::Malformed),
        ("two signatures", signers(both), Fault::Malformed),
        ("no certificate", nameless, Fault::Untrusted),
        ("another's certificate", of_another, Fault::Untrusted),
        ("another's signature", signers(bens.signer_infos.0.as_slice().to_vec()), Fault::Untrusted),
    ] {
        assert_eq!(doubt(opened(&carl, &again(&signed), &[&ann])), Doubt::Fault(fault), "{what}");
    }
    assert_eq!(doubt(opened(&carl, &again(&bens), &[&ann])), Doubt::NotAuthors);
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
fn sec_6_whom_the_authority_has_taken_back_is_not_believed_and_nothing_is_sealed_for_him() {
    let (ca, now) = (authority(), SystemTime::now());
    let (ann, mut ben) = (device(&ca, ANN, "d1"), device(&ca, BEN, "d1"));
    let outer = sealed(&ann, message("m1", "at nine"), &[&ben]);
    let service = Service {
        r#type: Some(ServiceType::Synrc),
        data: Term::binary(&Bytes::copy_from_slice(ann.certificate())),
        ..Service::default()
    };
    let mut people = People::default();
    people.note(&ben, ANN, &[service], now);
    assert_eq!(people.recipients(ANN).len(), 1);
    assert!(!ben.knows_revoked(now));

    let serial = ca::subject(ann.certificate()).unwrap().serial;
    let list = |reason, at, signed| ca.crl(&[ca::Revoked { serial: serial.clone(), at, reason }], 1, signed).unwrap();
    let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3600));
    assert!(ben.know_revoked(&ca.crl(&[], 1, now - hour).unwrap()).unwrap());
    assert!(ben.knows_revoked(now) && !ben.knows_revoked(now + 8 * 24 * hour));
    assert!(matches!(opened(&ben, &outer, &[&ann]), Opened::Genuine(_)));

    // The device has ended since: what it wrote before stays its own.
    assert!(ben.know_revoked(&list(ca::Reason::CessationOfOperation, now + minute, now - minute)).unwrap());
    assert!(matches!(opened(&ben, &outer, &[&ann]), Opened::Genuine(_)));
    people.judge_again(&ben, now + 2 * minute);
    assert!(people.recipients(ANN).is_empty() && people.has(ANN, &key(&ann)));

    // Somebody else has the key: nothing is.
    let latest = list(ca::Reason::KeyCompromise, now + minute, now);
    assert!(ben.know_revoked(&latest).unwrap());
    assert_eq!(doubt(opened(&ben, &outer, &[&ann])), Doubt::Fault(Fault::Untrusted));
    // An older list takes nothing back, nor does one of somebody else.
    assert!(!ben.know_revoked(&ca.crl(&[], 2, now - hour).unwrap()).unwrap());
    assert!(!ben.know_revoked(&latest).unwrap());
    assert!(ben.know_revoked(&authority().crl(&[], 3, now + hour).unwrap()).is_err());
    assert_eq!(doubt(opened(&ben, &outer, &[&ann])), Doubt::Fault(Fault::Untrusted));
}

#[test]
fn sec_6_each_authority_has_its_own_list() {
    let (one, other, now) = (authority(), authority(), SystemTime::now());
    let both = format!("{}{}", one.certificate_pem(), other.certificate_pem());
    let pinning = |pem: &str| {
        let (key, csr) = ca::request("device").unwrap();
        Seals::new(&ca::pem(&one.device(&csr, BEN, "d1", now).unwrap().der), &key, Some(pem)).unwrap()
    };
    let mut ben = pinning(&both);
    let (ann, carl) = (device(&one, ANN, "d1"), device(&other, ANN, "d2"));
    let from = |seals: &Seals| sealed(seals, message("m1", "at nine"), &[&ben]);
    let (anns, carls) = (from(&ann), from(&carl));
    let revoke = |ca: &Authority, seals: &Seals, number, signed| {
        let serial = ca::subject(seals.certificate()).unwrap().serial;
        ca.crl(&[ca::Revoked { serial, at: now, reason: ca::Reason::KeyCompromise }], number, signed).unwrap()
    };
    let hour = Duration::from_secs(3600);

    // The two have one name, and the second list is older by its time and number: it is another's all the same.
    assert!(ben.know_revoked(&revoke(&one, &ann, 7, now)).unwrap());
    assert!(!ben.knows_revoked(now), "nothing is known of the other");
    assert!(ben.know_revoked(&revoke(&other, &carl, 1, now - hour)).unwrap());
    assert!(ben.knows_revoked(now));
    assert_eq!(doubt(opened(&ben, &anns, &[&ann])), Doubt::Fault(Fault::Untrusted));
    assert_eq!(doubt(opened(&ben, &carls, &[&carl])), Doubt::Fault(Fault::Untrusted));
    // A later one of one takes back nothing of the other's; an older one is known.
    assert!(ben.know_revoked(&other.crl(&[], 2, now).unwrap()).unwrap());
    assert!(matches!(opened(&ben, &carls, &[&carl]), Opened::Genuine(_)));
    assert_eq!(doubt(opened(&ben, &anns, &[&ann])), Doubt::Fault(Fault::Untrusted));
    assert!(!ben.know_revoked(&revoke(&other, &carl, 1, now - hour)).unwrap());

    // Kept, both are there for the next run.
    let folder = tempfile::tempdir().unwrap();
    let home = client::Home::open(folder.path()).unwrap();
    home.save_revoked(&ben).unwrap();
    let mut again = pinning(&both);
    for list in home.revoked().unwrap() {
        assert!(again.know_revoked(&list).unwrap());
    }
    assert!(again.knows_revoked(now));
    assert_eq!(again.lists().collect::<Vec<_>>(), ben.lists().collect::<Vec<_>>());

    // Nobody publishes the list of a root that is locked away: the one below it issues.
    let below = one.below("Example", now).unwrap();
    let mut ben = pinning(below.certificate_pem());
    assert!(ben.know_revoked(&below.crl(&[], 1, now).unwrap()).unwrap() && ben.knows_revoked(now));
}

#[test]
fn sec_6_a_reply_says_outside_to_what_a_forward_does_not() {
    let authority = authority();
    let (ann, ben) = (device(&authority, ANN, "d1"), device(&authority, BEN, "d1"));
    let reply = Message { r#type: Several(vec![Mark::Reply]), link: Some(MessageLink::Id(5)), ..message("m1", "yes") };
    let outer = sealed(&ann, reply, &[&ben]);
    assert_eq!((&outer.link, &outer.r#type[..]), (&Some(MessageLink::Id(5)), &[Mark::Reply][..]));
    assert!(matches!(opened(&ben, &outer, &[&ann]), Opened::Genuine(_)));
    for link in [None, Some(MessageLink::Id(6))] {
        assert_eq!(doubt(opened(&ben, &Message { link, ..outer.clone() }, &[&ann])), Doubt::Differs("link"));
    }

    let original = message("m0", "secret");
    let forward = Message {
        r#type: Several(vec![Mark::Forward]),
        link: Some(MessageLink::Message(Box::new(original.clone()))),
        ..message("m2", "look")
    };
    let outer = sealed(&ann, forward, &[&ben]);
    assert_eq!((&outer.link, &outer.r#type[..]), (&None, &[][..]));
    let Opened::Genuine(found) = opened(&ben, &outer, &[&ann]) else { panic!("not genuine") };
    assert_eq!(found.message.link, Some(MessageLink::Message(Box::new(original))));
    let linked = Message { link: Some(MessageLink::Id(6)), ..outer };
    assert_eq!(doubt(opened(&ben, &linked, &[&ann])), Doubt::Differs("link"));
}

#[test]
fn sec_6_what_is_said_of_it_outside_is_said_inside() {
    let authority = authority();
    let (ann, ben) = (device(&authority, ANN, "d1"), device(&authority, BEN, "d1"));
    let outer = sealed(&ann, message("m1", "at nine"), &[&ben]);
    let feed = Some(private(&address(ANN), "38003_3").unwrap());
    for (field, other) in [
        ("msg_id", Message { msg_id: Some("m2".into()), ..outer.clone() }),
        ("msg_id", Message { msg_id: None, ..outer.clone() }),
        ("feed", Message { feed_id: feed, ..outer.clone() }),
        ("feed", Message { feed_id: None, ..outer.clone() }),
        ("author", Message { from: Some(address(BEN).into()), ..outer.clone() }),
        ("receiver", Message { to: Some("38003_3".into()), ..outer.clone() }),
        ("mentions", Message { mentioned: vec![3], ..outer.clone() }),
    ] {
        assert_eq!(doubt(opened(&ben, &other, &[&ann])), Doubt::Differs(field));
    }
    assert!(matches!(opened(&ben, &outer, &[&ann]), Opened::Genuine(_)));
    assert!(ann.seal_message(Message { to: None, ..message("m1", "x") }, &[], SystemTime::now()).is_err());
}

#[test]
fn sec_6_only_its_author_s_keys_sign_for_an_author() {
    let authority = authority();
    let (ann, ben) = (device(&authority, ANN, "d1"), device(&authority, BEN, "d1"));
    let mallory = device(&authority, "38009", "d1");
    let forged = sealed(&mallory, message("m1", "send money"), &[&ben]);
    assert_eq!(doubt(opened(&ben, &forged, &[&ann])), Doubt::NotAuthors);
    // Though the server should list it among ann's: it names another account.
    assert_eq!(doubt(opened(&ben, &forged, &[&ann, &mallory])), Doubt::NotAuthors);
    // Of an authority that bears the same name.
    let forged = sealed(&device(&self::authority(), ANN, "d1"), message("m1", "send money"), &[&ben]);
    assert_eq!(doubt(opened(&ben, &forged, &[&ann])), Doubt::Fault(Fault::Untrusted));
}

#[test]
fn sec_6_what_is_not_signed_or_no_message_or_more_than_one_is_not_believed() {
    let authority = authority();
    let (ann, ben) = (device(&authority, ANN, "d1"), device(&authority, BEN, "d1"));
    let outer = sealed(&ann, message("m1", "at nine"), &[&ben]);
    let around = |content: &[u8]| with_payload(&outer, ann.seal(content, &recipients(&[&ben])).unwrap());
    let unsigned = around(&etf::encode(&message("m1", "at nine")));
    assert_eq!(doubt(opened(&ben, &unsigned, &[&ann])), Doubt::Fault(Fault::Malformed));
    let words = around(&ann.sign(b"at nine", SystemTime::now()).unwrap());
    assert_eq!(doubt(opened(&ben, &words, &[&ann])), Doubt::NoMessage);
    let bare = with_payload(&outer, ann.sign(&etf::encode(&message("m1", "at nine")), SystemTime::now()).unwrap());
    assert_eq!(doubt(opened(&ben, &bare, &[&ann])), Doubt::Fault(Fault::Malformed));

    let beside = Message { files: vec![outer.files[0].clone(), Desc::text("and bring money")], ..outer.clone() };
    assert_eq!(doubt(opened(&ben, &beside, &[&ann])), Doubt::NotOne);
    // What was added to it (MESSAGE-13) is not shown as its author's.
    let added = Desc { parentid: Some("1".into()), ..Desc::text("a translation") };
    let added = Message { files: vec![outer.files[0].clone(), added], ..outer };
    let Opened::Genuine(found) = opened(&ben, &added, &[&ann]) else { panic!("not genuine") };
    assert_eq!(found.message.files.len(), 1);
    assert_eq!(opened(&ben, &message("m1", "in the clear"), &[&ann]), Opened::Plain);
}

#[test]
fn sec_6_changed_or_cut_bytes_never_become_other_words() {
    let authority = authority();
    let (ann, ben) = (device(&authority, ANN, "d1"), device(&authority, BEN, "d1"));
    let outer = sealed(&ann, message("m1", "at nine"), &[&ben]);
    let whole = payload(&outer);
    for at in (0..whole.len()).step_by(5) {
        let cut = with_payload(&outer, whole[..at].to_vec());
        assert!(matches!(opened(&ben, &cut, &[&ann]), Opened::Unverifiable(_, None)), "cut at {at}");
        let mut changed = whole.clone();
        changed[at] ^= 0x55;
        match opened(&ben, &with_payload(&outer, changed), &[&ann]) {
            Opened::Genuine(found) => assert_eq!(found.message, message("m1", "at nine"), "byte {at}"),
            Opened::Unverifiable(_, None) => {}
            other => panic!("byte {at}: {other:?}"),
        }
    }
}

#[test]
fn sec_6_a_certificate_that_has_ended_since_was_good_when_the_message_was_sent() {
    let authority = authority();
    let (ann, ben) = (device(&authority, ANN, "d1"), device(&authority, BEN, "d1"));
    let outer = sealed(&ann, message("m1", "at nine"), &[&ben]);
    let later = SystemTime::now() + Duration::from_secs(500 * 86_400);
    let is_anns = |signer: &[u8; 32]| *signer == key(&ann);
    assert!(matches!(ben.open_message(&outer, is_anns, later), Opened::Genuine(_)));
    let created = Some((now_ms() + 500 * 86_400_000).into());
    let late = ben.open_message(&Message { created, ..outer }, is_anns, later);
    assert_eq!(doubt(late), Doubt::Fault(Fault::Untrusted));
}

#[test]
fn sec_6_what_comes_again_as_another_or_as_it_was_before_an_edit_is_noticed() {
    let authority = authority();
    let (ann, ben) = (device(&authority, ANN, "d1"), device(&authority, BEN, "d1"));
    let (mut seen, start) = (Replays::default(), SystemTime::now());
    let at = |seconds: u64, text: &str| {
        let then = start + Duration::from_secs(seconds);
        let outer = ann.seal_message(message("m1", text), &recipients(&[&ben]), then).unwrap();
        Message { id: Some(12), created: Some(now_ms().into()), ..outer }
    };
    let (first, edited) = (at(0, "at nine"), at(5, "at ten"));
    let mut note = |outer: &Message| match opened(&ben, outer, &[&ann]) {
        Opened::Genuine(found) => seen.note(outer, &found),
        other => panic!("{other:?}"),
    };
    assert_eq!(note(&first), Ok(()));
    assert_eq!(note(&first), Ok(()), "the same, after a break");
    assert_eq!(note(&Message { id: Some(99), ..first.clone() }), Err(Doubt::Replayed));
    assert_eq!(note(&edited), Ok(()));
    assert_eq!(note(&first), Err(Doubt::Outdated));
}

#[test]
fn sec_6_what_was_seen_is_known_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seen");
    let found = |time: u64| Found {
        message: Message::default(),
        key: [0; 32],
        time: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(time)),
    };
    let outer = |msg_id: &'static str, id: u64| Message { id: Some(id), ..message(msg_id, "") };
    let restarted = || Replays::kept_in(&path).unwrap();

    let mut seen = restarted();
    assert_eq!(seen.note(&outer("m1", 1), &found(100)), Ok(()));
    assert_eq!(seen.note(&outer("m1", 1), &found(200)), Ok(()), "edited");
    assert_eq!(seen.note(&outer("m2", 2), &found(150)), Ok(()));
    for _ in 0..2 {
        let mut seen = restarted();
        assert_eq!(seen.note(&outer("m1", 9), &found(200)), Err(Doubt::Replayed));
        assert_eq!(seen.note(&outer("m1", 1), &found(100)), Err(Doubt::Outdated));
        assert_eq!(seen.note(&outer("m2", 3), &found(150)), Err(Doubt::Replayed));
        assert!(seen.take_failure().is_none());
    }
    // A line that a crash has cut costs that line.
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.trim_end().strip_suffix("150").unwrap()).unwrap();
    let mut seen = restarted();
    assert_eq!(seen.note(&outer("m1", 9), &found(200)), Err(Doubt::Replayed));
    assert_eq!(seen.note(&outer("m3", 3), &found(150)), Ok(()));
    assert_eq!(restarted().note(&outer("m3", 4), &found(150)), Err(Doubt::Replayed));
    std::fs::write(&path, vec![b'x'; 5 << 20]).unwrap();
    assert!(Replays::kept_in(&path).is_err(), "not ours");
}

#[test]
fn sec_6_two_programs_of_one_device_know_what_either_has_seen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seen");
    let found = Found { message: Message::default(), key: [0; 32], time: None };
    let outer =
        |name: &str, id: u64| Message { id: Some(id), msg_id: Some(name.to_owned().into()), ..message("m", "") };
    let mut first = Replays::kept_in(&path).unwrap();
    assert_eq!(first.note(&outer("a", 1), &found), Ok(()));
    let mut second = Replays::kept_in(&path).unwrap();
    // The second has written the file anew; what the first sees now is not lost.
    assert_eq!(first.note(&outer("b", 2), &found), Ok(()));
    assert_eq!(second.note(&outer("c", 3), &found), Ok(()));
    for seen in [&mut first, &mut second, &mut Replays::kept_in(&path).unwrap()] {
        for name in ["a", "b", "c"] {
            assert_eq!(seen.note(&outer(name, 9), &found), Err(Doubt::Replayed), "{name}");
        }
        assert!(seen.take_failure().is_none());
    }
}

#[test]
fn sec_6_only_the_latest_are_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seen");
    let found = Found { message: Message::default(), key: [0; 32], time: None };
    let outer = |id: u64| Message { id: Some(id), msg_id: Some(format!("m{id}").into()), ..message("m", "") };
    let mut seen = Replays::kept_in(&path).unwrap();
    (0..25_000).for_each(|id| assert_eq!(seen.note(&outer(id), &found), Ok(())));
    assert!(std::fs::read_to_string(&path).unwrap().lines().count() < 20_010);
    let mut seen = Replays::kept_in(&path).unwrap();
    let again = |id: u64| Message { id: Some(1), ..outer(id) };
    assert_eq!(seen.note(&again(24_999), &found), Err(Doubt::Replayed));
    assert_eq!(seen.note(&again(15_001), &found), Err(Doubt::Replayed));
    assert_eq!(seen.note(&again(14_999), &found), Ok(()), "forgotten");
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 10_001);
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
