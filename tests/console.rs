//! The console against the real program: three people and a room, by commands that `help` names.

mod support;

use std::process::{Command, Output, Stdio};

use support::{CHAT, Server};
use tempfile::TempDir;

/// A device: its folder, and where the server is.
struct Person {
    home: TempDir,
    url: String,
    /// The authority that it is told to trust.
    ca: Option<std::path::PathBuf>,
}

impl Person {
    fn register(server: &Server, phone: &str, name: &str) -> Person {
        let (home, url) = (tempfile::tempdir().expect("a folder"), format!("mqtt://{}", server.mqtt()));
        let person = Person { home, url, ca: None };
        person.says(&[&format!("register {phone}"), &format!("name {name}")], "registered as");
        person
    }

    /// Does these commands and ends; what was shown, which has `wanted` in it.
    fn says(&self, commands: &[&str], wanted: &str) -> String {
        let output = self.run(commands);
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{commands:?}: {shown}{errors}");
        assert!(shown.contains(wanted), "{commands:?} does not show {wanted:?}: {shown}");
        shown
    }

    fn run(&self, commands: &[&str]) -> Output {
        let mut chat = Command::new(CHAT);
        chat.args(["client", "--fake", "--url", &self.url, "--home"]).arg(self.home.path());
        if let Some(ca) = &self.ca {
            chat.arg("--ca").arg(ca);
        }
        commands.iter().for_each(|command| {
            chat.args(["-e", command]);
        });
        chat.stdin(Stdio::null()).output().expect("the program runs")
    }
}

fn befriend(one: &Person, other: &Person, phone: &str, name: &str) {
    one.says(&[&format!("friend {phone}")], "");
    other.says(&[&format!("accept {name}")], "");
}

#[test]
fn three_people_talk_in_a_room() {
    let server = Server::start();
    let ann = Person::register(&server, "38001", "Ann");
    let ben = Person::register(&server, "38002", "Ben");
    let carl = Person::register(&server, "38003", "Carl");
    befriend(&ann, &ben, "38002", "ann");
    befriend(&ann, &carl, "38003", "ann");

    ann.says(&["room create \"Tea and cake\" ben"], "the room Tea and cake is there: write \"Tea and cake\"");
    ann.says(&["room add \"tea and cake\" Carl"], "");
    carl.says(&["send \"Tea and cake\" milk?"], "you are in the room Tea and cake");
    ben.says(&["who"], "1 unread");
    let read = ben.says(&["history \"Tea and cake\""], "Carl in Tea and cake: milk?");
    assert!(read.contains("* Tea and cake: Ann added Carl"), "{read}");
    assert!(!ben.says(&["who"], "Tea and cake").contains("unread"), "what was shown is read");
    ben.says(&["history \"Tea and cake\"", "reply no, thanks"], "");
    let answer = carl.says(&["history \"Tea and cake\""], "): no, thanks");
    assert!(answer.contains("Ben in Tea and cake (to #"), "{answer}");

    ben.says(&["room leave \"Tea and cake\""], "you have left Tea and cake");
    let members = ann.says(&["room members \"Tea and cake\""], "Carl");
    assert!(!members.contains("Ben  "), "{members}");
    ann.says(&["link \"Tea and cake\" tea_club"], "whoever types join tea_club is in Tea and cake");
    ben.says(&["search link tea_club"], "Tea and cake (group)");
    ben.says(&["join tea_club"], "you are in the room Tea and cake");
    ann.says(&["history \"Tea and cake\""], "* Tea and cake: Ben joined");
}

/// In the clear by records, then sealed over HTTPS: it arrives, and lies on the server as nobody's reading.
#[test]
fn sec_6_t_7_a_file_is_sent_and_fetched() {
    let server = Server::start();
    let mut ann = Person::register(&server, "38001", "Ann");
    let mut ben = Person::register(&server, "38002", "Ben");
    befriend(&ann, &ben, "38002", "ann");
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let words = b"meet me at the bridge ".repeat(60_000);
    std::fs::write(path("a letter.txt"), &words).expect("written");

    ann.says(&[&format!("file ben \"{}\" for you", path("a letter.txt"))], "a letter.txt is there");
    let seen = ben.says(&["history ann", &format!("get {}", path("plain"))], "for you | [a letter.txt, 1.3 MiB: get]");
    assert!(seen.contains("plain is here"), "{seen}");
    assert!(std::fs::read(path("plain")).expect("fetched") == words);
    let again = ben.run(&["history ann", &format!("get {}", path("plain"))]);
    assert!(!again.status.success(), "what is there stays");

    // Both know the authority now, and come by wss: so files go by HTTPS.
    for person in [&mut ann, &mut ben] {
        person.url = format!("wss://localhost:{}", server.https().port());
        person.ca = Some(server.root_certificate());
        person.says(&["me"], "");
    }
    ann.says(&[&format!("file ben \"{}\"", path("a letter.txt"))], "a letter.txt is there");
    let seen = ben.says(&["history ann", &format!("get {}", path("sealed"))], "(sealed, verified)");
    assert!(seen.contains("[a letter.txt, 1.3 MiB: get]"), "{seen}");
    assert!(std::fs::read(path("sealed")).expect("fetched") == words);
    let kept = files(&server.home().join("files"));
    assert_eq!(kept.len(), 2, "{kept:?}");
    let open =
        |file: &std::path::PathBuf| std::fs::read(file).expect("a file").windows(6).any(|part| part == b"bridge");
    assert_eq!(kept.iter().filter(|file| open(file)).count(), 1, "one is sealed");
}

/// All files below a folder.
fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let inside = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    inside.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn a_stranger_is_found_by_nick() {
    let server = Server::start();
    let ann = Person::register(&server, "38001", "Ann");
    let ben = Person::register(&server, "38002", "Ben");
    ben.says(&["nick benny"], "people find you by the nick benny");
    ann.says(&["search nick Benny"], "38002_2");
    ann.says(&["search nick ben"], "38002_2");
    ann.says(&["search phone 38002"], "38002_2");
    ann.says(&["search nick carl"], "nobody found");
    ann.says(&["friend benny"], "* Ben (38002_2) has been asked");
    let shown = ben.says(&["accept ann", "who"], "");
    let friend = |line: &str| line.split_whitespace().take(3).eq(["38001_1", "Ann", "friend"]);
    assert!(shown.lines().any(friend), "{shown}");
}

#[test]
fn what_is_not_there_is_said_in_words() {
    let server = Server::start();
    let ann = Person::register(&server, "38001", "Ann");
    for (command, says) in [
        ("write nobody", "neither a friend nor a room is called nobody"),
        ("room info Tea", "no room Tea here; who shows them"),
        ("send 38009_9 hello", "nobody has this address (contact_not_found)"),
        ("reply hello", "which message?"),
    ] {
        let output = ann.run(&[command]);
        assert!(!output.status.success(), "{command}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(says), "{command}: {said}");
    }
}
