//! `chat client`: a line console for people, over the client library.

mod command;
mod bar;
mod book;
mod seen;
mod session;
mod show;
mod terminal;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

pub use command::{Command, Field, HELP, RoomAct};

use crate::find::SCHEME;
use crate::{Anchors, Error, Home, Named, Options, Stored, Tls, Url, home};
use session::Session;
use terminal::Terminal;

/// Register, find friends, write and read.
#[derive(Debug, Clone, Args)]
pub struct ConsoleArgs {
    /// Where the server listens: mqtt://host:port, mqtts://, ws://, wss:// or quic://; by default where this device was registered. Given several
    /// times, the next is tried where one leads nowhere
    #[arg(long)]
    pub url: Vec<Url>,
    /// Find the server by its name alone, as its signed zone says: chat.example; remembered
    #[arg(long, conflicts_with = "url")]
    pub server: Option<Named>,
    /// Keys from which on answers of DNS are believed (DS or DNSKEY, as `zone ds` prints them); by default those of the root
    #[arg(long)]
    pub anchor: Option<PathBuf>,
    /// Whom to ask questions of DNS, address:port; by default who is asked on this machine. He need not be trusted
    #[arg(long)]
    pub resolver: Option<SocketAddr>,
    /// Where the server takes files by HTTPS: https://host:port; by default at a wss address of --url, else by records
    #[arg(long)]
    pub files: Option<Url>,
    /// Folder in which this device keeps who it is
    #[arg(long, default_value = ".chat-client")]
    pub home: PathBuf,
    /// Certificates of the authorities to trust (PEM); remembered
    #[arg(long)]
    pub ca: Option<PathBuf>,
    /// Where an authority's revocation list lies (http:// or https://), once for each authority; by default at the server's own web address
    #[arg(long)]
    pub crl: Vec<String>,
    /// A certificate (PEM) to show while this device has none of its own
    #[arg(long, requires = "key")]
    pub cert: Option<PathBuf>,
    /// Its key (PEM)
    #[arg(long, requires = "cert")]
    pub key: Option<PathBuf>,
    /// Register by a fake number, on a server set up for tests
    #[arg(long)]
    pub fake: bool,
    /// Send in the clear, also to those who could receive it sealed
    #[arg(long)]
    pub plain: bool,
    /// Show every record that comes, in text notation
    #[arg(long, short)]
    pub verbose: bool,
    /// Do this one command and end; may be given several times
    #[arg(short = 'e', value_name = "COMMAND")]
    pub execute: Vec<String>,
    /// Seconds to go on listening after the commands of -e
    #[arg(long, default_value_t = 0.0)]
    pub listen: f64,
}

/// Where a device that is not registered looks first.
const DEFAULT_URL: &str = "mqtt://127.0.0.1:1883";

/// Runs the console until the person leaves, or until the commands of `-e` are done.
pub async fn console(args: ConsoleArgs) -> Result<(), Error> {
    let home = Home::open(&args.home)?;
    if let Some(ca) = &args.ca {
        home.trust(&std::fs::read_to_string(ca)?)?;
    }
    let stored = home.load()?;
    let place = Place::of(&args, stored.as_ref())?;
    let is_interactive = args.execute.is_empty();
    let mut session = Session::new(args, home, place);
    if let Some(stored) = stored {
        session.connect(stored).await?;
    }
    if is_interactive { interactive(&mut session).await } else { one_shot(&mut session).await }
}

/// Where the server is, as it was said last.
#[derive(Debug, Clone)]
enum Place {
    At(Url),
    Named(Named),
}

impl Place {
    fn of(args: &ConsoleArgs, stored: Option<&Stored>) -> Result<Place, Error> {
        let named = match (&args.server, args.url.first(), stored) {
            (Some(named), _, _) => named.clone(),
            (None, Some(url), _) => return Ok(Place::At(url.clone())),
            (None, None, Some(stored)) if stored.url.starts_with(SCHEME) => stored.url.parse()?,
            (None, None, Some(stored)) => return stored.url.parse().map(Place::At),
            (None, None, None) => return DEFAULT_URL.parse().map(Place::At),
        };
        let anchors = args.anchor.as_deref().map_or(Ok(Anchors::Root), Anchors::read)?;
        Ok(Place::Named(Named { resolver: args.resolver, anchors, ..named }))
    }

    /// To be taken up by `options`.
    fn lead(&self, options: &mut Options) {
        match self {
            Place::At(url) => options.url = url.clone(),
            Place::Named(named) => options.named = Some(named.clone()),
        }
    }

    /// For what has to be a URL.
    fn url(&self) -> Url {
        match self {
            Place::At(url) => url.clone(),
            Place::Named(named) => named.url(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::At(url) => url.fmt(f),
            Place::Named(named) => named.fmt(f),
        }
    }
}

/// The commands of `-e`, in order; the first that fails ends it.
async fn one_shot(session: &mut Session) -> Result<(), Error> {
    let print = |line: String| println!("{line}");
    for line in session.args.execute.clone() {
        let command = Command::parse(&line, session.is_writing())?;
        for line in session.run(command, async |question: &str| ask(question)).await? {
            print(line);
        }
    }
    let until = tokio::time::Instant::now() + Duration::from_secs_f64(session.args.listen.max(0.0));
    while let Ok(Some(line)) = tokio::time::timeout_at(until, session.next_line()).await {
        print(line);
    }
    session.close().await;
    Ok(())
}

/// Without a terminal an answer is read from standard input.
fn ask(question: &str) -> Result<String, Error> {
    eprint!("{question} ");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

async fn interactive(session: &mut Session) -> Result<(), Error> {
    let mut terminal = Terminal::open()?;
    terminal.print(session.greeting());
    loop {
        terminal.prompt(session.prompt());
        let line = loop {
            tokio::select! {
                line = terminal.line() => break line,
                Some(line) = session.next_line() => terminal.print(line),
            }
        };
        let Some(line) = line else { break };
        let command = match Command::parse(&line, session.is_writing()) {
            Ok(Command::Quit) => break,
            Ok(command) => command,
            Err(error) => {
                terminal.print(error.to_string());
                continue;
            }
        };
        match session.run(command, async |question: &str| terminal.ask(question).await).await {
            Ok(lines) => lines.into_iter().for_each(|line| terminal.print(line)),
            Err(error) => terminal.print(format!("! {error}")),
        }
    }
    session.close().await;
    Ok(())
}

/// TLS as the command line and the folder give it.
fn tls(args: &ConsoleArgs, home: &Home) -> Result<Option<Tls>, Error> {
    let kept = home.tls()?;
    match (&args.cert, &args.key) {
        (Some(cert), Some(key)) if kept.as_ref().is_none_or(|kept| kept.identity.is_none()) => {
            Ok(Some(Tls { identity: Some(home::identity(cert, key)?), ..kept.unwrap_or_default() }))
        }
        _ => Ok(kept),
    }
}
