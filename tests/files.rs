//! T-7 with the real program: a file in pieces, cut off in the middle, whole at its receiver's and nobody else's; sealed, and kept over a
//! kill (FTP-1 to FTP-8, SEC-6); and what our own client makes of it.

#![allow(clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use bytes::Bytes;
use client::{Client, Error, Event, Options, Tls, file_part};
use proto::{Desc, Ftp, FtpEvent, FtpStatus, Ftpack, Message, Record};
use support::account::{connect, register, url};
use support::{Server, picture};

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
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
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
    let picture = picture(600_000);
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
    assert_eq!(fs::metadata(&kept[0]).expect("a file").permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read(&kept[0]).expect("a file"), picture);
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
    let kept = fs::read(server.home().join("files").join(&reference)).expect("a file");
    assert!(!kept.windows(6).any(|part| part == b"bridge"));
    let fetched = anns.download(&reference).await.expect("hers");
    let own = client::file_key(&part).expect("its key");
    assert_eq!(ca::cms::open_file(&fetched, &own).expect("it opens"), words);
}

/// Our client is killed in the middle of a sealed file and of a plain one, by HTTPS and by records; its next run goes on with the bytes that
/// are there, under the same key, and forgets all about it in the end.
#[tokio::test]
async fn ftp_4_sec_6_our_client_goes_on_with_an_upload_after_it_was_killed() {
    let server = Server::start();
    let ann = register(&server, "38001", None).await;
    let folder = tempfile::tempdir().expect("a folder");
    let (file, content) = (folder.path().join("film"), picture(12 << 20));
    fs::write(&file, &content).expect("written");
    let (kept, mut stopped) = (folder.path().join("uploads"), Vec::new());
    for (by_web, seal) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut options = Options::new(url(&server), &ann.client_id);
        (options.token, options.uploads) = (Some(ann.token.clone()), Some(kept.clone()));
        if by_web {
            options.files = Some(format!("wss://localhost:{}", server.https().port()).parse().expect("an address"));
            let ca_pem = fs::read_to_string(server.root_certificate()).expect("the root certificate");
            options.tls = Some(Tls { ca_pem, identity: None });
        }
        // When so much is on its way its whole thread stops, for good.
        let (reached, far) = mpsc::channel();
        let (never, wait) = mpsc::channel::<()>();
        stopped.push(never);
        let wait = Mutex::new(wait);
        let progress = move |done: u64, _: u64| {
            if done >= 8 << 20 {
                let _ = reached.send(());
                let _ = wait.lock().map(|wait| wait.recv());
            }
        };
        let (path, own) = (file.clone(), options.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let (client, _events) = Client::connect(own).await.expect("in");
                let _ = client.send_file(&path, "film", seal, Arc::new(progress)).await;
            });
        });
        far.recv().expect("it comes so far");
        while part_bytes(&server) < 2 << 20 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(fs::read_dir(&kept).expect("a folder").count(), 1, "it is remembered");

        let (client, _events) = Client::connect(options).await.expect("in");
        let least = Arc::new(AtomicU64::new(u64::MAX));
        let seen = least.clone();
        let progress = move |done: u64, _: u64| {
            seen.fetch_min(done, Ordering::AcqRel);
        };
        let part = client.send_file(&file, "film", seal, Arc::new(progress)).await.expect("handed over");
        // The first piece that went now is not the first of the file.
        assert!(least.load(Ordering::Acquire) > 1 << 20, "{by_web} {seal}: {least:?}");
        assert_eq!(fs::read_dir(&kept).expect("a folder").count(), 0, "nothing is left of it");
        let to = folder.path().join(format!("{by_web} {seal}"));
        client.fetch_file(&part, &to, Arc::new(|_, _| {})).await.expect("fetched");
        assert!(fs::read(&to).expect("a file") == content, "{by_web} {seal}");
        client.close().await;
    }
}

/// Of what is on its way to the server, as far as it lies there.
fn part_bytes(server: &Server) -> u64 {
    let parts = fs::read_dir(server.home().join("files/part")).into_iter().flatten().flatten();
    parts.filter_map(|part| part.metadata().ok()).map(|about| about.len()).sum()
}

/// Bytes that are not those which the name says are not kept: the disk of a server may lie.
#[tokio::test]
async fn ftp_3_our_client_does_not_take_other_bytes_for_the_file() {
    let server = Server::start();
    let ann = register(&server, "38001", None).await;
    let (client, _events) = connect(&server, &ann).await;
    let folder = tempfile::tempdir().expect("a folder");
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    fs::write(&from, picture(600_000)).expect("written");
    let quiet = || Arc::new(|_, _| {});
    let part = client.send_file(&from, "image", false, quiet()).await.expect("handed over");
    let reference = String::from_utf8(part.payload.clone().expect("a reference").to_vec()).expect("text");
    let lies = server.home().join("files").join(&reference);
    let mut spoiled = picture(600_000);
    spoiled[300_000] ^= 1;
    fs::write(&lies, &spoiled).expect("written");
    assert!(matches!(client.fetch_file(&part, &to, quiet()).await, Err(Error::OtherBytes)));
    assert!(matches!(client.download(&reference).await, Err(Error::OtherBytes)));
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "neither the file nor a part of it");
    fs::write(&lies, picture(600_000)).expect("written");
    client.fetch_file(&part, &to, quiet()).await.expect("fetched");
    assert!(fs::read(&to).expect("a file") == picture(600_000));
}
