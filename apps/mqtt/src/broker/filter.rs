//! Section 4.7 of the standard: which topics a filter names. No shared filters here: what they share is a filter.

/// The first level of what servers say of themselves.
pub(crate) const SERVERS: &str = "$SYS";

/// Does `filter` name `topic`?
pub(crate) fn matches(filter: &str, topic: &str) -> bool {
    covers(filter, topic)
}

/// Does `wide` name every topic that `narrow` names? A topic is a filter of itself.
pub(crate) fn covers(wide: &str, narrow: &str) -> bool {
    if hides(wide, narrow) {
        return false;
    }
    let mut levels = narrow.split('/');
    for wanted in wide.split('/') {
        if wanted == "#" {
            return true;
        }
        match levels.next() {
            Some("#") | None => return false,
            Some(level) if wanted == "+" || wanted == level => (),
            Some(_) => return false,
        }
    }
    levels.next().is_none()
}

/// Is there a topic that both name?
pub(crate) fn overlap(one: &str, other: &str) -> bool {
    if hides(one, other) || hides(other, one) {
        return false;
    }
    let (mut ones, mut others) = (one.split('/'), other.split('/'));
    loop {
        match (ones.next(), others.next()) {
            (Some("#"), _) | (_, Some("#")) | (None, None) => return true,
            (Some(one), Some(other)) if one == other || one == "+" || other == "+" => (),
            _ => return false,
        }
    }
}

/// A wildcard in the first level names nothing that begins with `$` ([MQTT-4.7.2-1]).
fn hides(filter: &str, topic: &str) -> bool {
    topic.starts_with('$') && filter.starts_with(['+', '#'])
}

/// Whether it is about what servers say of themselves: its first level is `$SYS`, which no wildcard stands for.
pub(crate) fn is_servers(filter: &str) -> bool {
    filter.split('/').next() == Some(SERVERS)
}

/// `$share/group/filter` apart: group and filter ([MQTT-4.8.2-1]).
pub(crate) fn shared(filter: &str) -> Option<(&str, &str)> {
    filter.strip_prefix("$share/")?.split_once('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Section 4.7.1: the standard's own examples.
    #[test]
    fn topic_13_filters_match_as_the_standard_says() {
        for (filter, topic) in YES {
            assert!(matches(filter, topic) && overlap(filter, topic) && overlap(topic, filter), "{filter} {topic}");
        }
        for (filter, topic) in NO {
            assert!(!matches(filter, topic) && !overlap(filter, topic), "{filter} {topic}");
        }
    }

    #[test]
    fn topic_13_filters_cover_and_overlap_each_other() {
        for (wide, narrow) in [("#", "a/#"), ("a/#", "a/+/c"), ("+/b", "a/b"), ("a/+", "a/+"), ("a/#", "a")] {
            assert!(covers(wide, narrow) && overlap(wide, narrow), "{wide} {narrow}");
        }
        for (one, other) in [("a/+", "+/b"), ("a/#", "+/b/c"), ("+/+", "a/#"), ("a", "a/#")] {
            assert!(overlap(one, other) && overlap(other, one) && !covers(one, other), "{one} {other}");
        }
        assert!(!overlap("a/+", "a/b/c") && !overlap("a/#", "b/#") && !overlap("#", "$x/#"));
    }

    pub(crate) const YES: &[(&str, &str)] = &[
        ("sport/tennis/player1/#", "sport/tennis/player1"),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon"),
        ("sport/#", "sport"),
        ("#", "a/b"),
        ("#", "/"),
        ("sport/tennis/+", "sport/tennis/player1"),
        ("sport/+", "sport/"),
        ("+/+", "/finance"),
        ("/+", "/finance"),
        ("+/", "/"),
        ("$SYS/#", "$SYS/monitor"),
        ("$SYS/monitor/+", "$SYS/monitor/x"),
    ];

    pub(crate) const NO: &[(&str, &str)] = &[
        ("sport/tennis/+", "sport/tennis/player1/ranking"),
        ("sport/+", "sport"),
        ("+", "/finance"),
        ("a", "a/"),
        ("A", "a"),
        ("#", "$SYS/x"),
        ("+/x", "$SYS/x"),
    ];
}
