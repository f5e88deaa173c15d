//! Memory of the process: how large its pages are, what is set aside of its addresses, and when what is free goes back to the system.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use crate::failure::Failure;

/// How often the allocator looks at what is free.
const LOOK: Duration = Duration::from_secs(3);

/// The allocator asks for large pages, of which it needs a part.
pub(crate) fn small_pages() {
    if let Err(failure) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::warn!(%failure, "memory stays in large pages");
    }
}

/// What tells the system's allocator (64 MiB a thread) and ours (a GiB) to set nothing aside.
const MODEST: [(&str, &str); 2] = [("MALLOC_ARENA_MAX", "1"), ("MIMALLOC_ARENA_RESERVE", "0")];

/// Where address space is limited the allocators would set aside what there is of it, and threads may find no room for their stacks. They
/// read that they shall not before anything else is done, so the program begins again, unless it has been told already.
pub(crate) fn reserve_nothing() -> Result<(), Failure> {
    if MODEST.iter().all(|(name, _)| env::var_os(name).is_some()) {
        return Ok(());
    }
    let begun =
        env::current_exe().map(|program| Command::new(program).args(env::args_os().skip(1)).envs(MODEST).exec());
    let (Ok(failure) | Err(failure)) = begun;
    Err(Failure::Start(n2o::Failure::new(failure)))
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
