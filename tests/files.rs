//! T-7 with the real program: a file in pieces, cut off in the middle, whole at its receiver's and nobody else's; sealed, and kept over a
//! kill (FTP-1 to FTP-8, SEC-6).

#![allow(clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use client::{Error, Event, file_part};
use proto::{Desc, Ftp, FtpEvent, FtpStatus, Ftpack, Message, Record};
use support::Server;
use support::account::{connect, register};

const CHUNK: usize = 262_144;

fn step(status: &'static str, size: usize, offset: usize, data: &[u8]) -> Ftp {
    Ftp {
        id: Some("t7".into()),
        filename: Some("picture".into()),
        size: Some(size as u64),
        offset: Some(offset as u64),
        block: Some(if status == "init" { 1 } else { data.len() as u64 }),
        data: Some(Bytes::copy_from_slice(data)),
        status: Some(FtpStatus::Text(status.into())),
        ..Ftp::default()
    }
}

fn says(ack: &Ftpack) -> (Option<u64>, Option<u64>) {
    (ack.offset, ack.block)
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let inside = entries.map(|entry| entry.path());
    inside.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[tokio::test]
async fn t_7_a_file_is_cut_off_goes_on_and_is_for_its_parties_alone() {
    let mut server = Server::start();
    let (ann, ben, dora) = (
        register(&server, "38001", None).await,
        register(&server, "38002", None).await,
        register(&server, "38003", None).await,
    );
    let picture: Vec<u8> = (0..600_000_u32).map(|n| (n * 7 / 3) as u8).collect();
    let size = picture.len();

    let (anns, _events) = connect(&server, &ann).await;
    let ack = anns.file_step(step("init", size, 0, b"")).await.expect("begun");
    assert_eq!(says(&ack), (Some(0), Some(CHUNK as u64)));
    for at in [0, CHUNK] {
        let ack = anns.file_step(step("send", size, at, &picture[at..at + CHUNK])).await.expect("taken");
        assert_eq!(ack.offset, Some((at + CHUNK) as u64));
    }
    // The connection is cut, and the server killed: what was acknowledged is there.
    drop(anns);
    server.kill();
    server.restart();
    let (anns, mut events) = connect(&server, &ann).await;
    let ack = anns.file_step(step("init", size, 0, b"")).await.expect("begun");
    assert_eq!(says(&ack), (Some(524_288), Some(CHUNK as u64)));
    let last = anns.file_step(step("send", size, 2 * CHUNK, &picture[2 * CHUNK..])).await.expect("taken");
    assert_eq!(says(&last), (Some(size as u64), Some(0)));
    let reference = String::from_utf8(last.filename.clone().expect("a reference").to_vec()).expect("text");
    let stop = loop {
        if let Event::Record { record: Record::Ftpack(ack), .. } = events.next().await.expect("more") {
            break ack;
        }
    };
    assert_eq!(stop.status, Some(FtpStatus::Event(FtpEvent { name: etf::Atom::from("stop") })));
    assert_eq!(stop.filename, last.filename);

    let (bens, mut came) = connect(&server, &ben).await;
    let (doras, _) = connect(&server, &dora).await;
    assert!(matches!(bens.download(&reference).await, Err(Error::Refused { code, .. }) if code == "not_found"));
    anns.request_friend(&ben.phone_id().expect("a roster")).await.expect("asked");
    bens.confirm(&ann.phone_id().expect("a roster")).await.expect("confirmed");
    let part = Desc { mime: Some("image".into()), payload: last.filename, ..Desc::default() };
    let message = Message { to: ben.phone_id().map(Bytes::from), files: vec![part], ..Message::default() };
    anns.send_message(message).await.expect("sent");
    while !matches!(came.next().await, Some(Event::Record { record: Record::Message(_), .. })) {}
    assert_eq!(bens.download(&reference).await.expect("his"), picture);
    assert_eq!(anns.download(&reference).await.expect("hers"), picture);
    assert!(matches!(doras.download(&reference).await, Err(Error::Refused { code, .. }) if code == "not_found"));

    // It lies in the server's folder under its reference, for the server alone.
    use std::os::unix::fs::PermissionsExt;
    let kept = files(&server.home().join("files"));
    assert_eq!(kept, [server.home().join("files").join(&reference)]);
    assert_eq!(std::fs::metadata(&kept[0]).expect("a file").permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read(&kept[0]).expect("a file"), picture);
}

#[tokio::test]
async fn sec_6_the_server_has_of_a_sealed_file_nothing_to_read() {
    let server = Server::start();
    let ann = register(&server, "38001", None).await;
    let (anns, _events) = connect(&server, &ann).await;
    let words = b"meet me at the bridge ".repeat(20_000);
    let (part, sealed) = file_part("text/plain", "letter.txt", &words).expect("sealed");
    let reference = anns.upload("letter", "letter", &sealed).await.expect("uploaded");
    assert_eq!(anns.upload("again", "letter", &sealed).await.expect("uploaded"), reference, "equal content");
    let kept = std::fs::read(server.home().join("files").join(&reference)).expect("a file");
    assert!(!kept.windows(6).any(|part| part == b"bridge"));
    let fetched = anns.download(&reference).await.expect("hers");
    let own = client::file_key(&part).expect("its key");
    assert_eq!(ca::cms::open_file(&fetched, &own).expect("it opens"), words);
}
