//! LDIF files on the operator's side: read and written here, a part at a time.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::client::{Target, ask};
use super::ldif::END;
use crate::cli::LdifWay;
use crate::failure::Failure;
use crate::terminal::say;

/// Bytes of records that are sent at once: in base64 they fit a command. A longer record is refused.
const PART_MAX: usize = 44 * 1024;
/// Refused records that are told by their lines; the others are counted.
const TOLD_MAX: usize = 1000;

/// `chat ldif`.
pub(crate) fn ldif_file(way: &LdifWay) -> Result<(), Failure> {
    let (words, server) = match way {
        LdifWay::Export { file: None, server } => (vec!["ldif", "export"], server),
        LdifWay::Export { file: Some(file), server } => (vec!["ldif", "export", file], server),
        LdifWay::Import { file, server } => (vec!["ldif", "import", file], server),
    };
    let target = Target::new(server.place.home()?, server.address.clone());
    if let Some(done) = actix_rt::System::new().block_on(ldif(&target, &words)) {
        let said = done?;
        if !said.is_empty() {
            say(&said);
        }
    }
    Ok(())
}

/// `ldif export [FILE]`, `ldif import FILE`; `None`: other words.
pub(super) async fn ldif(target: &Target, words: &[&str]) -> Option<Result<String, Failure>> {
    match *words {
        ["ldif", "export"] => Some(export(target, &mut io::stdout().lock()).await.map(|_| String::new())),
        ["ldif", "export", path] => Some(export_to(target, Path::new(path)).await),
        ["ldif", "import", path] => Some(import(target, Path::new(path)).await),
        _ => None,
    }
}

/// Only the operator reads it.
async fn export_to(target: &Target, path: &Path) -> Result<String, Failure> {
    let failed = Failure::file(path);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).map_err(failed)?;
    let count = export(target, &mut file).await?;
    file.sync_all().map_err(Failure::file(path))?;
    Ok(format!("{count} entries"))
}

async fn export(target: &Target, out: &mut impl Write) -> Result<usize, Failure> {
    let lost = |failure: io::Error| Failure::Refused(format!("cannot write: {failure}"));
    let (mut from, mut count) = (END.to_owned(), 0);
    loop {
        let part = ask(target, &format!("ldif part {from}")).await?;
        let (next, text) = part.split_once('\n').unwrap_or((END, ""));
        count += text.lines().filter(|line| line.starts_with("dn:")).count();
        out.write_all(text.as_bytes()).map_err(lost)?;
        if next == END {
            return out.flush().map_err(lost).map(|()| count);
        }
        from = next.to_owned();
    }
}

/// What was done, in all; an error where a record was refused.
async fn import(target: &Target, path: &Path) -> Result<String, Failure> {
    let mut parts = Parts::new(BufReader::new(File::open(path).map_err(Failure::file(path))?));
    let (mut counts, mut refused) = ([0_usize; 5], Vec::new());
    while let Some(part) = parts.next().map_err(Failure::file(path))? {
        match part {
            Part::Records { before, text } => {
                let answer = ask(target, &format!("ldif take {before} {}", URL_SAFE_NO_PAD.encode(text))).await?;
                let mut lines = answer.lines();
                let numbers =
                    lines.next().unwrap_or_default().split(' ').filter_map(|number| number.parse::<usize>().ok());
                counts.iter_mut().zip(numbers).for_each(|(count, more)| *count += more);
                refused.extend(lines.map(str::to_owned));
            }
            Part::Refused(why) => refused.push(why),
        }
    }
    let [added, changed, removed, same, left] = counts;
    let all = format!("{added} added, {changed} changed, {removed} removed, {same} as they were, {left} left out");
    if refused.is_empty() {
        return Ok(all);
    }
    let count = refused.len();
    if count > TOLD_MAX {
        refused.truncate(TOLD_MAX);
        refused.push("and more".into());
    }
    Err(Failure::Refused(format!("{}\n{all}, {count} refused", refused.join("\n"))))
}

enum Part {
    /// Whole records, behind so many lines.
    Records {
        before: usize,
        text: String,
    },
    Refused(String),
}

/// A file, cut between records.
struct Parts<R> {
    from: R,
    line: usize,
    /// Read, and not yet in a part.
    kept: Option<Part>,
}

impl<R: BufRead> Parts<R> {
    fn new(from: R) -> Parts<R> {
        Parts { from, line: 0, kept: None }
    }

    fn next(&mut self) -> io::Result<Option<Part>> {
        let mut part = match self.kept.take() {
            None => match self.record()? {
                Some(first) => first,
                None => return Ok(None),
            },
            Some(kept) => kept,
        };
        while let Part::Records { text, .. } = &mut part {
            match self.record()? {
                Some(Part::Records { text: more, .. }) if text.len() + more.len() <= PART_MAX => text.push_str(&more),
                kept => {
                    self.kept = kept;
                    break;
                }
            }
        }
        Ok(Some(part))
    }

    /// Lines up to a blank one, that included.
    fn record(&mut self) -> io::Result<Option<Part>> {
        let (before, mut bytes, mut is_long) = (self.line, Vec::new(), false);
        loop {
            let start = bytes.len();
            let room = (PART_MAX + 1).saturating_sub(start) as u64;
            let read = self.from.by_ref().take(room).read_until(b'\n', &mut bytes)?;
            let is_end = read == 0 && !is_long;
            if bytes.last() == Some(&b'\n') && read > 0 {
                self.line += 1;
            }
            if bytes.len() > PART_MAX {
                // The rest of it is not kept.
                is_long = true;
                self.skip()?;
                break;
            }
            let is_blank = bytes.get(start..).is_some_and(|line| line.trim_ascii().is_empty());
            if is_end || is_blank {
                break;
            }
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        let refused = |why: &str| Ok(Some(Part::Refused(format!("line {}: {why}", before + 1))));
        match String::from_utf8(bytes) {
            _ if is_long => refused("too long a record"),
            Ok(text) => Ok(Some(Part::Records { before, text })),
            Err(_) => refused("no UTF-8"),
        }
    }

    /// Up to a blank line.
    fn skip(&mut self) -> io::Result<()> {
        let mut is_blank = false;
        loop {
            let piece = self.from.fill_buf()?;
            if piece.is_empty() {
                return Ok(());
            }
            let mut used = 0;
            for byte in piece {
                used += 1;
                match byte {
                    b'\n' => {
                        self.line += 1;
                        if is_blank {
                            self.from.consume(used);
                            return Ok(());
                        }
                        is_blank = true;
                    }
                    b'\r' => {}
                    _ => is_blank = false,
                }
            }
            self.from.consume(used);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &[u8]) -> Vec<(usize, String)> {
        let mut parts = Parts::new(text);
        let mut all = Vec::new();
        while let Some(part) = parts.next().unwrap() {
            all.push(match part {
                Part::Records { before, text } => (before, text),
                Part::Refused(why) => (0, why),
            });
        }
        all
    }

    #[test]
    fn a_file_is_cut_between_records_and_its_lines_are_counted() {
        let record = |name: usize| format!("dn: cn={name}\nsn: {}\n\n", "x".repeat(1000));
        let text: String = (0..200).map(record).collect();
        let all = parts(text.as_bytes());
        assert!(all.len() > 3 && all.iter().all(|(_, text)| text.len() <= PART_MAX && text.ends_with("\n\n")));
        let mut lines = 0;
        for (before, text) in &all {
            assert_eq!(*before, lines);
            lines += text.lines().count();
        }
        assert_eq!(all.iter().map(|(_, text)| text.as_str()).collect::<String>(), text);
        assert_eq!(parts(b"dn: a"), [(0, "dn: a".to_owned())]);
    }

    #[test]
    fn what_is_too_long_or_no_text_is_told_by_its_line_and_the_rest_is_read() {
        let long = format!("dn: a\n\ndn: b\nsn: {}\ncn: b\n\ndn: c\n", "x".repeat(3 * PART_MAX));
        let told = "line 3: too long a record".to_owned();
        assert_eq!(parts(long.as_bytes()), [(0, "dn: a\n\n".to_owned()), (0, told), (6, "dn: c\n".to_owned())]);
        let strange = parts(b"dn: a\xff\n\ndn: b\n");
        assert_eq!(strange, [(0, "line 1: no UTF-8".to_owned()), (2, "dn: b\n".to_owned())]);
    }
}
