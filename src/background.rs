//! `chat daemon` and `chat stop`: a server without a terminal.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::cli::Start;
use crate::failure::Failure;
use crate::greeting::{FAILED, READY};
use crate::home::Home;
use crate::serve::origin;
use crate::terminal::say;

/// A server ends within 5 s; the rest is for a busy machine.
const STOP: Duration = Duration::from_secs(15);
const LOG_MODE: u32 = 0o600;

/// Starts this program as `foreground` without terminal and waits until it serves or has failed.
pub(crate) fn start(start: &Start) -> Result<(), Failure> {
    let home = start.place.home()?;
    // What is wrong with it is said before anything is made.
    origin(start, &home).load()?;
    home.make()?;
    let mut child = spawn(start, &home)?;
    let pid = child.id();
    if let Err(why) = relay(&mut child) {
        // Its end is why the pipe ended; nothing is left to wait for.
        let _ = child.wait();
        return Err(why.map_or(Failure::NotStarted { log: home.log() }, Failure::Refused));
    }
    say(&format!("runs as process {pid}, logs to {}", home.log().display()));
    Ok(())
}

fn spawn(start: &Start, home: &Home) -> Result<Child, Failure> {
    let log = home.log();
    let file = OpenOptions::new().create(true).append(true).mode(LOG_MODE).open(&log).map_err(Failure::file(&log))?;
    let program = std::env::current_exe().map_err(Failure::file(home.path()))?;
    let mut command = Command::new(&program);
    command.args(["foreground", "--detached", "--home"]).arg(home.path());
    if let Some(config) = &start.config {
        let config = std::path::absolute(config).map_err(Failure::file(config))?;
        command.arg("--config").arg(config);
    }
    if let Some(profile) = start.profile {
        command.arg("--profile").arg(format!("{profile:?}").to_lowercase());
    }
    // The server keeps no folder busy but its own.
    command.current_dir(home.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file);
    command.spawn().map_err(Failure::file(&program))
}

/// Passes on what the server says until it is ready; why it ended instead, as far as it said so.
fn relay(child: &mut Child) -> Result<(), Option<String>> {
    let mut why = None;
    let said = child.stdout.take().ok_or(None)?;
    for line in BufReader::new(said).lines().map_while(Result::ok) {
        if line.starts_with(READY) {
            return Ok(());
        }
        match (&mut why, line.strip_prefix(FAILED)) {
            (None, None) => say(&line),
            (None, Some(text)) => why = Some(text.to_owned()),
            (Some(why), _) => why.extend(["\n", &line]),
        }
    }
    Err(why)
}

/// Asks the server of this folder to stop and waits for its end.
pub(crate) fn stop(home: &Home) -> Result<(), Failure> {
    let running = home.running()?;
    let none = || Failure::NotRunning { home: home.path().into() };
    let pid = running.pid.parse().ok().and_then(Pid::from_raw).ok_or_else(none)?;
    kill_process(pid, Signal::TERM)
        .map_err(|error| Failure::File { path: home.path().into(), source: error.into() })?;

    let number = running.pid.clone();
    let (done, ended) = channel();
    let wait = move || drop(done.send(running.wait()));
    std::thread::spawn(wait);
    match ended.recv_timeout(STOP) {
        Ok(Ok(())) => {
            say("stopped");
            Ok(())
        }
        Ok(Err(_)) | Err(_) => Err(Failure::NotStopped { pid: number }),
    }
}
