//! The console against the real program: three people and a room, by commands that `help` names.

mod support;

use std::process::{Command, Output, Stdio};

use support::{CHAT, Server};
use tempfile::TempDir;

/// A device: its folder, and where the server is.
struct Person {
    home: TempDir,
    url: String,
}

impl Person {
    fn register(server: &Server, phone: &str, name: &str) -> Person {
        let person = Person { home: tempfile::tempdir().expect("a folder"), url: format!("mqtt://{}", server.mqtt()) };
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
