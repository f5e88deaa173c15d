//! The directory as a file, part by part: no answer and no command of this shell has all of it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::server::Shell;

/// Instead of a place: there it begins, or there is no more.
pub(super) const END: &str = "-";

/// The place of the next part, a line, then entries.
pub(super) fn part(shell: &Shell, from: &str) -> Result<String, String> {
    let from = if from == END { Vec::new() } else { decoded(from)? };
    let part = shell.directory.part(&from)?;
    let next = part.next.map_or(END.to_owned(), |next| URL_SAFE_NO_PAD.encode(next));
    Ok(format!("{next}\n{}", part.text))
}

/// How many records were added, changed, removed, the same and left out; then a line for each that was refused.
pub(super) async fn take(shell: &Shell, before: &str, records: &str) -> Result<String, String> {
    let before = before.parse().map_err(|_| format!("not a number: {before}"))?;
    let text = String::from_utf8(decoded(records)?).map_err(|_| "no text")?;
    let done = shell.directory.import(before, &text).await;
    let counts = [done.added, done.changed, done.removed, done.same, done.left].map(|count| count.to_string());
    Ok([vec![counts.join(" ")], done.refused].concat().join("\n"))
}

fn decoded(text: &str) -> Result<Vec<u8>, String> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| "no base64".to_owned())
}
