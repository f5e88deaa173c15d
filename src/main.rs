//! The `chat` program: command line, configuration, start-up order. What it starts is in the crates beside it.

mod cli;
mod failure;
mod home;
mod settings;
mod logging;
mod keys;
mod store;
mod registrar;
mod tls;
mod enrol;
mod meter;
mod directory;
mod domain;
mod webhook;
mod files;
mod ftp;
mod outbox;
mod people;
mod courier;
mod work;
mod ring;
mod clock;
mod memory;
mod serve;
mod greeting;
mod terminal;
mod background;
mod bell;
mod remote;
mod routes;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use failure::Failure;

/// Most of what the server allocates lives for one message; the system's allocator took a sixth of its time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("chat: {failure}");
            failure.code()
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Foreground(start) => serve::foreground(&start),
        Command::Daemon(start) => background::start(&start),
        Command::Stop(place) => background::stop(&place.home()?),
        Command::Ping(place) => remote::once(&remote::Target::of(&place.home()?), "ping"),
        Command::Version => {
            terminal::say(&format!("chat {}", env!("CARGO_PKG_VERSION")));
            Ok(())
        }
        Command::Remote(remote) => remote::run(&remote),
        Command::Certify(certify) => keys::certify(&certify),
        Command::Ldif(ldif) => remote::ldif_file(&ldif.way),
        Command::Client(console) => Ok(actix_rt::System::new().block_on(client::console(*console))?),
        Command::Bench(bench) => Ok(actix_rt::System::new().block_on(client::bench(*bench))?),
    }
}
