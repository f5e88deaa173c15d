//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::failure::Failure;
use crate::home::Home;
use crate::settings::Profile;

/// A secure instant messenger server, its remote shell and its client.
#[derive(Debug, Parser)]
#[command(name = "chat", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve in this terminal, until Ctrl-C
    Foreground(Start),
    /// Serve in the background; returns when it serves
    Daemon(Start),
    /// Stop the server and wait for its end
    Stop(Place),
    /// Ask whether the server is there
    Ping(Place),
    /// Say which version this is
    Version,
    /// The operator's shell in a running server
    Remote(Remote),
    /// Issue a certificate with its key, for a client or a service
    Certify(Certify),
    /// People and rooms as a file (LDIF), of a running server
    Ldif(Ldif),
    /// Register, find friends, write and read
    Client(Box<client::ConsoleArgs>),
    /// Put load on a server and measure it
    Bench(Box<client::BenchArgs>),
}

/// Which server on this machine.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The server's folder [default: $CHAT_HOME, else $XDG_DATA_HOME/chat, else ~/.local/share/chat]
    #[arg(long, value_name = "FOLDER")]
    home: Option<PathBuf>,
}

impl Place {
    pub(crate) fn home(&self) -> Result<Home, Failure> {
        Home::find(self.home.clone())
    }
}

#[derive(Debug, Args)]
pub(crate) struct Start {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The configuration [default: chat.toml in the server's folder, if it is there]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// What to begin with where the configuration says nothing [default: embedded]
    #[arg(long, value_enum)]
    pub(crate) profile: Option<Profile>,
    /// Leave the terminal; `chat daemon` says this to the process it starts
    #[arg(long, hide = true)]
    pub(crate) detached: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Remote {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Run one command and end
    #[arg(short = 'e', value_name = "COMMAND")]
    pub(crate) execute: Option<String>,
    /// Where the shell listens, if not on this machine
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) address: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Certify {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The common name; an account key lets it connect as that account's device (ID-9)
    pub(crate) name: String,
    /// For a trusted service (`sys_`) instead of a client
    #[arg(long)]
    pub(crate) service: bool,
    /// Where NAME.crt and NAME.key go [default: certs in the server's folder]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Ldif {
    #[command(subcommand)]
    pub(crate) way: LdifWay,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LdifWay {
    /// Write all entries
    Export {
        /// Where to [default: this terminal]
        file: Option<String>,
        #[command(flatten)]
        server: Reached,
    },
    /// Add, change and remove people as a file says; each record as a whole, those that are refused are told by their lines
    Import {
        file: String,
        #[command(flatten)]
        server: Reached,
    },
}

/// A running server, here or elsewhere.
#[derive(Debug, Args)]
pub(crate) struct Reached {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Where its shell listens, if not on this machine
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) address: Option<String>,
}
