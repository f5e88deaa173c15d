//! What a person may type, and where a device keeps who it is.

use std::os::unix::fs::PermissionsExt;

use client::{Command, Field, HELP, Home, RoomAct, Stored, Url};

fn parsed(line: &str) -> Command {
    Command::parse(line, false).expect("a command")
}

#[test]
fn commands_are_read_with_their_words() {
    let who = "38002_2".to_owned();
    assert_eq!(parsed("register +380670001122"), Command::Register { phone: "+380670001122".into(), code: None });
    assert_eq!(
        parsed(" register 38001  123456 "),
        Command::Register { phone: "38001".into(), code: Some("123456".into()) }
    );
    assert_eq!(parsed("friend 38002_2"), Command::Friend { who: who.clone() });
    assert_eq!(parsed("/accept 38002_2"), Command::Accept { who: who.clone() });
    assert_eq!(parsed("send 38002_2 hello  there"), Command::Send { who: who.clone(), text: "hello  there".into() });
    assert_eq!(parsed("write 38002_2"), Command::Write { who: Some(who.clone()) });
    assert_eq!(parsed("history"), Command::History { who: None, count: 20 });
    assert_eq!(parsed("history 5"), Command::History { who: None, count: 5 });
    assert_eq!(parsed("history 38002_2"), Command::History { who: Some(who.clone()), count: 20 });
    assert_eq!(parsed("history 38002_2 100"), Command::History { who: Some(who), count: 100 });
    assert_eq!(parsed("call Profile{status=get}"), Command::Call { record: "Profile{status=get}".into() });
    let file = |who: Option<&str>, path: &str, text: &str| Command::File {
        who: who.map(str::to_owned),
        path: path.into(),
        text: text.into(),
    };
    assert_eq!(parsed("file ben \"a cake.png\" look at it"), file(Some("ben"), "a cake.png", "look at it"));
    assert_eq!(Command::parse("/file cake.png", true).expect("a command"), file(None, "cake.png", ""));
    assert_eq!(parsed("get #12 here"), Command::Get { number: Some(12), place: Some("here".into()) });
    assert_eq!(parsed("get"), Command::Get { number: None, place: None });
    assert_eq!(parsed("   "), Command::Nothing);
}

#[test]
fn rooms_and_messages_are_named_by_words_quotes_and_numbers() {
    let room = |what, words: &[&str]| Command::Room { what, words: words.iter().map(|word| (*word).into()).collect() };
    assert_eq!(
        parsed("room create \"Tea and cake\" ben 38003_3"),
        room(RoomAct::Create, &["Tea and cake", "ben", "38003_3"])
    );
    assert_eq!(parsed("room members"), room(RoomAct::Members, &[]));
    assert_eq!(parsed("room rename Tea Coffee"), room(RoomAct::Rename, &["Tea", "Coffee"]));
    assert_eq!(parsed("write \"Tea and cake\""), Command::Write { who: Some("Tea and cake".into()) });
    assert_eq!(
        parsed("send \"Tea and cake\" who is there?"),
        Command::Send { who: "Tea and cake".into(), text: "who is there?".into() }
    );
    assert_eq!(parsed("reply #12 yes, 3 cups"), Command::Reply { number: Some(12), text: "yes, 3 cups".into() });
    assert_eq!(parsed("reply 12 cups"), Command::Reply { number: None, text: "12 cups".into() });
    assert_eq!(parsed("edit tea?"), Command::Edit { number: None, text: "tea?".into() });
    assert_eq!(parsed("delete"), Command::Delete { number: None });
    assert_eq!(parsed("delete 12"), Command::Delete { number: Some(12) });
    assert_eq!(parsed("star #12"), Command::Star { number: Some(12) });
    assert_eq!(parsed("search nick ben"), Command::Search { field: Field::Nick, text: "ben".into() });
    assert_eq!(parsed("link Tea tea_club"), Command::Link { words: vec!["Tea".into(), "tea_club".into()] });
    assert_eq!(parsed("name Ann Smith"), Command::Name { words: vec!["Ann".into(), "Smith".into()] });
    assert_eq!(parsed("end d2"), Command::End { device: "d2".into() });
    assert_eq!(parsed("end"), Command::Write { who: None });
}

#[test]
fn help_names_every_command() {
    for word in [
        "register", "friend", "accept", "revoke", "ban", "unban", "who", "search", "write", "send", "file", "get",
        "history", "reply", "edit", "delete", "star", "stars", "unstar", "room", "link", "join", "me", "nick", "name",
        "devices", "end", "call", "help", "quit",
    ] {
        assert!(HELP.split(|letter: char| !letter.is_alphabetic()).any(|said| said == word), "{word}");
        let says = Command::parse(word, false).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(!says.contains("there is no command"), "{word}: {says}");
    }
    assert!(HELP.lines().all(|line| line.len() <= 120));
}

#[test]
fn what_is_missing_or_unknown_is_said() {
    for (line, says) in [
        ("friend", "friend: whom?"),
        ("send 38002_2", "send WHO TEXT"),
        ("history 38002_2 0", "history [WHO] [1 to 1000]"),
        ("reply #12", "with which text?"),
        ("delete it", "it is no number of a message, such as #12"),
        ("search ben", "search nick|phone|link TEXT"),
        ("room paint", "room create|add|remove|admin|members|info|rename|mute|unmute|leave|delete"),
        ("dance", "there is no command dance; try help"),
    ] {
        assert_eq!(Command::parse(line, false).unwrap_err().to_string(), says);
    }
}

#[test]
fn while_writing_only_a_stroke_makes_a_command() {
    let say = |text: &str| Command::Say { text: text.into() };
    assert_eq!(Command::parse("quit", true).unwrap(), say("quit"));
    assert_eq!(Command::parse("/quit", true).unwrap(), Command::Quit);
    assert_eq!(Command::parse("//etc", true).unwrap(), say("/etc"));
    assert_eq!(Command::parse("/write", true).unwrap(), Command::Write { who: None });
}

#[test]
fn addresses_of_servers_are_read_and_written() {
    let url = |text: &str| text.parse::<Url>().map(|url| url.to_string()).ok();
    assert_eq!(url("mqtts://chat.example"), Some("mqtts://chat.example:8883".into()));
    assert_eq!(url("quic://chat.example"), Some("quic://chat.example:14567".into()));
    assert_eq!(url("wss://chat.example/mqtt"), Some("wss://chat.example:8084".into()));
    assert_eq!(url("127.0.0.1:1884"), Some("mqtt://127.0.0.1:1884".into()));
    assert_eq!(url("mqtt://[::1]:1883/"), Some("mqtt://[::1]:1883".into()));
    assert_eq!(url("https://chat.example"), url("wss://chat.example"), "files go by the same port");
    for bad in ["ftp://x", "quic://a/mqtt", "mqtt://", "mqtt://a:b", "mqtt://u@h", "mqtt://h:70000"] {
        assert_eq!(url(bad), None, "{bad}");
    }
}

#[test]
fn a_home_keeps_the_account_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::open(folder.path().join("home")).unwrap();
    assert_eq!(home.load().unwrap(), None);
    let stored = Stored {
        url: "mqtt://127.0.0.1:1883".into(),
        client_id: "emqttd_38001_d1".into(),
        token: "t1".into(),
        phone_id: "38001_1".into(),
    };
    home.save(&stored).unwrap();
    assert_eq!(home.load().unwrap(), Some(stored));
    let file = home.folder().join("account.json");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(home.load().is_err(), "a token that others can read is not used");
}
