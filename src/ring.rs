//! The ring of the server's own processes: each thread has its share, as one thread that has more than the others holds up all.

use n2o::Ring;

/// Points of each node: so many that no thread has much more than its share.
const POINTS: usize = 1024;
const NAME: &str = "/mqtt/chat/";

/// At least `nodes`, as many for each thread. Clients are told `nodes` all the same: to them it is a hint (INIT-1, TOPIC-3).
pub(crate) fn of(nodes: u64, threads: usize) -> Ring {
    let names = (1..=nodes.next_multiple_of(threads as u64)).map(|node| format!("{NAME}{node}")).collect();
    Ring::with_points(names, POINTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thread_has_its_share() {
        const KEYS: usize = 20_000;
        for threads in 1..=8 {
            let ring = of(4, threads);
            let mut shares = vec![0; threads];
            (0..KEYS).for_each(|key| shares[ring.node(format!("emqttd_{key}").as_bytes()) % threads] += 1);
            assert!(shares.iter().all(|share| share * threads * 10 < KEYS * 11), "{threads} threads: {shares:?}");
        }
    }
}
