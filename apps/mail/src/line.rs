//! What the mailboxes say to a terminal (MAIL-1 to MAIL-7).

use bytes::Bytes;

use crate::command::clean;

pub const HELP: &str = "AUTH <user>\n| SEND <user> <msg>\n| BOX\n| CUT <id>.";
pub const TRY_HELP: &str = "Try HELP";
pub const PLEASE: &str = "Please login with AUTH. Try HELP.";
pub const WRONG: &str = "ERROR in request.";
pub const UNAUTHORIZED: &str = "ERROR not authorized.";
pub const NOBODY: &str = "ERROR user doesn't exist.";
pub const FULL: &str = "ERROR mailbox full.";
/// Our own fault; nothing has changed (G-2).
pub const FAULT: &str = "ERROR internal.";
pub const NOT_FOUND: &str = "NOT FOUND ";
/// What a list begins with (MAIL-6).
pub const LIST: &str = "LIST\n";

/// One letter on one line. Content that is no text is shown as far as it is, and never as two lines.
pub fn letter(from: &str, to: &str, id: u64, content: &[u8]) -> String {
    format!("{from}:{to}:{id}:{}", clean(&String::from_utf8_lossy(content)))
}

/// MAIL-4.
pub fn notify(letter: &str) -> Bytes {
    format!("NOTIFY {letter}").into()
}

/// MAIL-2.
pub fn user(name: &str) -> Bytes {
    format!("USER {name}").into()
}

/// MAIL-5.
pub fn ack(id: u64) -> Bytes {
    format!("ACK \"{id}\"").into()
}

/// MAIL-7.
pub fn erased(count: u64) -> Bytes {
    format!("ERASED {count}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_1_help_has_four_lines() {
        assert_eq!(HELP.lines().collect::<Vec<_>>(), ["AUTH <user>", "| SEND <user> <msg>", "| BOX", "| CUT <id>."]);
    }

    #[test]
    fn mail_4_mail_6_nobody_writes_a_line_of_anothers() {
        assert_eq!(letter("a", "b", 7, b"hi\nc:b:8:forged\xff"), "a:b:7:hi c:b:8:forged\u{fffd}");
    }
}
