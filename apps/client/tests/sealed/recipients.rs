//! For whom a message is sealed (SEC-5), and what becomes of that on its way.

use super::*;

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
