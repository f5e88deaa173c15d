//! Clients that we did not write against the real program (issue 2): mosquitto's, paho-mqtt, aioquic, mqtt.js and a plain Erlang node.
//!
//! Nothing is skipped: a missing tool fails the test and names `.ci/run`, which installs it.

mod support;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use support::Server;
use support::foreign::{node_modules, python, script};
use tempfile::TempDir;

/// What our scripts import: paho-mqtt 2, aioquic, websocket-client.
const MODULES: &str = "aioquic, paho.mqtt.enums, websocket";
/// A foreign program that takes longer is ended, in seconds.
const LIMIT_S: &str = "60";
/// What `timeout` exits with when it had to end the program, and when there is no such program.
const TIMED_OUT: i32 = 124;
const NOT_FOUND: i32 = 127;
/// How long `mosquitto_sub` waits for its messages, in seconds.
const WAIT_S: &str = "20";
/// `mosquitto_pub` and `mosquitto_sub` exit with the CONNACK's code.
const NOT_AUTHORISED: [(&str, i32); 2] = [("311", 5), ("5", 0x87)];

#[test]
fn topic_13_con_1_mosquitto_with_a_certificate_has_an_ordinary_broker() {
    let server = Server::start();
    let alice = Mosquitto::certified(&server, "alice");
    for version in ["311", "5"] {
        // A retained message tells when the subscription stands, which the two filters share.
        alice.publish(&in_version(version, &["-t", "ready", "-m", "now", "-r"]));
        let mut hearing = alice.subscribe(&in_version(version, &["-t", "hello", "-t", "ready", "-C", "2"]));
        assert_eq!(hearing.line(), "1 ready now");
        alice.publish(&in_version(version, &["-t", "hello", "-m", "hello world"]));
        assert_eq!(hearing.line(), "0 hello hello world");
        hearing.end();

        alice.publish(&in_version(version, &["-t", "hello", "-m", "kept", "-r"]));
        let mut late = alice.subscribe(&in_version(version, &["-t", "#", "-T", "ready", "-C", "1"]));
        assert_eq!(late.line(), "1 hello kept");
        late.end();
        // An empty retained message takes it away (MQTT 5.0, 3.3.1.3), which the next round would see.
        alice.publish(&in_version(version, &["-t", "hello", "-n", "-r"]));
    }
}

#[test]
fn topic_13_con_11_mosquitto_finds_its_session_and_shares_a_subscription() {
    let server = Server::start();
    let alice = Mosquitto::certified(&server, "alice");
    let away: &[&str] = &["-V", "311", "-i", "away", "-c", "-q", "2", "-t", "hello"];
    // -E: it leaves as soon as its subscription is granted.
    alice.subscribe(&[away, &["-E"]].concat()).end();
    alice.publish(&["-V", "5", "-q", "2", "-t", "hello", "-m", "while you were out"]);
    let mut back = alice.subscribe(&[away, &["-C", "1"]].concat());
    assert_eq!(back.line(), "0 hello while you were out");
    back.end();

    alice.publish(&["-t", "ready", "-m", "now", "-r", "-q", "1"]);
    let mut group = alice.subscribe(&["-V", "5", "-q", "1", "-t", "$share/all/work", "-t", "ready", "-C", "2"]);
    assert_eq!(group.line(), "1 ready now");
    alice.publish(&["-q", "1", "-t", "work", "-m", "item"]);
    assert_eq!(group.line(), "0 work item");
    group.end();
}

#[test]
fn topic_13_con_10_con_11_mosquitto_finds_its_session_and_what_is_retained_after_the_server_was_killed() {
    let mut server = Server::start();
    let alice = Mosquitto::certified(&server, "alice");
    let away: &[&str] = &["-V", "311", "-i", "away", "-c", "-q", "1", "-t", "hello/#"];
    alice.subscribe(&[away, &["-E"]].concat()).end();
    alice.publish(&["-q", "1", "-t", "hello/a", "-m", "one"]);
    alice.publish(&["-V", "5", "-q", "2", "-t", "hello/b", "-m", "two"]);
    for payload in ["old", "new"] {
        alice.publish(&["-q", "1", "-r", "-t", "kept/a", "-m", payload]);
        alice.publish(&["-q", "1", "-r", "-t", "kept/b", "-m", payload]);
    }
    alice.publish(&["-q", "1", "-r", "-t", "kept/b", "-n"]);
    server.kill();
    server.restart();

    let mut back = alice.subscribe(&[away, &["-C", "2"]].concat());
    assert_eq!(back.line(), "0 hello/a one");
    assert_eq!(back.line(), "0 hello/b two");
    back.end();
    // What is published behind it tells that nothing else was kept.
    let mut late = alice.subscribe(&["-t", "kept/#", "-t", "mark", "-C", "2"]);
    assert_eq!(late.line(), "1 kept/a new");
    alice.publish(&["-t", "mark", "-m", "now"]);
    assert_eq!(late.line(), "0 mark now");
    late.end();
}

#[test]
fn topic_8_topic_9_mosquitto_with_a_certificate_has_no_part_in_the_protocol() {
    let server = Server::start();
    let alice = Mosquitto::certified(&server, "alice");
    let denied = alice.run("mosquitto_sub", &["-V", "5", "-t", "ses/38001", "-C", "1", "-W", WAIT_S]);
    assert!(text(&denied.stderr).contains("denied"), "{}", said(&denied));
    // mosquitto_pub only warns of the PUBACK's reason.
    let refused = alice.run("mosquitto_pub", &["-V", "5", "-q", "1", "-t", "ses/38001", "-m", "x"]);
    assert!(text(&refused.stderr).contains("Not authorized"), "{}", said(&refused));
}

#[test]
fn sec_1_con_1_mosquitto_without_a_certificate_of_ours_is_refused() {
    let (server, other) = (Server::start(), Server::start());
    let hello = ["-q", "1", "-t", "hello", "-m", "hello world"];
    let without = Mosquitto { certificate: None, ..Mosquitto::certified(&server, "alice") };
    let strange = Mosquitto { certificate: Some(certify(&other, "alice")), ..Mosquitto::certified(&server, "alice") };
    for (title, client) in [("without", without), ("another authority's", strange)] {
        for version in ["311", "5"] {
            let refused = client.run("mosquitto_pub", &[&["-V", version], &hello[..]].concat());
            assert!(!refused.status.success(), "{title}: {}", said(&refused));
            assert!(text(&refused.stderr).contains("Error"), "{title}: {}", said(&refused));
        }
    }
}

#[test]
fn con_3_mosquitto_without_tls_is_refused() {
    let server = Server::start_with("mqtt.plain = \"cert\"");
    let port = server.mqtt().port().to_string();
    for (version, code) in NOT_AUTHORISED {
        let arguments = ["-h", "127.0.0.1", "-p", &port, "-V", version, "-q", "1", "-t", "hello", "-m", "hello world"];
        let refused = finish(bounded("mosquitto_pub").args(arguments));
        assert_eq!(refused.status.code(), Some(code), "{}", said(&refused));
        assert!(text(&refused.stderr).to_lowercase().contains("not authori"), "{}", said(&refused));
    }
}

#[test]
fn t_1_by_paho_mqtt_3_1_1() {
    paho("paho_t1.py", "3.1.1");
}

#[test]
fn t_1_by_paho_mqtt_5() {
    paho("paho_t1.py", "5");
}

#[test]
fn topic_13_con_8_con_10_con_11_con_12_an_ordinary_broker_for_paho_mqtt_3_1_1() {
    paho("paho_broker.py", "3.1.1");
}

#[test]
fn topic_13_con_4_con_8_con_10_con_11_con_12_heart_3_an_ordinary_broker_for_paho_mqtt_5() {
    paho("paho_broker.py", "5");
}

#[test]
fn room_1_room_4_room_7_by_paho_mqtt_3_1_1_with_terms_of_an_erlang_node() {
    paho("paho_room.py", "3.1.1");
}

#[test]
fn room_1_room_4_room_7_by_paho_mqtt_5_with_terms_of_an_erlang_node() {
    paho("paho_room.py", "5");
}

fn paho(name: &str, version: &str) {
    // Plain clients need no certificate where there is no TLS.
    let server = Server::start();
    let mut command = bounded(python(MODULES));
    let port = server.mqtt().port().to_string();
    finish_well(command.arg(script(name)).args([&port, version]).env("PYTHONDONTWRITEBYTECODE", "1"));
}

#[test]
fn con_2_t_1_by_paho_mqtt_over_websocket() {
    for version in ["3.1.1", "5"] {
        let server = Server::start();
        let mut command = bounded(python(MODULES));
        let arguments = [&server.http().port().to_string(), version, "websockets"];
        finish_well(command.arg(script("paho_t1.py")).args(arguments).env("PYTHONDONTWRITEBYTECODE", "1"));
    }
}

#[test]
fn t_8_mail_1_mailr_2_the_mailboxes_by_websocket_client() {
    let server = Server::start();
    let mut command = bounded(python(MODULES));
    let port = server.http().port().to_string();
    finish_well(command.arg(script("mail.py")).arg(port).env("PYTHONDONTWRITEBYTECODE", "1"));
}

/// What a browser has: mqtt.js, over TLS, with free topics and with a guest of the chat.
#[test]
fn con_2_topic_13_d_63_mqtt_js_over_websocket_and_tls() {
    let server = Server::start();
    let alice = certify(&server, "alice");
    let file = |end: &str| alice.folder.path().join(format!("alice.{end}"));
    let mut command = bounded("node");
    command.arg(script("browser.mjs")).arg(server.https().port().to_string());
    command.arg(server.root_certificate()).arg(file("crt")).arg(file("key")).env("CHAT_NODE", node_modules());
    finish_well(&mut command);
}

/// By aioquic alone, which also comes without a certificate, by another protocol, and moves to another port; then with paho-mqtt on it.
#[test]
fn con_1_sec_1_topic_13_t_1_by_aioquic() {
    let server = Server::start();
    let alice = certify(&server, "alice");
    let file = |end: &str| alice.folder.path().join(format!("alice.{end}"));
    let mut command = bounded(python(MODULES));
    command.arg(script("aioquic_mqtt.py")).arg(server.quic().port().to_string());
    command.arg(server.root_certificate()).arg(file("crt")).arg(file("key")).env("PYTHONDONTWRITEBYTECODE", "1");
    finish_well(&mut command);
}

#[test]
fn c_1_to_c_6_and_message_1_by_an_erlang_node() {
    let server = Server::start();
    finish_well(bounded("escript").arg(script("erlang_t1.escript")).arg(server.mqtt().port().to_string()));
}

#[test]
fn c_2_every_example_of_the_protocols_text_is_what_an_erlang_node_writes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("priv/proto");
    let output = finish_well(bounded("escript").arg(script("erlang_pages.escript")).arg(folder));
    let seen: usize = text(&output.stdout).trim().parse().expect("a number");
    assert!(seen > 200, "{seen} examples");
}

fn in_version<'a>(version: &'a str, arguments: &[&'a str]) -> Vec<&'a str> {
    [&["-V", version, "-q", "1"], arguments].concat()
}

/// mosquitto's clients and what they know of a server.
struct Mosquitto {
    port: String,
    root: PathBuf,
    certificate: Option<Certificate>,
}

/// `NAME.crt` and `NAME.key`, in a folder that goes with this.
struct Certificate {
    folder: TempDir,
    name: &'static str,
}

impl Mosquitto {
    fn certified(server: &Server, name: &'static str) -> Mosquitto {
        let port = server.mqtts().port().to_string();
        Mosquitto { port, root: server.root_certificate(), certificate: Some(certify(server, name)) }
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = bounded(program);
        command.args(["-h", "localhost", "-p", &self.port, "--cafile"]).arg(&self.root);
        if let Some(Certificate { folder, name }) = &self.certificate {
            let file = |end: &str| folder.path().join(format!("{name}.{end}"));
            command.arg("--cert").arg(file("crt")).arg("--key").arg(file("key"));
        }
        command.args(arguments);
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        finish(&mut self.command(program, arguments))
    }

    fn publish(&self, arguments: &[&str]) {
        finish_well(&mut self.command("mosquitto_pub", arguments));
    }

    /// Starts `mosquitto_sub`, which prints `RETAINED TOPIC PAYLOAD` for each message.
    fn subscribe(&self, arguments: &[&str]) -> Hearing {
        let mut command = self.command("mosquitto_sub", arguments);
        command.args(["-F", "%r %t %p", "-W", WAIT_S]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("coreutils' timeout runs");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        Hearing { child, stdout }
    }
}

/// A running `mosquitto_sub`; dropping it ends it.
struct Hearing {
    child: Child,
    stdout: BufReader<std::process::ChildStdout>,
}

impl Hearing {
    /// The next message; empty when the program has ended.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("text");
        line.trim_end().to_owned()
    }

    /// Waits for its end, which must be a good one with nothing more said.
    fn end(mut self) {
        assert_eq!(self.line(), "");
        let status = self.child.wait().expect("it ends");
        assert_ne!(status.code(), Some(NOT_FOUND), "mosquitto_sub is not installed; .ci/run installs it");
        assert!(status.success(), "mosquitto_sub: {status}");
    }
}

impl Drop for Hearing {
    fn drop(&mut self) {
        // SIGTERM, which `timeout` hands on; SIGKILL would leave the program behind.
        if let Ok(None) = self.child.try_wait() {
            let _ = Command::new("kill").arg(self.child.id().to_string()).status();
            let _ = self.child.wait();
        }
    }
}

/// `chat certify`, as an operator would for somebody else.
fn certify(server: &Server, name: &'static str) -> Certificate {
    let folder = tempfile::tempdir().expect("a folder");
    let issued = server.chat(&["certify", name, "--dir", folder.path().to_str().expect("text")]);
    assert!(issued.status.success(), "{}", said(&issued));
    Certificate { folder, name }
}

/// A foreign program that is ended after [`LIMIT_S`].
fn bounded(program: impl Into<PathBuf>) -> Command {
    let mut command = Command::new("timeout");
    command.arg(LIMIT_S).arg(program.into());
    command
}

/// Runs it to its end.
fn finish(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output().expect("coreutils' timeout runs");
    assert_ne!(output.status.code(), Some(NOT_FOUND), "{command:?} is not installed; .ci/run installs it");
    assert_ne!(output.status.code(), Some(TIMED_OUT), "{command:?} took over {LIMIT_S} s: {}", said(&output));
    output
}

fn finish_well(command: &mut Command) -> Output {
    let output = finish(command);
    assert!(output.status.success(), "{command:?}: {}", said(&output));
    output
}

fn said(output: &Output) -> String {
    format!("{}\n{}{}", output.status, text(&output.stdout), text(&output.stderr))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
