//! The same by records over the connection (FTP-1 to FTP-6), some of them on the way at once.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use proto::{Ftp, FtpStatus, Ftpack, Record};
use tokio::sync::oneshot;

use super::{Place, Progress, Sink, Source, TRIES};
use crate::calls::{checked, fresh_msg_id};
use crate::{Answer, Client, Error};

/// Bytes of a piece. Larger ones would go no faster, and both sides would need buffers of many pages for them.
const PIECE: usize = 64 << 10;
/// Pieces that are not answered yet: what is on the way while the disk of the other side is waited for.
const AHEAD: usize = 8;

type Asked = oneshot::Receiver<Result<Vec<Record>, Error>>;

impl Client {
    pub(super) async fn upload_records(
        &self,
        source: &Arc<Source>,
        name: &str,
        place: &mut Place,
        progress: &Progress,
    ) -> Result<String, Error> {
        let (id, size) = match place.name() {
            Some(id) => (Bytes::copy_from_slice(id.as_bytes()), source.size()),
            None => {
                let id = fresh_msg_id()?;
                place.is_at(String::from_utf8_lossy(&id).into_owned())?;
                (id, source.size())
            }
        };
        let step = |status: &'static str| Ftp {
            id: Some(id.clone()),
            filename: Some(Bytes::copy_from_slice(name.as_bytes())),
            size: Some(size),
            offset: Some(0),
            block: Some(1),
            status: Some(FtpStatus::Text(Bytes::from_static(status.as_bytes()))),
            ..Ftp::default()
        };
        let (mut far, mut stalls) = (0, 0);
        loop {
            let begun = self.file_step(step("init")).await?;
            let mut at = begun.offset.unwrap_or(0);
            if at == size && begun.block == Some(0) {
                return reference(&begun);
            }
            stalls = if at > far { 0 } else { stalls + 1 };
            far = at;
            if stalls > TRIES {
                return Err(Error::Unexpected(format!("an upload that stays at {at} bytes")));
            }
            let mut waiting: VecDeque<(Asked, u64)> = VecDeque::new();
            loop {
                while at < size && waiting.len() < AHEAD {
                    let data = source.read(at, PIECE)?;
                    let (offset, block) = (Some(at), Some(data.len() as u64));
                    at += data.len() as u64;
                    let piece = Ftp { offset, block, data: Some(data), ..step("send") };
                    waiting.push_back((self.ask(&piece.into(), Answer::Transfer).await?, at));
                }
                let Some((asked, end)) = waiting.pop_front() else { break };
                let ack = checked(&asked.await.map_err(|_| Error::Disconnected)??)?;
                progress(ack.offset.unwrap_or(0).min(size), size);
                if ack.offset == Some(size) && ack.block == Some(0) {
                    return reference(&ack);
                }
                if ack.offset != Some(end) {
                    // It has not taken what we took it to have: ask again.
                    break;
                }
            }
        }
    }

    pub(super) async fn download_records(
        &self,
        reference: &str,
        sink: &mut Sink,
        progress: &Progress,
    ) -> Result<(), Error> {
        let ask = |offset: u64| Ftp {
            filename: Some(Bytes::copy_from_slice(reference.as_bytes())),
            offset: Some(offset),
            block: Some(PIECE as u64),
            status: Some(FtpStatus::Text(Bytes::from_static(b"recv"))),
            ..Ftp::default()
        };
        let first = self.file_step(Ftp { block: Some(0), ..ask(sink.at()) }).await?;
        let size = first.size.unwrap_or(0);
        let (mut at, mut waiting): (u64, VecDeque<Asked>) = (sink.at(), VecDeque::new());
        while sink.at() < size {
            while at < size && waiting.len() < AHEAD {
                waiting.push_back(self.ask(&ask(at).into(), Answer::Transfer).await?);
                at += PIECE as u64;
            }
            let Some(asked) = waiting.pop_front() else { return Err(Error::Disconnected) };
            let ack: Ftpack = checked(&asked.await.map_err(|_| Error::Disconnected)??)?;
            let data = ack.data.unwrap_or_default();
            if data.is_empty() || ack.offset != Some(sink.at()) {
                return Err(Error::Unexpected("another part of the file".into()));
            }
            sink.write(&data, size)?;
            progress(sink.at(), size);
        }
        sink.end()
    }
}

fn reference(ack: &Ftpack) -> Result<String, Error> {
    let text = ack.filename.as_ref().and_then(|name| String::from_utf8(name.to_vec()).ok());
    text.ok_or_else(|| Error::Unexpected("a file without a reference".into()))
}
