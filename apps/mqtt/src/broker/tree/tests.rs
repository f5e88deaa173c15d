//! The tree against the standard's rules, filter by filter.

use proptest::prelude::*;

use super::*;

fn subscriber() -> Subscriber {
    let options = Options { qos: Qos::Zero, no_local: false, as_published: false, id: None };
    Subscriber { mailbox: Arc::new(Mailbox::new(Arc::default(), None)), options }
}

/// Numbers of those who are met, sorted.
fn met(tree: &Tree, topic: &str) -> Vec<u64> {
    let mut met = Vec::new();
    tree.matching(topic, &mut |subscribers| met.extend(subscribers.each.keys()));
    met.sort_unstable();
    met
}

fn level() -> impl Strategy<Value = &'static str> {
    prop_oneof![4 => prop::sample::select(vec!["a", "b", "", "$x"]), 2 => Just("+")]
}

fn a_filter() -> impl Strategy<Value = String> {
    (prop::collection::vec(level(), 1..5), any::<bool>()).prop_map(|(mut levels, all)| {
        levels.extend(all.then_some("#"));
        levels.join("/")
    })
}

fn a_topic() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "", "$x"]), 1..6).prop_map(|levels| levels.join("/"))
}

proptest! {
    /// TOPIC-13: a topic meets exactly the filters that match it, and of those who have gone nothing is left.
    #[test]
    fn topic_13_a_topic_meets_the_filters_that_match_it(filters in prop::collection::vec(a_filter(), 1..20), topic in a_topic()) {
        let mut tree = Tree::default();
        for (number, filter) in (0..).zip(&filters) {
            tree.insert(&filter.as_str().into(), number, subscriber());
        }
        let expected: Vec<u64> =
            (0..).zip(&filters).filter(|(_, filter)| filter::matches(filter, &topic)).map(|(number, _)| number).collect();
        prop_assert_eq!(met(&tree, &topic), expected);
        for (number, filter) in (0..).zip(&filters) {
            tree.remove(filter, number);
        }
        prop_assert!(tree.is_empty());
    }
}

#[test]
fn leaving_one_of_several_filters_leaves_the_others() {
    let mut tree = Tree::default();
    for filter in ["a/b", "a/+", "a/#", "$share/g/a/b", "$share/g/a/+"] {
        tree.insert(&filter.into(), 1, subscriber());
    }
    tree.insert(&"a/b".into(), 2, subscriber());
    tree.remove("a/b", 1);
    tree.remove("$share/g/a/b", 1);
    tree.remove("nothing/like/it", 1);
    assert_eq!(met(&tree, "a/b"), [1, 1, 2]);
    assert!(tree.group("$share/g/a/b").is_none() && tree.group("$share/g/a/+").is_some());
}

#[test]
fn a_topic_of_many_levels_is_looked_up_no_deeper_than_there_are_filters() {
    let mut tree = Tree::default();
    tree.insert(&"#".into(), 1, subscriber());
    assert_eq!(met(&tree, &"/".repeat(65_535)), [1]);
    let deep = vec!["+"; LEVELS_MAX].join("/");
    tree.insert(&deep.as_str().into(), 2, subscriber());
    assert_eq!(met(&tree, &vec!["x"; LEVELS_MAX].join("/")), [1, 2]);
}
