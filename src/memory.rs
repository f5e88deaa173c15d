//! Memory of the process: how large its pages are, and when what is free goes back to the system.

use std::time::Duration;

/// How often the allocator looks at what is free.
const LOOK: Duration = Duration::from_secs(3);

/// The allocator asks for large pages, of which it needs a part.
pub(crate) fn small_pages() {
    if let Err(failure) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::warn!(%failure, "memory stays in large pages");
    }
}

/// Sees to it, as long as it is polled, that what has been free for a second is given back.
///
/// The allocator does that by the way, when more is asked for or freed: a server at which nothing happens any more would keep all that its
/// last busy moment has needed. The end of a thread that had memory makes it look everywhere.
pub(crate) async fn give_back() {
    loop {
        tokio::time::sleep(LOOK).await;
        let visit = std::thread::Builder::new().name("memory".into());
        if let Err(failure) = visit.spawn(|| drop(std::hint::black_box(Box::new(0_u64)))) {
            tracing::debug!(%failure, "no thread for a look at the memory");
        }
    }
}
