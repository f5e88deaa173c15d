//! The real program as a benchmark's child: a server of the `dev` profile on free ports of loopback.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A server in this folder, with these lines of configuration; it serves when this returns.
pub(crate) fn start(home: &Path, lines: &str) -> Child {
    let ports: String = ["mqtt", "mqtts", "quic", "http", "https", "ldap", "shell"]
        .map(|name| format!("listen.{name} = [\"127.0.0.1:0\"]\n"))
        .concat();
    fs::write(home.join("chat.toml"), format!("profile = \"dev\"\n{lines}{ports}")).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat"));
    command.args(["foreground", "--home"]).arg(home).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the server starts");
    wait_for(&mut child, "ready");
    child
}

/// Where one of its listeners is.
pub(crate) fn address(home: &Path, name: &str) -> String {
    let text = fs::read_to_string(home.join("run/addresses")).expect("addresses");
    text.lines().find_map(|line| line.strip_prefix(&format!("{name} "))).expect("a listener").to_owned()
}

/// The line of its words that begins so.
pub(crate) fn wait_for(child: &mut Child, word: &str) -> String {
    let said = BufReader::new(child.stdout.take().expect("its words"));
    said.lines().map_while(Result::ok).find(|line| line.starts_with(word)).expect("it serves")
}

pub(crate) fn kill(child: &mut Child) {
    child.kill().expect("it is ours");
    child.wait().expect("it ends");
}
