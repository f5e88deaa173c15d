//! What the operator sees of pushes.

use std::fmt::Write;

use chat::Gateway;
use proto::ids::{ClientId, ClientKind};
use push::Verdict;

use super::server::Shell;
use crate::clock;
use crate::courier::{COUNTED_MAX, Entry, Stranger, Wait};

/// Entries that are shown when no number is given, and at most.
const SHOWN: usize = 20;
const SHOWN_MAX: usize = 10_000;

/// Each gateway, who takes its pushes, and how many wait.
pub(super) fn gateways(shell: &Shell) -> Result<String, String> {
    let mut lines = Vec::new();
    for gateway in Gateway::ALL {
        let (count, sender) = shell.courier.waiting(gateway).map_err(|failure| failure.to_string())?;
        let more = if count >= COUNTED_MAX { " or more" } else { "" };
        let stranger = shell
            .courier
            .stranger(gateway)
            .map(|Stranger { why, since }| format!("; it has not known us since {}: {why}", clock::utc_ms(since)));
        lines.push(format!("{}: {sender}, {count}{more} queued{}", gateway.text(), stranger.unwrap_or_default()));
    }
    Ok(lines.join("\n"))
}

/// The latest that have ended, and the oldest that wait for another try.
pub(super) fn ledger(shell: &Shell, count: &str) -> Result<String, String> {
    let count = match count {
        "" => SHOWN,
        text => text.parse::<usize>().map_err(|_| format!("not a number: {text}"))?.min(SHOWN_MAX),
    };
    let entries = shell.courier.ledger(count).map_err(|failure| failure.to_string())?;
    let mut out = gateways(shell)?;
    for entry in &entries {
        // A String takes everything.
        let _ = write!(out, "\n{}", line(entry));
    }
    for gateway in Gateway::ALL {
        for wait in shell.courier.queued(gateway, count) {
            let _ = write!(out, "\n{}", queued(gateway, &wait));
        }
    }
    Ok(out)
}

fn line(entry: &Entry) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let (when, outcome) = (clock::utc_ms(entry.ended), entry.outcome.text());
    let mut out = format!("{when} {} {} {outcome}", text(&entry.gateway), text(&entry.client_id));
    if entry.tries > 1 {
        let _ = write!(out, " after {} tries", entry.tries);
    }
    if let Some(why) = &entry.why {
        let _ = write!(out, ": {}", text(why));
    }
    out
}

fn queued(gateway: Gateway, wait: &Wait) -> String {
    let Wait { client_id, tries, why, since, again } = wait;
    let (since, again) = (clock::utc_ms(*since), clock::utc_ms(*again));
    let client_id = String::from_utf8_lossy(client_id);
    let tried = match tries {
        0 => String::new(),
        1 => " after 1 try".into(),
        _ => format!(" after {tries} tries"),
    };
    format!("{since} {} {client_id} queued{tried}, again at {again}: {why}", gateway.text())
}

/// One try, now.
pub(super) async fn test(shell: &Shell, client: &str) -> Result<String, String> {
    let ClientKind::Device(phone, device) = ClientId::parse(client.as_bytes()).map_err(|why| why.to_string())?.kind()
    else {
        return Err("a device's client id is emqttd_<phone>_<dev_key>".into());
    };
    let tried = shell.courier.test(&phone, &device).await.map_err(|failure| failure.to_string())?;
    let (gateway, verdict) = tried.ok_or("no such device, or it has no push token")?;
    let gateway = gateway.text();
    match verdict {
        Verdict::Accepted => Ok(format!("{gateway} has accepted it")),
        Verdict::Dead(why) => Err(format!("{gateway} says that the token is dead: {why}")),
        Verdict::Refused(why) => Err(format!("{gateway} refuses it: {why}")),
        Verdict::Busy => Err(format!("{gateway} has too many others under way to the same place")),
        Verdict::Stranger(why) => Err(format!("{gateway} does not know us: {why}")),
        Verdict::Later { why, after: _ } => Err(format!("{gateway} does not take it now: {why}")),
    }
}
