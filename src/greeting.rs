//! What a server says on the terminal when it serves.

use std::fmt::Write;
use std::net::SocketAddr;

use crate::home::Home;
use crate::settings::Settings;
use crate::terminal::say;

/// The last line begins so: whoever started the server as a child waits for it.
pub(crate) const READY: &str = "ready";
/// Before the reason why it does not serve.
pub(crate) const FAILED: &str = "chat: ";

pub(crate) fn print(home: &Home, settings: &Settings, addresses: &[(&str, SocketAddr)], first: bool) {
    say(&text(home, settings, addresses, first));
}

fn text(home: &Home, settings: &Settings, addresses: &[(&str, SocketAddr)], first: bool) -> String {
    let mut out = String::new();
    let folder = home.path().display();
    if first {
        let _ = writeln!(out, "A new CHAT server, made in {folder}:");
        let _ = writeln!(out, "  ca/root.crt      by this certificate clients know the server; give it to them");
        let root = match settings.x509.intermediate {
            true => "is needed no more: lock it away; ca/issuing.key signs, keep a copy of it",
            false => "signs everything: keep a copy in a safe place",
        };
        let _ = writeln!(out, "  ca/root.key      {root}");
        let _ = writeln!(out, "  certs/admin.*    yours, for chat remote");
        let _ = writeln!(out, "  outbox/codes     codes of people who register; hand them on");
    } else {
        let _ = writeln!(out, "CHAT {} in {folder}", env!("CARGO_PKG_VERSION"));
    }
    let listeners: Vec<String> = addresses.iter().map(|(name, address)| format!("{name} {address}")).collect();
    let _ = writeln!(out, "Listens: {}", listeners.join(", "));
    let _ = writeln!(out, "{}", next(home, settings));
    out.push_str(READY);
    out
}

/// What to type next.
fn next(home: &Home, settings: &Settings) -> String {
    let default = Home::find(None).is_ok_and(|default| default.path() == home.path());
    let place = if default { String::new() } else { format!(" --home {}", home.path().display()) };
    let code = match settings.auth.fake_numbers {
        true => "chat client --fake registers any number".to_owned(),
        false => format!("chat remote{place} -e 'invite NUMBER' gives the code to register with"),
    };
    format!(
        "Next: chat client, to register and write; {code}; chat remote{place} looks inside; chat stop{place} ends it"
    )
}
