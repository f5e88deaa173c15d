//! What a terminal says to the mailboxes, one text frame each (MAIL-1 to MAIL-8).

use proto::limits::LETTER_BYTES;

/// A frame, understood. Arguments are as they came, cut of white space; whether they are good is for whoever executes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Help,
    /// MAIL-2; empty where the user is missing, or something follows the token.
    Auth {
        user: String,
        token: Option<String>,
    },
    /// MAIL-3; the text is cleaned ([`clean`]), and empty where it is missing or too long.
    Send {
        to: String,
        text: String,
    },
    Box,
    /// MAIL-7; absent where it is not one argument.
    Cut(Option<String>),
    /// MAIL-8.
    Other,
}

impl Command {
    pub fn parse(frame: &str) -> Command {
        let (word, rest) = first(frame);
        match (word, rest) {
            ("HELP", "") => Command::Help,
            ("BOX", "") => Command::Box,
            ("AUTH", rest) => auth(rest),
            ("SEND", rest) => {
                let (to, text) = first(rest);
                let text = clean(text);
                let text = if text.len() <= LETTER_BYTES { text } else { String::new() };
                Command::Send { to: to.to_owned(), text }
            }
            ("CUT", rest) => {
                let (id, more) = first(rest);
                Command::Cut((!id.is_empty() && more.is_empty()).then(|| id.to_owned()))
            }
            _ => Command::Other,
        }
    }
}

fn auth(rest: &str) -> Command {
    let (user, rest) = first(rest);
    let (token, more) = first(rest);
    let user = if more.is_empty() { user.to_owned() } else { String::new() };
    Command::Auth { user, token: (!token.is_empty()).then(|| token.to_owned()) }
}

/// The first word and what follows it, both cut of white space.
fn first(text: &str) -> (&str, &str) {
    let text = text.trim();
    match text.split_once(char::is_whitespace) {
        Some((word, rest)) => (word, rest.trim_start()),
        None => (text, ""),
    }
}

/// One line: each run of white space and control characters is one blank, and there is none at the ends.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split(|letter: char| letter.is_whitespace() || letter.is_control()).filter(|word| !word.is_empty())
    {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(frame: &str) -> (String, String) {
        match Command::parse(frame) {
            Command::Send { to, text } => (to, text),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn mail_1_mail_8_words_are_upper_case_and_whole() {
        assert_eq!(Command::parse("HELP\n"), Command::Help);
        assert_eq!(Command::parse(" BOX "), Command::Box);
        for other in
            ["help", "HELP me", "BOXES", "BOX all", "auth b", "AUTHb", "SENDb hi", "\u{0}", "what", "ACK \"1\""]
        {
            assert_eq!(Command::parse(other), Command::Other, "{other}");
        }
    }

    #[test]
    fn mail_2_a_name_and_a_token() {
        let auth =
            |user: &str, token: Option<&str>| Command::Auth { user: user.into(), token: token.map(str::to_owned) };
        assert_eq!(Command::parse("AUTH  b \r\n"), auth("b", None));
        assert_eq!(Command::parse("AUTH b 00ff"), auth("b", Some("00ff")));
        assert_eq!(Command::parse("AUTH"), auth("", None));
        assert_eq!(Command::parse("AUTH b 00ff more").clone(), auth("", Some("00ff")));
    }

    #[test]
    fn mail_3_a_text_is_one_line() {
        assert_eq!(send("SEND b  two\t\u{1}\r\nwords \u{2003} "), ("b".into(), "two words".into()));
        assert_eq!(send("SEND b"), ("b".into(), String::new()));
        assert_eq!(send("SEND b \u{7}\u{85}"), ("b".into(), String::new()));
        assert_eq!(send("SEND"), (String::new(), String::new()));
        let most = "x".repeat(LETTER_BYTES);
        assert_eq!(send(&format!("SEND b {most}  ")).1, most);
        assert_eq!(send(&format!("SEND b {most}x")).1, "");
    }

    #[test]
    fn mail_7_one_argument() {
        assert_eq!(Command::parse("CUT 12 "), Command::Cut(Some("12".into())));
        assert_eq!(Command::parse("CUT"), Command::Cut(None));
        assert_eq!(Command::parse("CUT 1 2"), Command::Cut(None));
    }
}
