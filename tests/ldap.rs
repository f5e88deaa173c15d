//! The directory of the real program, asked by OpenLDAP's programs from Debian.

#![allow(clippy::indexing_slicing, reason = "a test may fail")]

mod support;
#[path = "ldap/access.rs"]
mod access;
#[path = "ldap/files.rs"]
mod files;

use std::io::Write;
use std::process::{Command, Stdio};

use client::{Account, Client, Enrolment, Events, Options};
use proto::{Feature, Profile, ProfileStatus, Roster, RosterStatus};
use support::Server;
use support::account::{connect, register, url};

const LINES: &str = "ldap.base = \"dc=chat,dc=example\"";

/// What a program said, and the result that it ended with.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

/// Who asks.
enum By<'a> {
    Nobody,
    Token(&'a str, &'a Account),
    /// By the certificate of this name among the server's.
    Certificate(&'a str),
}

fn ask(server: &Server, program: &str, by: &By<'_>, words: &[&str], input: &str) -> Said {
    let url = format!("ldap://{}", server.ldap());
    let name;
    let mut all: Vec<&str> = vec!["-H", &url];
    let mut command = Command::new(program);
    command.env("LDAPTLS_CACERT", server.root_certificate());
    match by {
        By::Nobody => all.push("-x"),
        By::Token(number, account) => {
            name = format!("uid={number},ou=people,dc=chat,dc=example");
            all.extend(["-x", "-ZZ", "-D", &name, "-w", &account.token]);
        }
        By::Certificate(name) => {
            let file = |end: &str| server.home().join("certs").join(format!("{name}.{end}"));
            command.env("LDAPTLS_CERT", file("crt")).env("LDAPTLS_KEY", file("key"));
            all.extend(["-Y", "EXTERNAL", "-Q", "-ZZ"]);
        }
    }
    let mut child = command
        .args(all)
        .args(words)
        .env("HOME", server.home())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|why| panic!("{program}: {why}"));
    child.stdin.take().expect("its input").write_all(input.as_bytes()).expect("written");
    let done = child.wait_with_output().expect("it ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { code: done.status.code().unwrap_or(-1), out: text(&done.stdout), err: text(&done.stderr) }
}

fn search(server: &Server, by: &By<'_>, words: &[&str]) -> Said {
    let fixed = ["-LLL", "-o", "ldif-wrap=no", "-b", "dc=chat,dc=example"];
    ask(server, "ldapsearch", by, &[&fixed[..], words].concat(), "")
}

/// The uids of what is found, in order.
fn uids(server: &Server, by: &By<'_>, words: &[&str]) -> Vec<String> {
    let said = search(server, by, &[words, &["uid"]].concat());
    assert_eq!(said.code, 0, "{words:?}: {} {}", said.out, said.err);
    let names = said.out.lines().filter_map(|line| line.strip_prefix("dn: uid="));
    let mut uids: Vec<String> = names.filter_map(|name| Some(name.split_once(',')?.0.to_owned())).collect();
    uids.sort();
    uids
}

async fn person(server: &Server, number: &str, names: &str, nick: &str) -> (Account, Client, Events) {
    let account = register(server, number, None).await;
    let (client, events) = connect(server, &account).await;
    let names = Roster { names: Some(names.to_owned().into()), surnames: Some("Black".into()), ..Roster::default() };
    client.call(Roster { status: Some(RosterStatus::Patch), ..names }).await.expect("patched");
    let nick = Roster { nick: Some(nick.to_owned().into()), status: Some(RosterStatus::Nick), ..Roster::default() };
    client.call(nick).await.expect("called");
    (account, client, events)
}

/// An account's first device, by an invite.
async fn invited(server: &Server, number: &str) -> Account {
    let code = server.remote(&format!("invite {number}")).trim().to_owned();
    let (client, _events) = Client::connect(Options::new(url(server), format!("reg_{number}_d1"))).await.expect("in");
    client.register(number, "d1", Enrolment::Code, None).await.expect("begun");
    client.verify(&code, None).await.expect("verified")
}

async fn searchable(client: &Client, by: &'static str) {
    let settings = vec![Feature::new("PRIVACY", "SEARCHABLE", by)];
    client.call(Profile { settings, status: Some(ProfileStatus::Patch), ..Profile::default() }).await.expect("set");
}

#[tokio::test]
async fn people_are_found_as_they_allow() {
    let server = Server::start_with(LINES);
    let (ann, _ann, _) = person(&server, "380670000001", "Ann", "annie").await;
    let (ben, ben_client, _) = person(&server, "380670000002", "Ben", "benny").await;
    let (by_ann, by_ben) = (By::Token("380670000001", &ann), By::Token("380670000002", &ben));
    let admin = By::Certificate("admin");

    assert_eq!(search(&server, &By::Nobody, &["(uid=*)"]).code, 8, "say who you are");
    assert_eq!(
        ask(&server, "ldapwhoami", &by_ann, &[], "").out.trim(),
        "dn:uid=380670000001,ou=people,dc=chat,dc=example"
    );
    let wrong = Account { token: "wrong".into(), ..ann.clone() };
    assert_eq!(ask(&server, "ldapwhoami", &By::Token("380670000001", &wrong), &[], "").code, 49);
    assert_eq!(ask(&server, "ldapwhoami", &By::Token("380670000002", &ann), &[], "").code, 49, "another's token");

    let both = ["380670000001", "380670000002"];
    assert_eq!(uids(&server, &by_ann, &["(objectClass=person)"]), both);
    for filter in ["(uid=380670000002)", "(uid=Benny)", "(telephoneNumber=+380 67 000 00 02)", "(&(cn=ben*)(sn=black))"]
    {
        assert_eq!(uids(&server, &by_ann, &[filter]), ["380670000002"], "{filter}");
    }
    let shown = search(&server, &by_ann, &["(uid=benny)"]).out;
    for line in ["cn: Ben Black", "sn: Black", "givenName: Ben", "telephoneNumber: +380670000002", "uid: benny"] {
        assert!(shown.contains(line), "{line} in {shown}");
    }

    searchable(&ben_client, "nobody").await;
    assert_eq!(uids(&server, &by_ann, &["(uid=*)"]), ["380670000001"]);
    assert_eq!(search(&server, &by_ann, &["-b", "uid=380670000002,ou=people,dc=chat,dc=example"]).code, 32);
    assert_eq!(uids(&server, &by_ben, &["(uid=*)"]), both, "oneself");
    assert_eq!(uids(&server, &admin, &["(uid=*)"]), both);
    searchable(&ben_client, "friends").await;
    assert_eq!(uids(&server, &by_ann, &["(uid=*)"]), ["380670000001"], "they are strangers");
}

#[tokio::test]
async fn operators_come_by_certificate_and_write_through_the_chat() {
    let server = Server::start_with(LINES);
    let admin = By::Certificate("admin");
    assert_eq!(ask(&server, "ldapwhoami", &admin, &[], "").out.trim(), "dn:cn=admin,dc=chat,dc=example");
    let stranger = server.chat(&["certify", "stranger"]);
    assert!(stranger.status.success());
    assert_eq!(ask(&server, "ldapwhoami", &By::Certificate("stranger"), &[], "").code, 49, "nobody's device");

    let name = "uid=380670000009,ou=people,dc=chat,dc=example";
    let entry = format!(
        "dn: {name}\nobjectClass: inetOrgPerson\nuid: 380670000009\nuid: dora\ncn: Dora Green\ngivenName: Dora\nsn: Green\n"
    );
    let run = |program: &str, by: &By<'_>, words: &[&str], input: &str| ask(&server, program, by, words, input).code;
    assert_eq!(run("ldapadd", &admin, &[], &entry), 0);
    assert_eq!(run("ldapadd", &admin, &[], &entry), 68);
    let shown = search(&server, &admin, &["(uid=dora)"]).out;
    assert!(shown.contains("cn: Dora Green") && shown.contains(&format!("dn: {name}")), "{shown}");
    assert_eq!(
        run("ldapadd", &admin, &[], &entry.replace("380670000009", "380670000008").replace("inetOrgPerson", "device")),
        65
    );
    assert_eq!(
        run("ldapadd", &admin, &[], "dn: cn=x,dc=chat,dc=example\nobjectClass: inetOrgPerson\ncn: x\nsn: x\n"),
        53
    );

    let edit = format!("dn: {name}\nchangetype: modify\nreplace: sn\nsn: White\n");
    assert_eq!(run("ldapmodify", &admin, &[], &edit), 0);
    assert_eq!(ask(&server, "ldapcompare", &admin, &[name, "sn:white"], "").code, 6);
    assert_eq!(run("ldapmodify", &admin, &[], &edit.replace("sn", "mail")), 53);

    // Whoever proves the number has the account, as it was made.
    let dora = invited(&server, "380670000009").await;
    let by_dora = By::Token("380670000009", &dora);
    assert_eq!(ask(&server, "ldapcompare", &by_dora, &[name, "sn:White"], "").code, 6);
    assert_eq!(run("ldapmodify", &by_dora, &[], &edit), 50);
    assert_eq!(run("ldapdelete", &by_dora, &[name], ""), 50);

    assert_eq!(run("ldapdelete", &admin, &[name], ""), 0);
    assert_eq!(run("ldapdelete", &admin, &[name], ""), 32);
    assert_eq!(uids(&server, &admin, &["(uid=*)"]), [""; 0]);
    assert_eq!(ask(&server, "ldapwhoami", &by_dora, &[], "").code, 49, "there is no such account any more");
}
