//! What the load costs the server's process, read from /proc.

use std::fs;
use std::net::SocketAddr;

use crate::Error;

/// The process that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) pid: u32,
}

/// Its consumption up to a moment.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Usage {
    /// Seconds of CPU, user and system, of all threads.
    pub(super) cpu: f64,
    /// Resident memory in bytes.
    pub(super) resident: u64,
    /// Bytes sent to the disk; 0 where we may not know.
    pub(super) written: u64,
}

impl Usage {
    /// What was consumed after `earlier`.
    pub(super) fn since(self, earlier: Usage) -> Usage {
        let written = self.written.saturating_sub(earlier.written);
        Usage { cpu: self.cpu - earlier.cpu, resident: self.resident, written }
    }
}

impl Server {
    /// `--pid`: a number; `auto`, the process that listens on `address` on this machine; `none`.
    pub(super) fn find(pid: &str, address: SocketAddr) -> Result<Option<Server>, Error> {
        match pid {
            "none" => Ok(None),
            "auto" if address.ip().is_loopback() => Ok(listener(address.port()).map(|pid| Server { pid })),
            "auto" => Ok(None),
            number => {
                let pid =
                    number.parse().map_err(|_| Error::local(format!("--pid {number}: a number, auto or none")))?;
                Ok(Some(Server { pid }))
            }
        }
    }

    pub(super) fn usage(self) -> Result<Usage, Error> {
        let gone = || Error::local(format!("no process {}", self.pid));
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).map_err(|_| gone())?;
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).map_err(|_| gone())?;
        let io = fs::read_to_string(format!("/proc/{}/io", self.pid)).unwrap_or_default();
        let ticks = cpu_ticks(&stat).ok_or_else(gone)?;
        let cpu = ticks as f64 / rustix::param::clock_ticks_per_second() as f64;
        Ok(Usage { cpu, resident: resident(&status).ok_or_else(gone)?, written: written(&io) })
    }
}

/// utime and stime: the 14th and 15th field; the second is a name in brackets and may hold blanks (proc(5)).
fn cpu_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_ascii_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

fn written(io: &str) -> u64 {
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes:"));
    line.and_then(|bytes| bytes.trim().parse().ok()).unwrap_or_default()
}

/// Where sockets are listed, and the state of those that listen.
const LISTENING: [(&str, &str); 4] =
    [("/proc/net/tcp", "0A"), ("/proc/net/tcp6", "0A"), ("/proc/net/udp", "07"), ("/proc/net/udp6", "07")];

/// The process that holds the socket listening on `port`.
fn listener(port: u16) -> Option<u32> {
    let inode = LISTENING.iter().find_map(|(table, state)| listening_inode(table, state, port))?;
    let wanted = format!("socket:[{inode}]");
    let holds = |pid: &u32| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        files.map(|file| fs::read_link(file.path())).any(|link| link.is_ok_and(|to| to.as_os_str() == wanted.as_str()))
    };
    let processes = fs::read_dir("/proc").ok()?.flatten();
    processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find(holds)
}

fn listening_inode(table: &str, state: &str, port: u16) -> Option<String> {
    let suffix = format!(":{port:04X}");
    fs::read_to_string(table).ok()?.lines().skip(1).find_map(|line| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        let is_it = fields.get(1)?.ends_with(&suffix) && *fields.get(3)? == state;
        is_it.then(|| fields.get(9).map(|inode| (*inode).to_owned()))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_stat_is_read_past_a_name_with_brackets() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 8 0";
        assert_eq!(cpu_ticks(stat), Some(300));
        assert_eq!(written("rchar: 7\nwrite_bytes: 4096\ncancelled_write_bytes: 0\n"), 4096);
        assert_eq!(resident("Name:\tchat\nVmRSS:\t  2048 kB\n"), Some(2 * 1024 * 1024));
    }

    #[test]
    fn the_listener_of_a_port_is_found() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let server = Server::find("auto", address).unwrap().unwrap();
        assert_eq!(server.pid, std::process::id());
        assert!(server.usage().unwrap().resident > 0);
    }
}
