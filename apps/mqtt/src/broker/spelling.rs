//! How free topics and filters are spelled inside the router, which mishandles some spellings.
//!
//! Its matching panics on a topic whose first character is not ASCII and knows no `$` rule, and its shared groups are told
//! apart by their name alone. So ordinary topics live under `t/`, those that begin with `$` under `d/` (which no leading
//! wildcard reaches, [MQTT-4.7.2-1]), and a group's name there contains its filter.

pub(super) fn topic(name: &str) -> String {
    let root = if name.starts_with('$') { "d/" } else { "t/" };
    [root, name].concat()
}

/// The client's name of a topic.
pub(super) fn read(spelled: &str) -> Option<&str> {
    spelled.strip_prefix("t/").or_else(|| spelled.strip_prefix("d/"))
}

pub(super) fn filter(filter: &str) -> String {
    match filter.strip_prefix("$share/").and_then(|shared| shared.split_once('/')) {
        None => topic(filter),
        Some((group, rest)) => format!("$share/{group}\u{1}{}/{}", rest.replace('/', "\u{1}"), topic(rest)),
    }
}

/// Section 4.7: does `filter` (not shared) name `topic`?
pub(super) fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = topic.split('/');
    for wanted in filter.split('/') {
        if wanted == "#" {
            return true;
        }
        match levels.next() {
            Some(level) if wanted == "+" || wanted == level => (),
            _ => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Section 4.7.1: the standard's own examples.
    #[test]
    fn topic_13_filters_match_as_the_standard_says() {
        let yes = [
            ("sport/tennis/player1/#", "sport/tennis/player1"),
            ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon"),
            ("sport/#", "sport"),
            ("#", "a/b"),
            ("sport/tennis/+", "sport/tennis/player1"),
            ("+/+", "/finance"),
            ("/+", "/finance"),
            ("$SYS/#", "$SYS/monitor"),
            ("$SYS/monitor/+", "$SYS/monitor/x"),
        ];
        let no = [
            ("sport/tennis/+", "sport/tennis/player1/ranking"),
            ("sport/+", "sport"),
            ("+", "/finance"),
            ("#", "$SYS/x"),
            ("+/x", "$SYS/x"),
        ];
        assert!(yes.iter().all(|(filter, topic)| matches(filter, topic)));
        assert!(no.iter().all(|(filter, topic)| !matches(filter, topic)));
    }

    #[test]
    fn what_the_router_reads_is_read_back() {
        for name in ["a/b", "é/x", "$SYS/x", "/", "日本"] {
            assert_eq!(read(&topic(name)), Some(name));
        }
        assert_eq!(filter("$share/g/a/+"), "$share/g\u{1}a\u{1}+/t/a/+");
    }
}
