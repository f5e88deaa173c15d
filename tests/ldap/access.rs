//! Who may see what: rooms as groups, nobody in particular, certificates over TLS from the start, and what is revoked meanwhile.

use std::io::{BufRead, BufReader};

use super::*;

#[tokio::test]
async fn rooms_are_groups_of_those_who_are_in_them() {
    let server = Server::start_with(&format!("{LINES}\nldap.anonymous = true"));
    let (ann, ann_client, _events) = person(&server, "380670000001", "Ann", "annie").await;
    let (ben, _ben, _others) = person(&server, "380670000002", "Ben", "benny").await;
    let (by_ann, by_ben) = (By::Token("380670000001", &ann), By::Token("380670000002", &ben));
    let room = ann_client.create_room("Friends", &[]).await.expect("a room");
    let id = String::from_utf8(room.id.expect("an id").to_vec()).expect("text");

    let member = "member: uid=380670000001,ou=people,dc=chat,dc=example";
    let mine = "(member=uid=380670000001,ou=people,dc=chat,dc=example)";
    for filter in ["(objectClass=groupOfNames)", "(cn=friends)", &format!("(uid={id})"), mine] {
        for (who, sees) in [(&by_ann, true), (&By::Certificate("admin"), true), (&by_ben, false), (&By::Nobody, false)]
        {
            let said = search(&server, who, &["-b", "ou=rooms,dc=chat,dc=example", filter]);
            assert_eq!(said.code, 0, "{filter}: {said:?}");
            assert_eq!(said.out.contains(member), sees, "{filter}: {said:?}");
            assert_eq!(said.out.contains("cn: Friends"), sees, "{filter}: {said:?}");
        }
    }
    let name = format!("uid={id},ou=rooms,dc=chat,dc=example");
    let change = format!("dn: {name}\nchangetype: modify\nreplace: cn\ncn: x\n");
    assert_eq!(ask(&server, "ldapmodify", &By::Certificate("admin"), &[], &change).code, 53, "rooms are people's");
}

#[tokio::test]
async fn nobody_in_particular_sees_what_everybody_may_where_that_is_wished() {
    let server = Server::start_with(&format!("{LINES}\nldap.anonymous = true"));
    let (_ann, _client, _events) = person(&server, "380670000001", "Ann", "annie").await;
    let (_ben, ben, _others) = person(&server, "380670000002", "Ben", "benny").await;
    assert_eq!(uids(&server, &By::Nobody, &["(objectClass=person)"]), ["380670000001", "380670000002"]);
    searchable(&ben, "friends").await;
    assert_eq!(uids(&server, &By::Nobody, &["(objectClass=person)"]), ["380670000001"]);
    let entry = "dn: uid=380670000009,ou=people,dc=chat,dc=example\nobjectClass: inetOrgPerson\ncn: x\nsn: x\n";
    assert_eq!(ask(&server, "ldapadd", &By::Nobody, &[], entry).code, 8);
    assert_eq!(ask(&server, "ldapwhoami", &By::Nobody, &[], "").out.trim(), "anonymous");
}

/// A device's certificate among the server's, as `ann`.
async fn certified(server: &Server, number: &str) -> Account {
    let (key, csr) = ca::request("device").expect("a request");
    let account = register(server, number, Some(&csr)).await;
    let folder = server.home().join("certs");
    std::fs::write(folder.join("ann.key"), key.as_bytes()).expect("written");
    let certificate = ca::pem(account.certificate.as_ref().expect("a certificate"));
    std::fs::write(folder.join("ann.crt"), certificate).expect("written");
    account
}

#[tokio::test]
async fn a_certificate_says_who_one_is_over_tls_from_the_start() {
    let server = Server::start_with(&format!("{LINES}\nlisten.ldaps = [\"127.0.0.1:0\"]"));
    certified(&server, "380670000001").await;
    let url = format!("ldaps://{}", server.ldaps());
    for (certificate, name) in [("admin", "cn=admin"), ("ann", "uid=380670000001,ou=people")] {
        let file = |end: &str| server.home().join("certs").join(format!("{certificate}.{end}"));
        let mut command = Command::new("ldapwhoami");
        command.env("LDAPTLS_CACERT", server.root_certificate());
        command.env("LDAPTLS_CERT", file("crt")).env("LDAPTLS_KEY", file("key"));
        let done = command.args(["-H", &url, "-Y", "EXTERNAL", "-Q"]).output().expect("ldapwhoami runs");
        let said = String::from_utf8_lossy(&done.stdout);
        assert_eq!(said.trim(), format!("dn:{name},dc=chat,dc=example"), "{done:?}");
    }
    // Without a certificate there is nothing to say it by; the password is a token's.
    let mut command = Command::new("ldapwhoami");
    command.env("LDAPTLS_CACERT", server.root_certificate());
    let done = command.args(["-H", &url, "-Y", "EXTERNAL", "-Q"]).output().expect("ldapwhoami runs");
    assert!(!done.status.success(), "{done:?}");
}

#[tokio::test]
async fn what_is_revoked_during_a_connection_opens_nothing_more() {
    let server = Server::start_with(LINES);
    certified(&server, "380670000001").await;
    let file = |end: &str| server.home().join("certs").join(format!("ann.{end}"));
    // It searches once for each line that it reads, on one connection.
    let mut command = Command::new("stdbuf");
    command.args([
        "-oL",
        "ldapsearch",
        "-LLL",
        "-c",
        "-H",
        &format!("ldap://{}", server.ldap()),
        "-ZZ",
        "-Y",
        "EXTERNAL",
        "-Q",
    ]);
    command.args(["-b", "dc=chat,dc=example", "-f", "-", "(uid=%s)", "uid"]);
    command.env("LDAPTLS_CACERT", server.root_certificate()).env("LDAPTLS_CERT", file("crt"));
    command.env("LDAPTLS_KEY", file("key")).env("HOME", server.home());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("ldapsearch runs");
    let mut input = child.stdin.take().expect("its input");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();

    input.write_all(b"380670000001\n").expect("asked");
    let found = lines.by_ref().map(|line| line.expect("a line")).find(|line| line.starts_with("dn: "));
    assert_eq!(found.as_deref(), Some("dn: uid=380670000001,ou=people,dc=chat,dc=example"));

    let log = server.remote("issued 380670000001/d1");
    let serial = log.lines().last().and_then(|line| line.split(' ').next()).expect("a serial number");
    server.remote(&format!("revoke {serial}"));
    input.write_all(b"380670000001\n").expect("asked");
    drop(input);
    let found: Vec<String> = lines.map(|line| line.expect("a line")).filter(|line| line.starts_with("dn: ")).collect();
    assert_eq!(found, [""; 0], "nothing more is found");
    let done = child.wait_with_output().expect("it ends");
    assert_eq!(done.status.code(), Some(8), "say who you are: {}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(ask(&server, "ldapwhoami", &By::Certificate("ann"), &[], "").code, 49);
}

#[test]
fn what_is_critical_and_unknown_deep_or_huge_is_refused_by_the_real_program() {
    let server = Server::start_with(LINES);
    let admin = By::Certificate("admin");
    assert_eq!(search(&server, &admin, &["-e", "!1.2.3.4", "(uid=*)"]).code, 12);
    assert_eq!(search(&server, &admin, &["-e", "1.2.3.4", "(uid=*)"]).code, 0);
    let deep = "(!".repeat(60) + "(uid=x)" + &")".repeat(60);
    assert_ne!(search(&server, &admin, &[&deep]).code, 0);
    let huge = format!("cn={},dc=chat,dc=example", "x".repeat(20_000));
    assert_eq!(search(&server, &admin, &["-b", &huge]).code, 34);
    assert_eq!(search(&server, &admin, &["(uid=*)"]).code, 0, "it serves on");
}
