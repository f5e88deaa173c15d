//! Files on the web (FTP-7, uploads by tus 1.0), by curl and by a tus client that is not ours, with the real program.

#![allow(clippy::indexing_slicing, reason = "a test may fail")]

#[path = "files_web/curl.rs"]
mod curl;
mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use client::{Account, Client, Event, Events};
use curl::Curl;
use proto::{Desc, Ftp, FtpStatus, Message, Record};
use support::account::{connect, register};
use support::foreign::{python, script};
use support::{Server, picture};

const CHUNK: usize = 262_144;

/// A message with this file, which its receiver has when this returns.
async fn hand_over(anns: &Client, ann: &Account, bens: &Client, ben: &Account, came: &mut Events, reference: &str) {
    anns.request_friend(&ben.phone_id().expect("a roster")).await.expect("asked");
    bens.confirm(&ann.phone_id().expect("a roster")).await.expect("confirmed");
    let part = Desc { mime: Some("image".into()), payload: Some(reference.to_owned().into()), ..Desc::default() };
    let message = Message { to: ben.phone_id().map(Bytes::from), files: vec![part], ..Message::default() };
    anns.send_message(message).await.expect("sent");
    while !matches!(came.next().await, Some(Event::Record { record: Record::Message(_), .. })) {}
}

#[tokio::test]
async fn t_7_ftp_7_curl_downloads_what_it_may_in_parts_and_goes_on() {
    let server = Server::start();
    let (ann, ben, dora) = (
        register(&server, "38001", None).await,
        register(&server, "38002", None).await,
        register(&server, "38003", None).await,
    );
    let content = picture(600_000);
    let curl = Curl::of(&server, Some(&ann));
    let reference = curl.upload(&content);
    let path = format!("/ftp/{reference}");

    // Before anybody is told of it it is the uploader's.
    let bens_curl = Curl::of(&server, Some(&ben));
    assert_eq!(bens_curl.run(&path, &[]).status, 404);
    let ((anns, _a), (bens, mut came)) = (connect(&server, &ann).await, connect(&server, &ben).await);
    hand_over(&anns, &ann, &bens, &ben, &mut came, &reference).await;
    for curl in [&curl, &bens_curl] {
        let got = curl.run(&path, &[]);
        assert_eq!((got.status, got.body.len()), (200, content.len()));
        assert!(got.body == content, "the same bytes");
        assert_eq!(got.header("accept-ranges"), "bytes");
        assert_eq!(got.header("content-length"), content.len().to_string());
        assert_eq!(got.header("x-content-type-options"), "nosniff");
        assert_eq!(got.header("cache-control"), "private, max-age=31536000, immutable");
        assert_eq!(got.header("etag"), format!("\"{}\"", reference.rsplit('/').next().expect("two halves")));
        assert!(got.header("content-disposition").starts_with("attachment; filename*=UTF-8''"));
    }
    // Who may not have it learns nothing: neither that it is there nor whose it is.
    let doras = Curl::of(&server, Some(&dora));
    for method in [&["-I"][..], &[], &["-r", "0-9"]] {
        let refused = doras.run(&path, method);
        let nowhere = doras.run(&format!("/ftp/{}/{}", "0".repeat(64), "0".repeat(64)), method);
        assert_eq!((refused.status, nowhere.status), (404, 404));
        assert_eq!(refused.header("content-length"), nowhere.header("content-length"));
        assert_eq!(refused.headers.len(), nowhere.headers.len());
    }
    for (bearer, expected) in [
        (None, 401),
        (Some(format!("Bearer {}:wrong", ann.client_id)), 401),
        (Some(format!("Bearer {}:{}", ben.client_id, ann.token)), 401),
        (Some("Bearer".into()), 401),
        (Some(format!("Basic {}", ann.token)), 401),
    ] {
        let mut other = Curl::of(&server, None);
        other.bearer = bearer;
        let refused = other.run(&path, &[]);
        assert_eq!((refused.status, refused.header("www-authenticate")), (expected, "Bearer realm=\"files\""));
    }

    let named = curl.run(&format!("{path}?name=..%2Fa%20%22cake%22.png"), &["-I"]);
    assert_eq!(named.header("content-disposition"), "attachment; filename*=UTF-8''a%20%22cake%22.png");
    assert_eq!((named.status, named.header("content-length")), (200, "600000"));

    // RFC 9110, 14 and 13.
    let tag = named.header("etag").to_owned();
    let part = |range: &str, more: &[&str]| curl.run(&path, &[&["-H", &format!("Range: {range}")], more].concat());
    let got = part("bytes=262100-262199", &[]);
    assert_eq!((got.status, got.header("content-range")), (206, "bytes 262100-262199/600000"));
    assert!(got.body == content[262_100..262_200]);
    assert!(part("bytes=-100", &[]).body == content[599_900..]);
    let beyond = part("bytes=600000-", &[]);
    assert_eq!((beyond.status, beyond.header("content-range")), (416, "bytes */600000"));
    assert_eq!(part("bytes=0-1,5-6", &[]).status, 200);
    assert_eq!(part("bytes=99999999999999999999-", &[]).status, 416);
    assert_eq!(part("bytes=0-9", &["-H", &format!("If-Range: {tag}")]).status, 206);
    assert_eq!(part("bytes=0-9", &["-H", "If-Range: \"other\""]).status, 200);
    assert_eq!(part("bytes=0-9", &["-H", &format!("If-None-Match: {tag}")]).status, 304);
    assert_eq!(part("bytes=0-9", &["-I"]).status, 200, "a range is for GET");

    // curl is cut off and goes on where it was.
    let target = curl.path("target").display().to_string();
    fs::write(&target, &content[..123_456]).expect("a beginning");
    let got = curl.run(&path, &["-C", "-", "-o", &target]);
    assert_eq!((got.status, got.header("content-range")), (206, "bytes 123456-599999/600000"));
    assert!(fs::read(&target).expect("a file") == content);

    // No path leads anywhere else, and no method does what it should not.
    for trick in ["/ftp/../ca/root.key", "/ftp/%2e%2e/chat.toml", "/ftp/", &format!("{path}/.."), "/ftp/part"] {
        assert!(matches!(curl.run(trick, &[]).status, 404 | 405), "{trick}");
    }
    assert_eq!(curl.run(&path, &["-X", "PUT", "-d", "x"]).status, 405);
}

#[tokio::test]
async fn ftp_7_a_bound_certificate_shows_who_downloads_until_its_device_ends() {
    let server = Server::start();
    let (key, csr) = ca::request("38001").expect("a request");
    let ann = register(&server, "38001", Some(&csr)).await;
    let reference = Curl::of(&server, Some(&ann)).upload(b"hello");
    let mut curl = Curl::of(&server, None);
    let (cert, key_path) = (curl.path("device.crt"), curl.path("device.key"));
    fs::write(&cert, ca::pem(ann.certificate.as_ref().expect("a certificate"))).expect("written");
    fs::write(&key_path, key.as_bytes()).expect("written");
    curl.more =
        ["--cert", &cert.display().to_string(), "--key", &key_path.display().to_string()].map(str::to_owned).to_vec();
    let path = format!("/ftp/{reference}");
    assert_eq!((curl.run(&path, &[]).status, curl.run(&path, &[]).body), (200, b"hello".to_vec()));
    let (anns, _events) = connect(&server, &ann).await;
    anns.call(proto::Auth { r#type: Some(proto::AuthAct::Logout.into()), ..proto::Auth::default() })
        .await
        .expect("out");
    // Whether TLS or we refuse it first.
    assert!(matches!(curl.run(&path, &[]).status, 0 | 401 | 403));
    assert_eq!(Curl::of(&server, Some(&ann)).run(&path, &[]).status, 401, "its token has ended as well");
}

#[tokio::test]
async fn ftp_1_ftp_4_tus_and_ftp_are_one_transfer_that_is_cut_and_goes_on() {
    let mut server = Server::start();
    let ann = register(&server, "38001", None).await;
    let content = picture(3 * CHUNK);
    let place = {
        let curl = Curl::of(&server, Some(&ann));
        let options = curl.run("/ftp/", &["-X", "OPTIONS"]);
        assert_eq!((options.status, options.header("tus-version")), (204, "1.0.0"));
        assert_eq!(options.header("tus-max-size"), "104857600");
        assert_eq!(options.header("tus-extension"), "creation,creation-with-upload,expiration,termination");
        let place = curl.begin(content.len());
        let some = curl.patch(&place, 0, &content[..CHUNK + 1000]);
        assert_eq!((some.status, some.header("upload-offset")), (204, (CHUNK + 1000).to_string().as_str()));
        assert_eq!(some.header("upload-reference"), "");
        place
    };
    // What was acknowledged is there.
    server.kill();
    server.restart();
    let curl = Curl::of(&server, Some(&ann));
    let at = curl.tus(&place, &["-I"]);
    assert_eq!((at.status, at.header("upload-offset")), (200, (CHUNK + 1000).to_string().as_str()));
    assert_eq!((at.header("upload-length"), at.header("cache-control")), ("786432", "no-store"));

    // The same transfer by records: FTP-1 tells where it is, FTP-2 ends it.
    let id = place.rsplit('/').next().expect("a name").to_owned();
    let (anns, _events) = connect(&server, &ann).await;
    let step = |status: &'static str, offset: usize, data: &[u8]| Ftp {
        id: Some(id.clone().into()),
        size: Some(content.len() as u64),
        offset: Some(offset as u64),
        block: Some(data.len() as u64),
        data: Some(Bytes::copy_from_slice(data)),
        status: Some(FtpStatus::Text(status.into())),
        ..Ftp::default()
    };
    let ack = anns.file_step(step("init", 0, b"")).await.expect("known");
    assert_eq!((ack.offset, ack.block), (Some(CHUNK as u64 + 1000), Some(0)));
    let ack = anns.file_step(step("send", CHUNK + 1000, &content[CHUNK + 1000..2 * CHUNK])).await.expect("taken");
    assert_eq!(ack.offset, Some(2 * CHUNK as u64));
    assert_eq!(curl.patch(&place, CHUNK + 1000, b"late").status, 409);
    let done = curl.patch(&place, 2 * CHUNK, &content[2 * CHUNK..]);
    let reference = done.header("upload-reference").to_owned();
    assert!(curl.run(&format!("/ftp/{reference}"), &[]).body == content);
    // G-7: it is still said what came of it.
    let said = curl.tus(&place, &["-I"]);
    assert_eq!((said.status, said.header("upload-reference")), (200, reference.as_str()));
    let ack = anns.file_step(step("init", 0, b"")).await.expect("known");
    assert_eq!(ack.filename, Some(reference.clone().into()));
    // Equal content has the same name, in one request.
    fs::write(curl.path("all"), &content).expect("written");
    let all = format!("@{}", curl.path("all").display());
    let length = format!("Upload-Length: {}", content.len());
    let kind = "Content-Type: application/offset+octet-stream";
    let again = curl.tus("/ftp", &["-H", &length, "-H", kind, "--data-binary", &all]);
    assert_eq!((again.status, again.header("upload-reference")), (201, reference.as_str()));
    assert_eq!(again.header("upload-offset"), content.len().to_string());
}

#[tokio::test]
async fn ftp_8_what_tus_does_not_take_it_says_and_nothing_is_left_of_it() {
    let server = Server::start_with("ftp.max = 1000000");
    let (ann, ben) = (register(&server, "38001", None).await, register(&server, "38002", None).await);
    let curl = Curl::of(&server, Some(&ann));
    let length = |said: &str| curl.tus("/ftp/", &["-X", "POST", "-H", &format!("Upload-Length: {said}")]).status;
    assert_eq!(length("1000001"), 413);
    for bad in ["0", "-1", "+1", "abc", "99999999999999999999999", "1.5"] {
        assert_eq!(length(bad), 400, "{bad}");
    }
    assert_eq!(curl.tus("/ftp/", &["-X", "POST", "-H", "Upload-Defer-Length: 1"]).status, 400);
    let metadata = curl.tus("/ftp/", &["-X", "POST", "-H", "Upload-Length: 5", "-H", "Upload-Metadata: filename !"]);
    assert_eq!(metadata.status, 400);
    let old = curl.run("/ftp/", &["-X", "POST", "-H", "Upload-Length: 5", "-H", "Tus-Resumable: 0.2.2"]);
    assert_eq!((old.status, old.header("tus-version")), (412, "1.0.0"));
    let nobody = Curl::of(&server, None).tus("/ftp/", &["-X", "POST", "-H", "Upload-Length: 5"]);
    assert_eq!((nobody.status, nobody.header("tus-resumable")), (401, "1.0.0"));

    let place = curl.begin(10);
    assert_eq!(curl.patch(&place, 5, b"world").status, 409);
    assert_eq!(curl.patch(&place, 0, b"hello world").status, 413);
    let chunked = ["-X", "PATCH", "-H", "Upload-Offset: 0", "-H", "Transfer-Encoding: chunked", "--http1.1"];
    let kind = ["-H", "Content-Type: application/offset+octet-stream", "--data-binary", "hello world"];
    assert_eq!(curl.tus(&place, &[&chunked[..], &kind[..]].concat()).status, 413);
    assert_eq!(curl.tus(&place, &["-X", "PATCH", "-H", "Upload-Offset: 0", "-d", "hello"]).status, 415);
    let no_offset = ["-X", "PATCH", "-H", "Content-Type: application/offset+octet-stream", "-d", "hello"];
    assert_eq!(curl.tus(&place, &no_offset).status, 400);
    assert_eq!(curl.patch("/ftp/up/none", 0, b"hello").status, 404);
    assert_eq!(curl.patch("/ftp/none", 0, b"hello").status, 404);
    let bens = Curl::of(&server, Some(&ben));
    assert_eq!((bens.tus(&place, &["-I"]).status, bens.patch(&place, 0, b"hello").status), (404, 404));
    assert_eq!(bens.tus(&place, &["-X", "DELETE"]).status, 404);

    // A name is a label; it is told as it is kept.
    let name = "Upload-Metadata: filename Li4vLi4vZXRjL3Bhc3N3ZA==,kind aW1hZ2U=";
    let named = curl.tus("/ftp/", &["-X", "POST", "-H", "Upload-Length: 5", "-H", name]);
    let told = curl.tus(named.header("location"), &["-I"]);
    assert_eq!(told.header("upload-metadata"), "filename Li4uLmV0Y3Bhc3N3ZA==", "....etcpasswd");

    // Who gives up leaves nothing.
    assert_eq!(curl.patch(&place, 0, b"hello").status, 204);
    assert_eq!(curl.tus(&place, &["-X", "DELETE"]).status, 204);
    assert_eq!((curl.tus(&place, &["-I"]).status, curl.tus(&place, &["-X", "DELETE"]).status), (404, 404));
    let parts = || fs::read_dir(server.home().join("files/part")).map_or(0, Iterator::count);
    while parts() > 0 {
        std::thread::yield_now();
    }
}

/// All bytes are on the disk, and something came between before the file had its name: it gets it when it is asked for.
#[tokio::test]
async fn ftp_3_what_was_whole_without_its_name_gets_it_when_the_web_asks() {
    let mut server = Server::start();
    let ann = register(&server, "38001", None).await;
    let (place, own) = {
        let curl = Curl::of(&server, Some(&ann));
        let reference = curl.upload(b"hello");
        let own = server.home().join("files").join(reference.split('/').next().expect("two halves"));
        // Where its files are none can be.
        fs::rename(&own, own.with_extension("away")).expect("moved");
        fs::write(&own, b"").expect("written");
        let place = curl.begin(5);
        assert_eq!(curl.patch(&place, 0, b"world").status, 500);
        (place, own)
    };
    server.kill();
    fs::remove_file(&own).expect("removed");
    fs::rename(own.with_extension("away"), &own).expect("moved");
    server.restart();
    let curl = Curl::of(&server, Some(&ann));
    let at = curl.tus(&place, &["-I"]);
    assert_eq!((at.status, at.header("upload-offset")), (200, "5"));
    assert!(curl.run(&format!("/ftp/{}", at.header("upload-reference")), &[]).body == b"world");
}

/// A connection on which so many bytes of a transfer are announced.
fn patching(server: &Server, account: &Account, place: &str, length: usize) -> TcpStream {
    let mut stream = TcpStream::connect(server.http()).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    let Account { client_id, token, .. } = account;
    let head = format!(
        "PATCH {place} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {client_id}:{token}\r\n\
         Tus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("it reads");
    stream
}

/// Two who write the same transfer: each byte is one that somebody said at this place, and one of them hears of it.
#[tokio::test]
async fn ftp_2_two_who_write_one_transfer_do_not_mix() {
    let server = Server::start();
    let ann = register(&server, "38001", None).await;
    let curl = Curl::of(&server, Some(&ann));
    let place = curl.begin(2 * CHUNK);
    let open = |content: &[u8]| {
        let mut stream = patching(&server, &ann, &place, 2 * CHUNK);
        stream.write_all(content).expect("it reads");
        stream
    };
    let (ones, twos) = (vec![1; 2 * CHUNK], vec![2; 2 * CHUNK]);
    let (mut one, mut two) = (open(&ones[..1000]), open(&twos[..1000]));
    one.write_all(&ones[1000..]).expect("it reads");
    let mut said = String::new();
    one.read_to_string(&mut said).expect("text");
    assert!(said.starts_with("HTTP/1.1 204 "), "{said}");
    // It may be refused before it has said all.
    let _ = two.write_all(&twos[1000..]);
    let mut said = Vec::new();
    let _ = two.read_to_end(&mut said);
    assert!(said.starts_with(b"HTTP/1.1 409 "), "{}", String::from_utf8_lossy(&said));
    let at = curl.tus(&place, &["-I"]);
    let whole = curl.run(&format!("/ftp/{}", at.header("upload-reference")), &[]);
    assert!(whole.body == ones);
}

/// The same, both at once and many pieces each: what is whole in the end is what one of them has sent.
#[tokio::test]
async fn ftp_2_many_pieces_of_two_senders_do_not_mix() {
    let server = Server::start();
    let ann = register(&server, "38001", None).await;
    let curl = Curl::of(&server, Some(&ann));
    let size = 12 * CHUNK + 1000;
    for _ in 0..3 {
        let place = curl.begin(size);
        let send = |byte: u8| {
            let mut stream = patching(&server, &ann, &place, size);
            // It may be refused before it has said all, and then hears nothing.
            let _ = stream.write_all(&vec![byte; size]);
            let mut said = Vec::new();
            let _ = stream.read_to_end(&mut said);
            said.starts_with(b"HTTP/1.1 204 ").then_some(byte)
        };
        let taken: Vec<u8> = std::thread::scope(|scope| {
            let senders = [1, 2].map(|byte| scope.spawn(move || send(byte)));
            senders.into_iter().filter_map(|one| one.join().expect("it ends")).collect()
        });
        let at = curl.tus(&place, &["-I"]);
        match taken[..] {
            [byte] => {
                let whole = curl.run(&format!("/ftp/{}", at.header("upload-reference")), &[]);
                assert!(whole.body == vec![byte; size], "it is not what its sender has sent");
            }
            // Each has ended the other's.
            [] => assert_ne!(at.header("upload-offset"), size.to_string()),
            _ => panic!("both have sent the whole"),
        }
    }
}

/// By tuspy: it is cut in the middle, the server killed, and it goes on; a stranger's client is refused.
#[tokio::test]
async fn t_7_ftp_4_a_tus_client_that_is_not_ours_is_cut_and_goes_on() {
    let mut server = Server::start();
    let ann = register(&server, "38001", None).await;
    let folder = tempfile::tempdir().expect("a folder");
    let (file, content) = (folder.path().join("picture.png"), picture(3_000_000));
    fs::write(&file, &content).expect("written");
    let place = tuspy(&server, &ann, &["begin", &file.display().to_string(), "2"]);
    server.kill();
    server.restart();
    let reference = tuspy(&server, &ann, &["resume", &file.display().to_string(), &place]);
    let got = Curl::of(&server, Some(&ann)).run(&format!("/ftp/{reference}"), &[]);
    assert!(got.body == content, "the same bytes");
    assert_eq!(tuspy(&server, &ann, &["whole", &file.display().to_string()]), reference);
}

fn tuspy(server: &Server, account: &Account, arguments: &[&str]) -> String {
    let mut command = Command::new("timeout");
    command.arg("120").arg(python("tusclient")).arg(script("tus.py"));
    command.arg(format!("https://localhost:{}/ftp/", server.https().port()));
    command.arg(format!("{}:{}", account.client_id, account.token)).args(arguments);
    command.env("REQUESTS_CA_BUNDLE", server.root_certificate()).env("PYTHONDONTWRITEBYTECODE", "1");
    let output = command.output().expect("timeout runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[tokio::test]
async fn ftp_8_who_sends_much_more_than_is_taken_hears_why_in_either_version_of_http() {
    let server = Server::start();
    let ann = register(&server, "38001", None).await;
    let much = picture(20 << 20);
    for version in ["--http1.1", "--http2"] {
        let mut curl = Curl::of(&server, Some(&ann));
        curl.more = vec![version.into()];
        assert_eq!(curl.patch(&curl.begin(10), 0, &much).status, 413, "{version}");
        assert_eq!(curl.patch("/ftp/up/none", 0, &much).status, 404, "{version}");
        let mut nobody = Curl::of(&server, None);
        nobody.more = vec![version.into()];
        assert_eq!(nobody.patch("/ftp/up/none", 0, &much).status, 401, "{version}");
    }
}

#[tokio::test]
async fn ftp_8_an_upload_that_would_fill_the_disk_is_refused_and_the_chat_goes_on() {
    let mut server = Server::start_with("ftp.reserve = 9000000000000000000");
    let ann = register(&server, "38001", None).await;
    let content = picture(3 * CHUNK);
    let place = {
        let curl = Curl::of(&server, Some(&ann));
        let place = curl.begin(content.len());
        let full = curl.patch(&place, 0, &content);
        assert_eq!(full.status, 507);
        let at = curl.tus(&place, &["-I"]);
        assert_eq!((at.status, at.header("upload-offset")), (200, "0"));
        place
    };
    let (anns, _events) = connect(&server, &ann).await;
    let send = Ftp {
        id: Some("by-records".into()),
        size: Some(5),
        offset: Some(0),
        block: Some(5),
        data: Some(Bytes::from_static(b"hello")),
        ..Ftp::default()
    };
    let step = |status: &'static str| Ftp { status: Some(FtpStatus::Text(status.into())), ..send.clone() };
    anns.file_step(step("init")).await.expect("begun");
    let refused = anns.file_step(step("send")).await.expect_err("there is no room");
    assert!(format!("{refused:?}").contains("limit"), "{refused:?}");

    // Where there is room again it goes on.
    server.kill();
    let settings = fs::read_to_string(server.home().join("chat.toml")).expect("its configuration");
    server.configure(&settings.replace("9000000000000000000", "1"));
    server.restart();
    let done = Curl::of(&server, Some(&ann)).patch(&place, 0, &content);
    assert_eq!((done.status, done.header("upload-offset")), (204, content.len().to_string().as_str()));
}
