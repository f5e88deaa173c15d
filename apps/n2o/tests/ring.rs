//! PM-2: which node of the ring a key belongs to.
//!
//! The pinned values come from Python: with `h = lambda b: hashlib.sha1(b).digest()`, the name of node n
//! `s = b'\x83k' + len(name).to_bytes(2,'big') + name`, its points `h(s)` and `h(s + b'\x83a' + bytes([k]))`, and a key
//! at `h(b'\x83m' + len(key).to_bytes(4,'big') + key)`, e.g. `h` of key `emqttd_a` is 23b38acf…, and the first point
//! after it is 322179c6…, node 4, while `emqttd_c` at c3e40e77… finds e2ee2814…, node 2.

use n2o::Ring;

const PREFIX: &str = "/mqtt/chat/";

fn names(nodes: usize) -> Vec<String> {
    (1..=nodes).map(|n| format!("{PREFIX}{n}")).collect()
}

#[test]
fn pm_2_a_key_belongs_to_the_first_point_at_or_after_its_hash() {
    let ring = Ring::new(4, PREFIX);
    let node = |key: &str| ring.names()[ring.node(key.as_bytes())].clone();
    let found = ["emqttd_a", "emqttd_b", "emqttd_c", "lobby", "", "anna", "ben", "dora"].map(node);
    assert_eq!(found, [4, 4, 2, 2, 4, 4, 4, 3].map(|n| format!("{PREFIX}{n}")));
}

#[test]
fn pm_2_shares_are_what_the_points_give() {
    // As counted in Python over the same keys.
    let ring = Ring::new(4, PREFIX);
    let mut shares = [0; 4];
    (0..20_000).for_each(|n| shares[ring.node(format!("key{n}").as_bytes())] += 1);
    assert_eq!(shares, [1937, 6241, 5861, 5961]);
}

#[test]
fn pm_2_a_new_node_takes_its_share_and_moves_nothing_else() {
    let before = Ring::with_points(names(4), 16);
    let after = Ring::with_points(names(5), 16);
    let keys: Vec<_> = (0..10_000).map(|n| format!("key{n}").into_bytes()).collect();
    let moved: Vec<_> = keys.iter().filter(|key| before.node(key) != after.node(key)).collect();
    assert!(moved.iter().all(|key| after.node(key) == 4), "a key moved between old nodes");
    assert!((500..4000).contains(&moved.len()), "{} of 10000 moved", moved.len());
}

#[test]
fn a_ring_of_nothing_is_a_ring_of_one() {
    assert_eq!(Ring::new(0, PREFIX).node(b"anna"), 0);
}
