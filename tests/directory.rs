//! ID-11: the real program and OpenLDAP's server, which decides who may register, by which password, and who is signed out.

#![allow(clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::fs;
use std::time::{Duration, Instant};

use client::{Account, Client, Enrolment, Error, Event, Events, Options, Registered, State};
use proto::Record;
use proto::records::RoomStatus;
use support::Server;
use support::account::{connect, url};
use support::slapd::{BASE, READER, SECRET, Slapd, number};

const ANN: &str = "380670000101";
const BEN: &str = "380670000102";
/// For what has to come.
const PATIENCE: Duration = Duration::from_secs(90);
const BANNED: u8 = 0x8a;
const UNAVAILABLE: u8 = 0x88;
const UNKNOWN: u8 = 0x86;

/// A server whose people are those of this directory, with further lines.
fn server(roots: &Slapd, servers: &[String], more: &str) -> Server {
    let people = "(&(objectClass=inetOrgPerson)(!(pwdAccountLockedTime=*)))";
    let lines = format!(
        "auth.providers = [\"ldap\"]\ndirectory.servers = {servers:?}\ndirectory.roots = {:?}\ndirectory.bind_dn = \"{READER}\"
directory.password_file = \"reader\"\ndirectory.base = \"{BASE}\"\ndirectory.people = \"{people}\"\ndirectory.sync = 1\n{more}\n",
        roots.roots(),
    );
    let mut server = Server::prepare(&lines);
    ca::files::write_secret(server.home().join("reader"), SECRET).expect("a file");
    server.restart();
    server
}

fn usual(slapd: &Slapd, more: &str) -> Server {
    server(slapd, &[slapd.url()], more)
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}

async fn registering(server: &Server, name: &str) -> Client {
    Client::connect(Options::new(url(server), format!("reg_{name}"))).await.expect("in").0
}

async fn by_password(server: &Server, phone: &str, password: &str) -> Result<Account, Error> {
    let client = registering(server, phone).await;
    let done = match client.register(phone, "d1", Enrolment::Code, None).await {
        Ok(Registered::CodeSent) => client.verify(password, None).await,
        Ok(Registered::Done(_)) => panic!("nothing was proved"),
        Err(error) => Err(error),
    };
    client.close().await;
    done
}

fn refusal<T>(done: Result<T, Error>) -> String {
    match done {
        Err(Error::Refused { code, .. }) => code,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("not refused"),
    }
}

async fn not_accepted(server: &Server, account: &Account) -> Option<u8> {
    let mut options = Options::new(url(server), &account.client_id);
    (options.token, options.reconnect) = (Some(account.token.clone()), false);
    match Client::connect(options).await {
        Err(Error::NotAccepted(code)) => Some(code),
        Err(other) => panic!("{other}"),
        Ok((client, _)) => {
            client.close().await;
            None
        }
    }
}

/// Waits until the server has ended the connection.
async fn ended(mut events: Events) {
    let end = async {
        while let Some(event) = events.next().await {
            if let Event::State(State::Ended(_)) = event {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, end).await.expect("the connection is ended within a minute");
}

/// Waits until the directory has been read as a whole after now.
fn read(server: &Server) {
    let (seen, since) = (server.home().join("directory.seen"), Instant::now());
    // Twice: the first may have begun before.
    for _ in 0..2 {
        let _ = fs::remove_file(&seen);
        while !seen.exists() {
            assert!(since.elapsed() < PATIENCE, "the directory is not read:\n{}", server.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn a_person_registers_by_the_directory_s_password_and_nobody_else_does() {
    let slapd = Slapd::start();
    let server = usual(&slapd, "directory.restrict = true");
    run(async {
        let ann = by_password(&server, ANN, "ann's own").await.expect("registered");
        let (client, _events) = connect(&server, &ann).await;
        let profile = format!("{:?}", client.profile().await.expect("a profile"));
        assert!(profile.contains("Ann") && profile.contains("Smith"), "{profile}");
        client.close().await;

        // By telephone number with a plus, and by uid.
        by_password(&server, BEN, "ben's own").await.expect("registered");
        by_password(&server, "ann", "ann's own").await.expect("registered");
        for wrong in ["ann's own", "", "*"] {
            assert_eq!(refusal(by_password(&server, "ben", wrong).await), "invalid_sms_code", "{wrong}");
        }
        assert_eq!(refusal(by_password(&server, "380670000199", "ann's own").await), "number_not_allowed");
        let stranger = registering(&server, "stranger").await;
        assert_eq!(refusal(stranger.register("380670000199", "d1", Enrolment::Fake, None).await), "number_not_allowed");
        stranger.close().await;
    });
    assert!(!server.log().contains("ann's own"), "no password is in the log");
}

#[test]
fn who_is_locked_or_removed_is_signed_out_and_comes_back_when_it_is_over() {
    let slapd = Slapd::start();
    let mut server = usual(&slapd, "");
    run(async {
        let ann = by_password(&server, ANN, "ann's own").await.expect("registered");
        let ben = by_password(&server, BEN, "ben's own").await.expect("registered");
        let ((_ann, events), (_ben, gone)) = (connect(&server, &ann).await, connect(&server, &ben).await);

        slapd.set("ann", "pwdAccountLockedTime", Some("000001010000Z"));
        ended(events).await;
        assert_eq!(not_accepted(&server, &ann).await, Some(UNKNOWN));
        assert_eq!(refusal(by_password(&server, ANN, "ann's own").await), "number_not_allowed");

        slapd.modify(&format!("dn: uid=ben,ou=people,{BASE}\nchangetype: delete\n"));
        ended(gone).await;
        assert_eq!(refusal(by_password(&server, BEN, "ben's own").await), "number_not_allowed");

        server.kill();
        server.restart();
        assert_eq!(not_accepted(&server, &ann).await, Some(UNKNOWN));
        slapd.set("ann", "pwdAccountLockedTime", None);
        let again = by_password(&server, ANN, "ann's own").await.expect("registered again");
        assert_eq!(not_accepted(&server, &again).await, None);
    });
}

#[test]
fn whom_the_directory_loses_is_refused_at_sign_in_at_once() {
    let slapd = Slapd::start();
    let server = usual(&slapd, "");
    run(async {
        let ann = by_password(&server, ANN, "ann's own").await.expect("registered");
        slapd.modify(&format!("dn: uid=ann,ou=people,{BASE}\nchangetype: delete\n"));
        // By the directory, or because the account has been told meanwhile.
        let refused = not_accepted(&server, &ann).await;
        assert!(matches!(refused, Some(BANNED | UNKNOWN)), "{refused:?}");
    });
}

#[test]
fn whoever_the_directory_does_not_list_is_signed_out_all_the_same() {
    // OpenLDAP shows 500 to whom its configuration does not allow more.
    let slapd = Slapd::with(600, "");
    let groups = "directory.groups = { team = \"cn=team,dc=example,dc=org\" }\ndirectory.member = \"description\"";
    let server = usual(&slapd, groups);
    run(async {
        let mut accounts = Vec::new();
        for at in [10, 596, 597, 598, 599] {
            accounts.push(by_password(&server, &number(at), &format!("p{at}'s own")).await.expect("registered"));
        }
        let (_locked, listed) = connect(&server, &accounts[0]).await;
        let (_stays, mut member) = connect(&server, &accounts[2]).await;
        let ((_later, locked), (_last, gone)) =
            (connect(&server, &accounts[3]).await, connect(&server, &accounts[4]).await);
        // The tenth, who is listed, says that he is 595, who is not, and has no account.
        slapd.modify(&format!("dn: uid=p10,ou=people,{BASE}\nchangetype: modify\nadd: uid\nuid: p595\n"));
        let group = format!("dn: cn=team,{BASE}\nchangetype: modify\nadd: description\n");
        slapd.modify(&format!("{group}description: p595\ndescription: p597\n"));
        told(&mut member, RoomStatus::Add).await;
        until("he is not taken for the other", || server.log().contains("several people have a member's key"));

        for uid in ["p10", "p598"] {
            slapd.set(uid, "pwdAccountLockedTime", Some("000001010000Z"));
        }
        slapd.modify(&format!("dn: uid=p599,ou=people,{BASE}\nchangetype: delete\n"));
        for events in [listed, locked, gone] {
            ended(events).await;
        }
        for at in [0, 3, 4] {
            assert_eq!(not_accepted(&server, &accounts[at]).await, Some(UNKNOWN));
        }
        for at in [1, 2] {
            assert_eq!(not_accepted(&server, &accounts[at]).await, None);
        }
        slapd.set("p598", "pwdAccountLockedTime", None);
        by_password(&server, &number(598), "p598's own").await.expect("registered again");
    });
    assert_eq!(server.log().matches("size.prtotal=unlimited").count(), 1, "{}", server.log());
}

#[test]
fn a_number_of_two_people_is_nobody_s_until_one_of_them_has_another() {
    let slapd = Slapd::start();
    let server = usual(&slapd, "");
    run(async {
        let ann = by_password(&server, ANN, "ann's own").await.expect("registered");
        // It is known, for the time in which the directory cannot be asked.
        read(&server);
        slapd.set("ben", "telephoneNumber", Some(ANN));
        assert_eq!(not_accepted(&server, &ann).await, Some(UNAVAILABLE));
        assert!(server.log().contains("a number is two people's"), "{}", server.log());
        for password in ["ann's own", "ben's own"] {
            assert!(by_password(&server, ANN, password).await.is_err(), "{password}");
        }
        slapd.set("ben", "telephoneNumber", Some(BEN));
        assert_eq!(not_accepted(&server, &ann).await, None);
    });
}

#[test]
fn while_no_server_answers_people_come_in_for_the_stated_time() {
    let mut slapd = Slapd::start();
    let (long, short) = (usual(&slapd, ""), usual(&slapd, "directory.keep = 0"));
    run(async {
        let mut accounts = Vec::new();
        for server in [&long, &short] {
            accounts.push(by_password(server, ANN, "ann's own").await.expect("registered"));
            read(server);
        }
        slapd.stop();
        assert_eq!(not_accepted(&long, &accounts[0]).await, None, "kept");
        assert_eq!(not_accepted(&short, &accounts[1]).await, Some(UNAVAILABLE), "kept for no time");
        // A password cannot be kept: nobody registers by one.
        let client = registering(&long, "again").await;
        assert!(matches!(client.register(ANN, "d2", Enrolment::Code, None).await, Ok(Registered::CodeSent)));
        assert_eq!(refusal(client.verify("ann's own", None).await), "internal");
        client.close().await;
        slapd.restart();
        assert_eq!(not_accepted(&short, &accounts[1]).await, None);
    });
}

#[test]
fn another_server_answers_and_one_with_a_wrong_authority_does_not() {
    let (first, stranger) = (Slapd::start(), Slapd::start());
    // The stranger's certificate is from an authority that is not trusted here.
    let both = server(&first, &[stranger.url(), first.secure_url()], "");
    let wrong = server(&first, &[stranger.url()], "");
    run(async {
        by_password(&both, ANN, "ann's own").await.expect("registered");
        let client = registering(&wrong, "wrong").await;
        assert_eq!(refusal(client.register(ANN, "d1", Enrolment::Code, None).await), "number_not_allowed");
        client.close().await;
    });
}

#[test]
fn the_room_of_a_group_has_the_members_of_the_group() {
    let slapd = Slapd::start();
    let server = usual(&slapd, "directory.groups = { team = \"cn=team,dc=example,dc=org\" }");
    run(async {
        let ann = by_password(&server, ANN, "ann's own").await.expect("registered");
        let (_ann, mut events) = connect(&server, &ann).await;
        told(&mut events, RoomStatus::Add).await;
        // Who registers later comes in then.
        let ben = by_password(&server, BEN, "ben's own").await.expect("registered");
        let (_ben, mut others) = connect(&server, &ben).await;
        told(&mut others, RoomStatus::Add).await;
        let member = |change: &str, uid: &str| {
            let group = format!("dn: cn=team,{BASE}\nchangetype: modify\n{change}: member\n");
            slapd.modify(&format!("{group}member: uid={uid},ou=people,{BASE}\n"));
        };
        member("delete", "ann");
        told(&mut events, RoomStatus::Removed).await;
        member("add", "ann");
        told(&mut events, RoomStatus::Add).await;
    });
}

/// Waits for this news of the room.
async fn told(events: &mut Events, status: RoomStatus) {
    let news = async {
        while let Some(event) = events.next().await {
            if let Event::Record { record: Record::Room(room), .. } = event
                && (room.id.as_deref(), room.status) == (Some(&b"team"[..]), Some(status))
            {
                return;
            }
        }
        panic!("the connection has ended");
    };
    tokio::time::timeout(PATIENCE, news).await.expect("the room follows the group");
}

fn ann_gets_a_certificate(server: &Server) {
    let (_key, csr) = ca::request("device").expect("a request");
    run(async {
        let client = registering(server, "ann").await;
        client.register(ANN, "d1", Enrolment::Code, None).await.expect("begun");
        client.verify("ann's own", Some(&csr)).await.expect("registered");
        client.close().await;
    });
}

fn is_written(slapd: &Slapd) -> bool {
    slapd.shown("ann", "userCertificate").contains("userCertificate;binary:: ")
}

fn until(what: &str, is: impl Fn() -> bool) {
    let since = Instant::now();
    while !is() {
        assert!(since.elapsed() < PATIENCE, "not seen: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn certificates_that_devices_are_given_are_written_to_their_people() {
    let slapd = Slapd::start();
    let server = usual(&slapd, "directory.certificate = \"userCertificate;binary\"");
    ann_gets_a_certificate(&server);
    until("it is written", || is_written(&slapd));
}

#[test]
fn a_certificate_that_the_directory_does_not_take_waits_and_a_crash_loses_none() {
    let slapd = Slapd::start();
    // Who asks for the chat may not write numbers.
    let mut server = usual(&slapd, "directory.certificate = \"telephoneNumber\"");
    ann_gets_a_certificate(&server);
    until("it is refused", || server.log().contains("does not take a certificate"));
    assert!(server.remote("list unpublished").contains(ANN));
    server.kill();
    let file = server.home().join("chat.toml");
    let text = fs::read_to_string(&file).expect("its configuration");
    let (before, after) = ("certificate = \"telephoneNumber\"", "certificate = \"userCertificate;binary\"");
    assert!(text.contains(before));
    server.configure(&text.replace(before, after));
    server.restart();
    until("it is written", || is_written(&slapd));
    until("it waits no more", || !server.remote("list unpublished").contains(ANN));
}
