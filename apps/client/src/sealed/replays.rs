//! A sealed message counts once: the server could show it again, or an edited one as it was before.

use std::collections::{HashMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;
use std::{fs, io};

use aws_lc_rs::digest::{SHA256, digest};
use proto::Message;

use super::{Doubt, Found, hex, unhex};
use crate::Error;

/// Messages remembered, the latest.
const SEEN_MAX: usize = 10_000;
/// Bytes of the file in which they are kept; a longer one is not ours.
const FILE_MAX: u64 = 4 << 20;
/// Ends the name of the file that is locked while the other is read or written: that one is replaced at times.
const LOCK: &str = "lock";

/// The genuine messages that were seen.
#[derive(Debug, Default)]
pub struct Replays {
    seen: HashMap<Place, Version>,
    order: VecDeque<Place>,
    kept: Option<Kept>,
    failure: Option<Error>,
}

/// SHA-256 of what is signed of a message's place: its `msg_id`, feed and author.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Place([u8; 32]);

/// Its number at the server, and when it was signed last, in seconds since 1970, as finely as a signature says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    id: Option<u64>,
    time: Option<u64>,
}

/// The file that remembers them: a line for each change, until it is written anew. Several programs may share it.
#[derive(Debug)]
struct Kept {
    path: PathBuf,
    lock: File,
    /// As this program read or wrote it last.
    state: State,
    lines: usize,
}

/// By which it is told whether somebody else has written: the file and its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct State {
    inode: u64,
    length: u64,
}

impl Replays {
    /// Those that `path` remembers, which remembers from now on.
    pub fn kept_in(path: &Path) -> Result<Replays, Error> {
        let lock = path.with_extension(LOCK);
        let lock = OpenOptions::new().create(true).append(true).mode(0o600).open(lock)?;
        let mut kept = Kept { path: path.to_owned(), lock, state: State::default(), lines: 0 };
        let mut replays = Replays::default();
        let _alone = kept.alone()?;
        replays.learn(&mut kept)?;
        replays.write_anew(&mut kept)?;
        replays.kept = Some(kept);
        Ok(replays)
    }

    /// Notes a genuine message; `Err` when it was seen as another, or in a later version.
    pub fn note(&mut self, outer: &Message, found: &Found) -> Result<(), Doubt> {
        let place = Place::of(outer);
        let since = found.time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let version = Version { id: outer.id, time: since.map(|since| since.as_secs()) };
        let shared = self.catch_up();
        match self.seen.get(&place) {
            Some(known) if known.id != version.id => return Err(Doubt::Replayed),
            Some(known) if version.time < known.time => return Err(Doubt::Outdated),
            Some(known) if *known == version => return Ok(()),
            _ => {}
        }
        self.put(place, version);
        self.failure = shared.and_then(|alone| self.keep(alone, place, version)).err().or(self.failure.take());
        Ok(())
    }

    /// Why one that was seen is forgotten at the next start.
    pub fn take_failure(&mut self) -> Option<Error> {
        self.failure.take()
    }

    fn put(&mut self, place: Place, version: Version) {
        if self.seen.insert(place, version).is_some() {
            return;
        }
        self.order.push_back(place);
        if self.order.len() > SEEN_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
    }

    /// Knows then what other programs have seen, and that none of them writes until the answer is dropped.
    fn catch_up(&mut self) -> Result<Option<Alone>, Error> {
        let Some(mut kept) = self.kept.take() else { return Ok(None) };
        let alone = kept.alone();
        let learnt = alone.and_then(|alone| self.learn(&mut kept).map(|()| Some(alone)));
        self.kept = Some(kept);
        learnt
    }

    /// Reads what the file has, if somebody else has written it.
    fn learn(&mut self, kept: &mut Kept) -> Result<(), Error> {
        let state = State::of(&kept.path)?;
        if state == kept.state {
            return Ok(());
        }
        if state.length > FILE_MAX {
            return Err(Error::local(format!("{} is no list of messages", kept.path.display())));
        }
        let bytes = if state == State::default() { Vec::new() } else { fs::read(&kept.path)? };
        let text = String::from_utf8_lossy(&bytes);
        // A last line that a crash has cut is none.
        for (place, version) in text.lines().filter_map(read) {
            if self.seen.get(&place).is_none_or(|known| known.time <= version.time) {
                self.put(place, version);
            }
        }
        (kept.state, kept.lines) = (state, text.lines().count());
        Ok(())
    }

    /// It counts as seen when the operating system has it.
    fn keep(&mut self, alone: Option<Alone>, place: Place, version: Version) -> Result<(), Error> {
        let Some(mut kept) = self.kept.take() else { return Ok(()) };
        let mut done = kept.append(&line(&place, version));
        if done.is_ok() && kept.lines > 2 * SEEN_MAX {
            done = self.write_anew(&mut kept);
        }
        self.kept = Some(kept);
        drop(alone);
        done
    }

    fn write_anew(&self, kept: &mut Kept) -> Result<(), Error> {
        let known = self.order.iter().filter_map(|place| Some((place, *self.seen.get(place)?)));
        let text: String = known.map(|(place, version)| line(place, version) + "\n").collect();
        ca::files::write_secret(&kept.path, text).map_err(|error| Error::local(error.to_string()))?;
        (kept.state, kept.lines) = (State::of(&kept.path)?, self.order.len());
        Ok(())
    }
}

/// While it lives no other program reads or writes the file.
struct Alone {
    lock: File,
}

impl Drop for Alone {
    fn drop(&mut self) {
        // Closed with the program at the latest.
        let _ = self.lock.unlock();
    }
}

impl Kept {
    /// Waits for others, who write a line or two.
    fn alone(&self) -> Result<Alone, Error> {
        self.lock.lock()?;
        Ok(Alone { lock: self.lock.try_clone()? })
    }

    fn append(&mut self, line: &str) -> Result<(), Error> {
        let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)?;
        file.write_all(format!("{line}\n").as_bytes())?;
        (self.state, self.lines) = (State::of(&self.path)?, self.lines + 1);
        Ok(())
    }
}

impl State {
    /// None where there is no file.
    fn of(path: &Path) -> Result<State, Error> {
        match fs::metadata(path) {
            Ok(metadata) => Ok(State { inode: metadata.ino(), length: metadata.len() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(State::default()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Place {
    fn of(outer: &Message) -> Place {
        let signed = Message {
            msg_id: outer.msg_id.clone(),
            feed_id: outer.feed_id.clone(),
            from: outer.from.clone(),
            ..Message::default()
        };
        let mut place = Place([0; 32]);
        let digest = digest(&SHA256, &etf::encode(&signed));
        place.0.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
        place
    }
}

/// Place, number, and time; `-` is what is not said.
fn line(place: &Place, version: Version) -> String {
    let said = |number: Option<u64>| number.map_or("-".into(), |number| number.to_string());
    format!("{} {} {}", hex(&place.0), said(version.id), said(version.time))
}

fn read(line: &str) -> Option<(Place, Version)> {
    let mut words = line.split(' ');
    let (place, id, time) = (words.next()?, words.next()?, words.next()?);
    let place = Place(unhex(place.as_bytes())?.try_into().ok()?);
    if words.next().is_some() {
        return None;
    }
    let said = |word: &str| match word {
        "-" => Some(None),
        word => word.parse().ok().map(Some),
    };
    Some((place, Version { id: said(id)?, time: said(time)? }))
}
