//! A sealed message counts once: the server could show it again, or an edited one as it was before.

use std::collections::{HashMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;
use std::{fmt, fs, io};

use aws_lc_rs::digest::{SHA256, digest};
use proto::Message;

use super::{Doubt, Found};
use crate::Error;

/// Messages remembered, the latest.
const SEEN_MAX: usize = 10_000;
/// Bytes of the file in which they are kept; a longer one is not ours.
const FILE_MAX: u64 = 4 << 20;

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

/// The file that remembers them: a line for each change, until it is written anew.
#[derive(Debug)]
struct Kept {
    path: PathBuf,
    file: File,
    lines: usize,
}

impl Replays {
    /// Those that `path` remembers, which remembers from now on.
    pub fn kept_in(path: &Path) -> Result<Replays, Error> {
        let mut replays = Replays::default();
        let text = match fs::metadata(path) {
            Ok(metadata) if metadata.len() > FILE_MAX => {
                return Err(Error::local(format!("{} is no list of messages", path.display())));
            }
            Ok(_) => String::from_utf8_lossy(&fs::read(path)?).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error.into()),
        };
        // A last line that a crash has cut is none.
        for (place, version) in text.lines().filter_map(read) {
            replays.put(place, version);
        }
        replays.write_anew(path)?;
        Ok(replays)
    }

    /// Notes a genuine message; `Err` when it was seen as another, or in a later version.
    pub fn note(&mut self, outer: &Message, found: &Found) -> Result<(), Doubt> {
        let place = Place::of(outer);
        let since = found.time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let version = Version { id: outer.id, time: since.map(|since| since.as_secs()) };
        match self.seen.get(&place) {
            Some(known) if known.id != version.id => return Err(Doubt::Replayed),
            Some(known) if version.time < known.time => return Err(Doubt::Outdated),
            Some(known) if *known == version => return Ok(()),
            _ => {}
        }
        self.put(place, version);
        self.failure = self.keep(place, version).err().or(self.failure.take());
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

    /// It counts as seen when the operating system has it.
    fn keep(&mut self, place: Place, version: Version) -> Result<(), Error> {
        let Some(kept) = &mut self.kept else { return Ok(()) };
        kept.file.write_all(format!("{}\n", line(&place, version)).as_bytes())?;
        kept.lines += 1;
        if kept.lines > 2 * SEEN_MAX {
            let path = kept.path.clone();
            self.write_anew(&path)?;
        }
        Ok(())
    }

    fn write_anew(&mut self, path: &Path) -> Result<(), Error> {
        let known = self.order.iter().filter_map(|place| Some((place, *self.seen.get(place)?)));
        let text: String = known.map(|(place, version)| line(place, version) + "\n").collect();
        ca::files::write_secret(path, text).map_err(|error| Error::local(error.to_string()))?;
        let file = OpenOptions::new().append(true).mode(0o600).open(path)?;
        self.kept = Some(Kept { path: path.to_owned(), file, lines: self.order.len() });
        Ok(())
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

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Place, number, and time; `-` is what is not said.
fn line(place: &Place, version: Version) -> String {
    let said = |number: Option<u64>| number.map_or("-".into(), |number| number.to_string());
    format!("{place} {} {}", said(version.id), said(version.time))
}

fn read(line: &str) -> Option<(Place, Version)> {
    let mut words = line.split(' ');
    let (place, id, time) = (words.next()?, words.next()?, words.next()?);
    let mut bytes = [0; 32];
    if place.len() != 2 * bytes.len() || !place.is_ascii() || words.next().is_some() {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(place.get(at..at + 2)?, 16).ok()?;
    }
    let said = |word: &str| match word {
        "-" => Some(None),
        word => word.parse().ok().map(Some),
    };
    Some((Place(bytes), Version { id: said(id)?, time: said(time)? }))
}
