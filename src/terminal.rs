//! Writing to the terminal.

use std::io::Write;

/// Prints a line. That nobody reads it, a closed pipe or terminal, is no failure.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
