//! The directory as a file: written, read by OpenLDAP and by another server, and records that are done as a whole or not at all.

use std::fs;

use super::support::slapd::{self, Slapd};
use super::*;

/// The configuration's base, where OpenLDAP's of the tests is.
fn based() -> Server {
    Server::start_with(&format!("ldap.base = \"{}\"", slapd::BASE))
}

fn chat(server: &Server, words: &[&str]) -> (bool, String) {
    let done = server.chat(words);
    let text = [done.stdout, done.stderr].concat();
    (done.status.success(), String::from_utf8(text).expect("text"))
}

/// A file in the server's folder, imported; whether all of it was taken, and what was said.
fn import(server: &Server, text: &str) -> (bool, String) {
    let file = server.home().join("import.ldif");
    fs::write(&file, text).expect("written");
    chat(server, &["ldif", "import", file.to_str().expect("a path")])
}

/// Names of entries and the names that they show, of what is exported.
fn shown(server: &Server) -> Vec<String> {
    let (is_done, text) = chat(server, &["ldif", "export"]);
    assert!(is_done, "{text}");
    let people = text.split("\n\n").filter(|record| record.contains("inetOrgPerson"));
    let mut shown: Vec<String> = people
        .map(|record| {
            let is_name = |line: &&str| ["dn:", "uid:", "givenName:", "sn:"].iter().any(|name| line.starts_with(name));
            record.lines().filter(is_name).collect::<Vec<_>>().join(" ")
        })
        .collect();
    shown.sort();
    shown
}

#[tokio::test]
async fn all_entries_are_a_file_that_openldap_and_another_server_take() {
    let (first, second) = (based(), based());
    let (_key, csr) = ca::request("device").expect("a request");
    register(&first, "380670000003", Some(&csr)).await;
    let (_ann, ann, _events) = person(&first, "380670000001", "Ганна", "annie").await;
    person(&first, "380670000002", "Ben", "benny").await;
    ann.create_room("Friends", &[]).await.expect("a room");

    let file = first.home().join("all.ldif");
    let path = file.to_str().expect("a path");
    let (is_done, said) = chat(&first, &["ldif", "export", path]);
    assert!(is_done && said.trim() == "7 entries", "{said}");
    let text = fs::read_to_string(&file).expect("written");
    assert!(text.contains("userCertificate;binary:: ") && text.contains("objectClass: groupOfNames"), "{text}");
    // OpenLDAP looks at names, values and its schema.
    Slapd::start().takes(&file);

    let (is_done, said) = chat(&second, &["ldif", "import", path]);
    assert!(is_done, "{said}");
    assert_eq!(said.trim(), "3 added, 0 changed, 0 removed, 3 as they were, 1 left out");
    assert_eq!(shown(&second), shown(&first));
    assert_eq!(shown(&first).len(), 3);
    let (is_done, said) = chat(&second, &["remote", "-e", &format!("ldif import {path}")]);
    assert!(is_done, "{said}");
    // A certificate and a room are their people's to make.
    assert_eq!(said.trim(), "0 added, 0 changed, 0 removed, 5 as they were, 2 left out");
    // Of the server that has written it all is as it was.
    let (is_done, said) = chat(&first, &["ldif", "import", path]);
    assert!(is_done, "{said}");
    assert_eq!(said.trim(), "0 added, 0 changed, 0 removed, 6 as they were, 1 left out");
}

#[tokio::test]
async fn each_record_is_done_as_a_whole_or_told_by_its_line() {
    let server = based();
    let dn = |number: u32| format!("dn: uid=3806700000{number:02},ou=people,{}\n", slapd::BASE);
    let entry = |number, names: &str| {
        format!("{}objectClass: inetOrgPerson\nuid: 3806700000{number:02}\ncn: x\n{names}\n", dn(number))
    };
    let (is_done, said) =
        import(&server, &(entry(1, "sn: Black\ngivenName: Ann\nuid: annie\n") + &entry(2, "sn: Grey\n")));
    assert!(is_done && said.starts_with("2 added,"), "{said}");

    let records = [
        // 1: too short a name; 8: a type that nobody knows; 15: another's nick.
        entry(3, "sn: Green\ngivenName: T\n"),
        entry(4, "sn: Green\nshoeSize: 40\n"),
        entry(5, "sn: Green\nuid: annie\n"),
        // 22: the nick is another's, so the surname stays.
        dn(2) + "changetype: modify\nreplace: sn\nsn: Changed\n-\nreplace: uid\nuid: 380670000002\nuid: annie\n-\n\n",
        // 32: done.
        dn(1) + "changetype: modify\nreplace: sn\nsn: White\n\n",
        // 37 and 40: done once.
        dn(2) + "changetype: delete\n\n",
        dn(2) + "changetype: delete\n\n",
        // 43: no record at all.
        "uid: nobody\n\n".to_owned(),
        entry(6, "sn: Brown\n"),
    ];
    let text = records.concat();
    let line = |at: usize| records[..at].concat().lines().count() + 1;
    let (is_done, said) = import(&server, &text);
    assert!(!is_done, "{said}");
    for told in [line(0), line(1) + 5, line(2), line(3), line(6), line(7)] {
        assert!(said.contains(&format!("line {told}: ")), "{told}: {said}");
    }
    assert!(said.contains("1 added, 1 changed, 1 removed, 0 as they were, 0 left out, 6 refused"), "{said}");
    let base = format!(",ou=people,{}", slapd::BASE);
    let wanted = [
        format!("dn: uid=380670000001{base} uid: 380670000001 uid: annie sn: White givenName: Ann"),
        format!("dn: uid=380670000006{base} uid: 380670000006 sn: Brown"),
    ];
    assert_eq!(shown(&server), wanted);
    // What was refused has left nothing behind.
    let (is_done, said) = import(&server, &entry(3, "sn: Green\ngivenName: Tom\n"));
    assert!(is_done && said.starts_with("1 added,"), "{said}");
}

#[test]
fn what_ldapadd_and_ldapmodify_say_is_done_as_a_whole_or_not_at_all() {
    let server = Server::start_with(LINES);
    let admin = By::Certificate("admin");
    let run = |program: &str, input: &str| ask(&server, program, &admin, &[], input).code;
    let entry = |number: &str, more: &str| {
        format!(
            "dn: uid={number},ou=people,dc=chat,dc=example\nobjectClass: inetOrgPerson\nuid: {number}\ncn: x\n{more}"
        )
    };
    assert_eq!(run("ldapadd", &entry("380670000001", "sn: Black\nuid: annie\n")), 0);
    for (number, bad, code) in
        [("380670000002", "sn: Grey\ngivenName: T\n", 21), ("380670000003", "sn: Grey\nuid: annie\n", 19)]
    {
        assert_eq!(run("ldapadd", &entry(number, bad)), code);
        assert_eq!(
            search(&server, &admin, &["-s", "base", "-b", &format!("uid={number},ou=people,dc=chat,dc=example")]).code,
            32
        );
        assert_eq!(run("ldapadd", &entry(number, "sn: Grey\n")), 0);
    }
    let name = "uid=380670000002,ou=people,dc=chat,dc=example";
    let change = "changetype: modify\nreplace: sn\nsn: Changed\n-\nreplace: uid\nuid: 380670000002\nuid: annie\n";
    assert_eq!(run("ldapmodify", &format!("dn: {name}\n{change}")), 19);
    assert_eq!(ask(&server, "ldapcompare", &admin, &[name, "sn:Grey"], "").code, 6);
}
