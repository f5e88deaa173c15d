//! ID-11: the real program posts codes to a service of the operator's, here one that the test runs.

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use scene::{Daemon, Version, live_file};
use support::Server;

/// Two scenes: the second one's numbers begin with [`REFUSED`].
const PLAY: &str = r#"
# ID-11 AUTH-1 AUTH-2 AUTH-3 codes are posted, by message and by voice, the same one
number n
r connects as "reg_w1"
r > Auth{type=reg phone=@n.phone dev_key="d1" settings=[Feature{id="1" key="LANGUAGE" value="uk" group="LANGUAGE_SETTINGS"}]}
r < io{code=ok{code=sms_sent}}
r > Auth{type=voice services=[it]}
r < io{code=ok{code=call_in_progress} data={'Auth',""}}
r > Auth{type=verify sms_code=@n.code}
r < io{code=ok{code=login}}

# ID-11 AUTH-1 a service that fails sends nothing
number n
r connects as "reg_w2"
r > Auth{type=reg phone=@n.phone dev_key="d1"}
r < io{code=error{code=sms_send}}
r > Auth{type=verify sms_code="123456"}
r < io{code=error{code=session_not_found}}
"#;
/// Numbers that the service fails at.
const REFUSED: &str = "38010005";

/// What the service was posted: the bodies.
type Posted = Arc<Mutex<Vec<String>>>;

struct Hooked {
    server: Server,
    posted: Posted,
}

impl Daemon for Hooked {
    fn address(&self) -> SocketAddr {
        self.server.mqtt()
    }

    fn crash(&mut self) -> Result<(), String> {
        Err("nothing crashes here".to_owned())
    }

    fn pushes(&self, client: &str) -> Vec<String> {
        self.server.pushes(client)
    }

    fn code(&self, phone: &str) -> Option<String> {
        let posted = self.posted.lock().expect("nobody panics");
        let of_phone = posted.iter().rev().find(|body| field(body, "phone") == Some(phone))?;
        field(of_phone, "code").map(str::to_owned)
    }
}

fn field<'b>(body: &'b str, name: &str) -> Option<&'b str> {
    body.split_once(&format!("\"{name}\":\""))?.1.split('"').next()
}

/// One request a connection, until the test ends.
fn service(posted: Posted) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            // A client that has gone is no concern of the service.
            let _ = answer(stream, &posted);
        }
    });
    address
}

fn answer(mut stream: TcpStream, posted: &Posted) -> std::io::Result<()> {
    let mut asked = Vec::new();
    let mut chunk = [0; 4096];
    while !asked.ends_with(b"}") {
        let count = stream.read(&mut chunk)?;
        if count == 0 {
            return Ok(());
        }
        asked.extend_from_slice(chunk.get(..count).unwrap_or_default());
    }
    let text = String::from_utf8_lossy(&asked);
    let body = text.split("\r\n\r\n").last().unwrap_or_default().to_owned();
    let failed = field(&body, "phone").is_some_and(|phone| phone.starts_with(REFUSED));
    posted.lock().expect("nobody panics").push(body);
    let status = if failed { "500 Internal Server Error" } else { "200 OK" };
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
}

#[test]
fn id_11_codes_go_to_the_webhook() {
    let posted = Posted::default();
    let url = format!("http://{}/codes", service(posted.clone()));
    let lines = format!("auth.providers = [\"webhook\"]\nauth.webhook.url = \"{url}\"\nauth.webhook.voice = true");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("webhook.chat");
    std::fs::write(&path, PLAY).expect("a file");
    let mut hooked = Hooked { server: Server::start_with(&lines), posted: posted.clone() };
    live_file(&path, &mut hooked, Version::V5);

    let posted = posted.lock().expect("nobody panics");
    let kinds: Vec<_> = posted.iter().map(|body| (field(body, "channel"), field(body, "language"))).collect();
    assert_eq!(kinds.iter().take(2).collect::<Vec<_>>(), [&(Some("sms"), Some("uk")), &(Some("voice"), Some("it"))]);
    assert_eq!(kinds.len(), 4, "a failure is tried once more: {posted:?}");
    assert!(
        !hooked.server.log().contains(posted.first().and_then(|body| field(body, "code")).expect("a code")),
        "no code is in the log"
    );
}
