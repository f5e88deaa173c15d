//! Files by their paths: up and down by the way that is there, on from where it was after a break (SPEC 6.17, SEC-6).

mod records;
mod sink;
mod source;
mod sum;
mod uploads;
mod web;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use proto::{Desc, Feature};

use crate::sealed::sealed_part;
use crate::{Client, Error, file_key};
pub(crate) use sink::Sink;
pub(crate) use source::Source;
pub(crate) use sum::{Sum, compare};
use uploads::Upload;
pub(crate) use uploads::{Place, Uploads};
pub(crate) use web::Web;

/// Bytes that are read and handed on at once.
const BLOCK: usize = 256 << 10;
/// Tries in a row that bring a file no farther.
const TRIES: u32 = 6;

/// Is told how many bytes have gone, and of how many.
pub type Progress = Arc<dyn Fn(u64, u64) + Send + Sync>;

impl Client {
    /// Hands a file over: over HTTPS where an address for that is known, else by records. `seal`: under a key of its own, which is in
    /// the part that is returned; so the message has to be sealed (SEC-5). What an earlier run has begun goes on ([`Options::uploads`]).
    ///
    /// [`Options::uploads`]: crate::Options::uploads
    pub async fn send_file(&self, path: &Path, mime: &str, seal: bool, progress: Progress) -> Result<Desc, Error> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        // The name of what is sealed is sealed as well.
        let label = if seal { "" } else { &name };
        let mut anew = false;
        let (source, reference) = loop {
            let Upload { source, sum, mut place } = self.begin_upload(path, seal, anew).await?;
            let source = Arc::new(source);
            match self.hand_over(&source, label, &mut place, &progress).await {
                // The server has forgotten what was begun.
                Err(Error::Refused { .. }) if place.is_old && !anew => anew = true,
                Err(_) if source.has_changed() => return Err(Error::local("the file changes while it is sent")),
                Err(error) => return Err(error),
                Ok(reference) => {
                    place.is_done();
                    if !seal {
                        compare(&reference, sum)?;
                    }
                    break (source, reference);
                }
            }
        };
        let part = match source.key() {
            Some(key) => sealed_part(mime, &name, source.plain(), key),
            None => plain_part(mime, &name, source.plain()),
        };
        Ok(Desc { id: Some(Bytes::from_static(b"1")), payload: Some(reference.into()), ..part })
    }

    async fn begin_upload(&self, path: &Path, seal: bool, anew: bool) -> Result<Upload, Error> {
        let (uploads, path, by_web) = (self.uploads.clone(), path.to_owned(), self.web.is_some());
        let begin = move || Upload::begin(uploads.as_deref(), &path, seal, by_web, anew);
        tokio::task::spawn_blocking(begin).await.map_err(|error| Error::local(error.to_string()))?
    }

    pub(crate) async fn hand_over(
        &self,
        source: &Arc<Source>,
        name: &str,
        place: &mut Place,
        to: &Progress,
    ) -> Result<String, Error> {
        match &self.web {
            Some(web) => web.upload(source, name, place, to).await,
            None => self.upload_records(source, name, place, to).await,
        }
    }

    /// Takes the file of a part, and opens it if it is sealed. Nothing that is there is written over; a try that broke off goes on.
    pub async fn fetch_file(&self, part: &Desc, to: &Path, progress: Progress) -> Result<(), Error> {
        let reference = String::from_utf8_lossy(part.payload.as_deref().unwrap_or_default()).into_owned();
        if !is_reference(&reference) {
            return Err(Error::local("there is no file in it"));
        }
        match file_key(part) {
            Some(key) if !in_parts(part) => {
                // As older senders seal: all at once.
                let sealed = self.download(&reference).await?;
                let mut sink = Sink::of_opened(to, &reference)?;
                let content = ca::cms::open_file(&sealed, &key)?;
                sink.write(&content, content.len() as u64)?;
                sink.end()
            }
            key => self.take(&reference, &mut Sink::open(to, &reference, key)?, &progress).await,
        }
    }

    pub(crate) async fn take(&self, reference: &str, sink: &mut Sink, to: &Progress) -> Result<(), Error> {
        match &self.web {
            Some(web) => web.download(reference, sink, to).await,
            None => self.download_records(reference, sink, to).await,
        }
    }
}

/// Whether a part's payload is a file's reference (FTP-3).
pub fn is_reference(text: &str) -> bool {
    let is_half = |half: &str| half.len() == 64 && half.bytes().all(|digit| digit.is_ascii_hexdigit());
    text.split_once('/').is_some_and(|(owner, content)| is_half(owner) && is_half(content))
}

fn in_parts(part: &Desc) -> bool {
    part.data.iter().any(|feature| feature.is(b"FILE_DATA", b"PART"))
}

fn plain_part(mime: &str, name: &str, size: u64) -> Desc {
    let feature = |key: &'static str, value: String| Feature::new("FILE_DATA", key, value);
    let data = vec![feature("FILENAME", name.to_owned()), feature("SIZE", size.to_string())];
    Desc { mime: Some(Bytes::copy_from_slice(mime.as_bytes())), data, ..Desc::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ca::cms::FileKey;
    use std::fs;

    /// What a source gives in pieces of this length a sink takes, breaking off on the way.
    #[test]
    fn sec_6_a_file_goes_in_parts_and_goes_on_after_a_break() {
        let folder = tempfile::tempdir().unwrap();
        let part = ca::cms::FILE_PART;
        for (size, sealed) in [(1, true), (part, true), (part + 1, true), (2 * part, true), (2 * part + 5, false)] {
            let content: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
            let (from, to) = (folder.path().join("from"), folder.path().join(format!("to{size}")));
            fs::write(&from, &content).unwrap();
            let source = Source::open(&from, sealed.then(|| FileKey::fresh().unwrap())).unwrap();
            let reference = format!("{}/{}", "0".repeat(64), crate::sealed::hex(&Sum::of(&content)));
            let all = source.size();
            let mut broken = false;
            loop {
                let mut sink = Sink::open(&to, &reference, source.key().cloned()).unwrap();
                assert!(sink.at() <= all);
                while sink.at() < all && (broken || sink.at() < all / 2) {
                    let block = source.read(sink.at(), 300_000).unwrap();
                    sink.write(&block, all).unwrap();
                }
                if std::mem::replace(&mut broken, true) {
                    sink.end().unwrap();
                    break;
                }
            }
            assert!(fs::read(&to).unwrap() == content, "{size}");
            assert!(Sink::open(&to, &reference, None).is_err(), "what is there stays");
        }
    }

    #[test]
    fn ftp_3_what_is_not_the_file_is_not_kept_and_the_next_try_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("to");
        let reference = format!("{}/{}", "0".repeat(64), crate::sealed::hex(&Sum::of(b"hello world")));
        let mut wrong = Sink::open(&to, &reference, None).unwrap();
        wrong.write(b"hello ", 11).unwrap();
        drop(wrong);
        let mut wrong = Sink::open(&to, &reference, None).unwrap();
        assert_eq!(wrong.at(), 6);
        wrong.write(b"WORLD", 11).unwrap();
        assert!(matches!(wrong.end(), Err(Error::OtherBytes)));
        assert!(fs::read_dir(folder.path()).unwrap().next().is_none(), "nothing is left");

        let mut right = Sink::open(&to, &reference, None).unwrap();
        right.write(b"none of it", 11).unwrap();
        right.rewind().unwrap();
        right.write(b"hello ", 11).unwrap();
        drop(right);
        let mut right = Sink::open(&to, &reference, None).unwrap();
        right.write(b"world", 11).unwrap();
        right.end().unwrap();
        assert_eq!(fs::read(&to).unwrap(), b"hello world");
    }

    /// The program was killed when all was there but the name.
    #[test]
    fn sec_6_a_sealed_file_whose_parts_are_all_there_still_gets_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to, part) = (folder.path().join("from"), folder.path().join("to"), ca::cms::FILE_PART);
        fs::write(&from, vec![7; 2 * part]).unwrap();
        let source = Source::open(&from, Some(FileKey::fresh().unwrap())).unwrap();
        let mut sink = Sink::open(&to, "x/y", source.key().cloned()).unwrap();
        while sink.at() < source.size() {
            sink.write(&source.read(sink.at(), BLOCK).unwrap(), source.size()).unwrap();
        }
        drop(sink);
        let mut sink = Sink::open(&to, "x/y", source.key().cloned()).unwrap();
        assert!(sink.at() < source.size());
        while sink.at() < source.size() {
            sink.write(&source.read(sink.at(), BLOCK).unwrap(), source.size()).unwrap();
        }
        sink.end().unwrap();
        assert!(fs::read(&to).unwrap() == vec![7; 2 * part]);
    }

    #[test]
    fn sec_6_a_sealed_file_that_was_cut_or_mixed_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let (from, reference) = (folder.path().join("from"), "x/y");
        fs::write(&from, vec![7; 2 * ca::cms::FILE_PART]).unwrap();
        let source = Source::open(&from, Some(FileKey::fresh().unwrap())).unwrap();
        let whole = ca::cms::FILE_PART + ca::cms::FILE_TAG;
        let parts = [source.read(0, whole).unwrap(), source.read(whole as u64, whole).unwrap()];
        let sink = |name: &str| Sink::open(&folder.path().join(name), reference, source.key().cloned()).unwrap();
        // The first part as if it were all.
        assert!(sink("cut").write(&parts[0], whole as u64).is_err());
        // In another order.
        assert!(sink("mixed").write(&parts[1], 2 * whole as u64).is_err());
        let mut bent = parts[0].to_vec();
        bent[0] ^= 1;
        assert!(sink("bent").write(&bent, 2 * whole as u64).is_err());
        // Not all of it has come.
        let mut short = sink("short");
        short.write(&parts[0], 2 * whole as u64).unwrap();
        assert!(short.end().is_err());
    }
}
