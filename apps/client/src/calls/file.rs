//! Files (SPEC 6.17): bytes handed to the server in pieces, and taken from there.

use bytes::Bytes;
use etf::Term;
use proto::{Ftp, FtpStatus, Ftpack, Record};

use super::{text, unexpected};
use crate::files::{Sum, compare};
use crate::{Answer, Client, Error};

/// Answers that bring an upload no farther; then it is given up.
const STALLS_MAX: u32 = 8;

impl Client {
    /// FTP-1 to FTP-4: hands a file over, from where an earlier try under this `id` has ended; its reference, for a part of a message.
    pub async fn upload(&self, id: &str, name: &str, content: &[u8]) -> Result<String, Error> {
        let step = |status: &'static str| Ftp {
            id: Some(Bytes::copy_from_slice(id.as_bytes())),
            filename: Some(Bytes::copy_from_slice(name.as_bytes())),
            size: Some(content.len() as u64),
            offset: Some(0),
            block: Some(1),
            status: Some(FtpStatus::Text(Bytes::from_static(status.as_bytes()))),
            ..Ftp::default()
        };
        let mut ack = self.file_step(step("init")).await?;
        let (mut at, mut stalls) = (0, 0);
        while ack.block.unwrap_or(0) > 0 {
            let have = usize::try_from(ack.offset.unwrap_or(0)).unwrap_or(usize::MAX);
            let block = usize::try_from(ack.block.unwrap_or(0)).unwrap_or(usize::MAX);
            stalls = if have > at { 0 } else { stalls + 1 };
            at = have;
            let rest = content.get(have..).unwrap_or_default();
            let data = rest.get(..block.min(rest.len())).unwrap_or_default();
            if data.is_empty() || stalls > STALLS_MAX {
                return Err(Error::Unexpected(format!("an upload that stays at {have} bytes")));
            }
            let (offset, block) = (Some(have as u64), Some(data.len() as u64));
            let data = Some(Bytes::copy_from_slice(data));
            ack = self.file_step(Ftp { offset, block, data, ..step("send") }).await?;
        }
        Ok(text(&ack.filename))
    }

    /// FTP-6: a whole file, by its reference.
    pub async fn download(&self, reference: &str) -> Result<Vec<u8>, Error> {
        let mut content = Vec::new();
        loop {
            let ask = Ftp {
                filename: Some(Bytes::copy_from_slice(reference.as_bytes())),
                offset: Some(content.len() as u64),
                block: Some(proto::limits::FTP_CHUNK_BYTES as u64),
                status: Some(FtpStatus::Text(Bytes::from_static(b"recv"))),
                ..Ftp::default()
            };
            let ack = self.file_step(ask).await?;
            match ack.data.filter(|data| !data.is_empty() && content.len() + data.len() <= ca::cms::FILE_MAX + 64) {
                Some(data) => content.extend_from_slice(&data),
                None if crate::is_reference(reference) => {
                    return compare(reference, Sum::of(&content)).map(|()| content);
                }
                None => return Ok(content),
            }
        }
    }

    /// One step; what was refused is an error (FTP-8).
    pub async fn file_step(&self, step: Ftp) -> Result<Ftpack, Error> {
        checked(&self.call_for(&step.into(), Answer::Transfer).await?)
    }
}

/// The answer to a step.
pub(crate) fn checked(answers: &[Record]) -> Result<Ftpack, Error> {
    match answers.first() {
        Some(Record::Ftpack(ack)) => match refusal(&ack.options) {
            Some(code) => Err(Error::Refused { code, detail: None }),
            None => Ok((**ack).clone()),
        },
        _ => Err(unexpected(answers)),
    }
}

/// The atom of `[{error,Atom}]`.
fn refusal(options: &Term) -> Option<String> {
    let pairs = options.as_list()?.iter().filter_map(Term::as_tuple);
    let mut errors = pairs.filter(|pair| pair.first().and_then(Term::as_atom) == Some("error"));
    errors.next()?.get(1)?.as_atom().map(str::to_owned)
}
