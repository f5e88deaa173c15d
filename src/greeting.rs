//! What a server says on the terminal when it serves.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::home::Home;
use crate::settings::Settings;
use crate::terminal::say;

/// Where a client looks for a server by itself.
const MQTT: u16 = 1883;
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
    let _ = writeln!(out, "{}", next(home, settings, addresses));
    out.push_str(READY);
    out
}

/// What to type next.
fn next(home: &Home, settings: &Settings, addresses: &[(&str, SocketAddr)]) -> String {
    let default = Home::find(None).is_ok_and(|default| default.path() == home.path());
    let place = if default { String::new() } else { format!(" --home {}", home.path().display()) };
    let url = url(addresses);
    let code = match settings.auth.fake_numbers {
        true => format!("chat client{url} --fake registers any number"),
        false => format!("chat remote{place} -e 'invite NUMBER' gives the code to register with"),
    };
    format!(
        "Next: chat client{url}, to register and write; {code}; chat remote{place} looks inside; chat stop{place} ends it"
    )
}

/// How a client on this machine is told where to connect to, if it would not find it by itself.
fn url(addresses: &[(&str, SocketAddr)]) -> String {
    let mut plain = addresses.iter().filter(|(name, _)| *name == "mqtt").map(|(_, address)| *address);
    match plain.next() {
        Some(address) if address.port() != MQTT => {
            let host = if address.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { address.ip() };
            format!(" --url mqtt://{}", SocketAddr::new(host, address.port()))
        }
        Some(_) | None => String::new(),
    }
}
