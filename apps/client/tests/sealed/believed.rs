//! What counts as written by whom it says (SEC-6).

use super::*;

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
