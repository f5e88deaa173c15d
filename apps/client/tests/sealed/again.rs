//! What comes a second time (SEC-6).

use super::*;

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
