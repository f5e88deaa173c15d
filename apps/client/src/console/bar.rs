//! How far a file is, in one line of the terminal that is written over and over.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use super::show::printable;

/// It is not written more often than this.
const PAUSE: Duration = Duration::from_millis(100);
const WIDTH: usize = 24;
/// Letters of a name that are shown.
const NAME: usize = 24;

/// Where nobody looks nothing is written.
pub(super) struct Bar {
    name: String,
    begun: Instant,
    shown: Option<Instant>,
    is_seen: bool,
}

impl Bar {
    pub(super) fn new(name: &str) -> Bar {
        let name = printable(name).chars().take(NAME).collect();
        Bar { name, begun: Instant::now(), shown: None, is_seen: stderr().is_terminal() }
    }

    pub(super) fn show(&mut self, done: u64, size: u64) {
        if !self.is_seen || self.shown.is_some_and(|at| at.elapsed() < PAUSE && done < size) {
            return;
        }
        self.shown = Some(Instant::now());
        let line = line(&self.name, done, size, self.begun.elapsed());
        // Whoever does not read it misses nothing.
        let _ = write!(stderr(), "\r{line}\x1b[K");
        let _ = stderr().flush();
    }

    /// The line goes.
    pub(super) fn end(&mut self) {
        if self.shown.is_some() {
            let _ = write!(stderr(), "\r\x1b[K");
            let _ = stderr().flush();
        }
    }
}

fn line(name: &str, done: u64, size: u64, since: Duration) -> String {
    let share = done as f64 / size.max(1) as f64;
    let full = ((share * WIDTH as f64) as usize).min(WIDTH);
    let rate = done as f64 / since.as_secs_f64().max(0.001);
    let bar = format!("{}{}", "#".repeat(full), ".".repeat(WIDTH - full));
    format!("{name} [{bar}] {:3.0} % of {}, {}/s", share * 100.0, amount(size as f64), amount(rate))
}

/// 12 bytes, 3.4 KiB, 5.6 MiB.
pub(super) fn amount(bytes: f64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let mut shown = (bytes, "bytes");
    for unit in units {
        if shown.0 < 1024.0 {
            break;
        }
        shown = (shown.0 / 1024.0, unit);
    }
    if shown.1 == "bytes" { format!("{:.0} bytes", shown.0) } else { format!("{:.1} {}", shown.0, shown.1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_it_is_and_how_fast() {
        let half = line("cake.png", 5 << 20, 10 << 20, Duration::from_secs(2));
        assert_eq!(half, "cake.png [############............]  50 % of 10.0 MiB, 2.5 MiB/s");
        assert!(line("x", 0, 0, Duration::ZERO).contains("  0 % of 0 bytes"));
        assert_eq!(amount(1536.0), "1.5 KiB");
    }
}
