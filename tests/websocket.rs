//! The framing of N2O on `/ws`, spoken by hand to the real program (CON-2, INIT-3, HEART), and frames that break RFC 6455.

mod support;

use std::io::Write;
use std::net::{TcpListener, TcpStream};

use bytes::Bytes;
use client::{Client, Enrolment, Options, Registered, Tls};
use etf::Term;
use proto::records::{Io, Token, VnodeMax};
use support::Server;
use support::carrier::{join, tcp};
use tungstenite::protocol::CloseFrame;
use tungstenite::{Message, WebSocket};

/// From 38001 to 38002.
const HI: &str = "Message{msg_id=\"m1\" feed_id=p2p{from=\"38001_1\" to=\"38002_2\"} to=\"38002_2\" files=[Desc{id=\"1\" payload=\"hi\"}]}";

/// One connection.
struct Ws(WebSocket<TcpStream>);

/// A registered device.
struct Device {
    client_id: String,
    token: String,
}

impl Ws {
    fn open(server: &Server) -> Ws {
        Ws(join(tcp(server.http()).expect("it listens"), "/ws", "").expect("it opens"))
    }

    /// For MQTT.
    fn mqtt(server: &Server) -> Ws {
        let protocol = "Sec-WebSocket-Protocol: mqtt\r\n";
        Ws(join(tcp(server.http()).expect("it listens"), "/mqtt", protocol).expect("it opens"))
    }

    /// For MQTT 3.1.1, whose CONNECT is accepted.
    fn let_in(server: &Server) -> Ws {
        let mut ws = Ws::mqtt(server);
        let connect = Bytes::from_static(b"\x10\x18\0\x04MQTT\x04\x02\0\x3c\0\x0creg_38001_d1");
        ws.0.send(Message::Binary(connect)).expect("it is sent");
        assert!(ws.bytes().starts_with(&[0x20, 2, 0, 0]));
        ws
    }

    /// Opens, and says who it is.
    fn of(server: &Server, device: &Device) -> Ws {
        let mut ws = Ws::open(server);
        ws.text(&format!("N2O,{}:{}", device.client_id, device.token));
        assert_eq!(ws.record::<VnodeMax>().node, 4);
        ws
    }

    fn text(&mut self, text: &str) {
        self.0.send(Message::text(text)).expect("it is sent");
    }

    /// A record in text notation.
    fn say(&mut self, record: &str) {
        let term = etf::text::parse(record, &proto::catalogue()).expect("a record");
        self.0.send(Message::Binary(etf::encode(&term))).expect("it is sent");
    }

    fn said(&mut self) -> String {
        match self.0.read().expect("an answer") {
            Message::Text(text) => text.as_str().to_owned(),
            other => panic!("{other:?}"),
        }
    }

    fn bytes(&mut self) -> Bytes {
        match self.0.read().expect("an answer") {
            Message::Binary(bytes) => bytes,
            other => panic!("{other:?}"),
        }
    }

    fn record<T: etf::Decode>(&mut self) -> T {
        etf::decode(&self.bytes()).expect("that record")
    }

    /// What comes next, as text.
    fn next(&mut self) -> String {
        etf::text::print(&self.record::<Term>(), &proto::catalogue())
    }

    /// Passes over what comes until this is part of it.
    fn until(&mut self, part: &str) -> String {
        loop {
            let next = self.next();
            if next.contains(part) {
                return next;
            }
        }
    }

    fn text_of_token(&mut self) -> String {
        let Io { data: Some(proto::records::Data::Token(Token { token: Some(token) })), .. } = self.record() else {
            panic!("no token");
        };
        String::from_utf8(token.to_vec()).expect("text")
    }

    /// The code of the close frame that comes next, among records.
    fn closed(&mut self) -> Option<u16> {
        loop {
            match self.0.read() {
                Ok(Message::Close(frame)) => return frame.map(|CloseFrame { code, .. }| code.into()),
                Ok(_) => {}
                Err(why) => panic!("{why}"),
            }
        }
    }
}

/// Registers on a connection that said nothing of itself.
fn register(server: &Server, phone: &str) -> Device {
    let mut ws = Ws::open(server);
    ws.say(&format!("Auth{{type=reg dev_key=\"d1\" phone={{fake,\"{phone}\"}}}}"));
    assert_eq!(ws.record::<VnodeMax>().node, 4);
    let login = ws.record::<Io>();
    let (code, src) = login.success().expect("it is let in");
    assert_eq!(code, "login");
    let (client_id, token): (Bytes, Bytes) = etf::decode(&etf::encode(src)).expect("a pair");
    let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).expect("text");
    Device { client_id: text(client_id), token: text(token) }
}

/// The connections of 38001 and 38002, who have become friends.
fn befriended(server: &Server, ann: &Device, ben: &Device) -> (Ws, Ws) {
    let (mut ann, mut ben) = (Ws::of(server, ann), Ws::of(server, ben));
    ann.say("Friend{phone_id=\"38001_1\" friend_id=\"38002_2\" status=request}");
    ben.until("authorization");
    ben.say("Friend{phone_id=\"38002_2\" friend_id=\"38001_1\" status=confirm}");
    ben.until("status=friend");
    ann.until("status=friend");
    (ann, ben)
}

#[test]
fn heart_1_heart_2_init_3_a_stranger_has_a_heartbeat_and_a_session() {
    let server = Server::start();
    let mut ws = Ws::open(&server);
    ws.text("PING");
    assert_eq!(ws.said(), "PONG");
    ws.text("");
    assert_eq!(ws.said(), "");
    ws.text("what");
    assert_eq!(ws.said(), "Try HELP");

    ws.text("N2O,");
    assert_eq!(ws.record::<VnodeMax>().node, 4);
    let token = ws.text_of_token();
    ws.text(&format!("N2O,{token}"));
    assert_eq!(ws.text_of_token(), token);
    ws.text("N2O,emqttd_38001_d1:00");
    assert_eq!(ws.record::<Io>().failure().map(|(code, _)| code.to_owned()).as_deref(), Some("session_not_found"));
    // It is still there, still nobody.
    ws.say("Profile{status=get}");
    assert_eq!(ws.record::<VnodeMax>().node, 4);
    assert!(ws.next().contains("permission_denied"));
}

#[test]
fn con_2_message_1_dlv_3_dlv_7_devices_talk_in_records_and_get_again_what_they_did_not_acknowledge() {
    let server = Server::start();
    let (ann, ben) = (register(&server, "38001"), register(&server, "38002"));
    let (mut ann_ws, mut ben_ws) = befriended(&server, &ann, &ben);
    ann_ws.say(HI);
    assert_eq!(ann_ws.until("Ack"), "Ack{id=\"m1\"}");
    assert!(ann_ws.next().contains("payload=\"hi\""));
    assert!(ben_ws.until("Message").contains("payload=\"hi\""));
    drop(ben_ws);

    // Notices have gone with the frame; the message waits for its Ack record.
    let mut again = Ws::of(&server, &ben);
    assert!(again.until("payload=\"hi\"").starts_with("Message"));
    again.say("Ack{id=\"m1\"}");
    assert_eq!(ann_ws.until("Ack"), "Ack{id=\"m1\"}");
    again.0.close(None).expect("it closes");

    let mut last = Ws::of(&server, &ben);
    last.say("History{roster_id=\"38002_2\" feed=p2p{from=\"38001_1\" to=\"38002_2\"} size=10 status=get}");
    loop {
        let next = last.next();
        assert!(!next.starts_with("Message"), "{next}");
        if next.starts_with("History") {
            break;
        }
    }
}

/// Where PUBACK is enough for MQTT, a written frame is not.
#[test]
fn dlv_13_a_message_that_was_only_written_comes_again() {
    let server = Server::start_with("queue.ack = \"puback\"");
    let (ann, ben) = (register(&server, "38001"), register(&server, "38002"));
    let (mut ann_ws, mut ben_ws) = befriended(&server, &ann, &ben);
    ann_ws.say(HI);
    assert!(ben_ws.until("Message").contains("payload=\"hi\""));
    drop(ben_ws);
    let mut again = Ws::of(&server, &ben);
    assert!(again.until("payload=\"hi\"").starts_with("Message"));
}

#[test]
fn con_7_auth_6_a_younger_connection_takes_over_and_logging_out_closes() {
    let server = Server::start();
    let ann = register(&server, "38001");
    let mut first = Ws::of(&server, &ann);
    let mut second = Ws::of(&server, &ann);
    assert_eq!(first.closed(), Some(4142));
    second.say("Auth{type=logout}");
    second.until("logout");
    assert_eq!(second.closed(), Some(1000));
}

/// Bytes behind the handshake; the code of the close frame that answers them.
fn answered(mut ws: Ws, frames: &[u8]) -> Option<u16> {
    ws.0.get_mut().write_all(frames).expect("it reads");
    ws.closed()
}

fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ ..126 => frame.push(0x80 | length as u8),
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

#[test]
fn con_2_broken_frames_close_their_connection_with_the_standards_code() {
    let server = Server::start();
    let mut other = Ws::open(&server);
    let long = [&[0x82, 0xff][..], &(2_u64 << 20).to_be_bytes(), &[0; 4]].concat();
    for (door, open) in [("/ws", Ws::open as fn(&Server) -> Ws), ("/mqtt", Ws::mqtt), ("/mqtt, let in", Ws::let_in)] {
        for (frames, code, what) in [
            (vec![0x81, 4, b'P', b'I', b'N', b'G'], 1002, "not masked"),
            (masked(0x83, b"x"), 1002, "an opcode that is none"),
            (masked(0xf1, b"x"), 1002, "reserved bits"),
            (masked(0x80, b"x"), 1002, "the rest of nothing"),
            (masked(0x09, b"x"), 1002, "a control frame in parts"),
            (masked(0x89, &[0; 200]), 1002, "a long control frame"),
            (masked(0x81, &[0xff, 0xfe]), 1007, "no text"),
            (long.clone(), 1009, "longer than a packet may be"),
            (masked(0x88, &1005_u16.to_be_bytes()), 1002, "a code that nobody sends"),
            (masked(0x88, &1000_u16.to_be_bytes()), 1000, "a good-bye"),
        ] {
            assert_eq!(answered(open(&server), &frames), Some(code), "{door}: {what}");
        }
    }
    // MQTT-6.0.0-1
    for open in [Ws::mqtt, Ws::let_in] {
        assert_eq!(answered(open(&server), &masked(0x81, b"text")), Some(1003), "text among packets");
    }
    other.text("PING");
    assert_eq!(other.said(), "PONG");

    // In parts, with a ping between them, it is one message.
    other
        .0
        .get_mut()
        .write_all(&[masked(0x01, b"PI"), masked(0x89, b"?"), masked(0x80, b"NG")].concat())
        .expect("it reads");
    assert!(matches!(other.0.read(), Ok(Message::Pong(payload)) if &payload[..] == b"?"));
    assert_eq!(other.said(), "PONG");
}

#[test]
fn con_2_only_what_is_a_websocket_of_ours_is_opened() {
    let server = Server::start();
    let refused = |path: &str, more: &str| {
        let stream = tcp(server.http()).expect("it listens");
        let Err(why) = join(stream, path, more) else { panic!("{path} is opened") };
        let why = why.to_string();
        why.lines().next().unwrap_or_default().to_owned()
    };
    assert!(refused("/nowhere", "").starts_with("HTTP/1.1 404 "));
    assert!(refused("/mqtt", "").starts_with("HTTP/1.1 400 "), "without its sub-protocol");
    assert!(refused("/mqtt", "Sec-WebSocket-Protocol: soap\r\n").starts_with("HTTP/1.1 400 "));
    assert!(refused("/ws", "Origin: https://evil.example\r\n").starts_with("HTTP/1.1 403 "));
    for path in ["/", "/ws/", "/ws/some/page"] {
        let mut ws =
            Ws(join(tcp(server.http()).expect("it listens"), path, "Origin: http://localhost\r\n").expect("it opens"));
        ws.text("PING");
        assert_eq!(ws.said(), "PONG");
    }
}

#[test]
fn con_1_con_2_our_client_comes_by_websocket_and_by_the_next_way_where_one_leads_nowhere() {
    let server = Server::start();
    let ca_pem = std::fs::read_to_string(server.root_certificate()).expect("the root certificate");
    let by = |urls: &[String], client_id: &str| {
        let mut urls = urls.iter().map(|url| url.parse().expect("an address"));
        let mut options = Options::new(urls.next().expect("one at least"), client_id);
        options.others = urls.collect();
        options.tls = Some(Tls { ca_pem: ca_pem.clone(), identity: None });
        options
    };
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    let ways = [
        format!("mqtt://{nobody}"),
        format!("ws://{}", server.mqtt()),
        format!("wss://localhost:{}/mqtt", server.https().port()),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (first, _events) =
            Client::connect(by(&[format!("ws://{}", server.http())], "reg_38001_d1")).await.expect("in");
        let registered = first.register("38001", "d1", Enrolment::Fake, None).await.expect("registered");
        let Registered::Done(account) = registered else { panic!("no code is needed") };
        first.close().await;

        let mut options = by(&ways, &account.client_id);
        options.token = Some(account.token.clone());
        let (client, _events) = Client::connect(options).await.expect("in by the third way");
        assert_eq!(client.profile().await.expect("its own").phone.as_deref(), Some(&b"38001"[..]));
        client.close().await;
        assert!(Client::connect(by(&ways[..2], "reg_38002_d1")).await.is_err());
    });
}

#[test]
fn mail_2_id_10_where_identity_counts_a_name_is_proved_by_token_or_by_the_connection() {
    let server = Server::start_with("mail.auth = \"identity\"");
    let (ann, ben) = (register(&server, "38001"), register(&server, "38002"));
    let mut ws = Ws::open(&server);
    ws.text("AUTH 38001");
    assert_eq!(ws.said(), "ERROR not authorized.");
    ws.text(&format!("AUTH 38001 {}", ben.token));
    assert_eq!(ws.said(), "ERROR not authorized.");
    ws.text("BOX");
    assert_eq!(ws.said(), "Please login with AUTH. Try HELP.");
    ws.text(&format!("AUTH 38001 {}", ann.token));
    assert_eq!(ws.said(), "USER 38001");

    let mut own = Ws::of(&server, &ben);
    assert!(!own.text_of_token().is_empty());
    own.text("AUTH 38001");
    own.text("AUTH 38002");
    assert_eq!((own.said(), own.said()), ("ERROR not authorized.".into(), "USER 38002".into()));
    own.text("SEND 38001 hi");
    assert!(own.said().starts_with("ACK "));
    assert!(ws.said().starts_with("NOTIFY 38002:38001:"));
}

/// Requests to the chat and commands for the mailboxes are answered in the order in which they came (G-5).
#[test]
fn g_5_mail_8_mailr_5_both_services_share_a_connection_and_keep_its_order() {
    let server = Server::start();
    let ann = register(&server, "38001");
    let mut ws = Ws::of(&server, &ann);
    assert!(!ws.text_of_token().is_empty());
    for round in 0..20 {
        ws.text("AUTH ann");
        ws.say("Profile{status=get}");
        ws.text("BOX");
        ws.text("N2O,");
        ws.text("what");
        assert_eq!(ws.said(), "USER ann", "{round}");
        assert!(ws.next().starts_with("Profile"));
        assert_eq!(ws.said(), "LIST\n");
        // As a device it is somebody already; a session token is given all the same.
        assert!(!ws.text_of_token().is_empty());
        assert_eq!(ws.said(), "Try HELP");
    }
    // A record of the chat is a record as well; a heartbeat is nothing.
    ws.say("Profile{status=get}");
    assert!(ws.next().starts_with("Profile"));
    ws.text("PING");
    assert_eq!(ws.said(), "PONG");
    let mut other = Ws::open(&server);
    other.text("AUTH ben");
    other.text("SEND ann hi");
    assert_eq!(other.said(), "USER ben");
    assert!(other.said().starts_with("ACK "));
    assert!(ws.next().starts_with("{'Pub',"));
    // A session token is asked for in text.
    ws.text("N2O,");
    assert!(!ws.text_of_token().is_empty());
    other.text("SEND ann again");
    assert!(other.said().starts_with("ACK "));
    assert!(ws.said().starts_with("NOTIFY ben:ann:"));
}

#[test]
fn c_9_mail_8_bad_frames_are_answered_and_leave_the_mailboxes_as_they_were() {
    let server = Server::start();
    let mut ws = Ws::open(&server);
    ws.text("AUTH ann");
    assert_eq!(ws.said(), "USER ann");
    for junk in [&b"\x83"[..], b"junk", b"\x83h\x02w\x03Cutm\xff\xff\xff\xff", b"\x83h\x02w\x03Cuta\x01trailing"] {
        ws.0.send(Message::Binary(Bytes::copy_from_slice(junk))).expect("it is sent");
        ws.until("invalid_data");
    }
    ws.say("{'Ack',\"k1\"}");
    ws.until("invalid_data");
    ws.say("{'Pub',\"k1\",nobody,\"t\",\"x\"}");
    ws.until("invalid_data");
    ws.0.send(Message::Binary(Bytes::new())).expect("it is sent");
    ws.text("\u{0}\u{1}\u{7f}");
    assert_eq!(ws.said(), "Try HELP");
    ws.text("SEND ann \u{0}a\u{1b}[31m\u{85}b");
    assert!(ws.said().ends_with(":a [31m b"));
    assert!(ws.said().starts_with("ACK "));
    ws.text(&"x".repeat(1 << 20));
    assert_eq!(ws.said(), "Try HELP");
    ws.text("BOX");
    assert!(ws.said().starts_with("LIST\nann:ann:"));
    // The head of a frame of a mebibyte and one byte, masked: nothing more is waited for.
    let head = [0x81, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 1, 0, 0, 0, 0];
    std::io::Write::write_all(ws.0.get_mut(), &head).expect("it is sent");
    assert_eq!(ws.closed(), Some(1009));
}

/// FTP-1 to FTP-3 by the names of the mailboxes' records, on a device's connection.
#[test]
fn mailr_6_ftp_3_a_file_goes_by_the_records_of_the_mailboxes() {
    let server = Server::start();
    let ann = register(&server, "38001");
    let mut ws = Ws::of(&server, &ann);
    ws.say("{'FTP',\"1\",\"\",\"tea.txt\",[],3,0,1,\"\",\"init\"}");
    let opened = ws.until("ftpack");
    assert!(opened.contains("tea.txt") && opened.contains("init"), "{opened}");
    ws.say("{'FTP',\"1\",\"\",\"tea.txt\",[],3,0,3,\"tea\",\"send\"}");
    let kept = ws.until("ftpack");
    assert!(kept.contains("send") && !kept.contains("error"), "{kept}");
    assert!(ws.until("ftpack").contains("{event,stop}"));

    // Who is no device has no files, and the mailboxes go on.
    let mut nobody = Ws::open(&server);
    nobody.text("AUTH ben");
    nobody.say("{'FTP',\"1\",\"\",\"tea.txt\",[],3,0,1,\"\",\"init\"}");
    assert_eq!(nobody.said(), "USER ben");
    nobody.until("permission_denied");
    nobody.text("BOX");
    assert_eq!(nobody.said(), "LIST\n");
}
