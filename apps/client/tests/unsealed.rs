//! SEC-5, SEC-9: a server that gives the console no certificate reads nothing for that.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod script;

use std::path::Path;
use std::time::SystemTime;

use client::{ConsoleArgs, Home, Stored, console};
use proto::{Io, Profile, Record, Refusal, Roster, RosterEntry, RosterId};
use script::{Connection, Server};

fn args(home: &Path, plain: bool) -> ConsoleArgs {
    ConsoleArgs {
        url: Vec::new(),
        server: None,
        anchor: None,
        resolver: None,
        files: None,
        home: home.to_owned(),
        ca: None,
        crl: Vec::new(),
        cert: None,
        key: None,
        fake: false,
        plain,
        verbose: false,
        execute: vec!["send 38002_2 the_secret".into()],
        listen: 0.0,
    }
}

/// A device without certificate that knows its authority.
fn device(server: &Server, folder: &Path) {
    let (home, options) = (Home::open(folder).unwrap(), server.options());
    let authority = ca::Authority::create("Example", SystemTime::now()).unwrap();
    home.trust(authority.certificate_pem()).unwrap();
    let stored = Stored {
        url: options.url.to_string(),
        client_id: options.client_id,
        token: "t1".into(),
        phone_id: "38001_1".into(),
    };
    home.save(&stored).unwrap();
}

/// Answers until a message comes, or the client has gone: the calls that asked for a certificate, and the message's text.
async fn serve(mut connection: Connection) -> (usize, Option<String>) {
    let mut refused = 0;
    while let Some(request) = connection.next_request().await {
        connection.acknowledge(request.id).await;
        match &request.record {
            Record::Profile(_) => {
                let roster = Roster { id: Some(RosterId::Number(1)), ..Roster::default() };
                let profile = Profile {
                    phone: Some("38001".into()),
                    rosters: vec![RosterEntry::Roster(Box::new(roster))],
                    ..Profile::default()
                };
                connection.answer(Profile { update: Some(1), ..profile }).await;
            }
            Record::Auth(_) => {
                refused += 1;
                connection.answer(Io::error(Refusal::PermissionDenied)).await;
            }
            Record::Message(_) => return (refused, Some(script::text_of(&request.record))),
            other => panic!("{other:?}"),
        }
    }
    (refused, None)
}

async fn played(plain: bool) -> (Option<String>, usize, Option<String>) {
    let (server, folder) = (Server::start().await, tempfile::tempdir().unwrap());
    device(&server, folder.path());
    let scripted = async {
        let (connection, _) = server.accept(32).await;
        serve(connection).await
    };
    let talking = async { console(args(folder.path(), plain)).await.err().map(|error| error.to_string()) };
    match plain {
        // The message is never accepted: what was sent is enough.
        true => tokio::select! {
            (refused, text) = scripted => (None, refused, text),
            error = talking => (error, 0, None),
        },
        false => {
            let (error, (refused, text)) = tokio::join!(talking, scripted);
            (error, refused, text)
        }
    }
}

#[tokio::test]
async fn sec_5_without_a_certificate_nothing_goes_out_in_the_clear() {
    let (error, refused, text) = played(false).await;
    let error = error.expect("it is said");
    assert!(error.contains("no certificate") && error.contains("--plain"), "{error}");
    assert_eq!((refused, text), (2, None), "asked for at the start and before sending");
}

#[tokio::test]
async fn sec_5_in_the_clear_only_by_the_persons_wish() {
    let (error, _, text) = played(true).await;
    assert_eq!((error, text), (None, Some("the_secret".into())));
}
