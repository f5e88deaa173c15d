//! Files in conversations: handed over and fetched, with how far they are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proto::{Desc, Message};
use tokio::sync::watch;

use super::{Session, said};
use crate::calls::text;
use crate::console::bar::Bar;
use crate::console::show;
use crate::sealed::is_sealed;
use crate::{Error, Progress};

/// Events that are kept while a file is on its way; the server keeps those beyond.
const HELD_MAX: usize = 10_000;

/// What a file is, by the end of its name; enough for those that people show each other.
const KINDS: &[(&str, &str)] = &[
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("mp4", "video/mp4"),
    ("mp3", "audio/mpeg"),
    ("ogg", "audio/ogg"),
    ("pdf", "application/pdf"),
    ("txt", "text/plain"),
];

impl Session {
    /// `file`: a message with a file, sealed as other messages are, and the file by a key of its own (SEC-6).
    pub(super) async fn send_file(
        &mut self,
        who: Option<String>,
        path: &Path,
        words: &str,
    ) -> Result<Vec<String>, Error> {
        let target = match who {
            Some(who) => self.book.find(&who)?,
            None => self.writing.clone().ok_or_else(|| Error::local("to whom? file WHO PATH"))?,
        };
        let feed = target.feed(&self.book.own)?;
        let mut draft = self.draft(feed)?;
        draft.files = vec![Desc::text(words.as_bytes().to_vec())];
        let seal = self.would_seal(draft.clone()).await?;

        let (far, look) = watch::channel((0, 0));
        let (client, from, kind) = (self.client()?.clone(), path.to_owned(), kind(path));
        let progress: Progress = Arc::new(move |done, size| {
            far.send_replace((done, size));
        });
        let work = async move { client.send_file(&from, kind, seal, progress).await };
        let part = self.carried(path, look, work).await?;

        let name = show::file_name(&part).unwrap_or_default();
        draft.files.retain(|_| !words.is_empty());
        draft.files.push(Desc { id: Some("2".into()), ..part });
        let message: Message = self.sealed(draft).await?;
        if seal && !is_sealed(&message) {
            // The key of the file would be there for all to read.
            return Err(Error::local("not sent: it cannot be sealed any more"));
        }
        self.client()?.send_message(message).await?;
        said(format!("{name} is there"))
    }

    /// `get`: the files of a message, into a folder or under another name.
    pub(super) async fn fetch_files(
        &mut self,
        number: Option<u64>,
        place: Option<PathBuf>,
    ) -> Result<Vec<String>, Error> {
        let one = self.meant(number, false)?;
        if one.files.is_empty() {
            return Err(Error::local(format!("there is no file in #{}", one.id)));
        }
        let mut lines = Vec::new();
        for part in one.files {
            let name = show::file_name(&part).unwrap_or_else(|| "file".into());
            let to = match &place {
                Some(place) if !place.is_dir() => place.clone(),
                Some(folder) => folder.join(&name),
                None => PathBuf::from(&name),
            };
            let (far, look) = watch::channel((0, 0));
            let (client, into) = (self.client()?.clone(), to.clone());
            let progress: Progress = Arc::new(move |done, size| {
                far.send_replace((done, size));
            });
            let work = async move { client.fetch_file(&part, &into, progress).await };
            self.carried(&to, look, work).await?;
            lines.push(format!("{} is here", to.display()));
        }
        Ok(lines)
    }

    /// Waits for a file, shows how far it is, and takes meanwhile what comes.
    async fn carried<T: Send + 'static>(
        &mut self,
        path: &Path,
        mut far: watch::Receiver<(u64, u64)>,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let mut bar = Bar::new(&path.file_name().unwrap_or_default().to_string_lossy());
        let mut work = tokio::spawn(work);
        let Session { online, held, .. } = self;
        let mut events = online.as_mut().map(|online| &mut online.events);
        loop {
            let next = async {
                match &mut events {
                    Some(events) if held.len() < HELD_MAX => events.next().await,
                    Some(_) | None => std::future::pending().await,
                }
            };
            tokio::select! {
                done = &mut work => {
                    bar.end();
                    return done.map_err(|error| Error::local(error.to_string()))?;
                }
                Ok(()) = far.changed() => {
                    let (done, size) = *far.borrow_and_update();
                    bar.show(done, size);
                }
                event = next => match event {
                    Some(event) => held.push_back(event),
                    None => events = None,
                }
            }
        }
    }
}

fn kind(path: &Path) -> &'static str {
    let end = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    KINDS.iter().find(|(known, _)| *known == end).map_or("application/octet-stream", |(_, kind)| kind)
}

/// The files of a message, which `get` fetches.
pub(super) fn files(message: &Message) -> Vec<Desc> {
    let is_file = |part: &&Desc| crate::is_reference(&text(&part.payload));
    message.files.iter().filter(is_file).cloned().collect()
}
