//! The program as a whole: it starts from nothing, refuses what it must, stops, and comes back after any end (issue 2, points 1 and 9).

mod support;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use support::{CHAT, Server, listen, spawn};

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Starts a server that must fail; its exit code and what it logged.
fn fails(server: &Server) -> (Option<i32>, String) {
    let status = spawn(server.home()).wait().expect("it ends");
    (status.code(), server.log())
}

#[test]
fn a_first_start_makes_all_that_is_needed_and_says_where() {
    let server = Server::start();
    let root = fs::read_to_string(server.root_certificate()).expect("a root certificate");
    assert!(root.starts_with("-----BEGIN CERTIFICATE-----"));
    for file in ["certs/server.crt", "certs/admin.crt", "chat.pid", "run/addresses", "store.schema"] {
        assert!(server.home().join(file).exists(), "{file}");
    }
    assert_eq!(server.remote("get meta schema").trim(), "\"7\"");
}

#[test]
fn sec_12_keys_are_for_their_owner_alone() {
    let server = Server::start();
    server.chat(&["certify", "ann"]);
    for file in ["ca/root.key", "certs/server.key", "certs/admin.key", "certs/ann.key", "store.schema", "chat.pid"] {
        let mode = fs::metadata(server.home().join(file)).expect(file).permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    for folder in ["ca", "certs", "outbox", "log", "run"] {
        let mode = fs::metadata(server.home().join(folder)).expect(folder).permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{folder}");
    }
}

#[test]
fn sec_12_what_is_in_a_folder_that_all_may_enter_is_for_its_owner_alone() {
    let mut server = Server::prepare("");
    open_to_all(server.home());
    server.restart();
    assert_eq!(exposed(server.home()), Vec::<String>::new());

    // As a release before this one left it.
    server.terminate();
    let store = server.home().join("store");
    fs::read_dir(&store).expect("a store").for_each(|entry| open_to_all(&entry.expect("an entry").path()));
    open_to_all(&store);
    server.restart();
    assert_eq!(exposed(server.home()), Vec::<String>::new());
}

fn open_to_all(path: &Path) {
    let mode = if path.is_dir() { 0o755 } else { 0o644 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("its mode");
}

/// What others than its owner have any right to, anywhere in the server's folder; the configuration and the log are the test's own.
fn exposed(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(exposed(&path));
        }
        // Tables and files of a moment come and go.
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let is_public = ["chat.toml", "stderr"].contains(&&*name) || name.ends_with(".crt") || name.ends_with(".crl");
        if !is_public && metadata.permissions().mode() & 0o077 != 0 {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn ping_answers_while_it_runs_and_stop_waits_for_the_end() {
    let mut server = Server::start();
    let pong = server.chat(&["ping"]);
    assert!(pong.status.success() && String::from_utf8_lossy(&pong.stdout).starts_with("pong"));

    let stopped = server.chat(&["stop"]);
    assert!(stopped.status.success(), "{}", stderr(&stopped));
    assert!(server.wait().success());
    for command in ["ping", "stop"] {
        let none = server.chat(&[command]);
        assert_eq!(none.status.code(), Some(1), "{command}");
        assert!(stderr(&none).contains("no server runs in"), "{}", stderr(&none));
    }
    assert!(!server.home().join("chat.pid").exists() && !server.home().join("run/addresses").exists());
}

#[test]
fn the_daemon_leaves_the_terminal_and_returns_when_it_serves() {
    let server = Server::prepare("");
    let started = server.chat(&["daemon"]);
    assert!(started.status.success(), "{}", stderr(&started));
    let said = String::from_utf8_lossy(&started.stdout).into_owned();
    assert!(said.contains("Listens: mqtt 127.0.0.1:") && said.contains("runs as process"), "{said}");
    // What it says to type next can be typed: the port is none that a client would find by itself.
    assert!(said.contains("Next: chat client --url mqtt://127.0.0.1:"), "{said}");
    assert!(said.contains("chat client --url mqtt://127.0.0.1:") && said.contains(" --fake registers"), "{said}");
    assert!(server.chat(&["ping"]).status.success());

    let second = server.chat(&["daemon"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(stderr(&second).contains("runs already: process"), "{}", stderr(&second));
    assert!(server.chat(&["stop"]).status.success());
}

#[test]
fn a_second_server_in_one_folder_is_refused_and_names_the_first() {
    let server = Server::start();
    let (code, log) = fails(&server);
    assert_eq!(code, Some(1));
    assert!(log.contains(&format!("runs already: process {}", server.pid())), "{log}");
    assert!(server.chat(&["ping"]).status.success());
}

#[test]
fn a_taken_port_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its address").port().to_string();
    for (at, ports) in [[&*port, "0", "0"], ["0", &port, "0"], ["0", "0", &port]].into_iter().enumerate() {
        let server = Server::prepare("");
        let [mqtt, mqtts, shell] = ports;
        server.configure(&format!("profile = \"dev\"\n{}", listen(mqtt, mqtts, shell)));
        let (code, log) = fails(&server);
        assert_eq!(code, Some(1), "listener {at}");
        assert!(log.contains(&format!("port {port} on 127.0.0.1")), "{log}");
    }
}

#[test]
fn a_bad_configuration_is_refused_with_its_line() {
    let server = Server::prepare("");
    server.configure("profile = \"dev\"\nlimit = true\n");
    let (code, log) = fails(&server);
    assert_eq!(code, Some(1));
    assert!(log.contains("chat.toml") && log.contains("line 2"), "{log}");
    assert!(!server.home().join("ca").exists(), "nothing was made");
}

#[test]
fn data_of_another_release_is_refused_and_left_alone() {
    let mut server = Server::start();
    server.terminate();
    fs::write(server.home().join("store.schema"), "8").expect("written");
    let (code, log) = fails(&server);
    assert_eq!(code, Some(1));
    assert!(log.contains("newer release (schema 8, this one knows 7)"), "{log}");

    fs::write(server.home().join("store.schema"), "6").expect("written");
    let (code, log) = fails(&server);
    assert_eq!(code, Some(1));
    assert!(log.contains("earlier version (schema 6, this one knows 7)"), "{log}");

    fs::write(server.home().join("store.schema"), "7").expect("written");
    server.restart();
}

#[test]
fn a_store_that_lost_its_files_is_damaged_not_new() {
    let mut server = Server::start();
    server.terminate();
    fs::remove_dir_all(server.home().join("store")).expect("removed");
    let (code, log) = fails(&server);
    assert_eq!(code, Some(1));
    assert!(log.contains("the data is damaged"), "{log}");

    let mut server = Server::start();
    server.terminate();
    fs::remove_dir_all(server.home().join("store/keyspaces")).expect("removed");
    let (code, log) = fails(&server);
    assert_eq!(code, Some(1));
    assert!(log.contains("damaged"), "{log}");
}

#[test]
fn sec_12_a_key_that_others_can_read_is_not_used() {
    let mut server = Server::start();
    server.terminate();
    let key = server.home().join("ca/root.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("its mode");
    let (code, log) = fails(&server);
    assert_eq!(code, Some(1));
    assert!(log.contains("chmod 600"), "{log}");
}

#[test]
fn after_sigkill_it_starts_again_with_what_it_had() {
    let mut server = Server::start();
    let root = fs::read(server.root_certificate()).expect("a root certificate");
    let port = server.mqtt();
    let code = server.remote("invite 380670000001");
    assert_eq!(code.trim().len(), 26, "{code}");
    let invite = server.remote("list invite");
    server.kill();
    server.restart();
    assert_eq!(server.remote("list invite"), invite);
    assert_eq!(fs::read(server.root_certificate()).expect("a root certificate"), root);
    assert_eq!(server.mqtt(), port);
}

#[test]
fn sec_1_the_server_s_certificate_stays_until_it_lacks_a_name() {
    let mut server = Server::start();
    let file = |server: &Server, name: &str| fs::read(server.home().join(name)).expect(name);
    let (root, first) = (file(&server, "ca/root.crt"), file(&server, "certs/server.crt"));
    server.terminate();
    server.restart();
    assert!(file(&server, "certs/server.crt") == first);

    server.terminate();
    let names = "server.names = [\"chat.example.org\", \"*.example.net\"]";
    server.configure(&format!("profile = \"dev\"\n{}{names}\n", listen("0", "0", "0")));
    server.restart();
    let second = file(&server, "certs/server.crt");
    assert!(second != first && file(&server, "ca/root.crt") == root);
    server.terminate();
    server.restart();
    assert!(file(&server, "certs/server.crt") == second);
}

#[test]
fn sigterm_ends_it_in_less_than_5_s() {
    let mut server = Server::start();
    let _idle = std::net::TcpStream::connect(server.mqtt()).expect("a connection");
    let since = Instant::now();
    assert!(server.terminate().success());
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
}

#[test]
fn the_remote_shell_looks_inside() {
    let server = Server::start();
    let tree = server.remote("tree");
    for part in ["listeners", "mqtts 127.0.0.1:", "ring 1", "/mqtt/chat/1", "store"] {
        assert!(tree.contains(part), "{part} in\n{tree}");
    }
    assert!(server.remote("sessions").starts_with("0 sessions"));
    assert!(server.remote("tables").contains("profile"));
    assert!(server.remote("help").contains("invite NUMBER"));
    assert!(server.remote("version").starts_with("chat "));

    for (command, why) in [
        ("fly", "no such command"),
        ("get nothing x", "no table"),
        ("kick nobody", "no such client"),
        ("queue nobody", "emqttd_"),
    ] {
        let refused = server.chat(&["remote", "-e", command]);
        assert_eq!(refused.status.code(), Some(1), "{command}");
        assert!(stderr(&refused).contains(why), "{}", stderr(&refused));
    }
}

#[test]
fn drain_ends_connections_and_stop_ends_the_server() {
    let mut server = Server::start();
    assert!(server.remote("drain").starts_with("drained, 0 connections"));
    assert!(server.chat(&["ping"]).status.success());
    assert_eq!(server.remote("stop").trim(), "stops");
    assert!(server.wait().success());
}

#[test]
fn sec_1_only_an_operator_s_certificate_opens_the_shell() {
    let server = Server::start();
    let certified = server.chat(&["certify", "380670000001"]);
    assert!(certified.status.success(), "{}", stderr(&certified));
    let certs = server.home().join("certs");
    for end in ["crt", "key"] {
        fs::copy(certs.join(format!("380670000001.{end}")), certs.join(format!("admin.{end}"))).expect("copied");
    }
    let refused = server.chat(&["remote", "-e", "tree"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("operator's certificate"), "{}", stderr(&refused));
}

#[test]
fn certify_refuses_names_that_are_paths_or_its_own() {
    let server = Server::start();
    for name in ["../evil", ".hidden", "admin", "server", "a b", ""] {
        assert_eq!(server.chat(&["certify", name]).status.code(), Some(1), "{name}");
    }
    let elsewhere = tempfile::tempdir().expect("a folder");
    let folder = elsewhere.path().to_str().expect("text");
    assert!(server.chat(&["certify", "bot", "--service", "--dir", folder]).status.success());
    assert!(elsewhere.path().join("bot.crt").exists() && elsewhere.path().join("bot.key").exists());
}

#[test]
fn id_15_fake_numbers_beyond_loopback_do_not_start() {
    let server = Server::prepare("");
    server.configure("profile = \"dev\"\nlisten.mqtt = [\"0.0.0.0:0\"]\n");
    let (code, log) = fails(&server);
    assert_eq!(code, Some(1));
    assert!(log.contains("loopback"), "{log}");
}

#[test]
fn too_little_address_space_is_told_with_what_gives_more() {
    let server = Server::prepare("");
    let (chat, home) = (CHAT, server.home().display());
    let output =
        Command::new("sh").args(["-c", &format!("ulimit -v 1400000; {chat} foreground --home {home}")]).output();
    let output = output.expect("a shell");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(71), "{said}");
    assert!(said.contains("limited to 1367 MiB") && said.contains("ulimit -v unlimited"), "{said}");
    assert!(!server.home().join("store").exists(), "nothing was made");
}

#[test]
fn a_daemon_that_cannot_start_says_why_and_exits_non_zero() {
    let server = Server::prepare("");
    server.configure("nonsense = 1\n");
    let failed = server.chat(&["daemon"]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(stderr(&failed).contains("nonsense"), "{}", stderr(&failed));
}

#[test]
fn a_daemon_without_the_configuration_that_it_was_given_makes_nothing() {
    let place = tempfile::tempdir().expect("a folder");
    let home = place.path().join("home");
    let mut daemon = Command::new(CHAT);
    daemon.args(["daemon", "--config"]).arg(place.path().join("none.toml")).arg("--home").arg(&home);
    let failed = daemon.output().expect("it runs");
    assert_eq!(failed.status.code(), Some(1));
    assert!(stderr(&failed).contains("none.toml"), "{}", stderr(&failed));
    assert!(!home.exists());
}

#[test]
fn sec_12_a_lost_storage_key_is_refused_and_no_other_takes_its_place() {
    let mut server = Server::start();
    server.terminate();
    let path = server.home().join("store.key");
    let key = fs::read(&path).expect("the storage key");
    fs::remove_file(&path).expect("removed");
    let failed = server.chat(&["daemon"]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(stderr(&failed).contains("store.key: it is gone"), "{}", stderr(&failed));
    assert!(!path.exists());

    fs::write(&path, key).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its mode");
    server.restart();
}

#[test]
fn what_cannot_be_read_is_not_taken_for_a_server_that_does_not_run() {
    let server = Server::prepare("");
    // Even who may read everything cannot read this.
    std::os::unix::fs::symlink("chat.pid", server.home().join("chat.pid")).expect("a link to itself");
    for command in ["stop", "ping"] {
        let failed = server.chat(&[command]);
        assert_eq!(failed.status.code(), Some(1), "{command}");
        let said = stderr(&failed);
        assert!(said.contains("chat.pid") && !said.contains("no server runs"), "{said}");
    }
}

#[test]
fn version_and_help_need_no_server() {
    let run = |arguments: &[&str]| Command::new(CHAT).args(arguments).output().expect("it runs");
    assert!(String::from_utf8_lossy(&run(&["version"]).stdout).starts_with("chat 0."));
    assert!(String::from_utf8_lossy(&run(&["--help"]).stdout).contains("daemon"));
    assert!(!run(&["ping", "--home", "/nonexistent/chat"]).status.success());
    assert!(!Path::new("/nonexistent").exists());
}
