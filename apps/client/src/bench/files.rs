//! `chat bench files`: how fast a file goes up and comes down, by HTTPS and by records, and what it takes of the server's memory.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use tokio::task::JoinSet;

use super::BenchArgs;
use super::accounts::{self, Actor};
use super::report::Report;
use super::server::Server;
use crate::files::{Place, Sink, Source};
use crate::{Client, Error, Options, Progress, Tls, Url};

/// How often the server's memory is looked at.
const LOOK: Duration = Duration::from_millis(10);
const MIB: f64 = 1_048_576.0;
/// Bytes of the file that goes up and down before anything is measured: less than a piece, so that no buffers of pieces are there yet.
const WARM_UP: u64 = 1 << 16;

#[derive(Debug, Clone, Args)]
pub struct FilesArgs {
    /// Bytes of the file, such as 500M; the server's ftp.max has to allow it
    #[arg(long, default_value = "100M", value_parser = bytes)]
    pub size: u64,
    /// Where the server takes files by HTTPS: https://host:port; without it they go by records alone, over --url
    #[arg(long)]
    pub https: Option<Url>,
    /// How many accounts do so at once
    #[arg(long, default_value_t = 1)]
    pub parallel: usize,
}

/// 500M, 64K, 1G, 12.
fn bytes(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.strip_suffix(['K', 'M', 'G']) {
        Some(digits) => (digits, text.chars().last()),
        None => (text, None),
    };
    let shift = match unit {
        Some('K') => 10,
        Some('M') => 20,
        Some('G') => 30,
        Some(_) | None => 0,
    };
    let count: u64 = digits.parse().map_err(|_| format!("{text} is no number of bytes, such as 500M"))?;
    count.checked_mul(1 << shift).filter(|bytes| *bytes > 0).ok_or_else(|| format!("{text} is no size of a file"))
}

pub(super) async fn run(args: BenchArgs, files: FilesArgs) -> Result<(), Error> {
    // A TLS listener wants certificates first.
    let actors = match args.url.carrier.is_secure() {
        true => accounts::certified(&args, files.parallel).await?,
        false => accounts::pairs(&args, files.parallel.next_multiple_of(2)).await?,
    };
    let actors = actors.get(..files.parallel).unwrap_or_default();
    let path = content(&args.home, files.size)?;
    let (server, tls) = (args.server()?, args.tls()?);
    let mut report = Report::new("files");
    report.number("MiB", files.size as f64 / MIB);
    report.count("at once", files.parallel as u64);
    let ways = [files.https.as_ref().map(|url| ("https", Some(url.clone()))), Some(("records", None))];
    for (name, url) in ways.into_iter().flatten() {
        let mut clients = Vec::new();
        for actor in actors {
            clients.push(connect(&args.url, url.clone(), tls.as_ref(), actor).await?);
        }
        warm_up(clients.first().ok_or_else(|| Error::local("no accounts"))?, &args.home).await?;

        let ups = each(&clients, |client, _| {
            let path = path.clone();
            async move {
                let (source, mut place) = (Arc::new(Source::open(&path, None)?), Place::default());
                client.hand_over(&source, "bench", &mut place, &quiet()).await
            }
        });
        let references = measured(&mut report, &format!("{name} up"), &files, server, ups).await?;
        let downs = each(&clients, |client, at| {
            let reference = references.get(at).cloned().unwrap_or_default();
            async move { client.take(&reference, &mut Sink::nowhere(), &quiet()).await }
        });
        measured(&mut report, &format!("{name} down"), &files, server, downs).await?;
        for client in clients {
            client.close().await;
        }
    }
    report.print(args.json);
    Ok(())
}

/// The first transfer finds everything asleep, and what it wakes stays: threads, their stacks and heaps, code. A small file goes first.
async fn warm_up(client: &Client, home: &Path) -> Result<(), Error> {
    let small = Arc::new(Source::open(&content(home, WARM_UP)?, None)?);
    let reference = client.hand_over(&small, "bench", &mut Place::default(), &quiet()).await?;
    client.take(&reference, &mut Sink::nowhere(), &quiet()).await
}

fn quiet() -> Progress {
    Arc::new(|_, _| {})
}

/// Does it for every client at once; results in their order.
async fn each<T, F>(clients: &[Client], work: impl Fn(Client, usize) -> F) -> Result<Vec<T>, Error>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Error>> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for (at, client) in clients.iter().enumerate() {
        let task = work(client.clone(), at);
        tasks.spawn(async move { task.await.map(|done| (at, done)) });
    }
    let mut all = Vec::new();
    while let Some(done) = tasks.join_next().await {
        all.push(done.map_err(|error| Error::local(error.to_string()))??);
    }
    all.sort_by_key(|(at, _)| *at);
    Ok(all.into_iter().map(|(_, done)| done).collect())
}

async fn measured<T>(
    report: &mut Report,
    name: &str,
    files: &FilesArgs,
    server: Option<Server>,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let before = server.map(Server::usage).transpose()?;
    let begun = Instant::now();
    let mut highest = 0;
    tokio::pin!(work);
    let done = loop {
        tokio::select! {
            done = &mut work => break done?,
            () = tokio::time::sleep(LOOK) => {
                let now = server.map(Server::usage).transpose()?;
                highest = highest.max(now.map_or(0, |now| now.resident));
            }
        }
    };
    let seconds = begun.elapsed().as_secs_f64();
    report.number(&format!("{name} MiB/s"), files.size as f64 * files.parallel as f64 / MIB / seconds);
    if let (Some(before), Some(after)) = (before, server.map(Server::usage).transpose()?) {
        let more = highest.max(after.resident).saturating_sub(before.resident);
        report.number(&format!("{name} memory of the server, MiB each"), more as f64 / MIB / files.parallel as f64);
        report.number(&format!("{name} CPU of the server, s"), after.since(before).cpu);
    }
    Ok(done)
}

async fn connect(url: &Url, files: Option<Url>, tls: Option<&Tls>, actor: &Actor) -> Result<Client, Error> {
    let mut options = Options::new(url.clone(), &actor.client_id);
    options.token = Some(actor.token.clone());
    options.tls = tls.map(|tls| Tls { identity: actor.identity(), ..tls.clone() });
    options.files = files;
    let (client, mut events) = Client::connect(options).await?;
    tokio::spawn(async move { while events.next().await.is_some() {} });
    Ok(client)
}

/// A file of this size that no compression makes smaller; always the same, so that it is one on the server as well.
fn content(folder: &Path, size: u64) -> Result<PathBuf, Error> {
    fs::create_dir_all(folder)?;
    let path = folder.join(format!("file-{size}"));
    if fs::metadata(&path).is_ok_and(|about| about.len() == size) {
        return Ok(path);
    }
    let mut file = std::io::BufWriter::with_capacity(1 << 20, fs::File::create(&path)?);
    let (mut state, mut left) = (0x9e37_79b9_7f4a_7c15_u64, size);
    while left > 0 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let bytes = state.to_le_bytes();
        let some = bytes.get(..left.min(8) as usize).unwrap_or_default();
        file.write_all(some)?;
        left -= some.len() as u64;
    }
    file.flush()?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_units() {
        assert_eq!((bytes("500M"), bytes("64K"), bytes("12")), (Ok(500 << 20), Ok(64 << 10), Ok(12)));
        assert!(["0", "M", "-1", "1T", "99999999999G"].iter().all(|bad| bytes(bad).is_err()));
    }
}
