//! The operator's commands about certificates.

use std::fmt::Write;

use ca::Reason;
use kvs::{Span, Store};

use super::server::Shell;
use crate::clock;
use crate::keys;
use crate::registrar::{ISSUED, Issuance, Kind, REVOKED, Revocation};

/// Lines of the log that are shown, and rows that are looked at for them.
const SHOWN: usize = 50;
const LOOKED_AT: usize = 100_000;

pub(super) fn certify(shell: &Shell, name: &str, kind: Kind) -> Result<String, String> {
    keys::issue(&shell.registrar, &shell.home.certificates(), name, kind).map_err(|failure| failure.to_string())
}

/// For `chat certify` beside a running server: a request in hexadecimal.
pub(super) fn sign(shell: &Shell, name: &str, kind: Kind, request: &str) -> Result<String, String> {
    keys::check_name(name).map_err(|failure| failure.to_string())?;
    let request = bytes(request).ok_or("not a request")?;
    let issued = shell.registrar.signed_for(&request, name, kind).map_err(|failure| failure.to_string())?;
    Ok(ca::pem(&issued.der))
}

/// The log, the latest last: serial number, what, when, until when, whether revoked.
pub(super) fn issued(shell: &Shell, name: &str) -> Result<String, String> {
    let failed = |failure: kvs::Error| failure.to_string();
    let span = Span::prefix("").backward().limit(LOOKED_AT);
    let mut lines = Vec::new();
    for (key, row) in shell.store.scan(ISSUED, &span).map_err(failed)? {
        let row: Issuance = etf::decode(&row).map_err(|_| "a row of the log does not decode")?;
        if !name.is_empty() && row.name != name.as_bytes() {
            continue;
        }
        let serial = key.get(8..).unwrap_or_default();
        let revoked = shell.store.get(REVOKED, serial).map_err(failed)?;
        let revoked: Option<Revocation> = revoked.and_then(|row| etf::decode(&row).ok());
        lines.push(line(serial, &row, revoked));
        if lines.len() >= SHOWN {
            break;
        }
    }
    lines.reverse();
    Ok(lines.join("\n"))
}

fn line(serial: &[u8], row: &Issuance, revoked: Option<Revocation>) -> String {
    let kind = format!("{:?}", row.kind).to_lowercase();
    let (at, until) = (clock::utc_ms(row.at), clock::utc_ms(row.until));
    let mut out = format!("{} {kind} {} {at} to {until}", hex(serial), String::from_utf8_lossy(&row.name));
    if let Some(revoked) = revoked {
        // A String takes everything.
        let _ = write!(out, ", revoked {} {}", clock::utc_ms(revoked.at), revoked.reason().name());
    }
    out
}

/// ID-10.
pub(super) fn revoke(shell: &Shell, serial: &str, reason: &str) -> Result<String, String> {
    let reason = Reason::of_name(reason).ok_or_else(|| format!("no such reason: {reason}"))?;
    let serial = bytes(serial).filter(|serial| !serial.is_empty()).ok_or("not a serial number; see `issued`")?;
    let issued = shell
        .registrar
        .take_back(&serial, reason, &shell.handle)
        .map_err(|failure| failure.to_string())?
        .ok_or("no certificate was issued under this serial number")?;
    tracing::info!(serial = hex(&serial), reason = reason.name(), "revoked a certificate");
    Ok(format!("revoked {}", String::from_utf8_lossy(&issued.name)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let (pairs, []) = hex.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
